"""Calibration, abstention and the quality gate: numbers by hand, of scikit-learn, scipy and torchmetrics."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from figures import artists, find_overlaps, labels_of, page_of, words
from pydantic import ValidationError
from scipy import optimize, stats
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss

from painlib.calibration import (
    Calibration,
    QualityLimits,
    abstain_calls,
    check_abstention,
    choose_limits,
    compute_ece,
    count_calls,
    count_left_out,
    cross_calibrate,
    cross_estimate_shown,
    find_call_confidence,
    find_quality_limits,
    fit_calibration,
    fit_fold_calibrations,
    fuse_calibrated,
    gate_faces,
    judge_or_abstain,
    mark_latent_pain,
    measure_quality,
    reliability_table,
    score_abstention,
    score_calibration,
    score_latent,
    score_quality_bins,
)
from painlib.faults import PainlibError
from painlib.fusion import fuse_timepoints, minute_probability, pair_cameras
from painlib.model_card import (
    LABELS,
    Architecture,
    CardMetrics,
    CropFacts,
    ModelCard,
    TrainingAnimal,
    read_card,
)
from painlib.plots.calibration import (
    pick_left_out_faces,
    plot_left_out,
    plot_quality,
    plot_reliability,
    plot_risk_coverage,
)
from painlib.pose.labels import COORDINATES

NAN = float("nan")


def judge(subject: str, label: list[int], p_pain: list[float], fold: str = "fold_1") -> pd.DataFrame:
    p = np.array(p_pain, dtype=float)
    table = pd.DataFrame({"subject": subject, "label": label, "fold": fold, "p_no_pain": 1 - p, "p_pain": p})
    return table.assign(recording=subject, camera="A", frame=range(len(p)))


def join(*tables: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(tables, ignore_index=True)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def simulate(
    seed: int = 1, animals: int = 12, faces: int = 200, temperature: float = 2.0, folds: int = 4
) -> pd.DataFrame:
    """A network whose logits are `temperature` times too large; each animal half pain, of its own ease."""
    rng = np.random.default_rng(seed)
    tables = []
    for number in range(animals):
        # With logits drawn first and labels from them, the probabilities at temperature 1 are true.
        logit = rng.normal(0, 1.5 + rng.random(), faces)
        label = (rng.random(faces) < sigmoid(logit)).astype(int)
        fold = f"fold_{number % folds + 1}"
        tables.append(judge(f"m{number:02d}", label.tolist(), sigmoid(temperature * logit).tolist(), fold))
    return join(*tables)


# --- fitting ---

# At p = 0.9 and 0.1 with three of four right, log loss is least where 9 ** (1 / T) = 3, so T = 2.
THREE_OF_FOUR = ([1, 1, 1, 0], [0.9] * 4), ([0, 0, 0, 1], [0.1] * 4)


def test_a_network_that_says_nine_of_ten_and_is_right_in_three_of_four_has_temperature_two():
    fitted = fit_calibration(join(judge("m1", *THREE_OF_FOUR[0]), judge("m2", *THREE_OF_FOUR[1])))
    assert fitted.temperature == pytest.approx(2, abs=1e-6)
    assert (fitted.n_animals, fitted.n_faces, fitted.share_pain) == (2, 8, 0.5)
    assert fitted.apply(np.array([0.9, 0.5, 0.1])) == pytest.approx([0.75, 0.5, 0.25], abs=1e-6)
    assert "Temperature 2, fitted to 8 held-out faces of 2 animals." in fitted.explain()


def test_an_animal_with_a_hundred_times_the_faces_weighs_the_same():
    # One animal always right, the other in half: three of four, whatever the number of faces.
    few = judge("few", [1, 1, 0, 0], [0.9, 0.9, 0.1, 0.1])
    many = judge("many", [1, 0] * 200, [0.9] * 200 + [0.1] * 200)
    assert fit_calibration(join(few, many)).temperature == pytest.approx(2, abs=1e-6)


def test_the_temperature_is_that_of_a_logistic_regression_without_intercept():
    table = simulate()
    table = table[table["frame"] < 20 + 15 * table["subject"].str[1:].astype(int)]  # 20 to 185 faces
    weight = 1 / table.groupby("subject")["label"].transform("size")
    logit = np.log(table["p_pain"] / table["p_no_pain"]).to_numpy()[:, None]
    reference = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10)
    reference.fit(logit, table["label"], sample_weight=weight)
    fitted = fit_calibration(table, "temperature")
    assert fitted.temperature == pytest.approx(1 / reference.coef_[0, 0], rel=1e-4)


def test_isotonic_pools_what_falls():
    # Pool adjacent violators by hand: 0, (1, 0) -> 0.5 twice, 1.
    table = join(judge("m1", [0, 1], [0.1, 0.2]), judge("m2", [0, 1], [0.3, 0.4]))
    fitted = fit_calibration(table, "isotonic")
    assert fitted.apply(np.array([0.0, 0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 1.0])) == pytest.approx(
        [0, 0, 0.5, 0.5, 0.5, 0.75, 1, 1]
    )


def test_isotonic_weighs_animals_the_same():
    # At one p: animal a has 1 of 1 pain, animal b 0 of 9. Animals alike: 0.5; faces alike: 0.1.
    table = join(judge("a", [1, 0], [0.7, 0.1]), judge("b", [0] * 9 + [0] * 9, [0.7] * 9 + [0.1] * 9))
    assert fit_calibration(table, "isotonic").apply(0.7) == pytest.approx(0.5)


def test_zero_and_one_are_defined_and_nothing_stays_nothing():
    fitted = Calibration(method="temperature", temperature=2, n_animals=2, n_faces=8)
    # 1e-7 has odds of 1e-7; their root is 3.1623e-4.
    low = 3.1623e-4 / (1 + 3.1623e-4)
    np.testing.assert_allclose(
        fitted.apply(np.array([[0, 1], [NAN, 0.5]])), [[low, 1 - low], [NAN, 0.5]], 1e-4
    )
    with pytest.raises(PainlibError, match=r"0 to 1, got 1\.5"):
        fitted.apply(np.array([0.2, 1.5]))


def test_calibration_never_changes_a_temperature_call():
    table = cross_calibrate(simulate(temperature=0.3), "temperature")
    assert ((table["p_pain"] > 0.5) == (table["p_pain_calibrated"] > 0.5)).all()


DEGENERATE = {
    "no face": (simulate().iloc[:0], "No held-out face has a label"),
    "no label": (simulate().assign(label=-1), "No held-out face has a label"),
    "one animal": (judge("m1", *THREE_OF_FOUR[0]), "Only one held-out animal (m1)"),
    "one class": (join(judge("a", [1, 1], [0.9, 0.2]), judge("b", [1], [0.8])), "labelled 'pain'"),
    "all equal": (
        join(judge("a", [1, 0], [0.7, 0.7]), judge("b", [1], [0.7])),
        "the same probability of pain",
    ),
}


@pytest.mark.parametrize("method", ["floor", "temperature", "isotonic"])
@pytest.mark.parametrize("name", DEGENERATE)
def test_a_fit_that_cannot_be_leaves_probabilities_as_they_are_and_says_why(name, method):
    table, why = DEGENERATE[name]
    fitted = fit_calibration(table, method)
    assert fitted.method == "none"
    assert why in fitted.remark
    assert why in fitted.explain()
    p = np.array([0, 0.3, 1, NAN])
    np.testing.assert_array_equal(fitted.apply(p), p)


def test_judging_without_a_mistake_has_no_best_temperature():
    table = join(judge("a", [1, 0], [0.6, 0.2]), judge("b", [1, 0], [0.9, 0.45]))
    fitted = fit_calibration(table)
    assert (fitted.method, fitted.remark) == (
        "none",
        "Every held-out face is judged rightly: no temperature is best.",
    )
    assert fit_calibration(table, "temperature") == fitted
    assert fit_calibration(table, "isotonic").method == "isotonic"


# --- weak labels ---


def mislabel(table: pd.DataFrame, floor: float, seed: int = 0) -> pd.DataFrame:
    """So large a share of the faces that show no pain labelled pain."""
    drawn = np.random.default_rng(seed).random(len(table)) < floor
    return table.assign(shows=table["label"], label=np.where(drawn, 1, table["label"]))


@pytest.mark.parametrize("floor", [0.15, 0.3])
def test_the_share_of_weak_labels_and_what_lies_under_them_are_found(floor):
    # The network says the probability that pain shows, its logit twice too large.
    table = mislabel(simulate(animals=40, temperature=2.0), floor)
    fitted = fit_calibration(table)
    assert fitted.method == "floor"
    assert fitted.floor == pytest.approx(floor, abs=0.03)
    assert fitted.temperature == pytest.approx(2, rel=0.1)
    logit = np.linspace(-3, 3, 13)
    np.testing.assert_allclose(fitted.estimate_shown(sigmoid(2 * logit)), sigmoid(logit), atol=0.04)
    of_label = floor + (1 - floor) * sigmoid(logit)
    np.testing.assert_allclose(fitted.apply(sigmoid(2 * logit)), of_label, atol=0.04)
    # A temperature has no floor to give.
    assert np.abs(fit_calibration(table, "temperature").apply(sigmoid(2 * logit)) - of_label).max() > 0.08


def test_the_fit_is_that_of_least_log_loss():
    """Against a search by scipy that knows no gradient, animals of unlike size."""
    table = mislabel(simulate(animals=8), 0.25)
    table = table[table["frame"] < 20 + 20 * table["subject"].str[1:].astype(int)]
    weight = (1 / table.groupby("subject")["label"].transform("size")).to_numpy()
    logit = np.log(table["p_pain"] / table["p_no_pain"]).to_numpy()

    def loss(at: np.ndarray) -> float:
        p = at[2] + (1 - at[2]) * sigmoid(logit / at[0] + at[1])
        return float(log_loss(table["label"], p, sample_weight=weight))

    best = optimize.minimize(
        loss, [1.5, 0.1, 0.2], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-12}
    )
    fitted = fit_calibration(table)
    assert (fitted.temperature, fitted.offset, fitted.floor) == pytest.approx(tuple(best.x), abs=2e-3)


def test_without_weak_labels_a_floor_is_a_temperature():
    """At T = 2 exactly, as many faces as each probability asks for: the floor goes to 0."""
    p, n = np.arange(1, 20) / 20, 200
    odds = (p / (1 - p)) ** 2
    tables = [
        judge(f"m{k}", [1] * round(n * one) + [0] * round(n * (1 - one)), [o / (1 + o)] * n)
        for k in range(6)
        for one, o in zip(p, odds, strict=True)
    ]
    fitted = fit_calibration(join(*tables))
    assert fitted.method == "temperature"
    assert fitted.temperature == pytest.approx(2, rel=1e-3)
    assert fitted.floor is None
    assert fitted.remark == "No floor: of the faces that show no pain hardly one is labelled pain."
    np.testing.assert_array_equal(fitted.estimate_shown(p), fitted.apply(p))
    # Drawn by chance the floor is small, and what comes out hardly another.
    table, logit = simulate(), np.linspace(-3, 3, 13)
    np.testing.assert_allclose(fit_calibration(table).apply(sigmoid(2 * logit)), sigmoid(logit), atol=0.04)


def test_few_animals_and_faces_told_apart_by_a_threshold_have_no_floor():
    few = fit_calibration(mislabel(simulate(animals=5), 0.3))
    assert (few.method, few.remark) == ("temperature", "No floor is fitted to 5 animals; 6 are needed.")
    assert few == fit_calibration(mislabel(simulate(animals=5), 0.3), "temperature").model_copy(
        update={"remark": few.remark}
    )
    two = join(
        judge("a", [1, 1, 0, 0], [0.9, 0.6, 0.7, 0.1]), judge("b", [1, 0, 0, 0], [0.8, 0.3, 0.2, 0.55])
    )
    assert fit_calibration(two).method == "temperature"
    apart = join(*(judge(f"m{k}", [1, 1, 0, 0], [0.9, 0.7, 0.6, 0.1 + k / 100]) for k in range(8)))
    threshold = fit_calibration(apart)
    assert threshold.method == "temperature"
    assert threshold.remark.startswith("No floor: ")


def test_what_shows_is_the_labels_probability_less_the_floor_fold_by_fold():
    table = mislabel(simulate(animals=12, faces=100), 0.25)
    shown, calibrated = cross_estimate_shown(table), cross_calibrate(table)
    for fold, fitted in fit_fold_calibrations(table).items():
        own = (table["fold"] == fold).to_numpy()
        assert fitted.floor is not None
        back = fitted.floor + (1 - fitted.floor) * shown["p_pain_shown"][own]
        np.testing.assert_allclose(calibrated["p_pain_calibrated"][own], back)
    scores = score_calibration(shown, "shows", {"raw": "p_pain", "shown": "p_pain_shown"})
    ece = scores[scores["measure"] == "ece"].set_index("probabilities")["value"]
    assert ece["shown"] < 0.06 < ece["raw"]


def test_a_threshold_that_no_call_of_no_pain_can_reach_is_refused():
    floor = Calibration(method="floor", temperature=1, offset=-1, floor=0.23, n_animals=9, n_faces=90)
    check_abstention(floor, 0.5)
    check_abstention(floor, 0.76)
    with pytest.raises(PainlibError, match=r"at most 0\.76, got 0\.8.*no call of no pain.*surer than 0\.770"):
        check_abstention(floor, 0.8)
    check_abstention(Calibration(method="temperature", temperature=2, n_animals=9, n_faces=90), 0.99)
    check_abstention(None, 0.9)


@pytest.mark.parametrize("method", ["floor", "temperature", "isotonic"])
def test_probabilities_that_point_the_wrong_way_become_even_odds_with_a_warning(method):
    table = simulate()
    wrong = table.assign(p_pain=table["p_no_pain"])
    fitted = fit_calibration(wrong, method)
    assert "do not use this model" in fitted.remark
    assert np.abs(fitted.apply(np.array([0.001, 0.999])) - table["label"].mean()).max() < 0.03


def test_faulty_judgements_are_named():
    table = simulate(animals=2)
    with pytest.raises(PainlibError, match="missing: p_pain"):
        fit_calibration(table.drop(columns="p_pain"))
    with pytest.raises(PainlibError, match=r"(?s)'label': expected 0, 1.*got 2.*'p_pain'.*got nan; 3 faces"):
        fit_calibration(table.assign(label=2, p_pain=[*table["p_pain"][:-3], NAN, NAN, NAN]))
    with pytest.raises(PainlibError, match="'label': expected 0, 1 or nothing, got 'pain'"):
        fit_calibration(table.assign(label="pain"))
    with pytest.raises(PainlibError, match="'platt'"):
        fit_calibration(table, "platt")  # type: ignore[arg-type]


# --- fitted and scored on different animals ---


@pytest.mark.parametrize("method", ["floor", "temperature", "isotonic"])
def test_an_animals_own_labels_do_not_change_its_calibrated_values(method):
    table = simulate(animals=8, faces=60)
    before = cross_calibrate(table, method)
    for fold in table["fold"].unique():
        own = (table["fold"] == fold).to_numpy()
        flipped = table.assign(label=np.where(own, 1 - table["label"], table["label"]))
        after = cross_calibrate(flipped, method)
        np.testing.assert_array_equal(after["p_pain_calibrated"][own], before["p_pain_calibrated"][own])
        # The others see it: their calibration is fitted to these labels.
        assert (after["p_pain_calibrated"][~own] != before["p_pain_calibrated"][~own]).any()


def test_each_fold_is_calibrated_by_the_fit_to_the_others():
    table = simulate(animals=8, faces=60)
    calibrated = cross_calibrate(table)
    fits = fit_fold_calibrations(table)
    assert list(fits) == ["fold_1", "fold_2", "fold_3", "fold_4"]
    for fold, fitted in fits.items():
        own = table["fold"] == fold
        assert fitted == fit_calibration(table[~own])
        np.testing.assert_array_equal(
            calibrated["p_pain_calibrated"][own], fitted.apply(table["p_pain"][own])
        )
    assert calibrated.drop(columns="p_pain_calibrated").equals(table)


def test_an_animal_in_two_folds_is_refused_and_one_fold_alone_changes_nothing():
    table = simulate(animals=2, faces=20, folds=1)
    with pytest.raises(PainlibError, match="'m00' in 2"):
        cross_calibrate(table.assign(fold=["fold_1"] * 10 + ["fold_2"] * 30))
    np.testing.assert_array_equal(cross_calibrate(table)["p_pain_calibrated"], table["p_pain"])


# --- the model card ---


def build_card(**parts) -> ModelCard:
    return ModelCard(
        architecture=Architecture(channels=(1,) * 6, head_widths=(1, 1), input_px=64, n_outputs=2),
        labels=LABELS,
        training_animals=(TrainingAnimal(subject="m1", sex="", n_faces=3),),
        crop=CropFacts(crop_px=800, border="shift", likelihood_threshold=0.9),
        pose_network=None,
        metrics=CardMetrics(held_out={}, training_set={}),
        training={},
        seed=1,
        versions={},
        **parts,
    )


@pytest.mark.parametrize("method", ["floor", "temperature", "isotonic"])
def test_the_card_keeps_calibration_and_limits(tmp_path, method):
    calibration = fit_calibration(simulate(), method)
    limits = QualityLimits(min_sharpness=0.1, n_animals=12, remarks={"turn": "no limit: why"})
    card = build_card(calibration=calibration, quality_limits=limits)
    (tmp_path / "card.json").write_text(json.dumps(card.model_dump(mode="json"), allow_nan=False))
    read = read_card(tmp_path)
    assert (read.calibration, read.quality_limits) == (calibration, limits)
    assert read.calibration is not None
    p = np.linspace(0, 1, 50)
    np.testing.assert_array_equal(read.calibration.apply(p), calibration.apply(p))


def test_a_card_from_before_calibration_still_loads(tmp_path):
    old = build_card().model_dump(mode="json")
    del old["calibration"], old["quality_limits"]
    (tmp_path / "card.json").write_text(json.dumps(old))
    read = read_card(tmp_path)
    assert (read.calibration, read.quality_limits) == (None, None)


@pytest.mark.parametrize(
    "faulty",
    [
        {"method": "temperature"},
        {"method": "temperature", "temperature": 0},
        {"method": "none", "temperature": 2},
        {"method": "temperature", "temperature": 1, "floor": 0.2},
        {"method": "floor", "temperature": 1, "floor": 0.2},
        {"method": "floor", "temperature": 1, "offset": 0, "floor": 0},
        {"method": "isotonic"},
        {"method": "isotonic", "knots_p": [0.1, 0.2], "knots_calibrated": [0.1]},
        {"method": "isotonic", "knots_p": [0.2, 0.1], "knots_calibrated": [0.1, 0.2]},
        {"method": "isotonic", "knots_p": [0.1, 1.2], "knots_calibrated": [0.1, 0.2]},
    ],
)
def test_a_calibration_that_contradicts_itself_is_refused(faulty):
    with pytest.raises(ValidationError):
        Calibration.model_validate({"n_animals": 2, "n_faces": 2, **faulty})


# --- scores ---


@pytest.mark.parametrize(
    ("label", "p_pain", "expected"),
    [
        # torchmetrics' documentation of binary_calibration_error, n_bins=2, norm="l1"; and its tests
        ([0, 0, 1, 1, 1], [0.25, 0.25, 0.55, 0.75, 0.75], 0.29),
        ([0, 0, 1, 1, 1], [1, 1, 1, 1, 0], 0.6),
    ],
)
def test_calibration_error_of_torchmetrics_examples(label, p_pain, expected):
    table = judge("m1", label, p_pain)
    assert compute_ece(reliability_table(table, bins=2)) == pytest.approx(expected)
    scores = score_calibration(table, columns={"raw": "p_pain"}, bins=2).set_index("measure")
    assert scores.loc["ece", "value"] == pytest.approx(expected)
    assert scores[["ci_low", "ci_high"]].isna().all(axis=None)  # one animal has no interval


def test_bins_are_those_of_scikit_learns_quantiles():
    table = simulate(animals=4, faces=50)
    share, said = calibration_curve(table["label"], table["p_pain"], n_bins=10, strategy="quantile")
    found = reliability_table(table)
    np.testing.assert_allclose(found["share_pain"], share)
    np.testing.assert_allclose(found["mean_p_pain"], said)
    assert found["n_faces"].tolist() == [20] * 10
    assert found["weight"].sum() == pytest.approx(1)


def test_animals_weigh_the_same_in_the_calibration_error():
    # One bin. Animal a: said 0.8, was 1 of 1. Animal b: said 0.6, was 0 of 3. Alike: said 0.7, was 0.5.
    table = join(judge("a", [1], [0.8]), judge("b", [0, 0, 0], [0.6] * 3))
    row = reliability_table(table, bins=1).iloc[0]
    assert (row["n_faces"], row["n_animals"]) == (4, 2)
    assert (row["mean_p_pain"], row["share_pain"]) == pytest.approx((0.7, 0.5))
    assert compute_ece(reliability_table(table, bins=1)) == pytest.approx(0.2)
    # Resamples are a a, a b, b a, b b: shares 1, 0.5, 0.
    assert (row["ci_low"], row["ci_high"]) == (0, 1)


def test_equal_probabilities_share_a_bin():
    table = join(judge("a", [1, 0] * 5, [0.5] * 10), judge("b", [0, 1], [0.1, 0.9]))
    found = reliability_table(table, bins=6)
    assert found["n_faces"].tolist() == [1, 10, 1]


def test_brier_and_log_loss_are_scikit_learns_with_animals_alike():
    table = cross_calibrate(simulate())
    table = table.drop(index=table.index[:150])  # m00 has fewer faces
    weight = 1 / table.groupby("subject")["label"].transform("size")
    scores = score_calibration(table).set_index(["measure", "probabilities"])
    for name, column in {"raw": "p_pain", "calibrated": "p_pain_calibrated"}.items():
        for measure, reference in {"brier": brier_score_loss, "log_loss": log_loss}.items():
            expected = reference(table["label"], table[column], sample_weight=weight)
            assert scores.loc[(measure, name), "value"] == pytest.approx(expected, rel=1e-6)
    change = scores["value"].loc["brier", "calibrated"] - scores["value"].loc["brier", "raw"]
    assert scores.loc[("brier", "calibrated"), "change"] == pytest.approx(change)
    assert np.isnan(scores.loc[("brier", "raw"), "change"])


def test_intervals_draw_animals():
    table = simulate(faces=40)
    row = score_calibration(table, columns={"raw": "p_pain"}, seed=3).set_index("measure").loc["brier"]
    own = ((table["p_pain"] - table["label"]) ** 2).groupby(table["subject"]).mean().to_numpy()
    reference = stats.bootstrap((own,), np.mean, method="percentile", n_resamples=9999, rng=1)
    low, high = reference.confidence_interval
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high), abs=0.03 * (high - low))
    again = score_calibration(table, columns={"raw": "p_pain"}, seed=3).set_index("measure").loc["brier"]
    pd.testing.assert_series_equal(row, again)


def test_calibration_mends_a_network_that_is_too_sure():
    scores = score_calibration(cross_calibrate(simulate(temperature=3.0, faces=400))).set_index(
        ["measure", "probabilities"]
    )
    assert scores.loc[("ece", "raw"), "ci_low"] > 0.05
    assert scores.loc[("ece", "calibrated"), "value"] < 0.04
    assert scores.loc[("ece", "calibrated"), "ci_low"] == 0
    change = scores.xs("calibrated", level=1)["change_high"]
    assert (change[["brier", "log_loss"]] < 0).all()
    assert np.isnan(change["ece"])
    assert abs(scores.loc[("ece", "raw"), "by_chance"] - 0.02) < 0.01


@pytest.mark.parametrize(("animals", "least", "most"), [(12, 0.92, 1.0), (6, 0.85, 1.0)])
@pytest.mark.verify
def test_the_interval_of_the_calibration_error_holds_the_truth(animals, least, most):
    # Truth from 400,000 faces; each animal's own shift of the truth makes faces of an animal alike.
    def draw(rng: np.random.Generator, n_animals: int, temperature: float) -> pd.DataFrame:
        logit, shift = rng.normal(0, 1.7, (n_animals, 200)), 0.3 * rng.normal(size=(n_animals, 1))
        label = (rng.random(logit.shape) < sigmoid(logit + shift)).astype(int)
        subject = np.repeat(np.arange(n_animals).astype(str), 200)
        p = sigmoid(temperature * logit).ravel()
        return pd.DataFrame({"subject": subject, "label": label.ravel(), "p_pain": p})

    for temperature in (1.0, 1.4, 2.2):
        truth = compute_ece(reliability_table(draw(np.random.default_rng(0), 2000, temperature)))
        held, rng = [], np.random.default_rng(1)
        for seed in range(200):
            scores = score_calibration(draw(rng, animals, temperature), columns={"raw": "p_pain"}, seed=seed)
            held.append(scores.loc[0, "ci_low"] <= truth <= scores.loc[0, "ci_high"])
        assert least <= np.mean(held) <= most, (temperature, np.mean(held))


def test_a_truth_beside_the_label_can_be_asked_for():
    table = judge("a", [1, 1, 1, 1], [0.9, 0.6, 0.2, 0.1]).assign(
        latent=mark_latent_pain(np.array([0.5, 0.3, 0.1, 0.0]))
    )
    np.testing.assert_array_equal(table["latent"], [1, NAN, 0, 0])
    scores = score_calibration(table, "latent", {"raw": "p_pain"}, bins=1).set_index("measure")
    assert scores.loc["ece", "value"] == pytest.approx((0.9 + 0.2 + 0.1) / 3 - 1 / 3)
    assert scores.loc["brier", "value"] == pytest.approx((0.1**2 + 0.2**2 + 0.1**2) / 3)
    assert scores.loc["brier", "n_faces"] == 3


def test_nothing_to_score_is_nan():
    empty = simulate(animals=1).iloc[:0].assign(p_pain_calibrated=[])
    scores = score_calibration(empty)
    assert scores[["value", "ci_low", "ci_high"]].isna().all(axis=None)
    assert (scores["n_faces"] == 0).all()
    assert reliability_table(empty).empty
    assert np.isnan(compute_ece(reliability_table(empty)))


# --- risk and coverage ---


def cover(label: list[int], p_pain: list[float]) -> dict[str, float]:
    found = score_abstention(judge("a", label, p_pain), "p_pain")
    return found.summary.set_index("measure")["value"].to_dict()


def test_the_area_under_risk_and_coverage_by_hand():
    # From the surest: right, wrong, right, wrong: risks 0, 1/2, 1/3, 1/2.
    told = cover([1, 0, 0, 1], [0.9, 0.8, 0.3, 0.4])
    assert told["aurc"] == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)
    assert told["risk"] == told["accuracy"] == 0.5
    assert told["accuracy_half"] == pytest.approx(0.5)
    assert told["aurc_gain"] == pytest.approx(1 / 2 - 1 / 3)


def test_ties_are_taken_in_random_order_in_expectation():
    label, p = [1, 0, 0, 1, 1, 0], [0.9, 0.9, 0.8, 0.8, 0.8, 0.6]
    wrong = np.array([0, 1, 1, 0, 0, 1])
    areas = []
    for first, second in itertools.product(itertools.permutations([0, 1]), itertools.permutations([2, 3, 4])):
        order = [*first, *second, 5]
        areas.append((np.cumsum(wrong[order]) / np.arange(1, 7)).mean())
    assert cover(label, p)["aurc"] == pytest.approx(np.mean(areas))


def test_confidence_that_says_nothing_is_abstaining_at_random():
    told = cover([1, 1, 0, 1, 0], [0.7] * 5)
    assert told["aurc"] == pytest.approx(told["risk"]) == pytest.approx(0.4)
    assert told["accuracy_half_gain"] == pytest.approx(0)


def test_animals_weigh_the_same_in_the_risk():
    table = join(judge("a", [1], [0.9]), judge("b", [1, 1, 1, 0], [0.2, 0.1, 0.4, 0.3]))
    told = score_abstention(table, "p_pain").summary.set_index("measure")
    assert told.loc["risk", "value"] == pytest.approx((0 + 3 / 4) / 2)
    assert told.loc["risk", "n_animals"] == 2


def test_the_curve_says_which_confidence_and_how_many_animals_are_left():
    table = join(judge("a", [1, 1], [0.95, 0.9]), judge("b", [0, 1], [0.4, 0.45]))
    curve = score_abstention(table, "p_pain").curve.set_index("coverage")
    assert curve.loc[0.5, ["abstain_below", "risk", "n_faces", "n_animals"]].tolist() == [0.9, 0, 2, 1]
    assert curve.loc[0.25, "abstain_below"] == 0.95
    assert curve.loc[1.0, ["abstain_below", "risk", "n_faces", "n_animals"]].tolist() == [0.55, 0.25, 4, 2]


def test_sure_calls_of_a_good_network_are_right_more_often():
    table = cross_calibrate(simulate(faces=100))
    found = score_abstention(table, seed=1)
    told = found.summary.set_index("measure")
    assert told.loc["aurc_gain", "ci_low"] > 0
    assert told.loc["accuracy_half_gain", "ci_low"] > 0
    # A temperature keeps the order within a fold: with one fold's fit for all, the area is that of raw ones.
    fitted = fit_calibration(table, "temperature")
    one = table.assign(p_pain_calibrated=fitted.apply(table["p_pain"]))
    raw = score_abstention(table, "p_pain", seed=1, resamples=20).summary
    pd.testing.assert_frame_equal(score_abstention(one, seed=1, resamples=20).summary, raw)
    assert found.curve["ci_low"].le(found.curve["risk"]).all()


def test_risk_without_faces_is_nan_and_its_curve_empty():
    found = score_abstention(simulate(animals=1).iloc[:0], "p_pain")
    assert found.curve.empty
    assert found.summary["value"].isna().all()


# --- the third answer ---


def test_abstaining_by_hand():
    p = np.array([0.9, 0.69, 0.7, 0.5, 0.2, 0.31, NAN])
    assert judge_or_abstain(p, 0.7).tolist() == [
        "pain", "not judged", "pain", "not judged", "no pain", "not judged", "skipped"
    ]  # fmt: skip
    assert judge_or_abstain(p, 0.5).tolist() == [
        "pain", "pain", "pain", "no pain", "no pain", "no pain", "skipped"
    ]  # fmt: skip
    for wrong in (0.49, 1.01, NAN):
        with pytest.raises(PainlibError, match="abstain_below"):
            judge_or_abstain(p, wrong)


def test_two_cameras_fuse_into_their_mean():
    fused = fuse_calibrated(np.array([[0.9, 0.9, NAN, NAN], [0.7, NAN, 0.2, NAN]]))
    np.testing.assert_allclose(fused, [0.8, 0.9, 0.2, NAN])
    assert fuse_calibrated(np.empty((2, 0))).shape == (0,)


def test_a_call_against_the_calibrated_probability_is_the_least_sure():
    call, p = np.array(["pain", "no pain", "pain", "skipped"], object), np.array([0.4, 0.4, 0.9, NAN])
    np.testing.assert_allclose(find_call_confidence(call, p), [0.4, 0.6, 0.9, NAN])
    assert abstain_calls(call, p, 0.6).tolist() == ["not judged", "no pain", "pain", "skipped"]
    # 0.5 leaves the published calls alone, even this one.
    assert abstain_calls(call, p, 0.5).tolist() == call.tolist()
    assert call.tolist()[0] == "pain"


def test_what_is_not_judged_counts_as_little_as_what_is_skipped():
    clock = np.arange(4.0)
    pairs = pair_cameras({"A": clock, "B": clock})
    raw = {"A": [0.99, 0.8, 0.9, NAN], "B": [0.9, 0.1, NAN, NAN]}
    fused = fuse_timepoints(pairs, {name: np.stack([1 - np.array(p), p], axis=1) for name, p in raw.items()})
    assert fused["call"].tolist() == ["pain", "no pain", "pain", "skipped"]  # 0.8 and 0.1: no pain
    calibration = Calibration(method="temperature", temperature=2, n_animals=2, n_faces=8)
    calibrated = fuse_calibrated(calibration.apply(np.array([raw["A"], raw["B"]])))
    # Odds' roots: 0.9 -> 0.75, 0.99 -> 0.9087, 0.8 -> 2/3, 0.1 -> 0.25
    np.testing.assert_allclose(calibrated, [(0.9087 + 0.75) / 2, (2 / 3 + 0.25) / 2, 0.75, NAN], atol=1e-4)
    fused["call"] = abstain_calls(fused["call"].to_numpy(), calibrated, 0.7)
    assert fused["call"].tolist() == ["pain", "not judged", "pain", "skipped"]
    minute = minute_probability(fused).iloc[0]
    assert (minute["n_timepoints"], minute["n_evaluated"], minute["pain_probability"]) == (4, 2, 1.0)
    counted = count_calls(fused.assign(recording="r", subject="m")).iloc[0]
    names = ["n_timepoints", "n_pain", "n_no_pain", "n_not_judged", "n_skipped"]
    assert counted[names].tolist() == [4, 2, 0, 1, 1]


def test_an_unknown_call_is_refused():
    with pytest.raises(PainlibError, match="'maybe'"):
        count_calls(pd.DataFrame({"recording": ["r"], "subject": ["m"], "call": ["maybe"]}))


# --- quality ---

FRONT = (0.5, 0.65, 0.4, 0.45, 0.6, 0.45)  # nose, right eye, left eye: x, y each
SIDE = (0.7, 0.6, 0.5, 0.45, NAN, NAN)


def measure(images: list[np.ndarray], *points: tuple[float, ...]) -> pd.DataFrame:
    landmarks = pd.DataFrame(points, columns=list(COORDINATES))
    faces = pd.DataFrame({"recording": "r", "subject": "m", "camera": "A", "frame": range(len(points))})
    return measure_quality(images, faces, landmarks)


def draw_texture(px: int = 96, seed: int = 0) -> np.ndarray:
    """Fur-like grey texture, (px, px, 3) uint8."""
    noise = np.random.default_rng(seed).normal(0, 1, (96, 96))
    grey = cv2.GaussianBlur(noise, (0, 0), 1.2)
    grey = cv2.resize(100 + 40 * grey / grey.std(), (px, px), interpolation=cv2.INTER_CUBIC)
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def test_blurring_lowers_sharpness_step_by_step():
    sharp = draw_texture()
    images = [sharp, *(cv2.GaussianBlur(sharp, (0, 0), sd) for sd in (0.7, 1.5, 3.0))]
    found = measure(images, *[FRONT] * 4)["sharpness"].to_numpy()
    assert (np.diff(found) < 0).all()
    assert found[0] > 5 * found[3]


def test_sharpness_does_not_depend_on_light_contrast_or_size():
    sharp = draw_texture()
    darker, flatter = (sharp * 0.6).astype(np.uint8), (120 + 0.4 * (sharp - 100.0)).astype(np.uint8)
    larger = draw_texture(384)
    found = measure([sharp, darker, flatter, larger], *[FRONT] * 4)["sharpness"].to_numpy()
    np.testing.assert_allclose(found, found[0], rtol=0.08)


def test_surroundings_do_not_make_a_blurred_face_sharp():
    blurred = cv2.GaussianBlur(draw_texture(), (0, 0), 3)
    around = draw_texture(seed=1)
    around[18:90, 12:84] = blurred[18:90, 12:84]
    found = measure([blurred, around], FRONT, FRONT)["sharpness"]
    assert found[0] == pytest.approx(found[1])


def test_a_picture_without_anything_in_it_is_not_sharp_and_a_face_at_the_border_is_measured():
    corner = (0.02, 0.0, 0.1, 0.1, NAN, NAN)
    found = measure([np.full((64, 64, 3), 90, np.uint8), draw_texture()], FRONT, corner)
    assert found["sharpness"][0] == 0
    assert found["sharpness"][1] > 0.05


def test_size_is_the_larger_of_what_eyes_and_nose_tell():
    # Eyes 0.2 apart: 3.8 * 0.2; nose 0.25 from one eye: 3 * 0.25.
    found = measure([draw_texture()] * 2, (0.5, 0.55, 0.4, 0.45, 0.6, 0.45), SIDE)
    assert found["size"].tolist() == pytest.approx([0.76, 3 * 0.25])


def test_turn_is_the_angle_of_the_nose_and_one_eye_is_a_profile():
    eyes = (0.4, 0.45, 0.6, 0.45)
    noses = [(0.5, 0.7), (0.5 + 1.17 * 0.2, 0.7), (0.5 - 1.17 * 0.2, 0.5), (0.52, 0.6)]
    heads = [*((*nose, *eyes) for nose in noses), SIDE, (0.5, 0.6, *(0.5, 0.4) * 2)]
    found = measure([draw_texture()] * 6, *heads)
    # 0.02 / (1.17 * 0.2) = 0.0855: 4.885 degrees
    assert found["turn"].tolist() == pytest.approx([0, 0.5, 0.5, 4.885 / 90, 1, 1], abs=1e-4)
    # Rolling the head in the image changes nothing.
    points = np.array([*noses[3], *eyes]).reshape(3, 2) - 0.5
    rolled = points @ np.array([[0.8, 0.6], [-0.6, 0.8]]) + 0.5
    assert measure([draw_texture()], tuple(rolled.ravel()))["turn"][0] == pytest.approx(4.885 / 90, abs=1e-4)


def test_faces_that_cannot_be_measured_are_refused():
    with pytest.raises(PainlibError, match="1 faces without"):
        measure([draw_texture()], (0.5, 0.5, NAN, NAN, NAN, NAN))
    with pytest.raises(PainlibError, match="each of 2 faces, got 1"):
        measure([draw_texture()], FRONT, FRONT)
    with pytest.raises(PainlibError, match="uint8"):
        measure([draw_texture().astype(float)], FRONT)
    assert measure([]).empty


def rate(
    seed: int = 0, animals: int = 10, faces: int = 400, bad: float = 0.3
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Held-out faces judged at random where sharpness is in its lowest `bad` share or turn in its highest."""
    rng = np.random.default_rng(seed)
    n = animals * faces
    sharpness, turn = rng.permutation(n) / n, rng.permutation(n) / n
    label = rng.integers(0, 2, n)
    lost = (sharpness < bad) | (turn >= 1 - bad)
    right = np.where(lost, rng.random(n) < 0.5, rng.random(n) < 0.95)
    p = np.where(right == (label == 1), 0.9, 0.1)
    subject = np.repeat([f"m{k}" for k in range(animals)], faces)
    table = pd.DataFrame({"recording": subject, "subject": subject, "camera": "A", "frame": range(n)})
    quality = table.assign(sharpness=sharpness, size=1 + 0.2 * rng.random(n), turn=turn)
    return quality, table.assign(label=label, p_no_pain=1 - p, p_pain=p)


def test_limits_lie_where_judging_becomes_better_than_guessing():
    quality, judged = rate()
    limits = find_quality_limits(quality, judged)
    # 3 of 10 bins from the bad end; the lowest sharpness and the highest turn of those that are kept
    assert limits.min_sharpness == pytest.approx(0.3)
    assert limits.max_turn == pytest.approx(0.7 - 1 / 4000)
    assert limits.min_size is None
    assert limits.remarks["size"] == "no limit: judging at the bad end is better than guessing"
    assert limits.remarks["turn"].startswith("3 of 10 bins")
    reasons = gate_faces(quality, limits)
    assert ((reasons == "blurred") == (quality["sharpness"] < 0.3)).all()
    assert ((reasons != "") == ((quality["sharpness"] < 0.3) | (quality["turn"] >= 0.7))).all()


def test_balanced_accuracy_of_a_bin_by_hand():
    # One bin: sensitivity 4/5 and 5/5 of two animals, a third has 4 pain faces and does not count; no pain:
    # 3/5, 4/5, 5/5.
    p = {
        "a": ([1] * 5 + [0] * 5, [0.9] * 4 + [0.1] + [0.1] * 3 + [0.9] * 2),
        "b": ([1] * 5 + [0] * 5, [0.9] * 5 + [0.1] * 4 + [0.9]),
        "c": ([1] * 4 + [0] * 5, [0.1] * 4 + [0.1] * 5),
    }
    judged = join(*(judge(name, *one) for name, one in p.items()))
    quality = judged[["recording", "camera", "frame"]].assign(sharpness=1.0, size=1.0, turn=0.0)
    row = score_quality_bins(quality, judged).iloc[0]
    assert row["balanced_accuracy"] == pytest.approx((0.9 + 0.8) / 2)
    assert (row["n_pain_animals"], row["n_no_pain_animals"], row["state"]) == (2, 3, "cannot be told")
    limits = find_quality_limits(quality, judged)
    assert limits.remarks["sharpness"] == "no limit: too few animals to tell at any quality"
    assert (limits.min_sharpness, limits.min_size, limits.max_turn) == (None, None, None)


def test_a_network_that_only_guesses_leaves_out_nothing():
    quality, judged = rate(bad=1.0)
    limits = find_quality_limits(quality, judged)
    assert (limits.min_sharpness, limits.min_size, limits.max_turn) == (None, None, None)
    assert set(limits.remarks.values()) == {
        "no limit: all faces together are judged no better than by guessing"
    }


@pytest.mark.parametrize(
    ("seed", "why"), [(0, "not clearly worse than the rest"), (6, "not a matter of sharpness")]
)
def test_a_weak_network_is_not_called_blind_to_bad_faces_for_want_of_animals(seed, why):
    # Right in 0.56 whatever the quality, which bins of few faces cannot show.
    rng = np.random.default_rng(seed)
    quality, judged = rate(animals=5, faces=300, bad=0.0)
    p = np.where((rng.random(1500) < 0.56) == (judged["label"] == 1), 0.9, 0.1)
    judged = judged.assign(p_pain=p, p_no_pain=1 - p)
    binned = score_quality_bins(quality, judged).set_index(["measure", "bin"])
    assert binned.loc[("sharpness", 1), "state"] == "guessing"
    assert binned.loc[("all", 0), "state"] == "judged"
    limits = find_quality_limits(quality, judged)
    assert limits.min_sharpness is None
    assert why in limits.remarks["sharpness"]


def test_limits_without_faces_and_of_other_faces():
    quality, judged = rate(animals=3, faces=20)
    empty = find_quality_limits(quality.iloc[:0], judged.iloc[:0])
    assert set(empty.remarks.values()) == {"no limit: no held-out face"}
    with pytest.raises(PainlibError, match="of which 59"):
        find_quality_limits(quality.iloc[1:], judged)


def test_the_first_reason_counts_and_a_limit_itself_is_good_enough():
    quality = pd.DataFrame(
        {
            "recording": ["r", "r", "r", "q", "q"],
            "subject": "m",
            "sharpness": [0.1, 0.2, 0.3, 0.3, 0.3],
            "size": [0.1, 0.5, 0.4, 0.5, 0.9],
            "turn": [1, 0.5, 0.9, 0.6, 0.5],
        }
    )
    limits = QualityLimits(min_sharpness=0.2, min_size=0.5, max_turn=0.5)
    reasons = gate_faces(quality, limits)
    assert reasons.tolist() == ["blurred", "", "small", "turned", ""]
    counted = count_left_out(quality, reasons)
    assert counted.to_numpy().tolist() == [["r", "m", 3, 1, 1, 1, 0], ["q", "m", 2, 1, 0, 0, 1]]
    assert gate_faces(quality, QualityLimits()).tolist() == [""] * 5
    assert len(gate_faces(quality.iloc[:0], limits)) == 0
    with pytest.raises(PainlibError, match="faces without"):
        gate_faces(quality.assign(turn=NAN), limits)


def test_parameters_go_before_limits_that_were_found():
    found = QualityLimits(min_sharpness=0.2, max_turn=0.8, n_animals=5, remarks={"sharpness": "found"})
    chosen = choose_limits(found, 0.0, None, 0.5)
    assert (chosen.min_sharpness, chosen.min_size, chosen.max_turn, chosen.n_animals) == (0.0, None, 0.5, 5)
    assert chosen.remarks["sharpness"] == "given as a parameter"
    assert choose_limits(None, None, None, None) == QualityLimits()
    with pytest.raises(ValidationError):
        choose_limits(None, None, None, 1.5)


# --- figures ---


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def test_the_reliability_diagram_shows_the_tables():
    table = cross_calibrate(simulate(faces=100))
    figure = plot_reliability(table)
    for name, column in {"raw": "p_pain", "calibrated": "p_pain_calibrated"}.items():
        bins = reliability_table(table, column)
        (line,) = artists(figure, name)
        np.testing.assert_allclose(line.get_xydata(), bins[["mean_p_pain", "share_pain"]])
        (intervals,) = artists(figure, f"{name} interval")
        assert intervals.get_segments()[3][:, 1] == pytest.approx(bins.loc[3, ["ci_low", "ci_high"]].tolist())
    ece = score_calibration(table).set_index(["measure", "probabilities"])["value"]
    assert f"raw: {ece['ece', 'raw']:.3f} [" in words(figure)
    assert "n = 12 (1,200 faces)" in words(figure)
    assert all(np.sum(one.get_data().values) == pytest.approx(1) for one in artists(figure, "histogram"))
    assert labels_of(figure) == {
        "Share of faces labelled pain", "Probability of pain that the network gives", "Share of faces"
    }  # fmt: skip
    assert find_overlaps(figure) == []


def test_probabilities_drawn_together_are_shown_to_their_full_height():
    table = cross_calibrate(simulate(faces=100))
    figure = plot_reliability(table.assign(p_pain_calibrated=0.52))
    below = figure.axes[1]
    assert [one.get_data().values.max() for one in artists(figure, "histogram")][1] == pytest.approx(1)
    assert below.get_ylim()[0] == 0
    assert below.get_ylim()[1] >= 1


def test_the_risk_figure_shows_curve_chance_and_threshold():
    found = score_abstention(cross_calibrate(simulate(faces=100)), resamples=99)
    ax = plot_risk_coverage(found, abstain_below=0.8)
    np.testing.assert_allclose(artists(ax, "risk")[0].get_xydata(), found.curve[["coverage", "risk"]])
    risk = found.summary.set_index("measure").loc["risk", "value"]
    assert artists(ax, "random")[0].get_ydata()[0] == pytest.approx(risk)
    kept = found.curve[found.curve["abstain_below"] >= 0.8].iloc[-1]
    assert artists(ax, "threshold")[0].get_xdata()[0] == kept["coverage"]
    assert f"not judged below 0.8: {kept['coverage']:.0%} judged" in words(ax)
    assert find_overlaps(page_of(ax)) == []
    assert artists(plot_risk_coverage(found, 0.5), "threshold") == []


def test_the_quality_figure_shows_bins_and_limits():
    quality, judged = rate()
    binned, limits = score_quality_bins(quality, judged), find_quality_limits(quality, judged)
    figure = plot_quality(binned, limits)
    own = binned[(binned["measure"] == "sharpness") & (binned["state"] == "judged")]
    np.testing.assert_allclose(
        artists(figure.axes[0], "judged")[0].get_xydata(), own[["middle", "balanced_accuracy"]]
    )
    assert len(artists(figure.axes[0], "guessing")[0].get_xdata()) == 10 - len(own)
    (shade,) = artists(figure.axes[2], "left out")
    assert shade.get_x() == limits.max_turn
    assert artists(figure.axes[1], "left out") == []
    assert "Sharpness: at least 0.3" in words(figure)
    assert "n = 10 (4,000 faces)" in words(figure)
    assert find_overlaps(figure) == []


def test_the_gallery_shows_faces_of_every_reason():
    quality, _ = rate(animals=3, faces=30)
    reasons = gate_faces(quality, QualityLimits(min_sharpness=0.2, max_turn=0.9))
    rows = pick_left_out_faces(quality, reasons, per_reason=4)
    assert rows["reason"].value_counts().to_dict() == {"blurred": 4, "turned": 4}
    assert rows.groupby("reason")["recording"].nunique().tolist() == [3, 3]
    totals = pd.Series(reasons).value_counts()
    figure = plot_left_out([draw_texture()] * 8, rows, totals)
    assert f"blurred (sharpness; 4 of {totals['blurred']} faces)" in words(figure)
    assert "no face was left out as small" in words(figure)
    assert find_overlaps(figure) == []
    with pytest.raises(ValueError, match="got 1 images"):
        plot_left_out([draw_texture()], rows)


def test_figures_of_nothing_say_so():
    empty = simulate(animals=1).iloc[:0].assign(p_pain_calibrated=[])
    assert "no held-out face" in words(plot_reliability(empty))
    assert "no held-out face" in words(plot_risk_coverage(score_abstention(empty)))
    quality, judged = (table.iloc[:0] for table in rate(animals=1, faces=1))
    binned, limits = score_quality_bins(quality, judged), find_quality_limits(quality, judged)
    assert words(plot_quality(binned, limits)).count("no quality with faces of\nboth labels") == 3
    nothing = pick_left_out_faces(quality, [])
    assert "no face was left out as turned" in words(plot_left_out([], nothing))


def test_one_animal_has_figures_without_intervals():
    table = simulate(animals=1).assign(p_pain_calibrated=lambda t: t["p_pain"])
    assert "n = 1 (200 faces)" in words(plot_reliability(table))
    ax = plot_risk_coverage(score_abstention(table))
    assert "n = 1 (200 faces)" in words(ax)


def test_judgements_are_scored_against_the_pain_that_a_drawn_cohort_has(tmp_path):
    judged = cross_calibrate(simulate().assign(fold=lambda table: table["subject"]), "temperature")
    cohort = tmp_path / "cohort.csv"
    assert score_latent(judged, cohort, "temperature").empty
    (tmp_path / "truth").mkdir()
    # Pain is what the label says but for a third of the faces, of which nobody can say.
    for (recording, camera), own in judged.groupby(["recording", "camera"]):
        latent = np.where(own["frame"] % 3 == 0, 0.3, np.where(own["label"] == 1, 0.9, 0.0))
        truth = pd.DataFrame({"frame": own["frame"], "latent_pain": latent})
        truth.to_parquet(tmp_path / "truth" / f"{recording}_{camera}.parquet")
    scores = score_latent(judged, cohort, "temperature")
    certain = judged[judged["frame"] % 3 != 0]
    expected = score_calibration(certain).set_index(["measure", "probabilities"])["value"]
    found = scores.set_index(["measure", "probabilities"])["value"]
    assert set(scores["probabilities"]) == {"raw", "calibrated", "shown"}
    for key in (("ece", "raw"), ("brier", "calibrated")):
        assert found[key] == pytest.approx(expected[key])
    assert scores["n_faces"].unique().tolist() == [len(certain)]

"""Tests of region frequencies: known answers from R and by hand, degenerate marks, words, simulated rates.

Outside numbers that are typed here. R: what users' published sessions print for the call beside each; R
itself was not run for these tests. Newcombe: Stat Med 17:873 (1998), Table II, method 10. The rest is worked
out by hand from the formula beside it.
"""

import itertools
import json
import math

import numpy as np
import pandas as pd
import pytest

from painlib import region_tests
from painlib.faults import PainlibError
from painlib.region_tests import (
    FREQUENCIES,
    Clustering,
    compute_differences,
    compute_max_t,
    pairs,
    simulate_rates,
)

REGIONS = list(FREQUENCIES)
SETTINGS = {"yates": True, "alpha": 0.05, "seed": 0, "n_flips": 10_000}


def run(marked, regions=("eye",), **settings):
    return region_tests.test_frequencies(marked, list(regions), **(SETTINGS | settings))


def make_counts(pain, no_pain, region="eye"):
    """Unpaired faces of one animal a face; (marked, of) in each class."""
    rows = [
        (f"m{label} {number}", f"r{label} {number}", label, -1, number < marked)
        for label, (marked, of) in (("pain", pain), ("no pain", no_pain))
        for number in range(of)
    ]
    return pd.DataFrame(rows, columns=["subject", "recording", "label", "pair", region])


def make_pairs(both, only_pain, only_no_pain, neither, region="eye"):
    kinds = [(1, 1)] * both + [(1, 0)] * only_pain + [(0, 1)] * only_no_pain + [(0, 0)] * neither
    rows = [
        ("m1", f"m1 {label}", label, pair, value)
        for pair, values in enumerate(kinds)
        for label, value in zip(("pain", "no pain"), values, strict=True)
    ]
    return pd.DataFrame(rows, columns=["subject", "recording", "label", "pair", region])


def make_animals(levels, n_faces=10):
    """Animals with `n_faces` faces a class; `levels`: region -> (no pain, pain) faces marked, an animal."""
    rows = []
    for animal in range(len(next(iter(levels.values())))):
        for side, label in enumerate(("no pain", "pain")):
            for face in range(n_faces):
                marks = {region: face < counts[animal][side] for region, counts in levels.items()}
                name = f"m{animal}"
                rows.append(
                    {"subject": name, "recording": f"{name} {label}", "label": label, "pair": -1} | marks
                )
    return pd.DataFrame(rows)


def enumerate_flips(differences):
    """p alone and corrected, by going through all flips one after another, in whole numbers."""
    d = np.asarray(differences)
    own = np.abs(d.sum(axis=0))
    sums = [
        np.abs((np.array(signs)[:, None] * d).sum(axis=0))
        for signs in itertools.product((1, -1), repeat=len(d))
    ]
    alone = [np.mean([one[region] >= own[region] for one in sums]) for region in range(d.shape[1])]
    corrected = [np.mean([one.max() >= own[region] for one in sums]) for region in range(d.shape[1])]
    return alone, corrected


# Known answers: faces and pairs


def test_chi_squared_is_that_of_r_with_yates_and_of_the_formula_without():
    # R: chisq.test(matrix(c(2, 10, 15, 3), nrow = 2)): X-squared = 10.4581, df = 1, p-value = 0.001221
    # Without Yates: n (ad - bc)^2 / product of the margins; the tail at 1 df is erfc(sqrt(x / 2)).
    plain = 30 * (2 * 3 - 10 * 15) ** 2 / (17 * 13 * 12 * 18)
    marked = make_counts(pain=(2, 12), no_pain=(15, 18))
    for yates, statistic, p in ((True, 10.4581, 0.001221), (False, plain, math.erfc(math.sqrt(plain / 2)))):
        row = run(marked, yates=yates).iloc[0]
        assert (row["chi2"], row["df"]) == pytest.approx((statistic, 1), abs=6e-5)
        assert row["p"] == pytest.approx(p, rel=5e-4)
        assert row["yates"] == yates
    assert row["smallest_expected"] == pytest.approx(12 * 13 / 30)
    assert np.isnan(row["fisher_p"])
    assert row["note"] == ""


def test_small_expected_counts_bring_fishers_exact_p():
    # Fisher's tea: of the C(8, 4) = 70 ways 2 * (16 + 1) are as unlikely as 3 of 4 against 1 of 4.
    row = run(make_counts(pain=(3, 4), no_pain=(1, 4))).iloc[0]
    assert row["fisher_p"] == pytest.approx(34 / 70)
    assert (row["chi2"], row["p"]) == pytest.approx((8 * (8 - 4) ** 2 / 4**4, math.erfc(math.sqrt(0.25))))
    assert row["smallest_expected"] == pytest.approx(2)
    assert "below 5" in row["note"]


@pytest.mark.parametrize(
    ("pain", "no_pain", "interval"),
    [
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((10, 10), (0, 20), (0.6791, 1.0)),
    ],
)
def test_the_interval_of_the_difference_is_newcombes(pain, no_pain, interval):
    row = run(make_counts(pain, no_pain)).iloc[0]
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(interval, abs=6e-5)
    assert row["difference"] == pytest.approx(pain[0] / pain[1] - no_pain[0] / no_pain[1])


def test_mcnemar_is_that_of_r_on_the_presidents_approval():
    # R: mcnemar.test(matrix(c(794, 86, 150, 570), nrow = 2)): chi-squared = 16.818, p-value = 4.115e-05;
    # by hand (|86 - 150| - 1)^2 / (86 + 150)
    row = run(make_pairs(794, 86, 150, 570)).iloc[0]
    assert row["mcnemar"] == pytest.approx(63**2 / 236)
    assert row["mcnemar_p"] == pytest.approx(4.115e-05, rel=5e-4)
    assert (row["n_pairs"], row["n_only_pain"], row["n_only_no_pain"]) == (1600, 86, 150)
    assert row["mcnemar_method"] == "chi-squared with continuity correction"


def test_few_discordant_pairs_get_the_exact_test():
    row = run(make_pairs(3, 7, 1, 4)).iloc[0]  # 2 * (1 + 8) / 2^8
    assert row["mcnemar_p"] == pytest.approx(0.0703125)
    assert row["mcnemar_method"] == "exact binomial"
    assert np.isnan(row["mcnemar"])
    balanced = run(make_pairs(3, 4, 4, 4)).iloc[0]
    assert balanced["mcnemar_p"] == 1


def test_mcnemar_gives_the_recorded_values_of_r(real, monkeypatch):
    recorded = json.loads((real / "stats_references" / "reference_values.json").read_text())["mcnemar"][0]
    (both, only_pain), (only_no_pain, neither) = recorded["table"]
    marked = make_pairs(both, only_pain, only_no_pain, neither)
    assert run(marked).iloc[0]["mcnemar_p"] == pytest.approx(recorded["p_corrected"], rel=1e-9)
    monkeypatch.setattr(pairs, "FEW_DISCORDANT", 1000)
    assert run(marked).iloc[0]["mcnemar_p"] == pytest.approx(recorded["p_exact"], rel=1e-9)


def test_bonferroni_counts_all_regions_also_those_that_cannot_be_tested():
    marked = make_counts(pain=(2, 12), no_pain=(15, 18)).assign(
        **dict.fromkeys(set(REGIONS) - {"eye"}, False)
    )
    table = run(marked, REGIONS).set_index("region")
    eye = table.loc["eye"]
    assert eye["p_bonferroni"] == pytest.approx(13 * 0.001221, rel=5e-4)
    assert eye["stars"] == "*"
    assert (table["n_comparisons"] == 13).all()
    assert "still counts 13" in table.loc["hand", "note"]
    paired = make_pairs(3, 8, 0, 4).assign(hand=0)
    row = run(paired, ["eye", "hand"]).iloc[0]
    assert row["mcnemar_p_bonferroni"] == pytest.approx(2 * 2 / 256)
    assert run(make_counts(pain=(5, 10), no_pain=(5, 10))).iloc[0]["p_bonferroni"] == 1


# Known answers: animals


def test_sign_flips_of_six_animals_agree_with_counting_by_hand():
    # Sums of the flipped differences: 16 - 2 S, S the sum of what is turned. |16 - 2 S| >= 14 where S is 0 or
    # 1 (nothing, the first alone, the last alone) and in their three mirror images: 6 of 64.
    found = compute_max_t(np.array([[1], [2], [3], [4], [5], [-1]]) / 10, seed=0, n_flips=10)
    assert found.p == pytest.approx([6 / 64])
    assert found.p_corrected == pytest.approx([6 / 64])
    assert (found.n_flips, found.smallest_p) == (64, 2 / 64)
    assert found.mean == pytest.approx([14 / 60])


def test_the_largest_mean_of_all_regions_corrects_each():
    # First region: all six differ by 1, so 2 flips reach its sum of 6. Second: sums of six times 2, turned,
    # reach 6 where at most one sign differs: 2 + 12 flips, none of them those two. So (2 + 14) / 64.
    differences = np.column_stack([[1] * 6, [2, -2, 2, -2, 2, 2]])
    found = compute_max_t(differences, seed=0, n_flips=10)
    assert found.p[0] == pytest.approx(2 / 64)
    assert found.p_corrected[0] == pytest.approx(16 / 64)


def test_max_t_agrees_with_going_through_all_flips():
    rng = np.random.default_rng(4)
    for n in (6, 7, 9):
        whole = rng.integers(-6, 9, (n, 4))
        alone, corrected = enumerate_flips(whole)
        found = compute_max_t(whole / 7, seed=0, n_flips=10)
        assert found.p == pytest.approx(alone)
        assert found.p_corrected == pytest.approx(corrected)
        assert (found.p_corrected >= found.p).all()


def test_animals_that_all_differ_by_the_same_reach_the_smallest_p_and_none_differing_gives_1():
    table = run(make_animals({"eye": [(2, 5)] * 6, "nose": [(4, 4)] * 6}), ["eye", "nose"])
    assert table["animal_p_corrected"].tolist() == pytest.approx([2 / 64, 1])
    assert table["animal_difference"].tolist() == pytest.approx([0.3, 0])
    assert table["animal_ci_low"].tolist() == pytest.approx([0.3, 0])
    assert table["animal_note"].tolist() == [
        "every animal differs by the same",
        "no animal differs between its classes",
    ]


def test_more_than_14_animals_take_drawn_flips_with_the_identity_by_seed():
    rng = np.random.default_rng(1)
    differences = np.column_stack([rng.normal(0.5, 1, 16), rng.normal(0, 1, 16)])
    found, again, other = (compute_max_t(differences, seed=seed, n_flips=4000) for seed in (1, 1, 2))
    signs = np.array(list(itertools.product((1, -1), repeat=16)))
    sums = np.abs(signs @ differences).max(axis=1)
    exact = [(sums >= one - 1e-9).mean() for one in np.abs(differences.sum(axis=0))]
    assert found.p_corrected == pytest.approx(exact, abs=0.03)
    assert found.p_corrected.tolist() == again.p_corrected.tolist() != other.p_corrected.tolist()
    assert (found.n_flips, found.smallest_p) == (4000, 1 / 4000)
    # No drawn flip is likely to repeat it: only the identity reaches the sum of equal differences.
    assert compute_max_t(np.ones((40, 1)), seed=0, n_flips=200).p.tolist() == [1 / 200]


def test_every_animal_has_the_same_weight_however_many_faces_it_has():
    few = make_animals({"eye": [(2, 8)]}, n_faces=10)
    many = make_animals({"eye": [(40, 40)]}, n_faces=100).assign(subject="m9")
    table = run(pd.concat([few, many]))
    assert table["animal_difference"].tolist() == pytest.approx([0.3])
    assert table["difference"].tolist() == pytest.approx([48 / 110 - 42 / 110])


def test_differences_are_of_each_animals_own_faces_also_where_a_pair_spans_two():
    rows = [
        ("a", "no pain", 0, 1),
        ("b", "pain", 0, 1),
        ("b", "no pain", 1, 0),
        ("a", "pain", 1, 0),
        ("c", "pain", -1, 1),
    ]
    marked = pd.DataFrame(rows, columns=["subject", "label", "pair", "eye"]).assign(recording="r")
    table = compute_differences(marked, ["eye"]).set_index("subject")
    assert table["difference"].tolist()[:2] == [-1, 1]
    assert np.isnan(table.loc["c", "difference"])
    assert table.loc["c", ["n_no_pain", "n_pain"]].tolist() == [0, 1]
    row = run(marked).iloc[0]
    assert (row["n_animals"], row["n_animals_left_out"]) == (2, 1)
    assert (row["n_only_pain"], row["n_only_no_pain"]) == (0, 0)  # each pair agrees


def test_the_interval_over_animals_is_that_of_t():
    differences = [1, 2, 3, 4, 5, 3]
    row = run(make_animals({"eye": [(2, 2 + d) for d in differences]})).iloc[0]
    # Mean 0.3, sd sqrt(2) / 10, Student's t at 97.5 %, 5 df: 2.570582
    half = 2.570582 * np.sqrt(2) / 10 / np.sqrt(6)
    assert (row["animal_ci_low"], row["animal_ci_high"]) == pytest.approx((0.3 - half, 0.3 + half), abs=1e-6)


# Degenerate marks


def test_below_six_animals_it_is_not_testable():
    for n in (1, 2, 5):
        row = run(make_animals({"eye": [(1, 9)] * n})).iloc[0]
        assert np.isnan(row["animal_p_corrected"])
        assert row["animal_note"].startswith("not testable")
        assert row["animal_smallest_p"] == pytest.approx(2 / 2**n)
        assert row["n_flips"] == 0
    assert row["verdict"] == "published, animals not testable"
    assert run(make_animals({"eye": [(1, 9)] * 6})).iloc[0]["verdict"] == "both"


def test_an_alpha_out_of_reach_is_not_testable_either():
    row = run(make_animals({"eye": [(1, 9)] * 6}), alpha=0.01).iloc[0]
    assert row["animal_note"].startswith("not testable")
    assert "0.0312" in row["animal_note"]


def test_a_region_never_or_always_seen_has_no_p_and_words():
    levels = {"eye": [(0, 0)] * 6, "nose": [(10, 10)] * 6, "ear": [(2, 6)] * 6}
    table = run(make_animals(levels), list(levels)).set_index("region")
    assert (
        table.loc[["eye", "nose"], ["p", "p_bonferroni", "chi2", "animal_p_corrected"]].isna().all(axis=None)
    )
    assert "never marked" in table.loc["eye", "note"]
    assert "every face" in table.loc["nose", "note"]
    assert table.loc[["eye", "nose"], "animal_note"].tolist() == [
        "not testable, never marked",
        "not testable, always marked",
    ]
    assert table.loc["eye", ["frequency_pain", "difference"]].tolist() == [0, 0]
    assert table.loc["eye", "ci_low"] < 0 < table.loc["eye", "ci_high"]
    assert table.loc[["eye", "nose"], "verdict"].tolist() == ["neither"] * 2
    assert table.loc["ear", "animal_p_corrected"] == pytest.approx(2 / 64)


def test_a_class_without_faces_is_not_tested():
    marked = make_animals({"eye": [(1, 9)] * 6})
    row = run(marked[marked["label"] == "pain"]).iloc[0]
    assert row[["p", "frequency_no_pain", "difference", "animal_difference"]].isna().all()
    assert "no no pain faces" in row["note"]
    assert (row["n_no_pain"], row["n_pain"], row["n_animals"], row["n_animals_left_out"]) == (0, 60, 0, 6)
    assert row["animal_note"].startswith("not testable")
    assert region_tests.explain(run(marked[marked["label"] == "pain"]))


def test_faces_that_could_not_be_judged_are_counted_and_break_their_pairs():
    marked = make_pairs(3, 7, 1, 4).assign(cannot_judge=0)
    marked.loc[[0, 9], "cannot_judge"] = 1
    row = run(marked).iloc[0]
    assert (row["n_cannot_judge"], row["n_pain"], row["n_no_pain"]) == (2, 14, 14)
    assert (row["n_pairs"], row["n_pairs_broken"]) == (13, 2)
    assert (row["n_only_pain"], row["n_only_no_pain"]) == (6, 1)


def test_without_pairs_or_discordant_ones_mcnemar_says_so():
    none = run(make_counts(pain=(2, 12), no_pain=(15, 18)).drop(columns="pair")).iloc[0]
    assert (none["n_pairs"], none["mcnemar_note"]) == (0, "not run: no pairs")
    alike = run(make_pairs(5, 0, 0, 5)).iloc[0]
    assert np.isnan(alike["mcnemar_p"])
    assert "one face alone" in alike["mcnemar_note"]


def test_columns_may_have_the_underscores_of_the_csv():
    marked = make_counts(pain=(2, 12), no_pain=(15, 18), region="ear_top").astype({"ear_top": int})
    assert run(marked, ["ear top"]).iloc[0]["marked_pain"] == 2


def test_all_faults_are_told_at_once():
    marked = make_pairs(2, 2, 2, 2)
    marked["eye"] = marked["eye"].astype(object)
    marked.loc[1, "eye"] = 2
    marked.loc[2, "label"] = "AC"
    marked.loc[3, "subject"] = ""
    marked.loc[5, "pair"] = 1
    marked.loc[[6, 7], "pair"] = -3
    with pytest.raises(PainlibError) as raised:
        run(marked)
    told = str(raised.value)
    for part in (
        "(5 faults)",
        "'eye'",
        "got 2 in row 2",
        "'AC' in row 3",
        "'subject' is empty in row 4",
        "several",
        "-1",
    ):
        assert part in told, told
    with pytest.raises(PainlibError, match="columns missing: recording, nose"):
        run(marked.drop(columns="recording"), ["eye", "nose"])
    with pytest.raises(PainlibError, match="each once"):
        run(marked, ["eye", "eye"])
    with pytest.raises(PainlibError, match="at least one face that was judged, got none of 16"):
        run(make_pairs(2, 2, 2, 2).assign(cannot_judge=True))


def test_parameters_out_of_bounds_are_refused():
    marked = make_animals({"eye": [(1, 9)] * 6})
    with pytest.raises(PainlibError, match="alpha between 0 and 1"):
        run(marked, alpha=1.0)
    with pytest.raises(PainlibError, match="more than 1 / alpha flips"):
        run(marked, n_flips=20)
    with pytest.raises(PainlibError, match="1 not finite"):
        compute_max_t(np.array([[0.1, np.nan]]), seed=0, n_flips=100)
    with pytest.raises(PainlibError, match="between 0 and 1"):
        simulate_rates(1, 6, 0.9)


# Verdicts and words


def make_contrast():
    """Two animals of eight carry the eye's difference, all eight the nose's; the hand is never marked."""
    levels = {
        "eye": [(1, 39)] * 2 + [(10, 10)] * 6,
        "nose": [(4, 36)] * 8,
        "hand": [(0, 0)] * 8,
        "mouth": [(20, 21), (21, 20)] * 4,
    }
    return make_animals(levels, n_faces=40), list(levels)


def test_the_verdict_says_where_only_the_published_test_says_yes():
    marked, regions = make_contrast()
    table = run(marked, regions).set_index("region")
    assert table["verdict"].to_dict() == {
        "eye": "published only",
        "nose": "both",
        "hand": "neither",
        "mouth": "neither",
    }
    assert table["stars"].to_dict() == {"eye": "***", "nose": "***", "hand": "", "mouth": ""}
    assert table.loc["eye", "animal_p"] > 0.05


def test_sentences_name_tests_units_numbers_and_what_is_not_confirmed():
    marked, regions = make_contrast()
    alone = make_animals({name: [(0, 1)] for name in regions}, n_faces=1).assign(subject="m99").iloc[1:]
    told = region_tests.explain(run(pd.concat([marked, alone]), regions))
    text = " ".join(told)
    for part in (
        "320 no-pain and 321 pain faces",
        "chi-squared test with Yates's correction (1 df), the face being the unit",
        "Bonferroni-corrected over 4 regions",
        "More often marked in pain: eye (43 % against 19 %",
        "1 animal without faces of both classes was left out",
        "animal as the unit (n = 8)",
        "flipped in all 256 ways",
        "smallest P that can be reached is 0.00781",
        "It found nose (mean difference +80 points, P = 0.008)",
        "not with the animal as the unit: eye.",
        "Both units are reported because",
    ):
        assert part in text, text
    assert "McNemar" not in text
    assert all(sentence.endswith((".", ")")) and "nan" not in sentence for sentence in told)


def test_sentences_tell_pairs_untested_regions_and_too_few_animals():
    paired = make_pairs(3, 9, 0, 4).assign(hand=0, recording="r")
    text = " ".join(region_tests.explain(run(paired, ["eye", "hand"], yates=False)))
    assert "In 16 pairs of like composition, McNemar's test" in text
    assert "found eye (P = 0.008)" in text  # 2 * 2 / 2^9
    assert "Not testable: hand (never marked in either class); the correction still counts 2 regions." in text
    assert "without Yates's correction" in text
    assert "not testable (1 animal with faces of both classes" in text
    assert "Significant by the published test, not testable with the animal as the unit: eye." in text
    small = " ".join(region_tests.explain(run(make_counts(pain=(3, 4), no_pain=(1, 4)))))
    assert "Fisher's exact test stands beside it (not corrected): eye, P = 0.486" in small
    assert "No region differed" in small


# The simulation


def test_simulated_marks_are_ready_for_the_tests_and_repeat_by_seed():
    marked = region_tests.simulate_marks(3, 6)
    assert marked.equals(region_tests.simulate_marks(3, 6))
    assert not marked.equals(region_tests.simulate_marks(4, 6))
    assert marked.groupby("subject")["recording"].nunique().tolist() == [2] * 6
    assert marked.groupby("recording")["label"].nunique().max() == 1
    assert marked.groupby("recording").size().between(20, 60).all()
    paired = marked[marked["pair"] >= 0]
    assert (paired.groupby("pair")["label"].nunique() == 2).all()
    across = (paired.groupby("pair")["subject"].nunique() == 2).mean()
    assert 0.3 < across < 0.7
    within = region_tests.simulate_marks(3, 6, clustering=Clustering(across=0.0))
    assert (within[within["pair"] >= 0].groupby("pair")["subject"].nunique() == 1).all()


def test_the_rates_are_those_of_the_tests_that_users_run():
    for seed in range(6):
        rates = simulate_rates(1, 8, 0.3, seed=seed).set_index("test")
        table = run(region_tests.simulate_marks(seed, 8, effect=0.3), REGIONS).set_index("region")
        moved = table.index.isin(region_tests.AFFECTED)
        columns = ("animal_p_corrected", "p_bonferroni", "mcnemar_p_bonferroni")
        for (test, rate), column in zip(rates.iterrows(), columns, strict=True):
            yes = (table[column] < 0.05).to_numpy()
            expected = (float(yes[~moved].any()), yes[moved].mean(), float(yes[moved].any()))
            assert tuple(rate[["familywise", "power", "power_any"]]) == pytest.approx(expected), (seed, test)


def test_the_family_wise_rate_holds_by_animal_and_not_by_face_or_pair():
    for n_animals in (6, 12):
        rates = simulate_rates(400, n_animals).set_index("test")["familywise"]
        assert rates["animals, max-T"] <= 0.09  # 0.05 and what 400 draws leave open
        assert rates["chi-squared, Bonferroni"] > 0.3
        assert rates["McNemar, Bonferroni"] > 0.2
    same = Clustering(animal_sd=0.0, recording_sd=0.0)
    alike = simulate_rates(300, 12, clustering=same).set_index("test")["familywise"]
    assert alike["chi-squared, Bonferroni"] <= 0.08  # what breaks it is that recordings differ


def test_power_rises_with_the_effect_and_below_six_animals_there_is_none():
    power = [simulate_rates(100, 12, effect).iloc[0]["power"] for effect in (0.15, 0.3)]
    assert 0.1 < power[0] < 0.6 < power[1]
    assert np.isnan(simulate_rates(5, 6).iloc[0]["power"])
    assert simulate_rates(20, 5, 0.3).iloc[0]["power"] == 0


def test_the_plain_mean_holds_where_few_pain_faces_break_the_studentised_one():
    setting = {"n_faces": (40, 5), "seed": 1}
    plain = simulate_rates(600, 12, **setting).iloc[0]["familywise"]
    studentised = simulate_rates(600, 12, **setting, studentise=True).iloc[0]["familywise"]
    assert plain <= 0.07
    assert studentised > 0.09


@pytest.mark.verify
def test_family_wise_rates_and_power_over_1000_draws():
    tables = [simulate_rates(1000, n, effect) for n in (6, 8, 12, 20) for effect in (0.0, 0.15, 0.3)]
    tables += [simulate_rates(1000, n, n_faces=(40, 5)).assign(effect="0, 5 pain faces") for n in (6, 12)]
    rates = pd.concat(tables, ignore_index=True)
    print("\nFamily-wise rates and power, alpha 0.05, 13 regions, faces clustered by animal and recording")
    print(rates.round(3).to_string(index=False))
    null = rates[rates["effect"] == 0].set_index(["n_animals", "test"])["familywise"]
    for n in (6, 12):
        assert null[n, "animals, max-T"] <= 0.07
        assert null[n, "chi-squared, Bonferroni"] > 0.3
    unequal = rates[(rates["effect"] == "0, 5 pain faces") & (rates["test"] == "animals, max-T")]
    assert (unequal["familywise"] <= 0.07).all()

"""Inside or outside what a model knows: distances, limits, what the model folder keeps, and the verdict."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import cv2
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import torch
from coat_cohorts import CoatFaces, draw_coat, join_cohorts, judge_faces
from figures import artists, find_overlaps, words

from painlib.attribution import write_maps
from painlib.cohort import CameraVideo, Recording, VideoPart
from painlib.evidence import place_head
from painlib.faces.store import CameraFiles, FaceStore
from painlib.faults import PainlibError
from painlib.model import PainNet, save_model
from painlib.model_card import LABELS, CardMetrics, CropFacts, ModelCard, TrainingAnimal
from painlib.novelty import (
    FACES_FILE,
    FACTS_FILE,
    MEASURES,
    Acquaintance,
    FaceSample,
    Reference,
    check_cohort,
    examine_attribution,
    find_limit,
    judge_novelty,
    list_painless,
    load_reference,
    make_cohort_reference,
    make_reference,
    measure_attribution,
    measure_confidence,
    measure_coverage,
    measure_distances,
    recordings,
    save_reference,
    tabulate_limits,
    write_reference,
)
from painlib.novelty.features import BLOCKS, describe_faces, find_units, shrink_faces, weigh
from painlib.novelty.limits import LEVEL, find_apart, find_fewest_outside, find_worst
from painlib.novelty.reference import FACES_PER_RECORDING, draw_rows, join_measures
from painlib.plots.novelty import pick_far_faces, plot_novelty
from painlib.pose.labels import COORDINATES
from painlib.regions import load_landmarks
from painlib.tables import write_table
from painlib.validation import CrossValidation, Fold

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def draw_noise(n: int, seed: int = 0, px: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(40, 200, (n, px, px, 3), dtype=np.uint8)


def list_faces(n_animals: int, each: int, names: str = "m") -> pd.DataFrame:
    rows = [(f"{names}{k}_{r}", f"{names}{k}") for k in range(n_animals) for r in "ab" for _ in range(each)]
    return pd.DataFrame(rows, columns=["recording", "subject"])


# --- features ---


def test_brightness_and_contrast_make_no_face_strange():
    face = np.random.default_rng(1).integers(0, 100, (1, 32, 32, 3), dtype=np.uint8)
    brighter = 2 * face + 30
    np.testing.assert_allclose(describe_faces(brighter), describe_faces(face), atol=1e-4)


def test_colour_form_and_tone_do():
    face = np.random.default_rng(1).integers(60, 200, (1, 32, 32, 3), dtype=np.uint8)
    face[0, 8:20, 8:20] = (220, 120, 60)
    for changed, block in ((face[..., ::-1], "appearance"), (255 - face, "tones"), (face[:, ::-1], "edges")):
        apart = describe_faces(changed)[:, BLOCKS[block]] - describe_faces(face)[:, BLOCKS[block]]
        assert np.abs(apart).max() > 0.1


def test_an_evenly_grey_face_has_finite_features():
    assert (describe_faces(np.full((1, 32, 32, 3), 128, np.uint8)) == 0).all()


def test_the_unit_is_the_distance_between_faces_of_different_animals():
    thumbnails = draw_noise(12, px=32)
    subjects = np.repeat(["a", "b", "c"], 4)
    described = describe_faces(thumbnails)
    features = weigh(described, find_units(described, subjects)).astype(float)
    pairs = [(i, j) for i in range(12) for j in range(12) if subjects[i] != subjects[j]]
    for part in BLOCKS.values():
        squares = [((features[i, part] - features[j, part]) ** 2).sum() for i, j in pairs]
        assert len(BLOCKS) * np.mean(squares) == pytest.approx(1, rel=1e-5)


def test_faces_that_cannot_be_made_small_are_refused():
    for wrong in (draw_noise(2, px=31), draw_noise(2).astype(float), draw_noise(2)[..., 0]):
        with pytest.raises(PainlibError, match=r"Expected faces \(n, px, px, 3\) uint8 of at least 32"):
            shrink_faces(wrong)


# --- distances and the reference ---


def test_the_distance_is_to_the_fifth_nearest_face_of_other_animals():
    inputs, faces = draw_noise(30), list_faces(3, 5)
    reference = make_reference(inputs, faces, seed=0)
    new = shrink_faces(draw_noise(4, seed=9))
    table = pd.DataFrame({"recording": "x", "subject": ["new", "new", "m1", "m1"]})
    found = measure_distances(reference, new, table)
    described = weigh(describe_faces(new), reference.units).astype(float)
    for place, subject in enumerate(table["subject"]):
        others = np.flatnonzero((reference.faces["subject"] != subject).to_numpy())
        apart = np.linalg.norm(reference.features[others].astype(float) - described[place], axis=1)
        assert found["distance"][place] == pytest.approx(np.sort(apart)[4], rel=1e-5)
        assert found["nearest"][place] == others[apart.argmin()]


def test_a_training_animal_is_measured_as_if_it_were_new():
    inputs, faces = draw_noise(60), list_faces(6, 5)
    own = (faces["subject"] == "m2").to_numpy()
    whole = make_reference(inputs, faces, seed=0)
    # Taken out of the reference altogether and given another name: only the unit, of all animals, is shared.
    rest = make_reference(inputs[~own], faces[~own], seed=0)
    rest.__dict__["units"] = whole.units
    found = measure_distances(rest, shrink_faces(inputs[own]), faces[own].assign(subject="new"))
    mine = whole.training.set_index("recording").loc[["m2_a", "m2_b"], "distance"]
    np.testing.assert_allclose(found.groupby("recording")["distance"].median(), mine, rtol=1e-6)


def test_of_each_recording_some_faces_are_kept_whatever_else_it_has():
    names = pd.Series(["a"] * 500 + ["b"] * 3 + ["c"] * 100)
    rows = draw_rows(names, seed=3)
    assert names.iloc[rows].value_counts().to_dict() == {"a": FACES_PER_RECORDING, "c": 60, "b": 3}
    assert (np.diff(rows) > 0).all()
    assert len(draw_rows(names, 3, most=30)) == 10 + 3 + 10
    assert draw_rows(names, 3).tolist() == rows.tolist() != draw_rows(names, 4).tolist()
    assert len(draw_rows(pd.Series(dtype=str), 0)) == 0


def build_folder(folder: Path, seed: int = 0) -> Path:
    """A model folder without training faces."""
    torch.manual_seed(seed)
    net = PainNet((2, 2, 2, 2, 2, 2), (2, 2), 64)
    save_model(folder, net, build_card(net))
    return folder


def build_card(net: PainNet) -> ModelCard:
    return ModelCard(
        architecture=net.architecture,
        labels=LABELS,
        training_animals=(TrainingAnimal(subject="m0", sex="", n_faces=3),),
        crop=CropFacts(crop_px=64, border="shift", likelihood_threshold=0.9),
        pose_network=None,
        metrics=CardMetrics(held_out={}, training_set={}),
        training={},
        seed=0,
        versions={},
    )


def build_reference(n_animals: int = 6) -> Reference:
    faces = list_faces(n_animals, 4)
    known = pd.DataFrame({"recording": ["m0_a", "m1_a"], "coverage": [0.5, 0.75]})
    return make_reference(draw_noise(len(faces)), faces, 5, [known])


def test_the_model_folder_keeps_the_reference_and_its_bytes_repeat(tmp_path):
    reference = build_reference()
    written = []
    for name in "ab":
        paths = save_reference(build_folder(tmp_path / name), reference)
        written.append([path.read_bytes() for path in paths])
    assert written[0] == written[1]
    loaded = load_reference(tmp_path / "a")
    assert loaded is not None
    np.testing.assert_array_equal(loaded.thumbnails, reference.thumbnails)
    pd.testing.assert_frame_equal(loaded.faces, reference.faces, check_dtype=False)
    pd.testing.assert_frame_equal(loaded.training, reference.training, check_dtype=False)
    assert loaded.training["coverage"].tolist()[:3] == [0.5, pytest.approx(np.nan, nan_ok=True), 0.75]
    assert loaded.seed == 5
    assert loaded.subjects == [f"m{k}" for k in range(6)]


def test_a_model_of_an_older_painlib_has_none(tmp_path):
    assert load_reference(build_folder(tmp_path)) is None


def _cut_short(folder: Path) -> None:
    (folder / FACES_FILE).write_bytes((folder / FACES_FILE).read_bytes()[:-7])


def _train_anew(folder: Path) -> None:
    build_folder(folder, seed=1)


def _lose_faces(folder: Path) -> None:
    (folder / FACES_FILE).unlink()


def _lose_facts(folder: Path) -> None:
    (folder / FACTS_FILE).unlink()


def _change_facts(folder: Path, **changes: object) -> None:
    path = folder / FACTS_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_cut_short, "expected the faces that reference.json names, got others"),
        (_train_anew, "they are of different trainings"),
        (_lose_faces, r"cannot read .*reference.safetensors"),
        (_lose_facts, r"cannot read .*reference.json"),
        (lambda folder: _change_facts(folder, format_version=2), "format_version"),
        (lambda folder: _change_facts(folder, rows=[0]), "1 rows do not fit faces"),
        (lambda folder: _change_facts(folder, rows=[99] * 48), "48 rows do not fit"),
        (lambda folder: (folder / FACTS_FILE).write_text("{"), "expected the training faces' facts"),
    ],
)
def test_a_faulty_reference_is_told_with_its_file(tmp_path, spoil, told):
    save_reference(build_folder(tmp_path), build_reference())
    spoil(tmp_path)
    with pytest.raises(PainlibError, match=told) as caught:
        load_reference(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_faces_and_rows_of_a_reference_belong_together():
    with pytest.raises(PainlibError, match="expected a row for each of 3 faces, got 4"):
        make_reference(draw_noise(3), list_faces(1, 2), 0)
    with pytest.raises(PainlibError, match="each of 0 faces"):
        make_reference(draw_noise(0), list_faces(0, 0), 0)


# --- limits ---


@pytest.mark.parametrize("n", [4, 8, 12])
def test_the_limit_is_that_of_a_prediction_interval_over_animals(n):
    rng = np.random.default_rng(n)
    distances, shares = np.exp(rng.normal(0, 0.3, n)), rng.uniform(0.3, 0.4, n)
    alpha = 2 * LEVEL / len(MEASURES)
    for measure, values, scaled in (
        ("distance", distances, np.log(distances)),
        ("attribution", shares, np.arcsin(np.sqrt(shares))),
        ("coverage", shares, np.arcsin(np.sqrt(shares))),
    ):
        fit = sm.OLS(scaled, np.ones(n)).fit()
        low, high = fit.get_prediction([[1.0]]).conf_int(obs=True, alpha=alpha)[0]
        side = MEASURES[measure].side
        expected = high if side > 0 else low
        raw = math.exp(expected) if measure == "distance" else math.sin(expected) ** 2
        if n == 4 and measure == "coverage":
            raw = math.nan if expected < 0 else raw
        typical = math.exp(scaled.mean()) if measure == "distance" else math.sin(scaled.mean()) ** 2
        least = 1.1 * typical if measure == "distance" else typical + side * 0.1
        if not math.isnan(raw):
            raw = max(raw, least) if side > 0 else min(raw, least)
        assert find_limit(values, measure) == pytest.approx(raw, nan_ok=True)


def test_animals_all_but_equal_do_not_make_a_trifle_count():
    assert find_limit(np.full(6, 0.5), "distance") == pytest.approx(0.55)
    assert find_limit(np.full(6, 0.02), "pain_share") == pytest.approx(0.12)
    assert find_limit(np.full(6, 0.95), "confidence") == pytest.approx(0.90)
    assert find_limit(np.full(6, 0.6), "coverage") == pytest.approx(0.5)
    assert find_limit(np.zeros(6), "distance") == pytest.approx(1.1e-6)


def test_no_limit_is_given_where_none_could_be_passed_or_animals_are_few():
    assert math.isnan(find_limit(np.full(3, 0.5), "distance"))
    assert math.isnan(find_limit(np.array([]), "coverage"))
    assert math.isnan(find_limit(np.array([0.0, 1.0, 0.0, 1.0]), "pain_share"))
    assert math.isnan(find_limit(np.full(6, 0.05), "coverage")), "no coverage lies 0.1 below 0.05"
    assert math.isnan(find_limit(np.full(6, 0.54), "confidence")), "no call is less sure than 0.5"


def test_of_an_animal_the_worst_recording_counts():
    training = pd.DataFrame({"subject": ["a", "a", "b", "b"], "distance": [1, 3, 2, np.nan]})
    training["coverage"] = [0.1, 0.3, np.nan, 0.2]
    assert find_worst(training, "distance").to_dict() == {"a": 3, "b": 2}
    assert find_worst(training, "coverage").to_dict() == {"a": 0.1, "b": 0.2}
    assert find_worst(training, "confidence").empty


def test_a_training_animal_that_stands_apart_is_named():
    distances = [0.5, 0.52, 0.48, 0.51, 0.49, 0.5]
    training = pd.DataFrame({"subject": list("abcdef"), "distance": distances})
    assert find_apart(training) == []
    training.loc[5, "distance"] = 2.0
    assert find_apart(training) == ["f"]


def test_a_cohort_needs_more_strange_animals_than_chance_gives():
    for n in range(1, 61):
        k = find_fewest_outside(n)

        def chance(at_least: int, n: int = n) -> float:
            return sum(math.comb(n, i) * 0.01**i * 0.99 ** (n - i) for i in range(at_least, n + 1))

        assert chance(k) <= 0.01 + 1e-12
        assert k == 1 or chance(k - 1) > 0.01
    assert [find_fewest_outside(n) for n in (1, 2, 15, 16, 44, 45)] == [1, 2, 2, 3, 3, 4]


# --- the verdict ---


def make_known(n: int = 8) -> Reference:
    """A reference of `n` animals whose measures are set by hand: distance 0.5, coverage 0.6, and so on."""
    wobble = np.linspace(-0.01, 0.01, n)
    training = pd.DataFrame(
        {"recording": [f"t{k}_pre" for k in range(n)], "subject": [f"t{k}" for k in range(n)]}
    )
    training["distance"], training["pain_share"] = 0.5 + wobble, 0.05 + wobble
    training["confidence"], training["attribution"], training["coverage"] = 0.9 + wobble, 0.4 + wobble, 0.6
    return Reference(np.zeros((0, 32, 32, 3), np.uint8), training[["recording", "subject"]], training, 0)


USUAL = {"distance": 0.5, "pain_share": 0.05, "confidence": 0.9, "attribution": 0.4, "coverage": 0.6}


def make_new(*animals: dict[str, object]) -> pd.DataFrame:
    rows = [
        {"recording": f"n{k}_pre", "subject": f"n{k}", "trained_on": False, "n_faces": 100} | USUAL | animal
        for k, animal in enumerate(animals)
    ]
    return pd.DataFrame(rows, columns=["recording", "subject", "trained_on", "n_faces", *MEASURES])


def test_animals_like_the_training_animals_are_inside():
    found = judge_novelty(make_known(), make_new({}, {}, {}))
    assert found.state == "inside"
    assert found.animals["inside"].tolist() == ["inside"] * 3
    assert found.explain().startswith("Inside what this model knows: 3 of 3 animals.")
    assert "not that pain is read rightly" in found.explain()
    assert found.note() == "Inside what the model knows (3 of 3 animals)"


STRANGE = {
    "distance": (0.7, "1.40 (held-out training animals 1; at most 1.1"),
    "pain_share": (0.4, "40\u00a0% (held-out training animals 5\u00a0%; at most 15\u00a0%)"),
    "confidence": (0.7, "70\u00a0% (held-out training animals 90\u00a0%; at least 85\u00a0%)"),
    "attribution": (0.6, "60\u00a0% (held-out training animals 40\u00a0%; at most 50\u00a0%)"),
    "coverage": (0.2, "20\u00a0% (held-out training animals 60\u00a0%; at least 50\u00a0%)"),
}


@pytest.mark.parametrize("measure", MEASURES)
def test_each_measure_alone_puts_an_animal_outside_and_is_the_reason(measure):
    value, told = STRANGE[measure]
    found = judge_novelty(make_known(), make_new({measure: value}, {measure: value}, {}))
    assert found.state == "outside"
    assert found.animals["inside"].tolist() == ["outside", "outside", "inside"]
    assert told in found.animals["reasons"][0]
    assert found.animals["reasons"][2] == ""
    assert MEASURES[measure].words in found.animals["reasons"][0].lower()
    explained = found.explain()
    assert explained.startswith("OUTSIDE what this model knows: 2 of 3 animals.")
    assert "beyond it 2 animals" in explained
    assert found.note() == "Outside what the model knows (2 of 3 animals): not to be believed"
    # The other way round nothing is strange.
    usual = USUAL[measure]
    other = usual - 0.4 * (value - usual)
    assert judge_novelty(make_known(), make_new({measure: other})).state == "inside"


def test_one_strange_animal_of_many_is_named_and_the_cohort_stays_inside():
    found = judge_novelty(make_known(), make_new({"distance": 0.9}, *[{}] * 9))
    assert found.state == "inside"
    assert "1 outside (n0)" in found.explain()
    assert found.note() == "Inside what the model knows (9 of 10 animals; outside: n0)"
    marked = found.mark(pd.DataFrame({"subject": ["n0", "n1", "unheard of"]}))
    assert marked["inside"].tolist() == ["outside", "inside", "cannot be told"]


def test_what_is_strange_before_treatment_counts_for_the_whole_animal():
    pre, post = make_new({"pain_share": 0.6}), make_new({"recording": "n0_post"})
    post[["pain_share", "confidence"]] = np.nan
    found = judge_novelty(make_known(), pd.concat([pre, post], ignore_index=True))
    assert found.recordings["inside"].tolist() == ["outside", "inside"]
    assert found.animals["inside"].tolist() == ["outside"]
    assert found.animals["reasons"][0].startswith("n0_pre: Share of faces called pain")


def test_training_animals_decide_only_where_there_are_no_others_and_not_by_their_confidence():
    table = make_new({"distance": 0.9, "trained_on": True}, {"distance": 0.9, "trained_on": True}, {})
    found = judge_novelty(make_known(), table)
    assert (found.state, found.note()) == ("inside", "Inside what the model knows (1 of 1 animals)")
    alone = judge_novelty(make_known(), make_new(*[{"trained_on": True, "pain_share": 0.9}] * 2))
    assert alone.note() == "Inside what the model knows (2 of 2 animals, all trained on)"
    assert judge_novelty(make_known(), table.iloc[:2]).state == "outside"


def test_it_cannot_be_told_without_training_faces_or_with_few_of_them_or_few_faces():
    without = judge_novelty(None, make_new({}, {}))
    assert without.state == "cannot be told"
    assert without.animals["inside"].tolist() == ["cannot be told"] * 2
    assert "run stage 02_train again" in without.explain()
    few = judge_novelty(make_known(3), make_new({}))
    assert "the model was trained on too few animals (3; 4 are needed)" in few.explain()
    seldom = judge_novelty(make_known(), make_new({"n_faces": 19, "distance": 9.0}))
    assert seldom.animals["reasons"][0] == "19 faces, 20 are needed"
    assert seldom.state == "cannot be told"
    for found in (without, few, seldom):
        assert found.note() == "Cannot be told whether the model knows these animals"
        assert found.explain().startswith("CANNOT BE TOLD")
    assert judge_novelty(make_known(), make_new()).state == "cannot be told"


def test_a_recording_hardly_seen_is_outside_by_its_coverage():
    found = judge_novelty(make_known(), make_new({"n_faces": 0, "coverage": 0.0}))
    assert found.state == "outside"


def test_what_is_not_measured_is_said():
    known = make_known()
    known.training["attribution"] = np.nan
    new = make_new({"pain_share": np.nan, "confidence": np.nan})
    told = judge_novelty(known, new).explain()
    assert "because no recording of this cohort has it: share of faces called pain before treatment;" in told
    assert "because it is known of 0 training animals and 4 are needed: share of attribution" in told


# --- what recordings show ---


def make_recording(name: str, phase: str, label: str, subject: str = "m1") -> Recording:
    cameras = tuple(CameraVideo(name, subject, camera, (VideoPart("x.mp4"),)) for camera in "AB")
    return Recording(name, subject, cameras, phase, label, "", "", "", 0.0)


def test_painless_is_what_is_labelled_so_or_comes_before_treatment():
    kinds = [("pre", ""), ("pre", "no pain"), ("post", "no pain"), ("post", ""), ("post", "pain"), ("", "")]
    made = [make_recording(f"r{k}", *kind) for k, kind in enumerate(kinds)]
    assert list_painless(made) == ["r0", "r1", "r2"]


def test_confidence_and_pain_share_before_treatment_by_hand():
    judged = pd.DataFrame({"recording": ["a", "a", "a", "a", "b"], "p_pain": [0.1, 0.9, 0.5, 0.3, 1.0]})
    judged["p_no_pain"] = 1 - judged["p_pain"]
    found = measure_confidence(judged, ["a"])
    assert found.to_dict("list") == {
        "recording": ["a"],
        "pain_share": [0.25],
        "confidence": [pytest.approx((0.9 + 0.9 + 0.5 + 0.7) / 4)],
    }
    assert measure_confidence(judged, []).empty


def test_attribution_outside_the_face_by_hand():
    face = [0.5, 0.72, 0.33, 0.5, 0.67, 0.5]  # nose, right eye, left eye: a head in the middle
    landmarks = pd.DataFrame([face] * 3, columns=list(COORDINATES))
    maps = np.zeros((3, 8, 8), np.float32)
    maps[0, 4, 4] = maps[1, 0, 0] = 1  # between the eyes; in a corner; nowhere
    found = measure_attribution(maps, landmarks, pd.Series(["a", "b", "c"]))
    assert found["recording"].tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(found["attribution"], [0, 1, np.nan], atol=1e-6)


# --- a cohort on disk ---

SIDE = 64


def write_cohort(workdir: Path, cohort: CoatFaces) -> tuple[list[Recording], pd.DataFrame]:
    """Faces, poses and maps as 01_crop and 03_predict leave them; a face in every second frame of A."""
    made, frames = [], []
    for (name, subject), rows in cohort.faces.groupby(["recording", "subject"], sort=True):
        label = rows["label"].iloc[0]
        made.append(make_recording(str(name), "post" if label == "pain" else "pre", label, str(subject)))
        jpegs = [
            cv2.imencode(".jpg", cohort.inputs[k][..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
            for k in rows.index
        ]
        n = len(jpegs)
        files = CameraFiles(workdir, str(name), "A")
        files.blob.parent.mkdir(parents=True, exist_ok=True)
        files.blob.write_bytes(b"".join(jpegs))
        lengths = np.array([len(jpeg) for jpeg in jpegs])
        index = pd.DataFrame({"recording": name, "subject": subject, "camera": "A"}, index=range(n))
        index["frame"], index["time_s"], index["rule"] = 2 * np.arange(n), 1.0 * np.arange(n), np.int8(1)
        index["centre_x"], index["centre_y"], index["size_px"] = 100.0, 100.0, SIDE
        index["offset"], index["length"] = np.cumsum(lengths) - lengths, lengths
        write_table(index, files.index, "faces", str(name))
        for camera in "AB":
            pose = pd.DataFrame({"frame": np.arange(2 * n), "time_s": np.arange(2 * n) / 2})
            for point, (x, y) in {"nose": (0, 14), "right_eye": (-11, 0), "left_eye": (11, 0)}.items():
                pose[[f"{point}_x", f"{point}_y"]] = 100.0 + np.array([x, y])
                pose[f"{point}_likelihood"] = 1.0
            write_table(pose, CameraFiles(workdir, str(name), camera).pose, "pose")
        maps = np.zeros((n, 2, 2, 2), np.float16)
        maps[:, :, 0, 0] = 1
        write_maps(workdir, str(name), index, maps, np.ones((n, 2)), "x")
        frames.append(index[["recording", "subject", "camera", "frame"]].assign(p_no_pain=0.9, p_pain=0.1))
    return made, pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def drawn() -> dict[str, CoatFaces]:
    return {"white": draw_coat(11, "white", 7, 22), "dark": draw_coat(12, "dark", 7, 22)}


@pytest.fixture
def crop_facts(monkeypatch) -> None:
    facts = {"crop_px": SIDE, "border": "shift", "likelihood_threshold": 0.9}
    monkeypatch.setattr(recordings, "read_crop_facts", lambda _: facts)


def test_coverage_is_the_share_of_time_points_with_a_face_of_any_camera(tmp_path, drawn, crop_facts):
    one = drawn["white"].take(slice(0, 1))
    made, frames = write_cohort(tmp_path, one)
    index = frames[frames["recording"] == made[0].name]
    # 44 frames of two cameras in step, a face in every second of camera A.
    assert measure_coverage(made[:1], index, tmp_path)["coverage"].tolist() == [0.5]
    assert measure_coverage(made[:1], index.iloc[:0], tmp_path)["coverage"].tolist() == [0.0]
    assert measure_coverage([make_recording("not filmed", "pre", "")], index, tmp_path).empty


def test_a_cohort_on_disk_is_measured_and_judged(tmp_path, drawn, crop_facts):
    train, new = drawn["white"].take(slice(0, 5)), drawn["dark"].take(slice(0, 2))
    made, frames = write_cohort(tmp_path, join_cohorts(new, drawn["white"].take(slice(5, 6))))
    known = [make_recording(str(name), "", "") for name in train.faces["recording"].unique()]
    held_out = pd.DataFrame({"recording": [one.name for one in known], "coverage": 0.5, "attribution": 0.6})
    reference = make_reference(train.inputs, train.faces, 0, [held_out])
    net = PainNet((2, 2, 2, 2, 2, 2), (2, 2), 64)
    found = check_cohort(reference, build_card(net), made, frames, tmp_path, seed=0)
    assert found.state == "outside"
    assert found.animals.set_index("subject")["inside"].to_dict() == {
        "dark_train01": "outside",
        "dark_train02": "outside",
        "white_train06": "inside",
    }
    assert (found.recordings["n_faces"] == 22).all()
    np.testing.assert_allclose(found.recordings["coverage"], 0.5)
    # All of it, evenly, in the upper left quarter.
    landmarks = load_landmarks(FaceStore(tmp_path, made).index, tmp_path, 0.9)
    outside = 1 - place_head(landmarks, 64)[:, :32, :32].mean()
    np.testing.assert_allclose(found.recordings["attribution"], outside, atol=1e-3)
    of_pre = found.recordings["recording"].str.endswith("pre")
    assert (found.recordings["pain_share"][of_pre] == 0).all()
    assert found.recordings["pain_share"][~of_pre].isna().all()
    assert not list((tmp_path / "predictions").glob("novelty*"))
    # The same distances as from the arrays, but for JPEG.
    straight = judge_faces(reference, new).recordings.set_index("recording")["distance"]
    on_disk = found.recordings.set_index("recording")["distance"]
    np.testing.assert_allclose(on_disk.loc[straight.index], straight, rtol=0.02)
    assert check_cohort(None, build_card(net), made, frames, tmp_path, seed=0).state == "cannot be told"
    unseen = [make_recording("empty", "pre", "", "m9")]
    assert check_cohort(reference, build_card(net), unseen, frames, tmp_path, 0).state == "cannot be told"


def test_attribution_of_held_out_animals_comes_from_the_network_that_never_saw_them(
    tmp_path, drawn, crop_facts
):
    cohort = drawn["white"].take(slice(0, 2))
    made, _ = write_cohort(tmp_path, cohort)
    rows = []
    for one in made:
        rows.append(pd.read_parquet(CameraFiles(tmp_path, one.name, "A").index))
    index = pd.concat(rows, ignore_index=True)
    net = PainNet((4, 4, 4, 4, 4, 4), (4, 4), 64)
    examine = examine_attribution(cohort.inputs, index, tmp_path, 32, "cpu", seed=0)
    held_out = np.flatnonzero((index["subject"] == "white_train02").to_numpy())
    found = examine(net, held_out)
    assert found["recording"].tolist() == ["white_train02_ac", "white_train02_pre"]
    assert found["attribution"].dropna().between(0, 1).all()


def test_a_training_becomes_a_reference_of_held_out_judgements(tmp_path, drawn, crop_facts):
    cohort = drawn["white"].take(slice(0, 4))
    made, frames = write_cohort(tmp_path, cohort)
    index = pd.concat([pd.read_parquet(CameraFiles(tmp_path, one.name, "A").index) for one in made])
    judged = frames.assign(fold="fold_1")
    judged.loc[judged["recording"] == "white_train01_pre", ["p_no_pain", "p_pain"]] = (0.2, 0.8)
    examined = pd.DataFrame({"recording": [one.name for one in made], "attribution": 0.25, "fold": "fold_1"})
    validation = CrossValidation(judged, pd.DataFrame(), [Fold("fold_1", ("white_train01",))], examined)
    made.append(make_recording("without a label", "pre", "", "m9"))
    reference = make_cohort_reference(cohort.inputs, index, validation, made, tmp_path, seed=0)
    training = reference.training.set_index("recording")
    assert sorted(training.index) == sorted(one.name for one in made[:-1])
    assert training.loc["white_train01_pre", ["pain_share", "confidence"]].tolist() == [1.0, 0.8]
    assert training.loc["white_train02_pre", ["pain_share", "confidence"]].tolist() == [0.0, 0.9]
    assert np.isnan(training.loc["white_train01_ac", "pain_share"])
    assert (training["coverage"] == 0.5).all()
    assert (training["attribution"] == 0.25).all()
    by_strain = CrossValidation(judged, pd.DataFrame(), [Fold("fold_1", ("a",), "BALB/c")], examined)
    # Judged worse than new animals of a known strain will be: what is kept does not come from judgements.
    other = make_cohort_reference(cohort.inputs, index, by_strain, made, tmp_path, seed=0).training
    assert other[["pain_share", "confidence", "attribution"]].isna().all(axis=None)
    kept = ["distance", "coverage"]
    np.testing.assert_array_equal(other[kept], reference.training[kept])

    folder = build_folder(tmp_path / "model")
    (folder / FACTS_FILE).write_text("of an earlier training")
    write_reference(cohort.inputs, index, validation, made, tmp_path, seed=0)
    loaded = load_reference(folder)
    assert loaded is not None
    pd.testing.assert_frame_equal(loaded.training, reference.training, check_dtype=False)


# --- drawn cohorts: the short form of tests/test_verify_novelty.py ---


def test_a_model_of_white_mice_knows_white_ones_and_not_dark_ones(drawn):
    train = drawn["white"].take(slice(0, 5))
    reference = make_reference(train.inputs, train.faces, 0)
    for coat, state in (("white", "inside"), ("dark", "outside")):
        found = judge_faces(reference, drawn[coat].take(slice(5, 7)))
        assert found.animals["inside"].tolist() == [state] * 2
        assert found.state == state


def test_single_faces_and_videos_of_dark_mice_are_strange_to_a_model_of_white_ones(drawn):
    train = drawn["white"].take(slice(0, 5))
    known = Acquaintance(make_reference(train.inputs, train.faces, 0))
    shares = {}
    for coat, state in (("white", "inside"), ("dark", "outside")):
        new = drawn[coat].take(slice(5, 7))
        shares[coat] = np.mean([known.judge_face(face).inside == "outside" for face in new.inputs])
        for recording in new.faces["recording"].unique():
            own = new.inputs[(new.faces["recording"] == recording).to_numpy()]
            assert known.judge_video(shrink_faces(own)).inside == state
            told = known.judge_video(shrink_faces(own[:19]))
            assert told == ("cannot be told", "19 faces, 20 are needed")
    assert shares["white"] <= 0.02  # at most one in a hundred is meant
    assert shares["dark"] > shares["white"]
    assert Acquaintance(None).judge_face(train.inputs[0]).inside == "cannot be told"
    assert "older painlib" in Acquaintance(None).judge_video(shrink_faces(train.inputs[:30])).why


def test_the_limit_of_a_single_face_is_over_what_99_of_100_faces_of_each_animal_keep_within(drawn):
    train = drawn["white"].take(slice(0, 6))
    reference = make_reference(train.inputs, train.faces, 0)
    limit, median = Acquaintance(reference).face_limit
    held = measure_distances(reference, reference.thumbnails, reference.faces)
    far = [np.percentile(own["distance"], 99) for _, own in held.groupby("subject")]
    assert limit == find_limit(np.array(far), "distance") > max(far)
    assert median == pytest.approx(np.mean([own["distance"].median() for _, own in held.groupby("subject")]))


def test_of_a_long_video_any_face_is_as_likely_to_be_looked_at():
    counts = np.zeros(240)
    for seed in range(40):
        sample = FaceSample(seed)
        sample.add(np.full((32, 32, 3), value, np.uint8) for value in range(240))
        kept = sample.thumbnails[:, 0, 0, 0]
        assert len(set(kept)) == len(kept) == FACES_PER_RECORDING
        counts[kept] += 1
    # Expected: 40 * 60 / 240 = 10 each; quarters of the video 600 each, SD 18 or so.
    assert np.abs(counts.reshape(4, 60).sum(axis=1) - 600).max() < 90
    assert FaceSample().thumbnails.shape == (0, 32, 32, 3)


def test_a_model_of_both_knows_both(drawn):
    train = join_cohorts(*(cohort.take(slice(0, 5)) for cohort in drawn.values()))
    reference = make_reference(train.inputs, train.faces, 0)
    for cohort in drawn.values():
        found = judge_faces(reference, cohort.take(slice(5, 7)))
        assert found.animals["inside"].tolist() == ["inside"] * 2


# --- the figure ---


def test_the_figure_shows_every_animal_the_limit_the_verdict_and_the_nearest_faces(drawn):
    train = drawn["white"].take(slice(0, 5))
    reference = make_reference(train.inputs, train.faces, 0)
    found = judge_faces(reference, drawn["dark"].take(slice(4, 7)))
    figure = plot_novelty(found, reference)
    panel = figure.axes[1]
    unit = found.limits["typical"][0]
    (points,) = artists(panel, "outside")
    np.testing.assert_allclose(np.sort(points.get_ydata()), np.sort(found.animals["distance"]) / unit)
    (known,) = artists(panel, "training")
    assert len(known.get_ydata()) == 5
    assert artists(panel, "limit")[0].get_ydata()[0] == pytest.approx(found.limits["limit"][0] / unit)
    assert "OUTSIDE what this model knows: 3 of 3 animals" in words(figure).replace("\n", " ")
    far = pick_far_faces(found)
    assert far["subject"].nunique() == len(far) == 3
    assert far["distance"].is_monotonic_decreasing
    shown, nearest = artists(figure, "new face"), artists(figure, "nearest")
    np.testing.assert_array_equal(shown[0].get_array(), found.thumbnails[far.index[0]])
    np.testing.assert_array_equal(nearest[0].get_array(), reference.thumbnails[far["nearest"].iloc[0]])
    assert find_overlaps(figure) == []


def test_the_figure_of_nothing_says_so():
    figure = plot_novelty(judge_novelty(None, make_new({"coverage": 0.5})))
    assert "CANNOT BE TOLD" in words(figure)
    assert "no limit" in words(figure)
    assert find_overlaps(figure) == []
    empty = judge_novelty(None, join_measures(make_new().iloc[:0, :4], []))
    assert "not measured" in words(plot_novelty(empty))
    full = plot_novelty(judge_novelty(make_known(), make_new({}, {"distance": 1.4}, {"coverage": 0.1})))
    assert find_overlaps(full) == []


def test_limits_of_an_empty_training_are_told_as_missing():
    table = tabulate_limits(pd.DataFrame(columns=["subject", *MEASURES]))
    assert table["limit"].isna().all()
    assert table["why"].str.contains("0 training animals").all()

"""Marks joined to the faces they are of: several annotators, half pairs, faces that nobody could judge."""

import numpy as np
import pandas as pd
import pytest

from painlib.attribution.checks import check_attribution, pick_checked
from painlib.faults import PainlibError
from painlib.model import PainNet
from painlib.params import RegionsParams
from painlib.region_faces import compare_annotators, join_marks, load_marks
from painlib.region_results import compare_samples, describe_marks
from painlib.regions import REGIONS, tabulate_marks, write_marks

EYE, NOSE = REGIONS.index("eye"), REGIONS.index("nose")


def make_sample(pairs: list[int]) -> pd.DataFrame:
    """A face a row, no pain and pain by turns; -1 is unpaired."""
    n = len(pairs)
    return pd.DataFrame(
        {
            "row": range(n),
            "recording": [("m1_pre", "m1_ac")[k % 2] for k in range(n)],
            "camera": "A",
            "frame": range(n),
            "subject": "m1",
            "label": [("no pain", "pain")[k % 2] for k in range(n)],
            "pair": pairs,
        }
    )


def make_marks(
    sample: pd.DataFrame, annotator: str, eyes: list[int], unjudged: list[int] | None = None
) -> pd.DataFrame:
    """Marks of an annotator who marks nothing but eyes."""
    marked = np.zeros((len(sample), len(REGIONS)), bool)
    marked[:, EYE] = eyes
    cannot = np.zeros(len(sample), bool) if unjudged is None else np.array(unjudged, bool)
    return tabulate_marks(sample, marked, annotator, "blind", cannot)


def test_a_region_counts_where_more_than_half_of_those_who_judged_marked_it():
    sample = make_sample([0, 0, 1, 1])
    marks = pd.concat(
        [
            make_marks(sample, "ada", [1, 1, 0, 1]),
            make_marks(sample, "ben", [1, 0, 0, 1], [0, 0, 0, 1]),
            make_marks(sample, "cy", [1, 0, 0, 0], [0, 0, 0, 1]),
        ]
    )
    joined = join_marks(sample, marks)
    # All three; one of three; none; one of the one who judged.
    assert joined["eye"].tolist() == [1, 0, 0, 1]
    assert joined["cannot_judge"].tolist() == [0, 0, 0, 0]
    tie = join_marks(sample, marks[marks["annotator"] != "cy"])
    assert tie["eye"].tolist() == [1, 0, 0, 1], "one of two is not more than half"


def test_a_face_that_nobody_could_judge_is_counted_as_such():
    sample = make_sample([0, 0])
    joined = join_marks(sample, make_marks(sample, "ada", [1, 1], [0, 1]))
    assert joined["cannot_judge"].tolist() == [0, 1]
    assert joined["pair"].tolist() == [0, 0], "both were marked; the tests leave the pair out"


def test_a_pair_of_which_one_face_is_not_marked_yet_is_no_pair():
    sample = make_sample([0, 0, 1, 1, -1, -1])
    joined = join_marks(sample, make_marks(sample, "ada", [1] * 6).drop(index=3))
    assert joined["frame"].tolist() == [0, 1, 2, 4, 5]
    assert joined["pair"].tolist() == [0, 0, -1, -1, -1]
    assert joined["drawn_for"].tolist() == ["pairs"] * 3 + ["unpaired"] * 2


def test_marks_of_an_earlier_sample_are_left_out_and_a_missing_annotator_is_told(tmp_path):
    sample = make_sample([0, 0, 1, 1])
    write_marks(tmp_path / "ada.csv", make_marks(sample, "ada", [1, 0, 1, 0]))
    marks = load_marks(tmp_path, sample.head(2), ["ada"])
    assert marks["frame"].tolist() == [0, 1]
    with pytest.raises(PainlibError, match=r"Expected marks of ben .*interactive"):
        load_marks(tmp_path, sample, ["ada", "ben"])


def test_a_face_that_was_begun_and_not_left_does_not_count(tmp_path):
    sample = make_sample([0, 0, 1, 1])
    marks = make_marks(sample, "ada", [1, 0, 1, 0])
    marks["marked_at"] = ["2026-01-01T10:00:00", "2026-01-01T10:00:05", "", ""]
    write_marks(tmp_path / "ada.csv", marks)
    # Written elsewhere, without times: all of them count.
    write_marks(tmp_path / "ben.csv", make_marks(sample, "ben", [1, 0, 1, 0]))
    found = load_marks(tmp_path, sample, ["ada", "ben"])
    assert found.groupby("annotator")["frame"].apply(list).to_dict() == {"ada": [0, 1], "ben": [0, 1, 2, 3]}


def test_every_two_annotators_and_each_with_the_proposals_are_compared():
    sample = make_sample([0, 0, 1, 1])
    ada, ben = make_marks(sample, "ada", [1, 0, 1, 0]), make_marks(sample, "ben", [1, 0, 0, 1])
    proposals = make_marks(sample, "proposals", [1, 0, 1, 0])
    subjects = {"m1_pre": "m1", "m1_ac": "m1"}
    agreed = compare_annotators(pd.concat([ada, ben]), proposals, subjects, seed=0)
    eyes = agreed[agreed["region"] == "eye"].set_index("comparison")["kappa"]
    # Kappa by hand: 2 of 4 agree where 1/2 is expected by chance, 4 of 4, 2 of 4.
    assert eyes.to_dict() == {
        "ada against ben": 0.0,
        "ada against the proposals": 1.0,
        "ben against the proposals": 0.0,
    }
    assert compare_annotators(proposals, proposals, subjects, seed=0).empty


def test_checked_faces_are_drawn_from_all_animals_and_classes_alike():
    faces = pd.DataFrame(
        {"subject": ["a"] * 90 + ["b"] * 10, "label": ([0] * 45 + [1] * 45) + ([0] * 5 + [1] * 5)}
    )
    chosen = faces.iloc[pick_checked(faces, 16, seed=1)]
    assert chosen.groupby(["subject", "label"]).size().tolist() == [4, 4, 4, 4]
    # Where an animal has fewer, it gives all.
    assert faces.iloc[pick_checked(faces, 40, seed=1)].groupby("subject").size().to_dict() == {
        "a": 20,
        "b": 10,
    }
    few = faces.iloc[pick_checked(faces, 2, seed=1)]
    assert sorted(few["label"]) == [0, 1]
    assert pick_checked(faces, 16, seed=1).tolist() == pick_checked(faces, 16, seed=1).tolist()


def test_checks_take_animals_as_the_unit():
    rng = np.random.default_rng(3)
    net = PainNet([4] * 6, [4, 4], 96)
    images = rng.integers(0, 256, (6, 96, 96, 3), dtype=np.uint8)
    labels = np.array(["pain", "no pain"] * 3, dtype=object)
    subjects = np.array(["a", "a", "a", "a", "b", "b"], dtype=object)
    checks = check_attribution(net, images, labels, subjects, 1, gradient_steps=4, steps=4, device="cpu")
    assert checks.map_size == (3, 3)
    assert (checks.curves["n_animals"] <= 2).all()
    whole = checks.curves[(checks.curves["way"] == "deletion") & (checks.curves["share"] == 0)]
    other = checks.curves[(checks.curves["way"] == "insertion") & (checks.curves["share"] == 1)]
    # Before anything is deleted, and when all is inserted, the face is as it was filmed.
    assert whole["mean"].to_numpy() == pytest.approx(other["mean"].to_numpy())
    # The area under a curve is its mean; between equal steps by trapezoids.
    for (method, way), curve in checks.curves.groupby(["method", "way"]):
        area = checks.areas.set_index(["method", "way"]).loc[(method, way), "mean"]
        assert area == pytest.approx(np.trapezoid(curve["mean"], curve["share"])), way
    assert set(checks.cascade["n_layers"]) <= set(range(1, 10))
    with pytest.raises(PainlibError, match="got 6 images, 5 labels"):
        check_attribution(net, images, labels[:5], subjects, 1)


def test_marks_that_nobody_could_judge_are_one_clear_fault():
    sample = make_sample([0, 0, -1, -1])
    marks = make_marks(sample, "ada", [0] * 4, [1] * 4)
    params = RegionsParams.model_construct(yates=True, alpha=0.05, seed=1, sign_flips=100)
    with pytest.raises(PainlibError, match="Expected marked faces that can be judged, got none: 4 of 4"):
        compare_samples(sample, marks, params)


def test_a_figure_is_told_who_marked_how_many_and_what_they_began_from():
    sample = make_sample([0, 0, 1, 1])
    marks = make_marks(sample, "ada", [1, 0, 1, 0]).head(3).assign(started_from="proposals")
    assert describe_marks(marks, sample, 0.5) == "marked by ada (3 of 4 faces, starting from the proposals)"
    headless = marks.assign(annotator="proposals", started_from="headless")
    assert "nobody has looked" in describe_marks(headless, sample, 0.5)

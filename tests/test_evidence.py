"""Evidence outside the face: what is measured, and when the alarm is raised."""

from __future__ import annotations

from types import SimpleNamespace

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from figures import find_overlaps
from leaky_cohorts import SETTINGS, DrawnFaces, draw_faces, leak_into, try_cohort

from painlib.demo.individuals import Part
from painlib.demo.leaks import LEAKS, add_leak
from painlib.evidence import (
    Evidence,
    EvidenceThresholds,
    find_share_outside,
    judge_evidence,
    measure_evidence,
    place_head,
)
from painlib.evidence.outline import LANDMARK_COLUMNS, read_head_pose
from painlib.evidence.summaries import ANIMAL_MEASURES, summarise_animals, summarise_overall
from painlib.evidence.swaps import blank, exchange_surroundings, find_blank, find_donors
from painlib.faults import PainlibError
from painlib.plots.evidence import pick_outside_faces, plot_evidence

matplotlib.use("Agg")
PX = 32
FRONT = (0.5, 0.72, 0.33, 0.5, 0.67, 0.5)  # nose, right eye, left eye
NOT_HEAD = (Part.STAGE, Part.BODY, Part.UNDER_BODY, Part.HAND, Part.TAIL)


def make_landmarks(*points: tuple[float, ...]) -> pd.DataFrame:
    return pd.DataFrame(points, columns=list(LANDMARK_COLUMNS))


class Reader(torch.nn.Module):
    """Says pain where some pixels are bright: logistic in their mean, 0.5 at grey 60, 4 logits for 20."""

    def __init__(self, where: np.ndarray) -> None:
        super().__init__()
        self.where = torch.from_numpy(where)

    def probabilities(self, images: torch.Tensor) -> torch.Tensor:
        pain = torch.sigmoid((images.double()[:, 0][:, self.where].mean(dim=1) - 60) / 5)
        return torch.stack([1 - pain, pain], dim=1)


CORNER, MIDDLE = np.zeros((2, PX, PX), bool)
CORNER[-3:, :3] = True
MIDDLE[14:18, 14:18] = True
SURE = 1 / (1 + np.exp(-4))  # of grey 80; grey 40 has 1 - SURE


def make_faces(
    face: dict[str, int], around: dict[str, int], animals: int = 3, each: int = 25
) -> tuple[np.ndarray, pd.DataFrame, pd.DataFrame]:
    """Images, landmarks and faces: evenly grey heads on evenly grey surroundings, by the class's label."""
    rows = [
        (f"m{animal}_{label}", f"m{animal}", label)
        for animal in range(animals)
        for label in ("no pain", "pain")
        for _ in range(each)
    ]
    faces = pd.DataFrame(rows, columns=["recording", "subject", "label"])
    landmarks = make_landmarks(*[FRONT] * len(rows))
    head = place_head(landmarks, PX)[0]
    images = np.stack([np.where(head, face[label], around[label]) for label in faces["label"]])
    return np.repeat(images[..., None], 3, axis=3).astype(np.uint8), landmarks, faces


LEAKY = {"no pain": 40, "pain": 80}
EVEN = {"no pain": 60, "pain": 60}


def ask(net: Reader, face: dict[str, int], around: dict[str, int], **sizes: int) -> Evidence:
    images, landmarks, faces = make_faces(face, around, **sizes)
    return measure_evidence(net, images, None, landmarks, faces, seed=1, device="cpu")  # type: ignore[arg-type]


# The outline of the head


@pytest.fixture(scope="module")
def drawn() -> DrawnFaces:
    return draw_faces(105, 6, 40)


def test_outline_holds_the_drawn_head(drawn):
    heads = place_head(drawn.landmarks, 112)
    truth = ~np.isin(drawn.parts, NOT_HEAD)
    assert (heads & truth).sum() / truth.sum() >= 0.97
    assert heads.mean() <= 0.6
    each = [(head & true).sum() / true.sum() for head, true in zip(heads, truth, strict=True)]
    assert np.quantile(each, 0.05) >= 0.9


def test_outline_holds_nose_and_eyes_wherever_the_nose_points():
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    side = [(0.5 + 0.38 * np.cos(a), 0.5 + 0.38 * np.sin(a), 0.5, 0.5, np.nan, np.nan) for a in angles]
    front = [(0.5 + 0.2 * np.cos(a), 0.5 + 0.2 * np.sin(a), 0.33, 0.5, 0.67, 0.5) for a in angles]
    landmarks = make_landmarks(*side, *front)
    heads = place_head(landmarks, 100)
    for head, row in zip(heads, landmarks.to_numpy().reshape(-1, 3, 2), strict=True):
        for x, y in row[np.isfinite(row[:, 0])]:
            assert head[int(y * 100), int(x * 100)]


def test_a_faces_outline_does_not_depend_on_which_others_are_placed_with_it(drawn):
    together = place_head(drawn.landmarks, 64, scale=1.0)
    alone = place_head(drawn.landmarks.iloc[[300, 7]], 64, scale=1.0)
    assert np.array_equal(alone, together[[300, 7]])


def test_mirrored_landmarks_give_the_mirrored_outline():
    x, y = 0.83, 0.6
    right, left = (
        make_landmarks((x, y, 0.5, 0.5, np.nan, np.nan)),
        make_landmarks((1 - x, y, *[np.nan] * 2, 0.5, 0.5)),
    )
    assert np.array_equal(place_head(right, 64)[0], place_head(left, 64)[0][:, ::-1])


def test_smaller_heads_in_a_larger_crop_get_a_smaller_outline(drawn):
    half = 0.5 + 0.5 * (drawn.landmarks - 0.5)
    ratio = place_head(half, 112).sum() / place_head(drawn.landmarks, 112).sum()
    # a little above a quarter: what the crop's border cut off is inside now
    assert 0.25 <= ratio <= 0.30


@pytest.mark.parametrize("gone", [("nose_x", "nose_y"), LANDMARK_COLUMNS[2:], LANDMARK_COLUMNS])
def test_outline_without_nose_or_eyes_is_a_disk_in_the_middle(gone):
    landmarks = make_landmarks(FRONT)
    landmarks[list(gone)] = np.nan
    head = place_head(landmarks, 50)[0]
    assert np.array_equal(head, head.T)
    assert np.array_equal(head, head[::-1])
    assert head.mean() == pytest.approx(np.pi * 0.48**2, abs=0.01)


def test_landmarks_without_a_column_are_refused_by_name():
    with pytest.raises(PainlibError, match=r"missing: left_eye_y"):
        place_head(make_landmarks(FRONT).drop(columns="left_eye_y"), 8)


# Maps


def test_share_of_a_map_outside_the_face_is_that_of_its_cells_by_area():
    rng = np.random.default_rng(0)
    maps, heads = rng.random((4, 3, 3)) - 0.2, rng.random((4, 12, 12)) < 0.5
    by_pixel = np.clip(maps, 0, None).repeat(4, axis=1).repeat(4, axis=2)
    expected = [(one * ~head).sum() / one.sum() for one, head in zip(by_pixel, heads, strict=True)]
    np.testing.assert_allclose(find_share_outside(maps, heads), expected, rtol=1e-12)


def test_share_of_an_even_map_is_the_areas_also_where_cells_cut_pixels():
    heads = np.random.default_rng(1).random((5, 10, 10)) < 0.4
    np.testing.assert_allclose(find_share_outside(np.ones((5, 3, 3)), heads), 1 - heads.mean(axis=(1, 2)))


def test_a_map_that_is_all_zero_has_no_share():
    assert np.isnan(find_share_outside(np.zeros((1, 2, 2)), np.ones((1, 8, 8), bool))).all()


# Blanking and exchanging


def test_the_blank_counts_both_classes_alike():
    images = np.full((4, 6, 6, 3), 10, np.uint8)
    images[3] = 50  # one face of pain against three of no pain
    where = np.zeros((4, 6, 6), bool)
    where[:, 2:, 2:] = True
    assert find_blank(images, where, np.array([0, 0, 0, 1])).tolist() == [30, 30, 30]


def test_a_blanked_face_says_nothing_of_what_was_there():
    one, other = np.random.default_rng(2).integers(0, 255, (2, 1, 8, 8, 3), dtype=np.uint8)
    where = np.zeros((1, 8, 8), bool)
    where[:, :5] = True
    other[~where] = one[~where]
    colour = np.array([7, 8, 9], np.uint8)
    assert np.array_equal(blank(one, where, colour), blank(other, where, colour))
    assert (blank(one, where, colour)[where] == colour).all()


def test_exchanged_surroundings_bring_nothing_of_the_donors_face():
    images, donors = np.full((1, 4, 4, 3), 10), np.full((1, 4, 4, 3), 20)
    heads, donor_heads = np.zeros((2, 1, 4, 4), bool)
    heads[0, 1:3, 1:3], donor_heads[0, 1:3, 2:4] = True, True
    donors[donor_heads] = 99
    got = exchange_surroundings(images, heads, donors, donor_heads)[0, ..., 0]
    assert got.tolist() == [[20] * 4, [20, 10, 10, 10], [20, 10, 10, 10], [20] * 4]


def test_donors_are_the_most_alike_of_the_class_in_other_recordings():
    noses = [0.80, 0.81, 0.70, 0.85, 0.60]
    landmarks = make_landmarks(*[(x, 0.6, 0.5, 0.5, np.nan, np.nan) for x in noses])
    recordings, classes = pd.Series(["a", "a", "b", "b", "c"]), np.array([1, 1, 1, 1, 0])
    donors = find_donors(read_head_pose(landmarks), recordings, classes, 1, 2)
    assert donors.tolist() == [[3, 2], [3, 2], [0, 1], [1, 0], [2, 0]]
    assert (find_donors(read_head_pose(landmarks), recordings, classes, 0, 2) == -1).all()


# Measuring


def test_a_reader_of_the_surroundings_follows_them_and_not_the_face():
    evidence = ask(Reader(CORNER), face=EVEN, around=LEAKY)
    found = evidence.overall.set_index("measure")["mean"]
    assert found["follows_surroundings"] == pytest.approx(2 * SURE - 1)
    assert found["follows_face"] == pytest.approx(0, abs=1e-9)
    assert found["auc_surroundings_only"] == 1
    assert found["auc_face_only"] == 0.5
    assert found["moved_surroundings_only"] == 0
    assert found["moved_face_only"] == pytest.approx(SURE - 0.5)  # the blank is grey 60, half-way
    assert evidence.recordings["p_pain"].tolist() == pytest.approx([1 - SURE, SURE] * 3)


def test_a_reader_of_the_face_follows_the_face_whatever_leaks():
    evidence = ask(Reader(MIDDLE), face=LEAKY, around=LEAKY)
    found = evidence.overall.set_index("measure")["mean"]
    assert found["follows_surroundings"] == pytest.approx(0, abs=1e-9)
    assert found["follows_face"] == pytest.approx(2 * SURE - 1)
    assert found["auc_face_only"] == 1
    assert found["auc_surroundings_only"] == 0.5
    assert judge_evidence(evidence).state == "not raised"


def test_at_most_so_many_faces_of_a_recording_are_looked_at_the_same_for_a_seed():
    images, landmarks, faces = make_faces(LEAKY, EVEN)
    few = [
        measure_evidence(
            Reader(MIDDLE),
            images,
            None,
            landmarks,
            faces,
            seed,
            batch,
            "cpu",
            faces_per_recording=7,  # type: ignore[arg-type]
        )
        for seed, batch in ((1, 256), (1, 16), (2, 256))
    ]
    assert (few[0].recordings["n_faces"] == 7).all()
    assert few[0].faces.equals(few[1].faces)
    assert not few[0].faces["row"].equals(few[2].faces["row"])
    chosen = faces.iloc[few[0].faces["row"]].reset_index(drop=True)
    assert few[0].faces[["recording", "label"]].equals(chosen[["recording", "label"]])


def test_without_labels_the_classifiers_own_calls_are_the_classes():
    images, landmarks, faces = make_faces(EVEN, LEAKY)
    evidence = measure_evidence(
        Reader(CORNER),
        images,
        None,
        landmarks,
        faces.assign(label=""),
        seed=1,
        device="cpu",  # type: ignore[arg-type]
    )
    assert evidence.classes_from == "call"
    assert judge_evidence(evidence).state == "raised"
    assert "called pain" in judge_evidence(evidence).explain()


def test_faces_without_both_classes_are_counted_but_not_exchanged():
    images, landmarks, faces = make_faces(EVEN, EVEN)
    evidence = measure_evidence(
        Reader(CORNER),
        images,
        np.ones((len(images), 2, 2)),
        landmarks,
        faces.assign(label=""),
        1,
        device="cpu",  # type: ignore[arg-type]
    )
    assert evidence.map_size == (2, 2)
    assert evidence.faces["follows_surroundings"].isna().all()
    np.testing.assert_allclose(evidence.faces["evidence_outside"], evidence.faces["area_outside"])
    verdict = judge_evidence(evidence)
    assert verdict.state == "cannot be tested"
    assert "cannot be tested" in verdict.explain()


def test_tables_that_do_not_belong_together_are_refused():
    images, landmarks, faces = make_faces(EVEN, EVEN)
    with pytest.raises(PainlibError, match=r"150 images, 149 landmarks, 150 faces"):
        measure_evidence(Reader(CORNER), images, None, landmarks[1:], faces, 1)  # type: ignore[arg-type]
    with pytest.raises(PainlibError, match=r"without subject"):
        measure_evidence(Reader(CORNER), images, None, landmarks, faces.drop(columns="subject"), 1)  # type: ignore[arg-type]


def test_the_animal_is_the_unit_and_its_recordings_count_alike():
    rows = [("a1", "a", "pain", 0.0)] * 9 + [("a2", "a", "no pain", 0.6)] + [("b1", "b", "pain", 0.9)]
    table = pd.DataFrame(rows, columns=["recording", "subject", "label", "follows_surroundings"])
    values = dict.fromkeys(set(ANIMAL_MEASURES) - {"follows_surroundings"}, 0.0)
    needed = ("p_pain", "p_face_only", "p_surroundings_only", "p_pain_surroundings", "p_no_pain_surroundings")
    table = table.assign(**values, **dict.fromkeys(needed, 0.5))
    animals = summarise_animals(table, np.array([1] * 9 + [0, 1]))
    assert animals["follows_surroundings"].tolist() == pytest.approx([0.3, 0.9])
    assert animals["auc"].tolist() == pytest.approx([0.5, np.nan], nan_ok=True)
    overall = summarise_overall(animals, seed=0).set_index("measure").loc["follows_surroundings"]
    # two animals drawn with replacement: 0.3, 0.6 or 0.9, the outer ones a quarter each
    assert overall[["mean", "ci_low", "ci_high", "n_animals"]].tolist() == pytest.approx([0.6, 0.3, 0.9, 2])


# The verdict


@pytest.fixture(scope="module")
def leaky() -> Evidence:
    return ask(Reader(CORNER), face=EVEN, around=LEAKY)


def test_the_alarm_says_in_words_that_the_background_is_read(leaky):
    words = judge_evidence(leaky).explain()
    assert words.startswith("ALARM: the classifier reads the background.")
    assert "differed by +0.96" in words
    assert "AUC of 1.00" in words


@pytest.mark.parametrize(
    ("thresholds", "state"),
    [
        (EvidenceThresholds(follows_surroundings=0.97, auc_surroundings_only=1.01), "not raised"),
        (EvidenceThresholds(follows_surroundings=0.96, auc_surroundings_only=1.01), "raised"),
        (EvidenceThresholds(follows_surroundings=0.97, auc_surroundings_only=1.0), "raised"),
        (EvidenceThresholds(fewest_animals=4), "cannot be tested"),
        (EvidenceThresholds(fewest_faces=26, follows_surroundings=0.97), "not raised"),
        (EvidenceThresholds(fewest_faces=51), "cannot be tested"),
    ],
)
def test_either_measure_raises_the_alarm_from_animals_that_count(leaky, thresholds, state):
    assert judge_evidence(leaky, thresholds).state == state


def test_an_effect_of_one_animal_among_others_without_raises_no_alarm(leaky):
    animals = leaky.animals.assign(follows_surroundings=[0.3, 0.0, -0.02], auc_surroundings_only=0.5)
    mixed = Evidence(leaky.faces, leaky.recordings, animals, leaky.overall, "label", None)
    assert judge_evidence(mixed).state == "not raised"


# Leaks and a whole cohort


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_changes_the_stage_and_nothing_of_the_mouse(drawn, leak):
    rows = np.arange(0, len(drawn.crops), 40)
    changed = np.stack(
        [
            add_leak(drawn.crops[i], drawn.parts[i], leak, row.camera, (480, 270), (row.left, row.top))
            for i, row in zip(rows, drawn.faces.iloc[rows].itertuples(), strict=True)
        ]
    )
    on_mouse = drawn.parts[rows] != Part.STAGE
    differs = (changed != drawn.crops[rows]).any(axis=3)
    assert not differs[on_mouse].any()
    share = [differ[~mouse].mean() for differ, mouse in zip(differs, on_mouse, strict=True)]
    assert np.mean(np.array(share) > 0.05) >= 0.9, "seen in nearly every face"


def test_a_leak_lies_still_in_the_frame_while_the_crop_moves():
    frame, parts = np.full((270, 480, 3), 20, np.uint8), np.zeros((270, 480), np.uint8)
    for leak in LEAKS:
        whole = add_leak(frame, parts, leak, "B")
        part = add_leak(frame[60:172, 200:312], parts[60:172, 200:312], leak, "B", (480, 270), (200, 60))
        assert np.array_equal(part, whole[60:172, 200:312])
    with pytest.raises(ValueError, match="smell"):
        add_leak(frame, parts, "smell", "A")


def test_a_leak_stands_in_pain_recordings_only(drawn):
    clean, leaky = leak_into(drawn, None), leak_into(drawn, LEAKS[1])
    changed = (clean != leaky).any(axis=(1, 2, 3))
    assert np.array_equal(changed, (drawn.faces["label"] == "pain").to_numpy())


def test_the_alarm_is_raised_on_a_leaky_cohort_and_not_on_a_clean_one(drawn):
    short = SimpleNamespace(**{**vars(SETTINGS), "epochs": 3, "faces_per_epoch": 600})
    clean = try_cohort(drawn, 105, None, n_train=4, settings=short)
    leaky = try_cohort(drawn, 105, LEAKS[0], n_train=4, settings=short)
    assert clean.verdict.state == "not raised"
    assert leaky.verdict.state == "raised"
    assert leaky.accuracy["without the leak"] < leaky.accuracy["as filmed"]
    assert clean.evidence.map_size == (2, 2)


# The figure


@pytest.mark.parametrize("with_maps", [True, False])
def test_the_figure_says_the_verdict_and_shows_threshold_and_examples(with_maps):
    images, landmarks, faces = make_faces(EVEN, LEAKY)
    maps = np.random.default_rng(0).random((len(images), 2, 2)) if with_maps else None
    evidence = measure_evidence(Reader(CORNER), images, maps, landmarks, faces, 1, device="cpu")  # type: ignore[arg-type]
    rows = pick_outside_faces(evidence)
    assert len(rows) == 8
    assert rows["subject"].nunique() == 3
    chosen = rows["row"].to_numpy()
    figure = plot_evidence(
        evidence, judge_evidence(evidence), images[chosen], place_head(landmarks.iloc[chosen], PX), rows
    )
    texts = " ".join(text.get_text() for text in figure.findobj(matplotlib.text.Text)).replace("\n", " ")
    assert "ALARM: the classifier reads the background" in texts
    assert ("maps of 2 × 2" in texts) == with_maps
    assert ("no attribution maps were given" in texts) != with_maps
    lines = figure.findobj(lambda artist: artist.get_gid() == "threshold")
    assert sorted(line.get_ydata()[0] for line in lines) == [0.05, 0.70]
    assert find_overlaps(figure) == []
    plt.close(figure)


def test_the_figure_can_be_drawn_when_nothing_could_be_tested():
    images, landmarks, faces = make_faces(EVEN, EVEN)
    evidence = measure_evidence(
        Reader(CORNER),
        images,
        None,
        landmarks,
        faces.assign(label="pain"),
        seed=1,
        device="cpu",  # type: ignore[arg-type]
    )
    assert pick_outside_faces(evidence).empty
    figure = plot_evidence(evidence, judge_evidence(evidence))
    texts = " ".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))
    assert "cannot be tested" in texts
    plt.close(figure)

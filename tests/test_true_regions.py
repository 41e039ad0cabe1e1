"""Which region each pixel of a drawn frame shows, against the cohort's own truth and frames made by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from painlib.demo import DemoParams, draw_cohort
from painlib.demo.individuals import Part
from painlib.demo.true_regions import crop_regions, name_parts, render_regions
from painlib.faults import PainlibError
from painlib.regions import REGIONS

PARAMS = DemoParams(
    seed=103, strength=1.0, coat="white", width=320, height=180, fps=0.5, training_animals=1,
    training_minutes=0.5, assay_animals_per_group=0, assay_pre_minutes=0.1, assay_post_minutes=0.1,
    label_frames_per_video=2, label_animals=1, workers=1,
)  # fmt: skip
NUMBER = {region: k for k, region in enumerate(REGIONS)}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    draw_cohort(folder, PARAMS)
    return folder


def test_visible_key_points_of_the_cohort_lie_in_their_regions(cohort):
    points = {"nose": ("nose", "mouth"), "right_eye": ("eye",), "left_eye": ("eye",)}
    hits = []
    for recording in ("train01_pre", "train01_ac"):
        for camera in "AB":
            truth = pd.read_parquet(cohort / "truth" / f"{recording}_{camera}.parquet")
            regions = render_regions(cohort, recording, camera, truth["frame"])
            assert regions.shape == (len(truth), 180, 320)
            assert regions.dtype == np.uint8
            for row, drawn in zip(truth.to_dict("records"), regions, strict=True):
                for point, names in points.items():
                    if row[f"{point}_visible"]:
                        x, y = round(row[f"{point}_x"]), round(row[f"{point}_y"])
                        around = drawn[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
                        hits.append(bool(np.isin(around, [NUMBER[name] for name in names]).any()))
    assert len(hits) > 60
    assert np.mean(hits) > 0.97


def test_a_frame_does_not_depend_on_which_others_are_asked_for(cohort):
    together = render_regions(cohort, "train01_ac", "B", [0, 5, 9])
    np.testing.assert_array_equal(render_regions(cohort, "train01_ac", "B", [9])[0], together[2])
    assert (together[0] != together[2]).any()
    assert render_regions(cohort, "train01_ac", "B", []).shape == (0, 180, 320)


def test_what_is_not_of_the_cohort_is_named(cohort, tmp_path):
    with pytest.raises(PainlibError, match=r"got 'train01_acc'.*Did you mean 'train01_ac'"):
        render_regions(cohort, "train01_acc", "A", [0])
    with pytest.raises(PainlibError, match="frames 0 to 14 of 'train01_ac', got 15"):
        render_regions(cohort, "train01_ac", "A", [0, 15])
    with pytest.raises(PainlibError, match=r"demo\.json"):
        render_regions(tmp_path, "train01_ac", "A", [0])
    note = json.loads((cohort / "demo.json").read_text(encoding="utf-8"))
    (tmp_path / "demo.json").write_text(json.dumps(note | {"drawing": 0}), encoding="utf-8")
    with pytest.raises(PainlibError, match="got 0"):
        render_regions(tmp_path, "train01_ac", "A", [0])


def test_parts_become_regions():
    parts = np.array([[part for part in Part]], np.uint8)
    names = [REGIONS[k] for k in name_parts(parts, 0.0)[0]]
    assert names[:10] == [
        "stage", "others", "under body", "head", "forehead", "cheek", "nose", "mouth", "eye", "eye",
    ]  # fmt: skip
    assert names[10:] == ["eye", "eye", *["ear top"] * 2, *["ear base"] * 2, "hand", "others"]


def test_above_ear_is_a_band_of_the_stated_height_over_the_upper_half_and_not_on_the_head():
    parts = np.full((20, 20), Part.STAGE, np.uint8)
    parts[8:12, 5:10] = Part.RIGHT_EAR_TOP
    parts[12:16, 5:10] = Part.RIGHT_EAR_BASE
    parts[5:8, 5] = Part.HEAD
    parts[7, 9] = Part.BODY
    regions = name_parts(parts, 3.0)
    assert (regions[5:8, 6:10] == NUMBER["above ear"]).all()  # body behind the ear too
    assert (regions[4] != NUMBER["above ear"]).all()
    assert (regions[5:8, 5] == NUMBER["head"]).all()
    assert (regions[8:10, 10:13] == NUMBER["above ear"]).all()  # beside it, higher than its middle
    assert (regions[10:] != NUMBER["above ear"]).all()
    assert regions[5, 12] == NUMBER["stage"]  # further than 3 px from the corner


def test_the_body_straight_below_the_head_is_under_body():
    parts = np.full((10, 6), Part.BODY, np.uint8)
    parts[2:4, 1:3] = Part.CHEEK
    parts[5, 2] = Part.NOSE
    parts[2, 4] = Part.LEFT_EAR_TOP
    regions = name_parts(parts, 0.0)
    assert (regions[4:, 1] == NUMBER["under body"]).all()
    assert (regions[6:, 2] == NUMBER["under body"]).all()
    assert regions[4, 2] == NUMBER["others"]  # the head goes on below it
    assert (regions[:, [0, 3, 4, 5]] != NUMBER["under body"]).all()  # an ear is not the head's outline
    assert (regions[:2, 1:3] == NUMBER["others"]).all()


def make_rows(x: float, y: float, size: int, n: int = 1) -> pd.DataFrame:
    return pd.DataFrame({"centre_x": [x] * n, "centre_y": [y] * n, "size_px": [size] * n})


def test_squares_are_cut_as_faces_are_and_what_leaves_the_frame_is_stage():
    frame = (np.arange(80).reshape(8, 10) % 9).astype(np.uint8)
    cut = crop_regions(frame[None], make_rows(4.0, 3.0, 4))
    np.testing.assert_array_equal(cut[0], frame[1:5, 2:6])  # first column 4 - 4 // 2
    np.testing.assert_array_equal(crop_regions(frame[None], make_rows(4.0, 3.0, 5))[0], frame[1:6, 2:7])
    corner = crop_regions(frame[None], make_rows(0.0, 7.0, 4))[0]
    np.testing.assert_array_equal(corner[:3, 2:], frame[5:8, :2])
    assert (corner[:, :2] == NUMBER["stage"]).all()
    assert (corner[3] == NUMBER["stage"]).all()


def test_squares_of_another_size_take_the_region_at_each_pixels_centre():
    frame = np.repeat(np.repeat(np.arange(4, dtype=np.uint8).reshape(2, 2), 3, axis=0), 3, axis=1)
    rows = make_rows(3.0, 3.0, 6)
    np.testing.assert_array_equal(crop_regions(frame[None], rows, 2)[0], [[0, 1], [2, 3]])
    np.testing.assert_array_equal(crop_regions(frame[None], rows, 12)[0, ::2, ::2], frame)
    assert crop_regions(frame[:0].reshape(0, 6, 6), rows.iloc[:0], 5).shape == (0, 5, 5)
    with pytest.raises(ValueError, match="2 faces, got 1"):
        crop_regions(frame[None], make_rows(3.0, 3.0, 6, n=2))

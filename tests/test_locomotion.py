"""Locomotor activity against truth: drawn arenas, paths known in closed form, and sums done by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from figures import find_overlaps, labels_of, page_of, words
from scipy import stats as scipy_stats

from painlib.cohort import VideoPart
from painlib.demo.arena import (
    ArenaDemo,
    View,
    Walk,
    draw_arenas,
    draw_walk,
    find_activity,
    simulate_walk,
)
from painlib.faults import Faults, PainlibError
from painlib.inputs import stage_inputs
from painlib.locomotion.arena_checks import check_arenas
from painlib.locomotion.arena_floor import calibrate_corners, calibrate_side, find_floor
from painlib.locomotion.arena_table import ArenaVideo, iter_arenas, load_arenas
from painlib.locomotion.arenas import find_doubts, store_track, track_arenas
from painlib.locomotion.distance import measure_seconds, sum_minutes, trace_path
from painlib.locomotion.group_tests import compare_locomotion, sum_stretch, write_locomotion
from painlib.locomotion.measuring import measure_distances
from painlib.locomotion.shown import gather_floors, gather_tracks
from painlib.locomotion.track_store import TrackFiles, read_track
from painlib.locomotion.tracking import track_animal
from painlib.params import LocomotionParams
from painlib.plots import locomotion as plots
from painlib.video import write_video

SETTINGS: dict = {
    "cohort": Path("cohort.csv"),
    "workdir": Path("runs"),
    "seed": 1,
    "arena_table": None,
    "arena_side_cm": 50.0,
    "animal": "light",
    "animal_min_cm2": 5.0,
    "animal_max_cm2": 100.0,
    "background_frames": 40,
    "track_height": 360,
    "point_names": ["center"],
    "individual": None,
    "likelihood_threshold": 0.9,
    "smooth_s": 0.5,
    "still_cm": 1.0,
    "max_gap_s": 1.0,
    "max_jump_cm": 5.0,
    "min_coverage": 0.5,
    "groups": ["vehicle", "1 % AC"],
    "control": "vehicle",
    "pre_window_min": 1.0,
    "window_start_min": 0.0,
    "window_end_min": 1.0,
    "alpha": 0.05,
    "bootstrap": 100,
    "workers": 1,
}


def make_params(**changes: object) -> LocomotionParams:
    return LocomotionParams(**{**SETTINGS, **changes})


def walk_straight(seconds: float, cm_s: float, fps: float = 10.0) -> tuple[np.ndarray, np.ndarray]:
    times = np.arange(round(seconds * fps) + 1) / fps
    return times, np.column_stack([2 + cm_s * times, np.full(len(times), 25.0)])


def film(folder: Path, walk: Walk, view: View, fps: float, seed: int = 0, **drawing: float) -> ArenaVideo:
    path = write_video(
        folder / "arena.mp4", draw_walk(walk, view, np.random.default_rng(seed), **drawing), fps, 28
    )
    return ArenaVideo("m1", "vehicle", 0.0, (VideoPart(str(path)),))


def total_cm(video: ArenaVideo, params: LocomotionParams) -> float:
    track = track_animal(video, params).table
    return float(np.nansum(trace_path(track["time_s"], track[["x_cm", "y_cm"]].to_numpy(), params).steps))


# ---- the filter, against paths in closed form ------------------------------------------------------


def test_a_straight_run_is_as_long_within_each_second_as_its_speed_says():
    path = trace_path(*walk_straight(5, 8.0), make_params())
    seconds = measure_seconds(path, time_zero_s=2.0)
    assert seconds["second"].tolist() == [-2, -1, 0, 1, 2]
    np.testing.assert_allclose(seconds["distance_cm"], 8.0, rtol=1e-9)
    assert (seconds["seen"] == 1).all()


@pytest.mark.parametrize("fps", [8.0, 30.0])
def test_a_circle_is_as_long_as_its_circumference(fps):
    times = np.arange(0, 10 + 1e-9, 1 / fps)  # 10 s, five times round, 6 cm from the middle
    turn = 2 * np.pi * times / 2
    xy = 25 + 6 * np.column_stack([np.cos(turn), np.sin(turn)])
    assert trace_path(times, xy, make_params()).steps.sum() == pytest.approx(5 * 2 * np.pi * 6, rel=0.02)


def test_jitter_of_an_animal_at_rest_is_no_movement_though_it_adds_up():
    rng = np.random.default_rng(1)
    times = np.arange(0, 60, 1 / 30)
    xy = 25 + rng.normal(0, 0.12, (len(times), 2))
    assert np.linalg.norm(np.diff(xy, axis=0), axis=1).sum() > 300  # cm, from nothing
    assert trace_path(times, xy, make_params()).steps.sum() == 0


def test_an_animal_in_one_place_moved_0_and_one_never_seen_is_nan():
    times = np.arange(0, 3.01, 0.1)
    still = measure_seconds(trace_path(times, np.full((31, 2), 7.0), make_params()), 0.0)
    assert still["distance_cm"].tolist() == [0, 0, 0]
    unseen = measure_seconds(trace_path(times, np.full((31, 2), np.nan), make_params()), 0.0)
    assert unseen["distance_cm"].isna().all()
    assert unseen["seen"].tolist() == [0, 0, 0]
    assert sum_minutes(unseen, 0.0)["distance_cm"].isna().all()


def test_a_short_gap_is_bridged_and_a_long_one_is_nan_and_counted():
    times, xy = walk_straight(9, 5.0)
    xy[12:20] = np.nan  # unseen from 1.2 to 2.0 s
    xy[43:66] = np.nan  # and from 4.3 to 6.6 s
    seconds = measure_seconds(trace_path(times, xy, make_params()), 0.0)
    known = [0, 1, 2, 3, 7, 8]
    np.testing.assert_allclose(seconds["distance_cm"].to_numpy()[known], 5.0, rtol=1e-6)
    assert seconds.index[seconds["distance_cm"].isna()].tolist() == [4, 5, 6]
    assert seconds["seen"].round(1).tolist() == [1, 0.2, 1, 1, 0.3, 0, 0.4, 1, 1]


def test_a_misdetection_of_a_frame_or_two_adds_nothing():
    times, xy = walk_straight(6, 5.0, fps=30)
    xy[50:52] += 20.0
    steps = trace_path(times, xy, make_params()).steps
    assert steps.sum() == pytest.approx(30.0, rel=0.001)


def test_frames_at_uneven_times_give_the_same_distance():
    rng = np.random.default_rng(3)
    times = np.sort(rng.uniform(0, 20, 400))  # 20 a second on average, as far apart as chance will have it
    xy = np.column_stack([10 + 2 * times, 25 + 4 * np.sin(times)])
    fine = np.linspace(times[0], times[-1], 100_001)
    true = np.hypot(2, 4 * np.cos(fine)).mean() * (times[-1] - times[0])
    assert trace_path(times, xy, make_params()).steps.sum() == pytest.approx(true, rel=0.01)


@pytest.mark.parametrize("times", [np.arange(0, 10, 0.5), np.array([0.0])])
def test_too_few_frames_for_seconds_are_a_fault(times):
    with pytest.raises(PainlibError, match="at least 4 frames a second"):
        trace_path(times, np.zeros((len(times), 2)), make_params())


def test_a_minute_is_60_times_the_mean_of_its_known_seconds():
    cm = [2.0] * 30 + [4.0] * 15 + [np.nan] * 15 + [6.0] * 20 + [np.nan] * 40
    seconds = pd.DataFrame({"second": np.arange(-60, 60), "distance_cm": cm, "seen": 1.0})
    minutes = sum_minutes(seconds, min_coverage=0.5)
    assert minutes["minute"].tolist() == [-1, 0]
    assert minutes["distance_cm"].iloc[0] == pytest.approx(60 * (30 * 2 + 15 * 4) / 45)
    assert math.isnan(minutes["distance_cm"].iloc[1])
    assert minutes[["n_filmed", "n_measured"]].to_numpy().tolist() == [[60, 45], [60, 20]]
    assert sum_minutes(seconds, 0.3)["distance_cm"].iloc[1] == pytest.approx(360)


# ---- centimetres -----------------------------------------------------------------------------------


def test_a_side_is_one_scale_and_corners_undo_a_slanted_camera():
    np.testing.assert_allclose(calibrate_side(200, 50).measure(np.array([[100, 40]])), [[25, 10]])
    # A projection by hand: x' = (3x + y + 40) / w, y' = (4y + 30) / w with w = 1 + 0.004 y.
    cm = np.array([[0, 0], [50, 0], [50, 50], [0, 50], [25, 25], [10, 40]], float)
    w = 1 + 0.004 * cm[:, 1]
    px = np.column_stack([(3 * cm[:, 0] + cm[:, 1] + 40) / w, (4 * cm[:, 1] + 30) / w])
    arena = calibrate_corners(px[[2, 0, 3, 1]], 50.0)  # in any order
    np.testing.assert_allclose(arena.measure(px), cm, atol=1e-3)
    assert np.isnan(arena.measure(np.full((1, 2), np.nan))).all()


@pytest.mark.parametrize("turn", [0.0, 0.04, -0.09])
@pytest.mark.parametrize("dark", [False, True])
def test_the_floor_is_found_to_half_a_pixel(turn, dark):
    view = View(240, 180.0, (122.3, 117.6), turn, dark)
    still = Walk(np.zeros(1), np.full((1, 2), 20.0), np.zeros(1), np.zeros(1), np.zeros(1))
    picture = next(draw_walk(still, view, np.random.default_rng(0), noise=1.0))[..., 0]
    assert np.abs(find_floor(picture) - view.corners).max() < 0.5


def test_where_two_squares_could_be_the_floor_or_none_corners_are_asked_for():
    picture = np.full((300, 300), 120, np.uint8)
    with pytest.raises(PainlibError, match=r"no square outline.*corners"):
        find_floor(picture)
    cv2.circle(picture, (150, 150), 120, 40, -1)
    with pytest.raises(PainlibError, match="no square outline"):
        find_floor(picture)
    picture[:] = 120
    picture[30:270, 30:270] = 80  # the walls' upper edge
    picture[80:220, 80:220] = 40  # the floor
    with pytest.raises(PainlibError, match=r"2 square outlines \(sides of 140, 240 px\)"):
        find_floor(picture)


# ---- drawn videos, whose path is known ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("seed", "shade"), [(1, "light"), (2, "light"), (3, "light"), (4, "dark"), (5, "auto")]
)
def test_distance_in_a_drawn_arena_is_true_to_2_percent(tmp_path, seed, shade):
    rng = np.random.default_rng(seed)
    walk = simulate_walk(300, 10, find_activity("vehicle", 0, 1.0), rng)
    view = View(150, 120.0, (76.0, 73.5), rng.uniform(-0.05, 0.05), dark=shade != "light")
    found = total_cm(film(tmp_path, walk, view, 10, seed), make_params(animal=shade))
    assert found == pytest.approx(walk.distance[-1], rel=0.02)


@pytest.mark.verify
@pytest.mark.parametrize("seed", range(11, 21))
def test_distance_and_rest_are_true_in_ten_more_arenas(tmp_path, seed):
    rng = np.random.default_rng(seed)
    fps, dark = float(rng.choice([6, 10, 15])), bool(seed % 2)
    walk = simulate_walk(round(90 * fps), fps, find_activity("1 % AC", 30, rng.uniform(0.6, 1.2)), rng)
    px = int(rng.integers(140, 260))
    view = View(px, 0.8 * px, (px / 2 + 1.5, px / 2 - 1), rng.uniform(-0.08, 0.08), dark)
    drawing = {"noise": rng.uniform(1, 5), "jitter_cm": rng.uniform(0.02, 0.1)}
    video = film(tmp_path, walk, view, fps, seed, **drawing)
    found = total_cm(video, make_params(animal="dark" if dark else "light"))
    error = found / walk.distance[-1] - 1
    print(f"seed {seed}: {fps:g} fps, {px} px, true {walk.distance[-1]:.0f} cm, error {error:+.2%}")
    assert abs(error) <= 0.02


def test_a_slanted_camera_is_true_to_2_percent_with_corners_and_not_without(tmp_path):
    walk = simulate_walk(300, 10, find_activity("vehicle", 0, 1.0), np.random.default_rng(6))
    view = View(200, 150.0, (100.0, 100.0))
    slant = np.array([[1.0, 0.12, -12.0], [0.0, 1.0, 0.0], [0.0, 0.0015, 1.0]])

    def slanted() -> Iterator[np.ndarray]:
        for frame in draw_walk(walk, view, np.random.default_rng(6)):
            yield cv2.warpPerspective(frame, slant, (200, 200), borderValue=(80, 80, 80))

    path = write_video(tmp_path / "slanted.mp4", slanted(), 10, crf=28)
    homogeneous = np.column_stack([view.corners, np.ones(4)]) @ slant.T
    corners = tuple((float(x / w), float(y / w)) for x, y, w in homogeneous)
    parts = (VideoPart(str(path)),)
    given = ArenaVideo("m1", "", 0.0, parts, corners=corners)
    assert total_cm(given, make_params()) == pytest.approx(walk.distance[-1], rel=0.02)
    scaled = ArenaVideo("m1", "", 0.0, parts, side_px=150.0)
    assert abs(total_cm(scaled, make_params()) / walk.distance[-1] - 1) > 0.05


def test_an_animal_that_rests_for_most_of_the_film_is_seen_all_along_and_its_rest_is_0(tmp_path):
    walk = simulate_walk(450, 10, lambda time_s: 0.8 if time_s < 12 else 0.0, np.random.default_rng(7))
    video = film(tmp_path, walk, View(160, 128.0, (80.0, 80.0)), 10, noise=4.0, jitter_cm=0.08)
    track = track_animal(video, make_params()).table
    # It lies in one place for two thirds of the time: a median of frames would take it for floor.
    assert track["x_cm"].notna().mean() > 0.99
    path = trace_path(track["time_s"], track[["x_cm", "y_cm"]].to_numpy(), make_params())
    resting = np.diff(walk.distance) == 0
    last = int(np.flatnonzero(~resting)[-1])
    assert path.steps[last + 10 :].sum() == 0
    assert np.nansum(path.steps) == pytest.approx(walk.distance[-1], rel=0.03)


def test_an_empty_arena_is_a_fault_and_a_hand_in_it_is_no_animal(tmp_path):
    walk = simulate_walk(200, 10, find_activity("vehicle", 0, 1.0), np.random.default_rng(8))
    view = View(160, 128.0, (80.0, 80.0))

    def with_hand(hand: bool, mouse: bool) -> Iterator[np.ndarray]:
        empty = Walk(walk.time_s, np.full((200, 2), -400.0), walk.heading, walk.bend, walk.distance)
        for k, frame in enumerate(draw_walk(walk if mouse else empty, view, np.random.default_rng(8))):
            if hand and 50 <= k < 80:
                cv2.rectangle(frame, (30, 0), (90, 100), (190, 190, 190), -1)
            yield frame

    path = write_video(tmp_path / "hand.mp4", with_hand(True, True), 10, crf=28)
    track = track_animal(ArenaVideo("m1", "", 0.0, (VideoPart(str(path)),)), make_params()).table
    assert track["x_cm"][50:80].isna().all()
    assert track["x_cm"].drop(range(50, 80)).notna().all()
    path = write_video(tmp_path / "empty.mp4", with_hand(False, False), 10, crf=28)
    with pytest.raises(PainlibError, match="seen in no frame"):
        track_animal(ArenaVideo("m1", "", 0.0, (VideoPart(str(path)),)), make_params())


# ---- tracker files -----------------------------------------------------------------------------------


def write_tracker(
    path: Path, points: dict[str, np.ndarray], likelihood: np.ndarray, unsure: str = ""
) -> Path:
    """A DeepLabCut csv; `likelihood` is that of the point `unsure`, or of all; other points are sure."""
    columns = {}
    for name, xy in points.items():
        for axis, values in (("x", xy[:, 0]), ("y", xy[:, 1]), ("likelihood", likelihood)):
            sure = axis == "likelihood" and unsure not in ("", name)
            columns["painlib", name, axis] = np.ones(len(xy)) if sure else values
    table = pd.DataFrame(columns)
    table.columns.names = ["scorer", "bodyparts", "coords"]
    table.to_csv(path)
    return path


def test_a_trackers_points_are_averaged_where_all_of_them_are_seen(tmp_path):
    times, cm = walk_straight(4, 5.0)
    likelihood = np.where((times > 1.45) & (times < 1.95), 0.2, 0.99)
    points = {
        name: 4 * cm + shift for name, shift in (("a", [-8, 0]), ("b", [0, 6]), ("c", [0, -6]), ("d", [8, 0]))
    }
    pose = write_tracker(tmp_path / "pose.csv", points, likelihood, unsure="d")
    video = ArenaVideo("m1", "", 0.0, (VideoPart(""),), (str(pose),), fps=10.0, side_px=200.0)
    params = make_params(point_names=list("abcd"))
    track = track_animal(video, params).table
    unseen = likelihood < 0.9
    assert track["x_cm"].isna().tolist() == unseen.tolist()
    np.testing.assert_allclose(track[["x_cm", "y_cm"]][~unseen], cm[~unseen], atol=1e-9)
    seconds = measure_seconds(trace_path(track["time_s"], track[["x_cm", "y_cm"]].to_numpy(), params), 0.0)
    np.testing.assert_allclose(seconds["distance_cm"], 5.0, rtol=1e-6)
    with pytest.raises(PainlibError, match="No point 'centre'"):
        track_animal(video, make_params(point_names=["centre"]))
    with pytest.raises(PainlibError, match=r"in no frame do all of the points.*likelihood of 1"):
        track_animal(video, make_params(point_names=["d"], likelihood_threshold=1.0))


def test_a_tracker_file_beside_its_video_takes_the_videos_times_and_floor(tmp_path):
    walk = simulate_walk(100, 10, find_activity("vehicle", 0, 1.0), np.random.default_rng(9))
    view = View(160, 128.0, (80.0, 80.0))
    filmed = film(tmp_path, walk, view, 10)
    pose = write_tracker(tmp_path / "pose.csv", {"center": view.project(walk.xy)}, np.ones(100))
    video = ArenaVideo("m1", "", 0.0, filmed.parts, (str(pose),))
    track = track_animal(video, make_params())
    assert track.arena.how == "corners found"
    assert np.abs(track.table[["x_cm", "y_cm"]].to_numpy() - walk.xy).max() < 0.3
    np.testing.assert_allclose(track.table["time_s"], walk.time_s, atol=1e-6)
    long = write_tracker(tmp_path / "long.csv", {"center": np.zeros((101, 2))}, np.ones(101))
    with pytest.raises(PainlibError, match=r"Expected frames 0 to 99.*got frame 100"):
        track_animal(ArenaVideo("m1", "", 0.0, filmed.parts, (str(long),)), make_params())


def test_a_real_mouse_moves_as_far_as_an_independent_sum_says(real, tmp_path):
    """DeepLabCut's file of a mouse from above (deepof): 100 frames, here taken as 25 a second, 8 px a cm."""
    table = pd.read_hdf(real / "dlc_tables" / "single_animal.h5")
    centre = pd.DataFrame(table).droplevel("scorer", axis=1)["Center"][["x", "y"]]
    smooth = centre.rolling(3, center=True, min_periods=1).mean() / 8
    chords, independent, raw = (
        np.hypot(*places.diff().dropna().to_numpy().T).sum()
        for places in (centre[::5] / 8, smooth, centre / 8)
    )
    pose = str(real / "dlc_tables" / "single_animal.h5")
    video = ArenaVideo("m1", "", 0.0, (VideoPart(""),), (pose,), fps=25.0, side_px=400.0)
    found = total_cm(video, make_params(point_names=["Center"]))
    assert found == pytest.approx(independent, rel=0.03)
    assert chords < found < raw  # a path is longer than its chords, and jitter adds length


# ---- the table -----------------------------------------------------------------------------------------


def write_table_of(folder: Path, text: str) -> Path:
    (folder / "a.mp4").touch()
    (folder / "b.mp4").touch()
    path = folder / "arenas.csv"
    path.write_text(text)
    return path


def test_a_table_of_arena_videos_is_typed_and_its_parts_make_one_animal(tmp_path):
    path = write_table_of(
        tmp_path,
        "subject,video,treatment,part,time_zero_s,start_s,corners,exclude_reason,cage\n"
        "m1,b.mp4,1 % AC,2,3600,,1 1; 90 1; 90 90; 1 90,,7\n"
        "m1,a.mp4,1 % AC,1,3600,5,1 1; 90 1; 90 90; 1 90,,7\n"
        "m2,gone.mp4,vehicle,,,,,camera fell,8\n",
    )
    table = load_arenas(path)
    assert table["cage"].tolist() == ["7", "7", "8"]
    (video,) = iter_arenas(table)
    assert [Path(part.path).name for part in video.parts] == ["a.mp4", "b.mp4"]
    assert (video.parts[0].start_s, video.parts[1].end_s, video.time_zero_s) == (5, math.inf, 3600)
    assert video.corners == ((1, 1), (90, 1), (90, 90), (1, 90))


def test_every_fault_of_the_table_comes_in_one_message(tmp_path):
    path = write_table_of(
        tmp_path,
        "subject,video,treatment,time_zero,start_s,end_s,side_px,corners,pose\n"
        "m1,gone.mp4,vehicle,,,,,,\n"
        "m2,a.mp4,vehicle,,9,4,100,0 0; 9 0; 9 9; 0 9,\n"
        "m3,,vehicle,,,,,,\n"
        "M3,b.mp4,vehicle,,,,-5,,\n"
        "m4,b.mp4,vehicle,,,,,1 2; 3 4,\n"
        'a/b,b.mp4,vehicle,,"1,5",,,0 0; 9 0; 9 9; 4 4,\n',
    )
    with pytest.raises(PainlibError) as caught:
        load_arenas(path)
    for told in (
        "column `time_zero` is none of painlib's. Did you mean 'time_zero_s'?",
        "Row 2, column `video`: expected a file, found none",
        "Row 3, columns `corners`, `side_px`: expected one of the two, got both",
        "Row 3, column `end_s`: expected more than start_s (9 s), got 4 s",
        "Row 4, column `video`: expected a video file, got an empty cell",
        "Row 5, column `side_px`: expected a number above 0 or an empty cell, got '-5'",
        "'m3' and 'M3' would share a file name",
        "Row 6, column `corners`: expected four corners",
        "Row 7, column `subject`",
        "Row 7, column `start_s`: expected seconds, 0 or more or an empty cell, got '1,5'. Write a point",
        "Row 7, column `corners`: expected four corners of a floor, none inside",
        "Rows 5, 6, 7, column `video`: expected a video for each animal, got one for 3",
    ):
        assert told in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("subject;video;treatment\nm1;a.mp4;vehicle\n", "semicolons"),
        ("subject,video\nm1,a.mp4\n", "expected a column `treatment`"),
        ("subject,video,treatment\n", "at least one row"),
        (
            "subject,video,treatment,exclude_reason\nm1,a.mp4,vehicle,ill\n",
            "Every row has an `exclude_reason`",
        ),
        (
            "subject,video,treatment\nm1,a.mp4,x\nm1,b.mp4,x\n",
            "column `part`: expected 1 to 2 for 'm1', got 1, 1",
        ),
        (
            "subject,video,treatment,part\nm1,a.mp4,x,1\nm1,b.mp4,y,2\n",
            "column `treatment`: expected one value",
        ),
        ("subject,video,treatment\nm1,a.mp4\n", "Row 2: expected 3 cells as in the header, got 2"),
    ],
)
def test_a_table_that_cannot_be_meant_so_is_a_fault(tmp_path, text, told):
    with pytest.raises(PainlibError, match=told):
        load_arenas(write_table_of(tmp_path, text))


def test_two_animals_in_one_film_need_their_corners_or_stretches_of_their_own(tmp_path):
    two = "subject,video,treatment,corners,start_s,end_s\nm1,a.mp4,x,{},,{}\nm2,a.mp4,x,{},{},\n"
    with pytest.raises(PainlibError, match="one for 2"):
        load_arenas(write_table_of(tmp_path, two.format("", "", "", "")))
    left, right = "0 0; 9 0; 9 9; 0 9", "20 0; 29 0; 29 9; 20 9"
    assert len(load_arenas(write_table_of(tmp_path, two.format(left, "", right, "")))) == 2
    assert len(load_arenas(write_table_of(tmp_path, two.format("", "60", "", "60")))) == 2


# ---- groups ----------------------------------------------------------------------------------------------


def make_minutes(values: dict[str, dict[str, list[float]]], first: int = 0) -> pd.DataFrame:
    """Minutes (m) of {treatment: {subject: [...]}}; a NaN minute was filmed and not measured."""
    rows = []
    for treatment, animals in values.items():
        for subject, metres in animals.items():
            for minute, value in enumerate(metres, start=first):
                measured = 0 if math.isnan(value) else 60
                rows.append((subject, treatment, minute, 60, measured, measured / 60, 100 * value))
    columns = ["subject", "treatment", "minute", "n_filmed", "n_measured", "coverage", "distance_cm"]
    return pd.DataFrame(rows, columns=columns)


def test_totals_are_sums_and_unmeasured_minutes_count_as_the_mean_not_as_rest():
    nan = math.nan
    minutes = make_minutes({"vehicle": {"a": [1, 2, 3, 4], "b": [2, nan, 4, 9], "c": [1, nan, nan, 9]}})
    totals = sum_stretch(minutes, 0, 3, min_coverage=0.5).set_index("subject")
    assert totals["total_m"].round(6).to_dict() == pytest.approx({"a": 6, "b": 9, "c": nan}, nan_ok=True)
    assert totals["coverage"].round(4).tolist() == [1, 0.6667, 0.3333]
    assert totals["n_minutes_absent"].tolist() == [0, 1, 2]
    late = sum_stretch(minutes, 10, 20, 0.5)  # never filmed
    assert late["total_m"].isna().all()
    assert (late["coverage"] == 0).all()


def test_groups_are_compared_by_animal_as_scipy_does_it():
    x, y = [3.0, 4.0, 6.5, 5.0], [8.0, 9.5, 7.0, 9.0]
    minutes = make_minutes(
        {
            "vehicle": {f"v{k}": [5.0 + k, value, value] for k, value in enumerate(y)},
            "1 % AC": {f"a{k}": [5.5 + k, value, value] for k, value in enumerate(x)},
        },
        first=-1,
    )
    result = compare_locomotion(minutes, make_params(window_end_min=2.0))
    expected = scipy_stats.ttest_ind(2 * np.array(x), 2 * np.array(y))
    row = result.tests["treated"].table.iloc[0]
    assert (row["statistic"], row["p"]) == pytest.approx((expected.statistic, expected.pvalue))
    assert row["mean_1"] == pytest.approx(2 * np.mean(x))
    assert not result.tests["treated"].table["measure"].str.contains("mean minute").any()
    lacking = minutes.assign(distance_cm=minutes["distance_cm"].mask(minutes.index == 1))  # v0, minute 0
    filled = compare_locomotion(lacking, make_params(window_end_min=2.0)).tests
    assert "(m; minutes without a value count as the animal's mean minute)" in filled["treated"].sentence
    assert "mean minute" not in filled["habituation"].sentence
    before = scipy_stats.ttest_ind([5.5, 6.5, 7.5, 8.5], [5, 6, 7, 8])
    assert result.tests["habituation"].table["p"].iloc[0] == pytest.approx(before.pvalue)
    over_time = result.over_time
    gee = over_time.table.set_index("test").loc["GEE, bias-corrected: treatment"]
    welch = scipy_stats.ttest_ind(x, y, equal_var=False)  # equal groups and blocks: Hotelling's T², Welch's t
    assert (gee["statistic"], gee["p"]) == pytest.approx((welch.statistic**2, welch.pvalue), rel=1e-6)
    assert over_time.minutes[["minute", "difference"]].to_numpy().tolist() == pytest.approx(
        np.array([[0, np.mean(x) - np.mean(y)], [1, np.mean(x) - np.mean(y)]])
    )
    # x holds the four smallest: of the ways to share out eight animals only its mirror is as extreme.
    assert over_time.minutes["p_corrected"].tolist() == pytest.approx([2 / math.comb(8, 4)] * 2)
    curve = result.curves[(result.curves["group"] == "1 % AC") & (result.curves["minute"] == 0)].iloc[0]
    assert curve["mean"] == pytest.approx(100 * np.mean(x))
    assert curve["sem"] == pytest.approx(100 * scipy_stats.sem(x))


def late_params() -> LocomotionParams:
    """A window in which nothing was filmed."""
    return make_params(window_start_min=20.0, window_end_min=25.0)


def test_one_animal_a_group_is_described_and_not_tested_and_a_lacking_group_is_a_fault(tmp_path):
    minutes = make_minutes({"vehicle": {"v": [3.0]}, "1 % AC": {"a": [2.0]}})
    result = compare_locomotion(minutes, make_params())
    row = result.tests["treated"].table.iloc[0]
    assert math.isnan(row["p"])
    assert "at least 2 animals a group" in row["note"]
    assert "nothing was compared" in result.tests["habituation"].sentence
    assert result.curves["sem"].isna().all()
    names = {path.name for path in write_locomotion(result, tmp_path)}
    assert {"tests.csv", "totals.csv", "curves.csv", "sentences.csv", "animal_tests.csv"} <= names
    assert {"minute_tests.csv", "sample_sizes.csv"} <= names
    assert pd.read_csv(tmp_path / "animal_tests.csv")["p"].isna().all()
    sentences = pd.read_csv(tmp_path / "sentences.csv").set_index("stretch")["sentence"]
    assert "not tested" in sentences["over time"]
    page = plots.plot_locomotion(result)
    assert "no animal with a value" in words(page).replace("\n", " ")
    unseen = minutes.assign(distance_cm=minutes["distance_cm"].where(minutes["treatment"] == "vehicle"))
    for cannot in (compare_locomotion(unseen, make_params()), compare_locomotion(minutes, late_params())):
        assert cannot.tests["treated"].table["p"].isna().all()
        assert cannot.over_time.table["p"].isna().all()
        assert plots.plot_locomotion(cannot).axes
    with pytest.raises(PainlibError, match="group '1 % AC' has no animal"):
        compare_locomotion(minutes[minutes["treatment"] == "vehicle"], make_params())


# ---- the whole stage, on a drawn table ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("arena")
    sizes = ArenaDemo(animals_per_group=2, pre_minutes=1, post_minutes=1, px=112, fps=5)
    return draw_arenas(folder, sizes, seed=1)


@pytest.fixture(scope="module")
def tracked(drawn: Path) -> LocomotionParams:
    """The drawn table with a fifth animal whose time zero lies behind its film; all of it tracked."""
    table = pd.read_csv(drawn)
    late = table.iloc[:1].assign(subject="late", time_zero_s=3600.0)
    late["video"] = "videos/late.mp4"
    (drawn.parent / "videos" / "late.mp4").write_bytes((drawn.parent / "videos" / "arena01.mp4").read_bytes())
    path = drawn.with_name("five.csv")
    pd.concat([table, late]).to_csv(path, index=False)
    params = make_params(arena_table=path, workdir=drawn.parent / "out")
    summary, faults = track_arenas(load_arenas(path), params)
    assert faults["subject"].tolist() == ["late"]
    assert "expected `time_zero_s` within the film" in faults["message"].iloc[0]
    assert summary["subject"].tolist() == ["arena01", "arena02", "arena03", "arena04"]
    how = ["corners found", "corners found", "corners given", "side given"]
    assert summary["calibration"].tolist() == how
    return params


def test_the_drawn_animals_distances_are_true_and_fall_after_1_percent_acetic_acid(drawn, tracked):
    arenas = load_arenas(drawn)
    summary = pd.DataFrame({"subject": arenas["subject"]})
    seconds, minutes = measure_distances(arenas, summary, tracked)
    for subject, of_animal in seconds.groupby("subject"):
        truth = pd.read_parquet(drawn.parent / "truth" / f"{subject}.parquet")
        ends = (of_animal["second"].min() + 60, of_animal["second"].max() + 61)
        true = np.diff(np.interp(ends, truth["time_s"], truth["distance_cm"]))[0]
        assert of_animal["distance_cm"].notna().all()
        assert of_animal["distance_cm"].sum() == pytest.approx(true, rel=0.03)
    result = compare_locomotion(minutes, tracked)
    treated = result.totals[result.totals["stretch"] == "treated"].groupby("treatment")["total_m"].mean()
    assert treated["1 % AC"] < 0.6 * treated["vehicle"]


def test_what_is_tracked_is_kept_and_another_parameter_tracks_anew(tracked):
    video = iter_arenas(load_arenas(tracked.arena_table))[0]
    before = TrackFiles(tracked.workdir, video.subject).track.stat().st_mtime_ns
    assert store_track(video, tracked)["resumed"]
    assert TrackFiles(tracked.workdir, video.subject).track.stat().st_mtime_ns == before
    # What is read when distances are measured does not track anew.
    assert store_track(video, tracked.model_copy(update={"still_cm": 2.0, "workers": 1}))["resumed"]
    assert not store_track(video, tracked.model_copy(update={"animal_min_cm2": 4.0}))["resumed"]
    TrackFiles(tracked.workdir, video.subject).arena.unlink()  # as if killed in between
    assert not store_track(video, tracked)["resumed"]


def test_doubts_are_raised_where_the_animal_keeps_far_from_the_found_outline_or_out_of_it():
    rng = np.random.default_rng(0)
    facts = {"corners": [[0, 0]] * 4, "side_cm": 50.0, "calibration": "corners found"}
    near = pd.DataFrame(rng.uniform(12, 38, (500, 2)), columns=["x_cm", "y_cm"])
    assert "kept to 5" in find_doubts(near, facts)[0]  # 52 % of the side
    assert find_doubts(pd.DataFrame(rng.uniform(3, 47, (500, 2)), columns=near.columns), facts) == []
    assert "outside the floor" in find_doubts(near + 30, {**facts, "calibration": "corners given"})[0]
    assert (
        "seen in 50%"
        in find_doubts(near.where((near.index % 2 == 0)[:, None].repeat(2, 1)), {**facts, "corners": None})[0]
    )


def test_check_opens_every_video_and_holds_treatments_against_groups(tracked):
    rows: list[tuple[str, str]] = []
    faults = Faults()
    check_arenas(tracked.model_copy(update={"groups": ["vehicle", "2 % AC"]}), rows, faults)
    told = "\n".join(faults)
    assert "Subject 'late': expected `time_zero_s` within the film" in told
    assert "group '2 % AC' has no animal" in told
    assert rows[0][1].startswith("5 animals")
    check_arenas(make_params(), rows, faults)  # no table: nothing to check
    assert len(rows) == 1


def test_the_stage_reads_its_table_and_the_films_in_it_and_not_the_cohort(tracked, drawn):
    names = [path.name for path in stage_inputs(tracked)]
    assert names == ["five.csv", *(f"arena0{k}.mp4" for k in (1, 2, 3, 4)), "late.mp4"]
    assert stage_inputs(make_params()) == []


def test_figures_show_every_animal_with_labels_and_nothing_overlaps(drawn, tracked):
    arenas = load_arenas(drawn)
    subjects = arenas["subject"].tolist()
    _, minutes = measure_distances(arenas, pd.DataFrame({"subject": subjects}), tracked)
    result = compare_locomotion(minutes, tracked)
    floors = plots.plot_floors(gather_floors(subjects, tracked.workdir))
    assert "arena01: corners found" in words(floors)
    assert len(floors.findobj(lambda artist: artist.get_gid() == "outline")) == 3
    tracks = plots.plot_tracks(gather_tracks(iter_arenas(arenas), result.totals, tracked.workdir), result)
    assert all(subject in words(tracks) for subject in subjects)
    page = plots.plot_locomotion(result)
    assert {"Moving distance (m/min)", "Time after treatment (min)", "Treatment"} <= labels_of(page_of(page))
    for figure in (floors, tracks, page):
        assert find_overlaps(figure) == []


def test_drawing_again_keeps_what_is_there_and_another_seed_draws_anew(drawn):
    sizes = ArenaDemo(animals_per_group=2, pre_minutes=1, post_minutes=1, px=112, fps=5)
    film_of = drawn.parent / "videos" / "arena01.mp4"
    before = film_of.stat().st_mtime_ns
    assert draw_arenas(drawn.parent, sizes, seed=1) == drawn
    assert film_of.stat().st_mtime_ns == before


def test_tracks_are_stored_with_their_units(tracked):
    track = read_track(tracked.workdir, "arena03")
    assert list(track) == ["frame", "time_s", "x_px", "y_px", "x_cm", "y_cm", "area_cm2"]
    assert track["x_cm"].between(-3, 53).all()
    assert track["area_cm2"].between(8, 40).all()

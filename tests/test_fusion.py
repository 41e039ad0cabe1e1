"""Two cameras into one judgement and judgements into minutes, against tables made by hand."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from painlib.cohort import Recording
from painlib.faults import PainlibError
from painlib.fusion import (
    find_minutes,
    fuse_recording,
    fuse_timepoints,
    minute_probability,
    note_abstention,
    pair_cameras,
    summarise_minutes,
    window_means,
)
from painlib.tables import check_table

NAN = float("nan")
FRAME = 1 / 30


def film(n: int, fps: float = 30, start_s: float = 0.0) -> np.ndarray:
    return np.array([float(Fraction(k) / Fraction(fps).limit_denominator(1001)) for k in range(n)]) + start_s


def list_pairs(table: pd.DataFrame) -> list[tuple[int, int]]:
    return list(zip(table["a"], table["b"], strict=True))


@pytest.mark.parametrize("offset_s", [0.0, 0.005, -0.016, FRAME / 2, -FRAME / 2, 0.49 * FRAME])
def test_clocks_within_half_a_frame_pair_every_frame(offset_s):
    pairs = pair_cameras({"a": film(1000), "b": film(1000) + offset_s})
    both = pairs[(pairs["a"] >= 0) & (pairs["b"] >= 0)]
    assert len(both) >= 999
    # At exactly half a frame either neighbour is right, but the same way all along.
    assert (both["a"] - both["b"]).nunique() == 1
    assert len(pairs) == 2 * 1000 - len(both)


def test_rounding_to_milliseconds_loses_no_pair():
    times = np.round(film(900), 3)
    for offset_s in (0.0, 0.008, 0.012):
        pairs = pair_cameras({"a": times, "b": np.round(film(900) + offset_s, 3)})
        assert list_pairs(pairs) == [(k, k) for k in range(900)]


def test_a_dropped_frame_leaves_its_partner_alone_and_shifts_nothing():
    pairs = pair_cameras({"a": film(6), "b": np.delete(film(6, start_s=0.004), 2)})
    assert list_pairs(pairs) == [(0, 0), (1, 1), (2, -1), (3, 2), (4, 3), (5, 4)]
    pairs = pair_cameras({"a": np.delete(film(6), 2), "b": film(6, start_s=0.004)})
    assert list_pairs(pairs) == [(0, 0), (1, 1), (-1, 2), (2, 3), (3, 4), (4, 5)]
    assert pairs["time_s"].tolist() == pytest.approx(
        [0, FRAME, 2 * FRAME + 0.004, 3 * FRAME, 4 * FRAME, 5 * FRAME]
    )


def test_different_starts_and_ends_leave_frames_alone():
    pairs = pair_cameras({"a": film(4), "b": film(4, start_s=2 * FRAME)})
    assert list_pairs(pairs) == [(0, -1), (1, -1), (2, 0), (3, 1), (-1, 2), (-1, 3)]
    assert pairs["time_s"].is_monotonic_increasing


def test_cameras_that_never_filmed_together_have_no_pairs():
    pairs = pair_cameras({"a": film(3), "b": film(2, start_s=5)})
    assert list_pairs(pairs) == [(0, -1), (1, -1), (2, -1), (-1, 0), (-1, 1)]


def test_each_frame_goes_to_its_nearest_once():
    # Camera b has two frames near a's second: the nearer one is taken, the other stands alone.
    pairs = pair_cameras(
        {"a": np.array([0.0, 0.1, 0.2]), "b": np.array([0.0, 0.07, 0.11, 0.21])}, tolerance_s=0.05
    )
    assert list_pairs(pairs) == [(0, 0), (-1, 1), (1, 2), (2, 3)]


def test_variable_frame_rate_pairs_by_time():
    a = np.array([0.000, 0.033, 0.067, 0.133, 0.200, 0.233])
    b = np.array([0.002, 0.036, 0.100, 0.135, 0.167, 0.198])
    assert list_pairs(pair_cameras({"a": a, "b": b})) == [
        (0, 0), (1, 1), (2, -1), (-1, 2), (3, 3), (-1, 4), (4, 5), (5, -1)
    ]  # fmt: skip


def test_a_camera_twice_as_fast_gives_its_other_frames_alone():
    pairs = pair_cameras({"a": film(5, 30), "b": film(10, 60)})
    assert list_pairs(pairs) == [pair for k in range(5) for pair in ((k, 2 * k), (-1, 2 * k + 1))]


def test_drifting_clocks_lose_one_pair_a_frame_of_drift():
    # 29.97 against 30 Hz over 10 minutes: 600 s * 0.03 Hz = 18 frames of drift.
    a, b = film(18000, 30), film(17982, 29.97)
    pairs = pair_cameras({"a": a, "b": b})
    both = pairs[(pairs["a"] >= 0) & (pairs["b"] >= 0)]
    assert len(both) == pytest.approx(17982, abs=2)
    distance = np.abs(a[both["a"]] - b[both["b"]])
    assert distance.max() < 0.53 * FRAME


def test_one_camera_alone_is_its_own_time_points():
    pairs = pair_cameras({"only": film(3)})
    assert pairs["only"].tolist() == [0, 1, 2]
    assert pairs["time_s"].tolist() == film(3).tolist()


@pytest.mark.parametrize(("n_a", "n_b"), [(0, 0), (0, 3), (3, 0), (1, 1), (1, 30)])
def test_hardly_any_frames(n_a, n_b):
    pairs = pair_cameras({"a": film(n_a), "b": film(n_b)})
    assert (pairs["a"] >= 0).sum() == n_a
    assert (pairs["b"] >= 0).sum() == n_b


def test_times_that_do_not_increase_and_three_cameras_are_refused():
    with pytest.raises(PainlibError, match="Camera 'b'"):
        pair_cameras({"a": film(3), "b": np.array([0.0, 0.1, 0.1])})
    with pytest.raises(PainlibError, match="Camera 'a'"):
        pair_cameras({"a": np.array([0.0, NAN])})
    with pytest.raises(PainlibError, match="got 3"):
        pair_cameras({name: film(3) for name in "abc"})


# p_pain of camera a, of camera b, then by hand: faces, sum no pain, sum pain, call
TRUTH = [
    (0.9, 0.8, 2, 0.3, 1.7, "pain"),
    (0.1, 0.2, 2, 1.7, 0.3, "no pain"),
    (0.9, 0.4, 2, 0.7, 1.3, "pain"),  # cameras disagree, the surer one wins
    (0.6, 0.1, 2, 1.3, 0.7, "no pain"),
    (0.7, 0.3, 2, 1.0, 1.0, "no pain"),  # a tie
    (0.3, 0.7, 2, 1.0, 1.0, "no pain"),
    (0.7, NAN, 1, 0.3, 0.7, "pain"),
    (NAN, 0.7, 1, 0.3, 0.7, "pain"),
    (NAN, 0.2, 1, 0.8, 0.2, "no pain"),
    (0.5, NAN, 1, 0.5, 0.5, "no pain"),
    (NAN, NAN, 0, NAN, NAN, "skipped"),
]


def test_fusion_follows_the_truth_table():
    p_pain = np.array([[a, b] for a, b, *_ in TRUTH])
    pairs = pd.DataFrame(
        {"time_s": np.arange(len(TRUTH)), "a": np.arange(len(TRUTH)), "b": np.arange(len(TRUTH))}
    )
    fused = fuse_timepoints(pairs, {"a": np.stack([1 - p_pain[:, 0], p_pain[:, 0]], 1),
                                    "b": np.stack([1 - p_pain[:, 1], p_pain[:, 1]], 1)})  # fmt: skip
    assert fused["n_faces"].tolist() == [row[2] for row in TRUTH]
    np.testing.assert_allclose(fused["p_no_pain"], [row[3] for row in TRUTH])
    np.testing.assert_allclose(fused["p_pain"], [row[4] for row in TRUTH])
    assert fused["call"].tolist() == [row[5] for row in TRUTH]


def test_a_frame_without_partner_is_judged_alone():
    pairs = pd.DataFrame({"time_s": [0.0, 0.1, 0.2], "a": [0, -1, 1], "b": [-1, 0, 1]})
    a, b = np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([[0.6, 0.4], [0.1, 0.9]])
    fused = fuse_timepoints(pairs, {"a": a, "b": b})
    assert fused["n_faces"].tolist() == [1, 1, 2]
    assert fused["p_pain"].tolist() == pytest.approx([0.9, 0.4, 1.1])
    assert fused["call"].tolist() == ["pain", "no pain", "pain"]


def call_frames(
    n: int, calls: dict[int, str] | None = None, fps: float = 30, start_s: float = 0
) -> pd.DataFrame:
    call = np.full(n, "no pain", dtype=object)
    for place, name in (calls or {}).items():
        call[place] = name
    return pd.DataFrame({"time_s": film(n, fps, start_s), "call": call})


def test_a_minute_at_30_hz_has_1800_time_points():
    minutes = minute_probability(call_frames(3 * 1800))
    assert minutes["minute"].tolist() == [0, 1, 2]
    assert minutes["n_timepoints"].tolist() == [1800, 1800, 1800]


@pytest.mark.parametrize(("fps", "n"), [(29.97, 1798), (25, 1500), (60, 3600), (7.5, 450)])
def test_a_minute_is_60_seconds_at_any_frame_rate(fps, n):
    minutes = minute_probability(call_frames(round(fps * 180) + 2, fps=fps))
    assert minutes["n_timepoints"].iloc[1] == pytest.approx(n, abs=1)
    assert minutes["n_timepoints"].iloc[:3].sum() == pytest.approx(fps * 180, abs=1)


def test_sums_that_differ_by_rounding_are_a_tie():
    pairs = pd.DataFrame({"time_s": [0.0], "a": [0], "b": [0]})
    a, b = np.array([[np.nextafter(0.3, 0), 0.7]]), np.array([[np.nextafter(0.7, 0), 0.3]])
    assert a[0, 1] + b[0, 1] > a[0, 0] + b[0, 0]
    assert fuse_timepoints(pairs, {"a": a, "b": b})["call"].tolist() == ["no pain"]


@pytest.mark.parametrize("time_zero_s", [0.1, 4.35, 16.7, 1234.567])
def test_borders_of_minutes_hold_against_rounding(time_zero_s):
    minutes = minute_probability(call_frames(1800 * 4, start_s=time_zero_s), time_zero_s)
    assert minutes["n_timepoints"].tolist() == [1800] * 4
    assert find_minutes(np.array([time_zero_s - 0.01, time_zero_s]), time_zero_s).tolist() == [-1, 0]


def test_minutes_count_from_time_zero_and_are_negative_before():
    timepoints = pd.DataFrame({"time_s": [10.0, 29.9, 30.0, 89.9, 90.0], "call": ["pain"] * 5})
    minutes = minute_probability(timepoints, time_zero_s=90)
    assert minutes["minute"].tolist() == [-2, -1, 0]
    assert minutes["n_timepoints"].tolist() == [2, 2, 1]


def test_skipped_time_points_do_not_count_and_empty_minutes_are_nan():
    rows = [
        (0.0, "pain"), (10.0, "no pain"), (20.0, "no pain"), (30.0, "no pain"), (40.0, "skipped"),
        (60.0, "skipped"), (70.0, "skipped"),
        # nothing filmed in minute 2
        (180.0, "no pain"), (190.0, "no pain"),
        (240.0, "pain"),
    ]  # fmt: skip
    minutes = minute_probability(pd.DataFrame(rows, columns=["time_s", "call"]))
    assert minutes["minute"].tolist() == [0, 1, 2, 3, 4]
    assert minutes["n_timepoints"].tolist() == [5, 2, 0, 2, 1]
    assert minutes["n_evaluated"].tolist() == [4, 0, 0, 2, 1]
    assert minutes["n_pain"].tolist() == [1, 0, 0, 0, 1]
    np.testing.assert_array_equal(minutes["coverage"], [0.8, 0, NAN, 1, 1])
    np.testing.assert_array_equal(minutes["pain_probability"], [0.25, NAN, NAN, 0, 1])


@pytest.mark.parametrize(("min_coverage", "expected"), [(0.0, 0.5), (0.2, 0.5), (0.21, NAN)])
def test_a_minute_below_the_minimum_coverage_is_nan_and_keeps_its_counts(min_coverage, expected):
    calls = ["pain", "no pain", *["skipped"] * 8]
    minutes = minute_probability(pd.DataFrame({"time_s": np.arange(10.0), "call": calls}), 0, min_coverage)
    np.testing.assert_array_equal(minutes["pain_probability"], [expected])
    assert minutes[["n_timepoints", "n_evaluated", "n_pain"]].to_numpy().tolist() == [[10, 2, 1]]


def test_no_time_points_give_no_minutes():
    assert minute_probability(call_frames(0)).empty


def build_recording(time_zero_s: float = 0.0) -> Recording:
    return Recording("m1_AC", "m1", (), "post", "pain", "1 % AC", "male", "", time_zero_s)


def test_a_recording_becomes_time_points_and_minutes():
    filmed = {
        "left": pd.DataFrame({"frame": [30, 31, 32, 33], "time_s": [59.0, 60.0, 61.0, 62.0]}),
        "right": pd.DataFrame({"frame": [7, 8, 9], "time_s": [60.1, 61.1, 62.1]}),
    }
    frames = pd.DataFrame(
        [("left", 33, 0.9), ("left", 31, 0.2), ("right", 7, 0.9), ("right", 8, 0.3)],
        columns=["camera", "frame", "p_pain"],
    )
    frames = frames.assign(p_no_pain=1 - frames["p_pain"], p_pain_calibrated=frames["p_pain"], left_out="")
    recording = build_recording(time_zero_s=60.0)
    timepoints = fuse_recording(recording, frames, filmed, trained_on=True)
    check_table(timepoints, "timepoints", "schema")
    assert timepoints["time_s"].tolist() == [59.0, 60.0, 61.0, 62.0]
    assert timepoints["minute"].tolist() == [-1, 0, 0, 0]
    assert timepoints["n_faces"].tolist() == [0, 2, 1, 1]
    assert timepoints["inside"].tolist() == [""] * 4  # not asked yet
    assert timepoints["call"].tolist() == ["skipped", "pain", "no pain", "pain"]

    minutes = summarise_minutes(recording, timepoints, min_coverage=0.0)
    check_table(minutes, "minutes", "schema")
    assert minutes[["minute", "n_timepoints", "n_evaluated", "n_pain"]].to_numpy().tolist() == [
        [-1, 1, 0, 0],
        [0, 3, 3, 2],
    ]
    np.testing.assert_allclose(minutes["pain_probability"], [NAN, 2 / 3])
    assert minutes["trained_on"].all()
    assert set(minutes["treatment"]) == {"1 % AC"}


def test_a_recording_without_any_face_is_skipped_throughout_not_zero():
    filmed = {"left": pd.DataFrame({"frame": range(120), "time_s": np.arange(120.0)})}
    columns = ["camera", "frame", "p_no_pain", "p_pain", "p_pain_calibrated", "left_out"]
    frames = pd.DataFrame({name: [] for name in columns})
    timepoints = fuse_recording(build_recording(), frames, filmed, trained_on=False)
    check_table(timepoints, "timepoints", "schema")
    minutes = summarise_minutes(build_recording(), timepoints, 0.0)
    check_table(minutes, "minutes", "schema")
    assert minutes["n_timepoints"].tolist() == [60, 60]
    assert minutes["pain_probability"].isna().all()


def test_faces_too_poor_and_calls_too_unsure_are_not_judged_and_counted_apart_from_skipped_ones():
    filmed = {camera: pd.DataFrame({"frame": range(5), "time_s": np.arange(5.0)}) for camera in "AB"}
    rows = [
        ("A", 0, 0.9, 0.8, ""), ("B", 0, 0.2, 0.3, "blurred"),  # the other camera's call
        ("A", 1, 0.9, 0.8, "turned"),  # no face is left: not judged
        ("A", 2, 0.9, 0.6, ""), ("B", 2, 0.8, 0.5, ""),  # 0.55 on average: not sure enough
        ("A", 3, 0.1, 0.2, ""),  # no pain, sure
    ]  # fmt: skip
    frames = pd.DataFrame(rows, columns=["camera", "frame", "p_pain", "p_pain_calibrated", "left_out"])
    frames["p_no_pain"] = 1 - frames["p_pain"]
    timepoints = fuse_recording(build_recording(), frames, filmed, trained_on=False, abstain_below=0.7)
    check_table(timepoints, "timepoints", "schema")
    assert timepoints["call"].tolist() == ["pain", "not judged", "not judged", "no pain", "skipped"]
    assert timepoints["n_faces"].tolist() == [1, 0, 2, 1, 0]
    assert timepoints["n_left_out"].tolist() == [1, 1, 0, 0, 0]
    np.testing.assert_allclose(timepoints["p_pain_calibrated"], [0.8, NAN, 0.55, 0.2, NAN])

    minutes = summarise_minutes(build_recording(), timepoints, min_coverage=0.0)
    counts = ["n_timepoints", "n_evaluated", "n_pain", "n_not_judged"]
    assert minutes[counts].to_numpy().tolist() == [[5, 2, 1, 2]]
    assert minutes["coverage"].tolist() == [0.4]
    assert window_means(minutes, 0, 1)["n_not_judged"].tolist() == [2]
    # At 0.5 every call is made, whatever its calibrated probability.
    always = fuse_recording(build_recording(), frames, filmed, trained_on=False)
    assert always["call"].tolist() == ["pain", "not judged", "pain", "no pain", "skipped"]


def test_what_leaving_calls_out_did_to_the_pain_probability_is_said():
    # Six no pain of which four are unsure, four pain of which one is; a face too poor, none at all.
    calls = ["no pain"] * 2 + ["not judged"] * 4 + ["pain"] * 3 + ["not judged"] * 2 + ["skipped"]
    p_pain = [0.2] * 6 + [0.9] * 4 + [NAN, NAN]
    timepoints = pd.DataFrame({"call": calls, "p_pain": p_pain, "p_no_pain": [1 - p for p in p_pain]})
    assert note_abstention(timepoints) == (
        "Calls left out as unsure: 25% of pain, 67% of no pain; pain / (pain + no pain) is 0.60, with all "
        "calls 0.40: moved by what was left out, not by the animals"
    )
    alike = timepoints.assign(call=[*["no pain"] * 4, *["not judged"] * 2, *["pain"] * 3, *calls[9:]])
    assert "moved" not in note_abstention(alike)
    assert note_abstention(timepoints[timepoints["call"] != "not judged"]) == ""
    assert "nothing is judged" in note_abstention(timepoints.assign(call="not judged"))


def test_faces_of_frames_that_were_not_filmed_are_refused():
    filmed = {"left": pd.DataFrame({"frame": [0, 1], "time_s": [0.0, 0.1]})}
    for frame in ([5], [0, 0]):
        faces = pd.DataFrame({"camera": "left", "frame": frame, "p_no_pain": 0.5, "p_pain": 0.5})
        faces = faces.assign(p_pain_calibrated=0.5, left_out="")
        with pytest.raises(PainlibError, match=r"m1_AC.*left"):
            fuse_recording(build_recording(), faces, filmed, trained_on=False)


# recording, minute, time points, judged, pain, probability
MINUTES = [
    ("r1", -1, 10, 10, 10, 1.0),
    ("r1", 0, 10, 10, 1, 0.1),
    ("r1", 1, 10, 2, 1, 0.5),
    ("r1", 2, 10, 0, 0, NAN),
    ("r1", 3, 10, 1, 1, NAN),  # below the minimum coverage
    ("r1", 4, 10, 10, 10, 1.0),
    ("r2", 0, 10, 0, 0, NAN),
]


def test_windows_give_the_mean_of_minutes_and_the_pooled_counts():
    minutes = pd.DataFrame(
        MINUTES, columns=["recording", "minute", "n_timepoints", "n_evaluated", "n_pain", "pain_probability"]
    ).assign(subject="m1", treatment="AC", n_not_judged=0)
    windows = window_means(minutes, 0, 4).set_index("recording")

    r1 = windows.loc["r1"]
    assert r1["mean_of_minutes"] == pytest.approx((0.1 + 0.5) / 2)
    assert r1["pooled"] == pytest.approx((1 + 1) / (10 + 2))
    assert (r1["n_minutes"], r1["n_minutes_nan"], r1["n_minutes_absent"]) == (2, 2, 0)
    assert (r1["n_evaluated"], r1["n_pain"]) == (12, 2)
    assert r1["coverage"] == pytest.approx(13 / 40)
    assert r1["treatment"] == "AC"

    r2 = windows.loc["r2"]
    assert np.isnan(r2["mean_of_minutes"])
    assert np.isnan(r2["pooled"])
    assert (r2["n_minutes"], r2["n_minutes_nan"], r2["n_minutes_absent"]) == (0, 1, 3)
    assert r2["coverage"] == 0


def test_a_window_takes_whole_minutes_only():
    minutes = pd.DataFrame(
        {
            "recording": "r",
            "minute": range(5),
            "n_timepoints": 1,
            "n_evaluated": 1,
            "n_pain": 1,
            "n_not_judged": 0,
            "pain_probability": 1.0,
        }
    )
    assert window_means(minutes, 0.5, 3.5)["n_minutes"].tolist() == [2]
    assert window_means(minutes, 10, 12)[["n_minutes", "n_minutes_absent"]].to_numpy().tolist() == [[0, 2]]
    with pytest.raises(PainlibError, match="at least one whole minute"):
        window_means(minutes, 1.2, 2.1)

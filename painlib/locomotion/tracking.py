"""Where the animal is in every frame: against the empty floor (OpenCV), or from a tracker's file.

An animal that is not seen is NaN, never a place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from painlib.faults import PainlibError
from painlib.locomotion.arena_floor import Arena, calibrate_corners, calibrate_side, find_floor
from painlib.locomotion.arena_table import ArenaVideo
from painlib.locomotion.empty_floor import Scene, build_scene, sample_greys
from painlib.params import LocomotionParams
from painlib.places import name_file
from painlib.pose.labels import KEYPOINTS
from painlib.pose.network import fit_size
from painlib.pose.trackers import read_tracker
from painlib.video import read_frame, read_frames
from painlib.video.timeline import Timeline, load_timelines

FRAMES_BETWEEN_REPORTS = 200


@dataclass(frozen=True, eq=False)
class Track:
    """One animal's places (table "arena_track"), the arena they are measured in, and what it was seen with.

    `picture`: the empty floor, grey uint8, shrunk by `scale` (x, y), or None without video; `shade` and
    `threshold` (grey levels) of the tracking, or "" and NaN where a tracker's file was read.
    """

    table: pd.DataFrame
    arena: Arena
    picture: np.ndarray | None
    scale: tuple[float, float]
    shade: str
    threshold: float


def track_animal(
    video: ArenaVideo,
    params: LocomotionParams,
    on_progress: Callable[[int], None] = lambda n_frames: None,
) -> Track:
    """Track one animal. Every frame is decoded once, and some more for the empty floor; memory does not grow
    with the video's length but for the rows.

    Raises `PainlibError` where the floor is not found, where time zero lies behind the film, and where the
    animal is seen in no frame.
    """
    lines = load_timelines(video.parts) if video.parts[0].path else []
    if video.pose:
        numbers, times, places = _read_places(video, lines, params)
    else:
        numbers, times = _list_frames(video, lines)
    _check_time_zero(video, times)
    picture, scale, size = _make_picture(video, lines, params)
    shown = None if picture is None else np.median(picture, axis=0).astype(np.uint8)
    arena = _calibrate(video, shown, scale, params)
    shade, threshold = "", math.nan
    if not video.pose:
        assert picture is not None
        scene = build_scene(picture, arena, size, params)
        places = _follow(video, lines, scene, on_progress)
        shade, threshold = scene.shade, scene.threshold
    if np.isnan(places[:, 0]).all():
        raise PainlibError(f"Subject '{video.subject}': {_explain_unseen(video, params)}")
    cm = arena.measure(places[:, :2])
    table = pd.DataFrame(
        {
            "frame": numbers,
            "time_s": times,
            "x_px": places[:, 0],
            "y_px": places[:, 1],
            "x_cm": cm[:, 0],
            "y_cm": cm[:, 1],
            "area_cm2": places[:, 2] * arena.cm_per_px**2,
        }
    )
    return Track(table, arena, shown, (float(scale[0]), float(scale[1])), shade, threshold)


def _list_frames(video: ArenaVideo, lines: Sequence[Timeline]) -> tuple[np.ndarray, np.ndarray]:
    """Numbers and times of the frames that are used, as `painlib.video.read_frames` will give them."""
    numbers, times = [], []
    n_before, begin_s = 0, 0.0
    previous: Timeline | None = None
    for part, line in zip(video.parts, lines, strict=True):
        first, end = line.find_stretch(part.start_s, part.end_s)
        if previous is not None and previous.path != line.path:
            n_before += len(previous.pts)
            begin_s += float(previous.times[-1]) + previous.frame_s
        numbers.append(n_before + np.arange(first, end))
        times.append(begin_s + line.times[first:end])
        previous = line
    return np.concatenate(numbers), np.concatenate(times)


def _read_places(
    video: ArenaVideo, lines: Sequence[Timeline], params: LocomotionParams
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers, times and places (n_frames, 3: x, y px and no area) from the tracker's files."""
    tables = [_read_centroid(path, params) for path in video.pose]
    if not lines:
        numbers = np.arange(int(tables[0]["frame"].max()) + 1)
        times = numbers / video.fps
        part = video.parts[0]
        used = (times >= part.start_s) & (times < part.end_s)
        numbers, times = numbers[used], times[used]
        if not len(numbers):
            raise PainlibError(f"Expected rows in the stretch that is used, got none: {video.pose[0]}")
        together = tables[0]
    else:
        numbers, times = _list_frames(video, lines)
        n_before, shifted, paths = 0, [], list(dict.fromkeys(line.path for line in lines))
        length = {line.path: len(line.pts) for line in lines}
        of_path = dict(zip([line.path for line in lines], zip(tables, video.pose, strict=True), strict=True))
        for path in paths:
            table, tracker = of_path[path]
            if table["frame"].max() >= length[path]:
                raise PainlibError(
                    f"Expected frames 0 to {length[path] - 1}, those of {path}, got frame "
                    f"{table['frame'].max()} in {tracker}. Track this video again, or mend the column `pose`."
                )
            shifted.append(table.assign(frame=table["frame"] + n_before))
            n_before += length[path]
        together = pd.concat(shifted, ignore_index=True)
    found = together.set_index("frame").reindex(numbers)
    return numbers, times, np.column_stack([found["x"], found["y"], np.full(len(numbers), np.nan)])


def _read_centroid(path: str, params: LocomotionParams) -> pd.DataFrame:
    """`frame`, `x`, `y` (px): the mean of the named points where all of them reach the threshold, else NaN.

    A mean of whichever points are seen would jump, when one goes, without the animal moving.
    """
    names, per_call = params.point_names, len(KEYPOINTS)
    xs, ys, seen = [], [], []
    frames = np.empty(0)
    for start in range(0, len(names), per_call):  # `read_tracker` reads three points at a time
        some = names[start : start + per_call]
        table = read_tracker(path, [*some, *[""] * (per_call - len(some))], params.individual)
        frames = table["frame"].to_numpy()
        for column, _ in zip(KEYPOINTS, some, strict=False):
            xs.append(table[f"{column}_x"].to_numpy())
            ys.append(table[f"{column}_y"].to_numpy())
            seen.append(table[f"{column}_likelihood"].to_numpy() >= params.likelihood_threshold)
    present = np.all(seen, axis=0)
    x, y = (np.where(present, np.mean(values, axis=0), np.nan) for values in (xs, ys))
    return pd.DataFrame({"frame": frames, "x": x, "y": y})


def _check_time_zero(video: ArenaVideo, times: np.ndarray) -> None:
    if video.time_zero_s > times[-1]:
        raise PainlibError(
            f"Subject '{video.subject}': expected `time_zero_s` within the film (it ends at "
            f"{times[-1]:.1f} s), got {video.time_zero_s:g} s. Mend it, or add the file that is missing."
        )


def _make_picture(
    video: ArenaVideo, lines: Sequence[Timeline], params: LocomotionParams
) -> tuple[np.ndarray | None, np.ndarray, tuple[int, int]]:
    """Grey frames (n, height, width) spread over the video, px of the video a px (x, y), the video's size."""
    if not lines:
        return None, np.ones(2), (0, 0)
    full = read_frame(video.parts[0].path, 0, lines[0]).size
    size = fit_size(*full, 10**6, params.track_height)
    greys = sample_greys(video.parts, lines, params.background_frames, size)
    return greys, np.array(full, np.float64) / size, full


def _calibrate(
    video: ArenaVideo, empty: np.ndarray | None, scale: np.ndarray, params: LocomotionParams
) -> Arena:
    if video.corners:
        return calibrate_corners(video.corners, params.arena_side_cm)
    if not math.isnan(video.side_px):
        return calibrate_side(video.side_px, params.arena_side_cm)
    assert empty is not None, "the table's check wants side or corners where there is no video"
    try:
        corners = find_floor(empty)
    except PainlibError as fault:
        raise PainlibError(f"Subject '{video.subject}', {video.parts[0].path}: {fault}") from fault
    return calibrate_corners((corners + 0.5) * scale - 0.5, params.arena_side_cm, "corners found")


def _follow(
    video: ArenaVideo, lines: Sequence[Timeline], scene: Scene, on_progress: Callable[[int], None]
) -> np.ndarray:
    """(n_frames, 3): x, y and area in px of the video, NaN where the animal is not seen."""
    found = []
    for frame in read_frames(video.parts, 0.0, lines):
        found.append(scene.find_animal(frame))
        if len(found) % FRAMES_BETWEEN_REPORTS == 0:
            on_progress(len(found))
    on_progress(len(found))
    return np.array(found, np.float64).reshape(-1, 3)


def _explain_unseen(video: ArenaVideo, params: LocomotionParams) -> str:
    if video.pose:
        return (
            f"in no frame do all of the points {', '.join(params.point_names)} reach a likelihood of "
            f"{params.likelihood_threshold:g}: {name_file(video.pose[0])}. Name other `point_names`, or "
            "lower `likelihood_threshold`."
        )
    return (
        f"the animal was seen in no frame of {video.parts[0].path}: nothing of {params.animal_min_cm2:g} to "
        f"{params.animal_max_cm2:g} cm² stood out from the empty floor. An animal that never leaves its "
        "place looks like floor. Mend `animal`, `corners` or `side_px`, or give an `exclude_reason`."
    )

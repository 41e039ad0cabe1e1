"""All arena videos of a table, several at once; what is finished is kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from painlib.faults import PainlibError
from painlib.fingerprints import fingerprint, fingerprint_file
from painlib.locomotion.arena_table import ArenaVideo, iter_arenas
from painlib.locomotion.track_store import TRACK, TrackFiles, read_arena, write_track
from painlib.locomotion.tracking import track_animal
from painlib.params import LocomotionParams
from painlib.progress import report_progress
from painlib.tables import read_fingerprint, read_table
from painlib.video import probe_video
from painlib.workers import run_tasks, say_done

FORMAT = 1  # of the tracks on disk: raised when the same videos and parameters would give other files
DESCRIPTION = "Arena videos to tracks"
# What changes a track; other parameters are read when distances are measured.
_TRACKING = (
    *("arena_side_cm", "animal", "animal_min_cm2", "animal_max_cm2", "background_frames", "track_height"),
    *("point_names", "individual", "likelihood_threshold"),
)
LEAST_SPAN = 0.7  # of the found side, that a mouse walks over in minutes: along the walls
MOST_OUTSIDE, OUTSIDE_CM = 0.05, 2.0
LEAST_SEEN = 0.9


@dataclass(frozen=True)
class _Task:
    video: ArenaVideo
    params: LocomotionParams


def track_arenas(
    arenas: pd.DataFrame | Sequence[ArenaVideo], params: LocomotionParams
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`track_animal` of every animal, `params.workers` at once (`run_tasks`), each in one thread.

    Returns a row an animal that succeeded (subject, treatment, n_frames, fps, seen: share of the frames,
    side_px, calibration, animal: light, dark or tracker, threshold, resumed, doubt: what to look at) and the
    faults (subject, message). What is finished is kept whatever happens to the rest.
    """
    videos = iter_arenas(arenas) if isinstance(arenas, pd.DataFrame) else list(arenas)
    n_frames = max(sum(_expect_frames(video) for video in videos), 1)
    report_progress(DESCRIPTION, 0, n_frames)
    results = run_tasks(
        _work,
        [_Task(video, params) for video in videos],
        params.workers,
        lambda done: report_progress(DESCRIPTION, min(done, n_frames - 1), n_frames),
    )
    report_progress(DESCRIPTION, n_frames, n_frames)
    summaries = [result for result in results if not isinstance(result, BaseException)]
    faults = [
        {"subject": video.subject, "message": str(result)}
        for video, result in zip(videos, results, strict=True)
        if isinstance(result, BaseException)
    ]
    columns = ["subject", "treatment", "n_frames", "fps", "seen", "side_px", "calibration", "animal"]
    columns += ["threshold", "resumed", "doubt"]
    return pd.DataFrame(summaries, columns=columns), pd.DataFrame(faults, columns=["subject", "message"])


def store_track(video: ArenaVideo, params: LocomotionParams) -> dict[str, Any]:
    """Track one animal, unless that was done from the same files and parameters, and say what was found."""
    files = TrackFiles(params.workdir, video.subject)
    mark = _mark(video, params)
    resumed = read_fingerprint(files.track) == mark and files.arena.is_file()
    if not resumed:
        for old in files.list_files():
            old.unlink()
        write_track(track_animal(video, params, say_done), files, mark)
    table, facts = read_table(files.track, TRACK), read_arena(files)
    say_done(len(table))
    return {
        "subject": video.subject,
        "treatment": video.treatment,
        "n_frames": len(table),
        "fps": round(1 / float(np.median(np.diff(table["time_s"]))), 3) if len(table) > 1 else math.nan,
        "seen": float(table["x_cm"].notna().mean()),
        "side_px": facts["side_px"],
        "calibration": facts["calibration"],
        "animal": facts["animal"] or "tracker",
        "threshold": facts["threshold"],
        "resumed": resumed,
        "doubt": "; ".join(find_doubts(table, facts)),
    }


def find_doubts(table: pd.DataFrame, facts: dict[str, Any]) -> list[str]:
    """What makes a track doubtful, in words: where it lies in the arena, how often the animal was seen."""
    doubts = []
    xy = table[["x_cm", "y_cm"]].dropna().to_numpy()
    seen = len(xy) / len(table)
    if seen < LEAST_SEEN:
        doubts.append(f"seen in {seen:.0%} of the frames only")
    side = facts["side_cm"]
    if facts["corners"] is not None and len(xy):
        outside = float(((xy < -OUTSIDE_CM) | (xy > side + OUTSIDE_CM)).any(axis=1).mean())
        if outside > MOST_OUTSIDE:
            doubts.append(f"{outside:.0%} of the places lie outside the floor")
        span = float(np.ptp(np.percentile(xy, [1, 99], axis=0), axis=0).max()) / side
        if facts["calibration"] == "corners found" and span < LEAST_SPAN:
            doubts.append(
                f"the animal kept to {span:.0%} of the found side: see in the figure whether that is the "
                "floor, and not the walls' upper edge (distances would come out too short)"
            )
    return doubts


def _work(task: _Task) -> dict[str, Any]:
    return store_track(task.video, task.params)


def _mark(video: ArenaVideo, params: LocomotionParams) -> str:
    files = [fingerprint_file(name) for name in (*(part.path for part in video.parts), *video.pose) if name]
    stretches = [(part.start_s, part.end_s) for part in video.parts]
    settings = {name: getattr(params, name) for name in _TRACKING}
    seen_as = (video.subject, video.time_zero_s, video.fps, video.side_px, video.corners)
    return fingerprint("arena", FORMAT, files, stretches, seen_as, settings)


def _expect_frames(video: ArenaVideo) -> int:
    """For the progress bar alone: a video that cannot be read is a fault when its turn comes."""
    n = 0
    for part in video.parts:
        try:
            info = probe_video(part.path, part.end_s)
        except PainlibError:
            continue
        n += round(max(0.0, min(part.end_s, info.duration_s) - part.start_s) * info.fps)
    return n

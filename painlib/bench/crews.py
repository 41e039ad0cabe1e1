"""Two workers against one on the videos of a cohort, start-up excluded."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd

from painlib.bench.decisions import CROP_PX, POSE_HEIGHT, POSE_WIDTH, SmallLab
from painlib.bench.measuring import Method, alternate
from painlib.bench.ours import CropSettings
from painlib.bench.sizes import BenchSize
from painlib.cohort import CameraVideo, Recording
from painlib.faces import extract_cohort
from painlib.faults import PainlibError

WARM_S = 0.01  # of a video: its first frame


def measure_crews(lab: SmallLab, size: BenchSize, folder: Path, repeats: int) -> pd.DataFrame:
    """Cohort to faces by one worker and by two, of one thread each.

    Before each measured run the same workers do the first frame of as many videos as they are, so that
    processes are there and networks are loaded.
    """
    methods = []
    for workers in (1, 2):
        warm = [_shorten(recording) for recording in lab.recordings[:workers]]
        methods.append(
            Method(
                "1 worker" if workers == 1 else f"{workers} workers",
                partial(_extract, lab, lab.recordings, workers, folder / "measured"),
                lab.n_videos,
                prepare=partial(_extract, lab, warm, workers, folder / "warm"),
            )
        )
    return alternate("cohort to faces", "video", methods, repeats)


def _extract(lab: SmallLab, recordings: Sequence[Recording], workers: int, workdir: Path) -> None:
    shutil.rmtree(workdir, ignore_errors=True)
    _, faults = extract_cohort(
        recordings,
        workdir,
        params=CropSettings(POSE_WIDTH, POSE_HEIGHT, workers=workers),
        network_path=lab.network,
        threshold=lab.threshold,
        crop_px=CROP_PX,
    )
    if len(faults):
        raise PainlibError(f"A video of the benchmark's cohort failed: {faults['message'].iloc[0]}")


def _shorten(recording: Recording) -> Recording:
    """The recording's first camera, one frame of it."""
    first = recording.cameras[0]
    parts = (replace(first.parts[0], end_s=WARM_S),)
    cameras: tuple[CameraVideo, ...] = (replace(first, parts=parts),)
    return replace(recording, cameras=cameras)

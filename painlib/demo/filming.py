"""Films the cast: videos, their truth, labels for the pose network, and the cohort table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from painlib.progress import report_progress, track
from painlib.tables import write_csv, write_whole
from painlib.video import write_video
from painlib.workers import run_tasks, say_done

from .arena import draw_arenas
from .behaviour import Behaviour
from .cast import (
    CAMERAS,
    LABEL_STREAM,
    DemoParams,
    Take,
    cohort_table,
    list_takes,
    seed_stream,
    simulate_take,
)
from .curves import simulate_minute_curves
from .head import KEYPOINTS, Drawing, render
from .individuals import ACTION_UNITS, Individual
from .raters import write_rater_scores
from .stage import Camera, make_camera

if TYPE_CHECKING:
    import pandas as pd

VIDEO_QUALITY = 28  # crf; sensor noise costs most of the bytes and of the time
DRAWING_VERSION = 1  # goes up when the same parameters would give other pixels


def draw_frames(
    animal: Individual, behaviour: Behaviour, camera: Camera, drawings: list[Drawing] | None = None
) -> Iterator[np.ndarray]:
    """Frames (height, width, 3) uint8 of one camera; what is true of each is appended to `drawings`."""
    for frame in range(len(behaviour)):
        drawing = render(
            animal, behaviour.pose(frame), behaviour.face(frame), camera, behaviour.shot(frame, camera)
        )
        if drawings is not None:
            drawings.append(replace(drawing, image=drawing.image[:0]))
        yield drawing.image


def draw_video(folder: Path, params: DemoParams, take: Take, camera: str) -> str:
    """Write one video and its truth under `folder`; gives "<recording>_<camera>"."""
    import cv2

    cv2.setNumThreads(1)
    name = f"{take.recording}_{camera}"
    view = make_camera(camera, params.width, params.height)
    animal, behaviour = simulate_take(params, take)
    drawings: list[Drawing] = []
    frames = draw_frames(animal, behaviour, view, drawings)
    write_video(folder / "videos" / f"{name}.mp4", frames, params.fps, crf=VIDEO_QUALITY)
    # The truth comes last: a video without it was not finished.
    with write_whole(folder / "truth" / f"{name}.parquet") as path:
        truth_table(behaviour, view, drawings).to_parquet(path, index=False, compression="zstd")
    return name


def truth_table(behaviour: Behaviour, camera: Camera, drawings: list[Drawing]) -> pd.DataFrame:
    """A row a frame: latent pain, action units, key points (px) and how much of them is seen, sleep, blur."""
    import pandas as pd

    columns: dict[str, object] = {
        "frame": np.arange(len(behaviour)),
        "time_s": behaviour.time_s,
        "latent_pain": behaviour.latent_pain,
    }
    columns |= dict(zip(ACTION_UNITS, behaviour.action_units.T, strict=True))
    for k, name in enumerate(KEYPOINTS):
        columns[f"{name}_x"] = [drawing.keypoints[k, 0] for drawing in drawings]
        columns[f"{name}_y"] = [drawing.keypoints[k, 1] for drawing in drawings]
        columns[f"{name}_visible"] = [bool(drawing.visible[k]) for drawing in drawings]
        columns[f"{name}_seen"] = [drawing.seen[k] for drawing in drawings]
    shots = [behaviour.shot(frame, camera) for frame in range(len(behaviour))]
    columns["asleep"] = behaviour.asleep
    columns["defocus_px"] = [shot.defocus_px * camera.width / 480 for shot in shots]
    columns["motion_px"] = [float(np.hypot(*shot.motion_px)) * camera.width / 480 for shot in shots]
    return pd.DataFrame(columns)


def draw_cohort(folder: str | Path, params: DemoParams) -> Path:
    """Draw the whole cohort under `folder` and give the path of its cohort.csv.

    Beside it: `videos/`, `labels.csv` (true key points of some training frames), `truth/` (a table a
    video), `curves/` (assays without video), `scores/` (simulated raters of the grimace scale), `arena/`
    (arena videos, where asked for) and `demo.json`, what all of it was drawn from. What stands there from
    the same parameters is kept; other parameters draw everything anew.
    """
    folder = Path(folder)
    takes = list_takes(params)
    _forget_other_drawings(folder, params)
    jobs = [
        Job(folder, params, take, camera)
        for take in takes
        for camera in CAMERAS
        if not is_drawn(folder, take, camera)
    ]
    if jobs:
        _draw_jobs(sorted(jobs, key=lambda job: -job.take.minutes), params.workers)
    write_csv(label_table(folder, params, takes), folder / "labels.csv")
    simulate_minute_curves(folder / "curves", params.seed)
    write_rater_scores(folder, params, takes)
    if params.arena is not None:
        draw_arenas(folder / "arena", params.arena, params.seed)
    return write_csv(cohort_table(params, takes), folder / "cohort.csv")


def is_drawn(folder: Path, take: Take, camera: str) -> bool:
    """Whether video and truth of one camera are there, whole."""
    name = f"{take.recording}_{camera}"
    return (folder / "videos" / f"{name}.mp4").is_file() and (folder / "truth" / f"{name}.parquet").is_file()


@dataclass(frozen=True)
class Job:
    """One video to draw."""

    folder: Path
    params: DemoParams
    take: Take
    camera: str


def draw_job(job: Job) -> str:
    """One job in a worker."""
    name = draw_video(job.folder, job.params, job.take, job.camera)
    say_done(1)
    return name


def _forget_other_drawings(folder: Path, params: DemoParams) -> None:
    """Remove what was drawn from other parameters; `workers` changes nothing in a drawing."""
    asked = {"drawing": DRAWING_VERSION, **params.model_dump(exclude={"workers", "arena"})}
    note = folder / "demo.json"
    if note.is_file() and note.read_text(encoding="utf-8") == _as_text(asked):
        return
    for old in [*folder.glob("truth/*.parquet"), *folder.glob("videos/*.mp4")]:
        old.unlink()
    for name in ("cohort.csv", "labels.csv"):
        (folder / name).unlink(missing_ok=True)
    with write_whole(note) as path:
        path.write_text(_as_text(asked), encoding="utf-8")


def _as_text(asked: dict[str, object]) -> str:
    return json.dumps(asked, indent=2) + "\n"


def _draw_jobs(jobs: list[Job], workers: int) -> None:
    description = "drawing mice"
    if workers == 1:
        for job in track(jobs, len(jobs), description):
            draw_job(job)
        return
    report_progress(description, 0, len(jobs))
    results = run_tasks(draw_job, jobs, workers, lambda done: report_progress(description, done, len(jobs)))
    for result in results:
        if isinstance(result, Exception):
            raise result


def label_table(folder: Path, params: DemoParams, takes: list[Take]) -> pd.DataFrame:
    """True key points (px) of some frames of the first training animals, blank where a point is not seen.

    One frame at random from each of `label_frames_per_video` equal stretches of a video.
    """
    import pandas as pd

    labelled = [f"train{k + 1:02d}" for k in range(params.label_animals)]
    rng = np.random.default_rng(seed_stream(params, LABEL_STREAM))
    tables = []
    for take in takes:
        for camera in CAMERAS if take.animal.subject in labelled else ():
            name = f"{take.recording}_{camera}"
            truth = pd.read_parquet(folder / "truth" / f"{name}.parquet")
            edges = np.linspace(0, len(truth), min(params.label_frames_per_video, len(truth)) + 1).astype(int)
            chosen = truth.iloc[rng.integers(edges[:-1], edges[1:])]
            table = pd.DataFrame({"video": f"videos/{name}.mp4", "frame": chosen["frame"]})
            table["subject"], table["camera"] = take.animal.subject, camera
            for point in KEYPOINTS:
                for axis in "xy":
                    seen = chosen[f"{point}_visible"]
                    table[f"{point}_{axis}"] = chosen[f"{point}_{axis}"].round(2).where(seen)
            tables.append(table)
    return pd.concat(tables, ignore_index=True)

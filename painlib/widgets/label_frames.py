"""Frames to label, drawn from the videos and kept as JPEGs, so that a video is read once and not again."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from painlib.cohort import CameraVideo, Recording, iter_recordings
from painlib.faults import Faults, PainlibError, did_you_mean
from painlib.fingerprints import fingerprint
from painlib.places import is_url
from painlib.progress import report_progress
from painlib.remote import mark_file
from painlib.tables import read_fingerprint, read_table, write_table, write_whole
from painlib.tables.schemas import Column, TableSchema
from painlib.video import Frame, read_frame
from painlib.video.timeline import Timeline, load_timeline
from painlib.widgets.step_widget import LONGEST_SIDE, encode_jpeg

VERSION = 1  # counts up when a change here changes what is drawn
CANDIDATES = 6  # frames looked at for each that is drawn by appearance
LOOK_PX = (32, 18)  # width and height at which appearance is compared
Method = Literal["even", "appearance"]

FRAMES = TableSchema(
    "label_frames",
    "00_label",
    {
        "recording": Column("str", "one animal over one stretch of time"),
        "subject": Column("str", "the animal"),
        "camera": Column("str", "the camera"),
        "video": Column("str", "the file, absolute"),
        "frame": Column("int64", "zero-based number in that file", at_least=0),
        "time_s": Column("float64", "seconds since the file's first frame"),
        "width": Column("int64", "of the upright frame, px", at_least=1),
        "height": Column("int64", "of the upright frame, px", at_least=1),
        "image": Column("str", "the frame as JPEG, absolute, its longer side at most 1,920 px"),
    },
)


class Candidate(NamedTuple):
    """A frame that may be drawn: which part of the camera's video, which frame of it."""

    part: int
    number: int


def select_recordings(cohort: pd.DataFrame, animals: Sequence[str] | None) -> list[Recording]:
    """The used recordings of a cohort table, of `animals` (subjects) only; None: of all.

    `PainlibError` names every animal that has none.
    """
    recordings = iter_recordings(cohort)
    if animals is None:
        return recordings
    known = list(dict.fromkeys(recording.subject for recording in recordings))
    faults = Faults()
    for name in animals:
        if name not in known:
            hint = did_you_mean(name, known) or f" There are: {', '.join(known)}."
            faults.add(f"Expected a subject of the cohort that is used, got '{name}'.{hint}")
    faults.raise_if_any("`animals` has faults")
    return [recording for recording in recordings if recording.subject in animals]


def choose_frames(
    recordings: Sequence[Recording],
    folder: str | Path,
    *,
    per_video: int,
    method: Method,
    seed: int,
    videos: int | None = None,
) -> pd.DataFrame:
    """Draw `per_video` frames from each camera's video of `recordings`, and keep them under `folder`.

    `method` "even": the used stretch is cut into equal spans and one frame drawn in each; "appearance": six
    times as many are drawn so and shrunk to 32 x 18 px, k-means makes `per_video` clusters of them, and of
    each the frame nearest its middle is taken. In a span frames that a video can be entered at (key frames)
    go first, because others cost decoding. `videos`: at most so many, drawn by `seed`, animal by animal.

    Returns the columns of `FRAMES`, in an order in which every video has its turn. The same arguments and
    videos give the same frames, read from `folder` the second time. Of a video only its list of packets and
    the frames looked at are read; memory does not grow with its length. `PainlibError` for a video that
    cannot be read.
    """
    folder = Path(folder)
    cameras = [camera for recording in recordings for camera in recording.cameras]
    if videos is not None:
        cameras = _spread(cameras, videos, seed)
    if not cameras:
        raise PainlibError("Expected at least one video to draw frames from, got none.")
    tables = []
    for number, camera in enumerate(cameras):
        report_progress("Frames to label", number, len(cameras))
        table = _choose_of_camera(camera, folder, per_video, method, seed)
        tables.append(table.assign(turn=np.arange(len(table)), video_number=number))
    report_progress("Frames to label", len(cameras), len(cameras))
    together = pd.concat(tables).sort_values(["turn", "video_number"], kind="stable", ignore_index=True)
    return together.drop(columns=["turn", "video_number"])


def _spread(cameras: list[CameraVideo], n: int, seed: int) -> list[CameraVideo]:
    """`n` of the videos at random, from as many animals as can be, in their order."""
    shuffled = np.random.default_rng(seed).permutation(len(cameras))
    subjects = pd.Series([cameras[place].subject for place in shuffled])
    fair = shuffled[subjects.groupby(subjects).cumcount().sort_values(kind="stable").index]
    return [cameras[place] for place in sorted(fair[:n])]


def _choose_of_camera(
    camera: CameraVideo, folder: Path, per_video: int, method: Method, seed: int
) -> pd.DataFrame:
    name = f"{camera.recording}_{camera.camera}"
    path = folder / f"{name}.parquet"
    parts = [(part.path, part.start_s, part.end_s, *_stamp(part.path)) for part in camera.parts]
    mark = fingerprint("label frames", VERSION, parts, per_video, method, seed, LONGEST_SIDE)
    if read_fingerprint(path) == mark:
        table = read_table(path, FRAMES)
        # The folder may have been moved since.
        table["image"] = [str(folder / name / Path(image).name) for image in table["image"]]
        if all(Path(image).is_file() for image in table["image"]):
            return table
    lines = {part.path: load_timeline(part.path) for part in camera.parts}
    timelines = [lines[part.path] for part in camera.parts]
    rng = np.random.default_rng([seed, *name.encode()])
    n_spans = per_video if method == "even" else CANDIDATES * per_video
    candidates = _draw_spans(camera, timelines, n_spans, rng)
    if method == "appearance" and len(candidates) > per_video:
        candidates = _pick_by_appearance(candidates, timelines, per_video, seed)
    rows = []
    # Shuffled, so that a labeller who stops early has seen all of the video.
    for part, number in (candidates[place] for place in rng.permutation(len(candidates))):
        frame = read_frame(timelines[part].path, number, timelines[part])
        image = folder / name / f"{part}_{number:07d}.jpg"
        _keep_image(frame, image)
        rows.append(
            {
                "recording": camera.recording,
                "subject": camera.subject,
                "camera": camera.camera,
                "video": os.path.abspath(timelines[part].path),
                "frame": number,
                "time_s": frame.time_s,
                "width": frame.size[0],
                "height": frame.size[1],
                "image": str(image),
            }
        )
    table = pd.DataFrame(rows)
    write_table(table, path, FRAMES, mark)
    return table


def _draw_spans(
    camera: CameraVideo, timelines: list[Timeline], n_spans: int, rng: np.random.Generator
) -> list[Candidate]:
    """One frame at random in each of `n_spans` equal spans of the used frames, key frames first."""
    stretches = [
        line.find_stretch(part.start_s, part.end_s)
        for part, line in zip(camera.parts, timelines, strict=True)
    ]
    used = np.concatenate(
        [
            np.stack([np.full(end - first, part), np.arange(first, end)], axis=1)
            for part, (first, end) in enumerate(stretches)
        ]
    )
    entries = [np.searchsorted(line.pts, [pts for pts, _ in line.keyframes]) for line in timelines]
    is_entry = np.zeros(len(used), bool)
    for part, numbers in enumerate(entries):
        of_part = used[:, 0] == part
        is_entry[of_part] = np.isin(used[of_part, 1], numbers)
    chosen = []
    for span in np.array_split(np.arange(len(used)), min(n_spans, len(used))):
        at_entry = span[is_entry[span]]
        part, number = used[rng.choice(at_entry if len(at_entry) else span)]
        chosen.append(Candidate(int(part), int(number)))
    return sorted(set(chosen))


def _pick_by_appearance(
    candidates: list[Candidate], timelines: list[Timeline], n: int, seed: int
) -> list[Candidate]:
    """The candidate nearest the middle of each of `n` clusters of small grey images."""
    from sklearn.cluster import KMeans

    looks = np.stack(
        [
            read_frame(timelines[part].path, number, timelines[part]).shrunk(*LOOK_PX).mean(axis=2).ravel()
            for part, number in candidates
        ]
    )
    n = min(n, len(np.unique(looks, axis=0)))
    distances = KMeans(n, n_init=3, random_state=seed).fit(looks).transform(looks)  # (candidates, n)
    return [candidates[place] for place in sorted(set(distances.argmin(axis=0).tolist()))]


def _keep_image(frame: Frame, path: Path) -> None:
    width, height = frame.size
    scale = min(1.0, LONGEST_SIDE / max(width, height))
    content = encode_jpeg(frame.shrunk(round(width * scale), round(height * scale)))
    with write_whole(path) as temporary:
        temporary.write_bytes(content)


def _stamp(path: str) -> tuple[float, float | str]:
    """Size and time of change (or ETag); a file that is not there is said by whoever opens it."""
    if is_url(path):
        return mark_file(path)
    try:
        found = os.stat(path)
    except OSError:
        return math.nan, math.nan
    return found.st_size, found.st_mtime

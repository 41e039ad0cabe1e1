"""The cohort table: who was filmed, how and when; checked whole before any work starts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from painlib.cohort.checks import check_rows
from painlib.cohort.file import check_cells, read_rows, to_absolute, type_columns
from painlib.faults import Faults

DRAWN_NOTE = "Drawn demonstration, not real mice"


@dataclass(frozen=True)
class VideoPart:
    """One video file and the stretch [start_s, end_s) of it that is used, in seconds inside that file."""

    path: str
    start_s: float = 0.0
    end_s: float = math.inf


@dataclass(frozen=True)
class CameraVideo:
    """What one camera filmed of one recording: its files in order, its clock's offset to the recording's, s.

    `pose` holds one tracker file a part, or is empty.
    """

    recording: str
    subject: str
    camera: str
    parts: tuple[VideoPart, ...]
    offset_s: float = 0.0
    pose: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recording:
    """One animal over one stretch of time, seen by one or two cameras.

    `time_zero_s` is on the recording's clock, s.
    """

    name: str
    subject: str
    cameras: tuple[CameraVideo, ...]
    phase: str
    label: str
    treatment: str
    sex: str
    period: str
    time_zero_s: float


def load_cohort(path: str | Path) -> pd.DataFrame:
    """The checked cohort table, one row a camera video, in the order of the file.

    All columns of the contract are there and typed: text ("" where empty), `start_s`, `end_s`, `age_weeks`
    float (NaN where empty), `offset_s` and `time_zero_s` float (0 where empty), `part` int (1 where empty).
    `video` and `pose` are absolute; a URL stays as it is, and only its form is checked. Extra columns are
    untouched text. Raises one `PainlibError` with every fault: row (the header is row 1), column, expected,
    got, what to do.
    """
    path = Path(path)
    faults = Faults()
    rows = read_rows(path, faults)
    check_cells(rows, faults)
    cohort = type_columns(rows)
    for column in ("video", "pose"):
        cohort[column] = [to_absolute(name, path.parent) for name in cohort[column]]
    check_rows(cohort, faults)
    faults.raise_if_any(f"The cohort table has faults: {path}")
    return cohort.reset_index(drop=True)


def video_rows(cohort: pd.DataFrame) -> pd.DataFrame:
    """The rows that are used: those without `exclude_reason`."""
    return cohort[cohort["exclude_reason"] == ""]


def excluded_rows(cohort: pd.DataFrame) -> pd.DataFrame:
    """The rows that are kept and counted but not used."""
    return cohort[cohort["exclude_reason"] != ""]


def iter_recordings(cohort: pd.DataFrame) -> list[Recording]:
    """The recordings in the table's order with their used cameras; one excluded as a whole is left out."""
    recordings = []
    for name, rows in video_rows(cohort).groupby("recording", sort=False):
        first = rows.iloc[0]
        cameras = tuple(_camera_video(camera_rows) for _, camera_rows in rows.groupby("camera", sort=False))
        texts = {key: str(first[key]) for key in ("subject", "phase", "label", "treatment", "sex", "period")}
        recordings.append(
            Recording(name=str(name), cameras=cameras, time_zero_s=float(first["time_zero_s"]), **texts)
        )
    return recordings


def cohort_note(cohort: pd.DataFrame) -> str:
    """What every figure of this cohort has to say: that it is drawn, where `lab` says so; otherwise ''."""
    return DRAWN_NOTE if cohort["lab"].str.lower().str.startswith("drawn").any() else ""


def _camera_video(rows: pd.DataFrame) -> CameraVideo:
    rows = rows.sort_values("part")
    first = rows.iloc[0]
    return CameraVideo(
        recording=str(first["recording"]),
        subject=str(first["subject"]),
        camera=str(first["camera"]),
        parts=tuple(
            VideoPart(str(video), 0.0 if math.isnan(start) else start, math.inf if math.isnan(end) else end)
            for video, start, end in zip(rows["video"], rows["start_s"], rows["end_s"], strict=True)
        ),
        offset_s=float(first["offset_s"]),
        pose=tuple(name for name in rows["pose"] if name),
    )

"""Tracks and arenas on disk: their schemas, where they lie, and how they are written and read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from painlib.locomotion.tracking import Track
from painlib.tables import read_table, write_table, write_whole
from painlib.tables.schemas import Column, TableSchema

STAGE = "07_locomotion"
SUBJECT = Column("str", "the animal")
TREATMENT = Column("str", "treatment, or empty")

TRACK = TableSchema(
    "arena_track",
    STAGE,
    {
        "frame": Column("int64", "zero-based number of the frame (parts: counted on)", at_least=0),
        "time_s": Column("float64", "seconds since the first frame of the first file"),
        "x_px": Column("float64", "px of the video, NaN where not seen", nullable=True),
        "y_px": Column("float64", "px of the video, NaN where not seen", nullable=True),
        "x_cm": Column("float64", "on the floor, from its upper left corner, to the right", nullable=True),
        "y_cm": Column("float64", "on the floor, from its upper left corner, downwards", nullable=True),
        "area_cm2": Column("float64", "of the spot; NaN in a tracker's file", nullable=True, at_least=0),
    },
)
SECONDS = TableSchema(
    "arena_seconds",
    STAGE,
    {
        "subject": SUBJECT,
        "treatment": TREATMENT,
        "second": Column("int64", "whole seconds since time zero"),
        "distance_cm": Column("float64", "moving distance within it; NaN where unknown", True, at_least=0),
        "seen": Column("float64", "share of it in which the animal was seen", at_least=0, at_most=1),
    },
)
MINUTES = TableSchema(
    "arena_minutes",
    STAGE,
    {
        "subject": SUBJECT,
        "treatment": TREATMENT,
        "minute": Column("int64", "whole minutes since time zero"),
        "n_filmed": Column("int64", "whole seconds that were filmed", at_least=0),
        "n_measured": Column("int64", "seconds with a distance", at_least=0),
        "coverage": Column("float64", "n_measured / n_filmed", at_least=0, at_most=1),
        "distance_cm": Column("float64", "60 x mean of the measured seconds", True, at_least=0),
    },
)


@dataclass(frozen=True)
class TrackFiles:
    """Where one animal's track, and the arena it is measured in, are stored."""

    workdir: Path
    subject: str

    @property
    def track(self) -> Path:
        """Its places (parquet)."""
        return self.workdir / "locomotion" / "tracks" / f"{self.subject}.parquet"

    @property
    def arena(self) -> Path:
        """Corners, scale and threshold (json)."""
        return self.workdir / "locomotion" / "arenas" / f"{self.subject}.json"

    @property
    def picture(self) -> Path:
        """The empty floor (png), where there is a video."""
        return self.arena.with_suffix(".png")

    def list_files(self) -> list[Path]:
        """Those that are there."""
        return [path for path in (self.track, self.arena, self.picture) if path.is_file()]


def write_track(track: Track, files: TrackFiles, mark: str) -> None:
    """Store a track under its fingerprint `mark`; the table comes last: one without its arena was not
    finished."""
    arena = track.arena
    facts = {
        "corners": None if arena.corners is None else arena.corners.round(3).tolist(),
        "side_px": round(arena.side_px, 3),
        "side_cm": arena.side_cm,
        "calibration": arena.how,
        "animal": track.shade,
        "threshold": None if math.isnan(track.threshold) else track.threshold,
        "scale": list(track.scale),
    }
    if track.picture is not None:
        with write_whole(files.picture) as temporary:
            temporary.write_bytes(cv2.imencode(".png", track.picture)[1].tobytes())
    with write_whole(files.arena) as temporary:
        temporary.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8", newline="\n")
    write_table(track.table, files.track, TRACK, mark)


def read_track(workdir: Path, subject: str) -> pd.DataFrame:
    """The table "arena_track" of one animal."""
    return read_table(TrackFiles(Path(workdir), subject).track, TRACK)


def read_arena(files: TrackFiles) -> dict[str, Any]:
    """`corners` (4 pairs, px of the video, or None), `side_px`, `side_cm`, `calibration`, `animal`,
    `threshold`, `scale` (px of the video a px of the picture, x and y)."""
    return json.loads(files.arena.read_text(encoding="utf-8"))


def read_picture(files: TrackFiles) -> np.ndarray | None:
    """The empty floor (height, width) uint8, or None where there was no video."""
    if not files.picture.is_file():
        return None
    return cv2.imdecode(np.frombuffer(files.picture.read_bytes(), np.uint8), cv2.IMREAD_GRAYSCALE)


def list_track_files(workdir: Path, subjects: Iterable[str]) -> list[Path]:
    """All files of these animals that are there."""
    return [file for subject in subjects for file in TrackFiles(Path(workdir), subject).list_files()]

"""What figures show of tracks and arenas, gathered from the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from painlib.locomotion.arena_table import ArenaVideo
from painlib.locomotion.track_store import TrackFiles, read_arena, read_picture, read_track


@dataclass(frozen=True, eq=False)
class ShownTrack:
    """One animal's track: `xy` cm (n, 2) with NaN where not seen, `time_s` from time zero, the floor's side,
    cm, and whether its place in the picture is known; distance over the window, m."""

    subject: str
    treatment: str
    time_s: np.ndarray
    xy: np.ndarray
    side_cm: float
    floor_known: bool
    total_m: float


@dataclass(frozen=True, eq=False)
class ShownFloor:
    """The empty floor in one animal's video: `picture` (height, width) grey or None, `corners` (4, 2) px of
    the picture or None, and how the scale was told ("corners found", "corners given", "side given")."""

    subject: str
    picture: np.ndarray | None
    corners: np.ndarray | None
    how: str


def gather_tracks(videos: Sequence[ArenaVideo], totals: pd.DataFrame, workdir: Path) -> list[ShownTrack]:
    """The tracks of the animals in `totals` (of `LocomotionResult`)."""
    treated = totals[totals["stretch"] == "treated"].set_index("subject")["total_m"]
    shown = []
    for video in videos:
        if video.subject not in treated.index:
            continue
        track = read_track(workdir, video.subject)
        facts = read_arena(TrackFiles(workdir, video.subject))
        shown.append(
            ShownTrack(
                subject=video.subject,
                treatment=video.treatment,
                time_s=track["time_s"].to_numpy() - video.time_zero_s,
                xy=track[["x_cm", "y_cm"]].to_numpy(),
                side_cm=facts["side_cm"],
                floor_known=facts["corners"] is not None,
                total_m=float(treated[video.subject]),
            )
        )
    return shown


def gather_floors(subjects: Sequence[str], workdir: Path) -> list[ShownFloor]:
    """The empty floors of tracked animals, and the outlines that were taken for the floor."""
    shown = []
    for subject in subjects:
        files = TrackFiles(workdir, subject)
        facts = read_arena(files)
        corners = None
        if facts["corners"] is not None:
            corners = (np.array(facts["corners"]) + 0.5) / facts["scale"] - 0.5
        shown.append(ShownFloor(subject, read_picture(files), corners, facts["calibration"]))
    return shown

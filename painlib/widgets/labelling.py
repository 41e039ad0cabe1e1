"""Nose and eyes that a person clicks on frames: their answers, and the csv table that 01_crop trains from."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from painlib.faults import Faults, PainlibError
from painlib.places import find_place, is_url, name_file
from painlib.pose.labels import COORDINATES, KEYPOINTS
from painlib.tables import write_csv
from painlib.widgets.steps import Session

ABSENT: Literal["absent"] = "absent"
Point = tuple[float, float] | Literal["absent"] | None  # px of the original frame; None: not answered
Points = tuple[Point, Point, Point]
NONE: Points = (None, None, None)
COLUMNS = ("video", "frame", "subject", "camera", *COORDINATES)


class LabellingSession(Session[Points]):
    """The points of the frames of `frames`, in their order.

    `frames`: columns `video`, `frame` (zero-based, of that file), `subject`, `camera`, `width`, `height` px.
    A frame whose three points are placed or said to be absent is a row of `out` (blank: absent); one that was
    only begun stands beside it in `<name>.unfinished.csv`, so that what is not answered never passes for
    absent. Both are taken up when they are there; rows of other frames, and columns of others, stay.
    """

    def __init__(
        self, frames: pd.DataFrame, out: str | Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.path = Path(out)
        self.unfinished = self.path.with_name(f"{self.path.stem}.unfinished.csv")
        _check_frames(frames, self.path)
        super().__init__(len(frames), clock)
        self.frames = frames.reset_index(drop=True)
        self._names = [_name_video(video, self.path.parent) for video in self.frames["video"]]
        self._others = self._take_up(self.path)
        self._take_up(self.unfinished)
        self.move(self.find_open())

    def answer(self, place: int) -> Points:
        """The three points of a frame: px, `ABSENT`, or None where not answered."""
        return self.answers.get(place, NONE)

    def is_done(self, place: int) -> bool:
        return place in self.answers and None not in self.answers[place]

    def place_point(self, place: int, point: int, x: float, y: float) -> None:
        """A point at x, y (px of the original frame; beyond its edge: at the edge)."""
        frame = self.frames.iloc[place]
        if not (math.isfinite(x) and math.isfinite(y)):
            raise ValueError(f"expected px, got {x}, {y}")
        inside = (
            round(min(max(x, 0.0), float(frame["width"]) - 1), 2),
            round(min(max(y, 0.0), float(frame["height"]) - 1), 2),
        )
        self._answer(place, point, inside)

    def say_absent(self, place: int, point: int | None = None) -> None:
        """A point that cannot be seen; None: all three."""
        if point is None:
            self.put(place, (ABSENT, ABSENT, ABSENT))
        else:
            self._answer(place, point, ABSENT)

    def clear(self, place: int, point: int) -> None:
        """A point as if it had not been answered."""
        self._answer(place, point, None)

    def _answer(self, place: int, point: int, answer: Point) -> None:
        points = list(self.answer(place))
        points[range(len(KEYPOINTS))[point]] = answer
        self.put(place, (points[0], points[1], points[2]))

    def to_table(self) -> pd.DataFrame:
        """The answered frames, one row each, with the columns `COLUMNS`; blank: the point is absent."""
        return self._rows([place for place in sorted(self.answers) if self.is_done(place)])

    def save(self) -> None:
        """Write the table, and the unfinished frames beside it; each whole or not at all."""
        begun = [
            place for place in sorted(self.answers) if not self.is_done(place) and self.answers[place] != NONE
        ]
        # What was begun first: a frame that moves from one file to the other is never in neither.
        if begun:
            write_csv(self._rows(begun, "?"), self.unfinished)
        table = pd.concat([self._others, self.to_table()], ignore_index=True)
        if len(table) or self.path.is_file():
            write_csv(table, self.path)
        if not begun:
            self.unfinished.unlink(missing_ok=True)

    def _rows(self, places: list[int], unanswered: str = "") -> pd.DataFrame:
        rows = []
        for place in places:
            frame = self.frames.iloc[place]
            row = {"video": self._names[place], "frame": int(frame["frame"])}
            row |= {"subject": frame["subject"], "camera": frame["camera"]}
            for name, point in zip(KEYPOINTS, self.answer(place), strict=True):
                values: tuple[object, object] = (unanswered, unanswered)
                if point is not None:
                    values = ("", "") if point == ABSENT else point
                row |= {f"{name}_x": values[0], f"{name}_y": values[1]}
            rows.append(row)
        return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)

    def _take_up(self, path: Path) -> pd.DataFrame:
        """Take the answers of a file; returns its rows that are not of these frames, as text."""
        if not path.is_file():
            return pd.DataFrame(columns=list(COLUMNS), dtype=object)
        raw = _read_text(path)
        faults = Faults()
        keys = zip(self.frames["video"], self.frames["frame"], strict=True)
        place_of = {(os.path.abspath(video), int(frame)): place for place, (video, frame) in enumerate(keys)}
        others = []
        for row in raw.to_dict("records"):
            video = find_place(str(row.get("video", "")), path.parent, path.parent / "videos")
            frame = str(row.get("frame", ""))
            place = place_of.get((video, int(float(frame)))) if _is_number(frame) else None
            if place is None:
                others.append(row)
                continue
            points: list[Point] = []
            for name in KEYPOINTS:
                x, y = (str(row.get(f"{name}_{axis}", "")).strip() for axis in "xy")
                if _is_number(x) and _is_number(y):
                    points.append((float(x), float(y)))
                elif x == y == "":
                    points.append(ABSENT)
                elif x == y == "?":
                    points.append(None)
                else:
                    faults.add(
                        f"{name_file(video)} frame {frame}, {name}: expected two numbers or two blanks, got "
                        f"{x!r}, {y!r}."
                    )
            if len(points) == len(KEYPOINTS):
                self.answers[place] = (points[0], points[1], points[2])
        faults.raise_if_any(f"The labels cannot be taken up: {path}")
        columns = list(dict.fromkeys([*COLUMNS, *raw.columns]))
        return pd.DataFrame(others, columns=columns, dtype=object).fillna("")


def load_points(frames: pd.DataFrame, path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """What the table of labels at `path` (if there is one) has of `frames`: points (n, 3, 2), px of the
    original frame, NaN where absent; and (n,) bool, whether a frame is labelled.
    """
    session = LabellingSession(frames, path)
    points = np.full((len(frames), len(KEYPOINTS), 2), np.nan)
    labelled = np.array([session.is_done(place) for place in range(len(frames))])
    for place in np.flatnonzero(labelled):
        for number, point in enumerate(session.answer(int(place))):
            if isinstance(point, tuple):
                points[place, number] = point
    return points, labelled


def _check_frames(frames: pd.DataFrame, out: Path) -> None:
    faults = Faults()
    for name in ("video", "frame", "subject", "camera", "width", "height"):
        if name not in frames:
            faults.add(f"Expected the column `{name}`; got {', '.join(frames.columns)}.")
    if frames.empty:
        faults.add("Expected at least one frame, got none.")
    elif not len(faults) and frames.duplicated(["video", "frame"]).any():
        faults.add("Expected every frame once, got some twice.")
    if out.suffix.lower() != ".csv":
        faults.add(f"Expected a csv file to write labels to, got {out}.")
    faults.raise_if_any("The frames cannot be labelled")


def _read_text(path: Path) -> pd.DataFrame:
    try:
        raw = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except (ValueError, OSError) as error:
        raise PainlibError(
            f"Expected a table of labels (csv), cannot read it: {path} ({error}). Mend or move it."
        ) from error
    return raw


def _name_video(video: str, folder: Path) -> str:
    """A video as the table names it: from the table's folder, so that both can be moved together."""
    if is_url(video):
        return video
    try:
        return Path(os.path.relpath(video, folder)).as_posix()
    except ValueError:  # another drive
        return str(video)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False

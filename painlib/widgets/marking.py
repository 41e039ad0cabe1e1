"""The regions that one annotator marks: their answers, and the csv file that has every one of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from painlib.faults import PainlibError
from painlib.regions import MARK_COLUMNS, REGION_COLUMNS, REGIONS, read_marks, write_marks
from painlib.widgets.shown_faces import FACE, find_own_path, list_faults, order_faces, tell_time
from painlib.widgets.steps import Session, Step


class Mark(NamedTuple):
    """What is said of one face: a bool a region, or that it cannot be judged; `marked_at` "" until the
    annotator has gone on from it (then ISO time).
    """

    regions: tuple[bool, ...]
    cannot_judge: bool = False
    marked_at: str = ""


class MarkingSession(Session[Mark]):
    """One annotator's marks of the faces of `sample`, each face once, in an order of their own.

    `sample`: columns `row`, `recording`, `camera`, `frame`; others (label, pair, ...) are not looked at.
    `proposals` (len(sample), 13) bool: what each face starts with. The marks stand in
    `<folder>/<annotator>.csv` (table "marks"): those that are there are taken up, `save` writes all. Rows of
    other faces stay in the file. A row without `marked_at` is a face that the annotator has not left yet.
    """

    def __init__(
        self,
        sample: pd.DataFrame,
        folder: str | Path,
        annotator: str,
        seed: int,
        proposals: np.ndarray | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.annotator = annotator
        self.started_from = "blind" if proposals is None else "proposals"
        self.path = find_own_path(folder, annotator)
        faults = list_faults(sample)
        shape = (len(sample), len(REGIONS))
        if proposals is not None and np.shape(proposals) != shape:
            faults.add(f"Expected proposals of the shape {shape}, got {np.shape(proposals)}.")
        faults.raise_if_any("The faces cannot be marked")
        places = order_faces(sample, annotator, seed)
        super().__init__(len(places), clock)
        chosen = sample.iloc[places]
        self.rows = chosen["row"].to_numpy(np.int64)
        self._faces = list(chosen[FACE].itertuples(index=False, name=None))
        start = np.zeros((len(sample), len(REGIONS)), bool) if proposals is None else np.asarray(proposals)
        self._start = start[places].astype(bool)
        self._others = self._take_up()
        self.move(self.find_open())

    def answer(self, place: int) -> Mark:
        """What is said of a face so far; of one without an answer what it starts with."""
        return self.answers.get(place) or Mark(tuple(self._start[place].tolist()))

    def is_done(self, place: int) -> bool:
        return place in self.answers and self.answers[place].marked_at != ""

    def toggle(self, place: int, region: int) -> None:
        """Mark a region of a face, or take its mark away."""
        before = self.answer(place)
        regions = list(before.regions)
        regions[region] = not regions[region]
        self.put(place, Mark(tuple(regions), False, self._keep_time(before)))

    def judge(self, place: int) -> None:
        """Say that a face cannot be judged (its marks go), or that it can."""
        before = self.answer(place)
        none = (False,) * len(REGIONS)
        self.put(place, Mark(none, not before.cannot_judge, self._keep_time(before)))

    def go_on(self, place: int) -> None:
        """Let a face stand as it is marked, and show the next."""
        if not self.is_done(place):
            self.put(place, self.answer(place)._replace(marked_at=tell_time()))
        self.move(place + 1)

    def to_table(self) -> pd.DataFrame:
        """Table "marks": faces that are not of this sample, then those of it that were answered."""
        rows = []
        for place in sorted(self.answers):
            mark = self.answers[place]
            row: dict[str, object] = {"annotator": self.annotator, "started_from": self.started_from}
            row |= dict(zip(FACE, self._faces[place], strict=True))
            row |= {"cannot_judge": int(mark.cannot_judge)}
            row |= {name: int(on) for name, on in zip(REGION_COLUMNS, mark.regions, strict=True)}
            rows.append({**row, "marked_at": mark.marked_at})
        own = pd.DataFrame(rows, columns=list(MARK_COLUMNS))
        return own if self._others.empty else pd.concat([self._others, own], ignore_index=True)

    def save(self) -> None:
        """Write all marks, whole or not at all."""
        write_marks(self.path, self.to_table())

    def _keep_time(self, before: Mark) -> str:
        """A face that was done stays so when it is mended, with the time of the mending."""
        return tell_time() if before.marked_at else ""

    def _take_up(self) -> pd.DataFrame:
        """Take the marks that are on disk; returns the rows of faces that are not of this sample."""
        if not self.path.is_file():
            return pd.DataFrame()
        marks = read_marks(self.path)
        for column, own in (("annotator", self.annotator), ("started_from", self.started_from)):
            foreign = sorted(set(marks[column]) - {own})
            if foreign:
                raise PainlibError(
                    f"Expected marks of {column} '{own}' in {self.path}, got {', '.join(map(repr, foreign))}."
                    " Take another annotator's name or another folder, so that the two stay apart."
                )
        place_of = {face: place for place, face in enumerate(self._faces)}
        faces = list(marks[FACE].itertuples(index=False, name=None))
        known = np.array([face in place_of for face in faces], bool)
        for face, row in zip(faces, marks.to_dict("records"), strict=True):
            if face in place_of:
                regions = tuple(bool(row[name]) for name in REGION_COLUMNS)
                self.answers[place_of[face]] = Mark(regions, bool(row["cannot_judge"]), row["marked_at"])
        # Undo goes on where the last session stopped: face by face, the latest first.
        done = sorted((mark.marked_at, place) for place, mark in self.answers.items() if mark.marked_at)
        self._history = [Step(place, self.answers[place]._replace(marked_at="")) for _, place in done]
        return marks[~known].reset_index(drop=True)

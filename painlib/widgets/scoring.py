"""The grimace scores that one rater gives: their answers, and the csv file that has every one of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from painlib.faults import PainlibError
from painlib.grimace import (
    CANNOT_JUDGE,
    DEGREES,
    FILE_COLUMNS,
    UNITS,
    read_own_scores,
    write_own_scores,
)
from painlib.widgets.shown_faces import FACE, find_own_path, list_faults, order_faces, tell_time
from painlib.widgets.steps import Session, Step

NONE: tuple[int | None, ...] = (None,) * len(UNITS)


class Score(NamedTuple):
    """What is said of one face: 0, 1, 2, or -1 (cannot be judged) a unit, None where nothing yet; or that the
    face is out. `scored_at` (ISO time) is "" until all of it is said.
    """

    units: tuple[int | None, ...] = NONE
    rejected: bool = False
    scored_at: str = ""


class ScoringSession(Session[Score]):
    """One rater's scores of the faces of `sample`, each face once, in an order of their own.

    `sample`: columns `row`, `recording`, `camera`, `frame`; others are not looked at. The scores stand in
    `<folder>/<rater>.csv` (`painlib.grimace.read_own_scores`): those that are there are taken up, `save`
    writes all. Rows of other faces stay in the file.
    """

    def __init__(
        self,
        sample: pd.DataFrame,
        folder: str | Path,
        rater: str,
        seed: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rater = rater
        self.path = find_own_path(folder, rater)
        list_faults(sample).raise_if_any("The faces cannot be scored")
        chosen = sample.iloc[order_faces(sample, rater, seed)]
        super().__init__(len(chosen), clock)
        self.rows = chosen["row"].to_numpy(np.int64)
        self._faces = list(chosen[FACE].itertuples(index=False, name=None))
        self._others = self._take_up()
        self.move(self.find_open())

    def answer(self, place: int) -> Score:
        """What is said of a face so far."""
        return self.answers.get(place) or Score()

    def is_done(self, place: int) -> bool:
        return place in self.answers and self.answers[place].scored_at != ""

    def score(self, place: int, unit: int, value: int) -> None:
        """Score a unit 0, 1 or 2, or say that it cannot be judged (-1); a face that was out is in again."""
        if value not in (*DEGREES, CANNOT_JUDGE):
            raise ValueError(f"expected 0, 1, 2 or -1, got {value}")
        units = list(self.answer(place).units)
        units[range(len(UNITS))[unit]] = value
        self.put(place, Score(tuple(units), False, "" if None in units else tell_time()))

    def reject(self, place: int) -> None:
        """Say that a face is out, too blurry to be scored (its scores go), or that it is not."""
        before = self.answer(place)
        self.put(place, Score() if before.rejected else Score(NONE, True, tell_time()))

    def go_on(self, place: int) -> None:
        """Show the next face; one that lacks nothing but was opened again by undo is finished with it."""
        before = self.answer(place)
        if not before.scored_at and None not in before.units:
            self.put(place, before._replace(scored_at=tell_time()))
        self.move(place + 1)

    def to_table(self) -> pd.DataFrame:
        """The file: faces that are not of this sample, then those of it that were answered."""
        rows = []
        for place in sorted(self.answers):
            said = self.answers[place]
            row: dict[str, object] = {"rater": self.rater, **dict(zip(FACE, self._faces[place], strict=True))}
            row |= {"rejected": int(said.rejected), "scored_at": said.scored_at}
            rows.append(row | {n: "" if v is None else v for n, v in zip(UNITS, said.units, strict=True)})
        own = pd.DataFrame(rows, columns=list(FILE_COLUMNS), dtype=object)
        return own if self._others.empty else pd.concat([self._others, own], ignore_index=True)

    def save(self) -> None:
        """Write all scores, whole or not at all."""
        write_own_scores(self.path, self.to_table())

    def _take_up(self) -> pd.DataFrame:
        """Take the scores that are on disk; returns the rows of faces that are not of this sample."""
        if not self.path.is_file():
            return pd.DataFrame()
        scores = read_own_scores(self.path)
        foreign = sorted(set(scores["rater"]) - {self.rater})
        if foreign:
            raise PainlibError(
                f"Expected scores of '{self.rater}' in {self.path}, got {', '.join(map(repr, foreign))}. "
                "Take another name or another folder, so that the two stay apart."
            )
        place_of = {face: place for place, face in enumerate(self._faces)}
        faces = list(scores[FACE].itertuples(index=False, name=None))
        known = np.array([face in place_of for face in faces], bool)
        for face, row in zip(faces, scores.to_dict("records"), strict=True):
            if face in place_of:
                units = tuple(int(row[unit]) if row[unit] != "" else None for unit in UNITS)
                said = Score(NONE if row["rejected"] else units, row["rejected"], row["scored_at"])
                self.answers[place_of[face]] = said
        # Undo goes on where the last session stopped: face by face, the latest first, open again as it is.
        done = sorted((said.scored_at, place) for place, said in self.answers.items() if said.scored_at)
        for _, place in done:
            said = self.answers[place]
            self._history.append(Step(place, said._replace(rejected=False, scored_at="")))
        others = scores[~known].reset_index(drop=True)
        return others.assign(rejected=others["rejected"].astype(int))

"""The widget that faces are scored with on the Mouse Grimace Scale, in JupyterLab: blind, by keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import traitlets

from painlib.grimace import DEFINITIONS, DEGREE_WORDS, UNIT_NAMES, UNITS, find_reference_picture
from painlib.widgets.scoring import ScoringSession
from painlib.widgets.shown_faces import Images, read_jpegs
from painlib.widgets.step_widget import StepWidget, read_assets

# The letter that chooses a unit; 0 1 2 and j score it; b, f, g, u and the arrows have other work.
UNIT_KEYS = dict(zip(UNITS, "oncew", strict=True))


class ScoreFaces(StepWidget):
    """A face at a time: five units, three drawings each to compare with; one csv a person."""

    _esm, _css = read_assets("score_faces").values()

    units: traitlets.List[Any] = traitlets.List().tag(sync=True)
    unit_ids: traitlets.List[Any] = traitlets.List().tag(sync=True)
    unit_keys: traitlets.List[Any] = traitlets.List().tag(sync=True)
    definitions: traitlets.List[Any] = traitlets.List().tag(sync=True)
    degree_words: traitlets.List[Any] = traitlets.List().tag(sync=True)
    drawings = traitlets.Unicode().tag(sync=True)

    _session: ScoringSession

    def __init__(self, session: ScoringSession, images: Images) -> None:
        super().__init__(
            session,
            title=session.rater,
            units=[UNIT_NAMES[unit] for unit in UNITS],
            unit_ids=list(UNITS),
            unit_keys=[UNIT_KEYS[unit] for unit in UNITS],
            definitions=[DEFINITIONS[unit] for unit in UNITS],
            degree_words=[list(DEGREE_WORDS[unit]) for unit in UNITS],
            drawings=find_reference_picture().read_text(encoding="utf-8"),
        )
        self._images = images

    def _apply(self, step: dict[str, Any]) -> None:
        place = int(step["place"])
        if step["do"] == "score":
            self._session.score(place, int(step["unit"]), int(step["value"]))
        elif step["do"] == "reject":
            self._session.reject(place)
        elif step["do"] == "next":
            self._session.go_on(place)
        else:
            raise ValueError(f"expected a step of this widget, got {step['do']!r}")

    def _save(self) -> None:
        self._session.save()

    def _describe_place(self, place: int) -> list[Any]:
        """The five units (0, 1, 2, -1, or None), rejected, done."""
        said = self._session.answer(place)
        return [list(said.units), int(said.rejected), int(self._session.is_done(place))]

    def _read_items(self, places: list[int]) -> list[tuple[dict[str, Any], list[bytes]]]:
        return [({}, [jpeg]) for jpeg in read_jpegs(self._images, self._session.rows[places])]


def score_faces(
    sample: pd.DataFrame, images: Images, *, folder: str | Path, rater: str, seed: int
) -> ScoreFaces:
    """The widget in which `rater` scores the faces of `sample`; show it in a cell.

    `sample`: columns `row`, `recording`, `camera`, `frame` (`painlib.grimace.draw_faces`). `images` is the
    face store, or takes rows and gives their RGB uint8 images. Neither class nor animal nor file reaches the
    page, and the order is shuffled by `seed` and rater. Every step is saved to `<folder>/<rater>.csv` before
    it is answered for; called again, it goes on where it stopped. `PainlibError` for a name that is none for
    a file, a sample without its columns, and a file that cannot be taken up.
    """
    return ScoreFaces(ScoringSession(sample, folder, rater, seed), images)

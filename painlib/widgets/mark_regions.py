"""The widget that regions are marked with, in JupyterLab: blind, by keys, saved after every step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import pandas as pd
import traitlets

from painlib.faults import PainlibError
from painlib.regions import DEFINITIONS, REGION_COLUMNS, REGIONS, find_picture
from painlib.widgets.marking import MarkingSession
from painlib.widgets.shown_faces import Images, read_jpegs
from painlib.widgets.step_widget import StepWidget, read_assets

# A letter of each name; 1 2 3 (views), + - 0 (zoom), u (undo), j, g, k and the arrows have other work.
KEYS = {
    "head": "h",
    "forehead": "f",
    "above ear": "a",
    "ear top": "t",
    "ear base": "b",
    "eye": "e",
    "cheek": "c",
    "nose": "n",
    "mouth": "m",
    "hand": "d",
    "stage": "s",
    "under body": "y",
    "others": "o",
}


class Maps(Protocol):
    """Attribution maps by face and class, as `painlib.attribution.MapStore` reads them."""

    def read(self, rows: np.ndarray, label: str) -> np.ndarray:
        """(n, height, width) float32, 0 to 1."""
        ...


class MarkRegions(StepWidget):
    """A face at a time: original, Grad-CAM, or both; thirteen toggles; one csv a person."""

    _esm, _css = read_assets("mark_regions").values()

    regions: traitlets.List[Any] = traitlets.List().tag(sync=True)
    region_ids: traitlets.List[Any] = traitlets.List().tag(sync=True)
    definitions: traitlets.List[Any] = traitlets.List().tag(sync=True)
    region_keys: traitlets.List[Any] = traitlets.List().tag(sync=True)
    colours = traitlets.Bytes().tag(sync=True)
    has_maps = traitlets.Bool().tag(sync=True)
    picture = traitlets.Unicode().tag(sync=True)

    _session: MarkingSession

    def __init__(
        self, session: MarkingSession, images: Images, read_maps: Callable[[np.ndarray], np.ndarray] | None
    ) -> None:
        greys = np.arange(256, dtype=np.uint8).reshape(1, -1)
        colours = cv2.cvtColor(cv2.applyColorMap(greys, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
        super().__init__(
            session,
            title=session.annotator,
            regions=list(REGIONS),
            region_ids=list(REGION_COLUMNS),
            definitions=[DEFINITIONS[name] for name in REGIONS],
            region_keys=[KEYS[name] for name in REGIONS],
            colours=colours.tobytes(),
            has_maps=read_maps is not None,
            picture=_load_picture(),
        )
        self._images, self._read_maps = images, read_maps

    def _apply(self, step: dict[str, Any]) -> None:
        place = int(step["place"])
        if step["do"] == "toggle":
            self._session.toggle(place, range(len(REGIONS))[int(step["region"])])
        elif step["do"] == "judge":
            self._session.judge(place)
        elif step["do"] == "next":
            self._session.go_on(place)
        else:
            raise ValueError(f"expected a step of this widget, got {step['do']!r}")

    def _save(self) -> None:
        self._session.save()

    def _describe_place(self, place: int) -> list[int]:
        """Regions as the bits of a number, cannot judge, done."""
        mark = self._session.answer(place)
        bits = sum(1 << region for region, on in enumerate(mark.regions) if on)
        return [bits, int(mark.cannot_judge), int(self._session.is_done(place))]

    def _read_items(self, places: list[int]) -> list[tuple[dict[str, Any], list[bytes]]]:
        rows = self._session.rows[places]
        jpegs = read_jpegs(self._images, rows)
        if self._read_maps is None:
            return [({}, [jpeg]) for jpeg in jpegs]
        maps = np.rint(255 * np.clip(np.asarray(self._read_maps(rows), np.float32), 0, 1)).astype(np.uint8)
        height, width = maps.shape[1:]
        facts = {"map_width": width, "map_height": height}
        return [(facts, [jpeg, shown.tobytes()]) for jpeg, shown in zip(jpegs, maps, strict=True)]


def mark_regions(
    sample: pd.DataFrame,
    images: Images,
    maps: Maps | Callable[[np.ndarray], np.ndarray] | None,
    *,
    folder: str | Path,
    annotator: str,
    seed: int,
    proposals: np.ndarray | None = None,
) -> MarkRegions:
    """The widget in which `annotator` marks the 13 regions of the faces of `sample`; show it in a cell.

    `sample`: columns `row`, `recording`, `camera`, `frame`, and `label` where `maps` is a map store. `images`
    is the face store, or takes rows and gives their RGB uint8 images. `maps` is a map store, of which each
    face's map for its own label is shown, or takes rows and gives (n, height, width) maps of 0 to 1; None:
    faces alone. `proposals` (len(sample), 13) bool: the marks that each face starts with, else none.

    Neither class nor pair, animal or file reaches the page, and the order is shuffled by `seed` and
    annotator. Every step is saved to `<folder>/<annotator>.csv` (table "marks") before it is answered for;
    called again, it goes on where it stopped. `PainlibError` for a name that is none for a file, for a sample
    or proposals that do not fit, and for a file that was begun otherwise (blind, from proposals).
    """
    session = MarkingSession(sample, folder, annotator, seed, proposals)
    read = maps if maps is None or not hasattr(maps, "read") else _read_own_label(maps, sample)
    return MarkRegions(session, images, read)  # type: ignore[arg-type]


def _read_own_label(maps: Any, sample: pd.DataFrame) -> Callable[[np.ndarray], np.ndarray]:
    """Each face's map for the label that it has: what speaks for pain in pain, for no pain in no pain."""
    if "label" not in sample:
        raise PainlibError(f"Expected the column `label` in the sample; got {', '.join(sample.columns)}.")
    label_of = dict(zip(sample["row"], sample["label"], strict=True))

    def read(rows: np.ndarray) -> np.ndarray:
        labels = np.array([label_of[row] for row in rows])
        found = {label: maps.read(rows[labels == label], label) for label in np.unique(labels)}
        together = np.empty((len(rows), *next(iter(found.values())).shape[1:]), np.float32)
        for label, read_ones in found.items():
            together[labels == label] = read_ones
        return together

    return read


def _load_picture() -> str:
    """The drawing that shows where the regions are (SVG)."""
    return find_picture("front").read_text(encoding="utf-8")

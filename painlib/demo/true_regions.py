"""Which of the 13 regions each pixel of a drawn frame shows: the truth that placed regions are held against.

Nothing of it is stored; frames are drawn anew from the parameters in demo.json (about 10 ms each).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from painlib.faces.crop import cut_square
from painlib.faults import PainlibError, did_you_mean
from painlib.regions import REGIONS

from .behaviour import Behaviour
from .cast import DemoParams, list_takes, simulate_take
from .filming import DRAWING_VERSION
from .head import render
from .individuals import Individual, Part
from .stage import PIXELS_A_MM, make_camera

if TYPE_CHECKING:
    import pandas as pd

# How far above an ear's edge "above ear" reaches; ours, a third of an ear's height.
ABOVE_EAR_MM = 3.0

_REGION_OF = {
    Part.STAGE: "stage",
    Part.BODY: "others",
    Part.UNDER_BODY: "under body",
    Part.HEAD: "head",
    Part.FOREHEAD: "forehead",
    Part.CHEEK: "cheek",
    Part.NOSE: "nose",
    Part.MOUTH: "mouth",
    Part.RIGHT_EYE: "eye",
    Part.LEFT_EYE: "eye",
    Part.RIGHT_LID: "eye",
    Part.LEFT_LID: "eye",
    Part.RIGHT_EAR_TOP: "ear top",
    Part.LEFT_EAR_TOP: "ear top",
    Part.RIGHT_EAR_BASE: "ear base",
    Part.LEFT_EAR_BASE: "ear base",
    Part.HAND: "hand",
    Part.TAIL: "others",
}
_NUMBER_OF = np.array([REGIONS.index(_REGION_OF[part]) for part in Part], np.uint8)
_STAGE, _UNDER_BODY, _ABOVE_EAR = (REGIONS.index(name) for name in ("stage", "under body", "above ear"))
_FACE = [p for p in Part if _REGION_OF[p] in ("head", "forehead", "eye", "cheek", "nose", "mouth")]
_OUTSIDE_HEAD = (Part.STAGE, Part.BODY, Part.UNDER_BODY, Part.TAIL)


def render_regions(
    cohort_folder: str | Path, recording: str, camera: str, frames: Sequence[int] | np.ndarray
) -> NDArray[np.uint8]:
    """Region numbers (positions in REGIONS) of drawn frames, (n_frames, height, width) uint8.

    `cohort_folder` holds the demo.json of `draw_cohort`; the video itself is not read.
    """
    folder = Path(cohort_folder)
    params = _read_params(folder)
    animal, behaviour = _simulate(params, recording, folder)
    view = make_camera(camera, params.width, params.height)
    regions = np.empty((len(frames), params.height, params.width), np.uint8)
    for place, frame in enumerate(np.asarray(frames, np.int64).tolist()):
        if not 0 <= frame < len(behaviour):
            raise PainlibError(
                f"Expected frames 0 to {len(behaviour) - 1} of '{recording}', got {frame}: {folder}."
            )
        pose, face, shot = behaviour.pose(frame), behaviour.face(frame), behaviour.shot(frame, view)
        parts = render(animal, pose, face, view, shot, with_parts=True).parts
        assert parts is not None
        regions[place] = name_parts(parts, ABOVE_EAR_MM * PIXELS_A_MM * params.width)
    return regions


def crop_regions(
    regions: NDArray[np.uint8], index_rows: pd.DataFrame, px: int | None = None
) -> NDArray[np.uint8]:
    """The squares of faces, (n, px, px) uint8, out of `regions` (n, height, width) of their frames.

    `index_rows`: n rows of schema "faces" in the same order. Each pixel takes the region at its centre. What
    lies outside the frame is stage. `px` None: the squares' own size, which must then be one.
    """
    sizes = index_rows["size_px"].to_numpy()
    if len(regions) != len(sizes):
        raise ValueError(f"expected a frame for each of {len(sizes)} faces, got {len(regions)}")
    side = int(sizes[0] if len(sizes) else 0) if px is None else px
    cut = np.empty((len(sizes), side, side), np.uint8)
    places = index_rows[["centre_x", "centre_y", "size_px"]].astype(int).itertuples(index=False)
    for face, frame, (x, y, size) in zip(cut, regions, places, strict=True):
        # Shifted by one, because what `cut_square` adds outside of the frame is 0.
        square = cut_square(frame + 1, (x - size // 2, y - size // 2), size)
        pick = ((np.arange(side) + 0.5) * size / side).astype(int)
        face[:] = np.where(square == 0, _STAGE, square - 1)[np.ix_(pick, pick)]
    return cut


def name_parts(parts: NDArray[np.uint8], above_ear_px: float) -> NDArray[np.uint8]:
    """Regions of one frame from its `Part`s, (height, width) each.

    "above ear": outside the head, within `above_ear_px` of an ear's upper half and higher than that half's
    middle. "under body": the belly, and what of the body lies straight below the head.
    """
    regions = _NUMBER_OF[parts]
    rows = np.arange(len(parts))[:, None]
    face = np.isin(parts, _FACE)
    chin = np.where(face.any(axis=0), len(parts) - 1 - face[::-1].argmax(axis=0), len(parts))
    regions[(parts == Part.BODY) & (rows > chin)] = _UNDER_BODY
    outside = np.isin(parts, _OUTSIDE_HEAD)
    for part in (Part.RIGHT_EAR_TOP, Part.LEFT_EAR_TOP):
        ear = parts == part
        if ear.any():
            from_ear = cv2.distanceTransform((~ear).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
            above = rows < np.nonzero(ear)[0].mean()
            regions[outside & above & (from_ear <= above_ear_px)] = _ABOVE_EAR
    return regions


def _read_params(folder: Path) -> DemoParams:
    note = folder / "demo.json"
    try:
        asked = json.loads(note.read_text(encoding="utf-8"))
        version = asked.pop("drawing")
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise PainlibError(
            f"Expected a drawn cohort, got no readable demo.json ({error}): {note}. Regions are known of "
            "drawn mice only."
        ) from error
    if version != DRAWING_VERSION:
        raise PainlibError(
            f"Expected a cohort of drawing version {DRAWING_VERSION}, got {version}: {note}. Draw it again "
            "(`painlib demo`)."
        )
    return DemoParams(**asked, workers=1)


@lru_cache(maxsize=4)
def _simulate(params: DemoParams, recording: str, folder: Path) -> tuple[Individual, Behaviour]:
    takes = {take.recording: take for take in list_takes(params)}
    if recording not in takes:
        raise PainlibError(
            f"Expected a recording of the drawn cohort, got '{recording}': {folder}."
            f"{did_you_mean(recording, takes)}"
        )
    return simulate_take(params, takes[recording])

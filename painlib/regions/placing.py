"""The template of the 13 regions laid on faces by nose and eyes.

Coordinates of a face are shares of its square's side, x right and y down; pixel i of `px` has its centre at
(i + 0.5) / px.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from painlib.pose.labels import COORDINATES
from painlib.regions.names import REGIONS
from painlib.regions.template import SCALE, STAGE, VIEWS, View, load_template

# All ours. Beyond this turn (see `find_turn`) the three-quarter picture fits better than the frontal one.
TURN_LIMIT = 0.3
# An affine transform that squeezes one way this much more than the other comes from points nearly in a line.
SQUEEZE_LIMIT = 0.3
LEAST_DISTANCE = 1e-3  # of the face's side; points nearer than this are one point
UNPLACED = -1
_CHUNK = 256  # faces placed at once

FACE_PX = 64  # side of a mask where nothing else is asked for; finer than any map of the last layer


def place_regions(landmarks: pd.DataFrame | pd.Series, map_px: int = FACE_PX) -> np.ndarray:
    """Masks (n, 13, map_px, map_px) bool of the regions of REGIONS on each face; a row gives n = 1.

    Every pixel of a face belongs to exactly one region (see `place_numbers`). A face whose points do not
    suffice (`find_views`: "") is all False.
    """
    numbers = place_numbers(landmarks, map_px)
    return numbers[:, None] == np.arange(len(REGIONS), dtype=np.int8)[:, None, None]


def place_numbers(landmarks: pd.DataFrame | pd.Series, map_px: int = FACE_PX) -> np.ndarray:
    """The region of each pixel, (n, map_px, map_px) int8, a position in REGIONS; -1: face not placed.

    `landmarks`: nose_x, nose_y, right_eye_x, ... in face coordinates, NaN where a point is not seen. Nose
    and both eyes: the frontal or, beyond TURN_LIMIT, the three-quarter picture by the affine transform of the
    three points; where they are nearly in a line, by the similarity that fits them best. Nose and one
    eye: the side picture by their similarity, mirrored for the left eye. Where outlines overlap, the one on
    top in the picture counts; what no outline covers is stage.
    """
    points = _to_points(landmarks)
    views = find_views(landmarks)
    numbers = np.full((len(points), map_px, map_px), UNPLACED, np.int8)
    centres = (np.arange(map_px) + 0.5) / map_px
    x, y = (axis.ravel() for axis in np.meshgrid(centres, centres))
    pixels = np.stack([x, y, np.ones_like(x)])  # (3, map_px²)
    for view in VIEWS:
        rows = np.flatnonzero(views == view)
        for begin in range(0, len(rows), _CHUNK):
            chosen = rows[begin : begin + _CHUNK]
            back = np.stack([_fit_back(one, view) for one in points[chosen]])
            numbers[chosen] = _look_up(view, back @ pixels).reshape(-1, map_px, map_px)
    return numbers


def find_views(landmarks: pd.DataFrame | pd.Series) -> np.ndarray:
    """Which picture fits each face: "front", "turned", "side", or "" where the points do not suffice.

    "": the nose or both eyes are not seen, or all points seen fall into one.
    """
    points = _to_points(landmarks)
    seen = np.isfinite(points).all(axis=2)
    eyes = np.where(seen[:, 1:, None], points[:, 1:], np.nan)
    reach = np.linalg.norm(eyes - points[:, :1], axis=2)  # (n, 2) from the nose
    reach = np.where(seen[:, :1] & seen[:, 1:], reach, 0.0).max(axis=1)
    both = seen.all(axis=1)
    turned = np.zeros(len(points), bool)
    turned[both] = np.abs(find_turn(points[both])) >= TURN_LIMIT
    views = np.where(both, np.where(turned, "turned", "front"), "side")
    return np.where(reach >= LEAST_DISTANCE, views, "")


def find_turn(points: np.ndarray) -> np.ndarray:
    """How far the head is turned, (n,): 0 with the nose midway between the eyes, 0.5 below the left eye.

    `points` (n, 3, 2): nose, right eye, left eye. The nose's place along the line of the eyes, in
    their distance; 0 where the eyes fall into one point.
    """
    nose, right, left = np.moveaxis(np.asarray(points, np.float64), 1, 0)
    line = left - right
    squared = (line**2).sum(axis=1)
    along = ((nose - (right + left) / 2) * line).sum(axis=1)
    return np.divide(along, squared, out=np.zeros(len(along)), where=squared > LEAST_DISTANCE**2)


def _to_points(landmarks: pd.DataFrame | pd.Series) -> np.ndarray:
    """(n, 3, 2) face coordinates."""
    table = landmarks.to_frame().T if isinstance(landmarks, pd.Series) else landmarks
    return table[list(COORDINATES)].to_numpy(np.float64).reshape(-1, 3, 2)


def _fit_back(points: np.ndarray, view: View) -> np.ndarray:
    """(2, 3): from face coordinates to the picture's units."""
    anchors = load_template(view).anchors
    if view == "side":
        left = not np.isfinite(points[1]).all()
        picture, face = anchors[:2], points[[0, 2]] if left else points[:2]
        mirrored = left
    else:
        mirrored = view == "turned" and find_turn(points[None])[0] < 0
        picture, face = anchors, points[[0, 2, 1]] if mirrored else points
    if mirrored:  # the picture is laid on the face's mirror image
        face = face * (-1, 1) + (1, 0)
    back = _fit_affine(face, picture) if view != "side" else None
    if back is None:
        back = _fit_similarity(face, picture)
    return back @ np.array([[-1, 0, 1], [0, 1, 0], [0, 0, 1.0]]) if mirrored else back


def _fit_affine(start: np.ndarray, end: np.ndarray) -> np.ndarray | None:
    """The affine transform (2, 3) of three points, or None where they are nearly in a line."""
    spread, wanted = (np.column_stack([p[1] - p[0], p[2] - p[0]]) for p in (start, end))
    forth = spread @ np.linalg.inv(wanted)
    large, small = np.linalg.svd(forth, compute_uv=False)
    if small < SQUEEZE_LIMIT * large:
        return None
    linear = np.linalg.inv(forth)
    return np.column_stack([linear, end[0] - linear @ start[0]])


def _fit_similarity(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Turn, scale and shift (2, 3) from `start` to `end`; its inverse has the least squares at `start`."""
    a, b = (p[:, 0] + 1j * p[:, 1] for p in (start, end))
    # Vanishes for points that lie like a mirror image of `end` only, which `_fit_affine` has taken.
    forth = (np.conj(b - b.mean()) * (a - a.mean())).sum() / (np.abs(b - b.mean()) ** 2).sum()
    turn = 1 / forth
    shift = b.mean() - turn * a.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def _look_up(view: View, places: np.ndarray) -> np.ndarray:
    """Regions (n, k) int8 at `places` (n, 2, k) of the picture."""
    template = load_template(view)
    cells = np.floor((places - template.origin[:, None]) * SCALE)
    rows, columns = template.numbers.shape
    inside = ((cells >= 0) & (cells < np.array([[columns], [rows]]))).all(axis=1)
    column, row = np.moveaxis(np.where(inside[:, None], cells, 0).astype(np.int64), 1, 0)
    return np.where(inside, template.numbers[row, column], STAGE).astype(np.int8)

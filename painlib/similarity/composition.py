"""Composition of a face image: where the face's points lie and how light and dark are spread.

Nothing here knows the label, a probability or the network. The features are meant to match images of like
composition before one asks what the network sees in them (paper, "Interpretation"; which features the paper
took is not given, so these are ours).
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pandas as pd

from painlib.faults import PainlibError

COMPOSITIONS = ("geometry", "appearance", "both")
POINTS = ("nose", "right_eye", "left_eye")
LANDMARK_COLUMNS = tuple(f"{point}_{axis}" for point in POINTS for axis in "xy")
GREY_PX = 16  # side of the grey image; at this size fur and whiskers are gone, pose and light remain
_LINES = ((1, 2), (0, 1), (0, 2))  # between the eyes, nose to right eye, nose to left eye
# Below this, relative to a feature's size, differences are rounding.
_ROUNDING = 1e-9


def list_features(name: str = "both") -> list[str]:
    """Names of the columns of `compute_composition`, in order."""
    _check_name(name)
    flags = [f"{point}_seen" for point in POINTS]
    lines = [f"{POINTS[a]}_to_{POINTS[b]}" for a, b in _LINES]
    measured = [*LANDMARK_COLUMNS, *(f"{line}_length" for line in lines)]
    measured += [f"{line}_{part}" for line in lines for part in ("cos", "sin")]
    geometry = [*flags, *measured, "angle_at_nose"]
    appearance = [f"grey_{row}_{column}" for row in range(GREY_PX) for column in range(GREY_PX)]
    return {"geometry": geometry, "appearance": appearance, "both": geometry + appearance}[name]


def compute_composition(
    images: np.ndarray | None, landmarks: pd.DataFrame | None, name: str = "both"
) -> np.ndarray:
    """Features of composition, (n, d) float32, finite, each column of mean 0 (`list_features` names them).

    `images`: (n, px, px, 3) uint8 RGB, a file on disk will do; not read for "geometry". `landmarks`: n rows,
    columns nose_x … left_eye_y in shares of the crop's side (0 to 1 inside it, y down), NaN where a point was
    not seen; not read for "appearance".

    - "geometry": which points are seen, where they are, the lengths (shares of the side) and directions
      (cosine and sine) of the lines between them, the angle at the nose (rad); each of variance 1 over the
      faces that have it. What hangs on an unseen point takes the mean (0): faces of that rule have no mean of
      their own there. Instead two faces of which one shows a point and the other does not are set apart by
      the flag, by as much as two unrelated faces differ on average in all that hangs on this point.
    - "appearance": grey image of 16 × 16, less the mean of all faces, in one unit for all pixels (mean
      variance 1), so that an empty corner's noise does not weigh as much as the face.
    - "both": the two side by side, each scaled to total variance 1.

    A column that does not vary is 0. Raises `PainlibError` for an unknown name, missing or unequal inputs.
    """
    _check_name(name)
    blocks = []
    if name != "appearance":
        blocks.append(_compute_geometry(_read_points(landmarks, name)))
    if name != "geometry":
        blocks.append(_compute_appearance(_check_images(images, name)))
    if len({len(block) for block in blocks}) > 1:
        raise PainlibError(
            f"Composition: expected one row of landmarks an image, got {len(blocks[0])} rows and "
            f"{len(blocks[1])} images. Take both from the same face index."
        )
    if name == "both":
        blocks = [block / (_total_spread(block) or 1.0) for block in blocks]
    return np.concatenate(blocks, axis=1).astype(np.float32)


def _check_name(name: str) -> None:
    if name not in COMPOSITIONS:
        raise PainlibError(f"Composition: expected one of {', '.join(COMPOSITIONS)}, got {name!r}.")


def _read_points(landmarks: pd.DataFrame | None, name: str) -> np.ndarray:
    """Landmarks as (n, 3, 2) float64, NaN where a point was not seen."""
    columns: Any = [] if landmarks is None else landmarks.columns
    missing = [column for column in LANDMARK_COLUMNS if column not in columns]
    if landmarks is None or missing:
        raise PainlibError(
            f"Composition {name!r}: expected landmarks with columns {', '.join(LANDMARK_COLUMNS)}, got "
            f"{'none' if landmarks is None else 'no ' + ', '.join(missing)}. Read them with "
            "`painlib.regions.load_landmarks`."
        )
    points = landmarks[list(LANDMARK_COLUMNS)].to_numpy(np.float64).reshape(-1, 3, 2)
    seen = np.isfinite(points).all(axis=2, keepdims=True)
    return np.where(seen, points, np.nan)


def _check_images(images: np.ndarray | None, name: str) -> np.ndarray:
    if images is None or images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
        got = "none" if images is None else f"{images.shape} {images.dtype}"
        raise PainlibError(f"Composition {name!r}: expected images (n, px, px, 3) uint8, got {got}.")
    return images


def _compute_geometry(points: np.ndarray) -> np.ndarray:
    """(n, 19): flags of what is seen, then what is measured of it."""
    seen = np.isfinite(points[:, :, 0])
    vectors = np.stack([points[:, b] - points[:, a] for a, b in _LINES], axis=1)
    lengths = np.linalg.norm(vectors, axis=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        directions = vectors / lengths[:, :, None]  # NaN where two points coincide: no direction
        angle = np.arccos(np.clip((directions[:, 1] * directions[:, 2]).sum(axis=1), -1, 1))
    parts = [points.reshape(-1, 6), lengths, directions.reshape(-1, 6), angle[:, None]]
    measured = _standardise(np.concatenate(parts, axis=1))
    return np.concatenate([_weigh_flags(seen), measured], axis=1)


def _weigh_flags(seen: np.ndarray) -> np.ndarray:
    """Flags (n, 3), centred, in units that make up for the mean put in the place of what is not seen.

    Two unrelated values of variance 1 are 2 apart (squared, on average), one of them and the mean only 1:
    the flag adds the 1 that is missing for each feature that hangs on the point.
    """
    lines = np.array([sum(point in line for line in _LINES) for point in range(len(POINTS))])
    hanging = 2 + 3 * lines + 1  # x and y; length, cosine and sine of its lines; the angle
    if not len(seen):
        return np.zeros(seen.shape)
    return (seen - seen.mean(axis=0)) * np.sqrt(hanging)


def _standardise(values: np.ndarray) -> np.ndarray:
    """Each column to mean 0 and variance 1 over its finite values; 0 where it has none or does not vary."""
    known = np.isfinite(values)
    n = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, values, 0).sum(axis=0) / n
    centred = np.where(known, values - mean, 0)
    spread = np.sqrt((centred**2).sum(axis=0) / n)
    varies = spread > _ROUNDING * np.maximum(np.abs(mean), 1)
    return np.where(varies, centred / np.where(varies, spread, 1), 0)


def _compute_appearance(images: np.ndarray) -> np.ndarray:
    """(n, GREY_PX²): light and dark of each face less that of all faces."""
    grey = np.empty((len(images), GREY_PX * GREY_PX), np.float32)
    for place in range(len(images)):  # one at a time: the file on disk may be larger than memory
        image = cv2.cvtColor(np.ascontiguousarray(images[place]), cv2.COLOR_RGB2GRAY)
        grey[place] = cv2.resize(image, (GREY_PX, GREY_PX), interpolation=cv2.INTER_AREA).ravel()
    if not len(grey):
        return grey
    centred = grey - grey.mean(axis=0, dtype=np.float64).astype(np.float32)
    unit = _total_spread(centred) / GREY_PX
    return centred / unit if unit > 0 else np.zeros_like(centred)


def _total_spread(block: np.ndarray) -> float:
    """Square root of the sum of the columns' variances."""
    return float(np.sqrt(np.var(block, axis=0, dtype=np.float64).sum())) if len(block) else 0.0

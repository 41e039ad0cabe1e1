"""Faces too poor to be judged: how sharp, how large and how far turned each is, and what is left out for it.

All three measures are ours.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
import pandas as pd

from painlib.faces.crop import FACE_PER_EYE_DISTANCE, FACE_PER_NOSE_EYE_DISTANCE
from painlib.faults import PainlibError
from painlib.model_card import QualityLimits
from painlib.pose.labels import COORDINATES

# Measure -> why a face is left out for it, in the order in which one reason is named.
REASONS = {"sharpness": "blurred", "size": "small", "turn": "turned"}
MEASURES = tuple(REASONS)
WORKING_PX = 96  # side that faces are brought to before sharpness is measured
WINDOW_SHARE = 0.5  # of the side: the square around the face in which it is measured
SMOOTHING_PX = 0.7  # SD of the Gaussian that takes out noise of single pixels
FLAT = 0.01  # mean squared slope, (grey values / px)^2, below which there is nothing to be sharp
# How far the nose stands before the eyes, over the eyes' distance: a mouse's eyes are about 11 mm apart and
# 14 mm from the nose (see `painlib.faces.crop`), so sqrt(14^2 - 5.5^2) / 11.
NOSE_BEFORE_EYES = 1.17
_KEPT = ("recording", "subject", "camera", "frame")


def measure_quality(
    images: Iterable[np.ndarray], faces: pd.DataFrame, landmarks: pd.DataFrame
) -> pd.DataFrame:
    """Sharpness, size and turn of each face, row for row with `faces`, with its index labels.

    `images`: n faces (px, px, 3) uint8 RGB at the network's input size, as an array or one at a time;
    `faces`: their rows of the face index (recording, subject, camera, frame are kept); `landmarks`: nose and
    eyes as shares of the crop's side, NaN where not seen (`painlib.regions.load_landmarks`). A face without
    nose, or without an eye, is a `PainlibError`: no crop rule gives one.

    sharpness: mean square of the Laplacian over that of the slope of the grey values, 1/px^2, in a window
    around nose and eyes: 0 where nothing is to be seen, and the lower the more blurred. Dividing takes out
    light, contrast and how much of the window is plain. Measured at 96 px after slight smoothing, so that
    noise of single pixels does not pass for detail; the surroundings, which stay sharp when the head moves,
    lie outside the window as far as a square allows. On 240 drawn faces it told blur above 1 px (of a 480 px
    wide image) from less with an AUC of 0.95; over the variance of grey values instead of the slope, 0.87.
    size: how large the head is over the crop's side, from the longer of what the distances between the eyes
    and from nose to eye tell, since turning only shortens them; about 1 where the crop was suggested from
    the heads, above 1 where head or crop are other than of a real mouse (drawn: 1.3).
    turn: how far the head is turned from the camera, 0 frontal to 1 in profile: with both eyes, the angle (as
    a share of 90 degrees) at which the nose would stand so far from the line between them, on 88 drawn faces
    6 degrees off on average; 1 where one eye is seen (rules 2 and 3). A shut eye may be taken for one that is
    not seen: with a limit on the turn look at what is left out, lest eyes narrowed by pain are among it.
    """
    points = _read_points(faces, landmarks)
    sharpness = np.full(len(faces), np.nan)
    n_images = 0
    for image in images:
        if n_images < len(faces):
            sharpness[n_images] = _measure_sharpness(image, points[n_images])
        n_images += 1
    if n_images != len(faces):
        raise PainlibError(f"Expected an image for each of {len(faces)} faces, got {n_images}.")
    kept = faces[[name for name in _KEPT if name in faces]]
    return kept.assign(sharpness=sharpness, size=_measure_size(points), turn=_measure_turn(points))


def gate_faces(quality: pd.DataFrame, limits: QualityLimits) -> np.ndarray:
    """(n,) why each face is left out, the first reason that holds: "blurred", "small", "turned"; "" if none.

    `quality`: sharpness, size, turn as `measure_quality` gives them. A limit itself is still good enough.
    """
    if quality[list(MEASURES)].isna().any(axis=None):
        raise PainlibError("Expected a sharpness, size and turn of every face, got faces without.")
    bounds = [
        (quality["sharpness"] < _or(limits.min_sharpness, -np.inf)).to_numpy(),
        (quality["size"] < _or(limits.min_size, -np.inf)).to_numpy(),
        (quality["turn"] > _or(limits.max_turn, np.inf)).to_numpy(),
    ]
    return np.select(bounds, list(REASONS.values()), "").astype(object)


def count_left_out(
    quality: pd.DataFrame, reasons: np.ndarray, by: tuple[str, ...] = ("recording", "subject")
) -> pd.DataFrame:
    """One row a recording: n_faces, n_kept, and how many faces were left out for each reason (one a face).

    `reasons` (n,) of `gate_faces`, row for row with `quality`.
    """
    flags = {f"n_{name}": np.asarray(reasons) == name for name in REASONS.values()}
    counted = quality[list(by)].assign(n_faces=1, n_kept=np.asarray(reasons) == "", **flags)
    return counted.groupby(list(by), sort=False).sum().astype("int64").reset_index()


def _or(limit: float | None, otherwise: float) -> float:
    return otherwise if limit is None else limit


def _read_points(faces: pd.DataFrame, landmarks: pd.DataFrame) -> np.ndarray:
    """(n, 3, 2) nose, right eye, left eye, shares of the crop's side."""
    missing = [name for name in COORDINATES if name not in landmarks]
    if missing or len(landmarks) != len(faces):
        raise PainlibError(
            f"Landmarks: expected {len(faces)} rows with {', '.join(COORDINATES)}, got {len(landmarks)}"
            + (f" without {', '.join(missing)}." if missing else ".")
        )
    points = landmarks[list(COORDINATES)].to_numpy(np.float64).reshape(-1, 3, 2)
    seen = np.isfinite(points).all(axis=2)
    unknown = ~(seen[:, 0] & seen[:, 1:].any(axis=1))
    if unknown.any():
        raise PainlibError(
            f"Landmarks: expected the nose and an eye of every face, got {unknown.sum()} faces without. Read "
            "them with the likelihood threshold that the faces were cut with."
        )
    return points


def _measure_sharpness(image: np.ndarray, points: np.ndarray) -> float:
    if image.ndim != 3 or image.shape[0] != image.shape[1] or image.dtype != np.uint8:
        raise PainlibError(f"Expected faces (px, px, 3) uint8, got {image.shape} {image.dtype}.")
    if image.shape[0] != WORKING_PX:
        method = cv2.INTER_AREA if image.shape[0] > WORKING_PX else cv2.INTER_LINEAR
        image = cv2.resize(np.ascontiguousarray(image), (WORKING_PX, WORKING_PX), interpolation=method)
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY).astype(np.float64)
    smooth = cv2.GaussianBlur(grey, (0, 0), SMOOTHING_PX)
    rows, columns = _find_window(points)
    slopes = [cv2.Sobel(smooth, cv2.CV_64F, *way, scale=1 / 8)[rows, columns] for way in ((1, 0), (0, 1))]
    slope = np.mean(slopes[0] ** 2 + slopes[1] ** 2)
    if slope < FLAT:
        return 0.0
    return float(np.mean(cv2.Laplacian(smooth, cv2.CV_64F)[rows, columns] ** 2) / slope)


def _find_window(points: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of the window around the middle of nose and eyes, moved inside the image."""
    eyes = np.nanmean(points[1:], axis=0)
    side = round(WINDOW_SHARE * WORKING_PX)
    corner = np.round((points[0] + eyes) / 2 * WORKING_PX - side / 2)
    left, top = np.clip(corner, 0, WORKING_PX - side).astype(int)
    return slice(top, top + side), slice(left, left + side)


def _measure_size(points: np.ndarray) -> np.ndarray:
    nose, right, left = points.swapaxes(0, 1)
    # fmax passes over a distance to an eye that is not seen.
    to_nose = np.fmax(np.linalg.norm(right - nose, axis=1), np.linalg.norm(left - nose, axis=1))
    between = np.linalg.norm(right - left, axis=1)
    return np.fmax(FACE_PER_NOSE_EYE_DISTANCE * to_nose, FACE_PER_EYE_DISTANCE * between)


def _measure_turn(points: np.ndarray) -> np.ndarray:
    nose, right, left = points.swapaxes(0, 1)
    line = left - right
    distance = np.linalg.norm(line, axis=1)
    sideways = np.abs(((nose - (right + left) / 2) * line).sum(axis=1))  # times the distance
    # arctan2 defines eyes that fall together; one eye alone is a profile.
    angle = np.arctan2(sideways, NOSE_BEFORE_EYES * distance**2)
    return np.where(np.isfinite(distance) & (distance > 0), angle / (np.pi / 2), 1.0)

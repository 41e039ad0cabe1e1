"""Which faces are looked at, and what little of a picture each question may see."""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd

PICTURE_PX = 64  # side at which faces are described
COARSE_PX = 16  # side at which the background is
# The crop's inscribed disk of 0.48 of its side holds the head (97 % of its pixels; `evidence.outline`).
DISK_RADIUS = 0.48


def pick_faces(faces: pd.DataFrame, per_recording: int, seed: int) -> np.ndarray:
    """Positions of at most `per_recording` faces of each recording, drawn by `seed`, in order."""
    rng = np.random.default_rng(seed)
    places = [
        np.sort(rng.permutation(own)[:per_recording])
        for _, own in sorted(faces.groupby("recording").indices.items())
    ]
    return np.sort(np.concatenate(places)) if places else np.empty(0, np.int64)


def shrink_faces(inputs: np.ndarray, rows: np.ndarray, px: int = PICTURE_PX) -> np.ndarray:
    """Rows of `inputs` (n, side, side, 3) uint8 at (px, px), area-averaged: (n_rows, px, px, 3) uint8."""
    shrunk = np.empty((len(rows), px, px, 3), np.uint8)
    for place, row in enumerate(rows):
        shrunk[place] = cv2.resize(np.asarray(inputs[row]), (px, px), interpolation=cv2.INTER_AREA)
    return shrunk


def measure_light(pictures: np.ndarray) -> np.ndarray:
    """Mean and SD of the grey levels (0 to 255) and colour cast (red minus blue, share of all), (n, 3)."""
    light = np.zeros((len(pictures), 3))
    for place, picture in enumerate(pictures):
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        red, green, blue = picture.reshape(-1, 3).mean(axis=0)
        light[place] = grey.mean(), grey.std(), (red - blue) / max(red + green + blue, 1.0)
    return light


def measure_background(pictures: np.ndarray) -> np.ndarray:
    """What lies outside the disk that holds the head, at 16 x 16: (n, n_cells), mean 0 and SD 1 a picture.

    So its light is taken out, and its pattern stays. The animal's body, where it is seen there, is part of
    it.
    """
    at = (np.arange(COARSE_PX) + 0.5) / COARSE_PX - 0.5
    outside = np.hypot(at, at[:, None]) > DISK_RADIUS
    cells = np.zeros((len(pictures), int(outside.sum())))
    for place, picture in enumerate(pictures):
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
        cells[place] = cv2.resize(grey, (COARSE_PX, COARSE_PX), interpolation=cv2.INTER_AREA)[outside]
    cells -= cells.mean(axis=1, keepdims=True)
    spread = cells.std(axis=1, keepdims=True)
    return np.divide(cells, spread, out=np.zeros_like(cells), where=spread > 0)

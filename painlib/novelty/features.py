"""What a face looks like, in numbers that no training has touched.

Ours. The classifier's own features would be the obvious space, but the final network has learned them on the
training animals: their faces lie closer together in it than those of any new animal, so that every new animal
would look strange. So the features here are fixed: nothing in them is learned, and a training animal that is
left out of the reference is measured exactly as a new animal is.

Each face is made small, and its own mean and spread are taken out, as `PainNet.standardise` does: brightness
and contrast that the classifier never sees make no animal strange. What stays is described three times, each
description in the unit in which two training faces of different animals are 1 apart (root mean square):

- appearance: the picture at 16 x 16, in colour;
- edges: histograms of oriented gradients (9 directions, cells of 8 px, blocks of 2 x 2 cells), as in
  `painlib.baseline`;
- tones: how many pixels are how light, and how red or blue, wherever they lie (quantiles).
"""

from __future__ import annotations

import cv2
import numpy as np
from skimage.feature import hog

from painlib.faults import PainlibError

THUMBNAIL_PX = 32
APPEARANCE_PX = 16
TONES = np.linspace(0.02, 0.98, 25)  # quantiles
N_APPEARANCE, N_EDGES, N_TONES = APPEARANCE_PX**2 * 3, 3 * 3 * 2 * 2 * 9, 3 * len(TONES)
BLOCKS = {
    "appearance": slice(0, N_APPEARANCE),
    "edges": slice(N_APPEARANCE, N_APPEARANCE + N_EDGES),
    "tones": slice(N_APPEARANCE + N_EDGES, N_APPEARANCE + N_EDGES + N_TONES),
}
N_FEATURES = N_APPEARANCE + N_EDGES + N_TONES


def shrink_faces(inputs: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """Faces (n, 32, 32, 3) uint8, area-averaged, of `inputs` (m, px, px, 3) uint8 RGB, px at least 32.

    `rows`: of these positions only. `inputs` may be a file on disk: one face is read at a time.
    """
    if inputs.ndim != 4 or inputs.shape[3] != 3 or inputs.dtype != np.uint8 or inputs.shape[1] < THUMBNAIL_PX:
        raise PainlibError(
            f"Expected faces (n, px, px, 3) uint8 of at least {THUMBNAIL_PX} px, got {inputs.shape} "
            f"{inputs.dtype}."
        )
    positions = np.arange(len(inputs)) if rows is None else np.asarray(rows, np.int64)
    small = np.empty((len(positions), THUMBNAIL_PX, THUMBNAIL_PX, 3), np.uint8)
    for place, row in enumerate(positions):
        face = np.ascontiguousarray(inputs[row])
        small[place] = cv2.resize(face, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA)
    return small


def describe_faces(thumbnails: np.ndarray) -> np.ndarray:
    """Features (n, N_FEATURES) float32 of faces (n, 32, 32, 3) uint8, in the order of BLOCKS.

    An evenly grey face is all 0.
    """
    described = np.empty((len(thumbnails), N_FEATURES), np.float32)
    for place, face in enumerate(thumbnails):
        pixels = face.astype(np.float32)
        pixels = (pixels - pixels.mean()) / max(float(pixels.std()), 1.0)  # 1: one grey level
        grey = pixels.mean(axis=2)
        small = cv2.resize(pixels, (APPEARANCE_PX, APPEARANCE_PX), interpolation=cv2.INTER_AREA)
        described[place, BLOCKS["appearance"]] = small.ravel()
        described[place, BLOCKS["edges"]] = hog(
            grey, orientations=9, pixels_per_cell=(8, 8), cells_per_block=(2, 2)
        )
        tones = [grey, pixels[..., 0] - pixels[..., 1], pixels[..., 2] - pixels[..., 1]]
        described[place, BLOCKS["tones"]] = np.concatenate([np.quantile(tone, TONES) for tone in tones])
    return described


def find_units(described: np.ndarray, subjects: np.ndarray) -> dict[str, float]:
    """Root mean square distance between faces of different animals, one number a block; 1 where it is 0.

    `described` (n, N_FEATURES) of the training faces, `subjects` (n,). Animals count alike, however many
    faces each has.
    """
    names = np.unique(subjects)
    units = {}
    for block, part in BLOCKS.items():
        own = [described[subjects == name, part].astype(np.float64) for name in names]
        means = np.array([values.mean(axis=0) for values in own])
        spread = np.mean([values.var(axis=0).sum() for values in own])
        # Two faces of different animals: both spreads, and the squared distance of the animals' means.
        between = 2 * means.var(axis=0, ddof=1).sum() if len(names) > 1 else 0.0
        units[block] = float(np.sqrt(2 * spread + between)) or 1.0
    return units


def weigh(described: np.ndarray, units: dict[str, float]) -> np.ndarray:
    """Features whose squared distance is the mean of the blocks' squared distances, each in its unit."""
    weighed = np.empty(described.shape, np.float32)
    for block, part in BLOCKS.items():
        weighed[:, part] = described[:, part] / (units[block] * np.sqrt(len(BLOCKS)))
    return weighed

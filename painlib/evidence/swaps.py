"""Faces with the face blanked, with the surroundings blanked, or with the surroundings of another face.

A blank must say nothing about what it hides. It has one colour for all faces, the mean over both classes: the
mean of the hidden pixels themselves would pass their brightness on, and since `PainNet` standardises every
image by itself, so would the contrast of all that is left. A blank still is a picture that the network never
saw; so the verdict rests on exchanging, where all that is shown is real and the seam is the same for both
classes.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.spatial import KDTree

from painlib.evidence.outline import HeadPose

FRONTAL_WEIGHT = 0.5  # a frontal and a side view are apart as half a crop is


def find_blank(images: np.ndarray, where: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """One colour (3,) uint8 for all faces: mean over `where` (n, px, px), both classes counted alike.

    `images` (n, px, px, 3), `classes` (n,): faces of no class (-1) do not count unless there are no others.
    """
    area = where.sum(axis=(1, 2))
    sums = np.einsum("nyxc,nyx->nc", images, where, dtype=np.float64)
    own = sums[area > 0] / area[area > 0, None]
    known = classes[area > 0]
    groups = [own[known == code] for code in (0, 1) if (known == code).any()] or [own]
    if not len(own):
        return np.zeros(3, np.uint8)
    colour = np.mean([group.mean(axis=0) for group in groups], axis=0)
    return np.asarray(np.round(colour), np.uint8)


def blank(images: np.ndarray, where: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """`images` (n, px, px, 3) with `colour` in the pixels of `where` (n, px, px)."""
    return np.where(where[..., None], colour, images).astype(np.uint8)


def exchange_surroundings(
    images: np.ndarray, heads: np.ndarray, donors: np.ndarray, donor_heads: np.ndarray
) -> np.ndarray:
    """Faces (n, px, px, 3) with the surroundings of `donors` (same shape) where neither head is.

    Between the two outlines the face's own pixels stay: nothing of the donor's face comes along.
    """
    return np.where((heads | donor_heads)[..., None], images, donors)


def find_donors(
    pose: HeadPose, recordings: pd.Series, classes: np.ndarray, wanted: int, n_donors: int
) -> np.ndarray:
    """For each face `n_donors` faces of class `wanted`, of other recordings, whose head is placed most alike.

    Returns rows (n, n_donors); -1 where there are fewer such faces.
    """
    place = np.column_stack([pose.centre, pose.nose, FRONTAL_WEIGHT * pose.frontal])
    found = np.full((len(place), n_donors), -1, np.int64)
    recording = recordings.to_numpy()
    for name in pd.unique(recording):
        own = np.flatnonzero(recording == name)
        pool = np.flatnonzero((classes == wanted) & (recording != name))
        if len(pool) >= n_donors:
            nearest = KDTree(place[pool]).query(place[own], k=np.arange(1, n_donors + 1))[1]
            found[own] = pool[nearest]
    return found

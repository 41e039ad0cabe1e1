"""Where the head is on a face crop, from nose and eyes alone: what counts as "the face".

Ours. A convex outline around head and ears: in each of twelve directions its reach is a straight-line
function of where the nose stands. The numbers were fitted to the true head pixels of 22 drawn training
animals (seeds 101 and 102, 4,400 faces). On 22 others (seeds 103 and 104) it held 98.8 % of the head's
pixels and 95.7 % of the ears', on 53 % of the crop. The animal's body is not found by nose and eyes and
counts as outside.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from painlib.faults import PainlibError

LANDMARK_COLUMNS = ("nose_x", "nose_y", "right_eye_x", "right_eye_y", "left_eye_x", "left_eye_y")
MARGIN = 0.04  # of the crop's side, added on every side
LEAST_REACH = 0.10  # beyond nose and eyes, where the straight lines would cut them off (a raised nose)
FALLBACK_RADIUS = 0.48  # of the crop's side: a disk that held 97 % of the head's pixels
# How far the outline reaches from the eyes in the directions 0, 30, ... 330 degrees (x towards the nose's
# side, y down), shares of the crop's side: constant, factors of the nose's sideways and downward distance.
_REACH_FRONT = (
    (0.35, -0.40, -0.09), (0.27, 0.34, 0.04), (0.27, 0.18, 0.25), (0.30, -0.05, 0.16),
    (0.36, 0.06, -0.14), (0.34, 0.48, -0.20), (0.40, 0.46, 0.04), (0.40, 0.38, 0.46),
    (0.32, 0.15, 0.74), (0.20, 0.15, 0.79), (0.28, -0.42, 0.82), (0.36, -1.02, 0.54),
)  # fmt: skip
_REACH_SIDE = (
    (-0.02, 1.06, 0.06), (0.01, 0.95, 0.43), (0.08, 0.54, 0.61), (0.25, 0.13, 0.08),
    (0.44, -0.07, -0.48), (0.48, -0.11, -0.35), (0.42, 0.14, -0.20), (0.49, 0.03, -0.02),
    (0.53, -0.24, 0.22), (0.35, -0.16, 0.56), (-0.07, 0.56, 1.00), (-0.06, 0.85, 0.16),
)  # fmt: skip
_CHUNK = 128  # faces at once, for memory
# A head turned away shortens the distance from nose to eye; the upper tenth shows how large heads are.
_NOSE_TO_EYE, _SEEN_QUANTILE, _FEWEST_DISTANCES = 0.44, 0.9, 20


class HeadPose(NamedTuple):
    """Where nose and eyes are, face coordinates. `centre` (n, 2) of the eyes seen; `nose` (n, 2) from there;
    `eye` (n, 2) one eye from there, the other lies opposite; `frontal` (n,) both eyes seen; `known` (n,)."""

    centre: np.ndarray
    nose: np.ndarray
    eye: np.ndarray
    frontal: np.ndarray
    known: np.ndarray


def read_head_pose(landmarks: pd.DataFrame) -> HeadPose:
    """Nose and eyes of the table `landmarks`, NaN where not seen; centre 0.5, the rest 0 where unknown."""
    missing = [name for name in LANDMARK_COLUMNS if name not in landmarks]
    if missing:
        raise PainlibError(
            f"Landmarks: expected the columns {', '.join(LANDMARK_COLUMNS)}; missing: {', '.join(missing)}. "
            "Give the table that is read from the pose of the same faces."
        )
    points = landmarks[list(LANDMARK_COLUMNS)].to_numpy(np.float64).reshape(-1, 3, 2)
    seen = np.isfinite(points).all(axis=2)
    nose, right, left = points.swapaxes(0, 1)
    known = np.asarray(seen[:, 0] & seen[:, 1:].any(axis=1))
    frontal = known & seen[:, 1] & seen[:, 2]
    eyes = np.where(frontal[:, None], (right + left) / 2, np.where(seen[:, 1:2], right, left))
    centre = np.where(known[:, None], eyes, 0.5)
    eye = np.where(frontal[:, None], right - centre, 0.0)
    return HeadPose(centre, np.where(known[:, None], nose - centre, 0.0), eye, frontal, known)


def find_head_scale(landmarks: pd.DataFrame) -> float:
    """How large heads are in these crops, 1 = as the paper's crop shows them on the drawn animals.

    From the upper tenth of distances between nose and eye; 1 where there are fewer than 20.
    """
    points = landmarks[list(LANDMARK_COLUMNS)].to_numpy(np.float64).reshape(-1, 3, 2)
    distance = np.linalg.norm(points[:, 1:] - points[:, :1], axis=2)
    distance = distance[np.isfinite(distance)]
    if len(distance) < _FEWEST_DISTANCES:
        return 1.0
    return float(np.quantile(distance, _SEEN_QUANTILE)) / _NOSE_TO_EYE


def place_head(
    landmarks: pd.DataFrame, px: int, scale: float | None = None, margin: float = MARGIN
) -> np.ndarray:
    """Pixels of head and ears, (n, px, px) bool, from the table `landmarks` (face coordinates).

    Without nose or without an eye it is a disk in the crop's middle, where the crop rules put the eyes.
    `scale`: size of the heads, by default that of all `landmarks` together (`find_head_scale`).
    """
    pose = read_head_pose(landmarks)
    size = find_head_scale(landmarks) if scale is None else scale
    side = np.where(pose.nose[:, :1] < 0, -1.0, 1.0)  # the nose is drawn to point right
    terms = np.column_stack([np.full(len(side), size), side * pose.nose[:, :1], pose.nose[:, 1:]])
    tables = np.array([_REACH_SIDE, _REACH_FRONT])[pose.frontal.astype(int)]  # (n, 12, 3)
    reach = np.einsum("ndk,nk->nd", tables, terms) + margin * size
    angles = np.arange(reach.shape[1]) * 2 * np.pi / reach.shape[1]
    ways = np.stack([np.cos(angles), np.sin(angles)])  # (2, 12)
    mirror = np.column_stack([side, np.ones(len(side))])
    for point in (pose.nose, pose.eye, -pose.eye):
        reach = np.maximum(reach, (mirror * point) @ ways + LEAST_REACH * size)
    at = (np.arange(px) + 0.5) / px
    across = side * (at - pose.centre[:, :1])  # (n, px)
    down = at - pose.centre[:, 1:]
    inside = np.ones((len(landmarks), px, px), bool)
    for start in range(0, len(inside), _CHUNK):
        part = slice(start, start + _CHUNK)
        for (x, y), limit in zip(ways.T, reach[part].T, strict=True):
            far = x * across[part, None, :] + y * down[part, :, None]
            inside[part] &= far <= limit[:, None, None]
    if not pose.known.all():
        inside[~pose.known] = np.hypot(at - 0.5, (at - 0.5)[:, None]) <= FALLBACK_RADIUS
    return inside

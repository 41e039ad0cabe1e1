"""From nose and eyes to the face: the four rules, the square, and what happens at the border of the image.

Coordinates are pixels of the upright image, x to the right and y down; (0, 0) is the centre of the first
pixel. Points stand in the order nose, right eye, left eye.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from painlib.faults import PainlibError

Border = Literal["shift", "pad", "drop"]

# Ours, not the paper's. A mouse's eyes are about 11 mm apart and 14 mm from the tip of the nose; nose and
# both ears lie within about 21 mm of the eyes. A square of 42 mm is 3.8 eye distances, or 3 distances from
# nose to eye.
FACE_PER_EYE_DISTANCE = 3.8
FACE_PER_NOSE_EYE_DISTANCE = 3.0
# Turning the head only shortens a distance in the image: the true one is near the longest that are seen.
SEEN_QUANTILE = 0.9


def apply_rules(likelihood: np.ndarray, threshold: float) -> np.ndarray:
    """Which crop rule holds in each frame (Kobayashi et al. 2025, Methods); first of 1 to 3 that holds,
    else 0.

    `likelihood` (n_frames, 3) in [0, 1]; a point is seen where it is >= `threshold`. Returns (n_frames,)
    int8: 1 nose and both eyes, 2 nose and right eye, 3 nose and left eye, 0 no crop. NaN is a
    `PainlibError`.
    """
    likelihood = np.asarray(likelihood)
    missing = np.isnan(likelihood).any(axis=1)
    if missing.any():
        raise PainlibError(
            f"Expected a likelihood in every frame, got NaN in {missing.sum()} of {len(missing)}; the first "
            f"is number {int(missing.argmax())} of those given. Write 0 for a point that is absent."
        )
    # Compared in the array's own precision: 0.9 read as float32 is 0.9.
    nose, right, left = (likelihood >= np.asarray(threshold, likelihood.dtype)).T
    return np.select([nose & right & left, nose & right, nose & left], [1, 2, 3], 0).astype(np.int8)


def find_centres(points: np.ndarray, rule: np.ndarray) -> np.ndarray:
    """Centre of the face square: between the eyes (rule 1), right eye (2), left eye (3), NaN (0).

    `points` (n_frames, 3, 2) px, `rule` (n_frames,). Returns (n_frames, 2) px. A rule that holds without
    coordinates of its eyes is a `PainlibError`.
    """
    points, rule = np.asarray(points, np.float64), np.asarray(rule)[:, None]
    right, left = points[:, 1], points[:, 2]
    centres = np.select([rule == 1, rule == 2, rule == 3], [(right + left) / 2, right, left], np.nan)
    missing = (rule[:, 0] > 0) & ~np.isfinite(centres).all(axis=1)
    if missing.any():
        raise PainlibError(
            f"Expected coordinates wherever a likelihood is high, got none in {missing.sum()} frames; the "
            f"first is number {int(missing.argmax())} of those given. Write likelihood 0 for an absent point."
        )
    return centres


def place_square(
    centre: tuple[float, float] | np.ndarray, size_px: int, width: int, height: int, border: Border
) -> tuple[int, int] | None:
    """First column and row of the square around `centre` (x, y) in an image of `width` x `height` px, or
    None.

    The centre is rounded to a pixel, halves up; that pixel is number `size_px // 2` of the square, counted
    from 0: its middle for odd sizes, right and below of its middle for even ones. Where the square leaves
    the image, the paper does not say what to do; ours: "shift" moves it inside (a square larger than the
    image is a `PainlibError`), "pad" lets it stick out (None if no pixel is left inside), "drop" gives
    None.
    """
    left = math.floor(centre[0] + 0.5) - size_px // 2
    top = math.floor(centre[1] + 0.5) - size_px // 2
    if border == "shift":
        if size_px > min(width, height):
            raise PainlibError(
                f"Expected a crop that fits the image, got crop_px = {size_px} for {width} x {height} px. "
                "Choose a smaller `crop_px`, or `border: pad`."
            )
        return min(max(left, 0), width - size_px), min(max(top, 0), height - size_px)
    inside = left >= 0 and top >= 0 and left + size_px <= width and top + size_px <= height
    touches = left < width and top < height and left + size_px > 0 and top + size_px > 0
    return (left, top) if inside or (border == "pad" and touches) else None


def cut_face(
    image: np.ndarray, centre: tuple[float, float] | np.ndarray, size_px: int, border: Border
) -> np.ndarray | None:
    """The square (size_px, size_px, 3) around `centre` (x, y), or None where `place_square` gives none."""
    height, width = image.shape[:2]
    corner = place_square(centre, size_px, width, height, border)
    return None if corner is None else cut_square(image, corner, size_px)


def cut_square(image: np.ndarray, corner: tuple[int, int], size_px: int) -> np.ndarray:
    """The square whose first column and row are `corner`; black where it leaves the image."""
    height, width = image.shape[:2]
    left, top = corner
    if left >= 0 and top >= 0 and left + size_px <= width and top + size_px <= height:
        return image[top : top + size_px, left : left + size_px]
    square = np.zeros((size_px, size_px, *image.shape[2:]), image.dtype)
    x, y = max(left, 0), max(top, 0)
    seen = image[y : max(top + size_px, 0), x : max(left + size_px, 0)]
    square[y - top : y - top + seen.shape[0], x - left : x - left + seen.shape[1]] = seen
    return square


def suggest_crop_px(points: np.ndarray, likelihood: np.ndarray, threshold: float) -> int:
    """Side of a square that holds the face with both ears, px, even; from the heads seen.

    `points` (n_frames, 3, 2) px, `likelihood` (n_frames, 3). Ours: the larger of 3.8 times the eyes'
    distance and 3 times that from nose to eye (upper tenth of frames by the rules). The paper used 800 px
    at 3,840 x 2,160. No face is a `PainlibError`.
    """
    points, likelihood = np.asarray(points, np.float64), np.asarray(likelihood)
    rule = apply_rules(likelihood, threshold)
    if not rule.any():
        highest = (
            ", ".join(f"{value:.2f}" for value in likelihood.max(axis=0)) if len(likelihood) else "no frame"
        )
        raise PainlibError(
            f"Expected heads to take the crop size from, got no frame of {len(rule)} with nose and an eye at "
            f"likelihood >= {threshold:g} (highest of nose, right eye, left eye: {highest}). Give `crop_px`, "
            "or lower `likelihood_threshold` after looking at the histogram of likelihoods."
        )
    nose, right, left = points[:, 0], points[:, 1], points[:, 2]
    to_right = np.linalg.norm(nose - right, axis=1)[(rule == 1) | (rule == 2)]
    to_left = np.linalg.norm(nose - left, axis=1)[(rule == 1) | (rule == 3)]
    sides = [FACE_PER_NOSE_EYE_DISTANCE * np.quantile(np.concatenate([to_right, to_left]), SEEN_QUANTILE)]
    if (rule == 1).any():
        between = np.linalg.norm(right - left, axis=1)[rule == 1]
        sides.append(FACE_PER_EYE_DISTANCE * np.quantile(between, SEEN_QUANTILE))
    return max(2 * math.ceil(max(sides) / 2), 2)

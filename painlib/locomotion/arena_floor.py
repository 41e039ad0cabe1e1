"""From pixels to centimetres on the arena's floor, by its known side: given, marked by corners, or found.

Corners make a homography (OpenCV), which takes a slanted camera into account; a side alone is one scale for
the whole picture. Not corrected: the lens' distortion, and the animal's height above the floor (a back at
2 cm below a camera at 110 cm lengthens distances by 2 %).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from painlib.faults import PainlibError

Calibration = Literal["side given", "corners given", "corners found"]

SMALLEST_SHARE = 0.15  # of the picture's smaller side: a shorter outline is not the floor
MOST_UNEQUAL = 1.15  # longest over shortest side of a found outline
MOST_SLANTED_DEG = 8.0
SAME_OUTLINE = 0.06  # outlines whose sides differ by less, relatively, are one edge
MARK = "Give the floor's `corners` (or `side_px`) in the table of arena videos."


@dataclass(frozen=True, eq=False)
class Arena:
    """The floor in the picture.

    `to_cm` (3, 3): px of the video to cm, origin at the floor's upper left corner (of the picture where only
    a side is given); `corners` (4, 2) px, clockwise from the upper left, or None; `side_px` the mean side.
    """

    to_cm: np.ndarray
    corners: np.ndarray | None
    side_px: float
    side_cm: float
    how: Calibration

    def measure(self, points: np.ndarray) -> np.ndarray:
        """Points (n, 2) px of the video -> (n, 2) cm on the floor; NaN stays NaN."""
        # Not by cv2.perspectiveTransform, which makes (0, 0) of NaN.
        flat = np.asarray(points, np.float64).reshape(-1, 2)
        projected = np.column_stack([flat, np.ones(len(flat))]) @ self.to_cm.T
        return projected[:, :2] / projected[:, 2:]

    @property
    def cm_per_px(self) -> float:
        """The mean scale."""
        return self.side_cm / self.side_px


def calibrate_side(side_px: float, side_cm: float) -> Arena:
    """One scale for the whole picture."""
    scale = side_cm / side_px
    return Arena(np.diag([scale, scale, 1.0]), None, side_px, side_cm, "side given")


def calibrate_corners(
    corners: Sequence[Sequence[float]] | np.ndarray, side_cm: float, how: Calibration = "corners given"
) -> Arena:
    """The homography that takes the floor's corners (4, 2) px, in any order, to a square of `side_cm`."""
    ordered = order_corners(corners)
    square = side_cm * np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    to_cm = cv2.getPerspectiveTransform(ordered.astype(np.float32), square)
    side_px = math.sqrt(abs(cv2.contourArea(ordered.astype(np.float32))))
    return Arena(np.asarray(to_cm, np.float64), ordered, side_px, side_cm, how)


def parse_corners(text: str) -> tuple[tuple[float, float], ...]:
    """'x y; x y; x y; x y' as pairs of numbers; '' as none."""
    if not text.strip():
        return ()
    try:
        pairs = [tuple(float(number) for number in pair.split()) for pair in text.split(";")]
    except ValueError:
        pairs = []
    if len(pairs) != 4 or any(len(pair) != 2 for pair in pairs):
        raise PainlibError(
            "expected four corners in px as 'x y; x y; x y; x y', with points as decimal signs, got "
            f"'{text}'."
        )
    return tuple((pair[0], pair[1]) for pair in pairs)


def order_corners(corners: Sequence[Sequence[float]] | np.ndarray) -> np.ndarray:
    """(4, 2) clockwise as seen, from the one nearest the picture's upper left.

    `PainlibError` where they are not the corners of a convex figure.
    """
    points = np.asarray(corners, np.float64).reshape(-1, 2)
    sound = len(points) == 4 and bool(np.isfinite(points).all())
    hull = cv2.convexHull(points.astype(np.float32)).reshape(-1, 2) if sound else points
    if not sound or len(hull) != 4 or cv2.contourArea(hull.astype(np.float32)) < 1:
        told = "; ".join(f"{x:g} {y:g}" for x, y in points)
        raise PainlibError(f"expected four corners of a floor, none inside the others' outline, got {told}.")
    hull = hull.astype(np.float64)
    # y points down, so that a growing angle turns clockwise as seen.
    centre = hull.mean(axis=0)
    angles = np.arctan2(hull[:, 1] - centre[1], hull[:, 0] - centre[0])
    clockwise = hull[np.argsort(angles)]
    return np.roll(clockwise, -int(np.argmin(clockwise.sum(axis=1))), axis=0)


def find_floor(picture: np.ndarray) -> np.ndarray:
    """Corners (4, 2), px of `picture` (grey, uint8), of the one square outline in it: the floor's.

    Which of two nested squares is the floor, and which the walls' upper edge, no picture tells: then, and
    where there is none, a `PainlibError` asks for the corners.
    """
    found: list[np.ndarray] = []
    for quad in _propose_outlines(picture):
        side = _mean_side(quad)
        if not any(
            abs(_mean_side(other) / side - 1) < SAME_OUTLINE and _near(other, quad) for other in found
        ):
            refined = _refine(picture, quad)
            if refined is not None:
                found.append(refined)
    if not found:
        raise PainlibError(f"The arena's floor was not found in the picture: no square outline. {MARK}")
    if len(found) > 1:
        sides = ", ".join(f"{_mean_side(quad):.0f}" for quad in sorted(found, key=_mean_side))
        raise PainlibError(
            f"The arena's floor was not found in the picture: {len(found)} square outlines (sides of {sides} "
            f"px), and which is the floor (not the walls' upper edge) cannot be told. {MARK}"
        )
    return found[0]


def _propose_outlines(picture: np.ndarray) -> Iterator[np.ndarray]:
    """Convex figures of four sides, nearly square, away from the border; the largest first."""
    smooth = cv2.GaussianBlur(picture, (5, 5), 0)
    level, otsu = cv2.threshold(smooth, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    low, high = np.percentile(smooth, [2, 98])
    steps = np.linspace(low, high, 12)[1:-1]
    binaries = [otsu, *((smooth > step).astype(np.uint8) * 255 for step in steps)]
    edges = cv2.Canny(smooth, max(10, 0.3 * level), max(20, 0.8 * level))
    binaries.append(cv2.dilate(edges, np.ones((3, 3), np.uint8)))
    binaries.append(cv2.dilate(cv2.Canny(smooth, 10, 25), np.ones((3, 3), np.uint8)))
    quads = []
    height, width = picture.shape
    for binary in binaries:
        contours, _ = cv2.findContours(binary, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
        for contour in contours:
            hull = cv2.convexHull(contour)
            x, y, w, h = cv2.boundingRect(hull)
            if min(w, h) < SMALLEST_SHARE * min(width, height):
                continue
            # What touches the border is the picture's own outline, or cut by it.
            if x <= 1 or y <= 1 or x + w >= width - 1 or y + h >= height - 1:
                continue
            quad = cv2.approxPolyDP(hull, 0.04 * cv2.arcLength(hull, True), True).reshape(-1, 2)
            if len(quad) == 4 and _is_square(quad.astype(np.float64)):
                area = cv2.contourArea(quad)
                # Nearly all of the hull, or a round thing would pass.
                if 0.95 < cv2.contourArea(hull) / area < 1.05:
                    quads.append(order_corners(quad))
    yield from sorted(quads, key=_mean_side, reverse=True)


def _sides(quad: np.ndarray) -> np.ndarray:
    return np.linalg.norm(np.roll(quad, -1, axis=0) - quad, axis=1)


def _mean_side(quad: np.ndarray) -> float:
    return float(_sides(quad).mean())


def _near(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.linalg.norm(one - other, axis=1).max() < SAME_OUTLINE * _mean_side(one))


def _is_square(quad: np.ndarray) -> bool:
    sides = _sides(quad)
    along = np.roll(quad, -1, axis=0) - quad
    turns = np.degrees(np.arctan2(along[:, 1], along[:, 0]))
    angles = np.abs((np.diff(np.append(turns, turns[0])) + 180) % 360 - 180)
    return bool(
        sides.min() > 0
        and sides.max() / sides.min() < MOST_UNEQUAL
        and np.abs(angles - 90).max() < MOST_SLANTED_DEG
    )


def _refine(picture: np.ndarray, quad: np.ndarray) -> np.ndarray | None:
    """Corners where lines through the strongest change of brightness along each side meet; None where a side
    has no edge all along."""
    lines = []
    reach = max(3.0, 0.025 * _mean_side(quad))
    offsets = np.arange(-reach, reach + 0.25, 0.5)
    smooth = cv2.GaussianBlur(picture, (0, 0), 0.8).astype(np.float32)
    for start, end in zip(quad, np.roll(quad, -1, axis=0), strict=True):
        along = (end - start) / np.linalg.norm(end - start)
        across = np.array([-along[1], along[0]])
        bases = start + np.linspace(0.08, 0.92, 60)[:, None] * (end - start)
        places = (bases[:, None, :] + offsets[None, :, None] * across).astype(np.float32)
        profiles = cv2.remap(smooth, places[..., 0], places[..., 1], cv2.INTER_LINEAR)
        change = np.gradient(profiles, axis=1)
        mean = change.mean(axis=0)  # one sign all along: an edge, not texture
        signed = change * np.sign(mean[np.abs(mean).argmax()])
        best = signed.argmax(axis=1)
        strength = signed.max(axis=1)
        good = strength > 0.4 * np.median(strength)
        if np.median(strength) < 0.75 or good.mean() < 0.7:  # grey levels over half a px
            return None
        points = bases[good] + (offsets[best[good]] + _peak_shift(signed, best)[good] * 0.5)[:, None] * across
        vx, vy, x, y = cv2.fitLine(points.astype(np.float32), cv2.DIST_HUBER, 0, 0.01, 0.01).ravel()
        lines.append((np.array([x, y], np.float64), np.array([vx, vy], np.float64)))
    corners = []
    for (p, u), (q, v) in zip([lines[-1], *lines[:-1]], lines, strict=True):
        if abs(u[0] * v[1] - u[1] * v[0]) < 0.5:
            return None
        t = np.linalg.solve(np.column_stack([u, -v]), q - p)[0]
        corners.append(p + t * u)
    refined = np.array(corners)
    return order_corners(refined) if _is_square(refined) else None


def _peak_shift(values: np.ndarray, best: np.ndarray) -> np.ndarray:
    """Where between samples a parabola through the maximum and its neighbours peaks, -0.5 to 0.5."""
    rows = np.arange(len(values))
    place = best.clip(1, values.shape[1] - 2)
    left, middle, right = (values[rows, place + step] for step in (-1, 0, 1))
    bend = left - 2 * middle + right
    shift = np.where(np.abs(bend) > 1e-9, 0.5 * (left - right) / np.where(bend == 0, 1, bend), 0.0)
    return shift.clip(-0.5, 0.5)

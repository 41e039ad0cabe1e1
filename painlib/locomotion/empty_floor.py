"""The empty floor from frames spread over a video, and from it what tells the animal: sign and threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np

from painlib.cohort import VideoPart
from painlib.faults import PainlibError
from painlib.locomotion.arena_floor import Arena
from painlib.params import LocomotionParams
from painlib.video import Frame, read_frame, read_frames
from painlib.video.timeline import Timeline

Shade = Literal["light", "dark"]

# The floor is what a pixel shows in this share of the frames at least: an animal that lies in one place for
# half of the time is not taken for floor, as it would be by a median.
FLOOR_SHARE = 0.2
MARGIN_CM = 3.0  # beyond the floor, where an animal that rears at the wall is still seen
TAIL_CM = 1.0  # what is narrower is taken away: the tail
NOISE = 5.0  # standard deviations of the empty floor that no threshold may fall below
LEAST_CONTRAST = 8  # grey levels


@dataclass(frozen=True, eq=False)
class Scene:
    """What a frame is compared with, all at the size that frames are shrunk to, cut to `rows`, `columns`.

    `floor` grey uint8; `inside` bool, where an animal is looked for; `sign` +1 for a light animal, -1 for a
    dark one; `threshold` grey levels; areas in px; `scale` (x, y): px of the video a px.
    """

    size: tuple[int, int]
    rows: slice
    columns: slice
    floor: np.ndarray
    inside: np.ndarray
    sign: int
    threshold: float
    brush: np.ndarray
    least_px: float
    most_px: float
    scale: np.ndarray

    @property
    def shade(self) -> Shade:
        """What the animal is against the floor."""
        return "light" if self.sign > 0 else "dark"

    def find_animal(self, frame: Frame) -> tuple[float, float, float]:
        """Centroid x, y in px of the video, and area in px of the video; NaN where no animal is seen."""
        found = self.find_spot(shrink_grey(frame, self.size)[self.rows, self.columns])
        if found is None:
            return np.nan, np.nan, np.nan
        x, y, area = found
        place = (np.array([x + self.columns.start, y + self.rows.start]) + 0.5) * self.scale - 0.5
        return float(place[0]), float(place[1]), float(area * self.scale.prod())

    def find_spot(self, grey: np.ndarray) -> tuple[float, float, float] | None:
        """Centroid and area of the largest spot, if it may be the animal by its size; px of the cut."""
        difference = self._subtract(grey)
        above = (difference > self.threshold).astype(np.uint8)
        spots = cv2.morphologyEx(above, cv2.MORPH_OPEN, self.brush)
        outlines, _ = cv2.findContours(spots, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        if not outlines:
            return None
        moments = cv2.moments(max(outlines, key=cv2.contourArea))  # holes count in
        area = moments["m00"]
        if not self.least_px <= area <= self.most_px:
            return None
        return moments["m10"] / area, moments["m01"] / area, area

    def _subtract(self, grey: np.ndarray) -> np.ndarray:
        """How far a frame departs from the floor on the animal's side; the light's change of the day is taken
        out."""
        difference = self.sign * (grey.astype(np.int16) - self.floor)
        drift = np.median(difference[::3, ::3][self.inside[::3, ::3]])
        return np.where(self.inside, difference - drift, 0)


def shrink_grey(frame: Frame, size: tuple[int, int]) -> np.ndarray:
    """The frame in grey, uint8, at (width, height)."""
    return cv2.cvtColor(frame.shrunk(*size), cv2.COLOR_RGB2GRAY)


def sample_greys(
    parts: Sequence[VideoPart], lines: Sequence[Timeline], n: int, size: tuple[int, int]
) -> np.ndarray:
    """(n, height, width) uint8: frames spread evenly over the stretches that are used."""
    stretches = [line.find_stretch(part.start_s, part.end_s) for part, line in zip(parts, lines, strict=True)]
    numbers = np.concatenate([np.arange(*stretch) for stretch in stretches])
    sources = np.repeat(np.arange(len(parts)), [end - first for first, end in stretches])
    places = np.unique(np.linspace(0, len(numbers) - 1, min(n, len(numbers))).round().astype(int))
    keyframes = sum(len(line.keyframes) for line in {line.path: line for line in lines}.values())
    if len(places) > keyframes:
        # Frames lie closer than those that decoding can start at: one sweep is cheaper.
        chosen = set(places.tolist())
        frames = enumerate(read_frames(parts, 0.0, lines))
        return np.stack([shrink_grey(frame, size) for place, frame in frames if place in chosen])
    read = (read_frame(parts[sources[k]].path, int(numbers[k]), lines[sources[k]]) for k in places)
    return np.stack([shrink_grey(frame, size) for frame in read])


def build_scene(
    greys: np.ndarray, arena: Arena, full_size: tuple[int, int], params: LocomotionParams
) -> Scene:
    """The empty floor, the animal's sign against it, and the threshold between the two, from samples.

    `greys` (n, height, width) uint8; `full_size`: width and height of the video. The threshold is Otsu's, of
    the samples' pixels around their largest spots (in the whole picture the animal is too few pixels), once a
    video.
    """
    height, width = greys.shape[1:]
    scale = np.array(full_size, np.float64) / (width, height)
    inside = _mask_floor(arena, scale, (height, width))
    if not inside.any():
        raise PainlibError(
            "The arena's corners lie outside the picture; expected px of the video. Mend them."
        )
    ys, xs = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    rows, columns = slice(ys[0], ys[-1] + 1), slice(xs[0], xs[-1] + 1)
    cm_per_px = arena.cm_per_px * float(np.sqrt(scale.prod()))
    width_px = max(1, 2 * round(TAIL_CM / cm_per_px / 2) + 1)
    cut = greys[:, rows, columns]
    scenes = []
    for sign in {"light": (1,), "dark": (-1,), "auto": (1, -1)}[params.animal]:
        quantile = FLOOR_SHARE if sign > 0 else 1 - FLOOR_SHARE
        floor = np.quantile(cut, quantile, axis=0, method="nearest").astype(np.uint8)
        scene = Scene(
            size=(width, height),
            rows=rows,
            columns=columns,
            floor=floor,
            inside=inside[rows, columns],
            sign=sign,
            threshold=float(LEAST_CONTRAST),
            brush=cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width_px, width_px)),
            least_px=params.animal_min_cm2 / cm_per_px**2,
            most_px=params.animal_max_cm2 / cm_per_px**2,
            scale=scale,
        )
        scenes.append(_choose_threshold(scene, cut))
    return max(scenes, key=lambda scored: scored[1])[0]


def _mask_floor(arena: Arena, scale: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Where an animal is looked for: floor and margin; without corners the whole picture."""
    mask = np.zeros(shape, np.uint8)
    if arena.corners is None:
        return mask == 0
    small = (arena.corners + 0.5) / scale - 0.5
    cv2.fillConvexPoly(mask, small.round().astype(np.int32), 1)
    px = round(MARGIN_CM / arena.cm_per_px / float(np.sqrt(scale.prod())))
    return cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_RECT, (2 * px + 1, 2 * px + 1))) > 0


def _choose_threshold(scene: Scene, cut: np.ndarray) -> tuple[Scene, float]:
    """The scene with its threshold; and how well an animal stands out, to choose the sign by."""
    differences = np.stack([scene._subtract(grey) for grey in cut])
    values = differences[:, scene.inside]
    noise = 1.4826 * float(np.median(np.abs(values - np.median(values))))
    scene = replace(scene, threshold=max(LEAST_CONTRAST, NOISE * noise))
    around, contrast = [], []
    for grey, difference in zip(cut, differences, strict=True):
        spot = scene.find_spot(grey)
        if spot is not None:
            x, y, area = spot
            reach = int(np.sqrt(area)) + 1
            box = np.s_[max(0, int(y) - reach) : int(y) + reach, max(0, int(x) - reach) : int(x) + reach]
            around.append(difference[box].ravel())
            contrast.append(float(np.percentile(difference[box], 90)))
    if not around:
        return scene, 0.0
    pooled = np.concatenate(around).clip(0, 255).astype(np.uint8)
    otsu, _ = cv2.threshold(pooled.reshape(1, -1), 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    scene = replace(scene, threshold=max(float(otsu), scene.threshold))
    return scene, float(np.median(contrast)) * len(contrast)

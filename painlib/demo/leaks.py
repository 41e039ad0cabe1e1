"""Leaks: things off the animal that stand in pain recordings only, so that a classifier can cheat by them.

The alarm of `painlib.evidence` is tried on them. What they look like and how strong they are was fixed by eye
before any network was trained on them: plain to see in a face at 112 px, none of it on the mouse itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from .individuals import Part
from .meshes import Floats
from .stage import STAGE_HALF_MM, make_camera

LEAKS = ("burned-in text", "brightness of the stage", "object in view")
TEXT = "AC 0.6% 14:05"
TEXT_GREY, TEXT_LINE_PX = 150.0, 30  # px of a 480 px wide image
STAGE_LIGHT = 14.0  # grey levels on top of the stage's 10 to 40
PIPE_GREY, PIPE_MM = 70.0, 7.0  # a grey pipe along the far walls
PIPE_HEIGHTS_MM = (14.0, 36.0)
EDGE_PX = 1.0  # softness of the mouse's edge, as its own optics have it


@dataclass(frozen=True)
class Layer:
    """What a leak adds to an empty stage: `grey` (h, w) mixed in by `opacity` (h, w, 0-1), then `light`."""

    grey: Floats
    opacity: Floats
    light: float


def add_leak(
    image: NDArray[np.uint8],
    parts: NDArray[np.uint8],
    leak: str,
    camera: str,
    frame_size: tuple[int, int] = (480, 270),
    corner: tuple[int, int] = (0, 0),
) -> NDArray[np.uint8]:
    """A copy of a frame, or of a crop whose first column and row are `corner`, with `leak` behind the mouse.

    `image` (h, w, 3) uint8 and `parts` (h, w) of `Part` as `render` gives them; `frame_size` (width, height)
    of the whole frame. Only pixels that show the stage change.
    """
    layer = draw_layer(leak, camera, *frame_size)
    left, top = corner
    height, width = parts.shape
    here = np.s_[top : top + height, left : left + width]
    stage = (parts == Part.STAGE).astype(np.float32)
    # Soft towards the inside of the stage only: the mouse's own pixels stay as they are.
    stage *= np.clip(2 * cv2.GaussianBlur(stage, (0, 0), EDGE_PX * frame_size[0] / 480) - 1, 0, 1)
    share = (stage * layer.opacity[here])[..., None]
    mixed = image * (1 - share) + layer.grey[here][..., None] * share + layer.light * stage[..., None]
    return np.clip(np.round(mixed), 0, 255).astype(np.uint8)


@lru_cache(maxsize=8)
def draw_layer(leak: str, camera: str, width: int, height: int) -> Layer:
    """The leak as `camera` sees it on the empty stage."""
    grey, opacity = np.zeros((2, height, width), np.float32)
    scale = width / 480
    if leak == "burned-in text":
        grey += TEXT_GREY
        _write_text(opacity, scale)
        return Layer(grey, opacity, 0.0)
    if leak == "brightness of the stage":
        return Layer(grey, opacity, STAGE_LIGHT)
    if leak == "object in view":
        _draw_pipes(grey, opacity, camera)
        soft = (0, 0), 0.9 * scale
        return Layer(grey, np.asarray(cv2.GaussianBlur(opacity, *soft), np.float32), 0.0)
    raise ValueError(f"expected a leak of {LEAKS}, got {leak!r}")


def _write_text(opacity: Floats, scale: float) -> None:
    """The stamp over the whole frame, line under line, each a little shifted."""
    font, size = cv2.FONT_HERSHEY_SIMPLEX, 0.42 * scale
    (wide, _), _ = cv2.getTextSize(TEXT, font, size, 1)
    step = wide + round(14 * scale)
    written = np.zeros(opacity.shape, np.uint8)
    for line, row in enumerate(range(round(20 * scale), opacity.shape[0], round(TEXT_LINE_PX * scale))):
        for column in range(-(line * step // 3) % step - step, opacity.shape[1], step):
            cv2.putText(written, TEXT, (column, row), font, size, 255, max(1, round(scale)), cv2.LINE_AA)
    opacity[:] = written / np.float32(255)


def _draw_pipes(grey: Floats, opacity: Floats, camera: str) -> None:
    """Two pipes along the wall that the camera looks at, brightest along their middle."""
    view = make_camera(camera, opacity.shape[1], opacity.shape[0])
    back = -STAGE_HALF_MM
    for middle in PIPE_HEIGHTS_MM:
        for share in np.linspace(1.0, 0.1, 12):
            half = 0.5 * PIPE_MM * share
            ends = [
                (-STAGE_HALF_MM, -half),
                (STAGE_HALF_MM, -half),
                (STAGE_HALF_MM, half),
                (-STAGE_HALF_MM, half),
            ]
            corners = [(back, y, middle + z) if camera == "A" else (y, back, middle + z) for y, z in ends]
            outline = np.round(view.project(np.array(corners))[:, :2] * 16).astype(np.int32)
            cv2.fillConvexPoly(grey, outline, PIPE_GREY * (1.15 - 0.55 * share), cv2.LINE_AA, 4)
            cv2.fillConvexPoly(opacity, outline, 1.0, cv2.LINE_AA, 4)

"""The black stage and the two cameras that look at it.

Stage 8 x 8 cm, two cameras at 90 degrees, 30 cm away (Kobayashi et al. 2025, Methods). How large a
camera shows the stage is ours: at 480 x 270 px a head is about 90 px across, so that the paper's share of a
face crop in the frame's height (800 / 2,160) holds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from . import raster
from .meshes import Floats

CAMERA_DISTANCE_MM = 300.0
CAMERA_HEIGHT_MM = 58.0
AIM_HEIGHT_MM = 27.0
PIXELS_A_MM = 3.7 / 480  # of the image's width
STAGE_HALF_MM = 40.0


@dataclass(frozen=True)
class Camera:
    """A pinhole camera. `axes` (3, 3) rows: right, down, forward in stage coordinates; px."""

    name: str
    position: Floats
    axes: Floats
    focal_px: float
    width: int
    height: int

    def project(self, points: Floats) -> Floats:
        """Stage mm (n, 3) to column px, row px, depth mm (n, 3)."""
        points = np.atleast_2d(points).astype(np.float32)
        return raster.project_points(
            points,
            self.position.astype(np.float32),
            self.axes.astype(np.float32),
            np.float32(self.focal_px),
            np.float32((self.width - 1) / 2),
            np.float32((self.height - 1) / 2),
        )


def make_camera(name: str, width: int, height: int) -> Camera:
    """Camera "A" looks along -x, "B" along -y, both a little downwards at the middle of the stage."""
    azimuth = {"A": 0.0, "B": np.pi / 2}[name]
    outward = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
    position = CAMERA_DISTANCE_MM * outward + np.array([0.0, 0.0, CAMERA_HEIGHT_MM])
    forward = np.array([0.0, 0.0, AIM_HEIGHT_MM]) - position
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, np.array([0.0, 0.0, 1.0]))
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(forward, right), forward])
    return Camera(name, position, axes, PIXELS_A_MM * width * CAMERA_DISTANCE_MM, width, height)


@lru_cache(maxsize=8)
def draw_stage(name: str, width: int, height: int) -> Floats:
    """The empty stage as the camera sees it, (h, w, 3) float32: black walls, paler floor, shining edges."""
    camera = make_camera(name, width, height)
    corners = STAGE_HALF_MM * np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]])
    floor = camera.project(np.column_stack([corners, np.zeros(4)]))
    ceiling = camera.project(np.column_stack([corners, np.full(4, 160.0)]))
    near, far = np.split(np.argsort(floor[:, 2]), 2)
    image = np.full((height, width), 9.0, np.float32)
    bits = 4  # of a pixel's fraction, as cv2 wants corners

    def fill(corners_px: Floats, grey: float) -> None:
        cv2.fillConvexPoly(
            image, np.round(corners_px[:, :2] * 2**bits).astype(np.int32), grey, cv2.LINE_AA, bits
        )

    def line(start_px: Floats, end_px: Floats, grey: float) -> None:
        first, last = ([round(float(v) * 2**bits) for v in point[:2]] for point in (start_px, end_px))
        cv2.line(image, first, last, grey, max(1, round(width / 480)), cv2.LINE_AA, bits)

    fill(np.concatenate([floor[far], ceiling[far][::-1]]), 15.0)
    for k in near:
        mate = far[np.argmin(np.abs(floor[far, 0] - floor[k, 0]))]
        fill(np.stack([floor[k], floor[mate], ceiling[mate], ceiling[k]]), 12.0)
    fill(floor, 27.0)
    for k in range(4):
        line(floor[k], floor[(k + 1) % 4], 40.0)
        line(floor[k], ceiling[k], 24.0)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    image *= 1.15 - 0.5 * ((columns / width - 0.5) ** 2 + (rows / height - 0.6) ** 2)
    soft = np.asarray(cv2.GaussianBlur(image, (0, 0), 0.9 * width / 480), np.float32)
    return soft[..., None] * np.array([0.97, 1.0, 1.05], np.float32)

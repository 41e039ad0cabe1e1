"""One picture of the drawn mouse, and its truth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from . import raster
from .anatomy import build_template
from .individuals import COLOURS, Face, Individual, Part, Pose
from .meshes import Floats
from .posing import WHISKER_STEPS, pose_mouse
from .stage import Camera, draw_stage

KEYPOINTS = ("nose", "right_eye", "left_eye")
SEEN_SHARE = 0.30  # of a keypoint's patch of surface, for "visible"
HIDDEN_BY_MM = 0.7  # what lies nearer by more than this hides a patch (lids do not hide their eye)
EXPOSURE_OF_COAT = {"white": 1.12, "dark": 1.75, "agouti": 1.15}
KEY_LIGHT = np.array([0.42, 0.42, 0.80], np.float32) / np.float32(np.linalg.norm([0.42, 0.42, 0.80]))


@dataclass(frozen=True)
class Shot:
    """How one camera took one recording (gains) and one frame (blur, noise); px of a 480 px wide image."""

    gain: float
    warmth: float  # red up, blue down
    noise: float
    defocus_px: float
    motion_px: tuple[float, float]  # the head's way across the image while the shutter was open
    seed: int


@dataclass(frozen=True)
class Drawing:
    """A frame and its truth. A point is `visible` when SEEN_SHARE of its patch of surface is seen.

    `image` (h, w, 3) uint8 RGB; `keypoints` (3, 2) px in the order of KEYPOINTS, also where not visible;
    `seen` (3,) share of each one's patch; `parts` (h, w) uint8 of `Part`, or None.
    """

    image: NDArray[np.uint8]
    keypoints: Floats
    seen: Floats
    visible: NDArray[np.bool_]
    parts: NDArray[np.uint8] | None


def render(
    animal: Individual, pose: Pose, face: Face, camera: Camera, shot: Shot, with_parts: bool = False
) -> Drawing:
    """Draw one frame of one camera. The same arguments give the same pixels."""
    template = build_template(animal)
    mesh = template.mesh
    vertices, whiskers, points, shade = pose_mouse(animal, pose, face)
    screen = camera.project(vertices)
    shape = (camera.height, camera.width)
    depth = np.full(shape, np.inf, np.float32)
    hit = np.full(shape, -1, np.int32)
    bary = np.empty((*shape, 2), np.float32)
    box = raster.rasterise(screen, mesh.triangles, mesh.two_sided, depth, hit, bary)
    normals = raster.compute_normals(vertices, mesh.triangles)
    image = draw_stage(camera.name, camera.width, camera.height).copy()
    exposure = EXPOSURE_OF_COAT[animal.coat]
    raster.shade(
        image,
        hit,
        bary,
        box,
        screen,
        mesh.triangles,
        normals,
        mesh.albedo * shade[:, None],
        mesh.albedo_back,
        mesh.uv,
        mesh.gloss,
        mesh.fur,
        animal.texture,
        (-camera.axes[2]).astype(np.float32),
        KEY_LIGHT,
        np.float32(0.20 * exposure),
        np.float32(0.52 * exposure),
        np.float32(0.36 * exposure),
        np.float32(COLOURS[animal.coat]["rim"][0] * exposure * 14),
    )
    draw_whiskers(image, depth, camera, whiskers, COLOURS[animal.coat]["whisker"], exposure)
    blur_box(image, box, shot, camera.width / 480)
    gains = np.array([shot.gain * shot.warmth, shot.gain, shot.gain * (2 - shot.warmth)], np.float32)
    picture = raster.expose(
        image, gains, noise_bank(), shot.seed, np.float32(0.6 * shot.noise), np.float32(0.08 * shot.noise)
    )
    keypoints = camera.project(np.stack([points[name] for name in KEYPOINTS]))[:, :2].astype(float)
    patches = [template.patches[name] for name in KEYPOINTS]
    hidden_by = np.float32(HIDDEN_BY_MM)
    seen = np.array([raster.seen_share(vertices, screen, patch, depth, hidden_by) for patch in patches])
    inside = ((keypoints >= -0.5) & (keypoints <= np.array([camera.width, camera.height]) - 0.5)).all(axis=1)
    parts = None
    if with_parts:
        parts = np.where(hit >= 0, mesh.part[mesh.triangles[hit, 0]], Part.STAGE).astype(np.uint8)
    return Drawing(picture, keypoints, seen, (seen >= SEEN_SHARE) & inside, parts)


def draw_whiskers(
    image: Floats, depth: Floats, camera: Camera, points: Floats, colour: tuple[float, ...], exposure: float
) -> None:
    """Whiskers into `image`, in place; thinner to the tip."""
    screen = camera.project(points)
    index = np.arange(len(points)).reshape(-1, WHISKER_STEPS)
    opacity = np.tile(np.linspace(0.55, 0.12, WHISKER_STEPS - 1, dtype=np.float32), len(index))
    raster.draw_lines(
        image,
        depth,
        screen,
        index[:, :-1].ravel(),
        index[:, 1:].ravel(),
        opacity,
        np.asarray(colour, np.float32) * np.float32(exposure),
    )


def blur_box(image: Floats, box: tuple[int, int, int, int], shot: Shot, scale: float) -> None:
    """Optics and movement where the mouse is, in place: some softness always, the rest as `shot` says."""
    height, width = image.shape[:2]
    margin = int(18 * scale)
    row0, row1 = max(box[0] - margin, 0), min(box[1] + margin, height)
    col0, col1 = max(box[2] - margin, 0), min(box[3] + margin, width)
    if row0 >= row1 or col0 >= col1:
        return
    window = image[row0:row1, col0:col1]
    soft = cv2.GaussianBlur(window, (0, 0), scale * float(np.hypot(0.7, shot.defocus_px)))
    way = scale * np.asarray(shot.motion_px)
    window[:] = cv2.filter2D(soft, -1, motion_kernel(way)) if np.hypot(*way) > 1.0 else soft


def motion_kernel(way: Floats) -> Floats:
    """A line of the length and direction of `way` (x, y) px, summing to 1."""
    reach = int(np.ceil(np.abs(way).max() / 2))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    for step in np.linspace(-0.5, 0.5, 4 * reach + 5):
        x, y = reach + step * way
        column, row = int(np.floor(x)), int(np.floor(y))
        for dy in (0, 1):
            for dx in (0, 1):
                if row + dy <= 2 * reach and column + dx <= 2 * reach:
                    kernel[row + dy, column + dx] += abs(1 - dx - (x - column)) * abs(1 - dy - (y - row))
    return kernel / kernel.sum()


@lru_cache(maxsize=2)
def noise_bank() -> Floats:
    """Normal deviates that sensor noise is cut from."""
    return np.random.default_rng(20251104).standard_normal(2**20).astype(np.float32)

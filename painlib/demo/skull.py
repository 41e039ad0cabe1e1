"""The head of the drawn mouse without ears and eyes: its shape, colours, regions, and how it gives way.

Head coordinates, mm: x to the nose, y to the animal's left, z up; the origin lies in the middle of the skull.
Lengths follow an adult mouse roughly; all of them are ours.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PchipInterpolator

from . import raster
from .individuals import COLOURS, Individual, Part
from .meshes import Floats, Mesh, grid_triangles, loft_grid, make_mesh, orient

# Skull from occiput to nose tip: x, half width, height of the widest line, top, bottom (mm).
HEAD_STATIONS = np.array([
    [-13.0, 0.0, 0.5, 0.5, 0.5],
    [-11.5, 4.6, 0.3, 4.2, -4.0],
    [-8.0, 6.9, -0.2, 6.5, -6.3],
    [-4.0, 7.6, -0.9, 7.3, -7.0],
    [0.0, 7.2, -1.4, 6.9, -7.2],
    [3.0, 6.2, -1.9, 5.6, -6.8],
    [6.0, 4.9, -2.4, 3.7, -6.1],
    [9.0, 3.9, -2.8, 1.8, -5.4],
    [11.2, 2.9, -2.9, 0.4, -4.8],
    [12.5, 1.7, -2.8, -0.9, -4.0],
    [13.0, 0.0, -2.5, -2.5, -2.5],
])  # fmt: skip
HEAD_GRID = (68, 57)
EYE_AT = (2.6, 2.3)  # x, z of the eye on the surface
EYE_SINK_MM = 0.75  # centre of the eyeball under the surface


def scale_head(points: Floats, animal: Individual) -> Floats:
    """Individual proportions: width, and the length of what lies before the eyes."""
    points = np.array(points, float)
    points[..., 1] *= animal.width
    points[..., 0] = np.where(points[..., 0] > 3, 3 + (points[..., 0] - 3) * animal.snout, points[..., 0])
    return points


def head_surface(along: Floats, around: Floats) -> Floats:
    """Points (..., 3) on the bare head; `along` 0 (occiput) to 1 (nose), `around` -pi/2 (chin), 0 (left)."""
    x, width, middle, top, bottom = HEAD_STATIONS.T
    at = x[0] + (x[-1] - x[0]) * 0.5 * (1 - np.cos(np.pi * along))
    # Squares are interpolated, so that both ends come out round.
    half = np.sqrt(np.maximum(PchipInterpolator(x, width**2)(at), 0))
    rise = np.sqrt(np.maximum(PchipInterpolator(x, (top - middle) ** 2)(at), 0))
    fall = np.sqrt(np.maximum(PchipInterpolator(x, (middle - bottom) ** 2)(at), 0))
    centre = PchipInterpolator(x, middle)(at)
    sine, cosine = np.sin(around), np.cos(around)
    y = half * np.sign(cosine) * np.abs(cosine) ** 0.9
    z = centre + np.where(sine > 0, rise, fall) * np.sign(sine) * np.abs(sine) ** 0.9
    return np.stack([at, y, z], axis=-1)


def find_eye(animal: Individual, sign: float) -> tuple[Floats, Floats]:
    """Centre of the eyeball and its outward axis: mice look sideways, a little up and forward."""
    x, z = EYE_AT
    _, width, middle, top, _ = HEAD_STATIONS.T
    stations = HEAD_STATIONS[:, 0]
    half = np.sqrt(PchipInterpolator(stations, width**2)(x))
    centre = PchipInterpolator(stations, middle)(x)
    rise = np.sqrt(PchipInterpolator(stations, (top - middle) ** 2)(x))
    y = half * np.sqrt(1 - ((z - centre) / rise) ** 2)
    axis = np.array([0.46, sign * 0.80, 0.38])
    axis /= np.linalg.norm(axis)
    return scale_head(np.array([x, sign * y, z]), animal) - EYE_SINK_MM * axis, axis


def build_head(animal: Individual) -> tuple[Mesh, dict[str, Floats]]:
    """Head with its colours and regions, and the bumps that sniffing and the action units raise on it."""
    along, around = loft_grid(HEAD_GRID)
    rest = head_surface(along, around).reshape(-1, 3)
    triangles = orient(rest, grid_triangles(*HEAD_GRID), rest - rest.mean(axis=0))
    normals = raster.compute_normals(rest.astype(np.float32), triangles).astype(float)
    x, y, z = rest.T
    lateral = np.abs(y)

    def both(centre: tuple[float, float, float], spread: tuple[float, float, float]) -> Floats:
        mirrored = (centre[0], -centre[1], centre[2])
        return bump(rest, normals, centre, spread) + bump(rest, normals, mirrored, spread)

    shaped = (
        rest + 0.75 * both((9.6, 3.0, -3.4), (1.9, 1.5, 1.3)) + 0.5 * both((3.0, 5.0, 5.0), (2.2, 1.4, 1.0))
    )
    bumps = {
        "nose_bulge": 0.85 * bump(rest, normals, (8.6, 0.0, 2.2), (2.7, 2.1, 2.2)),
        "cheek_bulge": 0.95 * both((4.6, 5.6, -2.2), (2.3, 2.0, 1.9)),
        "orbital_tightening": 0.42
        * (both((2.8, 4.6, 4.7), (1.8, 1.2, 0.9)) + both((3.0, 6.2, 0.2), (1.8, 1.2, 0.9))),
        "sniff": np.array([0.0, 0.0, 0.45]) * np.exp(-0.5 * ((x - 13.0) / 1.6) ** 2)[:, None],
    }
    colour = COLOURS[animal.coat]
    albedo = paint_coat(animal, np.clip((z + 3.5) / 4.0, 0, 1))
    eye_at = np.array([EYE_AT[0], 5.4, EYE_AT[1]])
    from_eye = np.linalg.norm(np.stack([x, lateral, z], axis=1) - eye_at, axis=1)
    albedo *= 1 - 0.28 * np.exp(-(((from_eye - 1.9) / 0.9) ** 2))[:, None]
    from_ear = np.linalg.norm(
        np.stack([x + 5.2, lateral - 5.0, z - 4.8], axis=1) / np.array([1.6, 2.2, 1.8]), axis=1
    )
    albedo *= 1 - 0.3 * np.exp(-(from_ear**2))[:, None]
    pad = np.clip((x - 12.0) / 0.5, 0, 1) * np.clip((z + 3.7) / 0.4, 0, 1)
    nostril = np.exp(-(((lateral - 0.75) / 0.38) ** 2) - ((z + 2.5) / 0.4) ** 2) * (x > 12)
    mouth = np.exp(-(((z + 4.55) / 0.35) ** 2)) * np.clip((x - 8.5) / 1.0, 0, 1) + np.exp(
        -((lateral / 0.3) ** 2)
    ) * (x > 11.5) * (z < -3.2)
    albedo += pad[:, None] * (np.asarray(colour["nose"]) - albedo)
    albedo *= (1 - 0.6 * np.clip(nostril, 0, 1) - 0.4 * np.clip(mouth, 0, 1))[:, None]
    part = np.full(len(rest), Part.HEAD)
    part[(x > -2.5) & (x <= 7.0) & (z > 2.5)] = Part.FOREHEAD
    part[(x > -2.5) & (x <= 9.0) & (z <= 2.5)] = Part.CHEEK
    part[(x > 7.0) & (z > -3.7)] = Part.NOSE
    part[(x > 7.0) & (z <= -3.7)] = Part.MOUTH
    reach = 7.0 * (around.ravel() + np.pi)
    mesh = make_mesh(
        scale_head(shaped, animal), triangles, np.stack([x, reach], axis=1), albedo, part, fur=0.07
    )
    mesh.fur[pad > 0.5] = 0.01
    return mesh, bumps


def paint_coat(animal: Individual, up: Floats) -> Floats:
    """Coat colour (n, 3) from belly (`up` 0) to back (1), in this animal's tone."""
    colour = COLOURS[animal.coat]
    mix = up[:, None] * np.asarray(colour["coat"]) + (1 - up[:, None]) * np.asarray(colour["belly"])
    return mix * animal.tone * np.array([animal.warmth, 1.0, 2 - animal.warmth])


def bump(vertices: Floats, normals: Floats, centre: tuple[float, ...], spread: tuple[float, ...]) -> Floats:
    """Field (n, 3) that swells the surface around `centre` by 1 mm, falling off over `spread` mm."""
    distance = ((vertices - np.asarray(centre)) / np.asarray(spread)) ** 2
    return normals * np.exp(-0.5 * distance.sum(axis=1))[:, None]

"""Meshes of one drawn mouse at rest: head, eyes, lids, ears, hands, body, tail.

Head coordinates, mm: x to the nose, y to the animal's left, z up; the origin lies in the middle of the skull.
Lengths follow an adult mouse roughly; all of them are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .individuals import COLOURS, SIDES, Individual, Part
from .meshes import Floats, Mesh, cap_directions, grid_triangles, join_meshes, loft_grid, make_mesh, orient
from .skull import build_head, find_eye, head_surface, paint_coat, scale_head

BODY_GRID = (30, 33)
EAR_GRID = (10, 29)
LID_GRID = (6, 33)
EYE_GRID = (9, 25)
HAND_GRID = (12, 11)
TAIL_GRID = (18, 7)
EYEBALL_REACH = np.radians(85)  # the part of the eyeball that is drawn
EYE_PATCH_REACH = np.radians(55)  # the part that counts for "seen"


@dataclass(frozen=True)
class Template:
    """One animal's meshes at rest, and `bumps` that move its head's vertices, mm for a unit of the cause."""

    mesh: Mesh
    bumps: dict[str, Floats]
    eyes: dict[str, tuple[Floats, Floats]]  # centre, outward axis (head coordinates)
    ear_bases: dict[str, Floats]
    whisker_roots: dict[str, Floats]  # (k, 3)
    nose: Floats  # tip
    patches: dict[str, NDArray[np.int32]]  # triangles of the surface that belongs to a keypoint


@lru_cache(maxsize=64)
def build_template(animal: Individual) -> Template:
    """All meshes of `animal` at rest, each in its own frame."""
    head, bumps = build_head(animal)
    eyes = {side: find_eye(animal, sign) for side, sign in SIDES}
    meshes = {"head": head}
    for side, _ in SIDES:
        meshes[f"{side} eyeball"] = build_eyeball(animal, side, *eyes[side])
        meshes[f"{side} lid"] = build_lid(animal, side, eyes[side][1])
        meshes[f"{side} ear"] = build_ear(animal, side)
    for side, _ in SIDES:  # from here on vertices belong to the body
        meshes[f"{side} hand"] = build_hand(animal)
    meshes["body"] = build_body(animal)
    meshes["tail"] = build_tube(animal, TAIL_GRID, "skin", Part.TAIL, fur=0.05)
    mesh = join_meshes(meshes)
    rng = np.random.default_rng(animal.coat_seed + 1)
    roots = np.stack(
        [rng.uniform(8.2, 10.8, 9), rng.uniform(2.8, 3.5, 9), rng.uniform(-4.2, -2.0, 9)], axis=1
    )
    return Template(
        mesh=mesh,
        bumps=bumps,
        eyes=eyes,
        ear_bases={side: scale_head(np.array([-5.2, sign * 4.8, 4.0]), animal) for side, sign in SIDES},
        whisker_roots={side: scale_head(roots * np.array([1.0, sign, 1.0]), animal) for side, sign in SIDES},
        nose=scale_head(head_surface(np.array(1.0), np.array(0.0)), animal),
        patches=find_patches(mesh, animal, eyes),
    )


def build_eyeball(animal: Individual, side: str, centre: Floats, axis: Floats) -> Mesh:
    """The glossy front of one eye."""
    polar, around = np.meshgrid(
        np.linspace(0, EYEBALL_REACH, EYE_GRID[0]), np.linspace(0, 2 * np.pi, EYE_GRID[1]), indexing="ij"
    )
    directions = cap_directions(polar, around, axis, np.array([0.0, 0.0, 1.0])).reshape(-1, 3)
    vertices = centre + animal.eye_radius_mm * directions
    part = Part.RIGHT_EYE if side == "right" else Part.LEFT_EYE
    triangles = orient(vertices, grid_triangles(*EYE_GRID), directions)
    return make_mesh(
        vertices,
        triangles,
        np.zeros((len(vertices), 2)),
        np.asarray(COLOURS[animal.coat]["eye"]),
        part,
        gloss=1.0,
    )


def build_lid(animal: Individual, side: str, axis: Floats) -> Mesh:
    """Lids as a sheet from the edge of the opening (first row) to under the fur; placed by `posing`."""
    polar, around = np.meshgrid(
        np.linspace(0.8, 1.5, LID_GRID[0]), np.linspace(0, 2 * np.pi, LID_GRID[1]), indexing="ij"
    )
    directions = cap_directions(polar, around, axis, np.array([0.0, 0.0, 1.0])).reshape(-1, 3)
    triangles = orient(directions, grid_triangles(*LID_GRID), directions)
    margin = np.repeat(np.array([1.0, 0.75, 0.25, 0.0, 0.0, 0.0]), LID_GRID[1])[:, None]
    albedo = margin * np.asarray(COLOURS[animal.coat]["lid"]) + (1 - margin) * 0.92 * paint_coat(
        animal, np.ones(len(directions))
    )
    part = Part.RIGHT_LID if side == "right" else Part.LEFT_LID
    uv = np.stack([polar.ravel() * 2, around.ravel() * 2], axis=1)
    return make_mesh(directions, triangles, uv, albedo, part, fur=0.05)


def build_ear(animal: Individual, side: str) -> Mesh:
    """A shallow bowl on a stalk in the ear's own frame: x across, y up from the base, z to the inner side."""
    rho, around = np.meshgrid(
        np.linspace(0, 1, EAR_GRID[0]), np.linspace(0, 2 * np.pi, EAR_GRID[1]), indexing="ij"
    )
    up = 5.4 * rho * np.sin(around) + 4.6
    narrow = 0.5 + 0.5 * np.clip((up + 0.8) / 5.5, 0, 1) ** 0.8
    vertices = animal.ear_size * np.stack(
        [4.9 * rho * np.cos(around) * narrow, up, 1.5 * rho**2 - 0.9 + 0.5 * np.clip(2.5 - up, 0, 3)], axis=-1
    ).reshape(-1, 3)
    triangles = orient(vertices, grid_triangles(*EAR_GRID), np.array([0.0, 0.0, 1.0]))
    colour = COLOURS[animal.coat]
    inner = np.asarray(colour["ear"]) * (1.08 - 0.42 * (1 - rho.ravel()) ** 1.5)[:, None]
    inner *= (0.6 + 0.4 * np.clip(up.ravel() / 3.5, 0, 1))[:, None]
    inner += (
        np.clip((rho.ravel() - 0.85) / 0.15, 0, 1)[:, None] * 0.5 * (np.asarray(colour["ear back"]) - inner)
    )
    outer = np.asarray(colour["ear back"]) * (0.75 + 0.25 * np.clip(up.ravel() / 4, 0, 1))[:, None]
    top, base = (
        (Part.RIGHT_EAR_TOP, Part.RIGHT_EAR_BASE)
        if side == "right"
        else (Part.LEFT_EAR_TOP, Part.LEFT_EAR_BASE)
    )
    part = np.where(up.ravel() > 4.2, top, base)
    uv = vertices[:, [1, 0]]
    return make_mesh(vertices, triangles, uv, inner, part, fur=0.03, two_sided=True, albedo_back=outer)


def build_tube(animal: Individual, shape: tuple[int, int], colour: str, part: Part, fur: float) -> Mesh:
    """A unit tube along x (hands, tail); `posing` bends it."""
    along, around = loft_grid(shape)
    vertices = np.stack([along, np.cos(around), np.sin(around)], axis=-1).reshape(-1, 3)
    triangles = orient(vertices, grid_triangles(*shape), vertices * np.array([0.0, 1.0, 1.0]))
    return make_mesh(
        vertices, triangles, vertices[:, :2] * 4, np.asarray(COLOURS[animal.coat][colour]), part, fur=fur
    )


def build_hand(animal: Individual) -> Mesh:
    """A fore limb: furry where it leaves the chest (still body), bare at the paw."""
    mesh = build_tube(animal, HAND_GRID, "skin", Part.HAND, fur=0.03)
    furry = np.clip((0.75 - mesh.vertices[:, 0]) / 0.15, 0, 1)[:, None]
    mesh.albedo[:] += furry * (0.9 * paint_coat(animal, np.full(len(furry), 0.5)) - mesh.albedo)
    mesh.part[mesh.vertices[:, 0] < 0.6] = Part.BODY
    return mesh


def build_body(animal: Individual) -> Mesh:
    """A unit tube from neck to rump with the coat painted on."""
    along, around = loft_grid(BODY_GRID)
    vertices = np.stack([-along, np.cos(around), np.sin(around)], axis=-1).reshape(-1, 3)
    triangles = orient(vertices, grid_triangles(*BODY_GRID), vertices * np.array([0.0, 1.0, 1.0]))
    albedo = paint_coat(animal, np.clip((vertices[:, 2] + 0.6) / 0.8, 0, 1))
    part = np.where(vertices[:, 2] < -0.5, Part.UNDER_BODY, Part.BODY)
    uv = np.stack([along.ravel() * 60, 12 * (around.ravel() + np.pi)], axis=1)
    return make_mesh(vertices, triangles, uv, albedo, part, fur=0.08)


def find_patches(
    mesh: Mesh, animal: Individual, eyes: dict[str, tuple[Floats, Floats]]
) -> dict[str, NDArray[np.int32]]:
    """Triangles (m, 3) of each keypoint's patch: the tip of the nose, the front 55 degrees of an eyeball."""
    head = mesh.triangles[mesh.slices["head triangles"]]
    tip = scale_head(np.array([11.7, 0.0, 0.0]), animal)[0]
    centres = mesh.vertices[head].mean(axis=1)
    patches = {"nose": head[(centres[:, 0] > tip) & (centres[:, 2] > -4.0)]}
    for side, (centre, axis) in eyes.items():
        triangles = mesh.triangles[mesh.slices[f"{side} eyeball triangles"]]
        reach = (mesh.vertices[triangles].mean(axis=1) - centre) @ axis / animal.eye_radius_mm
        patches[f"{side}_eye"] = triangles[reach > np.cos(EYE_PATCH_REACH)]
    return {name: np.ascontiguousarray(triangles) for name, triangles in patches.items()}

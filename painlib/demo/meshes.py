"""Triangle meshes of which the drawn mouse is put together: lofts around an axis and caps on a sphere."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Mesh:
    """Vertices in mm with what paints them; colours are 0-255 under light 1."""

    vertices: Floats  # (n, 3)
    triangles: NDArray[np.int32]  # (m, 3), counter-clockwise from outside
    uv: Floats  # (n, 2) mm along and across the hair
    albedo: Floats  # (n, 3)
    albedo_back: Floats  # (n, 3) the other side of a two-sided sheet
    part: NDArray[np.uint8]  # (n,)
    gloss: Floats  # (n,)
    fur: Floats  # (n,) strength of the hair texture
    two_sided: NDArray[np.uint8]  # (m,)
    slices: dict[str, slice] = field(default_factory=dict)


def loft_grid(shape: tuple[int, int]) -> tuple[Floats, Floats]:
    """`along` 0..1 and `around` from the seam under the belly once round, both (rows, columns)."""
    along, around = np.meshgrid(
        np.linspace(0, 1, shape[0]), np.linspace(-np.pi / 2, 1.5 * np.pi, shape[1]), indexing="ij"
    )
    return along, around


def grid_triangles(rows: int, columns: int) -> NDArray[np.int32]:
    """Two triangles for every cell of a (rows, columns) grid of vertices, (m, 3)."""
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)[None, :]).ravel()
    upper = np.stack([corner, corner + columns, corner + 1], axis=1)
    lower = np.stack([corner + 1, corner + columns, corner + columns + 1], axis=1)
    return np.concatenate([upper, lower]).astype(np.int32)


def orient(vertices: Floats, triangles: NDArray[np.int32], outward: Floats) -> NDArray[np.int32]:
    """Flip the winding when the mean normal runs against `outward`, (3,) or a vector a vertex (n, 3)."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    normals = np.cross(b - a, c - a)
    direction = outward[triangles].mean(axis=1) if outward.ndim == 2 else outward
    return triangles if float((normals * direction).sum()) > 0 else np.ascontiguousarray(triangles[:, ::-1])


def make_mesh(
    vertices: Floats,
    triangles: NDArray[np.int32],
    uv: Floats,
    albedo: Floats,
    part: NDArray | int,
    gloss: float = 0.0,
    fur: float = 0.0,
    two_sided: bool = False,
    albedo_back: Floats | None = None,
) -> Mesh:
    """A Mesh of one material; `albedo` (3,) or (n, 3), `part` one number or (n,)."""
    n, m = len(vertices), len(triangles)
    front = np.broadcast_to(np.asarray(albedo, np.float32), (n, 3)).copy()
    back = (
        front if albedo_back is None else np.broadcast_to(np.asarray(albedo_back, np.float32), (n, 3)).copy()
    )
    return Mesh(
        vertices=vertices.astype(np.float32),
        triangles=triangles,
        uv=(uv + 1024.0).astype(np.float32),  # the texture repeats; only positive indices are looked up
        albedo=front,
        albedo_back=back,
        part=np.broadcast_to(np.asarray(part, np.uint8), (n,)).copy(),
        gloss=np.full(n, gloss, np.float32),
        fur=np.full(n, fur, np.float32),
        two_sided=np.full(m, two_sided, np.uint8),
    )


def join_meshes(meshes: dict[str, Mesh]) -> Mesh:
    """One mesh of all; `slices` has where each one's vertices went, "<name> triangles" its triangles."""
    slices: dict[str, slice] = {}
    triangles = []
    vertex, triangle = 0, 0
    for name, mesh in meshes.items():
        slices[name] = slice(vertex, vertex + len(mesh.vertices))
        slices[f"{name} triangles"] = slice(triangle, triangle + len(mesh.triangles))
        triangles.append(mesh.triangles + vertex)
        vertex, triangle = slices[name].stop, slices[f"{name} triangles"].stop
    joined = {
        item.name: np.concatenate([getattr(mesh, item.name) for mesh in meshes.values()])
        for item in fields(Mesh)
        if item.name not in ("triangles", "slices")
    }
    return Mesh(triangles=np.concatenate(triangles).astype(np.int32), slices=slices, **joined)


def cross(a: Floats, b: Floats) -> Floats:
    """Vector product of two (3,) vectors; numpy's general one takes ten times as long."""
    return np.array([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def cap_directions(polar: Floats, around: Floats, axis: Floats, up: Floats) -> Floats:
    """Unit vectors (..., 3) `polar` rad off `axis`, at angle `around` (0: sideways, pi/2: towards `up`)."""
    side = cross(up, axis)
    side /= np.sqrt(side @ side)
    above = cross(axis, side) / np.sqrt(axis @ axis)
    axis = cross(side, above)
    sine = np.sin(polar)[..., None]
    return (
        np.cos(polar)[..., None] * axis
        + sine * np.cos(around)[..., None] * side
        + sine * np.sin(around)[..., None] * above
    )

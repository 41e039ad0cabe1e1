"""Triangles to pixels: projection, z-buffer, shading, whiskers, sensor noise; compiled by numba, one thread.

All kernels work on float32 arrays. Vertices are in mm in the stage's frame (x towards camera A, y towards
camera B, z up); `screen` is (n_vertices, 3): column px, row px, depth in mm.
"""

import numpy as np
from numba import njit


@njit(cache=True, fastmath=True)
def project_points(points, position, axes, focal, centre_x, centre_y):
    """Pinhole projection; `axes` (3, 3) rows: right, down, forward. Gives (n, 3): px, px, mm."""
    screen = np.empty((points.shape[0], 3), np.float32)
    for i in range(points.shape[0]):
        x = points[i, 0] - position[0]
        y = points[i, 1] - position[1]
        z = points[i, 2] - position[2]
        depth = axes[2, 0] * x + axes[2, 1] * y + axes[2, 2] * z
        screen[i, 0] = centre_x + focal * (axes[0, 0] * x + axes[0, 1] * y + axes[0, 2] * z) / depth
        screen[i, 1] = centre_y + focal * (axes[1, 0] * x + axes[1, 1] * y + axes[1, 2] * z) / depth
        screen[i, 2] = depth
    return screen


@njit(cache=True, fastmath=True)
def compute_normals(vertices, triangles):
    """Unit normals (n_vertices, 3), the area-weighted mean of the triangles that meet in a vertex."""
    normals = np.zeros_like(vertices)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        e0 = vertices[b, 0] - vertices[a, 0]
        e1 = vertices[b, 1] - vertices[a, 1]
        e2 = vertices[b, 2] - vertices[a, 2]
        f0 = vertices[c, 0] - vertices[a, 0]
        f1 = vertices[c, 1] - vertices[a, 1]
        f2 = vertices[c, 2] - vertices[a, 2]
        n0 = e1 * f2 - e2 * f1
        n1 = e2 * f0 - e0 * f2
        n2 = e0 * f1 - e1 * f0
        for v in (a, b, c):
            normals[v, 0] += n0
            normals[v, 1] += n1
            normals[v, 2] += n2
    for v in range(normals.shape[0]):
        length = np.sqrt(normals[v, 0] ** 2 + normals[v, 1] ** 2 + normals[v, 2] ** 2) + np.float32(1e-9)
        for k in range(3):
            normals[v, k] /= length
    return normals


@njit(cache=True, fastmath=True)
def rasterise(screen, triangles, two_sided, depth, hit, bary):
    """Fill the z-buffer `depth`, the nearest triangle `hit` (-1 where none) and two of its weights `bary`.

    Outward triangles run clockwise on the screen (rows grow downwards); others are culled unless `two_sided`.
    Returns the bounding box (row0, row1, col0, col1) of what was drawn.
    """
    height, width = depth.shape
    row0, row1, col0, col1 = height, 0, width, 0
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, az = screen[a, 0], screen[a, 1], screen[a, 2]
        bx, by, bz = screen[b, 0], screen[b, 1], screen[b, 2]
        cx, cy, cz = screen[c, 0], screen[c, 1], screen[c, 2]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0.0 or (area > 0.0 and not two_sided[t]):
            continue
        left = max(0, int(np.ceil(min(ax, bx, cx))))
        right = min(width - 1, int(np.floor(max(ax, bx, cx))))
        top = max(0, int(np.ceil(min(ay, by, cy))))
        bottom = min(height - 1, int(np.floor(max(ay, by, cy))))
        if left > right or top > bottom:
            continue
        row0, row1 = min(row0, top), max(row1, bottom + 1)
        col0, col1 = min(col0, left), max(col1, right + 1)
        scale = np.float32(1.0) / area
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                w0 = ((bx - x) * (cy - y) - (by - y) * (cx - x)) * scale
                w1 = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) * scale
                w2 = np.float32(1.0) - w0 - w1
                if w0 < 0.0 or w1 < 0.0 or w2 < 0.0:
                    continue
                z = w0 * az + w1 * bz + w2 * cz
                if z < depth[y, x]:
                    depth[y, x] = z
                    hit[y, x] = t
                    bary[y, x, 0] = w0
                    bary[y, x, 1] = w1
    return row0, row1, col0, col1


@njit(cache=True, fastmath=True)
def shade(
    image,
    hit,
    bary,
    box,
    screen,
    triangles,
    normals,
    albedo,
    albedo_back,
    uv,
    gloss,
    fur,
    texture,
    to_camera,
    key_light,
    ambient,
    key,
    fill,
    rim,
):
    """Colour every hit pixel of `image` (h, w, 3), 0-255: wrapped diffuse key light, fill from the camera,
    a pale rim where fur is seen edge-on, a highlight where `gloss`, and `texture` times `fur` for hairs."""
    side = texture.shape[0]
    half = key_light + to_camera
    half = half / np.sqrt(half[0] ** 2 + half[1] ** 2 + half[2] ** 2)
    for y in range(box[0], box[1]):
        for x in range(box[2], box[3]):
            t = hit[y, x]
            if t < 0:
                continue
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            w0, w1 = bary[y, x, 0], bary[y, x, 1]
            w2 = np.float32(1.0) - w0 - w1
            n0 = w0 * normals[a, 0] + w1 * normals[b, 0] + w2 * normals[c, 0]
            n1 = w0 * normals[a, 1] + w1 * normals[b, 1] + w2 * normals[c, 1]
            n2 = w0 * normals[a, 2] + w1 * normals[b, 2] + w2 * normals[c, 2]
            area = (screen[b, 0] - screen[a, 0]) * (screen[c, 1] - screen[a, 1]) - (
                screen[b, 1] - screen[a, 1]
            ) * (screen[c, 0] - screen[a, 0])
            back = area > 0.0
            inverse = np.float32(1.0) / (np.sqrt(n0 * n0 + n1 * n1 + n2 * n2) + np.float32(1e-6))
            if back:
                inverse = -inverse
            n0, n1, n2 = n0 * inverse, n1 * inverse, n2 * inverse
            facing = max(np.float32(0.0), n0 * to_camera[0] + n1 * to_camera[1] + n2 * to_camera[2])
            lit = n0 * key_light[0] + n1 * key_light[1] + n2 * key_light[2]
            lit = max(np.float32(0.0), (lit + np.float32(0.35)) / np.float32(1.35))
            u = int((w0 * uv[a, 0] + w1 * uv[b, 0] + w2 * uv[c, 0]) * 8.0) % side
            v = int((w0 * uv[a, 1] + w1 * uv[b, 1] + w2 * uv[c, 1]) * 8.0) % side
            hair = np.float32(1.0) + fur[a] * texture[u, v]
            edge = np.float32(1.0) - facing
            light = ambient * (np.float32(0.75) + np.float32(0.25) * n2) + key * lit + fill * facing
            light *= hair
            glint = np.float32(0.0)
            if gloss[a] > 0.0:
                shine = max(np.float32(0.0), n0 * half[0] + n1 * half[1] + n2 * half[2])
                glint = gloss[a] * (shine**60 * 235.0 + facing**180 * 80.0 + edge**3 * 26.0)
            halo = rim * edge * edge * edge * fur[a] * hair
            for k in range(3):
                if back:
                    colour = w0 * albedo_back[a, k] + w1 * albedo_back[b, k] + w2 * albedo_back[c, k]
                else:
                    colour = w0 * albedo[a, k] + w1 * albedo[b, k] + w2 * albedo[c, k]
                image[y, x, k] = colour * light + glint + halo


@njit(cache=True, fastmath=True)
def draw_lines(image, depth, screen, first, last, opacity, colour):
    """Blend smooth segments first[i]-last[i] into `image` where nothing lies over 0.4 mm before them."""
    height, width = depth.shape
    for i in range(first.shape[0]):
        ax, ay, az = screen[first[i], 0], screen[first[i], 1], screen[first[i], 2]
        bx, by, bz = screen[last[i], 0], screen[last[i], 1], screen[last[i], 2]
        steps = int(max(abs(bx - ax), abs(by - ay))) + 1
        for s in range(steps):
            f = s / steps
            x, y, z = ax + f * (bx - ax), ay + f * (by - ay), az + f * (bz - az)
            column, row = int(np.floor(x)), int(np.floor(y))
            if column < 0 or row < 0 or column >= width - 1 or row >= height - 1:
                continue
            fx, fy = x - column, y - row
            for dy in range(2):
                for dx in range(2):
                    if depth[row + dy, column + dx] < z - 0.4:
                        continue
                    share = opacity[i] * (fx if dx else 1.0 - fx) * (fy if dy else 1.0 - fy)
                    for k in range(3):
                        image[row + dy, column + dx, k] += share * (
                            colour[k] - image[row + dy, column + dx, k]
                        )


@njit(cache=True, fastmath=True)
def expose(image, gains, bank, offset, read_noise, shot_noise):
    """Sensor: channel gains, soft shoulder above 200, noise from `bank` (deviates of N(0, 1)); uint8."""
    height, width, _ = image.shape
    out = np.empty((height, width, 3), np.uint8)
    size = bank.shape[0]
    for y in range(height):
        start = (offset + y * 7919) % (size - 4 * width - 8)
        for x in range(width):
            grey = np.float32(0.85) * bank[start + x]
            level = max(np.float32(0.0), image[y, x, 1] * gains[1])
            sigma = read_noise + shot_noise * np.sqrt(level)
            for k in range(3):
                value = image[y, x, k] * gains[k]
                if value > np.float32(200.0):
                    value = np.float32(255.0) - np.float32(55.0) * np.exp(
                        (np.float32(200.0) - value) / np.float32(55.0)
                    )
                value += (grey + np.float32(0.5) * bank[start + width + 3 * x + k]) * sigma + np.float32(0.5)
                out[y, x, k] = np.uint8(min(np.float32(255.0), max(np.float32(0.0), value)))
    return out


@njit(cache=True, fastmath=True)
def seen_share(vertices, screen, triangles, depth, tolerance):
    """Share of the area of `triangles` that faces the camera, lies in the image and has nothing more than
    `tolerance` mm before it."""
    height, width = depth.shape
    total, seen = 0.0, 0.0
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        e0, e1, e2 = (
            vertices[b, 0] - vertices[a, 0],
            vertices[b, 1] - vertices[a, 1],
            vertices[b, 2] - vertices[a, 2],
        )
        f0, f1, f2 = (
            vertices[c, 0] - vertices[a, 0],
            vertices[c, 1] - vertices[a, 1],
            vertices[c, 2] - vertices[a, 2],
        )
        area = np.sqrt((e1 * f2 - e2 * f1) ** 2 + (e2 * f0 - e0 * f2) ** 2 + (e0 * f1 - e1 * f0) ** 2)
        total += area
        turn = (screen[b, 0] - screen[a, 0]) * (screen[c, 1] - screen[a, 1]) - (
            screen[b, 1] - screen[a, 1]
        ) * (screen[c, 0] - screen[a, 0])
        if turn >= 0.0:
            continue
        column = int(np.round((screen[a, 0] + screen[b, 0] + screen[c, 0]) / 3.0))
        row = int(np.round((screen[a, 1] + screen[b, 1] + screen[c, 1]) / 3.0))
        if column < 0 or row < 0 or column >= width or row >= height:
            continue
        if depth[row, column] > (screen[a, 2] + screen[b, 2] + screen[c, 2]) / 3.0 - tolerance:
            seen += area
    return seen / total

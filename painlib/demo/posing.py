"""Puts a mouse into a pose with a face: vertices on the stage, from `Pose` and `Face`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .anatomy import BODY_GRID, HAND_GRID, LID_GRID, TAIL_GRID, Template, build_template
from .individuals import SIDES, Face, Individual, Pose
from .meshes import Floats, cap_directions, cross, loft_grid

UP = np.array([0.0, 0.0, 1.0])
CLOSING_A_UNIT = 0.365  # orbital tightening 2 leaves 27 % of the opening
EYE_RETRACTION_MM = 0.22  # of a shut eye
EAR_TURN_A_UNIT_DEG = 33.0
EAR_LEAN_A_UNIT_DEG = 27.0
EAR_SPREAD_A_UNIT_DEG = 7.0
WHISKER_STEPS = 6
BODY_RADII = np.array([8.4, 10.6, 12.3, 13.4, 14.2, 14.0, 11.8, 7.2, 0.0])  # mm, neck to rump


def rotation(yaw: float, pitch: float, roll: float) -> Floats:
    """(3, 3) from head to stage coordinates; degrees; pitch > 0 lifts the nose."""
    y, p, r = np.radians([yaw, -pitch, roll])
    about_z = np.array([[np.cos(y), -np.sin(y), 0], [np.sin(y), np.cos(y), 0], [0, 0, 1]])
    about_y = np.array([[np.cos(p), 0, np.sin(p)], [0, 1, 0], [-np.sin(p), 0, np.cos(p)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(r), -np.sin(r)], [0, np.sin(r), np.cos(r)]])
    return about_z @ about_y @ about_x


def lid_opening(animal: Individual, face: Face) -> float:
    """Height of the lids' opening, 1 = wide open: individual, tightened by pain, shut by sleep."""
    tightened = animal.eye_opening * (1 - CLOSING_A_UNIT * face.action_units[0])
    return float(tightened * (1 - face.sleep_closure) + 0.03 * face.sleep_closure)


def pose_mouse(
    animal: Individual, pose: Pose, face: Face
) -> tuple[Floats, Floats, dict[str, Floats], Floats]:
    """Vertices (n, 3), whisker points (18 * steps, 3), keypoints {name: (3,)}, light on vertices (n,); mm."""
    template = build_template(animal)
    slices = template.mesh.slices
    orbital, nose, cheek, ear, whisker = face.action_units
    vertices = template.mesh.vertices.astype(float)
    vertices[slices["head"]] += (
        nose * template.bumps["nose_bulge"]
        + cheek * template.bumps["cheek_bulge"]
        + orbital * template.bumps["orbital_tightening"]
        + face.sniff * template.bumps["sniff"]
    )
    for number, (side, sign) in enumerate(SIDES):
        centre, axis = template.eyes[side]
        opening = lid_opening(animal, face)
        sunk = centre - EYE_RETRACTION_MM * (1 - min(opening, 1.0)) * axis
        vertices[slices[f"{side} eyeball"]] += sunk - centre
        vertices[slices[f"{side} lid"]] = place_lid(animal, sunk, axis, opening)
        turn = animal.ear_turn_deg + face.ear_turn[number]
        vertices[slices[f"{side} ear"]] = place_ear(
            animal, vertices[slices[f"{side} ear"]], template.ear_bases[side], sign, ear, turn
        )
    whiskers = place_whiskers(template, whisker, face.sniff)
    turned = rotation(pose.yaw, pose.pitch, pose.roll) * animal.size
    position = np.asarray(pose.position)
    on_head = slices["right hand"].start
    shade = np.ones(len(vertices))

    def to_stage(points: Floats) -> Floats:
        return points @ turned.T + position

    vertices[:on_head] = to_stage(vertices[:on_head])
    body, tail, forward = place_body(pose, to_stage(np.array([-7.5, 0.0, -2.5])), animal.size)
    vertices[slices["body"]], vertices[slices["tail"]] = body, tail
    for side, sign in SIDES:
        vertices[slices[f"{side} hand"]] = place_hand(pose, to_stage, forward, sign)
    # Light does not reach the corner between head and body.
    distance = np.linalg.norm(vertices - to_stage(np.array([0.0, 0.0, 0.0])), axis=1)
    behind = slice(on_head, None)
    shade[behind] = 0.5 + 0.5 * np.clip((distance[behind] - 9) / 13, 0, 1)
    keypoints = {"nose": to_stage(template.nose + np.array([-0.1, 0.0, 0.45 * face.sniff]))}
    for side, _ in SIDES:
        centre, axis = template.eyes[side]
        keypoints[f"{side}_eye"] = to_stage(centre + 0.55 * animal.eye_radius_mm * axis)
    return (
        vertices.astype(np.float32),
        to_stage(whiskers).astype(np.float32),
        keypoints,
        shade.astype(np.float32),
    )


def place_lid(animal: Individual, centre: Floats, axis: Floats, opening: float) -> Floats:
    """Lid vertices (n, 3): the edge is an almond, half width 60, half height 54 degrees times `opening`."""
    around = np.linspace(0, 2 * np.pi, LID_GRID[1])
    width = np.radians(60) * (0.86 + 0.14 * min(opening, 1.0))
    height = np.radians(54) * opening
    edge = np.hypot(width * np.cos(around), height * np.sin(around))
    share = np.linspace(0, 1, LID_GRID[0])[:, None] ** 1.3
    polar = edge + share * (np.radians(86) - edge)
    # The almond is given in angles off the axis, so its direction is not that of the parameter.
    direction = np.arctan2(height * np.sin(around), width * np.cos(around))
    toward = direction + share * ((around - direction + np.pi) % (2 * np.pi) - np.pi)
    return (centre + 1.075 * animal.eye_radius_mm * cap_directions(polar, toward, axis, UP)).reshape(-1, 3)


def place_ear(
    animal: Individual, vertices: Floats, base: Floats, sign: float, unit: float, turn_deg: float
) -> Floats:
    """Ear vertices in head coordinates. Ear position (`unit`) turns it outward, lays it back, narrows it."""
    lean = np.radians(10 + animal.ear_lean_deg + EAR_LEAN_A_UNIT_DEG * unit)
    out = np.radians(27 + EAR_SPREAD_A_UNIT_DEG * unit)
    turn = np.radians(34 + turn_deg + EAR_TURN_A_UNIT_DEG * unit)
    up = np.array([-np.sin(lean) * np.cos(out), sign * np.sin(out), np.cos(lean) * np.cos(out)])
    facing = np.array([np.cos(turn), sign * np.sin(turn), 0.15])
    facing -= up * (facing @ up)
    facing /= np.linalg.norm(facing)
    across = cross(up, facing)
    narrow = 1 - 0.11 * unit
    return base + (vertices[:, :1] * narrow * across + vertices[:, 1:2] * up + vertices[:, 2:] * facing)


def place_whiskers(template: Template, unit: float, sniff: float) -> Floats:
    """Whisker points (18 * steps, 3) in head coordinates; whisker position draws them back and together."""
    sides = []
    for side, sign in SIDES:
        roots = template.whisker_roots[side]
        number = np.linspace(-1, 1, len(roots))
        swing = np.radians(72 + 9 * sniff + 21 * unit + 14 * np.roll(number, 4))
        lift = np.radians((34 * number + 4) * (1 - 0.36 * unit) - 7 * unit)
        direction = np.stack(
            [np.cos(swing) * np.cos(lift), sign * np.sin(swing) * np.cos(lift), np.sin(lift)], axis=1
        )
        step = np.linspace(0, 1, WHISKER_STEPS)[None, :, None]
        length = (14.5 + 2.5 * number[::-1])[:, None, None]
        droop = np.array([-3.0, 0.0, -2.2])
        sides.append(roots[:, None] + length * step * direction[:, None] + step**2 * droop)
    return np.concatenate(sides).reshape(-1, 3)


def place_body(pose: Pose, neck: Floats, size: float) -> tuple[Floats, Floats, Floats]:
    """Body and tail vertices, and the body's forward direction on the floor."""
    yaw = np.radians(pose.body_yaw)
    forward = np.array([np.cos(yaw), np.sin(yaw), 0.0])
    lateral = np.array([-forward[1], forward[0], 0.0])
    rump_height = 9.0
    reach = np.sqrt(max(46.0**2 - (neck[2] - rump_height) ** 2, 20.0**2))
    rump = neck - forward * reach
    rump[2] = rump_height
    hump = neck - forward * (0.45 * reach) + UP * (0.5 * (rump_height - neck[2]) + 6.5)
    along, around = loft_grid(BODY_GRID)
    s = along[:, 0]
    spine = (1 - s)[:, None] ** 2 * neck + (2 * s * (1 - s))[:, None] * hump + s[:, None] ** 2 * rump
    tangent = (2 * (1 - s))[:, None] * (hump - neck) + (2 * s)[:, None] * (rump - hump)
    along_forward = tangent @ forward
    above = np.stack([tangent[:, 2] * forward[0], tangent[:, 2] * forward[1], -along_forward], axis=1)
    above /= np.linalg.norm(above, axis=1, keepdims=True)
    radius = size * np.sqrt(np.interp(s, np.linspace(0, 1, len(BODY_RADII)), BODY_RADII**2))
    body = spine[:, None] + radius[:, None, None] * (
        np.cos(around)[..., None] * lateral + np.sin(around)[..., None] * above[:, None]
    )
    body[..., 2] = np.maximum(body[..., 2], 0.3)
    along, around = loft_grid(TAIL_GRID)
    s = along[:, 0]
    line = rump + forward * (6 - 46 * s[:, None]) + lateral * (18 * np.sin(2.6 * s))[:, None]
    line[:, 2] = 1.5 + 5.0 * np.clip(1 - 4 * s, 0, 1) ** 1.5
    thick = 1.7 - 1.2 * s
    tail = line[:, None] + thick[:, None, None] * (
        np.sin(around)[..., None] * UP - np.cos(around)[..., None] * lateral
    )
    return body.reshape(-1, 3), tail.reshape(-1, 3), forward


def place_hand(pose: Pose, to_stage: Callable[[Floats], Floats], forward: Floats, sign: float) -> Floats:
    """One fore paw, on the floor under the chest or raised to the snout."""
    lateral = np.array([-forward[1], forward[0], 0.0])
    chest = to_stage(np.array([-8.5, sign * 3.4, -5.0]))
    floor_tip = chest + forward * 8.0 + lateral * sign * 1.5
    floor_tip[2] = max(chest[2] - 16.0, 1.2)
    floor_wrist = chest
    raised_wrist, raised_tip = (
        to_stage(np.array([-6.0, sign * 4.5, -9.0])),
        to_stage(np.array([9.0, sign * 2.6, -7.0])),
    )
    wrist = floor_wrist + pose.paws_up * (raised_wrist - floor_wrist)
    tip = floor_tip + pose.paws_up * (raised_tip - floor_tip)
    along, around = loft_grid(HAND_GRID)
    axis = (tip - wrist) / np.linalg.norm(tip - wrist)
    side = cross(axis, UP + 0.01)
    side /= np.linalg.norm(side)
    above = cross(axis, side)
    radius = np.interp(along, [0, 0.45, 0.72, 0.86, 1.0], [3.8, 2.6, 1.5, 1.9, 0.0])[..., None]
    centre = wrist + along[..., None] * (tip - wrist)
    return (centre + radius * (np.cos(around)[..., None] * side + np.sin(around)[..., None] * above)).reshape(
        -1, 3
    )

"""Drawn mice as individuals, and what one of them does at one moment: its pose and its face.

What pain moves follows the five units of the Mouse Grimace Scale (Langford et al. 2010, Nat Methods 7:447),
each 0 (absent) to 2 (obvious). Colours, lengths and how much individuals differ are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Literal

import numpy as np
from scipy.ndimage import gaussian_filter

from .meshes import Floats

Coat = Literal["white", "dark", "agouti"]
ACTION_UNITS = ("orbital_tightening", "nose_bulge", "cheek_bulge", "ear_position", "whisker_position")
SIDES = (("right", -1.0), ("left", 1.0))  # the animal's own, with the sign of y


class Part(IntEnum):
    """What a pixel shows."""

    STAGE = 0
    BODY = 1
    UNDER_BODY = 2
    HEAD = 3
    FOREHEAD = 4
    CHEEK = 5
    NOSE = 6
    MOUTH = 7
    RIGHT_EYE = 8
    LEFT_EYE = 9
    RIGHT_LID = 10
    LEFT_LID = 11
    RIGHT_EAR_TOP = 12
    LEFT_EAR_TOP = 13
    RIGHT_EAR_BASE = 14
    LEFT_EAR_BASE = 15
    HAND = 16
    TAIL = 17


COLOURS: dict[str, dict[str, tuple[float, float, float]]] = {
    "white": {
        "coat": (198, 193, 187), "belly": (202, 198, 192), "skin": (212, 164, 152), "nose": (216, 142, 136),
        "ear": (214, 156, 146), "ear back": (200, 172, 164), "eye": (58, 10, 16), "lid": (190, 138, 132),
        "whisker": (225, 222, 218), "rim": (40, 38, 37),
    },
    "dark": {
        "coat": (30, 28, 27), "belly": (36, 33, 32), "skin": (112, 90, 86), "nose": (62, 50, 52),
        "ear": (88, 70, 68), "ear back": (48, 43, 42), "eye": (7, 6, 8), "lid": (62, 55, 54),
        "whisker": (120, 116, 114), "rim": (42, 42, 45),
    },
    "agouti": {
        "coat": (104, 82, 58), "belly": (148, 130, 108), "skin": (150, 118, 108), "nose": (130, 92, 88),
        "ear": (142, 108, 98), "ear back": (104, 84, 70), "eye": (9, 8, 9), "lid": (78, 64, 56),
        "whisker": (150, 142, 132), "rim": (40, 36, 30),
    },
}  # fmt: skip


@dataclass(frozen=True)
class Pose:
    """Where the mouse is: head origin in mm of the stage, angles in degrees (pitch > 0: nose up)."""

    position: tuple[float, float, float]
    yaw: float
    pitch: float
    roll: float
    body_yaw: float
    paws_up: float  # 0 on the floor, 1 beside the snout


@dataclass(frozen=True)
class Face:
    """What the face does. `action_units` 0-2 in the order of ACTION_UNITS."""

    action_units: tuple[float, float, float, float, float]
    sleep_closure: float  # 0 awake, 1 lids shut
    sniff: float  # -1..1
    ear_turn: tuple[float, float]  # degrees outward, right and left


@dataclass(frozen=True)
class Individual:
    """One animal's lasting looks. Factors are near 1; `coat_seed` fixes the hairs."""

    coat: Coat
    coat_seed: int
    tone: float
    warmth: float
    size: float
    width: float
    snout: float
    eye_radius_mm: float
    eye_opening: float
    ear_size: float
    ear_turn_deg: float
    ear_lean_deg: float
    unit_weights: tuple[float, float, float, float, float]
    unit_baselines: tuple[float, float, float, float, float]

    @cached_property
    def texture(self) -> Floats:
        """(256, 256) hairs and tufts, mean 0, sd about 1, 8 texels a mm, seamless."""
        noise = np.random.default_rng(self.coat_seed).standard_normal((2, 256, 256))
        hairs = gaussian_filter(noise[0], (7, 1.6), mode="wrap")
        tufts = gaussian_filter(noise[1], (14, 9), mode="wrap")
        return (0.8 * hairs / hairs.std() + 0.6 * tufts / tufts.std()).astype(np.float32)


def draw_individual(coat: Coat, rng: np.random.Generator) -> Individual:
    """An animal's looks from `rng`."""

    def near(spread: float) -> float:
        return float(np.clip(1 + spread * rng.standard_normal(), 1 - 2 * spread, 1 + 2 * spread))

    return Individual(
        coat=coat,
        coat_seed=int(rng.integers(2**31)),
        tone=near(0.04),
        warmth=near(0.02),
        size=near(0.025),
        width=near(0.03),
        snout=near(0.03),
        eye_radius_mm=1.9 * near(0.04),
        eye_opening=float(rng.uniform(0.86, 1.0)),
        ear_size=near(0.04),
        ear_turn_deg=float(np.clip(rng.normal(0, 6), -12, 12)),
        ear_lean_deg=float(np.clip(rng.normal(0, 4), -8, 8)),
        unit_weights=tuple(rng.uniform(0.85, 1.1, 5)),  # type: ignore[arg-type]
        unit_baselines=tuple(rng.uniform(0.0, 0.25, 5)),  # type: ignore[arg-type]
    )

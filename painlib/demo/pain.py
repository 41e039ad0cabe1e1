"""The latent pain of a drawn animal over a recording, 0 (none) to 1.

Shapes follow what Kobayashi et al. 2025 report: vehicle passes within 5 min, acetic acid (AC) stays, more
of it hurts more. All numbers here are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from .meshes import Floats

STEP_S = 1.0
SETTLE_S = 4.0  # how fast a bout begins and ends


@dataclass(frozen=True)
class Course:
    """How pain goes under one treatment. Heights are drawn per animal, bouts and pauses per recording."""

    height_mean: float
    height_sd: float
    rise_s: float
    bout_s: float  # mean length of a stretch that shows pain
    pause_s: float  # mean length of a stretch that shows nothing; 0: none
    fade_s: float  # 0: stays; else gone exponentially, and wholly after 4 of them


COURSES = {
    "none": Course(0.0, 0.0, 1.0, 60.0, 0.0, 0.0),
    "vehicle": Course(0.50, 0.10, 6.0, 60.0, 0.0, 70.0),
    "0.6 % AC": Course(0.68, 0.14, 20.0, 70.0, 50.0, 0.0),
    "1 % AC": Course(0.92, 0.06, 15.0, 110.0, 30.0, 0.0),
    "0.6 % AC, training": Course(0.90, 0.07, 15.0, 100.0, 40.0, 0.0),  # 200 µL: twice the assay's dose
}


def draw_height(course: Course, rng: np.random.Generator) -> float:
    """How strongly this animal feels it, 0-1."""
    return float(np.clip(rng.normal(course.height_mean, course.height_sd), 0.0, 1.0))


def simulate_latent(course: Course, height: float, times_s: Floats, rng: np.random.Generator) -> Floats:
    """Latent pain at `times_s` (n,) from time zero, 0-1: rise, bouts of differing height, pauses, slow waves.

    Tiny restlessness (below 0.05) is there always.
    """
    grid = np.arange(0.0, float(times_s[-1]) + 2 * STEP_S, STEP_S)
    gate = np.empty_like(grid)
    at, shows = 0, True
    while at < len(grid):
        mean = course.bout_s if shows else course.pause_s
        steps = max(1, round(float(rng.exponential(mean)) / STEP_S)) if mean > 0 else 0
        gate[at : at + steps] = rng.uniform(0.72, 1.0) if shows else 0.0
        at += steps
        shows = not shows
    keep = np.exp(-STEP_S / SETTLE_S)
    gate = lfilter([1 - keep], [1, -keep], gate)
    wave = 1 - 0.12 * (1 + np.sin(2 * np.pi * grid / rng.uniform(150, 400) + rng.uniform(0, 2 * np.pi)))
    level = height * (1 - np.exp(-grid / course.rise_s)) * gate * wave
    if course.fade_s > 0:
        level *= np.exp(-grid / course.fade_s) * np.clip(4 - grid / course.fade_s, 0, 1)
    restless = np.abs(ornstein_uhlenbeck(len(grid), STEP_S, 20.0, rng)) * 0.012
    return np.interp(times_s, grid, np.clip(level + np.minimum(restless, 0.05), 0.0, 1.0))


def ornstein_uhlenbeck(n: int, step_s: float, memory_s: float, rng: np.random.Generator) -> Floats:
    """A wandering signal (n,) of mean 0 and sd 1 that forgets within `memory_s`."""
    keep = np.exp(-step_s / memory_s)
    kicks = rng.standard_normal(n)
    kicks[1:] *= np.sqrt(1 - keep**2)
    return lfilter([1.0], [1.0, -keep], kicks)

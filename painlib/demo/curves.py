"""Minute curves without video, for the designs of Kobayashi et al. 2025 that are not drawn.

Analgesic (unequal n), capsaicin (both sexes), CGRP (crossover), 30 minutes each. Group sizes are the paper's;
all effects are ours and say nothing of what a drug does.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from painlib.tables import write_csv

from .cast import CURVES_STREAM
from .meshes import Floats
from .pain import ornstein_uhlenbeck

if TYPE_CHECKING:
    import pandas as pd

MINUTES = 30
TIMEPOINTS_A_MINUTE = 1800  # 30 Hz
FALSE_ALARMS = -3.2  # log odds of a pain call without pain
MEAN_COVERAGE = 0.63  # share of time points with a face, as in the paper's training videos
LOW_COVERAGE_SHARE = 0.03  # of minutes, in which the animal hardly ever faces a camera


@dataclass(frozen=True)
class Effect:
    """What a treatment adds to the log odds; it comes within `rise_min`, goes with `fade_min` (0: stays)."""

    height: float
    rise_min: float
    fade_min: float

    def at(self, minutes: Floats) -> Floats:
        """Log odds added in each of `minutes` (n,)."""
        added = self.height * (1 - np.exp(-(minutes + 1) / self.rise_min))
        return added * np.exp(-minutes / self.fade_min) if self.fade_min > 0 else added


@dataclass(frozen=True)
class Assay:
    """A design: animals a treatment, or the animals of a crossover, who get both."""

    name: str
    effects: dict[str, Effect]
    animals: tuple[int, ...]
    crossover: bool


ASSAYS = (
    Assay(
        "analgesic",
        {"vehicle + AC": Effect(3.4, 1.5, 0), "diclofenac + AC": Effect(2.0, 1.5, 0)},
        (8, 9),
        False,
    ),
    Assay(
        "capsaicin", {"vehicle": Effect(1.6, 0.5, 2.0), "capsaicin": Effect(3.8, 0.5, 14.0)}, (6, 6), False
    ),
    Assay("cgrp", {"vehicle": Effect(0.6, 0.5, 3.0), "CGRP": Effect(2.2, 5.0, 0)}, (9,), True),
)


def simulate_minute_curves(folder: str | Path, seed: int) -> dict[str, Path]:
    """Write `<assay>.csv` with the columns of the table `minutes` for each of ASSAYS; paths by name."""
    import pandas as pd

    paths = {}
    for number, assay in enumerate(ASSAYS):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(CURVES_STREAM, number)))
        recordings = list_recordings(assay)
        traits = {subject: rng.normal(0, 0.55) for subject in dict.fromkeys(row[0] for row in recordings)}
        curves = [
            simulate_recording(subject, period, treatment, assay.effects[treatment], traits[subject], rng)
            for subject, period, treatment in recordings
        ]
        paths[assay.name] = write_csv(
            pd.concat(curves, ignore_index=True), Path(folder) / f"{assay.name}.csv"
        )
    return paths


def list_recordings(assay: Assay) -> list[tuple[str, str, str]]:
    """(subject, period, treatment) a recording; in a crossover every other animal begins with the second."""
    treatments = list(assay.effects)
    if assay.crossover:
        return [
            (f"{assay.name}{k + 1:02d}", str(period + 1), treatments[(period + k) % 2])
            for k in range(assay.animals[0])
            for period in range(2)
        ]
    given = [name for name, count in zip(treatments, assay.animals, strict=True) for _ in range(count)]
    return [(f"{assay.name}{k + 1:02d}", "", treatment) for k, treatment in enumerate(given)]


def simulate_recording(
    subject: str, period: str, treatment: str, effect: Effect, trait: float, rng: np.random.Generator
) -> pd.DataFrame:
    """One recording's minutes; pain calls are binomial.

    Log odds: effect, the animal's `trait`, the day, and a signal that wanders over minutes.
    """
    import pandas as pd

    minutes = np.arange(MINUTES, dtype=float)
    day = rng.normal(0, 0.25)
    wander = 0.6 * ornstein_uhlenbeck(MINUTES, 1.0, 3.0, rng)
    chance = 1 / (1 + np.exp(-(FALSE_ALARMS + effect.at(minutes) + trait + day + wander)))
    coverage = 1 / (1 + np.exp(-(np.log(MEAN_COVERAGE / (1 - MEAN_COVERAGE)) + rng.normal(0, 0.5, MINUTES))))
    low = rng.random(MINUTES) < LOW_COVERAGE_SHARE
    coverage[low] = rng.choice([0.0, 0.01, 0.03], low.sum())
    evaluated = rng.binomial(TIMEPOINTS_A_MINUTE, coverage)
    pain = rng.binomial(evaluated, chance)
    return pd.DataFrame(
        {
            "recording": f"{subject}_{period}" if period else subject,
            "subject": subject,
            "phase": "post",
            "period": period,
            "treatment": treatment,
            "minute": np.arange(MINUTES),
            "n_timepoints": TIMEPOINTS_A_MINUTE,
            "n_evaluated": evaluated,
            "n_pain": pain,
            "n_not_judged": 0,
            "coverage": evaluated / TIMEPOINTS_A_MINUTE,
            "pain_probability": np.where(evaluated > 0, pain / np.maximum(evaluated, 1), np.nan),
            "trained_on": False,
            "inside": "",
        }
    )

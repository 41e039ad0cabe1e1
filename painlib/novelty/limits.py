"""From what training animals show when they are held out to what a new animal of their kind may show.

Each measure has one number a recording. The animal is the unit: of its recordings the worst counts. The limit
is that of a prediction interval for one more animal (Student's t, n - 1 degrees of freedom, one side), over
the logarithm of a distance or the arcsine of the root of a share; few training animals, or ones that differ
much, give a wide limit. Ours, and fixed before any cohort was judged by it: `LEVEL`, shared evenly by the
measures, so that by all of them together about one animal in a hundred of the training animals' kind is
called outside by mistake (simulated, 4, 8 and 12 training animals: 0.6, 0.9 and 1.0 %; cohorts of nine: 1.0,
1.0 and 0.8 %); and the least difference that counts, so that animals who are all but equal among
themselves do not make a trifle count.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

LEVEL = 0.01  # an animal of the training animals' kind is called outside this often
FEWEST_ANIMALS = 4  # training animals with a number
SMALLEST_DISTANCE = 1e-6  # the same picture twice
LIMIT_COLUMNS = ["measure", "n_animals", "typical", "limit", "why"]


@dataclass(frozen=True)
class Measure:
    """One measure of a recording. `side`: 1 where large is strange, -1 where small is. `least`: how far from
    the typical a value must at least be, a factor for a distance (`is_share` False), a difference for a
    share of `lowest` to 1."""

    words: str
    side: int
    least: float
    is_share: bool = True
    lowest: float = 0.0

    @property
    def forward(self) -> Callable[[np.ndarray], np.ndarray]:
        """Onto a scale on which animals are spread about evenly."""
        return _forward_share if self.is_share else _forward_distance

    def back(self, value: float) -> float:
        """From that scale; NaN beyond the shares that there are."""
        if not self.is_share:
            return math.exp(value)
        return math.sin(value) ** 2 if 0 <= value <= math.pi / 2 else math.nan

    def move(self, typical: float) -> float:
        """The nearest value to `typical` that may count as strange."""
        return typical + self.side * self.least if self.is_share else typical * self.least**self.side


MEASURES = {
    "distance": Measure("distance of the faces from the training faces", 1, 1.1, is_share=False),
    "pain_share": Measure("share of faces called pain before treatment", 1, 0.10),
    "confidence": Measure("mean confidence of the calls before treatment", -1, 0.05, lowest=0.5),
    "attribution": Measure("share of attribution outside head and ears", 1, 0.10),
    "coverage": Measure("share of time points with a face", -1, 0.10),
}
BEFORE_TREATMENT = ("pain_share", "confidence")


def find_worst(training: pd.DataFrame, measure: str) -> pd.Series:
    """The worst recording's value of each animal that has one, by subject.

    `training`: one row a recording: subject and the measures that are known.
    """
    if measure not in training:
        return pd.Series(dtype=np.float64)
    known = training[np.isfinite(training[measure].astype(float))]
    grouped = known.groupby("subject", sort=True)[measure]
    return grouped.max() if MEASURES[measure].side > 0 else grouped.min()


def find_limit(values: np.ndarray, measure: str) -> float:
    """The limit for one more animal from `values` (n,) of training animals; NaN where none can be given.

    NaN for fewer than FEWEST_ANIMALS, and for a share where the limit lies beyond its lowest or 1: no value
    could pass it.
    """
    kind, n = MEASURES[measure], len(values)
    if n < FEWEST_ANIMALS:
        return math.nan
    scaled = kind.forward(np.asarray(values, np.float64))
    width = stats.t.ppf(1 - LEVEL / len(MEASURES), n - 1) * scaled.std(ddof=1) * math.sqrt(1 + 1 / n)
    limit = kind.back(float(scaled.mean() + kind.side * width))
    least = kind.move(kind.back(float(scaled.mean())))
    farther = max(limit, least) if kind.side > 0 else min(limit, least)
    if math.isnan(limit) or (kind.is_share and not kind.lowest < farther < 1):
        return math.nan
    return farther


def tabulate_limits(training: pd.DataFrame) -> pd.DataFrame:
    """One row a measure: measure, n_animals (training animals with it), typical (their mean), limit (NaN:
    not judged) and why not."""
    rows = []
    for measure, kind in MEASURES.items():
        values = find_worst(training, measure).to_numpy(np.float64)
        typical = kind.back(float(kind.forward(values).mean())) if len(values) else math.nan
        limit = find_limit(values, measure)
        why = ""
        if len(values) < FEWEST_ANIMALS:
            why = f"it is known of {len(values)} training animals and {FEWEST_ANIMALS} are needed"
        elif math.isnan(limit):
            why = "the training animals differ too much among themselves"
        rows.append((measure, len(values), typical, limit, why))
    return pd.DataFrame(rows, columns=LIMIT_COLUMNS)


def find_apart(training: pd.DataFrame, measure: str = "distance") -> list[str]:
    """Training animals that lie beyond the limit that the others give: each makes the limit wide."""
    worst = find_worst(training, measure)
    side = MEASURES[measure].side
    apart = []
    for subject, value in worst.items():
        limit = find_limit(worst.drop(index=subject).to_numpy(np.float64), measure)
        if side * (value - limit) > 0:
            apart.append(str(subject))
    return apart


def find_fewest_outside(n_animals: int) -> int:
    """How many animals of `n_animals` must be outside before a cohort is: more than chance gives.

    The smallest number that so many animals of the training animals' kind would reach with a probability of
    at most LEVEL (binomial): 1 of 1, 2 of 2 to 15, 3 of 16 to 44.
    """
    counts = np.arange(n_animals + 1)
    rare = stats.binom.sf(counts - 1, n_animals, LEVEL) <= LEVEL * (1 + 1e-9)
    return int(counts[rare][0]) if rare.any() else n_animals + 1


def _forward_distance(distance: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(distance, SMALLEST_DISTANCE))


def _forward_share(share: np.ndarray) -> np.ndarray:
    return np.arcsin(np.sqrt(np.clip(share, 0, 1)))

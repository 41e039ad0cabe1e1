"""Intervals by drawing whole animals: faces of one animal are not independent of each other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

DRAWS = 2000
LEVEL = 0.95
FEWEST_ANIMALS = 3  # ours: below, percentiles over animals say nothing
AT_ONCE = 250


def bootstrap_animals(
    sums: np.ndarray, compute: Callable[[np.ndarray], np.ndarray], seed: int, draws: int = DRAWS
) -> tuple[float, float]:
    """95 % percentile interval of `compute` over `draws` resamplings of whole animals.

    `sums` (n_animals, ...) are sums over the faces of each animal; `compute` takes such sums over all faces
    (draws, ...) and gives (draws,), NaN where it is not defined; those draws are left out. (NaN, NaN) with
    fewer than 3 animals, or where fewer than half of the draws are defined.
    """
    n = len(sums)
    if n < FEWEST_ANIMALS:
        return np.nan, np.nan
    rng = np.random.default_rng(seed)
    found = []
    for begin in range(0, draws, AT_ONCE):
        times = rng.multinomial(n, np.full(n, 1 / n), min(AT_ONCE, draws - begin))
        found.append(compute(np.tensordot(times, sums, axes=1)))
    values = np.concatenate(found)
    values = values[np.isfinite(values)]
    if len(values) < draws / 2:
        return np.nan, np.nan
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
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

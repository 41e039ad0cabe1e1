"""Judged faces whose truth is known: read from a table once, each animal weighing the same."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from painlib.faults import Faults, PainlibError

N_RESAMPLES = 9999
LEVEL = 0.95


class Judgements(NamedTuple):
    """n faces of m animals.

    `p` (n,) probability of pain; `truth` (n,) 0 or 1; `animal` (n,) place in `subjects` (m,), in order of
    name; `weight` (n,) 1 / (m * faces of its animal): they sum to 1, and each animal weighs the same.
    """

    p: np.ndarray
    truth: np.ndarray
    animal: np.ndarray
    subjects: np.ndarray
    weight: np.ndarray

    @property
    def n_animals(self) -> int:
        """Animals with a face whose truth is known."""
        return len(self.subjects)


def read_judgements(table: pd.DataFrame, column: str = "p_pain", truth: str = "label") -> Judgements:
    """The faces of `table` whose `truth` is known: 1 pain, 0 no pain (True and False count as these).

    `table`: subject, `column` (probability of pain, 0..1) and `truth`; a face whose truth is NaN or -1 is
    left out. Raises `PainlibError` where a column is missing or a value is none of these.
    """
    missing = [name for name in ("subject", column, truth) if name not in table]
    if missing:
        raise PainlibError(
            f"Judged faces: expected the columns subject, {column} and {truth}; "
            f"missing: {', '.join(missing)}."
        )
    raw = pd.to_numeric(table[truth], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    known = ~np.isnan(raw) & (raw != -1)
    p = table[column].to_numpy(dtype=np.float64, na_value=np.nan)[known]
    answers = raw[known]
    faults = Faults()
    if (text := table[truth].notna().to_numpy() & np.isnan(raw)).any():
        faults.add(f"Column '{truth}': expected 0, 1 or nothing, got {table[truth].to_numpy()[text][0]!r}.")
    if (wrong := ~np.isin(answers, (0, 1))).any():
        faults.add(f"Column '{truth}': expected 0, 1 or nothing, got {answers[wrong][0]:g}.")
    if (wrong := ~((p >= 0) & (p <= 1))).any():
        faults.add(
            f"Column '{column}': expected probabilities of 0 to 1, got {p[wrong][0]:g}; {wrong.sum()} faces."
        )
    faults.raise_if_any("Judged faces cannot be read")
    subjects, animal = np.unique(table["subject"].to_numpy(dtype=str)[known], return_inverse=True)
    faces = np.bincount(animal, minlength=len(subjects))
    weight = 1 / (len(subjects) * faces[animal]) if len(animal) else np.empty(0)
    return Judgements(p, answers.astype(np.int64), animal, subjects, weight)


def draw_animals(n_animals: int, seed: int, resamples: int = N_RESAMPLES) -> np.ndarray:
    """How often each animal comes up in each resample, (resamples, n_animals) float64: drawn with
    replacement."""
    if not n_animals:
        return np.zeros((resamples, 0))
    even = np.full(n_animals, 1 / n_animals)
    return np.random.default_rng(seed).multinomial(n_animals, even, size=resamples).astype(np.float64)


def find_interval(drawn: np.ndarray, n_animals: int) -> tuple[float, float]:
    """Percentiles (95 %) of a measure over resamples; NaN below two animals."""
    if n_animals < 2 or not np.isfinite(drawn).any():
        return np.nan, np.nan
    low, high = np.nanquantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def bin_evenly(values: np.ndarray, bins: int) -> np.ndarray:
    """(n,) number 0..bins-1 of the bin of each value: bins of as many values as ties allow.

    Equal values always share a bin, the one that the middle of their ranks belongs to; so a bin may be empty.
    """
    if bins < 1:
        raise PainlibError(f"Expected at least one bin, got {bins}.")
    ranks = pd.Series(np.asarray(values, np.float64)).rank(method="average").to_numpy()
    return np.floor((ranks - 0.5) * bins / max(len(ranks), 1)).astype(np.int64)

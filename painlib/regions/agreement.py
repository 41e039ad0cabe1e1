"""How far two sets of marks agree, region by region: Cohen's kappa and prevalence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import norm

from painlib.faults import PainlibError
from painlib.regions.marks import FACE, get_flags
from painlib.regions.names import REGIONS

MEAN_ROW = "mean"
AGREEMENT_COLUMNS = (
    *("region", "n_faces", "prevalence_first", "prevalence_second", "observed_agreement"),
    *("kappa", "ci_low", "ci_high", "interval", "n_subjects", "note"),
)
LEVEL = 0.95
_DRAWS_AT_ONCE = 500


def compute_agreement(
    first: pd.DataFrame,
    second: pd.DataFrame,
    subjects: Mapping[str, str] | None = None,
    seed: int = 0,
    draws: int = 2000,
) -> pd.DataFrame:
    """Agreement of two tables "marks" on the faces that both judged, a row a region and a row "mean".

    Each table holds one annotator (or the proposals). `subjects`: the animal of each recording; with it
    the intervals are by bootstrap over animals, because faces of one animal are not independent, and without
    it asymptotic, as if they were. Columns and the row "mean": see `compare_flags`. A face that stands twice
    in a table, or a recording without an animal, is a `PainlibError`.
    """
    for name, table in (("first", first), ("second", second)):
        if table.duplicated(list(FACE)).any():
            who = ", ".join(sorted(table["annotator"].unique()))
            raise PainlibError(
                f"Expected each face once in the {name} table, got some of them twice (annotators: {who}). "
                "Choose one annotator."
            )
    judged = [table[table["cannot_judge"] == 0].set_index(list(FACE)) for table in (first, second)]
    both = judged[0].index.intersection(judged[1].index)
    flags = [get_flags(table.loc[both]) for table in judged]
    animals = None
    if subjects is not None:
        recordings = both.get_level_values("recording")
        unknown = sorted(set(recordings) - set(subjects))
        if unknown:
            raise PainlibError(f"Expected the animal of every recording, got none for {', '.join(unknown)}.")
        animals = [subjects[name] for name in recordings]
    return compare_flags(flags[0], flags[1], animals, seed, draws)


def compare_flags(
    first: np.ndarray,
    second: np.ndarray,
    animals: Sequence[str] | np.ndarray | None = None,
    seed: int = 0,
    draws: int = 2000,
) -> pd.DataFrame:
    """Agreement of two arrays of marks (n, 13) bool on the same faces: AGREEMENT_COLUMNS.

    Cohen's kappa = (observed - expected) / (1 - expected) agreement: 1 all agree, 0 as by chance, below 0
    less than that. Intervals of 95 %: asymptotic (Fleiss, Cohen & Everitt 1969, Psychol Bull 72:323; cut
    at -1 and 1), or, with `animals` (n,), percentiles over `draws` resamplings of whole animals. Where both
    marked all faces alike kappa is not defined: NaN, and `note` says so. The last row, "mean", is the mean
    of what can be averaged over regions; its interval exists by bootstrap only.
    """
    first, second = (np.asarray(flags, bool).reshape(-1, len(REGIONS)) for flags in (first, second))
    names, code = np.unique(
        np.zeros(len(first)) if animals is None else np.asarray(animals), return_inverse=True
    )
    counts = _count_cells(first, second, code, len(names))  # (animals, 13, 4)
    total = counts.sum(axis=0)
    kappa = _find_kappa(total)
    everything = np.append(kappa, _mean_defined(kappa[None])[0])
    if animals is None:
        margin = norm.ppf((1 + LEVEL) / 2) * np.sqrt(_find_variance(total))
        low, high = (np.append(np.clip(kappa + sign * margin, -1, 1), np.nan) for sign in (-1, 1))
        undefined = np.zeros(len(REGIONS), np.int64)
    else:
        low, high, undefined = _bootstrap(counts, seed, draws)
    n = len(first)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = (
            np.stack([total[:, 0] + total[:, 1], total[:, 0] + total[:, 2], total[:, 0] + total[:, 3]]) / n
        )
    shares = np.column_stack([shares, shares.mean(axis=1)])
    notes = [
        _write_note(cells, one, several)
        for cells, one, several in zip(total, kappa, undefined.tolist(), strict=True)
    ]
    n_defined = int(np.isfinite(kappa).sum())
    notes.append(f"mean over the {n_defined} of {len(REGIONS)} regions whose kappa is defined")
    if animals is not None and len(names) < 2:
        notes = ["; ".join(filter(None, (note, "no interval: it needs 2 animals"))) for note in notes]
    return pd.DataFrame(
        {
            "region": [*REGIONS, MEAN_ROW],
            "n_faces": n,
            "prevalence_first": shares[0],
            "prevalence_second": shares[1],
            "observed_agreement": shares[2],
            "kappa": everything,
            "ci_low": np.where(np.isnan(everything), np.nan, low),
            "ci_high": np.where(np.isnan(everything), np.nan, high),
            "interval": "asymptotic" if animals is None else "bootstrap over animals",
            "n_subjects": pd.array([pd.NA if animals is None else len(names)] * (len(REGIONS) + 1), "Int64"),
            "note": notes,
        }
    )


def _count_cells(first: np.ndarray, second: np.ndarray, code: np.ndarray, n_animals: int) -> np.ndarray:
    """Faces of each animal (n_animals, 13, 4): both marked, first only, second only, neither."""
    cell = np.where(first, np.where(second, 0, 1), np.where(second, 2, 3))
    counts = np.zeros((n_animals, len(REGIONS), 4), np.int64)
    np.add.at(counts, (code[:, None], np.arange(len(REGIONS)), cell), 1)
    return counts


def _find_kappa(counts: np.ndarray) -> np.ndarray:
    """Cohen's kappa of tables (..., 4); NaN where all agreement is by chance, or without faces."""
    both, one, other, neither = np.moveaxis(np.asarray(counts, np.float64), -1, 0)
    n = both + one + other + neither
    # Whole numbers times n, so that "all by chance" is found exactly.
    by_chance = (both + one) * (both + other) + (other + neither) * (one + neither)
    rest = n * n - by_chance
    return np.divide(n * (both + neither) - by_chance, rest, out=np.full(rest.shape, np.nan), where=rest > 0)


def _find_variance(counts: np.ndarray) -> np.ndarray:
    """Asymptotic variance of kappa, Fleiss, Cohen & Everitt 1969, equation 13; tables (..., 4)."""
    kappa = _find_kappa(counts)
    n = counts.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = (counts / n[..., None]).reshape(*counts.shape[:-1], 2, 2)
        rows, columns = shares.sum(axis=-1), shares.sum(axis=-2)
        by_chance = (rows * columns).sum(axis=-1)
        agree = np.diagonal(shares, axis1=-2, axis2=-1)
        first = (agree * (1 - (rows + columns) * (1 - kappa[..., None])) ** 2).sum(axis=-1)
        second = shares[..., 0, 1] * (columns[..., 0] + rows[..., 1]) ** 2
        second = second + shares[..., 1, 0] * (columns[..., 1] + rows[..., 0]) ** 2
        third = (kappa - by_chance * (1 - kappa)) ** 2
        variance = (first + (1 - kappa) ** 2 * second - third) / ((1 - by_chance) ** 2 * n)
    return np.maximum(variance, 0)


def _bootstrap(counts: np.ndarray, seed: int, draws: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Percentile bounds of 13 kappas and their mean, and in how many draws each kappa was not defined."""
    n_animals = len(counts)
    if n_animals < 2:
        nothing = np.full(len(REGIONS) + 1, np.nan)
        return nothing, nothing, np.zeros(len(REGIONS), np.int64)
    rng = np.random.default_rng(seed)
    drawn = []
    for begin in range(0, draws, _DRAWS_AT_ONCE):
        times = rng.multinomial(
            n_animals, np.full(n_animals, 1 / n_animals), min(_DRAWS_AT_ONCE, draws - begin)
        )
        drawn.append(_find_kappa(np.tensordot(times, counts, axes=1)))
    kappa = np.concatenate(drawn)
    together = np.column_stack([kappa, _mean_defined(kappa)])
    undefined = np.isnan(kappa).sum(axis=0)
    low, high = np.full((2, len(REGIONS) + 1), np.nan)
    for column, values in enumerate(together.T):
        defined = values[np.isfinite(values)]
        if len(defined):
            low[column], high[column] = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return low, high, undefined


def _mean_defined(kappa: np.ndarray) -> np.ndarray:
    """Mean over the regions (last axis) whose kappa is defined; NaN where none is."""
    defined = np.isfinite(kappa)
    count = defined.sum(axis=-1)
    sums = np.where(defined, kappa, 0).sum(axis=-1)
    return np.divide(sums, count, out=np.full(count.shape, np.nan), where=count > 0)


def _write_note(counts: np.ndarray, kappa: float, undefined_draws: int) -> str:
    both, one, other, neither = counts.tolist()
    n = both + one + other + neither
    if not n:
        return "kappa is not defined: no face that both judged"
    if np.isnan(kappa):
        which = "on every face" if both else "on no face"
        return f"kappa is not defined: both marked it {which}"
    notes = []
    if not one + other:
        notes.append("they agree on every face, so the asymptotic interval has no width")
    for name, marked in (("first", both + one), ("second", both + other)):
        if marked in (0, n):
            notes.append(
                f"the {name} marked it on {'every' if marked else 'no'} face, so kappa is 0 whatever"
            )
    if undefined_draws:
        notes.append(f"not defined in {undefined_draws} draws, which are left out")
    return "; ".join(notes)

"""Treatment, time and treatment x time over the animals' curves: a GEE whose p holds with few animals.

The window is cut into a few blocks of minutes; each animal gives its mean of each. A mean is fitted to every
group and block (statsmodels' GEE, Gaussian, working independence, the animal as the cluster), with the
bias-corrected covariance of the animals' residuals (Kauermann & Carroll 2001, J Am Stat Assoc 96:1387), which
takes the correlation of an animal's blocks as it is and is unbiased here. The Wald statistic of a contrast of
q degrees of freedom is referred to the F of Hotelling's T² (Pan & Wall 2002, Stat Med 21:1429, on why
chi-squared is not enough). Every group has a covariance of its own, so the error degrees of freedom are those
of Krishnamoorthy & Yu (2004, Stat Probab Lett 66:161; for one contrast Satterthwaite's, as in Welch's t):
from the smallest group's animals less 1, to all animals less groups where groups are alike in size and
spread. `simulate_rates` has how often it, and the models that it was chosen from, are wrong.

With two equally large groups and no missing block the statistic is Hotelling's T², of one contrast Welch's t.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.genmod.cov_struct import Independence
from statsmodels.genmod.families import Gaussian
from statsmodels.genmod.generalized_estimating_equations import GEE

from painlib.stats.comparisons import Row, varies
from painlib.stats.wording import GEE_TEST, NOT_RUN, OURS

Array = np.ndarray
EFFECTS = ("treatment", "time", "treatment x time")
FEWEST = 4  # of a group: with 3 beside 9 it was wrong in 7.6 % (1,000 cohorts), with 4 beside 12 in 6.1 %


def fit_time_course(blocks: dict[str, Array], control: str, alpha: float, *, paired: bool) -> list[Row]:
    """Test EFFECTS on the animals' block means: one row each, p by F.

    `blocks`: group -> (n_animals, n_blocks), NaN where an animal has no value (of `average_blocks`).
    `paired`: the rows of all groups are the same animals, in the same order. Where there are two groups the
    treatment's row has their difference (control subtracted, mean over blocks) with its interval at
    1 - `alpha`. Where a test cannot be run p is NaN and `note` has the reason.
    """
    groups = [*(group for group in blocks if group != control), control]
    n_blocks = blocks[control].shape[1]
    contrasts = _find_contrasts(len(groups), n_blocks)
    start: list[Row] = [
        {"role": OURS, "test": f"{GEE_TEST}: {name}", "comparison": ", ".join(blocks)} for name in EFFECTS
    ]
    if reason := _why_not_fitted(blocks):
        return [{**row, "note": NOT_RUN + reason} for row in start]
    means, covariance = _fit_means([blocks[group] for group in groups], paired)
    # Of each group the animals of the block that has fewest of them.
    n_animals = [int(np.isfinite(blocks[group]).sum(axis=0).min()) for group in groups]
    rows = []
    for row, contrast in zip(start, contrasts.values(), strict=True):
        if paired:
            df = float(min(n_animals) - 1)
        else:
            parts = np.split(np.arange(len(means)), len(groups))
            df = _find_error_df(contrast, covariance, parts, n_animals)
        found = _test_contrast(contrast, means, covariance, df)
        if len(contrast) == 1 and row["test"].endswith(": treatment") and "p" in found:
            error = math.sqrt((contrast @ covariance @ contrast.T).item())
            half = float(stats.t.ppf(1 - alpha / 2, df)) * error
            size = float((contrast @ means).item())
            found |= {"effect_size_name": "difference of means", "effect_size": size}
            found |= {"effect_low": size - half, "effect_high": size + half}
        rows.append({**row, **found})
    return rows


def _find_contrasts(n_groups: int, n_blocks: int) -> dict[str, Array]:
    """Rows of weights on the group x block means, the control's last; none where there is nothing to test."""
    over_groups, over_blocks = np.full((1, n_groups), 1 / n_groups), np.full((1, n_blocks), 1 / n_blocks)
    treated = np.hstack([np.eye(n_groups - 1), -np.ones((n_groups - 1, 1))])
    later = np.hstack([-np.ones((n_blocks - 1, 1)), np.eye(n_blocks - 1)])
    pairs = ((treated, over_blocks), (over_groups, later), (treated, later))
    return {name: np.kron(one, other) for name, (one, other) in zip(EFFECTS, pairs, strict=True)}


def _why_not_fitted(blocks: dict[str, Array]) -> str:
    for group, values in blocks.items():
        fewest = int(np.isfinite(values).sum(axis=0).min()) if values.size else 0
        if fewest < FEWEST:
            return f"it needs at least {FEWEST} animals of each group in every block, got {fewest} of {group}"
    if not any(varies(values[np.isfinite(values)]) for values in blocks.values()):
        return "no animal differs from the others of its group in any block"
    return ""


def _fit_means(blocks: list[Array], paired: bool) -> tuple[Array, Array]:
    """Mean of every group and block, group by group, and their bias-corrected covariance."""
    n_blocks = blocks[0].shape[1]
    starts = np.cumsum([0, *(len(values) for values in blocks)])
    tables = []
    for place, values in enumerate(blocks):
        animals = np.arange(len(values)) + (0 if paired else starts[place])
        table = pd.DataFrame(values, index=animals).melt(ignore_index=False, var_name="block")
        tables.append(table.assign(cell=place * n_blocks + table["block"].astype(int)))
    long = pd.concat(tables).rename_axis("animal").reset_index().dropna(subset="value")
    cells = np.eye(len(blocks) * n_blocks)[long["cell"].to_numpy()]
    with warnings.catch_warnings():
        # Every group is an independent fit of means: nothing iterates, nothing can fail to converge.
        warnings.simplefilter("ignore")
        model = GEE(
            long["value"].to_numpy(), cells, long["animal"].to_numpy(), None, Gaussian(), Independence()
        )
        found = model.fit(cov_type="bias_reduced")
    # statsmodels divides residuals by 1 - leverage (Mancl & DeRouen 2001), which is 1 / n of a cell, instead
    # of by its root: the covariance of n values then comes out too large by n / (n - 1).
    scale = np.sqrt(1 - 1 / cells.sum(axis=0))
    return np.asarray(found.params), np.asarray(found.cov_params()) * np.outer(scale, scale)


def _find_error_df(
    contrast: Array, covariance: Array, cells: Sequence[Array], n_animals: Sequence[int]
) -> float:
    """Error degrees of freedom of a contrast (q, n_cells) of groups with covariances of their own.

    `cells`: each group's places in `covariance`. Krishnamoorthy & Yu 2004, equation 6; NaN where the
    contrast's covariance cannot be inverted.
    """
    q = len(contrast)
    whole = contrast @ covariance @ contrast.T
    if not q or np.linalg.matrix_rank(whole, tol=1e-14) < q:
        return math.nan
    lost = 0.0
    for own, n in zip(cells, n_animals, strict=True):
        part = contrast[:, own] @ covariance[np.ix_(own, own)] @ contrast[:, own].T
        share = np.linalg.solve(whole, part)
        lost += (np.trace(share @ share) + np.trace(share) ** 2) / (n - 1)
    return float(q * (q + 1) / lost)


def _test_contrast(contrast: Array, means: Array, covariance: Array, df: float) -> Row:
    """Wald statistic as an F of Hotelling's kind, or a note."""
    q = len(contrast)
    if not q:
        return {"note": f"{NOT_RUN}it needs at least 2 groups and 2 blocks of minutes"}
    if df - q + 1 < 1:
        return {
            "note": f"{NOT_RUN}{q} contrasts need at least {q} degrees of freedom of animals, got {df:.3g}"
        }
    spread = contrast @ covariance @ contrast.T
    size = contrast @ means
    if np.linalg.matrix_rank(spread, tol=1e-14) < q:
        return {"note": f"{NOT_RUN}animals do not differ enough to judge by"}
    f = float(size @ np.linalg.solve(spread, size)) * (df - q + 1) / (df * q)
    return {"statistic": f, "df": q, "df_2": df - q + 1, "p": float(stats.f.sf(f, q, df - q + 1))}

"""Every minute's test and the curves' one test of each treated group against the control, as rows.

The arrangements of `painlib.stats.permutation`; several comparisons are corrected by Bonferroni, because only
the animals of the two groups compared are exchanged.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from painlib.stats.comparisons import Row
from painlib.stats.curves import Curves
from painlib.stats.permutation import CurveTest, flip_signs, permute_labels
from painlib.stats.wording import CLUSTER, MAX_T, NOT_RUN, OURS, join_minutes

MINUTE_COLUMNS = ["assay", "comparison", "minute", "n_1", "mean_1", "n_2", "mean_2", "difference", "t", "p"]
MINUTE_COLUMNS += ["p_corrected", "significant", "note"]
CLUSTER_SAYS = "says only that the curves differ, not in which minutes"
UNLIKE_SPREAD = 2.0  # ratio of SDs from which a result carries a caution; ours
_UNTESTED = (
    "not tested: fewer than half of the animals, or fewer than two of a group, have a value; or all agree"
)


def compare_minutes(
    curves: Curves, group: str, control: str, *, paired: bool, alpha: float, seed: int, permutations: int
) -> tuple[pd.DataFrame, list[Row]]:
    """MINUTE_COLUMNS of `group` against `control` (without the assay), and a row each for max-T and clusters.

    `paired`: the rows of all groups of `curves` are the same animals, and signs are flipped instead. p and
    p_corrected (0 to 1; max-T, and Bonferroni over the treated groups) are NaN, with the reason in `note`,
    where the arrangements of so few animals cannot reach `alpha`.
    """
    n_comparisons = len(curves.groups) - 1
    found = _permute(curves, group, control, paired, seed, permutations)
    table = _list_minutes(curves, group, control, found, alpha, n_comparisons)
    rows = _sum_up(table, found, alpha, n_comparisons, paired)
    caution = "" if paired else _compare_spread(curves, group, control)
    return table, [{**row, "note": f"{row['note']}{caution}"} if "p" in row else row for row in rows]


def _compare_spread(curves: Curves, group: str, control: str) -> str:
    """A caution where the animals of one group differ much more among themselves than those of the other."""
    spreads = {}
    for name in (group, control):
        values = curves.values[name]
        seen = np.isfinite(values).sum(axis=0) > 1
        spreads[name] = float(np.sqrt(np.nanvar(values[:, seen], axis=0, ddof=1).mean())) if seen.any() else 0
    wide, narrow = sorted(spreads, key=lambda name: -spreads[name])
    if spreads[wide] < UNLIKE_SPREAD * spreads[narrow] or not spreads[wide]:
        return ""
    return (
        f"; animals of {wide} differ more among themselves (SD {spreads[wide]:.2f}) than those of {narrow} "
        f"({spreads[narrow]:.2f}), which this test finds too, with equal means"
    )


def _permute(
    curves: Curves, group: str, control: str, paired: bool, seed: int, permutations: int
) -> CurveTest | None:
    first, second = curves.values[group], curves.values[control]
    if not len(first) or not len(second):
        return None
    if paired:
        return flip_signs(first - second, seed=seed, permutations=permutations)
    return permute_labels(first, second, seed=seed, permutations=permutations)


def _list_minutes(
    curves: Curves, group: str, control: str, found: CurveTest | None, alpha: float, n_comparisons: int
) -> pd.DataFrame:
    """MINUTE_COLUMNS of one comparison; p is NaN where the animals are too few for `alpha`."""
    columns: dict[str, Any] = {"comparison": f"{group} - {control}", "minute": curves.minutes}
    for number, name in ((1, group), (2, control)):
        values = curves.values[name]
        seen = np.isfinite(values)
        count = seen.sum(axis=0)
        columns[f"n_{number}"] = count
        sums = np.where(seen, values, 0.0).sum(axis=0)
        columns[f"mean_{number}"] = np.where(count > 0, sums / np.maximum(count, 1), np.nan)
    table = pd.DataFrame(columns)
    table["difference"] = table["mean_1"] - table["mean_2"]
    nothing = np.full(len(table), np.nan)
    reason = _why_not_permuted(found, alpha, n_comparisons)
    if found is None or reason:
        numbers = {"t": nothing if found is None else found.t, "p": nothing, "p_corrected": nothing}
        return table.assign(**numbers, significant=False, note=reason)
    corrected = np.minimum(found.p_corrected * n_comparisons, 1.0)
    note = np.where(np.isnan(found.t), _UNTESTED, "")
    table = table.assign(t=found.t, p=found.p, p_corrected=corrected)
    return table.assign(significant=corrected < alpha, note=note)


def _why_not_permuted(found: CurveTest | None, alpha: float, n_comparisons: int) -> str:
    if found is None:
        return f"{NOT_RUN}a group has no animal"
    if found.smallest_p * n_comparisons >= alpha:
        few = f"{found.n_arrangements} arrangements of so few animals"
        return f"{NOT_RUN}the smallest p of {few} is {found.smallest_p * n_comparisons:.3g}"
    return "" if np.isfinite(found.t).any() else f"{NOT_RUN}no minute in which animals differ"


def _sum_up(
    table: pd.DataFrame, found: CurveTest | None, alpha: float, n_comparisons: int, paired: bool
) -> list[Row]:
    """A row for max-T, that of the minute that stands out most, and one for the clusters."""
    name = table["comparison"].iloc[0]
    several = f", Bonferroni over {n_comparisons} comparisons" if n_comparisons > 1 else ""
    rows: list[Row] = [{"role": OURS, "test": test, "comparison": name} for test in (MAX_T, CLUSTER)]
    reason = _why_not_permuted(found, alpha, n_comparisons)
    if found is None or reason:
        return [{**row, "note": reason} for row in rows]
    how = f"all {found.n_arrangements:,} " if found.exact else f"{found.n_arrangements:,} drawn "
    how += "flips of whole animals" if paired else "arrangements of whole animals"
    first = table.loc[table["t"].abs().idxmax()]
    listed = join_minutes(table.loc[table["significant"], "minute"].tolist())
    told = f"minutes that differ: {listed}" if listed else "no minute differs"
    rows[0] |= {"statistic": first["t"], "p": first["p"], "p_corrected": first["p_corrected"]}
    rows[0] |= {"correction": f"max-T over minutes{several}", "note": f"{told}; {how}"}
    rows[0] |= {"effect_size_name": f"difference in minute {first['minute']}"}
    rows[0] |= {"effect_size": first["difference"]}
    rows[1] |= {"statistic": found.cluster_mass, "p": found.p_cluster, "note": f"{CLUSTER_SAYS}; {how}"}
    if n_comparisons > 1:
        corrected = min(found.p_cluster * n_comparisons, 1.0)
        rows[1] |= {"p_corrected": corrected, "correction": several.removeprefix(", ")}
    return rows

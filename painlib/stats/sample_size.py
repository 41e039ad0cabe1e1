"""How many animals the next experiment needs, from what this cohort showed: statsmodels' power of t and F.

The effect that a small cohort shows is itself uncertain, and one that was significant is more often too large
than too small. So the number is given for the observed effect, for a half of it, and for both ends of its
interval: plan with the smallest effect that would still matter, not with the observed one.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from scipy import optimize
from statsmodels.stats.power import FTestAnovaPower, TTestIndPower, TTestPower

from painlib.stats.comparisons import Samples, compute_anova, varies
from painlib.stats.effects import Effect, hedges_g, hedges_g_paired

POWERS = (0.8, 0.9)
SAMPLE_SIZE_COLUMNS = ["assay", "comparison", "test", "n_now", "effect_size_name", "basis", "effect_size"]
SAMPLE_SIZE_COLUMNS += ["power", "n_exact", "n_per_group", "note"]
MOST_ANIMALS = 10_000
_NO_EFFECT = 1e-6


def find_group_size(effect_size: float, power: float, alpha: float, n_groups: int = 2) -> float:
    """Animals a group, not rounded, that find `effect_size` with `power` (0 to 1) at two-sided `alpha`.

    Two groups: Student's t, effect Cohen's d. `n_groups` 1: the paired t, effect d_z, pairs. More: one-way
    ANOVA, effect Cohen's f. 2 where two animals a group are enough, infinite without an effect or where more
    than MOST_ANIMALS would be needed.
    """
    size = abs(effect_size)
    if not size > _NO_EFFECT:
        return math.inf

    def reach(n: float) -> float:
        # The upper tail, as R's pwr: with a large effect the lower one is nothing, but computed as NaN.
        if n_groups == 1:
            return float(TTestPower().power(size, n, alpha / 2, alternative="larger"))
        if n_groups == 2:
            return float(TTestIndPower().power(size, n, alpha / 2, ratio=1, alternative="larger"))
        return float(FTestAnovaPower().power(size, n * n_groups, alpha, k_groups=n_groups))

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return _solve(reach, power)


def _solve(reach: Callable[[float], float], power: float) -> float:
    """The n at which the rising `reach` is `power`; statsmodels' own search gives up on large effects."""
    low, high = 2.0, 4.0
    if reach(low) >= power:
        return low
    while reach(high) < power:
        low, high = high, 2 * high
        if low > MOST_ANIMALS:
            return math.inf
    return float(optimize.brentq(lambda n: reach(n) - power, low, high))


def plan_sample_size(
    samples: Samples, control: str, alpha: float, pairs: Mapping[str, pd.DataFrame] | None = None
) -> pd.DataFrame:
    """SAMPLE_SIZE_COLUMNS of the next experiment, from `samples` (group -> one value an animal).

    Each group against the control by Student's t (of `pairs`, a table a group with the columns group and
    control, by the paired t: its n are pairs), at `alpha` shared out over the comparisons, which is a little
    more than Dunnett's test needs; and all groups by one-way ANOVA where they are three or more. `basis` says
    which effect: observed, half of it, the ends of its interval at 1 - `alpha`. `n_exact` is not rounded,
    `n_per_group` is, upwards; both are empty where no number can be given, with the reason in `note`.
    """
    tables = []
    n_comparisons = len(samples) - 1
    shared = f", alpha / {n_comparisons} comparisons" if n_comparisons > 1 else ""
    level = alpha / max(n_comparisons, 1)
    for group, x in samples.items():
        if group == control:
            continue
        y = samples[control]
        name = f"{group} - {control}"
        if pairs and group in pairs:
            difference = (pairs[group][group] - pairs[group][control]).to_numpy()
            effect = hedges_g_paired(difference, alpha) if _can_size(difference) else _unknown("Hedges g_z")
            tables.append(
                _list_sizes(effect, alpha, level, 1, name, f"paired t test{shared}", len(difference))
            )
        else:
            sized = len(x) > 1 and len(y) > 1 and (varies(x) or varies(y))
            effect = hedges_g(x, y, alpha) if sized else _unknown("Hedges g")
            test = f"Student's t test{shared}"
            tables.append(_list_sizes(effect, alpha, level, 2, name, test, min(len(x), len(y))))
    if len(samples) > 2 and not pairs:
        tables.append(_plan_anova(samples, alpha))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=SAMPLE_SIZE_COLUMNS)


def _can_size(difference: np.ndarray) -> bool:
    return len(difference) > 2 and bool(np.ptp(difference) > 1e-12 * np.abs(difference).max())


def _unknown(name: str) -> Effect:
    return Effect(name, math.nan, math.nan, math.nan)


def _plan_anova(samples: Samples, alpha: float) -> pd.DataFrame:
    row = compute_anova(samples, alpha)
    ends = [_find_f(row.get(name, math.nan)) for name in ("effect_size", "effect_low", "effect_high")]
    effect = Effect("Cohen f", *ends)
    n_now = min(map(len, samples.values()))
    return _list_sizes(effect, alpha, alpha, len(samples), ", ".join(samples), "one-way ANOVA", n_now)


def _find_f(eta_squared: float) -> float:
    """Cohen's f of an eta squared, 0 to 1; not corrected for its bias upwards at few animals."""
    return math.sqrt(eta_squared / (1 - eta_squared)) if eta_squared < 1 else math.nan


def _list_sizes(
    effect: Effect, alpha: float, level: float, n_groups: int, comparison: str, test: str, n_now: int
) -> pd.DataFrame:
    """One row a basis and power; the effect's interval is at 1 - `alpha`, the test's level is `level`."""
    sign = -1.0 if effect.size < 0 else 1.0
    weak, strong = sorted((sign * effect.low, sign * effect.high))
    interval = f"{100 * (1 - alpha):g} % interval"
    bases = {"observed": effect.size, "half of the observed": effect.size / 2}
    bases |= {
        f"weak end of its {interval}": sign * max(weak, 0.0),
        f"strong end of its {interval}": sign * strong,
    }
    rows = []
    for basis, size in bases.items():
        for power in POWERS:
            row = {"comparison": comparison, "test": test, "n_now": n_now, "basis": basis, "power": power}
            row |= {"effect_size_name": effect.name, "effect_size": size}
            rows.append({**row, **_state_size(size, power, level, n_groups, basis)})
    table = pd.DataFrame(rows, columns=SAMPLE_SIZE_COLUMNS)
    return table.astype({"n_exact": "float64", "n_per_group": "Int64", "effect_size": "float64"})


def _state_size(size: float, power: float, alpha: float, n_groups: int, basis: str) -> dict[str, object]:
    if math.isnan(size):
        return {"n_exact": math.nan, "n_per_group": pd.NA, "note": "no number: the effect is not defined"}
    n = find_group_size(size, power, alpha, n_groups)
    if math.isinf(n):
        why = "the interval reaches no effect" if basis.startswith("weak") else "there is hardly an effect"
        return {"n_exact": math.nan, "n_per_group": pd.NA, "note": f"no number is enough: {why}"}
    note = "two are enough by this formula, but too few to show how animals differ" if n <= 2 else ""
    return {"n_exact": n, "n_per_group": math.ceil(n - 1e-9), "note": note}

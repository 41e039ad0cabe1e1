"""Effect sizes with exact intervals: Hedges g (noncentral t) and partial eta squared (noncentral F).

pingouin's own interval of g is an approximation that, at 5 animals a group, can span 0 where the t test has
p < 0.05; the exact one agrees with the test by construction (Steiger 2004, Psychol Methods 9:164; Kelley
2007, J Stat Softw 20(8)).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pingouin
from scipy import optimize, stats

# Beyond it the noncentral distributions are not computed reliably; no living group of animals gets there.
LARGEST_T = 1000.0


class Effect(NamedTuple):
    """An effect size, its name and its interval; NaN where it is not defined."""

    name: str
    size: float
    low: float
    high: float


def hedges_g(x: np.ndarray, y: np.ndarray, alpha: float) -> Effect:
    """Hedges g of two independent samples: difference of means over the pooled SD, corrected for small n."""
    scale = math.sqrt(len(x) * len(y) / (len(x) + len(y)))
    cohen = float(pingouin.compute_effsize(x, y, eftype="cohen"))
    hedges = float(pingouin.compute_effsize(x, y, eftype="hedges"))
    return _standardised("Hedges g", cohen, hedges, scale, len(x) + len(y) - 2, alpha)


def hedges_g_paired(difference: np.ndarray, alpha: float) -> Effect:
    """Hedges g_z of pairs: mean difference over the SD of the differences, corrected for small n."""
    cohen = float(pingouin.compute_effsize(difference, 0, eftype="cohen"))
    hedges = float(pingouin.compute_effsize(difference, 0, eftype="hedges"))
    n = len(difference)
    return _standardised("Hedges g_z (paired)", cohen, hedges, math.sqrt(n), n - 1, alpha)


def _standardised(name: str, cohen: float, hedges: float, scale: float, df: int, alpha: float) -> Effect:
    if df < 2:
        # The correction for small n is 0 at one degree of freedom: g would be 0 whatever the difference.
        return Effect(name, math.nan, math.nan, math.nan)
    t = cohen * scale
    if abs(t) > LARGEST_T:
        return Effect(name, hedges, math.nan, math.nan)
    # The correction for small n multiplies the estimate and, so that they stay consistent, its bounds.
    correction = hedges / cohen if cohen else 1.0
    low = _solve(lambda nc: float(stats.nct.sf(t, df, nc)) - alpha / 2, t)
    high = _solve(lambda nc: float(stats.nct.cdf(t, df, nc)) - alpha / 2, t)
    return Effect(name, hedges, low / scale * correction, high / scale * correction)


def partial_eta_squared(f: float, df: int, df_2: int, size: float, alpha: float) -> Effect:
    """Interval of the (partial) eta squared `size` of a one-way ANOVA from its F; 0 to 1."""
    n = df + df_2 + 1
    if f > LARGEST_T**2:
        return Effect("partial eta squared", size, math.nan, math.nan)

    def bound(target: float) -> float:
        if float(stats.f.cdf(f, df, df_2)) <= target:
            return 0.0
        nc = _solve(lambda nc: float(stats.ncf.cdf(f, df, df_2, nc)) - target, f * df, floor=1e-9)
        return nc / (nc + n)

    return Effect("partial eta squared", size, bound(1 - alpha / 2), bound(alpha / 2))


def _solve(excess: Callable[[float], float], start: float, floor: float = -math.inf) -> float:
    """The root of a monotonic `excess`, bracketed around `start` in doubling steps; NaN if there is none."""
    step = 1.0
    with np.errstate(all="ignore"):
        for _ in range(40):
            low, high = max(floor, start - step), start + step
            ends = excess(low), excess(high)
            if not all(map(math.isfinite, ends)):
                return math.nan
            if ends[0] * ends[1] <= 0:
                return float(optimize.brentq(excess, low, high))
            step *= 2
    return math.nan

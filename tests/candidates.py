"""Models of treatment and time that were tried and not taken, for the simulation that tells why.

Each is a function (unpaired curves, crossed curves, alpha, seed) -> p, as `simulate_rates` asks for; curves
are (groups, animals, minutes), of which the first and the last group are compared.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import pingouin
from scipy import stats as scipy_stats
from statsmodels.genmod.cov_struct import Independence
from statsmodels.genmod.families import Gaussian
from statsmodels.genmod.generalized_estimating_equations import GEE
from statsmodels.regression.mixed_linear_model import MixedLM

from painlib.stats.simulation import GROUPS, block_means

Array = np.ndarray
Test = Callable[[Array, Array, float, int], float]


def _list_minutes(apart: Array) -> tuple[Array, Array, Array]:
    """Values, design (1, treated, minute, treated x minute) and animals, a row a minute with a value."""
    two = apart[[0, -1]]
    group, animal, minute = np.nonzero(np.isfinite(two))
    time = (minute - (two.shape[2] - 1) / 2) / two.shape[2]
    design = np.column_stack([np.ones(len(group)), group, time, group * time])
    return two[group, animal, minute], design, group * two.shape[1] + animal


def fit_random_intercept(column: int, apart: Array) -> float:
    """A mixed model of minutes that takes those of one animal as independent around its level."""
    values, design, animals = _list_minutes(apart)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(MixedLM(values, design, groups=animals).fit().pvalues[column])


def fit_linear_gee(column: int, covariance: str, few: bool, apart: Array) -> float:
    """A GEE of minutes, linear in time; `few`: t with animals less groups degrees of freedom, otherwise z."""
    values, design, animals = _list_minutes(apart)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = GEE(values, design, groups=animals, family=Gaussian(), cov_struct=Independence())
        found = model.fit(cov_type=covariance)
    t = abs(float(found.params[column] / found.bse[column]))
    df = len(np.unique(animals)) - 2
    return float(2 * (scipy_stats.t.sf(t, df) if few else scipy_stats.norm.sf(t)))


def fit_block_gee(covariance: str, apart: Array) -> float:
    """Treatment x time of the model that was taken, by chi-squared."""
    blocks = list(block_means(apart[[0, -1]]).values())
    values = np.vstack(blocks)
    group = np.repeat([0, 1], [len(part) for part in blocks])
    animal, block = np.nonzero(np.isfinite(values))
    cells = np.eye(6)[group[animal] * 3 + block]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = GEE(values[animal, block], cells, groups=animal, family=Gaussian(), cov_struct=Independence())
        found = model.fit(cov_type=covariance)
    contrast = np.array([[1, -1, 0, -1, 1, 0], [1, 0, -1, -1, 0, 1]], dtype=float)
    return float(found.wald_test(contrast, scalar=True).pvalue)


def bootstrap_percentile(apart: Array, seed: int) -> float:
    """0 where the plain percentile interval of the difference of two groups leaves out 0, otherwise 1."""
    x, y = np.nanmean(apart[-1], axis=-1), np.nanmean(apart[0], axis=-1)
    found = scipy_stats.bootstrap(
        (x, y),
        lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis),
        n_resamples=1000,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(found.low <= 0 <= found.high)


def friedman_by_f(crossed: Array) -> float:
    """Friedman's test referred to F (Iman & Davenport 1980)."""
    means = pd.DataFrame(np.nanmean(crossed, axis=-1).T, columns=list(GROUPS))
    return float(pingouin.friedman(means, method="f")["p_unc"].iloc[0])


CANDIDATES: dict[str, Test] = {
    "mixed model, random intercept: treatment": lambda a, c, alpha, seed: fit_random_intercept(1, a),
    "mixed model, random intercept: treatment x time": lambda a, c, alpha, seed: fit_random_intercept(3, a),
    "GEE linear, robust, z: treatment": lambda a, c, alpha, seed: fit_linear_gee(1, "robust", False, a),
    "GEE linear, robust, z: treatment x time": lambda a, c, alpha, seed: fit_linear_gee(
        3, "robust", False, a
    ),
    "GEE linear, bias-reduced, z: treatment x time": lambda a, c, alpha, seed: fit_linear_gee(
        3, "bias_reduced", False, a
    ),
    "GEE linear, bias-reduced, t: treatment x time": lambda a, c, alpha, seed: fit_linear_gee(
        3, "bias_reduced", True, a
    ),
    "GEE blocks, robust, chi2: treatment x time": lambda a, c, alpha, seed: fit_block_gee("robust", a),
    "GEE blocks, bias-reduced, chi2: treatment x time": lambda a, c, alpha, seed: fit_block_gee(
        "bias_reduced", a
    ),
    "bootstrap percentile without 0": lambda a, c, alpha, seed: bootstrap_percentile(a, seed),
    "Friedman by F, 3 conditions": lambda a, c, alpha, seed: friedman_by_f(c),
}

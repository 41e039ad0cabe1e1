"""Curves of animals drawn at random, and how often each animal-level test finds a difference in them.

Without an effect a test that says yes more often than alpha is wrong about its unit, or about how few animals
there are; a stated effect gives its power. Minutes are autocorrelated, animals differ, probabilities are
bounded, minutes are missing: as in life, where the textbook's normal, independent values are not met.

Found with 1,000 cohorts of 5, 9 and 12 animals a group (alpha 0.05, `make verify` prints all): every test
that runs says yes in at most 6.1 % without an effect; with 12 animals in 3.4 to 6.1 %. The paired bootstrap
interval is not run with 5 animals (six pairs are needed): the printed table says so, and gives no rate.
With 4 animals beside 9 or 12, and 5 beside 12, the GEE says yes in 4 to 6 %, as do max-T and clusters (1,500
cohorts; `make verify` has them too).
Curves that hardly leave 0 (`level` -3, 12 minutes, 400 cohorts) give 0 to 6 %. Not taken, each above 7 % at
some size (300 cohorts): a mixed model of minutes with a random intercept, as if minutes were independent
(treatment x time 40 to 44 %); the GEE by chi-squared with the plain robust covariance (12 to 14 %) or with
the bias-reduced one (7 to 10 %); a GEE linear in time by z (8 to 11 %); the plain bootstrap percentiles (7 to
12 %).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import signal, special, stats

from painlib.faults import PainlibError
from painlib.stats.comparisons import Row, bootstrap_difference
from painlib.stats.curves import Curves, average_blocks
from painlib.stats.permutation import flip_signs, permute_labels
from painlib.stats.repeated import compute_friedman
from painlib.stats.time_course import EFFECTS, fit_time_course

Array = np.ndarray
GROUPS = ("vehicle", "low dose", "high dose")  # two groups: the first and the last
TIME_BLOCKS = 3


@dataclass(frozen=True)
class CurveNoise:
    """How curves vary; SD on the logit scale. Fixed before any rate was computed.

    A median animal is judged in pain in 27 % of its faces (`level`). `animal_sd` 0.6 spreads animals over 17
    to 40 % (one SD); `minute_sd` 0.8 moves a minute's log odds about its animal's, with the correlation `rho`
    from one minute to the next: what an animal does lasts for about five minutes. `missing`: share of minutes
    without a value. An effect is added to the log odds of the treated from minute 5 to 20.
    """

    level: float = -1.0
    animal_sd: float = 0.6
    minute_sd: float = 0.8
    rho: float = 0.8
    missing: float = 0.1
    minutes: int = 30
    effect_from: int = 5
    effect_to: int = 20


IN_LIFE = CurveNoise()


def simulate_curves(
    rng: np.random.Generator,
    n_draws: int,
    n_animals: int,
    effect: float = 0.0,
    *,
    crossed: bool = False,
    noise: CurveNoise = IN_LIFE,
) -> Array:
    """Curves (n_draws, GROUPS, n_animals, minutes) of probabilities, NaN where missing.

    `effect` (log odds) is that of the last of GROUPS. `crossed`: the animals of the three groups are the
    same, each filmed three times.
    """
    shape = (n_draws, len(GROUPS), n_animals, noise.minutes)
    animal = rng.standard_normal((n_draws, 1 if crossed else len(GROUPS), n_animals, 1))
    shocks = rng.standard_normal(shape)
    step = math.sqrt(1 - noise.rho**2)
    shocks[..., 0] /= step  # so that the first minute varies as much as all others
    wander = signal.lfilter([step], [1, -noise.rho], shocks, axis=-1)
    log_odds = noise.level + noise.animal_sd * animal + noise.minute_sd * wander
    log_odds[:, -1, :, noise.effect_from : noise.effect_to] += effect
    return np.where(rng.random(shape) < noise.missing, np.nan, special.expit(log_odds))


def simulate_rates(
    n_draws: int,
    n_animals: int,
    effect: float = 0.0,
    *,
    seed: int = 0,
    alpha: float = 0.05,
    noise: CurveNoise = IN_LIFE,
    permutations: int = 1000,
    tests: dict[str, Callable[[Array, Array, float, int], float]] | None = None,
) -> pd.DataFrame:
    """How often each animal-level test has p below `alpha`, over `n_draws` cohorts of `n_animals` a group.

    Returns one row a test: test, n_animals, n_draws, effect, `rate` with its 95 % interval (Clopper &
    Pearson) `rate_low`, `rate_high`; without an effect the rate is that of false alarms, with one the power.
    `not_run`: share of draws in which the test gave no p, which counts as a no; a test that never ran has no
    rate (NaN). `tests`: others than the results', as functions (unpaired curves, crossed curves, alpha, seed)
    -> p. `tabulate_rates` prints the rates.
    """
    if n_draws < 1 or n_animals < 2:
        raise PainlibError(f"Simulation: expected draws and 2 animals or more, got {n_draws}, {n_animals}.")
    rng = np.random.default_rng([seed, n_animals])
    apart = simulate_curves(rng, n_draws, n_animals, effect, noise=noise)
    crossed = simulate_curves(rng, n_draws, n_animals, effect, crossed=True, noise=noise)
    found: dict[str, list[float]] = {}
    for number in range(n_draws):
        pair = (apart[number], crossed[number])
        if tests is None:
            answers = _run_all(*pair, alpha, seed + number, permutations)
        else:
            answers = {name: test(*pair, alpha, seed + number) for name, test in tests.items()}
        for name, p in answers.items():
            found.setdefault(name, []).append(p)
    settings = {"n_animals": n_animals, "n_draws": n_draws, "effect": effect}
    return pd.DataFrame([{"test": name, **settings, **_sum_up(p, alpha)} for name, p in found.items()])


def tabulate_rates(rates: pd.DataFrame) -> pd.DataFrame:
    """`simulate_rates` of one or several sizes for the eye: a row a test, a column a number of animals.

    "4.2 % (3.0 to 5.6)" is the rate with its interval. A test that refuses so few animals says "not run at
    this size", and one that sometimes gave no answer in how many draws, which then count as a no.
    """
    words = [
        (row["test"], f"{row['n_animals']} animals a group", _word_rate(row))
        for row in rates.to_dict("records")
    ]
    table = pd.DataFrame(words, columns=["test", "size", "said"])
    said = table.pivot(index="test", columns="size", values="said").fillna("not asked")
    return said.reindex(index=table["test"].unique(), columns=table["size"].unique()).rename_axis(
        columns=None
    )


def _word_rate(row: dict) -> str:
    if math.isnan(row["rate"]):
        return "not run at this size"
    rate, low, high = (f"{100 * row[name]:.1f}" for name in ("rate", "rate_low", "rate_high"))
    some = f"; not run in {100 * row['not_run']:.1f} % of draws" if row["not_run"] > 0 else ""
    return f"{rate} % ({low} to {high}){some}"


def _sum_up(p: list[float], alpha: float) -> dict[str, float]:
    not_run = float(np.isnan(p).mean())
    if not_run == 1:
        return {"rate": math.nan, "rate_low": math.nan, "rate_high": math.nan, "not_run": not_run}
    yes = int((np.array(p) < alpha).sum())
    interval = stats.binomtest(yes, len(p)).proportion_ci(0.95)
    rates = {"rate": yes / len(p), "rate_low": interval.low, "rate_high": interval.high}
    return {**rates, "not_run": not_run}


def _run_all(apart: Array, crossed: Array, alpha: float, seed: int, permutations: int) -> dict[str, float]:
    """p of every test of one cohort; the tests are those of the results, where they are quick enough."""
    answers = _compare_means(apart, crossed, alpha, seed)
    answers |= _compare_courses(apart, crossed, alpha)
    how = {"seed": seed, "permutations": permutations}
    two = permute_labels(apart[-1], apart[0], **how)
    middle = permute_labels(apart[1], apart[0], **how)
    flipped = flip_signs(crossed[-1] - crossed[0], **how)
    answers["max-T, 2 groups"] = np.nanmin(two.p_corrected)
    several = [np.nanmin(two.p_corrected), np.nanmin(middle.p_corrected)]
    answers["max-T, 3 groups (Bonferroni)"] = min(1.0, 2 * min(several))
    answers["max-T, paired"] = np.nanmin(flipped.p_corrected)
    answers["clusters, 2 groups"] = two.p_cluster
    answers["clusters, 3 groups (Bonferroni)"] = min(1.0, 2 * min(two.p_cluster, middle.p_cluster))
    answers["clusters, paired"] = flipped.p_cluster
    return answers


def _compare_means(apart: Array, crossed: Array, alpha: float, seed: int) -> dict[str, float]:
    means, again = np.nanmean(apart, axis=-1), np.nanmean(crossed, axis=-1)
    dunnett = stats.dunnett(*means[1:], control=means[0], rng=np.random.default_rng(seed))
    samples = {"treated": means[-1], "control": means[0]}
    interval = bootstrap_difference(samples, alpha, seed, 1000, paired=False)
    pairs = {"treated": again[-1], "control": again[0]}
    of_pairs = bootstrap_difference(pairs, alpha, seed, 1000, paired=True)
    return {
        "Student": stats.ttest_ind(means[-1], means[0]).pvalue,
        "Welch": stats.ttest_ind(means[-1], means[0], equal_var=False).pvalue,
        "ANOVA, 3 groups": stats.f_oneway(*means).pvalue,
        "Dunnett, 3 groups": dunnett.pvalue.min(),
        "paired t": stats.ttest_rel(again[-1], again[0]).pvalue,
        "bootstrap interval without 0": _judge_interval(interval),
        "bootstrap interval without 0, paired": _judge_interval(of_pairs),
        "Friedman, 3 conditions": compute_friedman(pd.DataFrame(again.T)).get("p", math.nan),
    }


def _judge_interval(row: Row) -> float:
    """0 where the interval leaves out 0, which counts as a yes, 1 where not; NaN without an interval."""
    if "ci_low" not in row:
        return math.nan
    return float(row["ci_low"] <= 0 <= row["ci_high"])


def _compare_courses(apart: Array, crossed: Array, alpha: float) -> dict[str, float]:
    designs = {"2 groups": (apart[[0, -1]], False), "3 groups": (apart, False)}
    designs |= {"paired": (crossed[[0, -1]], True)}
    answers: dict[str, float] = {}
    for name, (values, paired) in designs.items():
        blocks = block_means(values)
        rows = fit_time_course(blocks, GROUPS[0], alpha, paired=paired)
        answers |= {
            f"GEE {effect}, {name}": row.get("p", math.nan) for effect, row in zip(EFFECTS, rows, strict=True)
        }
    one = pd.DataFrame(next(iter(block_means(apart[-1:]).values())))
    answers["Friedman, 3 blocks of time"] = compute_friedman(one).get("p", math.nan)
    return answers


def block_means(values: Array) -> dict[str, Array]:
    """Block means by group of curves (groups, animals, minutes), the control first."""
    curves = Curves(np.arange(values.shape[-1]), {}, dict(zip(GROUPS, values, strict=False)))
    return average_blocks(curves, TIME_BLOCKS)[1]

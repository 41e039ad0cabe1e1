"""One row a test: the arithmetic is pingouin's and scipy's, the wiring and the degenerate answers are ours.

A test that cannot be run keeps its row, with NaN and the reason in `note`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pingouin
from scipy import stats

from painlib.stats.effects import Effect, hedges_g, hedges_g_paired, partial_eta_squared
from painlib.stats.wording import BOOTSTRAP, DUNNETT, NOT_RUN, OURS, PAIRED_T, PUBLISHED, STUDENT, WELCH

FEWEST_ANIMALS, FEWEST_PAIRS = 4, 6  # that a bootstrap interval is given for
Samples = dict[str, np.ndarray]
Row = dict[str, Any]


def varies(sample: np.ndarray) -> bool:
    """Whether values differ by more than the last digits, in which means of equal values may differ."""
    return bool(np.ptp(sample) > 1e-12 * np.abs(sample).max()) if len(sample) else False


def compute_t(samples: Samples, alpha: float, *, welch: bool) -> Row:
    """Student's unpaired t of two samples, with equal variances at unequal n too; or Welch's."""
    (group, x), (control, y) = samples.items()
    row = _start_row(OURS if welch else PUBLISHED, WELCH if welch else STUDENT, group, control, x, y)
    if reason := _why_not_run(samples):
        return {**row, "note": reason}
    found = pingouin.ttest(x, y, paired=False, correction=welch).iloc[0]
    interval = stats.ttest_ind(x, y, equal_var=not welch).confidence_interval(1 - alpha)
    effect = {} if welch else _effect(hedges_g(x, y, alpha))
    return {**row, **_t_numbers(found, interval), **effect}


def compute_anova(samples: Samples, alpha: float) -> Row:
    """One-way ANOVA of three or more samples."""
    row: Row = {"role": PUBLISHED, "test": "one-way ANOVA", "comparison": ", ".join(samples)}
    if reason := _why_not_run(samples):
        return {**row, "note": reason}
    found = pingouin.anova(data=_long(samples), dv="value", between="group").iloc[0]
    df, df_2 = int(found["ddof1"]), int(found["ddof2"])
    effect = partial_eta_squared(found["F"], df, df_2, found["np2"], alpha)
    return {**row, "statistic": found["F"], "df": df, "df_2": df_2, "p": found["p_unc"], **_effect(effect)}


def compute_welch_anova(samples: Samples) -> Row:
    """Welch's ANOVA of three or more samples, which does not take their variances as equal."""
    row: Row = {"role": OURS, "test": "Welch's ANOVA", "comparison": ", ".join(samples)}
    flat = [group for group, sample in samples.items() if not varies(sample)]
    reason = _why_not_run(samples)
    if flat and not reason:
        reason = f"{NOT_RUN}it needs variance in every group, got none in {', '.join(flat)}"
    if reason:
        return {**row, "note": reason}
    found = pingouin.welch_anova(data=_long(samples), dv="value", between="group").iloc[0]
    return {**row, "statistic": found["F"], "df": found["ddof1"], "df_2": found["ddof2"], "p": found["p_unc"]}


def compute_dunnett(samples: Samples, control: str, alpha: float, seed: int) -> list[Row]:
    """Dunnett's test of every other sample against the control; its p is quasi-random in the last digits."""
    y = samples[control]
    treated = {group: sample for group, sample in samples.items() if group != control}
    rows = [_start_row(PUBLISHED, DUNNETT, group, control, x, y) for group, x in treated.items()]
    if reason := _why_not_run(samples):
        return [{**row, "note": reason} for row in rows]
    with warnings.catch_warnings(record=True) as caught:
        # What is kept for the note: an interval that did not converge (a UserWarning).
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", RuntimeWarning)
        found = stats.dunnett(*treated.values(), control=y, rng=np.random.default_rng(seed))
        interval = found.confidence_interval(1 - alpha)
    note = "; ".join(["simultaneous interval", *dict.fromkeys(str(warning.message) for warning in caught)])
    df = sum(map(len, samples.values())) - len(samples)
    for number, (row, x) in enumerate(zip(rows, treated.values(), strict=True)):
        row |= {"statistic": found.statistic[number], "df": df, "p_corrected": found.pvalue[number]}
        row |= {"ci_low": interval.low[number], "ci_high": interval.high[number]}
        row |= {"correction": "Dunnett, single step", "note": note}
        if varies(x) or varies(y):
            row |= _effect(hedges_g(x, y, alpha))
    return rows


def compute_paired_t(pairs: Mapping[str, pd.DataFrame], control: str, alpha: float) -> list[Row]:
    """Paired t of each group's pairs (a row an animal, columns group and control); Holm where several."""
    rows = []
    for group, table in pairs.items():
        x, y = table[group].to_numpy(), table[control].to_numpy()
        row = _start_row(OURS, PAIRED_T, group, control, x, y)
        if reason := _why_not_paired(x, y):
            row["note"] = reason
        else:
            found = pingouin.ttest(x, y, paired=True).iloc[0]
            interval = stats.ttest_rel(x, y).confidence_interval(1 - alpha)
            row |= {**_t_numbers(found, interval), **_effect(hedges_g_paired(x - y, alpha))}
        rows.append(row)
    run = [row for row in rows if "p" in row]
    if len(run) > 1:
        corrected = pingouin.multicomp([row["p"] for row in run], method="holm")[1]
        for row, p in zip(run, corrected, strict=True):
            row |= {"p_corrected": p, "correction": "Holm"}
    return rows


def bootstrap_difference(samples: Samples, alpha: float, seed: int, draws: int, *, paired: bool) -> Row:
    """Percentile interval of the difference of two means; animals (or pairs) are drawn anew each time.

    The plain percentiles are too narrow with few animals, because a mean of n drawn animals varies as if the
    SD had n, not n - 1, below it, and because z stands where t belongs. They are taken further out by just
    that (the expanded percentile interval: Hesterberg 2015, Am Stat 69:371). What remains too narrow, below
    FEWEST_ANIMALS a group or FEWEST_PAIRS, is withdrawn.
    """
    (group, x), (control, y) = samples.items()
    row = _start_row(OURS, BOOTSTRAP, group, control, x, y)
    if reason := _why_not_paired(x, y) if paired else _why_not_run(samples):
        return {**row, "note": reason}
    least, of = (FEWEST_PAIRS, "pairs") if paired else (FEWEST_ANIMALS, "animals a group")
    if min(len(x), len(y)) < least:
        # Measured without an effect, 5 % asked for: 0 left out in 8 % at 5 pairs, 11 % at 3 animals a group.
        return {**row, "note": f"{NOT_RUN}withdrawn below {least} {of}, where it is too narrow"}
    found = stats.bootstrap(
        (x, y),
        lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis),
        n_resamples=draws,
        paired=paired,
        confidence_level=_expand_level([x - y] if paired else [x, y], alpha),
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    drawn = "pairs" if paired else "animals within groups"
    note = f"percentile interval expanded for few animals, {draws} draws of {drawn}"
    return {**row, "ci_low": found.low, "ci_high": found.high, "note": note}


def _expand_level(samples: list[np.ndarray], alpha: float) -> float:
    """The level at which percentiles of the bootstrap are as far out as a t interval at 1 - `alpha`."""
    n = np.array([len(sample) for sample in samples])
    error = np.array([sample.var(ddof=1) for sample in samples]) / n
    df = error.sum() ** 2 / (error**2 / (n - 1)).sum()  # Welch & Satterthwaite
    drawn = (error * (n - 1) / n).sum()
    return float(1 - 2 * stats.norm.sf(stats.t.isf(alpha / 2, df) * np.sqrt(error.sum() / drawn)))


def _why_not_run(samples: Samples) -> str:
    few = [f"{group} (n = {len(sample)})" for group, sample in samples.items() if len(sample) < 2]
    if few:
        return f"{NOT_RUN}a test needs at least 2 animals a group, got {', '.join(few)}"
    if not any(varies(sample) for sample in samples.values()):
        means = np.array([sample.mean() for sample in samples.values()])
        told = "though the groups' means differ" if varies(means) else "and the groups' means are equal"
        return f"{NOT_RUN}no animal differs from the others of its group, {told}"
    return ""


def _why_not_paired(x: np.ndarray, y: np.ndarray) -> str:
    if len(x) < 2:
        return f"{NOT_RUN}it needs at least 2 animals in both groups, got {len(x)}"
    if np.ptp(x - y) <= 1e-12 * max(np.abs(x).max(), np.abs(y).max()):
        return f"{NOT_RUN}every animal's difference is the same ({x[0] - y[0]:z.3f})"
    return ""


def _start_row(role: str, test: str, group: str, control: str, x: np.ndarray, y: np.ndarray) -> Row:
    row: Row = {"role": role, "test": test, "comparison": f"{group} - {control}"}
    for number, sample in ((1, x), (2, y)):
        row[f"n_{number}"] = len(sample)
        row[f"mean_{number}"] = sample.mean() if len(sample) else np.nan
        row[f"sem_{number}"] = stats.sem(sample) if len(sample) > 1 else np.nan
    return {**row, "difference": row["mean_1"] - row["mean_2"]}


def _t_numbers(found: pd.Series, interval: Any) -> Row:
    numbers = {"statistic": found["T"], "df": found["dof"], "p": found["p_val"]}
    return {**numbers, "ci_low": interval.low, "ci_high": interval.high}


def _effect(effect: Effect) -> Row:
    return dict(zip(["effect_size_name", "effect_size", "effect_low", "effect_high"], effect, strict=True))


def _long(samples: Samples) -> pd.DataFrame:
    rows = [(group, value) for group, sample in samples.items() for value in sample]
    return pd.DataFrame(rows, columns=["group", "value"])

"""The sentence of a group test, ready for a methods or results section: it names the tests that ran."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

PUBLISHED = "as published"
OURS = "ours"
STUDENT = "Student's unpaired t test with equal variances"
WELCH = "Welch's t test"
PAIRED_T = "paired t test"
BOOTSTRAP = "bootstrap over animals"
DUNNETT = "Dunnett's test"
FRIEDMAN = "Friedman's test"
GEE_TEST = "GEE, bias-corrected"
MAX_T = "max-T permutation over minutes"
CLUSTER = "cluster permutation"
NOT_RUN = "not run: "
ONE_RECORDING = "no value in this recording; the animal's others are used"
PAIRED_ONLY = "left out of the paired test only"


def format_p(p: float) -> str:
    """`P = 0.012`, `P < 0.001`; one digit more around 0.05, so that rounding does not move it across."""
    if np.isnan(p):
        return "P not defined"
    if p < 0.001:
        return "P < 0.001"
    return f"P = {p:.4f}" if 0.045 <= p < 0.055 else f"P = {p:.3f}"


def join_words(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else list(words))


def join_minutes(minutes: Sequence[int]) -> str:
    """`0–4, 7 and 9–11`: runs of whole minutes, each minute named by its start."""
    runs: list[list[int]] = []
    for minute in minutes:
        if runs and minute == runs[-1][-1] + 1:
            runs[-1].append(minute)
        else:
            runs.append([minute])
    return join_words([f"{run[0]}–{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs])


def write_sentence(
    table: pd.DataFrame,
    animals: pd.DataFrame,
    excluded: pd.DataFrame,
    groups: Sequence[str],
    control: str,
    measure: str,
    alpha: float,
) -> str:
    """Name measure, groups with their n, the published tests, ours beside them, and who was left out.

    The tables are those of `painlib.stats.GroupTest`; `alpha` is that of the intervals.
    """
    level = f"{100 * (1 - alpha):g} % CI"
    counts = animals["group"].value_counts()
    named = [f"{group} (n = {counts.get(group, 0)})" for group in groups]
    subject = measure[:1].upper() + measure[1:]
    published = table[table["role"] == PUBLISHED]
    sentences = []
    if len(groups) == 1:
        told = _mean_and_sem(animals["value"].to_numpy(dtype=float))
        sentences.append(f"{subject} was {told} in {named[0]}; with one group nothing was tested.")
    elif published["statistic"].isna().all():
        reason = published["note"].iloc[0].split(";")[0].removeprefix(NOT_RUN)
        sentences.append(f"{subject} was not tested between {join_words(named)}: {reason}.")
    else:
        how = _published(published, control, level)
        sentences.append(f"{subject} was compared between {join_words(named)} by {how}.")
        ours = table[(table["role"] == OURS) & (table["test"] != BOOTSTRAP)]
        beside = [_beside(row, level) for _, row in ours.iterrows()]
        if beside:
            sentences.append(f"Beside the published analysis: {'; '.join(beside)}.")
    sentences.append(_unit(animals))
    sentences += _left_out(excluded)
    return " ".join(sentences)


def _published(rows: pd.DataFrame, control: str, level: str) -> str:
    first = rows.iloc[0]
    if len(rows) == 1:
        return f"{first['test']} ({_statistic(first)}{_difference(first, level)}{_effect(first, level)})"
    each = [
        f"{row['comparison'].removesuffix(f' - {control}')}: "
        f"{_statistic(row)}{_difference(row, f'simultaneous {level}')}"
        for _, row in rows.iloc[1:].iterrows()
    ]
    anova = f"{first['test']} ({_statistic(first)}{_effect(first, level)})"
    return f"{anova}, followed, whatever its result, by {DUNNETT} against {control} ({'; '.join(each)})"


def _beside(row: pd.Series, level: str) -> str:
    name, effect = row["test"], ""
    if name == PAIRED_T:
        name += f" of {row['comparison']} (n = {row['n_1']})"
        effect = _effect(row, level)
    if row["note"].startswith(NOT_RUN):
        return f"{name} was {row['note'].split(';')[0]}"
    return f"{name}, {_statistic(row)}{effect}"


def _statistic(row: pd.Series) -> str:
    p = row["p"] if np.isnan(row["p_corrected"]) else row["p_corrected"]
    corrected = f" ({row['correction']})" if row["correction"] == "Holm" else ""
    if np.isnan(row["df_2"]):
        return f"t({_df(row['df'])}) = {row['statistic']:z.2f}, {format_p(p)}{corrected}"
    return f"F({_df(row['df'])}, {_df(row['df_2'])}) = {row['statistic']:z.2f}, {format_p(p)}{corrected}"


def _df(df: float) -> str:
    return f"{df:.0f}" if abs(df - round(df)) < 1e-9 else f"{df:.1f}"


def _difference(row: pd.Series, level: str) -> str:
    if np.isnan(row["difference"]):
        return ""
    return f", difference {row['difference']:z.3f}, {level} {row['ci_low']:z.3f} to {row['ci_high']:z.3f}"


def _effect(row: pd.Series, level: str) -> str:
    if np.isnan(row["effect_size"]):
        return ""
    told = f", {row['effect_size_name']} = {row['effect_size']:z.2f}"
    if np.isnan(row["effect_low"]):
        return told
    return f"{told}, {level} {row['effect_low']:z.2f} to {row['effect_high']:z.2f}"


def _mean_and_sem(values: np.ndarray) -> str:
    if len(values) < 2:
        return f"{values[0]:z.3f} (one animal)" if len(values) else "not measured in any animal"
    return f"{values.mean():z.3f} ± {values.std(ddof=1) / np.sqrt(len(values)):z.3f} (mean ± SEM)"


def _unit(animals: pd.DataFrame) -> str:
    several = sorted(animals.loc[animals["n_recordings"] > 1, "subject"].unique())
    shared = animals.loc[animals.duplicated("subject"), "subject"].nunique()
    text = "The animal is the unit"
    if several:
        text += f"; several recordings of one animal in one group were averaged first ({', '.join(several)})"
    if shared:
        text += f"; {shared} are in more than one group, which unpaired tests take as different animals"
    return text + "."


def _left_out(excluded: pd.DataFrame) -> list[str]:
    sentences = []
    for reason in excluded["reason"].unique():
        rows = excluded[excluded["reason"] == reason]
        animals = rows.drop_duplicates(["group", "subject"])
        who = animals["subject"] + (" in " + animals["group"]).where(animals["group"] != "", "")
        if reason == ONE_RECORDING:
            who = rows["recording"] + " of " + rows["subject"]
        told = reason if reason.endswith(PAIRED_ONLY) else f"left out, {reason}"
        sentences.append(f"{join_words(list(who))}: {told}.")
    return sentences

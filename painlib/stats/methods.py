"""Sentences for a methods and results section on the tests with the animal as the unit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from painlib.stats.wording import CLUSTER, FRIEDMAN, GEE_TEST, MAX_T, NOT_RUN, format_p, join_words


def write_methods(
    table: pd.DataFrame, blocks: Sequence[str], left_out: Sequence[str], alpha: float, paired: bool
) -> str:
    """Name each of our tests, its statistic and answer; `table` as `AnimalTests.table`, `blocks` the names of
    the stretches of time, `left_out` the animals of a crossover that are not in every group.
    """
    if table.empty:
        return "With one group and too short a window there was nothing to test over time."
    assay = table["assay"].iloc[0]
    unit = "the animal, in all its treatments," if paired else "the animal"
    sentences = [f"{assay}: beside the published tests, over the same window, with {unit} as the unit."]
    sentences += _tell_model(table, blocks)
    sentences += _tell_friedman(table)
    sentences += _tell_minutes(table, alpha, paired)
    sentences += _tell_clusters(table)
    if left_out:
        sentences.append(f"Left out of these tests, not filmed in every treatment: {join_words(left_out)}.")
    sentences.append("These tests are different questions; P was not corrected for asking all of them.")
    return " ".join(sentences)


def _pick(table: pd.DataFrame, test: str) -> pd.DataFrame:
    return table[table["test"].str.startswith(test)]


def _ran(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["p"].notna()]


def _why_not(table: pd.DataFrame) -> str:
    return str(table["note"].iloc[0]).split(";")[0].removeprefix(NOT_RUN)


def _tell_model(table: pd.DataFrame, blocks: Sequence[str]) -> list[str]:
    rows = _pick(table, GEE_TEST)
    if rows.empty:
        return []
    if _ran(rows).empty:
        return [f"A GEE of treatment and time was not fitted: {_why_not(rows)}."]
    told = []
    for row in rows.to_dict("records"):
        name = row["test"].removeprefix(f"{GEE_TEST}: ").replace(" x ", " × ")
        if np.isnan(row["p"]):
            told.append(f"{name} {row['note'].replace(NOT_RUN, 'not tested, ')}")
        else:
            told.append(f"{name} F({row['df']:.0f}, {row['df_2']:.1f}) = {row['statistic']:.2f}, "
                        f"{format_p(row['p'])}")  # fmt: skip
    return [
        f"Means of blocks of time ({', '.join(blocks)}) were compared by generalised estimating equations "
        "(Gaussian, working independence, animals as clusters, bias-corrected covariance of Kauermann and "
        f"Carroll; F with the error degrees of freedom of Krishnamoorthy and Yu): {'; '.join(told)}."
    ]


def _tell_friedman(table: pd.DataFrame) -> list[str]:
    rows = _ran(_pick(table, FRIEDMAN))
    told = []
    for row in rows.to_dict("records"):
        name = row["comparison"].split(":")[0] if "blocks" in row["test"] else row["comparison"]
        what = "over the blocks of time in" if "blocks" in row["test"] else "between"
        told.append(
            f"{what} {name} (n = {row['animals']}), χ²({row['df']:.0f}) = {row['statistic']:.2f}, "
            f"{format_p(row['p'])}"
        )
    return [f"Friedman's test: {'; '.join(told)}."] if told else []


def _tell_minutes(table: pd.DataFrame, alpha: float, paired: bool) -> list[str]:
    rows = _pick(table, MAX_T)
    if rows.empty:
        return []
    if _ran(rows).empty:
        return [f"Single minutes were not tested: {_why_not(rows)}."]
    how = "signs of whole animals' differences flipped" if paired else "whole animals exchanged"
    told = []
    for row in _ran(rows).to_dict("records"):
        which, arrangements, *caution = row["note"].split("; ")
        told.append(f"{row['comparison']} ({arrangements}): {which} (smallest corrected "
                    f"{format_p(row['p_corrected'])}{''.join(f'; {text}' for text in caution)})")  # fmt: skip
    correction = _ran(rows)["correction"].iloc[0]
    return [
        f"Every minute was tested by permutation ({how}, two-sided, {correction}; corrected P < {alpha:g}; a "
        f"minute is named by its start): {'; '.join(told)}."
    ]


def _tell_clusters(table: pd.DataFrame) -> list[str]:
    rows = _ran(_pick(table, CLUSTER))
    if rows.empty:
        return []
    told = []
    for row in rows.to_dict("records"):
        p = row["p"] if np.isnan(row["p_corrected"]) else row["p_corrected"]
        caution = "".join(f" ({text})" for text in row["note"].split("; ")[2:])
        told.append(f"{row['comparison']}, {format_p(p)}{caution}")
    return [
        "A cluster permutation test of the whole curves (adjacent minutes with |t| beyond its two-sided 5 % "
        f"point) can say that whole curves differ, not when: {'; '.join(told)}."
    ]

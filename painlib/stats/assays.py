"""One assay from minutes to tests, in one call: description, curves, before treatment, window, coverage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from painlib.stats.change import compare_change
from painlib.stats.designs import (
    check_groups,
    describe_groups,
    minute_curves,
    note_untreated,
    post_minutes,
    pre_minutes,
    summarise_window,
)
from painlib.stats.groups import GroupTest, compare_groups, no_test
from painlib.stats.wording import join_words


@dataclass(frozen=True)
class AssayResult:
    """What one assay gave.

    `values`: one row a recording of the window; `curves`: group, minute (negative before treatment), n, mean,
    sem; `description`: measure, group, n, mean, sd, sem, min, max; `post`, `pre`, `coverage`: their tests;
    `change`: after against before, within animals (`compare_change`).
    """

    assay: str
    groups: tuple[str, ...]
    control: str
    window_min: tuple[float, float]
    values: pd.DataFrame
    curves: pd.DataFrame
    description: pd.DataFrame
    post: GroupTest
    pre: GroupTest
    coverage: GroupTest
    change: GroupTest


def run_assay(
    minutes: pd.DataFrame,
    *,
    assay: str,
    groups: Sequence[str],
    control: str,
    paired: bool,
    window_start_min: float,
    window_end_min: float,
    pre_window_min: float,
    alpha: float,
    seed: int,
    bootstrap: int,
) -> AssayResult:
    """Describe and test one assay of `minutes` (with treatments, see `assign_treatment`).

    The window is [start, end) min from time zero; `pre_window_min` the stretch just before treatment, min.
    All recordings whose treatment is among `groups` take part: assays kept in one table need groups of
    different names.
    """
    settings: dict[str, Any] = {"paired": paired, "alpha": alpha, "seed": seed, "bootstrap": bootstrap}
    settings["assay"] = assay
    post = post_minutes(minutes)
    before = pre_minutes(minutes, pre_window_min)
    check_groups(post, groups, control)
    values = summarise_window(post, window_start_min, window_end_min)
    window = f"over minutes {window_start_min:g} to {window_end_min:g}"
    names = {
        "mean_of_minutes": f"pain probability {window}",
        "pooled": f"pooled pain probability {window}",
        "coverage": f"evaluated share of time points {window}",
    }
    described = [describe_groups(values, groups, each).assign(measure=name) for each, name in names.items()]
    pre = compare_pre(minutes, groups, control, pre_window_min=pre_window_min, **settings)
    if len(pre.animals):
        pre_values = summarise_window(before, -pre_window_min, 0)
        described.append(describe_groups(pre_values, groups).assign(measure=_name_pre(pre_window_min)))
    description = pd.concat(described, ignore_index=True).assign(assay=assay)
    return AssayResult(
        assay=assay,
        groups=tuple(groups),
        control=control,
        window_min=(window_start_min, window_end_min),
        values=values[values["treatment"].isin(list(groups))].assign(assay=assay).reset_index(drop=True),
        curves=minute_curves(pd.concat([before, post]) if len(before) else post, groups).assign(assay=assay),
        description=description[["assay", "measure", "group", "n", "mean", "sd", "sem", "min", "max"]],
        post=compare_groups(values, groups, control, measure=names["mean_of_minutes"], **settings),
        pre=pre,
        coverage=compare_groups(
            values, groups, control, column="coverage", measure=names["coverage"], **settings
        ),
        change=compare_change(
            minutes, groups, (window_start_min, window_end_min), pre_window_min, alpha, assay=assay
        ),
    )


def compare_pre(
    minutes: pd.DataFrame,
    groups: Sequence[str],
    control: str,
    paired: bool,
    pre_window_min: float,
    alpha: float = 0.05,
    seed: int = 0,
    bootstrap: int = 0,
    *,
    assay: str = "",
) -> GroupTest:
    """The same tests on the last `pre_window_min` min before treatment; none where a group has none."""
    if pre_window_min < 1:
        return no_test("Before treatment nothing was compared: no minute of it is asked for.")
    before = pre_minutes(minutes, pre_window_min)
    unfilmed = [group for group in groups if group not in set(before["treatment"])]
    if unfilmed:
        told = [f"no recording of then belongs to {join_words(unfilmed)}", note_untreated(before)]
        return no_test(f"Before treatment nothing was compared: {'; '.join(filter(None, told))}.")
    found = compare_groups(
        summarise_window(before, -pre_window_min, 0),
        groups,
        control,
        paired,
        alpha,
        seed,
        bootstrap,
        measure=_name_pre(pre_window_min),
        assay=assay,
    )
    lost = note_untreated(before)
    return replace(found, sentence=f"{found.sentence} Left out: {lost}.") if lost else found


def _name_pre(pre_window_min: float) -> str:
    return f"pain probability in the {pre_window_min:g} min before treatment"

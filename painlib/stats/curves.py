"""Whole curves of animals as arrays: one row an animal, one column a minute of the window."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from painlib.faults import PainlibError
from painlib.stats.designs import check_groups, post_minutes

Array = np.ndarray


@dataclass(frozen=True)
class Curves:
    """Curves of one assay: `minutes` (n_minutes,); per group `subjects` and `values` (n_animals, n_minutes).

    Values are pain probabilities, 0 to 1, or what else was measured; NaN where an animal has none. No row is
    all NaN.
    """

    minutes: Array
    subjects: dict[str, tuple[str, ...]]
    values: dict[str, Array]

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups, in the order of the figure."""
        return tuple(self.values)


def arrange_curves(
    minutes: pd.DataFrame,
    groups: Sequence[str],
    window_start_min: float,
    window_end_min: float,
    column: str = "pain_probability",
) -> Curves:
    """The curves of `column` over the whole minutes inside [start, end) min from time zero.

    `minutes` as for `run_assay`. As everywhere, animals that the model was trained on and animals without a
    value in the window are not in it, and recordings of one animal in one group are averaged, minute by
    minute. A minute that was not filmed is NaN, so that neighbours in the array are neighbours in time.
    """
    check_groups(minutes, groups)
    first, end = math.ceil(window_start_min), math.floor(window_end_min)
    if end <= first:
        raise PainlibError(
            "Curves: expected a window of at least one whole minute, got "
            f"{window_start_min:g} to {window_end_min:g} min."
        )
    post = post_minutes(minutes)
    used = post[(post["minute"] >= first) & (post["minute"] < end) & ~post["trained_on"]]
    # Sorted, so that the last digit of a mean does not depend on the order of rows.
    used = used.dropna(subset=column).sort_values(["subject", "recording", "minute"])
    window = np.arange(first, end)
    subjects, values = {}, {}
    for group in groups:
        own = used[used["treatment"] == group]
        wide = own.pivot_table(index="subject", columns="minute", values=column, aggfunc="mean")
        wide = wide.sort_index().reindex(columns=window)
        subjects[group] = tuple(wide.index.astype(str))
        values[group] = wide.to_numpy(dtype=float).reshape(len(wide), len(window))
    return Curves(window, subjects, values)


def keep_crossed(curves: Curves) -> Curves:
    """Only the animals that are in every group, in the same order in each."""
    shared = set.intersection(*(set(names) for names in curves.subjects.values()))
    names = tuple(sorted(shared))
    values = {
        group: curves.values[group][[curves.subjects[group].index(name) for name in names]]
        for group in curves.groups
    }
    return Curves(curves.minutes, dict.fromkeys(curves.groups, names), values)


def average_blocks(curves: Curves, n_blocks: int) -> tuple[list[str], dict[str, Array]]:
    """Names of `n_blocks` stretches of equal length, and per group the means in them (n_animals, n_blocks).

    Where the minutes cannot be shared out evenly the first blocks are a minute longer; never more blocks
    than minutes. Every minute with a value weighs the same; a block without any is NaN.
    """
    parts = np.array_split(np.arange(len(curves.minutes)), min(n_blocks, len(curves.minutes)))
    names = [f"{curves.minutes[part[0]]}–{curves.minutes[part[-1]] + 1} min" for part in parts]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        means = {
            group: np.column_stack([np.nanmean(values[:, part], axis=1) for part in parts])
            for group, values in curves.values.items()
        }
    return names, means

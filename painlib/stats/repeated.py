"""Repeated measures: Friedman's test of three or more conditions, or blocks of time, of the same animals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pingouin

from painlib.stats.comparisons import Row, varies
from painlib.stats.wording import FRIEDMAN, NOT_RUN, OURS

MIN_CONDITIONS = 3
MIN_ANIMALS = 3  # pingouin asks for as many
DIGITS = 12  # after the point, of values over the largest: what differs by less is equal


def compute_friedman(values: pd.DataFrame, name: str = "conditions") -> Row:
    """Friedman's test (ties corrected, p by chi-squared) of `values`, a row an animal, a column a condition.

    Animals without a value in every condition are left out and named in `note`. The effect is Kendall's W (0:
    the animals rank the conditions without agreement, 1: all the same). p is NaN, with the reason, below
    three conditions or three complete animals, and where no animal's values differ.
    """
    complete = values.dropna()
    row: Row = {"role": OURS, "test": f"{FRIEDMAN} of {name}", "n": len(complete)}
    row["comparison"] = ", ".join(str(column) for column in values)
    missing = [str(animal) for animal in values.index.difference(complete.index)]
    left_out = f"left out, not in every one of the {name}: {', '.join(missing)}" if missing else ""
    if reason := _why_not_run(complete, name):
        return {**row, "note": "; ".join(filter(None, (NOT_RUN + reason, left_out)))}
    # Means of equal values differ in their last digits: ranks must not.
    scaled = (complete / np.abs(complete.to_numpy(dtype=float)).max()).round(DIGITS)
    found = pingouin.friedman(scaled.reset_index(drop=True)).iloc[0]
    row |= {"statistic": found["Q"], "df": found["ddof1"], "p": found["p_unc"]}
    return {**row, "effect_size_name": "Kendall W", "effect_size": found["W"], "note": left_out}


def _why_not_run(complete: pd.DataFrame, name: str) -> str:
    if complete.shape[1] < MIN_CONDITIONS:
        return f"it needs at least {MIN_CONDITIONS} {name}, got {complete.shape[1]}"
    if len(complete) < MIN_ANIMALS:
        return (
            f"it needs at least {MIN_ANIMALS} animals with a value in every one of the {name}, got "
            f"{len(complete)}"
        )
    if not any(varies(values) for values in complete.to_numpy(dtype=float)):
        return "no animal's values differ"
    return ""

"""Who is compared with whom: windows of time, and one value an animal and group.

The unit is the animal everywhere: several recordings of one animal in one group are averaged first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from painlib.faults import Faults, did_you_mean
from painlib.fusion import window_means
from painlib.stats.wording import ONE_RECORDING

TRAINED_ON = "the model was trained on this animal"
EXCLUDED_COLUMNS = ["group", "subject", "recording", "reason"]
_MEASURES = [
    "mean_of_minutes",
    "pooled",
    "n_minutes",
    "n_minutes_nan",
    "n_minutes_absent",
    "n_not_judged",
    "coverage",
]


def post_minutes(minutes: pd.DataFrame) -> pd.DataFrame:
    """The whole minutes from time zero on of recordings that are not `pre`."""
    minutes = leave_out_fragments(minutes)
    return minutes[(minutes["phase"] != "pre") & (minutes["minute"] >= 0)]


def pre_minutes(minutes: pd.DataFrame, pre_window_min: float) -> pd.DataFrame:
    """The last `pre_window_min` whole minutes before treatment, renumbered so that the last is minute -1.

    They come from recordings of phase `pre`, and from before time zero of recordings filmed in one go.
    """
    minutes = leave_out_fragments(minutes)
    before = minutes[(minutes["phase"] == "pre") | (minutes["minute"] < 0)]
    last = before.groupby("recording")["minute"].transform("max")
    before = before.assign(minute=before["minute"] - last - 1, phase="pre")
    return before[before["minute"] >= -pre_window_min]


def note_untreated(before: pd.DataFrame) -> str:
    """Which recordings before treatment belong to no group since it cannot be told what followed, in words,
    or ""."""
    unknown = before[(before["treatment"] == "") & ~before["trained_on"]]
    names = sorted(set(unknown["recording"].astype(str)))
    if not names:
        return ""
    some = f"{', '.join(names[:6])}{' and others' if len(names) > 6 else ''}"
    return f"of no group, since they name no treatment and not one alone followed: {some}"


def leave_out_fragments(minutes: pd.DataFrame) -> pd.DataFrame:
    """Without the first or last minute of a recording where it has less than half of the time points that its
    minutes have (median).

    Ours: a film of 20 min and 0.1 s has a 21st minute of three frames; it must not count as a minute, nor be
    the one that the others are numbered from. Minutes given as curves, without time points, all stay.
    """
    if "n_timepoints" not in minutes:
        return minutes
    of_recording = minutes.groupby("recording")
    usual = of_recording["n_timepoints"].transform("median")
    at_an_end = minutes["minute"].isin([])
    for end in ("min", "max"):
        at_an_end |= minutes["minute"] == of_recording["minute"].transform(end)
    return minutes[~(at_an_end & (minutes["n_timepoints"] < usual / 2))]


def summarise_window(minutes: pd.DataFrame, start_min: float, end_min: float) -> pd.DataFrame:
    """One row per recording: subject, treatment, trained_on and the means over minutes [start, end).

    Measures of `painlib.fusion.window_means`: `mean_of_minutes` (the one that is tested), `pooled`,
    `coverage`, `n_not_judged` time points, and `n_minutes` with a probability, `_nan` without, `_absent` from
    the recording; `inside`: whether the model knows the animal. Give
    `post_minutes(...)` or `pre_minutes(...)`, never both: the means would be averaged over before and after.
    """
    names = ["subject", "treatment", "recording", "period", "trained_on", "inside"]
    values = window_means(minutes, start_min, end_min).reindex(columns=[*names, *_MEASURES])
    return values.sort_values(["treatment", "subject", "recording"], ignore_index=True)


def note_outside(tables: Sequence[pd.DataFrame]) -> str:
    """A line for figures that names the animals that 03_predict found outside what the model knows, or ""."""
    together = pd.concat(tables)
    names = sorted(set(together.loc[together["inside"] == "outside", "subject"].astype(str)))
    if not names:
        return ""
    some = f"{', '.join(names[:6])}{' and others' if len(names) > 6 else ''}"
    n = together["subject"].nunique()
    return f"Outside what the model knows, not to be believed: {len(names)} of {n} animals ({some})"


def note_known(animals: pd.DataFrame, values: pd.DataFrame) -> str:
    """Which of the animals that are tested the model does not know, or may not, in words, or ""."""
    if "inside" not in values:
        return ""
    own = values[values["subject"].isin(set(animals["subject"]))]
    n = animals["subject"].nunique()
    told = []
    for state, words in (
        ("outside", "outside what the model knows, not to be believed"),
        ("cannot be told", "whether the model knows them cannot be told"),
    ):
        names = sorted(set(own.loc[own["inside"] == state, "subject"].astype(str)))
        if names:
            who = "all" if len(names) == n else ", ".join(names)
            told.append(f"{words}: {len(names)} of {n} animals ({who})")
    return "; ".join(told)


def note_minutes(values: pd.DataFrame, groups: Sequence[str], column: str = "mean_of_minutes") -> str:
    """What the animals that are tested lack of the window, in words, or "": minutes not filmed or without a
    value weigh on nothing else, so they are said beside every number."""
    used = values[values["treatment"].isin(list(groups)) & ~values["trained_on"] & values[column].notna()]
    if "n_minutes" not in used:
        return ""
    asked = used.filter(["n_minutes", "n_minutes_nan", "n_minutes_absent"]).sum(axis=1)
    has = asked - used["n_minutes_absent"] if column == "coverage" else used["n_minutes"]
    short = used.assign(has=has.astype(int), asked=asked.astype(int))[has < asked]
    if short.empty:
        return ""
    if len(short) == len(used) and short["has"].nunique() == 1:
        return f"every animal has {short['has'].iloc[0]} of the {short['asked'].iloc[0]} min of this window"
    first = short.sort_values(["has", "subject"], kind="stable").head(6)
    told = [f"{row.subject} {row.has} of {row.asked} min" for row in first.itertuples()]
    more = f" and {len(short) - len(first)} more" if len(short) > len(first) else ""
    n = used["recording"].nunique()
    return f"less than the whole window in {len(short)} of {n} recordings: {', '.join(told)}{more}"


def check_groups(
    values: pd.DataFrame, groups: Sequence[str], control: str | None = None, *, blind: bool = False
) -> None:
    """Raise `PainlibError` for a group named twice or without animals, and a control that is no group.

    `blind`: the message tells no treatment but those of `groups`.
    """
    faults = Faults()
    seen = sorted({str(treatment) for treatment in values["treatment"]} - {""})
    told = f"{len(seen)} treatments seen" if blind else f"treatments seen: {seen}"
    if not groups:
        faults.add(f"no group is named; {told}.")
    for group in dict.fromkeys(groups):
        if list(groups).count(group) > 1:
            faults.add(f"group '{group}' is named {list(groups).count(group)} times; name it once.")
        if group not in seen:
            hint = "" if blind else did_you_mean(group, seen)
            faults.add(f"group '{group}' has no animal; {told}.{hint}")
    if control is not None and control not in groups:
        faults.add(
            f"control '{control}' is not among the groups {list(groups)}.{did_you_mean(control, groups)}"
        )
    faults.raise_if_any("Groups: mend groups and control of this assay")


def select_animals(
    values: pd.DataFrame, groups: Sequence[str], column: str = "mean_of_minutes"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One value an animal and group (group, subject, value, n_recordings), and what was left out and why.

    Left out: animals that the model was trained on, recordings without a value, animals without a treatment.
    The order is that of `groups`, then of the subjects' names, whatever the order of the rows.
    """
    check_groups(values, groups)
    values = values.reset_index(drop=True)
    without = values[(values["treatment"] == "") & ~values["trained_on"]]
    named = values[values["treatment"].isin(list(groups))]
    trained = named[named["trained_on"]]
    untrained = named[~named["trained_on"]]
    missing = untrained[untrained[column].isna()]
    valued = untrained.groupby(["treatment", "subject"])[column].transform("count") > 0
    has_others = valued[missing.index]
    excluded = pd.concat(
        [
            _left_out(trained, TRAINED_ON),
            _left_out(missing[~has_others], "no value in this stretch of time"),
            _left_out(missing[has_others], ONE_RECORDING),
            _left_out(without, "no treatment is given"),
        ],
        ignore_index=True,
    )
    # Sorting by recording too makes the sums, and so the last digit, independent of the order of rows.
    used = untrained[untrained[column].notna()].sort_values(["subject", "recording"])
    animals = (
        used.groupby(["treatment", "subject"])[column].agg(value="mean", n_recordings="size").reset_index()
    ).rename(columns={"treatment": "group"})
    animals = pd.DataFrame({"group": list(groups)}).merge(animals, on="group")
    return animals.astype({"value": "float64", "n_recordings": "int64"}), excluded


def _left_out(rows: pd.DataFrame, reason: str) -> pd.DataFrame:
    table = rows.assign(group=rows["treatment"], reason=reason)[EXCLUDED_COLUMNS]
    return table.sort_values(["group", "subject", "recording"]).astype(str)


def describe_groups(
    values: pd.DataFrame, groups: Sequence[str], column: str = "mean_of_minutes"
) -> pd.DataFrame:
    """One row a group: n animals, mean, sd, sem, min, max over animals; sd and sem are NaN at n = 1."""
    animals, _ = select_animals(values, groups, column)
    return _describe(animals, groups, ["group"])


def minute_curves(minutes: pd.DataFrame, groups: Sequence[str]) -> pd.DataFrame:
    """Mean and SEM over animals per group and minute: group, minute, n, mean, sem.

    NaN minutes are left out of the mean and `n` counts the animals that remain; the SEM is NaN at n = 1, the
    mean at 0. Animals that the model was trained on are not in it.
    """
    check_groups(minutes, groups)
    used = minutes[minutes["treatment"].isin(list(groups)) & ~minutes["trained_on"]]
    used = used.sort_values(["subject", "recording", "minute"])
    animals = used.groupby(["treatment", "minute", "subject"])["pain_probability"].mean().reset_index()
    animals = animals.rename(columns={"treatment": "group", "pain_probability": "value"})
    curves = _describe(animals, groups, ["group", "minute"]).dropna(subset="minute")
    return curves.astype({"minute": "int64"})[["group", "minute", "n", "mean", "sem"]].reset_index(drop=True)


def _describe(animals: pd.DataFrame, groups: Sequence[str], by: list[str]) -> pd.DataFrame:
    names: list[Any] = ["count", "mean", "std", "sem", "min", "max"]
    table = animals.groupby(by)["value"].agg(names).reset_index().rename(columns={"count": "n", "std": "sd"})
    order = pd.DataFrame({"group": list(groups)})
    table = order.merge(table, on="group", how="left")
    return table.assign(n=table["n"].fillna(0).astype("int64"))

"""Stretches of time, one value an animal, and the group tests of `painlib.stats` on moving distance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from painlib.cohort import DRAWN_NOTE
from painlib.locomotion.distance import SECONDS
from painlib.params import LocomotionParams
from painlib.stats import AnimalTests, GroupTest, compare_groups, describe_groups, run_animal_tests
from painlib.stats.designs import check_groups
from painlib.stats.groups import no_test
from painlib.tables import write_csv

CM_PER_M = 100.0
FILLED = "minutes without a value count as the animal's mean minute"


@dataclass(frozen=True)
class LocomotionResult:
    """`totals`: a row an animal and stretch (subject, treatment, stretch, total_m, m_per_min, n_minutes,
    n_minutes_absent, coverage); `curves`: group, minute, n, mean, sem (cm); `description`: stretch, measure,
    group, n, mean, sd, sem, min, max; `tests`: the tests by stretch: treated, habituation, coverage;
    `over_time`: those of whole curves and single minutes (m/min) after time zero.
    """

    groups: tuple[str, ...]
    control: str
    window_min: tuple[float, float]
    pre_window_min: float
    totals: pd.DataFrame
    curves: pd.DataFrame
    description: pd.DataFrame
    tests: dict[str, GroupTest]
    over_time: AnimalTests


class _Assay(NamedTuple):
    """What the tests over time are asked of."""

    assay: str
    groups: tuple[str, ...]
    control: str
    window_min: tuple[float, float]
    post: GroupTest


def compare_locomotion(minutes: pd.DataFrame, params: LocomotionParams) -> LocomotionResult:
    """Test total distance between treatments, after time zero and in the habituation before it, and the
    measured share of the time: as published and ours (`painlib.stats.compare_groups`), animal by animal; and
    the distance over time (`painlib.stats.run_animal_tests`) of the animals that have a total.

    `minutes`: table "arena_minutes". Raises `PainlibError` for a group without animals.
    """
    check_groups(minutes, params.groups, params.control)
    start, end, before = params.window_start_min, params.window_end_min, params.pre_window_min
    after = sum_stretch(minutes, start, end, params.min_coverage)
    pre = sum_stretch(minutes, -before, 0, params.min_coverage)
    settings: dict[str, Any] = {"alpha": params.alpha, "seed": params.seed, "bootstrap": params.bootstrap}
    window = f"over minutes {start:g} to {end:g} after treatment"
    habituation = f"moving distance (m) over the {before:g} min before treatment"

    def compare(values: pd.DataFrame, column: str, measure: str) -> GroupTest:
        used = values[values["treatment"].isin(params.groups) & values["total_m"].notna()]
        if column == "total_m" and used["n_minutes_absent"].any():
            measure = measure.replace("(m)", f"(m; {FILLED})", 1)
        return compare_groups(
            values, params.groups, params.control, column=column, measure=measure, **settings
        )

    tests = {
        "treated": compare(after, "total_m", f"moving distance (m) {window}"),
        "habituation": compare(pre, "total_m", habituation),
        "coverage": compare(after, "coverage", f"measured share of the time {window}"),
    }
    if not pre["total_m"].notna().any():
        told = "Before treatment nothing was compared: no animal was filmed for long enough then."
        tests["habituation"] = no_test(told)
    asked = _Assay("moving distance", tuple(params.groups), params.control, (start, end), tests["treated"])
    totals = pd.concat([pre.assign(stretch="habituation"), after.assign(stretch="treated")])
    columns = ["subject", "treatment", "stretch", "total_m", "m_per_min", "n_minutes", "n_minutes_absent"]
    return LocomotionResult(
        groups=asked.groups,
        control=asked.control,
        window_min=asked.window_min,
        pre_window_min=before,
        totals=totals[[*columns, "coverage"]].reset_index(drop=True),
        curves=average_minutes(minutes, params.groups),
        description=_describe({"habituation": pre, "treated": after}, params.groups),
        tests=tests,
        over_time=_compare_over_time(minutes, asked, params.alpha, params.seed),
    )


def _compare_over_time(minutes: pd.DataFrame, asked: _Assay, alpha: float, seed: int) -> AnimalTests:
    """Of the animals whose totals are compared, in m of each minute."""
    with_total = minutes["subject"].isin(asked.post.animals["subject"])
    curves = minutes.assign(
        m_per_min=(minutes["distance_cm"] / CM_PER_M).where(with_total),
        recording=minutes["subject"],
        phase="",
        trained_on=False,
    )
    return run_animal_tests(curves, asked, paired=False, alpha=alpha, seed=seed, column="m_per_min")


def sum_stretch(minutes: pd.DataFrame, start_min: float, end_min: float, min_coverage: float) -> pd.DataFrame:
    """A row an animal: its distance over the whole minutes inside [start_min, end_min).

    `m_per_min`: mean of the minutes that have a distance. `total_m`: that mean times the minutes of the
    stretch, so that minutes without a distance do not count as rest; NaN where fewer than `min_coverage` of
    them have one. `coverage`: measured share of the stretch's seconds, 0 where it was not filmed.
    """
    first, last = math.ceil(start_min), math.floor(end_min)
    n_window = max(last - first, 0)
    rows = []
    for subject, of_animal in minutes.groupby("subject", sort=True):
        inside = of_animal[(of_animal["minute"] >= first) & (of_animal["minute"] < last)]
        known = inside["distance_cm"].dropna()
        mean = float(known.mean()) / CM_PER_M if len(known) else math.nan
        enough = len(known) > 0 and len(known) >= min_coverage * n_window
        rows.append(
            {
                "subject": str(subject),
                "recording": str(subject),
                "treatment": str(of_animal["treatment"].iloc[0]),
                "trained_on": False,
                "total_m": mean * n_window if enough else math.nan,
                "m_per_min": mean,
                "n_minutes": len(known),
                "n_minutes_absent": n_window - len(known),
                "coverage": inside["n_measured"].sum() / (SECONDS * n_window) if n_window else math.nan,
            }
        )
    return pd.DataFrame(rows)


def average_minutes(minutes: pd.DataFrame, groups: Sequence[str]) -> pd.DataFrame:
    """Mean and SEM over animals of the distance per minute: group, minute, n, mean, sem (cm)."""
    used = minutes[minutes["treatment"].isin(list(groups))]
    curves = used.groupby(["treatment", "minute"])["distance_cm"].agg(["count", "mean", "sem"]).reset_index()
    curves = curves.rename(columns={"treatment": "group", "count": "n"})
    ordered = pd.DataFrame({"group": list(groups)}).merge(curves, on="group")
    return ordered.astype({"minute": "int64", "n": "int64"})


def write_locomotion(result: LocomotionResult, folder: str | Path) -> list[Path]:
    """Write tests, assumptions, animals, excluded and sentences (column `stretch`), totals, curves,
    description, animal_tests, minute_tests and sample_sizes as csv, and give their paths."""
    tables: dict[str, list[pd.DataFrame]] = {
        "totals": [result.totals],
        "curves": [result.curves],
        "description": [result.description],
        "animal_tests": [result.over_time.table],
        "minute_tests": [result.over_time.minutes],
        "sample_sizes": [result.over_time.sample_sizes],
    }
    for stretch, test in result.tests.items():
        for name in ("table", "assumptions", "animals", "excluded"):
            table: pd.DataFrame = getattr(test, name)
            tables.setdefault("tests" if name == "table" else name, []).append(table.assign(stretch=stretch))
        sentence = pd.DataFrame([{"stretch": stretch, "sentence": test.sentence}])
        tables.setdefault("sentences", []).append(sentence)
    told = {"stretch": "over time", "sentence": result.over_time.sentence}
    tables["sentences"].append(pd.DataFrame([told]))
    paths = []
    for name, frames in tables.items():
        filled = [frame for frame in frames if len(frame)] or frames[:1]
        paths.append(write_csv(pd.concat(filled, ignore_index=True), Path(folder) / f"{name}.csv"))
    return paths


def arena_note(arenas: pd.DataFrame) -> str:
    """What every figure of these animals has to say: that they are drawn, where `lab` says so; else ''."""
    return DRAWN_NOTE if arenas["lab"].str.lower().str.startswith("drawn").any() else ""


def _describe(stretches: dict[str, pd.DataFrame], groups: Sequence[str]) -> pd.DataFrame:
    measures = {"total_m": "moving distance (m)", "coverage": "measured share of the time"}
    rows = [
        describe_groups(values, groups, column).assign(stretch=stretch, measure=name)
        for stretch, values in stretches.items()
        for column, name in measures.items()
    ]
    columns = ["stretch", "measure", "group", "n", "mean", "sd", "sem", "min", "max"]
    return pd.concat(rows, ignore_index=True)[columns]

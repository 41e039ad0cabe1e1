"""One assay's questions with the animal as the unit, beside the published tests, in one tidy table.

Does the treatment matter, and does it over time (GEE)? In which minutes (max-T over whole animals)? Do the
curves differ at all (clusters)? Do the same animals differ between conditions or blocks of time (Friedman)?
How many animals does the next experiment need?
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from painlib.stats.comparisons import Row
from painlib.stats.curves import Curves, arrange_curves, average_blocks, keep_crossed
from painlib.stats.groups import GroupTest
from painlib.stats.methods import write_methods
from painlib.stats.minute_tests import MINUTE_COLUMNS, compare_minutes
from painlib.stats.repeated import MIN_CONDITIONS, compute_friedman
from painlib.stats.sample_size import SAMPLE_SIZE_COLUMNS, plan_sample_size
from painlib.stats.time_course import fit_time_course
from painlib.stats.wording import BOOTSTRAP, PAIRED_T

PERMUTATIONS = 10_000
TIME_BLOCKS = 3
ANSWER_COLUMNS = ["assay", "role", "test", "comparison", "unit", "animals", "statistic", "df", "df_2", "p"]
ANSWER_COLUMNS += ["p_corrected", "correction", "effect_size_name", "effect_size", "effect_low"]
ANSWER_COLUMNS += ["effect_high", "note"]
_TEXTS = ["assay", "role", "test", "comparison", "unit", "animals", "correction", "effect_size_name", "note"]
UNIT, UNIT_CROSSED = "animal", "animal, all treatments"


class TestedAssay(Protocol):
    """What is asked of an assay whose means were compared: its name, design, window, and these tests."""

    @property
    def assay(self) -> str: ...
    @property
    def groups(self) -> tuple[str, ...]: ...
    @property
    def control(self) -> str: ...
    @property
    def window_min(self) -> tuple[float, float]: ...
    @property
    def post(self) -> GroupTest: ...


@dataclass(frozen=True)
class AnimalTests:
    """Answers for one assay.

    `table` has ANSWER_COLUMNS, the published tests of the window and ours; `minutes` MINUTE_COLUMNS, one row
    a comparison and minute (1: treated, 2: control; `minute` is where it starts); `sample_sizes` has
    SAMPLE_SIZE_COLUMNS; `sentence` is for a methods section; `left_out` the animals of a crossover that are
    not in every group.
    """

    assay: str
    control: str
    alpha: float
    table: pd.DataFrame
    minutes: pd.DataFrame
    sample_sizes: pd.DataFrame
    sentence: str
    left_out: tuple[str, ...]


def run_animal_tests(
    minutes: pd.DataFrame,
    result: TestedAssay,
    *,
    paired: bool,
    alpha: float,
    seed: int,
    column: str = "pain_probability",
    permutations: int = PERMUTATIONS,
    time_blocks: int = TIME_BLOCKS,
) -> AnimalTests:
    """Ask all of it of one assay; `minutes` and the keywords are those that `result` came from.

    `column`: what was measured in each minute. `permutations`: most arrangements of animals that are taken;
    `time_blocks`: stretches that the window is cut into for the GEE and Friedman's test. A test that cannot
    be run keeps its row, with NaN and the reason in `note`. With one group there is nothing to compare, and
    only its time course is tested.
    """
    every = arrange_curves(minutes, result.groups, *result.window_min, column)
    curves = keep_crossed(every) if paired else every
    left_out = sorted({name for names in every.subjects.values() for name in names} - _name_all(curves))
    treated = [group for group in result.groups if group != result.control]
    whole = _describe_unit(curves, result.groups, paired)
    names, blocks = average_blocks(curves, time_blocks)
    rows = _list_published(result, paired)
    if treated:
        rows += [row | whole for row in fit_time_course(blocks, result.control, alpha, paired=paired)]
    rows += _compare_repeated(curves, result, names, blocks, paired)
    tables = []
    settings: dict[str, Any] = {"paired": paired, "alpha": alpha, "seed": seed, "permutations": permutations}
    for group in treated:
        listed, found = compare_minutes(curves, group, result.control, **settings)
        rows += [row | _describe_unit(curves, (group, result.control), paired) for row in found]
        tables.append(listed)
    table = _finish(rows, result.assay)
    every_minute = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=MINUTE_COLUMNS)
    samples = {group: _values_of(result, group).to_numpy() for group in result.groups}
    pairs = {group: _find_pairs(result, group) for group in treated} if paired else None
    sizes = plan_sample_size(samples, result.control, alpha, pairs).assign(assay=result.assay)
    return AnimalTests(
        assay=result.assay,
        control=result.control,
        alpha=alpha,
        table=table,
        minutes=every_minute.assign(assay=result.assay)[MINUTE_COLUMNS],
        sample_sizes=sizes[SAMPLE_SIZE_COLUMNS],
        sentence=write_methods(table, names, left_out, alpha, paired),
        left_out=tuple(left_out),
    )


def _name_all(curves: Curves) -> set[str]:
    return {name for names in curves.subjects.values() for name in names}


def _values_of(result: TestedAssay, group: str) -> pd.Series:
    animals = result.post.animals
    return animals[animals["group"] == group].set_index("subject")["value"]


def _find_pairs(result: TestedAssay, group: str) -> pd.DataFrame:
    return pd.DataFrame({name: _values_of(result, name) for name in (group, result.control)}).dropna()


def _describe_unit(curves: Curves, groups: Sequence[str], paired: bool) -> Row:
    counts = [len(curves.values[group]) for group in groups]
    if paired:
        return {"unit": UNIT_CROSSED, "animals": str(counts[0])}
    return {"unit": UNIT, "animals": " + ".join(map(str, counts))}


def _list_published(result: TestedAssay, paired: bool) -> list[Row]:
    """The rows of the window's tests: their difference, or the effect size where there is none, as effect."""
    counts = result.post.animals["group"].value_counts().reindex(list(result.groups), fill_value=0)
    rows = []
    for row in result.post.table.to_dict("records"):
        kept: Row = {name: row[name] for name in ANSWER_COLUMNS if name in row}
        of_pairs = paired and row["test"] in (PAIRED_T, BOOTSTRAP)
        each = counts if pd.isna(row["n_1"]) else [row["n_1"], row["n_2"]]
        kept["animals"] = str(row["n_1"]) if of_pairs else " + ".join(map(str, each))
        kept["unit"] = UNIT_CROSSED if of_pairs else UNIT
        if not math.isnan(row["difference"]):
            kept |= {"effect_size_name": "difference of means", "effect_size": row["difference"]}
            kept |= {"effect_low": row["ci_low"], "effect_high": row["ci_high"]}
        rows.append(kept)
    return rows


def _compare_repeated(
    curves: Curves, result: TestedAssay, names: list[str], blocks: dict[str, np.ndarray], paired: bool
) -> list[Row]:
    """Friedman over the conditions, where the same animals had three or more, and over blocks of time."""
    rows = []
    if paired and len(result.groups) >= MIN_CONDITIONS:
        conditions = pd.DataFrame({group: _values_of(result, group) for group in result.groups})
        rows.append(_name_animals(compute_friedman(conditions, "conditions"), UNIT_CROSSED))
    if len(names) >= MIN_CONDITIONS:
        for group, values in blocks.items():
            table = pd.DataFrame(values, index=list(curves.subjects[group]), columns=names)
            row = compute_friedman(table, "blocks of time")
            rows.append(_name_animals({**row, "comparison": f"{group}: {row['comparison']}"}, UNIT))
    return rows


def _name_animals(row: Row, unit: str) -> Row:
    return {**row, "unit": unit, "animals": str(row["n"])}


def _finish(rows: list[Row], assay: str) -> pd.DataFrame:
    """ANSWER_COLUMNS, with empty texts and numbers as NaN where a test has none."""
    table = pd.DataFrame(rows, columns=ANSWER_COLUMNS).assign(assay=assay)
    numbers = [name for name in ANSWER_COLUMNS if name not in _TEXTS]
    table = table.assign(**{name: table[name].fillna("").astype(str) for name in _TEXTS})
    return table.astype(dict.fromkeys(numbers, "float64"))

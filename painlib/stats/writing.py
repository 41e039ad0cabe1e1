"""The tables of 04_statistics on disk: csv for people, parquet for programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from painlib.stats.animal_tests import AnimalTests
from painlib.stats.assays import AssayResult
from painlib.stats.groups import GroupTest
from painlib.tables import write_csv, write_whole


def write_statistics(
    results: Sequence[AssayResult], folder: str | Path, answers: Sequence[AnimalTests] = ()
) -> list[Path]:
    """Write the tables of all assays, each as csv and parquet, and give their paths.

    tests, assumptions, animals, excluded, sentences (column `stretch`: post, pre, coverage, change), values,
    curves, description; of `answers` animal_tests, minute_tests, sample_sizes, and sentences (stretch: over
    time).
    """
    tables: dict[str, list[pd.DataFrame]] = {}
    for result in results:
        tables.setdefault("values", []).append(result.values)
        tables.setdefault("curves", []).append(result.curves)
        tables.setdefault("description", []).append(result.description)
        for stretch in ("post", "pre", "coverage", "change"):
            test: GroupTest = getattr(result, stretch)
            names = {"assay": result.assay, "stretch": stretch}
            tables.setdefault("tests", []).append(test.table.assign(**names))
            tables.setdefault("assumptions", []).append(test.assumptions.assign(**names))
            tables.setdefault("animals", []).append(test.animals.assign(**names))
            tables.setdefault("excluded", []).append(test.excluded.assign(**names))
            tables.setdefault("sentences", []).append(pd.DataFrame([{**names, "sentence": test.sentence}]))
    for answer in answers:
        tables.setdefault("animal_tests", []).append(answer.table)
        tables.setdefault("minute_tests", []).append(answer.minutes)
        tables.setdefault("sample_sizes", []).append(answer.sample_sizes)
        told = {"assay": answer.assay, "stretch": "over time", "sentence": answer.sentence}
        tables["sentences"].append(pd.DataFrame([told]))
    return [path for name, frames in tables.items() for path in _write_both(frames, Path(folder), name)]


def _write_both(frames: list[pd.DataFrame], folder: Path, name: str) -> list[Path]:
    filled = [frame for frame in frames if len(frame)] or frames[:1]
    table = pd.concat(filled, ignore_index=True)
    first = [column for column in ("assay", "stretch", "measure") if column in table]
    table = table[[*first, *(column for column in table if column not in first)]]
    paths = [folder / f"{name}.csv", folder / f"{name}.parquet"]
    write_csv(table, paths[0])
    with write_whole(paths[1]) as temporary:
        table.to_parquet(temporary, index=False, compression="zstd")
    return paths

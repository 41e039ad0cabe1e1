"""Minutes and their treatments: from the table, the cohort, or a sealed key that only this module opens."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from painlib.faults import Faults, PainlibError, did_you_mean
from painlib.tables import SCHEMAS, read_table
from painlib.tables.csv_cells import read_cells, require_columns, type_cells

_NEEDED = ("recording", "subject", "minute", "pain_probability")
_FILLED: dict[str, Any] = {"phase": "post", "period": "", "treatment": "", "trained_on": False, "inside": ""}
_FILLED |= {"n_timepoints": 0, "n_evaluated": 0, "n_pain": 0, "n_not_judged": 0, "coverage": float("nan")}


def read_minutes(path: str | Path) -> pd.DataFrame:
    """Read minute curves: `predictions/minutes.parquet`, or a csv.

    A csv needs `recording, subject, minute, pain_probability` (0 to 1, empty = NaN); what else it lacks of
    the table `minutes` is filled: phase `post`, period and treatment empty, counts 0, coverage NaN,
    `trained_on` false. Further columns are not read. Raises `PainlibError` with the faults of the file.
    """
    path = Path(path)
    faults = Faults()
    heading = f"These minute curves cannot be used: {path}"
    minutes = read_table(path, "minutes") if path.suffix.lower() != ".csv" else _read_csv(path, faults)
    faults.raise_if_any(heading)
    for name in ("recording", "subject"):
        empty = minutes.index[minutes[name].str.strip() == ""]
        if len(empty):
            faults.add(
                f"Row {empty[0]}, column `{name}`: expected a name, got an empty cell ({len(empty)} rows are "
                f"without). Minutes belong to one {name}: name it in each row."
            )
    for row in minutes[minutes.duplicated(["recording", "minute"])].itertuples():
        faults.add(f"recording '{row.recording}' has minute {row.minute} twice; keep one row a minute.")
    for recording, owner in minutes.groupby("recording")[["subject", "treatment", "phase"]]:
        for column in owner:
            found = sorted(owner[column].unique())
            if len(found) > 1:
                # Said by `painlib check` too, before treatments may be known.
                got = f"{len(found)}" if column == "treatment" else ", ".join(map(repr, found))
                faults.add(f"recording '{recording}': expected one {column}, got {got}.")
    faults.raise_if_any(heading)
    return minutes.reset_index(drop=True)


def _read_csv(path: Path, faults: Faults) -> pd.DataFrame:
    """The table `minutes` of a csv, its index the row in the file; what cannot be read goes to `faults`."""
    remedy = "Mend `minutes` of the assay."
    cells = read_cells(path, "a csv of minute curves", _NEEDED, remedy, faults)
    require_columns(cells, _NEEDED, faults)
    if cells.empty and not faults:
        faults.add("expected at least one row below the header, got none.")
    columns = SCHEMAS["minutes"].columns
    typed = type_cells(cells, {name: columns[name] for name in columns if name in cells}, faults)
    filled = typed.assign(**{name: fill for name, fill in _FILLED.items() if name not in typed})
    return filled[[name for name in columns if name in filled]]


def load_assays(
    sources: Sequence[str | Path | None],
    predictions: str | Path,
    cohort: pd.DataFrame | None,
    key: Path | None,
) -> list[pd.DataFrame]:
    """Read the minutes of every assay and give each recording its treatment; one table a source, in order.

    A source is a file of minute curves, or None or "" for `predictions`. A csv whose treatments are all
    filled in is taken as it is; the sealed `key` is for the predictions and for curves without treatments.
    """
    tables = [read_minutes(source or predictions) for source in sources]
    open_ones = [
        number
        for number, source in enumerate(sources)
        if not source or (tables[number]["treatment"] == "").any()
    ]
    assigned = _assign([tables[number] for number in open_ones], cohort, key) if open_ones else []
    for number, table in zip(open_ones, assigned, strict=True):
        tables[number] = table
    return tables


def assign_treatment(
    minutes: pd.DataFrame, cohort: pd.DataFrame | None = None, key: str | Path | None = None
) -> pd.DataFrame:
    """Give `minutes` their `treatment` from their own column, the cohort table, or a sealed key file.

    The key is a csv `subject, treatment` or (a crossover) `recording, treatment`, and is opened nowhere else.
    Without a key an animal may stay without a treatment: it is then in no group. A recording before treatment
    (phase `pre`) that names none has the one that its animal got in that period, where that was one only. All
    faults come in one `PainlibError`.
    """
    return _assign([minutes], cohort, key)[0]


def check_treatment(
    minutes: pd.DataFrame, cohort: pd.DataFrame | None, key: str | Path | None, where: str
) -> pd.DataFrame:
    """`assign_treatment` for `painlib check`: its faults hold names and counts, nobody's treatment.

    `where` the recordings stand that are asked about ("the cohort table"), for messages.
    """
    return _assign([minutes], cohort, key, where, blind=True)[0]


def _assign(
    tables: Sequence[pd.DataFrame],
    cohort: pd.DataFrame | None,
    key: str | Path | None,
    where: str = "the minutes",
    blind: bool = False,
) -> list[pd.DataFrame]:
    faults = Faults()
    cohort_treatments: dict[str, str] = {}
    if cohort is not None:
        # With the treatments sealed, the column of a cohort table read from csv may hold NaN.
        named = cohort.assign(treatment=cohort["treatment"].fillna("").astype(str))
        cohort_treatments = dict(zip(named["recording"].astype(str), named["treatment"], strict=True))
    key_name, key_treatments = _read_key(Path(key), faults, blind) if key is not None else ("subject", {})
    elsewhere = _list_cohort(cohort, key_name, key_treatments)
    known = {name for table in tables for name in table[key_name].unique()}
    # An animal of the cohort without predictions (its video was unreadable) is no fault of the key.
    known |= set() if cohort is None else set(cohort[key_name].astype(str))
    for name in sorted(set(key_treatments) - known):
        hint = did_you_mean(name, sorted(known - set(key_treatments)))
        faults.add(f"the key names {key_name} '{name}', which is not in {where}.{hint}")
    disagreeing: dict[tuple[str, ...], list[str]] = defaultdict(list)
    result = []
    for table in tables:
        who = table.drop_duplicates("recording")
        treatments = {}
        for row in who.itertuples():
            places = {
                "the minute curves" if blind else "the minutes": str(row.treatment),
                "the cohort table": cohort_treatments.get(str(row.recording), ""),
                "the key": key_treatments.get(str(getattr(row, key_name)), ""),
            }
            given = {place: treatment for place, treatment in places.items() if treatment}
            if len(set(given.values())) > 1 and blind:
                disagreeing[tuple(given)].append(str(row.recording))
            elif len(set(given.values())) > 1:
                told = ", ".join(f"{place} says '{treatment}'" for place, treatment in given.items())
                faults.add(
                    f"recording '{row.recording}' of subject '{row.subject}': {told}; make them agree."
                )
            treatments[row.recording] = next(iter(given.values()), "")
        if {"phase", "period"} <= {*who}:
            treatments |= _find_later_treatments(who, treatments, elsewhere)
        for row in who.itertuples():
            if key is not None and not treatments[row.recording] and not row.trained_on:
                name = getattr(row, key_name)
                faults.add(
                    f"{key_name} '{name}' has no treatment: expected a row in the key, or a cohort entry."
                )
        result.append(table.assign(treatment=table["recording"].map(treatments)))
    for sources, names in disagreeing.items():
        faults.add(
            f"one treatment in {sources[0]} and another in {' or '.join(sources[1:])}: {len(names)} "
            f"recording{'' if len(names) == 1 else 's'} ({', '.join(map(repr, names))}); make them agree."
        )
    faults.raise_if_any(f"Treatments{f', key {key}' if key is not None else ''}: mend these")
    return result


def _list_cohort(cohort: pd.DataFrame | None, key_name: str, key: dict[str, str]) -> pd.DataFrame:
    """Recording, subject, period and treatment of every recording that the cohort table names, filmed well
    or not."""
    columns = ["recording", "subject", "period", "treatment"]
    if cohort is None or not {"recording", "subject", "period"} <= {*cohort}:
        return pd.DataFrame(columns=columns)
    named = cohort.assign(treatment=cohort["treatment"].fillna("").astype(str))
    by_key = named[key_name].astype(str).map(key).fillna("")
    return named.assign(treatment=named["treatment"].where(named["treatment"] != "", by_key))[columns]


def _find_later_treatments(
    who: pd.DataFrame, treatments: dict[Any, str], elsewhere: pd.DataFrame
) -> dict[Any, str]:
    """Of recordings before treatment that name none: the one that the animal got in that period (none is one
    too), where it got one only. `who`: a row a recording; `elsewhere`: of `_list_cohort`."""
    known = who.assign(treatment=who["recording"].map(treatments))
    every = pd.concat([known[list(elsewhere)], elsewhere]).astype(str)
    every = every[every["treatment"] != ""]
    found = {}
    for row in known[(known["treatment"] == "") & (known["phase"] == "pre")].itertuples():
        own = every[(every["subject"] == row.subject) & (every["period"] == row.period)]
        if own["treatment"].nunique() == 1:
            found[row.recording] = str(own["treatment"].iloc[0])
    return found


def _read_key(path: Path, faults: Faults, blind: bool) -> tuple[str, dict[str, str]]:
    """The column the key goes by, and name -> treatment; a name with two treatments is a fault."""
    columns = ("subject (or recording)", "treatment")
    cells = read_cells(path, "the treatment key", columns, "Mend `treatment_key`.", faults)
    name = "recording" if "recording" in cells else "subject"
    if name not in cells or "treatment" not in cells:
        raise PainlibError(
            f"{path}: expected the columns subject (or recording) and treatment of a key, got {list(cells)}."
        )
    if cells.empty:
        faults.add("the key has no row below its header: expected one for each animal.")
    named: dict[str, set[str]] = defaultdict(set)
    for row, subject, treatment in zip(
        cells.index, cells[name].str.strip(), cells["treatment"].str.strip(), strict=True
    ):
        if not subject or not treatment:
            faults.add(f"Row {row} of the key: {name} and treatment must both be filled in.")
        else:
            named[subject].add(treatment)
    for subject, treatments in named.items():
        if len(treatments) > 1:
            crossover = "; a crossover needs a key by recording" if name == "subject" else ""
            got = f"{len(treatments)} treatments" if blind else f"{sorted(treatments)}"
            faults.add(f"{name} '{subject}' stands in the key with {got}{crossover}.")
    return name, {subject: sorted(treatments)[0] for subject, treatments in named.items()}

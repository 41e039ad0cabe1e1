"""Minutes and their treatments: from the table, the cohort, or a sealed key that only this module opens."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from painlib.faults import Faults, PainlibError, did_you_mean
from painlib.tables import SCHEMAS, check_table, read_table

_TEXTS = ("recording", "subject", "phase", "period", "treatment", "inside")
_FILLED: dict[str, Any] = {"phase": "post", "period": "", "treatment": "", "trained_on": False, "inside": ""}
_FILLED |= {"n_timepoints": 0, "n_evaluated": 0, "n_pain": 0, "n_not_judged": 0, "coverage": float("nan")}


def read_minutes(path: str | Path) -> pd.DataFrame:
    """Read minute curves: `predictions/minutes.parquet`, or a csv.

    A csv needs `recording, subject, minute, pain_probability` (0 to 1, empty = NaN); what else it lacks of
    the table `minutes` is filled: phase `post`, period and treatment empty, counts 0, coverage NaN,
    `trained_on` false. Further columns are not read. Raises `PainlibError` with the faults of the file.
    """
    path = Path(path)
    if path.suffix.lower() != ".csv":
        minutes = read_table(path, "minutes")
    elif not path.is_file():
        raise PainlibError(
            f"Expected a csv of minute curves, found no file: {path}. Mend `minutes` of the assay."
        )
    else:
        texts: dict[Hashable, Any] = dict.fromkeys(_TEXTS, str)
        minutes = pd.read_csv(path, dtype=texts, encoding="utf-8-sig").fillna(dict.fromkeys(_TEXTS, ""))
        minutes = minutes.assign(**{name: fill for name, fill in _FILLED.items() if name not in minutes})
        known = [name for name in SCHEMAS["minutes"].columns if name in minutes]
        minutes = check_table(minutes[known], "minutes", f"These minute curves cannot be used: {path}")
    faults = Faults()
    for row in minutes[minutes.duplicated(["recording", "minute"])].itertuples():
        faults.add(f"recording '{row.recording}' has minute {row.minute} twice; keep one row a minute.")
    for recording, owner in minutes.groupby("recording")[["subject", "treatment", "phase"]]:
        for column in owner:
            if owner[column].nunique() > 1:
                faults.add(
                    f"recording '{recording}': expected one {column}, got {sorted(owner[column].unique())}."
                )
    faults.raise_if_any(f"These minute curves cannot be used: {path}")
    return minutes


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
    Without a key an animal may stay without a treatment: it is then in no group. All faults come in one
    `PainlibError`.
    """
    return _assign([minutes], cohort, key)[0]


def _assign(
    tables: Sequence[pd.DataFrame], cohort: pd.DataFrame | None, key: str | Path | None
) -> list[pd.DataFrame]:
    faults = Faults()
    cohort_treatments: dict[str, str] = {}
    if cohort is not None:
        # With the treatments sealed, the column of a cohort table read from csv may hold NaN.
        named = cohort.assign(treatment=cohort["treatment"].fillna("").astype(str))
        cohort_treatments = dict(zip(named["recording"].astype(str), named["treatment"], strict=True))
    key_name, key_treatments = _read_key(Path(key), faults) if key is not None else ("subject", {})
    known = {name for table in tables for name in table[key_name].unique()}
    # An animal of the cohort without predictions (its video was unreadable) is no fault of the key.
    known |= set() if cohort is None else set(cohort[key_name].astype(str))
    for name in sorted(set(key_treatments) - known):
        hint = did_you_mean(name, sorted(known - set(key_treatments)))
        faults.add(f"the key names {key_name} '{name}', which is not in the minutes.{hint}")
    result = []
    for table in tables:
        who = table.drop_duplicates("recording")
        treatments = {}
        for row in who.itertuples():
            places = {
                "the minutes": str(row.treatment),
                "the cohort table": cohort_treatments.get(str(row.recording), ""),
                "the key": key_treatments.get(str(getattr(row, key_name)), ""),
            }
            given = {place: treatment for place, treatment in places.items() if treatment}
            if len(set(given.values())) > 1:
                told = ", ".join(f"{place} says '{treatment}'" for place, treatment in given.items())
                faults.add(
                    f"recording '{row.recording}' of subject '{row.subject}': {told}; make them agree."
                )
            elif not given and key is not None and not row.trained_on:
                name = getattr(row, key_name)
                faults.add(
                    f"{key_name} '{name}' has no treatment: expected a row in the key, or a cohort entry."
                )
            treatments[row.recording] = next(iter(given.values()), "")
        result.append(table.assign(treatment=table["recording"].map(treatments)))
    faults.raise_if_any(f"Treatments{f', key {key}' if key is not None else ''}: mend these")
    return result


def _read_key(path: Path, faults: Faults) -> tuple[str, dict[str, str]]:
    """The column the key goes by, and name -> treatment; a name with two treatments is a fault."""
    if not path.is_file():
        raise PainlibError(
            f"Treatment key: expected a csv file, got {path}, which is not a file; mend treatment_key."
        )
    table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    name = "recording" if "recording" in table else "subject"
    if name not in table or "treatment" not in table:
        raise PainlibError(
            f"{path}: expected the columns subject (or recording) and treatment of a key, got {list(table)}."
        )
    named: dict[str, set[str]] = defaultdict(set)
    for row, subject, treatment in zip(
        table.index, table[name].str.strip(), table["treatment"].str.strip(), strict=True
    ):
        if not subject or not treatment:
            faults.add(f"line {row + 2} of the key: {name} and treatment must both be filled in.")
        else:
            named[subject].add(treatment)
    for subject, treatments in named.items():
        if len(treatments) > 1:
            crossover = "; a crossover needs a key by recording" if name == "subject" else ""
            faults.add(f"{name} '{subject}' stands in the key with {sorted(treatments)}{crossover}.")
    return name, {subject: sorted(treatments)[0] for subject, treatments in named.items()}

"""The cohort's csv as people save it: read as text, cells named by row and column, then typed."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from painlib.faults import Faults, PainlibError, did_you_mean
from painlib.places import is_url
from painlib.tables.csv_cells import is_number, read_cells

REQUIRED = ("recording", "subject", "camera", "video")
# What an empty cell means: the whole file, no offset, time zero at the recording's start, one file a camera.
NUMBER_COLUMNS: dict[str, float | None] = {
    "start_s": None,
    "end_s": None,
    "offset_s": 0.0,
    "part": 1,
    "time_zero_s": 0.0,
    "age_weeks": None,
}
COLUMNS = (
    *("recording", "subject", "camera", "video", "start_s", "end_s", "offset_s", "part", "time_zero_s"),
    *("period", "phase", "label", "treatment", "sex", "strain", "age_weeks", "cage", "lab"),
    *("exclude_reason", "pose"),
)
CHOICES = {"phase": ("pre", "post"), "label": ("no pain", "pain"), "sex": ("male", "female")}
LONGEST_NAME = 80

_PART = re.compile(r"[1-9]\d*(\.0*)?")
_NAME = re.compile(r"[\w.\- ]+")


def read_rows(path: str | Path, faults: Faults) -> pd.DataFrame:
    """All cells as text, without blank rows; the index is the row in the file (the header is row 1).

    The known columns are all there ("" where the file lacks them), without blanks around their text; other
    columns stay as they are. Faults of the header and of the shape go to `faults`.
    """
    frame = read_cells(path, "the cohort table", REQUIRED, "Correct the key `cohort`.", faults)
    _check_header(list(frame.columns), faults)
    if frame.empty and not faults:
        raise PainlibError(f"Expected at least one row below the header, got none: {path}")
    for name in COLUMNS:
        frame[name] = frame[name].str.strip() if name in frame.columns and len(frame) else ""
    return frame[[*COLUMNS, *(name for name in frame.columns if name not in COLUMNS)]]


def check_cells(rows: pd.DataFrame, faults: Faults) -> None:
    """Each cell for itself: names, choices and numbers; every fault with its row, column and what to do."""
    import pandera.errors
    import pandera.pandas as pa

    columns = {}
    for name in ("recording", "subject", "camera"):
        if rows[name].any():  # a column that the file lacks is one fault, not one a row
            columns[name] = pa.Column(checks=pa.Check(is_name, element_wise=True, error=_NAME_RULE))
    for name, choices in CHOICES.items():
        expected = " or ".join(f"'{choice}'" for choice in choices) + " or an empty cell"
        columns[name] = pa.Column(checks=pa.Check.isin((*choices, ""), error=expected))
    for name in NUMBER_COLUMNS:
        test, expected = NUMBER_RULES[name]
        columns[name] = pa.Column(checks=pa.Check(test, element_wise=True, error=expected))
    try:
        pa.DataFrameSchema(columns).validate(rows, lazy=True)
    except pandera.errors.SchemaErrors as error:
        for case in error.failure_cases.sort_values("index", kind="stable").itertuples():
            got = f"'{case.failure_case}'" if case.failure_case else "an empty cell"
            hint = _hint(str(case.column), str(case.failure_case))
            faults.add(f"Row {case.index}, column `{case.column}`: expected {case.check}, got {got}.{hint}")


def type_columns(rows: pd.DataFrame) -> pd.DataFrame:
    """The known columns in their types; a number that is none becomes NaN (`check_cells` has named it)."""
    typed = rows.copy()
    for name, empty in NUMBER_COLUMNS.items():
        numbers = [_to_number(cell, empty) for cell in rows[name]]
        typed[name] = pd.Series(numbers, index=rows.index, dtype="float64")
    typed["part"] = typed["part"].fillna(1).astype("int64")
    return typed


def select_cells(path: str | Path, columns: Sequence[str]) -> list[list[str]]:
    """The text of some columns of a cohort table, row by row, to tell whether a change of it matters."""
    return read_rows(path, Faults())[list(columns)].to_numpy().tolist()


def to_absolute(name: str, folder: Path) -> str:
    """`name` as an absolute path (a relative one stands against `folder`); a URL or nothing as it is."""
    return name if not name or is_url(name) else os.path.abspath(folder / name)


def is_name(text: str) -> bool:
    """Whether a recording, subject or camera may be called so: safe in a file name on every system."""
    return (
        _NAME.fullmatch(text) is not None
        and len(text) <= LONGEST_NAME
        and text == text.strip()
        and not text.startswith((".", "-"))
        and not text.endswith(".")
        and text.lower() not in ("nan", "none", "null")
    )


_NAME_RULE = (
    f"a name of letters, digits, '.', '_', '-' and inner blanks (at most {LONGEST_NAME}, no '.' or '-' at "
    "the start, no '.' at the end, not 'nan')"
)


def _check_header(header: list[str], faults: Faults) -> None:
    lacking = [name for name in COLUMNS if name not in header]
    for name in header:
        near = did_you_mean(name, lacking, cutoff=0.8) if name not in COLUMNS else ""
        if near:
            faults.add(
                f"Header: column `{name}` is none of painlib's.{near} (If it is a column of your own, name "
                "it less alike.)"
            )
    for name in REQUIRED:
        if name not in header:
            faults.add(f"Header: expected a column `{name}`, got {', '.join(f'`{got}`' for got in header)}.")


def _is_number(cell: str) -> bool:
    return not cell or is_number(cell)


def _is_not_negative(cell: str) -> bool:
    return not cell or (_is_number(cell) and float(cell) >= 0)


def _is_part(cell: str) -> bool:
    return not cell or _PART.fullmatch(cell) is not None


NUMBER_RULES: dict[str, tuple[Callable[[str], bool], str]] = {
    "start_s": (_is_not_negative, "seconds, 0 or more, or an empty cell"),
    "end_s": (_is_not_negative, "seconds, 0 or more, or an empty cell"),
    "offset_s": (_is_number, "seconds or an empty cell"),
    "part": (_is_part, "a whole number, 1 or more, or an empty cell"),
    "time_zero_s": (_is_number, "seconds or an empty cell"),
    "age_weeks": (_is_not_negative, "weeks, 0 or more, or an empty cell"),
}


def _to_number(cell: str, empty: float | None) -> float:
    if not cell:
        return math.nan if empty is None else empty
    return float(cell) if _is_number(cell) else math.nan


def _hint(column: str, got: str) -> str:
    if column in CHOICES:
        return did_you_mean(got, CHOICES[column], cutoff=0.3)
    if column in NUMBER_COLUMNS and _is_number(got.replace(",", ".")):
        return " Write a point as decimal sign." if "," in got else ""
    return ""

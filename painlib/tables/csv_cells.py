"""A csv as people save it: read as text, each row under its number in the file, then typed by a schema."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from painlib.faults import Faults, PainlibError, did_you_mean
from painlib.tables.schemas import Column

ABSENT = ("", "NA", "NaN", "nan")  # what R, pandas and people leave in a cell without a value
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_WHOLE = re.compile(r"[+-]?\d{1,15}(\.0*)?")


def read_cells(
    path: str | Path, what: str, columns: Iterable[str], remedy: str, faults: Faults
) -> pd.DataFrame:
    """All cells as text, without blank rows; the index is the row in the file (the header is row 1).

    `what` the file should be, the `columns` it should have at least, and the `remedy` for a file that is not
    there are for messages. Raises `PainlibError` for a file that cannot be split into cells (encoding,
    delimiter, nothing in it); faults of the header's names and of single rows go to `faults`.
    """
    path = Path(path)
    lines = _read_lines(path, what, remedy)
    if not lines or not any(cell.strip() for cell in lines[0]):
        raise PainlibError(f"Expected a header row with {', '.join(columns)}, got an empty file: {path}")
    header = [cell.strip() for cell in lines[0]]
    for delimiter, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and delimiter in header[0]:
            raise PainlibError(
                f"Expected a table with commas between the cells, got {name}: {path}. Save it as 'CSV UTF-8 "
                "(comma delimited)' with a point as decimal sign."
            )
    while header and not header[-1]:
        header.pop()
    for number, name in enumerate(header, start=1):
        if not name:
            faults.add(f"Header: column {number} has no name. Name it or remove it.")
        elif header.index(name) != number - 1:
            faults.add(f"Header: column `{name}` stands twice. Keep one.")
    rows: dict[int, list[str]] = {}
    for number, cells in enumerate(lines[1:], start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) < len(header) or any(cell.strip() for cell in cells[len(header) :]):
            faults.add(
                f"Row {number}: expected {len(header)} cells as in the header, got {len(cells)}. Put text "
                "that has a comma in double quotes."
            )
            continue
        rows[number] = cells[: len(header)]
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=header, dtype=object)
    return frame.loc[:, ~frame.columns.duplicated()]


def require_columns(cells: pd.DataFrame, names: Iterable[str], faults: Faults) -> None:
    """A fault for each of `names` that the header lacks."""
    got = ", ".join(f"`{name}`" for name in cells.columns)
    for name in [name for name in names if name not in cells.columns]:
        near = did_you_mean(name, cells.columns, cutoff=0.8)
        faults.add(f"Header: expected a column `{name}`, got {got}.{near}")


def type_cells(cells: pd.DataFrame, columns: Mapping[str, Column], faults: Faults) -> pd.DataFrame:
    """The text of `cells` in the types of `columns` (all there), without blanks around; the index stays.

    One fault a column: the first row whose cell is not of the type or out of its bounds, and how many more.
    Such a cell, and an empty one of a number that may be missing, becomes NaN, and the column stays float.
    """
    typed = {}
    for name, column in columns.items():
        texts = cells[name].map(lambda cell: "" if cell.strip() in ABSENT else cell.strip())
        kind = _KINDS[column.dtype]
        values = [_read_value(text, column, kind) for text in texts]
        wrong = [row for row, value in zip(texts.index, values, strict=True) if value is None]
        if wrong:
            got = f"'{texts[wrong[0]]}'" if texts[wrong[0]] else "an empty cell"
            more = f" ({len(wrong) - 1} more rows have such a fault)" if len(wrong) > 1 else ""
            faults.add(
                f"Row {wrong[0]}, column `{name}`: expected {_describe(column, kind)}, got {got}{more}."
            )
            values = [_MISSING.get(column.dtype, math.nan) if value is None else value for value in values]
            typed[name] = pd.Series(values, index=texts.index, dtype=object)
        else:
            typed[name] = pd.Series(values, index=texts.index, dtype=_PANDAS.get(column.dtype, column.dtype))
    return pd.DataFrame(typed, index=cells.index)


def is_number(text: str) -> bool:
    """Whether `text` is a finite number with a point as decimal sign."""
    return _NUMBER.fullmatch(text) is not None and math.isfinite(float(text))


class _Kind(NamedTuple):
    is_one: Callable[[str], bool]
    read: Callable[[str], Any]
    name: str


_KINDS = {
    "str": _Kind(lambda text: True, str, "text"),
    "int64": _Kind(
        lambda text: _WHOLE.fullmatch(text) is not None, lambda text: int(float(text)), "a whole number"
    ),
    "float64": _Kind(is_number, float, "a number"),
    "bool": _Kind(
        lambda text: text.lower() in ("true", "false"), lambda text: text.lower() == "true", "true or false"
    ),
}
_PANDAS = {"str": "object"}
_MISSING = {"str": ""}


def _read_value(text: str, column: Column, kind: _Kind) -> Any:
    """The cell's value, or None where it is none or out of bounds."""
    if not text and column.nullable:
        return math.nan
    if not kind.is_one(text):
        return None
    value = kind.read(text)
    if column.allowed and value not in column.allowed:
        return None
    low, high = column.at_least, column.at_most
    inside = (low is None or value >= low) and (high is None or value <= high)
    return value if inside else None


def _describe(column: Column, kind: _Kind) -> str:
    if column.allowed:
        named = [f"'{value}'" for value in column.allowed if value != ""]
        return " or ".join([*named, *(["an empty cell"] if "" in column.allowed else [])])
    low, high = column.at_least, column.at_most
    bounds = f" from {low:g} to {high:g}" if low is not None and high is not None else ""
    bounds = bounds or (f", {low:g} or more" if low is not None else "")
    return f"{kind.name}{bounds}{' or an empty cell' if column.nullable else ''}"


def _read_lines(path: Path, what: str, remedy: str) -> list[list[str]]:
    if not path.is_file():
        near = ""
        if path.parent.is_dir():
            near = did_you_mean(path.name, [other.name for other in path.parent.glob("*.csv")])
        raise PainlibError(f"Expected {what}, found none: {path}.{near} {remedy}")
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PainlibError(
            f"Expected text in UTF-8, got another encoding at byte {error.start}: {path}. Save it as 'CSV "
            "UTF-8'."
        ) from error
    if "\0" in text:
        raise PainlibError(f"Expected a csv text file, got binary data: {path}. Save it as 'CSV UTF-8'.")
    try:
        return list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise PainlibError(f"Expected a csv file, got one that cannot be split: {path} ({error}).") from error

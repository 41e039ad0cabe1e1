"""The table "marks": which regions somebody, or the proposals, marked on each face; csv in and out.

A row a face and annotator. People open these files in a spreadsheet, so what comes back is checked whole,
and every fault is named in one message.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from painlib.faults import Faults, PainlibError, did_you_mean
from painlib.regions.names import REGION_COLUMNS, REGIONS
from painlib.tables import write_csv

# How the annotator began: from nothing, from proposals shown, or nobody looked (the proposals themselves).
STARTS = ("blind", "proposals", "headless")
FACE = ("recording", "camera", "frame")
BEFORE = ("annotator", "started_from", *FACE, "cannot_judge")
MARK_COLUMNS = (*BEFORE, *REGION_COLUMNS, "marked_at")

_FLAGS = ("cannot_judge", *REGION_COLUMNS)
_ZERO_ONE = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}
_DELIMITERS = ",;\t"


def tabulate_marks(
    faces: pd.DataFrame,
    marked: np.ndarray,
    annotator: str,
    started_from: str,
    cannot_judge: np.ndarray | None = None,
    marked_at: str = "",
) -> pd.DataFrame:
    """Table "marks" of `faces` (recording, camera, frame) whose regions are `marked` (n, 13) bool.

    A face that cannot be judged (`cannot_judge` (n,) bool) has no marks.
    """
    unjudged = np.zeros(len(faces), bool) if cannot_judge is None else np.asarray(cannot_judge, bool)
    table = faces[list(FACE)].reset_index(drop=True)
    table.insert(0, "started_from", started_from)
    table.insert(0, "annotator", annotator)
    table["cannot_judge"] = unjudged.astype(np.int64)
    flags = np.asarray(marked, bool).reshape(len(faces), len(REGIONS)) & ~unjudged[:, None]
    for column, values in zip(REGION_COLUMNS, flags.T.astype(np.int64), strict=True):
        table[column] = values
    return table.assign(marked_at=marked_at)


def get_flags(marks: pd.DataFrame) -> np.ndarray:
    """The marks alone, (n, 13) bool in the order of REGIONS."""
    return marks[list(REGION_COLUMNS)].to_numpy(bool)


def empty_marks() -> pd.DataFrame:
    """A table without rows, its columns typed."""
    return _type_cells(pd.DataFrame(columns=list(MARK_COLUMNS), dtype=object))


def write_marks(path: str | Path, marks: pd.DataFrame) -> Path:
    """Write a table "marks" as csv, whole or not at all; one that `read_marks` would refuse is a
    `PainlibError`, and the file stays as it was."""
    table = marks.reset_index(drop=True)
    texts = table.rename(index=lambda row: row + 2).astype(object)
    texts = texts.where(texts.notna(), "").map(lambda cell: str(int(cell) if _is_bool(cell) else cell))
    faults = Faults()
    texts = _check_columns(texts, faults)
    _check_cells(texts, faults)
    faults.raise_if_any(f"These marks cannot be written: {path}")
    return write_csv(_type_cells(texts), path)


def read_marks(path: str | Path, sample: pd.DataFrame | None = None) -> pd.DataFrame:
    """Read a csv of marks, checked whole: MARK_COLUMNS, flags int64 0 or 1, in the order of the file.

    Commas, semicolons or tabs; UTF-8 with or without a byte order mark; region columns with "_" or blanks;
    `marked_at` may lack and is carried unchecked, since spreadsheets rewrite times. With `sample` (recording,
    camera, frame) every face must be in it. A file with a header only is an empty table. All faults come in
    one `PainlibError` with row (the header is row 1), column, what was expected and what was got.
    """
    faults = Faults()
    table = _read_file(Path(path), faults, sample)
    faults.raise_if_any(f"The marks cannot be used: {path}")
    return table


def read_all_marks(folder: str | Path, sample: pd.DataFrame | None = None) -> pd.DataFrame:
    """All marks (*.csv) in a folder, one table in the order of file names; none is an empty table.

    All faults of all files come in one `PainlibError`; so does a face that one annotator has in two files.
    """
    paths = [path for path in sorted(Path(folder).glob("*.csv")) if not path.name.startswith((".", "~$"))]
    faults, tables = Faults(), [empty_marks()]
    seen: dict[tuple[str, ...], str] = {}
    for path in paths:
        own = Faults()
        try:
            table = _read_file(path, own, sample)
        except PainlibError as error:
            faults.add(str(error))
            continue
        for text in own:
            faults.add(f"{path.name}: {text}")
        for key in map(tuple, table[["annotator", *FACE]].astype(str).to_numpy()):
            if key in seen:
                faults.add(
                    f"{path.name}: {_describe(key)} stands in {seen[key]} too. Keep it in one of the files."
                )
        seen |= dict.fromkeys(map(tuple, table[["annotator", *FACE]].astype(str).to_numpy()), path.name)
        tables.append(table)
    faults.raise_if_any(f"The marks cannot be used: {folder}")
    return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)


def _read_file(path: Path, faults: Faults, sample: pd.DataFrame | None) -> pd.DataFrame:
    texts = _check_columns(_split(path, faults), faults)
    _check_cells(texts, faults)
    if sample is not None:
        _check_sample(texts, sample, faults)
    return empty_marks() if faults else _type_cells(texts)


def _split(path: Path, faults: Faults) -> pd.DataFrame:
    """All cells as text; the index is the row in the file."""
    if not path.is_file():
        raise PainlibError(f"Expected a table of marks, found no file: {path}.")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PainlibError(
            f"Expected text in UTF-8, got another encoding at byte {error.start}: {path}. Save it as 'CSV "
            "UTF-8'."
        ) from error
    first = text.split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=first.count)
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise PainlibError(f"Expected a csv file, got one that cannot be split: {path} ({error}).") from error
    if not lines or not any(cell.strip() for cell in lines[0]):
        raise PainlibError(f"Expected a header row with {', '.join(MARK_COLUMNS)}, got none: {path}.")
    header = [cell.strip() for cell in lines[0]]
    while not header[-1]:
        header.pop()
    rows = {}
    for number, cells in enumerate(lines[1:], start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) < len(header) or any(cell.strip() for cell in cells[len(header) :]):
            faults.add(f"Row {number}: expected {len(header)} cells as in the header, got {len(cells)}.")
            continue
        rows[number] = [cell.strip() for cell in cells[: len(header)]]
    for name in (name for name, count in Counter(header).items() if count > 1):
        faults.add(f"Header: expected each column once, got `{name}` twice. Keep one.")
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=header, dtype=object)
    return frame.loc[:, ~frame.columns.duplicated()]


def _check_columns(texts: pd.DataFrame, faults: Faults) -> pd.DataFrame:
    """The columns of the schema that are there, in order; the others and those that lack go to `faults`."""
    names = {name: str(name).strip().lower().replace(" ", "_") for name in texts.columns}
    texts = texts.rename(columns={name: new for name, new in names.items() if new in MARK_COLUMNS})
    texts = texts.loc[:, ~texts.columns.duplicated()]
    lacking = [name for name in MARK_COLUMNS if name not in texts.columns]
    for name in texts.columns:
        if name not in MARK_COLUMNS:
            near = did_you_mean(name, lacking)
            faults.add(f"Header: expected only columns of marks, got `{name}`.{near or ' Remove it.'}")
    for name in lacking:
        if name != "marked_at":
            faults.add(f"Header: expected a column `{name}`, got none.")
    return texts[[name for name in MARK_COLUMNS if name in texts.columns]]


def _check_cells(texts: pd.DataFrame, faults: Faults) -> None:
    """Each cell for itself, then what a row and the whole say."""

    def blame(row: object, column: str, expected: str, got: str, hint: str = "") -> None:
        shown = f"'{got}'" if got else "an empty cell"
        faults.add(f"Row {row}, column `{column}`: expected {expected}, got {shown}.{hint}")

    for row, cells in zip(texts.index, texts.to_dict("records"), strict=True):
        for column, text in cells.items():
            name = str(column)
            if name in _FLAGS and text not in _ZERO_ONE:
                blame(row, name, "0 or 1", text)
            elif name == "started_from" and text not in STARTS:
                blame(row, name, f"one of {', '.join(STARTS)}", text, did_you_mean(text, STARTS))
            elif name == "frame" and not _is_frame(text):
                blame(row, name, "a whole number, 0 or more", text)
            elif name in ("annotator", "recording", "camera") and not text:
                blame(row, name, "a name", text)
        marked = [name for name in REGION_COLUMNS if _ZERO_ONE.get(cells.get(name, "")) == 1]
        if _ZERO_ONE.get(cells.get("cannot_judge", "")) == 1 and marked:
            blame(row, marked[0], "0 in a face that cannot be judged", cells[marked[0]])
    keys = [name for name in ("annotator", *FACE) if name in texts.columns]
    if len(keys) == 1 + len(FACE):
        first: dict[tuple[str, ...], object] = {}
        for row, key in zip(texts.index, map(tuple, texts[keys].to_numpy()), strict=True):
            if key in first:
                faults.add(f"Row {row}: {_describe(key)} stands in row {first[key]} already. Keep one.")
            first.setdefault(key, row)


def _check_sample(texts: pd.DataFrame, sample: pd.DataFrame, faults: Faults) -> None:
    if not set(FACE) <= set(texts.columns):
        return
    known = set(map(tuple, sample[list(FACE)].astype(str).to_numpy()))
    for row, face in zip(texts.index, map(tuple, texts[list(FACE)].to_numpy()), strict=True):
        if _is_frame(face[2]) and (face[0], face[1], str(_to_int(face[2]))) not in known:
            where = f"recording '{face[0]}', camera '{face[1]}', frame {face[2]}"
            faults.add(
                f"Row {row}, columns `recording`, `camera`, `frame`: expected a face of the sample, got "
                f"{where}.{did_you_mean(face[0], {name for name, _, _ in known} - {face[0]})}"
            )


def _type_cells(texts: pd.DataFrame) -> pd.DataFrame:
    typed = {}
    for name in MARK_COLUMNS:
        cells = texts[name] if name in texts else pd.Series("", index=texts.index, dtype=object)
        whole = [_to_int(cell) for cell in cells] if name in ("frame", *_FLAGS) else None
        typed[name] = pd.Series(whole, dtype="int64") if whole is not None else cells.reset_index(drop=True)
    return pd.DataFrame(typed)


def _is_frame(text: str) -> bool:
    return text.removesuffix(".0").isdecimal()


def _to_int(text: str) -> int:
    return int(text.removesuffix(".0"))


def _is_bool(cell: object) -> bool:
    return isinstance(cell, (bool, np.bool_))


def _describe(key: tuple[str, ...]) -> str:
    return f"annotator '{key[0]}', recording '{key[1]}', camera '{key[2]}', frame {key[3]}"

"""The table "scores": what a rater said of each face; the csv file that the scoring widget keeps.

In memory: rater, recording, camera, frame, rejected (bool), and the five units as float64, NaN where the unit
was not or could not be scored. In the widget's file a unit that cannot be judged is -1, one that has no
answer yet is blank.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from painlib.faults import Faults, PainlibError
from painlib.grimace.units import DEGREES, FACE, UNITS
from painlib.tables import write_csv

SCORE_COLUMNS = ("rater", *FACE, "rejected", *UNITS)
FILE_COLUMNS = (*SCORE_COLUMNS, "scored_at")
CANNOT_JUDGE = -1  # in a file
NO_ANSWER = ""  # in a file
_CELLS = (NO_ANSWER, str(CANNOT_JUDGE), *map(str, DEGREES))
_DELIMITERS = ",;\t"


class Recoding(NamedTuple):
    """How one value of a column of a score file was read, and in how many rows it stands."""

    file: str
    column: str
    value: str
    meaning: str
    n_rows: int


def empty_scores() -> pd.DataFrame:
    """A table without rows, its columns typed."""
    types: dict[str, object] = dict.fromkeys(SCORE_COLUMNS, object)
    types |= {"frame": "int64", "rejected": bool, **dict.fromkeys(UNITS, "float64")}
    return pd.DataFrame({name: pd.Series(dtype=types[name]) for name in SCORE_COLUMNS})  # type: ignore[call-overload]


def write_own_scores(path: str | Path, table: pd.DataFrame) -> Path:
    """Write what one rater said (FILE_COLUMNS, all cells as text or whole numbers), whole or not at all."""
    return write_csv(table[list(FILE_COLUMNS)], path)


def read_own_scores(path: str | Path) -> pd.DataFrame:
    """A file of the scoring widget: FILE_COLUMNS as text, but `frame` int64 and `rejected` bool.

    Checked whole, since people open such files in a spreadsheet: every fault, with row (the header is row 1)
    and column, comes in one `PainlibError`, and so does a face that stands twice.
    """
    texts = read_text(path)
    faults = Faults()
    for name in FILE_COLUMNS:
        if name not in texts and name != "scored_at":
            faults.add(f"Header: expected a column `{name}`, got none.")
    faults.raise_if_any(f"The scores cannot be used: {path}")
    if "scored_at" not in texts:  # made elsewhere: every face in it is finished
        texts = texts.assign(scored_at="not said")
    texts = texts.reindex(columns=list(FILE_COLUMNS)).fillna("")
    for unit in UNITS:
        texts[unit] = texts[unit].map(plain_number)
    for row, cells in zip(texts.index, texts.to_dict("records"), strict=True):
        wrong = [
            (unit, f"one of {', '.join(_CELLS[1:])} or blank") for unit in UNITS if cells[unit] not in _CELLS
        ]
        wrong += [("rejected", "0 or 1")] * (plain_number(cells["rejected"]) not in ("0", "1"))
        wrong += [("frame", "a whole number, 0 or more")] * (not plain_number(cells["frame"]).isdecimal())
        wrong += [(name, "a name") for name in ("rater", "recording", "camera") if not cells[name]]
        for name, expected in wrong:
            faults.add(f"Row {row}, column `{name}`: expected {expected}, got '{cells[str(name)]}'.")
    for row in texts.index[texts.duplicated(["rater", *FACE])]:
        faults.add(f"Row {row}: expected each face once a rater, got it a second time. Keep one.")
    faults.raise_if_any(f"The scores cannot be used: {path}")
    return texts.assign(
        frame=[int(plain_number(cell)) for cell in texts["frame"]],
        rejected=[plain_number(cell) == "1" for cell in texts["rejected"]],
    ).reset_index(drop=True)


def find_scores_file(folder: str | Path, rater: str) -> Path:
    """Where the scores that a rater gave in the widget stand."""
    return Path(folder) / f"{rater}.csv"


def load_own_scores(folder: str | Path, raters: Sequence[str]) -> tuple[pd.DataFrame, list[Recoding]]:
    """Table "scores" of these raters' finished faces, and how their cells were read.

    A face that was begun and not finished in the widget is left out, and said to be. Raises `PainlibError`
    for a rater without a file.
    """
    tables, told = [empty_scores()], list[Recoding]()
    for rater in raters:
        path = find_scores_file(folder, rater)
        if not path.is_file():
            raise PainlibError(
                f"Expected scores of {rater}, found no file: {path}. Score faces with `interactive = True`, "
                "or take the name out of `raters`."
            )
        texts = read_own_scores(path)
        finished = (texts["scored_at"] != "").to_numpy()
        if (~finished).any():
            begun = "begun, not finished: left out"
            told.append(Recoding(path.name, "scored_at", "(blank)", begun, int((~finished).sum())))
        texts = texts[finished].reset_index(drop=True)
        for unit in UNITS:
            cells = texts.loc[~texts["rejected"].astype(bool), unit]
            for cell, meaning in (("-1", "cannot be judged"), ("", "no answer")):
                if (cells == cell).any():
                    told.append(
                        Recoding(path.name, unit, cell or "(blank)", meaning, int((cells == cell).sum()))
                    )
        if texts["rejected"].any():
            told.append(
                Recoding(path.name, "rejected", "1", "face rejected (blurry)", int(texts["rejected"].sum()))
            )
        tables.append(type_scores(texts))
    return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True), told


def type_scores(texts: pd.DataFrame) -> pd.DataFrame:
    """Table "scores" of checked cells: -1 and blanks are NaN, and so is every unit of a rejected face."""
    table = texts[list(SCORE_COLUMNS)].reset_index(drop=True)
    for unit in UNITS:
        values = pd.to_numeric(table[unit], errors="coerce")
        table[unit] = values.where((values >= 0) & ~table["rejected"]).astype("float64")
    return table.astype({"frame": "int64", "rejected": bool})


def read_text(path: str | Path) -> pd.DataFrame:
    """All cells of a csv (comma, semicolon or tab; UTF-8) as stripped text; the index is the row in the file.

    Empty rows are left out. Raises `PainlibError` for a file that is no such table, and names every row whose
    cells are not as many as the header's.
    """
    path = Path(path)
    if not path.is_file():
        raise PainlibError(f"Expected a table of scores, found no file: {path}.")
    try:
        text = path.read_bytes().decode("utf-8-sig")
        delimiter = max(_DELIMITERS, key=text.split("\n", 1)[0].count)
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except UnicodeDecodeError as error:
        raise PainlibError(f"Expected text in UTF-8, got {error}: {path}. Save it as 'CSV UTF-8'.") from error
    except csv.Error as error:
        raise PainlibError(
            f"Expected a csv of scores, got one that cannot be split: {path} ({error})."
        ) from error
    header = [cell.strip() for cell in lines[0]] if lines else []
    while header and not header[-1]:
        header.pop()
    faults = Faults()
    if not header:
        faults.add("Expected a header row, got none.")
    for name in sorted({name for name in header if header.count(name) > 1}):
        faults.add(f"Header: expected each column once, got `{name}` twice. Keep one.")
    rows = {}
    for number, cells in enumerate(lines[1:], start=2):
        stripped = [cell.strip() for cell in cells]
        if (len(stripped) < len(header) and any(stripped)) or any(stripped[len(header) :]):
            faults.add(f"Row {number}: expected {len(header)} cells as in the header, got {len(cells)}.")
        elif any(stripped):
            rows[number] = stripped[: len(header)]
    faults.raise_if_any(f"The scores cannot be used: {path}")
    return pd.DataFrame.from_dict(rows, orient="index", columns=header, dtype=object)


def plain_number(text: str) -> str:
    """`1.0` as `1`; what is no whole number as it is, in small letters."""
    text = text.strip().lower()
    whole = text.removesuffix(".0").removesuffix(".00")
    return whole if whole.lstrip("+-").isdecimal() else text

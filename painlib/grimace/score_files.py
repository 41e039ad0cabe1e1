"""Score files that others made: long or wide, one or several raters, their own names and codes.

Nothing is recoded without a word: every value of every column that was read stands in the recodings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from painlib.faults import Faults, did_you_mean
from painlib.grimace.score_columns import BLANK, find_columns
from painlib.grimace.scores import SCORE_COLUMNS, Recoding, empty_scores, plain_number, read_text
from painlib.grimace.units import DEGREES, FACE, UNITS, find_unit

_YES, _NO = ("1", "yes", "y", "true", "x"), ("0", "no", "n", "false", "")
NO_SUCH_FACE = "no face of a labelled recording: left out"


@dataclass(frozen=True)
class Reading:
    """How score files are to be read.

    `faces`: every face that a score may be of (face, recording, camera, frame). `names`: what painlib calls a
    column -> what the files call it. `missing`, `rejected`: cells that say that a unit was not scored, that a
    face is out.
    """

    faces: pd.DataFrame
    names: Mapping[str, str] = field(default_factory=dict)
    missing: Sequence[str] = ("", "-1")
    rejected: Sequence[str] = ("rejected", "blurry")


def read_score_file(path: str | Path, reading: Reading) -> tuple[pd.DataFrame, list[Recoding]]:
    """Table "scores" of one csv, and how each of its values was read.

    Long: columns `unit` and `score`. Wide: a column a unit, or a unit and rater ("ear_position_anna"). The
    face is named by `face` (the hidden name in sample.csv) or by `recording`, `camera`, `frame` (zero-based);
    `camera` may lack where each recording has one. Without a column `rater` the file's name is the rater.
    Units have their own names, those of `painlib.grimace.SYNONYMS`, or what `names` says. Rows of faces that
    are not in `reading.faces` are left out and counted. All faults (a score that is not 0, 1, 2 or a code, an
    unknown unit, a face twice) come in one `PainlibError`.
    """
    path = Path(path)
    texts = read_text(path)
    faults, told = Faults(), list[Recoding]()
    columns = find_columns(texts, reading.names, path.name, faults, told)
    faults.raise_if_any(f"The scores cannot be used: {path}")
    cells = _list_cells(texts, columns, path.stem)
    cells = _find_faces(cells, texts, columns, reading.faces, path.name, faults, told)
    known = cells["found"].to_numpy(bool)
    out = _read_rejected(texts, columns, reading, path.name, faults, told)
    scores = _read_cells(cells, reading, path.name, faults, told)
    _check_twice(cells[known], faults)
    faults.raise_if_any(f"The scores cannot be used: {path}")
    cells = cells.assign(score=scores, out=cells["row"].isin(out) | (scores == _OUT))[known]
    return _gather(cells), told


_OUT = -2.0  # of a cell that says that the face is out


def _list_cells(texts: pd.DataFrame, columns: dict[str, tuple[str, str]], stem: str) -> pd.DataFrame:
    """A row a cell that holds a score: row in the file, rater, unit (as written), column, text."""
    of = {role: name for name, (role, _) in columns.items()}
    raters = pd.Series(stem, index=texts.index)
    if "rater" in of:
        raters = texts[of["rater"]].where(texts[of["rater"]] != "", stem)
    if "score" in of:
        parts = [(texts[of["unit"]], raters, of["score"])]
    else:
        parts = [
            (
                pd.Series(role, index=texts.index),
                pd.Series(rater, index=texts.index) if rater else raters,
                name,
            )
            for name, (role, rater) in columns.items()
            if role in UNITS
        ]
    tables = [
        pd.DataFrame({"row": texts.index, "rater": rater, "unit": unit, "column": name, "text": texts[name]})
        for unit, rater, name in parts
    ]
    return pd.concat(tables, ignore_index=True)


def _find_faces(
    cells: pd.DataFrame,
    texts: pd.DataFrame,
    columns: dict[str, tuple[str, str]],
    faces: pd.DataFrame,
    file: str,
    faults: Faults,
    told: list[Recoding],
) -> pd.DataFrame:
    """`cells` with recording, camera, frame, and whether there is such a face (`found`)."""
    of = {role: name for name, (role, _) in columns.items()}
    if "face" in of:
        keys, by = pd.DataFrame({"face": texts[of["face"]]}), ["face"]
    else:
        keys, by = pd.DataFrame({"recording": texts[of["recording"]]}), list(FACE)
        frames = texts[of["frame"]].map(plain_number)
        wrong = ~frames.str.isdecimal()
        if wrong.any():
            _blame(faults, of["frame"], "a whole number, 0 or more", frames[wrong])
            frames = frames.where(~wrong, "0")
        keys["frame"] = frames.astype("int64")
        if "camera" in of:
            keys["camera"] = texts[of["camera"]]
        elif faces.groupby("recording")["camera"].nunique().max() > 1:
            faults.add("Header: expected a column `camera`, got none: there are recordings of two cameras.")
            keys["camera"] = ""
        else:
            one = faces.drop_duplicates("recording").set_index("recording")["camera"]
            keys["camera"] = keys["recording"].map(one).fillna("")
            told.append(
                Recoding(file, BLANK, "(column)", "camera: the one that the recording has", len(texts))
            )
    known = faces[["face", *FACE]].drop_duplicates(list(FACE)).assign(found=True)
    found = keys.rename_axis("row").reset_index().merge(known, on=by, how="left", validate="m:1")
    found["found"] = found["found"].notna()
    n_lost = int((~found["found"]).sum())
    if n_lost == len(found) and n_lost:
        given = ", ".join(f"{name} '{found[name].iloc[0]}'" for name in by)
        faults.add(f"Expected faces of labelled recordings, got none in {n_lost} rows; the first is {given}.")
    elif n_lost:
        told.append(Recoding(file, ", ".join(by), "(any other)", NO_SUCH_FACE, n_lost))
    return cells.merge(found[["row", *FACE, "found"]], on="row", how="left", validate="m:1")


def _read_rejected(
    texts: pd.DataFrame,
    columns: dict[str, tuple[str, str]],
    reading: Reading,
    file: str,
    faults: Faults,
    told: list[Recoding],
) -> set[int]:
    """The rows whose column `rejected` says that the face is out."""
    name = next((name for name, (role, _) in columns.items() if role == "rejected"), None)
    if name is None:
        return set()
    cells = texts[name].map(plain_number)
    yes = cells.isin([*_YES, *map(plain_number, reading.rejected)])
    wrong = ~yes & ~cells.isin(_NO)
    if wrong.any():
        expected = f"one of {', '.join((*_YES, *reading.rejected))}, or of {', '.join(_NO[:-1])} or blank"
        _blame(faults, name, expected, texts.loc[wrong, name])
    for value, n in texts.loc[yes, name].value_counts(sort=False).items():
        told.append(Recoding(file, name, str(value), "face rejected", int(n)))
    return set(texts.index[yes])


def _read_cells(
    cells: pd.DataFrame, reading: Reading, file: str, faults: Faults, told: list[Recoding]
) -> pd.Series:
    """Scores (n,) of the cells: 0, 1, 2, NaN where missing, `_OUT` where the face is out; names units."""
    units = {name: find_unit(name) if name not in UNITS else name for name in cells["unit"].unique()}
    mapped = {theirs.lower(): own for own, theirs in reading.names.items() if own in UNITS}
    units |= {name: mapped[name.lower()] for name in units if name.lower() in mapped}
    for name in [name for name, unit in units.items() if unit is None]:
        n = int((cells["unit"] == name).sum())
        known = ", ".join(UNITS)
        faults.add(f"Unit '{name}' ({n} rows): expected one of {known}.{did_you_mean(name, UNITS)}")
    cells["unit"] = cells["unit"].map(lambda name: units[name] or name)
    plain = cells["text"].map(plain_number)
    meanings = dict.fromkeys(map(plain_number, reading.missing), "not scored")
    meanings |= dict.fromkeys(map(plain_number, reading.rejected), "face rejected")
    meanings |= {str(degree): str(degree) for degree in DEGREES}
    values = plain.map(meanings)
    read = pd.DataFrame({"column": cells["column"], "text": cells["text"], "meaning": values})
    for keys, same in read.dropna().groupby(["column", "text", "meaning"], sort=True):
        column, text, meaning = map(str, keys)
        told.append(Recoding(file, column, text or BLANK, meaning, len(same)))
    for column in cells.loc[values.isna(), "column"].unique():
        here = values.isna() & (cells["column"] == column)
        codes = ", ".join(f"'{code}'" for code in (*reading.missing, *reading.rejected))
        _blame(faults, column, f"0, 1, 2 or a code ({codes})", cells[here].set_index("row")["text"])
    numbers = {"not scored": float("nan"), "face rejected": _OUT} | {
        str(degree): float(degree) for degree in DEGREES
    }
    return values.map(numbers).astype("float64")


def _check_twice(cells: pd.DataFrame, faults: Faults) -> None:
    keys = ["rater", *FACE, "unit"]
    twice = cells[cells.duplicated(keys, keep=False)]
    if len(twice):
        rater, recording, camera, frame, unit = twice[keys].iloc[0]
        rows = ", ".join(map(str, twice.loc[(twice[keys] == twice[keys].iloc[0]).all(axis=1), "row"].head(4)))
        faults.add(
            f"Expected one score a rater, face and unit, got {len(twice)} that are not alone. The first: "
            f"rows {rows}, rater '{rater}', recording '{recording}', camera '{camera}', frame {frame}, "
            f"{unit}. Keep one, or give the second reading another rater's name."
        )


def _gather(cells: pd.DataFrame) -> pd.DataFrame:
    """Table "scores" of cells: a row a rater and face; of a face that is out no unit counts."""
    if cells.empty:
        return empty_scores()
    keys = ["rater", *FACE]
    out = cells.groupby(keys, sort=False)["out"].any().rename("rejected")
    wide = cells.assign(score=cells["score"].where(cells["score"] >= 0)).pivot(
        index=keys, columns="unit", values="score"
    )
    table = wide.reindex(columns=list(UNITS)).join(out).reset_index()
    table[list(UNITS)] = table[list(UNITS)].astype("float64")
    table.loc[table["rejected"], list(UNITS)] = float("nan")
    return table[list(SCORE_COLUMNS)].astype({"frame": "int64", "rejected": bool}).reset_index(drop=True)


def _blame(faults: Faults, column: str, expected: str, texts: pd.Series) -> None:
    """One fault a value of a column, with how many rows have it and where the first stands."""
    for text in list(dict.fromkeys(texts))[:5]:
        rows = texts.index[texts == text]
        where = f"row {rows[0]}" if len(rows) == 1 else f"{len(rows)} rows, the first is row {rows[0]}"
        got = repr(text) if text else "an empty cell"
        faults.add(f"Column `{column}`: expected {expected}, got {got} in {where}.")

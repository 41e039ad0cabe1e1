"""All scores of a run in one table, totals, and one verdict a face where several raters scored it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from painlib.faults import Faults, PainlibError
from painlib.grimace.sampling import name_faces
from painlib.grimace.score_columns import parse_names
from painlib.grimace.score_files import Reading, read_score_file
from painlib.grimace.scores import Recoding, find_scores_file, load_own_scores, read_own_scores, read_text
from painlib.grimace.units import FACE, UNITS
from painlib.params import GrimaceParams

RECODING_COLUMNS = Recoding._fields
EVERYBODY = "mean of raters"
NOT_DRAWN = "face was not drawn: left out"


def load_scores(
    params: GrimaceParams, faces: pd.DataFrame, sample: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All scores of `params.raters` (the widget's files) and `params.score_files`, and every recoding.

    `faces`: the labelled faces (recording, camera, frame); `sample`: those that were drawn. Scores of faces
    that were not drawn are left out and counted, unless `params.score_all`. The first table is of the schema
    "scores" with `total` and `n_units`, the second of RECODING_COLUMNS. Raises `PainlibError` with the
    faults of all files, for a rater who scored a face in two, and for scores of other faces only.
    """
    known = name_faces(faces)
    reading = Reading(known, parse_names(params.score_columns), params.missing_codes, params.rejected_codes)
    own, told = load_own_scores(params.workdir / "grimace" / "scores", params.raters)
    tables, sources = [own], ["the widget"]
    faults = Faults()
    for path in map(Path, params.score_files):
        try:
            table, recodings = read_score_file(path, reading)
        except PainlibError as fault:
            faults.add(str(fault).replace("\n", "\n   "))
            continue
        tables.append(table)
        sources.append(path.name)
        told += recodings
    faults.raise_if_any("The score files cannot be used")
    scores = pd.concat(
        [table.assign(source=name) for table, name in zip(tables, sources, strict=True)], ignore_index=True
    )
    twice = scores[scores.duplicated(["rater", *FACE], keep=False)]
    if len(twice):
        first = twice.iloc[0]
        where = ", ".join(dict.fromkeys(twice["source"]))
        raise PainlibError(
            f"Expected each face once a rater, got {len(twice)} rows of faces that a rater has in two files "
            f"({where}); the first is rater '{first['rater']}', recording '{first['recording']}', camera "
            f"'{first['camera']}', frame {first['frame']}. Keep one, or name the second reading otherwise."
        )
    drawn = scores.merge(
        (known if params.score_all else sample)[list(FACE)], on=list(FACE), how="left", indicator=True
    )
    inside = (drawn.pop("_merge") == "both").to_numpy()
    for name, n in scores.loc[~inside, "source"].value_counts(sort=False).items():
        told.append(Recoding(str(name), ", ".join(FACE), "(any other)", NOT_DRAWN, int(n)))
    if len(scores) and not inside.any():
        raise PainlibError(
            f"Expected scores of the {len(sample):,} faces that were drawn, got none in {len(scores):,} rows."
            " Score those of grimace/key.csv, or set `score_all` to take every labelled face that was scored."
        )
    kept = add_totals(scores[inside].drop(columns="source").reset_index(drop=True), params.min_units)
    return kept, pd.DataFrame(told, columns=list(RECODING_COLUMNS))


def check_scores(params: GrimaceParams, rows: list[tuple[str, str]], faults: Faults) -> None:
    """Look at the score files that are named, before any work begins: those of the widget are checked whole,
    of the others whether they are tables. `rows` gets what was found, `faults` what cannot be used.
    """
    n = 0
    files = [(find_scores_file(params.workdir / "grimace" / "scores", name), True) for name in params.raters]
    files += [(Path(name), False) for name in params.score_files]
    for path, is_own in files:
        try:
            n += len(read_own_scores(path) if is_own else read_text(path))
        except PainlibError as fault:
            faults.add(f"grimace: {fault}".replace("\n", "\n   "))
    try:
        parse_names(params.score_columns)
    except PainlibError as fault:
        faults.add(f"grimace.score_columns: {fault}".replace("\n", "\n   "))
    if files:
        rows.append(("grimace scores", f"{len(files)} files, {n:,} rows"))


def add_totals(scores: pd.DataFrame, min_units: int) -> pd.DataFrame:
    """`scores` with `n_units`, how many of the five units were scored, and `total`, 0 to 10.

    The total is five times the mean of the units that were scored, which is their sum where all were; NaN
    where fewer than `min_units` were, and of a rejected face. Ours: the paper sums five and says nothing of
    units that cannot be judged.
    """
    values = scores[list(UNITS)].copy()
    values.loc[scores["rejected"].to_numpy(bool)] = np.nan
    n_units = values.notna().sum(axis=1)
    total = len(UNITS) * values.mean(axis=1)
    return scores.assign(n_units=n_units, total=total.where(n_units >= max(1, min_units)).astype("float64"))


def combine_raters(scores: pd.DataFrame) -> pd.DataFrame:
    """One row a face: its units and `total` as means over the raters who gave one, `n_raters` (who gave a
    total), `n_rejected`, and `rejected`.

    A face is out where more than half of those who looked at it rejected it; else those who scored it count
    (ours). The mean of raters is what a face is compared by with label and classifier.
    """
    grouped = scores.groupby(list(FACE), sort=True)
    faces = grouped[[*UNITS, "total"]].mean()
    faces["n_raters"] = grouped["total"].count()
    faces["n_rejected"] = grouped["rejected"].sum().astype("int64")
    faces["rejected"] = 2 * faces["n_rejected"] > grouped.size()
    for name in (*UNITS, "total"):
        faces[name] = faces[name].where(~faces["rejected"])
    return faces.reset_index()


def count_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """How each rater's faces came out: n_faces, n_total (with a total), n_rejected, n_too_few_units, and how
    many scores of each unit are missing in faces that were not rejected."""
    rows = []
    for rater, own in scores.groupby("rater", sort=True):
        kept = own[~own["rejected"]]
        row = {"rater": rater, "n_faces": len(own), "n_total": int(own["total"].notna().sum())}
        row |= {"n_rejected": int(own["rejected"].sum()), "n_too_few_units": int(kept["total"].isna().sum())}
        rows.append(row | {f"missing_{unit}": int(kept[unit].isna().sum()) for unit in UNITS})
    columns = [
        "rater",
        "n_faces",
        "n_total",
        "n_rejected",
        "n_too_few_units",
        *(f"missing_{unit}" for unit in UNITS),
    ]
    return pd.DataFrame(rows, columns=columns)


def widen(scores: pd.DataFrame, value: str, raters: Sequence[str] | None = None) -> pd.DataFrame:
    """(faces, raters) of one value; the index is the face, NaN where a rater gave none."""
    table = scores.pivot(index=list(FACE), columns="rater", values=value).astype(np.float64)
    return table if raters is None else table.reindex(columns=list(raters))

"""Checks of the cohort table across its rows: files, stretches, parts, cameras, and what must agree."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from painlib.faults import Faults, did_you_mean
from painlib.places import check_url, is_url

MOST_CAMERAS = 2
SAME_IN_RECORDING = (
    *("subject", "period", "phase", "label", "treatment", "time_zero_s", "age_weeks", "cage", "lab"),
)
SAME_IN_SUBJECT = ("sex", "strain")


def check_rows(cohort: pd.DataFrame, faults: Faults) -> None:
    """Add every fault between rows to `faults`; `cohort` is typed, its index the row in the file.

    Rows without a name were reported already and are left out where rows are compared.
    """
    used = cohort[cohort["exclude_reason"] == ""]
    _check_files(used, faults)
    _check_stretches(used, faults)
    _check_labels(used, faults)
    named = cohort[(cohort["recording"] != "") & (cohort["camera"] != "")]
    used_named = named[named["exclude_reason"] == ""]
    _check_parts(named, faults)
    _check_same_in("recording", SAME_IN_RECORDING, used_named, faults)
    _check_same_in("subject", SAME_IN_SUBJECT, used_named[used_named["subject"] != ""], faults)
    _check_cameras(named, faults)
    _check_file_names(named, faults)
    if len(cohort) and used.empty:
        faults.add("Every row has an `exclude_reason`: expected at least one row that is used. Empty one.")


def _check_files(used: pd.DataFrame, faults: Faults) -> None:
    for column, what in (("video", "a video file"), ("pose", "a tracker file")):
        for row, name in used[column].items():
            if not name:
                if column == "video" and used["video"].any():
                    faults.add(
                        f"Row {row}, column `video`: expected {what}, got an empty cell. Name the file, or "
                        "give an `exclude_reason` if there is none."
                    )
            elif is_url(name):
                if fault := check_url(name):
                    faults.add(f"Row {row}, column `{column}`: {fault}")
            elif not Path(name).is_file():
                faults.add(
                    f"Row {row}, column `{column}`: expected {what}, found none: {name}."
                    f"{_near_file(Path(name))} Paths stand relative to the table."
                )


def _near_file(path: Path) -> str:
    if path.is_dir():
        return " That is a folder."
    if not path.parent.is_dir():
        return " The folder does not exist."
    return did_you_mean(path.name, os.listdir(path.parent), cutoff=0.7)


def _check_stretches(used: pd.DataFrame, faults: Faults) -> None:
    start, end = used["start_s"].fillna(0.0), used["end_s"].fillna(float("inf"))
    for row in used.index[end <= start]:
        expected = f"more than `start_s` ({start[row]:g} s)"
        faults.add(
            f"Row {row}, column `end_s`: expected {expected}, got {end[row]:g} s. Correct one of the two."
        )
    usable = used[(used["video"] != "") & (end > start)]
    for _, rows in usable.groupby(usable["video"].map(_same_file), sort=False):
        ordered = sorted(rows.index, key=lambda row: (start[row], end[row]))
        latest = ordered[0]
        for row in ordered[1:]:
            if start[row] < end[latest]:
                faults.add(
                    f"Rows {min(row, latest)} and {max(row, latest)}, columns `start_s`, `end_s`: expected "
                    f"stretches of {rows.at[row, 'video']} that do not overlap, got "
                    f"{_stretch(start[latest], end[latest])} and {_stretch(start[row], end[row])}. Correct "
                    "the times, or the file if it was meant to be another."
                )
            latest = row if end[row] > end[latest] else latest


def _same_file(name: str) -> str:
    return name if is_url(name) else os.path.normcase(os.path.realpath(name))


def _stretch(start: float, end: float) -> str:
    return f"{start:g} s to {'the end' if end == float('inf') else f'{end:g} s'}"


def _check_labels(used: pd.DataFrame, faults: Faults) -> None:
    for row in used.index[(used["phase"] == "pre") & (used["label"] == "pain")]:
        faults.add(
            f"Row {row}, column `label`: expected 'no pain' or an empty cell where `phase` is 'pre', got "
            "'pain'. Correct one of the two."
        )


def _check_parts(named: pd.DataFrame, faults: Faults) -> None:
    for (recording, camera), rows in named.groupby(["recording", "camera"], sort=False):
        if len(rows) == 1 and rows["part"].iloc[0] == 1:
            continue
        used = rows[rows["exclude_reason"] == ""].sort_values("part", kind="stable")
        whose = f"recording '{recording}', camera '{camera}'"
        twice = used["part"].duplicated(keep=False)
        for part, same in used[twice].groupby("part"):
            faults.add(
                f"{_name_rows(same)}: {whose}, part {part} stands twice. Give each recording its own name, "
                "or number the files of one camera in `part`."
            )
        if not twice.any() and len(used) and list(used["part"]) != list(range(1, len(used) + 1)):
            faults.add(
                f"{_name_rows(used)}, column `part`: expected 1 to {len(used)} for {whose}, got "
                f"{', '.join(map(str, used['part']))}. A file left out would shift the times after it."
            )
        files = used["video"].map(_same_file)
        repeated = used[files.duplicated(keep=False) & (used["video"] != "") & ~twice]
        if len(repeated):
            faults.add(
                f"{_name_rows(repeated)}, column `video`: expected another file in each part of {whose}, got "
                "one file twice. Make two stretches of one file two recordings."
            )
        if used["offset_s"].nunique(dropna=False) > 1:
            faults.add(
                f"{_name_rows(used)}, column `offset_s`: expected one offset for {whose}, got "
                f"{', '.join(f'{value:g}' for value in used['offset_s'])}."
            )
        if used["pose"].ne("").any() and used["pose"].eq("").any():
            faults.add(
                f"{_name_rows(used[used['pose'] == ''])}, column `pose`: expected a tracker file, as in the "
                f"other parts of {whose}, got an empty cell."
            )


def _check_same_in(key: str, columns: Iterable[str], used: pd.DataFrame, faults: Faults) -> None:
    """One value of each column for all rows of a recording, or of a subject."""
    for column in columns:
        differ = used.groupby(key, sort=False)[column].nunique(dropna=False) > 1
        for name in differ.index[differ]:
            _describe_values(used[used[key] == name], column, f"{key} '{name}'", faults)


def _describe_values(rows: pd.DataFrame, column: str, whose: str, faults: Faults) -> None:
    cells = rows[column].map(lambda value: f"{value:g}" if isinstance(value, float) else value)
    got = "; ".join(
        f"{'an empty cell' if cell in ('', 'nan') else repr(cell)} in {_name_rows(same).lower()}"
        for cell, same in rows.groupby(cells, sort=False)
    )
    faults.add(f"Column `{column}`: expected one value for {whose}, got {got}. Make them agree.")


def _check_cameras(named: pd.DataFrame, faults: Faults) -> None:
    """As many cameras in each recording as in others of its lab; an excluded row counts as its camera."""
    for lab, rows in named.groupby("lab", sort=False):
        recordings = {str(name): own for name, own in rows.groupby("recording", sort=False)}
        used = {name: _list_cameras(own[own["exclude_reason"] == ""]) for name, own in recordings.items()}
        usual = max((found for found in used.values() if len(found) <= MOST_CAMERAS), key=len, default=[])
        for recording, own in recordings.items():
            found = _list_cameras(own)
            if len(used[recording]) > MOST_CAMERAS:
                faults.add(
                    f"{_name_rows(own)}: expected {MOST_CAMERAS} cameras at most for '{recording}', "
                    f"got {', '.join(used[recording])}. Give the rows of the others an `exclude_reason`."
                )
            elif len(found) < len(usual):
                lacking = [name for name in usual if name not in found]
                others = "as in the others" + (f" of lab '{lab!s}'" if lab else "")
                faults.add(
                    f"{_name_rows(own)}: expected {len(usual)} cameras for recording '{recording}', "
                    f"{others}, got {', '.join(found)} alone. Add a row for camera '{lacking[0]}'; if it did "
                    "not film, give that row an `exclude_reason` and no video."
                )


def _list_cameras(rows: pd.DataFrame) -> list[str]:
    return sorted(set(rows["camera"]))


def _check_file_names(named: pd.DataFrame, faults: Faults) -> None:
    """Files are called <recording>_<camera>; two pairs differ also where capitals are not told apart."""
    pairs = named[["recording", "camera"]].drop_duplicates()
    written = (pairs["recording"] + "_" + pairs["camera"]).map(_fold)
    for _, same in pairs.groupby(written, sort=False):
        if len(same) > 1:
            names = " and ".join(f"'{row.recording}' with '{row.camera}'" for row in same.itertuples())
            faults.add(
                f"{_name_rows(same)}, columns `recording`, `camera`: expected names that give different "
                f"files, got {names}. Rename one."
            )


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _name_rows(rows: pd.DataFrame) -> str:
    numbers = [str(row) for row in sorted(rows.index)]
    return f"Row {numbers[0]}" if len(numbers) == 1 else f"Rows {', '.join(numbers[:-1])} and {numbers[-1]}"

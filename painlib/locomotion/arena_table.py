"""The table of arena videos (csv): who was filmed from above, how and when; checked whole before any work."""

from __future__ import annotations

import math
import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from painlib.cohort import VideoPart
from painlib.cohort.file import is_name, to_absolute
from painlib.faults import Faults, PainlibError, did_you_mean
from painlib.locomotion.arena_floor import order_corners, parse_corners
from painlib.places import check_url, is_url
from painlib.tables.csv_cells import read_cells, require_columns

REQUIRED = ("subject", "video", "treatment")
NUMBERS = ("part", "time_zero_s", "start_s", "end_s", "fps", "side_px")
TEXTS = ("subject", "video", "treatment", "pose", "corners", "lab", "exclude_reason")
SAME_IN_SUBJECT = ("treatment", "time_zero_s", "side_px", "corners", "lab")


@dataclass(frozen=True)
class ArenaVideo:
    """One animal in the arena: its files in order, and what is known of the arena in the picture.

    `time_zero_s`: the treatment, on the video's clock (0: first frame of the first file). `pose`: a tracker
    file a part, or empty. `fps` counts where a tracker file stands without its video. `corners`: (x, y) of
    the floor's corners, px, or empty; `side_px`: its side, or NaN.
    """

    subject: str
    treatment: str
    time_zero_s: float
    parts: tuple[VideoPart, ...]
    pose: tuple[str, ...] = ()
    fps: float = math.nan
    side_px: float = math.nan
    corners: tuple[tuple[float, float], ...] = ()


def load_arenas(path: str | Path | None) -> pd.DataFrame:
    """The checked table, one row a video, in the order of the file.

    Columns: `subject`, `video` and `pose` (relative to the table, then absolute), `treatment`, and optional
    `part` (files of one animal in order, 1 where empty), `time_zero_s` (0 where empty), `start_s`, `end_s`
    (the stretch of the file that is used), `fps` (of a tracker file without video), `side_px` or `corners`
    ("x y; x y; x y; x y", px of the video), `lab`, `exclude_reason`. Further columns are untouched text.
    Raises one `PainlibError` with every fault: row (the header is row 1), column, expected, got, what to do.
    """
    if path is None:
        raise PainlibError("Expected a table of arena videos, got none. Name it in `arena_table`.")
    path = Path(path)
    faults = Faults()
    rows = _read_rows(path, faults)
    arenas = rows.assign(**{name: _read_numbers(rows[name], name, faults) for name in NUMBERS})
    arenas = arenas.assign(part=arenas["part"].fillna(1), time_zero_s=arenas["time_zero_s"].fillna(0.0))
    for name in ("video", "pose"):
        arenas[name] = [to_absolute(cell, path.parent) for cell in arenas[name]]
    _check_rows(arenas, faults)
    faults.raise_if_any(f"The table of arena videos has faults: {path}")
    return arenas.astype({"part": "int64"}).reset_index(drop=True)


def used_arenas(arenas: pd.DataFrame) -> pd.DataFrame:
    """The rows without `exclude_reason`."""
    return arenas[arenas["exclude_reason"] == ""]


def iter_arenas(arenas: pd.DataFrame) -> list[ArenaVideo]:
    """The animals of the rows that are used, in the table's order."""
    videos = []
    for subject, rows in used_arenas(arenas).groupby("subject", sort=False):
        rows = rows.sort_values("part")
        first = rows.iloc[0]
        stretches = zip(rows["video"], rows["start_s"], rows["end_s"], strict=True)
        parts = [VideoPart(str(name), _or(start, 0.0), _or(end, math.inf)) for name, start, end in stretches]
        videos.append(
            ArenaVideo(
                subject=str(subject),
                treatment=str(first["treatment"]),
                time_zero_s=float(first["time_zero_s"]),
                parts=tuple(parts),
                pose=tuple(name for name in rows["pose"] if name),
                fps=float(first["fps"]),
                side_px=float(first["side_px"]),
                corners=parse_corners(first["corners"]),
            )
        )
    return videos


def _or(value: float, empty: float) -> float:
    return empty if math.isnan(value) else float(value)


def _read_rows(path: Path, faults: Faults) -> pd.DataFrame:
    """All cells as text without blanks around; the index is the row in the file (the header is row 1)."""
    known = [*TEXTS, *NUMBERS]
    cells = read_cells(path, "the table of arena videos", REQUIRED, "Mend `arena_table`.", faults)
    for name in [name for name in cells.columns if name not in known]:
        near = did_you_mean(name, [other for other in known if other not in cells], cutoff=0.8)
        if near:
            faults.add(f"Header: column `{name}` is none of painlib's.{near}")
    require_columns(cells, REQUIRED, faults)
    if cells.empty:
        faults.add("Expected at least one row below the header, got none.")
    stripped = {name: cells[name].str.strip() if len(cells) else cells[name] for name in cells.columns}
    return cells.assign(**stripped, **{name: "" for name in known if name not in cells})


def _read_numbers(cells: pd.Series, name: str, faults: Faults) -> pd.Series:
    """The numbers of a column, NaN where empty; what is none is a fault and NaN."""
    numbers = pd.to_numeric(cells.where(cells != ""), errors="coerce").astype("float64")
    expected = "seconds" if name == "time_zero_s" else "seconds, 0 or more" if name.endswith("_s") else ""
    expected = expected or ("a whole number, 1 or more" if name == "part" else "a number above 0")
    values = numbers.to_numpy(copy=True)
    for place, (row, cell) in enumerate(cells.items()):
        value = values[place]
        good = math.isfinite(value) and (
            name == "time_zero_s" or value > 0 or (value == 0 and name in ("start_s", "end_s"))
        )
        if cell and (not good or (name == "part" and value != round(value))):
            hint = " Write a point as decimal sign." if "," in cell else ""
            faults.add(
                f"Row {row}, column `{name}`: expected {expected} or an empty cell, got '{cell}'.{hint}"
            )
            values[place] = math.nan
    return pd.Series(values, index=cells.index)


def _check_rows(arenas: pd.DataFrame, faults: Faults) -> None:
    for row, name in arenas["subject"].items():
        if not is_name(name):
            faults.add(
                f"Row {row}, column `subject`: expected a name of letters, digits, '.', '_', '-' and inner "
                f"blanks, got {name!r}."
            )
    used = used_arenas(arenas)
    for row, cells in used.iterrows():
        for text in _check_row(cells):
            faults.add(f"Row {row}, {text}")
    for subject, rows in used[used["subject"] != ""].groupby("subject", sort=False):
        _check_subject(str(subject), rows, faults)
    folded = used["subject"].map(lambda name: unicodedata.normalize("NFC", name).casefold())
    for _, rows in used.groupby(folded, sort=False):
        if rows["subject"].nunique() > 1:
            names = " and ".join(repr(name) for name in rows["subject"].unique())
            faults.add(f"{_name_rows(rows)}: subjects {names} would share a file name. Rename one.")
    _check_shared_videos(used, faults)
    if len(arenas) and used.empty:
        faults.add("Every row has an `exclude_reason`: expected at least one row that is used. Empty one.")


def _check_row(cells: pd.Series) -> list[str]:
    texts = []
    for name in ("video", "pose"):
        if is_url(cells[name]):
            if fault := check_url(cells[name]):
                texts.append(f"column `{name}`: {fault}")
        elif cells[name] and not Path(cells[name]).is_file():
            texts.append(
                f"column `{name}`: expected a file, found none: {cells[name]}. Paths stand relative to the "
                "table."
            )
    measured = cells["corners"] != "" or not math.isnan(cells["side_px"])
    if not cells["video"] and not (cells["pose"] and measured and not math.isnan(cells["fps"])):
        texts.append(
            "column `video`: expected a video file, got an empty cell. Name the file; or give a tracker file "
            "(`pose`) with its `fps` and the arena's `side_px` or `corners`; or an `exclude_reason`."
        )
    if cells["corners"] and not math.isnan(cells["side_px"]):
        texts.append("columns `corners`, `side_px`: expected one of the two, got both. Corners say more.")
    if cells["corners"]:
        try:
            order_corners(parse_corners(cells["corners"]))
        except PainlibError as fault:
            texts.append(f"column `corners`: {fault}")
    if _or(cells["end_s"], math.inf) <= _or(cells["start_s"], 0.0):
        texts.append(
            f"column `end_s`: expected more than start_s ({_or(cells['start_s'], 0.0):g} s), got "
            f"{cells['end_s']:g} s."
        )
    return texts


def _check_subject(subject: str, rows: pd.DataFrame, faults: Faults) -> None:
    if sorted(rows["part"]) != list(range(1, len(rows) + 1)):
        got = ", ".join(f"{part:g}" for part in rows["part"])
        faults.add(
            f"{_name_rows(rows)}, column `part`: expected 1 to {len(rows)} for '{subject}', got {got}. "
            "Number the files of one animal in their order; give two animals two names."
        )
    for name in SAME_IN_SUBJECT:
        if rows[name].nunique(dropna=False) > 1:
            got = ", ".join(map(repr, rows[name].unique()))
            faults.add(f"{_name_rows(rows)}, column `{name}`: expected one value for '{subject}', got {got}.")
    if rows["pose"].ne("").any() and rows["pose"].eq("").any():
        faults.add(f"{_name_rows(rows)}, column `pose`: expected a tracker file in every part, or in none.")
    if len(rows) > 1 and rows["video"].eq("").any():
        faults.add(f"{_name_rows(rows)}, column `video`: several parts need their videos, which have times.")


def _check_shared_videos(used: pd.DataFrame, faults: Faults) -> None:
    """Several animals in one file: one after the other, or in arenas of their own."""
    filmed = used[used["video"] != ""]
    for _, rows in filmed.groupby(filmed["video"].map(os.path.realpath), sort=False):
        ordered = rows.sort_values("start_s", na_position="first")
        starts, ends = ordered["start_s"].fillna(0.0), ordered["end_s"].fillna(math.inf)
        together = (starts.to_numpy()[1:] < ends.to_numpy()[:-1]).any()
        apart = rows["corners"].ne("").all() and not rows["corners"].duplicated().any()
        if len(rows) > 1 and together and not apart:
            faults.add(
                f"{_name_rows(rows)}, column `video`: expected a video for each animal, got one for "
                f"{len(rows)}. Give each arena in it its `corners`, or each animal its own stretch."
            )


def _name_rows(rows: pd.DataFrame) -> str:
    return f"Row{'s' if len(rows) > 1 else ''} {', '.join(str(row) for row in sorted(rows.index))}"

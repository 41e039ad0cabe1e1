"""What the columns of a score file are: faces, raters, units, by own or given names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from painlib.faults import Faults, did_you_mean
from painlib.grimace.scores import Recoding
from painlib.grimace.units import FACE, UNIT_NAMES, UNITS, find_unit

ROLES = ("face", *FACE, "rater", "unit", "score", "rejected")
BLANK = "(blank)"


def parse_names(pairs: Sequence[str]) -> dict[str, str]:
    """`["rater=Observer", "ear_position=EP"]` as a mapping; one that names no column or unit is an error."""
    faults, names = Faults(), {}
    for pair in pairs:
        own, _, theirs = (part.strip() for part in pair.partition("="))
        if own not in (*ROLES, *UNITS):
            known = ", ".join((*ROLES, *UNITS))
            faults.add(f"'{pair}': expected one of {known} before '='.{did_you_mean(own, (*ROLES, *UNITS))}")
        elif not theirs or own in names:
            faults.add(
                f"'{pair}': expected one name of the files' column after '=', got {theirs or 'none'!r}."
            )
        names[own] = theirs
    faults.raise_if_any("The names of the score files' columns have faults")
    return names


def find_columns(
    texts: pd.DataFrame, names: Mapping[str, str], file: str, faults: Faults, told: list[Recoding]
) -> dict[str, tuple[str, str]]:
    """Column -> (role or unit, rater that its name ends in or ""), for the columns that can be read.

    `names`: what painlib calls a column -> what the file calls it; a file without that column may have the
    own name. Other columns are told of as not read; what lacks, or looks like a misspelt unit, is a fault.
    """
    there = {name.lower() for name in texts.columns}
    own = {theirs.lower(): role for role, theirs in names.items() if theirs.lower() in there}
    columns: dict[str, tuple[str, str]] = {}
    unknown = []
    for name in texts.columns:
        plain = "_".join(name.lower().split())
        if name.lower() in own:
            columns[name] = (own[name.lower()], "")
        elif plain in ROLES and plain not in own.values():
            columns[name] = (plain, "")
        elif (unit := find_unit(name)) and unit not in own.values():
            columns[name] = (unit, "")
        elif (found := _split_rater(name)) is not None:
            columns[name] = found
        else:
            unknown.append(name)
    roles = {role for role, _ in columns.values()}
    for role, theirs in names.items():
        if role not in roles and not (role in UNITS and "unit" in roles):
            faults.add(
                f"Header: expected a column `{theirs}`, got none.{did_you_mean(theirs, texts.columns)}"
            )
    meant = list(columns.values())
    for both in sorted({both for both in meant if meant.count(both) > 1}):
        twice = ", ".join(f"`{name}`" for name, of in columns.items() if of == both)
        faults.add(f"Header: expected one column of {' of '.join(filter(None, both))}, got {twice}.")
    if "face" not in roles and not {"recording", "frame"} <= roles:
        faults.add("Header: expected a column `face`, or `recording`, `camera` and `frame`, got neither.")
    long, wide = {"unit", "score"} <= roles, bool(roles & set(UNITS))
    if long == wide:
        got = "both" if long else "neither"
        faults.add(f"Header: expected columns of units, or columns `unit` and `score`, got {got}.")
    lacking = [unit for unit in UNITS if unit not in roles] if wide else []
    for name in unknown:
        near = did_you_mean(name.replace("_", " "), [unit.replace("_", " ") for unit in lacking], 0.75)
        if near:
            faults.add(f"Header: expected a unit, got `{name}`.{near} Say so in `score_columns`.")
        told.append(Recoding(file, name, "(column)", "not read", len(texts)))
    for unit in lacking:
        told.append(Recoding(file, BLANK, "(column)", f"no column of {unit}: not scored", len(texts)))
    for name, (role, rater) in columns.items():
        if "_".join(name.lower().split()) != role:
            of = f" of rater {rater}" if rater else ""
            told.append(Recoding(file, name, "(column)", f"{role}{of}", len(texts)))
    return columns


def _split_rater(name: str) -> tuple[str, str] | None:
    """(unit, rater) of a column such as "ear_position_anna" or "Ear position: anna".

    The unit's own name only: "ear_tag" is no score of a rater named tag.
    """
    plain = name.lower().replace("_", " ")
    for unit, words in UNIT_NAMES.items():
        rater = name[len(words) :].strip(" _.:-")
        if plain.startswith(words) and rater and not plain[len(words)].isalnum():
            return unit, rater
    return None

"""The marks of faces as the tests take them: checked, and those that could not be judged counted."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from painlib.faults import Faults

NO_PAIN, PAIN = CLASSES = ("no pain", "pain")
UNPAIRED = -1
_FLAGS = [0, 1]  # True and False are equal to them


class Marked(NamedTuple):
    """Checked marks.

    `faces`: subject, recording, label, pair and one bool column a region, one row a face that was judged;
    `n_cannot_judge`: the faces left out because nobody could say what their map shows.
    """

    faces: pd.DataFrame
    n_cannot_judge: int


def check_marked(marked: pd.DataFrame, regions: Sequence[str]) -> Marked:
    """Check a table of marks and drop the faces that could not be judged.

    `marked`: one row a face; `subject`, `recording`, `label` ("no pain" or "pain"), `pair` (a whole number
    from 0 shared by the two faces of a pair; -1, or no such column: unpaired), one column a region, named
    with spaces or with "_" for them (0/1 or bool), and, where there is one, `cannot_judge` (0/1). Raises
    `PainlibError` with all faults at once.
    """
    faults = Faults()
    if not len(regions) or len(set(regions)) < len(regions):
        faults.add(f"expected the names of regions, each once, got {list(regions)}")
    table = marked.rename(columns={name.replace(" ", "_"): name for name in regions}).reset_index(drop=True)
    if "pair" not in table:
        table["pair"] = UNPAIRED
    needed = ["subject", "recording", "label", "pair", *regions]
    if missing := [name for name in needed if name not in table]:
        faults.add(f"columns missing: {', '.join(missing)}; got {', '.join(map(str, marked.columns))}")
    if doubled := sorted(set(table.columns[table.columns.duplicated()])):
        faults.add(f"columns there twice, with a space and with '_': {', '.join(doubled)}")
    faults.raise_if_any("Marks of faces: wrong columns. Read the marks again and join them to their faces.")
    n_all = len(table)
    if "cannot_judge" in table:
        _check_flags(table, ["cannot_judge"], faults)
        table = table[~table["cannot_judge"].isin([1])]
    if table.empty:
        faults.add(f"expected at least one face that was judged, got none of {n_all}")
    for name in ("subject", "recording"):
        if table[name].isna().any() or (table[name].astype(str) == "").any():
            faults.add(f"'{name}' is empty in {_list_rows(table[name].isna() | (table[name] == ''))}")
    if (strange := ~table["label"].isin(CLASSES)).any():
        got = sorted(set(map(repr, table.loc[strange, "label"])))
        faults.add(f"'label': expected 'no pain' or 'pain', got {', '.join(got)} in {_list_rows(strange)}")
    _check_flags(table, regions, faults)
    _check_pairs(table, faults)
    faults.raise_if_any("Marks of faces: correct these in the table of marks, or mark the faces again.")
    types: dict[Hashable, Any] = {"subject": str, "recording": str, "label": str, "pair": "int64"}
    types |= dict.fromkeys(regions, bool)
    return Marked(table[needed].astype(types).reset_index(drop=True), n_all - len(table))


def _check_flags(table: pd.DataFrame, names: Sequence[str], faults: Faults) -> None:
    for name in names:
        if (strange := ~table[name].isin(_FLAGS)).any():
            got = sorted(set(map(repr, table.loc[strange, name])))
            faults.add(f"'{name}': expected 0 or 1, got {', '.join(got)} in {_list_rows(strange)}")


def _check_pairs(table: pd.DataFrame, faults: Faults) -> None:
    numbers = pd.to_numeric(table["pair"], errors="coerce").astype(float)
    if (strange := ~(numbers >= UNPAIRED) | (numbers % 1 != 0)).any():
        faults.add(f"'pair': expected whole numbers from 0, or -1, got others in {_list_rows(strange)}")
    paired = table[(numbers >= 0) & ~strange]
    if (doubled := paired.duplicated(["pair", "label"], keep=False)).any():
        pairs = sorted(set(paired.loc[doubled, "pair"].astype(int)))
        told = ", ".join(map(str, pairs[:5])) + (", …" if len(pairs) > 5 else "")
        faults.add(f"'pair': expected one face of each class in a pair, got several of one in {told}")


def _list_rows(strange: pd.Series) -> str:
    rows = np.flatnonzero(strange) + 1
    named = ", ".join(map(str, rows[:5])) + (", …" if len(rows) > 5 else "")
    return f"row {named}" if len(rows) == 1 else f"{len(rows)} rows ({named})"

"""Which faces people mark: pairs at random (paper: 500), and unpaired faces (paper: 1,000 of each class)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from painlib.faults import PainlibError
from painlib.model_card import LABELS

SAMPLE_COLUMNS = ("row", "recording", "camera", "frame", "subject", "label", "pair")


def choose_pairs(pairs: pd.DataFrame, n: int = 500, seed: int = 0) -> pd.DataFrame:
    """`n` of the pairs at random without replacement, in their old order, numbered anew from 0.

    All of them where there are fewer; `describe_choice` says which it was.
    """
    _check_n(n)
    places = np.arange(len(pairs))
    if n < len(pairs):
        places = np.sort(np.random.default_rng(seed).choice(len(pairs), size=n, replace=False))
    return pairs.iloc[places].assign(pair=np.arange(len(places))).reset_index(drop=True)


def choose_unpaired(
    label: Sequence[int] | np.ndarray | pd.Series,
    subjects: Sequence[str] | np.ndarray | pd.Series,
    n_each: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """`n_each` faces of each class at random without replacement, whatever animal they are of.

    `label` (n,): 0 no pain, 1 pain, -1 none. All faces of a class where it has fewer. Returns row (ascending
    within a class), subject, label ("no pain", "pain"): no-pain faces first.
    """
    _check_n(n_each)
    label, subjects = np.asarray(label), np.asarray(subjects)
    if label.shape != subjects.shape:
        raise PainlibError(f"Expected one subject a label, got {label.shape} and {subjects.shape}.")
    parts = []
    for known, name in enumerate(LABELS):
        rows = np.flatnonzero(label == known)
        if n_each < len(rows):
            rows = np.sort(np.random.default_rng([seed, known]).choice(rows, size=n_each, replace=False))
        parts.append(pd.DataFrame({"row": rows, "subject": subjects[rows].astype(object), "label": name}))
    return pd.concat(parts, ignore_index=True)


def describe_choice(n_found: int, n_wanted: int, seed: int, what: str = "pairs") -> str:
    """How many were taken of how many, in words: at random, or all of them because there were fewer."""
    if n_found > n_wanted:
        return f"{n_wanted:,} of {n_found:,} {what}, chosen at random (seed {seed})."
    if n_found == n_wanted:
        return f"All {n_found:,} {what}."
    return f"All {n_found:,} {what}: fewer than the {n_wanted:,} that were asked for."


def make_sample(
    index: pd.DataFrame, pairs: pd.DataFrame | None = None, unpaired: pd.DataFrame | None = None
) -> pd.DataFrame:
    """The faces to mark: row (position in `index`), recording, camera, frame, subject, label, pair.

    `index`: the face index; `pairs` as `choose_pairs` gives them: two rows a pair, no pain then pain;
    `unpaired` as `choose_unpaired` gives them, after the pairs, with pair -1. A face that was drawn for both
    stands twice, so that the unpaired ones stay a random draw; marks are joined by recording, camera and
    frame. Raises `PainlibError` where a row is not in the index.
    """
    parts = []
    if pairs is not None:
        both = pairs[["row_no_pain", "row_pain"]].to_numpy(np.int64)
        labels = np.tile(np.array(LABELS, dtype=object), len(pairs))
        number = np.repeat(pairs["pair"].to_numpy(np.int64), 2)
        parts.append(pd.DataFrame({"row": both.ravel(), "label": labels, "pair": number}))
    if unpaired is not None:
        parts.append(unpaired[["row", "label"]].assign(pair=-1))
    empty = pd.DataFrame({"row": np.zeros(0, np.int64), "label": np.zeros(0, object), "pair": 0})
    parts = [part for part in parts if len(part)] or [empty]
    sample = pd.concat(parts, ignore_index=True)
    rows = sample["row"].to_numpy(np.int64)
    wrong = (rows < 0) | (rows >= len(index))
    if wrong.any():
        raise PainlibError(
            f"Sample: expected rows of an index of {len(index):,} faces, got row {rows[wrong][0]}. Pairs and "
            "index are of different faces: find the pairs anew."
        )
    for column in ("recording", "camera", "frame", "subject"):
        sample[column] = index[column].to_numpy()[rows]
    return sample[list(SAMPLE_COLUMNS)].astype({"row": "int64", "pair": "int64"})


def _check_n(n: int) -> None:
    if n < 0:
        raise PainlibError(f"Expected how many to choose, 0 or more, got {n}.")

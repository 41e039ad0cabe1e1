"""Which faces are scored: drawn at random, spread over animals and labels, blind, shuffled (paper: 1,000)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from painlib.faults import PainlibError
from painlib.grimace.scores import read_text
from painlib.grimace.units import FACE, UNITS
from painlib.tables import write_csv, write_whole

SAMPLE_COLUMNS = ("face", "row", *FACE, "subject")
# Consonants: a name is no word, and no spreadsheet takes it for a number or a date.
_LETTERS = "bcdfghjkmnpqrstvwxz"
_NAME_LENGTH = 10  # 6e12 names: among 1,000 faces two alike are as good as excluded


def draw_faces(faces: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """`n` of the faces at random without replacement, in a shuffled order: SAMPLE_COLUMNS, and no label.

    `faces`: columns row (position in the face store), recording, camera, frame, subject, label. As many are
    drawn of every animal and label as there are of the smallest share that lets the whole reach `n`; what
    cannot be shared out evenly goes to strata at random. All faces, where there are fewer than `n`. Ours: the
    paper drew from all images alike. Raises `PainlibError` for `n` below 1, and where there are no faces.
    """
    if n < 1 or faces.empty:
        raise PainlibError(f"Expected at least one face to draw and to draw from, got {n} of {len(faces)}.")
    rng = np.random.default_rng(seed)
    places = np.arange(len(faces))
    strata = faces.groupby(["subject", "label"], sort=True).indices
    taken = []
    for (_, rows), count in zip(
        sorted(strata.items()),
        share_out([len(rows) for _, rows in sorted(strata.items())], n, rng),
        strict=True,
    ):
        taken.append(rng.choice(places[rows], size=count, replace=False))
    chosen = faces.iloc[rng.permutation(np.concatenate(taken))]
    return name_faces(chosen)[list(SAMPLE_COLUMNS)].reset_index(drop=True)


def share_out(sizes: Sequence[int], n: int, rng: np.random.Generator) -> list[int]:
    """How many to take of strata of these sizes: as evenly as can be, `n` in all, or everything."""
    left = np.array(sizes, np.int64)
    taken = np.zeros(len(left), np.int64)
    n = min(n, int(left.sum()))
    while n > 0:
        open_ones = np.flatnonzero(left)
        if n < len(open_ones):
            open_ones = rng.choice(open_ones, size=n, replace=False)
        each = min(max(1, n // len(open_ones)), int(left[open_ones].min()))
        taken[open_ones] += each
        left[open_ones] -= each
        n -= each * len(open_ones)
    return [int(count) for count in taken]


def name_faces(faces: pd.DataFrame) -> pd.DataFrame:
    """`faces` with a column `face`: a name that says nothing of the animal, the same in every sample."""
    keys = ("\t".join(map(str, key)) for key in faces[list(FACE)].itertuples(index=False, name=None))
    return faces.assign(face=[_hide(key) for key in keys])


def describe_draw(sample: pd.DataFrame, faces: pd.DataFrame, seed: int) -> str:
    """How many faces were drawn of how many, and how they are spread, in words."""
    drawn = sample.merge(faces[[*FACE, "label"]], on=list(FACE))
    each = drawn.groupby(["subject", "label"]).size()
    spread = f"{each.min()}" if each.min() == each.max() else f"{each.min()} to {each.max()}"
    animals = sample["subject"].nunique()
    of = "all" if len(sample) == len(faces) else f"of {len(faces):,}"
    return (
        f"{len(sample):,} faces ({of}) of {animals} {'animal' if animals == 1 else 'animals'}, {spread} of "
        f"each animal and label, drawn at random and shuffled (seed {seed})."
    )


def write_key(folder: Path, sample: pd.DataFrame) -> Path:
    """Write `<folder>/key.csv`: the face that each hidden name stands for.

    It names recordings, and so may give the class away: raters do not open it.
    """
    return write_csv(sample[["face", *FACE, "subject"]], folder / "key.csv")


def write_sheet(folder: Path, sample: pd.DataFrame) -> Path:
    """Write `<folder>/sample.csv`, a blind sheet to fill in by hand: hidden names and empty cells.

    A sheet in which somebody has begun is left as it is, whatever sample it is of: names mean the same face
    in every sample.
    """
    path = folder / "sample.csv"
    cells = ["rater", "rejected", *UNITS]
    if path.is_file() and (read_text(path).reindex(columns=cells).fillna("") != "").any(axis=None):
        return path
    return write_csv(sample[["face"]].assign(**dict.fromkeys(cells, "")), path)


def write_faces(folder: Path, sample: pd.DataFrame, jpegs: Sequence[bytes]) -> Path:
    """Write the drawn faces as <folder>/<hidden name>.jpg, for raters who score elsewhere."""
    with write_whole(folder) as temporary:
        temporary.mkdir()
        for name, content in zip(sample["face"], jpegs, strict=True):
            (temporary / f"{name}.jpg").write_bytes(content)
    return folder


def _hide(key: str) -> str:
    number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")
    letters = []
    for _ in range(_NAME_LENGTH):
        number, letter = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[letter])
    return "".join(letters)

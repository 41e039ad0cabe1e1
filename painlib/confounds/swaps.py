"""The chance band of an AUC: labels of whole recordings swapped within animals.

Faces of one recording are alike whatever its label, so that chance acts on recordings and not on faces.
Within an animal the labels of its recordings are exchanged, each as often as it was: for one recording before
and one after, exchanged or not. Up to 1,024 ways all are taken, beyond that the labelling as it is and 999
others drawn by seed.

How few animals are too few follows from the band: its upper end must leave 1 % of the ways above it. A
classifier that learns from swapped labels tells the same with all labels exchanged, so that every value comes
up twice; hence 200 ways at least, which takes eight animals with two recordings each (2^8 = 256). Where
animals have many recordings, fewer animals do, but never fewer than three: a mean over two says nothing of
others.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from painlib.confounds.answers import BEYOND
from painlib.faults import PainlibError

MAX_ALL = 1024
N_DRAWN = 1000
LEAST_WAYS = math.ceil(2 / BEYOND)
LEAST_ANIMALS = 3
ROUNDING = 9  # digits: AUCs and scores nearer than this differ in rounding only


@dataclass(frozen=True)
class Swaps:
    """Ways to label the recordings. `recordings`: one row a recording (recording, subject); `labels` (n_ways,
    n_recordings) 0 or 1, the first row as they are; `n_possible`: how many ways there are; `swappable`:
    subjects that have both labels, and so an AUC."""

    recordings: pd.DataFrame
    labels: np.ndarray
    n_possible: int
    swappable: tuple[str, ...]

    @property
    def enough(self) -> bool:
        """Whether a band can be given."""
        return self.n_possible >= LEAST_WAYS and len(self.swappable) >= LEAST_ANIMALS


def list_swaps(faces: pd.DataFrame, seed: int) -> Swaps:
    """The ways for `faces` with recording, subject and label (0 or 1; one label a recording)."""
    table = faces.groupby("recording", sort=True).agg(
        subject=("subject", "first"), label=("label", "first"), labels=("label", "nunique")
    )
    mixed = table.index[table["labels"] > 1]
    if len(mixed):
        raise PainlibError(f"Expected one label a recording, got two in {', '.join(map(str, mixed))}.")
    own = table["label"].to_numpy(np.int8)
    groups = [np.asarray(places) for _, places in sorted(table.groupby("subject").indices.items())]
    n_possible = math.prod(math.comb(len(places), int(own[places].sum())) for places in groups)
    several = tuple(str(name) for name, labels in table.groupby("subject")["label"] if labels.nunique() > 1)
    recordings = table["subject"].reset_index()
    if n_possible <= MAX_ALL:
        ways = _list_all(own, groups)
    else:
        ways = np.tile(own, (N_DRAWN, 1))
        rng = np.random.default_rng(seed)
        for places in groups:
            ways[1:, places] = rng.permuted(ways[1:, places], axis=1)
    return Swaps(recordings, ways, n_possible, several)


def find_band(values: np.ndarray, beyond: float = BEYOND) -> tuple[float, float]:
    """The band (low, high) of `values` (n_ways,): a share of `beyond` at most lies below it, and above it."""
    low, high = np.quantile(values, [beyond, 1 - beyond], method="inverted_cdf")
    return float(low), float(high)


def compute_aucs(scores: np.ndarray, recordings: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """AUC (n_ways,) of one animal's faces: the chance that one labelled 1 scores higher than one labelled 0.

    `scores` (n_faces, n_ways), or (n_faces, 1) where they do not depend on the labels; `recordings`
    (n_faces,) 0 to r - 1; `labels` (n_ways, r). Equal scores count a half. NaN for ways with one label.
    """
    ranks = rankdata(np.round(scores, ROUNDING), axis=0)
    sizes = np.bincount(recordings, minlength=labels.shape[1])
    sums = np.zeros((labels.shape[1], ranks.shape[1]))
    np.add.at(sums, recordings, ranks)
    ones = labels @ sizes
    above = (labels.T * sums).sum(axis=0) - ones * (ones + 1) / 2
    pairs = ones * (sizes.sum() - ones)
    return np.divide(above, pairs, out=np.full(len(labels), np.nan), where=pairs > 0)


def _list_all(own: np.ndarray, groups: list[np.ndarray]) -> np.ndarray:
    """Every way, the labelling as it is first."""
    each = []
    for places in groups:
        chosen = itertools.combinations(range(len(places)), int(own[places].sum()))
        ways = np.array([np.isin(np.arange(len(places)), one) for one in chosen], np.int8)
        as_it_is = (ways == own[places]).all(axis=1)
        each.append(np.concatenate([ways[as_it_is], ways[~as_it_is]]))
    rows = np.empty((math.prod(map(len, each)), len(own)), np.int8)
    for row, choice in enumerate(itertools.product(*each)):
        for places, labels in zip(groups, choice, strict=True):
            rows[row, places] = labels
    return rows

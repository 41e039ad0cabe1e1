"""The nearest allowed face, exactly: faiss finds candidates in float32, float64 decides among them.

A float32 distance is off by a bounded amount. A search is taken as final only when the faces that it did not
list must be farther than the nearest allowed one that it did; otherwise it is asked for more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import faiss
import numpy as np

from painlib.progress import report_progress

SameAnimal = Literal["any", "same", "different"]

_FIRST_K, _GROWTH = 8, 8  # candidates of a first search; times as many in each further one
_BLOCK = 4096  # faces searched at once
_MOST_ENTRIES = 1 << 21  # of a table of candidates; keeps a block below about 100 MB
_PAIRS_AT_ONCE = 1 << 13  # pairs whose distances are taken in float64 at once
_LONG = 10_000  # faces from which a search shows its progress


@dataclass(frozen=True)
class Limits:
    """Which two faces may pair: by animal (integer code a face), and by time within a recording (s)."""

    subjects: np.ndarray
    recordings: np.ndarray
    time_s: np.ndarray
    same_animal: SameAnimal = "any"
    min_gap_s: float = 0.0

    def split(self, queries: np.ndarray, others: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Places of the queries that may pair with the same others, and these others, animal by animal."""
        if self.same_animal == "any":
            yield np.arange(len(queries)), others
            return
        asked, offered = self.subjects[queries], self.subjects[others]
        for subject in np.unique(asked):
            same = offered == subject
            yield np.flatnonzero(asked == subject), others[same if self.same_animal == "same" else ~same]

    def forbid(self, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
        """(q, k) bool: `rows` (q,) and `others` (q, k) are neighbours in time."""
        if self.min_gap_s <= 0:
            return np.zeros(others.shape, bool)
        near = np.abs(self.time_s[rows][:, None] - self.time_s[others]) < self.min_gap_s
        return near & (self.recordings[rows][:, None] == self.recordings[others])


class ExactSearch:
    """Nearest faces among `features` (n, d), finite; ties go to the lowest row."""

    def __init__(self, features: np.ndarray) -> None:
        self._features = features
        mean = features.mean(axis=0, dtype=np.float64) if len(features) else 0.0
        self._rounded = np.empty(features.shape, np.float32)
        size = np.empty(len(features))
        for part in _blocks(len(features), _BLOCK):
            centred = features[part] - mean
            self._rounded[part] = centred
            size[part] = (centred**2).sum(axis=1)
        scale = np.sqrt(size.mean()) if len(size) and size.any() else 1.0
        self._rounded /= np.float32(scale)
        # |x|² + |y|² - 2xy in float32 is off by at most share * (|x| + |y|)²; with |y| <= |x| + distance that
        # is at most 8 share |x|² + 2 share distance².
        self._share = (features.shape[1] + 8) * 2.0**-24
        self._slack = 8 * self._share * size / scale**2 + 1e-30

    def find_nearest(self, queries: np.ndarray, others: np.ndarray, limits: Limits) -> np.ndarray:
        """Row of the nearest allowed one of `others` for each of `queries` (rows), -1 where none is
        allowed."""
        nearest = np.full(len(queries), -1, np.int64)
        done = 0
        for asked, offered in limits.split(queries, others):
            if len(offered):
                nearest[asked] = self._search(queries[asked], offered, limits)
            done += len(asked)
            if len(queries) >= _LONG and limits.same_animal != "any":
                report_progress("Nearest faces", done, len(queries))
        return nearest

    def _search(self, queries: np.ndarray, others: np.ndarray, limits: Limits) -> np.ndarray:
        """As `find_nearest`, without regard to animals."""
        nearest = np.full(len(queries), -1, np.int64)
        offered = self._rounded[others]
        todo, k = np.arange(len(queries)), _FIRST_K
        while len(todo):
            k = min(k, len(others))
            open_places = []
            for part in _blocks(len(todo), max(1, min(_BLOCK, _MOST_ENTRIES // k))):
                places = todo[part]
                nearest[places], certain = self._search_block(queries[places], others, offered, k, limits)
                open_places.append(places[~certain])
                if len(queries) >= _LONG and limits.same_animal == "any" and k == _FIRST_K:
                    report_progress("Nearest faces", int(min(part.stop, len(todo))), len(todo))
            todo, k = np.concatenate(open_places), k * _GROWTH
        return nearest

    def _search_block(
        self, rows: np.ndarray, others: np.ndarray, offered: np.ndarray, k: int, limits: Limits
    ) -> tuple[np.ndarray, np.ndarray]:
        """The nearest among `k` candidates (row or -1), and whether no other face can be nearer."""
        squared, places = faiss.knn(self._rounded[rows], offered, k)
        found = others[places]
        squared = squared.astype(np.float64)
        allowed = np.where(limits.forbid(rows, found), np.inf, squared)
        slack, share = self._slack[rows], self._share
        reach = (allowed.min(axis=1) + slack) * (1 + 2 * share) / (1 - 2 * share) + slack
        certain = (k == len(others)) | (squared[:, -1] > reach)
        close = (allowed <= reach[:, None]) & np.isfinite(allowed) & certain[:, None]
        at, column = np.nonzero(close)
        candidates = found[at, column]
        order = np.lexsort((candidates, compute_squared(self._features, rows[at], candidates), at))
        firsts = order[np.unique(at[order], return_index=True)[1]]
        nearest = np.full(len(rows), -1, np.int64)
        nearest[at[firsts]] = candidates[firsts]
        return nearest, certain


def compute_squared(features: np.ndarray, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Squared distances of pairs of rows of `features`, (n_pairs,), in float64; the same either way round."""
    squared = np.empty(len(rows))
    for part in _blocks(len(rows), _PAIRS_AT_ONCE):
        difference = features[rows[part]].astype(np.float64) - features[others[part]]
        squared[part] = (difference**2).sum(axis=1)
    return squared


def _blocks(n: int, size: int) -> Iterator[slice]:
    for begin in range(0, n, size):
        yield slice(begin, min(begin + size, n))

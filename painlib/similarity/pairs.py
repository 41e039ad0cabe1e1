"""Pairs of one no-pain and one pain face that are each other's nearest (paper, "Interpretation").

The paper pairs in a 2-D map, and how is not given; here the same function pairs in any space: in the map
(coordinates of `project`) as the paper has it, and exactly in the space of composition.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from painlib.faults import Faults
from painlib.similarity.search import ExactSearch, Limits, SameAnimal, compute_squared

PAIR_COLUMNS = ("pair", "row_no_pain", "row_pain", "distance", "same_subject")
_HEADING = "Pairs of faces cannot be formed."


def find_mutual_pairs(
    features: np.ndarray,
    label: Sequence[int] | np.ndarray | pd.Series,
    *,
    subjects: Sequence[str] | np.ndarray | pd.Series | None = None,
    recordings: Sequence[str] | np.ndarray | pd.Series | None = None,
    time_s: Sequence[float] | np.ndarray | pd.Series | None = None,
    same_animal: SameAnimal = "any",
    min_gap_s: float = 0.0,
) -> pd.DataFrame:
    """All pairs of a no-pain and a pain face that are each other's nearest allowed face of the other class.

    `features` (n, d), any unit, finite; Euclidean distance. `label` (n,): 0 no pain, 1 pain, -1 none (never
    paired). `same_animal`: pairs within any, the same, or only different animals (needs `subjects`). Two
    faces of one recording, of whichever camera, that are less than `min_gap_s` seconds apart cannot pair
    (needs `recordings` and `time_s`). Nearest means among the faces that are allowed, and of equally near
    faces the one of the lowest row. Every face is in one pair at most.

    Exact: the answer is that of comparing every face with every other in float64. Memory beyond `features`:
    about 1.5 times their size as float32.

    Returns a table in order of `row_no_pain`: pair (0, 1, …), row_no_pain and row_pain (rows of `features`),
    distance, same_subject (missing where `subjects` is not given). It is empty where a class is, or where
    nothing is allowed; `describe_pairs` says so in words. Raises `PainlibError` with all faults of the input.
    """
    features = np.asarray(features)
    label = np.asarray(label)
    given = {"subjects": subjects, "recordings": recordings, "time_s": time_s}
    _check(features, label, given, same_animal, min_gap_s)
    limits = Limits(
        subjects=_encode(subjects, len(label)),
        recordings=_encode(recordings, len(label)),
        time_s=np.zeros(len(label)) if time_s is None else np.asarray(time_s, np.float64),
        same_animal=same_animal,
        min_gap_s=min_gap_s,
    )
    no_pain, pain = (_first_of_equals(features, np.flatnonzero(label == known), limits) for known in (0, 1))
    search = ExactSearch(features)
    forward = search.find_nearest(no_pain, pain, limits)
    # Only a pain face that some no-pain face is nearest to can be in a pair.
    wanted = np.unique(forward[forward >= 0])
    backward = np.full(len(label), -1, np.int64)
    backward[wanted] = search.find_nearest(wanted, no_pain, limits)
    mutual = (forward >= 0) & (backward[forward] == no_pain)
    return _tabulate(
        no_pain[mutual], forward[mutual], features, None if subjects is None else limits.subjects
    )


def describe_pairs(pairs: pd.DataFrame, label: Sequence[int] | np.ndarray | pd.Series) -> str:
    """How many pairs there are among how many faces, in words; why there are none."""
    n_no_pain, n_pain = (int((np.asarray(label) == known).sum()) for known in (0, 1))
    faces = f"{n_no_pain:,} no-pain and {n_pain:,} pain faces"
    if not n_no_pain or not n_pain:
        return f"No pairs: of {faces}, one class is empty. Label recordings of both classes."
    if not len(pairs):
        return f"No pairs among {faces}: no two may pair under the limits on animals and time."
    within = pairs["same_subject"].mean() if pairs["same_subject"].notna().all() else None
    share = "" if within is None else f", {100 * float(within):.0f} % of them within one animal"
    return f"{len(pairs):,} mutual pairs among {faces}{share}."


def compute_pair_distances(features: np.ndarray, pairs: pd.DataFrame) -> np.ndarray:
    """Distances (n_pairs,) of the pairs' faces in `features`, float64, whichever space they were found in."""
    rows, others = pairs["row_no_pain"].to_numpy(np.int64), pairs["row_pain"].to_numpy(np.int64)
    return np.sqrt(compute_squared(np.asarray(features), rows, others))


def compare_pairings(exact: pd.DataFrame, in_map: pd.DataFrame, features: np.ndarray) -> pd.DataFrame:
    """Two pairings of the same faces beside each other, one row a way: "in feature space", "in the map".

    Columns: way, n_pairs, n_shared (pairs that both ways have), share_shared (of this way's pairs), then
    median_distance, lower_quartile and upper_quartile of the distances **in `features`** for both ways, and
    share_same_animal. NaN where a way has no pairs, or animals are not known.
    """
    ways = {"in feature space": exact, "in the map": in_map}
    n_shared = len(_keys(exact) & _keys(in_map))
    rows = []
    for way, pairs in ways.items():
        n = len(pairs)
        distances = compute_pair_distances(features, pairs)
        lower, median, upper = np.percentile(distances, [25, 50, 75]) if n else [np.nan] * 3
        known = n > 0 and pairs["same_subject"].notna().all()
        row = (way, n, n_shared, n_shared / n if n else np.nan, median, lower, upper)
        rows.append((*row, float(pairs["same_subject"].mean()) if known else np.nan))
    columns = ["way", "n_pairs", "n_shared", "share_shared", "median_distance", "lower_quartile"]
    return pd.DataFrame(rows, columns=[*columns, "upper_quartile", "share_same_animal"])


def measure_overlap(one: pd.DataFrame, other: pd.DataFrame) -> float:
    """Share, 0 to 1, of the pairs that either table has which both have; NaN where both are empty."""
    either = _keys(one) | _keys(other)
    return len(_keys(one) & _keys(other)) / len(either) if either else float("nan")


def _keys(pairs: pd.DataFrame) -> set[tuple[int, int]]:
    return set(zip(pairs["row_no_pain"].tolist(), pairs["row_pain"].tolist(), strict=True))


def _check(
    features: np.ndarray, label: np.ndarray, given: dict[str, Any], same_animal: str, min_gap_s: float
) -> None:
    faults = Faults()
    if features.ndim != 2 or not features.shape[-1] or not np.issubdtype(features.dtype, np.number):
        faults.add(f"Features: expected numbers (n, d), got shape {features.shape} of {features.dtype}.")
    elif not all(np.isfinite(features[at : at + 4096]).all() for at in range(0, len(features), 4096)):
        faults.add("Features: expected finite values, got NaN or infinite ones.")
    if label.shape != features.shape[:1]:
        faults.add(f"Label: expected {features.shape[:1]}, one a row of features, got {label.shape}.")
    if not np.isin(label, (-1, 0, 1)).all():
        faults.add(f"Label: expected 0 (no pain), 1 (pain) or -1 (none), got {np.unique(label)[:5]}.")
    for name, values in given.items():
        if values is not None and np.shape(values) != label.shape:
            faults.add(f"{name}: expected one a face, {label.shape}, got {np.shape(values)}.")
    if same_animal not in ("any", "same", "different"):
        faults.add(f"same_animal: expected any, same or different, got {same_animal!r}.")
    elif same_animal != "any" and given["subjects"] is None:
        faults.add(f"same_animal={same_animal!r} needs `subjects`, got none.")
    if not (np.isfinite(min_gap_s) and min_gap_s >= 0):
        faults.add(f"min_gap_s: expected seconds, 0 or more, got {min_gap_s!r}.")
    elif min_gap_s and (given["recordings"] is None or given["time_s"] is None):
        faults.add(f"min_gap_s={min_gap_s:g} needs `recordings` and `time_s`, got not both.")
    elif min_gap_s and not np.isfinite(np.asarray(given["time_s"], np.float64)).all():
        faults.add("time_s: expected a time in every row, got NaN or infinite ones.")
    faults.raise_if_any(_HEADING)


def _encode(names: Any, n: int) -> np.ndarray:
    return np.zeros(n, np.int64) if names is None else pd.factorize(np.asarray(names))[0]


def _first_of_equals(features: np.ndarray, rows: np.ndarray, limits: Limits) -> np.ndarray:
    """`rows` without those that are equal to an earlier one of the same animal.

    Equally near faces give way to the lowest row, so the later ones are in no pair, and thousands of equal
    faces would be searched for nothing. With a gap in time, equal faces have different partners: all stay.
    """
    if limits.min_gap_s > 0:
        return rows
    first: dict[tuple[int, bytes], int] = {}
    for row in rows:
        content = hashlib.blake2b(features[row].tobytes(), digest_size=16).digest()
        first.setdefault((int(limits.subjects[row]), content), int(row))
    return np.fromiter(first.values(), np.int64, len(first))


def _tabulate(
    no_pain: np.ndarray, pain: np.ndarray, features: np.ndarray, subjects: np.ndarray | None
) -> pd.DataFrame:
    same: Any = pd.array([pd.NA] * len(pain), dtype="boolean")
    if subjects is not None:
        same = subjects[no_pain] == subjects[pain]
    distance = np.sqrt(compute_squared(features, no_pain, pain))
    columns = (np.arange(len(pain)), no_pain, pain, distance, same)
    return pd.DataFrame(dict(zip(PAIR_COLUMNS, columns, strict=True)))

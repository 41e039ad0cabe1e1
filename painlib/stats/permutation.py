"""Whole animals exchanged: which minutes differ (max-T), and whether the curves differ at all (clusters).

Without an effect of treatment the curves of two groups could be dealt out to the animals anew, and the two
curves of an animal that crossed over could be swapped, which turns the sign of its difference. Each such
arrangement moves whole curves, so that minutes stay as alike as they are, and missing minutes go with their
animal. What is refuted is that treatment changes nothing: a difference of spread alone (responders among the
treated) is found too. With equal means and an SD three times as large in one group max-T names a minute in
11 % of cohorts of 9 and 9 animals, 32 % of 5 and 9 and 40 % of 4 and 12 (the smaller group wider), clusters
in 7, 15 and 22 % (600 cohorts; Welch's t in Student's place changed little).

max-T: of every arrangement the largest |t| of all minutes is kept; a minute's corrected p is the share of
arrangements whose largest is at least its own. The chance of naming any minute falsely is then alpha at most
(Westfall & Young 1993, single step; Nichols & Holmes 2002, Hum Brain Mapp 15:1).

Clusters: adjacent minutes with t beyond its two-sided 5 % point, same sign, are one cluster, and the sum of
their |t| its mass; the largest of every arrangement is kept (Maris & Oostenveld 2007, J Neurosci Methods
164:177). The p is one for the whole curves: it does not say which minutes differ, nor when a difference
begins or ends (Sassenhagen & Draschkow 2019, Psychophysiology 56:e13335).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy import ndimage, stats

from painlib.faults import PainlibError

Array = np.ndarray
LARGEST_T = 1000.0  # beyond it 1 - r² is rounding
CLUSTER_ALPHA = 0.05  # two-sided; decides what a cluster is, not how often the test is wrong
ROUNDING = 1e-9  # relative; statistics nearer than this are equal
_CHUNK = 1_000_000  # values of t held in memory at once


class CurveTest(NamedTuple):
    """Result of `permute_labels` and `flip_signs`; arrays (n_minutes,).

    `t` of each minute (first minus second; NaN where not tested), `p` of a minute looked at alone,
    `p_corrected` for all of them together (max-T), `p_cluster` for the whole curves, `cluster_mass` of the
    largest cluster. `n_arrangements` were taken, all there are if `exact`; `smallest_p` is what they can
    reach.
    """

    t: Array
    p: Array
    p_corrected: Array
    p_cluster: float
    cluster_mass: float
    n_arrangements: int
    exact: bool
    smallest_p: float


def permute_labels(first: Array, second: Array, *, seed: int, permutations: int) -> CurveTest:
    """Compare two groups of curves (n_animals, n_minutes), NaN where an animal has no value.

    All arrangements of the animals are taken where there are at most `permutations`, otherwise the animals'
    own and others drawn by `seed`. t is Student's. A minute is tested where at least half of all animals
    have a value, two of each group, and they differ. In an arrangement that leaves a group fewer than two of
    them its t is 0, as in the animals' own; a minute in which a group has none at all is left out of all.
    Raises `PainlibError` for curves of unequal length and for a group without animals.
    """
    first, second = _check_curves(first, second)
    values = np.vstack([first, second])
    n, n_first = len(values), len(first)
    total = math.comb(n, n_first)
    exact = total <= permutations
    labels = _list_labels(n, n_first) if exact else _draw_labels(n, n_first, seed, permutations)
    seen = np.isfinite(values)
    usable = seen.sum(axis=0) * 2 >= n
    of_group = np.array([np.isfinite(group).sum(axis=0) for group in (first, second)])
    usable &= (of_group > 0).all(axis=0)
    filled = np.where(seen, values - _mean(values, seen), 0.0)
    # Both ways round give the same |t| where the groups are equally large.
    smallest = (2 if 2 * n_first == n else 1) / total if exact else 1 / permutations

    def compute_t(chunk: Array) -> Array:
        return _student(chunk, filled, seen)

    found = _run(compute_t, labels, usable, seen.sum(axis=0) - 2, exact, smallest)
    few = (of_group < 2).any(axis=0)
    t, p, corrected = (np.where(few, np.nan, values) for values in found[:3])
    return found._replace(t=t, p=p, p_corrected=corrected)


def flip_signs(differences: Array, *, seed: int, permutations: int) -> CurveTest:
    """Test whether the animals' differences (n_animals, n_minutes) are 0 in the mean.

    All 2^n flips of whole animals where there are at most `permutations`, otherwise the identity and others
    drawn by `seed`. t is that of one sample. Fair where a difference is as likely above 0 as below, as when
    the order of the two treatments was drawn. A minute is tested where at least half of the animals have a
    difference. Raises `PainlibError` without animals.
    """
    differences, _ = _check_curves(differences, differences)
    n = len(differences)
    exact = 2**n <= permutations
    if exact:
        # A half of the flips stands for all: turning every sign leaves |t| as it is.
        flips = 1.0 - 2.0 * (np.arange(2 ** (n - 1))[:, None] >> np.arange(n) & 1)
        smallest = 2.0 ** (1 - n)
    else:
        drawn = np.random.default_rng(seed).integers(0, 2, (permutations - 1, n))
        flips, smallest = np.vstack([np.ones(n), 1.0 - 2.0 * drawn]), 1 / permutations
    seen = np.isfinite(differences)
    filled, count = np.where(seen, differences, 0.0), seen.sum(axis=0)

    def compute_t(chunk: Array) -> Array:
        return _one_sample(chunk @ filled, (filled**2).sum(axis=0), count)

    result = _run(compute_t, flips, count * 2 >= n, count - 1, exact, smallest)
    return result._replace(n_arrangements=2**n if exact else permutations)


def _check_curves(first: Array, second: Array) -> tuple[Array, Array]:
    one, other = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if one.ndim != 2 or other.ndim != 2 or one.shape[1:] != other.shape[1:] or not one.size or not other.size:
        raise PainlibError(
            f"Curves: expected arrays (animals, minutes) of the same minutes, got {one.shape} and "
            f"{other.shape}; leave out assays without animals or minutes."
        )
    return one, other


def _run(
    compute_t: Callable[[Array], Array],
    arrangements: Array,
    usable: Array,
    df: Array,
    exact: bool,
    smallest: float,
) -> CurveTest:
    """Go through the arrangements, the animals' own first, a chunk at a time."""
    own = np.where(usable, compute_t(arrangements[:1])[0], 0.0)
    tested = usable & np.isfinite(own)
    own = np.where(tested, own, 0.0)
    beyond = stats.t.ppf(1 - CLUSTER_ALPHA / 2, np.maximum(df, 1))
    own_mass = float(_find_largest_mass(own[None], beyond)[0])
    reached, reached_mass = np.abs(own) * (1 - ROUNDING), own_mass * (1 - ROUNDING)
    alone, together, clusters = np.zeros(len(own)), np.zeros(len(own)), 0
    for chunk in _split(arrangements, len(own)):
        t = np.where(tested, np.nan_to_num(compute_t(chunk)), 0.0)
        size = np.abs(t)
        alone += (size >= reached).sum(axis=0)
        together += (size.max(axis=1)[:, None] >= reached).sum(axis=0)
        clusters += int((_find_largest_mass(t, beyond) >= reached_mass).sum())
    n = len(arrangements)
    p_cluster = clusters / n if tested.any() else math.nan
    return CurveTest(
        t=np.where(tested, own, np.nan),
        p=np.where(tested, alone / n, np.nan),
        p_corrected=np.where(tested, together / n, np.nan),
        p_cluster=p_cluster,
        cluster_mass=own_mass,
        n_arrangements=n,
        exact=exact,
        smallest_p=smallest,
    )


def _split(arrangements: Array, n_minutes: int) -> Iterator[Array]:
    step = max(1, _CHUNK // max(n_minutes, 1))
    for start in range(0, len(arrangements), step):
        yield arrangements[start : start + step]


def _list_labels(n: int, n_first: int) -> Array:
    """Every choice of `n_first` of `n` animals as rows of 0 and 1, the animals' own choice first."""
    chosen = np.array(list(combinations(range(n), n_first)))
    labels = np.zeros((len(chosen), n))
    np.put_along_axis(labels, chosen, 1.0, axis=1)
    return labels


def _draw_labels(n: int, n_first: int, seed: int, permutations: int) -> Array:
    own = np.repeat([1.0, 0.0], [n_first, n - n_first])
    drawn = np.random.default_rng(seed).permuted(np.tile(own, (permutations - 1, 1)), axis=1)
    return np.vstack([own, drawn])


def _mean(values: Array, seen: Array) -> Array:
    return np.where(seen, values, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)


def _student(labels: Array, filled: Array, seen: Array) -> Array:
    """Student's t (arrangements, minutes) of animals labelled 1 minus 0; `filled`: centred, 0 for missing."""
    n = seen.sum(axis=0)
    n_1 = labels @ seen
    n_2 = n - n_1
    sum_1 = labels @ filled
    squares = (filled**2).sum(axis=0)
    enough = (n_1 >= 2) & (n_2 >= 2)
    share = np.where(enough, n / np.maximum(n_1 * n_2, 1), 0.0)  # 1 / n_1 + 1 / n_2
    difference = sum_1 * share  # the sums of both groups add up to 0
    within = np.maximum(squares - sum_1**2 * share, 0.0)
    return _divide(difference, np.sqrt(within / np.maximum(n - 2, 1) * share), squares)


def _one_sample(sums: Array, squares: Array, n: Array) -> Array:
    counted = np.maximum(n, 1)
    spread = np.maximum(squares - sums**2 / counted, 0.0) / np.maximum(n - 1, 1)
    t = _divide(sums / counted, np.sqrt(spread / counted), squares)
    return np.where(n >= 2, t, np.nan)


def _divide(difference: Array, error: Array, squares: Array) -> Array:
    """t, at most LARGEST_T; NaN in minutes in which all animals are equal."""
    floor = np.maximum(np.abs(difference) / LARGEST_T, 1e-300)
    t = difference / np.maximum(error, floor)
    return np.where(squares > 1e-24, t, np.nan)


def _find_largest_mass(t: Array, beyond: Array) -> Array:
    """The mass of the largest cluster of each arrangement (n,), 0 without any."""
    largest = np.zeros(len(t))
    along = np.array([[0, 0, 0], [1, 1, 1], [0, 0, 0]])  # minutes are neighbours, arrangements are not
    for sign in (1.0, -1.0):
        clusters, n = ndimage.label(sign * t > beyond, structure=along)
        if n:
            mass = ndimage.sum_labels(np.abs(t), clusters, np.arange(1, n + 1))
            rows, _ = np.nonzero(clusters)
            owner = np.zeros(n + 1, dtype=int)
            owner[clusters[clusters > 0]] = rows
            np.maximum.at(largest, owner[1:], mass)
    return largest

"""Marks drawn at random as they cluster in life, and how often each test then finds a difference.

No test of frequency is better than its unit. Here animals differ, and the recordings of one animal differ,
though pain does nothing: what a test finds is a false alarm. A stated effect gives its power.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import special, stats

from painlib.faults import PainlibError
from painlib.region_tests.animals import MIN_ANIMALS, draw_flips, scale_differences
from painlib.region_tests.marked import NO_PAIN, PAIN, UNPAIRED
from painlib.region_tests.pairs import FEW_DISCORDANT

# How often each region is marked in a median recording without pain. Ours: some rare, none above a half.
FREQUENCIES = {
    "head": 0.35, "forehead": 0.25, "above ear": 0.15, "ear top": 0.30, "ear base": 0.15, "eye": 0.40,
    "cheek": 0.35, "nose": 0.35, "mouth": 0.30, "hand": 0.08, "stage": 0.05, "under body": 0.08,
    "others": 0.05,
}  # fmt: skip
AFFECTED = ("head", "forehead", "above ear", "eye")  # named by the paper's text for pain
TESTS = ("animals, max-T", "chi-squared, Bonferroni", "McNemar, Bonferroni")
_CHUNK = 50  # draws held in memory at once
Array = np.ndarray


@dataclass(frozen=True)
class Clustering:
    """How alike the faces of one animal and of one recording are; SD on the logit scale.

    Fixed before any rate was computed. `recording_sd` 0.5: a region marked in 30 % of faces is marked in 21
    to 41 % of a recording's (one SD), as little as posture, light and grooming of one session may do, and the
    recordings' labels cannot be told from it, because a recording has one label. `animal_sd` is in both
    classes and leaves the differences alone. `face_sd` makes a face show more, or fewer, of all 13 regions at
    once; `shared` is the correlation of two regions within animals and within recordings.
    """

    animal_sd: float = 0.7
    recording_sd: float = 0.5
    face_sd: float = 0.6
    shared: float = 0.3
    # Share of the pairs whose two faces are of different animals.
    across: float = 0.5


IN_LIFE = Clustering()


@dataclass(frozen=True)
class _Draws:
    """`marks` (draws, animals, class, faces, regions); `present` without regions: face is there."""

    marks: Array
    present: Array


def simulate_marks(
    seed: int,
    n_animals: int,
    *,
    n_faces: tuple[int, int] = (40, 40),
    effect: float = 0.0,
    clustering: Clustering = IN_LIFE,
) -> pd.DataFrame:
    """One draw as a table of marks, ready for `test_frequencies`; pairs span animals as `clustering` says.

    Each animal has a recording "pre" (no pain) and one "AC" (pain), each of about `n_faces` (no pain, pain)
    faces: half to three halves. `effect`: added to the frequency of AFFECTED regions in pain, at the median
    recording.
    """
    (draw,) = _draw(np.random.default_rng(seed), 1, n_animals, n_faces, effect, clustering)
    pair = _number_pairs(draw.present[0], clustering)
    animal, label, face = np.nonzero(draw.present[0])
    table = pd.DataFrame(
        {
            "subject": [f"m{number + 1:02d}" for number in animal],
            "recording": [
                f"m{number + 1:02d}_{('pre', 'AC')[one]}" for number, one in zip(animal, label, strict=True)
            ],
            "label": np.array([NO_PAIN, PAIN])[label],
            "pair": pair[animal, label, face],
        }
    )
    marks = pd.DataFrame(draw.marks[0][animal, label, face], columns=list(FREQUENCIES))
    return pd.concat([table, marks], axis=1)


def simulate_rates(
    n_draws: int,
    n_animals: int,
    effect: float = 0.0,
    *,
    seed: int = 0,
    n_faces: tuple[int, int] = (40, 40),
    alpha: float = 0.05,
    yates: bool = True,
    clustering: Clustering = IN_LIFE,
    studentise: bool = False,
) -> pd.DataFrame:
    """How often each of TESTS says yes at `alpha`, over `n_draws` independent cohorts.

    Returns one row a test: test, n_animals, n_draws, effect; `familywise` (share of draws with a yes in any
    region that pain does not move: all 13 without an effect) with its 95 % interval (Clopper & Pearson) in
    `familywise_low`, `familywise_high`; `power` (mean over AFFECTED of the share of draws with a yes) and
    `power_any` (share of draws with a yes in any of them), NaN without an effect. Other arguments as in
    `simulate_marks`.
    """
    if n_draws < 1 or n_animals < 1:
        raise PainlibError(f"Simulation: expected draws and animals, got {n_draws} and {n_animals}.")
    rng = np.random.default_rng(seed)
    yes = []
    for draws in _draw(rng, n_draws, n_animals, n_faces, effect, clustering):
        p = (
            _animal_p(draws, seed, studentise),
            _chi_squared_p(draws, yates) * len(FREQUENCIES),
            _mcnemar_p(draws, clustering) * len(FREQUENCIES),
        )
        yes.append(np.stack(p) < alpha)
    moved = np.array([region in AFFECTED for region in FREQUENCIES]) & (effect != 0)
    said = np.concatenate(yes, axis=1)
    rows = [_sum_up(said[place], moved) for place in range(len(TESTS))]
    settings: dict[str, Any] = {"n_animals": n_animals, "n_draws": n_draws, "effect": effect}
    table = pd.DataFrame(rows)
    table.insert(0, "test", TESTS)
    for place, (name, value) in enumerate(settings.items()):
        table.insert(1 + place, name, value)
    return table


def _sum_up(yes: Array, moved: Array) -> dict[str, float]:
    """Rates of one test from its answers (draws, regions)."""
    false = yes[:, ~moved].any(axis=1)
    interval = stats.binomtest(int(false.sum()), false.size).proportion_ci(0.95)
    right = yes[:, moved]
    return {
        "familywise": false.mean(),
        "familywise_low": interval.low,
        "familywise_high": interval.high,
        "power": right.mean() if moved.any() else np.nan,
        "power_any": right.any(axis=1).mean() if moved.any() else np.nan,
    }


def _draw(
    rng: np.random.Generator,
    n_draws: int,
    n_animals: int,
    n_faces: tuple[int, int],
    effect: float,
    how: Clustering,
) -> Iterator[_Draws]:
    """Cohorts, at most _CHUNK at a time, so that memory does not grow with their number."""
    base = np.array(list(FREQUENCIES.values()))
    moved = np.array([region in AFFECTED for region in FREQUENCIES])
    if min(n_faces) < 2 or (base[moved] + effect <= 0).any() or (base[moved] + effect >= 1).any():
        raise PainlibError(
            "Simulation: expected at least 2 faces a recording and frequencies between 0 and 1, got "
            f"{n_faces} faces and an effect of {effect:g} on {', '.join(AFFECTED)}."
        )
    logit = special.logit(base)
    shift = np.zeros((2, len(base)))
    shift[1] = special.logit(base + effect * moved) - logit
    least, most = np.array(n_faces) // 2, np.array(n_faces) * 3 // 2
    for start in range(0, n_draws, _CHUNK):
        shape = (min(_CHUNK, n_draws - start), n_animals)
        animal = how.animal_sd * _draw_correlated(rng, (*shape, 1), len(base), how.shared)
        recording = how.recording_sd * _draw_correlated(rng, (*shape, 2), len(base), how.shared)
        level = (logit + shift + animal + recording)[:, :, :, None, :]
        face = how.face_sd * rng.standard_normal((*shape, 2, most.max(), 1))
        noise = rng.random((*shape, 2, most.max(), len(base)), dtype=np.float32)
        count = rng.integers(least, most + 1, (*shape, 2))
        present = np.arange(most.max()) < count[..., None]
        yield _Draws((noise < special.expit(level + face)) & present[..., None], present)


def _draw_correlated(rng: np.random.Generator, shape: tuple[int, ...], n: int, shared: float) -> Array:
    """Standard normal values (*shape, n), any two of the last axis with the correlation `shared`."""
    common = rng.standard_normal((*shape, 1))
    return np.sqrt(shared) * common + np.sqrt(1 - shared) * rng.standard_normal((*shape, n))


def _animal_p(draws: _Draws, seed: int, studentise: bool) -> Array:
    """Corrected p of the animal-level test, (draws, regions); 1 where it is not testable."""
    share = draws.marks.sum(axis=3) / draws.present.sum(axis=3)[..., None]
    scaled = scale_differences(share[:, :, 1] - share[:, :, 0], studentise)
    n_animals = scaled.shape[1]
    if n_animals < MIN_ANIMALS:
        return np.ones((len(scaled), scaled.shape[2]))
    largest = np.abs(draw_flips(n_animals, seed, 2000) @ scaled).max(axis=2)
    own = np.abs(scaled.sum(axis=1))
    return (largest[:, :, None] >= own[:, None, :] - 1e-9).mean(axis=1)


def _chi_squared_p(draws: _Draws, yates: bool) -> Array:
    """p of the chi-squared test of each 2 x 2 table, (draws, regions); 1 where a margin is empty."""
    yes = draws.marks.sum(axis=(1, 3))
    n = draws.present.sum(axis=(1, 3))[..., None]
    no = n - yes
    total = n.sum(axis=1)
    cross = np.abs(yes[:, 0] * no[:, 1] - yes[:, 1] * no[:, 0])
    if yates:
        cross = np.maximum(cross - total / 2, 0)
    margins = n.prod(axis=1) * yes.sum(axis=1) * no.sum(axis=1)
    chi2 = np.divide(total * cross.astype(float) ** 2, margins, out=np.zeros(cross.shape), where=margins > 0)
    return stats.chi2.sf(chi2, 1)


def _mcnemar_p(draws: _Draws, how: Clustering) -> Array:
    """p of McNemar's test, (draws, regions), exact with few discordant pairs; 1 without any."""
    partner, there = _find_partners(draws.marks, how), _find_partners(draws.present, how)
    paired = (draws.present[:, :, 1] & there)[..., None]
    own = draws.marks[:, :, 1]
    pain_only = (own & ~partner & paired).sum(axis=(1, 2))
    other_only = (~own & partner & paired).sum(axis=(1, 2))
    n = pain_only + other_only
    exact = np.minimum(2 * stats.binom.cdf(np.minimum(pain_only, other_only), n, 0.5), 1)
    chi2 = np.maximum(np.abs(pain_only - other_only) - 1, 0) ** 2 / np.maximum(n, 1)
    return np.where(n < FEW_DISCORDANT, exact, stats.chi2.sf(chi2, 1))


def _find_partners(values: np.ndarray, how: Clustering) -> np.ndarray:
    """The no-pain partner's value of each pain face: the same place in its animal, or in the next animal."""
    own = values[:, :, 0].copy()
    # Spread evenly over the places, because a recording with few faces has the first ones only.
    across = np.diff(np.floor(how.across * np.arange(own.shape[2] + 1))) > 0
    own[:, :, across] = np.roll(own[:, :, across], -1, axis=1)
    return own


def _number_pairs(present: Array, how: Clustering) -> np.ndarray:
    """Pair numbers (animals, class, faces) of one draw, as `_find_partners` makes the pairs; -1 unpaired."""
    n_animals, _, n_faces = present.shape
    place = np.arange(n_animals * n_faces).reshape(n_animals, n_faces)
    numbers = np.stack([place, place], axis=1)  # class 0 carries its own place, class 1 its partner's
    numbers[:, 1] = _find_partners(np.stack([place, place], axis=1)[None], how)[0]
    there = present[:, 1] & _find_partners(present[None], how)[0]
    paired = np.isin(place, numbers[:, 1][there])
    return np.where(np.stack([paired, there], axis=1), numbers, UNPAIRED)

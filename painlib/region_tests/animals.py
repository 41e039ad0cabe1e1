"""The animal as the unit: each animal's difference in frequency, signs flipped over animals, max-T.

Without an effect of pain an animal's two classes could be swapped, which turns the sign of its differences in
all regions at once. So the signs of whole animals are flipped and the largest |statistic| of the regions is
kept of each flip; its distribution controls the family-wise rate, whatever the regions' correlation (Westfall
& Young 1993, single step; sign flips: Winkler et al. 2014, NeuroImage 92:381).

The statistic is the plain mean over animals. Swapping is fair only where differences are as likely above 0 as
below. Where they are skewed (rare regions, few faces of one class) the studentised mean raises false alarms:
in 12 % of 10,000 cohorts of 12 animals with 40 no-pain and 5 pain faces each, the plain mean in 5 %
(`simulate_rates`). The price: a rare region, which cannot differ by much, needs more animals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from painlib.faults import PainlibError
from painlib.region_tests.marked import NO_PAIN, PAIN, check_marked

MIN_ANIMALS = 6  # five can reach 2 / 32 = 0.0625 at the best
MAX_ALL_FLIPS = 14  # animals up to which all 2 to the n flips are taken
NOT_TESTABLE = "not testable"
_NUMBERS = ["animal_difference", "animal_ci_low", "animal_ci_high"]
_NUMBERS += ["animal_p", "animal_p_corrected"]
ROUNDING = 1e-9  # statistics nearer than this differ in rounding only
Floats = np.ndarray


class MaxT(NamedTuple):
    """Result of `compute_max_t`; arrays (n_regions,).

    `mean` of the differences; `p` for one region looked at alone, `p_corrected` for all of them together (0
    to 1); `n_flips` flips were taken, `smallest_p` is the smallest p that they can give.
    """

    mean: Floats
    p: Floats
    p_corrected: Floats
    n_flips: int
    smallest_p: float


def compute_differences(marked: pd.DataFrame, regions: Sequence[str]) -> pd.DataFrame:
    """Each animal's frequency of each region in both classes, and their difference, pain minus no pain.

    `marked` as in `check_marked`. Each face counts for its own animal; a pair of faces may span two. Returns
    subject, n_no_pain, n_pain (faces), region, frequency_no_pain, frequency_pain, difference (-1 to 1), one
    row an animal and region; frequency and difference are NaN where the animal has no face of a class.
    """
    faces = check_marked(marked, regions).faces
    counts = faces.groupby(["label", "subject"]).size().unstack("label", fill_value=0)
    shares = faces.groupby(["label", "subject"])[list(regions)].mean()
    tables = []
    for region in regions:
        share = shares[region].unstack("label").reindex(index=counts.index, columns=[NO_PAIN, PAIN])
        columns = {
            "subject": counts.index,
            "n_no_pain": counts.get(NO_PAIN, 0),
            "n_pain": counts.get(PAIN, 0),
            "region": region,
            "frequency_no_pain": share[NO_PAIN],
            "frequency_pain": share[PAIN],
        }
        tables.append(pd.DataFrame(columns).reset_index(drop=True))
    table = pd.concat(tables, ignore_index=True)
    return table.assign(difference=table["frequency_pain"] - table["frequency_no_pain"])


def compute_max_t(differences: Floats, *, seed: int, n_flips: int) -> MaxT:
    """Test whether the mean differences of several regions are 0, the animal being the unit.

    `differences`: (n_animals, n_regions), finite; every animal has the same weight, however many faces it
    has. Up to 14 animals all 2^n flips are taken, beyond that `n_flips`: the identity and others drawn by
    `seed`. A p is the share of flips whose |mean| (of the region, or the largest of all) is at least the
    region's own. Animals that all differ by the same are no special case: the smallest p. Raises
    `PainlibError` for differences that are not finite.
    """
    differences = np.asarray(differences, dtype=float)
    if differences.ndim != 2 or not differences.size or not np.isfinite(differences).all():
        raise PainlibError(
            f"Sign flips: expected finite differences (animals, regions), got shape {differences.shape} "
            f"with {(~np.isfinite(differences)).sum()} not finite; leave out animals without both classes."
        )
    n = len(differences)
    flips = draw_flips(n, seed, n_flips)
    scaled = scale_differences(differences)
    own = scaled.sum(axis=0)
    flipped = np.abs(flips @ scaled)
    reached = np.abs(own) - ROUNDING
    p = (flipped >= reached).mean(axis=0)
    corrected = (flipped.max(axis=1)[:, None] >= reached).mean(axis=0)
    # The flips of a half stand for all: turning every sign leaves |mean| as it is.
    taken = 2**n if n <= MAX_ALL_FLIPS else len(flips)
    return MaxT(own, p, corrected, taken, find_smallest_p(n, n_flips))


def find_smallest_p(n_animals: int, n_flips: int) -> float:
    """The smallest p that n animals can reach: 2 / 2^n with all flips, 1 / `n_flips` with drawn ones."""
    if n_animals > MAX_ALL_FLIPS:
        return 1 / n_flips
    return min(2.0 ** (1 - n_animals), 1.0)


def draw_flips(n_animals: int, seed: int, n_flips: int) -> Floats:
    """Signs (flips, animals), the identity first: a half of all 2^n, or `n_flips` that are drawn."""
    if n_animals <= MAX_ALL_FLIPS:
        numbers = np.arange(2 ** (n_animals - 1))
        return 1.0 - 2.0 * (numbers[:, None] >> np.arange(n_animals) & 1)
    drawn = np.random.default_rng(seed).integers(0, 2, (n_flips - 1, n_animals))
    return np.vstack([np.ones(n_animals), 1.0 - 2.0 * drawn])


def scale_differences(differences: Floats, studentise: bool = False) -> Floats:
    """Differences (..., animals, regions) scaled so that their sum over animals is the statistic.

    The plain mean; `studentise`, which only the simulation asks for: over the root of the sum of squares,
    which no flip changes. Student's |t| rises with this sum by the same function in every region, so flips
    rank alike.
    """
    if not studentise:
        return differences / differences.shape[-2]
    size = np.sqrt((differences**2).sum(axis=-2, keepdims=True))
    return np.divide(differences, size, out=np.zeros_like(differences), where=size > ROUNDING)


def compare_animals(
    marked: pd.DataFrame, regions: Sequence[str], *, alpha: float, seed: int, n_flips: int
) -> pd.DataFrame:
    """The test with the animal as the unit, one row a region.

    Animals without faces of both classes are left out and counted. Returns region, n_animals,
    n_animals_left_out, animal_difference (mean over animals, pain minus no pain, -1 to 1), animal_ci_low,
    animal_ci_high (t interval of that region alone, at 1 - `alpha`), animal_p (the region alone),
    animal_p_corrected (max-T over `regions`), animal_smallest_p, n_flips (0: none), animal_note. Below six
    animals, where `alpha` is out of the flips' reach, and for a region never or always marked in these
    animals, p is NaN and the note begins "not testable".
    """
    if not 0 < alpha < 1 or n_flips <= 1 / alpha:
        raise PainlibError(
            "Sign flips: expected alpha between 0 and 1 and more than 1 / alpha flips, got "
            f"alpha {alpha:g} and {n_flips} flips; correct these parameters."
        )
    regions = list(regions)
    long = compute_differences(marked, regions)
    wide = long.pivot(index="subject", columns="region")[
        ["difference", "frequency_pain", "frequency_no_pain"]
    ]
    both = wide.dropna()
    values = both["difference"][regions].to_numpy()
    n, smallest = len(both), find_smallest_p(len(both), n_flips)
    counts = {"n_animals": n, "n_animals_left_out": len(wide) - n, "animal_smallest_p": smallest}
    table = pd.DataFrame({"region": regions}).assign(**counts, n_flips=0, animal_note="")
    table[_NUMBERS] = np.nan
    if n:
        table[_NUMBERS[:3]] = np.column_stack(_find_interval(values, alpha))
    if n < MIN_ANIMALS or smallest >= alpha:
        return table.assign(
            animal_note=f"{NOT_TESTABLE}, {_count_animals(n)} of both classes: {_why_not(n, smallest)}"
        )
    found = compute_max_t(values, seed=seed, n_flips=n_flips)
    shares = np.stack([both[f"frequency_{name}"][regions].to_numpy() for name in ("no_pain", "pain")])
    notes = np.select(
        [
            (shares == 0).all(axis=(0, 1)),
            (shares == 1).all(axis=(0, 1)),
            (np.abs(values) < ROUNDING).all(axis=0),
            np.ptp(values, axis=0) < ROUNDING,
        ],
        [
            f"{NOT_TESTABLE}, never marked",
            f"{NOT_TESTABLE}, always marked",
            "no animal differs between its classes",
            "every animal differs by the same",
        ],
        "",
    )
    run = [not note.startswith(NOT_TESTABLE) for note in notes]
    table[_NUMBERS[3:]] = np.column_stack([found.p, found.p_corrected])
    table.loc[np.logical_not(run), _NUMBERS[3:]] = np.nan
    return table.assign(n_flips=found.n_flips, animal_note=notes)


def _find_interval(values: Floats, alpha: float) -> tuple[Floats, Floats, Floats]:
    """Mean over animals and its t interval, each (n_regions,); of one animal the interval is NaN."""
    n, mean = len(values), values.mean(axis=0)
    sem = values.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.full_like(mean, np.nan)
    half = stats.t.ppf(1 - alpha / 2, max(n - 1, 1)) * sem
    return mean, mean - half, mean + half


def _count_animals(n: int) -> str:
    return "1 animal with faces" if n == 1 else f"{n} animals with faces"


def _why_not(n: int, smallest: float) -> str:
    needed = f"at least {MIN_ANIMALS} are needed" if n < MIN_ANIMALS else "too few for this alpha"
    return f"the smallest p they can reach is {smallest:.3g}; {needed}" if n else needed

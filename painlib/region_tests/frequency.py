"""Frequency of each region, no pain against pain: the published test, and beside it McNemar and the animals'.

As published (Kobayashi et al. 2025, "Statistics" and Fig. 2C): chi-squared of the 2 x 2 table of faces,
Bonferroni over the regions. Whether with Yates's correction is not given, so it is a parameter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep

from painlib.faults import PainlibError
from painlib.region_tests.animals import NOT_TESTABLE, compare_animals
from painlib.region_tests.marked import NO_PAIN, PAIN, check_marked
from painlib.region_tests.pairs import compare_pairs
from painlib.stats import find_stars

SMALL_EXPECTED = 5.0  # below it chi-squared is no good approximation (Cochran 1954, Biometrics 10:417)
BOTH, PUBLISHED_ONLY = "both", "published only"
ANIMALS_ONLY, NEITHER = "animals only", "neither"
PUBLISHED_ALONE = "published, animals not testable"


def test_frequencies(
    marked: pd.DataFrame, regions: Sequence[str], *, yates: bool, alpha: float, seed: int, n_flips: int
) -> pd.DataFrame:
    """Test each region's frequency in pain against no pain, by face, by pair and by animal.

    `marked`: one row a face (`painlib.region_tests.check_marked`); faces that could not be judged are left
    out and counted. Give pairs and the unpaired sample in two calls: they are two samples. `alpha` (0 to 1)
    is that of intervals and verdicts; `seed` and `n_flips` serve cohorts above 14 animals. Returns one row a
    region with these columns; a test that cannot be run keeps its row, with NaN and the reason in its note:

    - region, n_no_pain, n_pain (faces), marked_no_pain, marked_pain, frequency_no_pain, frequency_pain (0 to
      1), difference (pain minus no pain), ci_low, ci_high (Newcombe's interval, faces taken as independent)
    - chi2, df, yates, smallest_expected, fisher_p (Fisher's exact test, where an expected count is below 5),
      p, p_bonferroni (times n_comparisons: all regions, testable or not), stars (of p_bonferroni), note
    - n_pairs to mcnemar_note: `compare_pairs`; n_animals to animal_note: `compare_animals`
    - verdict: which of the published and the animal-level test say yes at `alpha`: "both", "published only",
      "animals only", "neither", or "published, animals not testable"
    - n_cannot_judge, alpha

    Raises `PainlibError` for marks that `check_marked` refuses, and for an `alpha` out of bounds.
    """
    if not 0 < alpha < 1:
        raise PainlibError(f"Tests of regions: expected alpha between 0 and 1, got {alpha}; correct it.")
    faces, n_cannot_judge = check_marked(marked, regions)
    published = pd.DataFrame([_test_region(faces, region, len(regions), yates, alpha) for region in regions])
    table = published.merge(compare_pairs(faces, regions), on="region", validate="1:1")
    animals = compare_animals(faces, regions, alpha=alpha, seed=seed, n_flips=n_flips)
    table = table.merge(animals, on="region", validate="1:1")
    table["verdict"] = [_find_verdict(row, alpha) for _, row in table.iterrows()]
    return table.assign(n_cannot_judge=n_cannot_judge, alpha=alpha)


def _test_region(
    faces: pd.DataFrame, region: str, n_regions: int, yates: bool, alpha: float
) -> dict[str, Any]:
    """The published test of one region."""
    n = [int((faces["label"] == label).sum()) for label in (NO_PAIN, PAIN)]
    marked = [int(faces.loc[faces["label"] == label, region].sum()) for label in (NO_PAIN, PAIN)]
    share = [count / of if of else np.nan for count, of in zip(marked, n, strict=True)]
    row: dict[str, Any] = {"region": region}
    for name, values in (("n", n), ("marked", marked), ("frequency", share)):
        row |= {f"{name}_no_pain": values[0], f"{name}_pain": values[1]}
    low, high = _find_interval(marked, n, alpha) if all(n) else (np.nan, np.nan)
    row |= {"difference": share[1] - share[0], "ci_low": low, "ci_high": high}
    row |= dict.fromkeys(("chi2", "df", "smallest_expected", "fisher_p", "p", "p_bonferroni"), np.nan)
    row |= {
        "yates": yates,
        "n_comparisons": n_regions,
        "stars": "",
        "note": _why_not_run(marked, n, n_regions),
    }
    if row["note"]:
        return row
    counts = np.array([marked, np.subtract(n, marked)])
    found = stats.chi2_contingency(counts, correction=yates)
    row |= {"chi2": float(found.statistic), "df": float(found.dof), "p": float(found.pvalue)}
    row |= {"p_bonferroni": min(row["p"] * n_regions, 1.0), "smallest_expected": found.expected_freq.min()}
    row["stars"] = find_stars(row["p_bonferroni"]) if row["p_bonferroni"] < alpha else ""
    if row["smallest_expected"] < SMALL_EXPECTED:
        row["fisher_p"] = float(stats.fisher_exact(counts).pvalue)
        row["note"] = f"an expected count is {row['smallest_expected']:.2g}, below 5: see Fisher's exact test"
    return row


def _find_interval(marked: list[int], n: list[int], alpha: float) -> tuple[float, float]:
    """Newcombe's hybrid score interval of pain minus no pain (1998, Stat Med 17:873, method 10)."""
    low, high = confint_proportions_2indep(
        marked[1], n[1], marked[0], n[0], method="newcomb", compare="diff", alpha=alpha
    )
    return max(float(low), -1.0), min(float(high), 1.0)


def _why_not_run(marked: list[int], n: list[int], n_regions: int) -> str:
    kept = f"the correction still counts {n_regions} regions"
    absent = [label for label, count in zip((NO_PAIN, PAIN), n, strict=True) if not count]
    if absent:
        return f"{NOT_TESTABLE}: no {' and no '.join(absent)} faces; {kept}"
    if not sum(marked):
        return f"{NOT_TESTABLE}: never marked in either class; {kept}"
    return f"{NOT_TESTABLE}: marked in every face of both classes; {kept}" if marked == n else ""


def _find_verdict(row: pd.Series, alpha: float) -> str:
    published, animals = row["p_bonferroni"] < alpha, row["animal_p_corrected"] < alpha  # NaN is no yes
    if published and row["animal_note"].startswith(NOT_TESTABLE):
        return PUBLISHED_ALONE
    if published:
        return BOTH if animals else PUBLISHED_ONLY
    return ANIMALS_ONLY if animals else NEITHER

"""McNemar's test of pairs: one no-pain and one pain face of like composition, the pair being the unit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from statsmodels.stats.contingency_tables import mcnemar

from painlib.region_tests.marked import NO_PAIN, PAIN, check_marked

FEW_DISCORDANT = 25  # below so many discordant pairs the exact binomial test is taken
EXACT, ASYMPTOTIC = "exact binomial", "chi-squared with continuity correction"


def compare_pairs(marked: pd.DataFrame, regions: Sequence[str]) -> pd.DataFrame:
    """McNemar's test of each region, one row a region.

    `marked` as in `check_marked`; a pair of which one face is not there (it could not be judged) is left out
    and counted. Returns region, n_pairs, n_pairs_broken, n_only_pain and n_only_no_pain (pairs in which one
    face alone is marked), mcnemar (the chi-squared statistic, NaN where exact), mcnemar_method, mcnemar_p,
    mcnemar_p_bonferroni (over all `regions`), mcnemar_note. Without pairs, or without discordant ones, p is
    NaN and the note says so.
    """
    faces = check_marked(marked, regions).faces
    paired = faces[faces["pair"] >= 0]
    sides = [paired[paired["label"] == label].set_index("pair")[list(regions)] for label in (NO_PAIN, PAIN)]
    whole = sides[0].index.intersection(sides[1].index)
    no_pain, pain = (side.loc[whole].to_numpy(dtype=bool) for side in sides)
    rows = [
        {"region": region, **_test_region(no_pain[:, place], pain[:, place], len(regions))}
        for place, region in enumerate(regions)
    ]
    table = pd.DataFrame(rows)
    table.insert(1, "n_pairs", len(whole))
    table.insert(2, "n_pairs_broken", paired["pair"].nunique() - len(whole))
    return table


def _test_region(no_pain: np.ndarray, pain: np.ndarray, n_regions: int) -> dict[str, object]:
    both, neither = int((pain & no_pain).sum()), int((~pain & ~no_pain).sum())
    only_pain, only_no_pain = int((pain & ~no_pain).sum()), int((~pain & no_pain).sum())
    row = {"n_only_pain": only_pain, "n_only_no_pain": only_no_pain, "mcnemar": np.nan, "mcnemar_method": ""}
    row |= {"mcnemar_p": np.nan, "mcnemar_p_bonferroni": np.nan, "mcnemar_note": ""}
    if not len(pain):
        return {**row, "mcnemar_note": "not run: no pairs"}
    if not only_pain + only_no_pain:
        return {**row, "mcnemar_note": "not run: no pair in which one face alone is marked"}
    exact = only_pain + only_no_pain < FEW_DISCORDANT
    found = mcnemar([[both, only_pain], [only_no_pain, neither]], exact=exact, correction=True)
    row["mcnemar_method"] = EXACT if exact else ASYMPTOTIC
    if not exact:  # statsmodels' exact statistic is the smaller count, which the table has
        row["mcnemar"] = float(found.statistic)
    p = min(float(found.pvalue), 1.0)
    return {**row, "mcnemar_p": p, "mcnemar_p_bonferroni": min(p * n_regions, 1.0)}

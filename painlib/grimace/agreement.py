"""How far raters agree: ICC of units and total, weighted kappa of each two, one against the others."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from sklearn.metrics import cohen_kappa_score

from painlib.grimace.collecting import widen
from painlib.grimace.intervals import correlate, find_interval, moments, say_few, sum_by_animal
from painlib.grimace.units import DEGREES, FACE, HIGHEST_TOTAL, UNITS

TOTAL = "total"
MEASURES = (*UNITS, TOTAL)
# pingouin's names (McGraw & Wong 1996) of Shrout & Fleiss' forms.
FORMS = {"ICC(2,1)": "ICC(A,1)", "ICC(2,k)": "ICC(A,k)"}
ICC_COLUMNS = (
    *("measure", "form", "n_faces", "n_raters", "n_subjects", "icc", "ci_low", "ci_high"),
    *("ci_low_faces", "ci_high_faces", "note"),
)
KAPPA_COLUMNS = (
    *("measure", "first", "second", "n_faces", "n_subjects", "kappa", "ci_low", "ci_high"),
    *("same_score", "note"),
)
CEILING_COLUMNS = (
    *("measure", "rater", "n_faces", "n_subjects", "rmse", "rmse_low", "rmse_high"),
    *("r", "r_low", "r_high", "bias", "note"),
)
FEWEST_FACES = 5


def compute_icc(scores: pd.DataFrame, subjects: dict[str, str]) -> pd.DataFrame:
    """Intraclass correlation of each unit and the total, ICC_COLUMNS: two rows a measure.

    ICC(2,1) (Shrout & Fleiss 1979; ICC(A,1) of McGraw & Wong 1996): two-way, raters a random sample of
    raters, absolute agreement, one rater; ICC(2,k): the mean of all k raters. 1: all of the variance is of
    faces; 0 or below: none is. Estimate and `ci_low_faces`, `ci_high_faces` are pingouin's, whose interval
    takes faces as independent; `ci_low`, `ci_high` are over whole animals (`find_interval`; `subjects`:
    recording -> animal). Faces that every rater scored count. NaN, with a note, for one rater, fewer than 5
    faces, or scores that do not vary.
    """
    rows = []
    for measure in MEASURES:
        wide = widen(scores, measure).dropna()
        values, animals = wide.to_numpy(), _find_animals(wide, subjects)
        facts = {"measure": measure, "n_faces": len(wide), "n_raters": wide.shape[1]}
        facts["n_subjects"] = len(set(animals))
        note = _find_obstacle(values)
        known = {} if note else _ask_pingouin(wide)
        sums = sum_by_animal(_icc_parts(values), animals) if not note else np.zeros((0, 1))
        for place, (form, name) in enumerate(FORMS.items()):
            icc, low, high = known.get(name, (np.nan,) * 3)
            drawn = find_interval(sums, lambda sums, place=place: _icc_of(sums)[place])  # type: ignore[misc]
            found = {"form": form, "icc": icc, "ci_low": drawn[0], "ci_high": drawn[1]}
            found |= {"ci_low_faces": low, "ci_high_faces": high, "note": note or say_few(animals)}
            rows.append(facts | found)
    return pd.DataFrame(rows, columns=list(ICC_COLUMNS))


def compute_kappas(scores: pd.DataFrame, subjects: dict[str, str]) -> pd.DataFrame:
    """Cohen's kappa with quadratic weights of each two raters, unit by unit and of the total, KAPPA_COLUMNS.

    1: all agree; 0: as by chance; a disagreement weighs as the square of its size. Of the total only faces
    count of which both scored all five units, so that it is a whole number. Intervals over whole animals;
    NaN, with a note, where kappa is not defined. `same_score`: share of faces with the same score.
    """
    rows = []
    whole = scores.assign(total=scores["total"].where(scores["n_units"] == len(UNITS)).round())
    for measure in MEASURES:
        wide = widen(whole, measure)
        degrees = list(range(HIGHEST_TOTAL + 1)) if measure == TOTAL else list(DEGREES)
        for first, second in combinations(wide.columns, 2):
            pair = wide[[first, second]].dropna()
            one, other = pair.to_numpy(np.int64).T
            animals = _find_animals(pair, subjects)
            tables = np.zeros((len(pair), len(degrees), len(degrees)))
            tables[np.arange(len(pair)), one, other] = 1
            kappa, note = np.nan, _find_kappa_obstacle(one, other)
            if not note:
                kappa = cohen_kappa_score(one, other, labels=degrees, weights="quadratic")
            low, high = find_interval(sum_by_animal(tables, animals), _weighted_kappa)
            low, high = (np.nan, np.nan) if note else (low, high)
            facts = {"measure": measure, "first": first, "second": second, "n_faces": len(pair)}
            facts |= {"n_subjects": len(set(animals)), "kappa": kappa, "ci_low": low, "ci_high": high}
            same = float((one == other).mean()) if len(pair) else np.nan
            rows.append({**facts, "same_score": same, "note": note or say_few(animals)})
    return pd.DataFrame(rows, columns=list(KAPPA_COLUMNS))


def compute_ceiling(scores: pd.DataFrame, subjects: dict[str, str]) -> pd.DataFrame:
    """One rater against the mean of the others, CEILING_COLUMNS: how well a person does what a network is
    asked to do.

    `rmse`: root mean squared difference, in points of the measure (units 0 to 2, total 0 to 10); `r`:
    Pearson's correlation over faces, within and between animals together; `bias`: rater minus others. Faces
    that the rater and at least one other scored count. Intervals over whole animals; NaN, with a note, where
    there is nobody else.
    """
    rows = []
    for measure in MEASURES:
        wide = widen(scores, measure)
        for rater in wide.columns:
            pair = compare_with_others(wide, rater)
            animals = _find_animals(pair, subjects)
            own, others = pair.to_numpy().T
            facts = {
                "measure": measure,
                "rater": rater,
                "n_faces": len(pair),
                "n_subjects": len(set(animals)),
            }
            if len(pair) < 2:
                note = "needs two raters who scored the same faces"
                rows.append({**facts, **dict.fromkeys(CEILING_COLUMNS[4:-1], np.nan), "note": note})
                continue
            sums = sum_by_animal(moments(own, others), animals)
            r = float(correlate(sums.sum(axis=0)))
            r_low, r_high = find_interval(sums, correlate)
            low, high = find_interval(sums, _rmse, "positive")
            note = (
                say_few(animals) if np.isfinite(r) else "no correlation: the scores of one side do not vary"
            )
            facts |= {"rmse": float(_rmse(sums.sum(axis=0))), "rmse_low": low, "rmse_high": high}
            rows.append({**facts, "r": r, "r_low": r_low, "r_high": r_high,
                         "bias": float((own - others).mean()), "note": note})  # fmt: skip
    return pd.DataFrame(rows, columns=list(CEILING_COLUMNS))


def compare_with_others(wide: pd.DataFrame, rater: str) -> pd.DataFrame:
    """A rater's values (`own`) beside the mean of the others (`others`), faces where both are there."""
    others = wide.drop(columns=rater).mean(axis=1)
    return pd.DataFrame({"own": wide[rater], "others": others}).dropna()


def _find_animals(table: pd.DataFrame, subjects: dict[str, str]) -> np.ndarray:
    recordings = table.index.get_level_values(FACE[0])
    return np.array([subjects[name] for name in recordings], dtype=object)


def _find_obstacle(values: np.ndarray) -> str:
    if values.shape[1] < 2:
        return "needs two raters"
    if len(values) < FEWEST_FACES:
        return f"needs {FEWEST_FACES} faces that all raters scored"
    if np.ptp(values) == 0:
        return "not defined: every score is the same"
    return ""


def _find_kappa_obstacle(one: np.ndarray, other: np.ndarray) -> str:
    if not len(one):
        return "no face that both scored"
    if len(set(one) | set(other)) == 1:
        return "not defined: every score is the same"
    return ""


def _ask_pingouin(wide: pd.DataFrame) -> dict[str, tuple[float, float, float]]:
    """Estimate and interval of each form, by pingouin's name."""
    # The widgets import this package, and pingouin takes seconds.
    from pingouin import intraclass_corr

    long = wide.reset_index(drop=True).rename_axis("face").reset_index().melt("face", value_name="score")
    with np.errstate(invalid="ignore", divide="ignore"):
        table = intraclass_corr(data=long, targets="face", raters="rater", ratings="score")
    return {
        name: (float(icc), float(low), float(high))
        for name, icc, (low, high) in zip(table["Type"], table["ICC"], table["CI95"], strict=True)
    }


def _icc_parts(values: np.ndarray) -> np.ndarray:
    """What the mean squares are made of, by face (n, k + 3): 1, each score, squared mean, squared scores."""
    ones = np.ones((len(values), 1))
    mean_squared = values.mean(axis=1, keepdims=True) ** 2
    return np.hstack([ones, values, mean_squared, (values**2).sum(axis=1, keepdims=True)])


def _icc_of(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """ICC(2,1) and ICC(2,k) of summed `_icc_parts` (..., k + 3), Shrout & Fleiss 1979."""
    n, columns, row_part, square_part = sums[..., 0], sums[..., 1:-2], sums[..., -2], sums[..., -1]
    k = columns.shape[-1]
    grand = columns.sum(axis=-1) / (n * k)
    between = k * (row_part - n * grand**2)
    raters = ((columns / n[..., None]) ** 2).sum(axis=-1) * n - n * k * grand**2
    total = square_part - n * k * grand**2
    msr, msc = between / (n - 1), raters / (k - 1)
    mse = (total - between - raters) / ((n - 1) * (k - 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        one = (msr - mse) / (msr + (k - 1) * mse + k * (msc - mse) / n)
        return one, (msr - mse) / (msr + (msc - mse) / n)


def _weighted_kappa(tables: np.ndarray) -> np.ndarray:
    """Cohen's kappa with quadratic weights of counts (..., q, q); NaN where all is one score."""
    q = tables.shape[-1]
    weights = (np.arange(q)[:, None] - np.arange(q)) ** 2
    n = tables.sum(axis=(-2, -1))
    by_chance = tables.sum(axis=-1)[..., :, None] * tables.sum(axis=-2)[..., None, :]
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = (weights * by_chance).sum(axis=(-2, -1)) / n
        return np.where(expected > 0, 1 - (weights * tables).sum(axis=(-2, -1)) / expected, np.nan)


def _rmse(sums: np.ndarray) -> np.ndarray:
    """Root mean squared difference of summed `moments` (..., 6)."""
    squared = sums[..., 3] + sums[..., 4] - 2 * sums[..., 5]
    return np.sqrt(np.maximum(squared, 0) / sums[..., 0])

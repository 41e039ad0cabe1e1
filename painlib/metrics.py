"""How well faces are judged, with the animal as the unit, and the confusion table of the paper (Table 1)."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import roc_auc_score

METRICS = ("auc", "sensitivity", "specificity")
N_RESAMPLES = 9999


def score_animals(out_of_fold: pd.DataFrame) -> pd.DataFrame:
    """One row an animal: subject, sex, n_no_pain, n_pain (its faces), auc, sensitivity, specificity (0..1).

    `out_of_fold` has subject, label (0 or 1), p_no_pain, p_pain, and sex where known. A face is called pain
    where pain has the higher probability, as in the paper. `auc` is the chance that a pain face of this
    animal gets a higher p_pain than a no-pain face of it; NaN for an animal with one label only, as is the
    measure of the label that is missing.
    """
    rows = []
    for subject, faces in out_of_fold.groupby("subject", sort=True):
        label = faces["label"].to_numpy()
        called = (faces["p_pain"] > faces["p_no_pain"]).to_numpy()
        rows.append(
            {
                "subject": subject,
                "sex": faces["sex"].iloc[0] if "sex" in faces else "",
                "n_no_pain": int((label == 0).sum()),
                "n_pain": int((label == 1).sum()),
                "auc": roc_auc_score(label, faces["p_pain"]) if len(set(label)) == 2 else np.nan,
                "sensitivity": _share(called[label == 1]),
                "specificity": _share(~called[label == 0]),
            }
        )
    return pd.DataFrame(rows, columns=["subject", "sex", "n_no_pain", "n_pain", *METRICS])


def summarise_animals(
    animals: pd.DataFrame, seed: int, interval: Literal["bootstrap", "t"] = "bootstrap", level: float = 0.95
) -> pd.DataFrame:
    """One row a measure of `score_animals`: metric, mean, sd (n - 1), worst, n (animals with it), n_missing,
    ci_low, ci_high: an interval for the mean over animals.

    `bootstrap` draws animals with replacement (percentiles; stays within 0..1, somewhat narrow with few
    animals); `t` assumes means of animals to be normal (may pass 1). NaN where there are fewer than two
    animals.
    """
    rows = []
    for metric in METRICS:
        values = animals[metric].dropna().to_numpy(dtype=np.float64)
        low, high = (np.nan, np.nan)
        if len(values) > 1 and interval == "bootstrap":
            drawn = np.random.default_rng(seed).choice(values, size=(N_RESAMPLES, len(values)))
            low, high = np.quantile(drawn.mean(axis=1), [(1 - level) / 2, (1 + level) / 2])
        elif len(values) > 1:
            half = stats.t.ppf((1 + level) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
            low, high = values.mean() - half, values.mean() + half
        rows.append(
            {
                "metric": metric,
                "mean": values.mean() if len(values) else np.nan,
                "sd": values.std(ddof=1) if len(values) > 1 else np.nan,
                "worst": values.min() if len(values) else np.nan,
                "n": len(values),
                "n_missing": len(animals) - len(values),
                "ci_low": low,
                "ci_high": high,
            }
        )
    return pd.DataFrame(rows)


def confusion_by_sex(predicted: np.ndarray, labels: np.ndarray, sex: np.ndarray) -> pd.DataFrame:
    """The paper's Table 1: faces judged right and wrong, for all animals and by sex.

    `predicted` and `labels` (n,): 0 or 1; `sex` (n,): text, empty for unknown. Columns sex ("all" first),
    pain_right, pain_wrong, no_pain_right, no_pain_wrong, sensitivity, specificity (0..1, NaN without such
    faces).
    """
    predicted, labels, sex = np.asarray(predicted, bool), np.asarray(labels, bool), np.asarray(sex, str)
    rows = []
    for name in ("all", *np.unique(sex)):
        here = np.ones(len(labels), bool) if name == "all" else sex == name
        right, pain = predicted == labels, labels
        rows.append(
            {
                "sex": str(name) or "unknown",
                "pain_right": int((here & pain & right).sum()),
                "pain_wrong": int((here & pain & ~right).sum()),
                "no_pain_right": int((here & ~pain & right).sum()),
                "no_pain_wrong": int((here & ~pain & ~right).sum()),
                "sensitivity": _share(right[here & pain]),
                "specificity": _share(right[here & ~pain]),
            }
        )
    return pd.DataFrame(rows)


def _share(hits: np.ndarray) -> float:
    return float(hits.mean()) if len(hits) else np.nan

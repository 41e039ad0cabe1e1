"""Scores against the weak label: treated faces without a grimace, faces from before with one."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from painlib.grimace.collecting import EVERYBODY
from painlib.grimace.intervals import find_interval, sum_by_animal
from painlib.grimace.units import HIGHEST_TOTAL

CUTS = tuple(range(1, HIGHEST_TOTAL + 1))
LABEL_COLUMNS = (
    *("rater", "n_subjects", "n_no_pain", "n_pain", "mean_no_pain", "mean_pain"),
    *("pain_at_zero", "pain_at_zero_low", "pain_at_zero_high"),
    *("no_pain_above_zero", "no_pain_above_zero_low", "no_pain_above_zero_high"),
    *("auc", "auc_low", "auc_high", "n_subjects_auc"),
)


def compare_with_label(scores: pd.DataFrame) -> pd.DataFrame:
    """How far totals and weak labels agree, rater by rater and for the mean of raters: LABEL_COLUMNS.

    `scores`: rater, subject, label (0 no pain, 1 pain), total (0 to 10, NaN: not judged, left out).
    `pain_at_zero`: share of faces labelled pain whose total is 0; `no_pain_above_zero`: share of faces
    labelled no pain whose total is above 0; a mean of raters is 0 only where all say 0. `auc`: chance that a
    treated face of an animal has a higher total than one from before, ties half, mean over the animals that
    have both (0.5: no better than chance). Intervals over whole animals. Langford's scale is not 0 in every
    mouse without pain (Miller & Leach 2015), so neither share alone says that a label is wrong.
    """
    rows = []
    order = sorted(scores["rater"].unique(), key=lambda rater: (rater != EVERYBODY, rater))
    for rater in order:
        own = scores[(scores["rater"] == rater) & scores["total"].notna()]
        label, total = own["label"].to_numpy(bool), own["total"].to_numpy(float)
        animals = own["subject"].to_numpy()
        row = {"rater": rater, "n_subjects": own["subject"].nunique()}
        row |= {"n_no_pain": int((~label).sum()), "n_pain": int(label.sum())}
        row |= {"mean_no_pain": _mean(total[~label]), "mean_pain": _mean(total[label])}
        for name, here, hit in (
            ("pain_at_zero", label, total == 0),
            ("no_pain_above_zero", ~label, total > 0),
        ):
            sums = sum_by_animal(np.column_stack([here & hit, here]).astype(float), animals)
            low, high = find_interval(sums, _share, "share")
            row |= {name: float(_share(sums.sum(axis=0))), f"{name}_low": low, f"{name}_high": high}
        areas = compute_areas(own["label"], own["total"], own["subject"])["auc"].dropna()
        mean, low, high = average_areas(areas.to_numpy())
        rows.append(row | {"auc": mean, "auc_low": low, "auc_high": high, "n_subjects_auc": len(areas)})
    return pd.DataFrame(rows, columns=list(LABEL_COLUMNS))


def count_cuts(faces: pd.DataFrame) -> pd.DataFrame:
    """At each cut of the total, 1 to 10: share of pain faces and of no-pain faces at or above it.

    `faces`: label (0 or 1), total (NaN left out). Columns cut, n_pain, n_no_pain, pain_at_or_above,
    no_pain_at_or_above: the sensitivity, and one minus the specificity, of the score for the weak label.
    """
    judged = faces[faces["total"].notna()]
    pain, no_pain = (judged.loc[judged["label"] == label, "total"] for label in (1, 0))
    return pd.DataFrame(
        [(cut, len(pain), len(no_pain), _mean(pain >= cut), _mean(no_pain >= cut)) for cut in CUTS],
        columns=["cut", "n_pain", "n_no_pain", "pain_at_or_above", "no_pain_at_or_above"],
    )


def summarise_by_animal(faces: pd.DataFrame) -> pd.DataFrame:
    """A row an animal: subject, n_no_pain, n_pain, mean_no_pain, mean_pain, difference, auc; NaN where it has
    no such face."""
    judged = faces[faces["total"].notna()]
    rows = []
    for subject, own in judged.groupby("subject", sort=True):
        no_pain, pain = (own.loc[own["label"] == label, "total"] for label in (0, 1))
        row = {"subject": subject, "n_no_pain": len(no_pain), "n_pain": len(pain)}
        before, treated = _mean(no_pain), _mean(pain)
        rows.append(row | {"mean_no_pain": before, "mean_pain": treated, "difference": treated - before})
    columns = ["subject", "n_no_pain", "n_pain", "mean_no_pain", "mean_pain", "difference"]
    areas = compute_areas(judged["label"], judged["total"], judged["subject"])[["subject", "auc"]]
    return pd.DataFrame(rows, columns=columns).merge(areas, on="subject", how="left")


def compute_areas(positive: pd.Series, score: pd.Series, subjects: pd.Series) -> pd.DataFrame:
    """AUC of `score` for `positive` (0 or 1) within each animal: subject, n_negative, n_positive, auc.

    NaN for an animal that has only one of the two.
    """
    rows = []
    for subject, places in subjects.groupby(subjects, sort=True).groups.items():
        here = positive.loc[places].to_numpy(int)
        area = roc_auc_score(here, score.loc[places]) if 0 < here.sum() < len(here) else np.nan
        rows.append((subject, int((1 - here).sum()), int(here.sum()), area))
    return pd.DataFrame(rows, columns=["subject", "n_negative", "n_positive", "auc"])


def average_areas(areas: np.ndarray) -> tuple[float, float, float]:
    """Mean over animals with its interval; NaN without any."""
    if not len(areas):
        return np.nan, np.nan, np.nan
    sums = np.column_stack([areas, np.ones(len(areas))])
    return (float(np.mean(areas)), *find_interval(sums, _share, "share"))


def _share(sums: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(sums[..., 1] > 0, sums[..., 0] / sums[..., 1], np.nan)


def _mean(values: np.ndarray | pd.Series) -> float:
    return float(np.mean(values)) if len(values) else np.nan

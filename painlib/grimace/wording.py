"""What 06 found, in sentences ready for a methods or results section."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from painlib.grimace.against_classifier import ANIMALS, FACES
from painlib.grimace.agreement import TOTAL
from painlib.grimace.collecting import EVERYBODY
from painlib.grimace.results import GrimaceResult
from painlib.grimace.units import UNIT_NAMES, UNITS

NO_SCORES = (
    "There are no scores yet. The faces are drawn; score them in the widget (`interactive = True`, and your "
    "name as `rater`) or elsewhere from grimace/sample/sample.csv, then name the raters in `raters` or the "
    "files in `score_files` and run again."
)
_NOT_DEFINED = "not defined"


def explain_scores(result: GrimaceResult, min_units: int) -> list[str]:
    """One sentence an item: who scored, how totals are made, agreement, label, classifier."""
    return [
        *_tell_raters(result, min_units),
        *_tell_agreement(result),
        *_tell_label(result),
        *_tell_classifier(result),
    ]


def _tell_raters(result: GrimaceResult, min_units: int) -> list[str]:
    counts = result.counts
    n, animals = len(result.faces), result.faces["subject"].nunique()
    missing = int(counts[[f"missing_{unit}" for unit in UNITS]].to_numpy().sum())
    raters = f"{len(counts)} rater{'s' if len(counts) > 1 else ''} ({', '.join(map(str, counts['rater']))})"
    return [
        f"{n:,} faces of {animals} animals were scored by {raters} on the Mouse Grimace Scale (five units, 0 "
        f"to 2 each; Langford et al. 2010); {int(counts['n_rejected'].sum()):,} times a face was rejected, "
        f"and {missing:,} times a unit of another face was not scored.",
        "The total, 0 to 10, is five times the mean of the units that were scored, which is their sum where "
        f"all were, and needs {min_units} of them (ours); a face that more than half of its raters rejected "
        "is out, and the total of a face is the mean over its raters (ours).",
    ]


def _tell_agreement(result: GrimaceResult) -> list[str]:
    one, all_of = (_pick(result.icc, measure=TOTAL, form=form) for form in ("ICC(2,1)", "ICC(2,k)"))
    if np.isnan(one["icc"]):
        return [f"Agreement of raters: {one['note']}."]
    units = result.icc[(result.icc["form"] == "ICC(2,1)") & (result.icc["measure"] != TOTAL)]
    told = ", ".join(
        f"{UNIT_NAMES[row['measure']]} {_number(row['icc'])}" for row in units.to_dict("records")
    )
    kappa = result.kappas[result.kappas["measure"] == TOTAL]["kappa"]
    ceiling = result.ceiling[result.ceiling["measure"] == TOTAL]
    mean_of = f"mean of {int(one['n_raters'])} raters"
    sentences = [
        f"Raters agreed on the total with ICC(2,1) = {_interval(one, 'icc', 'ci_low', 'ci_high')} (two-way "
        "random, absolute agreement, one rater) and ICC(2,k) = "
        f"{_interval(all_of, 'icc', 'ci_low', 'ci_high')} ({mean_of}) on {int(one['n_faces']):,} faces that "
        "all scored; 95 % intervals over animals (jackknife, t).",
        f"ICC(2,1) of the units: {told}.",
    ]
    if kappa.notna().any():
        sentences.append(
            f"Quadratically weighted kappa of the total between two raters was {_number(kappa.min())} to "
            f"{_number(kappa.max())}."
        )
    sentences.append(
        f"One rater against the mean of the others, the human ceiling: r = {_span(ceiling['r'])}, root mean "
        f"squared difference {_span(ceiling['rmse'])} points of 10."
    )
    return sentences


def _tell_label(result: GrimaceResult) -> list[str]:
    row = _pick(result.label, rater=EVERYBODY)
    sentences = []
    if row["n_pain"]:
        told = _percent(row, "pain_at_zero")
        sentences.append(
            f"Of {int(row['n_pain']):,} faces labelled pain, {told} had a total of 0 by every rater."
        )
    if row["n_no_pain"]:
        told = _percent(row, "no_pain_above_zero")
        sentences.append(
            f"Of {int(row['n_no_pain']):,} faces labelled no pain, {told} had a total above 0 by some rater."
        )
    if np.isfinite(row["auc"]):
        sentences.append(
            f"Within animals the total told treated faces from faces before with an AUC of "
            f"{_interval(row, 'auc', 'auc_low', 'auc_high')}, mean over {int(row['n_subjects_auc'])} animals."
        )
    return sentences


def _tell_classifier(result: GrimaceResult) -> list[str]:
    sentences = [f"Classifier: {result.judged_by}."]
    for row in result.correlations.to_dict("records"):
        if np.isnan(row["r"]):
            sentences.append(f"Score and p(pain), {row['level']}: {row['note']}.")
            continue
        points = f"{int(row['n_points']):,} {'faces' if row['level'] == FACES else 'means'} of "
        of = f"{'' if row['level'] == ANIMALS else points}{int(row['n_subjects'])} animals"
        told = _interval(row, "r", "ci_low_animals", "ci_high_animals")
        sentences.append(f"Score and p(pain), {row['level']} ({row['method']}): r = {told}, {of}.")
    roc = result.roc[result.roc["auc"].notna()]
    if len(roc):
        best = roc.iloc[int(roc["auc"].to_numpy().argmax())]
        first = roc.iloc[0]
        sentences.append(
            f"p(pain) told faces with a total of at least {int(first['cut'])} from the others with an AUC of "
            f"{_number(first['auc'])} (mean over {int(first['n_subjects'])} animals); of all cuts highest at "
            f"{int(best['cut'])}: {_number(best['auc'])} ({int(best['n_subjects'])} animals)."
        )
    if len(result.network):
        rater, network = (_span(result.network[name]) for name in ("r_rater", "r_network"))
        sentences.append(
            f"Against the mean of the other raters, over faces: a rater r = {rater}, p(pain) r = {network}."
        )
    return sentences


def _pick(table: pd.DataFrame, **where: str) -> pd.Series:
    here = np.logical_and.reduce([table[name] == value for name, value in where.items()])
    return table[here].iloc[0]


def _number(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else _NOT_DEFINED


def _interval(row: pd.Series | Mapping[Hashable, Any], value: str, low: str, high: str) -> str:
    told = _number(row[value])
    return f"{told} [{_number(row[low])}, {_number(row[high])}]" if np.isfinite(row[low]) else told


def _percent(row: pd.Series, name: str) -> str:
    told = f"{row[name]:.1%}"
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return f"{told} [{low:.1%}, {high:.1%}]" if np.isfinite(low) else told


def _span(values: Sequence[float] | pd.Series) -> str:
    known = np.asarray(values, float)
    known = known[np.isfinite(known)]
    if not len(known):
        return _NOT_DEFINED
    low, high = f"{known.min():.2f}", f"{known.max():.2f}"
    return low if low == high else f"{low} to {high}"

"""Inside or outside what this model knows: the verdict on each recording, each animal and the cohort.

A recording is outside where any measure lies beyond its limit (`painlib.novelty.limits`), inside where its
distance was judged and nothing lies beyond; otherwise it cannot be told. An animal is outside with any of its
recordings: what a model gets wrong before treatment it is not believed after it. A cohort is outside with
more animals than chance would give. Inside means that these faces look like the training faces and are
judged like held-out ones; it does not mean that pain is read rightly, which only a known pain can show.

Tried once on drawn cohorts (seeds 1 to 10, eight training animals a coat, four new ones; distance alone;
`tests/test_verify_novelty.py`): models of white, of dark and of both coats called all 240 animals and 60
cohorts rightly. New animals of a known coat lay at most 1.17 times as far as held-out training animals
(limits 1.10 to 1.42), of the other coat 1.33 to 1.89 times. On the seed 101 agouti mice were outside for a
model of white mice, and of both. There a network of white mice told pain in dark mice with an AUC of 0.44 to
0.70 (new white ones 0.75 to 0.97), and more confidently than in white ones: confidence alone would not have
warned. What else the distance noticed there: a grey camera, another stage, a face 1.3 times as large; what
it did not: light, blur, noise, a face 1.15 times as large.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from painlib.novelty.limits import (
    BEFORE_TREATMENT,
    FEWEST_ANIMALS,
    MEASURES,
    find_apart,
    find_fewest_outside,
    tabulate_limits,
)
from painlib.novelty.reference import Reference

State = Literal["inside", "outside", "cannot be told"]
INSIDE, OUTSIDE, UNTOLD = STATES = ("inside", "outside", "cannot be told")
FEWEST_FACES = 20  # of a recording, for its distance and its shares of faces
_NAMED = 6  # animals that a sentence lists
NO_REFERENCE = (
    "this model folder has no training faces to compare with (it was written by an older painlib): run stage "
    "02_train again"
)


@dataclass(frozen=True)
class Novelty:
    """The verdict.

    `state` of the cohort. `recordings`: one row a recording: recording, subject, trained_on, n_faces,
    MEASURES (NaN where not measured), inside (one of STATES), reasons. `animals`: one row an animal: subject,
    trained_on, inside, distance (of its farthest recording), reasons. `limits`: as `tabulate_limits`.
    `training`: the training animals' recordings, each measured while its animal was left out. `apart`:
    training animals that the others would call strange. `why_not`: why nothing can be told, or empty.
    `faces`, `thumbnails`: the faces looked at, as `measure_distances` gives them.
    """

    state: State
    recordings: pd.DataFrame
    animals: pd.DataFrame
    limits: pd.DataFrame
    training: pd.DataFrame
    apart: list[str]
    why_not: str
    faces: pd.DataFrame | None = None
    thumbnails: np.ndarray | None = None

    def with_faces(self, faces: pd.DataFrame, thumbnails: np.ndarray) -> Novelty:
        """The same verdict with the faces that it rests on, for the figure."""
        return replace(self, faces=faces.reset_index(drop=True), thumbnails=thumbnails)

    def mark(self, table: pd.DataFrame) -> pd.DataFrame:
        """`table` (with subject) with the column inside: its animal's verdict, one of STATES."""
        states = self.animals.set_index("subject")["inside"]
        return table.assign(inside=table["subject"].map(states).fillna(UNTOLD).astype(object))

    @property
    def new(self) -> pd.DataFrame:
        """The animals that decide: those the model was not trained on, or all where it was trained on all."""
        new = self.animals[~self.animals["trained_on"]]
        return new if len(new) else self.animals

    def note(self) -> str:
        """One short line for figures."""
        if self.state == UNTOLD:
            return "Cannot be told whether the model knows these animals"
        animals = "animals" if not self.new["trained_on"].all() else "animals, all trained on"
        n_outside, n = (self.new["inside"] == OUTSIDE).sum(), len(self.new)
        if self.state == OUTSIDE:
            return f"Outside what the model knows ({n_outside} of {n} {animals}): not to be believed"
        outside = self.new.loc[self.new["inside"] == OUTSIDE, "subject"]
        rest = f"; outside: {_name(outside)}" if len(outside) else ""
        return f"Inside what the model knows ({(self.new['inside'] == INSIDE).sum()} of {n} {animals}{rest})"

    def explain(self) -> str:
        """The verdict in words, with the reasons, for a notebook or a caption."""
        counts = self.new["inside"].value_counts()
        n, told = len(self.new), " ".join(self._tell_measures())
        kind = "animals" if not self.new["trained_on"].all() else "animals (all of them trained on)"
        if self.state == UNTOLD:
            return (
                "CANNOT BE TOLD whether these animals are such as the model knows: "
                f"{self.why_not or 'no animal could be judged'}. {told}".rstrip()
            )
        n_outside = int(counts.get(OUTSIDE, 0))
        untold = f", {counts[UNTOLD]} cannot be told" if UNTOLD in counts else ""
        if self.state == OUTSIDE:
            return (
                f"OUTSIDE what this model knows: {n_outside} of {n} {kind}{untold}. {told} Do not believe "
                "the probabilities of these animals: look at their faces, check the pose network on them, "
                "and train with labelled animals of this kind."
            )
        some = ""
        if n_outside:
            names = _name(self.new.loc[self.new["inside"] == OUTSIDE, "subject"])
            some = f" {n_outside} outside ({names}): leave them out or look at them, and say so."
        return (
            f"Inside what this model knows: {int(counts.get(INSIDE, 0))} of {n} {kind}{untold}.{some} {told} "
            "This says that the faces look and are judged like those of held-out training animals, not "
            "that pain is read rightly."
        )

    def _tell_measures(self) -> Iterable[str]:
        """A sentence for each measure, those beyond their limits first."""
        own = self.recordings[self.recordings["subject"].isin(self.new["subject"])]
        beyond: list[str] = []
        within: list[str] = []
        unjudged: dict[str, list[str]] = {}
        for row in self.limits.to_dict("records"):
            measure = str(row["measure"])
            values = own[measure].dropna().to_numpy(np.float64)
            if math.isnan(row["limit"]) or not len(values):
                why = row["why"] or "no recording of this cohort has it"
                unjudged.setdefault(why, []).append(MEASURES[measure].words)
                continue
            n_beyond = int(own.loc[find_beyond(own[measure], measure, row["limit"]), "subject"].nunique())
            sentence = tell_measure(measure, values, row)
            if n_beyond:
                beyond.append(f"{sentence}, beyond it {n_beyond} {_plural('animal', n_beyond)}.")
            else:
                within.append(f"{sentence}.")
        if self.state == UNTOLD:
            unjudged = {}
        rest = [f"Not judged, because {why}: {'; '.join(words)}." for why, words in unjudged.items()]
        if self.apart:
            rest.append(
                f"Of the training animals, {_name(self.apart)} would be called strange by the others, which "
                "makes the limit of the distance wide."
            )
        return [*beyond, *within, *rest]


def judge_novelty(reference: Reference | None, recordings: pd.DataFrame) -> Novelty:
    """The verdict on `recordings`: one row each with recording, subject, trained_on, n_faces and MEASURES.

    An animal that the model was trained on is compared with the other training animals; its confidence is
    not looked at. Recordings with fewer than FEWEST_FACES faces have no distance and no shares of faces; a
    recording hardly seen is told by its coverage.
    """
    training = pd.DataFrame(columns=["recording", "subject", *MEASURES], dtype=float)
    training = training if reference is None else reference.training
    limits = tabulate_limits(training)
    measured = _blank_unusable(recordings.reset_index(drop=True))
    of = limits.set_index("measure")["limit"].to_dict()
    flags = pd.DataFrame({name: find_beyond(measured[name], name, of[name]) for name in MEASURES})
    judged = measured["distance"].notna().to_numpy() & math.isfinite(of["distance"])
    measured["inside"] = np.select([flags.any(axis=1), judged], [OUTSIDE, INSIDE], UNTOLD)
    measured["reasons"] = [
        _give_reasons(row, flags.iloc[place], limits) for place, (_, row) in enumerate(measured.iterrows())
    ]
    animals = _summarise_animals(measured)
    why_not = "" if reference is not None else NO_REFERENCE
    if reference is not None and math.isnan(of["distance"]):
        n = int(limits["n_animals"].iloc[0])
        why_not = f"the model was trained on too few animals ({n}; {FEWEST_ANIMALS} are needed)"
    state = _judge_cohort(animals)
    apart = [] if reference is None else find_apart(training)
    return Novelty(state, measured, animals, limits, training, apart, why_not if state == UNTOLD else "")


def find_beyond(values: pd.Series, measure: str, limit: float) -> np.ndarray:
    """(n,) bool: which values are beyond the limit; False where either is NaN."""
    numbers = values.to_numpy(np.float64)
    return MEASURES[measure].side * (numbers - limit) > 0


def _blank_unusable(recordings: pd.DataFrame) -> pd.DataFrame:
    few = recordings["n_faces"] < FEWEST_FACES
    recordings = recordings.copy()
    recordings.loc[few, [name for name in MEASURES if name != "coverage"]] = np.nan
    recordings.loc[recordings["trained_on"].astype(bool), list(BEFORE_TREATMENT)] = np.nan
    return recordings


def _summarise_animals(recordings: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for subject, own in recordings.groupby("subject", sort=True):
        states = set(own["inside"])
        state = OUTSIDE if OUTSIDE in states else INSIDE if INSIDE in states else UNTOLD
        several = len(own) > 1
        told = own[own["inside"] == state] if state != INSIDE else own.iloc[:0]
        reasons = [
            f"{row['recording']}: {row['reasons']}" if several else row["reasons"]
            for row in told.to_dict("records")
        ]
        trained_on = bool(own["trained_on"].any())
        rows.append((str(subject), trained_on, state, own["distance"].max(), " | ".join(reasons)))
    columns = ["subject", "trained_on", "inside", "distance", "reasons"]
    return pd.DataFrame(rows, columns=columns).astype({"trained_on": bool, "distance": np.float64})


def _judge_cohort(animals: pd.DataFrame) -> State:
    new = animals[~animals["trained_on"]]
    judged = (new if len(new) else animals)["inside"]
    judged = judged[judged != UNTOLD]
    if judged.empty:
        return "cannot be told"
    return "outside" if (judged == OUTSIDE).sum() >= find_fewest_outside(len(judged)) else "inside"


def _give_reasons(row: pd.Series, flags: pd.Series, limits: pd.DataFrame) -> str:
    """Why a recording is outside or cannot be told; empty where it is inside."""
    if row["inside"] == INSIDE:
        return ""
    if row["inside"] == UNTOLD:
        if row["n_faces"] < FEWEST_FACES:
            return f"{row['n_faces']} faces, {FEWEST_FACES} are needed"
        return "no limit for the distance"
    of = limits.set_index("measure")
    told = [
        tell_measure(str(name), np.array([row[name]]), of.loc[name].to_dict()) for name in flags.index[flags]
    ]
    return "; ".join(told)


def tell_measure(measure: str, values: np.ndarray, row: dict) -> str:
    """Values, what is typical of held-out training animals, and the limit."""
    kind = MEASURES[measure]
    if kind.is_share:
        low, high, typical, limit = (f"{100 * value:.0f}\u00a0%" for value in (*_range(values), *_known(row)))
    else:
        unit = row["typical"]
        low, high = (f"{value / unit:.2f}" for value in _range(values))
        typical, limit = "1", f"{row['limit'] / unit:.2f} times as far"
    found = low if low == high else f"{low} to {high}"
    end = "at most" if kind.side > 0 else "at least"
    words = kind.words[0].upper() + kind.words[1:]
    return f"{words}: {found} (held-out training animals {typical}; {end} {limit})"


def _range(values: np.ndarray) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _known(row: dict) -> tuple[float, float]:
    return row["typical"], row["limit"]


def _name(names: Iterable[str]) -> str:
    listed = list(names)
    rest = f" and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
    return ", ".join(listed[:_NAMED]) + rest


def _plural(thing: str, n: int) -> str:
    return thing if n == 1 else f"{thing}s"

"""The alarm: does the classifier read the background? Thresholds, fixed before any leak was tried.

Ours. They come from five drawn cohorts without a leak (seeds 101 to 105, three animals each that the network
was not trained on, 200 faces an animal) and from nothing else:

- `follows_surroundings` lay between -0.007 and 0.014 (SD 0.008). 0.05 is more than three times the largest
  and six SDs; less of the probability would hardly change what a study finds.
- `auc_surroundings_only` lay between 0.48 and 0.55 (SD 0.03). 0.70 is six SDs above their mean: a blanked
  picture is one that the network never saw, so that this measure has to be clearer before it counts.

Either raises the alarm, if its interval over animals also stays above no effect.

Then tried once on 40 drawn cohorts (seeds 1 to 10; `tests/test_verify_evidence.py`): of 30 with a leak, 30
were raised; of 10 without, none. `follows_surroundings` was 0.31 to 0.51 with burned-in text, 0.10 to 0.25
with a brighter stage, 0.31 to 0.48 with an object in view, and at most 0.016 without a leak.
`auc_surroundings_only` alone would have missed every brighter stage (0.48 to 0.60). The share of Grad-CAM
outside the face told nothing (maps of 2 x 2: 0.37 to 0.52 with a leak, 0.32 to 0.51 without), which is why it
decides nothing here.

Asked of the animals that the network was trained on, as 05a has to in most cohorts: six leaky cohorts (seeds
101 and 102) all raised, at 0.19 to 0.53; four clean ones (101 to 104) not, at most 0.023.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from painlib.evidence.measuring import Evidence
from painlib.evidence.summaries import summarise_overall

State = Literal["raised", "not raised", "cannot be tested"]
NO_EFFECT = {"follows_surroundings": 0.0, "auc_surroundings_only": 0.5}


@dataclass(frozen=True)
class EvidenceThresholds:
    """When the alarm is raised: a measure's mean over animals at or above its threshold. All of it is ours.

    An animal counts with at least `fewest_faces` (for the AUC: of each class); a measure with at least
    `fewest_animals`.
    """

    follows_surroundings: float = 0.05
    auc_surroundings_only: float = 0.70
    fewest_animals: int = 2
    fewest_faces: int = 20


@dataclass(frozen=True)
class Verdict:
    """Whether the alarm is raised, and from what.

    `numbers`: one row a measure that decides: measure, mean, ci_low, ci_high, n_animals (those that count),
    threshold, beyond (bool). `means`: of every measure over all animals, NaN where none has it.
    `classes_from`: "label" or "call", as `Evidence` has it.
    """

    state: State
    numbers: pd.DataFrame
    means: dict[str, float]
    classes_from: str
    thresholds: EvidenceThresholds

    def explain(self) -> str:
        """The verdict in words, for a notebook or a caption."""
        if self.state == "cannot be tested":
            return (
                "Whether the classifier reads the background cannot be tested: that takes faces of both "
                f"classes in different recordings, and {self.thresholds.fewest_animals} or more animals with "
                f"{self.thresholds.fewest_faces} or more faces each."
            )
        told = " ".join(_TELL[row["measure"]](self, row) for row in self.numbers.to_dict("records"))
        moved = (
            "On average, blanking all but the face moved the probability by "
            f"{self.means['moved_face_only']:.2f}, blanking the face by "
            f"{self.means['moved_surroundings_only']:.2f}."
        )
        if self.state == "raised":
            return (
                f"ALARM: the classifier reads the background. {told} {moved} Something beside the face "
                "differs between recordings of the two classes, such as light, text in the picture or "
                "things in view. Do not take the probabilities for pain before it is removed and the "
                "network trained anew."
            )
        return (
            f"No alarm: no sign that the classifier reads the background. {told} {moved} What differs on "
            "the face itself without being pain, such as wet fur or a mark, is not tested by this."
        )

    def tell_exchange(self, row: dict) -> str:
        """What the exchange of surroundings showed, one sentence."""
        labelled = self.classes_from == "label"
        classes = "from pain instead of no-pain recordings" if labelled else "called pain instead of no pain"
        by_face = self.means["follows_face"]
        face = (
            "" if math.isnan(by_face) else f"; with a face of the other class it differed by {by_face:+z.2f}"
        )
        return (
            f"With the surroundings of faces {classes}, a face's probability of pain differed by "
            f"{row['mean']:+z.2f} ({_limits(row)}){face}."
        )

    def tell_blanked(self, row: dict) -> str:
        """What could still be told with the face blanked, one sentence."""
        labelled = self.classes_from == "label"
        classes = "pain and no-pain recordings" if labelled else "faces called pain and no pain"
        return (
            f"With the face blanked, {classes} were told apart with an AUC of {row['mean']:.2f} "
            f"({_limits(row)}; 0.5: not at all)."
        )


_TELL = {"follows_surroundings": Verdict.tell_exchange, "auc_surroundings_only": Verdict.tell_blanked}


def judge_evidence(
    evidence: Evidence, thresholds: EvidenceThresholds | None = None, seed: int = 0
) -> Verdict:
    """Raise the alarm or not; `seed` is that of the intervals (bootstrap over animals)."""
    limits = EvidenceThresholds() if thresholds is None else thresholds
    animals = evidence.animals.copy()
    n_faces = evidence.faces.groupby("subject").size().reindex(animals["subject"]).to_numpy()
    animals.loc[n_faces < limits.fewest_faces, "follows_surroundings"] = math.nan
    fewest = animals[["n_no_pain", "n_pain"]].min(axis=1)
    animals.loc[fewest < limits.fewest_faces, "auc_surroundings_only"] = math.nan
    numbers = summarise_overall(animals, seed).set_index("measure").loc[list(NO_EFFECT)].reset_index()
    numbers = numbers[numbers["n_animals"] >= limits.fewest_animals].reset_index(drop=True)
    numbers["threshold"] = [getattr(limits, name) for name in numbers["measure"]]
    above = numbers["ci_low"] > numbers["measure"].map(NO_EFFECT)
    numbers["beyond"] = (numbers["mean"] >= numbers["threshold"]) & above
    state: State = "raised" if numbers["beyond"].any() else "not raised"
    if numbers.empty:
        state = "cannot be tested"
    means = dict(zip(evidence.overall["measure"], evidence.overall["mean"], strict=True))
    return Verdict(state, numbers, means, evidence.classes_from, limits)


def _limits(row: dict) -> str:
    """Interval and threshold of one measure."""
    interval = f"95 % CI {row['ci_low']:z.2f} to {row['ci_high']:z.2f} over {row['n_animals']} animals"
    return f"{interval}; alarm from {row['threshold']:.2f}"

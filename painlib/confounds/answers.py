"""What is asked, when a question is raised, and the one table of all answers.

The limits were fixed before any cohort, drawn or real, was tried, from what the numbers mean and not from how
they come out; the two that were changed later say so:

- AUC of what alone should tell nothing of the label: 0.70, as in the alarm of `painlib.evidence`. It is not
  lower, since pain itself changes the face and with it, a little, the brightness of the picture.
- AUC of early against late without pain: 0.60. There is no pain in it that could excuse more.
- A band is what swapping the labels of whole recordings gives in 98 of 100 cases. Five questions have one,
  and together they stay below the upper ends of their bands in 95 of 100 cohorts (Bonferroni, 0.05 / 5 each).
- A raised AUC reaches its limit and lies above its band.
- The classifier's own AUC should lie above its band, which is the usual one of 95 in 100, since it stands
  alone (98 in 100 until the cohorts below had been tried; no clean one was raised at either).
- The limits of labels and near-duplicates stand with their reasons in `disputed` and `near_duplicates`. The
  rule for labels was changed on development cohorts, before the ones below were drawn.

Tried on drawn cohorts of twelve treated animals (seeds 1 to 10, `tests/test_verify_confounds.py`), with 40
faces of each recording: ten clean ones with twelve untreated animals raised nothing; a sensor that warms was
raised as time in 10 of 10 (AUC 0.92 to 0.96; clean 0.46 to 0.55), a lamp in pain recordings as brightness in
10 of 10 (0.98 to 1.00; clean 0.42 to 0.61). Two animals with exchanged labels were named, and no other one,
in 9 of 10; in the tenth the judge of these cohorts was too poor, and said that labels cannot be tested. With
100 faces of each recording, tried after that, they were named in 10 of 10.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

import pandas as pd

from painlib.faults import PainlibError

State = Literal["raised", "not raised", "cannot be tested"]
Measure = Literal["AUC", "share of faces"]
QUESTIONS = {
    "chance": "Classifier: is its AUC above what swapped labels give?",
    "time, features": "Time: do the same features tell early from late in animals without pain?",
    "time, score": "Time: does the probability of pain rise with time in animals without pain?",
    "animal": "Animal: does who it is tell the label?",
    "camera": "Camera: does it alone tell the label?",
    "brightness": "Brightness: does the light of the picture alone tell the label?",
    "background": "Background: does what lies around the face alone tell the label?",
    "mislabelled animals": "Labels: are animals labelled the wrong way round?",
    "near-duplicates": "Split: do nearly equal pictures stand in different folds?",
}
BANDED = ("time, features", "time, score", "camera", "brightness", "background")
BEYOND = 0.05 / len(BANDED)  # share of swaps above a band, and as many below it
BEYOND_CHANCE = 0.025  # the same for the classifier's own AUC
COLUMNS = ["name", "question", "measure", "number", "low", "high", "limit", "n_animals", "verdict", "why"]


@dataclass(frozen=True)
class ConfoundLimits:
    """From which number on a question is raised; all of it is ours.

    `auc_alone`: camera, brightness, background, and the animal; `auc_time`: early against late without pain.
    An animal is called mislabelled from `disputed_share` of the faces of each of its labels on, if the
    classifier's AUC for it is also below `auc_reversed`. Near-duplicates are raised from `near_faces` of one
    pair of recordings on.
    """

    auc_alone: float = 0.70
    auc_time: float = 0.60
    disputed_share: float = 0.25
    auc_reversed: float = 0.40
    near_faces: int = 3


LIMITS = ConfoundLimits()


@dataclass(frozen=True)
class Answer:
    """One question answered.

    `number` (NaN where there is none) of `measure`; `low`, `high`: its chance band, NaN where it has none;
    `limit`: what it is held against beside the band; `n_animals`: those that it is measured on; `why`: the
    verdict in words.
    """

    name: str
    measure: Measure
    number: float
    low: float
    high: float
    limit: float
    n_animals: int
    verdict: State
    why: str

    @property
    def question(self) -> str:
        """The question in words."""
        return QUESTIONS[self.name]


def refuse(
    name: str, measure: Measure, limit: float, why: str, number: float = math.nan, n: int = 0
) -> Answer:
    """The answer that the question cannot be tested, and why."""
    return Answer(name, measure, number, math.nan, math.nan, limit, n, "cannot be tested", why)


def collect_verdicts(answers: Iterable[Answer]) -> pd.DataFrame:
    """One row an answer, in the order of QUESTIONS: the columns of COLUMNS.

    Raises `PainlibError` where a question is answered twice or is none of QUESTIONS.
    """
    found = list(answers)
    names = [answer.name for answer in found]
    wrong = sorted({name for name in names if name not in QUESTIONS or names.count(name) > 1})
    if wrong:
        raise PainlibError(
            f"Verdicts: expected at most one answer to each of {', '.join(QUESTIONS)}; got "
            f"{', '.join(wrong)} twice or unknown."
        )
    order = list(QUESTIONS)
    rows = [
        asdict(answer) | {"question": answer.question}
        for answer in sorted(found, key=lambda one: order.index(one.name))
    ]
    return pd.DataFrame(rows, columns=COLUMNS)

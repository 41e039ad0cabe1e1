"""From which quality on held-out faces are judged better than by guessing; what lies below is left out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from painlib.calibration.judgements import bin_evenly, draw_animals, find_interval
from painlib.calibration.quality import MEASURES
from painlib.faults import PainlibError
from painlib.model_card import QualityLimits

BINS = 10
FEWEST_FACES, FEWEST_ANIMALS = 5, 3  # of each label in a bin: faces for an animal to count, animals
GUESSING = 0.5
MOST_LEFT_OUT = 0.5  # of the faces: where more are judged no better than by guessing, quality is not why
ALL = "all"
_FACE = ["recording", "camera", "frame"]
_LIMITS = {"sharpness": "min_sharpness", "size": "min_size", "turn": "max_turn"}
_COLUMNS = (
    *("measure", "bin", "low", "high", "middle", "n_faces", "n_pain_animals", "n_no_pain_animals"),
    *("balanced_accuracy", "ci_low", "ci_high", "state", "rise", "rise_low", "rise_high"),
)


def score_quality_bins(
    quality: pd.DataFrame, out_of_fold: pd.DataFrame, bins: int = BINS, seed: int = 0
) -> pd.DataFrame:
    """How well held-out faces are judged at each quality: one row a measure and bin of equally many faces.

    `quality`: recording, camera, frame, sharpness, size, turn; `out_of_fold`: the same faces, held out, with
    subject, label, p_no_pain, p_pain; faces in only one of the two are a `PainlibError`. Columns measure, bin
    (from 1), low, high, middle (lowest, highest, median value), n_faces, n_pain_animals and n_no_pain_animals
    (with 5 or more faces of that label in the bin; only these count), balanced_accuracy (mean of sensitivity
    and specificity, each the mean over animals), ci_low, ci_high (95 %, animals drawn with replacement),
    state: "judged" (the interval lies above 0.5), "guessing" (it does not), "cannot be told" (fewer than 3
    animals of either label). rise, rise_low, rise_high: balanced accuracy of all better bins minus that of
    this and all worse ones, with its interval. The last row, measure "all", bin 0, is of all faces together.
    """
    table = _join(quality, out_of_fold)
    faces = _Faces(table, seed)
    rows = []
    for measure in MEASURES:
        values = table[measure].to_numpy(np.float64)
        code = bin_evenly(values, bins)
        for number in np.unique(code):
            own = values[code == number]
            row: dict[str, object] = {"measure": measure, "bin": int(number) + 1, "n_faces": len(own)}
            row |= {"low": own.min(), "high": own.max(), "middle": np.median(own)}
            worse = code >= number if measure == "turn" else code <= number
            rows.append(row | faces.score(code == number) | faces.compare(~worse, worse))
    if len(table):
        every: dict[str, object] = {"measure": ALL, "bin": 0, "n_faces": len(table)}
        rows.append(every | faces.score(np.ones(len(table), bool)))
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def place_limits(binned: pd.DataFrame, n_animals: int) -> QualityLimits:
    """Limits from the table of `score_quality_bins`: what `find_quality_limits` gives."""
    limits: dict[str, float] = {}
    remarks = {}
    better = (binned.loc[binned["measure"] == ALL, "state"] == "judged").any()
    for measure in MEASURES:
        own = binned[binned["measure"] == measure].sort_values("bin", ascending=measure != "turn")
        state = own["state"].to_numpy()
        n_bad = int(np.argmax(np.append(state, "end") != "guessing"))
        told = f"{n_bad} of {len(own)} bins from the bad end judged no better than by guessing"
        if not len(own):
            remarks[measure] = "no limit: no held-out face"
        elif not np.isin(state, ("judged", "guessing")).any():
            remarks[measure] = "no limit: too few animals to tell at any quality"
        elif not better or not (state == "judged").any():
            remarks[measure] = "no limit: all faces together are judged no better than by guessing"
        elif not n_bad:
            worst = "cannot be told" if state[0] == "cannot be told" else "is better than guessing"
            remarks[measure] = f"no limit: judging at the bad end {worst}"
        elif own["n_faces"].iloc[:n_bad].sum() > MOST_LEFT_OUT * own["n_faces"].sum():
            remarks[measure] = f"no limit: {told}; that is not a matter of {measure}"
        elif not own.iloc[n_bad - 1]["rise_low"] > 0:
            remarks[measure] = f"no limit: {told}, but not clearly worse than the rest"
        else:
            edge = own.iloc[n_bad]["high" if measure == "turn" else "low"]
            limits[_LIMITS[measure]] = float(edge)
            remarks[measure] = told
    return QualityLimits(**limits, n_animals=n_animals, remarks=remarks)


def find_quality_limits(
    quality: pd.DataFrame, out_of_fold: pd.DataFrame, bins: int = BINS, seed: int = 0
) -> QualityLimits:
    """From which sharpness, size and turn on held-out faces are judged better than by guessing.

    Arguments as for `score_quality_bins`. From the bad end (blurred, small, turned), the run of bins whose
    balanced accuracy has an interval over animals that reaches 0.5 or below is left out; the limit is the
    worst value of the first bin after it. With few animals an interval is wide and reaches 0.5 easily, so
    that the run must also be judged worse than the rest, by an interval of the difference above 0. No such
    run, too few animals to tell, or more than half of the faces in it, or all faces together judged no better
    than by guessing (then quality is not what is wrong): no limit, and `remarks` say why.

    Where quality did not matter, 60 simulated cohorts each (300 faces an animal): at 12 animals none of those
    judged at even odds or at 0.9 had a limit, and 10 % of those judged at 0.6 (1.6 % of their faces left
    out); at 6 animals 3 %, none and 22 % (4.6 %). Scores of the kept faces flatter a little when they are
    taken from the faces that the limits were found on.
    """
    binned = score_quality_bins(quality, out_of_fold, bins, seed)
    return place_limits(binned, int(out_of_fold["subject"].nunique()))


def choose_limits(
    found: QualityLimits | None, min_sharpness: float | None, min_size: float | None, max_turn: float | None
) -> QualityLimits:
    """The limits to use: a parameter where it is given, otherwise what was found (None: none were).

    To judge every face whatever was found: `min_sharpness` 0, `min_size` 0, `max_turn` 1.
    """
    base = QualityLimits() if found is None else found
    given = {"min_sharpness": min_sharpness, "min_size": min_size, "max_turn": max_turn}
    told = {name: value for name, value in given.items() if value is not None}
    remarks = dict(base.remarks)
    for measure, name in _LIMITS.items():
        if name in told:
            remarks[measure] = "given as a parameter"
    return QualityLimits.model_validate(base.model_dump() | told | {"remarks": remarks})


def _join(quality: pd.DataFrame, out_of_fold: pd.DataFrame) -> pd.DataFrame:
    judged = out_of_fold[[*_FACE, "subject", "label", "p_no_pain", "p_pain"]]
    table = judged.merge(quality[[*_FACE, *MEASURES]], on=_FACE, how="inner", validate="1:1")
    if not len(table) == len(judged) == len(quality):
        raise PainlibError(
            f"Expected the quality of the {len(judged)} held-out faces, got {len(quality)} faces, of which "
            f"{len(table)} are these. Measure the faces that were held out."
        )
    return table


class _Share(NamedTuple):
    """Mean over animals of the share judged rightly, also in each resample, and how many animals count."""

    value: float
    drawn: np.ndarray
    n_animals: int


class _Faces:
    """Held-out faces, and the animals of each resample."""

    def __init__(self, table: pd.DataFrame, seed: int) -> None:
        self.label = table["label"].to_numpy()
        self.right = ((table["p_pain"] > table["p_no_pain"]) == (table["label"] == 1)).to_numpy()
        subjects, self.animal = np.unique(table["subject"].to_numpy(dtype=str), return_inverse=True)
        self.drawn = draw_animals(len(subjects), seed)

    def score(self, here: np.ndarray) -> dict[str, object]:
        """The columns n_pain_animals to state, of the faces `here` (n,) bool."""
        no_pain, pain = (self._find_share(here & (self.label == code)) for code in (0, 1))
        fewest = min(pain.n_animals, no_pain.n_animals)
        low, high = find_interval((pain.drawn + no_pain.drawn) / 2, fewest)
        state = "judged" if low > GUESSING else "guessing"
        return {
            "n_pain_animals": pain.n_animals,
            "n_no_pain_animals": no_pain.n_animals,
            "balanced_accuracy": (pain.value + no_pain.value) / 2,
            "ci_low": low,
            "ci_high": high,
            "state": state if fewest >= FEWEST_ANIMALS else "cannot be told",
        }

    def compare(self, better: np.ndarray, worse: np.ndarray) -> dict[str, object]:
        """The columns rise, rise_low, rise_high of some faces against others, (n,) bool each."""
        shares = [
            self._find_share(where & (self.label == code)) for where in (better, worse) for code in (0, 1)
        ]
        values, drawn = [share.value for share in shares], [share.drawn for share in shares]
        low, high = find_interval(
            (drawn[0] + drawn[1] - drawn[2] - drawn[3]) / 2, min(share.n_animals for share in shares)
        )
        rise = (values[0] + values[1] - values[2] - values[3]) / 2
        return {"rise": rise, "rise_low": low, "rise_high": high}

    def _find_share(self, here: np.ndarray) -> _Share:
        """Of faces of one label."""
        animal, n = self.animal[here], self.drawn.shape[1]
        faces = np.bincount(animal, minlength=n)
        hits = np.bincount(animal, weights=self.right[here], minlength=n)
        counted = faces >= FEWEST_FACES
        own = np.divide(hits, faces, out=np.zeros(n), where=counted)
        with np.errstate(invalid="ignore"):
            resampled = (self.drawn @ own) / (self.drawn @ counted)  # NaN where no animal drawn counts
        n_animals = int(counted.sum())
        return _Share(float(own.sum() / n_animals) if n_animals else np.nan, resampled, n_animals)

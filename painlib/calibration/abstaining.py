"""The third answer, "not judged": calls of which the network is not sure enough (ours; the paper has none).

Calls stay those of the paper, made from the raw probabilities (`painlib.fusion`); calibrated ones only say
how sure a call is. A call of which it is not sure enough counts as little as a time point without a face, and
both are counted apart.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from painlib.faults import PainlibError
from painlib.model_card import Calibration

PAIN, NO_PAIN, SKIPPED, NOT_JUDGED = "pain", "no pain", "skipped", "not judged"
CALLS = (PAIN, NO_PAIN, NOT_JUDGED, SKIPPED)
NEVER = 0.5  # of two classes the likelier one is never less likely than this


def check_abstention(calibration: Calibration | None, abstain_below: float) -> None:
    """Raise `PainlibError` where all calls of pain, or all of no pain, would be "not judged" by design.

    A calibration with a floor gives no face a probability of the label pain below it: that many faces that
    show nothing carry the label. No call of no pain is surer than 1 - floor, and a threshold above it would
    leave only calls of pain, and a pain probability of 1 in every minute.
    """
    if calibration is None or abstain_below <= NEVER:
        return
    ends = calibration.apply(np.array([0.0, 1.0]))
    surest = {NO_PAIN: 1 - float(ends[0]), PAIN: float(ends[1])}
    call = min(surest, key=lambda name: surest[name])
    if abstain_below > surest[call]:
        highest = max(NEVER, math.floor(100 * surest[call]) / 100)
        raise PainlibError(
            f"Parameter `abstain_below`: expected at most {highest:g}, got {abstain_below:g}: calibrated to "
            f"weak labels, no call of {call} by this model is surer than {surest[call]:.3f}, and all of them "
            "would be left out."
        )


def judge_or_abstain(p_pain_calibrated: np.ndarray, abstain_below: float) -> np.ndarray:
    """(n,) "pain", "no pain", "not judged" (confidence below `abstain_below`) or "skipped" (NaN: no face).

    `p_pain_calibrated` (n,) 0..1; confidence is max(p, 1 - p). `abstain_below` 0.5..1; 0.5: never abstain. A
    tie is "no pain", as in `fuse_timepoints`. For single faces and images; time points of two cameras keep
    the paper's call: `abstain_calls`.
    """
    p = np.asarray(p_pain_calibrated, dtype=np.float64)
    call = np.where(p > 0.5, PAIN, NO_PAIN).astype(object)
    call[np.isnan(p)] = SKIPPED
    return abstain_calls(call, p, abstain_below)


def fuse_calibrated(p_pain_calibrated: np.ndarray) -> np.ndarray:
    """(n_timepoints,) one calibrated probability a time point: the mean over the cameras that see a face.

    `p_pain_calibrated` (n_cameras, n_timepoints) 0..1, NaN where a camera has no face; NaN where none has.
    Ours. Both cameras film the same face at the same time, so that what they say is not independent and
    multiplying their odds would count one observation twice. The mean is never surer than the surer camera.
    Of two calibrated probabilities it is, if anything, not sure enough (Ranjan & Gneiting 2010, J R Stat Soc
    B 72:71), and cameras that disagree come out unsure: both err on the side of abstaining.
    """
    p = np.asarray(p_pain_calibrated, dtype=np.float64)
    seen = ~np.isnan(p)
    sums, n_faces = np.where(seen, p, 0).sum(axis=0), seen.sum(axis=0)
    return np.divide(sums, n_faces, out=np.full(p.shape[1:], np.nan), where=n_faces > 0)


def find_call_confidence(call: np.ndarray, p_pain_calibrated: np.ndarray) -> np.ndarray:
    """(n,) calibrated probability, 0..1, of the class that was called; NaN where nothing was called.

    Below 0.5 where the calibrated probabilities, fused, favour the other class than the raw ones do: such a
    call is not sure at all.
    """
    p, call = np.asarray(p_pain_calibrated, dtype=np.float64), np.asarray(call)
    return np.select([call == PAIN, call == NO_PAIN], [p, 1 - p], np.nan)


def abstain_calls(call: np.ndarray, p_pain_calibrated: np.ndarray, abstain_below: float) -> np.ndarray:
    """(n,) the calls, with "not judged" where the confidence in a call of pain or no pain is too low.

    `call` (n,) as `fuse_timepoints` makes it from raw probabilities; `p_pain_calibrated` (n,) of the same
    time points (`fuse_calibrated`). `abstain_below` 0.5..1: a call whose `find_call_confidence` is below it
    is not judged; 0.5: never abstain, the published calls as they are.
    """
    if not NEVER <= abstain_below <= 1:
        raise PainlibError(f"Parameter `abstain_below`: expected 0.5 (never) to 1, got {abstain_below:g}.")
    call = np.array(call, dtype=object)
    if abstain_below > NEVER:
        call[find_call_confidence(call, p_pain_calibrated) < abstain_below] = NOT_JUDGED
    return call


def count_calls(timepoints: pd.DataFrame, by: tuple[str, ...] = ("recording", "subject")) -> pd.DataFrame:
    """One row a recording: n_timepoints, and how many are pain, no pain, not judged and skipped.

    `timepoints`: the columns of `by` and call. n_timepoints = n_pain + n_no_pain + n_not_judged + n_skipped;
    another call is a `PainlibError`.
    """
    unknown = sorted(set(timepoints["call"]) - set(CALLS))
    if unknown:
        raise PainlibError(
            f"Column `call`: expected {', '.join(CALLS)}, got {', '.join(map(repr, unknown))}."
        )
    names = [f"n_{call.replace(' ', '_')}" for call in CALLS]
    flags = pd.DataFrame({name: timepoints["call"] == call for name, call in zip(names, CALLS, strict=True)})
    counted = pd.concat([timepoints[list(by)], flags.assign(n_timepoints=1)], axis=1)
    sums = counted.groupby(list(by), sort=False)[["n_timepoints", *names]].sum()
    return sums.astype("int64").reset_index()

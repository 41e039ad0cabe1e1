"""Calibration fitted to held-out judgements (ours; the paper has none): floor, temperature or isotonic.

Floor: `painlib.calibration.floor`. Temperature: Guo et al. 2017, "On calibration of modern neural networks"
(ICML). Isotonic: Zadrozny & Elkan 2002 (KDD), as scikit-learn fits it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import logit
from sklearn.isotonic import IsotonicRegression

from painlib.calibration.floor import HIGHEST_T, LOWEST_T, fit_floor
from painlib.calibration.judgements import Judgements, read_judgements
from painlib.faults import PainlibError
from painlib.model_card import LABELS, SMALLEST_P, Calibration

Method = Literal["floor", "temperature", "isotonic"]
METHODS = ("floor", "temperature", "isotonic")
NO_BETTER = (
    "On held-out animals the network's probabilities say nothing about the label, or point the wrong way: do "
    "not use this model."
)


def fit_calibration(out_of_fold: pd.DataFrame, method: Method = "floor") -> Calibration:
    """The calibration that fits held-out judgements best, each animal weighing the same.

    `out_of_fold`: subject, label (0 or 1), p_pain, each face judged by a network that never saw its animal;
    label -1 or NaN is left out. Each face weighs 1 / (faces of its animal), so that an animal filmed longer
    does not count for more. "floor": three numbers, by log loss, that know weak labels (`fit_floor`); where
    they cannot be fitted a temperature is, and `remark` says why. "temperature": one number, by log loss.
    "isotonic": a rising step curve, by squared error, which needs many more faces and animals.

    A fit that is not possible gives a calibration of method "none", which changes nothing, and says why in
    `remark`: no faces, one animal, one label, all probabilities equal, or (floor and temperature) not one
    face on the wrong side, where no temperature is best. Where the probabilities say nothing about the label,
    the temperature is the highest (100: everything becomes about 0.5) and `remark` says so.

    Do not score a calibration on the animals that it was fitted to: `cross_calibrate` is for that.
    """
    if method not in METHODS:
        raise PainlibError(f"Expected the method 'floor', 'temperature' or 'isotonic', got {method!r}.")
    judged = read_judgements(out_of_fold)
    facts: dict[str, Any] = {"n_animals": judged.n_animals, "n_faces": len(judged.p)}
    if len(judged.p):
        facts["share_pain"] = min(1.0, float(judged.weight @ judged.truth))
    if remark := _find_obstacle(judged, method):
        return Calibration(method="none", remark=remark, **facts)
    if method == "isotonic":
        return _fit_isotonic(judged, facts)
    temperature = _fit_temperature(judged)
    if temperature > 0.99 * HIGHEST_T:
        return Calibration(method="temperature", temperature=HIGHEST_T, remark=NO_BETTER, **facts)
    if method == "temperature":
        return Calibration(method="temperature", temperature=temperature, **facts)
    found = fit_floor(judged)
    if isinstance(found, str):
        return Calibration(method="temperature", temperature=temperature, remark=found, **facts)
    return Calibration(method="floor", **found._asdict(), **facts)


def fit_fold_calibrations(out_of_fold: pd.DataFrame, method: Method = "floor") -> dict[str, Calibration]:
    """For each fold the calibration fitted to the animals of all other folds.

    How far they agree shows how stable the calibration is. `out_of_fold` as for `fit_calibration`, and fold;
    an animal in two folds is a `PainlibError`.
    """
    if "fold" not in out_of_fold:
        raise PainlibError("Held-out judgements: expected the column fold; it is missing.")
    folds = out_of_fold.groupby("subject")["fold"].nunique()
    if (folds > 1).any():
        raise PainlibError(
            f"Expected each animal to be held out in one fold, got {folds.idxmax()!r} in {folds.max()}."
        )
    fold = out_of_fold["fold"].astype(str)
    return {name: fit_calibration(out_of_fold[fold != name], method) for name in sorted(fold.unique())}


def cross_calibrate(out_of_fold: pd.DataFrame, method: Method = "floor") -> pd.DataFrame:
    """`out_of_fold` with `p_pain_calibrated`: each fold's animals calibrated by a fit to all others.

    No label of an animal enters the fit that its own probabilities go through, so scores of
    `p_pain_calibrated` are those of animals that the calibration did not see.

    What is not apart: the other folds' judgements, to which the calibration is fitted, come from networks
    that did learn from this animal's faces. That lets its faces reach the temperature only through how sure
    those networks are of other animals, not through whether this animal is judged rightly; so it can not
    make this animal look better calibrated than it is, but for that indirect way. Closing it takes a second
    cross-validation inside each fold (as many trainings as pairs of folds). Also, the temperature is that of
    networks trained on all animals but one fold; the final model learned from some more.
    """
    return _calibrate_folds(out_of_fold, method, "p_pain_calibrated", Calibration.apply)


def cross_estimate_shown(out_of_fold: pd.DataFrame, method: Method = "floor") -> pd.DataFrame:
    """`out_of_fold` with `p_pain_shown`: `Calibration.estimate_shown`, fitted to the animals of all other
    folds."""
    return _calibrate_folds(out_of_fold, method, "p_pain_shown", Calibration.estimate_shown)


def _calibrate_folds(
    out_of_fold: pd.DataFrame,
    method: Method,
    column: str,
    turn: Callable[[Calibration, np.ndarray], np.ndarray],
) -> pd.DataFrame:
    fold, p_pain = out_of_fold["fold"].to_numpy(dtype=str), out_of_fold["p_pain"].to_numpy()
    turned = np.full(len(out_of_fold), np.nan)
    for name, calibration in fit_fold_calibrations(out_of_fold, method).items():
        turned[fold == name] = turn(calibration, p_pain[fold == name])
    return out_of_fold.assign(**{column: turned})


def _find_obstacle(judged: Judgements, method: Method) -> str:
    """Why nothing can be fitted, or nothing."""
    if not len(judged.p):
        return "No held-out face has a label."
    if judged.n_animals < 2:
        return f"Only one held-out animal ({judged.subjects[0]}): a calibration would be that animal's own."
    if len(set(judged.truth)) < 2:
        return f"All held-out faces are labelled '{LABELS[judged.truth[0]]}': both labels are needed."
    if np.ptp(judged.p) == 0:
        return f"All held-out faces have the same probability of pain, {judged.p[0]:.3g}."
    margin = _find_margins(judged)
    if method != "isotonic" and (margin >= 0).all():
        return "Every held-out face is judged rightly: no temperature is best."
    return ""


def _find_margins(judged: Judgements) -> np.ndarray:
    """(n,) logit of each face's own label: positive where the call is right."""
    return np.where(judged.truth == 1, 1, -1) * logit(np.clip(judged.p, SMALLEST_P, 1 - SMALLEST_P))


def _fit_temperature(judged: Judgements) -> float:
    """The temperature of least weighted log loss, which has one minimum in it."""
    margin = _find_margins(judged)

    def log_loss(log_t: float) -> float:
        return float(judged.weight @ np.logaddexp(0, -margin * np.exp(-log_t)))

    bounds = (np.log(LOWEST_T), np.log(HIGHEST_T))
    return float(
        np.exp(minimize_scalar(log_loss, bounds=bounds, method="bounded", options={"xatol": 1e-8}).x)
    )


def _fit_isotonic(judged: Judgements, facts: dict[str, Any]) -> Calibration:
    fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    fitted.fit(judged.p, judged.truth, sample_weight=judged.weight)
    knots, values = (np.atleast_1d(part).tolist() for part in (fitted.X_thresholds_, fitted.y_thresholds_))
    flat = values[0] == values[-1]
    return Calibration(
        method="isotonic",
        knots_p=tuple(knots),
        knots_calibrated=tuple(values),
        remark=NO_BETTER if flat else "",
        **facts,
    )

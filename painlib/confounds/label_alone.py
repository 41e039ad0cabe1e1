"""How well each of chance, animal, camera, light and background alone tells the label.

`faces` everywhere: rows of the table `out_of_fold` (recording, subject, camera, frame, label 0 or 1, fold,
p_pain), all of them or some of each recording. Every classifier here learns from other animals than it
judges; the one exception is the animal itself (`check_identity`).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from painlib.confounds.answers import BEYOND_CHANCE, LIMITS, Answer, ConfoundLimits, State, refuse
from painlib.confounds.held_out import AUC, answer_auc, judge_features, judge_score, say_auc, say_too_few
from painlib.confounds.pictures import measure_background, measure_light
from painlib.confounds.swaps import find_band

BACKGROUND_COMPONENTS = 20


def check_chance(faces: pd.DataFrame, seed: int) -> Answer:
    """Is the AUC of the classifier itself (p_pain, animals held out) above its chance band? Raised if not.

    The band (95 %) swaps the labels of the judged recordings and trains nothing anew. It says what AUC two
    recordings of an animal give because they differ anyway, be it only in light, to the networks as they are.
    It is not the null of the whole training: a network's labels are those of the animals it learned from,
    also where these are swapped as judged animals, so that folds are taken as independent.
    """
    trials = judge_score(faces["p_pain"].to_numpy(np.float64), faces, seed)
    n, number = len(trials.animals), float(trials.aucs[0])
    if not trials.swaps.enough:
        why = "Whether the classifier tells more than recordings differ anyway cannot be tested:"
        return refuse("chance", AUC, 0.5, f"{why} {say_too_few(n)}", number, n)
    low, high = find_band(trials.aucs, BEYOND_CHANCE)
    told = say_auc(number, low, high, n)
    verdict: State = "not raised" if number > high else "raised"
    why = (
        f"The classifier tells the label of recordings better than swapped labels {told}."
        if verdict == "not raised"
        else f"The classifier tells the label no better than two recordings of an animal differ anyway "
        f"{told}. Nothing that it says of pain is shown to hold for other animals."
    )
    return Answer("chance", AUC, number, low, high, high, n, verdict, why)


def check_identity(faces: pd.DataFrame, limits: ConfoundLimits = LIMITS) -> Answer:
    """How unequal are the labels over the animals: AUC of the label by each animal's own share of pain faces.

    0.5: every animal has the same share; 1: each has one label only, and who it is tells all. It is counted
    on the very faces that train, so that it has no chance band. With animals held out who it is tells nothing
    by design; but a network that can learn the label from the animal has less reason to learn the face.
    """
    label = faces["label"].to_numpy()
    n = faces["subject"].nunique()
    if len(set(label)) < 2:
        why = "Whether the animal tells the label cannot be tested: all faces have one label."
        return refuse("animal", AUC, limits.auc_alone, why, n=n)
    shares = faces.groupby("subject")["label"].mean()
    number = float(roc_auc_score(label, faces["subject"].map(shares)))
    single = int(((shares == 0) | (shares == 1)).sum())
    told = f"(AUC {number:.2f} of {n} animals' own shares; {single} with one label only; counted, no band)"
    if number >= limits.auc_alone:
        why = (
            f"Animals differ in how many of their faces are pain {told}. The network can learn who is who "
            "instead of the face: give each animal recordings of both labels, of about equal length."
        )
        return Answer("animal", AUC, number, np.nan, np.nan, limits.auc_alone, n, "raised", why)
    why = f"Labels are spread alike over the animals {told}."
    return Answer("animal", AUC, number, np.nan, np.nan, limits.auc_alone, n, "not raised", why)


def check_camera(faces: pd.DataFrame, seed: int, limits: ConfoundLimits = LIMITS) -> Answer:
    """Does the camera alone (one column a camera) tell the label of animals held out?"""
    names = sorted(set(faces["camera"]))
    if len(names) == 1:
        n = faces["subject"].nunique()
        why = f"All faces are of one camera ({names[0]}): it cannot tell the label."
        return Answer("camera", AUC, 0.5, 0.5, 0.5, limits.auc_alone, n, "not raised", why)
    columns = (faces["camera"].to_numpy()[:, None] == np.array(names)).astype(float)
    remedy = "Film both with the same cameras in the same places."
    return _check("camera", columns, faces, seed, limits, "Which camera a face is from", remedy)


def check_brightness(
    pictures: np.ndarray, faces: pd.DataFrame, seed: int, limits: ConfoundLimits = LIMITS
) -> Answer:
    """Do mean, contrast (SD) and colour cast of the picture (n, px, px, 3) alone tell the label?"""
    remedy = "Film both under the same light and exposure."
    light = measure_light(pictures)
    return _check("brightness", light, faces, seed, limits, "The light of the picture", remedy)


def check_background(
    pictures: np.ndarray, faces: pd.DataFrame, seed: int, limits: ConfoundLimits = LIMITS
) -> Answer:
    """Does the picture outside the disk that holds the head, coarse and its light taken out, tell the label?

    The animal's body is seen there too: how it stands can be raised here. `painlib.evidence` asks whether the
    network uses it.
    """
    remedy = "Look for what stands in view in one kind of recording only, and at how the animal is held."
    cells, what = measure_background(pictures), "What lies around the face"
    return _check("background", cells, faces, seed, limits, what, remedy, BACKGROUND_COMPONENTS)


def _check(
    name: str,
    features: np.ndarray,
    faces: pd.DataFrame,
    seed: int,
    limits: ConfoundLimits,
    what: str,
    remedy: str,
    n_components: int | None = None,
) -> Answer:
    def tell(verdict: State, told: str) -> str:
        if verdict == "raised":
            return f"{what} alone tells pain from no-pain recordings {told}. {remedy}"
        if verdict == "not raised":
            return f"{what} alone is not called able to tell pain from no-pain recordings {told}."
        return f"Whether {what[0].lower()}{what[1:]} alone tells the label cannot be tested:"

    trials = judge_features(features, faces, seed, n_components)
    return answer_auc(name, trials, limits.auc_alone, tell)

"""How well features, or a score, tell two labels apart in animals held out, beside all swaps of the labels.

The judge of features is a ridge regression on the label: a linear discriminant whose answers are linear in
the labels it learns from, so that it is learned anew for every swap at the price of one. What is refitted:
the regression, for every swap and every animal held out. Scaling and principal components know no labels;
they are fitted for every animal held out, on the others. Each recording weighs the same, however many faces
it has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA

from painlib.confounds.answers import Answer, Measure, State, refuse
from painlib.confounds.swaps import (
    LEAST_ANIMALS,
    LEAST_WAYS,
    ROUNDING,
    Swaps,
    compute_aucs,
    find_band,
    list_swaps,
)
from painlib.faults import PainlibError

RIDGE = 0.01  # beside features of variance 1: keeps the regression defined, and hardly changes it
AUC: Measure = "AUC"


@dataclass(frozen=True)
class Trials:
    """`aucs` (n_ways,): mean AUC over the held-out animals for each way of labelling, the true one first;
    `animals`: AUC of each animal as labelled; `swaps`: the ways."""

    aucs: np.ndarray
    animals: pd.Series
    swaps: Swaps


def judge_features(
    features: np.ndarray, faces: pd.DataFrame, seed: int, n_components: int | None = None
) -> Trials:
    """Learn the label from `features` (n, d) of all animals but one, judge that one; for all swaps.

    `faces`: their n rows (recording, subject, label 0 or 1). `n_components`: the features are first reduced
    to so many principal components.
    """
    _check(len(features), faces)
    swaps = list_swaps(faces, seed)
    codes = _encode(faces, swaps)
    owner = swaps.recordings["subject"].to_numpy(str)
    means: dict[str, np.ndarray] = {}
    for name in swaps.swappable:
        test = owner[codes] == name
        others = np.flatnonzero(owner != name)
        if not len(others):
            break
        train, judged = _scale(features[~test], features[test], n_components, seed)
        weights = _learn(train, codes[~test], others, swaps.labels[:, others])
        means[name] = _judge_animal(judged @ weights, codes[test], owner == name, swaps.labels)
    return _gather(means, swaps)


def judge_score(score: np.ndarray, faces: pd.DataFrame, seed: int) -> Trials:
    """The same for a score (n,) that is there already and is not learned anew for a swap."""
    _check(len(score), faces)
    swaps = list_swaps(faces, seed)
    codes = _encode(faces, swaps)
    owner = swaps.recordings["subject"].to_numpy(str)
    means = {}
    for name in swaps.swappable:
        test = owner[codes] == name
        means[name] = _judge_animal(score[test, None], codes[test], owner == name, swaps.labels)
    return _gather(means, swaps)


def answer_auc(name: str, trials: Trials, limit: float, tell: Callable[[State, str], str]) -> Answer:
    """Hold the AUC against its band and `limit`; `tell` puts verdict and numbers into a sentence."""
    n = len(trials.animals)
    number = float(trials.aucs[0]) if n else float("nan")
    if not trials.swaps.enough:
        return refuse(name, AUC, limit, f"{tell('cannot be tested', '')} {say_too_few(n)}", number, n)
    low, high = find_band(trials.aucs)
    verdict: State = "raised" if number > high and number >= limit else "not raised"
    why = tell(verdict, say_auc(number, low, high, n))
    if verdict == "not raised" and number > high:
        why += f" That is more than chance, and less than the {limit:.2f} from which it is raised (ours)."
    return Answer(name, AUC, number, low, high, limit, n, verdict, why)


def say_auc(number: float, low: float, high: float, n: int) -> str:
    """The numbers of an AUC, in brackets."""
    return f"(AUC {number:.2f} in {n} animals held out; chance {low:.2f} to {high:.2f})"


def say_too_few(n: int) -> str:
    """Why there is no band."""
    animals = "1 animal has" if n == 1 else f"{n} animals have"
    return (
        f"{animals} recordings of both kinds; a chance band takes {LEAST_ANIMALS} animals and {LEAST_WAYS} "
        "ways of swapping their recordings, which eight animals with two recordings each have."
    )


def _check(n: int, faces: pd.DataFrame) -> None:
    missing = [name for name in ("recording", "subject", "label") if name not in faces]
    if missing or len(faces) != n:
        raise PainlibError(
            f"Expected {n} faces with recording, subject and label, got {len(faces)}"
            + (f" without {', '.join(missing)}." if missing else ".")
        )


def _encode(faces: pd.DataFrame, swaps: Swaps) -> np.ndarray:
    """(n,) which recording each face is of."""
    return pd.Index(swaps.recordings["recording"]).get_indexer(faces["recording"])


def _scale(
    train: np.ndarray, test: np.ndarray, n_components: int | None, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Both with mean 0 and SD 1 on `train`, after its principal components where asked for."""
    if n_components is not None:
        components = PCA(min(n_components, *train.shape), random_state=seed).fit(train)
        train, test = components.transform(train), components.transform(test)
    train, test = train.astype(np.float64), test.astype(np.float64)
    centre, spread = train.mean(axis=0), train.std(axis=0)
    spread[spread < 1e-9] = 1.0
    return (train - centre) / spread, (test - centre) / spread


def _learn(train: np.ndarray, codes: np.ndarray, others: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Weights (d, n_ways) of the regression on labels (n_ways, n_others), recordings counted alike."""
    place = np.searchsorted(others, codes)
    sizes = np.bincount(place, minlength=len(others))
    means = np.zeros((len(others), train.shape[1]))
    np.add.at(means, place, train)
    means /= sizes[:, None]
    centre = means.mean(axis=0)
    weighted = (train - centre) / np.sqrt(sizes[place] * len(others))[:, None]
    spread = weighted.T @ weighted + RIDGE * np.eye(train.shape[1])
    towards = (means - centre).T @ (labels - labels.mean(axis=1, keepdims=True)).T / len(others)
    return np.linalg.solve(spread, towards)


def _judge_animal(scores: np.ndarray, codes: np.ndarray, own: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """AUC (n_ways,) of one animal, whose recordings are `own` (n_recordings,) bool."""
    return compute_aucs(scores, np.searchsorted(np.flatnonzero(own), codes), labels[:, own])


def _gather(means: dict[str, np.ndarray], swaps: Swaps) -> Trials:
    animals = pd.Series({name: aucs[0] for name, aucs in means.items()}, dtype=float)
    each = np.stack(list(means.values())) if means else np.full((1, 1), np.nan)
    together = np.round(each.mean(axis=0), ROUNDING)
    return Trials(together, animals, swaps)

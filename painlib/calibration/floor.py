"""A calibration that knows weak labels: some faces of recordings labelled "pain" show none (ours).

Labels err one way. A face of a recording of no pain shows none, by design of the experiment; one filmed after
the treatment carries the label pain whether it shows it or not. So

    P(label pain | face) = floor + (1 - floor) * sigmoid(logit(p) / temperature + offset),

where the sigmoid is the probability that the face shows pain as far as the network can see it, and `floor`
the share of label pain among faces that show none. It is the class-conditional noise of Natarajan et al.
2013 (NeurIPS 26), of one class only, around Platt's (1999) sigmoid; no temperature makes a floor. The other
end has no parameter: what is surely pain is so labelled.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from painlib.calibration.judgements import Judgements
from painlib.model_card import SMALLEST_P

# Three numbers of fewer animals are that of these animals: on drawn animals (the demonstration's seed 1) a
# floor fitted to 2 to 4 animals judged others worse than a temperature did, one fitted to 6 or 9 did not.
FEWEST_ANIMALS = 6
LOWEST_T, HIGHEST_T = 0.01, 100.0
LOWEST_FLOOR, HIGHEST_FLOOR = 0.001, 0.95
LARGEST_OFFSET = 20.0
_STARTS = ((0.0, 0.05), (-2.0, 0.2), (-1.0, 0.4))  # offset, floor


class Floor(NamedTuple):
    """What is fitted; `temperature` above 0, `floor` 0.001 to 0.95."""

    temperature: float
    offset: float
    floor: float


def fit_floor(judged: Judgements) -> Floor | str:
    """The floor, temperature and offset of least weighted log loss; or why there are none, in words.

    There are none for fewer than FEWEST_ANIMALS animals; where the floor goes to 0 (no weak label: then a
    temperature is all there is to fit); and where temperature or offset run away, as they do where one
    threshold tells the faces apart, so that nothing says how steep the curve is.
    """
    if judged.n_animals < FEWEST_ANIMALS:
        return f"No floor is fitted to {judged.n_animals} animals; {FEWEST_ANIMALS} are needed."
    score = logit(np.clip(judged.p, SMALLEST_P, 1 - SMALLEST_P))
    bounds = [
        (np.log(1 / HIGHEST_T), np.log(1 / LOWEST_T)),
        (-LARGEST_OFFSET, LARGEST_OFFSET),
        (LOWEST_FLOOR, HIGHEST_FLOOR),
    ]
    options = {"maxiter": 500, "ftol": 1e-14, "gtol": 1e-9}
    found = [
        minimize(
            _log_loss, (0.0, *start), (score, judged), "L-BFGS-B", jac=True, bounds=bounds, options=options
        )
        for start in _STARTS
    ]
    best = min(found, key=lambda one: one.fun).x
    inner = [low + 0.01 < value < high - 0.01 for value, (low, high) in zip(best, bounds, strict=True)]
    if not all(inner[:2]) or best[2] >= 0.99 * HIGHEST_FLOOR:
        return "No floor: one threshold tells nearly all held-out faces apart, or none does."
    if best[2] <= 1.01 * LOWEST_FLOOR:
        return "No floor: of the faces that show no pain hardly one is labelled pain."
    return Floor(float(np.exp(-best[0])), float(best[1]), float(best[2]))


def _log_loss(at: np.ndarray, score: np.ndarray, judged: Judgements) -> tuple[float, np.ndarray]:
    """Weighted log loss at (log of 1 / temperature, offset, floor), and its gradient."""
    steepness, (offset, floor) = np.exp(at[0]), at[1:]
    pain = judged.truth == 1
    x = steepness * score + offset
    # Of a face labelled pain -log(floor + (1 - floor) s(x)), written so that it overflows nowhere.
    loss = np.where(
        pain,
        np.logaddexp(0, -x) - np.logaddexp(0, np.log(floor) - x),
        np.logaddexp(0, x) - np.log1p(-floor),
    )
    by_floor_alone = expit(np.log(floor) - x)
    slope = judged.weight * np.where(pain, by_floor_alone - expit(-x), expit(x))
    rise = judged.weight @ np.where(pain, -by_floor_alone / floor, 1 / (1 - floor))
    return float(judged.weight @ loss), np.array([steepness * (slope @ score), slope.sum(), rise])

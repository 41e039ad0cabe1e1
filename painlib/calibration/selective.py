"""Does the network know when it does not know? Risk against coverage when the least sure faces are left out.

El-Yaniv & Wiener 2010 (JMLR 11:1605); Geifman & El-Yaniv 2017 (NeurIPS). Each animal weighs the same;
intervals draw animals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from painlib.calibration.judgements import Judgements, draw_animals, find_interval, read_judgements
from painlib.model_card import SMALLEST_P

N_RESAMPLES = 999  # each sorts through all faces
N_POINTS = 100
SUMMARY = ("aurc", "risk", "aurc_gain", "accuracy", "accuracy_half", "accuracy_half_gain")


@dataclass(frozen=True)
class RiskCoverage:
    """What leaving out the least sure faces does.

    `curve`: one row a coverage (0.01 to 1): coverage (share of faces judged, animals alike), abstain_below
    (the least confidence among them), risk (share judged wrongly), ci_low, ci_high, n_faces, n_animals (that
    still have a face judged). `summary`: measure, value, ci_low, ci_high, n_animals, n_faces of: aurc, the
    area under the curve (lower is better); risk at full coverage, which is also the area that abstaining at
    random is expected to have; aurc_gain, the second minus the first (above 0: better than at random);
    accuracy at full coverage; accuracy_half, of the surer half; accuracy_half_gain, the difference.
    """

    curve: pd.DataFrame
    summary: pd.DataFrame


def score_abstention(
    judged: pd.DataFrame,
    column: str = "p_pain_calibrated",
    truth: str = "label",
    seed: int = 0,
    resamples: int = N_RESAMPLES,
) -> RiskCoverage:
    """Risk against coverage by confidence, max(p, 1 - p) of `column`; a face is called pain above 0.5.

    `judged`, `truth` as for `reliability_table`. The area is the mean, over faces from the surest to the
    least sure, of the share of errors so far; faces of equal confidence are taken in random order, in
    expectation. Intervals are 95 %, percentiles over resampled animals, NaN with one animal. Without faces
    the curve is empty and the summary NaN.
    """
    faces = read_judgements(judged, column, truth)
    ranked = _rank(faces)
    counts = draw_animals(faces.n_animals, seed, resamples if faces.n_animals > 1 else 0)
    grid = np.arange(1, N_POINTS + 1) / N_POINTS
    every = np.ones(faces.n_animals)
    area, risks = _follow(ranked, every, grid)
    drawn = [_follow(ranked, count, grid) for count in counts]
    drawn_area = np.array([one for one, _ in drawn])
    drawn_risks = np.array([one for _, one in drawn]).reshape(-1, N_POINTS)
    facts = {"n_animals": faces.n_animals, "n_faces": len(faces.p)}
    values, resampled = _summarise(area, risks), _summarise(drawn_area, drawn_risks.T)
    rows = []
    for measure in SUMMARY:
        low, high = find_interval(resampled[measure], faces.n_animals)
        row = {"measure": measure, "value": float(values[measure]), "ci_low": low, "ci_high": high}
        rows.append(row | facts)
    return RiskCoverage(_tabulate(ranked, grid, risks, drawn_risks), pd.DataFrame(rows))


@dataclass(frozen=True)
class _Ranked:
    """Faces from the surest to the least sure. `error` 0 or 1; `starts`: where each run of equal confidence
    begins; `length` (n_runs,); all others (n,)."""

    confidence: np.ndarray
    error: np.ndarray
    animal: np.ndarray
    weight: np.ndarray
    starts: np.ndarray
    length: np.ndarray


def _rank(faces: Judgements) -> _Ranked:
    confidence = np.maximum(faces.p, 1 - faces.p)
    order = np.argsort(-confidence, kind="stable")
    confidence = confidence[order]
    # Closer than this, two confidences differ by rounding only.
    new = np.diff(confidence, prepend=np.inf) < -(SMALLEST_P**2)
    starts = np.flatnonzero(new)
    error = ((faces.p > 0.5) != (faces.truth == 1)).astype(np.float64)[order]
    length = np.diff(starts, append=len(order))
    return _Ranked(confidence, error, faces.animal[order], faces.weight[order], starts, length)


def _follow(ranked: _Ranked, count: np.ndarray, grid: np.ndarray) -> tuple[float, np.ndarray]:
    """Area under the curve, and the risk at each coverage of `grid`, with each animal `count` times."""
    if not len(ranked.error):
        return np.nan, np.full(len(grid), np.nan)
    weight = ranked.weight * count[ranked.animal]
    run, wrong = (np.add.reduceat(values, ranked.starts) for values in (weight, weight * ranked.error))
    share = np.divide(wrong, run, out=np.zeros_like(run), where=run > 0)
    judged = np.cumsum(weight)
    errors = np.cumsum(weight * np.repeat(share, ranked.length))
    risk = np.divide(errors, judged, out=np.zeros_like(errors), where=judged > 0)
    reached = np.interp(grid * judged[-1], np.append(0, judged), np.append(0, errors))
    return float(weight @ risk / judged[-1]), reached / (grid * judged[-1])


def _summarise(area: float | np.ndarray, risks: np.ndarray) -> dict[str, np.ndarray]:
    """SUMMARY from area and risks (points,) or (points, resamples)."""
    full, half = risks[-1], risks[N_POINTS // 2 - 1]
    return {
        "aurc": np.asarray(area),
        "risk": full,
        "aurc_gain": full - area,
        "accuracy": 1 - full,
        "accuracy_half": 1 - half,
        "accuracy_half_gain": full - half,
    }


def _tabulate(ranked: _Ranked, grid: np.ndarray, risks: np.ndarray, drawn: np.ndarray) -> pd.DataFrame:
    """The curve's rows."""
    rows = []
    judged = np.cumsum(ranked.weight)
    first_seen = np.unique(ranked.animal, return_index=True)[1]
    for place, coverage in enumerate(grid if len(ranked.error) else ()):
        # The face that the coverage is reached with; rounding must not ask for one more.
        last = min(int(np.searchsorted(judged, coverage - 1e-9)), len(judged) - 1)
        low, high = find_interval(drawn[:, place], len(first_seen))
        rows.append(
            {
                "coverage": coverage,
                "abstain_below": ranked.confidence[last],
                "risk": risks[place],
                "ci_low": low,
                "ci_high": high,
                "n_faces": last + 1,
                "n_animals": int((first_seen <= last).sum()),
            }
        )
    columns = ["coverage", "abstain_below", "risk", "ci_low", "ci_high", "n_faces", "n_animals"]
    return pd.DataFrame(rows, columns=columns)

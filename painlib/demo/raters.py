"""Simulated raters of the demonstration: known bias and noise around the drawn truth, written as csv.

A rater sees the truth of a unit (0 to 2) shifted by the rater's bias, with normal noise, and writes down the
nearest of 0, 1, 2. All numbers are ours. What agreement that makes is known exactly (`find_built_in_icc`), so
that the agreement which is found can be held against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import norm

from painlib.tables import write_csv

from .cast import CAMERAS, DemoParams, Take, seed_stream
from .individuals import ACTION_UNITS

if TYPE_CHECKING:
    import pandas as pd

RATER_STREAM = 60  # of `seed_stream`; no other stream has this number
EDGES = (0.5, 1.5)  # between 0, 1 and 2
MISSING_CODE = -1
MISSED = 0.02  # share of units that a rater cannot judge
BLURRED_PX = 0.9  # a face out of focus by more (px at 480 px width) is rejected by most
REJECTS_BLURRED, REJECTS_SHARP = 0.8, 0.01


@dataclass(frozen=True)
class Rater:
    """How a rater differs from the truth of a unit, in points of 0 to 2."""

    name: str
    bias: float
    noise: float


RATERS = (Rater("rater 1", 0.0, 0.25), Rater("rater 2", 0.15, 0.35), Rater("rater 3", -0.2, 0.45))


def simulate_scores(truth: np.ndarray, rater: Rater, rng: np.random.Generator) -> np.ndarray:
    """Scores (n, units) int64, 0 to 2, of the true action units `truth` (n, units), 0 to 2."""
    seen = truth + rater.bias + rater.noise * rng.standard_normal(truth.shape)
    return np.digitize(seen, EDGES)


def find_built_in_icc(truth: np.ndarray, raters: tuple[Rater, ...] = RATERS) -> tuple[np.ndarray, np.ndarray]:
    """ICC(2,1) and ICC(2,k) that these raters have for the truths `truth` (n, units): (units + 1,) each.

    Exact for endlessly many faces whose truths are distributed as in `truth`; the last entry is of the total,
    the sum of the units. From the chances of 0, 1 and 2 that bias and noise give each truth, and so from the
    components of variance, without drawing: Shrout & Fleiss 1979, mean squares in expectation.
    """
    means, variances = [], []
    for rater in raters:
        below = norm.cdf((np.array(EDGES)[:, None, None] - truth - rater.bias) / rater.noise)
        chances = np.stack([below[0], below[1] - below[0], 1 - below[1]])
        mean = chances[1] + 2 * chances[2]
        means.append(mean)
        variances.append(chances[1] + 4 * chances[2] - mean**2)
    expected, noise = (np.stack([_with_total(values) for values in found]) for found in (means, variances))
    k = len(raters)
    row_noise = noise.sum(axis=0).mean(axis=0)  # of the k scores of one face together
    between = expected.mean(axis=0).var(axis=0) + row_noise / k**2  # mean square of faces, / k
    column = expected.mean(axis=1)
    rater_variance = column.var(axis=0, ddof=1)
    apart = expected - expected.mean(axis=0) - (column - column.mean(axis=0))[:, None]
    error = ((apart**2).sum(axis=0).mean(axis=0) + row_noise * (k - 1) / k) / (k - 1)
    msr = k * between
    one = (msr - error) / (msr + (k - 1) * error + k * rater_variance)
    return one, (msr - error) / (msr + rater_variance)


def write_rater_scores(folder: Path, params: DemoParams, takes: list[Take]) -> list[Path]:
    """Write the score files of three raters under `folder`/scores: every labelled frame that shows a face.

    Two raters in one wide csv with -1 for units that they could not judge and a column of rejected faces; the
    third in a long csv under other names, rejected faces written as "blurry". Reads the truth tables.
    """
    import pandas as pd

    rng = np.random.default_rng(seed_stream(params, RATER_STREAM))
    truths = []
    for take in takes:
        for camera in CAMERAS if take.label else ():
            truth = pd.read_parquet(folder / "truth" / f"{take.recording}_{camera}.parquet")
            facing = truth["nose_visible"] & (truth["right_eye_visible"] | truth["left_eye_visible"])
            truths.append(truth[facing].assign(recording=take.recording, camera=camera))
    faces = pd.concat(truths, ignore_index=True)
    tables = [_fill_sheet(faces, params, rater, rng) for rater in RATERS]
    wide = pd.concat(tables[:2], ignore_index=True)
    return [
        write_csv(wide, folder / "scores" / "raters_1_and_2.csv"),
        write_csv(_make_long(tables[2]), folder / "scores" / "rater_3.csv"),
    ]


def _fill_sheet(
    faces: pd.DataFrame, params: DemoParams, rater: Rater, rng: np.random.Generator
) -> pd.DataFrame:
    """One rater's wide table: recording, camera, frame, rater, rejected, the five units."""
    scores = simulate_scores(faces[list(ACTION_UNITS)].to_numpy(), rater, rng)
    scores[rng.random(scores.shape) < MISSED] = MISSING_CODE
    blur = np.maximum(faces["defocus_px"], faces["motion_px"] / 4) * 480 / params.width
    rejected = rng.random(len(faces)) < np.where(blur > BLURRED_PX, REJECTS_BLURRED, REJECTS_SHARP)
    sheet = faces[["recording", "camera", "frame"]].assign(rater=rater.name, rejected=rejected.astype(int))
    sheet[list(ACTION_UNITS)] = np.where(rejected[:, None], MISSING_CODE, scores)
    return sheet


def _make_long(sheet: pd.DataFrame) -> pd.DataFrame:
    """The same as another laboratory may keep it: a row a unit, own names, words for what is not scored."""
    keys = ["recording", "camera", "frame", "rater", "rejected"]
    long = sheet.melt(keys, list(ACTION_UNITS), "unit", "score")
    texts = long["score"].astype(str).where(long["score"] != MISSING_CODE, "NA")
    long["score"] = texts.where(long["rejected"] == 0, "blurry")
    long["unit"] = long["unit"].str.split("_").str[0].replace("orbital", "eye")
    return long.drop(columns="rejected").sort_values(keys[:3], kind="stable")


def _with_total(values: np.ndarray) -> np.ndarray:
    """(n, units + 1): the units and their sum; noise of units is independent, so variances add too."""
    return np.column_stack([values, values.sum(axis=1)])

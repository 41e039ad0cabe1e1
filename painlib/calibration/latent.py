"""Probabilities against the pain that a drawn cohort's animals have: what weak labels only stand for."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from painlib.calibration.fitting import Method, cross_estimate_shown
from painlib.calibration.scores import mark_latent_pain, score_calibration

COLUMNS = {"raw": "p_pain", "calibrated": "p_pain_calibrated", "shown": "p_pain_shown"}


def score_latent(judged: pd.DataFrame, cohort: str | Path, method: Method, seed: int = 0) -> pd.DataFrame:
    """`score_calibration` of held-out judgements against latent pain; without rows where it is not known.

    `judged`: of `cross_calibrate`. `cohort`: the cohort's table; a drawn one has the folder `truth` beside
    it. Faces with latent pain from 0.5 on count as pain, up to 0.1 as none, the others are left out. Rows for
    the raw probabilities, the calibrated ones, which are calibrated to the weak label and therefore wrong
    here by design, and those with the label's error taken out (`Calibration.estimate_shown`).
    """
    truth = Path(cohort).parent / "truth"
    table = cross_estimate_shown(judged, method)
    keys = ["recording", "camera", "frame"]
    if truth.is_dir():
        known = [
            pd.read_parquet(truth / f"{recording}_{camera}.parquet").assign(
                recording=recording, camera=camera
            )
            for recording, camera in judged[keys[:2]].drop_duplicates().itertuples(index=False)
        ]
        table = table.merge(pd.concat(known)[[*keys, "latent_pain"]], on=keys, how="left", validate="1:1")
        table["latent"] = mark_latent_pain(table["latent_pain"])
        if table["latent"].notna().any():
            return score_calibration(table, "latent", COLUMNS, seed=seed)
    return score_calibration(table, "label", COLUMNS, seed=seed).iloc[:0]

"""Faces into recordings, animals and one number: the animal is the unit."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

N_RESAMPLES = 9999
FACE_MEASURES = (
    "p_pain",
    "p_face_only",
    "p_surroundings_only",
    "p_pain_surroundings",
    "p_no_pain_surroundings",
    "follows_surroundings",
    "moved_face_only",
    "moved_surroundings_only",
    "area_outside",
    "evidence_outside",
)
ANIMAL_MEASURES = (
    "follows_surroundings",
    "follows_face",
    "auc",
    "auc_face_only",
    "auc_surroundings_only",
    "moved_face_only",
    "moved_surroundings_only",
    "area_outside",
    "evidence_outside",
)
AUC_OF = {
    "auc": "p_pain",
    "auc_face_only": "p_face_only",
    "auc_surroundings_only": "p_surroundings_only",
}


def summarise_recordings(table: pd.DataFrame) -> pd.DataFrame:
    """Means of FACE_MEASURES, one row a recording: recording, subject, label, n_faces, ..."""
    grouped = table.groupby(["recording", "subject"], sort=True)
    means = grouped[list(FACE_MEASURES)].mean()
    means.insert(0, "n_faces", grouped.size())
    means.insert(0, "label", grouped["label"].agg(lambda labels: "/".join(sorted(set(labels)))))
    return means.reset_index()


def summarise_animals(table: pd.DataFrame, classes: np.ndarray) -> pd.DataFrame:
    """ANIMAL_MEASURES, one row an animal, its recordings counted alike; `classes` (n_faces,) 0, 1 or -1."""
    mixed = (table["p_pain_surroundings"] + table["p_no_pain_surroundings"]).to_numpy() / 2
    rows = []
    for subject, places in table.groupby("subject", sort=True).indices.items():
        own, code = table.iloc[places], classes[places]
        by_recording = own.groupby("recording")[[name for name in ANIMAL_MEASURES if name in FACE_MEASURES]]
        row = {
            "subject": subject,
            "n_recordings": by_recording.ngroups,
            "n_no_pain": int((code == 0).sum()),
            "n_pain": int((code == 1).sum()),
            **by_recording.mean().mean().to_dict(),
        }
        if {0, 1} <= set(code):
            row["follows_face"] = mixed[places][code == 1].mean() - mixed[places][code == 0].mean()
            for measure, column in AUC_OF.items():
                row[measure] = roc_auc_score(code[code >= 0], own[column].to_numpy()[code >= 0])
        rows.append(row)
    return pd.DataFrame(rows, columns=["subject", "n_recordings", "n_no_pain", "n_pain", *ANIMAL_MEASURES])


def summarise_overall(animals: pd.DataFrame, seed: int) -> pd.DataFrame:
    """One row a measure: measure, mean, ci_low, ci_high, n_animals (those that have it).

    The interval is that of the mean over animals, 95 %, animals drawn with replacement; NaN below two
    animals.
    """
    rows = []
    for measure in ANIMAL_MEASURES:
        values = animals[measure].dropna().to_numpy(np.float64)
        low, high = np.nan, np.nan
        if len(values) > 1:
            drawn = np.random.default_rng(seed).choice(values, size=(N_RESAMPLES, len(values)))
            low, high = np.quantile(drawn.mean(axis=1), [0.025, 0.975])
        rows.append((measure, values.mean() if len(values) else np.nan, low, high, len(values)))
    return pd.DataFrame(rows, columns=["measure", "mean", "ci_low", "ci_high", "n_animals"])

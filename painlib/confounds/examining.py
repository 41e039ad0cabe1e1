"""All questions in one go, as `02b_confounds` asks them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from painlib.baseline import describe_faces
from painlib.confounds.answers import LIMITS, ConfoundLimits, collect_verdicts
from painlib.confounds.disputed import check_labels, compare_training, find_disputed
from painlib.confounds.label_alone import (
    check_background,
    check_brightness,
    check_camera,
    check_chance,
    check_identity,
)
from painlib.confounds.near_duplicates import check_near_duplicates, find_near_duplicates
from painlib.confounds.pictures import PICTURE_PX, pick_faces, shrink_faces
from painlib.confounds.untreated import check_time, check_time_score, note_reach
from painlib.faults import PainlibError


@dataclass(frozen=True)
class Confounds:
    """`verdicts`: one row a question (`collect_verdicts`). `disputed`: the out-of-fold table with a column
    disputed. `comparison`: training with and without disputed faces (`compare_training`). `near_duplicates`:
    pairs of nearly equal pictures across folds."""

    verdicts: pd.DataFrame
    disputed: pd.DataFrame
    comparison: pd.DataFrame
    near_duplicates: pd.DataFrame


def examine_confounds(
    inputs: np.ndarray,
    out_of_fold: pd.DataFrame,
    arm_inputs: np.ndarray,
    arm_faces: pd.DataFrame,
    seed: int,
    faces_per_recording: int = 100,
    limits: ConfoundLimits = LIMITS,
    reach: str = "",
) -> Confounds:
    """Ask every question of QUESTIONS.

    `inputs` (n, px, px, 3) uint8 and `out_of_fold`, their n rows (recording, subject, camera, frame, label,
    fold, p_no_pain, p_pain): the labelled faces. `arm_inputs` (m, px, px, 3) and `arm_faces`, their m rows
    (`pick_arm_faces`: recording, subject, label 0 early, 1 late) with p_pain (`score_arm`): animals without
    pain; no rows where there are none; `reach`: how long they were filmed (`describe_reach`), said where time
    was tested and not raised. Pictures are looked at in `faces_per_recording` faces of each
    recording, at 64 px.
    """
    for images, table, whose in ((inputs, out_of_fold, "labelled"), (arm_inputs, arm_faces, "untreated")):
        if len(images) != len(table):
            raise PainlibError(
                f"Confounds: expected one picture a row of the {whose} faces, got {len(images)} pictures and "
                f"{len(table)} rows. Give the faces that were judged, in their order."
            )
    rows = pick_faces(out_of_fold, faces_per_recording, seed)
    disputed = find_disputed(out_of_fold)
    pairs = find_near_duplicates(inputs, out_of_fold, seed)
    sample, pictures = disputed.iloc[rows].reset_index(drop=True), shrink_faces(inputs, rows)
    features = describe_faces(pictures)
    arm_faces = arm_faces.reset_index(drop=True)
    arm_features = _describe_arm(arm_inputs)
    time = [
        note_reach(answer, reach)
        for answer in (
            check_time(arm_features, arm_faces, seed, limits),
            check_time_score(arm_faces["p_pain"].to_numpy(np.float64), arm_faces, seed, limits),
        )
    ]
    verdicts = collect_verdicts(
        [
            check_chance(out_of_fold, seed),
            *time,
            check_identity(out_of_fold, limits),
            check_camera(sample, seed, limits),
            check_brightness(pictures, sample, seed, limits),
            check_background(pictures, sample, seed, limits),
            check_labels(disputed, limits),
            check_near_duplicates(pairs, out_of_fold, seed, limits),
        ]
    )
    return Confounds(verdicts, disputed, compare_training(features, sample, seed), pairs)


def check_same_faces(faces: pd.DataFrame, out_of_fold: pd.DataFrame) -> None:
    """Raise `PainlibError` unless both tables hold the same faces (recording, camera, frame) in one order."""
    key = ["recording", "camera", "frame"]
    ours, theirs = (table[key].reset_index(drop=True).astype(str) for table in (faces, out_of_fold))
    if not ours.equals(theirs):
        raise PainlibError(
            f"Expected the faces that 02_train judged, in their order, got {len(ours)} faces and "
            f"{len(theirs)} judgements that do not belong together: the cohort table or the faces changed "
            "since. Run 02_train again."
        )


def _describe_arm(inputs: np.ndarray) -> np.ndarray:
    if not len(inputs):
        return np.empty((0, 0), np.float32)
    return describe_faces(shrink_faces(inputs, np.arange(len(inputs)), PICTURE_PX))

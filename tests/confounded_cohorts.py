"""Drawn cohorts with and without a confound: treated animals, filmed before and after, and untreated ones.

Straight from the drawing to faces, as in `leaky_cohorts`. Instead of a network the baseline (HOG, 50
principal components, logistic regression) judges, in the same cross-validation with animals apart, taught
each face and its mirror image, as the network is: the questions ask what the pictures and labels give away,
and not who judges; a cohort then costs seconds. What the confounds look like was fixed before any cohort was
tried: plain to see in a face. The seeds 31 and 901 to 904 were used while this was written.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
from leaky_cohorts import CROP_PX, HEIGHT, INPUT_PX, PAIN_MINUTES, POSE_ERROR_PX, WIDTH, _choose_frames

from painlib.baseline import describe_faces
from painlib.cohort import Recording
from painlib.confounds import (
    Confounds,
    examine_confounds,
    find_untreated_arm,
    pick_arm_faces,
    score_arm,
)
from painlib.confounds.disputed import _fit_predict
from painlib.demo.cast import CAMERAS, Animal, DemoParams, Take, seed_stream, simulate_take
from painlib.demo.head import render
from painlib.demo.stage import make_camera
from painlib.faces.crop import apply_rules, cut_square, find_centres, place_square
from painlib.validation import split_animals

CONFOUNDS = ("none", "time", "brightness", "mislabelled animals")
UNTREATED = "untreated"
BANDING = 8.0  # grey levels at the end of the session, from 0 at its start: a sensor that warms
BANDING_PX = 4.0  # of 64
LAMP = 1.3  # times the light in pain recordings
MISLABELLED = 2  # animals
FOLDS = 4


@dataclass(frozen=True)
class DrawnCohort:
    """`pictures` (n, 64, 64, 3) uint8 and `faces`, their n rows: recording, subject, camera, frame, time_s,
    phase, treatment, label (0 or 1, -1 without), session (0 to 1, from the start of the first recording to
    the end of the second)."""

    pictures: np.ndarray
    faces: pd.DataFrame

    def take(self, rows: np.ndarray) -> DrawnCohort:
        """Some of the faces, by position."""
        return DrawnCohort(self.pictures[rows], self.faces.iloc[rows].reset_index(drop=True))


def draw_cohort(
    seed: int, n_treated: int = 12, n_untreated: int = 12, n_faces: int = 40, n_untreated_faces: int = 40
) -> DrawnCohort:
    """So many faces of each recording: before and after acetic acid, and as far apart without anything."""
    params = DemoParams(
        seed=seed, strength=1.0, coat="white", width=WIDTH, height=HEIGHT, fps=2.0, workers=1,
        training_animals=n_treated, training_minutes=PAIN_MINUTES, assay_animals_per_group=0,
        assay_pre_minutes=1, assay_post_minutes=1, label_frames_per_video=1, label_animals=1,
    )  # fmt: skip
    cameras = {name: make_camera(name, WIDTH, HEIGHT) for name in CAMERAS}
    pictures, rows = [], []
    for number, take in enumerate(_list_takes(n_treated, n_untreated)):
        animal, behaviour = simulate_take(params, take)
        rng = np.random.default_rng(seed_stream(params, 98, number))
        found, wanted = 0, n_untreated_faces if take.animal.treatment == UNTREATED else n_faces
        for frame, name in _choose_frames(behaviour, rng):
            if found == wanted:
                break
            shot = behaviour.shot(frame, cameras[name])
            drawing = render(animal, behaviour.pose(frame), behaviour.face(frame), cameras[name], shot)
            rule = apply_rules(drawing.visible[None].astype(float), 0.9)
            if not rule[0]:
                continue
            points = drawing.keypoints + rng.normal(0, POSE_ERROR_PX, (3, 2))
            square = place_square(find_centres(points[None], rule)[0], CROP_PX, WIDTH, HEIGHT, "shift")
            crop = cut_square(drawing.image, square, CROP_PX)
            pictures.append(cv2.resize(crop, (INPUT_PX, INPUT_PX), interpolation=cv2.INTER_AREA))
            time_s = float(behaviour.time_s[frame])
            session = 0.5 * (take.phase == "post") + 0.5 * time_s / (60 * PAIN_MINUTES)
            label = {"pain": 1, "no pain": 0, "": -1}[take.label]
            rows.append((take.recording, take.animal.subject, name, frame, time_s, take.phase,
                         take.animal.treatment, label, session))  # fmt: skip
            found += 1
    columns = ["recording", "subject", "camera", "frame", "time_s", "phase", "treatment", "label", "session"]
    return DrawnCohort(np.stack(pictures), pd.DataFrame(rows, columns=columns))


def _list_takes(n_treated: int, n_untreated: int) -> list[Take]:
    takes = []
    for k in range(n_treated + n_untreated):
        treated = k < n_treated
        name = f"treated{k + 1:02d}" if treated else f"untreated{k - n_treated + 1:02d}"
        animal = Animal(name, "male", "0.6 % AC" if treated else UNTREATED, (0, k))
        course = "0.6 % AC, training" if treated else "none"
        takes.append(Take("pre", animal, "pre", "no pain" if treated else "", "none", PAIN_MINUTES))
        takes.append(Take("post", animal, "post", "pain" if treated else "", course, PAIN_MINUTES))
    return takes


def confound(cohort: DrawnCohort, kind: str, seed: int) -> tuple[DrawnCohort, list[str]]:
    """The cohort with one confound, and the animals that are mislabelled in it."""
    pictures, faces = cohort.pictures, cohort.faces
    if kind == "time":
        return DrawnCohort(add_banding(pictures, faces["session"].to_numpy()), faces), []
    if kind == "brightness":
        brighter = np.clip(np.round(pictures * LAMP), 0, 255).astype(np.uint8)
        pain = (faces["label"] == 1).to_numpy()
        return DrawnCohort(np.where(pain[:, None, None, None], brighter, pictures), faces), []
    if kind == "mislabelled animals":
        treated = sorted(set(faces.loc[faces["label"] >= 0, "subject"]))
        n = min(MISLABELLED, len(treated) // 6)
        wrong = sorted(np.random.default_rng(seed).choice(treated, n, replace=False).tolist())
        swapped = faces["label"].where(~faces["subject"].isin(wrong), 1 - faces["label"])
        return DrawnCohort(pictures, faces.assign(label=swapped)), wrong
    return cohort, []


def add_banding(pictures: np.ndarray, session: np.ndarray) -> np.ndarray:
    """Faint rows over the whole picture that grow over the session (n,) 0 to 1."""
    rows = np.sin(2 * np.pi * np.arange(pictures.shape[1]) / BANDING_PX)
    added = BANDING * session[:, None, None, None] * rows[:, None, None]
    return np.clip(np.round(pictures + added), 0, 255).astype(np.uint8)


def examine(cohort: DrawnCohort, seed: int, faces_per_recording: int = 40) -> Confounds:
    """Ask every question, as `02_train` does, with the baseline in the network's place."""
    faces, features = cohort.faces, describe_both(cohort.pictures)
    labelled = np.flatnonzero(faces["label"] >= 0)
    out_of_fold = judge_by_baseline(features[:, labelled], faces.iloc[labelled], seed)
    arm = find_untreated_arm(list_recordings(faces), [UNTREATED], settle_min=0.0)
    arm_faces = pick_arm_faces(faces, arm, faces_per_recording, seed)
    judged = np.empty(0)
    if len(arm_faces):
        label = faces["label"].to_numpy()[labelled]
        judged = teach_and_judge(features[:, labelled], label, features[:, arm_faces.index], seed)
    arm_faces = arm_faces.assign(p_pain=score_arm(arm_faces, judged, out_of_fold))
    arm_pictures = cohort.pictures[arm_faces.index]
    return examine_confounds(
        cohort.pictures[labelled], out_of_fold, arm_pictures, arm_faces, seed, faces_per_recording
    )


def describe_both(pictures: np.ndarray) -> np.ndarray:
    """Features (2, n, d) of the faces and of their mirror images."""
    return np.stack([describe_faces(pictures), describe_faces(np.ascontiguousarray(pictures[:, :, ::-1]))])


def teach_and_judge(train: np.ndarray, label: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    """Probability of pain (n_test,), the mean of a face and its mirror image; features (2, n, d)."""
    both = np.concatenate(test)
    p_pain = _fit_predict(np.concatenate(train), np.tile(label, 2), both, seed)
    return p_pain.reshape(2, -1).mean(axis=0)


def judge_by_baseline(features: np.ndarray, faces: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The table `out_of_fold`, animals apart, in `FOLDS` groups; features (2, n, d)."""
    faces = faces.reset_index(drop=True)
    label = faces["label"].to_numpy()
    fold, p_pain = np.empty(len(faces), object), np.empty(len(faces))
    for one in split_animals(faces, FOLDS, seed):
        test = faces["subject"].isin(one.held_out).to_numpy()
        fold[test] = one.name
        p_pain[test] = teach_and_judge(features[:, ~test], label[~test], features[:, test], seed)
    return faces.assign(fold=fold, p_pain=p_pain, p_no_pain=1 - p_pain)


def list_recordings(faces: pd.DataFrame) -> list[Recording]:
    """The cohort's recordings as `iter_recordings` gives them."""
    words = {-1: "", 0: "no pain", 1: "pain"}
    return [
        Recording(
            name=str(row.recording), subject=str(row.subject), cameras=(), phase=str(row.phase),
            label=words[row.label], treatment=str(row.treatment), sex="male", period="", time_zero_s=0.0,
        )
        for row in faces.drop_duplicates("recording").itertuples()
    ]  # fmt: skip

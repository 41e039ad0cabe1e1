"""Real mice (`shock_faces`) as a cohort, through the whole chain with one mouse held out.

The label is the stimulus (500 µA or none), not a grimace score; the mice are head-fixed, seen from the left.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock
from sklearn.metrics import roc_auc_score

from painlib.baseline import fit_predict_baseline
from painlib.cohort import iter_recordings, load_cohort
from painlib.faces import FaceStore, extract_cohort, load_network_inputs
from painlib.faces.pose_source import prepare_pose_network
from painlib.params import CropParams, TrainParams, load_run
from painlib.prediction import predict_faces
from painlib.training import train_classifier

ROOT = Path(__file__).parents[1]
FPS = 20
BEFORE = (0.0, 40 / FPS)  # s: frames 0 to 39, before the shock
AFTER = (44 / FPS, 100 / FPS)  # s: frames 44 to 99
THRESHOLD = 0.3  # every frame shows the face, so a low one; fixed before any result was seen
CROP_PX = 64  # px; faces are about 70


@dataclass(frozen=True)
class Fold:
    """AUC of the held-out mouse, network and baseline on the same crops; `before` the shock as a control."""

    mouse: str
    auc: float
    baseline: float
    before: float
    before_baseline: float
    coverage: float
    trials: (
        pd.DataFrame
    )  # one row a recording of the held-out mouse: shock_uA, after, p_pain (mean), share_pain


def list_mice(real: Path) -> list[str]:
    """Names of the three mice."""
    return sorted(pd.read_csv(real / "shock_faces" / "trials.csv")["mouse"].unique())


def write_cohort(real: Path, folder: Path, shocks: tuple[int, ...]) -> Path:
    """Each trial of these shocks, µA, as two recordings: before the shock (no label) and after it.

    Labels have the trials of 0 and 500 µA, after the shock.
    """
    trials = pd.read_csv(real / "shock_faces" / "trials.csv")
    labels = {0: "no pain", 500: "pain"}
    rows = []
    for trial in trials[trials["shock_uA"].isin(shocks)].itertuples():
        video = real / "shock_faces" / "videos" / str(trial.video)
        for name, (start, end), phase in (("before", BEFORE, "pre"), ("after", AFTER, "post")):
            label = "" if name == "before" else labels.get(int(str(trial.shock_uA)), "")
            rows.append(
                {
                    "recording": f"{Path(str(trial.video)).stem}_{name}",
                    "subject": trial.mouse,
                    "camera": "left",
                    "video": str(video.resolve()),
                    "start_s": start,
                    "end_s": end,
                    "time_zero_s": trial.stimulus_s,
                    "phase": phase,
                    "label": label,
                    "treatment": f"{trial.shock_uA} uA",
                    "sex": {"M": "male", "F": "female"}[str(trial.sex)],
                }
            )
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(folder / "cohort.csv", index=False)
    return folder / "cohort.csv"


def hold_out(real: Path, folder: Path, mouse: str, seed: int, **more: Any) -> Fold:
    """`train_on_others`, in one process at a time: checks that run side by side share what is in `folder`."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        return train_on_others(real, folder, mouse, seed, **more)


def train_on_others(
    real: Path,
    folder: Path,
    mouse: str,
    seed: int,
    pose_epochs: int,
    epochs: int,
    shocks: tuple[int, ...] = (0, 500),
) -> Fold:
    """Pose network and classifier learn from the other mice; `mouse` is found, cut out and judged by them.

    Trained on trials of 0 and 500 µA; the others of `shocks` are judged only.
    All else is as in params/demo.yaml: nothing is tuned on these mice.
    """
    run = load_run(ROOT / "params" / "demo.yaml", ROOT / "notebooks")
    crop, train = run.stages["crop"], run.stages["train"]
    assert isinstance(crop, CropParams)
    assert isinstance(train, TrainParams)
    cohort = write_cohort(real, folder, shocks)
    labels = pd.read_csv(real / "shock_faces" / "keypoints.csv")
    labels["subject"] = labels["video"].str.split("_trial").str[0]
    labels["video"] = [str((real / "shock_faces" / "videos" / name).resolve()) for name in labels["video"]]
    labels[labels["subject"] != mouse].to_csv(folder / "labels.csv", index=False)
    changed = {"workdir": folder, "cohort": cohort, "labels": folder / "labels.csv", "seed": seed}
    changed |= {
        "pose_epochs": pose_epochs,
        "pose_test_fraction": 0.0,
        "pose_crop_px": 128,
        "crop_px": CROP_PX,
    }
    crop = crop.model_copy(update=changed)
    train = train.model_copy(update={"epochs": epochs})

    recordings = iter_recordings(load_cohort(cohort))
    pose = prepare_pose_network(crop)
    summary, faults = extract_cohort(
        recordings, folder, params=crop, network_path=pose.network_path, threshold=THRESHOLD, crop_px=CROP_PX
    )
    assert faults.empty, faults.to_string()

    store = FaceStore(folder)
    inputs = load_network_inputs(store, np.arange(len(store)), train.input_px, folder / "inputs.npy")
    index = store.index
    shock = index["recording"].map({one.name: int(one.treatment.split()[0]) for one in recordings}).to_numpy()
    pain = (shock == 500).astype(int)
    after = index["recording"].str.endswith("_after").to_numpy()
    theirs, labelled = (index["subject"] == mouse).to_numpy(), np.isin(shock, (0, 500))
    rows = np.flatnonzero(after & ~theirs & labelled)
    trained = train_classifier(inputs, pain, rows, train, seed)

    def judge(chosen: np.ndarray) -> tuple[float, float]:
        tested = np.asarray(inputs[chosen])
        mine = predict_faces(trained.net, tested, 256)[:, 1]
        simple = fit_predict_baseline(np.asarray(inputs[rows]), pain[rows], tested, seed)
        return float(roc_auc_score(pain[chosen], mine)), float(roc_auc_score(pain[chosen], simple))

    auc, baseline = judge(after & theirs & labelled)
    before, before_baseline = judge(~after & theirs & labelled)
    own = summary[summary["subject"] == mouse]
    coverage = float(own["n_faces"].sum() / own["n_frames"].sum())
    p_pain = predict_faces(trained.net, np.asarray(inputs[theirs]), 256)[:, 1]
    faces = pd.DataFrame({"recording": index["recording"][theirs], "shock_uA": shock[theirs]})
    faces = faces.assign(after=after[theirs], p_pain=p_pain, share_pain=p_pain > 0.5)
    trials = faces.groupby(["recording", "shock_uA", "after"])[["p_pain", "share_pain"]].mean().reset_index()
    return Fold(mouse, auc, baseline, before, before_baseline, coverage, trials)

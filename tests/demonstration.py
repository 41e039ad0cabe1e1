"""The drawn cohort through the chain, held against its truth; used by the long checks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from filelock import FileLock
from scipy import stats as scipy_stats
from sklearn.metrics import roc_auc_score

from painlib.baseline import fit_predict_baseline
from painlib.calibration import (
    cross_calibrate,
    cross_estimate_shown,
    fit_calibration,
    mark_latent_pain,
    score_abstention,
    score_calibration,
)
from painlib.cohort import Recording, iter_recordings, load_cohort
from painlib.demo import DemoParams, draw_cohort
from painlib.faces import FaceStore, extract_cohort, load_network_inputs
from painlib.faces.crop import apply_rules
from painlib.faces.pose_source import choose_threshold, prepare_pose_network
from painlib.fusion import fuse_recording, summarise_minutes
from painlib.model import PainNet
from painlib.params import CropParams, StatisticsParams, TrainParams, load_run
from painlib.pose import KEYPOINTS
from painlib.prediction import predict_faces
from painlib.stats import run_assay
from painlib.tables import read_table
from painlib.training import train_classifier
from painlib.validation import cross_validate
from painlib.weak_labels import label_faces

ROOT = Path(__file__).parents[1]
HIGH, LOW = 0.5, 0.1  # latent pain of the faces told apart


@dataclass(frozen=True)
class Held:
    """What one demonstration gave, all of it on assay animals, that no network was trained on."""

    seed: int
    strength: float
    numbers: dict
    animals: pd.DataFrame


def run_demonstration(folder: Path, seed: int, strength: float, **more: Any) -> Held:
    """`demonstrate`, in one process at a time: checks that run side by side share what is in `folder`."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        return demonstrate(folder, seed, strength, **more)


def demonstrate(
    folder: Path, seed: int, strength: float, pose_from: Path | None = None, workers: int = 2, **sizes: float
) -> Held:
    """Draw, train the pose network and the classifier, judge the assay animals, and compare with the truth.

    The parameters are those of params/demo.yaml but for the seed, the strength and `sizes`. `pose_from`: the
    folder of another demonstration whose pose network is used, instead of training one.
    """
    run = load_run(ROOT / "params" / "demo.yaml", ROOT / "notebooks")
    assert run.demo is not None
    drawn = DemoParams(**{**run.demo, "seed": seed, "strength": strength, "workers": workers, **sizes})
    cohort_file = draw_cohort(folder / "cohort", drawn)
    crop = run.stages["crop"]
    train = run.stages["train"]
    statistics = run.stages["statistics"]
    assert isinstance(crop, CropParams)
    assert isinstance(train, TrainParams)
    assert isinstance(statistics, StatisticsParams)
    here = {"workdir": folder, "cohort": cohort_file, "seed": seed, "workers": workers}
    crop = crop.model_copy(update={**here, "labels": cohort_file.parent / "labels.csv"})
    recordings = iter_recordings(load_cohort(cohort_file))

    if pose_from is not None:
        network = pose_from / "pose_network" / "network"
        evaluation = pd.read_csv(pose_from / "pose_network" / "evaluation.csv")
        crop = crop.model_copy(update={"pose_source": "network", "pose_network": network})
        pose = prepare_pose_network(crop)
    else:
        pose = prepare_pose_network(crop)
        evaluation = pose.evaluation
    threshold = choose_threshold(crop, evaluation)
    assert crop.crop_px is not None
    _, faults = extract_cohort(
        recordings,
        folder,
        params=crop,
        network_path=pose.network_path,
        threshold=threshold,
        crop_px=crop.crop_px,
    )
    assert faults.empty, faults.to_string()
    assay = [recording for recording in recordings if not recording.label]
    numbers: dict = {"threshold": threshold, **measure_pose(folder, assay, threshold)}

    store = FaceStore(folder)
    inputs, labels, net = train_on_labels(folder, store, recordings, train, seed)
    rows = np.flatnonzero(store.index["recording"].isin([recording.name for recording in assay]))
    judged = store.index.iloc[rows].reset_index(drop=True)
    seen = load_network_inputs(store, rows, train.input_px, folder / "assay.npy")
    judged[["p_no_pain", "p_pain"]] = predict_faces(net, seen, 256)
    judged["baseline"] = fit_predict_baseline(np.asarray(inputs), labels, np.asarray(seen), seed)

    latent = join_truth(folder, judged)
    animals = score_latent(latent)
    numbers |= summarise_auc(animals, seed)
    minutes, rho = follow_minutes(folder, assay, judged, latent)
    numbers |= {"spearman_median": float(np.median(rho)), "spearman_all": [round(value, 3) for value in rho]}
    shared = {
        name: getattr(statistics, name)
        for name in ("window_start_min", "window_end_min", "pre_window_min", "alpha", "bootstrap")
    }
    result = run_assay(
        minutes,
        assay="AC dose",
        groups=statistics.groups[0],
        control=statistics.control[0],
        paired=False,
        seed=seed,
        **shared,
    )
    kept = ["test", "comparison", "difference", "ci_low", "ci_high", "p", "p_corrected"]
    for name, test in (("post", result.post.table), ("pre", result.pre.table)):
        published = test[test["role"] == "as published"][kept]
        numbers[name] = json.loads(published.to_json(orient="records", double_precision=4))
    return Held(seed, strength, numbers, animals)


def train_on_labels(
    folder: Path,
    store: FaceStore,
    recordings: list[Recording],
    train: TrainParams,
    seed: int,
    name: str = "net",
) -> tuple[np.ndarray, np.ndarray, PainNet]:
    """The labelled faces, their labels, and the classifier trained on all of them.

    What is kept under `name` in `folder` is read instead of made again.
    """
    faces = label_faces(store.index, recordings)
    inputs = load_network_inputs(store, faces.index, train.input_px, folder / f"{name}.npy")
    labels = faces["label"].to_numpy()
    every = np.arange(len(faces))
    trained = train_classifier(inputs, labels, every, train, seed, checkpoint=folder / f"{name}.pt")
    return inputs, labels, trained.net


def have_faces(folder: Path) -> bool:
    """Whether `run_demonstration` has cut all faces into `folder`: what is trained from them is kept."""
    return (folder / "net.npy").is_file()


def judge_out_of_fold(folder: Path, seed: int, **settings: float) -> pd.DataFrame:
    """Labelled faces judged as 02_train does, by networks that never saw their animals, with the truth.

    Reads the cohort and the faces that `run_demonstration` left in `folder` and changes none of it: what is
    made is kept under `calibration/`, and a stopped check goes on with the fold it was in. Parameters are
    those of params/demo.yaml but for the seed and `settings`.
    """
    own = folder / "calibration"
    kept = own / "out_of_fold.parquet"
    if not kept.is_file():
        train = load_run(ROOT / "params" / "demo.yaml", ROOT / "notebooks").stages["train"]
        assert isinstance(train, TrainParams)
        train = train.model_copy(update={"seed": seed, **settings})
        recordings = iter_recordings(load_cohort(folder / "cohort" / "cohort.csv"))
        store = FaceStore(folder, recordings)
        faces = label_faces(store.index, recordings)
        own.mkdir(exist_ok=True)
        inputs = load_network_inputs(store, faces.index, train.input_px, own / "inputs.npy")
        found = cross_validate(inputs, faces, train, train.folds, seed, folder=own / "folds")
        found.out_of_fold.to_parquet(kept.with_suffix(".part"))
        kept.with_suffix(".part").rename(kept)
        (own / "inputs.npy").unlink()
    judged = join_truth(folder, pd.read_parquet(kept))
    return judged.assign(latent=mark_latent_pain(judged["latent_pain"]))


def score_probabilities(judged: pd.DataFrame, method: Literal["floor", "temperature", "isotonic"]) -> dict:
    """Raw, calibrated and shown (the weak label's error taken out) probabilities of held-out animals, scored
    against the weak label and against latent pain, each calibrated by other animals.

    By truth, probabilities and measure: value and 95 % interval over animals. AURC: area under risk against
    coverage; risk: at full coverage, which is the area that abstaining at random has.
    """
    table = cross_calibrate(judged, method)
    table["shown"] = cross_estimate_shown(judged, method)["p_pain_shown"]
    columns = {"raw": "p_pain", "calibrated": "p_pain_calibrated", "shown": "shown"}
    told: dict = {"fitted to all": fit_calibration(judged, method).explain()}
    for truth in ("label", "latent"):
        scores = score_calibration(table, truth, columns)
        told[truth] = {"animals": int(scores["n_animals"].max()), "faces": int(scores["n_faces"].max())}
        for name, column in columns.items():
            own = scores[scores["probabilities"] == name].set_index("measure")
            risk = score_abstention(table, column, truth).summary.set_index("measure")
            both = pd.concat([own.loc[["ece", "brier"]], risk])[["value", "ci_low", "ci_high"]]
            told[truth][name] = {str(measure): row.round(4).tolist() for measure, row in both.iterrows()}
        told[truth]["ece by chance"] = round(float(scores["by_chance"].max()), 4)
    return told


def join_truth(folder: Path, faces: pd.DataFrame) -> pd.DataFrame:
    """The faces with the truth of their frame."""
    truth = [
        pd.read_parquet(folder / "cohort" / "truth" / f"{recording}_{camera}.parquet").assign(
            recording=recording, camera=camera
        )
        for recording, camera in faces[["recording", "camera"]].drop_duplicates().itertuples(index=False)
    ]
    return faces.merge(
        pd.concat(truth).drop(columns="time_s"), on=["recording", "camera", "frame"], validate="1:1"
    )


def measure_pose(folder: Path, recordings: list[Recording], threshold: float) -> dict:
    """Error of visible points over the animal's own frontal eye distance, and rules against true
    visibility."""
    errors: dict[str, list[np.ndarray]] = {}
    widest: dict[str, float] = {}
    found, true = [], []
    for recording in recordings:
        for video in recording.cameras:
            name = f"{recording.name}_{video.camera}.parquet"
            pose = read_table(folder / "pose" / name, "pose")
            truth = pd.read_parquet(folder / "cohort" / "truth" / name)
            seen = truth[[f"{point}_visible" for point in KEYPOINTS]].to_numpy(bool)
            at = {kind: np.stack([kind_of[[f"{p}_x", f"{p}_y"]].to_numpy(float) for p in KEYPOINTS], 1)
                  for kind, kind_of in (("pose", pose), ("truth", truth))}  # fmt: skip
            apart = np.linalg.norm(at["pose"] - at["truth"], axis=2)[seen]
            errors.setdefault(recording.subject, []).append(apart)
            eyes = np.linalg.norm(at["truth"][:, 1] - at["truth"][:, 2], axis=1)[seen.all(axis=1)]
            frontal = float(np.quantile(eyes, 0.98)) if len(eyes) else 0.0
            widest[recording.subject] = max(widest.get(recording.subject, 0.0), frontal)
            likelihood = pose[[f"{point}_likelihood" for point in KEYPOINTS]].to_numpy()
            found.append(apply_rules(likelihood, threshold))
            true.append(apply_rules(seen.astype(float), 0.5))
    shares = [np.concatenate(own) / widest[subject] for subject, own in errors.items()]
    error, rule, truth_rule = (np.concatenate(parts) for parts in (shares, found, true))
    return {
        "pose_error_share": float(np.median(error)),
        "frontal_eye_distance_px": sorted(round(px, 1) for px in widest.values()),
        "rule_agreement": float((rule == truth_rule).mean()),
        "rule_recall": {str(r): round(float((rule[truth_rule == r] == r).mean()), 3) for r in (0, 1, 2, 3)},
        "faceless": float((truth_rule == 0).mean()),
    }


def score_latent(latent: pd.DataFrame) -> pd.DataFrame:
    """AUC an animal of faces with latent pain >= 0.5 against <= 0.1, of the network and of the baseline."""
    clear = latent[(latent["latent_pain"] >= HIGH) | (latent["latent_pain"] <= LOW)]
    rows = []
    for subject, faces in clear.groupby("subject"):
        pain = faces["latent_pain"] >= HIGH
        if pain.sum() >= 10 and (~pain).sum() >= 10:
            rows.append(
                {
                    "subject": subject,
                    "n_pain": int(pain.sum()),
                    "n_no_pain": int((~pain).sum()),
                    "auc": roc_auc_score(pain, faces["p_pain"]),
                    "auc_baseline": roc_auc_score(pain, faces["baseline"]),
                }
            )
    return pd.DataFrame(rows)


def summarise_auc(animals: pd.DataFrame, seed: int) -> dict:
    """Mean and worst animal, the bootstrap interval of the mean over animals (95 %), and Student's as one of
    five seeds (99 %: Bonferroni)."""
    drawn = np.random.default_rng(seed).choice(animals["auc"], size=(9999, len(animals))).mean(axis=1)
    half = scipy_stats.t.ppf(1 - 0.025 / 5, len(animals) - 1) * animals["auc"].sem()
    return {
        "animals": len(animals),
        "auc_mean": float(animals["auc"].mean()),
        "auc_worst": float(animals["auc"].min()),
        "auc_interval": [float(value) for value in np.quantile(drawn, [0.025, 0.975])],
        "auc_interval_of_five": [float(animals["auc"].mean() + sign * half) for sign in (-1, 1)],
        "baseline_mean": float(animals["auc_baseline"].mean()),
        "baseline_worst": float(animals["auc_baseline"].min()),
    }


def follow_minutes(
    folder: Path, recordings: list[Recording], judged: pd.DataFrame, latent: pd.DataFrame
) -> tuple[pd.DataFrame, list[float]]:
    """The table `minutes`, and each treated animal's Spearman rho of probability against latent pain."""
    minutes, rho = [], []
    for recording in recordings:
        filmed = {
            video.camera: read_table(folder / "pose" / f"{recording.name}_{video.camera}.parquet", "pose")
            for video in recording.cameras
        }
        frames = judged[judged["recording"] == recording.name]
        frames = frames.assign(p_pain_calibrated=frames["p_pain"], left_out="")
        timepoints = fuse_recording(recording, frames, filmed, trained_on=False)
        minutes.append(summarise_minutes(recording, timepoints, 0.0))
        if recording.phase == "post" and recording.treatment != "vehicle":
            camera = recording.cameras[0].camera
            truth = pd.read_parquet(folder / "cohort" / "truth" / f"{recording.name}_{camera}.parquet")
            curve = truth.groupby((truth["time_s"] - recording.time_zero_s) // 60)["latent_pain"].mean()
            both = minutes[-1].set_index("minute")["pain_probability"].dropna()
            curve = curve.reindex(both.index)
            rho.append(float(scipy_stats.spearmanr(both, curve).statistic))
    return pd.concat(minutes, ignore_index=True), rho

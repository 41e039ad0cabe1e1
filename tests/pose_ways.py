"""The same videos through every way of running the pose network: what changes in the decisions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from painlib.cohort import Recording
from painlib.faces import FaceStore, extract_cohort, load_network_inputs
from painlib.faces.pose_reading import read_reports
from painlib.fusion import fuse_recording, summarise_minutes
from painlib.model import PainNet
from painlib.params import CropParams
from painlib.pose import PoseNetwork, load_pose_network
from painlib.prediction import predict_faces
from painlib.tables import read_table

PLAIN = "plain"  # DeepLabCut's own runner: torch, float32, whole frames
# Precision of the engine, and whether a window follows the face.
WAYS = {
    "float32": ("float32", False),
    "bfloat16": ("bfloat16", False),
    "float32, window": ("float32", True),
    "bfloat16, window": ("bfloat16", True),
}
# What the issue asks of a way that is taken without being asked for: share of time points, and group means.
MOST_CHANGED, MOST_MOVED = 0.005, 0.002


class PlainNetwork:
    """A pose network that has no faster way than DeepLabCut's own."""

    device = "cpu"

    def __init__(self, network: PoseNetwork) -> None:
        self.fingerprint = network.fingerprint
        self.predict_plainly = network.predict_plainly

    def predict(self, images: Sequence[np.ndarray], precision: str = "float32") -> np.ndarray:
        """As `predict_plainly`."""
        return self.predict_plainly(images)

    def list_engines(self) -> list:
        """None."""
        return []


def load_plainly(path: Path, point_names: Sequence[str]) -> PlainNetwork:
    """As `load_pose_network`."""
    return PlainNetwork(load_pose_network(path, point_names, "cpu"))


def load_on_processor(path: Path, point_names: Sequence[str]) -> PoseNetwork:
    """As `load_pose_network`."""
    return load_pose_network(path, point_names, "cpu")


def compare_ways(
    recordings: Sequence[Recording],
    folder: Path,
    *,
    params: CropParams,
    network_path: Path,
    threshold: float,
    crop_px: int,
    judge: Callable[[str], PainNet],
    input_px: int,
) -> pd.DataFrame:
    """A row for each of `WAYS`, held against `PLAIN`; what is cut is kept in `folder` and taken up again.

    `judge`: the classifier for an animal. `changed`: share of time points whose call (pain, no pain, skipped)
    is another. `moved`: largest change of a group's mean (treatment, phase) of the recordings' pain
    probability. `meets`: both within what the issue asks. `apart_px`, `apart_likelihood`: largest difference
    of the pose tables, in px of the video, where the plain way sees a point. `engines`: what ran.
    `in_window`, `at_half_size`, `whole`: looks a frame. `fell_back`: videos, of `videos`, whose check failed.
    """
    shared = {"network_path": network_path, "threshold": threshold, "crop_px": crop_px}
    tables: dict[str, tuple[pd.DataFrame, pd.Series, np.ndarray]] = {}
    rows = []
    for way, (precision, follow) in {PLAIN: ("float32", False), **WAYS}.items():
        here = folder / way.replace(", ", "_")
        own = params.model_copy(update={"pose_precision": precision, "pose_follow": follow, "workdir": here})
        load = load_plainly if way == PLAIN else load_on_processor
        _, faults = extract_cohort(recordings, here, params=own, load_network=load, **shared)
        assert faults.empty, faults.to_string()
        tables[way] = (*_judge(recordings, here, judge, input_px), _read_points(recordings, here))
        if way == PLAIN:
            continue
        (calls, means, points), (plain_calls, plain_means, plain_points) = tables[way], tables[PLAIN]
        seen = plain_points[..., 2] >= threshold
        reports = read_reports(recordings, here)
        changed = float((calls["call"].to_numpy() != plain_calls["call"].to_numpy()).mean())
        moved = float((means - plain_means).abs().max())
        rows.append(
            {
                "way": way,
                "engines": ", ".join(sorted(set(reports["engines"]))),
                "timepoints": len(calls),
                "changed": changed,
                "moved": moved,
                "meets": changed <= MOST_CHANGED and moved <= MOST_MOVED,
                "apart_px": float(np.linalg.norm((points - plain_points)[seen][:, :2], axis=1).max()),
                "apart_likelihood": float(np.abs(points - plain_points)[..., 2].max()),
                "in_window": float(reports["in_window"].mean()),
                "at_half_size": float(reports["at_half_size"].mean()),
                "whole": float(reports["whole"].mean()),
                "videos": len(reports),
                "fell_back": int((reports["fallback"] != "").sum()),
            }
        )
    return pd.DataFrame(rows)


def _judge(
    recordings: Sequence[Recording], folder: Path, judge: Callable[[str], PainNet], input_px: int
) -> tuple[pd.DataFrame, pd.Series]:
    """Time points of all recordings, and the mean pain probability of each treatment and phase."""
    store = FaceStore(folder, list(recordings))
    index = store.index.reset_index(drop=True)
    inputs = load_network_inputs(store, np.arange(len(store)), input_px, folder / "inputs.npy")
    probabilities = np.zeros((len(index), 2))
    for subject, rows in index.groupby("subject").indices.items():
        probabilities[rows] = predict_faces(judge(str(subject)), np.asarray(inputs[rows]), 256, "cpu")
    index[["p_no_pain", "p_pain"]] = probabilities
    index = index.assign(p_pain_calibrated=index["p_pain"], left_out="")
    timepoints, means = [], []
    for recording in recordings:
        filmed = {video.camera: _read_pose(folder, recording, video.camera) for video in recording.cameras}
        own = index[index["recording"] == recording.name]
        timepoints.append(fuse_recording(recording, own, filmed, trained_on=False))
        minutes = summarise_minutes(recording, timepoints[-1], 0.0)
        means.append((recording.treatment, recording.phase, minutes["pain_probability"].mean()))
    table = pd.DataFrame(means, columns=["treatment", "phase", "mean"])
    return pd.concat(timepoints), table.groupby(["treatment", "phase"])["mean"].mean()


def _read_points(recordings: Sequence[Recording], folder: Path) -> np.ndarray:
    """(n_frames, 3, 3) of all recordings, one after the other."""
    names = [
        f"{point}_{value}"
        for point in ("nose", "right_eye", "left_eye")
        for value in ("x", "y", "likelihood")
    ]
    poses = [_read_pose(folder, one, video.camera) for one in recordings for video in one.cameras]
    return np.concatenate([pose[names].to_numpy().reshape(-1, 3, 3) for pose in poses])


def _read_pose(folder: Path, recording: Recording, camera: str) -> pd.DataFrame:
    return read_table(folder / "pose" / f"{recording.name}_{camera}.parquet", "pose")

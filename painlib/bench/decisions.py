"""Whether the faster ways decide as the plain one does: pain, no pain or no face, frame by frame.

Speed is measured with networks of random weights; decisions need trained ones. So a small cohort is drawn
(two animals, before and after acetic acid, two cameras: eight videos), a small pose network is trained on
its labelled frames, and two classifiers, each on one of the animals; a face is judged by the one that does
not know its animal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from painlib.attribution import judge_with_maps
from painlib.bench import published
from painlib.bench.ours import CropSettings, TrainSettings
from painlib.bench.sizes import BenchSize
from painlib.cohort import Recording, iter_recordings, load_cohort
from painlib.demo import DemoParams, draw_cohort
from painlib.engines import Engine
from painlib.faces import FaceStore, extract_camera, load_network_inputs
from painlib.faces.pose_reading import read_reports
from painlib.faults import PainlibError
from painlib.model import PainNet
from painlib.pose import (
    PoseNetwork,
    choose_likelihood_threshold,
    load_labels,
    load_pose_network,
    train_pose,
)
from painlib.progress import track
from painlib.training import train_classifier

POSE_WIDTH, POSE_HEIGHT, CROP_PX, INPUT_PX = 384, 216, 112, 64
WAYS = {  # precision, and whether a window follows the face
    "ours, float32": ("float32", False),
    "ours, bfloat16": ("bfloat16", False),
    "ours, float32, window": ("float32", True),
    "ours, bfloat16, window": ("bfloat16", True),
}
NO_FACE, NO_PAIN, PAIN = 0, 1, 2


@dataclass(frozen=True)
class SmallLab:
    """The drawn cohort with its pose network (a folder), and the likelihood from which a point is seen."""

    recordings: Sequence[Recording]
    network: Path
    threshold: float

    @property
    def n_videos(self) -> int:
        """Camera videos."""
        return sum(len(recording.cameras) for recording in self.recordings)


class PlainNetwork:
    """A pose network by DeepLabCut's own runner: torch, float32, whole frames."""

    device = "cpu"

    def __init__(self, network: PoseNetwork) -> None:
        self._network = network
        self.fingerprint = f"plain {network.fingerprint}"

    def predict(self, images: Sequence[np.ndarray], precision: str = "float32") -> np.ndarray:
        """As `PoseNetwork.predict`; `precision` is float32 whatever is asked."""
        return self._network.predict_plainly(images)

    def predict_plainly(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """The same."""
        return self._network.predict_plainly(images)

    def list_engines(self) -> list[Engine]:
        """None."""
        return []


def make_small_lab(size: BenchSize, folder: Path) -> SmallLab:
    """Draw the cohort and train the pose network; what is there from the same size is kept."""
    params = DemoParams(
        seed=20251104, strength=1.0, coat="white", width=480, height=270, fps=size.cohort_fps,
        training_animals=2, training_minutes=size.cohort_minutes, assay_animals_per_group=0,
        assay_pre_minutes=1, assay_post_minutes=1, label_frames_per_video=size.cohort_labels,
        label_animals=2, workers=1,
    )  # fmt: skip
    cohort = load_cohort(draw_cohort(folder / "cohort", params))
    train_pose(
        load_labels(folder / "cohort" / "labels.csv"), folder / "pose", width=POSE_WIDTH, height=POSE_HEIGHT,
        backbone="test_byobnet", pretrained="no", epochs=size.cohort_pose_epochs, batch=8, learning_rate=4e-3,
        crop_px=160, test_fraction=0.25, seed=1, device="cpu",
    )  # fmt: skip
    try:
        threshold = choose_likelihood_threshold(pd.read_csv(folder / "pose" / "evaluation.csv"))
    except PainlibError:
        threshold = 0.0  # hardly trained, as in the tests: a face is cut from every frame
    return SmallLab(iter_recordings(cohort), folder / "pose" / "network", threshold)


def compare_decisions(lab: SmallLab, size: BenchSize, folder: Path) -> pd.DataFrame:
    """For each faster way, a row: `way`, `n_frames`, `n_faces` (of the plain way), `lost` and `found` (faces
    that only the plain, only the faster way cuts), `flipped` (judged by both, otherwise), `changed` (share of
    the plain way's faces whose outcome is another, with those found), `in_window` and `whole` (looks through
    a window and at whole frames, a frame), `fell_back` (videos in which the check against plain float32
    failed, so that it ran).
    """
    network = load_pose_network(lab.network, device="cpu")
    plain = _cut_all(lab, PlainNetwork(network), folder / "plain", "float32", False)
    inputs = np.array(load_network_inputs(plain, range(len(plain)), INPUT_PX, folder / "plain.npy"))
    nets = _train_two(lab, plain, inputs, size)
    expected = _decide(lab, plain, inputs, nets, judge_plainly)
    rows = []
    for way, (precision, follow) in track(WAYS.items(), len(WAYS), "Benchmark: decisions"):
        workdir = folder / way.replace(", ", "_")
        store = _cut_all(lab, network, workdir, precision, follow)
        inputs = load_network_inputs(store, range(len(store)), INPUT_PX, workdir / "inputs.npy")
        found = _decide(lab, store, np.array(inputs), nets, partial(judge_fast, precision=precision))
        reports = read_reports(lab.recordings, workdir)
        fell_back = int((reports["fallback"] != "").sum())
        looks = {"in_window": 0.0, "whole": 1.0}
        if follow:
            looks = {name: float(reports[name].mean()) for name in looks}
        rows.append({"way": way, **compare_outcomes(expected, found), **looks, "fell_back": fell_back})
    return pd.DataFrame(rows)


def compare_outcomes(expected: pd.Series, found: pd.Series) -> dict[str, float]:
    """How two ways' outcomes by (recording, camera, frame) differ; absent is no face."""
    n_frames = expected.attrs["n_frames"]
    expected, found = expected.align(found, fill_value=NO_FACE)
    n_faces = int((expected != NO_FACE).sum())
    lost = int(((expected != NO_FACE) & (found == NO_FACE)).sum())
    extra = int(((expected == NO_FACE) & (found != NO_FACE)).sum())
    flipped = int(((expected != found) & (expected != NO_FACE) & (found != NO_FACE)).sum())
    share = (lost + extra + flipped) / n_faces if n_faces else float("nan")
    numbers = {"lost": lost, "found": extra, "flipped": flipped, "changed": share}
    return {"n_frames": n_frames, "n_faces": n_faces, **numbers}


def judge_plainly(net: PainNet, inputs: np.ndarray) -> np.ndarray:
    """Probabilities (n, 2) in eager float32."""
    plain = published.build_plainly(net).eval()
    images = torch.from_numpy(inputs).permute(0, 3, 1, 2).contiguous().float()
    with torch.no_grad():
        return torch.cat([torch.softmax(plain(part), dim=1) for part in images.split(64)]).double().numpy()


def judge_fast(net: PainNet, inputs: np.ndarray, precision: str) -> np.ndarray:
    """Probabilities (n, 2) as 03_predict has them."""
    return judge_with_maps(net, inputs, 256, "cpu", precision).probabilities


def _cut_all(
    lab: SmallLab, network: PoseNetwork | PlainNetwork, workdir: Path, precision: str, follow: bool
) -> FaceStore:
    params = CropSettings(POSE_WIDTH, POSE_HEIGHT, pose_precision=precision, pose_follow=follow)
    for recording in lab.recordings:
        for video in recording.cameras:
            extract_camera(
                video, workdir, params=params, network=network, threshold=lab.threshold, crop_px=CROP_PX
            )
    return FaceStore(workdir)


def _train_two(lab: SmallLab, store: FaceStore, inputs: np.ndarray, size: BenchSize) -> dict[str, PainNet]:
    """For each animal the network that was trained on the others."""
    pain = {recording.name: int(recording.label == "pain") for recording in lab.recordings}
    labels = store.index["recording"].map(pain).to_numpy(np.int64)
    subjects = store.index["subject"].to_numpy()
    nets = {}
    for subject in sorted({recording.subject for recording in lab.recordings}):
        rows = np.flatnonzero(subjects != subject)
        settings = TrainSettings(
            INPUT_PX,
            (16, 32, 64, 64, 64, 64),
            (64, 32),
            max(64, 4 * len(rows)),
            64,
            epochs=size.cohort_epochs,
        )
        nets[subject] = train_classifier(inputs, labels, rows, settings, 1).net
    return nets


def _decide(
    lab: SmallLab,
    store: FaceStore,
    inputs: np.ndarray,
    nets: dict[str, PainNet],
    judge: Callable[[PainNet, np.ndarray], np.ndarray],
) -> pd.Series:
    """NO_PAIN or PAIN by (recording, camera, frame); `attrs["n_frames"]`: all frames, faces or not."""
    outcome = np.zeros(len(store), np.int64)
    for subject, net in nets.items():
        rows = np.flatnonzero((store.index["subject"] == subject).to_numpy())
        if len(rows):
            outcome[rows] = np.where(judge(net, inputs[rows])[:, 1] > 0.5, PAIN, NO_PAIN)
    found = pd.Series(outcome, pd.MultiIndex.from_frame(store.index[["recording", "camera", "frame"]]))
    poses = Path(store.folder).parent / "pose"
    found.attrs["n_frames"] = sum(
        len(pd.read_parquet(path, columns=["frame"])) for path in poses.glob("*.parquet")
    )
    return found

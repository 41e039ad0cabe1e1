"""painlib's own way through the same work, by its public calls."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from painlib.attribution import judge_with_maps
from painlib.attribution.gradcam import JudgedFaces
from painlib.bench.clips import Clip
from painlib.bench.measuring import Cost, Parts, Stopwatch
from painlib.bench.sizes import BenchSize
from painlib.cohort import CameraVideo, VideoPart
from painlib.engines import Engine
from painlib.faces import FaceStore, extract_camera, load_network_inputs
from painlib.faces.crop import apply_rules, find_centres
from painlib.model import PainNet
from painlib.pose import KEYPOINTS, PoseNetwork, fit_size, load_labels, train_pose
from painlib.training import train_classifier
from painlib.video import read_frames

THRESHOLD = 0.9
JPEG_QUALITY = 95
LABELLED = 4  # frames from which a network of random weights is made


@dataclass
class CropSettings:
    """What `extract_camera` and `extract_cohort` ask of parameters."""

    pose_width: int
    pose_height: int
    pose_precision: str = "float32"
    pose_follow: bool = False
    decoder: str = "software"
    pose_source: str = "network"
    pose_batch: int = 8
    point_names: list[str] = field(default_factory=lambda: list(KEYPOINTS))
    individual: str | None = None
    border: Any = "shift"
    jpeg_quality: int = JPEG_QUALITY
    workers: int = 1


class KnownPoints:
    """A pose network that tells the truth of a clip's frames in order, after asking `network` (if any).

    So networks of random weights cost what they cost, and the same faces are cut whatever they answer. The
    check of the first frames against plain torch asks nobody: a long video pays it once.
    """

    fingerprint = "bench: known points"
    device = "cpu"

    def __init__(self, clip: Clip, size: BenchSize, network: PoseNetwork | None = None) -> None:
        self._answers, self._network, self._done = clip.answers(), network, 0
        self._scale = size.width / fit_size(size.width, size.height, size.pose_width, size.pose_height)[0]
        self._latest: dict[int, np.ndarray] = {}

    def predict(self, images: Sequence[np.ndarray], precision: str = "float32") -> np.ndarray:
        """(n_images, 3, 3): x, y px of the images given, likelihood."""
        if self._network is not None:
            self._network.predict(images, precision)
        found = self._answers[self._done : self._done + len(images)].copy()
        self._done += len(images)
        found[..., :2] = (found[..., :2] + 0.5) / self._scale - 0.5
        self._latest = {id(image): points for image, points in zip(images, found, strict=True)}
        return found

    def predict_plainly(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """The same for some of the latest images."""
        return np.stack([self._latest[id(image)] for image in images])

    def list_engines(self) -> list[Engine]:
        """Those of `network`."""
        return [] if self._network is None else self._network.list_engines()


def find_face_centres(clip: Clip) -> dict[int, tuple[float, float]]:
    """Centre of the face square, px, by frame number, of the frames that the four rules cut."""
    answers = clip.answers()
    rules = apply_rules(answers[..., 2], THRESHOLD)
    centres = find_centres(answers[..., :2], rules)
    return {int(row): (float(centres[row, 0]), float(centres[row, 1])) for row in np.flatnonzero(rules)}


def cut(
    clip: Clip, workdir: Path, size: BenchSize, network: PoseNetwork | None = None, precision: str = "float32"
) -> FaceStore:
    """One pass over the clip: decode, shrink, (pose,) rules, cut, store; into an empty `workdir`."""
    shutil.rmtree(workdir, ignore_errors=True)
    video = CameraVideo("clip", "mouse", "A", (VideoPart(str(clip.path)),))
    params = CropSettings(size.pose_width, size.pose_height, pose_precision=precision)
    known = KnownPoints(clip, size, network)
    extract_camera(video, workdir, params=params, network=known, threshold=THRESHOLD, crop_px=size.crop_px)
    return FaceStore(workdir)


def judge(
    net: PainNet, store: FaceStore, rows: np.ndarray, folder: Path, precision: str = "float32"
) -> JudgedFaces:
    """Probabilities and Grad-CAM of these faces of the store in one sweep, from their JPEGs on."""
    cache = folder / "inputs.npy"
    cache.unlink(missing_ok=True)
    inputs = load_network_inputs(store, rows, net.architecture.input_px, cache)
    return judge_with_maps(net, inputs, 128, "cpu", precision)


@dataclass(frozen=True)
class TrainSettings:
    """What `train_classifier` asks of parameters."""

    input_px: int
    channels: tuple[int, ...]
    head_widths: tuple[int, ...]
    faces_per_epoch: int
    batch: int
    epochs: int = 2
    learning_rate: float = 1e-3
    rotation_deg: float = 20.0
    flip: bool = True
    precision: str = "auto"
    device: str = "cpu"
    processes: int = 1
    launch: str = ""


def train_epoch(
    inputs: np.ndarray, labels: np.ndarray, size: BenchSize, device: str = "cpu", n_faces: int | None = None
) -> Parts:
    """The cost of one epoch: the second of two, so that the first pays for what happens once."""
    watches: list[Stopwatch] = []
    costs: list[Cost] = []

    def hear(epoch: dict[str, Any]) -> None:
        costs.extend(watch.read() for watch in watches)
        watches.append(Stopwatch())

    settings = TrainSettings(
        size.input_px,
        size.channels,
        size.head_widths,
        n_faces or size.train_faces,
        size.train_batch,
        device=device,
    )
    rows = np.arange(len(inputs))
    train_classifier(inputs, labels, rows, settings, 1, log=hear)
    return Parts({"epoch": costs[0]})


def make_classifier(size: BenchSize) -> PainNet:
    """The classifier with random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return PainNet(size.channels, size.head_widths, size.input_px).eval()


def make_pose_network(clip: Clip, size: BenchSize, folder: Path) -> tuple[Path, Path]:
    """DeepLabCut's network as `01_crop` trains it, stopped after one epoch over four frames: its answers are
    noise, its speed is real. The project's config.yaml, and the network's own folder.
    """
    import cv2

    folder.mkdir(parents=True, exist_ok=True)
    table, rows = folder / "labels.csv", []
    if not table.is_file():
        frames = read_frames([VideoPart(str(clip.path))])
        for number, frame in zip(range(LABELLED), frames, strict=False):
            small = frame.shrunk(*fit_size(*frame.size, size.pose_width, size.pose_height))
            cv2.imwrite(str(folder / f"{number}.png"), cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
            points = (clip.keypoints[number] + 0.5) * small.shape[1] / size.width - 0.5
            named = {
                f"{point}_{axis}": points[row, column]
                for row, point in enumerate(KEYPOINTS)
                for column, axis in enumerate("xy")
            }
            rows.append({"image": f"{number}.png", "subject": "mouse", **named})
        pd.DataFrame(rows).to_csv(table, index=False)
    train_pose(
        load_labels(table), folder, width=size.pose_width, height=size.pose_height, backbone=size.backbone,
        pretrained="no", epochs=1, batch=2, learning_rate=1e-4, crop_px=64, test_fraction=0.25, seed=1,
        device="cpu",
    )  # fmt: skip
    return folder / "project" / "config.yaml", folder / "network"

"""The whole chain through a window that follows the face, once it has hit its stride."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from painlib.bench import ours
from painlib.bench.clips import CYCLE, Clip
from painlib.bench.measuring import Cost, Parts, Stopwatch
from painlib.bench.sizes import BenchSize
from painlib.cohort import CameraVideo, VideoPart
from painlib.faces import FaceStore, extract_camera
from painlib.model import PainNet
from painlib.pose import PoseNetwork

THUMB = (64, 36)  # px, width and height at which frames are told from each other


class KnownPlaces(ours.KnownPoints):
    """As `KnownPoints`, asked in any order and of any part: a frame is known by its picture, a part by where
    it lies in its frame's memory, half the size by its shape.

    `cost`: of asking `network` so far, CPU and wall s.
    """

    def __init__(
        self, clip: Clip, size: BenchSize, images: Sequence[np.ndarray], network: PoseNetwork
    ) -> None:
        super().__init__(clip, size, network)
        self._thumbs = np.stack([_shrink(image) for image in images])
        self._shape = images[0].shape
        self._net = network
        self.cost = Cost(0.0, 0.0)

    def predict(self, images: Sequence[np.ndarray], precision: str = "float32") -> np.ndarray:
        """(n_images, 3, 3): x, y px of the images given, likelihood; 0.01 of what lies outside."""
        cpu, wall = time.process_time(), time.perf_counter()
        self._net.predict(images, precision)
        self.cost += Cost(time.process_time() - cpu, time.perf_counter() - wall)
        return self.predict_plainly(images)

    def predict_plainly(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """The same, asking nobody."""
        return np.stack([self._tell(image) for image in images])

    def _tell(self, image: np.ndarray) -> np.ndarray:
        frame, (left, top) = _find_owner(image, self._shape)
        points = self._answers[np.abs(self._thumbs - _shrink(frame)).mean(axis=(1, 2, 3)).argmin()].copy()
        points[:, :2] = (points[:, :2] + 0.5) * frame.shape[1] / (self._scale * self._shape[1]) - 0.5
        points[:, :2] -= (left, top)
        inside = ((points[:, :2] >= 0) & (points[:, :2] < image.shape[1::-1])).all(axis=1)
        points[~inside, 2] = 0.01
        return points


def _shrink(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, THUMB, interpolation=cv2.INTER_AREA).astype(np.float32)


def _find_owner(image: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, tuple[int, int]]:
    """The whole frame that `image` is a part of, and the part's first column and row; or the image itself."""
    owner = image
    while isinstance(owner.base, np.ndarray) and owner.shape != shape:
        owner = owner.base
    if owner.shape != shape:
        return image, (0, 0)
    row, column = divmod(image.ctypes.data - owner.ctypes.data, owner.strides[0])
    return owner, (column // owner.strides[1], row)


def run_chain_following(
    clip: Clip, known: KnownPlaces, size: BenchSize, net: PainNet, workdir: Path, precision: str
) -> Parts:
    """From video to probability and map of each face, of the clip's last cycle of faces coming and going.

    What a video pays once lies before it: the search until a window is placed, and half the size proved.
    Parts: "pose", asking the network; "one pass", the rest of it; "judge".
    """
    begin, watches, asked = first_followed(clip), [Stopwatch()], [known.cost]

    def mark(n_frames: int) -> None:
        if n_frames == begin:
            watches.append(Stopwatch())
            asked.append(known.cost)

    shutil.rmtree(workdir, ignore_errors=True)
    video = CameraVideo("clip", "mouse", "A", (VideoPart(str(clip.path)),))
    params = ours.CropSettings(
        size.pose_width, size.pose_height, pose_precision=precision, pose_follow=True, pose_batch=1
    )
    extract_camera(
        video, workdir, params=params, network=known, threshold=ours.THRESHOLD, crop_px=size.crop_px,
        on_progress=mark,
    )  # fmt: skip
    all_of_it = watches[-1].read()
    pose = Cost(known.cost.cpu_s - asked[-1].cpu_s, known.cost.wall_s - asked[-1].wall_s)
    parts = Parts({"pose": pose})
    parts.costs["one pass"] = Cost(all_of_it.cpu_s - pose.cpu_s, all_of_it.wall_s - pose.wall_s)
    store = FaceStore(workdir)
    with parts.measure("judge"):
        ours.judge(net, store, np.flatnonzero(store.index["frame"] >= begin), workdir, precision)
    return parts


def first_followed(clip: Clip) -> int:
    """The frame from which the chain through a window is measured."""
    return max(len(clip) - CYCLE, 0)

"""Where nose and eyes come from: a network on shrunk frames, tracker files, or the pose table of an earlier
run.

Coordinates are pixels of the upright original image. An integer is the centre of a pixel, in the shrunk
image as in the original: x = (x_small + 0.5) * width / width_small - 0.5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from painlib.cohort import CameraVideo
from painlib.faces.crop import Border
from painlib.faults import PainlibError
from painlib.places import Place
from painlib.pose.labels import KEYPOINTS
from painlib.pose.network import fit_size
from painlib.tables import read_table
from painlib.video import Frame
from painlib.video.timeline import Timeline

if TYPE_CHECKING:
    from painlib.engines import Engine

HELD_BYTES = 256 * 2**20  # of decoded frames that wait for the pose network
POINT_COLUMNS = [f"{point}_{value}" for point in KEYPOINTS for value in ("x", "y", "likelihood")]

FindPoints = Callable[
    [list[Frame]], np.ndarray
]  # (n_frames, 3 points, 3 = x, y, likelihood), px of the original


class Network(Protocol):
    """What is asked of a pose network (`painlib.pose.PoseNetwork` is one)."""

    fingerprint: str
    device: str

    def predict(self, images: Sequence[np.ndarray], precision: str = "float32") -> np.ndarray:
        """(n_images, 3 points, 3 = x, y, likelihood), px of the images given, by the fastest way."""

    def predict_plainly(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """The same in plain float32 torch, which `predict` is measured against."""

    def list_engines(self) -> list[Engine]:
        """What `predict` has used lately."""


class Settings(Protocol):
    """The parameters that are read here (`painlib.params.CropParams` has them)."""

    pose_source: str
    point_names: list[str]
    individual: str | None
    pose_width: int
    pose_height: int
    pose_batch: int
    pose_precision: str
    pose_follow: bool
    decoder: str
    border: Border
    jpeg_quality: int


def gather_batches(frames: Iterable[Frame], params: Settings) -> Iterator[list[Frame]]:
    """Frames of one size, as many as the network takes at once and as memory holds."""
    batch: list[Frame] = []
    held = 0
    for frame in frames:
        if batch and (len(batch) >= params.pose_batch or held > HELD_BYTES or frame.size != batch[0].size):
            yield batch
            batch, held = [], 0
        small = _small_size(frame, params)
        # The shrunk image is kept beside the decoded planes.
        held += sum(plane.buffer_size for plane in frame.decoded.planes) + 3 * small[0] * small[1]
        batch.append(frame)
    if batch:
        yield batch


def _small_size(frame: Frame, params: Settings) -> tuple[int, int]:
    return fit_size(*frame.size, params.pose_width, params.pose_height)


def ask_network(network: Network | None, params: Settings) -> FindPoints:
    """The network's answer in float32 on the shrunk frames, scaled back."""

    def find_points(batch: list[Frame]) -> np.ndarray:
        if network is None:
            raise PainlibError("Expected a pose network, got none.")
        images = shrink_frames(batch, params)
        # For one picture of a size an engine costs more than it saves.
        ask = network.predict_plainly if len(batch) == 1 else network.predict
        return scale_points(np.array(ask(images), np.float64), batch[0].size, images[0].shape)

    return find_points


def shrink_frames(batch: list[Frame], params: Settings) -> list[np.ndarray]:
    """The frames of a batch as the network sees them, (height, width, 3) uint8 RGB."""
    width, height = _small_size(batch[0], params)
    return [frame.shrunk(width, height) for frame in batch]


def scale_points(found: np.ndarray, size: tuple[int, int], small: tuple[int, ...]) -> np.ndarray:
    """Points (n, 3, 3) of shrunk images (shape `small`) in px of the originals (`size`: width, height)."""
    scale = np.array(size) / (small[1], small[0])
    found[..., :2] = (found[..., :2] + 0.5) * scale - 0.5
    return found


def look_up(numbers: np.ndarray, points: np.ndarray) -> FindPoints:
    """Points that are known already, by frame number (sorted)."""

    def find_points(batch: list[Frame]) -> np.ndarray:
        return points[np.searchsorted(numbers, [frame.number for frame in batch])]

    return find_points


def read_pose(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Numbers (n_frames,) and points (n_frames, 3, 3) of a table "pose"."""
    table = read_table(path, "pose")
    return table["frame"].to_numpy(), table[POINT_COLUMNS].to_numpy().reshape(-1, 3, 3)


def read_trackers(
    video: CameraVideo, lines: Sequence[Timeline], params: Settings
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers (n_frames,) and points (n_frames, 3, 3) of the whole video files, from their tracker files."""
    from painlib.pose.trackers import read_tracker

    # Stretches of one file share its tracker file, as they share its numbers.
    pairs = dict.fromkeys((line.path, tracker) for line, tracker in zip(lines, video.pose, strict=True))
    n_frames = {line.path: len(line.pts) for line in lines}
    if len(pairs) > len(n_frames):
        raise PainlibError(
            f"Expected one tracker file for each video file of {describe_video(video)}, got {len(pairs)}."
        )
    points = []
    for path, tracker in pairs:
        table = read_tracker(tracker, params.point_names, params.individual)
        check_tracker_rows(tracker, len(table), path, n_frames[path])
        points.append(table[POINT_COLUMNS].to_numpy(np.float64).reshape(-1, 3, 3))
    together = np.concatenate(points)
    return np.arange(len(together)), together


def check_tracker_rows(tracker: str, n_rows: int, video: Place, n_frames: int) -> None:
    """Raise `PainlibError` where a tracker file has not one row for each frame of its video."""
    if n_rows != n_frames:
        raise PainlibError(
            f"Expected one row a frame, got {n_rows} rows in {tracker} for {n_frames} frames in {video}. "
            "Track this video again, or mend the column `pose`."
        )


def describe_video(video: CameraVideo) -> str:
    """Recording and camera, for messages."""
    return f"recording '{video.recording}', camera '{video.camera}'"

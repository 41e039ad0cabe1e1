"""A pose network for tests that finds coloured spots: nose red, right eye green, left eye blue."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import clips
import numpy as np

GREY = 96
COLOURS = np.eye(3)[[0, 1, 2]] * 255


def draw_head(
    number: int, points: np.ndarray, seen: tuple[bool, bool, bool], width=160, height=120
) -> np.ndarray:
    """A numbered frame with a spot (9 px across) for every point that is seen; `points` (3, 2) px."""
    image = clips.draw_number(number, width, height)
    image[-16:, -16:] = GREY  # no red but the nose's
    rows, columns = np.mgrid[:height, :width]
    for (x, y), colour, shown in zip(points, COLOURS, seen, strict=True):
        if shown:
            image[(columns - x) ** 2 + (rows - y) ** 2 <= 4.5**2] = colour
    return image


def read_number(image: np.ndarray) -> int:
    """The number that `draw_head` has drawn into a frame, of the frame at half its size."""
    return sum(int(image[2, 2 + 4 * bit].mean() > 127) << bit for bit in range(8))


class SpotNetwork:
    """Finds each spot as the mean place of its colour; likelihood 0.95 where it is there, else 0.05."""

    fingerprint = "spots 1"
    device = "cpu"

    def __init__(self, kill_at: int = -1, kill_once: str = "", slow_s: float = 0.0) -> None:
        self.kill_at, self.kill_once, self.slow_s = kill_at, kill_once, slow_s
        self.n_images = 0
        self.largest_batch = 0

    def predict_plainly(self, images) -> np.ndarray:
        """(n, 3, 3): x, y, likelihood; not counted."""
        return np.stack([self._find(image) for image in images])

    def list_engines(self) -> list:
        """None: it runs as it is."""
        return []

    def predict(self, images, precision="float32") -> np.ndarray:
        """(n, 3, 3): x, y, likelihood."""
        self.n_images += len(images)
        self.largest_batch = max(self.largest_batch, len(images))
        time.sleep(self.slow_s)
        return np.stack([self._find(image) for image in images])

    def _find(self, image: np.ndarray) -> np.ndarray:
        number = read_number(image)
        if number == self.kill_at and not (self.kill_once and Path(self.kill_once).exists()):
            if self.kill_once:
                Path(self.kill_once).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        found = np.zeros((3, 3))
        found[:, 2] = 0.05
        for point in range(3):
            weight = image[..., point].astype(float) - np.delete(image, point, axis=2).max(axis=2)
            weight[weight < 40] = 0
            if weight.sum() > 1000:
                rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
                found[point] = [
                    (columns * weight).sum() / weight.sum(),
                    (rows * weight).sum() / weight.sum(),
                    0.95,
                ]
        return found


def load_spots(path, point_names) -> SpotNetwork:
    """A network as the json file at `path` says; every loading leaves a line in `loaded.txt` beside it."""
    import cv2

    threads = [os.environ.get(name) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")]
    with open(Path(path).with_name("loaded.txt"), "a") as file:
        file.write(json.dumps({"pid": os.getpid(), "threads": threads, "cv2": cv2.getNumThreads()}) + "\n")
    return SpotNetwork(**json.loads(Path(path).read_text()))


class BlindNetwork(SpotNetwork):
    """Sees nothing."""

    def _find(self, image: np.ndarray) -> np.ndarray:
        return np.zeros((3, 3))


def load_blind(path, point_names) -> BlindNetwork:
    """A network that sees nothing, whatever is at `path`."""
    return BlindNetwork()

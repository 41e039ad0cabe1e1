"""Batches of training faces (paper, "Classifier"): drawn at random, turned and mirrored at random, by one
warp each."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
import torch

Batch = TypeVar("Batch")
# A shorter last batch joins the one before it: batch normalisation over a few faces is noise.
SMALLEST_BATCH_SHARE = 0.25


@dataclass(frozen=True)
class EpochDraw:
    """The faces of one epoch, in order: row of the inputs, angle in degrees (anticlockwise), mirrored or
    not."""

    rows: np.ndarray
    angle_deg: np.ndarray
    mirrored: np.ndarray


def draw_epoch(
    rows: np.ndarray, n_faces: int, rotation_deg: float, flip: bool, seed: int, epoch: int
) -> EpochDraw:
    """`n_faces` of `rows` at random without replacement, with it where there are fewer (paper: 30,000 an
    epoch).

    Angles are even in +-`rotation_deg`, half of the faces are mirrored when `flip`. Depends on nothing but
    its arguments, so that a resumed training draws what the uninterrupted one would have drawn.
    """
    rng = np.random.default_rng([seed, epoch])
    drawn = rng.choice(rows, size=n_faces, replace=n_faces > len(rows))
    angle = rng.uniform(-rotation_deg, rotation_deg, size=n_faces)
    return EpochDraw(drawn, angle, rng.random(n_faces) < (0.5 if flip else 0.0))


def split_batches(n: int, batch: int) -> list[slice]:
    """Slices of `batch` over n faces; a rest under a quarter of a batch joins the batch before it (ours)."""
    starts = list(range(0, n, batch))
    if len(starts) > 1 and n - starts[-1] < SMALLEST_BATCH_SHARE * batch:
        starts.pop()
    return [slice(start, stop) for start, stop in zip(starts, [*starts[1:], n], strict=True)]


def warp_faces(images: np.ndarray, angle_deg: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
    """Faces (n, px, px, 3) mirrored left to right, then turned anticlockwise about their middle, by one warp
    each.

    What comes in from outside the square repeats its edge (ours): black corners would tell the angle.
    """
    middle = (images.shape[1] - 1) / 2
    cosine, sine = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    sign = np.where(mirrored, -1.0, 1.0)
    # From a pixel of the result back to the pixel of the face (y points down).
    matrix = np.stack([np.stack([sign * cosine, -sign * sine], 1), np.stack([sine, cosine], 1)], 1)
    shift = middle - matrix.sum(axis=2) * middle
    affine = np.concatenate([matrix, shift[:, :, None]], axis=2)
    warped = np.empty_like(images)
    for image, result, back in zip(images, warped, affine, strict=True):
        cv2.warpAffine(
            image,
            back,
            image.shape[1::-1],
            dst=result,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
    return warped


class HostFaces:
    """Training faces of `inputs` (n, px, px, 3) uint8, warped by OpenCV on the processor, for any device.

    `workers` threads work ahead; 0 makes each batch when it is asked for.
    """

    augmentation = "opencv"

    def __init__(
        self, inputs: np.ndarray, labels: np.ndarray, device: torch.device, workers: int = 0
    ) -> None:
        self._inputs, self._labels, self._device, self._workers = inputs, labels, device, workers

    def load(self, draw: EpochDraw, batches: list[slice]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Images (n, 3, px, px) uint8 and labels (n,) on the device, batch by batch in order."""
        for images, answers in load_batches(self._inputs, self._labels, draw, batches, self._workers):
            yield images.to(self._device), answers.to(self._device)


def load_batches(
    inputs: np.ndarray, labels: np.ndarray, draw: EpochDraw, batches: list[slice], workers: int = 0
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Warped images (n, 3, px, px) uint8, channels last in memory, and labels (n,), batch by batch in order.

    `workers` threads work ahead; 0 makes each batch when it is asked for.
    """

    def load(batch: slice) -> tuple[torch.Tensor, torch.Tensor]:
        images = warp_faces(np.asarray(inputs[draw.rows[batch]]), draw.angle_deg[batch], draw.mirrored[batch])
        # Height, width, colour is what channels_last is in memory: permuting copies nothing.
        return torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(labels[draw.rows[batch]]).long()

    return _work_ahead(load, batches, workers)


def read_batches(
    inputs: np.ndarray, draw: EpochDraw, batches: list[slice], workers: int = 0
) -> Iterator[np.ndarray]:
    """The faces (n, px, px, 3) as they are stored, batch by batch in order; `workers` as above."""
    return _work_ahead(lambda batch: np.ascontiguousarray(inputs[draw.rows[batch]]), batches, workers)


def count_workers(device: torch.device) -> int:
    """None beside a CPU that is busy training; one thread of warping would starve a GPU."""
    return 0 if device.type == "cpu" else min(8, os.cpu_count() or 1)


def _work_ahead(load: Callable[[slice], Batch], batches: list[slice], workers: int) -> Iterator[Batch]:
    if workers == 0:
        yield from map(load, batches)
        return
    with ThreadPoolExecutor(workers) as pool:
        ahead = deque(pool.submit(load, batch) for batch in batches[: 2 * workers])
        for batch in batches[2 * workers :]:
            yield ahead.popleft().result()
            ahead.append(pool.submit(load, batch))
        while ahead:
            yield ahead.popleft().result()

"""Batches of training faces made on a graphics card: the faces lie there where they fit, and are turned and
mirrored there."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from painlib.training.batches import EpochDraw, read_batches

STORE_SHARE = 0.5  # of the card's free memory: no more of it goes to faces; the rest is for training
COPIED_AT_ONCE = 1024  # faces


class DeviceFaces:
    """Training faces `rows` of `inputs` (n, px, px, 3) uint8, for batches that are made on `device`.

    `resident`: whether they lie on the device (None: where they take at most `STORE_SHARE` of its free
    memory); otherwise each batch is read from `inputs` by `workers` threads and turned on the device.
    """

    augmentation = "torch"

    def __init__(
        self,
        inputs: np.ndarray,
        labels: np.ndarray,
        rows: np.ndarray,
        device: torch.device,
        workers: int = 0,
        resident: bool | None = None,
    ) -> None:
        self._inputs, self._labels, self._device, self._workers = inputs, labels, device, workers
        self._rows = np.unique(rows)
        if resident is None:
            n_bytes = len(self._rows) * int(np.prod(inputs.shape[1:]))
            resident = n_bytes <= STORE_SHARE * find_free_memory(device)
        self.resident = resident
        self._store = _copy_faces(inputs, self._rows, device) if resident else None

    def load(self, draw: EpochDraw, batches: list[slice]) -> Iterator[tuple[Tensor, Tensor]]:
        """Images (n, 3, px, px) uint8 and labels (n,) on the device, batch by batch in order."""
        for batch, faces in zip(batches, self._find_faces(draw, batches), strict=True):
            answers = torch.from_numpy(self._labels[draw.rows[batch]]).long()
            images = warp_on_device(faces, draw.angle_deg[batch], draw.mirrored[batch])
            yield images, _send(answers, self._device)

    def _find_faces(self, draw: EpochDraw, batches: list[slice]) -> Iterator[Tensor]:
        """The faces (n, px, px, 3) as they are stored, on the device."""
        if self._store is None:
            for faces in read_batches(self._inputs, draw, batches, self._workers):
                yield _send(torch.from_numpy(faces), self._device)
            return
        places = torch.from_numpy(np.searchsorted(self._rows, draw.rows)).to(self._device)
        for batch in batches:
            yield self._store[places[batch]]


def warp_on_device(faces: Tensor, angle_deg: np.ndarray, mirrored: np.ndarray) -> Tensor:
    """`batches.warp_faces` where the faces (n, px, px, 3) uint8 lie: (n, 3, px, px) uint8, channels last.

    The same squares, mirrored left to right and then turned anticlockwise about their middle, edges repeated;
    values differ by rounding, as OpenCV interpolates by a table with steps of 1/32 px.
    """
    cosine, sine = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    sign = np.where(mirrored, -1.0, 1.0)
    # From a place of the result back to the place in the face, both from -1 to 1 about the middle.
    back = np.stack([np.stack([sign * cosine, -sign * sine], 1), np.stack([sine, cosine], 1)], 1)
    theta = torch.zeros(len(faces), 2, 3)
    theta[:, :, :2] = torch.from_numpy(back)
    images = faces.permute(0, 3, 1, 2).float()
    grid = torch.nn.functional.affine_grid(_send(theta, faces.device), list(images.shape), align_corners=True)
    warped = torch.nn.functional.grid_sample(
        images, grid, mode="bilinear", padding_mode="border", align_corners=True
    )
    return warped.round().to(torch.uint8).contiguous(memory_format=torch.channels_last)


def find_free_memory(device: torch.device) -> int:
    """Bytes of a graphics card's memory that nobody uses; 0 where that cannot be known."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0


def _copy_faces(inputs: np.ndarray, rows: np.ndarray, device: torch.device) -> Tensor:
    store = torch.empty((len(rows), *inputs.shape[1:]), dtype=torch.uint8, device=device)
    for start in range(0, len(rows), COPIED_AT_ONCE):
        chunk = np.ascontiguousarray(inputs[rows[start : start + COPIED_AT_ONCE]])
        store[start : start + len(chunk)] = torch.from_numpy(chunk).to(device)
    return store


def _send(tensor: Tensor, device: torch.device) -> Tensor:
    """To the device, without waiting where it is a graphics card."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)

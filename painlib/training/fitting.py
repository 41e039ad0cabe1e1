"""Training of the classifier (paper, "Classifier"): Adam and cross entropy on random, turned and mirrored
faces.

The numbers that the paper gives are parameters; what it leaves open (border of a turned
face, a short last batch) is ours and said where it happens. Number of epochs and network are fixed by the
caller beforehand: nothing here looks at faces outside `rows`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch

from painlib.faults import PainlibError
from painlib.model import PainNet, choose_device
from painlib.training.launch import launch_training
from painlib.training.loop import Alone, LoopSettings, Task, run_epochs

HISTORY = ["epoch", "loss", "accuracy", "seconds"]


class TrainSettings(LoopSettings, Protocol):
    """The parameters that training reads; `params.TrainParams` has them."""

    @property
    def precision(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def processes(self) -> int: ...
    @property
    def launch(self) -> str: ...


@dataclass(frozen=True)
class TrainedNet:
    """A trained network (in evaluation mode) and how it got there.

    `history`: one row an epoch: epoch (from 1), loss and accuracy over the turned and mirrored faces drawn in
    it (training faces, never held-out ones), seconds.
    """

    net: PainNet
    history: pd.DataFrame
    device: str
    precision: str


def train_classifier(
    inputs: np.ndarray,
    labels: np.ndarray,
    rows: np.ndarray,
    params: TrainSettings,
    seed: int,
    *,
    checkpoint: Path | None = None,
    log: Callable[[dict[str, Any]], None] | None = None,
    tensorboard: Path | None = None,
    description: str = "Training",
) -> TrainedNet:
    """Train the paper's network on `rows` of `inputs` (n, px, px, 3) uint8 RGB with `labels` (n,), 0 or 1.

    `checkpoint` is written after every epoch; when it is of this very training (parameters, seed, faces,
    labels, device, precision, number of processes), training goes on from it and ends at the weights an
    uninterrupted one has; a checkpoint of another training is replaced. `log` gets each row of the history,
    the folder `tensorboard` the curves. With `params.processes` above 1 that many processes train together
    (`painlib.training.launch`). The same seed gives the same weights on the same kind of device, precision,
    number of threads and of processes. Raises `PainlibError` when there are no faces, one class only, or
    faces of another size than `input_px`.
    """
    rows = _check_faces(inputs, labels, rows, params)
    device = choose_device(params.device)
    precision = choose_precision(params.precision, device)
    task = Task(inputs, labels, rows, params, seed, device, precision, checkpoint, tensorboard, description)
    if params.processes > 1:
        net, history = launch_training(task, params.processes, params.launch, log)
    else:
        net, history = run_epochs(task, Alone(), log)
    return TrainedNet(net, pd.DataFrame(history, columns=HISTORY), device.type, precision)


def choose_precision(name: str, device: torch.device) -> str:
    """`auto`: "bfloat16" where the hardware computes in it (measured 2.3 times float32 on such a CPU), or
    "float32"."""
    if name != "auto":
        return name
    if device.type == "cuda":
        hardware = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        known = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        hardware = device.type == "cpu" and bool(known.get("avx512_bf16") or known.get("amx_bf16"))
    return "bfloat16" if hardware else "float32"


def _check_faces(
    inputs: np.ndarray, labels: np.ndarray, rows: np.ndarray, params: TrainSettings
) -> np.ndarray:
    rows = np.asarray(rows, dtype=np.int64)
    if len(rows) == 0:
        raise PainlibError(
            "Training needs faces, got none: check that stage 01_crop found faces in labelled recordings."
        )
    px = params.input_px
    if inputs.dtype != np.uint8 or inputs.shape[1:] != (px, px, 3):
        raise PainlibError(
            f"Training expects faces (n, {px}, {px}, 3) uint8 as `input_px` says, got {inputs.shape} "
            f"{inputs.dtype}."
        )
    if len(labels) != len(inputs):
        raise PainlibError(f"Training expects a label for each of {len(inputs)} faces, got {len(labels)}.")
    values, counts = np.unique(labels[rows], return_counts=True)
    if values.tolist() != [0, 1]:
        got = ", ".join(f"{n} of label {value}" for value, n in zip(values, counts, strict=True))
        raise PainlibError(
            f"Training needs faces of both labels, 0 (no pain) and 1 (pain); got {got}. Check column `label` "
            "of the cohort table."
        )
    if params.faces_per_epoch < 2:
        raise PainlibError(f"Parameter `faces_per_epoch`: expected at least 2, got {params.faces_per_epoch}.")
    return rows

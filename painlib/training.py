"""Training of the classifier (paper, "Classifier"): Adam and cross entropy on random, turned and mirrored
faces.

The numbers that the paper gives are parameters; what it leaves open (border of a turned
face, a short last batch) is ours and said where it happens. Number of epochs and network are fixed by the
caller beforehand: nothing here looks at faces outside `rows`.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.optim.swa_utils import update_bn

from painlib.batches import count_workers, draw_epoch, load_batches, split_batches
from painlib.checkpoint import CHECKPOINT_FORMAT, load_checkpoint, save_checkpoint
from painlib.faults import PainlibError
from painlib.model import PainNet, choose_device
from painlib.progress import report_progress
from painlib.provenance import fingerprint

# A training is known by its faces; of many, an even choice of this many is looked at.
MARKED_FACES = 4096
# Batch normalisation needs no more faces than this for its mean and variance.
SETTLING_FACES = 8192


class TrainSettings(Protocol):
    """The parameters that training reads; `params.TrainParams` has them."""

    @property
    def input_px(self) -> int: ...
    @property
    def channels(self) -> Sequence[int]: ...
    @property
    def head_widths(self) -> Sequence[int]: ...
    @property
    def epochs(self) -> int: ...
    @property
    def faces_per_epoch(self) -> int: ...
    @property
    def batch(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def rotation_deg(self) -> float: ...
    @property
    def flip(self) -> bool: ...
    @property
    def precision(self) -> str: ...
    @property
    def device(self) -> str: ...


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
    labels, device, precision), training goes on from it and ends at the weights an uninterrupted one has; a
    checkpoint of another training is replaced. `log` gets each row of the history, the folder `tensorboard`
    the curves. The same seed gives the same weights on the same kind of device, precision and number of
    threads. Raises `PainlibError` when there are no faces, one class only, or faces of another size than
    `input_px`.
    """
    rows = _check_faces(inputs, labels, rows, params)
    device = choose_device(params.device)
    precision = choose_precision(params.precision, device)
    content = _mark_inputs(inputs, rows)
    facts = [_hash(rows), _hash(labels[rows].astype(np.int64)), content, device.type, precision]
    identity = fingerprint(_list_settings(params), seed, facts, CHECKPOINT_FORMAT)

    # Initial weights come from the CPU's generator whatever the device; the caller's generator is left alone.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = PainNet(params.channels, params.head_widths, params.input_px)
    net = net.to(device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), lr=params.learning_rate)
    history = load_checkpoint(checkpoint, identity, net, optimizer) if checkpoint else []

    batches = split_batches(params.faces_per_epoch, params.batch)
    steps = len(batches) * params.epochs
    writer = _open_tensorboard(tensorboard, len(history) + 1)
    try:
        for epoch in range(len(history) + 1, params.epochs + 1):
            start = time.perf_counter()
            draw = draw_epoch(rows, params.faces_per_epoch, params.rotation_deg, params.flip, seed, epoch)
            loaded = load_batches(inputs, labels, draw, batches, count_workers(device))
            shown = _show_progress(loaded, description, len(batches) * (epoch - 1), steps)
            loss, accuracy = _train_epoch(net, optimizer, shown, device, precision)
            if not math.isfinite(loss):
                raise PainlibError(
                    f"Training came apart in epoch {epoch}: expected a finite loss, got {loss}. Lower "
                    f"`learning_rate` (now {params.learning_rate}), or set `precision` to float32."
                )
            seconds = time.perf_counter() - start
            history.append({"epoch": epoch, "loss": loss, "accuracy": accuracy, "seconds": seconds})
            if checkpoint:
                save_checkpoint(checkpoint, identity, net, optimizer, history)
            if writer:
                writer.add_scalar("training/loss", loss, epoch)
                writer.add_scalar("training/accuracy", accuracy, epoch)
                writer.flush()
            if log:
                log(dict(history[-1]))
    finally:
        if writer:
            writer.close()
    _settle_batch_norm(net, inputs, labels, rows, params, seed, device)
    table = pd.DataFrame(history, columns=["epoch", "loss", "accuracy", "seconds"])
    return TrainedNet(net.eval(), table, device.type, precision)


def _settle_batch_norm(
    net: PainNet,
    inputs: np.ndarray,
    labels: np.ndarray,
    rows: np.ndarray,
    params: TrainSettings,
    seed: int,
    device: torch.device,
) -> None:
    """Mean and variance of every batch normalisation, measured anew under the final weights.

    Ours: the running averages of training lag behind weights that still move; a network judged by them called
    far more faces pain than it had in training. At most one more epoch of drawn faces is looked at.
    """
    n_faces = min(params.faces_per_epoch, SETTLING_FACES)
    draw = draw_epoch(rows, n_faces, params.rotation_deg, params.flip, seed, params.epochs + 1)
    batches = split_batches(n_faces, params.batch)
    loaded = load_batches(inputs, labels, draw, batches, count_workers(device))
    net.train()
    update_bn(loaded, net, device=device)


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


def _train_epoch(
    net: PainNet,
    optimizer: torch.optim.Optimizer,
    batches: Iterator[tuple[torch.Tensor, torch.Tensor]],
    device: torch.device,
    precision: str,
) -> tuple[float, float]:
    """One pass over the batches; mean loss and accuracy of the faces in it, each before it was learned
    from."""
    net.train()
    n_faces = 0
    loss_sum, n_right = torch.zeros((), device=device), torch.zeros((), device=device)
    for images, answers in batches:
        images, answers = images.to(device), answers.to(device)
        with (
            torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"),
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True),
        ):
            logits = net(images).float()
            loss = nn.functional.cross_entropy(logits, answers)
            optimizer.zero_grad()
            loss.backward()
        optimizer.step()
        n_faces += len(answers)
        loss_sum += loss.detach() * len(answers)
        n_right += (logits.detach().argmax(dim=1) == answers).sum()
    return float(loss_sum) / n_faces, float(n_right) / n_faces


def _show_progress(batches: Iterator[Any], description: str, done: int, total: int) -> Iterator[Any]:
    report_progress(description, done, total)
    for step, batch in enumerate(batches, start=done + 1):
        yield batch
        report_progress(description, step, total)


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


def _mark_inputs(inputs: np.ndarray, rows: np.ndarray) -> str:
    """Hash of at most 4,096 of the training faces."""
    chosen = rows[np.linspace(0, len(rows) - 1, min(len(rows), MARKED_FACES)).astype(np.int64)]
    content = hashlib.sha256()
    for start in range(0, len(chosen), 64):
        content.update(np.ascontiguousarray(inputs[chosen[start : start + 64]]).tobytes())
    return content.hexdigest()


def _hash(values: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()


def _list_settings(params: TrainSettings) -> dict[str, Any]:
    """The parameters that decide over the weights, in JSON's types."""
    names = ["input_px", "epochs", "faces_per_epoch", "batch", "learning_rate", "rotation_deg", "flip"]
    widths = {"channels": list(params.channels), "head_widths": list(params.head_widths)}
    return {name: getattr(params, name) for name in names} | widths


def _open_tensorboard(folder: Path | None, first_epoch: int) -> Any:
    if folder is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    # What an earlier, cut-short or different training drew from this epoch on is taken off the curves.
    return SummaryWriter(str(folder), purge_step=first_epoch)

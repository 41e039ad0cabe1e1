"""The epochs of a training: draws, batches, steps of Adam, checkpoints; alone, or as one of several processes
that share every batch."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from painlib.faults import PainlibError
from painlib.fingerprints import fingerprint
from painlib.model import PainNet
from painlib.progress import report_progress
from painlib.training.batches import HostFaces, count_workers, draw_epoch, split_batches
from painlib.training.checkpoint import CHECKPOINT_FORMAT, load_checkpoint, save_checkpoint
from painlib.training.device_batches import DeviceFaces

# A training is known by its faces; of many, an even choice of this many is looked at.
MARKED_FACES = 4096
# Batch normalisation needs no more faces than this for its mean and variance.
SETTLING_FACES = 8192
# The parameters that decide over the weights.
DECIDING = ("input_px", "epochs", "faces_per_epoch", "batch", "learning_rate", "rotation_deg", "flip")
WIDTHS = ("channels", "head_widths")


class LoopSettings(Protocol):
    """The parameters that the epochs follow."""

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


class Company(Protocol):
    """The processes that train one network together; this one is number `index` of `count`."""

    index: int
    count: int

    def join(self, net: PainNet) -> nn.Module:
        """What is called in the place of the network: its gradients are those of the whole batch."""
        ...

    def add_up(self, values: Tensor) -> Tensor:
        """The sum over processes."""
        ...


class Alone:
    """One process."""

    index, count = 0, 1

    def join(self, net: PainNet) -> nn.Module:
        """The network itself."""
        return net

    def add_up(self, values: Tensor) -> Tensor:
        """The values themselves."""
        return values


@dataclass(frozen=True)
class Task:
    """What one training needs to know; every process of it has the same."""

    inputs: np.ndarray
    labels: np.ndarray
    rows: np.ndarray
    params: LoopSettings
    seed: int
    device: torch.device
    precision: str
    checkpoint: Path | None = None
    tensorboard: Path | None = None
    description: str = "Training"


def run_epochs(
    task: Task, company: Company, log: Callable[[dict[str, Any]], None] | None = None
) -> tuple[PainNet, list[dict[str, Any]]]:
    """The trained network, in evaluation mode, and its history: one row an epoch.

    Goes on from the task's checkpoint where that is of this very training.
    """
    params, device = task.params, task.device
    faces = _open_faces(task)
    first, identity = company.index == 0, _identify(task, faces.augmentation, company.count)
    # Initial weights come from the CPU's generator whatever the device; the caller's generator is left alone.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(task.seed)
        net = PainNet(params.channels, params.head_widths, params.input_px)
    net = net.to(device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), lr=params.learning_rate)
    history = load_checkpoint(task.checkpoint, identity, net, optimizer) if task.checkpoint else []
    called = company.join(net)

    whole = split_batches(params.faces_per_epoch, params.batch)
    batches, steps = take_share(whole, company), len(whole) * params.epochs
    writer = _open_tensorboard(task.tensorboard if first else None, len(history) + 1)
    try:
        for epoch in range(len(history) + 1, params.epochs + 1):
            start = time.perf_counter()
            draw = draw_epoch(
                task.rows, params.faces_per_epoch, params.rotation_deg, params.flip, task.seed, epoch
            )
            loaded: Iterator[Any] = faces.load(draw, batches)
            if first:
                loaded = _show_progress(loaded, task.description, len(whole) * (epoch - 1), steps)
            loss, accuracy = _train_epoch(called, optimizer, loaded, whole, task, company)
            if not math.isfinite(loss):
                raise PainlibError(
                    f"Training came apart in epoch {epoch}: expected a finite loss, got {loss}. Lower "
                    f"`learning_rate` (now {params.learning_rate}), or set `precision` to float32."
                )
            seconds = time.perf_counter() - start
            history.append({"epoch": epoch, "loss": loss, "accuracy": accuracy, "seconds": seconds})
            if task.checkpoint and first:
                save_checkpoint(task.checkpoint, identity, net, optimizer, history)
            if writer:
                writer.add_scalar("training/loss", loss, epoch)
                writer.add_scalar("training/accuracy", accuracy, epoch)
                writer.flush()
            if log:
                log(dict(history[-1]))
    finally:
        if writer:
            writer.close()
    _settle_batch_norm(net, faces, task, company)
    return net.eval(), history


def take_share(batches: list[slice], company: Company) -> list[slice]:
    """This process's part of each batch, as even as whole faces allow; raises `PainlibError` where a process
    would get none."""
    smallest = min(batch.stop - batch.start for batch in batches)
    if smallest < company.count:
        raise PainlibError(
            f"Parameter `processes`: expected at most {smallest}, the faces of the smallest batch, got "
            f"{company.count}."
        )
    return [
        slice(
            batch.start + (batch.stop - batch.start) * company.index // company.count,
            batch.start + (batch.stop - batch.start) * (company.index + 1) // company.count,
        )
        for batch in batches
    ]


def _open_faces(task: Task) -> HostFaces | DeviceFaces:
    """On CUDA faces are turned by the card; elsewhere by OpenCV, which is quicker on a processor."""
    workers = count_workers(task.device)
    if task.device.type == "cuda":
        return DeviceFaces(task.inputs, task.labels, task.rows, task.device, workers)
    return HostFaces(task.inputs, task.labels, task.device, workers)


def _train_epoch(
    called: nn.Module,
    optimizer: torch.optim.Optimizer,
    loaded: Iterator[tuple[Tensor, Tensor]],
    whole: list[slice],
    task: Task,
    company: Company,
) -> tuple[float, float]:
    """One pass over the batches; mean loss and accuracy of the faces in it, each before it was learned
    from."""
    called.train()
    loss_sum, n_right = torch.zeros((), device=task.device), torch.zeros((), device=task.device)
    for (images, answers), batch in zip(loaded, whole, strict=True):
        with (
            torch.autocast(task.device.type, torch.bfloat16, enabled=task.precision == "bfloat16"),
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True),
        ):
            logits = called(images).float()
            loss = nn.functional.cross_entropy(logits, answers)
            # Gradients are averaged over processes: each counts by its share of the batch.
            share = company.count * len(answers) / (batch.stop - batch.start)
            optimizer.zero_grad()
            (loss if share == 1 else loss * share).backward()
        optimizer.step()
        loss_sum += loss.detach() * len(answers)
        n_right += (logits.detach().argmax(dim=1) == answers).sum()
    loss_sum, n_right = company.add_up(torch.stack([loss_sum, n_right]))
    return float(loss_sum) / whole[-1].stop, float(n_right) / whole[-1].stop


def _settle_batch_norm(net: PainNet, faces: HostFaces | DeviceFaces, task: Task, company: Company) -> None:
    """Mean and variance of every batch normalisation, measured anew under the final weights.

    Ours: the running averages of training lag behind weights that still move; a network judged by them called
    far more faces pain than it had in training. At most one more epoch of drawn faces is looked at.
    """
    params = task.params
    n_faces = min(params.faces_per_epoch, SETTLING_FACES)
    draw = draw_epoch(task.rows, n_faces, params.rotation_deg, params.flip, task.seed, params.epochs + 1)
    batches = take_share(split_batches(n_faces, params.batch), company)
    net.train()
    update_bn(faces.load(draw, batches), net, device=task.device)


def _show_progress(batches: Iterator[Any], description: str, done: int, total: int) -> Iterator[Any]:
    report_progress(description, done, total)
    for step, batch in enumerate(batches, start=done + 1):
        yield batch
        report_progress(description, step, total)


def _identify(task: Task, augmentation: str, processes: int) -> str:
    """The mark of this very training: what it was told, and what changes the last digits of its weights."""
    settings = {name: getattr(task.params, name) for name in DECIDING}
    settings |= {name: list(getattr(task.params, name)) for name in WIDTHS}
    facts = [_hash(task.rows), _hash(task.labels[task.rows].astype(np.int64))]
    facts += [_mark_inputs(task.inputs, task.rows), task.device.type, task.precision]
    facts += [] if augmentation == "opencv" else [f"turned by {augmentation}"]
    facts += [] if processes == 1 else [f"{processes} processes"]
    return fingerprint(settings, task.seed, facts, CHECKPOINT_FORMAT)


def _mark_inputs(inputs: np.ndarray, rows: np.ndarray) -> str:
    """Hash of at most 4,096 of the training faces."""
    chosen = rows[np.linspace(0, len(rows) - 1, min(len(rows), MARKED_FACES)).astype(np.int64)]
    content = hashlib.sha256()
    for start in range(0, len(chosen), 64):
        content.update(np.ascontiguousarray(inputs[chosen[start : start + 64]]).tobytes())
    return content.hexdigest()


def _hash(values: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()


def _open_tensorboard(folder: Path | None, first_epoch: int) -> Any:
    if folder is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    # What an earlier, cut-short or different training drew from this epoch on is taken off the curves.
    return SummaryWriter(str(folder), purge_step=first_epoch)

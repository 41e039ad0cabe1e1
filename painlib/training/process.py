"""One of several processes that train one network: `python -m painlib.training.process FOLDER`.

Started by `accelerate launch` (see `painlib.training.launch`). All processes hold the same weights. Of every
batch each takes its share; gradients are averaged over faces, and batch normalisation uses mean and variance
of the whole batch (`SharedBatchNorm`). So the steps are those of one process but for rounding. Most of that
is torch's own batch normalisation, whose scale is off by 3e-4 on a processor in channels-last layout
(measured). Training carries it on: after 40 steps on noisy drawn faces probabilities of new faces differed by
0.002 in the mean and 0.035 at most, and no call changed.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.distributed as distributed
from torch import Tensor, nn

from painlib.faults import PainlibError
from painlib.model import ConvolutionBlock, PainNet
from painlib.tables import write_whole
from painlib.training.launch import FAULT_FILE, LABELS_FILE, RESULT_FILE, ROWS_FILE, TASK_FILE
from painlib.training.loop import Task, run_epochs

WAIT_S = 600  # the longest that processes wait for each other
LOOKS_S = 5.0


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation by mean and variance of the whole batch, whose parts lie in several processes.

    As `nn.SyncBatchNorm`, which needs GPUs; this one also runs on processors. Computed in float32.
    """

    def forward(self, x: Tensor) -> Tensor:
        """`x` (n, channels, height, width), normalised; dtype as given."""
        if not self.training:
            return super().forward(x)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        wide = x.float()
        n = _add_up(torch.tensor(float(x.numel() // x.shape[1]), device=x.device))
        mean = _AddUp.apply(wide.sum(dim=(0, 2, 3))) / n
        centred = wide - mean[:, None, None]
        variance = _AddUp.apply(centred.square().sum(dim=(0, 2, 3))) / n
        with torch.no_grad():
            self.num_batches_tracked += 1
            share = 1 / self.num_batches_tracked if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean, share)
            self.running_var.lerp_(variance * n / (n - 1), share)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)


class _AddUp(torch.autograd.Function):
    """The sum over processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return _add_up(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _add_up(gradient)


def _add_up(values: Tensor) -> Tensor:
    total = values.detach().clone()
    distributed.all_reduce(total)
    return total


class Processes:
    """This process among those that accelerate started."""

    def __init__(self, device: str) -> None:
        from accelerate import Accelerator, DistributedDataParallelKwargs, InitProcessGroupKwargs

        self._accelerator = Accelerator(
            cpu=device == "cpu",
            kwargs_handlers=[
                InitProcessGroupKwargs(timeout=timedelta(seconds=WAIT_S)),
                DistributedDataParallelKwargs(broadcast_buffers=False),
            ],
        )
        self.index, self.count = self._accelerator.process_index, self._accelerator.num_processes
        self.device = self._accelerator.device

    def join(self, net: PainNet) -> nn.Module:
        """What is called in the place of the network: its gradients are those of the whole batch."""
        share_norms(net)
        joined: nn.Module = self._accelerator.prepare_model(net)
        return joined

    def add_up(self, values: Tensor) -> Tensor:
        """The sum over processes."""
        return _add_up(values)


def share_norms(net: PainNet) -> None:
    """Put a `SharedBatchNorm` with the same parameters in the place of each batch normalisation."""
    for block in net.blocks:
        assert isinstance(block, ConvolutionBlock)
        shared = SharedBatchNorm(block.norm.num_features).to(block.norm.weight.device)
        shared.load_state_dict(block.norm.state_dict())
        shared.weight, shared.bias = block.norm.weight, block.norm.bias
        block.norm = shared


def train_in_process(folder: Path) -> None:
    """This process's part of the training that `launch_training` wrote into `folder`."""
    told = json.loads((folder / TASK_FILE).read_text(encoding="utf-8"))
    threading.Thread(target=_leave_with_parent, args=told["parent"], daemon=True).start()
    company = Processes(told["device"])
    if company.count != told["processes"]:
        raise PainlibError(
            f"Parameter `processes`: expected {told['processes']}, but the launch started {company.count}."
        )
    params: Any = SimpleNamespace(**told["params"])
    where = {name: told[name] and Path(told[name]) for name in ("checkpoint", "tensorboard")}
    task = Task(
        _open_inputs(told["inputs"]), np.load(folder / LABELS_FILE), np.load(folder / ROWS_FILE), params,
        told["seed"], company.device, told["precision"], description=told["description"], **where,
    )  # fmt: skip
    new: list[dict[str, Any]] = []
    net, history = run_epochs(task, company, new.append)
    if company.index == 0:
        state = {name: tensor.cpu() for name, tensor in net.state_dict().items()}
        with write_whole(folder / RESULT_FILE) as temporary:
            torch.save({"net": state, "history": history, "first": len(history) - len(new)}, temporary)
    distributed.barrier()
    distributed.destroy_process_group()


def _open_inputs(kept: dict[str, Any]) -> np.ndarray:
    if kept["offset"] is None:
        return np.load(kept["path"], mmap_mode="r")
    return np.memmap(kept["path"], np.uint8, "r", kept["offset"], tuple(kept["shape"]))


def _leave_with_parent(machine: str, number: int) -> None:
    """A process whose training was killed on this machine would go on for nobody."""
    import psutil

    while machine == platform.node():
        if not psutil.pid_exists(number):
            os._exit(1)
        time.sleep(LOOKS_S)


def main() -> None:
    """The command."""
    folder = Path(sys.argv[1])
    try:
        train_in_process(folder)
    except PainlibError as error:
        (folder / FAULT_FILE).write_text(str(error), encoding="utf-8")
        sys.exit(1)


if __name__ == "__main__":
    main()

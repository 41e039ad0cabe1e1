"""A network in torch itself: plain float32 (what every other way is measured against), or half precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from painlib.engines.outputs import map_tensors

if TYPE_CHECKING:
    from torch import Tensor, nn


def run_in_torch(module: nn.Module, device: str, precision: str) -> Callable[[Tensor], Any]:
    """`module` on `device` in evaluation mode, as a function of a batch; its floats come back as float32.

    In float32 a graphics card multiplies in float32 too (cuDNN would take TF32, with ten bits). `module` is
    moved, and laid out channels last.
    """
    import torch

    module.to(device).to(memory_format=torch.channels_last).eval()
    kind = device.split(":")[0]
    half = precision != "float32"

    def run(batch: Tensor) -> Any:
        with (
            torch.inference_mode(),
            torch.autocast(kind, getattr(torch, precision) if half else None, enabled=half),
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=False, allow_tf32=False),
        ):
            return map_tensors(module(batch.to(device)), _widen)

    return run


def _widen(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor

"""A trained network made fast: the fastest way for the device, kept only where it gives the plain answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from painlib.engines.openvino_engine import run_in_openvino
from painlib.engines.outputs import map_tensors, measure_difference
from painlib.engines.plain import run_in_torch
from painlib.engines.precision import PRECISIONS, choose_precision

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["PRECISIONS", "TOLERANCES", "Engine", "compile_module"]

# Ours: the largest difference from plain float32, as a share of the largest value of that output. Beyond it a
# way is taken for broken. What it means for results, the caller measures on results.
TOLERANCES = {"float32": 1e-3, "float16": 0.02, "bfloat16": 0.1}


@dataclass(frozen=True)
class Engine:
    """A network that answers batches: `engine(batch)` gives what the module gives, floats as float32.

    `name`: "openvino" or "torch". `precision`: what it computes in. `difference`: from plain float32, on the
    example (see `TOLERANCES`); 0 for plain float32 itself. `fallback`: why the faster way is not taken, or
    "".
    """

    name: str
    precision: str
    device: str
    difference: float
    fallback: str
    run: Callable[[Tensor], Any]

    def __call__(self, batch: Tensor) -> Any:
        """The module's answer to `batch` (n, ...), of any n; tensors on the CPU (OpenVINO) or the device."""
        return self.run(batch)


def compile_module(module: nn.Module, example: Tensor, *, device: str, precision: str = "float32") -> Engine:
    """Make `module` fast for batches like `example` (n, ...): same size of image, same dtype, any n.

    `device`: "cpu", "cuda" or "mps". `precision`: see `choose_precision`. The module must answer each image
    by itself, with tensors or tuples, lists and dicts of them, whose first axis is the image; it is moved to
    the device and put into evaluation mode. Its weights must not change afterwards. On a processor it runs
    in OpenVINO, else in torch; when that fails or differs from plain float32 by more than `TOLERANCES` on
    the example, once in a batch and once alone, the plain way is what is returned, and `fallback` says why.
    """
    import torch

    wanted = choose_precision(precision, device)
    plain = run_in_torch(module, device, "float32")
    if device != "cpu" and wanted == "float32":
        return Engine("torch", "float32", device, 0.0, "", plain)
    # Two images at least: a tracer takes 1 for a constant.
    batch = torch.cat([example, example[:1]])
    name = "openvino" if device == "cpu" else "torch"
    try:
        if device == "cpu":
            run, ran = run_in_openvino(module, batch, wanted)
        else:
            run, ran = run_in_torch(module, device, wanted), wanted
        reference = plain(batch)
        alone = map_tensors(reference, lambda tensor: tensor[:1])
        difference = max(measure_difference(run(batch), reference), measure_difference(run(batch[:1]), alone))
        reason = f"differs from plain float32 by {difference:.2g}" if difference > TOLERANCES[ran] else ""
    except Exception as error:  # whatever a converter or a kernel raises: the plain way always works
        reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    if reason:
        return Engine("torch", "float32", device, 0.0, f"{name} {wanted}: {reason}", plain)
    return Engine(name, ran, device, difference, "", run)

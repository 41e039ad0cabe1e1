"""What a network returns, taken apart into tensors and put together again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def list_tensors(output: Any) -> list[Tensor]:
    """The tensors in a tensor, or in tuples, lists and dicts of them, in their order."""
    import torch

    if isinstance(output, torch.Tensor):
        return [output]
    if isinstance(output, dict):
        return [tensor for part in output.values() for tensor in list_tensors(part)]
    if isinstance(output, tuple | list):
        return [tensor for part in output for tensor in list_tensors(part)]
    raise TypeError(f"Expected tensors, or tuples, lists and dicts of them, got {type(output).__name__}.")


def replace_tensors(output: Any, tensors: Iterator[Any]) -> Any:
    """A structure like `output` with the next of `tensors` in the place of each of its tensors."""
    if isinstance(output, dict):
        return {name: replace_tensors(part, tensors) for name, part in output.items()}
    if isinstance(output, tuple | list):
        return type(output)(replace_tensors(part, tensors) for part in output)
    return next(tensors)


def map_tensors(output: Any, function: Callable[[Tensor], Any]) -> Any:
    """A structure like `output` with `function` of each of its tensors."""
    return replace_tensors(output, map(function, list_tensors(output)))


def measure_difference(output: Any, reference: Any) -> float:
    """The largest difference of two outputs, as a share of the largest absolute value of each reference
    tensor; infinite where shapes differ or a value is not a number in one of them only."""
    import torch

    first, second = list_tensors(output), list_tensors(reference)
    if [tensor.shape for tensor in first] != [tensor.shape for tensor in second]:
        return float("inf")
    worst = 0.0
    for got, expected in zip(first, second, strict=True):
        got, expected = got.detach().cpu().double(), expected.detach().cpu().double()
        if not bool(torch.isfinite(got).all()):
            return float("inf")
        scale = max(float(expected.abs().max()), 1e-12) if expected.numel() else 1.0
        worst = max(worst, float((got - expected).abs().max()) / scale if expected.numel() else 0.0)
    return worst

"""What follows a convolution in training, in one go: ReLU, batch normalisation, 2 x 2 max pooling, bfloat16.

On a processor these cost as much as the convolutions: a dozen sweeps over the largest arrays there are, for
one number in four. Here the array is read once on the way there, and read and written once on the way back.
The largest of four normalised values is the normalised largest one (the smallest, where a channel's weight is
below 0), so the answer is that of the plain way, with mean and variance of all values, as the article has
it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

FAST: Any = {"cache": True, "nogil": True, "fastmath": {"contract", "reassoc", "nsz", "arcp"}}


def can_pool_normalised(convolved: Tensor, norm: nn.Module) -> bool:
    """Whether `pool_normalised` takes it: bfloat16 on the processor, even sides, channels last, and plain
    batch normalisation in float32 (not one that several processes share)."""
    return (
        type(norm) is nn.BatchNorm2d
        and norm.weight.dtype == torch.float32
        and convolved.numel() > 0
        and convolved.dtype == torch.bfloat16
        and convolved.device.type == "cpu"
        and not (convolved.shape[2] % 2 or convolved.shape[3] % 2)
        and convolved.is_contiguous(memory_format=torch.channels_last)
    )


def pool_normalised(convolved: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    """`max_pool2d(norm(relu(convolved)), 2)` of (n, channels, h, w), with `norm` in training mode.

    Gives (n, channels, h / 2, w / 2) bfloat16; the running mean and variance of `norm` move as they do in
    torch. Statistics are taken in float32 within a row of an image, beyond it in float64, whatever the number
    of threads.
    """
    pooled, mean, variance = _PooledNorm.apply(convolved, norm.weight, norm.bias, norm.eps)
    with torch.no_grad():
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert norm.num_batches_tracked is not None
        norm.num_batches_tracked += 1
        n = convolved.numel() // convolved.shape[1]
        share = 1 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
        norm.running_mean += share * (mean.float() - norm.running_mean)
        norm.running_var += share * ((variance * n / max(n - 1, 1)).float() - norm.running_var)
    return pooled


class _PooledNorm(torch.autograd.Function):
    """Arrays of the kernels are (n, h, w, channels), as channels last lie in memory."""

    @staticmethod
    def forward(
        ctx: Any, convolved: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        values = _as_bits(convolved)
        n, height, width, channels = values.shape
        best = np.empty((n, height // 2, width // 2, channels), np.int16)
        where = np.empty(best.shape, np.uint8)
        sums = np.zeros((n, 2, channels))
        turned = np.where(weight.detach().numpy() < 0, -1, 0).astype(np.int16)
        _for_images(n, lambda part: _reduce(values[part], turned, best[part], where[part], sums[part]))
        mean, square = torch.from_numpy(sums.sum(axis=0) / (n * height * width))
        variance = (square - mean**2).clamp_min(0)
        spread = torch.rsqrt(variance + eps)
        scale = (weight * spread).float().numpy()
        shift = (bias - weight * mean * spread).float().numpy()
        pooled = np.empty_like(best)
        _for_images(n, lambda part: _scale(best[part], scale, shift, pooled[part]))
        ctx.save_for_backward(
            convolved, weight, mean, spread, torch.from_numpy(best), torch.from_numpy(where)
        )
        ctx.mark_non_differentiable(mean, variance)
        return _as_images(pooled), mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:  # type: ignore[override]
        convolved, weight, mean, spread, best, where = ctx.saved_tensors
        values = _as_bits(convolved)
        n, height, width, channels = values.shape
        upper = _as_bits(gradients[0].to(torch.bfloat16).contiguous(memory_format=torch.channels_last))
        sums = np.zeros((n, 2, channels))
        _for_images(n, lambda part: _sum(upper[part], best.numpy()[part], sums[part]))
        by_bias, products = torch.from_numpy(sums.sum(axis=0))
        by_weight = (products - mean * by_bias) * spread
        # Of a value x: scale (its cell's gradient, if it won - mean gradient - normalised x * by_weight / n).
        scale = weight * spread
        slope = -scale * spread * by_weight / (n * height * width)
        shift = -scale * by_bias / (n * height * width) - slope * mean
        factors = [factor.detach().float().numpy() for factor in (scale, shift, slope)]
        lower, won = np.empty_like(values), where.numpy()
        _for_images(n, lambda part: _spread(values[part], upper[part], won[part], *factors, lower[part]))
        return _as_images(lower), by_weight.to(weight.dtype), by_bias.to(weight.dtype), None


def _as_bits(images: Tensor) -> np.ndarray:
    """The bits of bfloat16 (n, channels, h, w), channels last, as (n, h, w, channels) int16."""
    return images.detach().permute(0, 2, 3, 1).view(torch.int16).numpy()


def _as_images(bits: np.ndarray) -> Tensor:
    """The other way round."""
    return torch.from_numpy(bits).view(torch.bfloat16).permute(0, 3, 1, 2)


def _for_images(n: int, work: Callable[[slice], None]) -> None:
    """Do `work` on slices of n images, one for each of torch's threads."""
    count = min(torch.get_num_threads(), n)
    if count == 1:
        work(slice(0, n))
        return
    parts = [slice(n * k // count, n * (k + 1) // count) for k in range(count)]
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(work, parts))


@intrinsic
def _float_of(typingctx, bits):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.uint32), generate


@intrinsic
def _bits_of(typingctx, value):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.bitcast(arguments[0], ir.IntType(32))

    return types.uint32(types.float32), generate


@njit(inline="always")
def _widen(bits):  # type: ignore[no-untyped-def]
    """bfloat16 to float32."""
    return _float_of(np.uint32(np.uint16(bits)) << np.uint32(16))


@njit(inline="always")
def _narrow(value):  # type: ignore[no-untyped-def]
    """float32 to bfloat16, to the nearest, ties to even."""
    bits = _bits_of(value)
    bits = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
    return np.int16(np.uint16(bits))


@njit(**FAST)
def _reduce(values, turned, best, where, sums):  # type: ignore[no-untyped-def]
    """Of each cell of 2 x 2 values the best one after ReLU, and which of the four it was; of each image and
    channel the sum of values, and of their squares.

    Bits of bfloat16 from 0 on are in the order of their values; `turned` (-1) turns it round. ReLU takes what
    has a sign, but for what is no number (with a sign: bits above 0xFF80), which makes the sums none.
    """
    n, height, width, channels = values.shape
    row_sums, highest = np.empty((2, channels), np.float32), np.empty(channels, np.uint16)
    zero = np.int16(0)
    for image in range(n):
        for y in range(height // 2):
            row_sums[:] = 0
            highest[:] = 0
            for x in range(width // 2):
                for k in range(channels):
                    a = values[image, 2 * y, 2 * x, k]
                    b = values[image, 2 * y, 2 * x + 1, k]
                    c = values[image, 2 * y + 1, 2 * x, k]
                    d = values[image, 2 * y + 1, 2 * x + 1, k]
                    higher = max(max(np.uint16(a), np.uint16(b)), max(np.uint16(c), np.uint16(d)))
                    highest[k] = max(highest[k], higher)
                    a, b, c, d = max(a, zero), max(b, zero), max(c, zero), max(d, zero)
                    p, q, r, s = _widen(a), _widen(b), _widen(c), _widen(d)
                    row_sums[0, k] += (p + q) + (r + s)
                    row_sums[1, k] += (p * p + q * q) + (r * r + s * s)
                    turn = turned[k]
                    winner, place = a ^ turn, np.uint8(0)
                    place = np.uint8(1) if (b ^ turn) > winner else place
                    winner = max(winner, b ^ turn)
                    place = np.uint8(2) if (c ^ turn) > winner else place
                    winner = max(winner, c ^ turn)
                    place = np.uint8(3) if (d ^ turn) > winner else place
                    best[image, y, x, k] = max(winner, d ^ turn) ^ turn
                    where[image, y, x, k] = place
            for k in range(channels):
                if highest[k] > np.uint16(0xFF80):
                    row_sums[0, k] = np.nan
                sums[image, 0, k] += row_sums[0, k]
                sums[image, 1, k] += row_sums[1, k]


@njit(**FAST)
def _scale(values, scale, shift, scaled):  # type: ignore[no-untyped-def]
    """scaled = scale * value + shift, by channel."""
    n, height, width, channels = values.shape
    scales, shifts = _repeat(scale, width), _repeat(shift, width)
    for image in range(n):
        for y in range(height):
            row = values[image, y].reshape(width * channels)
            _scale_row(row, scales, shifts, scaled[image, y].reshape(width * channels))


@njit(**FAST)
def _scale_row(values, scales, shifts, scaled):  # type: ignore[no-untyped-def]
    for j in range(len(values)):
        scaled[j] = _narrow(scales[j] * _widen(values[j]) + shifts[j])


@njit(**FAST)
def _repeat(factors, width):  # type: ignore[no-untyped-def]
    """Of each channel, for a row of pixels: a loop over a few channels is too short for vectors."""
    channels = len(factors)
    row = np.empty(width * channels, np.float32)
    for j in range(width * channels):
        row[j] = factors[j % channels]
    return row


@njit(**FAST)
def _sum(upper, best, sums):  # type: ignore[no-untyped-def]
    """Of each image and channel the sum of gradients, and of gradients times values."""
    n, height, width, channels = upper.shape
    row_sums = np.empty((2, channels), np.float32)
    for image in range(n):
        for y in range(height):
            row_sums[:] = 0
            for x in range(width):
                for k in range(channels):
                    gradient = _widen(upper[image, y, x, k])
                    row_sums[0, k] += gradient
                    row_sums[1, k] += gradient * _widen(best[image, y, x, k])
            for k in range(channels):
                sums[image, 0, k] += row_sums[0, k]
                sums[image, 1, k] += row_sums[1, k]


@njit(**FAST)
def _spread(values, upper, where, scale, shift, slope, lower):  # type: ignore[no-untyped-def]
    """lower = scale * upper (at each cell's winner) + shift + slope * value, where value > 0; else 0."""
    n, height, width, channels = values.shape
    length = width * channels
    shifts, slopes, row = _repeat(shift, width), _repeat(slope, width), np.empty(length, np.float32)
    for image in range(n):
        for y in range(height):
            cells = upper[image, y // 2].reshape(length // 2)
            winners = where[image, y // 2].reshape(length // 2)
            _place(cells, winners, scale, np.uint8(2 * (y % 2)), row)
            _add(values[image, y].reshape(length), row, shifts, slopes, lower[image, y].reshape(length))


@njit(**FAST)
def _place(cells, winners, scale, first, row):  # type: ignore[no-untyped-def]
    channels = len(scale)
    for x in range(len(cells) // channels):
        for k in range(channels):
            place = x * channels + k
            gradient = scale[k] * _widen(cells[place])
            row[2 * x * channels + k] = gradient if winners[place] == first else np.float32(0)
        for k in range(channels):
            place = x * channels + k
            gradient = scale[k] * _widen(cells[place])
            row[(2 * x + 1) * channels + k] = (
                gradient if winners[place] == first + np.uint8(1) else np.float32(0)
            )


@njit(**FAST)
def _add(values, row, shifts, slopes, lower):  # type: ignore[no-untyped-def]
    for j in range(len(values)):
        bits = _narrow(row[j] + shifts[j] + slopes[j] * _widen(values[j]))
        lower[j] = bits if values[j] > np.int16(0) else np.int16(0)

"""What nothing can beat: decoding alone, and a matrix product at the machine's rate."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from painlib.faults import PainlibError

if TYPE_CHECKING:
    import torch

PRECISIONS = ("float32", "bfloat16")


def find_ffmpeg() -> str:
    """The program ffmpeg that comes with DeepLabCut (imageio-ffmpeg); IMAGEIO_FFMPEG_EXE names another."""
    try:
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise PainlibError(
            f"Expected the program ffmpeg for the published chain and for the decode floor, found none "
            f"({error}). Install ffmpeg, and name it in the environment variable IMAGEIO_FFMPEG_EXE."
        ) from error


def call_ffmpeg(ffmpeg: str, *arguments: str | Path) -> None:
    """Run ffmpeg to its end; its message where it fails."""
    quiet = [ffmpeg, "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *map(str, arguments)]
    done = subprocess.run(quiet, capture_output=True, text=True)
    if done.returncode:
        raise PainlibError(f"ffmpeg failed ({done.stderr.strip()[-300:]}): {' '.join(quiet)}")


def decode_only(ffmpeg: str, video: Path) -> None:
    """Decode with one thread and throw the frames away."""
    call_ffmpeg(ffmpeg, "-threads", "1", "-i", video, "-f", "null", "-")


def decode_by_pyav(video: Path) -> int:
    """The same through PyAV, without any conversion; the number of frames."""
    import av

    with av.open(f"file:{video}") as container:
        container.streams.video[0].codec_context.thread_count = 1
        return sum(1 for _ in container.decode(video=0))


def make_product(side: int, precision: str, device: str) -> tuple[Callable[[], Any], float]:
    """A matrix product to run, and its floating point operations (a multiplication and an addition are
    two)."""
    import torch

    kind = {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]
    first, second = torch.randn(2, side, side, device=device).to(kind)
    times = 8 if device == "cpu" else 64

    def multiply() -> None:
        for _ in range(times):
            torch.mm(first, second)
        if device != "cpu":
            torch.cuda.synchronize()

    return multiply, 2.0 * times * side**3


def count_module(module: torch.nn.Module, batch: torch.Tensor, train: bool = False) -> float:
    """Floating point operations an image of `batch` in matrix products and convolutions; with
    `train` backward too."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(train):
        told = module(batch)
        if train:
            told.float().sum().backward()
    return counter.get_total_flops() / len(batch)

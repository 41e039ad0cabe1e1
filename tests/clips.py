"""Clips for tests, written by PyAV itself: every frame carries its number as black and white blocks."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BLOCK = 8
BITS = 8


def draw_number(number: int, width: int = 96, height: int = 64) -> np.ndarray:
    """(height, width, 3) uint8: `number` (0 to 255) as blocks at the top left, red at the lower right."""
    image = np.full((height, width, 3), 96, np.uint8)
    for bit in range(BITS):
        image[:BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = 255 * (number >> bit & 1)
    image[-2 * BLOCK :, -2 * BLOCK :] = (200, 40, 40)
    return image


def read_number(image: np.ndarray) -> int:
    """The number drawn into an image, and a check that the image is upright."""
    red = image[-BLOCK:, -BLOCK:].reshape(-1, 3).mean(axis=0)
    assert red[0] > 150, f"no red spot at the lower right: {red}"
    assert red[1] < 100, f"no red spot at the lower right: {red}"
    middle = slice(BLOCK // 4, 3 * BLOCK // 4)
    bits = [image[middle, bit * BLOCK : (bit + 1) * BLOCK][:, middle].mean() > 127 for bit in range(BITS)]
    return sum(1 << bit for bit, on in enumerate(bits) if on)


def write_clip(
    path: Path,
    images: Sequence[np.ndarray],
    *,
    fps: Fraction | int = 30,
    pts: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    muxing: dict[str, str] | None = None,
    sound: bool = False,
) -> Path:
    """Encode RGB images; `pts` in units of `time_base` (default: one after the other at `fps`)."""
    with av.open(str(path), "w", options=muxing or {}) as container:
        stream = container.add_stream(codec, rate=Fraction(fps), options=options or {})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = time_base or 1 / Fraction(fps)
        voice = container.add_stream("aac", rate=48000) if sound else None
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts = number if pts is None else pts[number]
            frame.time_base = stream.codec_context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if voice is not None:
            for second in range(3):
                silence = av.AudioFrame.from_ndarray(
                    np.zeros((1, 48000), np.float32), format="fltp", layout="mono"
                )
                silence.sample_rate, silence.pts = 48000, 48000 * second
                container.mux(voice.encode(silence))
            container.mux(voice.encode(None))
    return path


def write_numbered(
    path: Path, n_frames: int, *, width: int = 96, height: int = 64, first: int = 0, **how
) -> Path:
    """A clip of frames numbered `first`, `first` + 1, ... (modulo 256)."""
    images = [draw_number((first + number) % 256, width, height) for number in range(n_frames)]
    return write_clip(path, images, **how)


def set_matrix(path: Path, a: int, b: int, c: int, d: int) -> None:
    """Patch the display matrix of an mp4 (ISO 14496-12, 8.3.2): x' = a x + c y, y' = b x + d y."""
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 4 + 40  # type, then version to reserved of version 0
    one = 1 << 16
    content[place : place + 36] = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    path.write_bytes(content)


def set_edit(path: Path, media_time: int, duration: int | None = None) -> None:
    """Patch an mp4's edit (ISO 14496-12, 8.6.6): what is shown begins at `media_time`, track's ticks."""
    content = bytearray(path.read_bytes())
    place = content.index(b"elst") + 4 + 4  # type, version and flags
    assert struct.unpack(">I", content[place : place + 4]) == (1,)
    if duration is not None:
        content[place + 4 : place + 8] = struct.pack(">I", duration)
    content[place + 8 : place + 12] = struct.pack(">i", media_time)
    path.write_bytes(content)


def cut_end(path: Path, n_bytes: int) -> Path:
    """The same file without its last bytes."""
    cut = path.with_name(f"cut_{n_bytes}_{path.name}")
    cut.write_bytes(path.read_bytes()[:-n_bytes])
    return cut

"""Frames of one file by number: decoded by one thread, or by the GPU where that gives the same pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import av
import av.error
import numpy as np
from av.codec.hwaccel import HWAccel
from av.video.reformatter import ColorRange, VideoReformatter

from painlib.faults import PainlibError
from painlib.places import Place
from painlib.video.timeline import REMEDY, Timeline, open_video

LONG = 1000  # frames in a row from which starting the GPU's decoder pays


class Decoded(NamedTuple):
    """A frame, its number in the file, and what decoded it: "software" or "cuda"."""

    number: int
    frame: av.VideoFrame
    decoder: str


def decode_frames(line: Timeline, first: int, end: int, decoder: str = "software") -> Iterator[Decoded]:
    """Frames first .. end - 1, none left out; anything else is a `PainlibError`.

    With `decoder` "cuda" a long stretch goes through the GPU's where `choose_decoder` takes it. Whatever that
    one cannot do, from then on the plain one does: it alone says that a file is damaged.
    """
    number = first
    if decoder == "cuda" and end - first >= LONG and choose_decoder(line.path)[0] == "cuda":
        try:
            for number, frame in _decode(line, first, end, _cuda()):
                yield Decoded(number, _to_planes(frame), "cuda")
                number += 1
            return
        except (PainlibError, RuntimeError):
            pass
    for place, frame in _decode(line, number, end):
        yield Decoded(place, frame, "software")


def choose_decoder(place: Place) -> tuple[str, str]:
    """What decodes a file, and why: "cuda" where its first frame is the same to the bit, else "software".

    The standards of H.264 and later fix every decoded bit, so the first frame tells a wrong format, range,
    or order of planes. Damage inside a picture is concealed by the GPU and seen by the plain decoder only.
    """
    try:
        with open_video(place, _cuda()) as (container, stream):
            ours = _to_planes(next(container.decode(stream)))
    except (PainlibError, RuntimeError, StopIteration, OSError, av.error.FFmpegError) as error:
        return "software", f"no CUDA decoder for it: {error}"
    with open_video(place) as (container, stream):
        plain = next(container.decode(stream))
    if (ours.pts, ours.format.name, _describe(ours)) != (plain.pts, plain.format.name, _describe(plain)):
        return "software", "CUDA gives another format of its first frame"
    if not np.array_equal(ours.to_ndarray(), plain.to_ndarray()):
        return "software", "CUDA gives another picture of its first frame"
    return "cuda", "its first frame is the same to the bit"


def _cuda() -> HWAccel:
    return HWAccel("cuda", allow_software_fallback=False)


def _to_planes(frame: av.VideoFrame) -> av.VideoFrame:
    """The GPU's two planes (nv12) as the plain decoder's three: the same bytes in another order."""
    if frame.format.name != "nv12":
        return frame
    planes = "yuvj420p" if frame.color_range == ColorRange.JPEG else "yuv420p"
    return VideoReformatter().reformat(frame, format=planes, threads=1)


def _describe(frame: av.VideoFrame) -> tuple[object, ...]:
    """What colours and orientation are made from."""
    side = frame.side_data.get("DISPLAYMATRIX")
    matrix = None if side is None else bytes(cast(Any, side))
    return frame.width, frame.height, frame.colorspace, frame.color_range, matrix


def _decode(
    line: Timeline, first: int, end: int, accelerator: HWAccel | None = None
) -> Iterator[tuple[int, av.VideoFrame]]:
    earlier = [dts for pts, dts in line.keyframes if pts <= line.pts[first]]
    # Some files land late when they seek (edit lists), or lose their times: then from an earlier keyframe.
    starts = [*earlier[:0:-1][:3], None]
    number, reason = first, ""
    for start in starts:
        # Without usable times frames are counted, from the start of the file.
        number, reason = (first if line.keyframes else 0), "the video ends before it"
        opened = open_video(line.path, accelerator) if accelerator else open_video(line.path)
        with opened as (container, stream):
            try:
                if start is not None:
                    container.seek(start, stream=stream)
                for frame in container.decode(stream):
                    if line.keyframes and (frame.pts is None or frame.pts < line.pts[number]):
                        continue
                    if line.keyframes and frame.pts > line.pts[number]:
                        reason = "it is left out"
                        break
                    if number >= first:
                        if frame.is_corrupt:
                            reason = "it is damaged"
                            break
                        yield number, frame
                    number += 1
                    if number == end:
                        return
            except av.error.FFmpegError as error:
                reason = str(error)
        if number > first:
            break
    raise PainlibError(
        f"Video is damaged: {line.path}: expected {end - first} frames from number {first}, got "
        f"{max(number - first, 0)}; frame {number} at {line.times[number]:.3f} s cannot be decoded "
        f"({reason}). {REMEDY}"
    )

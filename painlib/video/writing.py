"""Videos written: the same frames give the same bytes."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import (
    ColorPrimaries,
    ColorRange,
    Colorspace,
    ColorTrc,
    Interpolation,
    VideoReformatter,
)

from painlib.faults import PainlibError
from painlib.tables import write_whole

MUXING = {"movflags": "+faststart", "fflags": "+bitexact"}


def write_video(path: str | Path, frames: Iterable[np.ndarray], fps: float, crf: int = 18) -> Path:
    """Write RGB frames (height, width, 3) uint8 as H.264 mp4 (yuv420p, BT.709, limited range).

    The same frames give the same bytes. An odd width or height grows by one px (the border repeated).
    `crf` is x264's quality, from 0 (lossless) to 51.
    """
    path, rate = Path(path), Fraction(fps).limit_denominator(1_000_000)
    if rate <= 0:
        raise PainlibError(f"Expected a positive frame rate, got {fps}: {path}")
    images = iter(frames)
    first = next(images, None)
    if first is None:
        raise PainlibError(f"Expected at least one frame to write, got none: {path}")
    height, width = first.shape[:2]
    with (
        write_whole(path) as temporary,
        av.open(f"file:{temporary}", "w", format="mp4", options=MUXING) as container,
    ):
        coding = {
            "preset": "veryfast",
            "crf": f"{crf}",
            "x264-params": "mbtree=0",
        }  # mbtree: bytes that differ
        stream = container.add_stream("libx264", rate=rate, options=coding)
        stream.width, stream.height, stream.pix_fmt = width + width % 2, height + height % 2, "yuv420p"
        context = stream.codec_context
        context.thread_count = 1  # x264's bytes depend on the number of threads
        context.time_base = 1 / rate
        context.color_range, context.colorspace = ColorRange.MPEG, Colorspace.ITU709
        context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        reformatter = VideoReformatter()
        for number, image in enumerate(itertools.chain([first], images)):
            if image.dtype != np.uint8 or image.shape != (height, width, 3):
                raise PainlibError(
                    f"Expected frames of uint8 ({height}, {width}, 3), got {image.dtype} {image.shape} as "
                    f"frame {number}: {path}"
                )
            picture = _to_yuv(image, reformatter)
            picture.pts, picture.time_base = number, 1 / rate
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def _to_yuv(image: np.ndarray, reformatter: VideoReformatter) -> av.VideoFrame:
    height, width = image.shape[:2]
    even = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return reformatter.reformat(
        av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24"),
        format="yuv420p",
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
        interpolation=Interpolation.AREA | Interpolation.ACCURATE_RND,
        threads=1,
    )

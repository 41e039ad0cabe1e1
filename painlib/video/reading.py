"""Videos: upright RGB frames with exact numbers and times, every file decoded once by one thread.

FFmpeg does the work, through PyAV. `painlib.video.timeline` lists a file's packets before anything is
decoded; the frames are then checked against that list one by one.
"""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, cast

import av
import av.error
import numpy as np
from av.video.reformatter import (
    ColorPrimaries,
    ColorRange,
    Colorspace,
    ColorTrc,
    Interpolation,
    VideoReformatter,
)

from painlib.cohort import VideoPart
from painlib.faults import PainlibError
from painlib.places import Place, to_place
from painlib.tables import write_whole
from painlib.video.decoding import decode_frames
from painlib.video.timeline import REMEDY, Timeline, find_cut, load_timeline, load_timelines, open_video

MUXING = {"movflags": "+faststart", "fflags": "+bitexact"}
PLANAR = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p")  # 8 bits, three planes
STEP = 16  # px that FFmpeg converts at once
UNSPECIFIED_MATRIX = 2  # number of ITU-T H.273, as FFmpeg uses it


@dataclass(frozen=True)
class VideoInfo:
    """What a video's header says: size of the upright image in px, rotation clockwise, frames and seconds.

    A container that does not count its frames (Matroska, MPEG-TS) is given duration x rate; 0 is unknown.
    """

    path: Place
    width: int
    height: int
    fps: float
    n_frames: int
    duration_s: float
    rotation_deg: int
    pixel_format: str


class Orientation(NamedTuple):
    """What makes a stored picture upright: rows and columns swapped, then mirrored in x, then in y."""

    swap: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def of(cls, frame: av.VideoFrame) -> Orientation:
        """From the display matrix that comes with a frame.

        To be asked once a video: a frame whose side data were looked at holds itself, and its picture, in
        memory.
        """
        side = frame.side_data.get("DISPLAYMATRIX")
        if side is None:
            return cls()
        a, b, _, c, d = struct.unpack("=5i", bytes(cast(Any, side))[:20])  # x' = a x + c y, y' = b x + d y
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(False, a < 0, d < 0)
        return cls(True, c < 0, b < 0)

    @property
    def clockwise_deg(self) -> int:
        """The rotation in it, degrees."""
        return (90 if self.flip_x else 270) if self.swap else 180 * (self.flip_x and self.flip_y)

    def turn_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height after turning (and, as it is its own inverse, before)."""
        return (height, width) if self.swap else (width, height)

    def turn(self, image: np.ndarray) -> np.ndarray:
        """The image upright, in memory of its own order."""
        image = image.transpose(1, 0, 2) if self.swap else image
        return np.ascontiguousarray(image[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1])


class Converters:
    """FFmpeg's converters of one video. Each holds the tables of its latest work, and makes them anew for
    another size: so each kind of work that takes turns has its own."""

    def __init__(self) -> None:
        self.to_rgb, self.part, self.shrink = VideoReformatter(), VideoReformatter(), VideoReformatter()


@dataclass(frozen=True, eq=False)
class Frame:
    """One decoded frame; it becomes RGB only where `image` or `shrunk` is asked for.

    `decoder`: what decoded it, "software" or "cuda".
    """

    number: int
    time_s: float
    decoded: av.VideoFrame
    converters: Converters
    orientation: Orientation
    decoder: str = "software"

    @cached_property
    def image(self) -> np.ndarray:
        """Upright RGB image, (height, width, 3) uint8."""
        return self._to_rgb(self.converters.to_rgb, self.decoded.width, self.decoded.height)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the upright image, px."""
        return self.orientation.turn_size(self.decoded.width, self.decoded.height)

    def shrunk(self, width: int, height: int) -> np.ndarray:
        """Upright RGB image (height, width, 3) uint8, area-averaged from the decoded planes.

        Planes of 8 bits are averaged as they are, then converted, as in a smaller video made of this one:
        half the time of doing both at once. Grey detail comes nearer to the average of the converted frame,
        fine coloured detail less near: of 4:2:0, colour has half the sides of the small image.
        """
        if (width, height) == self.size:
            return self.image
        columns, rows = self.orientation.turn_size(width, height)
        small = None
        if self.decoded.format.name in PLANAR:
            small = self.converters.shrink.reformat(
                self.decoded, columns, rows, interpolation=Interpolation.AREA, threads=1
            )
        return self._to_rgb(self.converters.to_rgb, columns, rows, small)

    def part(self, left: int, top: int, width: int, height: int) -> np.ndarray:
        """`image[top : top + height, left : left + width]` to the bit, from that part of the planes alone."""
        whole = self.decoded
        simple = whole.format.name in PLANAR and not (whole.width % STEP or whole.height % 2)
        if "image" in self.__dict__ or not simple or self.orientation != Orientation():
            return self.image[top : top + height, left : left + width]
        # One size whatever the place, and columns in steps of what is converted at once.
        columns = min(-(-(width + STEP - 1) // STEP) * STEP, whole.width)
        rows = min((height + 2) // 2 * 2, whole.height)
        x, y = min(left // STEP * STEP, whole.width - columns), min(top // 2 * 2, whole.height - rows)
        cut = _cut_planes(whole, x, y, columns, rows)
        picture = self._to_rgb(self.converters.part, columns, rows, cut)
        return picture[top - y : top - y + height, left - x : left - x + width]

    def _to_rgb(
        self, converter: VideoReformatter, width: int, height: int, part: av.VideoFrame | None = None
    ) -> np.ndarray:
        """Upright image of the frame, or of `part`; `width` and `height` are those before it is turned."""
        frame, matrix = self.decoded, None
        if frame.colorspace == UNSPECIFIED_MATRIX:
            # As players do: high definition is BT.709, the rest BT.601.
            matrix = Colorspace.ITU709 if frame.width >= 1280 or frame.height > 576 else Colorspace.ITU601
        picture = converter.reformat(
            part or frame,
            width,
            height,
            "rgb24",
            src_colorspace=matrix,
            dst_color_range=ColorRange.JPEG,
            interpolation=Interpolation.AREA,
            threads=1,
        )
        return self.orientation.turn(picture.to_ndarray())


def _cut_planes(whole: av.VideoFrame, x: int, y: int, columns: int, rows: int) -> av.VideoFrame:
    part = av.VideoFrame(columns, rows, whole.format.name)
    part.colorspace, part.color_range = whole.colorspace, whole.color_range
    for plane, own in zip(whole.planes, part.planes, strict=True):
        by_x, by_y = whole.width // plane.width, whole.height // plane.height
        pixels = np.frombuffer(cast(Any, plane), np.uint8).reshape(-1, plane.line_size)
        cut = np.zeros((own.height, own.line_size), np.uint8)
        cut[:, : own.width] = pixels[y // by_y :, x // by_x :][: own.height, : own.width]
        own.update(cut.tobytes())
    return part


def probe_video(path: str | Path, end_s: float = math.inf) -> VideoInfo:
    """Open a video, decode one frame, and say what it holds; cheap at any length.

    `PainlibError` where that fails, or where the file is cut short (with `end_s` the latter is left to
    `read_frames`, which sees whether the stretch is whole).
    """
    path = to_place(path)
    with open_video(path) as (container, stream):
        cut = find_cut(path, container.format.name)
        if cut and math.isinf(end_s):
            raise PainlibError(f"Video is not whole: {path}: {cut}. {REMEDY}")
        try:
            frame = next(iter(container.decode(stream)))
        except (av.error.FFmpegError, StopIteration) as error:
            raise PainlibError(
                f"Expected a video, but no frame of {path} can be decoded. {REMEDY}"
            ) from error
        seconds = float((stream.duration or 0) * (stream.time_base or 0))
        seconds = seconds or (container.duration or 0) / av.time_base
        fps = float(stream.average_rate or stream.guessed_rate or 0)
        n_frames = stream.frames or round(seconds * fps)
        if stream.frames and "mp4" in container.format.name:  # what an edit list leaves of them
            n_frames = sum(not entry.is_discard for entry in stream.index_entries)
        orientation = Orientation.of(frame)
        size = orientation.turn_size(frame.width, frame.height)
        degrees = orientation.clockwise_deg
        return VideoInfo(path, *size, fps, n_frames, seconds, degrees, frame.format.name)


def read_frames(
    parts: Sequence[VideoPart],
    offset_s: float = 0.0,
    timelines: Sequence[Timeline] | None = None,
    decoder: str = "software",
) -> Iterator[Frame]:
    """Frames of one camera's parts, in order; each part decoded once, from the keyframe before its start.

    Number and time count on from file to file: the next one starts one frame duration after the last frame.
    Stretches of the same file, one after the other, keep that file's numbers and times. Time = seconds since
    the first frame of the first file, plus `offset_s`. `timelines`: those of `parts`, where they are at hand.
    `decoder`: see `decode_frames`. `PainlibError` where a file is damaged inside its stretch, or has no frame
    there.
    """
    lines = load_timelines(parts) if timelines is None else timelines
    stretches = [line.find_stretch(part.start_s, part.end_s) for part, line in zip(parts, lines, strict=True)]
    n_before, begin_s = 0, float(offset_s)
    previous: Timeline | None = None
    for line, (first, end) in zip(lines, stretches, strict=True):
        if previous is not None and previous.path != line.path:
            previous.check_whole()  # else the frames of this file would be counted from a wrong number
            n_before += len(previous.pts)
            begin_s += float(previous.times[-1]) + previous.frame_s
        converters = Converters()
        orientation: Orientation | None = None
        for number, decoded, by in decode_frames(line, first, end, decoder):
            orientation = orientation or Orientation.of(decoded)
            time_s = begin_s + float(line.times[number])
            yield Frame(n_before + number, time_s, decoded, converters, orientation, by)
        previous = line


def read_frame(path: str | Path, number: int, timeline: Timeline | None = None) -> Frame:
    """Frame `number` (zero-based, display order) of one file; `timeline`: the file's, where it is at hand."""
    line = load_timeline(path) if timeline is None else timeline
    if not 0 <= number < len(line.pts):
        raise PainlibError(f"Expected a frame number from 0 to {len(line.pts) - 1}, got {number}: {path}")
    line.check_whole(float(line.times[number]))
    _, decoded, _ = next(decode_frames(line, number, number + 1))
    return Frame(number, float(line.times[number]), decoded, Converters(), Orientation.of(decoded))


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

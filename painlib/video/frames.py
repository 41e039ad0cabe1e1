"""A decoded frame: which way up it stands, and its RGB image, whole, smaller, or a part of it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, cast

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

PLANAR = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p")  # 8 bits, three planes
STEP = 16  # px that FFmpeg converts at once
UNSPECIFIED_MATRIX = 2  # number of ITU-T H.273, as FFmpeg uses it


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

"""When each frame of a video is shown, and whether the file is whole: from its packets, before decoding."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import av
import av.error
import av.logging
import numpy as np
from av.codec.hwaccel import HWAccel

from painlib.cohort import VideoPart
from painlib.faults import PainlibError
from painlib.places import Place, is_url, to_place
from painlib.remote import mark_file, open_binary

READ_AT_ONCE = 256 * 1024  # bytes that FFmpeg takes from a URL's blocks
NOT_DECODED: Any = [{"skip_frame": "all"}]  # of the first stream
BOX_BLOCK = 64 * 1024  # bytes fetched to see one box of an mp4
REMEDY = (
    "Copy the file again from the camera; or use only its intact stretch (`start_s`, `end_s`); "
    "or name the reason in `exclude_reason`."
)
TABLE_REMEDY = "Mend the column `video`."


@dataclass(frozen=True)
class Timeline:
    """The frames of one file in display order.

    `pts` (n_frames,) int64 in units of `time_base`; `frame_s` the duration of one frame; `keyframes` (pts,
    dts) of the frames that decoding can start at, empty where the file has no usable time stamps; `fault` is
    "" or what is missing, and then every frame before `whole_until_s` is there all the same.
    """

    path: Place
    pts: np.ndarray
    time_base: Fraction
    frame_s: float
    keyframes: tuple[tuple[int, int], ...]
    fault: str
    whole_until_s: float

    @cached_property
    def times(self) -> np.ndarray:
        """Seconds since the first frame of the file, (n_frames,) float64."""
        ticks = (self.pts - self.pts[0]).astype(np.float64)
        return ticks * self.time_base.numerator / self.time_base.denominator

    def find_stretch(self, start_s: float = 0.0, end_s: float = math.inf) -> tuple[int, int]:
        """Numbers (first, last + 1) of the frames with start_s <= time < end_s.

        None there, an `end_s` more than a frame beyond the end, or a file that is not whole up to it, is a
        `PainlibError`.
        """
        self.check_whole(end_s)
        first, end = (int(number) for number in np.searchsorted(self.times, [start_s, end_s]))
        if first >= end:
            raise PainlibError(
                f"Expected frames with {start_s:g} s <= time < {end_s:g} s, got none: {self.path} has "
                f"{len(self.pts)} frames, the last at {self.times[-1]:.3f} s. Mend `start_s` and `end_s` "
                "(seconds inside this file)."
            )
        film_end_s = float(self.times[-1]) + self.frame_s
        if math.isfinite(end_s) and end_s > film_end_s + self.frame_s:
            raise PainlibError(
                f"Expected `end_s` within the film, got {end_s:g} s: {self.path} ends at {film_end_s:.3f} s. "
                "Mend `end_s` (seconds inside this file), or leave it empty to use the film to its end."
            )
        return first, end

    def check_whole(self, until_s: float = math.inf) -> None:
        """Raise `PainlibError` where a frame before `until_s` may be missing."""
        if self.fault and until_s > self.whole_until_s:
            intact = f" Intact: the first {self.whole_until_s:.3f} s." if self.whole_until_s > 0 else ""
            raise PainlibError(f"Video is not whole: {self.path}: {self.fault}.{intact} {REMEDY}")


def load_timelines(parts: Sequence[VideoPart]) -> list[Timeline]:
    """The timeline of every part; a file that several parts name is listed once."""
    known = {path: load_timeline(path) for path in dict.fromkeys(part.path for part in parts)}
    return [known[part.path] for part in parts]


def load_timeline(path: str | Path) -> Timeline:
    """List the packets of a video: number and time of every frame, and whether the file is whole."""
    path = to_place(path)
    with open_video(path) as (container, stream), _ffmpeg_errors() as errors:
        # An mp4's edit list takes frames out of its index, not out of its count.
        in_index = "mp4" in container.format.name and stream.frames
        promised = len(stream.index_entries) if in_index else stream.frames
        n_packets, n_broken, end_pts, shown = 0, 0, 0, []
        try:
            for packet in container.demux(stream):
                if packet.pts is None and packet.dts is None and not packet.size:
                    continue  # the end of the stream
                n_packets += 1
                n_broken += packet.is_corrupt
                if not packet.is_corrupt and not packet.is_discard:
                    shown.append((packet.pts, packet.dts, packet.is_keyframe))
                    end_pts = max(end_pts, (packet.pts or 0) + (packet.duration or 0))
        except av.error.FFmpegError as error:
            errors.append((av.logging.ERROR, "", f"ended prematurely: {error}"))
        cut = find_cut(path, container.format.name)
        if any("ended prematurely" in message for _, _, message in errors):
            cut = cut or "the file ends within a frame"
        rate, time_base = stream.average_rate, stream.time_base or Fraction(1, 1)
        promised_end_s = _promised_end_s(container, stream) if "matroska" in container.format.name else 0.0
    by_pts = all(pts is not None for pts, _, _ in shown)
    stamps = [stamp for stamp in (pts if by_pts else dts for pts, dts, _ in shown) if stamp is not None]
    if not shown:
        raise PainlibError(f"Expected a video, got no frame: {path} ({cut or 'it is empty'}). {REMEDY}")
    if len(stamps) < len(shown):
        raise PainlibError(
            f"Expected a video with a time for every frame, got {len(shown)} frames, "
            f"{len(shown) - len(stamps)} of them without: {path} ({cut or 'nothing else found'}). "
            "Mend it: ffmpeg -fflags +genpts -i IN -c copy OUT.mp4"
        )
    pts = np.sort(np.array(stamps, np.int64))
    frame_s = _frame_duration(pts, time_base, rate)
    missing = max(promised - n_packets, 0) + n_broken
    short_s = promised_end_s - max(float(int(pts[-1]) * time_base) + frame_s, float(end_pts * time_base))
    if short_s > 0.5 * frame_s:  # half a frame, because Matroska rounds to ms
        missing = max(missing, round(short_s / frame_s))
    fault = ""
    if missing or cut:
        expected = f"{len(pts) + missing}" if missing else f"more than {len(pts)}"
        fault = f"expected {expected} frames, got {len(pts)} ({cut or 'the others are missing or broken'})"
    keyframes = [(pts, pts if dts is None else dts) for pts, dts, key in shown if key and pts is not None]
    # Packets come in order of dts, and no frame is shown before its dts: up to the last one nothing is lost.
    last_dts = next((dts for _, dts, _ in reversed(shown) if dts is not None), None)
    return Timeline(
        path=path,
        pts=pts,
        time_base=time_base,
        frame_s=frame_s,
        keyframes=tuple(sorted(keyframes)) if by_pts else (),
        fault=fault,
        whole_until_s=float((last_dts - int(pts[0])) * time_base) if by_pts and last_dts is not None else 0.0,
    )


@contextmanager
def open_video(
    path: Place, accelerator: HWAccel | None = None
) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
    """An open file or URL and its first video stream, to be decoded by one thread (or by `accelerator`)."""
    if not is_url(path) and not Path(path).is_file():
        raise PainlibError(
            f"Expected a video, found no file: {path}. Mend the column `video`, or copy the file there."
        )
    with ExitStack() as opened:
        source: Any = f"file:{path}"  # "file:" keeps a colon in a name from being read as a protocol
        if is_url(path):
            source = opened.enter_context(open_binary(path))
        try:
            container = _open(source, accelerator)
        except (av.error.FFmpegError, OSError) as error:
            raise PainlibError(
                f"Expected a video, but {path} cannot be opened ({error}). {REMEDY}"
            ) from error
        opened.enter_context(container)
        if not container.streams.video:
            raise PainlibError(f"Expected a video, got a file without one: {path}. {TABLE_REMEDY}")
        stream = container.streams.video[0]
        if stream.codec_context is None:
            raise PainlibError(
                f"No decoder for the codec of {path}. Convert it: ffmpeg -i IN -c:v libx264 -crf 12 OUT.mp4"
            )
        stream.codec_context.thread_count = 1
        yield container, stream


def _open(source: Any, accelerator: HWAccel | None) -> av.container.InputContainer:
    """FFmpeg decodes a dozen frames of what it opens, to guess what their header may not say. An mp4's header
    says all of it: 2 ms in the place of 170 for 4K video."""
    try:
        told = av.open(source, buffer_size=READ_AT_ONCE, hwaccel=accelerator, stream_options=NOT_DECODED)
        if "mp4" in told.format.name:
            return told
        told.close()
    except ValueError as error:
        if isinstance(error, PainlibError):  # of a file by URL
            raise
        # else a format that finds its streams only as it is read
    if hasattr(source, "seek"):
        source.seek(0)
    return av.open(source, buffer_size=READ_AT_ONCE, hwaccel=accelerator)


def find_cut(path: Place, container_format: str) -> str:
    """What the structure of the file says is missing at its end; "" if nothing."""
    size, _ = mark_file(path)
    if container_format == "mpegts" and all(size % packet for packet in (188, 192, 204)):
        return "the file ends within a transport packet"
    if "mp4" in container_format:
        with open_binary(path, BOX_BLOCK) as file:
            begin = 0
            while begin + 8 <= size:
                file.seek(begin)
                header = file.read(16).ljust(16, b"\0")
                length = int.from_bytes(header[:4], "big")
                length = int.from_bytes(header[8:], "big") if length == 1 else length or size - begin
                if begin + length > size:  # other names are what some cameras append behind the video
                    known = header[4:8] in (b"mdat", b"moov", b"moof")
                    return f"{begin + length - size} bytes are missing at its end" if known else ""
                begin += max(length, 8)
    return ""


def _frame_duration(pts: np.ndarray, time_base: Fraction, rate: Fraction | None) -> float:
    """Seconds: the median distance of two frames; of a single frame 1 / rate."""
    if len(pts) == 1:
        return float(1 / rate) if rate else 0.0
    return float(np.median(np.diff(pts))) * float(time_base)


def _promised_end_s(container: av.container.InputContainer, stream: av.VideoStream) -> float:
    """Where a Matroska header says that the video ends, s; 0 if it says nothing (a live recording)."""
    tag = stream.metadata.get("DURATION", "")
    if tag.count(":") == 2:
        hours, minutes, seconds = (float(number) for number in tag.split(":"))
        return 3600 * hours + 60 * minutes + seconds
    # With sound beside it the header's duration may be that of the sound.
    return (container.duration or 0) / av.time_base if len(container.streams) == 1 else 0.0


@contextmanager
def _ffmpeg_errors() -> Iterator[list[tuple[int, str, str]]]:
    """FFmpeg's error messages: the only sign of a live recording that lost its end."""
    level, skip = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(av.logging.ERROR)
    av.logging.set_skip_repeated(False)
    try:
        with av.logging.Capture() as messages:
            yield messages
    finally:
        av.logging.set_level(level)
        av.logging.set_skip_repeated(skip)

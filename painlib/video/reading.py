"""Videos read: exact numbers and times, every file decoded once by one thread.

FFmpeg does the work, through PyAV. `painlib.video.timeline` lists a file's packets before anything is
decoded; the frames are then checked against that list one by one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import av.error

from painlib.cohort import VideoPart
from painlib.faults import PainlibError
from painlib.places import Place, to_place
from painlib.video.decoding import decode_frames
from painlib.video.frames import Converters, Frame, Orientation
from painlib.video.timeline import REMEDY, Timeline, find_cut, load_timeline, load_timelines, open_video


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

"""Numbers, times, colours and faults of videos, against clips that carry their numbers in the picture."""

import gc
import math
import os
import struct
from fractions import Fraction
from typing import ClassVar

import av
import clips
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

from painlib.cohort import VideoPart
from painlib.faults import PainlibError
from painlib.video import decoding, probe_video, read_frame, read_frames, write_video
from painlib.video.decoding import choose_decoder, decode_frames
from painlib.video.timeline import load_timeline, open_video

B_FRAMES = {"g": "12", "bf": "3", "b_strategy": "0"}


def numbers_of(frames) -> list[tuple[int, int]]:
    """(number that painlib says, number in the picture) of each frame."""
    return [(frame.number, clips.read_number(frame.image)) for frame in frames]


class CountedVideo:
    """`open_video` that notes what is opened and decoded."""

    opened: ClassVar[list] = []
    decoded: ClassVar[list] = []
    threads: ClassVar[list] = []

    def __init__(self, path):
        self.opened.append(path)
        self.context = open_video(path)

    def __enter__(self):
        self.container, stream = self.context.__enter__()
        self.seek = self.container.seek
        return self, stream

    def __exit__(self, *error):
        return self.context.__exit__(*error)

    def decode(self, stream):
        for frame in self.container.decode(stream):
            self.decoded.append(frame.pts)
            self.threads.append(stream.codec_context.thread_count)
            yield frame


@pytest.fixture(autouse=True)
def _count_afresh():
    for noted in (CountedVideo.opened, CountedVideo.decoded, CountedVideo.threads):
        noted.clear()


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory):
    """100 frames, 30 Hz, keyframes every 12, B-frames."""
    return clips.write_numbered(tmp_path_factory.mktemp("clips") / "long.mp4", 100, options=B_FRAMES)


CONTAINERS = {
    "mp4": {},
    "fast.mp4": {"muxing": {"movflags": "+faststart"}},
    "fragmented.mp4": {"muxing": {"movflags": "frag_keyframe+empty_moov"}},
    "mov": {},
    "mkv": {},
    "live.mkv": {"muxing": {"live": "1"}},
    "ts": {},
    "avi": {"codec": "mpeg4", "options": {"g": "12", "bf": "2", "qscale": "2"}},
    "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p", "options": {"qscale": "2"}},
    "ffv1.mkv": {"codec": "ffv1", "options": {"g": "1"}},
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_frame_has_its_number_and_time_in_every_container(tmp_path, name):
    how = {"options": B_FRAMES, **CONTAINERS[name]}
    path = clips.write_numbered(tmp_path / f"clip.{name}", 40, **how)
    frames = list(read_frames([VideoPart(str(path))]))
    assert numbers_of(frames) == [(number, number) for number in range(40)]
    rounding = 1e-3 if name.endswith("mkv") else 1e-9  # Matroska counts milliseconds
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(40) / 30, atol=rounding)


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.parametrize(("start", "end"), [(0.0, 0.35), (0.5, 0.9), (1.21, math.inf)])
def test_stretch_begins_and_ends_at_the_exact_frames_in_every_container(tmp_path, name, start, end):
    how = {"options": B_FRAMES, **CONTAINERS[name]}
    path = clips.write_numbered(tmp_path / f"clip.{name}", 40, **how)
    frames = list(read_frames([VideoPart(str(path), start, end)], offset_s=100.0))
    times = np.round(np.arange(40) / 30, 3) if name.endswith("mkv") else np.arange(40) / 30
    expected = [number for number in range(40) if start <= times[number] < end]
    assert numbers_of(frames) == [(number, number) for number in expected]
    np.testing.assert_allclose([f.time_s for f in frames], 100 + np.array(expected) / 30, atol=1.1e-3)


@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [
        (0, 1 / 30, 0, 0),
        (0.4, 0.6, 12, 17),
        (11 / 30, 12 / 30, 11, 11),
        (2.0, math.inf, 60, 99),
        (3.3, 3.36, 99, 99),  # the film ends at 3.333 s; up to a frame more is let pass
    ],
)
def test_stretch_holds_its_start_and_not_its_end(long_clip, start, end, first, last):
    frames = read_frames([VideoPart(str(long_clip), start, end)])
    assert numbers_of(frames) == [(number, number) for number in range(first, last + 1)]


@pytest.mark.parametrize(("start", "end"), [(0.401, 0.402), (3.31, math.inf), (10, 20)])
def test_stretch_without_a_frame_is_a_fault_that_says_what_the_file_has(long_clip, start, end):
    with pytest.raises(PainlibError, match=r"got none: .*long\.mp4 has 100 frames, the last at 3\.300 s"):
        list(read_frames([VideoPart(str(long_clip), start, end)]))


def test_times_follow_a_variable_frame_rate(tmp_path):
    ms = [0, 33, 40, 200, 201, 1201, 1240, 1241, 5000, 5033]
    path = clips.write_numbered(
        tmp_path / "vfr.mp4", 10, pts=ms, time_base=Fraction(1, 1000), options=B_FRAMES
    )
    frames = list(read_frames([VideoPart(str(path))]))
    assert numbers_of(frames) == [(number, number) for number in range(10)]
    np.testing.assert_allclose([frame.time_s for frame in frames], np.array(ms) / 1000, atol=1e-9)
    inside = read_frames([VideoPart(str(path), 0.2, 1.241)])
    assert [frame.number for frame in inside] == [3, 4, 5, 6]


def test_time_starts_at_the_first_frame_whatever_the_file_says(tmp_path):
    ticks = [5000 + 40 * number for number in range(20)]
    for name in ("late.mkv", "late.ts", "late.mp4"):
        path = clips.write_numbered(tmp_path / name, 20, pts=ticks, time_base=Fraction(1, 1000), fps=25)
        frames = list(read_frames([VideoPart(str(path))], offset_s=-0.5))
        np.testing.assert_allclose([f.time_s for f in frames], np.arange(20) * 0.04 - 0.5, atol=1e-9)
        assert numbers_of(frames) == [(number, number) for number in range(20)]


@pytest.mark.parametrize("skipped", [6, 12, 17])
def test_frames_that_an_edit_list_hides_are_not_counted(tmp_path, monkeypatch, skipped):
    path = clips.write_numbered(tmp_path / "edited.mp4", 40, options=B_FRAMES)
    first_pts = 1024  # two frames' delay of B-frames, 512 ticks each
    clips.set_edit(path, first_pts + 512 * skipped)
    frames = list(read_frames([VideoPart(str(path))]))
    assert numbers_of(frames) == [(number, number + skipped) for number in range(40 - skipped)]
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(40 - skipped) / 30, atol=1e-9)
    assert probe_video(path).n_frames == 40 - skipped
    monkeypatch.setattr(decoding, "open_video", CountedVideo)
    late = read_frames([VideoPart(str(path), 0.5, 0.6)])
    assert numbers_of(late) == [(number, number + skipped) for number in range(15, 18)]
    assert len(CountedVideo.decoded) <= 24 + 3  # a keyframe or two before, not all from the start


def test_frames_that_an_edit_list_cuts_off_at_the_end_are_not_missed(tmp_path):
    path = clips.write_numbered(tmp_path / "edited.mp4", 40, options=B_FRAMES)
    clips.set_edit(path, 1024, duration=500)  # movie's ticks: ms
    frames = list(read_frames([VideoPart(str(path))]))
    assert numbers_of(frames) == [(number, number) for number in range(len(frames))]
    assert 15 <= len(frames) <= 17


ROTATIONS = {  # matrix -> what a player shows, by numpy
    (1, 0, 0, 1): (0, lambda image: image),
    (0, 1, -1, 0): (90, lambda image: np.rot90(image, -1)),
    (-1, 0, 0, -1): (180, lambda image: np.rot90(image, 2)),
    (0, -1, 1, 0): (270, lambda image: np.rot90(image, 1)),
    (-1, 0, 0, 1): (0, np.fliplr),
    (1, 0, 0, -1): (0, np.flipud),
}


@pytest.mark.parametrize("matrix", ROTATIONS)
def test_rotation_flags_give_upright_images(tmp_path, matrix):
    path = clips.write_numbered(tmp_path / "turned.mp4", 3, options={"qp": "4"})
    stored = [frame.image for frame in read_frames([VideoPart(str(path))])]
    clips.set_matrix(path, *matrix)
    degrees, show = ROTATIONS[matrix]
    info = probe_video(path)
    for frame, before in zip(read_frames([VideoPart(str(path))]), stored, strict=True):
        np.testing.assert_array_equal(frame.image, show(before))
        assert frame.image.flags.c_contiguous
        assert frame.size == (info.width, info.height) == frame.image.shape[1::-1]
        small = frame.shrunk(info.width // 2, info.height // 2)
        assert small.shape == (info.height // 2, info.width // 2, 3)
        halves = frame.image.reshape(info.height // 2, 2, info.width // 2, 2, 3).mean(axis=(1, 3))
        assert np.abs(small - halves).mean() < 3
    assert info.rotation_deg == degrees


@pytest.mark.parametrize(
    ("how", "width", "height"),
    [
        ({"pix_fmt": "yuv420p10le", "options": {"qp": "4"}}, 96, 64),
        ({"pix_fmt": "yuv444p", "options": {"qp": "4"}}, 97, 65),
        ({"codec": "ffv1"}, 97, 65),
        ({"codec": "ffv1", "pix_fmt": "yuv422p10le"}, 99, 67),
        ({"codec": "ffv1", "pix_fmt": "bgr0"}, 97, 64),
        ({"codec": "ffv1", "pix_fmt": "gray"}, 97, 64),
        (
            {"codec": "libx265", "pix_fmt": "yuv420p10le", "options": {"x265-params": "log-level=none:qp=4"}},
            96,
            64,
        ),
    ],
)
def test_deep_and_odd_sized_pictures_come_out_whole(tmp_path, how, width, height):
    images = [clips.draw_number(number, width, height) for number in range(4)]
    path = clips.write_clip(tmp_path / "clip.mkv", images, **how)
    frames = list(read_frames([VideoPart(str(path))]))
    for frame, image in zip(frames, images, strict=True):
        assert frame.image.shape == image.shape
        assert frame.image.dtype == np.uint8
        grey = "gray" in how.get("pix_fmt", "")
        error = np.abs(frame.image.astype(int) - image).mean(axis=2 if grey else (0, 1))
        assert error[:8].mean() < 4 if grey else error.max() < 4
        assert np.abs(frame.image[:8, -1].astype(int) - 96).max() < 12  # the last column too
    assert probe_video(path).width == width


def to_yuv(rgb: np.ndarray, red: float, blue: float, full: bool) -> np.ndarray:
    """ITU-R BT.601/709: Y'CbCr 4:4:4 of 8 bit from R'G'B' with the matrix's weights of red and blue."""
    r, g, b = np.moveaxis(rgb.astype(float), -1, 0)
    y = red * r + (1 - red - blue) * g + blue * b
    cb, cr = (b - y) / (2 * (1 - blue)), (r - y) / (2 * (1 - red))
    planes = (
        (y, cb + 128, cr + 128) if full else (16 + y * 219 / 255, 128 + cb * 224 / 255, 128 + cr * 224 / 255)
    )
    return np.round(np.stack(planes)).clip(0, 255).astype(np.uint8)


MATRICES = {"bt709": (1, 0.2126, 0.0722), "bt470bg": (5, 0.299, 0.114), "smpte170m": (6, 0.299, 0.114)}


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(("matrix", "size"), [*((name, 64) for name in MATRICES), ("sd", 64), ("hd", 720)])
def test_colours_come_back_from_either_matrix_and_range(tmp_path, matrix, size, full):
    # Without a tag, high definition is BT.709 and the rest BT.601.
    number, red, blue = MATRICES.get(matrix, (2, *MATRICES["bt709" if matrix == "hd" else "bt470bg"][1:]))
    colours = np.array(
        [[250, 20, 20], [20, 250, 20], [20, 20, 250], [230, 230, 230], [30, 30, 30], [200, 120, 60]]
    )
    image = np.repeat(np.repeat(colours.reshape(2, 3, 3), size // 2, 0), size // 2, 1).astype(np.uint8)
    height, width = image.shape[:2]
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv444p"
        context = stream.codec_context
        context.colorspace, context.color_range = number, 2 if full else 1
        frame = av.VideoFrame.from_ndarray(to_yuv(image, red, blue, full), format="yuv444p")
        frame.colorspace, frame.color_range = number, 2 if full else 1
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    (got,) = read_frames([VideoPart(str(path))])
    assert np.abs(got.image.astype(int) - image).max() <= 4
    assert (
        np.abs(
            got.shrunk(width // 2, height // 2)[4:-4:8, 4:-4:8].astype(int) - image[8:-8:16, 8:-8:16]
        ).max()
        <= 5
    )


@pytest.mark.parametrize("fps", [0.5, 1, 29.97, 30000 / 1001, 30, 240])
def test_written_video_keeps_number_time_rate_and_colour(tmp_path, fps):
    images = [clips.draw_number(number) for number in range(30)]
    path = write_video(tmp_path / "new folder" / "clip.mp4", images, fps)
    frames = list(read_frames([VideoPart(str(path))]))
    assert numbers_of(frames) == [(number, number) for number in range(30)]
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(30) / fps, rtol=1e-6, atol=1e-9)
    assert np.mean([np.abs(f.image.astype(int) - i).mean() for f, i in zip(frames, images, strict=True)]) < 3
    assert np.abs(frames[0].image[-12:-4, -12:-4].mean(axis=(0, 1)) - (200, 40, 40)).max() < 5
    info = probe_video(path)
    assert (info.width, info.height, info.n_frames, info.pixel_format) == (96, 64, 30, "yuv420p")
    assert info.fps == pytest.approx(fps, rel=1e-6)
    assert info.duration_s == pytest.approx(30 / fps, rel=1e-4)
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_range, context.color_primaries, context.color_trc) == (
            1,
            1,
            1,
            1,
        )


def test_written_video_has_the_same_bytes_each_time(tmp_path):
    images = [clips.draw_number(number, 96, 256) for number in range(20)]
    first, second = (write_video(tmp_path / name, images, 25).read_bytes() for name in ("a.mp4", "b.mp4"))
    assert first == second
    assert (
        b" threads=1 " in first
    )  # x264 notes its settings; with more threads the bytes depend on the machine
    assert write_video(tmp_path / "c.mp4", images[::-1], 25).read_bytes() != first


def test_written_video_of_odd_size_grows_by_its_border(tmp_path):
    images = [clips.draw_number(number, 97, 65) for number in range(3)]
    (got, *_) = read_frames([VideoPart(str(write_video(tmp_path / "odd.mp4", images, 25, crf=1)))])
    assert got.image.shape == (66, 98, 3)
    assert np.abs(got.image[:65, :97].astype(int) - images[0]).mean() < 3
    assert np.abs(got.image[:, 97].astype(int) - got.image[:, 96]).mean() < 3


def test_video_is_written_whole_or_not_at_all(tmp_path):
    def frames():
        yield clips.draw_number(0)
        yield np.zeros((10, 10, 3), np.uint8)

    with pytest.raises(PainlibError, match=r"got uint8 \(10, 10, 3\) as frame 1"):
        write_video(tmp_path / "clip.mp4", frames(), 25)
    with pytest.raises(PainlibError, match="at least one frame"):
        write_video(tmp_path / "clip.mp4", [], 25)
    assert list(tmp_path.iterdir()) == []


def test_parts_of_one_recording_add_up(tmp_path):
    parts, first = [], 0
    for part, length in enumerate((30, 7, 20)):
        path = clips.write_numbered(tmp_path / f"part{part}.mp4", length, first=first, options=B_FRAMES)
        parts.append(str(path))
        first += length
    frames = list(read_frames([VideoPart(path) for path in parts], offset_s=0.25))
    assert numbers_of(frames) == [(number, number) for number in range(57)]
    np.testing.assert_allclose([frame.time_s for frame in frames], 0.25 + np.arange(57) / 30, atol=1e-9)
    # A stretch does not move the clock of the parts behind it.
    frames = list(read_frames([VideoPart(parts[0], 0.5, 0.6), VideoPart(parts[2], 0.1, 0.2)]))
    assert numbers_of(frames) == [(n, n) for n in range(15, 18)] + [(n, n + 7) for n in range(33, 36)]
    np.testing.assert_allclose(frames[3].time_s, 33 / 30, atol=1e-9)


def test_stretches_of_one_file_keep_that_files_numbers(long_clip):
    parts = [VideoPart(str(long_clip), 0.0, 0.1), VideoPart(str(long_clip), 2.0, 2.1)]
    assert numbers_of(read_frames(parts)) == [(number, number) for number in (0, 1, 2, 60, 61, 62)]


def test_next_part_starts_one_usual_frame_after_a_variable_rate(tmp_path):
    ms = [0, 20, 40, 60, 500, 520]
    first = clips.write_numbered(tmp_path / "a.mp4", 6, pts=ms, time_base=Fraction(1, 1000), fps=50)
    second = clips.write_numbered(tmp_path / "b.mp4", 2, fps=50)
    frames = list(read_frames([VideoPart(str(first)), VideoPart(str(second))]))
    np.testing.assert_allclose([frame.time_s for frame in frames[-3:]], [0.52, 0.54, 0.56], atol=1e-9)


@pytest.mark.parametrize("number", [0, 11, 12, 50, 99])
def test_single_frame_is_found_by_number(long_clip, number):
    frame = read_frame(long_clip, number)
    assert (frame.number, clips.read_number(frame.image)) == (number, number)
    assert frame.time_s == pytest.approx(number / 30)


@pytest.mark.parametrize("number", [-1, 100])
def test_frame_number_beyond_the_video_is_a_fault(long_clip, number):
    with pytest.raises(PainlibError, match=rf"from 0 to 99, got {number}: .*long\.mp4"):
        read_frame(long_clip, number)


def test_each_file_is_decoded_once_by_one_thread(long_clip, monkeypatch):
    monkeypatch.setattr(decoding, "open_video", CountedVideo)
    assert len(list(read_frames([VideoPart(str(long_clip))]))) == 100
    assert (len(CountedVideo.opened), len(CountedVideo.decoded)) == (1, 100)
    CountedVideo.opened.clear(), CountedVideo.decoded.clear()
    assert len(list(read_frames([VideoPart(str(long_clip), 2.0, 2.1)]))) == 3
    assert len(CountedVideo.opened) == 1
    assert len(CountedVideo.decoded) <= 2 * 12  # from the keyframe before, not from the start
    assert set(CountedVideo.threads) == {1}


def test_a_frame_is_freed_when_the_next_one_comes(long_clip):
    gc.collect()
    gc.disable()  # 4K frames would fill the memory before the collector comes
    try:
        for frame in read_frames([VideoPart(str(long_clip))]):
            assert frame.image.shape[:2] == frame.size[::-1]
            assert frame.shrunk(48, 32).shape == (32, 48, 3)
            if frame.number == 60:
                alive = sum(isinstance(thing, av.VideoFrame) for thing in gc.get_objects())
                assert alive < 6, f"{alive} of 60 frames are held"
    finally:
        gc.enable()


TRUNCATED = {
    # container -> (bytes lost, frames promised and got where the container can say it)
    "fast.mp4": [
        (10, "expected 40 frames, got 39"),
        (3000, "expected 40 frames"),
        (9000, "expected 40 frames"),
    ],
    "mp4": [(100, "got no frame.*100 bytes are missing"), (5000, "cannot be opened")],
    "fragmented.mp4": [(150, "not whole"), (3000, "not whole")],
    "mkv": [(700, "expected 40 frames, got"), (5000, "expected 40 frames")],
    "live.mkv": [(5, "expected more than 39 frames, got 39"), (300, "got"), (5000, "got")],
    "ts": [(188, "damaged"), (100, "not whole"), (5000, "not whole")],
    "avi": [(2000, "expected 40 frames"), (9000, "expected 40 frames")],
}


def noisy(number: int) -> np.ndarray:
    """A numbered frame that does not compress, so that bytes lost are frames lost."""
    image = clips.draw_number(number)
    noise = np.random.default_rng(number).integers(0, 255, image.shape, dtype=np.uint8)
    image[16:40] = noise[16:40]
    return image


@pytest.mark.parametrize(
    ("name", "lost", "message"), [(n, *case) for n, cases in TRUNCATED.items() for case in cases]
)
def test_truncated_video_is_a_fault_that_names_file_frames_and_remedy(tmp_path, name, lost, message):
    how = {"options": B_FRAMES, **CONTAINERS[name]}
    path = clips.write_clip(tmp_path / f"clip.{name}", [noisy(number) for number in range(40)], **how)
    assert len(list(read_frames([VideoPart(str(path))]))) == 40
    cut = clips.cut_end(path, lost)
    with pytest.raises(PainlibError, match=message) as fault:
        list(read_frames([VideoPart(str(cut))]))
    assert cut.name in str(fault.value)
    assert "Copy the file again" in str(fault.value)


def test_stretch_before_the_damage_is_read_and_one_that_reaches_it_is_not(tmp_path):
    how = {"options": B_FRAMES, "muxing": {"movflags": "+faststart"}}
    path = clips.write_clip(tmp_path / "clip.mp4", [noisy(number) for number in range(40)], **how)
    cut = clips.cut_end(path, path.stat().st_size // 4)
    line = load_timeline(cut)
    assert 0.5 < line.whole_until_s < 1.2
    end = math.floor(line.whole_until_s * 30) / 30
    frames = read_frames([VideoPart(str(cut), 0.0, end)])
    assert numbers_of(frames) == [(number, number) for number in range(round(end * 30))]
    with pytest.raises(PainlibError, match=rf"Intact: the first {line.whole_until_s:.3f} s"):
        list(read_frames([VideoPart(str(cut), 0.0, 1.3)]))
    assert clips.read_number(read_frame(cut, 3).image) == 3
    with pytest.raises(PainlibError, match="not whole"):
        list(read_frames([VideoPart(str(cut), 0.0, end), VideoPart(str(path))]))


def test_hole_in_the_middle_is_found_where_it_is(tmp_path):
    path = clips.write_clip(tmp_path / "clip.mp4", [noisy(number) for number in range(40)], options=B_FRAMES)
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    begin, end = packets[25][0], sum(packets[27])
    content[begin:end] = bytes(end - begin)
    path.write_bytes(content)
    damage = r"Video is damaged: .*clip\.mp4: expected 40 frames .*, got 2\d; frame 2\d at 0\.\d+ s"
    with pytest.raises(PainlibError, match=damage):
        list(read_frames([VideoPart(str(path))]))
    assert len(list(read_frames([VideoPart(str(path), 0.0, 0.3)]))) == 9


@pytest.mark.parametrize(
    "content", [b"", b"not a video" * 500, os.urandom(4096), struct.pack(">I4s", 8, b"ftyp")]
)
def test_garbage_is_a_fault_that_names_the_file(tmp_path, content):
    path = tmp_path / "garbage.mp4"
    path.write_bytes(content)
    for call in (probe_video, load_timeline, lambda name: list(read_frames([VideoPart(str(name))]))):
        with pytest.raises(PainlibError, match=r"garbage\.mp4"):
            call(path)


def test_missing_file_and_file_without_pictures_are_faults(tmp_path):
    with pytest.raises(PainlibError, match=r"found no file: .*nowhere\.mp4.*column `video`"):
        probe_video(tmp_path / "nowhere.mp4")
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 48000), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 48000
        container.mux(stream.encode(silence))
        container.mux(stream.encode(None))
    with pytest.raises(PainlibError, match=r"got a file without one: .*sound\.mp4"):
        probe_video(tmp_path / "sound.mp4")


@pytest.mark.parametrize("name", ["clip.mkv", "untagged.mkv", "clip.mp4"])
def test_sound_that_is_longer_than_the_picture_is_no_fault(tmp_path, name):
    path = clips.write_numbered(tmp_path / name, 30, sound=True)  # 3 s of sound, 1 s of pictures
    if name == "untagged.mkv":  # not every program writes how long each track is
        path.write_bytes(path.read_bytes().replace(b"DURATION", b"SOMETHING"[:8]))
    assert numbers_of(read_frames([VideoPart(str(path))])) == [(number, number) for number in range(30)]


def test_last_frame_that_is_shown_for_long_is_no_fault(tmp_path):
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(5):
            frame = av.VideoFrame.from_ndarray(clips.draw_number(number), format="rgb24")
            frame.pts, frame.time_base = 40 * number, Fraction(1, 1000)
            for packet in stream.encode(frame):
                packet.duration = 40 if number < 4 else 3000
                container.mux(packet)
    with av.open(str(path)) as container:
        assert container.duration == 3_160_000
    assert numbers_of(read_frames([VideoPart(str(path))])) == [(number, number) for number in range(5)]


def test_what_a_camera_appends_behind_the_video_is_no_fault(tmp_path):
    path = clips.write_numbered(tmp_path / "clip.mp4", 10)
    path.write_bytes(path.read_bytes() + b"\xff" * 500)
    assert probe_video(path).n_frames == 10
    assert numbers_of(read_frames([VideoPart(str(path))])) == [(number, number) for number in range(10)]


def test_probe_finds_a_cut_file_before_any_work_but_leaves_a_stretch_to_the_reading(tmp_path):
    path = clips.write_numbered(tmp_path / "clip.mp4", 40, muxing={"movflags": "+faststart"})
    cut = clips.cut_end(path, 50)
    with pytest.raises(PainlibError, match=r"50 bytes are missing at its end"):
        probe_video(cut)
    assert probe_video(cut, end_s=0.5).n_frames == 40


def test_a_name_with_a_colon_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_video("http:1 #2%.mp4", [clips.draw_number(5)], 10)
    assert numbers_of(read_frames([VideoPart("http:1 #2%.mp4")])) == [(0, 5)]


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize(("width", "height"), [(1280, 720), (640, 360), (96, 64), (322, 242)])
def test_a_part_of_a_frame_is_that_part_of_its_image_to_the_bit(tmp_path, pix_fmt, width, height):
    rng = np.random.default_rng(width)
    noise = [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(2)]
    path = clips.write_clip(tmp_path / "noise.mp4", noise, pix_fmt=pix_fmt)
    side = height // 2 + 1
    twice = [read_frames([VideoPart(str(path))]) for _ in range(2)]
    for whole, frame in zip(*twice, strict=True):
        image = whole.image
        places = [(0, 0), (width - side, height - side), (width - side, 0)]
        places += [(rng.integers(0, width - side), rng.integers(0, height - side)) for _ in range(20)]
        for left, top in places:
            part = frame.part(int(left), int(top), side, side)
            np.testing.assert_array_equal(part, image[top : top + side, left : left + side])
        np.testing.assert_array_equal(frame.part(0, 0, width, height), image)


class GpuLikeVideo:
    """`open_video`; with an accelerator frames come as a GPU's decoder gives them, in two planes (nv12)."""

    opened: ClassVar[list] = []
    darker = False
    fails_at = None  # packets' pts from which the device gives up

    def __init__(self, path, accelerator=None):
        self.opened.append("cuda" if accelerator else "software")
        self.by_gpu = accelerator is not None
        self.context = open_video(path)

    def __enter__(self):
        self.container, stream = self.context.__enter__()
        self.seek = self.container.seek
        return (self if self.by_gpu else self.container), stream

    def __exit__(self, *error):
        return self.context.__exit__(*error)

    def decode(self, stream):
        for frame in self.container.decode(stream):
            if self.fails_at is not None and frame.pts >= self.fails_at:
                raise av.error.ExternalError(1, "device lost")
            if self.darker:
                picture = frame.to_ndarray() - 1
                changed = av.VideoFrame.from_ndarray(picture, format=frame.format.name)
                changed.pts, changed.time_base = frame.pts, frame.time_base
                changed.colorspace, changed.color_range = frame.colorspace, frame.color_range
                frame = changed
            yield VideoReformatter().reformat(frame, format="nv12", threads=1)


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(decoding, "open_video", GpuLikeVideo)
    monkeypatch.setattr(decoding, "LONG", 10)
    GpuLikeVideo.opened.clear()
    return monkeypatch


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuvj420p"])
def test_the_gpus_decoder_gives_the_same_images_to_the_bit(gpu, tmp_path, pix_fmt):
    path = clips.write_numbered(tmp_path / "clip.mp4", 40, pix_fmt=pix_fmt, options=B_FRAMES)
    by_gpu = list(read_frames([VideoPart(str(path), 0.35, 1.2)], decoder="cuda"))
    gpu.undo()
    plain = list(read_frames([VideoPart(str(path), 0.35, 1.2)]))
    assert {frame.decoder for frame in by_gpu} == {"cuda"}
    assert {frame.decoder for frame in plain} == {"software"}
    for ours, theirs in zip(by_gpu, plain, strict=True):
        assert (ours.number, ours.time_s) == (theirs.number, theirs.time_s)
        np.testing.assert_array_equal(ours.image, theirs.image)
        np.testing.assert_array_equal(ours.shrunk(48, 32), theirs.shrunk(48, 32))


def test_a_gpu_that_gives_another_picture_is_not_used(gpu, long_clip):
    gpu.setattr(GpuLikeVideo, "darker", True)
    assert choose_decoder(long_clip) == ("software", "CUDA gives another picture of its first frame")
    frames = read_frames([VideoPart(str(long_clip))], decoder="cuda")
    assert {frame.decoder for frame in frames} == {"software"}


def test_where_the_gpu_gives_up_the_plain_decoder_goes_on(gpu, long_clip):
    gpu.setattr(GpuLikeVideo, "fails_at", load_timeline(long_clip).pts[60])
    frames = list(read_frames([VideoPart(str(long_clip))], decoder="cuda"))
    assert numbers_of(frames) == [(number, number) for number in range(100)]
    assert [frame.decoder for frame in frames] == ["cuda"] * 60 + ["software"] * 40


def test_few_frames_or_none_asked_of_it_do_not_start_the_gpu(gpu, long_clip):
    numbers_of(read_frames([VideoPart(str(long_clip), 0, 0.3)], decoder="cuda"))
    numbers_of(read_frames([VideoPart(str(long_clip))]))
    assert GpuLikeVideo.opened == ["software", "software"]


def test_a_cuda_device_decodes_the_same_images_where_there_is_one(long_clip, monkeypatch):
    decoder, reason = choose_decoder(long_clip)
    if decoder != "cuda":
        pytest.skip(f"decoded by the processor: {reason}")
    line = load_timeline(long_clip)
    plain = [decoded.frame.to_ndarray() for decoded in decode_frames(line, 0, 100)]
    monkeypatch.setattr(decoding, "LONG", 10)
    by_gpu = list(decode_frames(line, 0, 100, "cuda"))
    assert {decoded.decoder for decoded in by_gpu} == {"cuda"}
    for ours, theirs in zip(by_gpu, plain, strict=True):
        np.testing.assert_array_equal(ours.frame.to_ndarray(), theirs)

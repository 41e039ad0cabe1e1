"""The clips that are measured on: camcorder-like video of a drawn mouse on a photo-like ground.

Nothing is filmed, and the drawn mouse stands for no real one: what counts here is that a decoder, a resizer
and a network have the work of real video. Size, bit rate, groups of pictures and B frames are a camcorder's;
the ground has the 1/f spectrum of photographs, every frame the noise of a sensor, and 37 % of frames show
the mouse from behind.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation

from painlib.bench.sizes import FACELESS, BenchSize
from painlib.demo.head import Drawing, Shot, render
from painlib.demo.individuals import Face, Part, Pose, draw_individual
from painlib.demo.stage import make_camera
from painlib.fingerprints import fingerprint
from painlib.progress import track
from painlib.tables import write_whole

DRAWING = 2  # goes up when the same size would give another clip
FPS = 30
CYCLE = 19  # frames in which a face comes and goes: 12 with one, 7 without
GROUP = 15  # frames from keyframe to keyframe, as XAVC and AVCHD camcorders have them
B_FRAMES = 2
GROUND_MEAN, GROUND_SD, COLOUR_SD = 74.0, 26.0, 7.0  # grey levels
NOISE_SD = 3.0  # of the sensor, grey levels
MARGIN = 256  # px by which the noise is larger than the frame


@dataclass(frozen=True)
class Clip:
    """A clip and its truth: `keypoints` (n_frames, 3, 2) px, `visible` (n_frames, 3); nose, right, left eye.

    `bit_rate`: what the file has, bit/s.
    """

    path: Path
    width: int
    keypoints: np.ndarray
    visible: np.ndarray
    bit_rate: float

    def __len__(self) -> int:
        return len(self.keypoints)

    @property
    def has_face(self) -> np.ndarray:
        """(n_frames,) bool: the nose and an eye are seen."""
        return self.visible[:, 0] & self.visible[:, 1:].any(axis=1)

    def answers(self) -> np.ndarray:
        """The truth as a pose network would tell it, (n_frames, 3, 3): x, y px, likelihood 0.99 or 0.01."""
        likelihood = np.where(self.visible, 0.99, 0.01)
        return np.concatenate([self.keypoints, likelihood[..., None]], axis=2)


def make_clip(folder: Path, name: str, size: BenchSize, n_frames: int) -> Clip:
    """The clip of `n_frames` under `folder`, drawn unless it is there already; the same size, the same bytes.

    Beside it stands a json with the truth and a fingerprint of what it was drawn from and of the file.
    """
    path, note = folder / f"{name}.mp4", folder / f"{name}.json"
    asked = {key: asdict(size)[key] for key in ("width", "height", "drawn_width", "bit_rate")}
    mark = fingerprint("bench clip", DRAWING, asked, n_frames, av.__version__)
    if not _is_kept(path, note, mark):
        folder.mkdir(parents=True, exist_ok=True)
        drawings: list[Drawing] = []
        with write_whole(path) as temporary:
            _encode(temporary, track(draw_frames(size, n_frames, drawings), n_frames, f"Clip {name}"), size)
        truth = {
            "keypoints": [drawing.keypoints.tolist() for drawing in drawings],
            "visible": [drawing.visible.tolist() for drawing in drawings],
        }
        with write_whole(note) as temporary:
            temporary.write_text(
                json.dumps({"fingerprint": mark, "bytes": path.stat().st_size, "size": asked, **truth})
            )
    told = json.loads(note.read_text(encoding="utf-8"))
    keypoints, visible = np.array(told["keypoints"]), np.array(told["visible"], bool)
    return Clip(path, size.width, keypoints, visible, told["bytes"] * 8 * FPS / n_frames)


def draw_frames(size: BenchSize, n_frames: int, drawings: list[Drawing]) -> Iterator[np.ndarray]:
    """Frames (height, width, 3) uint8; the truth of each, in px of the frame, is appended to `drawings`."""
    import cv2

    rng = np.random.default_rng(20251104)
    ground = draw_ground(size.width, size.height, rng)
    noise = rng.normal(0, NOISE_SD, (size.height + MARGIN, size.width + MARGIN, 3)).round().astype(np.int8)
    animal = draw_individual("white", rng)
    scale = size.width / size.drawn_width
    camera = make_camera("A", size.drawn_width, round(size.height / scale))
    for number in range(n_frames):
        shot = Shot(1.0, 1.0, 0.0, 0.0, (0.0, 0.0), number)
        drawn = render(animal, *_pose(number, n_frames), camera, shot, with_parts=True)
        assert drawn.parts is not None
        mouse = np.where(drawn.parts == Part.STAGE, 0.0, 1.0).astype(np.float32)
        target = (size.width, size.height)
        cover = cv2.resize(cv2.GaussianBlur(mouse, (0, 0), 0.8), target, interpolation=cv2.INTER_LINEAR)
        picture = cv2.resize(drawn.image, target, interpolation=cv2.INTER_CUBIC)
        top, left = rng.integers(0, MARGIN, 2)
        grains = noise[top : top + size.height, left : left + size.width]
        frame = ground + cover[..., None] * (picture - ground)
        frame += grains
        keypoints = (drawn.keypoints + 0.5) * scale - 0.5
        drawings.append(Drawing(drawn.image[:0], keypoints, drawn.seen, drawn.visible, None))
        yield np.clip(frame, 0, 255, out=frame).astype(np.uint8)


def draw_ground(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """A still picture (height, width, 3) float32 whose amplitudes fall as 1/f, as those of photographs do."""
    from scipy import fft

    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    frequency = np.hypot(rows, columns).astype(np.float32)
    frequency[0, 0] = np.inf

    def draw_layer(sd: float) -> np.ndarray:
        waves = fft.rfft2(rng.standard_normal((height, width), np.float32))
        layer = fft.irfft2(waves / frequency, (height, width))
        return sd * (layer - layer.mean()) / layer.std()

    grey = GROUND_MEAN + draw_layer(GROUND_SD)
    warm = draw_layer(COLOUR_SD)
    return np.stack([grey + warm, grey, grey - warm], axis=2).astype(np.float32)


def _pose(number: int, n_frames: int) -> tuple[Pose, Face]:
    """Swaying towards the camera in 63 % of each cycle (of the clip, where that is shorter), else turned
    away."""
    cycle = min(n_frames, CYCLE)
    away = number % cycle >= round((1 - FACELESS) * cycle)
    time_s = number / FPS
    yaw = (180.0 if away else 0.0) + 18 * np.sin(2 * np.pi * 0.9 * time_s)
    ahead = 14 * np.cos(np.radians(yaw)), 14 * np.sin(np.radians(yaw))
    sway = 6 * np.sin(2 * np.pi * 0.5 * time_s + 0.4), 9 * np.sin(2 * np.pi * 0.7 * time_s)
    position = (ahead[0] + sway[0], ahead[1] + sway[1], 18 + 1.5 * np.sin(2 * np.pi * 1.1 * time_s))
    pain = 0.5 - 0.5 * np.cos(2 * np.pi * 0.4 * time_s)
    units = (1.6 * pain, 1.2 * pain, 1.2 * pain, 1.4 * pain, 1.2 * pain)
    pose = Pose(position, yaw, -6 + 5 * np.sin(2 * np.pi * 0.6 * time_s), 3.0, yaw, 0.0)
    return pose, Face(units, 0.0, float(np.sin(2 * np.pi * 3 * time_s)), (0.0, 0.0))


def _encode(path: Path, frames: Iterator[np.ndarray], size: BenchSize) -> None:
    """H.264 as a camcorder writes it: keyframes every `GROUP` frames, B frames, the bit rate held."""
    rate, rate_4 = round(size.bit_rate / 1000), round(size.bit_rate / 4000)
    coding = {
        "preset": "veryfast",
        "x264-params": f"keyint={GROUP}:min-keyint={GROUP}:scenecut=0:bframes={B_FRAMES}:b-adapt=0:mbtree=0:"
        f"vbv-maxrate={rate}:vbv-bufsize={rate_4}:nal-hrd=cbr",
    }
    with av.open(f"file:{path}", "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=FPS, options=coding)
        stream.width, stream.height, stream.pix_fmt = size.width, size.height, "yuv420p"
        context = stream.codec_context
        context.bit_rate, context.thread_count = int(size.bit_rate), 1
        context.time_base = Fraction(1, FPS)
        context.color_range, context.colorspace = ColorRange.MPEG, Colorspace.ITU709
        context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        for number, image in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
                format="yuv420p",
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
                interpolation=Interpolation.AREA,
            )
            picture.pts, picture.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def _is_kept(path: Path, note: Path, mark: str) -> bool:
    try:
        told = json.loads(note.read_text(encoding="utf-8"))
        return told["fingerprint"] == mark and path.stat().st_size == told["bytes"]
    except (OSError, ValueError, KeyError):
        return False

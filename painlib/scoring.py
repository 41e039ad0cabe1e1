"""Any image or video, judged by a model folder alone: a row an image, a row a second of video.

One camera is judged as it is: two cameras are fused by stage 03_predict only. What is done to a face (rules,
square, JPEG, size, network) is the same as there, so the same video gives the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol, cast

import cv2
import numpy as np
import torch

from painlib.cohort import VideoPart
from painlib.crop import Border, apply_rules, cut_square, find_centres, place_square
from painlib.face_points import ask_network, gather_batches
from painlib.face_store import Jpeg, decode_face, encode_face
from painlib.faults import PainlibError
from painlib.fusion import CLOCK_TOLERANCE_S, TIE
from painlib.model import load_model
from painlib.pose import load_pose_network
from painlib.prediction import check_labels
from painlib.video import read_frames

POSE_BATCH = 32  # frames that go to the pose network at once
WHOLE_FRAME_PX = 1_000_000  # a pose network that does not know its frames' size gets them whole
SHOWN_PX = 960  # longer side of what a score carries for an overlay


class Picture(Protocol):
    """What is asked of a picture; `video.Frame` is one."""

    @property
    def image(self) -> np.ndarray: ...
    @property
    def size(self) -> tuple[int, int]: ...
    def shrunk(self, width: int, height: int) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class Still:
    """An image file as a picture: upright RGB (height, width, 3) uint8."""

    image: np.ndarray

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, px."""
        return self.image.shape[1], self.image.shape[0]

    def shrunk(self, width: int, height: int) -> np.ndarray:
        """The image at another size, area-averaged."""
        return _resize(self.image, width, height)


@dataclass(frozen=True, eq=False)
class Sight:
    """What was judged, for an overlay: `image` (longer side at most 960 px), crop rule (0: no face), and in
    px of it `points` (3, 3: x, y, likelihood; NaN: a face was given) and `square` (centre x, y, side).

    `threshold`: likelihood from which a point counts as seen.
    """

    image: np.ndarray
    points: np.ndarray
    rule: int
    square: tuple[float, float, float] | None
    threshold: float


@dataclass(frozen=True)
class Score:
    """One image, or one second of a video (`second`: whole seconds from its start; None: an image).

    `p_pain`: mean over the faces seen, NaN without one. `call`: "pain" or "no pain", the class with the
    higher mean (equal: no pain, as in fusion), or "not judged", and then `reason` says why. `confidence`:
    mean probability of the likelier class, 0.5 to 1, NaN without a face. `sight`: the second's first face, or
    first frame.
    """

    source: str
    second: int | None
    n_frames: int
    n_faces: int
    call: str
    confidence: float
    p_pain: float
    reason: str
    sight: Sight | None = field(repr=False, compare=False)

    def as_row(self) -> dict[str, Any]:
        """All that is written of it."""
        return {place.name: getattr(self, place.name) for place in fields(self) if place.compare}


@dataclass(frozen=True)
class _PoseSettings:
    """What `gather_batches` and `ask_network` read of the parameters of 01_crop."""

    pose_width: int
    pose_height: int
    pose_batch: int = POSE_BATCH


class Scorer:
    """A model folder, ready to judge.

    `crop_px`: side of the face square in px of the pictures; None: as the model's training faces were cut.
    `as_faces`: the pictures are faces already and are taken whole. `abstain_below`: a call that is less sure
    than this (0.5 to 1) is "not judged". `sights`: scores carry what an overlay needs. Raises `PainlibError`
    where the folder is not whole, or has no pose network and the pictures are not faces already.
    """

    def __init__(
        self,
        folder: str | Path,
        device: str = "auto",
        *,
        crop_px: int | None = None,
        as_faces: bool = False,
        abstain_below: float = 0.5,
        sights: bool = False,
    ) -> None:
        folder = Path(folder)
        self._net, self.card = load_model(folder, device)
        check_labels(self.card)
        self._crop_px = crop_px or self.card.crop.crop_px
        self._abstain_below, self._sights = abstain_below, sights
        self._pose = None
        if as_faces:
            return
        if self.card.pose_network is None:
            raise PainlibError(
                f"Expected a model with a pose network, got one made from tracker files: {folder}. Give "
                "pictures of faces that are cut out already (--face)."
            )
        self._pose = load_pose_network(folder / self.card.pose_network, device=device)
        sides = self._pose.width or WHOLE_FRAME_PX, self._pose.height or WHOLE_FRAME_PX
        self._settings = cast(Any, _PoseSettings(*sides))

    def score_image(self, path: str | Path) -> Score:
        """Judge one image file. Raises `PainlibError` where it is none."""
        return self._summarise(path, None, self._judge([Still(read_image(path))], path))

    def score_video(self, path: str | Path) -> Iterator[Score]:
        """Judge every frame of a video: one score a second, as soon as it is known; memory stays flat.

        Raises `PainlibError` where the video is damaged; the scores before it have been given by then.
        """
        seen = groupby(self._watch(path), key=lambda moment: math.floor(moment[0] + CLOCK_TOLERANCE_S))
        for second, moments in seen:
            yield self._summarise(path, second, [judged for _, judged in moments])

    def _watch(self, path: str | Path) -> Iterator[tuple[float, tuple[float, Sight | None]]]:
        """Time, s, and judgement of every frame."""
        if self._pose is None:
            raise PainlibError(f"Expected images of faces (--face), got a video: {path}.")
        for batch in gather_batches(read_frames([VideoPart(str(path))]), self._settings):
            times = [frame.time_s for frame in batch]
            yield from zip(times, self._judge(list(batch), path), strict=True)

    def _judge(self, pictures: list[Picture], path: str | Path) -> list[tuple[float, Sight | None]]:
        """p_pain (NaN without a face) and sight (where asked for) of each picture; empties `pictures`."""
        try:
            points = self._find_points(pictures)
            cut = [self._cut(pictures.pop(0), found) for found in points]  # no full image is kept
        except PainlibError as error:
            raise PainlibError(f"{path}: {error}") from error
        faces = [face for face, _ in cut if face is not None]
        judged = iter(self._ask(np.stack(faces)) if faces else ())
        return [(math.nan if face is None else float(next(judged)), sight) for face, sight in cut]

    def _find_points(self, pictures: list[Picture]) -> np.ndarray:
        """(n, 3, 3) x, y, likelihood in px of the pictures; NaN where they are faces already."""
        if self._pose is None:
            return np.full((len(pictures), 3, 3), np.nan)
        return ask_network(self._pose, self._settings)(cast(Any, pictures))

    def _cut(self, picture: Picture, points: np.ndarray) -> tuple[np.ndarray | None, Sight | None]:
        """The face (px, px, 3) at the network's size, or None, and the sight of the picture."""
        px, side, threshold = (
            self.card.architecture.input_px,
            self._crop_px,
            self.card.crop.likelihood_threshold,
        )
        rule, corner, square = 0, None, None
        face: np.ndarray | None = None
        if self._pose is None:
            face = _resize(_check_square(picture.image), px, px)
        else:
            rules = apply_rules(points[None, :, 2], threshold)
            rule, centre = int(rules[0]), find_centres(points[None, :, :2], rules)[0]
            if rule:
                corner = place_square(centre, side, *picture.size, cast(Border, self.card.crop.border))
        if corner is not None:
            jpeg = encode_face(cut_square(picture.image, corner, side), self.card.crop.jpeg_quality)
            face = decode_face(Jpeg(jpeg, side, Path("the face cut out")), px)
            square = (corner[0] + side / 2, corner[1] + side / 2, float(side))
        if not self._sights:
            return face, None
        scale = min(1.0, SHOWN_PX / max(picture.size))
        shown = picture.shrunk(*(max(1, round(scale * length)) for length in picture.size))
        marked = None if square is None else (scale * square[0], scale * square[1], scale * square[2])
        return face, Sight(shown, points * (scale, scale, 1), rule, marked, threshold)

    def _ask(self, faces: np.ndarray) -> np.ndarray:
        """p_pain (n,) of faces (n, px, px, 3) uint8."""
        device = next(self._net.parameters()).device
        with torch.inference_mode():
            images = torch.from_numpy(faces).permute(0, 3, 1, 2).to(device)
            return self._net.probabilities(images)[:, 1].numpy()

    def _summarise(
        self, path: str | Path, second: int | None, judged: list[tuple[float, Sight | None]]
    ) -> Score:
        values = np.array([p for p, _ in judged])
        faces = np.isfinite(values)
        first = int(faces.argmax())
        facts = (str(path), second, len(values), int(faces.sum()))
        if not faces.any():
            return Score(*facts, "not judged", math.nan, math.nan, "no face to cut out", judged[first][1])
        p_pain = float(values[faces].mean())
        confidence = max(p_pain, 1 - p_pain)
        call = "pain" if 2 * p_pain - 1 > TIE else "no pain"
        reason = ""
        if confidence < self._abstain_below:
            call, reason = "not judged", f"confidence below {self._abstain_below:g}"
        return Score(*facts, call, confidence, p_pain, reason, judged[first][1])


def is_image(path: str | Path) -> bool:
    """Whether a file that is there begins like an image that can be read; what does not may be a video."""
    path = Path(path)
    if not path.is_file():
        raise PainlibError(f"Expected an image or a video, found no file: {path}.")
    return bool(cv2.haveImageReader(str(path)))


def read_image(path: str | Path) -> np.ndarray:
    """Upright RGB image (height, width, 3) uint8 of a file; `PainlibError` where it cannot be read."""
    try:
        image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error) as error:
        raise PainlibError(f"Expected an image, but {path} cannot be read ({error}).") from error
    if image is None:
        raise PainlibError(f"Expected an image, got a file that is none, or not whole: {path}.")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _check_square(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    if height != width:
        raise PainlibError(
            f"Expected a face cut out as a square (--face), got {width} x {height} px. Cut it square, or "
            "leave out --face to have the face found."
        )
    return image


def _resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """The image at another size: averaged over areas where it shrinks, linear where it grows."""
    if image.shape[:2] == (height, width):
        return np.ascontiguousarray(image)
    method = cv2.INTER_AREA if width <= image.shape[1] else cv2.INTER_LINEAR
    return cv2.resize(image, (width, height), interpolation=method)

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
from typing import Any, NamedTuple, Protocol, cast

import cv2
import numpy as np
import pandas as pd
import torch

from painlib.calibration import gate_faces, measure_quality
from painlib.cohort import VideoPart
from painlib.crop import Border, apply_rules, cut_square, find_centres, place_square
from painlib.face_points import ask_network, gather_batches
from painlib.face_store import Jpeg, decode_face, encode_face
from painlib.faults import PainlibError
from painlib.fusion import CLOCK_TOLERANCE_S, NEVER_ABSTAIN, TIE
from painlib.model import load_model
from painlib.pose import load_pose_network
from painlib.pose_labels import COORDINATES
from painlib.prediction import check_labels
from painlib.video import read_frames

POSE_BATCH = 32  # frames that go to the pose network at once
WHOLE_FRAME_PX = 1_000_000  # a pose network that does not know its frames' size gets them whole
NO_FACE = "no face to cut out"
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

    `n_faces`: faces judged; `n_left_out`: those too poor for the card's limits of quality. `p_pain`: the
    network's own, mean over the faces judged, NaN without one. `call`: "pain" or "no pain", the class with
    the higher mean (equal: no pain, as in fusion), or "not judged", and then `reason` says why. `confidence`:
    calibrated probability of that class (the network's own where the card has no calibration), mean over the
    faces judged. `sight`: the second's first face, or first frame.
    """

    source: str
    second: int | None
    n_frames: int
    n_faces: int
    n_left_out: int
    call: str
    confidence: float
    p_pain: float
    reason: str
    sight: Sight | None = field(repr=False, compare=False)

    def as_row(self) -> dict[str, Any]:
        """All that is written of it."""
        return {place.name: getattr(self, place.name) for place in fields(self) if place.compare}


class _Judged(NamedTuple):
    """One picture: p_pain, or NaN and why there is none; its sight where asked for."""

    p_pain: float
    why_not: str
    sight: Sight | None


class _Cut(NamedTuple):
    """One picture's face (px, px, 3) or None, its nose and eyes (6,) as shares of the face's side (NaN: not
    seen), its sight."""

    face: np.ndarray | None
    landmarks: np.ndarray
    sight: Sight | None


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

    def _watch(self, path: str | Path) -> Iterator[tuple[float, _Judged]]:
        """Time, s, and judgement of every frame."""
        if self._pose is None:
            raise PainlibError(f"Expected images of faces (--face), got a video: {path}.")
        for batch in gather_batches(read_frames([VideoPart(str(path))]), self._settings):
            times = [frame.time_s for frame in batch]
            yield from zip(times, self._judge(list(batch), path), strict=True)

    def _judge(self, pictures: list[Picture], path: str | Path) -> list[_Judged]:
        """The judgement of each picture; empties `pictures`."""
        try:
            points = self._find_points(pictures)
            cut = [self._cut(pictures.pop(0), found) for found in points]  # no full image is kept
            faces = [one.face for one in cut if one.face is not None]
            landmarks = [one.landmarks for one in cut if one.face is not None]
            reasons = iter(self._gate(faces, landmarks))
        except PainlibError as error:
            raise PainlibError(f"{path}: {error}") from error
        p_pain = iter(self._ask(np.stack(faces)) if faces else ())
        judged = []
        for one in cut:
            p, why_not = (math.nan, NO_FACE) if one.face is None else (float(next(p_pain)), next(reasons))
            judged.append(_Judged(math.nan if why_not else p, why_not, one.sight))
        return judged

    def _gate(self, faces: list[np.ndarray], landmarks: list[np.ndarray]) -> list[str]:
        """Why each face is too poor to be judged, or empty; faces that were given are all taken."""
        limits = self.card.quality_limits
        if self._pose is None or limits is None or not faces:
            return [""] * len(faces)
        places = pd.DataFrame(landmarks, columns=list(COORDINATES))
        return list(gate_faces(measure_quality(faces, places[[]], places), limits))

    def _find_points(self, pictures: list[Picture]) -> np.ndarray:
        """(n, 3, 3) x, y, likelihood in px of the pictures; NaN where they are faces already."""
        if self._pose is None:
            return np.full((len(pictures), 3, 3), np.nan)
        return ask_network(self._pose, self._settings)(cast(Any, pictures))

    def _cut(self, picture: Picture, points: np.ndarray) -> _Cut:
        """The face of a picture, if there is one, as the rules find it, or the whole picture."""
        px, side = self.card.architecture.input_px, self._crop_px
        threshold = self.card.crop.likelihood_threshold
        rule, corner, square = 0, None, None
        landmarks = np.full(6, np.nan)
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
            places = np.where(points[:, 2:] >= threshold, points[:, :2], np.nan)
            landmarks = ((places - corner + 0.5) / side).reshape(-1)
        if not self._sights:
            return _Cut(face, landmarks, None)
        scale = min(1.0, SHOWN_PX / max(picture.size))
        shown = picture.shrunk(*(max(1, round(scale * length)) for length in picture.size))
        marked = None if square is None else (scale * square[0], scale * square[1], scale * square[2])
        return _Cut(face, landmarks, Sight(shown, points * (scale, scale, 1), rule, marked, threshold))

    def _ask(self, faces: np.ndarray) -> np.ndarray:
        """p_pain (n,) of faces (n, px, px, 3) uint8."""
        device = next(self._net.parameters()).device
        with torch.inference_mode():
            images = torch.from_numpy(faces).permute(0, 3, 1, 2).to(device)
            return self._net.probabilities(images)[:, 1].numpy()

    def _summarise(self, path: str | Path, second: int | None, judged: list[_Judged]) -> Score:
        values = np.array([one.p_pain for one in judged])
        faces = np.isfinite(values)
        n_left_out = sum(one.why_not not in ("", NO_FACE) for one in judged)
        facts = (str(path), second, len(values), int(faces.sum()), n_left_out)
        if not faces.any():
            reasons = sorted({one.why_not for one in judged} - ({NO_FACE} if n_left_out else set()))
            seen = [one.why_not != NO_FACE for one in judged]
            sight = judged[int(np.argmax(seen))].sight
            return Score(*facts, "not judged", math.nan, math.nan, ", ".join(reasons), sight)
        p_pain, calibrated = float(values[faces].mean()), self._calibrate(values[faces]).mean()
        call, confidence = ("pain", calibrated) if 2 * p_pain - 1 > TIE else ("no pain", 1 - calibrated)
        reason = ""
        if self._abstain_below > NEVER_ABSTAIN and confidence < self._abstain_below:
            call, reason = "not judged", f"confidence below {self._abstain_below:g}"
        sight = judged[int(faces.argmax())].sight
        return Score(*facts, call, float(confidence), p_pain, reason, sight)

    def _calibrate(self, p_pain: np.ndarray) -> np.ndarray:
        return p_pain if self.card.calibration is None else self.card.calibration.apply(p_pain)


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

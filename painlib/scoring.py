"""Any image or video, judged by a model folder alone: a row an image, a row a second of video.

One camera is judged as it is: two cameras are fused by stage 03_predict only. What is done to a face (rules,
square, JPEG, size, network) is the same as there, so the same video gives the same numbers as a run whose
pose and judgements are in float32 on whole frames, with the limits of quality that the model's card has.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd
import torch

from painlib.calibration import check_abstention, gate_faces, measure_quality
from painlib.cohort import VideoPart
from painlib.face_judge import FaceJudge
from painlib.faces.crop import Border, apply_rules, cut_square, find_centres, place_square
from painlib.faces.points import ask_network, gather_batches
from painlib.faces.store import Jpeg, decode_face, encode_face, resize_face
from painlib.faults import PainlibError, hide_secrets
from painlib.fusion import CLOCK_TOLERANCE_S, NEVER_ABSTAIN, TIE
from painlib.model import load_model
from painlib.novelty import Acquaintance, FaceSample, Known, load_reference
from painlib.places import Place
from painlib.pose import load_pose_network
from painlib.pose.labels import COORDINATES
from painlib.prediction import check_labels
from painlib.video import Frame, read_frames
from painlib.video.pictures import Picture, Sight, Still, check_square, read_image
from painlib.video.timeline import REMEDY, TABLE_REMEDY

POSE_BATCH = 32  # frames that go to the pose network at once
NO_FACE = "no face to cut out"
SHOWN_PX = 960  # longer side of what a score carries for an overlay


@dataclass(frozen=True)
class Score:
    """One image, or one second of a video (`second`: whole seconds from its start; None: an image).

    `n_faces`: faces judged; `n_left_out`: those too poor for the card's limits of quality. `p_pain`: the
    network's own, mean over the faces judged, NaN without one. `call`: "pain" or "no pain", the class with
    the higher mean (equal: no pain, as in fusion), or "not judged", and then `reason` says why. `confidence`:
    calibrated probability of that class, which is that of the weak label (the network's own where the card
    has no calibration), mean over the faces judged. `inside`: whether the model knows such faces, "inside",
    "outside" or "cannot be told", and `why`: of an image about its one face, of a second of video empty (the
    question is about the whole: `Scorer.judge_known`). `sight`: the second's first face, or first frame.
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
    inside: str
    why: str
    sight: Sight | None = field(repr=False, compare=False)

    def as_row(self) -> dict[str, Any]:
        """All that is written of it."""
        return {place.name: getattr(self, place.name) for place in fields(self) if place.compare}


class _Judged(NamedTuple):
    """One picture: p_pain, or NaN and why there is none; its face (px, px, 3) where it was judged; its sight
    where asked for."""

    p_pain: float
    why_not: str
    face: np.ndarray | None
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
    where the folder is not whole, where it has no pose network and the pictures are not faces already, and
    where no call could be as sure as `abstain_below` asks.
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
        net, self.card = load_model(folder, device)
        self._judging = FaceJudge(net, device)
        check_labels(self.card)
        check_abstention(self.card.calibration, abstain_below)
        self._acquaintance, self._sample = Acquaintance(load_reference(folder)), FaceSample()
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
        self._settings = cast(Any, _PoseSettings(*self._pose.frame_px))

    def score_image(self, path: Place) -> Score:
        """Judge one image file. Raises `PainlibError` where it is none."""
        judged = self._judge([Still(read_image(path))], path)
        known, face = Known("cannot be told", "no face was judged"), judged[0].face
        if face is not None:
            known = self._acquaintance.judge_face(face)
        return replace(self._summarise(path, None, judged), **known._asdict())

    def score_video(self, path: Place) -> Iterator[Score]:
        """Judge every frame of a video: one score a second, as soon as it is known; memory stays flat.

        Whether the model knows such an animal is found from all faces, at the end: `judge_known`.
        Raises `PainlibError` where the video is damaged; the scores before it have been given by then.
        """
        self._sample = FaceSample()
        seen = groupby(self._watch(path), key=lambda moment: math.floor(moment[0] + CLOCK_TOLERANCE_S))
        for second, moments in seen:
            yield self._summarise(path, second, [judged for _, judged in moments])

    def judge_known(self) -> Known:
        """Whether the model knows the faces of the video scored last, as far as it was scored."""
        return self._acquaintance.judge_video(self._sample.thumbnails)

    def _watch(self, path: Place) -> Iterator[tuple[float, _Judged]]:
        """Time, s, and judgement of every frame."""
        if self._pose is None:
            raise PainlibError(f"Expected images of faces (--face), got a video: {path}.")
        for batch in gather_batches(_read_film(path), self._settings):
            times = [frame.time_s for frame in batch]
            judged = self._judge(list(batch), path)
            self._sample.add([one.face for one in judged if one.face is not None])
            yield from zip(times, judged, strict=True)

    def _judge(self, pictures: list[Picture], path: Place) -> list[_Judged]:
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
            face = None if why_not else one.face
            judged.append(_Judged(math.nan if why_not else p, why_not, face, one.sight))
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
            face = resize_face(check_square(picture.image), px)
        else:
            rules = apply_rules(points[None, :, 2], threshold)
            rule, centre = int(rules[0]), find_centres(points[None, :, :2], rules)[0]
            if rule:
                self._check_room(picture.size)
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

    def _check_room(self, size: tuple[int, int]) -> None:
        """Raise `PainlibError` where the square must lie inside a picture that is smaller."""
        if self.card.crop.border == "shift" and self._crop_px > min(size):
            raise PainlibError(
                f"Expected a picture that the square around the face fits into ({self._crop_px} px a side), "
                f"got {size[0]} x {size[1]} px. Give the side that a face with both ears has in it: "
                f"--crop-px, at most {min(size)}."
            )

    def _ask(self, faces: np.ndarray) -> np.ndarray:
        """p_pain (n,) of faces (n, px, px, 3) uint8, by what judges in 03_predict."""
        return self._judging.probabilities(torch.from_numpy(faces).permute(0, 3, 1, 2))[:, 1]

    def _summarise(self, path: Place, second: int | None, judged: list[_Judged]) -> Score:
        values = np.array([one.p_pain for one in judged])
        faces = np.isfinite(values)
        n_left_out = sum(one.why_not not in ("", NO_FACE) for one in judged)
        facts = (hide_secrets(str(path)), second, len(values), int(faces.sum()), n_left_out)
        if not faces.any():
            reasons = sorted({one.why_not for one in judged} - ({NO_FACE} if n_left_out else set()))
            seen = [one.why_not != NO_FACE for one in judged]
            sight = judged[int(np.argmax(seen))].sight
            return Score(*facts, "not judged", math.nan, math.nan, ", ".join(reasons), "", "", sight)
        p_pain, calibrated = float(values[faces].mean()), self._calibrate(values[faces]).mean()
        call, confidence = ("pain", calibrated) if 2 * p_pain - 1 > TIE else ("no pain", 1 - calibrated)
        reason = ""
        if self._abstain_below > NEVER_ABSTAIN and confidence < self._abstain_below:
            call, reason = "not judged", f"confidence below {self._abstain_below:g}"
        sight = judged[int(faces.argmax())].sight
        return Score(*facts, call, float(confidence), p_pain, reason, "", "", sight)

    def _calibrate(self, p_pain: np.ndarray) -> np.ndarray:
        return p_pain if self.card.calibration is None else self.card.calibration.apply(p_pain)


def _read_film(path: Place) -> Iterator[Frame]:
    """The frames of a video; what is wrong with it is said without a cohort table to mend."""
    try:
        yield from read_frames([VideoPart(str(path))])
    except PainlibError as error:
        remedy = "Copy the file again from the camera."
        raise PainlibError(str(error).replace(REMEDY, remedy).replace(TABLE_REMEDY, remedy)) from error

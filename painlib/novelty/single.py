"""One face, or the faces of one video, held against what a model knows: what `painlib score` can ask.

Of a video the question is that of `judge_novelty`, about a recording: the median distance of its faces
against the limit for one more animal. Only the distance is judged. Nothing says which stretch is before
treatment; coverage was found with all cameras of the training; attribution asks for maps.

Of an image the question is about one face: is it farther from the training faces than faces of a known kind
are? Single faces scatter more than medians do. So of each training animal, held out, the distance that 99 %
of its faces keep within is found, and the limit is that for one more animal over these, as of every measure
(`painlib.novelty.limits`): a face of a known kind is called outside less often than once in a hundred, and a
face of another kind is called inside more often than a video of it is. One face inside says little.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from painlib.novelty.features import THUMBNAIL_PX, shrink_faces
from painlib.novelty.limits import FEWEST_ANIMALS, LEVEL, find_limit
from painlib.novelty.reference import (
    FACES_PER_RECORDING,
    Reference,
    join_measures,
    measure_distances,
    summarise_distances,
)
from painlib.novelty.verdict import (
    FEWEST_FACES,
    INSIDE,
    NO_REFERENCE,
    OUTSIDE,
    UNTOLD,
    judge_novelty,
    tell_measure,
)


class Known(NamedTuple):
    """Whether the model knows such faces, one of STATES, and why, in words."""

    inside: str
    why: str


class Acquaintance:
    """What a model knows, ready to be asked about faces (n, px, px, 3) uint8 at its network's input size.

    `reference`: the one of the model folder; None: every answer is "cannot be told". The faces' animal is not
    known: one that the model was trained on is simply near to its own faces.
    """

    def __init__(self, reference: Reference | None) -> None:
        self._reference = reference

    @cached_property
    def face_limit(self) -> tuple[float, float]:
        """Distance up to which a single face is inside (NaN: none can be given), and the median distance of
        the training animals' single faces, each held out, animals alike."""
        assert self._reference is not None
        held = measure_distances(self._reference, self._reference.thumbnails, self._reference.faces)
        grouped = held.dropna(subset="distance").groupby("subject")["distance"]
        known = grouped.size() >= FEWEST_FACES
        far = grouped.quantile(1 - LEVEL)[known].to_numpy(np.float64)
        return find_limit(far, "distance"), float(grouped.median().mean())

    def judge_face(self, face: np.ndarray) -> Known:
        """Of one face (px, px, 3)."""
        if self._reference is None:
            return Known(UNTOLD, NO_REFERENCE)
        limit, typical = self.face_limit
        if np.isnan(limit):
            few = f"fewer than {FEWEST_ANIMALS} training animals have {FEWEST_FACES} faces to compare with"
            return Known(UNTOLD, few)
        who = pd.DataFrame({"recording": ["this face"], "subject": [""]})
        distance = measure_distances(self._reference, shrink_faces(face[None]), who)["distance"].iloc[0]
        why = (
            f"One face: {distance / typical:.2f} times as far from the training faces as faces of held-out "
            f"training animals (at most {limit / typical:.2f})"
        )
        return Known(OUTSIDE if distance > limit else INSIDE, why)

    def judge_video(self, thumbnails: np.ndarray) -> Known:
        """Of the faces of one video, `thumbnails` (n, 32, 32, 3) uint8 as `FaceSample` keeps them."""
        who = pd.DataFrame({"recording": ["video"] * len(thumbnails), "subject": ""})
        known = pd.DataFrame({"recording": ["video"], "subject": "", "trained_on": False})
        known["n_faces"] = len(thumbnails)
        tables = []
        if self._reference is not None and len(thumbnails):
            measured = summarise_distances(measure_distances(self._reference, thumbnails, who))
            tables = [measured[["recording", "distance"]]]
        novelty = judge_novelty(self._reference, join_measures(known, tables))
        row = novelty.recordings.iloc[0]
        if row["inside"] == INSIDE:
            limits = novelty.limits.set_index("measure").loc["distance"].to_dict()
            return Known(INSIDE, tell_measure("distance", np.array([row["distance"]]), limits))
        few = len(thumbnails) < FEWEST_FACES and self._reference is not None
        return Known(row["inside"], row["reasons"] if few else novelty.why_not or row["reasons"])


class FaceSample:
    """Up to FACES_PER_RECORDING faces of a video of any length, small, each face as likely as any other."""

    def __init__(self, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)
        self._kept: list[np.ndarray] = []
        self._n_seen = 0

    def add(self, faces: Iterable[np.ndarray]) -> None:
        """Faces (px, px, 3) uint8, in the order of the video."""
        for face in faces:
            full = self._n_seen >= FACES_PER_RECORDING
            place = int(self._rng.integers(self._n_seen + 1)) if full else self._n_seen
            self._n_seen += 1
            if place < FACES_PER_RECORDING:
                self._kept[place : place + 1] = shrink_faces(face[None])

    @property
    def thumbnails(self) -> np.ndarray:
        """(n, 32, 32, 3) uint8."""
        return np.array(self._kept, np.uint8).reshape(-1, THUMBNAIL_PX, THUMBNAIL_PX, 3)

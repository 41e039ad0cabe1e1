"""What a model folder keeps of its training faces, so that faces of another cohort can be held against them:
some faces of each recording, 32 px small, and what each training recording showed when its animal was left
out."""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import safetensors
import torch
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from safetensors.torch import load as load_tensors, save as dump_tensors

from painlib.faults import PainlibError
from painlib.model_card import list_errors, read_card, read_model_file
from painlib.novelty.features import (
    THUMBNAIL_PX,
    describe_faces,
    find_units,
    shrink_faces,
    weigh,
)
from painlib.novelty.limits import MEASURES
from painlib.tables import write_whole

FACES_FILE, FACTS_FILE = "reference.safetensors", "reference.json"
FACES_PER_RECORDING = 60
MOST_FACES = 3000  # in the model folder, 3 kB each; of more recordings fewer faces each
NEIGHBOUR = 5  # the distance of a face is that to the fifth nearest training face of other animals
_AT_ONCE = 1024  # faces, for memory
REMEDY = "Copy the whole model folder again, or run stage 02_train again."

Number = Annotated[float | None, BeforeValidator(lambda value: None if _is_nan(value) else value)]


class TrainingRecording(BaseModel):
    """What one training recording showed while its animal was left out; None where it was not measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recording: str
    subject: str
    distance: Number = Field(default=None, ge=0)
    pain_share: Number = Field(default=None, ge=0, le=1)
    confidence: Number = Field(default=None, ge=0, le=1)
    attribution: Number = Field(default=None, ge=0, le=1)
    coverage: Number = Field(default=None, ge=0, le=1)


class ReferenceFacts(BaseModel):
    """`reference.json`. `rows`: of each stored face its recording's place in `recordings`. `format_version`
    is raised when the same faces would give another distance."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = 1
    kind: Literal["painlib-reference"] = "painlib-reference"
    recordings: tuple[TrainingRecording, ...]
    rows: tuple[int, ...]
    seed: int
    weights_sha256: str = Field(description="of the network that these faces trained")
    faces_sha256: str


@dataclass(frozen=True)
class Reference:
    """The training faces that others are held against.

    `thumbnails` (n, 32, 32, 3) uint8; `faces`: their n rows, recording and subject; `training`: one row a
    training recording: recording, subject and MEASURES, NaN where not measured.
    """

    thumbnails: np.ndarray
    faces: pd.DataFrame
    training: pd.DataFrame
    seed: int

    @property
    def subjects(self) -> list[str]:
        """The training animals, by name."""
        return sorted(set(self.faces["subject"]))

    @cached_property
    def units(self) -> dict[str, float]:
        """Of each block of features."""
        return find_units(self._described, self.faces["subject"].to_numpy(str))

    @cached_property
    def features(self) -> np.ndarray:
        """(n, N_FEATURES) float32, weighed."""
        return weigh(self._described, self.units)

    @cached_property
    def _described(self) -> np.ndarray:
        return describe_faces(self.thumbnails)


def draw_rows(recordings: pd.Series, seed: int, most: int = MOST_FACES) -> np.ndarray:
    """At most FACES_PER_RECORDING row positions of each recording, `most` in all, at random, in order.

    Which ones of a recording does not depend on what other recordings there are, but for `most`.
    """
    position = pd.Series(np.arange(len(recordings)), index=recordings.to_numpy())
    groups = position.groupby(level=0, sort=True)
    each = max(1, min(FACES_PER_RECORDING, most // max(1, groups.ngroups)))
    parts = [
        np.random.default_rng([seed, zlib.crc32(str(name).encode())]).choice(
            rows.to_numpy(), min(each, len(rows)), replace=False
        )
        for name, rows in groups
    ]
    return np.sort(np.concatenate(parts)) if parts else np.empty(0, np.int64)


def make_reference(
    inputs: np.ndarray, faces: pd.DataFrame, seed: int, measured: Sequence[pd.DataFrame] = ()
) -> Reference:
    """The reference of a model trained on `inputs` (n, px, px, 3) uint8 with their n rows `faces` (recording,
    subject), at most FACES_PER_RECORDING of each recording, drawn by `seed`.

    Each training animal's distance is found with that animal left out. `measured`: tables with recording and
    any of the other MEASURES, found while the animal was held out.
    """
    if len(faces) != len(inputs) or not len(faces):
        raise PainlibError(f"Reference: expected a row for each of {len(inputs)} faces, got {len(faces)}.")
    chosen = draw_rows(faces["recording"], seed)
    kept = faces.iloc[chosen][["recording", "subject"]].astype(str).reset_index(drop=True)
    training = faces[["recording", "subject"]].astype(str).drop_duplicates("recording")
    training = training.sort_values("recording", ignore_index=True)
    reference = Reference(shrink_faces(inputs, chosen), kept, training, seed)
    distances = measure_distances(reference, reference.thumbnails, kept)
    tables = [summarise_distances(distances), *measured]
    return Reference(reference.thumbnails, kept, join_measures(training, tables), seed)


def join_measures(recordings: pd.DataFrame, tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """`recordings` (recording, subject) with all MEASURES from `tables` (by recording), NaN where unknown."""
    joined = recordings.reset_index(drop=True)
    for table in tables:
        own = [name for name in MEASURES if name in table]
        joined = joined.merge(table[["recording", *own]], on="recording", how="left", validate="1:1")
    missing = {name: np.nan for name in MEASURES if name not in joined}
    return joined.assign(**missing)[[*recordings.columns, *MEASURES]]


def measure_distances(reference: Reference, thumbnails: np.ndarray, faces: pd.DataFrame) -> pd.DataFrame:
    """How far each face lies from the training faces: one row a face, recording, subject, distance, nearest.

    `thumbnails` (n, 32, 32, 3) uint8 with their n rows `faces` (recording, subject). `distance`: to the fifth
    nearest face of the reference, in the unit in which two training faces of different animals are 1 apart;
    faces of an animal of the same name are left out, as for the training animals themselves. `nearest`: row
    of the nearest one in the reference, -1 where there is none of another animal.
    """
    known, codes = np.unique(reference.faces["subject"].to_numpy(str), return_inverse=True)
    features = weigh(describe_faces(thumbnails), reference.units)
    subjects = faces["subject"].to_numpy(str)
    squares = (reference.features.astype(np.float64) ** 2).sum(axis=1)
    distance, nearest = np.full(len(faces), np.nan), np.full(len(faces), -1, np.int64)
    for start in range(0, len(faces), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        own = features[part].astype(np.float64)
        apart = (own**2).sum(axis=1)[:, None] + squares - 2 * own @ reference.features.T
        apart[known[codes] == subjects[part, None]] = np.inf
        place = np.argpartition(apart, min(NEIGHBOUR, apart.shape[1]) - 1, axis=1)
        fifth = place[:, min(NEIGHBOUR, apart.shape[1]) - 1]
        found = np.take_along_axis(apart, fifth[:, None], axis=1)[:, 0]
        distance[part] = np.where(np.isfinite(found), np.sqrt(np.maximum(found, 0)), np.nan)
        first = apart.argmin(axis=1)
        nearest[part] = np.where(np.isfinite(apart.min(axis=1)), first, -1)
    table = faces[["recording", "subject"]].reset_index(drop=True)
    return table.assign(distance=distance, nearest=nearest)


def summarise_distances(distances: pd.DataFrame) -> pd.DataFrame:
    """One row a recording: recording, n_faces, distance (median over its faces)."""
    grouped = distances.groupby("recording", sort=True)["distance"]
    return pd.DataFrame({"n_faces": grouped.size(), "distance": grouped.median()}).reset_index()


def remove_reference(folder: str | Path) -> None:
    """Take the reference out of a model folder, where there is one."""
    for name in (FACTS_FILE, FACES_FILE):
        (Path(folder) / name).unlink(missing_ok=True)


def save_reference(folder: str | Path, reference: Reference) -> tuple[Path, Path]:
    """Write reference.safetensors and reference.json into a model folder, beside the card of its network.

    The facts name the weights and are written last. The same reference gives the same bytes.
    """
    folder = Path(folder)
    content = dump_tensors({"faces": torch.from_numpy(np.ascontiguousarray(reference.thumbnails))})
    names = reference.training["recording"].tolist()
    facts = ReferenceFacts(
        recordings=tuple(
            TrainingRecording.model_validate(row) for row in reference.training.to_dict("records")
        ),
        rows=tuple(names.index(name) for name in reference.faces["recording"]),
        seed=reference.seed,
        weights_sha256=read_card(folder).weights_sha256,
        faces_sha256=hashlib.sha256(content).hexdigest(),
    )
    with write_whole(folder / FACES_FILE) as temporary:
        temporary.write_bytes(content)
    with write_whole(folder / FACTS_FILE) as temporary:
        text = json.dumps(facts.model_dump(mode="json"), ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")
    return folder / FACES_FILE, folder / FACTS_FILE


def load_reference(folder: str | Path) -> Reference | None:
    """The reference of a model folder; None where it has none (a model of an older painlib).

    Reads JSON and safetensors only. Raises `PainlibError` where it is faulty, cut short, or of another
    training than the weights.
    """
    folder = Path(folder)
    path = folder / FACTS_FILE
    if not path.exists() and not (folder / FACES_FILE).exists():
        return None
    try:
        facts = ReferenceFacts.model_validate_json(read_model_file(path))
    except ValidationError as error:
        raise PainlibError(
            f"{path}: expected the training faces' facts, got {list_errors(error)} {REMEDY}"
        ) from error
    content = read_model_file(folder / FACES_FILE)
    if hashlib.sha256(content).hexdigest() != facts.faces_sha256:
        raise PainlibError(
            f"{folder / FACES_FILE}: expected the faces that {FACTS_FILE} names, got others. {REMEDY}"
        )
    weights = read_card(folder).weights_sha256
    if weights != facts.weights_sha256:
        raise PainlibError(
            f"{path}: expected training faces of the network with sha256 {weights}, as its card says, got "
            f"those of {facts.weights_sha256}: they are of different trainings. {REMEDY}"
        )
    try:
        faces = load_tensors(content)["faces"].numpy()
    except (safetensors.SafetensorError, KeyError) as error:
        raise PainlibError(f"{folder / FACES_FILE}: expected faces, got something else. {REMEDY}") from error
    rows = np.array(facts.rows, np.int64)
    fits = faces.shape == (len(rows), THUMBNAIL_PX, THUMBNAIL_PX, 3) and faces.dtype == np.uint8
    if not fits or not len(rows) or rows.min() < 0 or rows.max() >= len(facts.recordings):
        raise PainlibError(f"{path}: {len(rows)} rows do not fit faces {faces.shape} {faces.dtype}. {REMEDY}")
    training = pd.DataFrame([recording.model_dump() for recording in facts.recordings])
    training[list(MEASURES)] = training[list(MEASURES)].astype(np.float64)
    own = training.iloc[rows][["recording", "subject"]].reset_index(drop=True)
    return Reference(faces, own, training, facts.seed)


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)

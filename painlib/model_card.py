"""The card of a classifier: everything needed to rebuild and judge it, as checked JSON."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    model_validator,
)

from painlib.faults import PainlibError

LABELS = ("no pain", "pain")
FORMAT_VERSION = 1
CARD_FILE = "card.json"
WEIGHTS_FILE = "weights.safetensors"
N_BLOCKS = 6
# Six poolings halve the side six times: a smaller input would leave nothing to average.
SMALLEST_INPUT_PX = 2**N_BLOCKS

Width = Annotated[int, Field(ge=1, le=65536)]


def _without_nan(value: Any) -> Any:
    """NaN (an animal with one class has no AUC) as null: JSON has no NaN."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _without_nan(part) for key, part in value.items()}
    return [_without_nan(part) for part in value] if isinstance(value, list | tuple) else value


Facts = Annotated[dict[str, JsonValue], BeforeValidator(_without_nan)]


class _CardPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Architecture(_CardPart):
    """What `PainNet` is built from."""

    channels: tuple[Width, ...] = Field(min_length=N_BLOCKS, max_length=N_BLOCKS, description="six widths")
    head_widths: tuple[Width, ...] = Field(min_length=2, max_length=2, description="two hidden widths")
    input_px: int = Field(ge=SMALLEST_INPUT_PX, le=4096, description="side of the face, px")
    n_outputs: int = Field(ge=2, le=4096)


class TrainingAnimal(_CardPart):
    """One animal the network was trained on."""

    subject: str
    sex: str
    n_faces: int = Field(ge=1, description="faces of this animal among the training faces")


class CropFacts(_CardPart):
    """How the training faces were cut; faces to judge must be cut alike."""

    crop_px: int = Field(ge=1, description="side of the square, px of the original video")
    border: str = Field(description="what happened to squares that leave the image")
    likelihood_threshold: float = Field(ge=0, le=1)


class CardMetrics(_CardPart):
    """How well the network does, on animals it never saw and on its own training faces, never mixed up."""

    held_out: Facts = Field(description="cross-validation, the animal as the unit")
    training_set: Facts = Field(description="as the paper's Table 1; says nothing of new animals")


class ModelCard(_CardPart):
    """Everything needed to rebuild and judge a classifier; kept as card.json beside the weights."""

    format_version: Literal[1] = 1
    kind: Literal["painlib-classifier"] = "painlib-classifier"
    architecture: Architecture
    input_scaling: str = "RGB uint8, minus the image's own mean, over its own standard deviation (ours)"
    labels: tuple[str, ...] = Field(description="name of each output, in order")
    training_animals: tuple[TrainingAnimal, ...]
    crop: CropFacts
    pose_network: str | None = Field(description="folder of the pose network inside the model folder, if any")
    metrics: CardMetrics
    training: Facts = Field(description="the training's parameters")
    seed: int
    versions: dict[str, str]
    created: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    weights_sha256: str = Field(default="", description="filled in by save_model")

    @model_validator(mode="after")
    def _check_labels(self) -> ModelCard:
        if len(self.labels) != self.architecture.n_outputs:
            raise ValueError(f"{self.architecture.n_outputs} outputs, but {len(self.labels)} labels")
        return self


def read_card(folder: str | Path) -> ModelCard:
    """The card of a model folder alone, checked; raises `PainlibError` as `load_model` does."""
    path = Path(folder) / CARD_FILE
    text = read_model_file(path)
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise PainlibError(f"{path}: expected JSON, got something else ({error}).") from error
    version = raw.get("format_version") if isinstance(raw, dict) else None
    if version != FORMAT_VERSION:
        raise PainlibError(
            f"{path}: expected a painlib model card of format version {FORMAT_VERSION}, got {version!r}. A "
            "model of another painlib needs that painlib, or a new training (stage 02_train)."
        )
    try:
        return ModelCard.model_validate(raw)
    except ValidationError as error:
        raise PainlibError(f"{path}: this model card is faulty. {list_errors(error)}") from error


def read_model_file(path: Path) -> bytes:
    """The bytes of a file of a model folder; `PainlibError` where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise PainlibError(
            f"Expected a model folder with {WEIGHTS_FILE} and {CARD_FILE}; cannot read {path} "
            f"({error.strerror}). Check parameter `model`, or run stage 02_train."
        ) from error


def list_errors(error: ValidationError) -> str:
    """Each fault pydantic found: where, what was expected, what was got."""
    return "; ".join(
        f"{'.'.join(map(str, fault['loc'])) or 'card'}: {fault['msg']}, got {fault['input']!r}"[:300]
        for fault in error.errors()
    )

"""The card of a classifier: everything needed to rebuild and judge it, as checked JSON."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    model_validator,
)
from scipy.special import expit, logit

from painlib.faults import PainlibError

LABELS = ("no pain", "pain")
FORMAT_VERSION = 1
CARD_FILE = "card.json"
WEIGHTS_FILE = "weights.safetensors"
N_BLOCKS = 6
# Six poolings halve the side six times: a smaller input would leave nothing to average.
SMALLEST_INPUT_PX = 2**N_BLOCKS
# As near to 0 and 1 as counts: networks judge in single precision, with nothing between 1 and 1 - 6e-8.
SMALLEST_P = 1e-7

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
    """How the training faces were cut; nothing is known of how faces that are cut otherwise are judged."""

    crop_px: int = Field(ge=1, description="side of the square, px of the original video")
    border: str = Field(description="what happened to squares that leave the image")
    likelihood_threshold: float = Field(ge=0, le=1)
    jpeg_quality: int = Field(default=95, ge=1, le=100, description="that the faces were stored with")


class CardMetrics(_CardPart):
    """How well the network does, on animals it never saw and on its own training faces, never mixed up."""

    held_out: Facts = Field(description="cross-validation, the animal as the unit")
    training_set: Facts = Field(description="as the paper's Table 1; says nothing of new animals")


class Calibration(_CardPart):
    """What turns the network's p_pain into a probability that holds on animals it never saw.

    Fitted to held-out judgements (`painlib.calibration.fit_calibration`), each animal weighing the same. It
    holds for the weak label, where pain is as frequent as among those faces (`share_pain`) and the label
    means the same.
    """

    method: Literal["floor", "temperature", "isotonic", "none"] = Field(
        description="none: left as the network says"
    )
    temperature: float | None = Field(default=None, gt=0, description="divides the logit of p_pain")
    offset: float | None = Field(default=None, description="floor: added to the logit, after it was divided")
    floor: float | None = Field(
        default=None, gt=0, lt=1, description="floor: share labelled pain of the faces that show none"
    )
    knots_p: tuple[float, ...] = Field(default=(), description="isotonic: p_pain, rising")
    knots_calibrated: tuple[float, ...] = Field(default=(), description="isotonic: what each becomes")
    n_animals: int = Field(ge=0, description="held-out animals it was fitted to")
    n_faces: int = Field(ge=0)
    share_pain: float | None = Field(default=None, ge=0, le=1, description="label pain, animals alike")
    remark: str = Field(default="", description="what went wrong with the fit, in words; empty: nothing")

    @model_validator(mode="after")
    def _check_method(self) -> Calibration:
        if (self.method in ("temperature", "floor")) != (self.temperature is not None):
            raise ValueError(f"method {self.method!r} with temperature {self.temperature!r}")
        for name, value in {"offset": self.offset, "floor": self.floor}.items():
            if (self.method == "floor") != (value is not None):
                raise ValueError(f"method {self.method!r} with {name} {value!r}")
        if (self.method == "isotonic") != bool(self.knots_p):
            raise ValueError(f"method {self.method!r} with {len(self.knots_p)} knots")
        if len(self.knots_p) != len(self.knots_calibrated):
            raise ValueError(f"{len(self.knots_p)} knots with {len(self.knots_calibrated)} values")
        for knots in (self.knots_p, self.knots_calibrated):
            if any(not 0 <= knot <= 1 for knot in knots) or list(knots) != sorted(knots):
                raise ValueError("knots must lie in 0 to 1 and not fall")
        return self

    def apply(self, p_pain: np.ndarray | float) -> np.ndarray:
        """Calibrated probabilities of the label pain, float64 in 0..1, of `p_pain` of any shape; NaN stays
        NaN.

        A temperature above 1 draws probabilities towards 0.5, below 1 away from it, and leaves every call as
        it is; 0 and 1 count as 1e-7 and 1 - 1e-7. Floor: never below `floor`, since faces that show nothing
        carry the label too; isotonic: straight lines between knots. Both may change a call. Raises
        `PainlibError` for a probability outside 0..1.
        """
        shown = self.estimate_shown(p_pain)
        return shown if self.floor is None else self.floor + (1 - self.floor) * shown

    def estimate_shown(self, p_pain: np.ndarray | float) -> np.ndarray:
        """Probabilities that the faces show pain, as `apply` takes and gives them: with a floor, what is left
        when the weak labels' error is taken out; without one the same as `apply`.

        As far as the network can see it: pain that it cannot tell from no pain counts as not shown, and no
        label says how much there is of it. Only with a network that reads pain well is this the probability
        of pain; the drawn demonstration, whose latent pain is known, can show it, labels cannot.
        """
        p = np.asarray(p_pain, dtype=np.float64)
        wrong = (p < 0) | (p > 1)
        if wrong.any():
            raise PainlibError(f"Expected probabilities of 0 to 1, got {p[wrong].flat[0]:g}.")
        if self.temperature is not None:
            score = logit(np.clip(p, SMALLEST_P, 1 - SMALLEST_P)) / self.temperature
            return np.asarray(expit(score + (self.offset or 0)))
        return np.interp(p, self.knots_p, self.knots_calibrated) if self.knots_p else p.copy()

    def explain(self) -> str:
        """One or two sentences for a notebook or a caption."""
        fitted = f"fitted to {self.n_faces:,} held-out faces of {self.n_animals} animals"
        told = {
            "floor": f"Floor {self.floor or 0:.3g} (share labelled pain of the faces that show none to the "
            f"network), temperature {self.temperature or 1:.3g}, offset {self.offset or 0:.3g}, {fitted}. A "
            "calibrated probability is that of the label and never below the floor.",
            "temperature": f"Temperature {self.temperature or 1:.3g}, {fitted}.",
            "isotonic": f"Isotonic, {len(self.knots_p)} knots, {fitted}.",
            "none": "Not calibrated: probabilities stay as the network says.",
        }[self.method]
        return f"{told} {self.remark}".strip()


class QualityLimits(_CardPart):
    """From which quality on a face is judged; None: no limit. `painlib.calibration.measure_quality` says what
    each number is."""

    min_sharpness: float | None = Field(default=None, ge=0, description="below it a face is blurred")
    min_size: float | None = Field(default=None, ge=0, description="below it a head is small")
    max_turn: float | None = Field(default=None, ge=0, le=1, description="above it a face is turned away")
    n_animals: int = Field(default=0, ge=0, description="held-out animals they were found on")
    remarks: dict[str, str] = Field(default_factory=dict, description="by measure: how the limit was found")


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
    calibration: Calibration | None = Field(default=None, description="of held-out animals; null: never made")
    quality_limits: QualityLimits | None = Field(default=None, description="null: never looked for")
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

"""What 02_train, 02b_confounds and 03_predict may be told: the classifier and its answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from painlib.params.fields import HOW, Device, FilePath, StageParams, raise_together


class TrainParams(StageParams):
    """02_train: the classifier (Kobayashi et al. 2025, Classifier; widths and epochs are ours)."""

    input_px: int = Field(ge=64, le=1024, description="side of the network's input, px, 64 to 1024")
    channels: list[Annotated[int, Field(ge=1, le=4096)]] = Field(
        min_length=6, max_length=6, description="channels of the six convolution blocks, 1 to 4096 each"
    )
    head_widths: list[Annotated[int, Field(ge=1, le=65536)]] = Field(
        min_length=2, max_length=2, description="widths of the two hidden fully connected blocks"
    )
    epochs: int = Field(ge=1, le=10_000, description="epochs of training")
    faces_per_epoch: int = Field(ge=1, le=10_000_000, description="faces drawn at random an epoch")
    batch: int = Field(ge=2, le=8192, description="faces a batch; 2 or more, for batch normalisation")
    learning_rate: float = Field(gt=0, le=1, description="Adam's learning rate, above 0 to 1")
    rotation_deg: float = Field(
        ge=0, le=180, description="each face is turned by up to this, degrees, 0 to 180"
    )
    flip: bool = Field(description="each face is mirrored at random")
    folds: int | None = Field(
        ge=2, le=1000, description="groups of held-out animals; null: one animal at a time"
    )
    precision: Literal["auto", "float32"] = Field(description="mixed precision where it helps, or float32")
    hold_out: Literal["subject", "strain", "lab"] = Field(
        description="what is held out together: an animal, or all animals of a strain or a laboratory"
    )
    calibration: Literal["floor", "temperature", "isotonic"] = Field(
        description="how probabilities are calibrated; floor: knows weak labels"
    )
    device: Device = Field(description="where to compute", json_schema_extra=HOW)
    processes: int = Field(
        ge=1, le=4096, description="processes that train a network together", json_schema_extra=HOW
    )
    launch: str = Field(
        description="command that starts them; empty: accelerate launch, on this machine",
        json_schema_extra=HOW,
    )
    workers: int = Field(ge=1, le=256, description="folds trained at once, on a CPU", json_schema_extra=HOW)


class ConfoundsParams(StageParams):
    """02b_confounds: could it be something else than pain?"""

    controls: list[str] = Field(description="treatments that do not hurt: their animals show time alone")
    faces_per_recording: int = Field(ge=2, description="faces of a recording whose pictures are looked at")
    retrain: bool = Field(
        description="the classifier is also trained without disputed faces, once more a fold (ours)"
    )
    batch: int = Field(ge=1, le=8192, description="faces a batch", json_schema_extra=HOW)
    device: Device = Field(description="where to compute", json_schema_extra=HOW)
    workers: int = Field(ge=1, le=256, description="folds trained at once, on a CPU", json_schema_extra=HOW)


class PredictParams(StageParams):
    """03_predict: every face, two cameras into one time point, minutes."""

    model: FilePath | None = Field(description="model folder; null: the one in the workdir")
    from_video: bool = Field(
        description="videos to judgements in one pass by `model`, without 01_crop and stored faces (ours)"
    )
    batch: int = Field(ge=1, le=8192, description="faces a batch", json_schema_extra=HOW)
    min_coverage: float = Field(
        ge=0,
        le=1,
        description="a minute with a smaller share of judged time points is NaN, 0 to 1 (ours)",
    )
    abstain_below: float = Field(
        ge=0.5, le=1, description="a less sure call is not judged, 0.5 (never) to 1 (calibrated; ours)"
    )
    min_sharpness: float | None = Field(ge=0, description="a less sharp face is not judged; null: as found")
    min_size: float | None = Field(ge=0, description="a smaller head is not judged; null: as found")
    max_turn: float | None = Field(
        ge=0, le=1, description="a face turned further, 0 to 1, is not judged; null: as found"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        description="what the network computes in; auto: half where the device has it (ours)"
    )
    device: Device = Field(description="where to compute", json_schema_extra=HOW)
    workers: int = Field(
        ge=1, le=256, description="recordings judged at once, on a CPU", json_schema_extra=HOW
    )

    @property
    def faces_folder(self) -> Path:
        """Where pose and faces of the recordings are: the workdir, or where this stage puts its own."""
        return self.workdir / "predictions" / "from_video" if self.from_video else self.workdir

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        alone = self.from_video and self.model is None
        return raise_together(self, ["from_video needs `model`, got null"] if alone else [])

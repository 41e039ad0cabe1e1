"""What each stage may be told: typed, bounded, without defaults (those stand in the notebooks alone)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


def _to_path(value: Any) -> Any:
    return Path(value) if isinstance(value, str) and value.strip() else value


FilePath = Annotated[Path, BeforeValidator(_to_path)]
Device = Literal["auto", "cpu", "cuda", "mps"]
# How a result is computed, and not what it is: a change of such a field makes no stage stale.
HOW: dict[str, Any] = {"affects_result": False}


class StageParams(BaseModel):
    """What every stage knows. Frozen; an unknown or a forgotten name is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=()
    )

    cohort: FilePath = Field(description="the cohort table (csv)")
    workdir: FilePath = Field(description="folder that all results go to")
    seed: int = Field(ge=0, lt=2**32, description="start of every random choice, 0 to 4294967295")


class LabelParams(StageParams):
    """00_label: frames on which nose and eyes are clicked by hand; no stage of a headless run."""

    labels: FilePath = Field(description="the table of labelled frames that is written and taken up (csv)")
    frames_per_video: int = Field(ge=1, le=10_000, description="frames drawn from each video")
    method: Literal["even", "appearance"] = Field(
        description="frames drawn evenly in time, or one of each cluster of like frames (k-means)"
    )
    animals: list[str] | None = Field(description="subjects whose videos are used; null: all")
    videos: int | None = Field(ge=1, description="at most so many videos, animal by animal; null: all")


class CropParams(StageParams):
    """01_crop: videos to pose to faces (Kobayashi et al. 2025, Pose and Face crop)."""

    pose_source: Literal["train", "network", "tracker"] = Field(
        description="train from `labels`, take `pose_network`, or read the cohort's `pose` files"
    )
    labels: FilePath | None = Field(
        description="for 'train': table of labelled frames (csv) or a DeepLabCut project's config.yaml"
    )
    pose_network: FilePath | None = Field(
        description="for 'network': DeepLabCut project folder, snapshot (.pt), or a model folder's pose/"
    )
    point_names: list[str] = Field(
        min_length=3,
        max_length=3,
        description="nose, right eye, left eye as the tracker or project calls them; '' where not tracked",
    )
    individual: str | None = Field(
        description="multi-animal trackers: which individual; null for single-animal"
    )
    pose_width: int = Field(ge=32, le=8192, description="width that a frame is shrunk to fit for pose, px")
    pose_height: int = Field(ge=32, le=8192, description="height that a frame is shrunk to fit for pose, px")
    pose_backbone: str = Field(min_length=1, description="network of DeepLabCut, or any timm model, by name")
    pose_pretrained: Literal["require", "no"] = Field(
        description="start from pretrained weights (an error where there are none), or from random ones"
    )
    pose_epochs: int = Field(ge=1, le=100_000, description="epochs of pose training")
    pose_batch: int = Field(ge=1, le=1024, description="frames a batch, in pose training and inference")
    pose_learning_rate: float = Field(gt=0, le=1, description="learning rate of pose training, above 0 to 1")
    pose_crop_px: int = Field(
        ge=32, le=8192, description="side of DeepLabCut's training crops, px at pose size"
    )
    pose_test_fraction: float = Field(ge=0, le=0.5, description="share of labelled frames held out, 0 to 0.5")
    likelihood_threshold: float | None = Field(
        ge=0,
        le=1,
        description="a point is seen from this likelihood on, 0 to 1; null: from held-out labelled frames",
    )
    crop_px: int | None = Field(
        ge=16,
        le=8192,
        description="side of the face square, px of the original video; null: suggested from heads",
    )
    border: Literal["shift", "pad", "drop"] = Field(
        description="a square that leaves the image is moved inside, filled with black, or left out (ours)"
    )
    jpeg_quality: int = Field(ge=50, le=100, description="quality of the stored faces, 50 to 100")
    workers: int = Field(ge=1, le=256, description="videos worked on at once", json_schema_extra=HOW)

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        faults = []
        if self.pose_source == "train" and self.labels is None:
            faults.append("pose_source 'train' needs `labels`, got null")
        if self.pose_source == "network" and self.pose_network is None:
            faults.append("pose_source 'network' needs `pose_network`, got null")
        held_out = self.pose_source == "train" and self.pose_test_fraction > 0
        if self.likelihood_threshold is None and not held_out:
            faults.append(
                "likelihood_threshold null needs held-out labelled frames (pose_source 'train' and a "
                f"pose_test_fraction above 0), got '{self.pose_source}' and {self.pose_test_fraction:g}"
            )
        nose, *eyes = self.point_names
        if not nose or not any(eyes):
            faults.append(f"point_names needs the nose and at least one eye, got {self.point_names}")
        if twice := _find_twice([name for name in self.point_names if name]):
            faults.append(f"point_names needs three different points, got {twice} twice")
        return _raise_together(self, faults)


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
    calibration: Literal["temperature", "isotonic"] = Field(description="how probabilities are calibrated")
    device: Device = Field(description="where to compute", json_schema_extra=HOW)


class ConfoundsParams(StageParams):
    """02b_confounds: could it be something else than pain?"""

    controls: list[str] = Field(description="treatments that do not hurt: their animals show time alone")
    faces_per_recording: int = Field(ge=2, description="faces of a recording whose pictures are looked at")
    batch: int = Field(ge=1, le=8192, description="faces a batch", json_schema_extra=HOW)
    device: Device = Field(description="where to compute", json_schema_extra=HOW)


class PredictParams(StageParams):
    """03_predict: every face, two cameras into one time point, minutes."""

    model: FilePath | None = Field(description="model folder; null: the one in the workdir")
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
    device: Device = Field(description="where to compute", json_schema_extra=HOW)


class StatisticsParams(StageParams):
    """04_statistics: one entry an assay in `assays`, `minutes`, `groups`, `control` and `paired`."""

    treatment_key: FilePath | None = Field(
        description="csv with `subject` or `recording` and `treatment`; null: the cohort's column `treatment`"
    )
    assays: list[str] = Field(min_length=1, description="names of the assays")
    minutes: list[str] = Field(
        description="an assay's minute curves (csv); '' for the predictions of 03_predict"
    )
    groups: list[Annotated[list[str], Field(min_length=1)]] = Field(
        description="an assay's treatments, in the order of the figure"
    )
    control: list[str] = Field(description="the treatment of an assay that the others are compared with")
    paired: list[bool] = Field(description="whether the same animals got all treatments (crossover)")
    window_start_min: float = Field(
        ge=-1440, le=1440, description="start of the averaged window, min from time zero"
    )
    window_end_min: float = Field(
        ge=-1440, le=1440, description="end of the averaged window, min from time zero"
    )
    pre_window_min: float = Field(ge=0, le=1440, description="length of the window before time zero, min")
    alpha: float = Field(gt=0, lt=1, description="significance level, above 0 and below 1")
    bootstrap: int = Field(ge=100, le=1_000_000, description="resamples for intervals of effect sizes")

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        faults = []
        for name in ("minutes", "groups", "control", "paired"):
            if len(getattr(self, name)) != len(self.assays):
                got = len(getattr(self, name))
                faults.append(f"{name} needs one entry an assay ({len(self.assays)}), got {got}")
        if not all(name.strip() for name in self.assays):
            faults.append(f"assays needs a name for each assay, got {self.assays}")
        if twice := _find_twice(self.assays):
            faults.append(f"assays needs different names, got {twice} twice")
        for number, treatments in enumerate(self.groups):
            if not all(name.strip() for name in treatments):
                faults.append(f"groups[{number}] needs a name for each treatment, got {treatments}")
            if twice := _find_twice(treatments):
                faults.append(f"groups[{number}] needs different treatments, got {twice} twice")
        for number, (control, treatments) in enumerate(zip(self.control, self.groups, strict=False)):
            if control not in treatments:
                faults.append(f"control[{number}] needs one of {treatments}, got {control!r}")
        for number, (paired, treatments) in enumerate(zip(self.paired, self.groups, strict=False)):
            if paired and len(treatments) < 2:
                faults.append(f"paired[{number}] needs two or more treatments in groups[{number}], got 1")
        if self.window_end_min <= self.window_start_min:
            faults.append(
                f"window_end_min needs more than window_start_min ({self.window_start_min:g} min), got "
                f"{self.window_end_min:g} min"
            )
        return _raise_together(self, faults)


class GradcamParams(StageParams):
    """05a_gradcam: which places of a face speak for a class, and whether the maps can be trusted."""

    faces_per_recording: int | None = Field(
        ge=1, description="labelled faces of a recording that are looked at, drawn at random; null: all"
    )
    shown_faces: int = Field(ge=1, le=48, description="faces of each class that are shown with their maps")
    checked_faces: int = Field(ge=2, le=100_000, description="faces drawn for the slow checks, animals alike")
    gradient_steps: int = Field(ge=2, le=1000, description="steps of integrated gradients")
    evidence_faces: int = Field(
        ge=1, le=100_000, description="faces of a recording in the test of the background"
    )
    follows_surroundings: float = Field(
        gt=0, le=1, description="alarm: probability that follows exchanged surroundings, mean over animals"
    )
    auc_surroundings_only: float = Field(
        gt=0.5, le=1, description="alarm: AUC with the face blanked, mean over animals"
    )
    batch: int = Field(ge=1, le=8192, description="faces a batch", json_schema_extra=HOW)
    device: Device = Field(description="where to compute", json_schema_extra=HOW)


class RegionsParams(StageParams):
    """05b_regions: similar pairs, the 13 regions marked on them, and how often each is marked."""

    faces_per_recording: int | None = Field(
        ge=1, description="labelled faces of a recording that are looked at, drawn at random; null: all"
    )
    composition: Literal["both", "geometry", "appearance"] = Field(
        description="what makes faces alike: where nose and eyes lie, the picture at 16 x 16 px, or both"
    )
    projection: Literal["umap", "tsne", "pca"] = Field(description="the 2-D map")
    neighbours: int = Field(ge=2, le=1000, description="neighbours of UMAP")
    map_seeds: int = Field(ge=1, le=20, description="maps from different seeds, to see how stable pairs are")
    pairs_from: Literal["features", "map"] = Field(
        description="pairs that are marked: nearest in feature space, or in the 2-D map"
    )
    same_animal: Literal["any", "same", "different"] = Field(description="whose faces may pair")
    min_gap_s: float = Field(
        ge=0, le=86_400, description="faces of one recording this near in time do not pair, s"
    )
    pairs: int = Field(ge=1, le=100_000, description="pairs that are marked, drawn at random")
    unpaired: int = Field(ge=0, le=100_000, description="faces of each class that are marked without pairing")
    proposal_threshold: float = Field(
        gt=0, le=1, description="a region is proposed where its mean attribution reaches this, 0 to 1"
    )
    annotators: list[str] = Field(
        description="whose marks (csv in regions/marks) are tested; empty: the proposals, headless"
    )
    yates: bool = Field(description="Yates's correction of chi-squared")
    alpha: float = Field(gt=0, lt=1, description="significance level, above 0 and below 1")
    sign_flips: int = Field(ge=100, le=10_000_000, description="random sign flips, above 14 animals")
    interactive: bool = Field(description="open the widget to mark faces", json_schema_extra=HOW)
    annotator: str = Field(description="who marks, in the widget", json_schema_extra=HOW)
    start_from_proposals: bool = Field(
        description="the widget starts from proposals instead of nothing", json_schema_extra=HOW
    )

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        faults = []
        if not all(name.strip() for name in self.annotators):
            faults.append(f"annotators needs names, got {self.annotators}")
        if twice := _find_twice(self.annotators):
            faults.append(f"annotators needs different names, got {twice} twice")
        if self.interactive and not self.annotator.strip():
            faults.append("annotator needs a name while interactive is true, got ''")
        return _raise_together(self, faults)


def _find_twice(names: list[str]) -> str:
    return ", ".join(repr(name) for name, count in Counter(names).items() if count > 1)


def _raise_together(params: Any, faults: list[str]) -> Any:
    """All that does not fit together, in one error: one line a fault."""
    if faults:
        raise ValueError("\n".join(faults))
    return params

"""What 00_label and 01_crop may be told: from videos to pose and faces."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from painlib.params.fields import HOW, FilePath, StageParams, find_twice, raise_together


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
    pose_precision: Literal["auto", "float32", "bfloat16"] = Field(
        description="what the network computes in as it looks for points; auto: half where the device has it"
    )
    pose_follow: bool = Field(
        description="look through a window that follows the face, for a lost one at half size or whole (ours)"
    )
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
    decoder: Literal["software", "cuda"] = Field(
        description="what decodes videos; cuda: the GPU, where its first frame is the same to the bit",
        json_schema_extra=HOW,
    )
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
        if twice := find_twice([name for name in self.point_names if name]):
            faults.append(f"point_names needs three different points, got {twice} twice")
        return raise_together(self, faults)

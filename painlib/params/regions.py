"""What 05a_gradcam and 05b_regions may be told: maps, pairs, regions."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from painlib.params.fields import HOW, Device, StageParams, find_twice, raise_together


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
        if twice := find_twice(self.annotators):
            faults.append(f"annotators needs different names, got {twice} twice")
        if self.interactive and not self.annotator.strip():
            faults.append("annotator needs a name while interactive is true, got ''")
        return raise_together(self, faults)

"""What 07_locomotion may be told (Kobayashi et al. 2025, Locomotor activity)."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from painlib.params.fields import HOW, FilePath, StageParams


class LocomotionParams(StageParams):
    """07_locomotion: moving distance in an arena seen from above, and group tests."""

    arena_table: FilePath | None = Field(
        description="table of the arena videos (csv), a row a video; null: none, the stage is not needed"
    )
    arena_side_cm: float = Field(gt=0, le=1000, description="side of the square floor, cm")
    animal: Literal["light", "dark", "auto"] = Field(
        description="the animal against the floor; auto: what stands out more in the video"
    )
    animal_min_cm2: float = Field(gt=0, le=10_000, description="a smaller spot is not the animal, cm²")
    animal_max_cm2: float = Field(
        gt=0, le=10_000, description="a larger one (a hand) is not the animal either, cm²"
    )
    background_frames: int = Field(
        ge=5, le=1000, description="frames spread over a video that the empty floor is made from"
    )
    track_height: int = Field(
        ge=64, le=4320, description="height that a frame is shrunk to for tracking, px; never enlarged"
    )
    point_names: list[Annotated[str, Field(min_length=1)]] = Field(
        min_length=1, description="tracker files: points whose centroid is the animal's position"
    )
    individual: str | None = Field(description="tracker files of several animals: which one; null: single")
    likelihood_threshold: float = Field(
        ge=0, le=1, description="tracker files: the animal is seen where all points reach this, 0 to 1"
    )
    smooth_s: float = Field(
        ge=0, le=5, description="positions are smoothed over this (Savitzky-Golay, quadratic), s; 0: not"
    )
    still_cm: float = Field(
        ge=0, le=50, description="at rest where the position spans less than this within a second, cm"
    )
    max_gap_s: float = Field(
        ge=0, le=60, description="an animal unseen for up to this is interpolated, beyond it is NaN, s"
    )
    max_jump_cm: float = Field(
        gt=0, le=1000, description="farther than this from the median of 0.3 s: a misdetection, unseen, cm"
    )
    min_coverage: float = Field(
        ge=0, le=1, description="a minute, or window, with a smaller measured share is NaN, 0 to 1"
    )
    groups: list[Annotated[str, Field(min_length=1)]] = Field(
        min_length=1, description="treatments that are compared, in the order of the figures"
    )
    control: str = Field(description="the treatment that the others are compared with")
    pre_window_min: float = Field(ge=0, le=1440, description="habituation: last minutes before time zero")
    window_start_min: float = Field(
        ge=0, le=1440, description="start of the compared window, min from time zero"
    )
    window_end_min: float = Field(gt=0, le=1440, description="its end, min from time zero")
    alpha: float = Field(gt=0, lt=1, description="significance level, above 0 and below 1")
    bootstrap: int = Field(ge=100, le=1_000_000, description="resamples for intervals of effect sizes")
    workers: int = Field(ge=1, le=256, description="videos worked on at once", json_schema_extra=HOW)

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        faults = []
        if self.animal_max_cm2 <= self.animal_min_cm2:
            faults.append(
                f"animal_max_cm2 needs more than animal_min_cm2 ({self.animal_min_cm2:g} cm²), got "
                f"{self.animal_max_cm2:g} cm²"
            )
        for name in ("groups", "point_names"):
            given = getattr(self, name)
            if twice := sorted({entry for entry in given if given.count(entry) > 1}):
                faults.append(f"{name} needs different names, got {', '.join(map(repr, twice))} twice")
        if self.control not in self.groups:
            faults.append(f"control needs one of {self.groups}, got {self.control!r}")
        if math.floor(self.window_end_min) <= math.ceil(self.window_start_min):
            faults.append(
                "window_end_min needs at least a whole minute more than window_start_min "
                f"({self.window_start_min:g} min), got {self.window_end_min:g} min"
            )
        if faults:
            raise ValueError("\n".join(faults))
        return self

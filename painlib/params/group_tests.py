"""What 04_statistics may be told: designs, windows, tests."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from painlib.params.fields import FilePath, StageParams, find_twice, raise_together


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
        if twice := find_twice(self.assays):
            faults.append(f"assays needs different names, got {twice} twice")
        for number, treatments in enumerate(self.groups):
            if not all(name.strip() for name in treatments):
                faults.append(f"groups[{number}] needs a name for each treatment, got {treatments}")
            if twice := find_twice(treatments):
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
        return raise_together(self, faults)

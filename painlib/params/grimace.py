"""What 06_grimace_scale may be told: faces to draw, who scored them, how files of others are read."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from painlib.params.fields import HOW, StageParams


class GrimaceParams(StageParams):
    """06_grimace_scale: faces scored by people, their agreement, scores against label and classifier."""

    faces: int = Field(
        ge=1, le=1_000_000, description="labelled faces drawn at random, over animals and labels alike"
    )
    save_faces: bool = Field(
        description="write the drawn faces as jpg under hidden names, to be scored elsewhere"
    )
    raters: list[str] = Field(
        description="whose scores given in the widget (csv in grimace/scores) are analysed"
    )
    score_files: list[str] = Field(description="score files that others made (csv, long or wide)")
    score_columns: list[str] = Field(
        description="what those files call a column, as 'rater=Observer'; the left side is painlib's name"
    )
    missing_codes: list[str] = Field(description="cells that say that a unit was not or could not be scored")
    rejected_codes: list[str] = Field(description="cells that say that a face is out (blurry)")
    score_all: bool = Field(
        description="analyse every labelled face that was scored, not the drawn ones alone"
    )
    min_units: int = Field(ge=1, le=5, description="a total needs so many scored units of five")
    interactive: bool = Field(description="open the widget to score faces", json_schema_extra=HOW)
    rater: str = Field(description="who scores, in the widget", json_schema_extra=HOW)

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        faults = []
        for name in ("raters", "score_files"):
            given = getattr(self, name)
            if not all(entry.strip() for entry in given):
                faults.append(f"{name} needs names, got {given}")
            if len(set(given)) < len(given):
                faults.append(f"{name} needs different names, got {given}")
        folder = (self.workdir / "grimace").absolute()
        if lost := [name for name in self.score_files if Path(name).absolute().parent == folder]:
            faults.append(
                f"score_files needs files elsewhere than in {folder}, which a run empties, got {lost}"
            )
        if wrong := [entry for entry in self.score_columns if "=" not in entry.strip("= ")]:
            faults.append(f"score_columns needs entries such as 'rater=Observer', got {wrong}")
        if both := sorted({*self.missing_codes} & {*self.rejected_codes}):
            faults.append(f"missing_codes needs other cells than rejected_codes, got {both} in both")
        if numbers := sorted({*self.missing_codes, *self.rejected_codes} & {"0", "1", "2"}):
            faults.append(f"missing_codes and rejected_codes need other cells than scores, got {numbers}")
        if self.interactive and not self.rater.strip():
            faults.append("rater needs a name while interactive is true, got ''")
        if faults:
            raise ValueError("\n".join(faults))
        return self

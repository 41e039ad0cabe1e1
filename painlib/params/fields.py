"""What all stages' parameters share: typed, bounded, without defaults (those stand in the notebooks)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


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


def find_twice(names: list[str]) -> str:
    """The names that stand there more than once, for a message; "" where there are none."""
    return ", ".join(repr(name) for name, count in Counter(names).items() if count > 1)


def raise_together(params: Any, faults: list[str]) -> Any:
    """All that does not fit together, in one error: one line a fault."""
    if faults:
        raise ValueError("\n".join(faults))
    return params

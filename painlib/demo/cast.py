"""The cast of the demonstration: which animals are drawn, in which recordings.

Training animals are filmed before ("pre") and after 0.6 % acetic acid ("AC"), as in Kobayashi et al. 2025. An
assay compares vehicle, 0.6 % and 1 % AC in other animals, whose randomness shares nothing with the training
animals'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from .arena import ArenaDemo
from .behaviour import Behaviour, simulate_behaviour
from .individuals import Coat, Individual, draw_individual
from .pain import COURSES, draw_height, simulate_latent

if TYPE_CHECKING:
    import pandas as pd

CAMERAS = ("A", "B")
ASSAY_GROUPS = ("vehicle", "0.6 % AC", "1 % AC")
AGE_WEEKS = 9
LAB = "drawn demonstration"
TRAINING_STREAM, ASSAY_STREAM, LABEL_STREAM, CURVES_STREAM = range(4)


class DemoParams(BaseModel):
    """What the demonstration cohort is made of. The same parameters give the same files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(ge=0, lt=2**32, description="start of every random choice")
    strength: float = Field(ge=0, le=1, description="how far latent pain shows in the face; 0: not at all")
    coat: Coat = Field(description="white, dark or agouti")
    width: int = Field(ge=160, le=3840, description="px")
    height: int = Field(ge=90, le=2160, description="px")
    fps: float = Field(gt=0, le=120, description="frames a second; 0.5 is a time lapse of one every 2 s")
    training_animals: int = Field(
        ge=1, le=99, description="animals with pre and AC recordings; every fourth is female"
    )
    training_minutes: float = Field(gt=0, le=60, description="length of each of the two, minutes")
    assay_animals_per_group: int = Field(
        ge=0, le=33, description="animals of vehicle, 0.6 % AC and 1 % AC each"
    )
    assay_pre_minutes: float = Field(gt=0, le=60, description="filmed before injection, minutes")
    assay_post_minutes: float = Field(gt=0, le=60, description="filmed from injection, minutes")
    label_frames_per_video: int = Field(
        ge=1, le=1000, description="frames with true key points, a video (paper: 50)"
    )
    label_animals: int = Field(ge=1, le=99, description="training animals that these come from (paper: 4)")
    arena: ArenaDemo | None = Field(default=None, description="arena videos for 07_locomotion; null: none")
    workers: int = Field(ge=1, le=256, description="processes; changes nothing in the result")


@dataclass(frozen=True)
class Animal:
    """One of the cast. `stream` seeds all that is random about it."""

    subject: str
    sex: str
    treatment: str
    stream: tuple[int, int]


@dataclass(frozen=True)
class Take:
    """One recording. `course` names its latent pain in COURSES."""

    name: str
    animal: Animal
    phase: Literal["pre", "post"]
    label: str
    course: str
    minutes: float

    @property
    def recording(self) -> str:
        """Its name in the cohort table."""
        return f"{self.animal.subject}_{self.name}"


def list_takes(params: DemoParams) -> list[Take]:
    """All recordings in the order of the cohort table."""
    takes = []
    for k in range(params.training_animals):
        sex = "female" if k % 4 == 3 else "male"  # the paper's 9 male, 3 female
        animal = Animal(f"train{k + 1:02d}", sex, "0.6 % AC", (TRAINING_STREAM, k))
        minutes = params.training_minutes
        takes.append(Take("pre", animal, "pre", "no pain", "none", minutes))
        takes.append(Take("ac", animal, "post", "pain", "0.6 % AC, training", minutes))
    for k in range(params.assay_animals_per_group * len(ASSAY_GROUPS)):
        treatment = ASSAY_GROUPS[k % len(ASSAY_GROUPS)]  # neighbours in number are in different groups
        animal = Animal(f"assay{k + 1:02d}", "male", treatment, (ASSAY_STREAM, k))
        takes.append(Take("pre", animal, "pre", "", "none", params.assay_pre_minutes))
        takes.append(Take("post", animal, "post", "", treatment, params.assay_post_minutes))
    return takes


def seed_stream(params: DemoParams, *stream: int) -> np.random.SeedSequence:
    """The random stream of one animal, recording or purpose; streams share nothing."""
    return np.random.SeedSequence(params.seed, spawn_key=stream)


def simulate_take(params: DemoParams, take: Take) -> tuple[Individual, Behaviour]:
    """How the animal of `take` looks, and all it does, every frame."""
    looks, feeling = seed_stream(params, *take.animal.stream, 0).spawn(2)
    individual = draw_individual(params.coat, np.random.default_rng(looks))
    course = COURSES[take.course]
    height = draw_height(course, np.random.default_rng(feeling))
    n = max(1, round(take.minutes * 60 * params.fps))
    number = 1 if take.phase == "pre" else 2
    pain, rest = seed_stream(params, *take.animal.stream, number).spawn(2)
    latent = simulate_latent(course, height, np.arange(n) / params.fps, np.random.default_rng(pain))
    return individual, simulate_behaviour(individual, latent, params.strength, params.fps, rest)


def cohort_table(params: DemoParams, takes: list[Take]) -> pd.DataFrame:
    """The cohort table, a row a camera video. Assay recordings carry no label."""
    import pandas as pd

    rows = [
        {
            "recording": take.recording,
            "subject": take.animal.subject,
            "camera": camera,
            "video": f"videos/{take.recording}_{camera}.mp4",
            "time_zero_s": 0,
            "phase": take.phase,
            "label": take.label,
            "treatment": take.animal.treatment,
            "sex": take.animal.sex,
            "strain": f"drawn {params.coat}",
            "age_weeks": AGE_WEEKS,
            "lab": LAB,
            "exclude_reason": "",
        }
        for take in takes
        for camera in CAMERAS
    ]
    return pd.DataFrame(rows)

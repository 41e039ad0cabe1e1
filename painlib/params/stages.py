"""The stages in order, and the class of each one's parameters."""

from __future__ import annotations

from dataclasses import dataclass

from painlib.params.faces import CropParams
from painlib.params.fields import StageParams
from painlib.params.grimace import GrimaceParams
from painlib.params.group_tests import StatisticsParams
from painlib.params.judging import ConfoundsParams, PredictParams, TrainParams
from painlib.params.locomotion import LocomotionParams
from painlib.params.regions import GradcamParams, RegionsParams


@dataclass(frozen=True)
class Stage:
    """A stage: its section in a parameter file, its notebook, and the class of its parameters."""

    name: str
    notebook: str
    params: type[StageParams]
    read_by_others: bool = True  # later stages read what it writes
    reads_others: bool = True  # it reads what earlier stages write

    @property
    def number(self) -> str:
        """Its place in the order, as notebook and figures are numbered: "01", "05a"."""
        return self.notebook.split("_")[0]


STAGES: tuple[Stage, ...] = (
    Stage("crop", "01_crop", CropParams),
    Stage("train", "02_train", TrainParams),
    Stage("confounds", "02b_confounds", ConfoundsParams, read_by_others=False),
    Stage("predict", "03_predict", PredictParams),
    Stage("statistics", "04_statistics", StatisticsParams, read_by_others=False),
    Stage("gradcam", "05a_gradcam", GradcamParams, read_by_others=False),
    Stage("regions", "05b_regions", RegionsParams, read_by_others=False),
    Stage("grimace", "06_grimace_scale", GrimaceParams, read_by_others=False),
    Stage("locomotion", "07_locomotion", LocomotionParams, read_by_others=False, reads_others=False),
)


def find_stage(name: str) -> Stage:
    """The stage of that name; KeyError where there is none."""
    return {stage.name: stage for stage in STAGES}[name]

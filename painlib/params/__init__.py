"""Parameters: what each stage may be told, the stages in order, a run's YAML over the defaults."""

from painlib.params.faces import CropParams, LabelParams
from painlib.params.fields import StageParams
from painlib.params.grimace import GrimaceParams
from painlib.params.group_tests import StatisticsParams
from painlib.params.judging import ConfoundsParams, PredictParams, TrainParams
from painlib.params.locomotion import LocomotionParams
from painlib.params.notebook_defaults import read_notebook_defaults
from painlib.params.reading import PATH_LISTS, Run, as_papermill, describe, load_run, load_yaml, path_fields
from painlib.params.regions import GradcamParams, RegionsParams
from painlib.params.stages import STAGES, Stage, find_stage

__all__ = [
    "PATH_LISTS",
    "STAGES",
    "ConfoundsParams",
    "CropParams",
    "GradcamParams",
    "GrimaceParams",
    "LabelParams",
    "LocomotionParams",
    "PredictParams",
    "RegionsParams",
    "Run",
    "Stage",
    "StageParams",
    "StatisticsParams",
    "TrainParams",
    "as_papermill",
    "describe",
    "find_stage",
    "load_run",
    "load_yaml",
    "path_fields",
    "read_notebook_defaults",
]

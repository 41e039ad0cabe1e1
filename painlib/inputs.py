"""What each stage reads: the one list that notebooks record and `painlib run` compares."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from painlib.cohort.file import to_absolute
from painlib.params import (
    ConfoundsParams,
    CropParams,
    GradcamParams,
    GrimaceParams,
    LocomotionParams,
    PredictParams,
    RegionsParams,
    StageParams,
    StatisticsParams,
    TrainParams,
)
from painlib.places import Place, find_place, is_url, to_place

if TYPE_CHECKING:
    import pandas as pd


def stage_inputs(params: StageParams) -> list[Place]:
    """The files and URLs that a stage with these parameters reads, in an order that repeats.

    The cohort table first; then videos, labels, network or tracker files for 01_crop; later the declared
    tables of the stages before, not their records: a stage run anew with the same result makes nothing stale.
    Files that are not there yet are named too where the stage cannot do without them.
    """
    files: Sequence[Place]
    if isinstance(params, CropParams):
        files = _crop_inputs(params)
    elif isinstance(params, TrainParams):
        files = _list_faces(params.workdir)
    elif isinstance(params, ConfoundsParams):
        out_of_fold = params.workdir / "training" / "out_of_fold.parquet"
        files = [*_list_faces(params.workdir), *_list_folder(params.workdir / "model"), out_of_fold]
    elif isinstance(params, PredictParams):
        faces = _list_videos(params) if params.from_video else _list_faces(params.workdir)
        files = [*faces, *_list_folder(params.model or params.workdir / "model")]
    elif isinstance(params, StatisticsParams):
        curves = params.workdir / "predictions" / "minutes.parquet"
        named = [Path(name) if name else curves for name in params.minutes]
        files = [*named, params.treatment_key] if params.treatment_key else named
    elif isinstance(params, GradcamParams):
        files = [*_list_maps(params.workdir), params.workdir / "predictions" / "frames.parquet"]
    elif isinstance(params, RegionsParams):
        frames = params.workdir / "predictions" / "frames.parquet"
        marks = [params.workdir / "regions" / "marks" / f"{name}.csv" for name in params.annotators]
        files = [*_list_maps(params.workdir), frames, *marks]
    elif isinstance(params, GrimaceParams):
        files = _grimace_inputs(params)
    elif isinstance(params, LocomotionParams):
        return _list_arenas(params.arena_table) if params.arena_table else []
    else:
        raise TypeError(f"expected the parameters of a stage, got {type(params).__name__}")
    return list(dict.fromkeys([params.cohort, *files]))


def _list_videos(params: StageParams) -> list[Place]:
    from painlib.cohort import load_cohort, video_rows

    return _list_places(video_rows(load_cohort(params.cohort))["video"])


def _crop_inputs(params: CropParams) -> list[Place]:
    from painlib.cohort import load_cohort, video_rows

    files = _list_videos(params)
    if params.pose_source == "tracker":
        files += _list_places(video_rows(load_cohort(params.cohort))["pose"])
    elif params.pose_source == "train" and params.labels:
        files += _list_labels(params.labels)
    elif params.pose_source == "network" and params.pose_network:
        files += _list_folder(params.pose_network)
    return files


def _grimace_inputs(params: GrimaceParams) -> list[Path]:
    """The faces; where there are scores, these and the classifier's judgements too."""
    scored = [params.workdir / "grimace" / "scores" / f"{name}.csv" for name in params.raters]
    scored += [Path(name) for name in params.score_files]
    if not scored:
        return _list_faces(params.workdir)
    out_of_fold = params.workdir / "training" / "out_of_fold.parquet"
    held_out = [out_of_fold] if out_of_fold.is_file() else []
    frames = params.workdir / "predictions" / "frames.parquet"
    return [*_list_faces(params.workdir), frames, *held_out, *scored]


def _list_arenas(table: Path) -> list[Place]:
    """The table of arena videos (the cohort's is not read), and the videos and tracker files it names."""
    if not table.is_file():
        return [table]
    with open(table, newline="", encoding="utf-8-sig", errors="replace") as file:
        lines = csv.DictReader(file)
        lines.fieldnames = [name.strip() for name in lines.fieldnames or []]
        rows = [row for row in lines if not (row.get("exclude_reason") or "").strip()]
    named = [(row.get(column) or "").strip() for column in ("video", "pose") for row in rows]
    places = [to_place(to_absolute(name, table.parent)) for name in dict.fromkeys(named) if name]
    return [table, *(place for place in places if is_url(place) or Path(place).is_file())]


def _list_places(names: pd.Series) -> list[Place]:
    return [to_place(name) for name in names if name]


def _list_labels(labels: Path) -> list[Place]:
    """A table of labelled frames with the files it names, or the labels of a DeepLabCut project."""
    project = labels.parent if labels.name == "config.yaml" else labels
    if project.is_dir():
        return [project / "config.yaml", *sorted(project.glob("labeled-data/*/CollectedData_*.*"))]
    if not labels.is_file():
        return [labels]
    with open(labels, newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    named = {(folder, row.get(folder[:-1]) or "") for row in rows for folder in ("images", "videos")}
    found = [
        to_place(find_place(name.strip(), labels.parent, labels.parent / folder))
        for folder, name in sorted(named)
        if name.strip()
    ]
    return [labels, *(place for place in found if is_url(place) or Path(place).is_file())]


def _list_faces(workdir: Path) -> list[Path]:
    """The face tables of 01_crop; each names the crops beside it by offset and length."""
    return [file for file in sorted((workdir / "faces").glob("*.parquet")) if not file.name.startswith(".")]


def _list_maps(workdir: Path) -> list[Path]:
    """The faces, and the indices of their maps; each names the maps beside it by what they were made from."""
    maps = [file for file in sorted((workdir / "maps").glob("*.parquet")) if not file.name.startswith(".")]
    return [*_list_faces(workdir), *maps]


def _list_folder(path: Path) -> list[Path]:
    """Weights and configurations of a model folder or project; a file brings those that lie beside it."""
    if not path.exists():
        return [path]
    kinds = (".safetensors", ".json", ".yaml", ".pt")
    folder = path if path.is_dir() else path.parent
    found = [
        file for file in sorted(folder.rglob("*")) if file.suffix in kinds and not file.name.startswith(".")
    ]
    if path.is_file():
        return [path, *(file for file in found if file.parent == folder and file.suffix != path.suffix)]
    return found or [path]

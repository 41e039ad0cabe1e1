"""The folds of a cross-validation, each a training of its own: one after another, or several at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from painlib.model import PainNet
from painlib.prediction import predict_faces
from painlib.progress import redirect_progress, report_progress
from painlib.training import TrainSettings, train_classifier
from painlib.training.batches import split_batches
from painlib.work_places import ArrayOnDisk, Place, choose_place, put_on_disk
from painlib.workers import run_tasks, say_done

LogRow = Callable[[dict[str, Any]], None]
# Called with a fold's network and the rows it never saw; what it returns is kept beside the judgements.
Examine = Callable[[PainNet, np.ndarray], pd.DataFrame]


@dataclass(frozen=True)
class FoldRows:
    """A fold by name, and the rows that train and that are held out."""

    name: str
    train: np.ndarray
    test: np.ndarray


class TrainedFold(NamedTuple):
    """What a fold gives: its network, its learning curve, probabilities (n_test, 2) of its held-out rows, and
    what was made of both (None where nothing was asked for)."""

    net: PainNet
    history: pd.DataFrame
    probabilities: np.ndarray
    examined: pd.DataFrame | None = None


@dataclass(frozen=True)
class Lesson:
    """What all folds learn from, and how. `folder`: where their checkpoints go, a folder each (None: kept
    nowhere); `tensorboard`: where their curves go. `n_folds`: how many there are, for messages."""

    labels: np.ndarray
    params: TrainSettings
    seed: int
    folder: Path | None
    tensorboard: Path | None
    n_folds: int


def train_folds(
    inputs: np.ndarray,
    labels: np.ndarray,
    folds: Sequence[FoldRows],
    params: TrainSettings,
    seed: int,
    *,
    workers: int,
    folder: Path | None,
    log: LogRow | None,
    tensorboard: Path | None,
    examine: Examine | None,
) -> Iterator[TrainedFold]:
    """Each fold's training, in their order. Arguments as in `cross_validate`.

    On a CPU every fold computes in one thread wherever it is trained, so that its weights depend neither on
    `workers` nor on the machine's cores; `workers` of them, or as many as a cluster has, are trained at once.
    On a GPU they are trained one after another, but for a cluster whose workers declare several.
    """
    place = choose_place(params.device, workers, len(folds))
    settings = _set_device(params, place.device)
    lesson = Lesson(labels, settings, seed, folder, tensorboard, len(folds))
    if place.here:
        trainings = _train_here(inputs, folds, lesson, log, place)
    else:
        trainings = _train_on_workers(inputs, folds, lesson, log, place, workers)
    for fold, trained in zip(folds, trainings, strict=True):
        with place.keep_to_one_thread():
            examined = examine(trained.net, fold.test) if examine else None
        yield trained._replace(examined=examined)


def _train_here(
    inputs: np.ndarray, folds: Sequence[FoldRows], lesson: Lesson, log: LogRow | None, place: Place
) -> Iterator[TrainedFold]:
    for fold in folds:
        with place.keep_to_one_thread():
            trained = _train_fold(inputs, fold, lesson, log)
        yield trained


def _train_on_workers(
    inputs: np.ndarray,
    folds: Sequence[FoldRows],
    lesson: Lesson,
    log: LogRow | None,
    place: Place,
    workers: int,
) -> Iterator[TrainedFold]:
    params = lesson.params
    description = f"Training {len(folds)} folds"
    total = len(folds) * params.epochs * len(split_batches(params.faces_per_epoch, params.batch))
    report_progress(description, 0, total)
    with put_on_disk(inputs, lesson.folder) as shared:
        results = run_tasks(
            _work,
            [_Task(shared, fold, lesson, bool(log)) for fold in folds],
            workers,
            lambda done: report_progress(description, min(done, total - 1), total),
            on_gpus=place.device == "cuda",
        )
    report_progress(description, total, total)
    for result in results:
        # What was finished beside it is kept in its checkpoint.
        if isinstance(result, BaseException):
            raise result
        trained, rows = result
        if log:
            for row in rows:
                log(row)
        yield trained


@dataclass(frozen=True)
class _Task:
    inputs: ArrayOnDisk
    fold: FoldRows
    lesson: Lesson
    logged: bool


def _work(task: _Task) -> tuple[TrainedFold, list[dict[str, Any]]]:
    """In a worker: a fold, and the rows that it would have logged."""

    def hear(description: str, done: int, total: int | None) -> None:
        if description.startswith("Training"):
            say_done(done)

    rows: list[dict[str, Any]] = []
    with redirect_progress(hear):
        trained = _train_fold(
            task.inputs.open(), task.fold, task.lesson, rows.append if task.logged else None
        )
    return trained._replace(net=trained.net.cpu()), rows


def _train_fold(inputs: np.ndarray, fold: FoldRows, lesson: Lesson, log: LogRow | None) -> TrainedFold:
    params, folder, tensorboard = lesson.params, lesson.folder, lesson.tensorboard
    trained = train_classifier(
        inputs,
        lesson.labels,
        fold.train,
        params,
        lesson.seed,
        checkpoint=folder / fold.name / "checkpoint.pt" if folder else None,
        log=_name_fold(log, fold.name) if log else None,
        tensorboard=tensorboard / fold.name if tensorboard else None,
        description=f"Training {fold.name} of {lesson.n_folds}",
    )
    probabilities = predict_faces(
        trained.net, inputs, params.batch, params.device, rows=fold.test, description=f"Judging {fold.name}"
    )
    return TrainedFold(trained.net, trained.history, probabilities)


def _name_fold(log: LogRow, name: str) -> LogRow:
    return lambda row: log({"fold": name} | row)


def _set_device(params: Any, device: str) -> Any:
    """The same settings on the device that was chosen: "auto" may mean another one on another machine."""
    if hasattr(params, "model_copy"):
        return params.model_copy(update={"device": device})
    return dataclasses.replace(params, device=device)

"""Faces with the label of their recording (paper: weak labels), and the card of what learned from them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from painlib.calibration import measure_quality
from painlib.cohort import Recording
from painlib.faces.crop_results import read_crop_facts
from painlib.faces.pose_source import copy_pose_network
from painlib.faults import PainlibError
from painlib.machine import find_version, list_versions
from painlib.model import save_model
from painlib.model_card import (
    LABELS,
    Calibration,
    CardMetrics,
    CropFacts,
    ModelCard,
    QualityLimits,
    TrainingAnimal,
)
from painlib.params import ConfoundsParams, StageParams, TrainParams
from painlib.regions import load_landmarks
from painlib.training import TrainedNet


def label_faces(index: pd.DataFrame, recordings: Sequence[Recording]) -> pd.DataFrame:
    """The rows of a face index whose recording has a label, with label (0 "no pain", 1 "pain") and sex.

    The rows keep their places in the index (for `FaceStore.read`). Raises `PainlibError` where no recording
    with faces has a label.
    """
    labels = {recording.name: LABELS.index(recording.label) for recording in recordings if recording.label}
    sexes = {recording.name: recording.sex for recording in recordings}
    faces = index[index["recording"].isin(list(labels))]
    if faces.empty:
        raise PainlibError(
            f"Expected faces of recordings with a label ('no pain' or 'pain'), got none: {len(labels)} of "
            f"{len(recordings)} recordings have a label. Fill the column `label` of the animals to train on."
        )
    label = faces["recording"].map(labels).astype("int64")
    return faces.assign(label=label, sex=faces["recording"].map(sexes))


def measure_labelled(inputs: np.ndarray, faces: pd.DataFrame, workdir: Path) -> pd.DataFrame:
    """Sharpness, size and turn (`calibration.measure_quality`) of labelled faces, row for row.

    `inputs` (n, px, px, 3) uint8 and `faces`, their n rows of the face index.
    """
    threshold = read_crop_facts(workdir)["likelihood_threshold"]
    return measure_quality(inputs, faces, load_landmarks(faces, workdir, threshold))


def save_final_model(
    trained: TrainedNet,
    faces: pd.DataFrame,
    params: TrainParams,
    held_out: pd.DataFrame,
    confusion: pd.DataFrame,
    calibration: Calibration,
    limits: QualityLimits,
) -> ModelCard:
    """Write `workdir/model`: weights, card and pose network, all that is needed to judge new video.

    `faces`: those of `label_faces`; `held_out`: `summarise_animals` of animals that were held out;
    `confusion`: `confusion_by_sex` of the training set. The card keeps the two apart. `calibration` and
    `limits` were found on held-out animals.
    """
    if params.hold_out != "subject":
        remark = (
            f"{calibration.remark} Held-out animals were of a {params.hold_out} the network had not seen."
        )
        calibration = calibration.model_copy(update={"remark": remark.strip()})
    folder = params.workdir / "model"
    pose_folder = copy_pose_network(params.workdir, folder)
    animals = faces.groupby("subject", sort=True).agg(sex=("sex", "first"), n_faces=("label", "size"))
    card = ModelCard(
        architecture=trained.net.architecture,
        labels=LABELS,
        training_animals=tuple(
            TrainingAnimal(subject=str(row.Index), sex=str(row.sex), n_faces=int(row.n_faces))  # type: ignore[arg-type]
            for row in animals.itertuples()
        ),
        crop=CropFacts(**read_crop_facts(params.workdir)),
        pose_network=pose_folder,
        metrics=CardMetrics(
            held_out=_list_rows(held_out, "metric"),
            training_set=_list_rows(confusion, "sex"),
        ),
        calibration=calibration,
        quality_limits=limits,
        training=params.model_dump(mode="json", exclude={*StageParams.model_fields, "device", "launch"}),
        seed=params.seed,
        versions={"painlib": find_version(), **list_versions()},
    )
    return save_model(folder, trained.net, card)


def recall_training(card: ModelCard, params: ConfoundsParams) -> TrainParams:
    """How the classifier of a card was trained, to train one like it where `params` say, in one process a
    network."""
    here = {name: getattr(params, name) for name in StageParams.model_fields}
    return TrainParams(
        **{**here, **card.training, "seed": card.seed, "device": params.device, "processes": 1, "launch": ""}
    )


def _list_rows(table: pd.DataFrame, name: str) -> dict[str, Any]:
    """The rows of a small table by their name."""
    return {str(row.pop(name)): row for row in table.to_dict("records")}

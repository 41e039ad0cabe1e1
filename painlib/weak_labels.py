"""Faces with the label of their recording (paper: weak labels), and the card of what learned from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from painlib.cohort import Recording
from painlib.faults import PainlibError
from painlib.machine import find_version, list_versions
from painlib.model_card import LABELS, CardMetrics, CropFacts, ModelCard, TrainingAnimal
from painlib.param_models import StageParams, TrainParams
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


def make_card(
    trained: TrainedNet,
    faces: pd.DataFrame,
    params: TrainParams,
    held_out: pd.DataFrame,
    confusion: pd.DataFrame,
    crop_facts: Mapping[str, Any],
    pose_folder: str | None,
) -> ModelCard:
    """The card of the final model: who trained it, on what, and how well it does on animals it never saw."""
    animals = faces.groupby("subject", sort=True).agg(sex=("sex", "first"), n_faces=("label", "size"))
    return ModelCard(
        architecture=trained.net.architecture,
        labels=LABELS,
        training_animals=tuple(
            TrainingAnimal(subject=str(row.Index), sex=str(row.sex), n_faces=int(row.n_faces))  # type: ignore[arg-type]
            for row in animals.itertuples()
        ),
        crop=CropFacts(**crop_facts),
        pose_network=pose_folder,
        metrics=CardMetrics(
            held_out=_list_rows(held_out, "metric"),
            training_set=_list_rows(confusion, "sex"),
        ),
        training=params.model_dump(mode="json", exclude={*StageParams.model_fields, "device"}),
        seed=params.seed,
        versions={"painlib": find_version(), **list_versions()},
    )


def _list_rows(table: pd.DataFrame, name: str) -> dict[str, Any]:
    """The rows of a small table by their name."""
    return {str(row.pop(name)): row for row in table.to_dict("records")}

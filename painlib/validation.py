"""Cross-validation with animals apart: no face of a held-out animal, and nothing learned from one, reaches
training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from painlib.faults import Faults, PainlibError
from painlib.model import LABELS
from painlib.prediction import predict_faces
from painlib.training import TrainSettings, train_classifier

FACE_COLUMNS = ("recording", "subject", "camera", "frame", "label")


@dataclass(frozen=True)
class Fold:
    """One round of cross-validation: the animals that are held out; all others train."""

    name: str
    held_out: tuple[str, ...]


@dataclass(frozen=True)
class CrossValidation:
    """`out_of_fold`: every face judged by the network that never saw its animal (recording, subject, camera,
    frame, label, fold, p_no_pain, p_pain, and sex where it was given). `history`: learning curves of training
    faces, with column fold. `folds`: who was held out when."""

    out_of_fold: pd.DataFrame
    history: pd.DataFrame
    folds: list[Fold]


def encode_labels(labels: pd.Series) -> np.ndarray:
    """(n,) int64: 0 for "no pain", 1 for "pain", -1 for an empty label, which is never trained on."""
    codes = {name: code for code, name in enumerate(LABELS)} | {"": -1}
    unknown = sorted({str(label) for label in labels.fillna("")} - set(codes))
    if unknown:
        raise PainlibError(
            f'Column `label`: expected "no pain", "pain" or empty, got {", ".join(map(repr, unknown))}.'
        )
    return labels.fillna("").map(codes).to_numpy(dtype=np.int64)


def split_animals(table: pd.DataFrame, folds: int | None, seed: int) -> list[Fold]:
    """Who is held out in each round: every animal alone (`folds` None), or `folds` groups of animals.

    `table`: rows with subject and label (0 or 1), and sex where known; several rows an animal are fine.
    Groups hold about as many animals of each sex and of each set of labels; which animals stand together
    follows from `seed`. Raises `PainlibError` where holding an animal or group out leaves training without
    one of the labels.
    """
    animals = {
        str(name): (tuple(sorted(set(rows["label"]))), str(rows["sex"].iloc[0]) if "sex" in rows else "")
        for name, rows in table.groupby("subject", sort=True)
    }
    if folds is not None and not 2 <= folds <= len(animals):
        raise PainlibError(
            f"Parameter `folds`: expected 2 to {len(animals)} (the training animals), or none to hold out "
            f"one animal at a time; got {folds}."
        )
    if folds is None:
        groups: list[tuple[str, ...]] = [(name,) for name in animals]
    else:
        order = np.random.default_rng(seed).permutation(len(animals))
        shuffled = [list(animals)[place] for place in order]
        # Animals alike in labels, then in sex, follow each other and are dealt out like cards.
        dealt = sorted(shuffled, key=lambda name: animals[name])
        groups = [tuple(sorted(dealt[start::folds])) for start in range(folds)]
    _check_groups(groups, {name: set(labels) for name, (labels, _) in animals.items()})
    width = len(str(len(groups)))
    return [Fold(f"fold_{number:0{width}d}", group) for number, group in enumerate(groups, start=1)]


def cross_validate(
    inputs: np.ndarray,
    faces: pd.DataFrame,
    params: TrainSettings,
    folds: int | None,
    seed: int,
    *,
    folder: Path | None = None,
    log: Callable[[dict[str, Any]], None] | None = None,
    tensorboard: Path | None = None,
) -> CrossValidation:
    """Train one network a fold and let it judge the animals it never saw.

    `inputs` (n, px, px, 3) uint8; `faces`: their n rows in the same order with recording, subject, camera,
    frame and label (0 or 1), and sex where known. Epochs and all settings are fixed beforehand: nothing is
    chosen on held-out animals. `folder` keeps a checkpoint a fold: a fold that finished with the same
    parameters, seed and faces is not trained again, one that was cut short goes on. `log` gets each epoch
    with its fold's name.
    """
    missing = [column for column in FACE_COLUMNS if column not in faces]
    if missing or len(faces) != len(inputs):
        raise PainlibError(
            f"Cross-validation expects {len(inputs)} rows with {', '.join(FACE_COLUMNS)}; got {len(faces)}"
            + (f" without {', '.join(missing)}." if missing else ".")
        )
    faces = faces.reset_index(drop=True)
    subject, labels = faces["subject"].to_numpy(dtype=str), faces["label"].to_numpy(dtype=np.int64)
    rounds = split_animals(faces, folds, seed)
    judged, histories = [], []
    for fold in rounds:
        held_out = np.isin(subject, fold.held_out)
        train_rows, test_rows = np.flatnonzero(~held_out), np.flatnonzero(held_out)
        assert not set(subject[train_rows]) & set(subject[test_rows]), "an animal on both sides"
        trained = train_classifier(
            inputs,
            labels,
            train_rows,
            params,
            seed,
            checkpoint=folder / fold.name / "checkpoint.pt" if folder else None,
            log=_name_fold(log, fold.name) if log else None,
            tensorboard=tensorboard / fold.name if tensorboard else None,
            description=f"Training {fold.name} of {len(rounds)}",
        )
        probabilities = predict_faces(
            trained.net,
            inputs,
            params.batch,
            params.device,
            rows=test_rows,
            description=f"Judging {fold.name}",
        )
        kept = [*FACE_COLUMNS, *(["sex"] if "sex" in faces else [])]
        judged.append(
            faces.loc[test_rows, kept].assign(
                fold=fold.name, p_no_pain=probabilities[:, 0], p_pain=probabilities[:, 1]
            )
        )
        histories.append(trained.history.assign(fold=fold.name))
    out_of_fold = pd.concat(judged).sort_index().reset_index(drop=True)
    return CrossValidation(out_of_fold, pd.concat(histories, ignore_index=True), rounds)


def _name_fold(log: Callable[[dict[str, Any]], None], name: str) -> Callable[[dict[str, Any]], None]:
    return lambda row: log({"fold": name} | row)


def _check_groups(groups: list[tuple[str, ...]], labels: dict[str, set[int]]) -> None:
    faults = Faults()
    for code, label in enumerate(LABELS):
        with_label = {name for name, codes in labels.items() if code in codes}
        for group in groups:
            if with_label <= set(group):
                faults.add(
                    f"Without {', '.join(group)} no training face is labelled '{label}': expected at least "
                    f"two animals with this label, not held out together, got {len(with_label)} "
                    f"({', '.join(sorted(with_label)) or 'none'})."
                )
    faults.raise_if_any("Cross-validation needs every label on animals that train")

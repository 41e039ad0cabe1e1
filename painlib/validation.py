"""Cross-validation with animals apart: no face of a held-out animal, and nothing learned from one, reaches
training. What is held out is an animal, a group of animals, or all animals of a strain or a laboratory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from painlib.faults import Faults, PainlibError
from painlib.fold_training import Examine, FoldRows, train_folds
from painlib.metrics import score_animals, summarise_animals
from painlib.model import LABELS
from painlib.training import TrainSettings

FACE_COLUMNS = ("recording", "subject", "camera", "frame", "label")
HoldOut = Literal["subject", "strain", "lab"]


@dataclass(frozen=True)
class Fold:
    """One round of cross-validation: the animals that are held out; all others train. `group`: the strain or
    laboratory that they are all of, or empty."""

    name: str
    held_out: tuple[str, ...]
    group: str = ""


@dataclass(frozen=True)
class CrossValidation:
    """`out_of_fold`: every face judged by the network that never saw its animal (recording, subject, camera,
    frame, label, fold, p_no_pain, p_pain, and sex where it was given). `history`: learning curves of training
    faces, with column fold. `folds`: who was held out when. `examined`: what `examine` made of each fold,
    with column fold; None without it."""

    out_of_fold: pd.DataFrame
    history: pd.DataFrame
    folds: list[Fold]
    examined: pd.DataFrame | None = None

    def join_history(self, final: pd.DataFrame) -> pd.DataFrame:
        """The learning curves of all folds and of the final network, whose fold is "all"."""
        return pd.concat([self.history, final.assign(fold="all")], ignore_index=True)


def encode_labels(labels: pd.Series) -> np.ndarray:
    """(n,) int64: 0 for "no pain", 1 for "pain", -1 for an empty label, which is never trained on."""
    codes = {name: code for code, name in enumerate(LABELS)} | {"": -1}
    unknown = sorted({str(label) for label in labels.fillna("")} - set(codes))
    if unknown:
        raise PainlibError(
            f'Column `label`: expected "no pain", "pain" or empty, got {", ".join(map(repr, unknown))}.'
        )
    return labels.fillna("").map(codes).to_numpy(dtype=np.int64)


def add_cohort_column(faces: pd.DataFrame, cohort: pd.DataFrame, column: str) -> pd.DataFrame:
    """`faces` with a column of the cohort table (such as strain or lab), by recording; "" where it is empty.

    Raises `PainlibError` where the table has no such column.
    """
    if column not in cohort:
        raise PainlibError(
            f"Cohort table: expected a column `{column}`, got {', '.join(map(str, cohort.columns))}."
        )
    values = cohort.drop_duplicates("recording").set_index("recording")[column].fillna("").astype(str)
    return faces.assign(**{column: faces["recording"].map(values).fillna("").to_numpy()})


def split_animals(
    table: pd.DataFrame, folds: int | None, seed: int, hold_out: HoldOut = "subject"
) -> list[Fold]:
    """Who is held out in each round: every animal alone (`folds` None), `folds` groups of animals, or, with
    `hold_out` "strain" or "lab", all animals of one strain or laboratory.

    `table`: rows with subject and label (0 or 1), and sex where known; several rows an animal are fine; for
    strain and lab the column of that name. Groups hold about as many animals of each sex and of each set of
    labels; which animals stand together follows from `seed`. Strains and laboratories come in the order of
    their names. Raises `PainlibError` where holding an animal or group out leaves training without one of
    the labels, where an animal has no strain or two, and where there is one strain only.
    """
    animals = {
        str(name): (tuple(sorted(set(rows["label"]))), str(rows["sex"].iloc[0]) if "sex" in rows else "")
        for name, rows in table.groupby("subject", sort=True)
    }
    names: list[str] = []
    groups: list[tuple[str, ...]]
    if hold_out != "subject":
        named = _group_animals(table, hold_out, folds)
        names, groups = list(named), list(named.values())
    elif folds is None:
        groups = [(name,) for name in animals]
    else:
        groups = _deal_animals(animals, folds, seed)
    _check_groups(groups, {name: set(labels) for name, (labels, _) in animals.items()})
    width = len(str(len(groups)))
    return [
        Fold(f"fold_{number:0{width}d}", group, name)
        for number, (group, name) in enumerate(zip(groups, names or [""] * len(groups), strict=True), start=1)
    ]


def cross_validate(
    inputs: np.ndarray,
    faces: pd.DataFrame,
    params: TrainSettings,
    folds: int | None,
    seed: int,
    *,
    hold_out: HoldOut = "subject",
    folder: Path | None = None,
    log: Callable[[dict[str, Any]], None] | None = None,
    tensorboard: Path | None = None,
    examine: Examine | None = None,
    workers: int = 1,
) -> CrossValidation:
    """Train one network a fold and let it judge the animals it never saw.

    `inputs` (n, px, px, 3) uint8; `faces`: their n rows in the same order with recording, subject, camera,
    frame and label (0 or 1), and sex where known. Epochs and all settings are fixed beforehand: nothing is
    chosen on held-out animals. `folds` and `hold_out` as in `split_animals`. `folder` keeps a checkpoint a
    fold: a fold that finished with the same parameters, seed and faces is not trained again, one that was cut
    short goes on. `log` gets each epoch with its fold's name. `examine` gets each fold's network and the rows
    that it never saw, and returns a table of them. `workers` folds are trained at once (`train_folds`), which
    changes nothing in what they give.
    """
    missing = [column for column in FACE_COLUMNS if column not in faces]
    if missing or len(faces) != len(inputs):
        raise PainlibError(
            f"Cross-validation expects {len(inputs)} rows with {', '.join(FACE_COLUMNS)}; got {len(faces)}"
            + (f" without {', '.join(missing)}." if missing else ".")
        )
    faces = faces.reset_index(drop=True)
    subject, labels = faces["subject"].to_numpy(dtype=str), faces["label"].to_numpy(dtype=np.int64)
    rounds = split_animals(faces, folds, seed, hold_out)
    rows = [_split_rows(fold, subject) for fold in rounds]
    kept = [*FACE_COLUMNS, *(["sex"] if "sex" in faces else [])]
    judged, histories, examined = [], [], []
    training = train_folds(
        inputs, labels, rows, params, seed,
        workers=workers, folder=folder, log=log, tensorboard=tensorboard, examine=examine,
    )  # fmt: skip
    for fold, trained in zip(rows, training, strict=True):
        p_no_pain, p_pain = trained.probabilities.T
        judged.append(faces.loc[fold.test, kept].assign(fold=fold.name, p_no_pain=p_no_pain, p_pain=p_pain))
        histories.append(trained.history.assign(fold=fold.name))
        if trained.examined is not None:
            examined.append(trained.examined.assign(fold=fold.name))
    out_of_fold = pd.concat(judged).sort_index().reset_index(drop=True)
    history = pd.concat(histories, ignore_index=True)
    together = pd.concat(examined, ignore_index=True) if examined else None
    return CrossValidation(out_of_fold, history, rounds, together)


def _split_rows(fold: Fold, subject: np.ndarray) -> FoldRows:
    held_out = np.isin(subject, fold.held_out)
    train, test = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    assert not set(subject[train]) & set(subject[test]), "an animal on both sides"
    return FoldRows(fold.name, train, test)


def score_groups(validation: CrossValidation, seed: int) -> pd.DataFrame:
    """How well each fold's animals are read by the network that saw none of them, the animal as the unit.

    Rows of `summarise_animals` (metric, mean, sd, worst, n, n_missing, ci_low, ci_high) for every fold, with
    the columns fold and group (strain or laboratory, empty otherwise) before them. A group of one animal has
    no interval: how other animals of its kind would be read is not known then.
    """
    parts = []
    for fold in validation.folds:
        own = validation.out_of_fold[validation.out_of_fold["fold"] == fold.name]
        summary = summarise_animals(score_animals(own), seed)
        summary.insert(0, "group", fold.group)
        summary.insert(0, "fold", fold.name)
        parts.append(summary)
    return pd.concat(parts, ignore_index=True)


def _group_animals(table: pd.DataFrame, column: str, folds: int | None) -> dict[str, tuple[str, ...]]:
    """The animals of each strain or laboratory, both in the order of their names."""
    faults = Faults()
    if folds is not None:
        faults.add(
            f"Parameter `folds`: expected none while a whole {column} is held out at a time, got {folds}."
        )
    if column not in table:
        faults.add(
            f"Faces: expected the column `{column}`. Take it from the cohort table (`add_cohort_column`)."
        )
        faults.raise_if_any(f"A whole {column} cannot be held out")
    values = table[column].fillna("").astype(str).str.strip()
    of_animal = {
        str(name): tuple(sorted(set(own))) for name, own in values.groupby(table["subject"].astype(str))
    }
    blank = [name for name, own in of_animal.items() if "" in own]
    several = [f"{name} ({', '.join(own)})" for name, own in of_animal.items() if len(set(own) - {""}) > 1]
    if blank:
        faults.add(
            f"Column `{column}`: expected a value for every animal with a label, got none for "
            f"{', '.join(blank)}. Fill it in the cohort table."
        )
    if several:
        faults.add(f"Column `{column}`: expected one value an animal, got {'; '.join(several)}.")
    found = sorted(set(values) - {""})
    if len(found) < 2:
        faults.add(
            f"Column `{column}`: expected at least two different values among the animals with a label, got "
            f"{', '.join(found) or 'none'}. With one {column} there is nothing left to train on: hold out "
            "animals (`hold_out` subject)."
        )
    faults.raise_if_any(f"A whole {column} cannot be held out")
    return {value: tuple(name for name, own in of_animal.items() if own == (value,)) for value in found}


def _deal_animals(
    animals: dict[str, tuple[tuple[int, ...], str]], folds: int, seed: int
) -> list[tuple[str, ...]]:
    """`folds` groups of animals; `animals`: labels and sex of each."""
    if len(animals) < 2:
        raise PainlibError(
            f"Parameter `folds`: expected at least two animals with a label, to hold them out by turns, got "
            f"{len(animals)} ({', '.join(animals) or 'none'}). Add labelled recordings to the cohort table."
        )
    if not 2 <= folds <= len(animals):
        raise PainlibError(
            f"Parameter `folds`: expected 2 to {len(animals)} (the training animals), or none to hold out "
            f"one animal at a time; got {folds}."
        )
    order = np.random.default_rng(seed).permutation(len(animals))
    shuffled = [list(animals)[place] for place in order]
    # Animals alike in labels, then in sex, follow each other and are dealt out like cards.
    dealt = sorted(shuffled, key=lambda name: animals[name])
    return [tuple(sorted(dealt[start::folds])) for start in range(folds)]


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

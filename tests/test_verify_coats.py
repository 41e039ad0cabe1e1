"""White and dark mice through the whole chain (`make verify`): drawn video, pose, faces, training, verdict.

`test_verify_novelty.py` asks by the distance of faces cut at their true places; here nothing is given. A pose
network of white mice and one of dark mice are trained once, on animals of their own (seed 900). Each seed
then draws eight white animals to train on, three new white ones and three dark ones; the dark ones are looked
at by the pose network of white mice, and by their own, as Kobayashi et al. did for C57BL/6. Small: 1 minute a
recording, 64 px. By estimate (one core) two to three minutes for each pose network and up to two for a seed:
three seeds, not ten, to stay near ten minutes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from demonstration import ROOT
from filelock import FileLock

from painlib.cohort import Recording, iter_recordings, load_cohort
from painlib.demo import DemoParams, draw_cohort
from painlib.faces import FaceStore, extract_cohort, load_network_inputs
from painlib.faces.pose_source import choose_threshold, prepare_pose_network
from painlib.judging import judge_recordings
from painlib.model_card import LABELS, CardMetrics, CropFacts, ModelCard, TrainingAnimal
from painlib.novelty import (
    Novelty,
    Reference,
    check_cohort,
    examine_attribution,
    make_cohort_reference,
)
from painlib.params import CropParams, PredictParams, TrainParams, load_run
from painlib.provenance import provenance_path
from painlib.training import TrainedNet, train_classifier
from painlib.validation import cross_validate
from painlib.weak_labels import label_faces

SEEDS = (1, 2, 3)
POSE_SEED = 900
CROP_PX = 112
SIZES = {"input_px": 64, "epochs": 4, "faces_per_epoch": 1500, "folds": 4}
pytestmark = pytest.mark.verify


@dataclass(frozen=True)
class Pose:
    """A trained pose network, and the likelihood from which it counts a point as seen."""

    network: Path
    threshold: float


@dataclass(frozen=True)
class Model:
    """What 02_train makes of white mice."""

    trained: TrainedNet
    card: ModelCard
    reference: Reference


def draw(folder: Path, seed: int, coat: str, **sizes: int) -> Path:
    """A small cohort's table: 30 frames a camera of each recording."""
    params = {
        "strength": 1.0, "width": 480, "height": 270, "fps": 0.5, "training_minutes": 1, "workers": 1,
        "assay_pre_minutes": 1, "assay_post_minutes": 1, "label_frames_per_video": 12, "label_animals": 1,
    } | sizes  # fmt: skip
    return draw_cohort(folder / "cohort", DemoParams(seed=seed, coat=coat, **params))


def read_stage(name: str, folder: Path, seed: int, **changes: object):
    """A stage's parameters of params/demo.yaml in a folder of their own."""
    params = load_run(ROOT / "params" / "demo.yaml", ROOT / "notebooks").stages[name]
    where = {"workdir": folder, "cohort": folder / "cohort" / "cohort.csv", "seed": seed, "workers": 1}
    return params.model_copy(update={**where, **changes})


@pytest.fixture(scope="module")
def poses(kept) -> dict[str, Pose]:
    """The pose network of each coat, trained on four animals of that coat alone; made by the first process
    that asks, and read by the others."""
    kept.mkdir(parents=True, exist_ok=True)
    with FileLock(kept / "pose_of_coats.lock"):
        return {coat: train_pose(kept / f"pose_{coat}", coat) for coat in ("white", "dark")}


def train_pose(folder: Path, coat: str) -> Pose:
    """A pose network of one coat. What is finished in `folder` is kept."""
    sizes = {"training_animals": 4, "label_animals": 4, "assay_animals_per_group": 0}
    labels = draw(folder, POSE_SEED, coat, **sizes).with_name("labels.csv")
    crop = read_stage("crop", folder, POSE_SEED, labels=labels, crop_px=CROP_PX)
    assert isinstance(crop, CropParams)
    pose = prepare_pose_network(crop)
    return Pose(Path(pose.network_path), choose_threshold(crop, pose.evaluation))


def cut_faces(folder: Path, cohort: Path, pose: Pose, seed: int) -> list[Recording]:
    """The cohort's recordings, with pose and faces in `folder`."""
    recordings = iter_recordings(load_cohort(cohort))
    crop = read_stage(
        "crop", folder, seed, pose_source="network", pose_network=pose.network, labels=None, crop_px=CROP_PX
    )
    _, faults = extract_cohort(
        recordings, folder, params=crop, network_path=pose.network, threshold=pose.threshold, crop_px=CROP_PX
    )
    assert faults.empty, faults.to_string()
    # What the record of 01_crop says to later stages.
    facts = {"crop_px": CROP_PX, "border": crop.border, "likelihood_threshold": pose.threshold}
    record = provenance_path("crop", folder)
    record.parent.mkdir(exist_ok=True)
    record.write_text(json.dumps({"facts": facts, "params": {"jpeg_quality": crop.jpeg_quality}}))
    return recordings


def train(folder: Path, labelled: list[Recording], seed: int) -> Model:
    """The classifier of all labelled animals, and what they show while they are held out, as in 02_train."""
    settings = read_stage("train", folder, seed, **SIZES)
    assert isinstance(settings, TrainParams)
    faces = label_faces(FaceStore(folder, labelled).index, labelled)
    inputs = load_network_inputs(
        FaceStore(folder, labelled), faces.index, settings.input_px, folder / "inputs.npy"
    )
    examine = examine_attribution(inputs, faces, folder, settings.batch, "cpu", seed)
    validation = cross_validate(inputs, faces, settings, settings.folds, seed, examine=examine)
    reference = make_cohort_reference(inputs, faces, validation, labelled, folder, seed)
    trained = train_classifier(inputs, faces["label"].to_numpy(), np.arange(len(faces)), settings, seed)
    weights = b"".join(part.cpu().numpy().tobytes() for part in trained.net.state_dict().values())
    counts = faces["subject"].value_counts()
    card = ModelCard(
        architecture=trained.net.architecture,
        labels=LABELS,
        training_animals=tuple(
            TrainingAnimal(subject=str(name), sex="", n_faces=int(n)) for name, n in counts.items()
        ),
        crop=CropFacts(crop_px=CROP_PX, border="shift", likelihood_threshold=0.9),
        pose_network=None,
        metrics=CardMetrics(held_out={}, training_set={}),
        training={},
        seed=seed,
        versions={},
        weights_sha256=hashlib.sha256(weights).hexdigest(),
    )
    return Model(trained, card, reference)


def ask(folder: Path, new: list[Recording], model: Model, seed: int) -> Novelty:
    """The verdict as 03_predict gives it, on recordings cut into `folder`."""
    params = read_stage("predict", folder, seed)
    assert isinstance(params, PredictParams)
    frames = judge_recordings(new, model.trained.net, model.card, params)
    return check_cohort(model.reference, model.card, new, frames, folder, seed)


def tell(novelty: Novelty) -> dict:
    """What is printed of a verdict."""
    rows = novelty.animals[["subject", "inside", "reasons"]].to_dict("records")
    animals = [
        {name: text for name, text in row.items() if text != ""} for row in rows if row["inside"] != "inside"
    ]
    return {"verdict": novelty.state, "animals": len(rows), "not inside": animals}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_model_of_white_mice_knows_white_ones_and_not_dark_ones_whatever_finds_their_faces(
    seed, kept, poses
):
    white = kept / f"coats{seed}_white"
    cohort = draw(white, seed, "white", training_animals=8, assay_animals_per_group=1)
    recordings = cut_faces(white, cohort, poses["white"], seed)
    model = train(white, [one for one in recordings if one.label], seed)
    found = {"white, new animals": ask(white, [one for one in recordings if not one.label], model, seed)}

    dark = kept / f"coats{seed}_dark"
    cohort = draw(dark, 1000 + seed, "dark", training_animals=1, assay_animals_per_group=1)
    for name, coat in (("dark, pose network of white mice", "white"), ("dark, own pose", "dark")):
        folder = dark.with_name(f"{dark.name}_{'own_pose' if coat == 'dark' else 'white_pose'}")
        folder.mkdir(exist_ok=True)
        new = [one for one in cut_faces(folder, cohort, poses[coat], seed) if not one.label]
        found[name] = ask(folder, new, model, seed)

    print("\n", json.dumps({"seed": seed, **{name: tell(one) for name, one in found.items()}}))
    limits = pd.DataFrame(found["white, new animals"].limits)[["measure", "typical", "limit"]].round(3)
    print(limits.to_string(index=False))
    states = {name: novelty.state for name, novelty in found.items()}
    assert states == {
        "white, new animals": "inside",
        "dark, pose network of white mice": "outside",
        "dark, own pose": "outside",
    }

"""Attribution on drawn assay animals against the truth of where their head and its parts are; long checks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from demonstration import ROOT, join_truth, train_on_labels

from painlib.attribution import (
    attribute_gradcam,
    compute_integrated_gradients,
    randomise_parameters,
    upsample,
)
from painlib.cohort import iter_recordings, load_cohort
from painlib.demo.true_regions import crop_regions, render_regions
from painlib.faces.store import FaceStore, load_network_inputs
from painlib.model import PainNet
from painlib.model_card import LABELS
from painlib.params import TrainParams, load_run
from painlib.regions import (
    REGIONS,
    compare_flags,
    load_landmarks,
    place_regions,
    propose_regions,
)

HEAD = ("head", "forehead", "ear top", "ear base", "eye", "cheek", "nose", "mouth")
MOVED = ("ear top", "ear base", "eye", "cheek", "nose")  # what the action units move, whiskers left out
GRADIENT_STEPS = 16
# A cell of the sixth convolution sees 127 px: at the demonstration's 96 px the whole face, at 224 px a part.
FINER = {"input_px": 224, "epochs": 3, "faces_per_epoch": 3000}
Attribute = Callable[[PainNet, torch.Tensor, str], np.ndarray]


def measure_attribution(
    folder: Path, seed: int, threshold: float, finer: bool = False, per_animal: int = 30
) -> dict:
    """Shares of attribution on the head and on the parts that pain moves, over their shares of the area.

    `folder`: a demonstration that `run_demonstration` ended; faces of assay animals, half of them with latent
    pain of at least 0.5 where there are such; each map is of the class that the network called. Every share
    beside the one under scrambled weights, with a bootstrap interval over animals; and the proposals by
    template against those by the true regions, kappa a region. `finer`: the same faces and animals at 224 px
    (a shorter training), and Grad-CAM alone.
    """
    train = load_run(ROOT / "params" / "demo.yaml", ROOT / "notebooks").stages["train"]
    assert isinstance(train, TrainParams)
    if finer:
        train = train.model_copy(update=FINER)
    recordings = iter_recordings(load_cohort(folder / "cohort" / "cohort.csv"))
    store = FaceStore(folder)
    _, _, net = train_on_labels(folder, store, recordings, train, seed, "finer" if finer else "net")
    rows = choose_faces(folder, store, [r.name for r in recordings if not r.label], per_animal, seed)
    faces = store.index.iloc[rows].reset_index(drop=True)
    inputs = np.array(load_network_inputs(store, rows, train.input_px, folder / f"shown{train.input_px}.npy"))
    true = true_regions(folder, faces, train.input_px)
    images = torch.from_numpy(inputs).permute(0, 3, 1, 2)
    with torch.inference_mode():
        called = net.probabilities(images).numpy().argmax(axis=1)
    scrambled = randomise_parameters(net, seed, images=images)

    def integrate(other: PainNet, shown: torch.Tensor, label: str) -> np.ndarray:
        return compute_integrated_gradients(other, shown, label, GRADIENT_STEPS).maps

    methods: dict[str, Attribute] = {"Grad-CAM": attribute_gradcam}
    if not finer:
        methods["integrated gradients"] = integrate
    found: dict = {"faces": len(faces), "animals": int(faces["subject"].nunique())}
    for method, attribute in methods.items():
        for weights, judge in (("trained", net), ("scrambled", scrambled)):
            maps = map_called(attribute, judge, images, called)
            for name, regions in (("head", HEAD), ("moved parts", MOVED)):
                mask = np.isin(true, [REGIONS.index(region) for region in regions])
                ratio = share_over_area(maps, mask)
                found[f"{method}, {weights}, {name}"] = average_animals(ratio, faces["subject"], seed)
            if method == "Grad-CAM" and weights == "trained":
                found["map_size"] = list(maps.shape[1:])
                landmarks = load_landmarks(faces, folder, threshold)
                found["proposals"] = compare_proposals(maps, landmarks, true, faces["subject"], seed)
    return found


def choose_faces(folder: Path, store: FaceStore, names: list[str], per_animal: int, seed: int) -> np.ndarray:
    """Positions of faces of each animal, half with latent pain >= 0.5 and half below, while there are."""
    rows = np.flatnonzero(store.index["recording"].isin(names))
    faces = join_truth(folder, store.index.iloc[rows].reset_index(drop=True)).assign(place=rows)
    hurts = faces["latent_pain"] >= 0.5
    shuffled = faces.assign(hurts=hurts).sample(frac=1, random_state=seed)
    return np.sort(shuffled.groupby(["subject", "hurts"]).head(per_animal // 2)["place"].to_numpy())


def true_regions(folder: Path, faces: pd.DataFrame, px: int) -> np.ndarray:
    """Region numbers (n, px, px) of the faces, from drawing their frames again."""
    found = np.empty((len(faces), px, px), np.uint8)
    for (recording, camera), places in faces.groupby(["recording", "camera"]).indices.items():
        part = faces.iloc[places]
        drawn = render_regions(folder / "cohort", recording, camera, part["frame"].to_numpy())
        found[places] = crop_regions(drawn, part, px)
    return found


def map_called(attribute: Attribute, net: PainNet, images: torch.Tensor, called: np.ndarray) -> np.ndarray:
    """Each face's map of the class that was called."""
    parts = {code: np.flatnonzero(called == code) for code in range(len(LABELS))}
    maps = {code: attribute(net, images[rows], LABELS[code]) for code, rows in parts.items() if len(rows)}
    first = next(iter(maps.values()))
    found = np.empty((len(images), *first.shape[1:]), np.float64)
    for code, made in maps.items():
        found[parts[code]] = made
    return found


def share_over_area(maps: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Share of each map's attribution inside `mask` (n, px, px) over the mask's share of the area; 1: as if
    spread evenly. NaN where the map is all zero or the mask is empty."""
    laid = upsample(maps, mask.shape[1]).astype(np.float64)
    total, area = laid.sum(axis=(1, 2)), mask.mean(axis=(1, 2))
    inside = (laid * mask).sum(axis=(1, 2))
    some = (total > 0) & (area > 0)
    return np.where(some, inside / np.where(some, total * area, 1), np.nan)


def average_animals(values: np.ndarray, subjects: pd.Series, seed: int) -> list[float]:
    """Mean over animals and its 95 % bootstrap interval."""
    animals = pd.Series(values).groupby(subjects.to_numpy()).mean().dropna().to_numpy()
    drawn = np.random.default_rng(seed).choice(animals, (9999, len(animals))).mean(axis=1)
    return [round(float(value), 3) for value in (animals.mean(), *np.quantile(drawn, [0.025, 0.975]))]


def compare_proposals(
    maps: np.ndarray, landmarks: pd.DataFrame, true: np.ndarray, subjects: pd.Series, seed: int
) -> dict:
    """Kappa of each region between proposals by template and by the true outlines, and their mean."""
    px = true.shape[1]
    outlines = true[:, None] == np.arange(len(REGIONS))[None, :, None, None]
    by_template = propose_regions(maps, place_regions(landmarks, px))
    table = compare_flags(by_template, propose_regions(maps, outlines), subjects.to_numpy(), seed)
    kappa = table.set_index("region")[["kappa", "ci_low", "ci_high"]].round(3)
    return {str(region): row.tolist() for region, row in kappa.iterrows()}

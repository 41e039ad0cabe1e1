"""What a reviewer asks of attribution maps, measured on faces of many animals, the animal as the unit.

Do two methods agree? Does a map change when the weights are scrambled, layer by layer? Does the probability
follow when what a map names is taken away, or put back?
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from painlib.attribution.gradcam import attribute_gradcam
from painlib.attribution.second_method import (
    compare_with_randomised,
    compute_deletion_insertion,
    compute_integrated_gradients,
    correlate_ranks,
    list_layers,
)
from painlib.faults import PainlibError
from painlib.model import LABELS, PainNet, choose_device
from painlib.progress import report_progress

METHODS = ("Grad-CAM", "integrated gradients")
RESAMPLES = 2000


@dataclass(frozen=True)
class AttributionChecks:
    """Three checks; every mean is over animals, with a bootstrap interval over animals (95 %).

    `agreement`: what, mean, ci_low, ci_high, n_animals, n_faces: Spearman's correlation of the two methods'
    maps of a face, at the size of Grad-CAM's, and the gap of integrated gradients. `cascade`: method,
    n_layers (drawn anew, counted from the output), layer, and the same columns: correlation with the map
    under the true weights. `curves`: method, way (deletion, insertion, random_deletion, random_insertion),
    share of pixels, and the probability of the face's own class. `areas`: method, way, area under its curve.
    """

    agreement: pd.DataFrame
    cascade: pd.DataFrame
    curves: pd.DataFrame
    areas: pd.DataFrame
    map_size: tuple[int, int]


def pick_checked(faces: pd.DataFrame, n: int, seed: int) -> np.ndarray:
    """Positions of about `n` faces, drawn at random: as many of each animal and class as there are, alike.

    `faces`: `subject` and `label`. A class of an animal with fewer faces gives all of them.
    """
    label, subject = faces["label"].to_numpy(), faces["subject"].to_numpy()
    groups = [
        np.flatnonzero((label == one) & (subject == animal))
        for one, animal in sorted(set(zip(label.tolist(), subject.tolist(), strict=True)))
    ]
    share = max(1, n // max(len(groups), 1))
    rng = np.random.default_rng(seed)
    drawn = [rng.choice(rows, min(share, len(rows)), replace=False) for rows in groups]
    if n < len(drawn):
        # Fewer faces than groups: as many of each class, whatever animal.
        order = rng.permutation(len(drawn))
        turn = pd.Series(order).groupby([label[groups[place][0]] for place in order]).cumcount().to_numpy()
        drawn = [drawn[place] for place in order[np.argsort(turn, kind="stable")][:n]]
    return np.sort(np.concatenate(drawn)) if drawn else np.empty(0, np.int64)


def check_attribution(
    net: PainNet,
    images: np.ndarray,
    labels: np.ndarray,
    subjects: np.ndarray,
    seed: int,
    *,
    gradient_steps: int = 32,
    steps: int = 16,
    device: str = "auto",
) -> AttributionChecks:
    """Run all checks on faces `images` (n, px, px, 3) uint8 RGB with `labels` ("no pain", "pain").

    Each face's map is that of its own label. About 3 `gradient_steps` + 8 `steps` + 40 judgements a face.
    """
    labels, subjects = np.asarray(labels), np.asarray(subjects)
    if not len(images) or not len(images) == len(labels) == len(subjects):
        raise PainlibError(
            f"Expected at least one face, and a label and a subject for each, got {len(images)} images, "
            f"{len(labels)} labels and {len(subjects)} subjects."
        )
    place = choose_device(device)
    net.to(place).eval()
    found: list[pd.DataFrame] = []
    present = [label for label in LABELS if (labels == label).any()]
    size = (0, 0)
    for done, label in enumerate(present):
        report_progress("Checking attribution", done, len(present))
        here = np.flatnonzero(labels == label)
        shown = torch.from_numpy(np.ascontiguousarray(images[here])).permute(0, 3, 1, 2).to(place)
        maps = attribute_gradcam(net, shown, label)
        size = (int(maps.shape[1]), int(maps.shape[2]))
        part = _check_class(net, shown, maps, label, seed, gradient_steps, steps)
        found.append(part.assign(subject=subjects[here][part["face"].to_numpy()]))
    report_progress("Checking attribution", len(present), len(present))
    everything = pd.concat(found, ignore_index=True)
    return AttributionChecks(
        agreement=_average(everything, "agreement", ["what"], seed),
        cascade=_average(everything, "cascade", ["method", "n_layers", "layer"], seed),
        curves=_average(everything, "curves", ["method", "way", "share"], seed),
        areas=_average(everything, "areas", ["method", "way"], seed),
        map_size=size,
    )


def _check_class(
    net: PainNet, images: Tensor, maps: np.ndarray, label: str, seed: int, gradient_steps: int, steps: int
) -> pd.DataFrame:
    """All values of one class's faces, long: check, face, its keys, value."""

    def integrate(other: PainNet, shown: Tensor, name: str) -> np.ndarray:
        return compute_integrated_gradients(other, shown, name, gradient_steps).maps

    second = compute_integrated_gradients(net, images, label, gradient_steps)
    coarse = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(second.maps)[:, None], maps.shape[1:])
    missed = np.abs(second.gap) / np.maximum(np.abs(second.difference), 1e-12)
    rows = [_tell("agreement", correlate_ranks(maps, coarse[:, 0].numpy()), what="Spearman, two methods")]
    rows.append(_tell("agreement", missed, what="gap of integrated gradients, share"))
    attribute: dict[str, Callable[[PainNet, Tensor, str], np.ndarray]] = dict(
        zip(METHODS, (attribute_gradcam, integrate), strict=True)
    )
    layers = list(list_layers(net))
    for method, n_layers in [
        *((METHODS[0], n) for n in range(1, len(layers) + 1)),
        (METHODS[1], len(layers)),
    ]:
        values = compare_with_randomised(net, images, label, seed, n_layers, attribute[method])
        rows.append(_tell("cascade", values, method=method, n_layers=n_layers, layer=layers[n_layers - 1]))
    for method, drawn in zip(METHODS, (maps, second.maps), strict=True):
        followed = compute_deletion_insertion(net, images, drawn, label, steps, seed)
        curves = followed._asdict()
        shares = curves.pop("shares")
        for way, curve in curves.items():
            for share, values in zip(shares, curve.T, strict=True):
                rows.append(_tell("curves", values, method=method, way=way, share=float(share)))
        for name, area in followed.summarise().items():
            rows.append(_tell("areas", area.to_numpy(), method=method, way=str(name)))
    return pd.concat(rows, ignore_index=True)


def _tell(check: str, values: np.ndarray, **keys: object) -> pd.DataFrame:
    return pd.DataFrame({"check": check, "face": np.arange(len(values)), **keys, "value": values})


def _average(everything: pd.DataFrame, check: str, keys: list[str], seed: int) -> pd.DataFrame:
    """Faces into animals, animals into mean and interval; a face without a value is left out."""
    here = everything[(everything["check"] == check) & everything["value"].notna()]
    animals = here.groupby([*keys, "subject"], sort=False)["value"].agg(["mean", "size"]).reset_index()
    rows = []
    for key, group in animals.groupby(keys, sort=False):
        values = group["mean"].to_numpy()
        drawn = np.random.default_rng(seed).choice(values, size=(RESAMPLES, len(values))).mean(axis=1)
        low, high = np.quantile(drawn, [0.025, 0.975]) if len(values) > 1 else (np.nan, np.nan)
        told = dict(zip(keys, key if isinstance(key, tuple) else (key,), strict=True))
        rows.append(
            {
                **told,
                "mean": values.mean(),
                "ci_low": low,
                "ci_high": high,
                "n_animals": len(values),
                "n_faces": int(group["size"].sum()),
            }
        )
    return pd.DataFrame(rows, columns=[*keys, "mean", "ci_low", "ci_high", "n_animals", "n_faces"])

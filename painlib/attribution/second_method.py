"""A second method of attribution, and two checks that a map says something about the network.

`images` are (n, 3, px, px) RGB, uint8 or float, 0..255, on the network's device; `label` is "no pain" or
"pain". The network is left in evaluation mode.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Literal, NamedTuple

import cv2
import numpy as np
import pandas as pd
import torch
from scipy.integrate import trapezoid
from scipy.stats import rankdata
from torch import Tensor, nn

from painlib.attribution.gradcam import attribute_gradcam, find_output
from painlib.attribution.maps import upsample
from painlib.faults import PainlibError
from painlib.model import PainNet

Fill = Literal["blur", "mean"]
BLUR_SHARE = 0.1  # ours: spread of the blur, as a share of the face's side; no eye or ear edge is left
MEASURED_AT_ONCE = 128  # faces


class IntegratedGradients(NamedTuple):
    """Integrated gradients of n faces and how far each sum misses what it should be."""

    maps: np.ndarray  # (n, px, px), >= 0: positive attribution of each pixel, in logits
    gap: np.ndarray  # (n,): sum of all attribution - difference; 0 with infinitely many steps
    difference: np.ndarray  # (n,): logit of the face - logit of its baseline


class DeletionInsertion(NamedTuple):
    """Probability of the class while pixels are taken away, or put back, in the order of a map."""

    shares: np.ndarray  # (steps + 1,): share of the pixels changed, 0..1
    deletion: np.ndarray  # (n, steps + 1): low where the map names what the network uses
    insertion: np.ndarray  # (n, steps + 1): high where it does
    random_deletion: np.ndarray  # (n, steps + 1): the same in the order of a random map
    random_insertion: np.ndarray  # (n, steps + 1)

    def summarise(self) -> pd.DataFrame:
        """Area under each curve, 0..1, one row a face: the curve's mean over the shares (trapezoids)."""
        curves = self._asdict()
        shares = curves.pop("shares")
        return pd.DataFrame({name: trapezoid(curve, shares, axis=1) for name, curve in curves.items()})


def compute_integrated_gradients(
    net: PainNet, images: Tensor, label: str, n_steps: int = 32, batch: int = 256
) -> IntegratedGradients:
    """Integrated gradients of the class's logit (Sundararajan et al. 2017; Captum), pixel by pixel.

    Baseline: the image's own mean colour. The way from baseline to image is walked in standardised images,
    with the image's own mean and spread: standardising anew at each step would undo it, as a face at a tenth
    of its contrast is the same face to the network. A pixel's attribution is the sum over colours, negative
    ones set to 0. `batch` images, steps counted, are in memory at once.
    """
    # Captum brings matplotlib along, which prediction has no use for.
    from captum.attr import IntegratedGradients as CaptumIntegratedGradients

    output = find_output(label)
    net.eval()
    captum = CaptumIntegratedGradients(lambda x: net.judge_convolved(net.convolve_standardised(x)))
    maps, gaps, totals = [], [], []
    for part in images.split(max(1, batch // n_steps)):
        faces = net.standardise(part.to(next(net.parameters()).dtype))
        baseline = faces.mean(dim=(2, 3), keepdim=True).expand_as(faces)
        attribution, gap = captum.attribute(
            faces, baseline, target=output, n_steps=n_steps, return_convergence_delta=True
        )
        maps.append(attribution.sum(dim=1).clamp_min(0).detach().cpu().numpy())
        gaps.append(gap.detach().cpu().numpy())
        totals.append(attribution.sum(dim=(1, 2, 3)).detach().cpu().numpy())
    gap = np.concatenate(gaps)
    return IntegratedGradients(np.concatenate(maps), gap, np.concatenate(totals) - gap)


def list_layers(net: PainNet) -> dict[str, nn.Module]:
    """The nine layers with weights by name, from the output down to the first convolution block."""
    parts = [("fully_connected", net.fully_connected), ("blocks", net.blocks)]
    return {
        f"{name}.{number}": layers[number]
        for name, layers in parts
        for number in reversed(range(len(layers)))
    }


def randomise_parameters(
    net: PainNet, seed: int, n_layers: int | None = None, images: Tensor | None = None
) -> PainNet:
    """A copy whose first `n_layers` of `list_layers` (None: all) are drawn anew, as before training.

    Counted from the output down, so that 1, 2, ... 9 give the cascade of Adebayo et al. 2018; with one seed a
    layer is drawn alike in each. `images`: the batch normalisations drawn anew are measured on these faces.
    Without them their statistics are those of an untrained network, whose deep layers hardly see the image.
    """
    layers = list(list_layers(net))
    if n_layers is not None and not 0 <= n_layers <= len(layers):
        raise PainlibError(f"Expected `n_layers` from 0 to {len(layers)}, got {n_layers}.")
    scrambled = copy.deepcopy(net).cpu().eval()
    found = list_layers(scrambled)
    drawn = [module for name in layers[:n_layers] for module in found[name].modules()]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in drawn:
            if isinstance(module, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
                module.reset_parameters()
    scrambled.to(next(net.parameters()).device)
    if images is not None:
        _measure_norms(scrambled, [module for module in drawn if isinstance(module, nn.BatchNorm2d)], images)
    return scrambled


def compare_with_randomised(
    net: PainNet,
    images: Tensor,
    label: str,
    seed: int,
    n_layers: int | None = None,
    attribute: Callable[[PainNet, Tensor, str], np.ndarray] = attribute_gradcam,
) -> np.ndarray:
    """Spearman's rank correlation (n,) of each face's map with its map under scrambled weights.

    The parameter randomisation check of Adebayo et al. 2018, sec. 3: near 0 the map depends on what the
    network has learned, near 1 it shows the picture whatever the weights. `attribute` makes maps (n, h, w).
    `n_layers` as in `randomise_parameters`, which measures its normalisations on these images. NaN where
    either map is the same everywhere (all zero): such a map has no order.
    """
    scrambled = randomise_parameters(net, seed, n_layers, images)
    true, random = attribute(net, images, label), attribute(scrambled, images, label)
    return correlate_ranks(true, random)


def correlate_ranks(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation (n,) of maps (n, h, w) with others of the same size, face by face.

    Ties get their mean rank; NaN where a map is the same everywhere, and so has no order.
    """
    a, b = (rankdata(maps.reshape(len(maps), -1), axis=1) for maps in (one, other))
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    scale = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return np.where(scale > 0, (a * b).sum(axis=1) / np.where(scale > 0, scale, 1), np.nan)


def compute_deletion_insertion(
    net: PainNet,
    images: Tensor,
    maps: np.ndarray,
    label: str,
    steps: int = 16,
    seed: int = 0,
    fill: Fill = "blur",
    batch: int = 256,
) -> DeletionInsertion:
    """Probability of the class while the pixels that `maps` (n, h, w) name first are deleted, or inserted.

    Petsiuk et al. 2018. A deleted pixel takes the value of the blurred image (`fill` "blur") or of the
    image's mean colour ("mean"); insertion starts from that image and puts the true pixels back. Maps coarser
    than the image are stretched (`upsample`); ties are broken at random by `seed`, so that an all-zero map
    means random order. The random maps to compare with are of the same h x w: single pixels deleted at random
    are a noise of another kind than a region.
    """
    if len(maps) != len(images):
        raise PainlibError(f"Expected a map for each of {len(images)} faces, got {len(maps)}.")
    output = find_output(label)
    net.eval()
    draw = np.random.default_rng(seed)
    px = images.shape[-1]
    whole = images.to(next(net.parameters()).dtype)
    filled = _fill(whole, fill)
    curves = []
    for order in (maps, draw.random(np.shape(maps))):
        ranks = torch.from_numpy(_rank_pixels(upsample(order, px), draw)).to(images.device)
        curves.append(_follow(net, filled, whole, ranks, output, steps, batch))
        curves.append(_follow(net, whole, filled, ranks, output, steps, batch))
    insertion, deletion, random_insertion, random_deletion = curves
    shares = np.arange(steps + 1) / steps
    return DeletionInsertion(shares, deletion, insertion, random_deletion, random_insertion)


def _measure_norms(net: PainNet, norms: list[nn.BatchNorm2d], images: Tensor) -> None:
    """Mean and variance of these normalisations over all images, each batch counting alike."""
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    with torch.no_grad():
        for part in images.split(MEASURED_AT_ONCE):
            net(part)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()


def _fill(images: Tensor, fill: Fill) -> Tensor:
    """What stands in for deleted pixels, shaped as `images`."""
    if fill == "mean":
        return images.mean(dim=(2, 3), keepdim=True).expand_as(images)
    if fill != "blur":
        raise PainlibError(f"Expected `fill` 'blur' or 'mean', got {fill!r}.")
    spread = BLUR_SHARE * images.shape[-1]
    pictures = images.permute(0, 2, 3, 1).cpu().numpy()
    blurred = [cv2.GaussianBlur(picture, (0, 0), spread) for picture in pictures]
    return torch.from_numpy(np.stack(blurred)).permute(0, 3, 1, 2).to(images.device)


def _rank_pixels(maps: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """(n, px, px): 0 for the pixel with the highest attribution; ties in random order."""
    flat = maps.reshape(len(maps), -1)
    order = np.lexsort((draw.random(flat.shape), -flat), axis=1)
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(flat.shape[1])[None], axis=1)
    return ranks.reshape(maps.shape)


def _follow(
    net: PainNet, begin: Tensor, end: Tensor, ranks: Tensor, output: int, steps: int, batch: int
) -> np.ndarray:
    """Probabilities (n, steps + 1) while the pixels of `begin` become those of `end`, lowest rank first."""
    curve = np.empty((len(begin), steps + 1))
    for step in range(steps + 1):
        changed = (ranks < round(step / steps * ranks[0].numel()))[:, None]
        for start in range(0, len(begin), batch):
            here = slice(start, start + batch)
            with torch.inference_mode():
                mixed = torch.where(changed[here], end[here], begin[here])
                curve[here, step] = net.probabilities(mixed)[:, output].numpy()
    return curve

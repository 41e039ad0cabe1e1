"""Grad-CAM at the sixth convolution (Kobayashi et al. 2025, "Interpretation"; Selvaraju et al. 2017).

Method: A is the sixth convolution's own output, (channels, h, w); a class's weight of channel k is the mean
over h and w of the gradient of the class's logit with respect to A_k; the raw map is
ReLU(sum over k of weight_k A_k). Behind A stand only ReLU, normalisation, pooling, average and the fully
connected head. So the trunk runs once, without gradients, as in prediction, and both classes' gradients go
back through that small part alone, a batch at a time.

Cost beside prediction, both classes, one CPU core, network of params/kobayashi2025.yaml: 0.09 ms a face at
128 px, 0.2 at 224 px (the trunk takes 14 ms in OpenVINO, 23 in torch); for the paper's 545,000 faces 50 s
and 2 min of CPU time, 35 and 107 MB on disk.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from painlib.face_judge import open_judge
from painlib.faults import PainlibError
from painlib.model import LABELS, PainNet
from painlib.prediction import iter_batches


class JudgedFaces(NamedTuple):
    """What one sweep over n faces gives; n_outputs classes, maps of h x w."""

    probabilities: np.ndarray  # (n, n_outputs) float64, rows sum to 1
    maps: np.ndarray  # (n, n_outputs, h, w) float16, each min-max normalised to 0..1
    peaks: np.ndarray  # (n, n_outputs) float64, the raw maps' maxima, >= 0


def compute_gradcam(net: PainNet, images: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (n, n_outputs) and raw maps (n, n_outputs, h, w), >= 0, of every class at once.

    `images`: (n, 3, px, px) RGB, uint8 or float, 0..255, on the network's device; h = w = px // 32. Both
    results are in the dtype of the network's weights and carry no gradients. The network is left in
    evaluation mode: in training mode one face's map would depend on the others of its batch. A map is all
    zero where nothing speaks for the class.
    """
    net.eval()
    with torch.no_grad():
        convolved = net.convolve(images)
    return map_convolved(net, convolved)


def map_convolved(net: PainNet, convolved: Tensor) -> tuple[Tensor, Tensor]:
    """`compute_gradcam` from what `PainNet.convolve` gives; the network is in evaluation mode."""
    with torch.enable_grad():
        logits = net.judge_convolved(convolved.requires_grad_())
        gradients = [
            # The sum over faces: a face's logit depends on its own map alone.
            torch.autograd.grad(logits[:, label].sum(), convolved, retain_graph=True)[0]
            for label in range(logits.shape[1])
        ]
    weights = torch.stack([gradient.mean(dim=(2, 3)) for gradient in gradients], dim=1)
    raw = torch.einsum("nck,nkhw->nchw", weights, convolved.detach()).relu()
    return logits.detach(), raw


def normalise_maps(raw: Tensor | np.ndarray) -> np.ndarray:
    """Each map (..., h, w) min-max normalised to 0..1 (paper, "Interpretation").

    A map with one value everywhere, as an all-zero one, shows no place before another: it becomes 0.
    """
    maps = raw.detach().cpu().numpy() if isinstance(raw, Tensor) else np.asarray(raw)
    lowest = maps.min(axis=(-2, -1), keepdims=True)
    spread = maps.max(axis=(-2, -1), keepdims=True) - lowest
    return (maps - lowest) / np.where(spread > 0, spread, 1)


def judge_with_maps(
    net: PainNet, inputs: np.ndarray, batch: int, device: str = "auto", precision: str = "float32"
) -> JudgedFaces:
    """Probabilities as `predict_faces` gives them, and the Grad-CAM maps of every class, in one sweep.

    Arguments as in `predict_faces`. float16 holds a normalised map within 0.0003. Memory: with two classes
    about 30 h w + 50 bytes a face, for a recording of 36,000 faces at 224 px 55 MB.
    """
    n_outputs, side = net.architecture.n_outputs, net.architecture.input_px // 32
    logits = torch.empty((len(inputs), n_outputs))
    raw = torch.empty((len(inputs), n_outputs, side, side))
    judge = open_judge(net, device, precision)
    for place, faces in iter_batches(net, inputs, batch, device):
        logits[place], raw[place] = map_convolved(judge.net, judge.convolve(faces))
    probabilities = torch.softmax(logits.double(), dim=1).numpy()
    peaks = raw.numpy().max(axis=(2, 3)).astype(np.float64)
    return JudgedFaces(probabilities, normalise_maps(raw).astype(np.float16), peaks)


def attribute_gradcam(net: PainNet, images: Tensor, label: str, batch: int = 256) -> np.ndarray:
    """Normalised Grad-CAM (n, h, w) for one class ("no pain" or "pain"); `images` as in `compute_gradcam`."""
    output = find_output(label)
    return np.concatenate(
        [normalise_maps(compute_gradcam(net, part)[1][:, output]) for part in images.split(batch)]
    )


def find_output(label: str) -> int:
    """The output of a class by its name; another name raises `PainlibError`."""
    if label not in LABELS:
        raise PainlibError(f"Expected a class, one of {', '.join(map(repr, LABELS))}, got {label!r}.")
    return LABELS.index(label)

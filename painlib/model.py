"""The classifier of Kobayashi et al. 2025 ("Classifier"), and the folder it is kept in: weights and a card,
no code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import safetensors
import torch
from pydantic import ValidationError
from safetensors.torch import load as load_tensors, save as dump_tensors
from torch import Tensor, nn

from painlib.faults import PainlibError
from painlib.model_card import (
    CARD_FILE,
    LABELS,
    WEIGHTS_FILE,
    Architecture,
    ModelCard,
    list_errors,
    read_card,
    read_model_file,
)
from painlib.tables import write_whole


class ConvolutionBlock(nn.Module):
    """3 x 3 convolution (stride 1, padding 1), ReLU, batch normalisation, 2 x 2 max pooling, in the paper's
    order."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, kernel_size=3, stride=1, padding=1)
        self.relu = nn.ReLU()
        self.norm = nn.BatchNorm2d(n_out)
        self.pool = nn.MaxPool2d(kernel_size=2, stride=2)

    def find_map(self, convolved: Tensor) -> Tensor:
        """The block's map before its pooling, (n, n_out, height, width), from its convolution's output."""
        return self.norm(self.relu(convolved))

    def forward(self, x: Tensor) -> Tensor:
        convolved = self.conv(x)
        if self.norm.training and convolved.dtype == torch.bfloat16:
            from painlib.pooled_norm import can_pool_normalised, pool_normalised

            if can_pool_normalised(convolved, self.norm):
                return pool_normalised(convolved, self.norm)
        if self.norm.training or torch.is_grad_enabled() or (self.norm.weight < 0).any():
            return self.pool(self.find_map(convolved))
        # Neither ReLU nor a scale >= 0 changes which of four values is the largest: the same numbers from a
        # quarter of the work, which takes a third off prediction on a CPU.
        return self.find_map(self.pool(convolved))


class PainNet(nn.Module):
    """Six convolution blocks, global average pooling, three fully connected blocks (paper, "Classifier").

    `channels`: widths of the six convolutions. `head_widths`: widths of the first two fully connected blocks;
    the third is the output. `input_px`: side of the face, at least 64. The paper gives none of these (its
    Table S1).

    The paper ends in "linear and ReLU, the last with softmax" and trains with cross entropy. Here softmax
    stands in the place of the last ReLU (before it, a ReLU would cut all evidence against a class), and the
    network returns what goes into softmax: cross entropy applies it once in training, `probabilities` once in
    prediction.

    The sixth convolution is `blocks[5].conv`. `head(features(images))` is the whole network, and so is
    `judge_convolved(convolve(images))`: cut there, Grad-CAM needs gradients through a small part only.
    """

    def __init__(
        self, channels: Sequence[int], head_widths: Sequence[int], input_px: int, n_outputs: int = len(LABELS)
    ) -> None:
        super().__init__()
        try:
            self.architecture = Architecture(
                channels=tuple(channels),
                head_widths=tuple(head_widths),
                input_px=input_px,
                n_outputs=n_outputs,
            )
        except ValidationError as error:
            raise PainlibError(f"This network cannot be built. {list_errors(error)}") from error
        self.blocks = nn.ModuleList(ConvolutionBlock(*widths) for widths in pairwise((3, *channels)))
        self.fully_connected = nn.ModuleList(
            nn.Linear(*widths) for widths in pairwise((channels[-1], *head_widths, n_outputs))
        )

    @property
    def _sixth(self) -> ConvolutionBlock:
        block = self.blocks[-1]
        assert isinstance(block, ConvolutionBlock)
        return block

    @staticmethod
    def standardise(images: Tensor) -> Tensor:
        """Images (n, 3, px, px), 0..255, each with its own mean at 0 and its own spread at 1; float32, or
        float64 where they come as that.

        Ours: exposure and white balance differ between cameras, laboratories and recordings, and should say
        nothing. An evenly grey image becomes 0.
        """
        x = images if images.dtype == torch.float64 else images.float()
        # Height, width, colour in a row, as they lie in memory: 8 to 15 times as quick as over three axes.
        rows = x.permute(0, 2, 3, 1).flatten(1)
        centred = rows - rows.mean(dim=1, keepdim=True)
        spread = torch.linalg.vector_norm(centred, dim=1, keepdim=True) / rows.shape[1] ** 0.5
        standard = centred / spread.clamp_min(1.0)  # 1: one grey level
        return standard.unflatten(1, (*x.shape[2:], x.shape[1])).permute(0, 3, 1, 2)

    def convolve(self, images: Tensor) -> Tensor:
        """The sixth convolution's own output, before ReLU and normalisation, (n, channels[5], px // 32,
        px // 32), in the dtype of the network's weights."""
        return self.convolve_standardised(self.standardise(images.to(self._sixth.conv.weight.dtype)))

    def convolve_standardised(self, x: Tensor) -> Tensor:
        """As `convolve`, for images that `standardise` has been through."""
        for block in self.blocks[:-1]:
            x = block(x)
        return self._sixth.conv(x)

    def judge_convolved(self, maps: Tensor) -> Tensor:
        """Logits (n, n_outputs) from `convolve`."""
        return self.head(self._sixth.find_map(maps))

    def features(self, images: Tensor) -> Tensor:
        """The sixth block's map before its pooling, (n, channels[5], px // 32, px // 32)."""
        return self._sixth.find_map(self.convolve(images))

    def head(self, features: Tensor) -> Tensor:
        """Logits (n, n_outputs) from `features`: the sixth pooling, the average, the fully connected
        blocks."""
        # mean() and not AdaptiveAvgPool2d: the same numbers, and its gradient repeats exactly on a GPU.
        x = self._sixth.pool(features).mean(dim=(2, 3))
        for layer in self.fully_connected[:-1]:
            x = torch.relu(layer(x))
        return self.fully_connected[-1](x)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, n_outputs) for images (n, 3, px, px), RGB, uint8 or float, 0..255."""
        return self.head(self.features(images))

    def probabilities(self, images: Tensor) -> Tensor:
        """Softmax of the logits, (n, n_outputs), float64 on the CPU (mps has no float64): rows sum to 1."""
        return torch.softmax(self(images).cpu().double(), dim=1)


def choose_device(name: str) -> torch.device:
    """`auto` takes cuda, then mps, then cpu; a device that is asked for and absent raises `PainlibError`."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, available in there.items() if available)
    if not there.get(name.split(":")[0], False):
        found = ", ".join(kind for kind, available in there.items() if available)
        raise PainlibError(
            f"Parameter `device`: expected a device of this machine ({found}, or auto), got '{name}'."
        )
    return torch.device(name)


def save_model(folder: str | Path, net: PainNet, card: ModelCard) -> ModelCard:
    """Write weights.safetensors and card.json into `folder`; gives back the card with the weights' hash in
    it.

    Other things in the folder (the pose network) stay. The card is written last: a folder whose writing was
    cut short has no card, or one that `load_model` refuses because the hash differs.
    """
    if net.architecture != card.architecture:
        raise PainlibError(
            f"The card says {card.architecture!r}, the network to save is {net.architecture!r}."
        )
    folder = Path(folder)
    weights = dump_tensors({name: tensor.cpu().contiguous() for name, tensor in net.state_dict().items()})
    card = card.model_copy(update={"weights_sha256": hashlib.sha256(weights).hexdigest()})
    with write_whole(folder / WEIGHTS_FILE) as temporary:
        temporary.write_bytes(weights)
    with write_whole(folder / CARD_FILE) as temporary:
        text = json.dumps(card.model_dump(mode="json"), indent=2, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")
    return card


def load_model(folder: str | Path, device: str = "auto") -> tuple[PainNet, ModelCard]:
    """The network of a folder written by `save_model`, ready to predict on `device`, and its card.

    Reads JSON and safetensors only, so no code from the files can run. Raises `PainlibError` when a file is
    missing, the format is unknown, the card is faulty, or weights and card do not belong together.
    """
    folder = Path(folder)
    card = read_card(folder)
    weights = read_model_file(folder / WEIGHTS_FILE)
    got = hashlib.sha256(weights).hexdigest()
    if got != card.weights_sha256:
        raise PainlibError(
            f"{folder / WEIGHTS_FILE}: expected weights with sha256 {card.weights_sha256 or '(none)'} as "
            f"{CARD_FILE} says, got {got}. Weights and card are of different trainings, or the copy is "
            "broken: copy the whole folder again, or run 02_train again."
        )
    try:
        tensors = load_tensors(weights)
    except safetensors.SafetensorError as error:
        raise PainlibError(
            f"{folder / WEIGHTS_FILE}: expected safetensors, got something else ({error})."
        ) from error
    parts = card.architecture
    with torch.device("meta"):
        net = PainNet(parts.channels, parts.head_widths, parts.input_px, parts.n_outputs)
    _check_tensors(folder, net, tensors)
    net.load_state_dict(tensors, assign=True)
    return net.to(choose_device(device)).eval(), card


def _check_tensors(folder: Path, net: PainNet, tensors: dict[str, Tensor]) -> None:
    expected = {name: _describe(tensor) for name, tensor in net.state_dict().items()}
    got = {name: _describe(tensor) for name, tensor in tensors.items()}
    wrong = [
        f"{name}: expected {expected.get(name, 'nothing')}, got {got.get(name, 'nothing')}"
        for name in dict.fromkeys([*expected, *got])
        if expected.get(name) != got.get(name)
    ]
    if wrong:
        raise PainlibError(
            f"{folder}: the weights do not fit the architecture in card.json ({len(wrong)} tensors differ):\n"
            + "\n".join(wrong)
        )


def _describe(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"

"""A DeepLabCut network on batches of images by an engine, between DeepLabCut's own first and last steps."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from painlib.engines import Engine, choose_precision, compile_module

if TYPE_CHECKING:
    from torch import Tensor, nn

# Pixels that go through the network at once. On a CPU more than this falls out of its cache and is slower.
BATCH_PIXELS = {"cpu": 400_000, "mps": 4_000_000, "cuda": 16_000_000}
MOST_ENGINES = 8  # one for each size of image and precision; those not used for longest go


class PoseRunner:
    """Runs a runner of DeepLabCut (bottom-up, one animal), plainly or by engines made for each image size.

    `engines`: those in use, by size of image and precision. The network's weights must not change any more.
    """

    def __init__(self, runner: Any, device: str) -> None:
        self._runner, self._device = runner, device
        self.engines: OrderedDict[tuple[tuple[int, ...], str], Engine] = OrderedDict()
        self._scaling = _find_scaling(runner.preprocessor)

    def find_plainly(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """(n, bodyparts, 3 = x, y, likelihood) float64 by DeepLabCut's runner alone: torch, float32."""
        from torch.backends import cudnn

        found: list[Any] = [None] * len(images)
        for shape, rows in _group_by_size(images):
            self._runner.batch_size = self._count_at_once(shape)
            # In float32 on a graphics card too, where the default is TF32, with ten bits.
            with cudnn.flags(enabled=True, benchmark=False, deterministic=False, allow_tf32=False):
                results = self._runner.inference([np.ascontiguousarray(images[row]) for row in rows])
            for row, result in zip(rows, results, strict=True):
                found[row] = result["bodyparts"][0][:, :3]
        return np.array(found, np.float64).reshape(len(images), -1, 3)

    def find(self, images: Sequence[np.ndarray], precision: str) -> np.ndarray:
        """As `find_plainly`, with the network itself run by an engine in `precision`."""
        found: list[Any] = [None] * len(images)
        for shape, rows in _group_by_size(images):
            at_once = self._count_at_once(shape)
            for start in range(0, len(rows), at_once):
                chunk = rows[start : start + at_once]
                poses = self._find_batch([images[row] for row in chunk], precision)
                for row, pose in zip(chunk, poses, strict=True):
                    found[row] = pose
        return np.array(found, np.float64).reshape(len(images), -1, 3)

    def _count_at_once(self, shape: tuple[int, ...]) -> int:
        return max(1, BATCH_PIXELS[self._device] // (shape[0] * shape[1]))

    def _find_batch(self, images: list[np.ndarray], precision: str) -> Iterator[np.ndarray]:
        import torch

        with torch.inference_mode():
            batch, contexts = self._prepare(images)
            answers = self._runner.model.get_predictions(self._take_engine(batch, precision)(batch))
        plain = {
            head: {name: tensor.cpu().numpy() for name, tensor in parts.items()}
            for head, parts in answers.items()
        }
        for row, context in enumerate(contexts):
            own = {head: {name: value[row] for name, value in parts.items()} for head, parts in plain.items()}
            result, _ = self._runner.postprocessor([own], context)
            yield result["bodyparts"][0][:, :3]

    def _prepare(self, images: list[np.ndarray]) -> tuple[Tensor, list[dict[str, Any]]]:
        """The network's input, and for each image what DeepLabCut's last step wants to know of it.

        Where DeepLabCut only scales colours, the images go in as they are (n, height, width, 3) uint8, and
        the engine scales: one sweep over memory less, in four times the bytes.
        """
        import torch

        if self._scaling is not None:
            height, width = images[0].shape[:2]
            context = {"image_size": (width, height), "offsets": (0, 0), "scales": (1, 1)}
            return torch.from_numpy(np.stack(images)), [dict(context) for _ in images]
        prepared = [self._runner.preprocessor(np.ascontiguousarray(image), {}) for image in images]
        return torch.cat([tensor for tensor, _ in prepared]), [context for _, context in prepared]

    def _take_engine(self, batch: Tensor, precision: str) -> Engine:
        key = (tuple(batch.shape[1:]), choose_precision(precision, self._device))
        if key not in self.engines:
            module = self._runner.model
            if self._scaling is not None:
                module = _with_scaling(module, *self._scaling)
            self.engines[key] = compile_module(module, batch[:1], device=self._device, precision=key[1])
            while len(self.engines) > MOST_ENGINES:
                self.engines.popitem(last=False)
        self.engines.move_to_end(key)
        return self.engines[key]


def _group_by_size(images: Sequence[np.ndarray]) -> Iterator[tuple[tuple[int, ...], list[int]]]:
    """Shape, and row numbers of the images that have it: a batch holds one size only."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for row, image in enumerate(images):
        groups.setdefault(np.shape(image), []).append(row)
    yield from groups.items()


def _find_scaling(preprocessor: Any) -> tuple[list[float], list[float]] | None:
    """Mean and spread of the colours (0..255) where DeepLabCut's first step does no more than scale by them,
    else None."""
    import albumentations
    from deeplabcut.pose_estimation_pytorch.data import preprocessor as steps

    parts = list(getattr(preprocessor, "components", []))
    if [type(part) for part in parts] != [steps.LoadImage, steps.AugmentImage, steps.ToTensor, steps.ToBatch]:
        return None
    changes = list(parts[1].transform.transforms)
    if [type(change) for change in changes] != [albumentations.Normalize]:
        return None
    (scaling,) = changes
    always = scaling.always_apply or scaling.p == 1
    if not always or getattr(scaling, "normalization", "standard") != "standard":
        return None
    largest = float(scaling.max_pixel_value)
    return [largest * value for value in scaling.mean], [largest * value for value in scaling.std]


def _with_scaling(model: nn.Module, mean: list[float], spread: list[float]) -> nn.Module:
    """The network behind the scaling of colours, for (n, height, width, 3) uint8."""
    import torch

    class Scaled(torch.nn.Module):
        mean: Tensor
        factor: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.model = model
            self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).reshape(1, 3, 1, 1))
            factor = 1.0 / torch.tensor(spread, dtype=torch.float32)
            self.register_buffer("factor", factor.reshape(1, 3, 1, 1))

        def forward(self, images: Tensor) -> Any:
            pixels = images.permute(0, 3, 1, 2).float()
            return self.model((pixels - self.mean) * self.factor)

    return Scaled()

"""A trained DeepLabCut network: load it, run it on images, keep it without pickles."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from painlib.engines import Engine
from painlib.faults import Faults, PainlibError, did_you_mean
from painlib.pose.inference import PoseRunner
from painlib.pose.labels import KEYPOINTS

if TYPE_CHECKING:
    import torch

FORMAT = 1
CARD_NAME = "pose_network.json"
WEIGHTS_NAME = "pose_weights.safetensors"
WHOLE_FRAME_PX = 1_000_000  # no frame is larger


class PoseNetwork:
    """A DeepLabCut (PyTorch) network for one animal, with its own pre- and post-processing.

    `point_names`: the network's names of nose, right eye and left eye; "" is a point that it does not find,
    which comes back with NaN coordinates and likelihood 0. `width`, `height`: px that the frames were shrunk
    to fit for training (0: not known). `fingerprint`: hash of weights, configuration and point names.
    `device`: "cpu", "cuda" or "mps".
    """

    def __init__(
        self,
        config: dict[str, Any],
        weights: dict[str, torch.Tensor],
        point_names: Sequence[str],
        width: int,
        height: int,
        device: str = "auto",
    ) -> None:
        with quiet_deeplabcut():
            from deeplabcut.pose_estimation_pytorch.apis.utils import get_pose_inference_runner
            from deeplabcut.pose_estimation_pytorch.config import InferenceConfig, PoseConfig

            try:
                pose_config = PoseConfig.from_dict(_strip_config(config))
            except (ValueError, TypeError) as error:
                raise PainlibError(
                    "Expected the configuration of a DeepLabCut 3 network (pytorch_config), got one that it "
                    f"does not take ({str(error).splitlines()[0]}). Copy it again, beside its weights."
                ) from error
            self.bodyparts = list(pose_config.metadata.bodyparts)
            _check_network(pose_config, point_names)
            self.config = _strip_config(pose_config.to_dict(normalize=True))
            self.point_names = tuple(point_names)
            self.width, self.height = width, height
            self.device = choose_device(device)
            inference = InferenceConfig.from_dict({"multithreading": {"enabled": False}})
            self._runner = get_pose_inference_runner(
                pose_config, None, device=self.device, inference_cfg=inference
            )
        try:
            self._runner.model.load_state_dict(weights)
        except RuntimeError as error:
            raise PainlibError(
                f"The weights do not fit the network's configuration ({str(error).splitlines()[0]}). Weights "
                "and configuration must come from one training: copy the whole folder again."
            ) from error
        self._prepare_model()
        self._fast = PoseRunner(self._runner, self.device)
        self.fingerprint = self._hash()

    def predict(self, images: Sequence[np.ndarray], precision: str = "float32") -> np.ndarray:
        """Find the key points in `images`, each (height, width, 3) uint8 RGB, by the fastest way there is.

        `precision`: what the network computes in (`painlib.engines.choose_precision`). The first image of a
        size costs some seconds: the engine is made for that size, and checked. Returns (n_images, 3 points,
        3) float64: x, y in px of the images given, and likelihood in [0, 1], in the order of `KEYPOINTS`.
        """
        return self._pick_points(self._fast.find(images, precision))

    def predict_plainly(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """As `predict`, by DeepLabCut's own runner in torch and float32: what `predict` is measured
        against."""
        return self._pick_points(self._fast.find_plainly(images))

    def list_engines(self) -> list[Engine]:
        """The engines that `predict` has used lately, one for each size of image and precision; the latest
        stands last."""
        return list(self._fast.engines.values())

    def _pick_points(self, poses: np.ndarray) -> np.ndarray:
        """Nose, right and left eye out of the network's bodyparts (n_images, bodyparts, 3)."""
        found = np.full((len(poses), len(KEYPOINTS), 3), np.nan)
        found[..., 2] = 0.0
        for index, name in enumerate(self.point_names):
            if name and len(poses):
                found[:, index] = poses[:, self.bodyparts.index(name)]
        # Heads without clipping may leave [0, 1] by rounding or, before they are trained, by more.
        found[..., 2] = np.clip(found[..., 2], 0.0, 1.0)
        return found

    def save(self, folder: str | Path) -> Path:
        """Write weights (safetensors) and card (json) to `folder`, which works when copied alone."""
        from safetensors.torch import save_file

        from painlib.tables import write_whole

        folder = Path(folder)
        with write_whole(folder) as temporary:
            temporary.mkdir()
            save_file(self._weights(), temporary / WEIGHTS_NAME)
            (temporary / CARD_NAME).write_text(
                json.dumps(self._card(), indent=1, sort_keys=True), encoding="utf-8"
            )
        return folder

    @property
    def frame_px(self) -> tuple[int, int]:
        """Width and height that frames are shrunk to fit; one that does not know them gets frames whole."""
        return self.width or WHOLE_FRAME_PX, self.height or WHOLE_FRAME_PX

    def set_size(self, width: int, height: int) -> None:
        """Say what frames are shrunk to fit for this network, where it does not know (0)."""
        if not (self.width and self.height):
            self.width, self.height = width, height
            self.fingerprint = self._hash()

    def _prepare_model(self) -> None:
        import torch

        self._runner.model.to(self.device, memory_format=torch.channels_last)
        # The module's own `eval()` returns nothing in DeepLabCut 3.0.2.
        self._runner.model.eval()

    def _weights(self) -> dict[str, torch.Tensor]:
        weights = self._runner.model.state_dict()
        return {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}

    def _card(self) -> dict[str, Any]:
        import deeplabcut

        return {
            "format": FORMAT,
            "kind": "DeepLabCut pose network",
            "deeplabcut": deeplabcut.__version__,
            "point_names": list(self.point_names),
            "width": self.width,
            "height": self.height,
            "fingerprint": self.fingerprint,
            "pytorch_config": self.config,
        }

    def _hash(self) -> str:
        described = {"config": self.config, "points": self.point_names, "size": (self.width, self.height)}
        digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
        for name, tensor in sorted(self._weights().items()):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(tensor.numpy()).tobytes())
        return digest.hexdigest()


def choose_device(device: str) -> str:
    """The device to compute on; "auto" takes cuda, then mps, then cpu."""
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(device, False):
        raise PainlibError(f"Expected a device of this machine, got `device` = '{device}'. Use auto or cpu.")
    return device


def fit_size(width: int, height: int, max_width: int, max_height: int) -> tuple[int, int]:
    """Width and height of a frame shrunk to fit `max_width` x `max_height` px: same aspect, never larger."""
    scale = min(1.0, max_width / width, max_height / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


@contextmanager
def quiet_deeplabcut(log: Path | None = None) -> Iterator[None]:
    """Keep DeepLabCut's and timm's talk out of the notebook; what they print goes to the file `log`."""
    import contextlib
    import io

    target = open(log, "a", encoding="utf-8") if log else io.StringIO()  # noqa: SIM115
    level = logging.root.manager.disable
    with target, contextlib.redirect_stdout(target), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(level)


def _strip_config(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration without what belongs to one machine or only to training."""
    kept = {
        name: value
        for name, value in config.items()
        if name not in ("detector", "logger", "resume_training_from")
    }
    metadata = dict(kept.get("metadata") or {})
    kept["metadata"] = {**metadata, "project_path": None, "pose_config_path": None}
    train_settings = dict(kept.get("train_settings") or {})
    kept["train_settings"] = {**train_settings, "weight_init": None}
    return kept


def _check_network(config: Any, point_names: Sequence[str]) -> None:
    faults = Faults()
    bodyparts = list(config.metadata.bodyparts)
    if len(config.metadata.individuals) > 1 or str(config.method.value).lower() != "bu":
        faults.add(
            "Expected a network for one animal that looks at whole frames (DeepLabCut: single animal, "
            f"bottom-up); got method '{config.method.value}' for {len(config.metadata.individuals)} animals. "
            "Analyse the videos in DeepLabCut and give the resulting files (pose_source: tracker)."
        )
    backbone = str(config.model.backbone.get("model_name", ""))
    if not re.fullmatch(r"[\w.\-]*", backbone):
        # timm would fetch names like hf-hub:... from elsewhere.
        faults.add(f"Expected the plain name of a backbone, got '{backbone}'.")
    if len(point_names) != len(KEYPOINTS) or not any(point_names):
        faults.add(
            'Expected three point names (nose, right eye, left eye; "" = not tracked), got '
            f"{list(point_names)}."
        )
    for name in [name for name in point_names if name and name not in bodyparts]:
        faults.add(
            f"The network has no point '{name}'; it has "
            f"{', '.join(bodyparts)}.{did_you_mean(name, bodyparts)}"
        )
    faults.raise_if_any("The pose network cannot be used")

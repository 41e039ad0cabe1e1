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

from painlib.faults import Faults, PainlibError, did_you_mean
from painlib.pose_labels import KEYPOINTS

if TYPE_CHECKING:
    import torch

FORMAT = 1
CARD_NAME = "pose_network.json"
WEIGHTS_NAME = "pose_weights.safetensors"
# Pixels that go through the network at once: enough to keep it busy, few enough for a worker's memory.
BATCH_PIXELS = {"cpu": 1_500_000, "mps": 4_000_000, "cuda": 16_000_000}
# What DeepLabCut's `normalize_images` does (ImageNet's mean and spread of red, green, blue).
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class PoseNetwork:
    """A DeepLabCut (PyTorch) network for one animal, with its own pre- and post-processing.

    `point_names`: the network's names of nose, right eye and left eye; "" is a point that it does not find,
    which comes back with NaN coordinates and likelihood 0. `width`, `height`: px that the frames were shrunk
    to fit for training (0: not known). `fingerprint`: hash of weights, configuration and point names.
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

            pose_config = PoseConfig.from_dict(_strip_config(config))
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
            steps = pose_config.data.inference.to_dict()
            self._only_normalises = [name for name, value in steps.items() if value] == ["normalize_images"]
        try:
            self._runner.model.load_state_dict(weights)
        except RuntimeError as error:
            raise PainlibError(
                f"The weights do not fit the network's configuration ({str(error).splitlines()[0]}). Weights "
                "and configuration must come from one training: copy the whole folder again."
            ) from error
        self._prepare_model()
        self.fingerprint = self._hash()

    def predict(self, images: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """Find the key points in `images`, each (height, width, 3) uint8 RGB.

        Returns (n_images, 3 points, 3) float64: x, y in px of the images given, and likelihood in [0, 1], in
        the order of `KEYPOINTS`.
        """
        found = np.full((len(images), len(KEYPOINTS), 3), np.nan)
        found[..., 2] = 0.0
        for rows in self._divide(images):
            poses = self._run([np.asarray(images[row]) for row in rows])
            for index, name in enumerate(self.point_names):
                if name:
                    found[rows, index] = poses[:, self.bodyparts.index(name), :3]
        # Heads without clipping may leave [0, 1] by rounding or, before they are trained, by more.
        found[..., 2] = np.clip(found[..., 2], 0.0, 1.0)
        return found

    def save(self, folder: str | Path) -> Path:
        """Write weights (safetensors) and configuration (json) to `folder`; copied alone, it can be loaded
        again."""
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

    def _divide(self, images: Sequence[np.ndarray] | np.ndarray) -> Iterator[list[int]]:
        """Row numbers of each batch: images of one size, not too many."""
        groups: dict[tuple[int, ...], list[int]] = {}
        for row, image in enumerate(images):
            groups.setdefault(np.shape(image), []).append(row)
        for shape, rows in groups.items():
            size = max(1, BATCH_PIXELS[self.device] // (shape[0] * shape[1]))
            yield from (rows[start : start + size] for start in range(0, len(rows), size))

    def _run(self, images: list[np.ndarray]) -> np.ndarray:
        """Poses (n_images, bodyparts, 3) of images of one size, in one batch."""
        import torch

        if not self._only_normalises:
            self._runner.batch_size = len(images)
            results = self._runner.inference([np.ascontiguousarray(image) for image in images])
            return np.stack([result["bodyparts"][0] for result in results])
        # DeepLabCut's preprocessing of single images takes a quarter of a small network's time.
        with torch.inference_mode():
            batch = torch.from_numpy(np.stack(images)).to(self.device).permute(0, 3, 1, 2).float()
            batch -= 255 * torch.tensor(MEAN, device=self.device).view(1, 3, 1, 1)
            batch /= 255 * torch.tensor(SPREAD, device=self.device).view(1, 3, 1, 1)
            return np.stack([found["bodypart"]["poses"][0] for found in self._runner.predict(batch)])

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


def load_pose_network(
    path: str | Path, point_names: Sequence[str] = KEYPOINTS, device: str = "auto"
) -> PoseNetwork:
    """Load a network from a folder of `PoseNetwork.save` (or one that holds it as `pose` or `network`), a
    DeepLabCut project, or a snapshot (.pt) beside its pytorch_config.yaml.

    `point_names`: the project's names of nose, right eye and left eye ("" = not tracked); a folder of ours
    knows its own. Of a project the highest iteration and shuffle is taken, and in it the snapshot that
    DeepLabCut prefers (best, else last). `device`: "auto", "cpu", "cuda" or "mps". No code from the files is
    run.
    """
    path = Path(path)
    if path.name == "config.yaml":
        path = path.parent
    for folder in (path, path / "pose", path / "network"):
        if (folder / CARD_NAME).is_file():
            return _load_own(folder, device)
    if path.suffix == ".pt" and path.is_file():
        return _load_snapshot(path, point_names, device)
    if (path / "config.yaml").is_file():
        return _load_snapshot(_find_snapshot(path), point_names, device)
    raise PainlibError(
        f"Expected a pose network: a painlib model folder (with {CARD_NAME}), a DeepLabCut project (with "
        f"config.yaml) or a snapshot (.pt) beside pytorch_config.yaml; found none of them: {path}. Mend "
        "`pose_network`."
    )


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
    """Width and height of a frame shrunk to fit `max_width` x `max_height` px: aspect kept, never
    enlarged."""
    scale = min(1.0, max_width / width, max_height / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


@contextmanager
def quiet_deeplabcut(log: Path | None = None) -> Iterator[None]:
    """Keep DeepLabCut's and timm's talk out of the notebook; what they print goes to the file `log`, if
    given."""
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


def _load_own(folder: Path, device: str) -> PoseNetwork:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    remedy = "Copy the folder of the pose network again, or train it again."
    try:
        card = json.loads((folder / CARD_NAME).read_text(encoding="utf-8"))
        wanted = {"format": int, "point_names": list, "width": int, "height": int, "fingerprint": str}
        faults = [
            name
            for name, kind in {**wanted, "pytorch_config": dict}.items()
            if not isinstance(card[name], kind)
        ]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise PainlibError(
            f"The card of the pose network cannot be read: {folder / CARD_NAME} ({error}). {remedy}"
        ) from error
    if card["format"] != FORMAT or faults:
        raise PainlibError(
            f"Expected a card of format {FORMAT}, got format {card['format']!r} (wrong fields: "
            f"{', '.join(faults) or 'none'}): {folder / CARD_NAME}. Use the painlib that wrote it, or train "
            "the network again."
        )
    try:
        weights = load_file(folder / WEIGHTS_NAME)
    except (SafetensorError, OSError) as error:
        raise PainlibError(
            f"The weights cannot be read: {folder / WEIGHTS_NAME} ({error}). {remedy}"
        ) from error
    network = PoseNetwork(
        card["pytorch_config"], weights, card["point_names"], card["width"], card["height"], device
    )
    if network.fingerprint != card["fingerprint"]:
        raise PainlibError(f"Weights and card of the pose network do not belong together: {folder}. {remedy}")
    return network


def _find_snapshot(project: Path) -> Path:
    """The snapshot of a DeepLabCut project that DeepLabCut itself would take from its newest shuffle."""

    def number(text: str, name: str) -> int:
        found = re.search(rf"{name}(\d+)$", text)
        return int(found.group(1)) if found else -1

    folders = [
        path.parent
        for path in project.glob("dlc-models-pytorch/iteration-*/*shuffle*/train/pytorch_config.yaml")
    ]
    folders.sort(
        key=lambda path: (number(path.parents[1].name, "iteration-"), number(path.parent.name, "shuffle"))
    )
    for folder in reversed(folders):
        snapshots = [
            path
            for path in folder.glob("snapshot-*.pt")
            if re.fullmatch(r"snapshot-(best-)?\d+\.pt", path.name)
        ]
        if snapshots:
            return max(snapshots, key=lambda path: ("-best-" in path.name, number(path.stem, "-")))
    tensorflow = (
        " It was trained with the TensorFlow engine, which painlib does not run."
        * (project / "dlc-models").is_dir()
    )
    raise PainlibError(
        "The DeepLabCut project has no trained PyTorch network "
        f"(dlc-models-pytorch/.../train/snapshot-*.pt): {project}.{tensorflow} Train it in DeepLabCut 3, or "
        "set pose_source to train or tracker."
    )


def _load_snapshot(path: Path, point_names: Sequence[str], device: str) -> PoseNetwork:
    import pickle

    import torch

    config_path = path.parent / "pytorch_config.yaml"
    if not config_path.is_file():
        raise PainlibError(
            f"Expected pytorch_config.yaml beside the snapshot, found none: {config_path}. Copy it there."
        )
    with quiet_deeplabcut():
        from deeplabcut.core.config import read_config_as_dict

        config = read_config_as_dict(config_path)
        try:
            snapshot = torch.load(path, map_location="cpu", weights_only=True)
            weights = snapshot["model"]
        except (pickle.UnpicklingError, RuntimeError, KeyError, EOFError, OSError) as error:
            raise PainlibError(
                f"The snapshot cannot be read as plain weights: {path} ({str(error).splitlines()[0]}). Copy "
                "it again; one of an old DeepLabCut can be rewritten by its `fix_snapshot_metadata`, if you "
                "trust the file."
            ) from error
    try:
        return PoseNetwork(config, weights, point_names, 0, 0, device)
    except PainlibError as error:
        raise PainlibError(f"{error}\nFile: {path}") from error


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

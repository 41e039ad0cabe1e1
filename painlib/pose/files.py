"""Pose networks on disk: our folders, DeepLabCut projects and snapshots. No code from the files is run."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from painlib.faults import PainlibError
from painlib.pose.labels import KEYPOINTS
from painlib.pose.network import CARD_NAME, FORMAT, WEIGHTS_NAME, PoseNetwork, quiet_deeplabcut


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

"""Training of a DeepLabCut network on labelled frames, and its evaluation on held-out ones."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from painlib.faults import PainlibError, hide_secrets
from painlib.pose.files import load_pose_network
from painlib.pose.labels import COORDINATES, KEYPOINTS, find_labelled_points, read_image
from painlib.pose.network import PoseNetwork, choose_device, fit_size, quiet_deeplabcut
from painlib.pose.project import split_labels, write_project
from painlib.progress import report_progress

if TYPE_CHECKING:
    import pandas as pd

VERSION = 2  # counts up when a change here changes what training gives
DONE_NAME = "done.json"
THRESHOLD_BREADTH = 0.1  # of likelihood
FEWEST_FACES = 0.5  # of the frames that are labelled with a face


def train_pose(
    labels: pd.DataFrame,
    folder: str | Path,
    *,
    width: int,
    height: int,
    backbone: str = "resnet_50",
    pretrained: Literal["require", "no"] = "require",
    epochs: int,
    batch: int,
    learning_rate: float,
    crop_px: int,
    test_fraction: float,
    seed: int,
    device: str = "auto",
) -> PoseNetwork:
    """Train DeepLabCut 3 (PyTorch) on `labels` (of `load_labels`) and evaluate it on held-out frames.

    Frames are shrunk to fit `width` x `height` px. `backbone`: resnet_50 and the like, or the timm name of a
    ResNet; `pretrained="require"` starts from its published weights or stops, "no" from random ones.
    `crop_px`: side of the random crops that are trained on. Whole animals (else videos, else frames) are held
    out, at least `test_fraction` of the frames; no epoch is chosen by them. `folder` gets the DeepLabCut
    project (`project`), the network (`network`) and `evaluation.csv`; a finished training with the same
    labels and settings is reused, an unfinished one starts again. On one machine's CPU the same seed gives
    the same network.
    """
    folder = Path(folder)
    settings = {
        "width": width,
        "height": height,
        "backbone": backbone,
        "pretrained": pretrained,
        "epochs": epochs,
        "batch": batch,
        "learning_rate": learning_rate,
        "crop_px": crop_px,
        "test_fraction": test_fraction,
        "seed": seed,
    }
    fingerprint = _fingerprint_training(labels, settings)
    finished = _load_finished(folder, fingerprint, device)
    if finished is not None:
        return finished
    for part in ("project", "network"):
        shutil.rmtree(folder / part, ignore_errors=True)
    for part in ("evaluation.csv", DONE_NAME):
        (folder / part).unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)

    held_out = split_labels(labels, test_fraction, seed)
    config, names = write_project(labels, folder / "project", held_out, width, height)
    with quiet_deeplabcut(folder / "deeplabcut.log"):
        snapshot = _train_network(config, settings, _crop_size(labels, settings), choose_device(device))
    found = load_pose_network(snapshot, _find_point_names(labels), device)
    network = PoseNetwork(found.config, found._weights(), found.point_names, width, height, device)
    network.save(folder / "network")
    evaluation = evaluate_pose(network, labels, held_out, [folder / "project" / name for name in names])
    _finish(folder, fingerprint, settings, evaluation)
    return network


def evaluate_pose(
    network: PoseNetwork, labels: pd.DataFrame, held_out: np.ndarray, images: Sequence[Path]
) -> pd.DataFrame:
    """Compare predictions on the (shrunk) `images` with `labels`, in px of the original frames.

    One row a labelled frame and key point: `set` ("train"/"test"), `labelled` (False: the point cannot be
    seen), x, y, predicted_x, predicted_y, likelihood, error_px (NaN where not labelled or not predicted).
    """
    import pandas as pd

    tables = []
    for position, image in enumerate(images):
        picture = read_image(image)
        row = labels.iloc[position]
        found = network.predict_plainly([picture])[0]
        true = row[list(COORDINATES)].to_numpy(dtype=float).reshape(-1, 2)
        scale = np.array([row["width"] / picture.shape[1], row["height"] / picture.shape[0]])
        predicted = (found[:, :2] + 0.5) * scale - 0.5
        tables.append(
            pd.DataFrame(
                {
                    "image": row["image"],
                    "video": hide_secrets(str(row["video"])),
                    "frame": row["frame"],
                    "subject": row["subject"],
                    "set": "test" if held_out[position] else "train",
                    "point": KEYPOINTS,
                    "labelled": ~np.isnan(true[:, 0]),
                    "x": true[:, 0],
                    "y": true[:, 1],
                    "predicted_x": predicted[:, 0],
                    "predicted_y": predicted[:, 1],
                    "likelihood": found[:, 2],
                    "error_px": np.hypot(*(predicted - true).T),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def choose_likelihood_threshold(evaluation: pd.DataFrame, paper: float = 0.9) -> float:
    """The likelihood threshold with which the crop rule of most held-out labelled frames comes out as
    labelled.

    Ours, not the paper's: `paper` (0.9) is returned where no other threshold does better, since a short
    training gives lower likelihoods than the paper's. The agreement is averaged over near thresholds
    (Gaussian, sd `THRESHOLD_BREADTH`) before the best is taken: from a few hundred frames its highest single
    step is chance. A threshold that finds a face in less than half as many frames as are labelled with one is
    none: of a hardly trained network "no face anywhere" would agree best. `evaluation` is the table of
    `evaluate_pose`; only its rows of `set` "test" are used. Raises `PainlibError` where no threshold is left.
    """
    test = evaluation[evaluation["set"] == "test"]
    if test.empty:
        raise PainlibError(
            "Expected held-out frames (set = test) in the evaluation, got none; raise pose_test_fraction."
        )
    by_frame = test.sort_values("point", key=lambda points: points.map(KEYPOINTS.index), kind="stable")
    frames = by_frame.groupby(["image", "video", "frame"], sort=False, dropna=False)
    likelihood = np.stack([group["likelihood"].to_numpy() for _, group in frames])
    labelled = np.stack([group["labelled"].to_numpy(dtype=bool) for _, group in frames])

    thresholds = np.linspace(0.01, 0.99, 99)
    agreement = np.array([_agree(likelihood, labelled, threshold) for threshold in thresholds])
    fewest = FEWEST_FACES * int((_rule(labelled) > 0).sum())
    finds = np.array([(_rule(likelihood >= threshold) > 0).sum() >= fewest for threshold in thresholds])
    if not finds.any():
        raise PainlibError(
            "Expected a threshold at which the pose network finds faces in held-out frames, got none: its "
            f"likelihoods reach {likelihood.max():.2g}. It is hardly trained: raise pose_epochs, or label "
            "more frames."
        )
    enough = (_rule(likelihood >= paper) > 0).sum() >= fewest
    if enough and _agree(likelihood, labelled, paper) >= agreement[finds].max():
        return paper
    near = np.exp(-(((thresholds[:, None] - thresholds) / THRESHOLD_BREADTH) ** 2) / 2)
    smooth = np.where(finds, np.round(near @ agreement / near.sum(axis=1), 12), -1.0)
    return float(np.median(thresholds[smooth == smooth.max()]))


def _agree(likelihood: np.ndarray, labelled: np.ndarray, threshold: float) -> float:
    """Share of frames whose crop rule is the same for likelihoods as for labels."""
    return float((_rule(likelihood >= threshold) == _rule(labelled)).mean())


def _rule(visible: np.ndarray) -> np.ndarray:
    """The paper's crop rule from visible points (n, 3): 1 both eyes, 2 right, 3 left, 0 none."""
    nose, right, left = visible.T
    return np.where(~nose, 0, np.where(right & left, 1, np.where(right, 2, np.where(left, 3, 0))))


def _find_point_names(labels: pd.DataFrame) -> list[str]:
    known = find_labelled_points(labels)
    return [point if point in known else "" for point in KEYPOINTS]


def _crop_size(labels: pd.DataFrame, settings: dict[str, Any]) -> tuple[int, int]:
    """Width and height of training crops: `crop_px`, but no larger than the largest frame."""
    sizes = [
        fit_size(w, h, settings["width"], settings["height"])
        for w, h in labels[["width", "height"]].drop_duplicates().to_numpy().tolist()
    ]
    return tuple(min(settings["crop_px"], max(side)) for side in zip(*sizes, strict=True))  # type: ignore[return-value]


def _train_network(config: Path, settings: dict[str, Any], crop: tuple[int, int], device: str) -> Path:
    """DeepLabCut's own training; returns its last snapshot."""
    import torch
    from deeplabcut.pose_estimation_pytorch.apis.training import train
    from deeplabcut.pose_estimation_pytorch.data import DLCLoader
    from deeplabcut.pose_estimation_pytorch.task import Task
    from deeplabcut.pose_estimation_pytorch.utils import fix_seeds

    from painlib.pose.recipe import build_recipe, write_first_weights

    loader = DLCLoader(config, shuffle=1)
    recipe = build_recipe(loader.project_cfg, loader.model_config_path, settings, crop)
    recipe.to_yaml(loader.model_config_path)
    loader = DLCLoader(config, shuffle=1)
    fix_seeds(settings["seed"])
    first = loader.model_folder / "first.pt"
    write_first_weights(loader.model_cfg, first, settings["pretrained"] == "require")
    fix_seeds(settings["seed"])
    report_progress("Pose: training", 0, settings["epochs"])
    # Denormal numbers fill young networks and slow a processor down several times.
    torch.set_flush_denormal(True)
    try:
        train(
            loader,
            copy.deepcopy(loader.model_cfg),
            Task(loader.model_cfg["method"]),
            device=device,
            logger_config={"type": _register_progress(), "epochs": settings["epochs"]},
            snapshot_path=first,
        )
    finally:
        torch.set_flush_denormal(False)
    first.unlink()
    return loader.snapshots()[-1].path


def _register_progress() -> str:
    """A logger of DeepLabCut that reports every epoch as our progress; returns its name in DeepLabCut's
    registry."""
    import torch
    from deeplabcut.pose_estimation_pytorch.runners.logger import LOGGER, BaseLogger

    class PainlibProgress(BaseLogger):
        def __init__(self, epochs: int, model: torch.nn.Module, **kwargs: Any) -> None:
            self.epochs = epochs
            # The one place where DeepLabCut hands out the model before it trains; a third less time on CPU.
            model.to(memory_format=torch.channels_last)

        def log_config(self, config: dict | None = None) -> None:
            pass

        def log(self, metrics: dict[str, Any], step: int | None = None) -> None:
            report_progress("Pose: training", step or 0, self.epochs)

        def save(self) -> None:
            pass

    if "PainlibProgress" not in LOGGER:
        LOGGER.register_module(PainlibProgress)
    return "PainlibProgress"


def _fingerprint_training(labels: pd.DataFrame, settings: dict[str, Any]) -> str:
    import deeplabcut
    import torch

    from painlib.provenance import fingerprint, fingerprint_file

    files = sorted({*labels["image"], *labels["video"]} - {""})
    versions = {"painlib": VERSION, "deeplabcut": deeplabcut.__version__, "torch": torch.__version__}
    rows = json.loads(labels.to_json(orient="records", double_precision=10))
    return fingerprint(rows, [fingerprint_file(file) for file in files], settings, versions)


def _load_finished(folder: Path, fingerprint: str, device: str) -> PoseNetwork | None:
    try:
        done = json.loads((folder / DONE_NAME).read_text(encoding="utf-8"))
        if done["fingerprint"] == fingerprint and (folder / "evaluation.csv").is_file():
            return load_pose_network(folder / "network", device=device)
    except (OSError, ValueError, KeyError):  # nothing there, or not whole: train again
        pass
    return None


def _finish(folder: Path, fingerprint: str, settings: dict[str, Any], evaluation: pd.DataFrame) -> None:
    from painlib.tables import write_csv, write_whole

    write_csv(evaluation, folder / "evaluation.csv")
    errors = evaluation[evaluation["set"] == "test"].groupby("point")["error_px"].median()
    done = {
        "fingerprint": fingerprint,
        "settings": settings,
        "held_out_median_error_px": {
            point: round(float(value), 3) for point, value in errors.dropna().items()
        },
    }
    with write_whole(folder / DONE_NAME) as temporary:
        temporary.write_text(json.dumps(done, indent=1), encoding="utf-8")

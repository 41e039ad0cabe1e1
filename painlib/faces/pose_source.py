"""Where nose and eyes come from: a network trained here, a network that exists, or tracker files."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from painlib.cohort import Recording
from painlib.faces.cohort import suggest_from_videos
from painlib.faults import PainlibError
from painlib.params import CropParams
from painlib.pose import choose_likelihood_threshold, load_labels, load_pose_network, train_pose
from painlib.provenance import read_provenance

if TYPE_CHECKING:
    import pandas as pd

    from painlib.pose.network import PoseNetwork

EVALUATION_COLUMNS = (
    "image", "video", "frame", "subject", "set", "point", "labelled",
    "x", "y", "predicted_x", "predicted_y", "likelihood", "error_px",
)  # fmt: skip


@dataclass(frozen=True)
class PoseSource:
    """`network_path`: None for tracker files. `evaluation`: as `evaluate_pose`, empty unless trained here."""

    network_path: Path | None
    evaluation: pd.DataFrame
    facts: dict[str, Any] = field(default_factory=dict)


def prepare_pose_network(params: CropParams) -> PoseSource:
    """Train, load or leave out the pose network, as `params.pose_source` says.

    A network ends in `workdir/pose_network/network`, without pickles, from where `02_train` copies it into
    the model folder. A finished training with the same labels and settings is reused; a killed one restarts.
    """
    import pandas as pd

    nothing = pd.DataFrame(columns=list(EVALUATION_COLUMNS))
    folder = params.workdir / "pose_network"
    if params.pose_source == "tracker":
        return PoseSource(None, nothing, {"pose": "tracker files"})
    if params.pose_source == "network":
        assert params.pose_network is not None
        network = load_pose_network(params.pose_network, params.point_names)
        known = {"pose": str(params.pose_network), "pose_scale": note_scale(network, params)}
        network.set_size(params.pose_width, params.pose_height)
        network.save(folder / "network")
        return PoseSource(folder / "network", nothing, {**known, "pose_network": network.fingerprint})
    assert params.labels is not None
    network = train_pose(
        load_labels(params.labels, params.point_names),
        folder,
        width=params.pose_width,
        height=params.pose_height,
        backbone=params.pose_backbone,
        pretrained=params.pose_pretrained,
        epochs=params.pose_epochs,
        batch=params.pose_batch,
        learning_rate=params.pose_learning_rate,
        crop_px=params.pose_crop_px,
        test_fraction=params.pose_test_fraction,
        seed=params.seed,
    )
    evaluation = pd.read_csv(folder / "evaluation.csv")
    test = evaluation[(evaluation["set"] == "test") & evaluation["labelled"]]
    facts: dict[str, Any] = {
        "pose": "trained here",
        "pose_network": network.fingerprint,
        "held_out_median_error_px": {
            str(point): round(float(errors.median()), 3)
            for point, errors in test.groupby("point")["error_px"]
        },
    }
    return PoseSource(folder / "network", evaluation, facts)


def note_scale(network: PoseNetwork, params: CropParams) -> str:
    """Where frames are shrunk to fit another size than for the network's training, as far as it says: that,
    in words, or ""."""
    trained, asked = (network.width, network.height), (params.pose_width, params.pose_height)
    if not all(trained) or trained == asked:
        return ""
    return (
        f"frames are shrunk to fit {asked[0]} x {asked[1]} px, those of its training {trained[0]} x "
        f"{trained[1]}: unless the films differ as much, heads are of another size than those that it knows"
    )


def choose_threshold(params: CropParams, evaluation: pd.DataFrame) -> float:
    """`likelihood_threshold`; where None, that which gives most held-out labelled frames their true rule."""
    if params.likelihood_threshold is not None:
        return params.likelihood_threshold
    if not len(evaluation):
        raise PainlibError(
            "Parameter likelihood_threshold: null takes it from held-out labelled frames, none there with "
            f"pose_source '{params.pose_source}'. Give a number (the article's is 0.9)."
        )
    return choose_likelihood_threshold(evaluation)


def copy_pose_network(workdir: Path, model_folder: Path) -> str | None:
    """Copy `workdir/pose_network/network` to `model_folder/pose`; its name there, or None without one, and
    where `01_crop` read tracker files: one that lies there found none of these faces."""
    source, target = workdir / "pose_network" / "network", model_folder / "pose"
    beside = model_folder / ".pose.part"
    shutil.rmtree(beside, ignore_errors=True)
    crop = (read_provenance("crop", workdir) or {}).get("params", {})
    if not source.is_dir() or crop.get("pose_source") == "tracker":
        shutil.rmtree(target, ignore_errors=True)
        return None
    shutil.copytree(source, beside)
    shutil.rmtree(target, ignore_errors=True)
    beside.rename(target)
    return target.name


def choose_crop_px(
    recordings: Sequence[Recording], params: CropParams, network_path: Path | None, threshold: float
) -> int:
    """`crop_px`; where None, a size from the heads in frames of all videos (or in the tracker files)."""
    if params.crop_px is not None:
        return params.crop_px
    videos = [video for recording in recordings for video in recording.cameras]
    network = None if network_path is None else load_pose_network(network_path, params.point_names)
    return suggest_from_videos(videos, network, params=params, threshold=threshold, seed=params.seed)

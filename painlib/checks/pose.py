"""What 01_crop finds nose and eyes with: labels and backbone, a trained network, or tracker files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from painlib.checks.findings import Findings
from painlib.checks.videos import Film
from painlib.params import CropParams, load_yaml
from painlib.progress import track

if TYPE_CHECKING:
    import pandas as pd

    from painlib.cohort import Recording


def check_pose(
    params: CropParams, cohort: pd.DataFrame | None, films: dict[str, Film], findings: Findings
) -> None:
    """Read what `pose_source` names; `films`: the cohort's videos by path, as far as they could be opened."""
    if params.pose_source == "train" and params.labels:
        from painlib.pose.labels import load_labels

        with findings.gather():
            labels = load_labels(params.labels, params.point_names)
            findings.tell("labels", f"{len(labels)} labelled frames, {params.labels}")
        with findings.gather():
            findings.tell("pose network", _describe_backbone(params))
    elif params.pose_source == "network" and params.pose_network:
        from painlib.faces.pose_source import note_scale
        from painlib.pose.files import load_pose_network

        with findings.gather():
            network = load_pose_network(params.pose_network, params.point_names)
            findings.tell("pose network", ", ".join(name for name in network.point_names if name))
            if note := note_scale(network, params):
                findings.tell("pose network", note)
    elif params.pose_source == "tracker" and cohort is not None:
        from painlib.cohort import iter_recordings

        _check_trackers(params, iter_recordings(cohort), films, findings)


def _check_trackers(
    params: CropParams, recordings: list[Recording], films: dict[str, Film], findings: Findings
) -> None:
    from painlib.pose.trackers import read_tracker

    n_frames = n_files = 0
    cameras = [camera for recording in recordings for camera in recording.cameras]
    for camera in track(cameras, len(cameras), "tracker files"):
        whose = f"Recording '{camera.recording}', camera '{camera.camera}': "
        if not camera.pose:
            findings.blame(
                f"{whose}pose_source 'tracker' expected a file in the cohort's column `pose`, got none."
            )
        for part, tracker in zip(camera.parts, camera.pose, strict=False):
            with findings.gather(whose):
                n_rows = len(read_tracker(tracker, params.point_names, params.individual))
                n_files, n_frames = n_files + 1, n_frames + n_rows
                if part.path in films:
                    _check_rows(tracker, n_rows, films[part.path])
    findings.tell("tracker files", f"{n_files} files, {n_frames} frames")


def _check_rows(tracker: str, n_rows: int, film: Film) -> None:
    """A header that counts other frames than the tracker is not believed: the video's packets are counted."""
    from painlib.faces.points import check_tracker_rows
    from painlib.video.timeline import load_timeline

    path = film.info.path
    if n_rows != film.info.n_frames:
        check_tracker_rows(tracker, n_rows, path, len(load_timeline(path).pts))


def _describe_backbone(params: CropParams) -> str:
    """Whether the published weights that training starts from are here, without importing DeepLabCut.

    Raises `PainlibError` for a name that training would not know.
    """
    from painlib.pose.recipe import check_backbone, find_backbones

    check_backbone(params.pose_backbone)
    if params.pose_pretrained == "no":
        return f"{params.pose_backbone}, from random weights"
    import timm
    from huggingface_hub import try_to_load_from_cache

    name, recipes = params.pose_backbone, find_backbones()
    if name in recipes:
        name = load_yaml(recipes[name])["model"]["backbone"]["model_name"]
    known = timm.get_pretrained_cfg(name)
    repository = known.hf_hub_id if known else None
    files = ("model.safetensors", "pytorch_model.bin")
    if repository and any(isinstance(try_to_load_from_cache(repository, file), str) for file in files):
        return f"{params.pose_backbone}, published weights at hand"
    return f"{params.pose_backbone}, published weights not yet on this machine: training will fetch them"

"""A model over new videos, in one pass: a recording is decoded, cut and judged, and its faces are let go.

Faces are cut as those were that the model learned from, through the same JPEGs: the same judgements to the
bit as by `01_crop` with the model's pose network and `judge_recordings`, with the room of one recording a
worker. A few faces of each recording stay, to be shown and compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from painlib.cohort import CameraVideo, Recording
from painlib.engines import choose_precision
from painlib.faces import FaceStore, extract_camera
from painlib.faces.cohort import check_names, expect_frames
from painlib.faces.crop import Border
from painlib.faces.crop_results import finished_recordings, write_crop_facts
from painlib.faces.extraction import mark_camera
from painlib.faces.pose_reading import read_reports, summarise_reports
from painlib.faces.store import CameraFiles, empty_index
from painlib.faults import PainlibError
from painlib.fingerprints import fingerprint
from painlib.judging import RecordingPart, check_model, judge_recording, judge_recordings, load_once
from painlib.model import PainNet
from painlib.model_card import ModelCard
from painlib.novelty.reference import draw_rows
from painlib.params import PredictParams
from painlib.pose import PoseNetwork, load_pose_network
from painlib.pose.labels import KEYPOINTS
from painlib.progress import redirect_progress, report_progress, track
from painlib.tables import read_fingerprint, read_table, write_table, write_whole
from painlib.work_places import choose_place
from painlib.workers import run_tasks, say_done

POSE_BATCH = 8  # frames, as in params/kobayashi2025.yaml
FAULT_COLUMNS = ["recording", "message"]


@dataclass
class _Settings:
    """What `extract_camera` asks of the parameters of 01_crop."""

    pose_width: int
    pose_height: int
    pose_precision: str
    border: Border
    jpeg_quality: int
    pose_batch: int = POSE_BATCH
    pose_follow: bool = False
    pose_source: str = "network"
    point_names: list[str] = field(default_factory=lambda: list(KEYPOINTS))
    individual: str | None = None
    decoder: str = "software"


def find_pose_network(folder: Path, card: ModelCard) -> Path:
    """The pose network of a model folder; without one `PainlibError`."""
    if card.pose_network is None:
        raise PainlibError(
            f"Parameter `from_video`: expected a model with a pose network, got one made from tracker files: "
            f"{folder}. Run 01_crop with your tracker files (`from_video: false`)."
        )
    return folder / card.pose_network


class Judged(NamedTuple):
    """The recordings that could be judged, their table `frames`, the faults (recording, message), and how
    faces were found, for the record."""

    recordings: list[Recording]
    frames: pd.DataFrame
    faults: pd.DataFrame
    facts: dict[str, Any]


def judge_cohort(
    recordings: Sequence[Recording], net: PainNet, card: ModelCard, params: PredictParams
) -> Judged:
    """`judge_videos` where `params.from_video` asks for it; else `judge_recordings` of those that went
    through 01_crop, which has told its faults and facts: none here."""
    if params.from_video:
        return judge_videos(recordings, net, card, params)
    finished = finished_recordings(recordings, params.workdir)
    nothing = pd.DataFrame(columns=FAULT_COLUMNS)
    return Judged(finished, judge_recordings(finished, net, card, params), nothing, {})


def judge_videos(
    recordings: Sequence[Recording], net: PainNet, card: ModelCard, params: PredictParams
) -> Judged:
    """Judge every face of the recordings' videos, found by the pose network of `params.model`.

    Pose tables and the few faces that stay are under `params.faces_folder`. What is finished, from the same
    videos by the same model, is kept. Raises `PainlibError` where no recording could be judged.
    """
    check_model(card, params)
    assert params.model is not None
    check_names([video for recording in recordings for video in recording.cameras])
    pose = find_pose_network(params.model, card)
    write_crop_facts(params.faces_folder, card.crop.model_dump())
    place = choose_place(params.device, params.workers, len(recordings))
    own = load_pose_network(pose, device=place.device if place.here else "cpu")
    faults: dict[str, BaseException] = {}
    missing = []
    for recording in recordings:
        try:
            if not _Pass(recording, card, own, params, place.device).is_current():
                missing.append(recording)
        except PainlibError as fault:
            faults[recording.name] = fault
    if place.here:
        for recording in track(missing, len(missing), "Judging videos"):
            try:
                with place.keep_to_one_thread():
                    _Pass(recording, card, own, params, place.device).run(net)
            except PainlibError as fault:
                faults[recording.name] = fault
    else:
        tasks = [_Task(recording, params, card.weights_sha256, pose, place.device) for recording in missing]
        n_frames = max(sum(expect_frames(video) for one in missing for video in one.cameras), 1)
        report_progress("Videos to judgements", 0, n_frames)
        results = run_tasks(
            _work,
            tasks,
            params.workers,
            lambda done: report_progress("Videos to judgements", min(done, n_frames - 1), n_frames),
            on_gpus=place.device == "cuda",
        )
        report_progress("Videos to judgements", n_frames, n_frames)
        failed = zip(missing, results, strict=True)
        faults |= {one.name: result for one, result in failed if isinstance(result, BaseException)}
    judged = [recording for recording in recordings if recording.name not in faults]
    if not judged:
        raise PainlibError(
            f"Expected recordings that can be judged, found none of {len(recordings)}. The first: "
            f"{next(iter(faults.values()), 'no recording at all')}"
        )
    parts = [RecordingPart(recording, card, params).path for recording in judged]
    told = pd.DataFrame(
        [(name, str(fault)) for name, fault in faults.items()], columns=FAULT_COLUMNS, dtype=object
    )
    frames = pd.concat([read_table(path, "frames") for path in parts], ignore_index=True)
    found = summarise_reports(read_reports(judged, params.faces_folder))
    return Judged(judged, frames, told, {"pose_network": own.fingerprint, **card.crop.model_dump(), **found})


class _Pass:
    """One recording from its videos to its judgements."""

    def __init__(
        self, recording: Recording, card: ModelCard, pose: PoseNetwork, params: PredictParams, device: str
    ) -> None:
        self._recording, self._card, self._pose, self._params = recording, card, pose, params
        self._device = device
        cut = card.crop
        precision = choose_precision(params.precision, device)
        self._settings = _Settings(*pose.frame_px, precision, cut.border, cut.jpeg_quality)  # type: ignore[arg-type]
        self._marks = [
            mark_camera(
                video,
                params=self._settings,
                network=pose,
                threshold=cut.likelihood_threshold,
                crop_px=cut.crop_px,
            )
            for video in recording.cameras
        ]

    def _describe_part(self) -> RecordingPart:
        """Of the faces that are there now, made from what they are made from when all are there."""
        return RecordingPart(self._recording, self._card, self._params, fingerprint("videos", self._marks))

    def is_current(self) -> bool:
        """Whether all that comes of it is there, made from these videos by this model."""
        files = [self._files(video) for video in self._recording.cameras]
        there = all(
            (read_fingerprint(own.pose), read_fingerprint(own.index)) == (pose, self._mark_kept(faces))
            for own, (pose, faces) in zip(files, self._marks, strict=True)
        )
        return there and self._describe_part().is_current()

    def run(self, net: PainNet, on_progress: Callable[[int], None] = lambda n_frames: None) -> None:
        """Decode, cut, judge; then let the faces go. What a killed one had cut is taken up."""
        folder, cut, n_before = self._params.faces_folder, self._card.crop, 0
        try:
            for video in self._recording.cameras:
                summary = extract_camera(
                    video,
                    folder,
                    params=self._settings,
                    network=self._pose,
                    threshold=cut.likelihood_threshold,
                    crop_px=cut.crop_px,
                    on_progress=lambda done, before=n_before: on_progress(before + done),  # type: ignore[misc]
                )
                n_before += summary["n_frames"]
            judge_recording(self._describe_part(), net, self._device)
        except PainlibError:
            for video in self._recording.cameras:
                self._files(video).index.unlink(missing_ok=True)
                self._files(video).blob.unlink(missing_ok=True)
            raise
        self._keep_few()

    def _keep_few(self) -> None:
        """Of all the faces those that are drawn to be shown and compared."""
        store = FaceStore(self._params.faces_folder, [self._recording])
        drawn = draw_rows(store.index["recording"], self._params.seed)
        jpegs = [jpeg.content for jpeg in store.read_jpegs(drawn)]
        for video, (_, faces) in zip(self._recording.cameras, self._marks, strict=True):
            files = self._files(video)
            own = np.flatnonzero((store.index["camera"].iloc[drawn] == video.camera).to_numpy())
            lengths = np.array([len(jpegs[place]) for place in own], np.int64)
            index = store.index.iloc[drawn[own]].assign(offset=np.cumsum(lengths) - lengths, length=lengths)
            files.index.unlink(missing_ok=True)  # no index stands beside another index's blob
            with write_whole(files.blob) as temporary:
                temporary.write_bytes(b"".join(jpegs[place] for place in own))
            write_table(index if len(own) else empty_index(), files.index, "faces", self._mark_kept(faces))

    def _mark_kept(self, faces: str) -> str:
        return fingerprint("faces kept", faces, self._params.seed)

    def _files(self, video: CameraVideo) -> CameraFiles:
        return CameraFiles(self._params.faces_folder, video.recording, video.camera)


@dataclass(frozen=True)
class _Task:
    recording: Recording
    params: PredictParams
    weights_sha256: str
    pose: Path
    device: str


def _work(task: _Task) -> None:
    """In a worker."""
    assert task.params.model is not None
    net, card = load_once(task.params.model, task.weights_sha256, task.device)
    pose = _load_pose_once(task.pose, task.weights_sha256, task.device)
    with redirect_progress(lambda description, done, total: None):
        _Pass(task.recording, card, pose, task.params, task.device).run(net, say_done)


@lru_cache(maxsize=1)
def _load_pose_once(path: Path, weights_sha256: str, device: str) -> PoseNetwork:
    return load_pose_network(path, device=device)

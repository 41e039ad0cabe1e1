"""A model over new videos, in one pass: a recording is decoded, cut and judged, and its faces are let go.

Nose and eyes are looked for as `painlib score` does, by the model's pose network in float32 on whole frames;
faces are cut as those were that the model learned from, through the same JPEGs. So the judgements are, to the
bit, those of a run whose 01_crop does so too, with room for one recording a worker. A few faces of each
recording stay, to be shown and compared.
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
from painlib.faces import FaceStore, extract_camera
from painlib.faces.cohort import check_names, expect_frames
from painlib.faces.crop import Border
from painlib.faces.crop_results import finished_recordings, write_crop_facts
from painlib.faces.extraction import mark_camera
from painlib.faces.pose_reading import read_reports, summarise_reports
from painlib.faces.store import CameraFiles, empty_index, is_blob_whole
from painlib.faults import PainlibError
from painlib.fingerprints import fingerprint
from painlib.judging import (
    RecordingPart,
    check_model,
    judge_recording,
    judge_recordings,
    load_once,
    mark_card,
)
from painlib.model import PainNet
from painlib.model_card import ModelCard
from painlib.novelty.reference import draw_rows
from painlib.params import PredictParams
from painlib.pose import PoseNetwork, load_pose_network
from painlib.pose.labels import KEYPOINTS
from painlib.progress import redirect_progress, report_progress
from painlib.tables import read_fingerprint, read_table, write_table, write_whole
from painlib.work_places import Place, choose_place
from painlib.workers import run_tasks, say_done

POSE_BATCH = 8  # frames, as in params/kobayashi2025.yaml
FAULT_COLUMNS = ["recording", "message"]


@dataclass
class _Settings:
    """What `extract_camera` asks of the parameters of 01_crop."""

    pose_width: int
    pose_height: int
    border: Border
    jpeg_quality: int
    pose_precision: str = "float32"
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
            "Parameter `from_video`: expected a model with a pose network, got one made from tracker files: "
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
    passes, faults = {}, dict[str, BaseException]()
    for recording in recordings:
        try:
            passes[recording.name] = _Pass(recording, card, own, params, place.device)
        except PainlibError as fault:  # a file that cannot be looked at
            faults[recording.name] = fault
    missing = [one for one in passes.values() if not one.is_current()]
    total = max(sum(expect_frames(video) for one in missing for video in one.recording.cameras), 1)

    def hear(done: int) -> None:
        report_progress("Videos to judgements", min(done, total - 1), total)

    hear(0)
    if place.here:
        results = _run_here(missing, net, place, hear)
    else:
        mark = mark_card(card)
        tasks = [_Task(one.recording, params, mark, pose, own.fingerprint, place.device) for one in missing]
        results = run_tasks(_work, tasks, params.workers, hear, on_gpus=place.device == "cuda")
    report_progress("Videos to judgements", total, total)
    for one, result in zip(missing, results, strict=True):
        if isinstance(result, BaseException):
            faults[one.recording.name] = result
        elif not one.is_current():
            faults[one.recording.name] = PainlibError(
                "Expected judgements of these videos by this model, got others: a video or the model was "
                "changed meanwhile. Run again."
            )
    judged = [recording for recording in recordings if recording.name not in faults]
    if not judged:
        raise PainlibError(
            f"Expected recordings that can be judged, found none of {len(recordings)}. The first: "
            f"{next(iter(faults.values()), 'no recording at all')}"
        )
    told = pd.DataFrame(
        [(name, str(fault)) for name, fault in faults.items()], columns=FAULT_COLUMNS, dtype=object
    )
    tables = [read_table(passes[recording.name].table, "frames") for recording in judged]
    frames = pd.concat(tables, ignore_index=True)
    found = summarise_reports(read_reports(judged, params.faces_folder))
    return Judged(judged, frames, told, {"pose_network": own.fingerprint, **card.crop.model_dump(), **found})


class _Pass:
    """One recording from its videos to its judgements."""

    def __init__(
        self, recording: Recording, card: ModelCard, pose: PoseNetwork, params: PredictParams, device: str
    ) -> None:
        self.recording, self._card, self._pose, self._params = recording, card, pose, params
        self._device = device
        cut = card.crop
        self._settings = _Settings(*pose.frame_px, cut.border, cut.jpeg_quality)  # type: ignore[arg-type]
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
        return RecordingPart(self.recording, self._card, self._params, fingerprint("videos", self._marks))

    @property
    def table(self) -> Path:
        """The recording's part of the table `frames`."""
        return self._describe_part().path

    def is_current(self) -> bool:
        """Whether all that comes of it is there, made from these videos by this model."""
        files = [self._files(video) for video in self.recording.cameras]
        there = all(
            (read_fingerprint(own.pose), read_fingerprint(own.index)) == (pose, self._mark_kept(faces))
            and is_blob_whole(own)
            for own, (pose, faces) in zip(files, self._marks, strict=True)
        )
        return there and self._describe_part().is_current()

    def run(self, net: PainNet, on_progress: Callable[[int], None]) -> int:
        """Decode, cut, judge; then let the faces go. What a killed one had cut is taken up. Returns the
        frames."""
        folder, cut, n_before = self._params.faces_folder, self._card.crop, 0
        try:
            for video in self.recording.cameras:
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
            for video in self.recording.cameras:
                self._files(video).index.unlink(missing_ok=True)
                self._files(video).blob.unlink(missing_ok=True)
            raise
        self._keep_few()
        return n_before

    def _keep_few(self) -> None:
        """Of all the faces those that are drawn to be shown and compared."""
        store = FaceStore(self._params.faces_folder, [self.recording])
        drawn = draw_rows(store.index["recording"], self._params.seed)
        jpegs = [jpeg.content for jpeg in store.read_jpegs(drawn)]
        for video, (_, faces) in zip(self.recording.cameras, self._marks, strict=True):
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


def _run_here(
    passes: Sequence[_Pass], net: PainNet, place: Place, on_progress: Callable[[int], None]
) -> list[Any]:
    """One after another in this process; what goes wrong with one is its result, as on workers."""
    results: list[Any] = []
    n_before = 0
    for one in passes:
        try:
            with place.keep_to_one_thread():
                results.append(one.run(net, lambda done, before=n_before: on_progress(before + done)))  # type: ignore[misc]
        except Exception as fault:
            results.append(fault)
        else:
            n_before += results[-1]
    return results


@dataclass(frozen=True)
class _Task:
    recording: Recording
    params: PredictParams
    card_mark: str
    pose: Path
    pose_mark: str
    device: str


def _work(task: _Task) -> None:
    """In a worker."""
    assert task.params.model is not None
    net, card = load_once(task.params.model, task.card_mark, task.device)
    pose = _load_pose_once(task.pose, task.pose_mark, task.device)
    one = _Pass(task.recording, card, pose, task.params, task.device)
    if one.is_current():  # it runs again where its end was lost with its worker
        return
    done = 0

    def hear(n_frames: int) -> None:
        nonlocal done
        done = n_frames
        say_done(done)

    # Judging tells no frames, but hears there whether it is still waited for.
    with redirect_progress(lambda description, step, total: say_done(done)):
        one.run(net, hear)


@lru_cache(maxsize=1)
def _load_pose_once(path: Path, mark: str, device: str) -> PoseNetwork:
    return load_pose_network(path, device=device)

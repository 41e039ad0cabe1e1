"""Faces of a whole cohort, videos in parallel; and the crop size from a sample of frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from painlib.cohort import CameraVideo, Recording, iter_recordings
from painlib.faces.crop import suggest_crop_px
from painlib.faces.extraction import extract_camera
from painlib.faces.points import Network, ask_network, gather_batches, read_trackers
from painlib.faults import Faults, PainlibError
from painlib.fingerprints import fingerprint
from painlib.pose.files import load_pose_network
from painlib.progress import report_progress
from painlib.video import Frame, probe_video, read_frame
from painlib.video.timeline import load_timelines
from painlib.workers import run_tasks, say_done

if TYPE_CHECKING:
    import pandas as pd

DESCRIPTION = "Videos to faces"
SUMMARY_TYPES = {
    "recording": object, "subject": object, "camera": object, "n_frames": int, "rule_1": int, "rule_2": int,
    "rule_3": int, "n_faces": int, "n_dropped": int, "seconds": float, "resumed": bool,
}  # fmt: skip

Load = Callable[[Path, Sequence[str]], Network]

# In a worker: its last task's network, from which files (`_mark_network`) and by what it was loaded.
_loaded: tuple[tuple[str, Load], Network] | None = None


@dataclass(frozen=True)
class _Task:
    video: CameraVideo
    workdir: Path
    params: Any
    network_path: Path | None
    network_mark: str
    threshold: float
    crop_px: int
    load_network: Load


def extract_cohort(
    cohort: pd.DataFrame | Sequence[Recording],
    workdir: str | Path,
    *,
    params: Any,
    network_path: str | Path | None,
    threshold: float,
    crop_px: int,
    load_network: Load = load_pose_network,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`extract_camera` of every camera of the cohort, `params.workers` at once (`run_tasks`), each in one
    thread.

    The network at `network_path` is loaded once a process. What is finished is kept whatever happens to the
    rest. Returns the summaries (a row a camera that succeeded, see `extract_camera`) and the faults
    (recording, camera, message). `PainlibError` only where no camera could succeed.
    """
    import pandas as pd

    recordings = iter_recordings(cohort) if isinstance(cohort, pd.DataFrame) else list(cohort)
    videos = [video for recording in recordings for video in recording.cameras]
    check_names(videos)
    network_path = None if network_path is None else Path(network_path)
    if network_path is not None and not network_path.exists():
        raise PainlibError(f"Expected a pose network, found nothing: {network_path}. Mend `pose_network`.")
    mark = _mark_network(network_path, params.point_names) if network_path else ""
    tasks = [
        _Task(video, Path(workdir), params, network_path, mark, threshold, crop_px, load_network)
        for video in videos
    ]
    n_frames = max(sum(expect_frames(video) for video in videos), 1)
    report_progress(DESCRIPTION, 0, n_frames)
    results = run_tasks(
        _work,
        tasks,
        params.workers,
        lambda done: report_progress(DESCRIPTION, min(done, n_frames - 1), n_frames),
    )
    report_progress(DESCRIPTION, n_frames, n_frames)
    summaries, faults = [], []
    for video, result in zip(videos, results, strict=True):
        if isinstance(result, BaseException):
            faults.append({"recording": video.recording, "camera": video.camera, "message": str(result)})
        else:
            summaries.append(result)
    return (
        pd.DataFrame(summaries, columns=list(SUMMARY_TYPES)).astype(SUMMARY_TYPES),
        pd.DataFrame(faults, columns=["recording", "camera", "message"], dtype=object),
    )


def sample_frames(videos: Sequence[CameraVideo], n: int, seed: int) -> Iterator[Frame]:
    """`n` frames, spread evenly over the videos and over the used stretches of each, drawn with `seed`.

    `number` and `time_s` of these frames count within their file. Only the drawn frames are decoded, each
    from the keyframe before it.
    """
    for position, video in enumerate(videos):
        yield from _sample_video(video, _share(n, position, len(videos)), [seed, position])


def suggest_from_videos(
    videos: Sequence[CameraVideo],
    network: Network | None,
    *,
    params: Any,
    threshold: float,
    n: int = 60,
    seed: int = 0,
) -> int:
    """A crop size, px of the original, from the heads in `n` frames (or in the tracker files):
    `suggest_crop_px`.

    At most the smaller side of the videos' images. A video that cannot be read is passed over: its fault is
    told when its turn comes.
    """
    points: list[np.ndarray] = []
    faults: list[PainlibError] = []
    largest = np.inf
    for position, video in enumerate(videos):
        try:
            if params.pose_source == "tracker":
                points.append(read_trackers(video, load_timelines(video.parts), params)[1])
                info = probe_video(video.parts[0].path, video.parts[0].end_s)
                largest = min(largest, info.width, info.height)
            else:
                find_points = ask_network(network, params)
                frames = _sample_video(video, _share(n, position, len(videos)), [seed, position])
                for batch in gather_batches(frames, params):
                    points.append(find_points(batch))
                    largest = min(largest, *batch[0].size)
        except PainlibError as fault:
            faults.append(fault)
    if faults and not points:
        raise faults[0]
    together = np.concatenate(points) if points else np.zeros((0, 3, 3))
    return int(min(suggest_crop_px(together[..., :2], together[..., 2], threshold), largest))


def _share(n: int, position: int, n_videos: int) -> int:
    return (position + 1) * n // n_videos - position * n // n_videos


def _sample_video(video: CameraVideo, n: int, seed: list[int]) -> Iterator[Frame]:
    if n == 0:
        return
    lines = load_timelines(video.parts)
    stretches = [
        line.find_stretch(part.start_s, part.end_s) for part, line in zip(video.parts, lines, strict=True)
    ]
    ends = np.cumsum([end - first for first, end in stretches])
    # One frame from each of `n` equal pieces.
    places = (np.arange(n) + np.random.default_rng(seed).random(n)) * ends[-1] / n
    for place in places.astype(int):
        part = int(np.searchsorted(ends, place, side="right"))
        number = stretches[part][1] - int(ends[part]) + int(place)
        yield read_frame(lines[part].path, number, lines[part])


def _work(task: _Task) -> dict[str, Any]:
    global _loaded
    network = None
    if task.network_path is not None:
        asked = (task.network_mark, task.load_network)
        if _loaded is None or _loaded[0] != asked:
            _loaded = (asked, task.load_network(task.network_path, tuple(task.params.point_names)))
        network = _loaded[1]
    return extract_camera(
        task.video,
        task.workdir,
        params=task.params,
        network=network,
        threshold=task.threshold,
        crop_px=task.crop_px,
        on_progress=say_done,
    )


def _mark_network(path: Path, point_names: Sequence[str]) -> str:
    """Other files at the same path are another network: a worker may have lived since the last training."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    found = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return fingerprint("pose network", found, list(point_names))


def expect_frames(video: CameraVideo) -> int:
    """About how many frames there are to do; what cannot be opened is reported when it is read."""
    total = 0.0
    for part in video.parts:
        try:
            info = probe_video(part.path, part.end_s)
        except PainlibError:
            continue
        total += max(min(part.end_s, info.duration_s) - part.start_s, 0) * info.fps
    return round(total)


def check_names(videos: Sequence[CameraVideo]) -> None:
    """Recording and camera are joined in file names, and two pairs may join to the same."""
    faults, known = Faults(), dict[str, CameraVideo]()
    for video in videos:
        other = known.setdefault(f"{video.recording}_{video.camera}".lower(), video)
        if other is not video:
            faults.add(
                f"Recording '{video.recording}', camera '{video.camera}' and recording '{other.recording}', "
                f"camera '{other.camera}' would both be '{video.recording}_{video.camera}' on disk."
            )
    faults.raise_if_any("Rename recordings or cameras in the cohort table")

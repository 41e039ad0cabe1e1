"""From video to faces, in one pass: decode, shrink, find nose and eyes, apply the rules, cut, store."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from painlib.cohort import CameraVideo
from painlib.engines import choose_precision
from painlib.faces.crop import Border, apply_rules, cut_square, find_centres, place_square
from painlib.faces.points import (
    POINT_COLUMNS,
    FindPoints,
    Network,
    Settings,
    describe_video,
    gather_batches,
    look_up,
    read_pose,
    read_trackers,
)
from painlib.faces.pose_reading import EngineDiffersError, NetworkReader, report_path, write_report
from painlib.faces.store import CameraFiles, empty_index, encode_face, is_blob_whole
from painlib.faults import PainlibError
from painlib.fingerprints import fingerprint, fingerprint_file
from painlib.places import is_url
from painlib.pose.labels import KEYPOINTS
from painlib.tables import is_disk_full, read_fingerprint, read_table, write_table, write_whole
from painlib.video import Frame, read_frames
from painlib.video.timeline import Timeline, load_timelines

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 2  # of pose and faces on disk: raised when the same videos and parameters would give other files
FACE_ROW = np.dtype(
    [
        ("frame", "i8"),
        ("time_s", "f8"),
        ("rule", "i1"),
        ("centre_x", "f8"),
        ("centre_y", "f8"),
        ("offset", "i8"),
        ("length", "i8"),
    ]
)


@dataclass(frozen=True)
class Cutting:
    """How faces are cut: likelihood of a seen point, side in px, rule at the border, JPEG quality."""

    threshold: float
    crop_px: int
    border: Border
    quality: int


def extract_camera(
    video: CameraVideo,
    workdir: str | Path,
    *,
    params: Settings,
    network: Network | None,
    threshold: float,
    crop_px: int,
    on_progress: Callable[[int], None] = lambda n_frames: None,
) -> dict[str, Any]:
    """Write pose and faces of one recording and camera under `workdir` (tables "pose" and "faces", JPEGs).

    `threshold`: likelihood from which a point is seen; `crop_px`: side of the square, px of the original.
    With `pose_source` "tracker" the points come from the cohort's `pose` files, else from `network`. What
    is there with the same fingerprint is not made again; another side, border rule or quality does not run
    the network again, nor does another threshold unless a window follows the face. A network is checked on
    the video's frames against plain float32, which takes its place where they differ
    (`painlib.faces.pose_reading`). Memory does not grow with the length of the video, but for the tables'
    rows.

    Returns recording, subject, camera, n_frames, rule_1 to rule_3 (frames in which it held), n_faces
    (stored), n_dropped (left out at the border), seconds, resumed (all was there already).
    """
    begin = time.monotonic()
    files = CameraFiles(Path(workdir), video.recording, video.camera)
    cutting = Cutting(threshold, crop_px, params.border, params.jpeg_quality)
    pose_mark, faces_mark = mark_camera(
        video, params=params, network=network, threshold=threshold, crop_px=crop_px
    )
    pose_there = read_fingerprint(files.pose) == pose_mark
    resumed = pose_there and read_fingerprint(files.index) == faces_mark and is_blob_whole(files)
    if not resumed:
        # Nothing stale stays, whatever happens now; and no index stands beside another index's blob.
        files.index.unlink(missing_ok=True)
        if not pose_there:
            files.pose.unlink(missing_ok=True)
            report_path(files).unlink(missing_ok=True)
        lines = load_timelines(video.parts)
        store = partial(_store_faces, video, lines, params, cutting, files, on_progress)
        if pose_there:
            pose, index = store(look_up(*read_pose(files.pose)))
        elif network is None or params.pose_source == "tracker":
            pose, index = store(look_up(*read_trackers(video, lines, params)))
        else:
            pose, index, report = _ask_network(store, network, params, threshold)
            write_report(files, report)
        if not pose_there:
            write_table(pose, files.pose, "pose", pose_mark)
        write_table(index, files.index, "faces", faces_mark)
    else:
        pose, index = read_table(files.pose, "pose"), read_table(files.index, "faces")
    summary = _summarise(video, pose, len(index), threshold)
    on_progress(summary["n_frames"])
    return {**summary, "seconds": time.monotonic() - begin, "resumed": resumed}


def mark_camera(
    video: CameraVideo, *, params: Settings, network: Network | None, threshold: float, crop_px: int
) -> tuple[str, str]:
    """The fingerprints that `extract_camera` gives to pose and index: what they are made from."""
    pose = _mark_pose(video, params, network, threshold)
    cutting = Cutting(threshold, crop_px, params.border, params.jpeg_quality)
    return pose, fingerprint("faces", FORMAT, pose, cutting)


def _ask_network(
    store: Callable[[FindPoints], tuple[pd.DataFrame, pd.DataFrame]],
    network: Network,
    params: Settings,
    threshold: float,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """The tables and the reader's report; a video in which an engine differs is read again, plainly."""
    reader = NetworkReader(network, params, threshold)
    try:
        return *store(reader), reader.report()
    except EngineDiffersError as difference:
        reader = NetworkReader(network, params, threshold, instead_of=difference.report)
        return *store(reader), reader.report()


def _mark_pose(video: CameraVideo, params: Settings, network: Network | None, threshold: float) -> str:
    sources: list[Any]
    if params.pose_source == "tracker":
        if len(video.pose) != len(video.parts):
            raise PainlibError(
                f"Expected a tracker file for each of the {len(video.parts)} video files of "
                f"{describe_video(video)}, got {len(video.pose)}. Fill the column `pose`, or choose another "
                "`pose_source`."
            )
        _check_files(video.pose, "`pose`")
        sources = [[fingerprint_file(path) for path in video.pose], params.point_names, params.individual]
    elif network is None:
        raise PainlibError(f"Expected a pose network for `pose_source` '{params.pose_source}', got none.")
    else:
        precision = choose_precision(params.pose_precision, network.device)
        follow = threshold if params.pose_follow else False
        sources = [network.fingerprint, params.pose_width, params.pose_height, precision, follow]
    _check_files([part.path for part in video.parts], "`video`")
    parts = [(fingerprint_file(part.path), part.start_s, part.end_s) for part in video.parts]
    who = (video.recording, video.subject, video.camera, video.offset_s)
    return fingerprint("pose", FORMAT, who, parts, params.pose_source == "tracker", sources)


def _store_faces(
    video: CameraVideo,
    lines: list[Timeline],
    params: Settings,
    cutting: Cutting,
    files: CameraFiles,
    on_progress: Callable[[int], None],
    find_points: FindPoints,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write the blob; returns the tables "pose" and "faces", which are not written yet."""
    stretches = [
        line.find_stretch(part.start_s, part.end_s) for part, line in zip(video.parts, lines, strict=True)
    ]
    n_expected = sum(end - first for first, end in stretches)
    numbers: list[int] = []
    times: list[float] = []
    points, faces, written = [], [], 0
    with write_whole(files.blob) as temporary:
        try:
            with open(temporary, "wb") as blob:
                frames = read_frames(video.parts, video.offset_s, lines, params.decoder)
                for batch in gather_batches(frames, params):
                    numbers.extend(frame.number for frame in batch)
                    times.extend(frame.time_s for frame in batch)
                    points.append(find_points(batch))
                    faces.append(_cut_batch(batch, points[-1], cutting, blob, written, describe_video(video)))
                    written += int(faces[-1]["length"].sum())
                    on_progress(len(numbers))
        except OSError as error:
            if not is_disk_full(error):
                raise
            need = written / max(len(numbers), 1) * n_expected / 1e6
            raise PainlibError(
                f"The disk is full: the faces of {describe_video(video)} need about {max(need, 1):.0f} MB in "
                f"{files.blob.parent}, {written / 1e6:.0f} MB fitted. Free some space there, or choose a "
                "`workdir` on another disk, and run again; what was finished before is kept."
            ) from error
    return _pose_table(numbers, times, points), _index_table(video, cutting, faces)


def _cut_batch(
    batch: list[Frame], points: np.ndarray, cutting: Cutting, blob: BinaryIO, offset: int, name: str
) -> np.ndarray:
    """Append the batch's faces to the blob; returns their rows of the index. Empties `batch`."""
    try:
        rules = apply_rules(points[:, :, 2], cutting.threshold)
        centres = find_centres(points[:, :, :2], rules)
    except PainlibError as error:
        raise PainlibError(f"{name}, frames {batch[0].number} to {batch[-1].number}: {error}") from error
    rows = []
    for rule, centre in zip(rules, centres, strict=True):
        frame = batch.pop(0)  # its full image is made only where a face is cut, and not kept
        corner = place_square(centre, cutting.crop_px, *frame.size, cutting.border) if rule else None
        if corner is not None:
            jpeg = encode_face(_cut_face(frame, corner, cutting.crop_px), cutting.quality)
            blob.write(jpeg)
            middle = (corner[0] + cutting.crop_px // 2, corner[1] + cutting.crop_px // 2)
            rows.append((frame.number, frame.time_s, rule, *middle, offset, len(jpeg)))
            offset += len(jpeg)
    return np.array(rows, dtype=FACE_ROW)


def _cut_face(frame: Frame, corner: tuple[int, int], side: int) -> np.ndarray:
    """The square of the upright image; where it lies inside, the rest of a large frame is not converted."""
    (left, top), (width, height) = corner, frame.size
    if left >= 0 and top >= 0 and left + side <= width and top + side <= height:
        return frame.part(left, top, side, side)
    return cut_square(frame.image, corner, side)


def _pose_table(numbers: list[int], times: list[float], points: list[np.ndarray]) -> pd.DataFrame:
    import pandas as pd

    table = pd.DataFrame(np.concatenate(points).reshape(len(numbers), -1), columns=POINT_COLUMNS)
    table.insert(0, "frame", np.array(numbers, np.int64))
    table.insert(1, "time_s", np.array(times, np.float64))
    return table


def _index_table(video: CameraVideo, cutting: Cutting, faces: list[np.ndarray]) -> pd.DataFrame:
    import pandas as pd

    rows = np.concatenate(faces)
    if not len(rows):
        return empty_index()
    who = {"recording": video.recording, "subject": video.subject, "camera": video.camera}
    columns = {name: rows[name] for name in FACE_ROW.names or ()}
    return pd.DataFrame({**columns, **who, "size_px": cutting.crop_px})


def _summarise(video: CameraVideo, pose: pd.DataFrame, n_faces: int, threshold: float) -> dict[str, Any]:
    likelihood = pose[[f"{point}_likelihood" for point in KEYPOINTS]].to_numpy()
    held = np.bincount(apply_rules(likelihood, threshold), minlength=4)
    return {
        "recording": video.recording,
        "subject": video.subject,
        "camera": video.camera,
        "n_frames": len(likelihood),
        **{f"rule_{rule}": int(held[rule]) for rule in (1, 2, 3)},
        "n_faces": n_faces,
        "n_dropped": int(held[1:].sum()) - n_faces,
    }


def _check_files(paths: Sequence[str], column: str) -> None:
    for path in paths:
        if not is_url(path) and not Path(path).is_file():
            raise PainlibError(f"Found no file: {path}. Mend the column {column}, or copy the file there.")

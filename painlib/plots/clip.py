"""A few seconds of video with nose, eyes, rule and square drawn on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from painlib.cohort import CameraVideo, Recording
from painlib.faces.crop import apply_rules
from painlib.faces.store import CameraFiles
from painlib.plots.galleries import draw_pose_overlay
from painlib.pose import KEYPOINTS
from painlib.tables import read_table
from painlib.video import Frame, read_frames, write_video

LARGEST_PX = 960
SHOWN_FPS = 10.0


def write_overlay_clip(
    recordings: Sequence[Recording],
    workdir: Path,
    threshold: float,
    path: Path,
    note: str = "",
    n_frames: int = 60,
) -> Path | None:
    """Write an mp4 of `n_frames` frames around a stretch with faces, of the first camera that has any.

    Frames of slow recordings are shown at 10 frames/s. Returns its path, or None where no face was found.
    """
    for recording in recordings:
        for video in recording.cameras:
            files = CameraFiles(Path(workdir), recording.name, video.camera)
            if not files.index.is_file() or not len(read_table(files.index, "faces")):
                continue
            pose = read_table(files.pose, "pose")
            squares = read_table(files.index, "faces").set_index("frame")[["centre_x", "centre_y", "size_px"]]
            likelihood = pose[[f"{point}_likelihood" for point in KEYPOINTS]].to_numpy()
            seen = apply_rules(likelihood, threshold) > 0
            # The stretch with most faces.
            sums = np.convolve(seen, np.ones(min(n_frames, len(seen)), int), "valid")
            first = int(sums.argmax())
            chosen = pose.iloc[first : first + n_frames]
            fps = 1 / float(np.median(np.diff(pose["time_s"]))) if len(pose) > 1 else SHOWN_FPS
            return write_video(path, _draw(video, chosen, squares, threshold, note), max(fps, SHOWN_FPS))
    return None


def _draw(
    video: CameraVideo, pose: pd.DataFrame, squares: pd.DataFrame, threshold: float, note: str
) -> Iterator[np.ndarray]:
    wanted = pose.set_index("frame")
    frames: Iterator[Frame] = (
        f for f in read_frames(video.parts, video.offset_s) if f.number in wanted.index
    )
    for frame in islice(frames, len(wanted)):
        row = wanted.loc[frame.number]
        points = np.array([[row[f"{point}_x"], row[f"{point}_y"]] for point in KEYPOINTS])
        likelihood = np.array([row[f"{point}_likelihood"] for point in KEYPOINTS])
        image = frame.image
        scale = min(1.0, LARGEST_PX / max(image.shape[:2]))
        rule = apply_rules(likelihood[None], threshold)
        square = None
        if frame.number in squares.index:
            x, y, side = squares.loc[frame.number].to_numpy(float) * scale
            square = (x, y, side)
        small = (
            cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image
        )
        yield draw_pose_overlay(small, points * scale, likelihood, int(rule[0]), threshold, square, note)

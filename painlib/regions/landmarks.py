"""Nose and eyes of faces, in the coordinates of their own squares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from painlib.faces.store import CameraFiles
from painlib.faults import PainlibError
from painlib.pose.labels import COORDINATES, KEYPOINTS
from painlib.tables import read_table


def load_landmarks(index: pd.DataFrame, workdir: str | Path, threshold: float) -> pd.DataFrame:
    """Nose and eyes of each face, from the pose tables under `workdir`; rows and their labels as in `index`.

    `index`: rows of schema "faces". Columns nose_x, nose_y, right_eye_x, ... (COORDINATES) as shares of the
    square's side, x right and y down, NaN where the likelihood is below `threshold` (0 to 1). A face
    whose pose table or frame is not there is a `PainlibError`.
    """
    points = np.full((len(index), 3, 2), np.nan)
    keys = index[["recording", "camera"]].astype(str)
    for recording, camera in keys.drop_duplicates().itertuples(index=False):
        places = np.flatnonzero((keys["recording"] == recording) & (keys["camera"] == camera))
        path = CameraFiles(Path(workdir), recording, camera).pose
        frames = index["frame"].to_numpy()[places]
        points[places] = _find_points(read_table(path, "pose"), frames, threshold, path)
    size = index["size_px"].to_numpy()
    centres = index[["centre_x", "centre_y"]].to_numpy()
    corners = centres - (size // 2)[:, None]
    shares = (points - corners[:, None] + 0.5) / size[:, None, None]
    return pd.DataFrame(shares.reshape(-1, 6), columns=list(COORDINATES), index=index.index)


def _find_points(pose: pd.DataFrame, frames: np.ndarray, threshold: float, path: Path) -> np.ndarray:
    """(n_frames, 3, 2) px of the original video, NaN where not seen."""
    rows = pd.Index(pose["frame"]).get_indexer(frames)
    if (rows < 0).any():
        raise PainlibError(
            f"Expected the pose of frame {frames[rows < 0][0]}, found none ({(rows < 0).sum()} faces without "
            f"a pose): {path}. Pose and faces are of different runs: run stage 01_crop again."
        )
    chosen = pose.iloc[rows]
    points = chosen[list(COORDINATES)].to_numpy().reshape(-1, 3, 2)
    likelihood = chosen[[f"{point}_likelihood" for point in KEYPOINTS]].to_numpy()
    return np.where((likelihood >= threshold)[:, :, None], points, np.nan)

"""A DeepLabCut project on disk, made from labelled frames."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from painlib.pose.labels import find_labelled_points, read_image
from painlib.pose.network import fit_size, quiet_deeplabcut
from painlib.progress import track

if TYPE_CHECKING:
    import pandas as pd

TASK, SCORER, DATE = (
    "pose",
    "painlib",
    "Jan1",
)  # DeepLabCut builds file names from them; a date would change each day
SEQUENTIAL_GAP = 30  # frames: nearer than this on average, reading through is quicker than jumping
# DeepLabCut takes a coordinate of 0 for a point that is not there.
SMALLEST_COORDINATE = 0.01


def split_labels(labels: pd.DataFrame, test_fraction: float, seed: int) -> np.ndarray:
    """Which labelled frames are held out, (n_frames,) bool: whole animals where there are several, else whole
    videos, else single frames, drawn at random until at least `test_fraction` of the frames are held out (0:
    none)."""
    if test_fraction == 0:
        return np.zeros(len(labels), dtype=bool)
    rng = np.random.default_rng(seed)
    groups: np.ndarray = np.arange(len(labels))
    for column in ("subject", "source"):
        values = labels[column].astype(str)
        if values.nunique() > 1 and not (values == "").any():
            groups = values.to_numpy()
            break
    names = sorted(set(groups.tolist()))
    order = [names[index] for index in rng.permutation(len(names))]
    held_out = np.zeros(len(labels), dtype=bool)
    for name in order[:-1]:  # something must be left to train on
        if held_out.sum() >= max(1.0, test_fraction * len(labels)):
            break
        held_out |= groups == name
    return held_out


def read_labelled_frames(labels: pd.DataFrame, width: int, height: int) -> Iterator[tuple[int, np.ndarray]]:
    """Every labelled frame shrunk to fit `width` x `height` px: (row position, (h, w, 3) uint8 RGB)."""
    import cv2

    positions = {key: position for position, key in enumerate(labels.index)}
    sizes = [fit_size(w, h, width, height) for w, h in zip(labels["width"], labels["height"], strict=True)]
    for image, rows in labels[labels["image"] != ""].groupby("image", sort=False):
        position = positions[rows.index[0]]
        picture = read_image(str(image))
        small = picture.shape[1::-1] == sizes[position]
        yield (
            position,
            picture if small else cv2.resize(picture, sizes[position], interpolation=cv2.INTER_AREA),
        )
    for video, rows in labels[labels["video"] != ""].groupby("video", sort=False):
        wanted = {int(frame): positions[key] for key, frame in rows["frame"].items()}
        for number, frame in _read_video_frames(str(video), sorted(wanted)):
            yield wanted[number], frame.shrunk(*sizes[wanted[number]])


def write_project(
    labels: pd.DataFrame, folder: Path, held_out: np.ndarray, width: int, height: int
) -> tuple[Path, list[str]]:
    """Write a DeepLabCut project with the labelled frames (shrunk) and its training dataset (shuffle 1).

    Returns the path of its config.yaml and the image files (relative to `folder`) in the order of `labels`.
    """
    import cv2

    points = find_labelled_points(labels)
    names = _name_images(labels)
    coordinates = np.full((len(labels), len(points), 2), np.nan)
    for position, image in track(
        read_labelled_frames(labels, width, height), len(labels), "Pose: labelled frames"
    ):
        path = folder / names[position]
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        row = labels.iloc[position]
        scale = np.array([image.shape[1] / row["width"], image.shape[0] / row["height"]])
        for index, point in enumerate(points):
            # A pixel's centre is its coordinate: the same convention as when points are scaled back.
            xy = (np.array([row[f"{point}_x"], row[f"{point}_y"]], dtype=float) + 0.5) * scale - 0.5
            coordinates[position, index] = np.maximum(xy, SMALLEST_COORDINATE)
    for source in sorted({Path(name).parent.name for name in names}):
        rows = [position for position, name in enumerate(names) if Path(name).parent.name == source]
        _write_collected(folder, [names[row] for row in rows], points, coordinates[rows])
    config = _write_config(folder, names, points, held_out)
    _create_dataset(config, folder, names, held_out)
    return config, names


def _read_video_frames(video: str, numbers: Sequence[int]) -> Iterator[tuple[int, Any]]:
    from painlib.cohort import VideoPart
    from painlib.video import read_frame, read_frames

    if numbers[-1] + 1 > SEQUENTIAL_GAP * len(numbers):
        for number in numbers:
            yield number, read_frame(video, number)
        return
    wanted = set(numbers)
    for frame in read_frames([VideoPart(video)]):
        if frame.number in wanted:
            yield frame.number, frame
        if frame.number >= numbers[-1]:
            return


def _name_images(labels: pd.DataFrame) -> list[str]:
    """labeled-data/<source>/img<number>.png of every frame; sources of one name (other folders) are told
    apart."""
    folders: dict[tuple[str, str], str] = {}
    names, counts = [], dict[str, int]()
    for row in labels.to_dict("records"):
        key = (row["source"], row["video"] or str(Path(row["image"]).parent))
        if key not in folders:
            stem = re.sub(r"[^\w\-]+", "_", Path(row["source"]).stem).strip("_") or "images"
            same = sum(name == stem or name.startswith(f"{stem}__") for name in folders.values())
            folders[key] = f"{stem}__{same + 1}" if same else stem
        folder = folders[key]
        number = row["frame"] if row["video"] else counts.setdefault(folder, 0)
        counts[folder] = counts.get(folder, 0) + 1
        names.append(f"labeled-data/{folder}/img{number:07d}.png")
    return names


def _write_collected(
    folder: Path, names: Sequence[str], points: Sequence[str], coordinates: np.ndarray
) -> None:
    import pandas as pd

    columns = pd.MultiIndex.from_product(
        [[SCORER], list(points), ["x", "y"]], names=["scorer", "bodyparts", "coords"]
    )
    index = pd.MultiIndex.from_tuples([tuple(name.split("/")) for name in names])
    table = pd.DataFrame(coordinates.reshape(len(names), -1), columns=columns, index=index).sort_index()
    file = folder / Path(names[0]).parent / f"CollectedData_{SCORER}"
    table.to_hdf(file.with_suffix(".h5"), key="df_with_missing", mode="w")
    table.to_csv(file.with_suffix(".csv"))


def _write_config(folder: Path, names: Sequence[str], points: Sequence[str], held_out: np.ndarray) -> Path:
    with quiet_deeplabcut():
        from deeplabcut.core.config import ProjectConfig

        sources = sorted({Path(name).parent.name for name in names})
        config = ProjectConfig(
            Task=TASK,
            scorer=SCORER,
            date=DATE,
            project_path=folder.absolute(),
            # DeepLabCut finds the labels of a video by its name; the video itself need not be there.
            video_sets={
                str(folder.absolute() / "videos" / f"{source}.mp4"): {"crop": "0, 0, 0, 0"}
                for source in sources
            },
            bodyparts=list(points),
            TrainingFraction=[_training_fraction(held_out)],
            iteration=0,
            snapshotindex=-1,
            default_net_type="resnet_50",
            default_augmenter="albumentations",
        )
        path = folder / "config.yaml"
        config.to_yaml(path)
    return path


def _create_dataset(config: Path, folder: Path, names: Sequence[str], held_out: np.ndarray) -> None:
    """DeepLabCut's training dataset with our split; its row numbers are those of all labels in sorted
    order."""
    with quiet_deeplabcut():
        from deeplabcut import create_training_dataset

        order = sorted(range(len(names)), key=lambda position: tuple(names[position].split("/")))
        rows = {name: row for row, name in enumerate(names[position] for position in order)}
        train = [rows[name] for name, out in zip(names, held_out, strict=True) if not out]
        # DeepLabCut wants a test frame even where none is held out; nothing is ever measured on that one.
        test = [rows[name] for name, out in zip(names, held_out, strict=True) if out] or train[:1]
        create_training_dataset(
            config,
            Shuffles=[1],
            trainIndices=[sorted(train)],
            testIndices=[sorted(test)],
            net_type="resnet_50",
            userfeedback=False,
        )


def _training_fraction(held_out: np.ndarray) -> float:
    # As DeepLabCut computes it from a given split; both must agree, the names of its files hold it.
    n_train = int((~held_out).sum())
    return round(n_train / (n_train + max(1, int(held_out.sum()))), 2)

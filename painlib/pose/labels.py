"""Labelled frames for pose training: a csv table, or the labels of a DeepLabCut project."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from painlib.faults import Faults, PainlibError, did_you_mean, hide_secrets
from painlib.places import check_url, find_place, is_url, name_file

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

KEYPOINTS = ("nose", "right_eye", "left_eye")
COORDINATES = tuple(f"{point}_{axis}" for point in KEYPOINTS for axis in "xy")
LABEL_COLUMNS = ("image", "video", "frame", "subject", "camera", "source", "width", "height", *COORDINATES)
SHOWN_ROWS = 5


def load_labels(path: str | Path, point_names: Sequence[str] = KEYPOINTS) -> pd.DataFrame:
    """Read labelled frames and check all of them.

    `path` is a csv table with `image` or `video` and `frame` (zero-based), optional `subject` and `camera`,
    and the coordinates nose_x, nose_y, right_eye_x, ... in px of that image; a blank pair is a point that
    cannot be seen, and a point that is never labelled may lack its columns. Files are looked for beside the
    table, then in its folders `images` and `videos`. Or `path` is a DeepLabCut project (folder or
    config.yaml); `point_names` are then the project's names of nose, right eye and left eye ("" = not
    labelled there).

    Returns one row a labelled frame with the columns `LABEL_COLUMNS`: `image` or `video` absolute (the other
    ""), `frame` (-1 for images), `source` (the video or folder it is from), `width`, `height` of the frame in
    px. Raises one `PainlibError` that lists every fault.
    """
    path = Path(path)
    if path.name == "config.yaml":
        path = path.parent
    if path.is_dir():
        labels, faults = _read_project(path, point_names)
    else:
        labels, faults = _read_table(path)
    for text in _check_labels(labels):
        faults.add(text)
    faults.raise_if_any(f"The labelled frames cannot be used: {path}")
    return labels


def find_labelled_points(labels: pd.DataFrame) -> list[str]:
    """The key points that are labelled in at least one frame, in the order of `KEYPOINTS`."""
    return [point for point in KEYPOINTS if labels[f"{point}_x"].notna().any()]


def _read_table(path: Path) -> tuple[pd.DataFrame, Faults]:
    import pandas as pd

    if not path.is_file():
        raise PainlibError(
            f"Expected a table of labelled frames or a DeepLabCut project, found neither: {path}. Write the "
            "path of a csv table, or of a folder with config.yaml, into `labels`."
        )
    try:
        raw = pd.read_csv(
            path, encoding="utf-8-sig", dtype={"subject": str, "camera": str, "image": str, "video": str}
        )
    except (ValueError, OSError) as error:
        raise PainlibError(
            f"The table of labelled frames is not a readable csv: {path} ({error})."
        ) from error
    faults = Faults()
    known = ("image", "video", "frame", "subject", "camera", *COORDINATES)
    with_image, with_video = "image" in raw, "video" in raw and "frame" in raw
    if not (with_image or with_video):
        hint = "".join(
            did_you_mean(name, ("image", "video", "frame")) for name in raw.columns if name not in known
        )
        faults.add(
            f"Expected the column `image`, or `video` and `frame`; got {', '.join(raw.columns)}.{hint}"
        )
    for point in KEYPOINTS:
        present = [f"{point}_{axis}" in raw for axis in "xy"]
        if any(present) and not all(present):
            faults.add(f"Expected both `{point}_x` and `{point}_y`; one of the two columns is missing.")
    if not any(name in raw for name in COORDINATES):
        faults.add(f"Expected coordinates of at least one point; no column of {', '.join(COORDINATES)}.")
    if raw.empty:
        faults.add("Expected at least two labelled frames; the table has no rows.")
    faults.raise_if_any(f"The labelled frames cannot be used: {path}")

    labels = pd.DataFrame(index=raw.index, columns=list(LABEL_COLUMNS))
    for name in ("image", "video", "subject", "camera"):
        labels[name] = raw[name].fillna("").str.strip() if name in raw else ""
    numbers = pd.to_numeric(raw["frame"], errors="coerce") if with_video else pd.Series(-1.0, index=raw.index)
    for row in labels.index[(labels["video"] != "") & ((numbers < 0) | (numbers % 1 != 0))]:
        faults.add(
            f"Row {row + 2}: `frame` is the zero-based number of a frame, got {raw.loc[row, 'frame']!r}."
        )
        numbers[row] = 0
    labels["frame"] = numbers.where(labels["video"] != "", -1).astype("int64")
    for name in COORDINATES:
        labels[name] = pd.to_numeric(raw[name], errors="coerce") if name in raw else float("nan")
        if name in raw:
            for row in labels.index[raw[name].notna() & labels[name].isna()]:
                faults.add(
                    f"Row {row + 2}, `{name}`: expected a number or a blank, got {raw.loc[row, name]!r}."
                )
    for row in labels.index[(labels["image"] == "") == (labels["video"] == "")]:
        faults.add(f"Row {row + 2}: expected either `image` or `video`; got both or neither.")
    for name, folder in (("image", "images"), ("video", "videos")):
        folders = (path.parent, path.parent / folder)
        labels[name] = [find_place(written, *folders) if written else "" for written in labels[name]]
    labels["source"] = [
        name_file(video) if video else Path(image).parent.name
        for image, video in zip(labels["image"], labels["video"], strict=True)
    ]
    return labels, faults


def _read_project(folder: Path, point_names: Sequence[str]) -> tuple[pd.DataFrame, Faults]:
    import pandas as pd

    if not (folder / "config.yaml").is_file():
        raise PainlibError(
            f"Expected a DeepLabCut project: {folder} has no config.yaml. Write the path of the project's "
            "folder, or of a csv table of labelled frames, into `labels`."
        )
    faults, tables = Faults(), []
    for labelled in sorted(path for path in (folder / "labeled-data").glob("*") if path.is_dir()):
        files = sorted(labelled.glob("CollectedData_*.h5")) or sorted(labelled.glob("CollectedData_*.csv"))
        if len(files) > 1:
            names = ", ".join(file.name for file in files)
            faults.add(f"Labels of several people in {labelled}: {names}. Keep one of the files there.")
        if files:
            tables.append(_read_collected(files[0], labelled, point_names, faults))
    if not tables:
        faults.add(
            "Expected labeled-data/*/CollectedData_*.h5 or .csv, found none. Label frames in DeepLabCut "
            "first."
        )
    faults.raise_if_any(f"The labelled frames cannot be used: {folder}")
    return pd.concat(tables, ignore_index=True), faults


def _read_collected(file: Path, folder: Path, point_names: Sequence[str], faults: Faults) -> pd.DataFrame:
    """One labelled-data table of DeepLabCut as our rows."""
    import pandas as pd

    labels = pd.DataFrame(columns=list(LABEL_COLUMNS))
    if file.suffix == ".h5":
        raw = pd.DataFrame(pd.read_hdf(file))
        names = [
            row[-1] if isinstance(row, tuple) else Path(str(row).replace("\\", "/")).name for row in raw.index
        ]
    else:
        with open(file, encoding="utf-8") as opened:
            levels = [line.split(",")[0] for line, _ in zip(opened, range(4), strict=False)]
        levels = [level for level in levels if level in ("scorer", "individuals", "bodyparts", "coords")]
        raw = pd.read_csv(file, header=list(range(len(levels))), encoding="utf-8")
        path_columns = [column for column in raw.columns if str(column[-1]) not in ("x", "y", "likelihood")]
        names = [
            Path(str(raw[path_columns].iloc[row, -1]).replace("\\", "/")).name for row in range(len(raw))
        ]
        names = [Path(name).name for name in names]
        raw = raw.drop(columns=path_columns)
        raw.columns = raw.columns.set_names(levels)
    if "individuals" in raw.columns.names and raw.columns.get_level_values("individuals").nunique() > 1:
        faults.add(
            f"{file.name} in {folder.name}: labels of several animals; one animal a frame is expected."
        )
        return labels
    parts = list(dict.fromkeys(raw.columns.get_level_values("bodyparts")))
    labels["image"] = [str((folder / name).absolute()) for name in names]
    labels[["video", "subject", "camera"]] = ""
    labels["frame"], labels["source"] = -1, folder.name
    for point, name in zip(KEYPOINTS, point_names, strict=True):
        if name and name not in parts:
            faults.add(
                f"The project's labels have no point '{name}' (for {point}); they have {', '.join(parts)}."
                f"{did_you_mean(name, parts)} Mend `point_names`."
            )
            name = ""
        for axis in "xy":
            values = (
                raw.xs((name, axis), axis=1, level=("bodyparts", "coords")).iloc[:, 0]  # type: ignore[call-overload]
                if name
                else float("nan")
            )
            labels[f"{point}_{axis}"] = pd.to_numeric(pd.Series(values, index=raw.index)).to_numpy()
    return labels


def _check_labels(labels: pd.DataFrame) -> Iterator[str]:
    """Faults of the rows; fills in the frames' `width` and `height`."""
    from painlib.video import probe_video

    sizes: dict[str, tuple[int, int, int] | str] = {}
    for file in dict.fromkeys([*labels["video"], *labels["image"]]):
        if file and not (is_url(file) and file in set(labels["video"])) and not Path(file).is_file():
            sizes[file] = f"Expected a file, found none: {file}. Mend the table, or put the file there."
        elif is_url(file) and (fault := check_url(file)):
            sizes[file] = f"The table names {hide_secrets(file)}: {fault}"
        elif file and file in set(labels["video"]):
            try:
                info = probe_video(file)
                sizes[file] = info.width, info.height, info.n_frames
            except PainlibError as error:
                sizes[file] = str(error)
        elif file:
            sizes[file] = _measure_image(file)
    yield from [text for text in sizes.values() if isinstance(text, str)]

    outside: list[str] = []
    beyond: list[str] = []
    half: list[str] = []
    dimensions = []
    for row in labels.to_dict("records"):
        name = f"{name_file(row['video'] or row['image'])}" + (
            f" frame {row['frame']}" if row["video"] else ""
        )
        size = sizes.get(row["video"] or row["image"], "")
        width, height, n_frames = (0, 0, 0) if isinstance(size, str) else size
        dimensions.append((width, height))
        if width and row["video"] and row["frame"] >= n_frames:
            beyond.append(f"{name} (the video has frames 0 to {n_frames - 1})")
        for point in KEYPOINTS:
            x, y = row[f"{point}_x"], row[f"{point}_y"]
            if (x != x) != (y != y):
                half.append(f"{name}, {point}")
            elif width and x == x and not (0 <= x < width and 0 <= y < height):
                outside.append(f"{name}, {point} ({x:g}, {y:g}) in {width} x {height} px")
    labels[["width", "height"]] = dimensions
    if beyond:
        yield f"Frame numbers beyond the end: {_shorten(beyond)}. Frames are counted from 0."
    if half:
        yield f"Points with only one coordinate: {_shorten(half)}. Give both, or leave both blank."
    if outside:
        yield f"Points outside their image: {_shorten(outside)}. Coordinates are px of that very file."
    twice = labels.duplicated(["image", "video", "frame"]) & (labels["image"] + labels["video"] != "")
    if twice.any():
        rows = labels[twice].to_dict("records")
        names = [
            f"{name_file(row['video'] or row['image'])}" + f" {row['frame']}" * bool(row["video"])
            for row in rows
        ]
        yield f"Frames labelled more than once: {_shorten(names)}. Keep one row a frame."
    if not labels[list(COORDINATES)].notna().any(axis=None):
        yield "Nothing is labelled: every coordinate is blank."
    elif len(labels) < 2:
        yield "Expected at least two labelled frames (one to train on, one to test on); got one."


def _measure_image(file: str) -> tuple[int, int, int] | str:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file) as image:
            return (*image.size, 1)
    except (OSError, UnidentifiedImageError):
        return f"Expected an image (png, jpg, tif, bmp), cannot read it: {file}."


def _shorten(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN_ROWS} more" if len(names) > SHOWN_ROWS else ""
    return "; ".join(names[:SHOWN_ROWS]) + more


def read_image(path: str | Path) -> np.ndarray:
    """An image file as (height, width, 3) uint8 RGB; `PainlibError` where it is none."""
    import cv2

    # As stored, whatever its Exif says: labels and `width`, `height` are in those px.
    image = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise PainlibError(f"Expected an image, got a file that cannot be read as one: {path}")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

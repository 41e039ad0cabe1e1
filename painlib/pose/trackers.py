"""Files of other trackers (DeepLabCut, SLEAP, Lightning Pose) as our pose table, read through `movement`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from painlib.faults import Faults, PainlibError, did_you_mean
from painlib.places import is_url
from painlib.pose.labels import KEYPOINTS
from painlib.remote import fetch_copy

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

HEADER_LEVELS = ("scorer", "individuals", "bodyparts", "coords")
# SLEAP's scores are heights of peaks, a little above 1 at times; a percentage would be far above.
HIGHEST_PEAK = 1.5
KINDS = "DeepLabCut .h5 or .csv, SLEAP analysis .h5 or .slp, Lightning Pose .csv"


def read_tracker(path: str | Path, point_names: Sequence[str], individual: str | None = None) -> pd.DataFrame:
    """Read nose and eyes from a tracker's file or URL; what wrote it is seen from the file itself.

    `point_names`: the file's names of nose, right eye and left eye ("" = not tracked). `individual`: which
    animal, where the file has several. Returns one row a frame: `frame` (the file's own zero-based number)
    and for each of `KEYPOINTS` _x, _y (px, NaN where absent) and _likelihood (0 where absent). Raises one
    `PainlibError` with every fault: unknown names, likelihoods that are missing beside coordinates or outside
    0 to 1 (SLEAP's peaks slightly above 1 count as 1). A likelihood means what its tracker takes it for:
    thresholds do not carry over between trackers.
    """
    import pandas as pd

    if is_url(path):
        with fetch_copy(str(path)) as copy:
            try:
                return read_tracker(copy, point_names, individual)
            except PainlibError as error:
                raise PainlibError(str(error).replace(str(copy), str(path))) from error
    path = Path(path)
    if len(point_names) != len(KEYPOINTS) or not any(point_names):
        raise PainlibError(
            'Expected three `point_names` (nose, right eye, left eye; "" = not tracked), at least one of '
            "them named; "
            f"got {list(point_names)}."
        )
    if not path.is_file():
        raise PainlibError(
            f"Expected a tracker's file ({KINDS}), found none: {path}. Mend the column `pose`."
        )
    dataset, frames = _load_dataset(path)
    animal = _choose_individual(dataset, individual, path)
    known = [str(name) for name in dataset.coords[_dimension(dataset, "keypoint")].values]
    faults, columns = Faults(), {"frame": frames.astype("int64")}
    for point, name in zip(KEYPOINTS, point_names, strict=True):
        x, y, likelihood = np.full(len(frames), np.nan), np.full(len(frames), np.nan), np.zeros(len(frames))
        if name and name not in known:
            faults.add(
                f"No point '{name}' (for {point}); the file has "
                f"{', '.join(known)}.{did_you_mean(name, known)}"
            )
        elif name:
            x, y, likelihood = _select_point(dataset, animal, name)
            for text in _check_point(name, x, y, likelihood, frames):
                faults.add(text)
        absent = np.isnan(x) | np.isnan(y)
        columns[f"{point}_x"], columns[f"{point}_y"] = (
            np.where(absent, np.nan, x),
            np.where(absent, np.nan, y),
        )
        columns[f"{point}_likelihood"] = np.where(absent, 0.0, likelihood)
    faults.raise_if_any(f"The tracker's file cannot be used: {path}")
    return pd.DataFrame(columns)


def _load_dataset(path: Path) -> tuple[xr.Dataset, np.ndarray]:
    """The file as a `movement` dataset, and the number of each frame."""
    import h5py

    suffix = path.suffix.lower()
    sleap = suffix == ".slp"
    try:
        if suffix == ".h5":
            with h5py.File(path) as file:
                # pandas' tables are groups; SLEAP's tracks are a plain array.
                sleap = isinstance(file.get("tracks"), h5py.Dataset)
        if sleap:
            return _load_sleap(path)
        if suffix in (".h5", ".csv"):
            return _load_dlc_style(path)
    except PainlibError:
        raise
    except (
        Exception
    ) as error:  # whatever pandas, HDF5 or movement say of a file that is not what its name says
        raise PainlibError(
            f"The tracker's file cannot be read: {path} ({type(error).__name__}: "
            f"{str(error).splitlines()[0]}). Expected {KINDS}; export it again."
        ) from error
    raise PainlibError(f"Expected a tracker's file ({KINDS}), got '{path.suffix}': {path}.")


def _load_sleap(path: Path) -> tuple[xr.Dataset, np.ndarray]:
    with _quiet_movement():
        from movement.io import load_dataset

        dataset = load_dataset(path, source_software="SLEAP")
    scores = dataset["confidence"]
    dataset["confidence"] = scores.where((scores <= 1) | (scores > HIGHEST_PEAK) | scores.isnull(), 1.0)
    return dataset, np.arange(dataset.sizes["time"])


def _load_dlc_style(path: Path) -> tuple[xr.Dataset, np.ndarray]:
    """DeepLabCut and Lightning Pose write the same table: columns scorer, (individuals,) bodyparts,
    coords."""
    import pandas as pd

    table = pd.DataFrame(pd.read_hdf(path)) if path.suffix.lower() == ".h5" else _read_dlc_csv(path)
    if "coords" not in table.columns.names or "bodyparts" not in table.columns.names:
        raise PainlibError(f"Expected columns of scorer, bodyparts, coords ({KINDS}), got others: {path}.")
    if not pd.api.types.is_integer_dtype(table.index):
        raise PainlibError(
            f"Expected a tracker's result with a number for each frame, got rows such as {table.index[0]!r}: "
            f"{path}. Labels (CollectedData) belong in `labels`."
        )
    coords = set(table.columns.get_level_values("coords"))
    if "likelihood" not in coords:
        raise PainlibError(
            f"The file has no likelihoods (its columns: {', '.join(sorted(coords))}): {path}. The crop rules "
            "need one for each point: export 2D predictions with likelihood."
        )
    if table.empty:
        raise PainlibError(f"The tracker's file has no frames: {path}.")
    if not table.index.is_monotonic_increasing or table.index.has_duplicates or table.index[0] < 0:
        raise PainlibError(f"Frame numbers must rise from row to row, one row a frame: {path}.")
    with _quiet_movement():
        from movement.io.load_poses import from_dlc_style_df

        return from_dlc_style_df(_fill_grid(table)), table.index.to_numpy()


def _read_dlc_csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    with open(path, encoding="utf-8-sig") as file:
        levels = [line.split(",")[0].strip().strip('"') for line, _ in zip(file, HEADER_LEVELS, strict=False)]
    levels = [level for level in levels if level in HEADER_LEVELS]
    if levels not in (list(HEADER_LEVELS), [level for level in HEADER_LEVELS if level != "individuals"]):
        raise PainlibError(
            "Expected a csv of DeepLabCut or Lightning Pose (rows scorer, bodyparts, coords at its top), "
            f"got a top row that starts with {levels[:1] or 'something else'}: {path}."
        )
    # The index is set afterwards: with `index_col`, pandas takes an empty first frame for its name.
    table = pd.read_csv(path, header=list(range(len(levels))), encoding="utf-8-sig", low_memory=False)
    table = table.set_index(table.columns[0]).rename_axis(index=None)
    table.columns = pd.MultiIndex.from_tuples([*table.columns], names=levels)  # type: ignore[list-item]
    return table


def _fill_grid(table: pd.DataFrame) -> pd.DataFrame:
    """The same table with x, y, likelihood of every point of every animal, in this order.

    `movement` takes the columns' order for granted, knows no other columns than these, and no points that
    only some animals have.
    """
    import pandas as pd

    names = list(table.columns.names)
    levels = [list(dict.fromkeys(table.columns.get_level_values(place))) for place in range(len(names))]
    levels[names.index("scorer")] = levels[names.index("scorer")][:1]
    levels[names.index("coords")] = ["x", "y", "likelihood"]
    grid = pd.MultiIndex.from_product(levels, names=names)
    # pandas tells repeated names of a csv's top row apart with .1, .2: the scorer says nothing here.
    scorer = levels[names.index("scorer")][0]
    position = names.index("scorer")
    table = table.set_axis(
        pd.MultiIndex.from_tuples(
            [(*column[:position], scorer, *column[position + 1 :]) for column in table.columns], names=names
        ),
        axis=1,
    )
    if table.columns.has_duplicates:
        raise PainlibError("The tracker's file has a point twice; export it again with each point once.")
    return table.reindex(columns=grid).astype("float64")


def _dimension(dataset: xr.Dataset, name: str) -> str:
    """`movement` renamed its dimensions to the singular in 0.15."""
    return name if name in dataset.dims else f"{name}s"


def _choose_individual(dataset: xr.Dataset, individual: str | None, path: Path) -> str:
    names = [str(name) for name in dataset.coords[_dimension(dataset, "individual")].values]
    if individual in (None, "") and len(names) == 1:
        return names[0]
    if individual in (None, ""):
        raise PainlibError(
            f"The file has several animals ({', '.join(names)}): {path}. Name one of them as `individual`."
        )
    if individual not in names:
        raise PainlibError(
            f"No individual '{individual}'; the file has {', '.join(names)}: "
            f"{path}.{did_you_mean(individual, names)}"
        )
    return str(individual)


def _select_point(dataset: xr.Dataset, animal: str, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    chosen = dataset.sel({_dimension(dataset, "keypoint"): name, _dimension(dataset, "individual"): animal})
    position = chosen["position"].transpose("time", "space").to_numpy().astype(float)
    return position[:, 0], position[:, 1], chosen["confidence"].to_numpy().astype(float)


def _check_point(
    name: str, x: np.ndarray, y: np.ndarray, likelihood: np.ndarray, frames: np.ndarray
) -> Iterator[str]:
    present = ~(np.isnan(x) | np.isnan(y))
    if np.isinf(x).any() or np.isinf(y).any():
        yield f"Point '{name}': infinite coordinates, first in frame {frames[np.isinf(x) | np.isinf(y)][0]}."
    if present.any() and np.isnan(likelihood[present]).all():
        yield (
            f"Point '{name}' has coordinates but no likelihoods at all, and the crop rules need them. Export "
            "predictions with their scores (SLEAP: point_scores; frames corrected by hand have none)."
        )
    elif np.isnan(likelihood[present]).any():
        missing = frames[present & np.isnan(likelihood)]
        yield (
            f"Point '{name}': {len(missing)} frames have coordinates but no likelihood, the first is frame "
            f"{missing[0]}. Give them one, or blank their coordinates."
        )
    outside = present & ((likelihood < 0) | (likelihood > 1))
    if outside.any():
        yield (
            f"Point '{name}': expected likelihoods from 0 to 1, got {likelihood[outside][0]:g} in frame "
            f"{frames[outside][0]} ({outside.sum()} frames)."
        )


@contextmanager
def _quiet_movement() -> Iterator[None]:
    import warnings

    from loguru import logger

    logger.disable("movement")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.enable("movement")

"""Attribution maps on disk, one file and one index a recording, and random access by row.

`<workdir>/maps/<recording>.npy` holds (n, 2, h, w) float16, class by class in the order of `LABELS`, each
map min-max normalised; `<recording>.parquet` says which face each is. The index is written last and taken
away first: where it is, its maps are whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from painlib.attribution.gradcam import find_output
from painlib.faults import Faults, PainlibError
from painlib.model import LABELS
from painlib.tables import read_fingerprint, read_table, write_table, write_whole

WHO = ["recording", "subject", "camera", "frame"]
# What numpy raises for a file that is absent, cut short, empty, or something else.
UNREADABLE = (OSError, ValueError, EOFError)
REMEDY = "Run stage 03_predict again (`painlib run PARAMS --from predict`)."


def maps_files(workdir: str | Path, recording: str) -> tuple[Path, Path]:
    """Where a recording's maps and their index lie."""
    folder = Path(workdir) / "maps"
    return folder / f"{recording}.npy", folder / f"{recording}.parquet"


def write_maps(
    workdir: str | Path,
    recording: str,
    faces: pd.DataFrame,
    maps: np.ndarray,
    peaks: np.ndarray,
    mark: str,
) -> None:
    """Keep one recording's maps (n, 2, h, w) and their raw maxima (n, 2), in the order of `faces`.

    `faces`: its rows of the face index; `mark`: what the maps were made from.
    """
    path, index = maps_files(workdir, recording)
    table = faces[WHO].assign(peak_no_pain=peaks[:, 0], peak_pain=peaks[:, 1])
    if maps.shape[:2] != (len(faces), len(LABELS)):
        raise PainlibError(f"Expected maps ({len(faces)}, {len(LABELS)}, h, w), got {maps.shape}: {path}.")
    index.unlink(missing_ok=True)
    with write_whole(path) as temporary:
        np.save(temporary, maps.astype(np.float16, copy=False))
    write_table(table, index, "maps", mark)


def are_maps_current(workdir: str | Path, recording: str, mark: str) -> bool:
    """Whether the maps of a recording are whole and were made from what `mark` says."""
    path, index = maps_files(workdir, recording)
    if read_fingerprint(index) != mark:
        return False
    try:
        _check_fit(path, read_table(index, "maps"), _open(path))
    except UNREADABLE:
        return False
    return True


class MapStore:
    """The maps under a working folder: of the recordings named, or of all that are there.

    Row `i` of `index` (schema "maps"; order: recording, camera, frame, as `FaceStore.index`) is map `i` of
    `read`. Maps that are missing, cut short or do not fit their index are one `PainlibError`.
    """

    def __init__(self, workdir: str | Path, recordings: Iterable[str] | None = None) -> None:
        self.folder = Path(workdir) / "maps"
        names = self._find_recordings() if recordings is None else sorted(set(recordings))
        faults = Faults()
        self._files: list[Path] = []
        tables, sizes = [], {}
        for name in names:
            path, index = maps_files(workdir, name)
            try:
                table, maps = read_table(index, "maps"), _open(path)
                _check_fit(path, table, maps)
            except UNREADABLE as error:
                faults.add(_describe(error, path))
                continue
            tables.append(table.assign(file=len(self._files), place=np.arange(len(table))))
            self._files.append(path)
            sizes[maps.shape[2:]] = name
        if len(sizes) > 1:
            told = ", ".join(f"{h} x {w} ('{name}')" for (h, w), name in sizes.items())
            faults.add(f"Expected maps of one size, got {told}: they are of different models.")
        if not names:
            faults.add("Expected the maps of at least one recording, found none.")
        faults.raise_if_any(f"The maps in {self.folder} cannot be used. {REMEDY}")
        # Height and width of a map: the sixth convolution's, the face's side // 32.
        self.shape: tuple[int, int] = next(iter(sizes))
        together = pd.concat(tables, ignore_index=True)
        together = together.sort_values(["recording", "camera", "frame"], kind="stable", ignore_index=True)
        self._file_of, self._place = together.pop("file").to_numpy(), together.pop("place").to_numpy()
        self.index: pd.DataFrame = together

    def __len__(self) -> int:
        return len(self.index)

    def read(self, rows: Sequence[int] | np.ndarray, label: str) -> np.ndarray:
        """Maps (n, h, w) float32 of one class by row position, in the order asked for.

        Each is min-max normalised to 0..1; all 0 where nothing spoke for the class (its peak is 0).
        """
        output, rows = find_output(label), np.asarray(rows, np.int64)
        files, places = self._file_of[rows], self._place[rows]
        found = np.empty((len(rows), *self.shape), np.float32)
        for file in np.unique(files):
            # Opened anew each time: a map held open costs one of the process's few open files.
            found[files == file] = _open(self._files[file])[places[files == file], output]
        return found

    def check_faces(self, faces: pd.DataFrame) -> None:
        """Raise `PainlibError` unless row for row the maps are those of `faces`, a `FaceStore`'s index."""
        keys = ["recording", "camera", "frame"]
        mine, theirs = self.index[keys], faces[keys].reset_index(drop=True)
        if len(mine) != len(theirs):
            raise PainlibError(
                f"Expected a map for each of {len(theirs)} faces, got {len(mine)}: {self.folder}. {REMEDY}"
            )
        differs = (mine != theirs).any(axis=1).to_numpy()
        if differs.any():
            row = int(differs.argmax())
            face, map_ = (" ".join(map(str, table.iloc[row])) for table in (theirs, mine))
            raise PainlibError(
                f"Expected the maps of the faces in the face index, but {int(differs.sum())} of {len(mine)} "
                f"differ, the first in row {row}: face '{face}', map '{map_}': {self.folder}. {REMEDY}"
            )

    def _find_recordings(self) -> list[str]:
        files = [*self.folder.glob("*.npy"), *self.folder.glob("*.parquet")]
        # A name with a dot in front is a file that was not finished.
        return sorted({file.stem for file in files if not file.name.startswith(".")})


def upsample(maps: np.ndarray, px: int) -> np.ndarray:
    """Maps (n, h, w) on a face of `px` pixels a side: (n, px, px) float32, bilinear (OpenCV).

    Each map is stretched over the whole face, its values in the middle of px / h x px / w fields and held
    constant from there to the rim; so what a map of 4 x 4 shows is no finer than a quarter of the face.
    """
    stretched = np.empty((len(maps), px, px), np.float32)
    for place, one in enumerate(maps):
        stretched[place] = cv2.resize(np.asarray(one, np.float32), (px, px), interpolation=cv2.INTER_LINEAR)
    return stretched


def _open(path: Path) -> np.ndarray:
    """The file memory-mapped, as a plain array; a file cut short raises ValueError."""
    return np.asarray(np.load(path, mmap_mode="r"))


def _check_fit(path: Path, table: pd.DataFrame, maps: np.ndarray) -> None:
    if maps.dtype != np.float16 or maps.ndim != 4 or maps.shape[1] != len(LABELS):
        raise PainlibError(
            f"expected maps (n, {len(LABELS)}, h, w) float16, got {maps.shape} {maps.dtype}: {path}"
        )
    if len(maps) != len(table):
        raise PainlibError(f"expected {len(table)} maps, as the index says, got {len(maps)}: {path}")


def _describe(error: Exception, path: Path) -> str:
    if isinstance(error, PainlibError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return f"Expected the maps of '{path.stem}', found no file: {path}"
    return (
        f"Expected the maps of '{path.stem}', got a file that is cut short or none of ours ({error}): {path}"
    )

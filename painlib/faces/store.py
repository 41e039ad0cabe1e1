"""Faces on disk: one blob of JPEGs a recording and camera, its index, and random access by row.

The index says where each JPEG lies in the blob, which frame it is from, which rule held, and where its
square lay: the square's first column is `centre_x - size_px // 2`, its first row `centre_y - size_px // 2`
(see `place_square`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from painlib.faults import PainlibError
from painlib.fingerprints import fingerprint
from painlib.places import Place, is_url, name_file, to_place
from painlib.progress import report_progress
from painlib.remote import fetch_copy, list_files, mark_file, open_binary
from painlib.tables import read_fingerprint, read_table, write_whole
from painlib.tables.schemas import SCHEMAS

if TYPE_CHECKING:
    import pandas as pd

    from painlib.cohort import Recording

INDEX, BLOB = ".parquet", ".jpgs"
CHUNK = 256  # faces decoded before they are written
# OpenCV decodes a JPEG at 1/2, 1/4 or 1/8 of its size for a fraction of the time.
REDUCED = {
    8: "IMREAD_REDUCED_GRAYSCALE_8", 4: "IMREAD_REDUCED_GRAYSCALE_4", 2: "IMREAD_REDUCED_GRAYSCALE_2",
}  # fmt: skip
REMEDY = "Run stage 01_crop again (`painlib run PARAMS --from crop`)."


@dataclass(frozen=True)
class CameraFiles:
    """Where pose and faces of one recording and camera lie under the working folder."""

    workdir: Path
    recording: str
    camera: str

    @property
    def pose(self) -> Path:
        """Table of schema "pose"."""
        return self.workdir / "pose" / f"{self.recording}_{self.camera}.parquet"

    @property
    def blob(self) -> Path:
        """JPEGs, one after the other."""
        return self.workdir / "faces" / f"{self.recording}_{self.camera}{BLOB}"

    @property
    def index(self) -> Path:
        """Table of schema "faces"; written last, so where it is, the rest is."""
        return self.blob.with_suffix(INDEX)


class Jpeg(NamedTuple):
    """One face as it is stored, the side of its image in px, and the file it is from."""

    content: bytes
    size_px: int
    blob: Place


class FaceStore:
    """The faces under a working folder: of the recordings given, or of all that are there.

    A working folder by URL (`s3://lab/runs/mine`) is read where it lies: the indexes whole, of the JPEGs what
    is asked for.

    A recording of the cohort brings the faces of its own cameras (not of one that was left out since), a
    recording's name those of all.

    Row `i` of `index` (schema "faces"; order: recording, camera, frame) is face `i` of `read`.
    """

    def __init__(self, workdir: str | Path, recordings: Iterable[str | Recording] | None = None) -> None:
        import pandas as pd

        self.folder: Place = (
            f"{workdir}".rstrip("/") + "/faces" if is_url(workdir) else Path(workdir) / "faces"
        )
        recordings = None if recordings is None else list(recordings)
        wanted = None if recordings is None else {key for one in recordings for key in _list_cameras(one)}
        self._blobs: list[Place] = []
        tables, marks = [], []
        for place in _list_indexes(self.folder, recordings):
            if wanted is not None and not any(name_file(place).startswith(f"{name}_") for name, _ in wanted):
                continue
            table, mark = _read_index(place)
            if len(table) and (wanted is None or _is_wanted(table.iloc[0], wanted)):
                blob = to_place(f"{place}".removesuffix(INDEX) + BLOB)
                expected, got = _count_bytes(blob, table)
                if got < expected:
                    raise PainlibError(f"Expected {expected} bytes of faces, got {got}: {blob}. {REMEDY}")
                tables.append(table.assign(blob=len(self._blobs)))
                self._blobs.append(blob)
                marks.append(mark)
        together = pd.concat(tables, ignore_index=True) if tables else empty_index().assign(blob=0)
        together = together.sort_values(["recording", "camera", "frame"], kind="stable", ignore_index=True)
        self._blob_of = together.pop("blob").to_numpy(np.int64)
        self._offsets, self._lengths, self._sizes = together[["offset", "length", "size_px"]].to_numpy().T
        self._marks = marks
        self.index: pd.DataFrame = together

    def __len__(self) -> int:
        return len(self.index)

    def read(self, rows: Sequence[int] | np.ndarray) -> list[np.ndarray]:
        """Faces by row position, each (size_px, size_px, 3) uint8 RGB, in the order asked for."""
        return [decode_face(jpeg) for jpeg in self.read_jpegs(rows)]

    def find(self, faces: pd.DataFrame) -> np.ndarray:
        """(n,) row position of each of `faces` (recording, camera, frame), -1 of one that is not stored."""
        import pandas as pd

        key = ["recording", "camera", "frame"]
        stored, asked = (
            pd.MultiIndex.from_frame(one[key].astype({"frame": "int64"})) for one in (self.index, faces)
        )
        return np.asarray(stored.get_indexer(asked))

    def mark_rows(self, rows: Sequence[int] | np.ndarray) -> str:
        """Fingerprint of these faces: what they were made from, and which they are."""
        rows = np.asarray(rows, np.int64)
        places = np.stack([self._blob_of[rows], self._offsets[rows], self._lengths[rows]])
        return fingerprint(self._marks, hashlib.sha256(places.tobytes()).hexdigest())

    def read_jpegs(self, rows: Sequence[int] | np.ndarray) -> list[Jpeg]:
        """The faces undecoded; each file is opened once and read forwards."""
        rows = np.asarray(rows, np.int64)
        blobs, offsets, lengths = self._blob_of[rows], self._offsets[rows], self._lengths[rows]
        found = [b""] * len(rows)
        forwards = np.lexsort((offsets, blobs))
        for blob in np.unique(blobs):
            with open_binary(self._blobs[blob]) as file:
                for place in forwards[blobs[forwards] == blob]:
                    file.seek(int(offsets[place]))
                    found[place] = file.read(int(lengths[place]))
        return [
            Jpeg(content, int(size), self._blobs[blob])
            for content, size, blob in zip(found, self._sizes[rows], blobs, strict=True)
        ]


def _list_indexes(folder: Place, recordings: Sequence[str | Recording] | None) -> list[Place]:
    if isinstance(folder, Path) and recordings and not any(isinstance(one, str) for one in recordings):
        # No other recording's, which another process may be at.
        own = {f"{name}_{camera}{INDEX}" for one in recordings for name, camera in _list_cameras(one)}
        return [path for name in sorted(own) if (path := folder / name).is_file()]
    if isinstance(folder, Path):
        return list(sorted(folder.glob(f"*{INDEX}")))
    return list(list_files(folder, INDEX))


def _read_index(place: Place) -> tuple[pd.DataFrame, str | None]:
    """The table, and what it was made from."""
    with nullcontext(place) if isinstance(place, Path) else fetch_copy(place) as path:
        return read_table(path, "faces"), read_fingerprint(path)


def _list_cameras(recording: str | Recording) -> list[tuple[str, str]]:
    """(recording, camera); the camera "" stands for all."""
    if isinstance(recording, str):
        return [(recording, "")]
    return [(recording.name, video.camera) for video in recording.cameras]


def _is_wanted(first: pd.Series, wanted: set[tuple[str, str]]) -> bool:
    return not wanted.isdisjoint({(first["recording"], ""), (first["recording"], first["camera"])})


def is_blob_whole(files: CameraFiles) -> bool:
    """Whether blob and index are there and the blob holds every face of the index."""
    if not (files.blob.is_file() and files.index.is_file()):
        return False
    expected, got = _count_bytes(files.blob, read_table(files.index, "faces"))
    return got >= expected


def empty_index() -> pd.DataFrame:
    """An index without faces, its columns typed."""
    import pandas as pd

    types = {name: column.dtype for name, column in SCHEMAS["faces"].columns.items()}
    return pd.DataFrame({name: pd.Series(dtype=object if of == "str" else of) for name, of in types.items()})


def load_network_inputs(
    store: FaceStore, rows: Sequence[int] | np.ndarray, input_px: int, cache: str | Path
) -> np.ndarray:
    """Faces by row position at the network's input size: (n_rows, input_px, input_px, 3) uint8 RGB, read
    from disk.

    Each is decoded once, at the smallest scale that is not below `input_px`, then resized. They are kept in
    the file `cache` (.npy, with a .json beside it that says what it was made from) and made again
    when that changed. Memory does not grow with the number of faces.
    """
    rows = np.asarray(rows, np.int64)
    cache = Path(cache).with_suffix(".npy")
    note = cache.with_suffix(".json")
    mark = fingerprint("network inputs", 2, store.mark_rows(rows), input_px)
    shape = (len(rows), input_px, input_px, 3)
    if not len(rows):
        return np.empty(shape, np.uint8)
    if not _is_current(cache, note, mark):
        with write_whole(cache) as temporary:
            with open(temporary, "wb") as file:
                header = {"descr": "|u1", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
                for chunk in _decode_chunks(store, rows, input_px):
                    file.write(chunk)
            note.unlink(missing_ok=True)
        with write_whole(note) as temporary:
            temporary.write_text(json.dumps({"fingerprint": mark, "shape": shape}), encoding="utf-8")
    return np.load(cache, mmap_mode="r")


def _count_bytes(blob: Place, index: pd.DataFrame) -> tuple[int, int]:
    """Bytes that the index asks for, and bytes that are there."""
    expected = int((index["offset"] + index["length"]).max()) if len(index) else 0
    if isinstance(blob, Path) and not blob.is_file():
        return expected, 0
    return expected, mark_file(blob)[0]


def _is_current(cache: Path, note: Path, mark: str) -> bool:
    try:
        return cache.is_file() and json.loads(note.read_text(encoding="utf-8"))["fingerprint"] == mark
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _decode_chunks(store: FaceStore, rows: np.ndarray, input_px: int) -> Iterator[bytes]:
    import cv2

    # As many as OpenCV may have here: one in a worker.
    with ThreadPoolExecutor(max(1, cv2.getNumThreads())) as pool:
        for begin in range(0, len(rows), CHUNK):
            report_progress("Faces at input size", begin, len(rows))
            jpegs = store.read_jpegs(rows[begin : begin + CHUNK])
            yield np.stack(list(pool.map(partial(decode_face, input_px=input_px), jpegs))).tobytes()
    report_progress("Faces at input size", len(rows), len(rows))


def encode_face(face: np.ndarray, quality: int) -> bytes:
    """The JPEG of a face (side, side, 3) uint8 RGB, as the store keeps it; `quality` 1 to 100."""
    import cv2

    # Full colour resolution: a coat has little colour, so it costs few bytes, and small faces keep theirs.
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality]
    settings += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    return cv2.imencode(".jpg", cv2.cvtColor(face, cv2.COLOR_RGB2BGR), settings)[1].tobytes()


def decode_face(jpeg: Jpeg, input_px: int | None = None) -> np.ndarray:
    """RGB image of a JPEG, at its own size or at `input_px`."""
    import cv2

    flag = 0
    if input_px is not None:
        flag = next((getattr(cv2, name) for by, name in REDUCED.items() if jpeg.size_px // by >= input_px), 0)
    flag |= cv2.IMREAD_COLOR_RGB  # OpenCV takes this one with the reduced grey ones alone, and means colour
    image = cv2.imdecode(np.frombuffer(jpeg.content, np.uint8), flag) if jpeg.content else None
    if image is None:
        raise PainlibError(
            f"Expected a JPEG, got {len(jpeg.content)} bytes that are none: {jpeg.blob}. {REMEDY}"
        )
    return image if input_px is None else resize_face(image, input_px)


def resize_face(face: np.ndarray, input_px: int) -> np.ndarray:
    """A face (side, side, 3) uint8 at (input_px, input_px), bilinear over all that a pixel stands for, as
    torchvision and Pillow resize."""
    import torch

    if face.shape[0] == input_px:
        return face
    batch = torch.from_numpy(face)[None].permute(0, 3, 1, 2)
    resized = torch.nn.functional.interpolate(batch, (input_px, input_px), mode="bilinear", antialias=True)
    return resized[0].permute(1, 2, 0).numpy()

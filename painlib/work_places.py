"""Where networks are trained and faces judged: in this process, or on workers; and on which device."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from painlib.model import choose_device
from painlib.workers import count_gpus, find_address, one_thread_here

ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Place:
    """`here`: one task after another in this process; otherwise on workers, where `device` is "cuda" on those
    with a GPU."""

    here: bool
    device: str

    def keep_to_one_thread(self) -> AbstractContextManager[None]:
        """On a CPU a task computes in one thread here too: what comes out does not depend on where."""
        return one_thread_here() if self.device == "cpu" else nullcontext()


def choose_place(device: str, workers: int, n_tasks: int) -> Place:
    """Where `n_tasks` of a parameter `device` go: to the GPUs that a cluster's workers declare; to this
    machine's own, one after another; without any, to `workers` processes or a cluster, on the CPU."""
    if device in ("auto", "cuda") and n_tasks > 1 and find_address() and count_gpus():
        return Place(False, "cuda")
    own = choose_device(device).type
    alone = n_tasks < 2 or (workers == 1 and not find_address())
    return Place(own != "cpu" or alone, own)


@dataclass(frozen=True)
class ArrayOnDisk:
    """An array in a file, small to send to a worker."""

    path: Path
    dtype: str
    shape: tuple[int, ...]
    offset: int

    def open(self) -> np.ndarray:
        """The array, read from disk where it is looked at."""
        return np.memmap(self.path, np.dtype(self.dtype), "r", self.offset, self.shape)


@contextmanager
def put_on_disk(array: np.ndarray, folder: Path | None) -> Iterator[ArrayOnDisk]:
    """`array` in a file: its own where it is mapped from one, otherwise a copy in `folder` meanwhile."""
    if isinstance(array, np.memmap) and isinstance(array.base, mmap.mmap) and array.flags.c_contiguous:
        yield ArrayOnDisk(Path(array.filename).absolute(), array.dtype.str, array.shape, array.offset)  # type: ignore[arg-type]
        return
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".shared-", dir=folder) as place:
        path = Path(place) / "array.npy"
        copy = np.lib.format.open_memmap(path, "w+", array.dtype, array.shape)
        for start in range(0, len(array), ROWS_AT_ONCE):
            copy[start : start + ROWS_AT_ONCE] = array[start : start + ROWS_AT_ONCE]
        copy.flush()
        yield ArrayOnDisk(path.absolute(), copy.dtype.str, copy.shape, copy.offset)

"""One thread, so that a result depends neither on the number of workers nor on the machine's cores."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

# Dask's own, read by libraries when they are loaded, and NumExpr's.
VARIABLES = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
}
_CHANGED = (*VARIABLES, "MALLOC_TRIM_THRESHOLD_")


@contextmanager
def one_thread_each() -> Iterator[None]:
    """What is spawned meanwhile computes in one thread; at the end the environment is as before."""
    before = {name: os.environ.get(name) for name in _CHANGED}
    os.environ.update(VARIABLES)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def one_thread_here() -> Iterator[None]:
    """torch and OpenCV compute in one thread in this process, as they do in a worker."""
    import cv2
    import torch

    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])

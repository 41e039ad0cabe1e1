"""Progress of long work: a bar for people, or lines in a file that `painlib run` draws."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from tqdm import tqdm

Item = TypeVar("Item")

PROGRESS_VARIABLE = "PAINLIB_PROGRESS"
SECONDS_BETWEEN_LINES = 0.5

Hear = Callable[[str, int, int | None], None]

_last_line: dict[str, float] = {}
_bars: dict[str, tqdm] = {}
_heard_by: Hear | None = None


def track(iterable: Iterable[Item], total: int | None = None, description: str = "") -> Iterator[Item]:
    """Yield the items of `iterable` and show how far it has come.

    `total` is the number of items (None: its length where it has one). Progress goes to the file named by the
    environment variable PAINLIB_PROGRESS where it is set, otherwise to a bar with rate and remaining time.
    """
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    done = 0
    report_progress(description, 0, total)
    try:
        for item in iterable:
            yield item
            done += 1
            # The last line is written once the loop has truly ended, also where `total` was a guess.
            if done != total:
                report_progress(description, done, total)
        report_progress(description, done, done)
    finally:
        _close_bar(description)


def report_progress(description: str, done: int, total: int | None) -> None:
    """Say that `done` of `total` (None: unknown) steps are done, for work that is not a plain loop.

    `done == 0` begins a bar, `done == total` ends it.
    """
    if _heard_by is not None:
        _heard_by(description, done, total)
        return
    path = os.environ.get(PROGRESS_VARIABLE)
    if path:
        _append_line(path, description, done, total)
    else:
        _draw_bar(description, done, total)


@contextlib.contextmanager
def redirect_progress(hear: Hear) -> Iterator[None]:
    """What is reported meanwhile goes to `hear(description, done, total)`, and nothing is drawn."""
    global _heard_by
    before, _heard_by = _heard_by, hear
    try:
        yield
    finally:
        _heard_by = before


def _append_line(path: str, description: str, done: int, total: int | None) -> None:
    now = time.monotonic()
    ends = done == 0 or done == total
    if not ends and now - _last_line.get(description, float("-inf")) < SECONDS_BETWEEN_LINES:
        return
    _last_line[description] = now
    line = json.dumps({"description": description, "done": done, "total": total, "time": time.time()}) + "\n"
    # Work is never lost for its progress line; a line written at once stays whole beside other processes'.
    with contextlib.suppress(OSError), open(path, "ab", buffering=0) as file:
        file.write(line.encode())


def _draw_bar(description: str, done: int, total: int | None) -> None:
    bar = _bars.get(description)
    if bar is None or done < bar.n:
        _close_bar(description)
        bar = _bars[description] = _new_bar(description, total)
    bar.total = total if total is not None else bar.total
    bar.update(done - bar.n)
    if total is not None and done >= total:
        _close_bar(description)


def _new_bar(description: str, total: int | None) -> tqdm:
    from tqdm import tqdm

    # A text bar also in JupyterLab: a widget would make the notebook's html load scripts from elsewhere.
    redrawn = sys.stderr.isatty() or "ipykernel" in sys.modules
    return tqdm(total=total, desc=description, mininterval=0.5 if redrawn else 10.0, dynamic_ncols=redrawn)


def _close_bar(description: str) -> None:
    bar = _bars.pop(description, None)
    if bar is not None:
        bar.close()

"""Tasks in spawned processes of one thread each; one that dies does not lose the others."""

from __future__ import annotations

import multiprocessing
import os
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait as wait_for
from typing import Any

from painlib.faults import PainlibError

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
SECONDS_BETWEEN_LOOKS = 0.5

_steps: Any = None  # in a worker: the steps done of every task, shared with the parent


def run_spawned(
    function: Callable[[Any, int], Any],
    tasks: Sequence[Any],
    workers: int,
    on_progress: Callable[[int], None] = lambda steps: None,
) -> list[Any]:
    """`function(task, number)` of every task, at most `workers` at once; results in order, exceptions among
    them.

    `function` is pickled by name, so it stands in a module; it may call `say_done(number, steps)`, and
    `on_progress` gets the sum over tasks. When a worker is killed, the tasks that were running run again
    one by one; one whose worker dies again results in a `PainlibError`.
    """
    context = multiprocessing.get_context("spawn")
    # One slot a task and one writer a slot, so that no lock dies with its owner.
    steps = context.RawArray("q", max(len(tasks), 1))
    results: list[Any] = [None] * len(tasks)

    def run(numbers: Sequence[int], at_once: int) -> tuple[list[int], list[int]]:
        """Run until all is done or a worker dies; returns what did not begin, and what did not end."""
        waiting, running, lost = deque(numbers), dict[Future[Any], int](), list[int]()
        broken = False
        with ProcessPoolExecutor(at_once, context, _start_worker, (steps,)) as pool, _end_at_once():
            while running or (waiting and not broken):
                try:
                    while waiting and len(running) < at_once and not broken:
                        running[pool.submit(_call, function, tasks[waiting[0]], waiting[0])] = waiting[0]
                        waiting.popleft()
                except BrokenProcessPool:
                    broken = True
                wait(running, timeout=SECONDS_BETWEEN_LOOKS, return_when=FIRST_COMPLETED)
                on_progress(sum(steps))
                for future in [future for future in running if future.done()]:
                    number, error = running.pop(future), future.exception()
                    if isinstance(error, BrokenProcessPool):
                        broken = True
                        lost.append(number)
                    else:
                        results[number] = future.result() if error is None else error
        return list(waiting), lost

    with _one_thread_each():
        left = list(range(len(tasks)))
        while left:
            left, lost = run(left, min(workers, len(left)))
            # A dead worker takes the pool with it; which task it died of shows when they run one by one.
            while lost:
                lost, dead = run(lost, 1)
                for number in dead:
                    results[number] = PainlibError(
                        "Expected the worker process to finish, but it was killed, twice. Most often memory "
                        "ran out: lower `workers`, close other programs, and run again; what was finished "
                        "is kept."
                    )
    return results


def _call(function: Callable[[Any, int], Any], task: Any, number: int) -> Any:
    try:
        return function(task, number)
    except PainlibError:
        raise
    except Exception as error:
        # Not every library's exception survives the way back to the parent.
        raise RuntimeError("".join(traceback.format_exception(error))) from None


def say_done(number: int, steps: int) -> None:
    """In a worker: `steps` of task `number` are done so far. Elsewhere nothing."""
    if _steps is not None:
        _steps[number] = steps


def _start_worker(steps: Any) -> None:
    global _steps
    _steps = steps
    import cv2

    cv2.setNumThreads(1)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """A worker whose parent was killed would wait for tasks for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)


@contextmanager
def _end_at_once() -> Iterator[None]:
    """A pool waits for its tasks when it is left by an exception (Ctrl-C, SIGTERM): end its workers first."""
    others = multiprocessing.active_children()
    try:
        yield
    except BaseException:
        for child in multiprocessing.active_children():
            if child not in others:
                child.terminate()
        raise


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Libraries read these variables when they are loaded, so they are set before a worker starts."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

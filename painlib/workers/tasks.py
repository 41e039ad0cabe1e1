"""Tasks, their progress and their faults, on whatever workers there are."""

from __future__ import annotations

import logging
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from painlib.faults import PainlibError
from painlib.progress import redirect_progress, report_progress

from .agreement import check_agreement, list_own_versions
from .clusters import find_address, list_workers, open_client
from .threads import one_thread_each

if TYPE_CHECKING:
    from distributed import Client, Future

SECONDS_BETWEEN_LOOKS = 0.5
MOST_BEGINNINGS = 2  # of a task: once more when its worker died
KILLED = (
    "Expected the worker process to finish, but it was killed, twice. Most often memory ran out: lower "
    "`workers` (on a cluster, ask for more memory a worker), close other programs, and run again; what was "
    "finished is kept."
)


class _Stopped(BaseException):
    """Nobody waits for this task any longer."""


class _Report:
    """In a worker: that its task began, and how far it is, told to whoever waits for it."""

    def __init__(self, topic: str, number: int) -> None:
        from distributed import get_worker

        self._worker = get_worker()
        self._key = self._worker.get_current_task()
        self._topic, self._number = topic, number
        self._steps = self._told = 0
        self._last = float("-inf")

    def begin(self) -> None:
        """Raise `PainlibError` where the task began MOST_BEGINNINGS times without an end.

        The scheduler keeps count, so that a death right after is counted; Dask itself blames every task that
        a dead worker was to do.
        """
        from distributed.utils import sync

        own = f"{self._topic}-{self._number}"
        told = [event[1] for event in sync(self._worker.loop, self._worker.scheduler.events, topic=own)]
        # One that ended runs again where its result was lost with its worker.
        if told.count("began") - told.count("ended") >= MOST_BEGINNINGS:
            raise PainlibError(KILLED)
        self._note("began")

    def end(self) -> None:
        """The task did not kill its worker; its last steps are told."""
        self._tell()
        self._note("ended")

    def _note(self, what: str) -> None:
        from distributed.utils import sync

        own = f"{self._topic}-{self._number}"
        sync(self._worker.loop, self._worker.scheduler.log_event, topic=own, msg=what)

    def say(self, steps: int) -> None:
        self._steps = steps
        if time.monotonic() - self._last >= SECONDS_BETWEEN_LOOKS:
            self._tell()
            known = self._worker.state.tasks.get(self._key)
            if known is None or known.state == "cancelled":
                raise _Stopped

    def _tell(self) -> None:
        self._last = time.monotonic()
        if self._steps != self._told:
            self._told = self._steps
            self._worker.log_event(self._topic, (self._number, self._steps))


_report: _Report | None = None  # in a worker, of the task that it works on


def run_tasks(
    function: Callable[[Any], Any],
    tasks: Sequence[Any],
    workers: int,
    on_progress: Callable[[int], None] = lambda steps: None,
    *,
    on_gpus: bool = False,
) -> list[Any]:
    """`function(task)` of every task, each in a process of one thread; results in order, exceptions among
    them.

    At most `workers` processes of this machine work at once, or all workers of the cluster whose address
    CLUSTER_VARIABLE names. `function` is pickled by name, so it stands in a module; tasks and results are
    small, and what is large stays on disk. It may call `say_done(steps)`, and `on_progress` gets the sum over
    tasks. What a worker was at when it was killed runs once more; what kills its worker again results in a
    `PainlibError`. `on_gpus`: by workers of the cluster that declare a GPU alone (`count_gpus`).
    """
    if not tasks:
        return []
    with one_thread_each(), open_client(min(workers, len(tasks))) as client:
        return _run(client, function, tasks, on_progress, {"GPU": 1} if on_gpus else None)


def say_done(steps: int) -> None:
    """In a worker: `steps` of its task are done so far. Elsewhere nothing."""
    if _report is not None:
        _report.say(steps)


def _run(
    client: Client,
    function: Callable[[Any], Any],
    tasks: Sequence[Any],
    on_progress: Callable[[int], None],
    resources: dict[str, float] | None,
) -> list[Any]:
    topic = f"painlib-{uuid4().hex}"
    steps = [0] * len(tasks)
    results: list[Any] = [None] * len(tasks)
    ended: SimpleQueue[int] = SimpleQueue()

    def hear(event: tuple[float, tuple[int, int]]) -> None:
        number, done = event[1]
        steps[number] = done

    # Workers of this machine are of this very installation; others may be of another.
    expected = list_own_versions() if find_address() else {}
    client.subscribe_topic(topic, hear)
    waiting = deque(range(len(tasks)))
    running: dict[int, Future] = {}
    started = time.monotonic()

    def listen(number: int) -> None:
        running[number].add_done_callback(lambda _: ended.put(number))

    try:
        while waiting or running:
            # No more at once than there are workers: what waits here goes to the first that is free. At least
            # one: jobs may not have begun yet, and a cluster may start workers only for tasks that wait.
            n_workers = len(list_workers(client, resources))
            if not n_workers:
                report_progress("Waiting for a worker (s)", round(time.monotonic() - started), None)
            while waiting and len(running) < max(1, n_workers):
                number = waiting.popleft()
                future = client.submit(
                    _call, function, tasks[number], number, topic, expected, pure=False, resources=resources
                )
                running[number] = future
                listen(number)
            with suppress(Empty):
                number = ended.get(timeout=SECONDS_BETWEEN_LOOKS)
                if running[number].status == "pending":  # its worker died with the result: it runs again
                    listen(number)
                else:
                    results[number] = _fetch(running.pop(number))
            on_progress(sum(steps))
    finally:
        with suppress(Exception):
            client.cancel(list(running.values()))
            client.unsubscribe_topic(topic)
    return results


def _fetch(future: Future) -> Any:
    """A task's result, or what it raised."""
    from distributed import KilledWorker

    if future.status == "finished":
        return future.result()
    error = future.exception() if future.status == "error" else None
    if isinstance(error, KilledWorker):
        return PainlibError(KILLED)
    if error is None:
        raise PainlibError(
            f"Expected the cluster to finish its tasks, but the connection to it was lost ({future.status}): "
            f"{find_address() or 'on this machine'}. Run again; what was finished is kept."
        )
    return error


def _call(
    function: Callable[[Any], Any], task: Any, number: int, topic: str, expected: Mapping[str, str]
) -> Any:
    """In a worker."""
    global _report
    check_agreement(expected)
    _keep_to_one_thread()
    report = _Report(topic, number)
    report.begin()
    _report = report
    try:
        # Bars are drawn by whoever waits, from the steps that are said.
        with redirect_progress(lambda description, done, total: None):
            return function(task)
    except PainlibError:
        raise
    except Exception as error:
        # Not every library's exception survives the way back.
        raise RuntimeError("".join(traceback.format_exception(error))) from None
    except _Stopped:
        logging.getLogger(__name__).debug("stopped: nobody waits for task %d", number)
        return None
    finally:
        _report = None
        report.end()


def _keep_to_one_thread() -> None:
    """OpenCV does not read the variables that other libraries do; without a nanny they are not even set."""
    import cv2

    cv2.setNumThreads(1)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)

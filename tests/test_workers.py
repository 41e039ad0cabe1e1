"""Tasks on workers of this machine: results in order, faults among them, deaths made good, an end at once."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from painlib.faults import PainlibError
from painlib.workers import end_local_workers, run_tasks, say_done

RUN_ON = """
import faulthandler
import signal
import sys
faulthandler.dump_traceback_later(80)  # one that hangs says where
# A shell's background job starts with SIGINT ignored, and so do its children; a blocked one is inherited too.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
sys.path[:0] = {paths!r}
from test_workers import note_and_wait
from painlib.workers import run_tasks
run_tasks(note_and_wait, [{note!r}], workers=1)
"""


@pytest.fixture(autouse=True, scope="module")
def _end():
    yield
    end_local_workers()


def act(task: float | str) -> tuple[int, float]:
    """In a worker: a text is raised, a number of seconds is slept and given back beside the process."""
    if isinstance(task, str):
        raise (PainlibError if task.startswith("Expected") else ValueError)(task)
    time.sleep(task)
    return os.getpid(), task


def die(task: tuple[Path, bool] | float) -> float:
    """In a worker: be killed, always or the first time only."""
    if isinstance(task, float):
        time.sleep(task)
        return task
    note, always = task
    with open(note, "a") as file:
        file.write("begun\n")
    if always or note.read_text().count("begun") == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return 1.0


def count(n_steps: int) -> None:
    for step in range(1, n_steps + 1):
        time.sleep(0.05)
        say_done(step)


def describe_process(task: None) -> dict:
    import cv2
    import torch

    told = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "NUMEXPR_NUM_THREADS")}
    return told | {"cv2": cv2.getNumThreads(), "torch": torch.get_num_threads()}


def note_and_wait(note: str) -> None:
    Path(note).write_text(str(os.getpid()))
    time.sleep(300)


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(condition, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def test_results_stand_in_order_with_faults_among_them():
    tasks = [0.4, "no such mouse", 0.0, "Expected a mouse, got none: cage 3."]
    first, second, third, fourth = run_tasks(act, tasks, workers=2)
    assert (first[1], third[1]) == (0.4, 0.0)
    assert os.getpid() not in (first[0], third[0])
    assert isinstance(second, RuntimeError)
    assert "ValueError: no such mouse" in str(second)
    assert isinstance(fourth, PainlibError)
    assert str(fourth) == tasks[3]


def test_no_tasks_start_nothing():
    assert run_tasks(act, [], workers=2) == []


def test_workers_compute_in_one_thread_and_this_process_keeps_its_own():
    before = dict(os.environ)
    (told,) = run_tasks(describe_process, [None], workers=2)
    assert told == {"OMP_NUM_THREADS": "1", "NUMEXPR_NUM_THREADS": "1", "cv2": 1, "torch": 1}
    assert dict(os.environ) == before


def test_workers_are_reached_from_this_machine_alone():
    run_tasks(act, [0.0], workers=2)
    own = psutil.Process()
    processes = [own, *own.children(recursive=True)]
    listening = [
        found.laddr.ip
        for process in processes
        for found in process.net_connections("inet")
        if found.status == psutil.CONN_LISTEN
    ]
    assert listening
    assert set(listening) == {"127.0.0.1"}


def test_steps_of_all_tasks_are_told_while_they_are_done():
    told = []
    run_tasks(count, [30, 20], workers=2, on_progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 50
    assert len(set(told)) >= 3


def test_what_a_killed_worker_was_at_runs_once_more_and_nothing_else_does(tmp_path):
    once, always, lasting = tmp_path / "once", tmp_path / "always", 0.3
    tasks = [lasting, (once, False), lasting, (always, True), lasting]
    results = run_tasks(die, tasks, workers=2)
    assert [results[place] for place in (0, 1, 2, 4)] == [lasting, 1.0, lasting, lasting]
    assert isinstance(results[3], PainlibError)
    assert "killed, twice" in str(results[3])
    assert "`workers`" in str(results[3])
    assert once.read_text().count("begun") >= 2  # more where its worker was killed before the result was sent
    assert always.read_text().count("begun") == 2
    # The next tasks find their workers again.
    assert [seconds for _, seconds in run_tasks(act, [0.0, 0.0], workers=2)] == [0.0, 0.0]


def read_allocator(task: float) -> tuple[int, str | None]:
    """In a worker, for so long (s): its process, and whether freed memory goes back at once."""
    time.sleep(task)
    return os.getpid(), os.environ.get("MALLOC_TRIM_THRESHOLD_")


def test_workers_that_join_later_are_there_for_the_first_tasks_and_keep_their_memory_as_the_others_do(
    monkeypatch,
):
    # Any other Dask cluster started in this process leaves its own setting behind.
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    end_local_workers()
    first = run_tasks(read_allocator, [0.0], workers=1)
    joined = run_tasks(read_allocator, [0.5, 0.5], workers=2)
    assert len({pid for pid, _ in joined}) == 2
    assert {kept for _, kept in first + joined} == {None}


def test_an_interrupted_run_does_not_wait_for_its_tasks():
    children = psutil.Process().children

    def interrupt(steps: int) -> None:
        if steps:
            raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_tasks(count, [10_000, 10_000], workers=2, on_progress=interrupt)
    assert time.monotonic() - started < 60
    wait_until(
        lambda: not [child for child in children(recursive=True) if "spawn_main" in str(child.cmdline())]
    )
    assert [seconds for _, seconds in run_tasks(act, [0.0], workers=1)] == [0.0]


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_workers_leave_with_the_process_that_started_them(tmp_path, ending):
    note = tmp_path / "worker"
    code = RUN_ON.format(paths=sys.path, note=str(note))
    said = tmp_path / "said"
    with said.open("w") as stderr:
        process = subprocess.Popen([sys.executable, "-c", code], stderr=stderr)
    try:
        wait_until(lambda: (note.is_file() and note.read_text()) or process.poll() is not None)
        assert process.poll() is None
        # Again after a while, as a person would: Python drops an interrupt that falls into a finaliser.
        for _ in range(3):
            process.send_signal(ending)
            with suppress(subprocess.TimeoutExpired):
                process.wait(30)
                break
        assert process.poll() is not None, said.read_text()
    finally:
        process.kill()
        process.wait()
    wait_until(lambda: not is_running(int(note.read_text())), 20)

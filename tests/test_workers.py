"""Tasks in spawned processes: results in order, faults among them, an end that waits for nobody."""

import multiprocessing
import time

import pytest

from painlib.workers import run_spawned


def act(task: float | str, number: int) -> float:
    """In a worker: a text is raised, a number of seconds is slept and given back."""
    if isinstance(task, str):
        raise ValueError(task)
    time.sleep(task)
    return task


def test_results_stand_in_order_with_faults_among_them():
    first, second, third = run_spawned(act, [0.4, "no such mouse", 0.0], workers=2)
    assert (first, third) == (0.4, 0.0)
    assert isinstance(second, RuntimeError)
    assert "no such mouse" in str(second)


def test_an_interrupted_run_does_not_wait_for_its_tasks():
    def interrupt(steps: int) -> None:
        if multiprocessing.active_children():
            raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_spawned(act, [120.0, 120.0], workers=2, on_progress=interrupt)
    assert time.monotonic() - started < 60
    assert multiprocessing.active_children() == []

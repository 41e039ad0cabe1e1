"""What a piece of work costs: CPU time of this process and its children, and wall time; methods by turns."""

from __future__ import annotations

import gc
import os
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from painlib.progress import redirect_progress, track

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("stage", "method", "part", "repeat", "cpu_s", "wall_s", "units", "unit", "state")
State = Literal["warm", "fresh"]


@dataclass(frozen=True)
class Cost:
    """CPU time (user and system) and wall time, s."""

    cpu_s: float
    wall_s: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.cpu_s + other.cpu_s, self.wall_s + other.wall_s)


@dataclass
class Parts:
    """Costs of named pieces of one run, in the order in which they were first measured."""

    costs: dict[str, Cost] = field(default_factory=dict)

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """What happens inside is a piece of this name; pieces of one name are added up."""
        watch = Stopwatch()
        yield
        self.costs[name] = self.costs.get(name, Cost(0, 0)) + watch.read()


@dataclass(frozen=True)
class Method:
    """One way to do a stage's work.

    `run` does all `units` of it, and may give back `Parts`: each is then a row of its own beside the whole,
    which is their sum (what lies between them is not counted). `prepare` runs before each measured run,
    uncounted. `state`: "warm" ways have run once before, uncounted; "fresh" ones start a process each time.
    `stage`: where it belongs, if not to the stage that it takes turns in.
    """

    name: str
    run: Callable[[], Any]
    units: float
    state: State = "warm"
    prepare: Callable[[], Any] = lambda: None
    stage: str = ""


class Stopwatch:
    """Runs from when it is made: CPU time of this process and its children, living or ended, and wall time.

    Looking for living children takes some ms itself; it is done before the start and after the stop.
    """

    def __init__(self) -> None:
        self._children = _add_up_living()
        self._own, self._wall = _add_up_own(), time.perf_counter()

    def read(self) -> Cost:
        """The cost so far."""
        own, wall = _add_up_own(), time.perf_counter()
        return Cost(own - self._own + _add_up_living() - self._children, wall - self._wall)


def _add_up_own() -> float:
    """CPU time of this process and of its children that have ended, s."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _add_up_living() -> float:
    import psutil

    used = 0.0
    for child in psutil.Process(os.getpid()).children(recursive=True):
        with suppress(psutil.Error):  # one that has just ended is among the ended
            times = child.cpu_times()
            used += times.user + times.system + times.children_user + times.children_system
    return used


def alternate(stage: str, unit: str, methods: Sequence[Method], repeats: int) -> pd.DataFrame:
    """Run the methods by turns, `repeats` times each; a row a run, columns as `COLUMNS`.

    By turns, so that whatever slows the machine for a while slows all of them alike.
    """
    import pandas as pd

    rows: list[tuple[Any, ...]] = []
    for method in methods:
        if method.state == "warm":
            with redirect_progress(_be_silent):
                method.prepare()
                method.run()
    for repeat in track(range(repeats), repeats, f"Benchmark: {stage}"):
        gc.collect()
        for method in methods:
            with redirect_progress(_be_silent):
                method.prepare()
            with redirect_progress(_be_silent):
                watch = Stopwatch()
                told = method.run()
                whole = watch.read()
            parts = told.costs if isinstance(told, Parts) else {}
            if parts:
                whole = sum(parts.values(), Cost(0, 0))
            for part, cost in [("", whole), *parts.items()]:
                what = (method.stage or stage, method.name, part, repeat)
                rows.append((*what, cost.cpu_s, cost.wall_s, method.units, unit, method.state))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _be_silent(description: str, done: int, total: int | None) -> None:
    """Bars within a bar would be drawn on its time."""

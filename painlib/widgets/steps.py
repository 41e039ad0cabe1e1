"""One person's way through faces or frames: where they are, what they answered, undo, time left."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Generic, NamedTuple, TypeVar

Answer = TypeVar("Answer")


class Step(NamedTuple, Generic[Answer]):
    """What one answer replaced; None: there was none."""

    place: int
    before: Answer | None


class Session(Generic[Answer]):
    """Answers by place (0 to `n_places` - 1), the place that is shown, and the steps that can be undone.

    `clock` gives seconds; it serves the estimate of the time left and nothing else.
    """

    def __init__(self, n_places: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.n_places = n_places
        self.answers: dict[int, Answer] = {}
        self.position = 0
        self._history: list[Step[Answer]] = []
        self._clock = clock
        self._shown_at = clock()
        self._durations: list[float] = []

    def is_done(self, place: int) -> bool:
        """Whether the place needs no more answers."""
        raise NotImplementedError

    @property
    def n_done(self) -> int:
        """How many places need no more answers."""
        return sum(self.is_done(place) for place in self.answers)

    @property
    def seconds_left(self) -> float | None:
        """The median time that a place took in this session, times the places left; None before the first."""
        if not self._durations:
            return None
        return median(self._durations) * (self.n_places - self.n_done)

    def put(self, place: int, answer: Answer) -> None:
        """Answer a place, and remember what was there."""
        was_done = self.is_done(place)
        self._history.append(Step(place, self.answers.get(place)))
        self.answers[place] = answer
        if self.is_done(place) and not was_done:
            self._durations.append(self._clock() - self._shown_at)
            self._shown_at = self._clock()

    def undo(self) -> bool:
        """Take the last answer back and go to its place; False where there is none."""
        if not self._history:
            return False
        place, before = self._history.pop()
        if before is None:
            self.answers.pop(place, None)
        else:
            self.answers[place] = before
        self.move(place)
        return True

    def move(self, place: int) -> None:
        """Show another place; beyond either end the last one there is."""
        self.position = min(max(place, 0), self.n_places - 1)
        self._shown_at = self._clock()

    def find_open(self, start: int = 0) -> int:
        """The first place from `start` on, then from the beginning, that still needs an answer; else the
        last one.
        """
        order = [*range(start, self.n_places), *range(start)]
        return next((place for place in order if not self.is_done(place)), self.n_places - 1)

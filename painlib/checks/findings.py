"""What `painlib check` has found: rows to show, and faults."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from painlib.faults import Faults, PainlibError

Row = tuple[str, str]


@dataclass(frozen=True)
class Findings:
    """`rows`: name and text of each thing that was looked at; `faults`: all that is wrong."""

    rows: list[Row] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)

    def tell(self, name: str, text: str) -> None:
        """Keep one row."""
        self.rows.append((name, text))

    def blame(self, text: object) -> None:
        """Keep one fault; a message that is itself a list stays one, moved to the right."""
        self.faults.add(str(text).replace("\n", "\n   "))

    @contextmanager
    def gather(self, heading: str = "") -> Iterator[None]:
        """Keep a `PainlibError` raised inside as a fault, `heading` before it, and go on behind the block."""
        try:
            yield
        except PainlibError as fault:
            self.blame(f"{heading}{fault}")

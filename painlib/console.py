"""What a headless run shows in the terminal: progress as bars or plain lines, times, small tables."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from tqdm import tqdm

SECONDS_BETWEEN_PLAIN_LINES = 10.0


class ProgressView:
    """Follows the file that PAINLIB_PROGRESS names: bars on a terminal, elsewhere plain lines."""

    def __init__(self, path: Path, stream: TextIO | None = None) -> None:
        self._path = path
        self._stream = stream or sys.stderr
        self._position = 0
        self._rest = b""
        self._bars: dict[str, tqdm] = {}
        self._begun: dict[str, dict[str, Any]] = {}
        self._last_plain = float("-inf")

    def poll(self) -> None:
        """Read what was written since the last call and draw it."""
        latest = None
        for line in self._read_lines():
            begun = self._begun.get(line["description"])
            if begun is None or line["done"] < begun["last"]:
                begun = self._begun[line["description"]] = dict(line, last=line["done"])
                self._close_bar(line["description"])
            begun["last"] = line["done"]
            if self._stream.isatty():
                self._draw_bar(line)
            latest = line
        now = time.monotonic()
        if latest and not self._stream.isatty() and now - self._last_plain >= SECONDS_BETWEEN_PLAIN_LINES:
            self._last_plain = now
            print(format_line(latest, self._begun[latest["description"]]), file=self._stream, flush=True)

    def close(self) -> None:
        """Take the bars off the terminal."""
        for description in list(self._bars):
            self._close_bar(description)

    def _read_lines(self) -> list[dict[str, Any]]:
        try:
            with open(self._path, "rb") as file:
                file.seek(self._position)
                fresh = file.read()
        except FileNotFoundError:
            return []
        self._position += len(fresh)
        # A line may have been caught half written; its rest comes with the next look.
        *whole, self._rest = (self._rest + fresh).split(b"\n")
        found = []
        for line in whole:
            with suppress(ValueError):  # a line of a killed process may be torn; the next one tells as much
                found.append(json.loads(line))
        return [line for line in found if isinstance(line, dict) and "done" in line]

    def _draw_bar(self, line: dict[str, Any]) -> None:
        from tqdm import tqdm

        description, done, total = line["description"], line["done"], line["total"]
        bar = self._bars.get(description)
        if bar is None:
            bar = self._bars[description] = tqdm(
                total=total,
                initial=done,
                desc=f"  {description}",
                file=self._stream,
                leave=False,
                dynamic_ncols=True,
            )
        bar.total = total if total is not None else bar.total
        bar.update(done - bar.n)
        if total is not None and done >= total:
            self._close_bar(description)

    def _close_bar(self, description: str) -> None:
        bar = self._bars.pop(description, None)
        if bar is not None:
            bar.close()


def format_line(line: dict[str, Any], begun: dict[str, Any]) -> str:
    """One plain line: share, rate since the line `begun`, remaining time where the total is known."""
    done, total = line["done"], line["total"]
    text = f"  {line['description']}: {done}"
    if total:
        text += f" of {total} ({done / total:.0%})"
    seconds = line["time"] - begun["time"]
    if seconds > 0 and done > begun["done"]:
        rate = (done - begun["done"]) / seconds
        text += f", {rate:.0f}/s" if rate >= 100 else f", {rate:.3g}/s"
        if total and total > done:
            text += f", {format_seconds((total - done) / rate)} left"
    return text


def format_seconds(seconds: float) -> str:
    """'8 s', '2 min 05 s' or '3 h 10 min'."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def format_table(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows as aligned columns, two spaces apart."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    return "\n".join(lines)

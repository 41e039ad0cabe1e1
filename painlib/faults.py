"""Faults that a user can mend: one exception, and a collector that reports all of them at once."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator

_SECRET = re.compile(
    r"(?<=://)[^/@\s]+@"  # who, and with what password
    r"|(?<=[?&])(?P<name>x-(?:amz|goog)-[^=&\s]*|[^=&\s]*(?:signature|token|secret|password|credential|api-?_?key|auth)[^=&\s]*|sig|key)"
    r"=[^&\s'\")]+",
    re.IGNORECASE,
)


def hide_secrets(text: str) -> str:
    """The text with the URLs in it as they may be shown and recorded: without user, password, signatures."""
    return _SECRET.sub(lambda found: f"{found['name']}=..." if found["name"] else "", text)


class PainlibError(ValueError):
    """A fault a user can mend: the message says what was expected, what was got, where, what to do.

    Secrets in URLs are taken out of it.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(hide_secrets(str(message)))


class Faults:
    """Gathers messages, so that a user sees every fault of a file at once and not one a run."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def add(self, text: str) -> None:
        """Keep one fault; the same text twice is kept once."""
        if text not in self._texts:
            self._texts.append(text)

    def __len__(self) -> int:
        return len(self._texts)

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def raise_if_any(self, heading: str) -> None:
        """Raise one `PainlibError` that lists all faults, numbered, under `heading`, if there are any."""
        if not self._texts:
            return
        count = "1 fault" if len(self._texts) == 1 else f"{len(self._texts)} faults"
        lines = [f"{number}. {text}" for number, text in enumerate(self._texts, start=1)]
        raise PainlibError("\n".join([f"{heading} ({count})", *lines]))


def did_you_mean(name: object, known: Iterable[str], cutoff: float = 0.6) -> str:
    """' Did you mean ...?' for the known name closest to `name`, or '' when none is close."""
    lowered = {word.lower(): word for word in known if word}
    close = difflib.get_close_matches(str(name).strip().lower(), list(lowered), n=1, cutoff=cutoff)
    return f" Did you mean '{lowered[close[0]]}'?" if close else ""

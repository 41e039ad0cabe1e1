"""Widgets without a browser: what a page sends and hears, and faces whose names must not reach it."""

from __future__ import annotations

import numpy as np
import pandas as pd


def make_sample(n: int = 6) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "row": np.arange(n) * 10,
            "recording": [f"secretrec{place % 2}" for place in range(n)],
            "camera": "SECRETCAM",
            "frame": np.arange(n) * 7,
            "subject": [f"secretmouse{place % 3}" for place in range(n)],
            "label": ["pain", "no pain"] * (n // 2),
            "pair": np.arange(n) // 2,
        }
    )


def read_images(rows) -> list[np.ndarray]:
    return [np.full((40, 40, 3), int(row), np.uint8) for row in rows]


class Clock:
    """Seconds that pass only when told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def press(widget, does: str, place: int, **more) -> None:
    """What the page sends for one step."""
    widget._receive(widget, {"kind": "step", "view": "v", "step": 1, "do": does, "place": place, **more}, [])


def listen(widget) -> list:
    """All that is sent to the page from now on."""
    told: list = []
    widget.send = lambda content, buffers=None: told.append((content, [bytes(b) for b in buffers or []]))
    return told

"""What both widgets share: messages from and to the page, images sent ahead, an answer after every step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import cv2
import numpy as np
import traitlets

from painlib.faults import PainlibError
from painlib.widgets.steps import Session

FOLDER = Path(__file__).parent
LONGEST_SIDE = 1920  # px that are sent to the page; more is more than it can show
QUALITY = 92  # of JPEGs that are made here


class StepWidget(anywidget.AnyWidget):
    """A page that shows one image at a time and sends each step here, where it is kept and saved at once.

    The page shows a step before it is answered for, so it is as quick as the browser; what Python says later
    has the last word. It asks for the images it will need. Only places (0, 1, ... in this session's order) go
    back and forth.
    """

    places = traitlets.Int().tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)

    def __init__(self, session: Session[Any], **traits: Any) -> None:
        super().__init__(places=session.n_places, **traits)
        self._session = session
        self._fault = ""
        self.on_msg(self._receive)

    @property
    def session(self) -> Session[Any]:
        """The answers so far."""
        return self._session

    def _apply(self, step: dict[str, Any]) -> None:
        """Do what a step says; `PainlibError` or `KeyError`, `ValueError` where it says nothing sensible."""
        raise NotImplementedError

    def _save(self) -> None:
        raise NotImplementedError

    def _describe_place(self, place: int) -> Any:
        """The answer of a place as the page keeps it, JSON-able."""
        raise NotImplementedError

    def _read_items(self, places: list[int]) -> list[tuple[dict[str, Any], list[bytes]]]:
        """For each place what its page is made of: JSON-able facts and buffers, the JPEG first."""
        raise NotImplementedError

    def _receive(self, _widget: Any, content: dict[str, Any], _buffers: Any) -> None:
        kind = content.get("kind")
        if kind == "hello":
            self._tell(content, range(self._session.n_places))
        elif kind == "items":
            self._send_items([int(place) for place in content["places"]])
        elif kind == "step":
            self._tell(content, self._take(content))

    def _take(self, step: dict[str, Any]) -> set[int]:
        """Apply and save one step; returns the places that it may have changed."""
        place = int(step["place"])
        if not 0 <= place < self._session.n_places:
            raise ValueError(f"expected a place below {self._session.n_places}, got {place}")
        if step["do"] == "undo":
            self._session.undo()
        elif step["do"] == "previous":
            self._session.move(place - 1)
        elif step["do"] == "open":
            self._session.move(self._session.find_open(place))
        else:
            self._apply(step)
        try:
            self._save()
            self._fault = ""
        except (PainlibError, OSError) as fault:
            self._fault = str(fault)
        return {place, self._session.position}

    def _tell(self, asked: dict[str, Any], places: Any) -> None:
        """Say to every page where the session stands; `view` and `step` tell one whether it is ahead."""
        self.send(
            {
                "kind": "state",
                "view": asked.get("view"),
                "step": asked.get("step", 0),
                "position": self._session.position,
                "done": self._session.n_done,
                "seconds_left": self._session.seconds_left,
                "fault": self._fault,
                "answers": [[place, self._describe_place(place)] for place in places],
            }
        )

    def _send_items(self, places: list[int]) -> None:
        places = [place for place in places if 0 <= place < self._session.n_places]
        try:
            items = self._read_items(places)
        except Exception:
            # Which file it was must not reach the page; the error itself goes to the notebook's log.
            for place in places:
                self.send({"kind": "item", "place": place, "fault": "This image cannot be read."})
            raise
        for place, (facts, buffers) in zip(places, items, strict=True):
            self.send({"kind": "item", "place": place, **facts}, buffers)


def read_assets(name: str) -> dict[str, str]:
    """The page's code and looks: those of both widgets, then those of `name`."""
    names = ("common", name)
    code = "\n".join((FOLDER / f"{part}.js").read_text(encoding="utf-8") for part in names)
    looks = "\n".join((FOLDER / f"{part}.css").read_text(encoding="utf-8") for part in names)
    return {"_esm": code, "_css": looks}


def encode_jpeg(image: np.ndarray) -> bytes:
    """An RGB uint8 image as JPEG, shrunk where its longer side is beyond `LONGEST_SIDE`."""
    scale = LONGEST_SIDE / max(image.shape[:2])
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    ended, content = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    )
    if not ended:
        raise PainlibError(f"Expected an RGB uint8 image, got {image.dtype} {image.shape}.")
    return content.tobytes()

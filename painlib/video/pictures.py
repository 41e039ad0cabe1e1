"""Single pictures: image files that are looked at as the frames of a video are, and what an overlay shows."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from painlib.faults import PainlibError
from painlib.places import Place, is_url, name_file
from painlib.remote import open_binary


class Picture(Protocol):
    """What is asked of a picture; `video.Frame` is one."""

    @property
    def image(self) -> np.ndarray: ...
    @property
    def size(self) -> tuple[int, int]: ...
    def shrunk(self, width: int, height: int) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class Still:
    """An image file as a picture: upright RGB (height, width, 3) uint8."""

    image: np.ndarray

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, px."""
        return self.image.shape[1], self.image.shape[0]

    def shrunk(self, width: int, height: int) -> np.ndarray:
        """The image at another size, area-averaged."""
        return resize_image(self.image, width, height)


@dataclass(frozen=True, eq=False)
class Sight:
    """What was judged, for an overlay: `image` (longer side at most 960 px), crop rule (0: no face), and in
    px of it `points` (3, 3: x, y, likelihood; NaN: a face was given) and `square` (centre x, y, side).

    `threshold`: likelihood from which a point counts as seen.
    """

    image: np.ndarray
    points: np.ndarray
    rule: int
    square: tuple[float, float, float] | None
    threshold: float


def is_image(place: Place) -> bool:
    """Whether a file that is there begins like an image that can be read, or a URL ends like one; what does
    not may be a video."""
    if is_url(place):
        return (mimetypes.guess_type(name_file(place))[0] or "").startswith("image/")
    if not Path(place).is_file():
        raise PainlibError(f"Expected an image or a video, found no file: {place}.")
    return bool(cv2.haveImageReader(str(place)))


def read_image(place: Place) -> np.ndarray:
    """Upright RGB image (height, width, 3) uint8 of a file; `PainlibError` where it cannot be read."""
    try:
        with open_binary(place) as file:
            content = np.frombuffer(file.read(), np.uint8)
        image = cv2.imdecode(content, cv2.IMREAD_COLOR)
    except (OSError, cv2.error) as error:
        raise PainlibError(f"Expected an image, but {place} cannot be read ({error}).") from error
    if image is None:
        raise PainlibError(f"Expected an image, got a file that is none, or not whole: {place}.")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def check_square(image: np.ndarray) -> np.ndarray:
    """The image, if it is square, as a face cut out already must be; `PainlibError` where not."""
    height, width = image.shape[:2]
    if height != width:
        raise PainlibError(
            f"Expected a face cut out as a square (--face), got {width} x {height} px. Cut it square, or "
            "leave out --face to have the face found."
        )
    return image


def resize_image(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """The image at another size, px: averaged over areas where it shrinks, linear where it grows."""
    if image.shape[:2] == (height, width):
        return np.ascontiguousarray(image)
    method = cv2.INTER_AREA if width <= image.shape[1] else cv2.INTER_LINEAR
    return cv2.resize(image, (width, height), interpolation=method)

"""Faces that one person is shown: in which order, from where, and where the answers are kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from painlib.cohort.file import is_name
from painlib.faces.store import FaceStore
from painlib.faults import Faults, PainlibError
from painlib.widgets.step_widget import encode_jpeg

FACE = ["recording", "camera", "frame"]
Images = Callable[[np.ndarray], Sequence[np.ndarray]] | FaceStore  # takes rows, gives their RGB uint8 images


def order_faces(sample: pd.DataFrame, person: str, seed: int) -> np.ndarray:
    """Positions of the faces of `sample`, each once, in an order that is this person's own."""
    own = int.from_bytes(hashlib.sha256(person.encode()).digest()[:8], "big")
    places = np.flatnonzero(~sample.duplicated(FACE).to_numpy())
    return np.random.default_rng([seed, own]).permutation(places)


def list_faults(sample: pd.DataFrame) -> Faults:
    """What keeps the faces of `sample` (columns `row`, `recording`, `camera`, `frame`) from being shown."""
    faults = Faults()
    for name in ("row", *FACE):
        if name not in sample:
            faults.add(f"Expected the column `{name}` in the sample; got {', '.join(sample.columns)}.")
    if sample.empty:
        faults.add("Expected at least one face in the sample, got none.")
    return faults


def find_own_path(folder: str | Path, person: str) -> Path:
    """Where a person's answers stand; `PainlibError` where the name is none for a file, or one that is there
    differs from it only in capitals.
    """
    if not isinstance(person, str) or not is_name(person):
        raise PainlibError(
            "Expected a name of letters, digits, '.', '_', '-' and inner blanks for annotator or rater, got "
            f"{person!r}. It names the file of the answers; initials do."
        )
    path = Path(folder) / f"{person}.csv"
    for other in sorted(path.parent.glob("*.csv")):
        if other.name != path.name and other.name.lower() == path.name.lower():
            raise PainlibError(
                f"Expected names that differ by more than capitals, got '{person}' beside '{other.stem}': "
                f"{other}. Write the name as before, or take another."
            )
    return path


def read_jpegs(images: Images, rows: np.ndarray) -> list[bytes]:
    """The faces of these rows as the page shows them."""
    if isinstance(images, FaceStore):
        return [jpeg.content for jpeg in images.read_jpegs(rows)]
    return [encode_jpeg(image) for image in images(rows)]


def tell_time() -> str:
    """Now, as the tables keep it: ISO, with the zone, to the millisecond."""
    return datetime.now().astimezone().isoformat(timespec="milliseconds")

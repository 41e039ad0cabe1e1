"""Pain and no pain, face by face."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from painlib.cohort import Recording
from painlib.face_judge import open_judge
from painlib.faults import PainlibError
from painlib.model import LABELS, ModelCard, PainNet, choose_device
from painlib.progress import track


def predict_faces(
    net: PainNet,
    inputs: np.ndarray,
    batch: int,
    device: str = "auto",
    *,
    rows: np.ndarray | None = None,
    precision: str = "float32",
    description: str = "Judging faces",
) -> np.ndarray:
    """Probabilities (n, n_outputs) float64, rows sum to 1, for faces `inputs` (n, px, px, 3) uint8 RGB.

    `rows`: judge these positions of `inputs` only, in this order. Computed in float32 whatever training used
    (`precision` "bfloat16", "float16" or "auto": less exact, see `face_judge`); a batch at a time, so memory
    does not grow with n. The network is moved to `device` and left in evaluation mode.
    """
    n_faces = len(inputs) if rows is None else len(rows)
    probabilities = np.empty((n_faces, net.architecture.n_outputs))
    judge = open_judge(net, device, precision)
    for place, faces in iter_batches(net, inputs, batch, device, rows=rows, description=description):
        probabilities[place] = judge.probabilities(faces)
    return probabilities


def iter_batches(
    net: PainNet,
    inputs: np.ndarray,
    batch: int,
    device: str = "auto",
    *,
    rows: np.ndarray | None = None,
    description: str = "Judging faces",
) -> Iterator[tuple[slice, Tensor]]:
    """Where in the result each batch belongs, and its faces (n, 3, px, px) uint8 on the device.

    Arguments as in `predict_faces`. The network is moved to `device` and put into evaluation mode first;
    faces that it does not take raise `PainlibError`.
    """
    px = net.architecture.input_px
    if inputs.dtype != np.uint8 or inputs.shape[1:] != (px, px, 3):
        raise PainlibError(
            f"This network judges faces (n, {px}, {px}, 3) uint8, got {inputs.shape} {inputs.dtype}: make "
            "them with the `input_px` of the model's card."
        )
    place = choose_device(device)
    net.to(place).to(memory_format=torch.channels_last).eval()
    n_faces = len(inputs) if rows is None else len(rows)
    for start in track(range(0, n_faces, batch), description=description):
        here = slice(start, start + batch)
        # A copy: torch takes no read-only memory map.
        faces = torch.from_numpy(np.array(inputs[here if rows is None else rows[here]]))
        yield here, faces.permute(0, 3, 1, 2).to(place)


def tabulate_frames(
    card: ModelCard,
    faces: pd.DataFrame,
    probabilities: np.ndarray,
    quality: pd.DataFrame,
    left_out: Sequence[str] | np.ndarray,
) -> pd.DataFrame:
    """Rows of the table `frames` for one recording, judged by a model that went through `check_labels`.

    `faces` are its rows of the face index; of the same faces in the same order: `probabilities` (n, 2),
    `quality` (sharpness, size, turn) and `left_out` (n,) why a face takes no part, or empty. Without a
    calibration in the card p_pain_calibrated is p_pain. `trained_on` marks an animal that the card names
    among its training animals: its probabilities say nothing about how the network does on new animals.
    """
    if len(faces) != len(probabilities):
        raise PainlibError(f"Expected an input for each of {len(faces)} faces, got {len(probabilities)}.")
    frames = faces[["recording", "subject", "camera", "frame", "time_s", "rule"]].reset_index(drop=True)
    trained = mark_trained(frames["subject"], card)
    p_pain = probabilities[:, 1]
    calibrated = p_pain if card.calibration is None else card.calibration.apply(p_pain)
    measures = {name: quality[name].to_numpy() for name in ("sharpness", "size", "turn")}
    return frames.assign(
        p_no_pain=probabilities[:, 0], p_pain=p_pain, p_pain_calibrated=calibrated, **measures,
        left_out=left_out, trained_on=trained, inside="",
    )  # fmt: skip


def check_labels(card: ModelCard) -> None:
    """Raise `PainlibError` unless the model's outputs are no pain and pain, in this order."""
    if tuple(card.labels) != LABELS:
        raise PainlibError(f"Expected a model with the outputs {LABELS}, got {card.labels}.")


def mark_trained(subjects: Collection[str] | pd.Series, card: ModelCard) -> np.ndarray:
    """(n,) bool: whether the model was trained on each animal."""
    known = {animal.subject for animal in card.training_animals}
    return np.array([subject in known for subject in subjects], dtype=bool)


def note_namesakes(recordings: Sequence[Recording], card: ModelCard) -> str:
    """Animals here with no labelled recording that bear the name of one the model was trained on, in words,
    or "": they are taken for it, and left out of every test."""
    labelled = {recording.subject for recording in recordings if recording.label}
    known = {animal.subject for animal in card.training_animals}
    names = sorted({recording.subject for recording in recordings} & known - labelled)
    if not names:
        return ""
    return (
        f"taken for animals the model was trained on, by name, and left out of tests: {', '.join(names)} "
        "(another animal of that name: rename it in the cohort table)"
    )

"""Drawn cohorts with and without a leak, straight from the drawing to faces: no video, no pose network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd

from painlib.attribution.gradcam import judge_with_maps
from painlib.demo.cast import CAMERAS, DemoParams, list_takes, seed_stream, simulate_take
from painlib.demo.head import render
from painlib.demo.leaks import add_leak
from painlib.demo.stage import make_camera
from painlib.evidence import Evidence, Verdict, judge_evidence, measure_evidence
from painlib.faces.crop import apply_rules, cut_square, find_centres, place_square
from painlib.prediction import predict_faces
from painlib.training import TrainSettings, train_classifier

WIDTH, HEIGHT, CROP_PX, INPUT_PX = 480, 270, 112, 64
POSE_ERROR_PX = 0.8  # a trained pose network's
FACING_DEG = 105  # beyond it a camera never sees nose and eye
PAIN_MINUTES = 5.0


@dataclass(frozen=True)
class DrawnFaces:
    """Faces of drawn animals, cut by the paper's rules; the last animals are held out.

    `crops` (n, 112, 112, 3) and `parts` (n, 112, 112) as drawn, without a leak; `faces` their n rows:
    recording, subject, camera, frame, label, rule, left, top; `landmarks` as the contract has them.
    """

    crops: np.ndarray
    parts: np.ndarray
    faces: pd.DataFrame
    landmarks: pd.DataFrame

    def held_out(self, n_train: int) -> np.ndarray:
        """(n,) bool: faces of animals that nothing was trained on."""
        return ~self.faces["subject"].isin([f"train{k + 1:02d}" for k in range(n_train)]).to_numpy()

    def take(self, rows: np.ndarray) -> DrawnFaces:
        """Some of the faces."""
        faces, landmarks = (table.iloc[rows].reset_index(drop=True) for table in (self.faces, self.landmarks))
        return DrawnFaces(self.crops[rows], self.parts[rows], faces, landmarks)


def draw_faces(seed: int, n_animals: int, n_faces: int, strength: float = 1.0) -> DrawnFaces:
    """`n_faces` of each recording (pre, AC) of `n_animals`, at random times and cameras."""
    params = DemoParams(
        seed=seed, strength=strength, coat="white", width=WIDTH, height=HEIGHT, fps=2.0, workers=1,
        training_animals=n_animals, training_minutes=PAIN_MINUTES, assay_animals_per_group=0,
        assay_pre_minutes=1, assay_post_minutes=1, label_frames_per_video=1, label_animals=1,
    )  # fmt: skip
    cameras = {name: make_camera(name, WIDTH, HEIGHT) for name in CAMERAS}
    crops, parts, rows, marks = [], [], [], []
    for number, take in enumerate(list_takes(params)):
        animal, behaviour = simulate_take(params, take)
        rng = np.random.default_rng(seed_stream(params, 99, number))
        found = 0
        for frame, name in _choose_frames(behaviour, rng):
            if found == n_faces:
                break
            camera = cameras[name]
            drawing = render(
                animal,
                behaviour.pose(frame),
                behaviour.face(frame),
                camera,
                behaviour.shot(frame, camera),
                True,
            )
            rule = apply_rules(drawing.visible[None].astype(float), 0.9)
            if not rule[0]:
                continue
            points = drawing.keypoints + rng.normal(0, POSE_ERROR_PX, (3, 2))
            square = place_square(find_centres(points[None], rule)[0], CROP_PX, WIDTH, HEIGHT, "shift")
            assert square is not None
            crops.append(cut_square(drawing.image, square, CROP_PX))
            assert drawing.parts is not None
            parts.append(cut_square(drawing.parts, square, CROP_PX))
            seen = np.where(drawing.visible[:, None], (points - square + 0.5) / CROP_PX, np.nan)
            marks.append(seen.ravel())
            rows.append(
                (take.recording, take.animal.subject, name, frame, take.label, int(rule[0]), *square,
                 behaviour.latent_pain[frame])
            )  # fmt: skip
            found += 1
    columns = ["recording", "subject", "camera", "frame", "label", "rule", "left", "top", "latent_pain"]
    names = [f"{point}_{axis}" for point in ("nose", "right_eye", "left_eye") for axis in "xy"]
    return DrawnFaces(
        np.stack(crops),
        np.stack(parts),
        pd.DataFrame(rows, columns=columns),
        pd.DataFrame(marks, columns=names),
    )


def _choose_frames(behaviour, rng: np.random.Generator) -> Iterator[tuple[int, str]]:
    """Frames and cameras in random order, those left out that surely see no face."""
    for code in rng.permutation(2 * len(behaviour)):
        frame, name = int(code) // 2, CAMERAS[code % 2]
        turned = (behaviour.yaw[frame] - {"A": 0, "B": 90}[name] + 180) % 360 - 180
        if abs(turned) <= FACING_DEG:
            yield frame, name


def leak_into(drawn: DrawnFaces, leak: str | None, labels: tuple[str, ...] = ("pain",)) -> np.ndarray:
    """Network inputs (n, 64, 64, 3) uint8, with `leak` in the recordings of `labels`."""
    inputs = np.empty((len(drawn.crops), INPUT_PX, INPUT_PX, 3), np.uint8)
    for place, row in enumerate(drawn.faces.itertuples()):
        crop = drawn.crops[place]
        if leak is not None and row.label in labels:
            crop = add_leak(crop, drawn.parts[place], leak, row.camera, (WIDTH, HEIGHT), (row.left, row.top))
        inputs[place] = cv2.resize(crop, (INPUT_PX, INPUT_PX), interpolation=cv2.INTER_AREA)
    return inputs


SETTINGS = SimpleNamespace(
    input_px=INPUT_PX, channels=(16, 32, 64, 64, 64, 64), head_widths=(64, 32), epochs=4,
    faces_per_epoch=1500, batch=128, learning_rate=1e-3, rotation_deg=20.0, flip=True, precision="auto",
    device="cpu", processes=1, launch="",
)  # fmt: skip

N_TRAIN, N_HELD, N_FACES = 8, 3, 100  # animals trained on, held out; faces of each recording


@dataclass(frozen=True)
class Tried:
    """One cohort through training and the alarm; `accuracy` on held-out faces: as filmed, without the leak,
    and with it in the recordings of no pain instead."""

    seed: int
    leak: str | None
    accuracy: dict[str, float]
    evidence: Evidence
    verdict: Verdict


def try_cohort(
    drawn: DrawnFaces,
    seed: int,
    leak: str | None,
    n_train: int = N_TRAIN,
    settings: TrainSettings = SETTINGS,
    ask_trained: bool = False,
) -> Tried:
    """Train with `leak` in the pain recordings of all animals, and ask for evidence on the held-out ones, or,
    with `ask_trained`, on those that were trained on."""
    inputs = leak_into(drawn, leak)
    held = np.flatnonzero(drawn.held_out(n_train) != ask_trained)
    pain = (drawn.faces["label"] == "pain").to_numpy(int)
    net = train_classifier(inputs, pain, np.flatnonzero(~drawn.held_out(n_train)), settings, seed).net
    judged = judge_with_maps(net, inputs[held], 256, "cpu")
    called = judged.probabilities.argmax(axis=1)
    accuracy = {"as filmed": float((called == pain[held]).mean())}
    if leak is not None:
        for name, labels in (("without the leak", ()), ("leak exchanged", ("no pain",))):
            other = predict_faces(net, leak_into(drawn.take(held), leak, labels), 256, "cpu")
            accuracy[name] = float((other.argmax(axis=1) == pain[held]).mean())
    own = drawn.take(held)
    maps = judged.maps[np.arange(len(held)), called].astype(np.float32)
    evidence = measure_evidence(net, inputs[held], maps, own.landmarks, own.faces, seed, device="cpu")
    return Tried(seed, leak, accuracy, evidence, judge_evidence(evidence, seed=seed))


def describe_trial(tried: Tried) -> dict:
    """One line of a trial's report."""
    numbers = tried.evidence.overall.set_index("measure")["mean"].round(3).to_dict()
    accuracy = {name: round(value, 3) for name, value in tried.accuracy.items()}
    return {
        "seed": tried.seed,
        "leak": tried.leak,
        "verdict": tried.verdict.state,
        "accuracy": accuracy,
        **numbers,
    }

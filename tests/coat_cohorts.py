"""Small drawn cohorts of any coat, straight from the drawing to network inputs, for questions of novelty."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
from leaky_cohorts import CROP_PX, HEIGHT, PAIN_MINUTES, POSE_ERROR_PX, WIDTH, _choose_frames

from painlib.demo.cast import CAMERAS, DemoParams, list_takes, seed_stream, simulate_take
from painlib.demo.head import render
from painlib.demo.stage import make_camera
from painlib.faces.crop import apply_rules, cut_square, find_centres, place_square
from painlib.novelty import measure_distances, summarise_distances
from painlib.novelty.features import shrink_faces
from painlib.novelty.reference import Reference, join_measures
from painlib.novelty.verdict import Novelty, judge_novelty

INPUT_PX = 64


@dataclass(frozen=True)
class CoatFaces:
    """Faces cut by the paper's rules: `inputs` (n, 64, 64, 3) uint8; `faces` recording, subject, label."""

    inputs: np.ndarray
    faces: pd.DataFrame

    def take(self, animals: slice) -> CoatFaces:
        """The faces of some of the animals, by their order."""
        names = sorted(set(self.faces["subject"]))[animals]
        own = self.faces["subject"].isin(names).to_numpy()
        return CoatFaces(self.inputs[own], self.faces[own].reset_index(drop=True))


def draw_coat(seed: int, coat: str, n_animals: int, n_faces: int) -> CoatFaces:
    """`n_faces` of each recording (pre, AC) of `n_animals`, at random times and cameras."""
    params = DemoParams(
        seed=seed, strength=1.0, coat=coat, width=WIDTH, height=HEIGHT, fps=2.0, workers=1,
        training_animals=n_animals, training_minutes=PAIN_MINUTES, assay_animals_per_group=0,
        assay_pre_minutes=1, assay_post_minutes=1, label_frames_per_video=1, label_animals=1,
    )  # fmt: skip
    cameras = {name: make_camera(name, WIDTH, HEIGHT) for name in CAMERAS}
    inputs, rows = [], []
    for number, take in enumerate(list_takes(params)):
        animal, behaviour = simulate_take(params, take)
        rng = np.random.default_rng(seed_stream(params, 98, number))
        found = 0
        for frame, name in _choose_frames(behaviour, rng):
            if found == n_faces:
                break
            shot = behaviour.shot(frame, cameras[name])
            drawing = render(animal, behaviour.pose(frame), behaviour.face(frame), cameras[name], shot)
            rule = apply_rules(drawing.visible[None].astype(float), 0.9)
            if not rule[0]:
                continue
            points = drawing.keypoints + rng.normal(0, POSE_ERROR_PX, (3, 2))
            square = place_square(find_centres(points[None], rule)[0], CROP_PX, WIDTH, HEIGHT, "shift")
            assert square is not None
            crop = cut_square(drawing.image, square, CROP_PX)
            inputs.append(cv2.resize(crop, (INPUT_PX, INPUT_PX), interpolation=cv2.INTER_AREA))
            who = f"{coat}_{take.animal.subject}"
            rows.append((f"{who}_{take.name}", who, take.label))
            found += 1
    return CoatFaces(np.stack(inputs), pd.DataFrame(rows, columns=["recording", "subject", "label"]))


def join_cohorts(*cohorts: CoatFaces) -> CoatFaces:
    """Several cohorts as one."""
    faces = pd.concat([cohort.faces for cohort in cohorts], ignore_index=True)
    return CoatFaces(np.concatenate([cohort.inputs for cohort in cohorts]), faces)


def judge_faces(reference: Reference, new: CoatFaces) -> Novelty:
    """The verdict by the distance of faces alone."""
    found = measure_distances(reference, shrink_faces(new.inputs), new.faces)
    distances = summarise_distances(found)
    known = new.faces[["recording", "subject"]].drop_duplicates("recording")
    known = known.merge(distances[["recording", "n_faces"]], on="recording").assign(trained_on=False)
    novelty = judge_novelty(reference, join_measures(known, [distances]))
    return novelty.with_faces(found.assign(row=np.arange(len(found))), shrink_faces(new.inputs))

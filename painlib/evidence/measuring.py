"""How much of the judgement comes from outside the face: measured per face, recording and animal.

Three questions. Whose lead does the classifier follow when a face gets the surroundings of another class?
What can it still tell apart when the face, or all but the face, is blanked? Where do its attribution maps
lie?
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from painlib.evidence.outline import find_head_scale, place_head, read_head_pose
from painlib.evidence.summaries import (
    FACE_MEASURES,
    summarise_animals,
    summarise_overall,
    summarise_recordings,
)
from painlib.evidence.swaps import blank, exchange_surroundings, find_blank, find_donors
from painlib.faults import PainlibError
from painlib.model import LABELS, PainNet, choose_device
from painlib.progress import report_progress

N_DONORS = 2  # of each class, for every face
_Make = Callable[[slice], np.ndarray]  # a batch of images
DESCRIPTION = "Looking for evidence outside the face"


@dataclass(frozen=True)
class Evidence:
    """Where the classifier's evidence lies.

    `faces`: one row a face looked at: row (position in what was given), recording, subject, label, and
    FACE_MEASURES. `p_pain` as judged; `p_face_only` with all outside the face blanked, `p_surroundings_only`
    with the face blanked; `p_pain_surroundings`, `p_no_pain_surroundings` with the surroundings of faces of
    that class, `follows_surroundings` the first minus the second (-1 to 1, 0: the surroundings say nothing);
    `moved_*` how far the probability of pain moved, absolute; `area_outside` share of the crop outside the
    face, `evidence_outside` share of the positive attribution there (NaN without maps, and where a map is all
    zero). `recordings`: their means, one row a recording, with n_faces. `animals`: ANIMAL_MEASURES, one row
    an animal, its recordings counted alike; `follows_face`: mean probability on its pain faces minus that on
    its no-pain faces, surroundings of both classes mixed alike; `auc*`: how well pain and no-pain faces are
    told apart (0.5: not at all), NaN for an animal of one class. `overall`: measure, mean, ci_low, ci_high
    (bootstrap over animals), n_animals. `classes_from`: "label", or "call" where no two labels were given and
    the classifier's own calls had to do. `map_size`: (h, w) of the maps, or None.
    """

    faces: pd.DataFrame
    recordings: pd.DataFrame
    animals: pd.DataFrame
    overall: pd.DataFrame
    classes_from: str
    map_size: tuple[int, int] | None


def measure_evidence(
    net: PainNet,
    images: np.ndarray,
    maps: np.ndarray | None,
    landmarks: pd.DataFrame,
    faces: pd.DataFrame,
    seed: int,
    batch: int = 256,
    device: str = "auto",
    faces_per_recording: int = 200,
) -> Evidence:
    """Measure on at most `faces_per_recording` faces of each recording, drawn by `seed`.

    `images` (n, px, px, 3) uint8 at the network's input size; `maps` (n, h, w), each at least 0, the map of
    the called class, or None; `landmarks` and `faces` their n rows: nose and eyes in face coordinates, and
    recording, subject, label ("no pain", "pain" or empty). Give animals that the network was not trained on
    where there are any: what it learned by heart about the others is not what it will do. Seven judgements
    a face; the faces looked at are held in memory.
    """
    _check(images, maps, landmarks, faces)
    chosen = _draw_rows(faces["recording"], faces_per_recording, seed)
    scale = find_head_scale(landmarks)
    table = faces.iloc[chosen][["recording", "subject", "label"]].reset_index(drop=True)
    table["label"] = table["label"].fillna("").astype(str)
    shown, points = np.asarray(images[chosen]), landmarks.iloc[chosen].reset_index(drop=True)
    heads = place_head(points, shown.shape[1], scale)
    judge = _Judge(net, batch, device, (3 + 2 * N_DONORS) * len(shown))
    judge.tell(0)

    table.insert(0, "row", chosen)
    table["p_pain"] = judge(len(shown), lambda part: shown[part])
    labels = table["label"].map({name: code for code, name in enumerate(LABELS)}).fillna(-1).to_numpy(int)
    from_labels = {0, 1} <= set(labels)
    classes = labels if from_labels else (table["p_pain"] > 0.5).to_numpy(int)
    for name, where in (("p_face_only", ~heads), ("p_surroundings_only", heads)):
        table[name] = judge(len(shown), _make_blanked(shown, where, find_blank(shown, where, classes)))
    pose = read_head_pose(points)
    for code, name in enumerate(("p_no_pain_surroundings", "p_pain_surroundings")):
        donors = find_donors(pose, table["recording"], classes, code, N_DONORS)
        table[name] = _judge_exchanged(judge, shown, heads, donors)
    table["follows_surroundings"] = table["p_pain_surroundings"] - table["p_no_pain_surroundings"]
    table["moved_face_only"] = (table["p_face_only"] - table["p_pain"]).abs()
    table["moved_surroundings_only"] = (table["p_surroundings_only"] - table["p_pain"]).abs()
    table["area_outside"] = 1 - heads.mean(axis=(1, 2))
    table["evidence_outside"] = np.nan if maps is None else find_share_outside(maps[chosen], heads)
    table = table[["row", "recording", "subject", "label", *FACE_MEASURES]]
    animals = summarise_animals(table, classes)
    return Evidence(
        faces=table,
        recordings=summarise_recordings(table),
        animals=animals,
        overall=summarise_overall(animals, seed),
        classes_from="label" if from_labels else "call",
        map_size=None if maps is None else (int(maps.shape[1]), int(maps.shape[2])),
    )


def find_share_outside(maps: np.ndarray, heads: np.ndarray) -> np.ndarray:
    """Share (n,) of each map's positive values outside the face, 0..1; NaN where a map has none.

    `maps` (n, h, w), `heads` (n, px, px) bool. A map's cell spreads its evidence evenly over its area, so the
    share of a coarse map is coarse too: an even map gives the share of the area.
    """
    height, width = maps.shape[1:]
    rows, columns = _average_down(heads.shape[1], height), _average_down(heads.shape[2], width)
    outside = 1 - np.stack([rows @ head @ columns.T for head in heads])
    positive = np.clip(np.asarray(maps, np.float64), 0, None)
    total = positive.sum(axis=(1, 2))
    share = (positive * outside).sum(axis=(1, 2)) / np.where(total > 0, total, 1)
    return np.where(total > 0, share, np.nan)


def _average_down(n_from: int, n_to: int) -> np.ndarray:
    """(n_to, n_from) weights of the mean over equal stretches, which may cut through a pixel."""
    edges = np.linspace(0, n_from, n_to + 1)
    pixel = np.arange(n_from)
    overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return np.clip(overlap, 0, None) * n_to / n_from


class _Judge:
    """Probability of pain (n,) of images that are made a batch at a time; `total` judgements in all."""

    def __init__(self, net: PainNet, batch: int, device: str, total: int) -> None:
        self.place, self.batch, self.total, self.done = choose_device(device), batch, total, 0
        self.net = net.to(self.place).to(memory_format=torch.channels_last).eval()

    def __call__(self, n: int, make: _Make) -> np.ndarray:
        found = np.empty(n)
        with torch.inference_mode():
            for start in range(0, n, self.batch):
                part = slice(start, min(start + self.batch, n))
                images = torch.from_numpy(np.ascontiguousarray(make(part))).permute(0, 3, 1, 2)
                found[part] = self.net.probabilities(images.to(self.place)).numpy()[:, 1]
                self.tell(part.stop - part.start)
        return found

    def tell(self, n: int) -> None:
        """Move the progress bar on by `n` judgements, made or not needed."""
        self.done += n
        report_progress(DESCRIPTION, self.done, self.total)


def _judge_exchanged(judge: _Judge, images: np.ndarray, heads: np.ndarray, donors: np.ndarray) -> np.ndarray:
    """Mean over the donors of the probability of pain with their surroundings; NaN without donors."""
    there = (donors >= 0).all(axis=1)
    rows, found = np.flatnonzero(there), np.full(len(images), np.nan)
    judge.tell(N_DONORS * (len(images) - len(rows)))
    if not len(rows):
        return found
    each = [judge(len(rows), _make_exchanged(images, heads, rows, donor)) for donor in donors.T]
    found[rows] = np.mean(each, axis=0)
    return found


def _make_blanked(images: np.ndarray, where: np.ndarray, colour: np.ndarray) -> _Make:
    return lambda part: blank(images[part], where[part], colour)


def _make_exchanged(images: np.ndarray, heads: np.ndarray, rows: np.ndarray, donor: np.ndarray) -> _Make:
    def exchange(part: slice) -> np.ndarray:
        here, other = rows[part], donor[rows[part]]
        return exchange_surroundings(images[here], heads[here], images[other], heads[other])

    return exchange


def _draw_rows(recordings: pd.Series, n: int, seed: int) -> np.ndarray:
    """At most `n` row positions a recording, at random, in the order they stand in."""
    position = pd.Series(np.arange(len(recordings)), index=recordings.index)
    rng = np.random.default_rng(seed)
    parts = [
        rng.choice(rows.to_numpy(), min(n, len(rows)), replace=False)
        for _, rows in position.groupby(recordings.to_numpy(), sort=True)
    ]
    return np.sort(np.concatenate(parts)) if parts else np.empty(0, np.int64)


def _check(images: np.ndarray, maps: np.ndarray | None, landmarks: pd.DataFrame, faces: pd.DataFrame) -> None:
    lengths = {"images": len(images), "landmarks": len(landmarks), "faces": len(faces)}
    if maps is not None:
        lengths["maps"] = len(maps)
    missing = [name for name in ("recording", "subject", "label") if name not in faces]
    if len(set(lengths.values())) > 1 or missing or not len(images):
        told = ", ".join(f"{n} {name}" for name, n in lengths.items())
        without = f"; the faces are without {', '.join(missing)}" if missing else ""
        raise PainlibError(
            f"Evidence: expected at least one face and as many rows of everything, got {told}{without}. Give "
            "the face index with its images, landmarks and maps in one order."
        )

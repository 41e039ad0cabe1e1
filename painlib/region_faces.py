"""The labelled faces that regions are marked on: images, landmarks, maps and marks, row for row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from painlib.attribution import MapStore
from painlib.cohort import Recording
from painlib.faces.crop_results import read_crop_facts
from painlib.faces.store import FaceStore, load_network_inputs
from painlib.faults import PainlibError
from painlib.model_card import LABELS
from painlib.regions import (
    REGION_COLUMNS,
    compute_agreement,
    empty_marks,
    load_landmarks,
    place_regions,
    propose_regions,
    read_marks,
    tabulate_marks,
)
from painlib.tables import read_table
from painlib.weak_labels import label_faces

PROPOSED = "proposals"  # the annotator of a headless run
FACE = ["recording", "camera", "frame"]
PLACED_AT_ONCE = 512  # faces


@dataclass(frozen=True)
class LabelledFaces:
    """Faces with the label of their recording, as 05a and 05b read them; n rows in one order.

    `faces`: the columns of the face index, label (0 no pain, 1 pain), sex, row (position in `store`), and
    p_pain and trained_on of `03_predict`;
    `landmarks`: nose and eyes in shares of the crop's side, NaN where not seen.
    """

    faces: pd.DataFrame
    landmarks: pd.DataFrame
    store: FaceStore
    maps: MapStore

    def __len__(self) -> int:
        return len(self.faces)

    @property
    def label_names(self) -> np.ndarray:
        """ "no pain" or "pain" (n,)."""
        return np.array(LABELS, dtype=object)[self.faces["label"].to_numpy()]

    def count_trained(self) -> int:
        """Animals that the model was trained on."""
        return int(self.faces.loc[self.faces["trained_on"].astype(bool), "subject"].nunique())

    def load_small(self, px: int, cache: Path) -> np.ndarray:
        """All faces (n, px, px, 3) uint8, in a file beside `cache`."""
        return load_network_inputs(self.store, self.faces["row"].to_numpy(), px, cache)

    def read_images(self, rows: Sequence[int] | np.ndarray) -> list[np.ndarray]:
        """Faces by position, RGB uint8 at their stored size."""
        return self.store.read(self.faces["row"].to_numpy()[np.asarray(rows, np.int64)])

    def read_maps(self, rows: Sequence[int] | np.ndarray, called: bool = False) -> np.ndarray:
        """Grad-CAM (m, h, w), 0..1, of each face's own label, or of the class it was `called`, by position.

        Ours: the paper does not say which class's map was used.
        """
        rows = np.asarray(rows, np.int64)
        found = np.empty((len(rows), *self.maps.shape), np.float32)
        label, place = (self.faces[name].to_numpy()[rows] for name in ("label", "row"))
        if called:
            label = (self.faces["p_pain"].to_numpy()[rows] > 0.5).astype(np.int64)
        for code, name in enumerate(LABELS):
            found[label == code] = self.maps.read(place[label == code], name)
        return found

    def propose(self, rows: Sequence[int] | np.ndarray, threshold: float) -> np.ndarray:
        """Regions that the template and the map propose, (m, 13) bool, by position."""
        rows = np.asarray(rows, np.int64)
        parts = [np.zeros((0, len(REGION_COLUMNS)), bool)]
        for start in range(0, len(rows), PLACED_AT_ONCE):
            some = rows[start : start + PLACED_AT_ONCE]
            masks = place_regions(self.landmarks.iloc[some])
            parts.append(propose_regions(self.read_maps(some), masks, threshold))
        return np.concatenate(parts)


def load_labelled_faces(
    recordings: Sequence[Recording], workdir: Path, per_recording: int | None, seed: int
) -> LabelledFaces:
    """The faces of all recordings with a label, at most `per_recording` of each, drawn by `seed`.

    Raises `PainlibError` where faces, maps or pose are missing, or are of different runs.
    """
    store = FaceStore(workdir, [recording for recording in recordings if recording.label])
    faces = label_faces(store.index, recordings)
    maps = MapStore(workdir, faces["recording"].unique())
    maps.check_faces(store.index)
    if per_recording is not None:
        rng = np.random.default_rng(seed)
        shuffled = faces.iloc[rng.permutation(len(faces))]
        faces = shuffled.groupby("recording", sort=False).head(per_recording).sort_index()
    faces = faces.rename_axis("row").reset_index()
    judged = read_table(workdir / "predictions" / "frames.parquet", "frames")
    faces = faces.merge(judged[[*FACE, "p_pain", "trained_on"]], on=FACE, how="left", validate="1:1")
    threshold = read_crop_facts(workdir)["likelihood_threshold"]
    return LabelledFaces(faces, load_landmarks(faces, workdir, threshold), store, maps)


def mark_headless(sample: pd.DataFrame, faces: LabelledFaces, threshold: float) -> pd.DataFrame:
    """Table "marks" of the proposals alone: what nobody has looked at, and says so (`started_from`).

    A face whose map is all zero speaks for no place: it cannot be judged.
    """
    once = sample.drop_duplicates(FACE)
    rows = once["row"].to_numpy()
    empty = np.asarray(faces.read_maps(rows).max(axis=(1, 2)) == 0)
    return tabulate_marks(once, faces.propose(rows, threshold), PROPOSED, "headless", empty)


def load_marks(folder: Path, sample: pd.DataFrame, annotators: Sequence[str]) -> pd.DataFrame:
    """The marks of these annotators on faces of the sample, from the csv files in `folder`.

    Marks of other faces (of an earlier sample) are left out, and so is a face that the widget's annotator has
    begun and not left (without `marked_at`, where others of that annotator have it). Raises `PainlibError`
    for a faulty file and for an annotator without marks on this sample.
    """
    faces = sample[FACE].drop_duplicates()
    paths = [folder / f"{name}.csv" for name in annotators]
    read = [read_marks(path).merge(faces, on=FACE) for path in paths if path.is_file()]
    marks = pd.concat([empty_marks(), *read], ignore_index=True)
    left = marks["marked_at"].fillna("") != ""
    by_widget = left.groupby(marks["annotator"]).transform("any")
    marks = marks[left | ~by_widget]
    missing = sorted(set(annotators) - set(marks["annotator"]))
    if missing:
        raise PainlibError(
            f"Expected marks of {', '.join(missing)} on this sample, found none: {folder}. Mark faces with "
            "`interactive = True`, or take the name out of `annotators`."
        )
    return marks.reset_index(drop=True)


def join_marks(sample: pd.DataFrame, marks: pd.DataFrame) -> pd.DataFrame:
    """The sample's marked faces: subject, recording, label, pair, drawn_for ("pairs" or "unpaired"),
    cannot_judge and the 13 regions, 0 or 1.

    With several annotators a region counts where more than half of those who judged the face marked it, and a
    face that nobody could judge cannot be judged (ours: the paper does not say). Pairs of which one face is
    not marked lose their pair (-1), so that no pair is half.
    """
    judged = marks[marks["cannot_judge"] == 0]
    shares = judged.groupby(FACE)[list(REGION_COLUMNS)].mean()
    majority = (shares > 0.5).astype("int64").assign(cannot_judge=0)
    unjudged = marks.set_index(FACE).index.unique().difference(majority.index)
    none = pd.DataFrame(0, index=unjudged, columns=REGION_COLUMNS).assign(cannot_judge=1)
    together = pd.concat([majority, none]).reset_index()
    drawn_for = np.where(sample["pair"] >= 0, "pairs", "unpaired")
    marked = sample.assign(drawn_for=drawn_for).merge(together, on=FACE, validate="m:1")
    whole = marked.groupby("pair")["pair"].transform("size") == 2
    marked["pair"] = marked["pair"].where(whole & (marked["pair"] >= 0), -1)
    return marked


def compare_annotators(
    marks: pd.DataFrame, proposals: pd.DataFrame, subjects: dict[str, str], seed: int
) -> pd.DataFrame:
    """Agreement (`compute_agreement`) of each two annotators, and of each with the proposals: `comparison`.

    Intervals over animals. A headless run has nobody to compare, and gives an empty table.
    """
    by_name = {str(name): table for name, table in marks.groupby("annotator") if name != PROPOSED}
    tables = [
        compute_agreement(by_name[first], by_name[second], subjects, seed).assign(
            comparison=f"{first} against {second}"
        )
        for first, second in combinations(by_name, 2)
    ]
    tables += [
        compute_agreement(table, proposals, subjects, seed).assign(
            comparison=f"{name} against the proposals{_warn(table)}"
        )
        for name, table in by_name.items()
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["comparison"])


def _warn(marks: pd.DataFrame) -> str:
    """Who began from the proposals agrees with them for that reason too."""
    return " they started from" if (marks["started_from"] == "proposals").any() else ""

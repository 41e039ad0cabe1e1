"""What each recording shows of the judgement on it: confidence before treatment, coverage, attribution off
the face; found in the same way for held-out training animals and for a new cohort."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from painlib.attribution import MapStore, judge_with_maps
from painlib.cohort import Recording
from painlib.evidence import find_head_scale, find_share_outside, place_head
from painlib.faces.crop_results import iter_poses, read_crop_facts
from painlib.faces.store import FaceStore, load_network_inputs
from painlib.fusion import pair_cameras
from painlib.model import LABELS, PainNet
from painlib.model_card import ModelCard
from painlib.novelty.features import THUMBNAIL_PX, shrink_faces
from painlib.novelty.reference import (
    FACES_PER_RECORDING,
    Reference,
    draw_rows,
    join_measures,
    make_reference,
    measure_distances,
    remove_reference,
    save_reference,
    summarise_distances,
)
from painlib.novelty.verdict import Novelty, judge_novelty
from painlib.prediction import mark_trained
from painlib.progress import track
from painlib.regions import load_landmarks
from painlib.validation import CrossValidation

FACE = ["recording", "camera", "frame"]
OUTLINE_PX = 64  # side at which head and ears are outlined


def list_painless(recordings: Sequence[Recording]) -> list[str]:
    """Recordings that show no pain by design: labelled "no pain", or filmed before treatment."""
    by_phase = {"pre": LABELS[0]}
    return [one.name for one in recordings if (one.label or by_phase.get(one.phase)) == LABELS[0]]


def measure_confidence(judged: pd.DataFrame, painless: Collection[str]) -> pd.DataFrame:
    """One row a recording of `painless`: recording, pain_share (of its faces called pain), confidence (mean
    probability of the class that was called), both 0 to 1.

    `judged`: one row a face: recording, p_no_pain, p_pain, the classifier's own. Only these recordings can be
    compared between cohorts: how much pain there is in the others is what one wants to know.
    """
    own = judged[judged["recording"].isin(list(painless))]
    faces = pd.DataFrame(
        {
            "recording": own["recording"].astype(str),
            "pain_share": (own["p_pain"] > own["p_no_pain"]).astype(np.float64),
            "confidence": own[["p_no_pain", "p_pain"]].max(axis=1),
        }
    )
    return faces.groupby("recording", sort=True).mean().reset_index()


def measure_coverage(recordings: Sequence[Recording], faces: pd.DataFrame, workdir: Path) -> pd.DataFrame:
    """One row a recording: recording, coverage: share (0 to 1) of its time points with a face of any camera.

    `faces`: a row a face: recording, camera, frame. As `minutes` has it, without the minimum.
    """
    rows = []
    for recording in recordings:
        own = faces[faces["recording"] == recording.name]
        times, seen = {}, {}
        for (_, camera), pose in iter_poses([recording], workdir):
            times[camera] = pose["time_s"].to_numpy()
            seen[camera] = pose["frame"].isin(own.loc[own["camera"] == camera, "frame"]).to_numpy()
        if not any(len(clock) for clock in times.values()):
            continue
        pairs = pair_cameras(times)
        places = {camera: pairs[camera].to_numpy() for camera in times}
        found = [np.where(place >= 0, seen[camera][place], False) for camera, place in places.items()]
        rows.append((recording.name, float(np.any(found, axis=0).mean())))
    return pd.DataFrame(rows, columns=["recording", "coverage"])


def measure_attribution(maps: np.ndarray, landmarks: pd.DataFrame, recordings: pd.Series) -> pd.DataFrame:
    """One row a recording: recording, attribution: mean share (0 to 1) of its maps outside head and ears.

    `maps` (n, h, w) of the called class, `landmarks` nose and eyes in face coordinates, `recordings` (n,).
    The body counts as outside, and an even map gives the share of the area: only a comparison says anything.
    """
    heads = place_head(landmarks, OUTLINE_PX, find_head_scale(landmarks))
    shares = pd.Series(find_share_outside(maps, heads), index=recordings.to_numpy(str))
    return shares.groupby(level=0, sort=True).mean().rename_axis("recording").reset_index(name="attribution")


def examine_attribution(
    inputs: np.ndarray, faces: pd.DataFrame, workdir: Path, batch: int, device: str, seed: int
) -> Callable[[PainNet, np.ndarray], pd.DataFrame]:
    """For `cross_validate`: the share of attribution outside the face on each fold's held-out animals.

    `inputs` and `faces` as `cross_validate` gets them, `faces` with the columns of the face index.
    """
    threshold = read_crop_facts(workdir)["likelihood_threshold"]

    def examine(net: PainNet, rows: np.ndarray) -> pd.DataFrame:
        chosen = rows[draw_rows(faces["recording"].iloc[rows], seed)]
        judged = judge_with_maps(net, np.asarray(inputs[chosen]), batch, device)
        called = judged.probabilities.argmax(axis=1)
        maps = judged.maps[np.arange(len(chosen)), called].astype(np.float32)
        own = faces.iloc[chosen]
        return measure_attribution(maps, load_landmarks(own, workdir, threshold), own["recording"])

    return examine


def make_cohort_reference(
    inputs: np.ndarray,
    faces: pd.DataFrame,
    validation: CrossValidation,
    recordings: Sequence[Recording],
    workdir: Path,
    seed: int,
) -> Reference:
    """The reference of a model trained on `faces`, the rows of the face index of all `recordings` with a
    label, and their `inputs`.

    The judgements of `validation`, and what `examine_attribution` made of its folds, say what a new animal of
    a known kind may show. Where it held out whole strains or laboratories they do not: those animals are
    judged worse than new ones of a known kind will be, and only distance and coverage are kept.
    """
    labelled = [recording for recording in recordings if recording.label]
    tables = [measure_coverage(labelled, faces, workdir)]
    if not any(fold.group for fold in validation.folds):
        tables.append(measure_confidence(validation.out_of_fold, list_painless(labelled)))
        if validation.examined is not None:
            tables.append(validation.examined)
    return make_reference(inputs, faces, seed, tables)


def write_reference(
    inputs: np.ndarray,
    faces: pd.DataFrame,
    validation: CrossValidation,
    recordings: Sequence[Recording],
    workdir: Path,
    seed: int,
) -> None:
    """Put what the training animals look like into `workdir/model`, beside the weights they trained.

    Arguments as in `make_cohort_reference`. That of an earlier training goes first.
    """
    folder = workdir / "model"
    remove_reference(folder)
    save_reference(folder, make_cohort_reference(inputs, faces, validation, recordings, workdir, seed))


def check_cohort(
    reference: Reference | None,
    card: ModelCard,
    recordings: Sequence[Recording],
    frames: pd.DataFrame,
    workdir: Path,
    seed: int,
    faces_folder: Path | None = None,
) -> Novelty:
    """Whether the animals of a judged cohort are such as the model knows.

    `frames`: the table of `judge_recordings`, whose maps are under `workdir`; at most FACES_PER_RECORDING
    faces of each recording are looked at, drawn by `seed` from those under `faces_folder` (None: `workdir`).
    Without a `reference` the verdict is "cannot be told".
    """
    known = pd.DataFrame([(one.name, one.subject) for one in recordings], columns=["recording", "subject"])
    known["trained_on"] = mark_trained(known["subject"], card)
    if reference is None:
        return judge_novelty(None, join_measures(known.assign(n_faces=0), []))
    faces_folder = faces_folder or workdir
    store = FaceStore(faces_folder, recordings)
    rows = draw_rows(store.index["recording"], seed, FACES_PER_RECORDING * max(1, len(known)))
    sample = store.index.iloc[rows]
    thumbnails = _load_thumbnails(store, sample, card.architecture.input_px, workdir)
    faces = measure_distances(reference, thumbnails, sample).assign(row=sample.index.to_numpy())
    distances = summarise_distances(faces)
    tables = [
        distances,
        measure_confidence(frames, list_painless(recordings)),
        measure_coverage(recordings, frames, faces_folder),
        _read_attribution(sample, frames, workdir, faces_folder),
    ]
    counts = known["recording"].map(distances.set_index("recording")["n_faces"]).fillna(0).astype(int)
    novelty = judge_novelty(reference, join_measures(known.assign(n_faces=counts), tables))
    return novelty.with_faces(faces, thumbnails)


def _load_thumbnails(store: FaceStore, sample: pd.DataFrame, input_px: int, workdir: Path) -> np.ndarray:
    """The faces of `sample`, made small as the training faces were: through the network's input size."""
    cache = workdir / "predictions" / "novelty.npy"
    parts = [np.empty((0, THUMBNAIL_PX, THUMBNAIL_PX, 3), np.uint8)]
    for _, own in track(sample.groupby("recording", sort=False), description="Comparing faces"):
        parts.append(shrink_faces(load_network_inputs(store, own.index.to_numpy(), input_px, cache)))
    for leftover in (cache, cache.with_suffix(".json")):
        leftover.unlink(missing_ok=True)
    return np.concatenate(parts)


def _read_attribution(
    sample: pd.DataFrame, frames: pd.DataFrame, workdir: Path, faces_folder: Path
) -> pd.DataFrame:
    """`measure_attribution` on the stored maps of the faces of `sample`."""
    if sample.empty:
        return pd.DataFrame(columns=["recording", "attribution"])
    maps = MapStore(workdir, sample["recording"].unique())
    at = pd.MultiIndex.from_frame(maps.index[FACE]).get_indexer(pd.MultiIndex.from_frame(sample[FACE]))
    judged = frames.set_index(FACE)["p_pain"].reindex(pd.MultiIndex.from_frame(sample[FACE])).to_numpy()
    found = np.zeros((len(sample), *maps.shape), np.float32)
    for code, label in enumerate(LABELS):
        own = (at >= 0) & ((judged > 0.5) == bool(code))
        found[own] = maps.read(at[own], label)
    threshold = read_crop_facts(faces_folder)["likelihood_threshold"]
    return measure_attribution(found, load_landmarks(sample, faces_folder, threshold), sample["recording"])

"""A model over a cohort: every face of every recording judged, cameras fused, minutes counted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from painlib.attribution import are_maps_current, judge_with_maps, write_maps
from painlib.calibration import choose_limits, gate_faces, measure_quality
from painlib.cohort import Recording
from painlib.crop_results import iter_poses, read_crop_facts
from painlib.face_store import FaceStore, load_network_inputs
from painlib.faults import PainlibError
from painlib.fingerprints import fingerprint
from painlib.fusion import NEVER_ABSTAIN, fuse_recording, summarise_minutes
from painlib.model import PainNet
from painlib.model_card import ModelCard
from painlib.params import PredictParams
from painlib.prediction import check_labels, mark_trained, tabulate_frames
from painlib.progress import track
from painlib.regions import load_landmarks
from painlib.tables import read_fingerprint, read_table, write_table

FORMAT = 2  # raised when the same faces and model would give another table, or other maps


def judge_recordings(
    recordings: Sequence[Recording], net: PainNet, card: ModelCard, params: PredictParams
) -> pd.DataFrame:
    """The table `frames` of all recordings, one row a face, and each face's attribution maps in `maps/`.

    Each recording's part is kept in `predictions/recordings/`, and both it and the maps are reused while the
    faces and the model are the same, so that a killed run goes on with the recording it was in.
    """
    check_labels(card)
    if params.abstain_below > NEVER_ABSTAIN and card.calibration is None:
        raise PainlibError(
            f"Parameter `abstain_below`: expected 0.5 (never) with a model that was not calibrated, got "
            f"{params.abstain_below:g}. Train it again by this version (stage 02_train)."
        )
    folder = params.workdir / "predictions" / "recordings"
    parts = [
        _judge_recording(recording, net, card, params, folder)
        for recording in track(recordings, len(recordings), "Judging recordings")
    ]
    return pd.concat(parts, ignore_index=True)


def _judge_recording(
    recording: Recording, net: PainNet, card: ModelCard, params: PredictParams, folder: Path
) -> pd.DataFrame:
    store = FaceStore(params.workdir, [recording])
    limits = choose_limits(card.quality_limits, params.min_sharpness, params.min_size, params.max_turn)
    made_from = (FORMAT, card.weights_sha256, store.mark_rows(range(len(store))))
    beside = (limits.model_dump(), card.calibration and card.calibration.model_dump())
    part, mark = folder / f"{recording.name}.parquet", fingerprint("frames", *made_from, *beside)
    maps_mark = fingerprint("maps", *made_from)
    if read_fingerprint(part) == mark and are_maps_current(params.workdir, recording.name, maps_mark):
        return read_table(part, "frames")
    cache = folder / f"{recording.name}.npy"
    inputs = load_network_inputs(store, range(len(store)), card.architecture.input_px, cache)
    judged = judge_with_maps(net, inputs, params.batch, params.device)
    threshold = read_crop_facts(params.workdir)["likelihood_threshold"]
    landmarks = load_landmarks(store.index, params.workdir, threshold)
    quality = measure_quality(inputs, store.index, landmarks)
    left_out = gate_faces(quality, limits)
    frames = tabulate_frames(card, store.index, judged.probabilities, quality, left_out)
    write_maps(params.workdir, recording.name, store.index, judged.maps, judged.peaks, maps_mark)
    write_table(frames, part, "frames", mark)
    for leftover in (cache, cache.with_suffix(".json")):
        leftover.unlink(missing_ok=True)
    return frames


def summarise_recordings(
    recordings: Sequence[Recording],
    frames: pd.DataFrame,
    card: ModelCard,
    params: PredictParams,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables `timepoints` and `minutes`, from the table `frames` and all frames filmed."""
    timepoints, minutes = [], []
    for recording in track(recordings, len(recordings), "Fusing cameras"):
        filmed = {
            camera: pose[["frame", "time_s"]] for (_, camera), pose in iter_poses([recording], params.workdir)
        }
        trained_on = bool(mark_trained([recording.subject], card)[0])
        judged = frames[frames["recording"] == recording.name]
        fused = fuse_recording(recording, judged, filmed, trained_on, params.abstain_below)
        timepoints.append(fused)
        minutes.append(summarise_minutes(recording, fused, params.min_coverage))
    return pd.concat(timepoints, ignore_index=True), pd.concat(minutes, ignore_index=True)

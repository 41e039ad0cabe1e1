"""A model over a cohort: every face of every recording judged, cameras fused, minutes counted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

import pandas as pd

from painlib.attribution import are_maps_current, judge_with_maps, write_maps
from painlib.calibration import check_abstention, choose_limits, gate_faces, measure_quality
from painlib.cohort import Recording
from painlib.face_judge import JudgedBy, open_judge
from painlib.faces.crop_results import iter_poses, read_crop_facts
from painlib.faces.store import FaceStore, load_network_inputs
from painlib.faults import PainlibError
from painlib.fingerprints import fingerprint
from painlib.fusion import NEVER_ABSTAIN, fuse_recording, summarise_minutes
from painlib.model import PainNet, load_model
from painlib.model_card import ModelCard
from painlib.params import PredictParams
from painlib.prediction import check_labels, mark_trained, tabulate_frames
from painlib.progress import redirect_progress, report_progress, track
from painlib.provenance import read_provenance
from painlib.regions import load_landmarks
from painlib.tables import read_fingerprint, read_table, write_table, write_whole
from painlib.work_places import Place, choose_place
from painlib.workers import run_tasks, say_done

FORMAT = 4  # raised when the same faces and model would give another table, or other maps


def note_cut(card: ModelCard, workdir: Path) -> str:
    """What sets how the faces under `workdir` were cut apart from how those were that the model learned from,
    in words, or "". A size that was found from the heads here (`crop_px` null) is as it should be."""
    here, there = read_crop_facts(workdir), card.crop.model_dump()
    chosen = (read_provenance("crop", workdir) or {}).get("params", {}).get("crop_px") is not None
    names = [*(["crop_px"] if chosen else []), "border", "likelihood_threshold", "jpeg_quality"]
    told = [f"{name} {here[name]} (there {there[name]})" for name in names if here[name] != there[name]]
    return f"faces cut otherwise than those the model learned from: {', '.join(told)}" if told else ""


def check_model(card: ModelCard, params: PredictParams) -> None:
    """Raise `PainlibError` where a model cannot judge as it is asked to."""
    check_labels(card)
    if params.abstain_below > NEVER_ABSTAIN and card.calibration is None:
        raise PainlibError(
            f"Parameter `abstain_below`: expected 0.5 (never) with a model that was not calibrated, got "
            f"{params.abstain_below:g}. Train it again by this version (stage 02_train)."
        )
    check_abstention(card.calibration, params.abstain_below)


def judge_recordings(
    recordings: Sequence[Recording], net: PainNet, card: ModelCard, params: PredictParams
) -> pd.DataFrame:
    """The table `frames` of all recordings, one row a face, and each face's attribution maps in `maps/`.

    Each recording's part is kept in `predictions/recordings/`, and both it and the maps are reused while the
    faces and the model are the same, so that a killed run goes on with the recording it was in. On a CPU each
    recording is judged in one thread, `params.workers` at once or as many as a cluster has, by the model in
    its folder; how many changes nothing in the result.
    """
    if params.from_video:
        raise ValueError("videos are judged by judge_videos: not all of their faces are stored")
    check_model(card, params)
    parts = [RecordingPart(recording, card, params) for recording in recordings]
    missing = [part for part in parts if not part.is_current()]
    place = choose_place(params.device, params.workers, len(missing))
    if not place.here:
        _judge_on_workers(missing, params, place)
    else:
        for part in track(missing, len(missing), "Judging recordings"):
            with place.keep_to_one_thread():
                judge_recording(part, net, place.device)
    return pd.concat([read_table(part.path, "frames") for part in parts], ignore_index=True)


class RecordingPart:
    """One recording's part of the table `frames`: where it lies, and what it is made from: the faces that are
    stored, or `made_of`, where they are not kept."""

    def __init__(
        self, recording: Recording, card: ModelCard, params: PredictParams, made_of: str = ""
    ) -> None:
        self.recording, self.card, self.params = recording, card, params
        self.store = FaceStore(params.faces_folder, [recording])
        self.limits = choose_limits(
            card.quality_limits, params.min_sharpness, params.min_size, params.max_turn
        )
        faces = made_of or self.store.mark_rows(range(len(self.store)))
        made_from = (FORMAT, card.weights_sha256, params.precision, faces)
        beside = (self.limits.model_dump(), card.calibration and card.calibration.model_dump())
        self.path = params.workdir / "predictions" / "recordings" / f"{recording.name}.parquet"
        self.mark, self.maps_mark = (
            fingerprint("frames", *made_from, *beside),
            fingerprint("maps", *made_from),
        )

    @property
    def report(self) -> Path:
        """What judged it (`JudgedBy`)."""
        return self.path.with_suffix(".judge.json")

    def is_current(self) -> bool:
        """Whether table and maps are there, made from the same faces by the same model."""
        there = read_fingerprint(self.path) == self.mark and self.report.is_file()
        return there and are_maps_current(self.params.workdir, self.recording.name, self.maps_mark)


@dataclass(frozen=True)
class _Task:
    recording: Recording
    params: PredictParams
    model: Path
    card_mark: str
    device: str


def _judge_on_workers(parts: Sequence[RecordingPart], params: PredictParams, place: Place) -> None:
    model = params.model or params.workdir / "model"
    tasks = [_Task(part.recording, params, model, mark_card(part.card), place.device) for part in parts]
    total = max(sum(len(part.store) for part in parts), 1)
    report_progress("Judging faces", 0, total)
    results = run_tasks(
        _work,
        tasks,
        params.workers,
        lambda done: report_progress("Judging faces", min(done, total - 1), total),
        on_gpus=place.device == "cuda",
    )
    report_progress("Judging faces", total, total)
    for result in results:
        if isinstance(result, BaseException):
            raise result


def _work(task: _Task) -> None:
    """In a worker: a recording's table and maps go to disk."""
    net, card = load_once(task.model, task.card_mark, task.device)
    part = RecordingPart(task.recording, card, task.params)

    def hear(description: str, done: int, total: int | None) -> None:
        say_done(min(done * task.params.batch, len(part.store)))

    with redirect_progress(hear):
        judge_recording(part, net, task.device)


def mark_card(card: ModelCard) -> str:
    """A fingerprint of all that a card says, the hash of the weights among it."""
    return fingerprint("card", card.model_dump(mode="json"))


@lru_cache(maxsize=1)
def load_once(folder: Path, card_mark: str, device: str) -> tuple[PainNet, ModelCard]:
    """In a worker: the model with this card."""
    net, card = load_model(folder, device)
    if mark_card(card) != card_mark:
        raise PainlibError(
            f"Expected the model that this run began with, got another: {folder}. Do not train while "
            "recordings are judged; run again."
        )
    return net, card


def judge_recording(part: RecordingPart, net: PainNet, device: str) -> None:
    """Judge the faces of one recording; its table and maps go to disk."""
    store, params, recording, card = part.store, part.params, part.recording, part.card
    cache = part.path.with_suffix(".npy")
    inputs = load_network_inputs(store, range(len(store)), card.architecture.input_px, cache)
    judged = judge_with_maps(net, inputs, params.batch, device, params.precision)
    threshold = read_crop_facts(params.faces_folder)["likelihood_threshold"]
    landmarks = load_landmarks(store.index, params.faces_folder, threshold)
    quality = measure_quality(inputs, store.index, landmarks)
    left_out = gate_faces(quality, part.limits)
    frames = tabulate_frames(card, store.index, judged.probabilities, quality, left_out)
    write_maps(params.workdir, recording.name, store.index, judged.maps, judged.peaks, part.maps_mark)
    facts = asdict(open_judge(net, device, params.precision).facts) if len(inputs) else None
    with write_whole(part.report) as temporary:
        temporary.write_text(json.dumps(facts), encoding="utf-8")
    write_table(frames, part.path, "frames", part.mark)
    for leftover in (cache, cache.with_suffix(".json")):
        leftover.unlink(missing_ok=True)


def tell_judges(recordings: Sequence[Recording], workdir: Path) -> list[str]:
    """What judged the faces of these recordings, wherever it ran: a line for each way, with the largest
    differences from the plain one that any process found on its first faces."""
    ways: dict[tuple[str, ...], list[JudgedBy]] = {}
    for recording in recordings:
        path = workdir / "predictions" / "recordings" / f"{recording.name}.judge.json"
        facts = json.loads(path.read_text(encoding="utf-8"))
        if facts:
            one = JudgedBy(**facts)
            ways.setdefault((one.engine, one.precision, one.device, one.fallback), []).append(one)
    worst = ("n_checked", "largest", "mean", "n_changed")
    return [
        replace(found[0], **{name: max(getattr(one, name) for one in found) for name in worst}).explain()
        for _, found in sorted(ways.items())
    ]


def summarise_recordings(
    recordings: Sequence[Recording],
    frames: pd.DataFrame,
    card: ModelCard,
    params: PredictParams,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables `timepoints` and `minutes`, from the table `frames` and all frames filmed."""
    timepoints, minutes = [], []
    for recording in track(recordings, len(recordings), "Fusing cameras"):
        poses = iter_poses([recording], params.faces_folder)
        filmed = {camera: pose[["frame", "time_s"]] for (_, camera), pose in poses}
        trained_on = bool(mark_trained([recording.subject], card)[0])
        judged = frames[frames["recording"] == recording.name]
        fused = fuse_recording(recording, judged, filmed, trained_on, params.abstain_below)
        timepoints.append(fused)
        minutes.append(summarise_minutes(recording, fused, params.min_coverage))
    return pd.concat(timepoints, ignore_index=True), pd.concat(minutes, ignore_index=True)

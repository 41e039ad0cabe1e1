"""All that can be found wrong before work starts: `painlib check`."""

from __future__ import annotations

import math
import os
import shutil
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

from painlib.console import format_seconds
from painlib.faults import Faults, PainlibError
from painlib.params import (
    CropParams,
    GrimaceParams,
    LocomotionParams,
    PredictParams,
    RegionsParams,
    Run,
    StatisticsParams,
    TrainParams,
    load_run,
    load_yaml,
)
from painlib.progress import track

if TYPE_CHECKING:
    import pandas as pd

    from painlib.cohort import Recording
    from painlib.video import VideoInfo

GIB = 2**30
# A face as JPEG of quality 95: 182 GB for 545,000 faces of 800 x 800 px, measured on 4K video.
JPEG_BYTES_PER_PX = 0.52

Row = tuple[str, str]


def check_run(parameter_file: str | Path, notebooks: Path) -> tuple[list[Row], Faults]:
    """Look at everything a run of `parameter_file` would read: what was found, and all faults at once.

    Every video is opened and its first frame decoded; tracker files, labels and networks are read whole;
    nothing is written. The sealed treatment key is held against the cohort table; who got what is not shown.
    """
    rows: list[Row] = []
    faults = Faults()
    run: Run | None = None
    try:
        run = load_run(parameter_file, notebooks)
        rows.append(("parameters", f"{len(run.stages)} stages, {Path(parameter_file).name}"))
    except PainlibError as fault:
        _add(faults, fault)
    cohort_file = _find_cohort(Path(parameter_file), run)
    if cohort_file is None:
        return rows, faults
    cohort = _check_cohort(cohort_file, rows, faults)
    infos = _check_videos(cohort, rows, faults) if cohort is not None else {}
    if run is not None:
        from painlib.grimace import check_scores
        from painlib.locomotion.arena_checks import check_arenas

        crop = cast(CropParams, run.stages["crop"])
        train = cast(TrainParams, run.stages["train"])
        statistics = cast(StatisticsParams, run.stages["statistics"])
        _check_pose(crop, cohort, rows, faults)
        if cohort is not None:
            _check_labels(cast(PredictParams, run.stages["predict"]), cohort, faults)
            _check_treatments(statistics, cohort, rows, faults)
        _check_marks(cast(RegionsParams, run.stages["regions"]), faults)
        check_scores(cast(GrimaceParams, run.stages["grimace"]), rows, faults)
        _check_disk(crop, train.input_px, infos, rows, faults)
        check_arenas(cast(LocomotionParams, run.stages["locomotion"]), rows, faults)
    return rows, faults


def _find_cohort(parameter_file: Path, run: Run | None) -> Path | None:
    """The cohort table's path, also where the parameters have faults elsewhere."""
    if run is not None:
        return run.stages["crop"].cohort
    try:
        name = load_yaml(parameter_file).get("cohort")
    except PainlibError:
        return None
    return parameter_file.absolute().parent / name if isinstance(name, str) and name else None


def _check_cohort(path: Path, rows: list[Row], faults: Faults) -> pd.DataFrame | None:
    from painlib.cohort import excluded_rows, load_cohort, video_rows

    try:
        cohort = load_cohort(path)
    except PainlibError as fault:
        _add(faults, fault)
        return None
    used = video_rows(cohort)
    labels = Counter(used.drop_duplicates("recording")["label"])
    told = ", ".join(
        f"{number} labelled {label!r}" if label else f"{number} without label"
        for label, number in labels.items()
    )
    rows.append(
        (
            "cohort",
            f"recordings: {used['recording'].nunique()} ({told}); animals: {used['subject'].nunique()}; "
            f"cameras: {used['camera'].nunique()}; rows excluded: {len(excluded_rows(cohort))}",
        )
    )
    return cohort


def _check_videos(
    cohort: pd.DataFrame, rows: list[Row], faults: Faults
) -> dict[str, tuple[VideoInfo, float]]:
    """Open every video; path -> what it is, and the seconds of it that are used."""
    from painlib.cohort import iter_recordings
    from painlib.video import probe_video

    found: dict[str, tuple[VideoInfo, float]] = {}
    parts = [
        part for recording in iter_recordings(cohort) for camera in recording.cameras for part in camera.parts
    ]
    for part in track(parts, len(parts), "videos"):
        try:
            info = probe_video(part.path, part.end_s)
        except PainlibError as fault:
            _add(faults, fault)
            continue
        end = part.end_s if math.isfinite(part.end_s) else info.duration_s
        if part.start_s >= info.duration_s > 0:
            end_s = f"{info.duration_s:.2f} s"
            faults.add(
                f"Video {part.path}: expected start_s before its end ({end_s}), got {part.start_s:g} s."
            )
        used = found.get(part.path, (info, 0.0))[1] + max(0.0, min(end, info.duration_s) - part.start_s)
        found[part.path] = (info, used)
    if found:
        sizes = Counter(
            f"{info.width} x {info.height} px, {info.fps:.4g} frames/s" for info, _ in found.values()
        )
        kinds = "; ".join(f"{number} of {kind}" for kind, number in sizes.most_common(3))
        seconds = format_seconds(sum(used for _, used in found.values()))
        rows.append(
            ("videos", f"{len(found)} files, {seconds} in all; {kinds}{'; ...' if len(sizes) > 3 else ''}")
        )
    return found


def _check_pose(params: CropParams, cohort: pd.DataFrame | None, rows: list[Row], faults: Faults) -> None:
    try:
        if params.pose_source == "train" and params.labels:
            from painlib.pose_labels import load_labels

            labels = load_labels(params.labels, params.point_names)
            rows.append(("labels", f"{len(labels)} labelled frames, {params.labels}"))
            rows.append(("pose network", _describe_pretrained(params)))
        elif params.pose_source == "network" and params.pose_network:
            from painlib.pose_files import load_pose_network

            network = load_pose_network(params.pose_network, params.point_names)
            rows.append(("pose network", f"{', '.join(name for name in network.point_names if name)}"))
    except PainlibError as fault:
        _add(faults, fault)
    if params.pose_source == "tracker" and cohort is not None:
        from painlib.cohort import iter_recordings

        _check_trackers(params, iter_recordings(cohort), rows, faults)


def _check_trackers(params: CropParams, recordings: list[Recording], rows: list[Row], faults: Faults) -> None:
    from painlib.trackers import read_tracker

    n_frames = n_files = 0
    cameras = [camera for recording in recordings for camera in recording.cameras]
    for camera in track(cameras, len(cameras), "tracker files"):
        if not camera.pose:
            faults.add(
                f"Recording {camera.recording}, camera {camera.camera}: pose_source 'tracker' expected a "
                "file in the cohort's column `pose`, got none."
            )
        for path in camera.pose:
            try:
                n_frames += len(read_tracker(path, params.point_names, params.individual))
                n_files += 1
            except PainlibError as fault:
                _add(faults, fault)
    rows.append(("tracker files", f"{n_files} files, {n_frames} frames"))


def _describe_pretrained(params: CropParams) -> str:
    """Whether the published weights that training starts from are here, without importing DeepLabCut."""
    if params.pose_pretrained == "no":
        return f"{params.pose_backbone}, from random weights"
    import timm
    from huggingface_hub import try_to_load_from_cache

    name = params.pose_backbone
    package = find_spec("deeplabcut")
    folder = Path(package.origin).parent if package and package.origin else Path()
    recipe = folder / "pose_estimation_pytorch" / "config" / "backbones" / f"{name}.yaml"
    if recipe.is_file():
        name = load_yaml(recipe)["model"]["backbone"]["model_name"]
    known = timm.get_pretrained_cfg(name)
    repository = known.hf_hub_id if known else None
    files = ("model.safetensors", "pytorch_model.bin")
    if repository and any(isinstance(try_to_load_from_cache(repository, file), str) for file in files):
        return f"{params.pose_backbone}, published weights at hand"
    return f"{params.pose_backbone}, published weights not yet on this machine: training will fetch them"


def _check_treatments(
    params: StatisticsParams, cohort: pd.DataFrame, rows: list[Row], faults: Faults
) -> None:
    """Hold key, minute curves and groups against each other as 04_statistics will."""
    import pandas as pd

    from painlib.cohort import video_rows
    from painlib.stats.designs import check_groups
    from painlib.stats.treatments import assign_treatment, read_minutes

    filmed = video_rows(cohort).drop_duplicates("recording")[["recording", "subject", "treatment"]]
    expected = filmed.assign(trained_on=video_rows(cohort).drop_duplicates("recording")["label"] != "")
    tables = {"": expected}
    for source in {source for source in params.minutes if source}:
        try:
            tables[source] = read_minutes(source)[list(expected)]
        except PainlibError as fault:
            _add(faults, fault)
    open_ones = [source for source in tables if not source or (tables[source]["treatment"] == "").any()]
    try:
        together = pd.concat([tables[source] for source in open_ones], ignore_index=True)
        named = assign_treatment(together, cohort, params.treatment_key)
    except PainlibError as fault:
        _add(faults, fault)
        return
    for source in open_ones:
        tables[source] = named[named["recording"].isin(tables[source]["recording"])]
    for assay, source, groups, control in zip(
        params.assays, params.minutes, params.groups, params.control, strict=True
    ):
        if source not in tables:
            continue
        try:
            check_groups(tables[source][~tables[source]["trained_on"]], groups, control)
        except PainlibError as fault:
            _add(faults, f"statistics, assay '{assay}': {fault}")
    key = f", treatments sealed in {params.treatment_key.name}" if params.treatment_key else ""
    rows.append(("statistics", f"{len(params.assays)} assays ({', '.join(params.assays)}){key}"))


def _check_labels(params: PredictParams, cohort: pd.DataFrame, faults: Faults) -> None:
    """A model to judge with, or recordings of both labels to train one on."""
    from painlib.cohort import video_rows
    from painlib.model_card import LABELS, read_card

    if params.model is not None:
        try:
            read_card(params.model)
        except PainlibError as fault:
            _add(faults, f"predict.model: {fault}")
        return
    missing = sorted(set(LABELS) - set(video_rows(cohort)["label"]))
    if missing:
        faults.add(
            "Expected recordings labelled 'no pain' and 'pain' to train on, got none labelled "
            f"{' and none labelled '.join(map(repr, missing))}: {params.cohort}. Fill the column `label`, or "
            "name a trained model in `predict.model`."
        )


def _check_marks(params: RegionsParams, faults: Faults) -> None:
    """The marks of the annotators that are named."""
    from painlib.regions.marks import read_marks

    for name in params.annotators:
        try:
            read_marks(params.workdir / "regions" / "marks" / f"{name}.csv")
        except PainlibError as fault:
            _add(faults, f"regions.annotators, '{name}': {fault}")


def _check_disk(
    params: CropParams,
    input_px: int,
    infos: dict[str, tuple[VideoInfo, float]],
    rows: list[Row],
    faults: Faults,
) -> None:
    """Room for faces and network inputs, if every frame shows a face; what is already there is counted in."""
    need = 0.0
    for info, seconds in infos.values():
        side = params.crop_px or min(info.width, info.height) / 2
        n_frames = seconds * info.fps
        need += n_frames * (side**2 * JPEG_BYTES_PER_PX + 3 * input_px**2)
    place = params.workdir
    while not place.exists() and place != place.parent:
        place = place.parent
    if not os.access(place, os.W_OK):
        faults.add(
            f"Expected a workdir that can be written, got {params.workdir}: no right to write in {place}."
        )
        return
    there = sum(file.stat().st_size for file in (params.workdir / "faces").glob("*") if file.is_file())
    free = shutil.disk_usage(place).free + there
    told = f"at most {need / GIB:.2g} GiB needed, {free / GIB:.3g} GiB free"
    rows.append(("disk", f"{told} at {place}"))
    if need > free:
        faults.add(
            f"Expected room for the faces at {place}, got too little: {told}. Choose a `workdir` on another "
            "disk, or make some room."
        )


def _add(faults: Faults, text: object) -> None:
    """One fault of the list; a message that is itself a list stays one, moved to the right."""
    faults.add(str(text).replace("\n", "\n   "))

"""One parameter file, and everything that a run of it would read."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, cast

from painlib.checks.findings import Findings, Row
from painlib.checks.groups import check_treatments
from painlib.checks.learning import check_devices, check_labels
from painlib.checks.one_pass import check_one_pass
from painlib.checks.places import check_disk
from painlib.checks.pose import check_pose
from painlib.checks.videos import check_videos
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

if TYPE_CHECKING:
    import pandas as pd


def check_run(parameter_file: str | Path, notebooks: Path) -> tuple[list[Row], Faults]:
    """Look at everything a run of `parameter_file` would read: what was found, and all faults at once.

    Every video is opened and its first frame decoded; tracker files, labels and networks are read whole;
    nothing is written. The sealed treatment key is held against the cohort table: names and counts are told,
    nobody's treatment.
    """
    findings = Findings()
    run: Run | None = None
    with findings.gather():
        run = load_run(parameter_file, notebooks)
        findings.tell("parameters", f"{len(run.stages)} stages, {Path(parameter_file).name}")
    cohort_file = _find_cohort(Path(parameter_file), run)
    if cohort_file is None:
        return findings.rows, findings.faults
    cohort = _check_cohort(cohort_file, findings)
    crop: CropParams | None = None
    predict = cast(PredictParams, run.stages["predict"]) if run is not None else None
    if run is not None and predict is not None and not predict.from_video:
        crop = cast(CropParams, run.stages["crop"])
    films = check_videos(cohort, crop, findings) if cohort is not None else {}
    if run is not None and predict is not None:
        from painlib.grimace import check_scores
        from painlib.locomotion.arena_checks import check_arenas
        from painlib.workers.checking import check_cluster

        if crop is not None:
            check_pose(crop, cohort, films, findings)
            input_px = cast(TrainParams, run.stages["train"]).input_px
            check_disk(crop.workdir, crop.crop_px, input_px, films, findings)
        else:
            check_one_pass(predict, films, findings)
        if cohort is not None:
            check_labels(run, cohort, findings)
            check_treatments(cast(StatisticsParams, run.stages["statistics"]), cohort, findings)
        check_devices(run, findings)
        _check_marks(cast(RegionsParams, run.stages["regions"]), findings)
        check_scores(cast(GrimaceParams, run.stages["grimace"]), findings.rows, findings.faults)
        check_arenas(cast(LocomotionParams, run.stages["locomotion"]), findings.rows, findings.faults)
        check_cluster(run.cluster, predict.workdir, findings.rows, findings.faults)
    return findings.rows, findings.faults


def _find_cohort(parameter_file: Path, run: Run | None) -> Path | None:
    """The cohort table's path, also where the parameters have faults elsewhere."""
    if run is not None:
        return run.stages["crop"].cohort
    try:
        name = load_yaml(parameter_file).get("cohort")
    except PainlibError:
        return None
    return parameter_file.absolute().parent / name if isinstance(name, str) and name else None


def _check_cohort(path: Path, findings: Findings) -> pd.DataFrame | None:
    from painlib.cohort import excluded_rows, load_cohort, video_rows

    cohort: pd.DataFrame | None = None
    with findings.gather():
        cohort = load_cohort(path)
    if cohort is None:
        return None
    used = video_rows(cohort)
    labels = Counter(used.drop_duplicates("recording")["label"])
    told = ", ".join(
        f"{number} labelled {label!r}" if label else f"{number} without label"
        for label, number in labels.items()
    )
    findings.tell(
        "cohort",
        f"recordings: {used['recording'].nunique()} ({told}); animals: {used['subject'].nunique()}; "
        f"cameras: {used['camera'].nunique()}; rows excluded: {len(excluded_rows(cohort))}",
    )
    return cohort


def _check_marks(params: RegionsParams, findings: Findings) -> None:
    """The marks of the annotators that are named."""
    from painlib.regions.marks import read_marks

    for name in params.annotators:
        with findings.gather(f"regions.annotators, '{name}': "):
            read_marks(params.workdir / "regions" / "marks" / f"{name}.csv")

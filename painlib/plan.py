"""Which stages a run has before it: those asked for, their status, and those that it has no use for."""

from __future__ import annotations

from collections.abc import Sequence

from painlib.faults import PainlibError, did_you_mean
from painlib.inputs import stage_inputs
from painlib.params import STAGES, LocomotionParams, PredictParams, Run, Stage, StageParams
from painlib.provenance import StageStatus, stage_status


def select_stages(first: str | None = None, last: str | None = None) -> tuple[Stage, ...]:
    """The stages from `first` to `last`, both included; None: from the beginning, to the end."""
    names = [stage.name for stage in STAGES]
    for option, name in (("--from", first), ("--to", last)):
        if name is not None and name not in names:
            known = ", ".join(names)
            raise PainlibError(
                f"{option}: expected a stage ({known}), got '{name}'.{did_you_mean(name, names)}"
            )
    start = names.index(first) if first else 0
    end = names.index(last) if last else len(names) - 1
    if start > end:
        raise PainlibError(
            f"--from {first} --to {last}: expected stages in their order ({', '.join(names)})."
        )
    return STAGES[start : end + 1]


def find_states(run: Run, stages: Sequence[Stage] = STAGES) -> dict[str, StageStatus]:
    """The status of each stage by name; what follows one that would run is stale: its inputs may change."""
    states: dict[str, StageStatus] = {}
    upstream, needless = "", find_needless(run)
    for stage in stages:
        if stage.name in needless:
            states[stage.name] = StageStatus("done", f"not needed: {needless[stage.name]}")
            continue
        found = find_state(stage, run.stages[stage.name])
        if found.state == "done" and upstream and stage.reads_others:
            found = StageStatus("stale", f"follows {upstream}, which would run first")
        elif found.state != "done" and stage.read_by_others:
            upstream = upstream or stage.name
        states[stage.name] = found
    return states


def find_state(stage: Stage, params: StageParams) -> StageStatus:
    """A stage's own status and its reason, without asking what comes before it."""
    return stage_status(stage.name, params, stage_inputs(params))


def find_needless(run: Run) -> dict[str, str]:
    """The stages that this run has no use for, and why: nothing to learn where a model is given, nothing to
    cut or to show of faces that are not stored, nothing to compare where no recording has a label, nothing to
    track where there are no arena videos."""
    from painlib.cohort import iter_recordings, load_cohort

    predict = run.stages["predict"]
    assert isinstance(predict, PredictParams)
    spared = ("train", "confounds") if predict.model else ()
    needless = dict.fromkeys(spared, f"predict.model is given: {predict.model}")
    if not any(recording.label for recording in iter_recordings(load_cohort(predict.cohort))):
        needless |= dict.fromkeys(("gradcam", "regions", "grimace"), "no recording has a label")
    if predict.from_video:
        reading = ("crop", "gradcam", "regions", "grimace")
        needless |= dict.fromkeys(reading, "predict.from_video: faces are judged and not stored")
    locomotion = run.stages["locomotion"]
    assert isinstance(locomotion, LocomotionParams)
    if locomotion.arena_table is None:
        needless["locomotion"] = "no arena videos"
    return needless

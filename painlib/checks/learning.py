"""What the classifier learns from, who is held out, and where it is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from painlib.checks.findings import Findings
from painlib.params import PredictParams, Run, TrainParams
from painlib.plan import find_needless

if TYPE_CHECKING:
    import pandas as pd


def check_labels(run: Run, cohort: pd.DataFrame, findings: Findings) -> None:
    """A model to judge with; or recordings of both labels, and animals enough to hold some of them out."""
    from painlib.cohort import video_rows
    from painlib.model_card import LABELS, read_card

    predict = cast(PredictParams, run.stages["predict"])
    if predict.model is not None:
        if not predict.from_video:
            with findings.gather("predict.model: "):
                read_card(predict.model)
        return
    recordings = video_rows(cohort).drop_duplicates("recording")
    missing = sorted(set(LABELS) - set(recordings["label"]))
    if missing:
        findings.blame(
            "Expected recordings labelled 'no pain' and 'pain' to train on, got none labelled "
            f"{' and none labelled '.join(map(repr, missing))}: {predict.cohort}. Fill the column `label`, "
            "or name a trained model in `predict.model`."
        )
    else:
        _check_folds(cast(TrainParams, run.stages["train"]), recordings, findings)


def _check_folds(params: TrainParams, recordings: pd.DataFrame, findings: Findings) -> None:
    """Deal the labelled animals out as 02_train will, if faces are found in all of their recordings."""
    from painlib.validation import encode_labels, split_animals

    labelled = recordings[recordings["label"] != ""]
    table = labelled.assign(label=encode_labels(labelled["label"]))
    with findings.gather(f"train: {params.cohort}: "):
        split_animals(table, params.folds, params.seed, params.hold_out)


def check_devices(run: Run, findings: Findings) -> None:
    """The device of every stage that would run is one of this machine."""
    from painlib.model import choose_device

    needless = set()
    with findings.gather():
        needless = set(find_needless(run))
    asked: dict[str, list[str]] = {}
    for name, params in run.stages.items():
        device = getattr(params, "device", "auto")
        if device != "auto" and name not in needless:
            asked.setdefault(device, []).append(name)
    for device, names in asked.items():
        with findings.gather(f"{', '.join(names)}: "):
            choose_device(device)

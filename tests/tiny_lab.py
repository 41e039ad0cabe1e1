"""A laboratory of the smallest size for tests of the front: short videos, and notebooks that take no time."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

import painlib
from painlib.params import STAGES, StageParams, find_stage, read_notebook_defaults
from painlib.video import write_video

NOTEBOOKS = Path(painlib.__file__).parents[1] / "notebooks"


def read_own_defaults(stage: str) -> dict[str, Any]:
    """What the real notebook of a stage has as defaults, without the keys that all stages share."""
    defaults = read_notebook_defaults(NOTEBOOKS / f"{find_stage(stage).notebook}.ipynb")
    return {name: value for name, value in defaults.items() if name not in StageParams.model_fields}


DEFAULTS: dict[str, dict[str, Any]] = {
    "crop": {
        **read_own_defaults("crop"),
        "pose_source": "train",
        "labels": None,
        "pose_network": None,
        "point_names": ["nose", "right_eye", "left_eye"],
        "individual": None,
        "pose_width": 64,
        "pose_height": 64,
        "pose_backbone": "resnet10t",
        "pose_pretrained": "no",
        "pose_epochs": 1,
        "pose_batch": 1,
        "pose_precision": "float32",
        "pose_follow": False,
        "decoder": "software",
        "pose_learning_rate": 1e-3,
        "pose_crop_px": 64,
        "pose_test_fraction": 0.0,
        "likelihood_threshold": 0.9,
        "crop_px": 32,
        "border": "shift",
        "jpeg_quality": 95,
        "workers": 1,
    },
    "train": {
        **read_own_defaults("train"),
        "input_px": 64,
        "channels": [1, 1, 1, 1, 1, 1],
        "head_widths": [1, 1],
        "epochs": 1,
        "faces_per_epoch": 1,
        "batch": 2,
        "learning_rate": 1e-3,
        "rotation_deg": 20.0,
        "flip": True,
        "folds": None,
        "hold_out": "subject",
        "calibration": "temperature",
        "precision": "auto",
        "device": "auto",
        "workers": 1,
    },
    "confounds": read_own_defaults("confounds"),
    "predict": read_own_defaults("predict"),
    "statistics": {
        "treatment_key": None,
        "assays": ["AC"],
        "minutes": [""],
        "groups": [["vehicle", "AC"]],
        "control": ["vehicle"],
        "paired": [False],
        "window_start_min": 0.0,
        "window_end_min": 30.0,
        "pre_window_min": 20.0,
        "alpha": 0.05,
        "bootstrap": 100,
    },
    "gradcam": read_own_defaults("gradcam"),
    "regions": read_own_defaults("regions"),
    "grimace": read_own_defaults("grimace"),
    "locomotion": {**read_own_defaults("locomotion"), "arena_table": "../arenas.csv"},
}
BEGIN = """from pathlib import Path
from painlib.inputs import stage_inputs
from painlib.params import find_stage
from painlib.provenance import start_stage
kind = find_stage({stage!r}).params
params = kind(**{{name: globals()[name] for name in kind.model_fields}})
run = start_stage({stage!r}, params, stage_inputs(params))
folder = params.workdir"""
WORK = {
    "crop": "output = folder / 'faces' / 'm1_A.parquet'\ntext = f'faces of {params.crop_px} px'",
    # The result does not depend on the learning rate: what follows must not run when only that changes.
    "train": (
        "output = folder / 'model' / 'card.json'\ntext = f'{{\"epochs\": {params.epochs}}}'\n"
        "judged = folder / 'training' / 'out_of_fold.parquet'\n"
        "judged.parent.mkdir(parents=True, exist_ok=True)\n"
        "judged.write_text('held out')\n"
        "run.add_outputs([judged])"
    ),
    "predict": (
        "output = folder / 'predictions' / 'minutes.parquet'\n"
        "text = (folder / 'model' / 'card.json').read_text()\n"
        "index = folder / 'maps' / 'm1.parquet'\n"
        "index.parent.mkdir(parents=True, exist_ok=True)\n"
        "index.write_text(text)\n"
        "run.add_outputs([index])"
        "\n(folder / 'predictions').mkdir(exist_ok=True)"
        "\n(folder / 'predictions' / 'frames.parquet').write_text('frames')"
    ),
    "statistics": "output = folder / 'statistics' / 'tests.csv'\ntext = 'assay,p\\nAC,0.0123456\\n'",
    "gradcam": "output = folder / 'gradcam' / 'areas.csv'\ntext = 'curve,area\\ndeletion,0.25\\n'",
    "regions": "output = folder / 'regions' / 'pairs_tests.csv'\ntext = 'region,p\\neye,0.5\\n'",
    "confounds": "output = folder / 'confounds' / 'verdicts.csv'\ntext = 'name,verdict\\ncamera,raised\\n'",
    "grimace": "output = folder / 'grimace' / 'icc.csv'\ntext = 'measure,icc\\ntotal,0.8\\n'",
    "locomotion": "output = folder / 'locomotion' / 'totals.csv'\ntext = 'subject,total_m\\nm1,60.5\\n'",
}
END = """output.parent.mkdir(parents=True, exist_ok=True)
output.write_text(text)
run.add_outputs([output])
run.finish()"""
TITLES = {
    "crop": "# Faces\nTiny notebook that cuts nothing. It stands in for the real one.",
    "train": "# Training\nTiny notebook that trains nothing.",
    "confounds": "# Confounds\nTiny notebook that doubts nothing.",
    "predict": "# Prediction\nTiny notebook that judges nothing.",
    "statistics": "# Statistics\nTiny notebook that tests nothing.",
    "gradcam": "# Grad-CAM\nTiny notebook that looks at nothing.",
    "regions": "# Regions\nTiny notebook that compares nothing.",
    "grimace": "# Grimace scale\nTiny notebook that scores nothing.",
    "locomotion": "# Locomotion\nTiny notebook that follows nothing.",
}


def make_lab(folder: Path, **sections: dict[str, Any]) -> Path:
    """Write videos, cohort table, labels, notebooks, parameters under `folder`; gives the parameter file."""
    folder.mkdir(parents=True, exist_ok=True)
    picture = np.full((48, 64, 3), 90, np.uint8)
    for name in ("m1", "m2", "t1_pre", "t1_ac", "arena1", "arena2"):
        write_video(folder / f"{name}.mp4", [picture] * 6, fps=10)
    (folder / "cohort.csv").write_text(
        "recording,subject,camera,video,phase,label,treatment,sex\n"
        "m1,m1,A,m1.mp4,post,,vehicle,male\n"
        "m2,m2,A,m2.mp4,post,,AC,male\n"
        "t1_pre,t1,A,t1_pre.mp4,pre,no pain,,male\n"
        "t1_ac,t1,A,t1_ac.mp4,post,pain,,male\n"
    )
    (folder / "labels.csv").write_text(
        "video,frame,nose_x,nose_y,right_eye_x,right_eye_y\nm1.mp4,0,30,20,20,10\nm2.mp4,3,31,22,21,11\n"
    )
    (folder / "arenas.csv").write_text(
        "subject,video,treatment\nm1,arena1.mp4,vehicle\nm2,arena2.mp4,1 % AC\n"
    )
    for stage in STAGES:
        write_notebook(folder, stage.name)
    return write_parameters(folder, **sections)


def add_training_animal(folder: Path) -> None:
    """A second labelled animal, t2, so that one can be held out while the other trains."""
    for name in ("pre", "ac"):
        shutil.copy(folder / f"t1_{name}.mp4", folder / f"t2_{name}.mp4")
    with open(folder / "cohort.csv", "a") as table:
        table.write("t2_pre,t2,A,t2_pre.mp4,pre,no pain,,male\nt2_ac,t2,A,t2_ac.mp4,post,pain,,male\n")


def write_parameters(folder: Path, **sections: dict[str, Any]) -> Path:
    """Write lab.yaml; `sections` are added to what a tiny run needs."""
    written: dict[str, Any] = {"cohort": "cohort.csv", "workdir": "runs", "seed": 1}
    written |= {"crop": {"labels": "labels.csv", **sections.pop("crop", {})}, **sections}
    path = folder / "lab.yaml"
    path.write_text(json.dumps(written))  # JSON is YAML
    return path


def write_notebook(folder: Path, stage: str, *middle: str, end: str = END) -> Path:
    """Write the tiny notebook of a stage; the cells `middle` run before its last one."""
    shared = {"cohort": "cohort.csv", "workdir": "runs", "seed": 0}
    values = {**shared, **DEFAULTS[stage]}
    lines = [f"{name}: object = {value!r}  # a value" for name, value in values.items()]
    stem = find_stage(stage).notebook
    cells = [
        _cell("markdown", TITLES[stage], 0),
        _cell("code", "\n".join(lines), 1, tags=["parameters"]),
        _cell("code", BEGIN.format(stage=stage), 2),
        *(_cell("code", code, 3 + number) for number, code in enumerate(middle)),
        _cell("code", f"{WORK[stage]}\n{end}", 99),
    ]
    notebook = {
        "cells": cells,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path = folder / "notebooks" / f"{stem}.ipynb"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(notebook))
    return path


def execute_here(notebook: Path, params: Any, running: Path) -> None:
    """Run a notebook's code in this process: a kernel's work without the seconds that it takes to start."""
    from painlib.params import as_papermill

    names: dict[str, Any] = {}
    for cell in json.loads(notebook.read_text())["cells"]:
        if cell["cell_type"] != "code":
            continue
        exec("".join(cell["source"]), names)
        if "parameters" in cell["metadata"].get("tags", []):
            names |= as_papermill(params)


def _cell(kind: str, source: str, number: int, tags: list[str] | None = None) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": kind, "id": f"cell{number}", "metadata": {"tags": tags or []}}
    cell["source"] = source
    if kind == "code":
        cell |= {"outputs": [], "execution_count": None}
    return cell

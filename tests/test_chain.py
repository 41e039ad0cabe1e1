"""All stages on drawn mice with tracker files for nose and eyes: results, blindness, faults, kills."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML
from test_report import Page, assert_loads_nothing

from painlib.demo import DemoParams, draw_cohort
from painlib.faces import FaceStore
from painlib.params import STAGES as STAGES_OF_ALL
from painlib.tables import read_table

ROOT = Path(__file__).parents[1]
# Every stage that this laboratory needs: it has no arena videos.
STAGES = [stage.notebook for stage in STAGES_OF_ALL if stage.name != "locomotion"]
DRAWN = DemoParams(
    seed=11, strength=1.0, coat="white", width=480, height=270, fps=0.5,
    training_animals=4, training_minutes=1,
    assay_animals_per_group=2, assay_pre_minutes=1, assay_post_minutes=2, label_frames_per_video=1,
    label_animals=1, workers=2,
)  # fmt: skip
SETTINGS = {
    "cohort": "cohort/cohort.csv",
    "workdir": "out",
    "seed": 3,
    "crop": {"pose_source": "tracker", "likelihood_threshold": 0.9, "crop_px": 112, "workers": 2},
    "train": {
        "input_px": 64, "channels": [8, 8, 8, 16, 16, 16], "head_widths": [8, 8], "epochs": 2,
        "faces_per_epoch": 256, "folds": 2, "precision": "float32", "device": "cpu",
    },
    "confounds": {"retrain": True},
    "statistics": {
        "assays": ["AC dose"], "groups": [["vehicle", "0.6 % AC", "1 % AC"]], "control": ["vehicle"],
        "paired": [False], "minutes": [""], "window_start_min": 0, "window_end_min": 2, "pre_window_min": 1,
        "bootstrap": 100,
    },
    "gradcam": {
        "shown_faces": 3, "checked_faces": 16, "gradient_steps": 8, "evidence_faces": 20, "device": "cpu",
    },
    "regions": {"faces_per_recording": 40, "map_seeds": 1, "pairs": 20, "unpaired": 20},
    "grimace": {"score_files": ["cohort/scores/raters_1_and_2.csv", "cohort/scores/rater_3.csv"]},
}  # fmt: skip


def write_trackers(folder: Path) -> None:
    """DeepLabCut csv files from the drawing's truth, named in the cohort's column `pose`."""
    cohort = pd.read_csv(folder / "cohort.csv", keep_default_na=False)
    for place, row in cohort.iterrows():
        truth = pd.read_parquet(folder / "truth" / f"{row.recording}_{row.camera}.parquet")
        columns = {}
        for point in ("nose", "right_eye", "left_eye"):
            columns["painlib", point, "x"] = truth[f"{point}_x"]
            columns["painlib", point, "y"] = truth[f"{point}_y"]
            columns["painlib", point, "likelihood"] = np.where(truth[f"{point}_visible"], 0.97, 0.05)
        table = pd.DataFrame(columns)
        table.columns.names = ["scorer", "bodyparts", "coords"]
        name = f"{row.recording}_{row.camera}.csv"
        table.to_csv(folder / name)
        cohort.loc[place, "pose"] = name
    cohort.to_csv(folder / "cohort.csv", index=False)


def write_params(folder: Path, **changes: object) -> Path:
    path = folder / "params.yaml"
    YAML(typ="safe").dump({**SETTINGS, **changes}, path)
    return path


def start(params: Path, *options: str) -> subprocess.Popen:
    """`painlib run` in a process group of its own, so that kernel and workers can be killed with it."""
    return subprocess.Popen(
        [sys.executable, "-m", "painlib.cli", "run", str(params), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )


def run(params: Path, *options: str) -> tuple[int, str]:
    process = start(params, *options)
    said, _ = process.communicate()
    return process.returncode, said


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A laboratory whose run has finished."""
    folder = tmp_path_factory.mktemp("lab")
    draw_cohort(folder / "cohort", DRAWN)
    write_trackers(folder / "cohort")
    code, said = run(write_params(folder))
    assert code == 0, said
    return folder


def copy_lab(lab: Path, folder: Path, with_results: bool = True) -> Path:
    shutil.copytree(lab / "cohort", folder / "cohort")
    if with_results:
        shutil.copytree(lab / "out", folder / "out")
    return write_params(folder)


def test_every_recording_has_its_minutes_and_training_animals_are_marked(lab):
    minutes = read_table(lab / "out" / "predictions" / "minutes.parquet", "minutes")
    assert minutes["recording"].nunique() == 4 * 2 + 6 * 2
    assert set(minutes.loc[minutes["trained_on"], "subject"]) == {f"train0{k}" for k in (1, 2, 3, 4)}
    assert (minutes["n_timepoints"] == 30).all()
    tested = pd.read_csv(lab / "out" / "statistics" / "animals.csv")
    assert not tested["subject"].str.startswith("train").any()


def test_faces_were_cut_where_the_drawing_says_they_are_visible(lab):
    truth = pd.read_parquet(lab / "cohort" / "truth" / "assay01_post_A.parquet")
    seen = truth["nose_visible"] & (truth["right_eye_visible"] | truth["left_eye_visible"])
    faces = read_table(lab / "out" / "faces" / "assay01_post_A.parquet", "faces")
    assert faces["frame"].tolist() == truth.loc[seen, "frame"].tolist()


def test_the_classifier_trained_without_disputed_faces_stands_beside_the_one_that_was_held_out(lab):
    found = pd.read_csv(lab / "out" / "confounds" / "without_disputed.csv").set_index(["judge", "training"])
    held_out = pd.read_csv(lab / "out" / "training" / "held_out_animals.csv")
    faces = found.loc["classifier", "n_faces"]
    assert found.loc[("classifier", "all faces"), "auc"] == pytest.approx(held_out["auc"].mean())
    disputed = pd.read_csv(lab / "out" / "confounds" / "disputed_animals.csv")["n_disputed"].sum()
    assert faces["all faces"] - faces["without disputed faces"] == disputed
    assert found["n_animals"].eq(4).all()


def test_the_model_folder_alone_judges_faces_elsewhere_as_the_run_did(lab, tmp_path):
    shutil.copytree(lab / "out" / "model", tmp_path / "carried")
    store, key = FaceStore(lab / "out"), ["recording", "camera", "frame"]
    frames = read_table(lab / "out" / "predictions" / "frames.parquet", "frames")
    judged = store.index[key].astype({"frame": frames["frame"].dtype}).merge(frames, on=key, how="left")
    order = judged["p_pain"].argsort().tolist()
    rows = [order[-1], order[0], order[len(order) // 2]]
    for row, face in zip(rows, store.read(rows), strict=True):
        cv2.imwrite(str(tmp_path / f"{row}.png"), cv2.cvtColor(face, cv2.COLOR_RGB2BGR))
    names = [f"{row}.png" for row in rows]
    asked = ["score", *names, "--model", "carried", "--face", "--out", "s.csv"]
    subprocess.run(
        [sys.executable, "-m", "painlib.cli", *asked],
        cwd=tmp_path, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    expected = judged["p_pain"].iloc[rows]
    assert np.ptp(expected) > 0.02
    np.testing.assert_allclose(pd.read_csv(tmp_path / "s.csv")["p_pain"], expected, atol=2e-3)


def test_the_report_needs_nothing_from_elsewhere_and_says_that_mice_are_drawn(lab):
    page = (lab / "out" / "report.html").read_text(encoding="utf-8")
    assert "Drawn demonstration, not real mice" in page
    pages = [lab / "out" / "report.html", *(lab / "out" / "notebooks").glob("*.html")]
    assert len(pages) == 1 + len(STAGES)
    for file in pages:
        assert_loads_nothing(Page(file.read_text(encoding="utf-8")))


def test_a_finished_run_is_not_run_again(lab):
    before = {path: path.stat().st_mtime_ns for path in (lab / "out" / "provenance").glob("0*.json")}
    code, said = run(lab / "params.yaml")
    assert code == 0, said
    assert said.count("skipped") >= 6
    assert before == {path: path.stat().st_mtime_ns for path in before}


def papermill(folder: Path, notebook: str, section: str) -> None:
    """One notebook by plain papermill, told what the parameter file says."""
    shared = {name: value for name, value in SETTINGS.items() if not isinstance(value, dict)}
    YAML(typ="safe").dump({**shared, **SETTINGS.get(section, {})}, folder / "given.yaml")
    source = str(ROOT / "notebooks" / f"{notebook}.ipynb")
    subprocess.run(
        [sys.executable, "-m", "papermill", source, "done.ipynb", "-f", "given.yaml", "-k", "python3"],
        cwd=folder, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def assert_same_results(folder: Path, lab: Path) -> None:
    tables = ("predictions/minutes.csv", "statistics/tests.csv", "training/held_out_animals.csv")
    for name in (*tables, "gradcam/cascade.csv", "gradcam/evidence_recordings.csv", "regions/tests.csv"):
        assert (folder / "out" / name).read_bytes() == (lab / "out" / name).read_bytes(), name
    for blob in (lab / "out" / "faces").glob("*.jpgs"):
        assert (folder / "out" / "faces" / blob.name).read_bytes() == blob.read_bytes()


def test_papermill_alone_gives_the_same_statistics(lab, tmp_path):
    copy_lab(lab, tmp_path)
    tests = tmp_path / "out" / "statistics" / "tests.csv"
    expected = tests.read_bytes()
    shutil.rmtree(tests.parent)
    papermill(tmp_path, "04_statistics", "statistics")
    assert tests.read_bytes() == expected


@pytest.mark.verify
def test_every_notebook_by_papermill_alone_gives_what_the_run_gives(lab, tmp_path):
    copy_lab(lab, tmp_path, with_results=False)
    for stage in STAGES_OF_ALL:
        if stage.notebook in STAGES:
            papermill(tmp_path, stage.notebook, stage.name)
    assert_same_results(tmp_path, lab)


def test_groups_in_a_sealed_key_give_the_same_tests_and_stay_sealed_until_then(lab, tmp_path):
    copy_lab(lab, tmp_path)
    cohort = pd.read_csv(tmp_path / "cohort" / "cohort.csv", keep_default_na=False)
    cohort[["subject", "treatment"]].drop_duplicates().to_csv(tmp_path / "key.csv", index=False)
    cohort.drop(columns="treatment").to_csv(tmp_path / "cohort" / "cohort.csv", index=False)
    params = write_params(tmp_path, statistics={**SETTINGS["statistics"], "treatment_key": "key.csv"})
    code, said = run(params, "--to", "statistics")
    assert code == 0, said
    blind = read_table(tmp_path / "out" / "predictions" / "minutes.parquet", "minutes")
    assert (blind["treatment"] == "").all()
    tests = ("statistics", "tests.csv")
    assert tmp_path.joinpath("out", *tests).read_bytes() == lab.joinpath("out", *tests).read_bytes()


def test_a_truncated_video_is_reported_and_the_other_recordings_go_on(lab, tmp_path):
    params = copy_lab(lab, tmp_path)
    video = tmp_path / "cohort" / "videos" / "assay02_post_A.mp4"
    video.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    code, said = run(params, "--to", "predict")
    assert code == 1
    assert "assay02_post" in said
    assert "assay02_post_A.mp4" in said
    minutes = read_table(tmp_path / "out" / "predictions" / "minutes.parquet", "minutes")
    assert "assay02_post" not in set(minutes["recording"])
    assert minutes["recording"].nunique() == 4 * 2 + 6 * 2 - 1
    record = json.loads((tmp_path / "out" / "provenance" / "01_crop.json").read_text())
    assert [fault["recording"] for fault in record["faults"]] == ["assay02_post"]


def test_a_run_killed_in_every_stage_ends_with_the_same_result(lab, tmp_path):
    params = copy_lab(lab, tmp_path, with_results=False)
    for stage in STAGES:
        record = tmp_path / "out" / "provenance" / f"{stage}.json"
        process = start(params)
        while not record.exists() and process.poll() is None:
            time.sleep(0.05)
        time.sleep(1.0)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert not json.loads(record.read_text())["finished"], f"{stage} was too quick to be killed"
    code, said = run(params)
    assert code == 0, said
    assert_same_results(tmp_path, lab)
    assert not list((tmp_path / "out").rglob("*.part-*"))

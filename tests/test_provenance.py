"""Provenance: what is recorded, and what makes a finished stage stale."""

import hashlib
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from painlib import machine, provenance
from painlib.cohort import VideoPart
from painlib.faults import PainlibError
from painlib.params import PredictParams, StatisticsParams
from painlib.provenance import (
    StageRun,
    StageStatus,
    fingerprint,
    fingerprint_file,
    provenance_path,
    read_provenance,
    stage_status,
    start_stage,
)

COHORT = "recording,subject,camera,video,treatment,note\nr1,m1,top,a.mp4,,calm\n"


class Project:
    """A workdir beside a cohort table, as the stage 'predict' finds it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cohort, self.workdir = folder / "cohort.csv", folder / "run"
        self.faces, self.model = self.workdir / "faces", self.workdir / "model"
        for path in (self.faces, self.model):
            path.mkdir(parents=True)
        self.cohort.write_text(COHORT)
        (self.faces / "r1_top.parquet").write_bytes(b"index")
        (self.model / "card.json").write_bytes(b"{}")
        self.minutes = self.workdir / "predictions" / "minutes.parquet"

    def params(self, **changes: Any) -> PredictParams:
        values = {"model": None, "batch": 8, "min_coverage": 0.1, "device": "auto", "seed": 3}
        values |= {
            "from_video": False,
            "abstain_below": 0.5,
            "min_sharpness": None,
            "min_size": None,
            "max_turn": None,
            "precision": "float32",
            "workers": 1,
        }
        return PredictParams(cohort=self.cohort, workdir=self.workdir, **{**values, **changes})

    def inputs(self) -> list[Path]:
        return [self.cohort, self.faces, self.model]

    def run(self, **changes: Any) -> Path:
        run = start_stage("predict", self.params(**changes), self.inputs())
        self.minutes.parent.mkdir(exist_ok=True)
        self.minutes.write_bytes(b"table")
        run.add_outputs([self.minutes])
        run.record(n_faces=12)
        return run.finish()

    def status(self, **changes: Any) -> StageStatus:
        return stage_status("predict", self.params(**changes), self.inputs())


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


def test_a_record_says_what_was_told_read_written_and_with_what(project: Project) -> None:
    path = project.run()
    assert (
        path
        == provenance_path("predict", project.workdir)
        == project.workdir / "provenance" / "03_predict.json"
    )
    record = json.loads(path.read_text())
    assert record["stage"] == "predict"
    assert record["params"]["min_coverage"] == 0.1
    assert record["seed"] == 3
    assert record["facts"] == {"n_faces": 12}
    assert record["faults"] == []
    assert [entry["path"] for entry in record["inputs"]] == [
        "../cohort.csv",
        "faces/r1_top.parquet",
        "model/card.json",
    ]
    assert record["inputs"][1]["hash"] == "sha256:" + hashlib.sha256(b"index").hexdigest()
    table = {
        "path": "predictions/minutes.parquet",
        "size": 5,
        "hash": "sha256:" + hashlib.sha256(b"table").hexdigest(),
    }
    assert record["outputs"] == [table]
    assert record["start"] <= record["end"]
    assert record["seconds"] >= 0
    assert record["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert "cores" in record["device"]
    assert record["painlib"]
    assert str(project.folder) not in path.read_text()
    assert os.listdir(path.parent) == ["03_predict.json"]


def test_a_stage_is_missing_then_done(project: Project) -> None:
    assert project.status().state == "missing"
    project.run()
    assert project.status().state == "done"


def test_a_stage_that_began_again_and_was_killed_is_stale(project: Project) -> None:
    project.run()
    start_stage("predict", project.params(), project.inputs())
    state, reason = project.status()
    assert state == "stale"
    assert "not finished" in reason


def test_an_error_inside_the_record_leaves_it_unfinished(project: Project) -> None:
    with pytest.raises(RuntimeError), start_stage("predict", project.params(), project.inputs()):
        raise RuntimeError("stopped")
    assert project.status().state == "stale"
    with start_stage("predict", project.params(), project.inputs()):
        pass
    assert project.status().state == "done"


def test_a_changed_parameter_makes_a_stage_stale_and_is_named(project: Project) -> None:
    project.run()
    assert project.status(min_coverage=0.2) == ("stale", "parameter min_coverage: 0.1 -> 0.2")
    assert project.status(seed=4) == ("stale", "parameter seed: 3 -> 4")


def test_how_a_result_is_computed_makes_no_stage_stale(project: Project) -> None:
    project.run()
    assert project.status(device="cpu", batch=64).state == "done"


def test_a_changed_new_or_lost_input_makes_a_stage_stale_and_is_named(project: Project) -> None:
    project.run()
    index = project.faces / "r1_top.parquet"
    index.write_bytes(b"INDEX")
    assert project.status() == ("stale", "input faces/r1_top.parquet changed")
    index.write_bytes(b"index")
    assert project.status().state == "done"
    (project.faces / "r2_top.parquet").write_bytes(b"more")
    assert project.status() == ("stale", "input faces/r2_top.parquet is new")
    (project.faces / "r2_top.parquet").rename(project.faces / ".r2_top.parquet.part-1.parquet")
    assert project.status().state == "done"
    index.unlink()
    assert project.status() == ("stale", "input faces/r1_top.parquet is gone")


def test_only_columns_that_a_stage_reads_of_the_cohort_make_it_stale(project: Project) -> None:
    project.run()
    project.cohort.write_text(COHORT.replace("calm", "wild").replace("a.mp4", " a.mp4 "))
    assert project.status().state == "done"
    project.cohort.write_text(COHORT.replace("a.mp4,,", "a.mp4,AC,"))
    assert project.status() == ("stale", "input ../cohort.csv changed")


def test_a_lost_or_cut_output_makes_a_stage_stale(project: Project) -> None:
    project.run()
    project.minutes.write_bytes(b"tab")
    assert project.status() == ("stale", "output predictions/minutes.parquet changed: 5 -> 3 bytes")
    project.minutes.unlink()
    assert project.status() == ("stale", "output missing: predictions/minutes.parquet")


def test_another_commit_of_the_same_version_is_told_and_makes_nothing_stale(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = project.run()
    record = json.loads(file.read_text())
    for before, now, told in (
        ("a" * 40, "b" * 40, ", by painlib at aaaaaaaaa, now bbbbbbbbb (--force runs stages again)"),
        (
            "a" * 40,
            f"{'a' * 40}+changed",
            ", by painlib at aaaaaaaaa, now aaaaaaaaa+changed (--force runs stages",
        ),
        ("a" * 40, "a" * 40, ""),
        ("a" * 40, "", ""),
        ("", "b" * 40, ""),
    ):
        file.write_text(json.dumps({**record, "commit": before}))
        monkeypatch.setattr(provenance, "find_commit", lambda now=now: now)
        state, reason = project.status()
        assert state == "done"
        assert reason.startswith(f"finished {record['end']}{told}")
        assert told or reason == f"finished {record['end']}"


def test_another_version_of_painlib_makes_a_stage_stale(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.run()
    before = provenance.find_version()
    monkeypatch.setattr(provenance, "find_version", lambda: "99.0")
    assert project.status() == ("stale", f"painlib: {before} -> 99.0")


def test_a_stage_with_a_faulty_recording_is_kept_but_stale_until_mended(project: Project) -> None:
    run = start_stage("predict", project.params(), project.inputs())
    run.add_fault("r1", "truncated video")
    run.finish()
    record = read_provenance("predict", project.workdir)
    assert record is not None
    assert record["finished"] is True
    assert record["faults"] == [{"recording": "r1", "message": "truncated video"}]
    assert project.status() == ("stale", "fault in r1: truncated video")
    project.run()
    assert project.status().state == "done"


def test_a_project_that_was_moved_as_a_whole_stays_done(project: Project, tmp_path: Path) -> None:
    project.run(model=str(project.model))
    project.folder.rename(tmp_path / "elsewhere")
    moved = Project.__new__(Project)
    moved.folder = tmp_path / "elsewhere"
    moved.cohort, moved.workdir = moved.folder / "cohort.csv", moved.folder / "run"
    moved.faces, moved.model = moved.workdir / "faces", moved.workdir / "model"
    assert moved.status(model=str(moved.model)).state == "done"


def test_paths_within_lists_are_compared_relative_too(tmp_path: Path) -> None:
    def params(root: Path) -> StatisticsParams:
        return StatisticsParams(
            cohort=root / "cohort.csv",
            workdir=root / "run",
            seed=0,
            treatment_key=None,
            assays=["a"],
            minutes=[str(root / "a.csv")],
            groups=[["v", "d"]],
            control=["v"],
            paired=[False],
            window_start_min=0.0,
            window_end_min=30.0,
            pre_window_min=20.0,
            alpha=0.05,
            bootstrap=1000,
        )

    start_stage("statistics", params(tmp_path / "x")).finish()
    (tmp_path / "x").rename(tmp_path / "y")
    assert stage_status("statistics", params(tmp_path / "y")).state == "done"


def test_a_missing_input_is_named_before_work_starts(project: Project) -> None:
    with pytest.raises(PainlibError, match=r"predict expected its input, found none: .*gone\.csv"):
        start_stage("predict", project.params(), [project.workdir / "gone.csv"])
    assert project.status().state == "missing"


def test_an_output_that_was_never_written_is_named(project: Project) -> None:
    run = start_stage("predict", project.params(), project.inputs())
    run.add_outputs([project.workdir / "never.csv"])
    with pytest.raises(PainlibError, match=r"never\.csv"):
        run.finish()


def test_a_broken_record_counts_as_none(project: Project) -> None:
    project.run().write_text("{ half")
    assert project.status().state == "missing"


def test_a_large_file_is_known_by_size_time_and_ends(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(b"a" * (9 * 1024 * 1024))
    os.utime(path, ns=(10**18, 10**18))
    first = fingerprint_file(path)
    assert fingerprint_file(path) == first
    os.utime(path, ns=(10**18, 10**18 + 1))
    assert fingerprint_file(path) != first
    with open(path, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"b")
    os.utime(path, ns=(10**18, 10**18))
    assert fingerprint_file(path) != first


def test_a_small_file_is_known_by_content_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"abc")
    # FIPS 180-2, SHA-256 of "abc"
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert fingerprint_file(path) == f"sha256:{known}"
    os.utime(path, ns=(1, 1))
    assert fingerprint_file(path) == f"sha256:{known}"


def test_equal_values_have_equal_fingerprints_whatever_order_and_process() -> None:
    value = {"b": [1, 2.5, None], "a": Path("x/y"), "part": VideoPart("v.mp4", 0.0, math.inf)}
    turned = {key: value[key] for key in reversed(value)}
    assert fingerprint(value) == fingerprint(turned)
    assert fingerprint(value) != fingerprint({**value, "b": [1, 2.5, 0]})
    assert fingerprint("a", "b") != fingerprint("ab")
    code = "from painlib.fingerprints import fingerprint; print(fingerprint({'b': 1, 'a': {'x', 'y', 'z'}}))"
    answers = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (1, 2)
    }
    assert len(answers) == 1


def test_a_value_that_is_not_plain_is_refused() -> None:
    with pytest.raises(TypeError, match="plain value"):
        fingerprint(object())


def test_a_package_inside_somebody_elses_checkout_names_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def commit_of(package: Path) -> str:
        monkeypatch.setattr(machine.painlib, "__file__", str(package / "__init__.py"))
        machine.find_commit.cache_clear()
        return machine.find_commit()

    inner, own = tmp_path / ".venv" / "lib" / "painlib", tmp_path / "painlib"
    for package in (inner, own):
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    assert commit_of(own) == ""
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "painlib"], check=True)
    subprocess.run([*git, "commit", "-qm", "first"], check=True)
    head = subprocess.run(
        [*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    assert commit_of(own) == head
    (own / "new.py").touch()
    assert commit_of(own) == f"{head}+changed"
    assert commit_of(inner) == ""
    machine.find_commit.cache_clear()


class Shown:
    """The figures of 03_predict and the csv files in the folder of its name, where people lay files too."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self.figure = project.workdir / "figures" / "03_minutes.png"
        self.table = project.workdir / "predict" / "calls.csv"
        self.draft = project.workdir / "figures" / "03_draft.png"
        self.own = project.workdir / "predict" / "alice.csv"
        for file in (self.draft, self.own):
            file.parent.mkdir(exist_ok=True)
            file.write_text("a person's")

    def begin(self) -> StageRun:
        return start_stage("predict", self._project.params(), self._project.inputs())

    def write(self, run: StageRun) -> None:
        """As notebooks do: what lies there under the stage's names is declared."""
        for file in (self.figure, self.table):
            file.write_text("shown")
        run.add_outputs([*self.figure.parent.glob("03_*"), *self.table.parent.glob("*.csv")])

    def left(self) -> set[str]:
        return {file.name for folder in (self.figure.parent, self.table.parent) for file in folder.iterdir()}


OWN = {"03_draft.png", "alice.csv"}


def test_a_stage_that_begins_removes_what_its_last_run_showed_and_nobodys_own_files(project: Project) -> None:
    shown = Shown(project)
    run = shown.begin()
    shown.write(run)
    run.finish()
    record = read_provenance("predict", project.workdir) or {}
    assert {entry["path"] for entry in record["outputs"]} == {"figures/03_minutes.png", "predict/calls.csv"}
    assert project.status().state == "done"
    again = shown.begin()
    assert shown.left() == OWN
    again.finish()
    shown.begin().finish()
    assert shown.left() == OWN


def test_what_a_killed_run_wrote_under_known_names_is_removed_too(project: Project) -> None:
    shown = Shown(project)
    run = shown.begin()
    shown.write(run)
    run.finish()
    shown.write(shown.begin())  # and killed
    shown.begin()
    assert shown.left() == OWN


def test_what_a_killed_first_run_left_is_kept_but_is_nobodys_result(project: Project) -> None:
    shown = Shown(project)
    shown.write(shown.begin())  # and killed
    run = shown.begin()
    run.add_outputs([*shown.figure.parent.glob("03_*")])
    run.finish()
    record = read_provenance("predict", project.workdir) or {}
    assert record["outputs"] == []
    assert record["beside"] == [
        "figures/03_draft.png", "figures/03_minutes.png", "predict/alice.csv", "predict/calls.csv",
    ]  # fmt: skip


def test_a_file_that_a_stage_is_given_stays_though_an_earlier_run_wrote_it(project: Project) -> None:
    shown = Shown(project)
    run = shown.begin()
    shown.write(run)
    run.finish()
    start_stage("predict", project.params(), [*project.inputs(), shown.table])
    assert shown.left() == {*OWN, "calls.csv"}

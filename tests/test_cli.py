"""The command line: exit codes, messages without tracebacks, check, status, demo, bench."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_lab import add_training_animal, execute_here, make_lab, write_notebook, write_parameters

from painlib import cli, runner
from painlib.cli import main
from painlib.params import STAGES


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A fresh tiny laboratory whose notebooks run in this process."""
    make_lab(tmp_path)
    monkeypatch.setattr(runner, "find_notebooks", lambda: tmp_path / "notebooks")
    monkeypatch.setattr(runner, "execute_notebook", execute_here)
    return tmp_path


def call(*arguments, capsys) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command."""
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as ended:
        code = int(ended.code or 0)
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    return code, shown.out, shown.err


def test_run_ends_with_times_and_the_reports_path(lab, capsys):
    code, out, err = call("run", lab / "lab.yaml", capsys=capsys)
    assert code == 0
    assert err == ""
    lines = out.splitlines()
    assert lines[-1] == f"Report: {lab / 'runs' / 'report.html'}"
    for name in [stage.name for stage in STAGES]:
        assert any(line.split()[:2] == [name, "ran"] for line in lines)
    code, out, _ = call("run", lab / "lab.yaml", "--to", "train", capsys=capsys)
    assert code == 0
    assert "crop: done before and unchanged, skipped" in out


def test_a_failed_recording_makes_the_exit_code_1_though_all_else_ran(lab, capsys):
    write_notebook(lab, "crop", "run.add_fault('m2', 'Video m2.mp4 is cut short.')")
    code, out, err = call("run", lab / "lab.yaml", capsys=capsys)
    assert code == 1
    assert "Recordings with faults (1); all others went on:\n- m2 (crop): Video m2.mp4 is cut short." in err
    assert "report.html" in out
    assert (lab / "runs" / "statistics" / "tests.csv").is_file()


def test_a_failed_stage_makes_the_exit_code_1_and_shows_its_message(lab, capsys, monkeypatch):
    def fail(notebook, params, running):
        raise runner.StageFailed("Expected two animals, got one.")

    monkeypatch.setattr(runner, "execute_notebook", fail)
    code, _, err = call("run", lab / "lab.yaml", capsys=capsys)
    assert code == 1
    assert "Stage crop failed:\nExpected two animals, got one." in err


def test_faults_of_the_parameter_file_are_shown_all_at_once(lab, capsys):
    write_parameters(lab, train={"epohcs": 3, "learning_rate": -1})
    code, _, err = call("run", lab / "lab.yaml", capsys=capsys)
    assert code == 1
    assert "train.epohcs" in err
    assert "Did you mean 'epochs'?" in err
    assert "train.learning_rate" in err
    assert not (lab / "runs").exists()


@pytest.mark.parametrize(
    "arguments",
    [[], ["fly"], ["run"], ["run", "lab.yaml", "--from", "predcit"], ["run", "x", "--to"], ["--no-such"]],
)
def test_wrong_usage_is_exit_code_2(arguments, capsys):
    code, _, err = call(*arguments, capsys=capsys)
    assert code == 2
    assert err


def test_a_parameter_file_that_is_not_there_is_a_fault(lab, capsys):
    code, _, err = call("status", lab / "labb.yaml", capsys=capsys)
    assert code == 1
    assert err.startswith("painlib: Expected a parameter file, found none")
    assert "Did you mean 'lab.yaml'?" in err


def test_ctrl_c_is_said_plainly_and_is_exit_code_130(lab, capsys, monkeypatch):
    def stop(notebook, params, running):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "execute_notebook", stop)
    code, _, err = call("run", lab / "lab.yaml", capsys=capsys)
    assert code == 130
    assert err == "painlib: stopped. What was finished is kept; the same command goes on from there.\n"
    assert not (lab / "runs" / ".running").exists()


def test_status_shows_each_stage_with_its_reason(lab, capsys):
    call("run", lab / "lab.yaml", "--to", "train", capsys=capsys)
    write_parameters(lab, train={"epochs": 5})
    code, out, _ = call("status", lab / "lab.yaml", capsys=capsys)
    assert code == 0
    rows = [line.split(maxsplit=2) for line in out.splitlines()]
    assert [row[:2] for row in rows] == [
        ["crop", "done"],
        ["train", "stale"],
        ["confounds", "missing"],
        ["predict", "missing"],
        ["statistics", "missing"],
        ["gradcam", "missing"],
        ["regions", "missing"],
        ["grimace", "missing"],
        ["locomotion", "missing"],
    ]
    assert rows[1][2] == "parameter epochs: 1 -> 5"


def test_check_tells_what_it_found_and_writes_nothing(lab, capsys):
    add_training_animal(lab)
    code, out, _ = call("check", lab / "lab.yaml", capsys=capsys)
    assert code == 0
    assert "recordings: 6 (2 without label, 2 labelled 'no pain', 2 labelled 'pain')" in out
    assert "6 files, 4 s in all; 6 of 64 x 48 px, 10 frames/s" in out
    assert "2 labelled frames" in out
    assert "resnet10t, from random weights" in out
    assert "GiB free" in out
    assert out.endswith("No faults found.\n")
    assert not (lab / "runs").exists()


def test_check_gathers_the_faults_of_every_kind_in_one_message(lab, capsys):
    """Parameters, video, labels, key and groups each have a fault; one message has them all."""
    whole = (lab / "m1.mp4").read_bytes()
    (lab / "m1.mp4").write_bytes(whole[: len(whole) // 2])
    (lab / "labels.csv").write_text("video,frame,nose_x,nose_y\nm2.mp4,0,30,900\nm2.mp4,99,31,22\n")
    (lab / "key.csv").write_text("subject,treatment\nm1,vehicle\nm3,AC\n")
    (lab / "cohort.csv").write_text((lab / "cohort.csv").read_text().replace("vehicle", "").replace("AC", ""))
    write_parameters(lab, statistics={"treatment_key": "key.csv", "groups": [["vehicle", "1 % AC"]]})
    code, _, err = call("check", lab / "lab.yaml", capsys=capsys)
    assert code == 1
    for words in ("m1.mp4", "labels.csv", "'m3'", "'m2'"):
        assert words in err
    assert "vehicle" not in err, "nobody's treatment is shown"

    write_parameters(lab, train={"epohcs": 3})
    code, _, err = call("check", lab / "lab.yaml", capsys=capsys)
    assert code == 1
    assert "train.epohcs" in err
    assert "m1.mp4" in err, "videos are opened though the parameters have a fault"


def test_check_finds_a_group_without_animals(lab, capsys):
    write_parameters(lab, statistics={"groups": [["vehicle", "1 % AC"]]})
    code, _, err = call("check", lab / "lab.yaml", capsys=capsys)
    assert code == 1
    assert "assay 'AC'" in err
    assert "group '1 % AC' has no animal" in err


def test_check_wants_a_tracker_file_for_each_camera(lab, capsys):
    write_parameters(lab, crop={"pose_source": "tracker"})
    code, _, err = call("check", lab / "lab.yaml", capsys=capsys)
    assert code == 1
    assert "Recording 'm1', camera 'A': pose_source 'tracker' expected a file" in err
    assert "Recording 'm2', camera 'A'" in err


def test_check_finds_that_the_disk_is_too_small(lab, capsys, monkeypatch):
    small = shutil._ntuple_diskusage(10**6, 10**6 - 100, 100)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: small)
    code, _, err = call("check", lab / "lab.yaml", capsys=capsys)
    assert code == 1
    assert "Expected room for the faces" in err


def test_demo_draws_where_the_cohort_is_looked_for_and_runs(lab, capsys, monkeypatch):
    import painlib.demo

    drawn = []

    def draw(folder, params):
        drawn.append((folder, params.width))
        folder.mkdir(parents=True)
        for name in ("cohort.csv", "labels.csv", "m1.mp4", "m2.mp4", "t1_pre.mp4", "t1_ac.mp4"):
            shutil.copy(lab / name, folder / name)
        return folder / "cohort.csv"

    monkeypatch.setattr(painlib.demo, "draw_cohort", draw)
    demo = {name: field_value for name, field_value in smallest_demo().items()}
    write_parameters(lab, cohort="drawn/cohort.csv", demo=demo, crop={"labels": "drawn/labels.csv"})
    code, out, err = call("demo", lab / "lab.yaml", "--to", "crop", capsys=capsys)
    assert code == 0, err
    assert drawn == [(lab / "drawn", 160)]
    assert "demonstration: drawn in" in out
    assert out.splitlines()[-1].endswith("report.html")

    write_parameters(lab, cohort="drawn/cohort.csv", demo=demo | {"widht": 3, "fps": -1})
    code, _, err = call("demo", lab / "lab.yaml", capsys=capsys)
    assert code == 1
    assert "demo.widht" in err
    assert "demo.fps" in err

    write_parameters(lab)
    code, _, err = call("demo", lab / "lab.yaml", capsys=capsys)
    assert code == 1
    assert "Expected a section `demo`" in err


def smallest_demo() -> dict:
    """The section `demo` of params/smoke.yaml or demo.yaml, at the smallest picture."""
    from painlib.params import load_yaml

    return load_yaml(cli.DEMO_PARAMETERS)["demo"] | {"width": 160}


def test_demo_without_a_file_takes_the_one_that_comes_with_painlib():
    options = cli.build_parser().parse_args(["demo"])
    assert options.parameters == Path(cli.__file__).parents[1] / "params" / "demo.yaml"
    assert options.parameters.is_file()


def test_the_command_starts_at_once():
    # Processor time, which a busy machine does not stretch.
    code = "import time; t = time.process_time(); import painlib.cli; print(time.process_time() - t)"
    seconds = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    ]
    assert np.min(seconds) < 0.3


@pytest.mark.parametrize(
    ("options", "form", "folder"), [((), "short", "runs/bench"), (("--long",), "long", "x")]
)
def test_bench_takes_its_form_and_folder(options, form, folder, capsys, monkeypatch):
    import os

    import painlib.bench.running

    def pretend(out, size, say):
        say("measuring")
        return f"{size.name} {out} {os.environ['OMP_NUM_THREADS']}"

    monkeypatch.setattr(painlib.bench.running, "run_bench", pretend)
    extra = ("--out", folder) if options else ()
    code, out, err = call("bench", *options, *extra, capsys=capsys)
    assert (code, err) == (0, "")
    assert out.splitlines() == ["measuring", f"{form} {Path(folder)} 1", f"Results: {Path(folder)}"]

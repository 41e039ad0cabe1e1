"""The runner, on a tiny laboratory whose notebooks take no time; where it matters, in real kernels."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_lab import execute_here, make_lab, write_notebook, write_parameters

import painlib
from painlib import runner
from painlib.faults import PainlibError
from painlib.params import STAGES, load_run
from painlib.records import RunRecord, hold_workdir
from painlib.runner import find_states, run_stages, select_stages
from painlib.tables import write_whole

NAMES = [
    *("crop", "train", "confounds", "predict", "statistics", "gradcam", "regions", "grimace", "locomotion"),
]
AFTER_TRAIN = ("train", "confounds", "predict", "statistics", "gradcam", "regions")


def expect(rest: str, **of: str) -> list[str]:
    """What each stage came to, in order: `of` by name, `rest` for all others."""
    assert set(of) <= set(NAMES)
    return [of.get(name, rest) for name in NAMES]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A laboratory after one whole run in real kernels, and its record; copied by tests that change it."""
    folder = tmp_path_factory.mktemp("finished")
    said = []
    record = run_stages(make_lab(folder), notebooks=folder / "notebooks", say=said.append)
    return folder, record, said


@pytest.fixture
def lab(finished, tmp_path, monkeypatch):
    """A copy of the finished laboratory, whose notebooks now run in this process."""
    folder = tmp_path / "lab"
    shutil.copytree(finished[0], folder)
    monkeypatch.setattr(runner, "execute_notebook", execute_here)
    return folder


def run(folder: Path, **options) -> RunRecord:
    return run_stages(
        folder / "lab.yaml",
        notebooks=folder / "notebooks",
        say=options.pop("say", lambda text: None),
        **options,
    )


def outcomes(record: RunRecord) -> list[str]:
    return [stage.outcome for stage in record.stages]


def start(folder: Path, *options: str) -> subprocess.Popen:
    """`painlib run` in a process of its own, with the laboratory's notebooks."""
    code = (
        "import sys, pathlib, signal, painlib.runner\n"
        # A shell's background job starts with SIGINT ignored, and so do its children.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"painlib.runner.find_notebooks = lambda: pathlib.Path({str(folder / 'notebooks')!r})\n"
        "from painlib.cli import main\n"
        f"sys.exit(main(['run', {str(folder / 'lab.yaml')!r}, *{list(options)!r}]))\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(painlib.__file__).parents[1])},
        cwd=folder,
    )


def wait_for(path: Path, process: subprocess.Popen, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.05)


def wait_until_gone(pid: int, seconds: float = 15) -> None:
    """Wait for the end of a process, which may stay a zombie where nobody reaps it."""
    end = time.monotonic() + seconds
    while Path(f"/proc/{pid}").exists() and " Z " not in Path(f"/proc/{pid}/stat").read_text():
        assert time.monotonic() < end, f"process {pid} is still there"
        time.sleep(0.1)


def test_a_run_does_every_stage_in_order_and_leaves_notebooks_pages_and_a_report(finished):
    folder, record, said = finished
    runs = folder / "runs"
    assert [stage.name for stage in record.stages] == NAMES
    assert outcomes(record) == ["ran"] * len(NAMES), record.stages
    assert not record.failed
    for stem in (stage.notebook for stage in STAGES):
        assert (runs / "notebooks" / f"{stem}.ipynb").is_file()
        assert (runs / "notebooks" / f"{stem}.html").is_file()
    assert "crop: running (not run yet)" in said
    assert (runs / "report.html").is_file()
    kept = RunRecord.model_validate_json((runs / "provenance" / "run.json").read_text())
    assert kept == record
    assert all(stage.seconds > 0 for stage in kept.stages)
    assert kept.finished
    hidden = {path.name for path in runs.rglob(".*")}
    assert hidden <= {".lock"}, "nothing temporary is left"


def test_the_notebook_gets_every_parameter_as_the_yaml_says(finished):
    folder = finished[0]
    cells = json.loads((folder / "runs" / "notebooks" / "01_crop.ipynb").read_text())["cells"]
    injected = next(cell for cell in cells if "injected-parameters" in cell["metadata"].get("tags", []))
    names: dict = {}
    exec("".join(injected["source"]), names)
    assert names["labels"] == str(folder / "labels.csv")
    assert names["workdir"] == str(folder / "runs")
    assert names["seed"] == 1
    assert names["crop_px"] == 32
    assert names["individual"] is None


def test_with_a_model_given_and_no_labels_nothing_is_trained_and_no_regions_are_looked_for(
    tmp_path, monkeypatch
):
    folder = tmp_path / "lab"
    make_lab(folder, predict={"model": "elsewhere"})
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "card.json").write_text("{}")
    (folder / "runs" / "model").mkdir(parents=True)
    (folder / "runs" / "model" / "card.json").write_text("{}")  # what the tiny 03_predict copies
    table = (folder / "cohort.csv").read_text().splitlines()
    (folder / "cohort.csv").write_text("\n".join(table[:3]) + "\n")
    monkeypatch.setattr(runner, "execute_notebook", execute_here)
    record = run(folder)
    spared = dict.fromkeys(("train", "confounds", "gradcam", "regions", "grimace"), "not needed")
    assert outcomes(record) == expect("ran", **spared)
    assert "predict.model is given" in record.stages[1].reason
    assert record.stages[5].reason == "no recording has a label"
    monkeypatch.setattr(runner, "execute_notebook", lambda *given: pytest.fail("a notebook was executed"))
    assert outcomes(run(folder)) == expect("skipped", **spared)


def test_judged_from_video_no_faces_are_cut_or_shown(tmp_path, monkeypatch):
    folder = tmp_path / "lab"
    make_lab(folder, predict={"model": "elsewhere", "from_video": True})
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "card.json").write_text("{}")
    (folder / "runs" / "model").mkdir(parents=True)
    (folder / "runs" / "model" / "card.json").write_text("{}")  # what the tiny 03_predict copies
    monkeypatch.setattr(runner, "execute_notebook", execute_here)
    record = run(folder)
    spared = dict.fromkeys(("crop", "train", "confounds", "gradcam", "regions", "grimace"), "not needed")
    assert outcomes(record) == expect("ran", **spared)
    assert "predict.from_video" in record.stages[0].reason
    video = next(folder.rglob("*.mp4"))
    video.write_bytes(video.read_bytes() + b" ")
    states = find_states(load_run(folder / "lab.yaml", folder / "notebooks"))
    assert states["predict"].state == "stale"


def test_what_is_done_and_unchanged_is_skipped(finished, tmp_path, monkeypatch):
    folder = tmp_path / "moved"
    shutil.copytree(finished[0], folder)
    monkeypatch.setattr(runner, "execute_notebook", lambda *given: pytest.fail("a notebook was executed"))
    record = run(folder)
    assert outcomes(record) == ["skipped"] * len(NAMES)
    assert all(stage.seconds is None for stage in record.stages)


def test_a_changed_parameter_runs_its_stage_and_what_depends_on_its_result(lab):
    write_parameters(lab, train={"epochs": 7})
    record = run(lab)
    assert outcomes(record) == expect("skipped", **dict.fromkeys(AFTER_TRAIN, "ran"))
    assert record.stages[1].reason == "parameter epochs: 1 -> 7"
    assert "model/card.json changed" in record.stages[3].reason


def test_a_stage_run_anew_with_the_same_result_leaves_the_next_ones_alone(lab):
    write_parameters(lab, train={"learning_rate": 0.5})
    assert outcomes(run(lab)) == expect("skipped", train="ran")


def test_what_the_last_stage_is_told_runs_it_alone_and_opening_its_widget_runs_nothing(lab):
    write_parameters(lab, regions={"pairs": 20})
    assert outcomes(run(lab)) == expect("skipped", regions="ran")
    write_parameters(lab, regions={"pairs": 20, "interactive": True, "annotator": "anna"})
    assert outcomes(run(lab)) == ["skipped"] * len(NAMES)


def test_a_changed_input_runs_its_stage(lab):
    shutil.copy(lab / "m1.mp4", lab / "m2.mp4")
    with open(lab / "m2.mp4", "ab") as video:
        video.write(b"\0" * 8)
    record = run(lab)
    assert outcomes(record) == expect("skipped", crop="ran")
    assert "m2.mp4 changed" in record.stages[0].reason


def test_force_runs_what_is_done(lab):
    record = run(lab, force=True, first="train", last="predict")
    assert outcomes(record) == expect("waiting", train="ran", confounds="ran", predict="ran")
    assert record.stages[1].reason == "--force"


def test_to_ends_a_run_after_that_stage(lab):
    shutil.rmtree(lab / "runs")
    assert outcomes(run(lab, last="train")) == expect("waiting", crop="ran", train="ran")


def test_from_needs_finished_stages_before_it(lab):
    shutil.rmtree(lab / "runs")
    with pytest.raises(
        PainlibError, match=r"--from predict: expected finished results of stage crop.*Run without"
    ):
        run(lab, first="predict")


def test_from_says_that_an_earlier_stage_is_stale_and_uses_it(lab):
    write_parameters(lab, crop={"crop_px": 48})
    said: list[str] = []
    record = run(lab, first="train", say=said.append)
    assert outcomes(record) == expect("skipped", crop="waiting")
    assert said[0].startswith("crop: used as it is although stale (parameter crop_px: 32 -> 48)")


def test_unknown_and_reversed_stages_are_refused():
    with pytest.raises(
        PainlibError,
        match=rf"--from: expected a stage \({', '.join(NAMES)}\).*'predict'",
    ):
        select_stages("predcit")
    with pytest.raises(PainlibError, match="in their order"):
        select_stages("predict", "train")


def test_status_names_the_reason_and_what_follows(lab):
    write_parameters(lab, train={"epochs": 2})
    states = find_states(load_run(lab / "lab.yaml", lab / "notebooks"))
    assert [found.state for found in states.values()] == expect("stale", crop="done", locomotion="done")
    assert states["train"].reason == "parameter epochs: 1 -> 2"
    assert states["predict"].reason == "follows train, which would run first"
    shutil.rmtree(lab / "runs")
    states = find_states(load_run(lab / "lab.yaml", lab / "notebooks"))
    assert [found.state for found in states.values()] == ["missing"] * len(NAMES)


def test_recordings_that_failed_are_listed_and_the_others_go_on(lab):
    write_notebook(lab, "crop", "run.add_fault('m2', 'Video m2.mp4 is cut short.')")
    record = run(lab, force=True)
    assert outcomes(record) == ["ran"] * len(NAMES), record.stages
    assert record.failed
    assert [(fault.stage, fault.recording, fault.message) for fault in record.faults] == [
        ("crop", "m2", "Video m2.mp4 is cut short.")
    ]
    report = (lab / "runs" / "report.html").read_text()
    assert report.index("Video m2.mp4 is cut short.") < report.index("<main>")
    # The next run tries that recording again, and is well once it is mended.
    write_notebook(lab, "crop")
    record = run(lab)
    assert outcomes(record) == expect("skipped", crop="ran")
    assert not record.failed


def test_a_notebook_that_forgets_to_finish_its_record_is_a_failed_stage(lab):
    write_notebook(lab, "train", end="")
    record = run(lab, force=True)
    assert outcomes(record) == expect("waiting", crop="ran", train="failed")
    assert "02_train" in record.stages[1].message


def test_a_full_disk_fails_the_stage_and_not_the_program(lab, monkeypatch):
    def fill(notebook, params, running):
        raise OSError(errno.ENOSPC, "No space left on device")

    def write(notebook, params, running):
        with write_whole(params.workdir / "notebooks" / notebook.name):
            fill(notebook, params, running)

    before = (lab / "runs" / "notebooks" / "01_crop.ipynb").read_bytes()
    monkeypatch.setattr(runner, "execute_notebook", write)
    record = run(lab, force=True)
    assert outcomes(record) == expect("waiting", crop="failed")
    assert "The disk is full" in record.stages[0].message
    assert (lab / "runs" / "notebooks" / "01_crop.ipynb").read_bytes() == before


def test_a_cohort_with_faults_is_refused_before_anything_runs(lab):
    (lab / "m1.mp4").unlink()
    shutil.rmtree(lab / "runs")
    with pytest.raises(PainlibError, match=r"m1\.mp4"):
        run(lab)
    assert not (lab / "runs").exists()


def test_a_failing_stage_shows_its_message_and_keeps_the_notebook(finished, tmp_path):
    folder = tmp_path / "lab"
    shutil.copytree(finished[0], folder)
    write_parameters(folder, train={"epochs": 3})
    raising = "from painlib.faults import PainlibError\nraise PainlibError('Expected two animals, got one.')"
    write_notebook(folder, "train", raising)
    kept = folder / "runs" / "notebooks"
    before = (kept / "02_train.ipynb").read_text()
    record = run(folder)
    assert outcomes(record) == expect("waiting", crop="skipped", train="failed")
    assert record.failed
    assert record.stages[1].message == (
        f"Expected two animals, got one.\nThe notebook as far as it came: {kept / '02_train.failed.ipynb'}"
    )
    assert "Expected two animals" in (kept / "02_train.failed.html").read_text()
    assert (kept / "02_train.ipynb").read_text() == before
    assert "Expected two animals, got one." in (folder / "runs" / "report.html").read_text()

    write_notebook(folder, "train")
    record = run(folder, last="train")
    assert outcomes(record) == expect("waiting", crop="skipped", train="ran")
    assert not list(kept.glob("*.failed.*"))


def test_an_error_that_is_not_ours_is_named_with_its_cell(tmp_path):
    from papermill.exceptions import PapermillExecutionError

    kept = tmp_path / "02_train.failed.ipynb"
    kept.touch()
    fault = PapermillExecutionError(
        5, 4, "1 / 0", "ZeroDivisionError", "division by zero", ["a long", "traceback"]
    )
    told = runner.describe_fault(fault, kept, tmp_path / "kernel.log")
    assert told == f"ZeroDivisionError: division by zero (cell 4)\nThe notebook as far as it came: {kept}"


def test_a_kernel_that_dies_is_said_to_have_died(finished, tmp_path):
    folder = tmp_path / "lab"
    shutil.copytree(finished[0], folder)
    write_notebook(folder, "train", "import os\nos.write(2, b'out of memory, it seems\\n')\nos._exit(9)")
    record = run(folder, first="train", last="train", force=True)
    assert outcomes(record)[1] == "failed"
    assert "died without a word" in record.stages[1].message
    assert (folder / "runs" / "notebooks" / "02_train.failed.ipynb").is_file()


def test_the_kernel_is_the_interpreter_that_runs_painlib_whatever_the_user_has(
    finished, tmp_path, monkeypatch
):
    folder = tmp_path / "lab"
    shutil.copytree(finished[0], folder)
    for data in (tmp_path / "home" / ".local" / "share" / "jupyter", tmp_path / "jupyter"):
        bogus = data / "kernels" / "python3"
        bogus.mkdir(parents=True)
        (bogus / "kernel.json").write_text(
            json.dumps(
                {
                    "argv": ["/bin/false", "{connection_file}"],
                    "display_name": "Python 3",
                    "language": "python",
                }
            )
        )
    startup = tmp_path / "home" / ".ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00.py").write_text("seen_startup = True")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("MPLBACKEND", "agg")
    (tmp_path / "other" / "painlib").mkdir(parents=True)
    (tmp_path / "other" / "painlib" / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "other"))
    tell = (
        "import json, os, sys, painlib\n"
        "told = [sys.executable, os.getcwd(), 'seen_startup' in globals(), painlib.__file__]\n"
        "told += [os.environ['MPLBACKEND'], os.environ['PAINLIB_PROGRESS']]\n"
        "Path(folder, 'told.json').write_text(json.dumps(told))"
    )
    write_notebook(folder, "train", tell)
    record = run(folder, first="train", last="train", force=True)
    assert outcomes(record)[1] == "ran", record.stages[1].message
    told = json.loads((folder / "runs" / "told.json").read_text())
    executable, cwd, startup_ran, package, backend, progress = told
    assert package == painlib.__file__
    assert executable == sys.executable
    assert cwd == str(folder / "notebooks")
    assert not startup_ran
    assert "matplotlib_inline" in backend
    assert not Path(progress).exists(), "the progress file goes with the run"


def test_progress_of_the_kernel_is_drawn_as_plain_lines_where_there_is_no_terminal(finished, tmp_path, capfd):
    folder = tmp_path / "lab"
    shutil.copytree(finished[0], folder)
    write_notebook(
        folder,
        "train",
        "from painlib.progress import track\nfor _ in track(range(3), description='faces'):\n    pass",
    )
    run(folder, first="train", last="train", force=True)
    shown = capfd.readouterr().err
    assert shown.strip() == "faces: 3 of 3 (100%)" or shown.strip().startswith("faces: 3 of 3 (100%), ")
    executed = (folder / "runs" / "notebooks" / "02_train.ipynb").read_text()
    assert "it/s" not in executed, "no bar in the executed notebook"


WAIT = "Path(folder, 'begun').touch()\nimport time\ntime.sleep(120)"


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
def test_a_run_killed_in_the_middle_goes_on_where_it_was(finished, tmp_path, monkeypatch):
    folder = tmp_path / "lab"
    shutil.copytree(finished[0], folder)
    write_parameters(folder, train={"epochs": 7})
    write_notebook(folder, "train", f"import os\nPath(folder, 'pid').write_text(str(os.getpid()))\n{WAIT}")
    before = (folder / "runs" / "notebooks" / "02_train.ipynb").read_text()
    killed = start(folder)
    wait_for(folder / "runs" / "begun", killed)
    with pytest.raises(PainlibError, match=f"another run .process {killed.pid} on "):
        run(folder)
    killed.kill()
    killed.communicate()
    wait_until_gone(int((folder / "runs" / "pid").read_text()))
    assert (folder / "runs" / "notebooks" / "02_train.ipynb").read_text() == before, "no half notebook"
    states = find_states(load_run(folder / "lab.yaml", folder / "notebooks"))
    assert [found.state for found in states.values()] == expect("stale", crop="done", locomotion="done")
    assert "not finished" in states["train"].reason

    write_notebook(folder, "train")
    monkeypatch.setattr(runner, "execute_notebook", execute_here)
    assert outcomes(run(folder)) == expect("skipped", **dict.fromkeys(AFTER_TRAIN, "ran"))
    assert (folder / "runs" / "predictions" / "minutes.parquet").read_text() == '{"epochs": 7}'
    assert not (folder / "runs" / ".running").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no POSIX signals there")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_puts_everything_away(finished, tmp_path, sent):
    folder = tmp_path / "lab"
    shutil.copytree(finished[0], folder)
    write_notebook(
        folder,
        "train",
        "import os\nPath(folder, 'pid').write_text(str(os.getpid()))\n"
        "from painlib.tables import write_whole\n"
        "with write_whole(folder / 'half.txt') as temporary:\n"
        "    temporary.write_text('half')\n"
        "    Path(folder, 'begun').touch()\n"
        "    import time\n"
        "    time.sleep(120)",
    )
    stopped = start(folder, "--force", "--from", "train")
    wait_for(folder / "runs" / "begun", stopped)
    stopped.send_signal(sent)
    _, err = stopped.communicate(timeout=120)
    assert stopped.returncode == 130
    assert err.strip().endswith(
        "painlib: stopped. What was finished is kept; the same command goes on from there."
    )
    assert "Traceback" not in err
    wait_until_gone(int((folder / "runs" / "pid").read_text()))
    left = [
        path.name for path in (folder / "runs").rglob("*") if "half" in path.name or path.name == ".running"
    ]
    assert left == []
    assert (
        json.loads((folder / "runs" / "provenance" / "run.json").read_text())["stages"][1]["outcome"]
        == "stopped"
    )


def test_two_runs_on_one_workdir_are_refused_and_the_lock_ends_with_its_holder(tmp_path):
    with hold_workdir(tmp_path / "runs") as running:
        assert running.is_dir()
        with (
            pytest.raises(PainlibError, match="Expected to be the only run in"),
            hold_workdir(tmp_path / "runs"),
        ):
            pass
        assert running.is_dir(), "the refused run took nothing away"
    with hold_workdir(tmp_path / "runs"):
        pass
    assert not running.exists()


def test_a_workdir_that_cannot_be_made_is_said_plainly(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(PainlibError, match="Expected a folder that can be written"),
        hold_workdir(tmp_path / "file" / "runs"),
    ):
        pass

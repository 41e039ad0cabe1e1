"""Work on a cluster: the same results as on one worker; an address or a batch system named in the YAML."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from distributed import Client, LocalCluster, Nanny, Scheduler, SpecCluster
from test_maps import FACES, describe, write_faces, write_model
from test_validation import Settings, draw_cohort
from test_workers import act, die
from tiny_lab import NOTEBOOKS, make_lab, write_parameters

from painlib import runner
from painlib.faces.store import CameraFiles
from painlib.faults import Faults, PainlibError
from painlib.judging import judge_recordings
from painlib.model import load_model
from painlib.params import PredictParams, load_run
from painlib.pose.labels import KEYPOINTS
from painlib.provenance import provenance_path
from painlib.tables import write_table
from painlib.validation import cross_validate
from painlib.work_places import Place, choose_place, put_on_disk
from painlib.workers import CLUSTER_VARIABLE, RunCluster, count_gpus, end_local_workers, run_tasks
from painlib.workers.agreement import check_agreement, find_differences, list_own_versions
from painlib.workers.checking import check_cluster
from painlib.workers.clusters import connect, describe_dashboard
from painlib.workers.jobs import JobParams, make_jobs

TESTS = Path(__file__).parent
JOBS = {"kind": "slurm", "jobs": 4, "cores": 8, "memory": "32 GB", "walltime": "24:00:00", "queue": "long"}
NOWHERE = "tcp://127.0.0.1:9"  # the port that discards; nothing answers


@pytest.fixture(scope="module", autouse=True)
def _end():
    yield
    end_local_workers()


@pytest.fixture(scope="module")
def others():
    """The address of a cluster that somebody else started: two workers, one of which declares a GPU."""
    options = {"nthreads": 1, "host": "127.0.0.1", "memory_limit": 0, "silence_logs": 50}
    workers = {
        "plain": {"cls": Nanny, "options": options},
        "gpu": {"cls": Nanny, "options": {**options, "resources": {"GPU": 1}}},
    }
    options = {"host": "127.0.0.1", "port": 0, "dashboard_address": "127.0.0.1:0"}
    scheduler = {"cls": Scheduler, "options": options}
    with SpecCluster(workers, scheduler, silence_logs="critical") as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def existing(others) -> str:
    """Its address, once what an earlier test killed has started again."""
    with Client(others, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=120)
    return others


@pytest.fixture
def at(existing, monkeypatch) -> str:
    """The same, and work goes there."""
    monkeypatch.setenv(CLUSTER_VARIABLE, existing)
    return existing


def name_process(task: int) -> int:
    time.sleep(0.2)
    return os.getpid()


def test_work_goes_to_the_cluster_at_the_address_and_a_death_there_is_made_good(at, tmp_path, capsys):
    once, always = tmp_path / "once", tmp_path / "always"
    results = run_tasks(die, [0.2, (once, False), (always, True), 0.2], workers=1)
    assert [results[place] for place in (0, 1, 3)] == [0.2, 1.0, 0.2]
    assert "killed, twice" in str(results[2])
    # A cluster of others is asked for no more than one repetition either.
    assert always.read_text().count("begun") == 2
    faults = run_tasks(act, ["Expected a mouse, got none.", "broken"], workers=1)
    assert isinstance(faults[0], PainlibError)
    assert "ValueError: broken" in str(faults[1])
    assert capsys.readouterr().out.count("dashboard") <= 1


def test_tasks_for_gpus_go_to_the_workers_that_declare_one(at):
    assert count_gpus() == 1
    assert len(set(run_tasks(name_process, range(4), 1, on_gpus=True))) == 1
    assert len(set(run_tasks(name_process, range(6), 1))) == 2
    assert choose_place("auto", 1, 4) == Place(here=False, device="cuda")
    assert choose_place("cpu", 1, 4) == Place(here=False, device="cpu")
    assert choose_place("cpu", 1, 1) == Place(here=True, device="cpu")


def test_without_a_cluster_one_worker_is_this_process():
    assert choose_place("cpu", 1, 4) == Place(here=True, device="cpu")
    assert choose_place("cpu", 2, 4) == Place(here=False, device="cpu")


def test_a_worker_of_another_version_is_refused(at, monkeypatch):
    own = list_own_versions()
    check_agreement(own)
    other = {**own, "painlib": "9.9", "numpy": "1.0"}
    told = find_differences(other, own)
    assert told == [f"painlib {own['painlib']} instead of 9.9", f"numpy {own['numpy']} instead of 1.0"]
    monkeypatch.setattr("painlib.workers.tasks.list_own_versions", lambda: other)
    (result,) = run_tasks(act, [0.0], workers=1)
    assert isinstance(result, PainlibError)
    assert "instead of 9.9" in str(result)


def test_check_finds_an_answering_cluster_and_one_that_does_not_answer(existing, tmp_path, monkeypatch):
    monkeypatch.setattr("painlib.workers.clusters.SECONDS_TO_CONNECT", 1)
    rows, faults = [], Faults()
    check_cluster(existing, tmp_path / "runs", rows, faults)
    assert list(faults) == []
    assert rows == [("cluster", f"{existing}: 2 workers on 1 machines")]
    assert list(tmp_path.iterdir()) == []

    check_cluster(NOWHERE, tmp_path, [], faults)
    (told,) = faults
    assert f"expected a Dask scheduler at {NOWHERE}, got no answer" in told


def test_check_finds_a_cluster_without_workers_and_workers_of_several_threads(tmp_path):
    quiet = {"silence_logs": "critical", "dashboard_address": "127.0.0.1:0"}
    here = {"processes": False, "protocol": "tcp", "host": "127.0.0.1", **quiet}
    faults = Faults()
    with LocalCluster(n_workers=0, threads_per_worker=1, **here) as empty:
        check_cluster(empty.scheduler_address, tmp_path, [], faults)
        (told,) = faults
        assert "expected workers" in told
        assert "got none" in told
    with (
        LocalCluster(n_workers=1, threads_per_worker=2, **here) as threaded,
        pytest.raises(PainlibError, match=r"one thread each .* got more at .* \(2\)"),
    ):
        connect(threaded.scheduler_address)


@pytest.mark.parametrize(("kind", "lines"), [
    ("slurm", ["#SBATCH -p long", "#SBATCH --cpus-per-task=8", "#SBATCH -t 24:00:00", "#SBATCH -A mice"]),
    ("pbs", ["#PBS -q long", "#PBS -l walltime=24:00:00", "ncpus=8", "#PBS -A mice"]),
    ("sge", ["#$ -q long", "#$ -l h_rt=24:00:00", "#$ -P mice"]),
])  # fmt: skip
def test_jobs_are_written_for_the_batch_system(kind, lines, tmp_path):
    more = {"account": "mice", "directives": ["--gres=gpu:1"], "prologue": ["module load ffmpeg"]}
    jobs = make_jobs(JobParams(**{**JOBS, **more, "kind": kind}), tmp_path)
    try:
        script = jobs.job_script()
    finally:
        jobs.close()
    for line in [*lines, "--gres=gpu:1", "module load ffmpeg", str(tmp_path)]:
        assert line in script
    # Eight workers of one thread, none with more than its share of the memory.
    assert "--nworkers 8" in script
    assert "--nthreads 1" in script
    assert "--memory-limit 3.73GiB" in script


def test_an_address_or_jobs_stand_at_the_top_of_the_parameter_file(tmp_path):
    make_lab(tmp_path)
    assert load_run(write_parameters(tmp_path), NOTEBOOKS).cluster is None
    address = "tcp://head.lab:8786"
    assert load_run(write_parameters(tmp_path, cluster=address), NOTEBOOKS).cluster == address
    assert load_run(write_parameters(tmp_path, cluster=JOBS), NOTEBOOKS).cluster == JobParams(**JOBS)


def test_a_cluster_that_cannot_be_is_told_with_every_fault(tmp_path):
    make_lab(tmp_path)
    with pytest.raises(PainlibError, match=r"key cluster: expected .*tcp://host:port.* got 'head:8786'"):
        load_run(write_parameters(tmp_path, cluster="head:8786"), NOTEBOOKS)
    section = {"kind": "lsf", "job": 4, "cores": 0, "memory": "32", "walltime": "1 day"}
    with pytest.raises(PainlibError) as caught:
        load_run(write_parameters(tmp_path, cluster=section), NOTEBOOKS)
    for told in (
        "cluster.kind: expected 'slurm', 'pbs' or 'sge'", "cluster.job: expected one of kind, jobs",
        "Did you mean 'jobs'?", "cluster.jobs: expected a value", "cluster.cores: expected greater",
        "cluster.memory", "as 32 GB", "cluster.walltime", "as 24:00:00",
    ):  # fmt: skip
        assert told in str(caught.value)


def test_the_stages_of_a_run_find_the_cluster_of_its_parameter_file(tmp_path, monkeypatch):
    seen = []

    def look(notebook: Path, *given) -> None:
        seen.append((notebook.stem, os.environ.get(CLUSTER_VARIABLE)))
        raise runner.StageFailed("enough")

    monkeypatch.setattr(runner, "execute_notebook", look)
    monkeypatch.delenv(CLUSTER_VARIABLE, raising=False)
    make_lab(tmp_path)
    file = write_parameters(tmp_path, cluster="tcp://head.lab:8786")
    runner.run_stages(file, notebooks=NOTEBOOKS, last="crop", say=lambda text: None)
    assert seen == [("01_crop", "tcp://head.lab:8786")]
    assert CLUSTER_VARIABLE not in os.environ


def test_the_dashboard_is_told_with_its_cluster():
    link = "http://127.0.0.1:8787/status"
    assert describe_dashboard(link, "tcp://head:8786") == f"Dask's dashboard of tcp://head:8786: {link}"


def test_an_array_on_disk_is_not_copied_and_one_in_memory_is(tmp_path):
    values = np.arange(60, dtype=np.uint8).reshape(5, 3, 4)
    np.save(tmp_path / "values.npy", values)
    mapped = np.load(tmp_path / "values.npy", mmap_mode="r")
    with put_on_disk(mapped, tmp_path / "shared") as shared:
        assert shared.path == tmp_path / "values.npy"
        assert not (tmp_path / "shared").exists()
        np.testing.assert_array_equal(shared.open(), values)
    for given in (values, mapped[1:]):  # a slice of a mapped array does not know where it begins
        with put_on_disk(given, tmp_path / "shared") as shared:
            np.testing.assert_array_equal(shared.open(), given)
        assert list((tmp_path / "shared").iterdir()) == []


def add_weights(net: torch.nn.Module, rows: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {"sum": [sum(float(weights.detach().double().sum()) for weights in net.parameters())]}
    )


def test_two_workers_train_the_folds_that_one_trains(tmp_path):
    inputs, faces = draw_cohort()
    logged = {1: [], 2: []}
    results, weights = {}, {}
    threads = torch.get_num_threads()
    torch.set_num_threads(2)  # this process's own threads change nothing either
    try:
        for workers in (1, 2):
            folder = tmp_path / str(workers)
            results[workers] = cross_validate(
                inputs, faces, Settings(), None, 0,
                folder=folder, log=logged[workers].append, workers=workers,
                examine=add_weights,
            )  # fmt: skip
            weights[workers] = [
                torch.load(folder / f"fold_{k}" / "checkpoint.pt", weights_only=True)["net"]
                for k in (1, 2, 3, 4)
            ]
    finally:
        torch.set_num_threads(threads)
    pd.testing.assert_frame_equal(results[1].out_of_fold, results[2].out_of_fold, check_exact=True)
    assert results[1].examined is not None
    pd.testing.assert_frame_equal(results[1].examined, results[2].examined, check_exact=True)
    for one, two in zip(weights[1], weights[2], strict=True):
        assert all(torch.equal(one[name], two[name]) for name in one)
    assert [(row["fold"], row["epoch"]) for row in logged[1]] == [
        (row["fold"], row["epoch"]) for row in logged[2]
    ]


def write_lab(workdir: Path) -> None:
    """Faces, their pose, the record of 01_crop and a model, as the stages before leave them."""
    for recording, cameras in FACES.items():
        for seed, (camera, n) in enumerate(cameras.items()):
            write_faces(workdir, recording, camera, n, seed)
            pose: dict[str, np.ndarray] = {"frame": np.arange(3 * n), "time_s": np.arange(3 * n) / 30}
            for point, x, y in zip(KEYPOINTS, (64.0, 50.0, 78.0), (90.0, 50.0, 50.0), strict=True):
                pose |= {f"{point}_x": np.full(3 * n, x), f"{point}_y": np.full(3 * n, y)}
                pose[f"{point}_likelihood"] = np.ones(3 * n)
            write_table(pd.DataFrame(pose), CameraFiles(workdir, recording, camera).pose, "pose", "drawn")
    write_model(workdir / "model", 1)
    facts = {"crop_px": 128, "border": "shift", "likelihood_threshold": 0.9}
    record = provenance_path("crop", workdir)
    record.parent.mkdir()
    record.write_text(json.dumps({"finished": True, "facts": facts, "params": {"jpeg_quality": 95}}))


def test_two_workers_judge_as_one_does_to_the_last_byte(tmp_path):
    written = {}
    for workers in (1, 2):
        workdir = tmp_path / str(workers)
        write_lab(workdir)
        net, card = load_model(workdir / "model", "cpu")
        params = PredictParams.model_construct(
            workdir=workdir, cohort=Path("c.csv"), seed=1, model=None, from_video=False, batch=4,
            min_coverage=0.0, abstain_below=0.5, min_sharpness=None, min_size=None, max_turn=None,
            device="cpu", precision="float32", workers=workers,
        )  # fmt: skip
        frames = judge_recordings([describe(name) for name in FACES], net, card, params)
        assert frames["recording"].tolist() == ["m2_post"] * 7 + ["m1_pre"] * 5
        kept = [*(workdir / "predictions" / "recordings").glob("*.parquet"), *(workdir / "maps").iterdir()]
        written[workers] = {f"{path.parent.name}/{path.name}": path.read_bytes() for path in kept}
    assert len(written[1]) == 6
    assert written[1] == written[2]


def fake_slurm(folder: Path) -> None:
    """sbatch, squeue and scancel that run a job as a process of this machine."""
    programs = {
        # As there: the script is copied when it is submitted.
        "sbatch": f'cp "$1" {folder}/job.sh; setsid bash {folder}/job.sh > {folder}/job.log 2>&1 &\n'
        f'echo $! >> {folder}/pids; echo "Submitted batch job $!"',
        "scancel": 'kill -- "-$1"',
    }
    for name, text in programs.items():
        (folder / name).write_text(f"#!/bin/bash\n{text}\n")
        (folder / name).chmod(0o755)


@pytest.mark.verify
def test_jobs_of_a_batch_system_do_the_work_and_end_with_the_run(tmp_path, monkeypatch):
    fake_slurm(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv(CLUSTER_VARIABLE, raising=False)
    said = []
    # A job has the environment's painlib, but not these tests.
    prologue = [f"export PYTHONPATH={os.pathsep.join([*map(str, (TESTS.parent, TESTS))])}"]
    own = {"jobs": 1, "cores": 2, "memory": "2 GB", "queue": None, "prologue": prologue}
    params = JobParams(**{**JOBS, **own})
    with RunCluster(params, tmp_path / "logs", said.append) as cluster:
        cluster.start()
        cluster.start()
        results = run_tasks(act, [0.5, "no mouse", 0.0, 0.0], workers=1)
        assert [results[place][1] for place in (0, 2, 3)] == [0.5, 0.0, 0.0]
        assert "no mouse" in str(results[1])
        pids = [int(line) for line in (tmp_path / "pids").read_text().split()]
        assert len(pids) == 1
        assert len(said) == 1
        assert said[0].startswith("cluster: 1 jobs submitted to slurm, Dask's dashboard of tcp://")
    deadline = time.monotonic() + 60
    while any(
        Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids
    ):
        assert time.monotonic() < deadline, "the job outlived its run"
        time.sleep(0.2)
    assert CLUSTER_VARIABLE not in os.environ

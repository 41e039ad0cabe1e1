"""Headless runs: every stage's notebook in order, what is done skipped, what failed said plainly."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import painlib
from painlib.console import ProgressView, format_seconds
from painlib.faults import PainlibError
from painlib.inputs import stage_inputs
from painlib.params import STAGES, Run, Stage, StageParams, as_papermill, load_run
from painlib.plan import find_needless, find_state, find_states, select_stages
from painlib.progress import PROGRESS_VARIABLE
from painlib.provenance import read_provenance
from painlib.records import RunRecord, begin_record, finish_record, hold_workdir, save_record
from painlib.report import write_notebook_page, write_report
from painlib.tables import write_whole
from painlib.workers import RunCluster

__all__ = ["StageFailed", "find_notebooks", "find_states", "run_stages", "select_stages", "stage_inputs"]

KERNEL_LOG = "kernel.log"
SECONDS_TO_STOP = 10.0  # what a stage gets to put its files away after Ctrl-C before it is killed
Say = Callable[[str], None]


class StageFailed(PainlibError):
    """A notebook stopped at a fault; the text is ready to be shown."""


def find_notebooks() -> Path:
    """The folder of the notebooks: beside the package in a clone, as `make` and `pip install -e` leave it."""
    folder = Path(painlib.__file__).parents[1] / "notebooks"
    if not folder.is_dir():
        raise PainlibError(
            f"Expected painlib's notebooks at {folder}, found no such folder. Install painlib from its clone "
            "(`make`, or `pip install -e .`), where the notebooks lie beside the package."
        )
    return folder


def run_stages(
    parameter_file: str | Path,
    *,
    first: str | None = None,
    last: str | None = None,
    force: bool = False,
    notebooks: Path | None = None,
    say: Say = print,
) -> RunRecord:
    """Run the notebooks of a parameter file in order and write the report; returns what became of each.

    A stage that is done and unchanged is skipped unless `force`; each is looked at after those before it have
    run. A stage that fails ends the run where later ones read from it; a recording that fails does not.
    Raises `PainlibError` where work cannot begin (parameters, cohort table, another run here),
    KeyboardInterrupt once all is put away.
    """
    from painlib.cohort import cohort_note, load_cohort

    notebooks = notebooks or find_notebooks()
    chosen = select_stages(first, last)
    run = load_run(parameter_file, notebooks)
    params = run.stages[STAGES[0].name]
    note = cohort_note(load_cohort(params.cohort))
    logs = params.workdir / "cluster"
    with hold_workdir(params.workdir) as running, RunCluster(run.cluster, logs, say) as cluster:
        check_before(run, chosen[0], say)
        record = begin_record(run, params.workdir)
        needless = find_needless(run)
        try:
            for stage in chosen:
                if stage.name in needless:
                    skip_stage(stage, needless[stage.name], record, say)
                    continue
                stage_params = run.stages[stage.name]
                ended = run_stage(stage, stage_params, force, notebooks, running, record, cluster, say)
                if not ended and stage.read_by_others:
                    break
        finally:
            finish_record(record, run)
        plain = {stage.name: as_papermill(run.stages[stage.name]) for stage in STAGES}
        write_report(params.workdir, record, plain, note=note)
    return record


def skip_stage(stage: Stage, reason: str, record: RunRecord, say: Say) -> None:
    """Leave out a stage that this run has no use for."""
    entry = next(entry for entry in record.stages if entry.name == stage.name)
    entry.outcome, entry.reason = "not needed", reason
    say(f"{stage.name}: not needed ({reason})")


def run_stage(
    stage: Stage,
    params: StageParams,
    force: bool,
    notebooks: Path,
    running: Path,
    record: RunRecord,
    cluster: RunCluster,
    say: Say,
) -> bool:
    """Run one stage unless it is done; False where it failed. `cluster`: where its recordings go."""
    entry = next(entry for entry in record.stages if entry.name == stage.name)
    found = find_state(stage, params)
    entry.reason = "--force" if force and found.state == "done" else found.reason
    if found.state == "done" and not force:
        entry.outcome = "skipped"
        say(f"{stage.name}: done before and unchanged, skipped ({found.reason})")
        return True
    say(f"{stage.name}: running ({entry.reason})")
    started = time.monotonic()
    entry.outcome = "stopped"
    try:
        if hasattr(params, "workers") and getattr(params, "retrain", True):
            cluster.start()
        execute_notebook(notebooks / f"{stage.notebook}.ipynb", params, running)
        if not (read_provenance(stage.name, params.workdir) or {}).get("finished"):
            raise StageFailed(
                f"Expected {stage.notebook} to end by finishing its record in provenance, but it did not."
            )
        entry.outcome = "ran"
    except PainlibError as fault:
        entry.outcome, entry.message = "failed", str(fault)
    finally:
        entry.seconds = round(time.monotonic() - started, 2)
        save_record(record)
    outcome = "done in" if entry.outcome == "ran" else "failed after"
    say(f"{stage.name}: {outcome} {format_seconds(entry.seconds)}")
    return entry.outcome == "ran"


def check_before(run: Run, stage: Stage, say: Say) -> None:
    """A run that begins in the middle: refuse where an earlier stage never ended, say where one is stale."""
    before = STAGES[: STAGES.index(stage)] if stage.reads_others else ()
    earlier = [other for other in before if other.read_by_others]
    needless = find_needless(run)
    for name, found in find_states(run, earlier).items():
        workdir = run.stages[name].workdir
        if name not in needless and not (read_provenance(name, workdir) or {}).get("finished"):
            raise PainlibError(
                f"--from {stage.name}: expected finished results of stage {name}, found none in {workdir}. "
                "Run without --from."
            )
        if found.state == "stale":
            say(f"{name}: used as it is although stale ({found.reason}), because of --from {stage.name}")


def execute_notebook(notebook: Path, params: StageParams, running: Path) -> None:
    """Execute `notebook` with all of `params`; the result and its html appear whole in workdir/notebooks.

    The kernel is the interpreter that runs painlib, in the notebook's folder (as in JupyterLab); its progress
    is drawn here. On a fault the notebook so far is kept as <name>.failed.ipynb and `StageFailed` is raised.
    """
    folder = params.workdir / "notebooks"
    begun, progress = running / notebook.name, running / "progress.jsonl"
    progress.unlink(missing_ok=True)
    kernels: list[Any] = []
    faults: list[BaseException] = []
    ended = Event()  # a thread whose join is interrupted passes for ended in Python 3.11

    def work() -> None:
        try:
            _run_papermill(notebook, begun, as_papermill(params), _kernel_class(running, progress, kernels))
        except BaseException as fault:
            faults.append(fault)
        finally:
            ended.set()

    # papermill works in a thread, so that Ctrl-C reaches this one and not the event loop of its client.
    view = ProgressView(progress)
    Thread(target=work, name="papermill", daemon=True).start()
    try:
        while not ended.wait(0.25):
            view.poll()
        view.poll()
    except KeyboardInterrupt:
        _stop(ended, kernels)
        raise
    finally:
        view.close()
    kept = folder / (f"{notebook.stem}.failed.ipynb" if faults else notebook.name)
    if begun.is_file():
        with write_whole(kept) as temporary:
            shutil.copyfile(begun, temporary)
        write_notebook_page(kept, kept.with_suffix(".html"))
    if faults:
        raise StageFailed(describe_fault(faults[0], kept, running / KERNEL_LOG)) from faults[0]
    for old in ("failed.ipynb", "failed.html"):
        (folder / f"{notebook.stem}.{old}").unlink(missing_ok=True)


def _run_papermill(notebook: Path, executed: Path, parameters: dict[str, Any], kernel_class: type) -> None:
    import papermill

    papermill.execute_notebook(
        notebook,
        executed,
        parameters,
        kernel_name="python3",
        language="python",
        progress_bar=False,
        start_timeout=120,
        kernel_manager_class=kernel_class,
        resources={"metadata": {"path": str(notebook.parent)}},
    )


def _kernel_class(running: Path, progress: Path, kernels: list[Any]) -> type:
    """A kernel manager that knows one kernel, ipykernel in this interpreter, and none of the user's."""
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager

    class OwnKernel(AsyncKernelManager):
        def __init__(self, **kwargs: Any) -> None:
            # Without folders to look in, "python3" is jupyter_client's own: ipykernel in sys.executable.
            specs = KernelSpecManager(kernel_dirs=[], ensure_native_kernel=True)
            connection = str(running / "kernel.json")
            super().__init__(**kwargs, kernel_spec_manager=specs, connection_file=connection)
            kernels.append(self)

        async def start_kernel(self, **kwargs: Any) -> None:  # type: ignore[override]
            environment = dict(os.environ)
            environment[PROGRESS_VARIABLE] = str(progress)
            # Not the user's start-up files and history, and figures always into the notebook.
            environment["IPYTHONDIR"] = str(running / "ipython")
            environment["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
            home = Path(painlib.__file__).parents[1]
            if home.name != "site-packages":  # a clone: the kernel takes this painlib and no other
                environment["PYTHONPATH"] = os.pathsep.join([str(home), os.environ.get("PYTHONPATH", "")])
            # What the process itself prints (C libraries, workers) would tear the terminal's bars.
            with open(running / KERNEL_LOG, "wb") as log:
                await super().start_kernel(**kwargs, env=environment, stdout=log, stderr=log)

    return OwnKernel


def _stop(ended: Event, kernels: list[Any]) -> None:
    """Let the kernel and its workers put their files away, then end what is left of them."""
    import psutil

    processes: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess, AttributeError, IndexError):
        kernel = psutil.Process(kernels[-1].provisioner.pid)
        processes = [kernel, *kernel.children(recursive=True)]
    if not processes:  # no kernel yet, and none will outlive this process
        return
    if sys.platform != "win32":
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGINT)
    with suppress(KeyboardInterrupt):  # a second Ctrl-C does not wait
        ended.wait(SECONDS_TO_STOP)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    ended.wait(SECONDS_TO_STOP)


def describe_fault(fault: BaseException, kept: Path, log: Path) -> str:
    """What stopped a notebook, in the words of its kernel's error or last lines, and where it is kept."""
    name, value = getattr(fault, "ename", ""), getattr(fault, "evalue", "")
    if name == "PainlibError":
        text = value
    elif name:
        text = f"{name}: {value} (cell {fault.exec_count})"  # type: ignore[attr-defined]
    elif type(fault).__name__ == "DeadKernelError":
        text = (
            "The process that ran the notebook died without a word, most often because the machine had no "
            "memory left. Lower `workers` or the batch size and run again; what was finished is kept."
        )
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
        last = [line for line in lines if line.strip() and "IPKernelApp" not in line][-5:]
        text += "".join(f"\n  {line}" for line in ["Its last lines:", *last] if last)
    else:
        text = f"{type(fault).__name__}: {fault}"
    return f"{text}\nThe notebook as far as it came: {kept}" if kept.is_file() else text

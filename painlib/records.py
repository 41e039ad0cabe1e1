"""The run of one workdir: its lock, and its record in provenance/run.json."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

import painlib
from painlib.faults import PainlibError
from painlib.machine import find_commit
from painlib.params import STAGES, Run
from painlib.provenance import read_provenance
from painlib.tables import write_whole

Outcome = Literal["ran", "skipped", "not needed", "failed", "stopped", "waiting"]


class StageRecord(BaseModel):
    """What became of one stage in one run; `seconds` is None where it did not run."""

    name: str
    notebook: str
    outcome: Outcome = "waiting"
    reason: str = ""
    seconds: float | None = None
    message: str = ""


class RecordedFault(BaseModel):
    """A recording that a stage could not use."""

    stage: str
    recording: str
    message: str


class RunRecord(BaseModel):
    """One call of `painlib run`, kept as provenance/run.json; times are ISO 8601 with zone."""

    parameter_file: str
    workdir: str
    version: str
    commit: str
    host: str
    pid: int
    started: str
    finished: str | None = None
    stages: list[StageRecord] = []
    faults: list[RecordedFault] = []

    @property
    def failed(self) -> bool:
        """Whether a stage or a recording failed."""
        return bool(self.faults) or any(stage.outcome in ("failed", "stopped") for stage in self.stages)


@contextmanager
def hold_workdir(workdir: Path) -> Iterator[Path]:
    """Hold the workdir for one run; gives the folder .running in it, which is gone afterwards.

    The lock is the operating system's: it ends with the process that holds it, so a killed run leaves nothing
    to mend.
    """
    from filelock import FileLock, Timeout

    try:
        workdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PainlibError(
            f"Expected a folder that can be written, got workdir {workdir}: {error.strerror}."
        ) from error
    try:
        with FileLock(workdir / ".lock", timeout=0):
            running = workdir / ".running"
            shutil.rmtree(running, ignore_errors=True)
            running.mkdir()
            try:
                yield running
            finally:
                shutil.rmtree(running, ignore_errors=True)
    except Timeout:
        raise PainlibError(
            f"Expected to be the only run in {workdir}, but {_name_holder(workdir)} is at work there. "
            "Wait until it has ended, stop it, or give this run another `workdir`."
        ) from None


def _name_holder(workdir: Path) -> str:
    with suppress(OSError, ValueError):
        held = RunRecord.model_validate_json(record_path(workdir).read_text(encoding="utf-8"))
        return f"another run (process {held.pid} on {held.host}, since {held.started[:16].replace('T', ' ')})"
    return "another run"


def begin_record(run: Run, workdir: Path) -> RunRecord:
    """The record of a run that begins."""
    record = RunRecord(
        parameter_file=str(run.path),
        workdir=str(workdir),
        version=painlib.__version__,
        commit=find_commit(),
        host=socket.gethostname(),
        pid=os.getpid(),
        started=_now(),
        stages=[StageRecord(name=stage.name, notebook=stage.notebook) for stage in STAGES],
    )
    save_record(record)
    return record


def finish_record(record: RunRecord, run: Run) -> None:
    """Gather the faults that all stages of use have recorded, and write the record down."""
    needless = {entry.name for entry in record.stages if entry.outcome == "not needed"}
    for stage in STAGES:
        if stage.name in needless:
            continue
        record.faults += [
            RecordedFault(stage=stage.name, recording=fault["recording"], message=fault["message"])
            for fault in (read_provenance(stage.name, run.stages[stage.name].workdir) or {}).get("faults", [])
        ]
    record.finished = _now()
    save_record(record)


def save_record(record: RunRecord) -> None:
    """Write provenance/run.json of the record's workdir."""
    with write_whole(record_path(Path(record.workdir))) as temporary:
        temporary.write_text(record.model_dump_json(indent=1), encoding="utf-8")


def record_path(workdir: Path) -> Path:
    """Where the record of the latest run of a workdir lies."""
    return workdir / "provenance" / "run.json"


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")

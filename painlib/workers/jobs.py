"""Workers as jobs of a batch system: SLURM, PBS or SGE, through dask-jobqueue."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from painlib.faults import PainlibError

SECONDS_TO_SUBMIT = 120.0
SUBMIT = {"slurm": "sbatch", "pbs": "qsub", "sge": "qsub"}


class JobParams(BaseModel):
    """The section `cluster` of a parameter file. Each core of a job is a worker."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: Literal["slurm", "pbs", "sge"] = Field(description="the batch system")
    jobs: int = Field(ge=1, le=10_000, description="jobs that are submitted")
    cores: int = Field(ge=1, le=1024, description="cores of a job, a worker each")
    memory: str = Field(pattern=r"^\d+(\.\d+)? ?[KMGT]i?B$", description="memory of a job, as 32 GB")
    walltime: str = Field(
        pattern=r"^(\d+-)?\d{1,3}:\d\d:\d\d$", description="longest time of a job, as 24:00:00"
    )
    queue: str | None = Field(default=None, min_length=1, description="queue or partition")
    account: str | None = Field(default=None, min_length=1, description="account or project that is charged")
    interface: str | None = Field(default=None, min_length=1, description="network between nodes, as ib0")
    directives: list[str] = Field(default=[], description="further lines of the job's head, as --gres=gpu:1")
    prologue: list[str] = Field(
        default=[], description="shell lines before the workers, as module load ffmpeg"
    )


def start_jobs(params: JobParams, logs: Path) -> Any:
    """Submit the jobs and give their cluster, whose scheduler runs in this process; `logs`: what jobs print.

    One that ends early (a node goes down, its time is over) is not submitted again. Raises `PainlibError`
    where the batch system takes none.
    """
    if shutil.which(SUBMIT[params.kind]) is None:
        raise PainlibError(describe_missing(params))
    logs.mkdir(parents=True, exist_ok=True)
    cluster = make_jobs(params, logs)
    cluster.scale(jobs=params.jobs)
    deadline = time.monotonic() + SECONDS_TO_SUBMIT
    while len(cluster.workers) < params.jobs and time.monotonic() < deadline:
        time.sleep(0.1)
    if any(job.job_id is None for job in cluster.workers.values()):
        script = logs / "refused.sh"
        script.write_text(cluster.job_script(), encoding="utf-8")
        cluster.close()
        raise PainlibError(
            f"Expected {params.kind} to take {params.jobs} jobs, but it refused. What it has against them: "
            f"`{SUBMIT[params.kind]} {script}`. Mend the section `cluster`."
        )
    return cluster


def describe_missing(params: JobParams) -> str:
    """The batch system's command is not on this machine."""
    return (
        f"Parameter cluster.kind '{params.kind}': expected its command `{SUBMIT[params.kind]}` here, found "
        "none. Run painlib on a machine that may submit jobs, or mend `kind`."
    )


def make_jobs(params: JobParams, logs: Path) -> Any:
    """The cluster without a job yet; its `job_script` is what would be submitted."""
    import dask_jobqueue

    kinds = {
        "slurm": dask_jobqueue.SLURMCluster,
        "pbs": dask_jobqueue.PBSCluster,
        "sge": dask_jobqueue.SGECluster,
    }
    charged: dict[str, Any] = {"project" if params.kind == "sge" else "account": params.account}
    return kinds[params.kind](
        cores=params.cores,
        processes=params.cores,
        memory=params.memory,
        walltime=params.walltime,
        queue=params.queue,
        interface=params.interface,
        job_extra_directives=params.directives,
        job_script_prologue=params.prologue,
        job_name="painlib",
        log_directory=str(logs),
        scheduler_options={"dashboard_address": ":0"},
        silence_logs="critical",
        **charged,
    )

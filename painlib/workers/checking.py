"""What can be found wrong with a cluster before work goes there: `painlib check`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from painlib.faults import Faults, PainlibError

from .agreement import find_differences, list_own_versions
from .clusters import connect, list_workers
from .jobs import SUBMIT, JobParams, describe_missing


def check_cluster(
    setting: str | JobParams | None, workdir: Path, rows: list[tuple[str, str]], faults: Faults
) -> None:
    """An address: that it answers, and that every worker there has this process's versions, one thread, and
    `workdir` on its disk. Jobs: that their command is there. What was found goes to `rows`, all that is wrong
    to `faults`. Nothing stays written."""
    if isinstance(setting, JobParams):
        _check_jobs(setting, rows, faults)
    elif setting is not None:
        try:
            _check_workers(setting, workdir, rows, faults)
        except PainlibError as fault:
            faults.add(str(fault))


def _check_jobs(params: JobParams, rows: list[tuple[str, str]], faults: Faults) -> None:
    if shutil.which(SUBMIT[params.kind]) is None:
        faults.add(describe_missing(params))
    rows.append(
        ("cluster", f"{params.kind}: {params.jobs} jobs of {params.cores} workers, {params.memory} each")
    )


def _check_workers(address: str, workdir: Path, rows: list[tuple[str, str]], faults: Faults) -> None:
    client = connect(address)
    try:
        workers = list_workers(client)
        rows.append(
            (
                "cluster",
                f"{address}: {len(workers)} workers on {len({one['host'] for one in workers})} machines",
            )
        )
        if not workers:
            faults.add(
                f"Parameter `cluster`: expected workers at {address}, got none. Start some: `dask worker "
                f"{address} --nworkers N --nthreads 1`."
            )
            return
        names = {where: one["name"] for where, one in client.scheduler_info(n_workers=-1)["workers"].items()}
        for where, found in client.run(list_own_versions, on_error="return").items():
            told = _describe_versions(found)
            if told:
                faults.add(
                    f"Cluster worker {names.get(where, where)}: expected this installation, got {told}. "
                    "Install the same environment there and start the worker again."
                )
        with _probe(workdir) as probe:
            seen = client.run(os.access, str(probe), os.R_OK | os.W_OK, on_error="return")
        blind = [str(names.get(where, where)) for where, found in seen.items() if found is not True]
        if blind:
            faults.add(
                f"Expected a workdir that all workers can write to, got one that {', '.join(blind[:5])} "
                f"cannot: {workdir}. Choose a `workdir` on the file system that the machines share."
            )
    finally:
        client.close(timeout=5)


def _describe_versions(found: dict[str, str] | BaseException) -> str:
    if isinstance(found, BaseException):
        return f"a fault ({found})"
    return ", ".join(find_differences(list_own_versions(), found))


@contextmanager
def _probe(workdir: Path) -> Iterator[Path]:
    """A file, for a moment, where the results will go."""
    place = workdir
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        with NamedTemporaryFile(prefix=".painlib-check-", dir=place) as file:
            yield Path(file.name).absolute()
    except OSError as error:
        raise PainlibError(f"Expected a workdir that can be written, got {place}: {error}.") from error

"""Where tasks are worked on: processes of this machine, an existing cluster, or jobs of a batch system."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from painlib.faults import PainlibError

from .jobs import JobParams, start_jobs
from .threads import VARIABLES

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

CLUSTER_VARIABLE = "PAINLIB_CLUSTER"
SECONDS_TO_CONNECT = 30
SECONDS_TO_START = 120
SECONDS_KEPT = 60.0  # workers of this machine wait so long for the next tasks before they end
SETTINGS: dict[str, Any] = {
    # A task that its worker died of is found by `run_tasks`; Dask would blame those that waited there too.
    "distributed.scheduler.allowed-failures": 1000,
    # A library that holds Python's lock for minutes is slow, not dead; a busy machine starts slowly.
    "distributed.scheduler.worker-ttl": None,
    "distributed.comm.timeouts.connect": "120s",
    "distributed.admin.tick.limit": "1h",
    # Dask looks at what its workers are at a hundred times a second, which costs drawing a twentieth.
    "distributed.worker.profile.enabled": False,
    # Dask has workers give every freed page back at once, which costs drawing and training half their speed.
    "distributed.nanny.pre-spawn-environ": dict(VARIABLES),
}

_local: tuple[LocalCluster, Client] | None = None
_lock = threading.RLock()
_uses = 0
_shown: set[str] = set()


def find_address() -> str:
    """The address of the cluster that work goes to, or empty: this machine."""
    return os.environ.get(CLUSTER_VARIABLE, "").strip()


@contextmanager
def open_client(workers: int) -> Iterator[Client]:
    """A client of the cluster at `find_address`, or of `workers` processes of this machine.

    These are kept a minute for the next tasks, and killed at once when an exception (Ctrl-C) leaves.
    """
    address = find_address()
    if address:
        client = connect(address)
        try:
            _show_dashboard(client)
            yield client
        finally:
            with suppress(Exception):
                client.close(timeout=5)
        return
    global _uses
    with _lock:
        _uses += 1
        client = _start_local(workers)
    try:
        yield client
    except BaseException:
        end_local_workers()
        raise
    ending = threading.Timer(SECONDS_KEPT, _end_unused, [_uses])
    ending.daemon = True
    ending.start()


def connect(address: str) -> Client:
    """A client of the cluster at `address`, as tcp://host:port.

    Raises `PainlibError` where nothing answers, and where a worker has more than one thread or no painlib.
    """
    from distributed import Client

    _silence()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of versions: painlib compares those that it needs itself
            client = Client(address, timeout=SECONDS_TO_CONNECT, set_as_default=False, name="painlib")
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        raise PainlibError(
            f"Parameter `cluster`: expected a Dask scheduler at {address}, got no answer "
            f"({error or 'timeout'}). Start one (`dask scheduler`, and on each machine `dask worker ADDRESS "
            "--nworkers N --nthreads 1`), or mend the address: tcp://host:port."
        ) from error
    # What a worker cannot import ends it; this it can.
    found = client.run(find_spec, "painlib", on_error="return")
    without = [where for where, spec in found.items() if spec is None or isinstance(spec, BaseException)]
    if without:
        client.close(timeout=5)
        raise PainlibError(
            f"Parameter `cluster`: expected painlib on every worker of {address}, found none on "
            f"{', '.join(without[:5])}. Start them with `dask worker` of an environment that has painlib."
        )
    several = [f"{one['name']} ({one['nthreads']})" for one in list_workers(client) if one["nthreads"] != 1]
    if several:
        client.close(timeout=5)
        raise PainlibError(
            f"Parameter `cluster`: expected workers of one thread each at {address}, got more at "
            f"{', '.join(several[:5])}. Start them with `dask worker {address} --nworkers N --nthreads 1`."
        )
    return client


def list_workers(client: Client, resources: Mapping[str, float] | None = None) -> list[dict[str, Any]]:
    """What the scheduler knows of each worker that is there, of those alone that declare `resources`."""
    known = list(client.scheduler_info(n_workers=-1)["workers"].values())
    wanted = resources or {}
    return [
        one
        for one in known
        if all((one.get("resources") or {}).get(key, 0) >= n for key, n in wanted.items())
    ]


def count_gpus() -> int:
    """Workers of the cluster that declare a GPU (`dask worker ADDRESS --nthreads 1 --resources GPU=1`)."""
    with open_client(1) as client:
        return len(list_workers(client, {"GPU": 1}))


def describe_dashboard(link: str, at: str) -> str:
    """What is told of a cluster's dashboard, once."""
    return f"Dask's dashboard of {at}: {link}"


def end_local_workers() -> None:
    """Kill the workers of this process, whatever they are at."""
    global _local
    with _lock:
        if _local is None:
            return
        (cluster, client), _local = _local, None
        # One told to end would first finish its task, and one that dies would be started again.
        pids = []
        for nanny in cluster.workers.values():
            pids.append(nanny.pid)
            nanny.status = type(nanny.status).closing_gracefully
        for pid in filter(None, pids):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        with suppress(Exception):
            client.close(timeout=5)
        _close(cluster)


def _close(cluster: LocalCluster) -> None:
    """Its processes are gone; where Dask takes too long to see that, it is told, or it would warn later."""
    with suppress(Exception):
        cluster.close(timeout=20)
    cluster.status = type(cluster.status).closed


def _end_unused(uses: int) -> None:
    with _lock:
        if _uses == uses:
            end_local_workers()


atexit.register(end_local_workers)


class RunCluster:
    """The cluster that the stages of one run share, where the parameter file names one; else nothing.

    `setting`: an address, jobs of a batch system, or None. `start` is called before a stage that has use for
    it; processes started from here then find it by CLUSTER_VARIABLE. Leaving ends the jobs.
    """

    def __init__(self, setting: str | JobParams | None, logs: Path, say: Callable[[str], None]) -> None:
        self._setting, self._logs, self._say = setting, logs, say
        self._jobs: Any = None
        self._before = os.environ.get(CLUSTER_VARIABLE)

    def start(self) -> None:
        """Submit the jobs, the first time, and tell the address to what is started from this process."""
        if self._setting is None or self._jobs is not None:
            return
        if isinstance(self._setting, str):
            os.environ[CLUSTER_VARIABLE] = self._setting
            return
        _silence()
        with _settings():
            self._jobs = start_jobs(self._setting, self._logs)
        os.environ[CLUSTER_VARIABLE] = self._jobs.scheduler_address
        told = f"cluster: {self._setting.jobs} jobs submitted to {self._setting.kind}"
        self._say(f"{told}, {describe_dashboard(self._jobs.dashboard_link, self._jobs.scheduler_address)}")

    def close(self) -> None:
        """End the jobs."""
        if self._before is None:
            os.environ.pop(CLUSTER_VARIABLE, None)
        else:
            os.environ[CLUSTER_VARIABLE] = self._before
        if self._jobs is not None:
            jobs, self._jobs = self._jobs, None
            with suppress(Exception):
                jobs.close(timeout=20)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _start_local(workers: int) -> Client:
    """`workers` processes of one thread on this machine, reached from this machine alone."""
    global _local
    if _local is not None and _local[0].status.name == "running" and _local[1].status == "running":
        cluster, client = _local
        if len(cluster.worker_spec) != workers:
            # New ones read SETTINGS while they start, and all are there before the first task is given out.
            with _settings():
                cluster.scale(workers)
                client.wait_for_workers(workers, timeout=SECONDS_TO_START)
        return client
    from distributed import Client, LocalCluster

    end_local_workers()
    _silence()
    with _settings():
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            # The system's own limit ends a process that takes too much, and no other.
            memory_limit=0,
            # Named although without bokeh there are no pages: Dask's own choice is seen by the network.
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        )
        try:
            client = Client(cluster, set_as_default=False)
        except BaseException:
            _close(cluster)
            raise
    _local = (cluster, client)
    if find_spec("bokeh"):
        _show_dashboard(client)
    return client


def _settings() -> AbstractContextManager[Any]:
    """SETTINGS for what is started meanwhile."""
    import dask
    import distributed  # noqa: F401  its defaults are read first, or they would be gone with the settings

    return dask.config.set(SETTINGS)


def _show_dashboard(client: Client) -> None:
    link, at = client.dashboard_link, client.scheduler.address
    if link and at not in _shown:
        _shown.add(at)
        print(describe_dashboard(link, at), flush=True)


def _silence() -> None:
    """Dask tells in many lines what painlib tells in one."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL)

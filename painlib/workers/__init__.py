"""Tasks on Dask's workers, of one thread each: processes of this machine, or a cluster; one that dies does
not lose the others."""

from .clusters import CLUSTER_VARIABLE, RunCluster, count_gpus, end_local_workers, find_address
from .tasks import run_tasks, say_done
from .threads import one_thread_each, one_thread_here

__all__ = [
    "CLUSTER_VARIABLE",
    "RunCluster",
    "count_gpus",
    "end_local_workers",
    "find_address",
    "one_thread_each",
    "one_thread_here",
    "run_tasks",
    "say_done",
]

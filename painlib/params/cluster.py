"""The key `cluster` of a parameter file: where the work of recordings and folds goes."""

from __future__ import annotations

import re
from typing import Any

from pydantic import ValidationError

from painlib.faults import Faults, did_you_mean
from painlib.workers.jobs import JobParams

ADDRESS = re.compile(r"(tcp|tls|ws|wss|ucx)://[^\s/:]+:\d{1,5}")


def read_cluster(written: Any, file: str, faults: Faults) -> str | JobParams | None:
    """An existing scheduler's address, or jobs of a batch system; None: the processes of this machine."""
    if written is None:
        return None
    if isinstance(written, str) and ADDRESS.fullmatch(written.strip()):
        return written.strip()
    if not isinstance(written, dict):
        faults.add(
            f"{file}, key cluster: expected a Dask scheduler's address (tcp://host:port) or a section with "
            f"kind, jobs, cores, memory and walltime, got {written!r}."
        )
        return None
    try:
        return JobParams(**{str(key): value for key, value in written.items()})
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            faults.add(_describe(fault, file))
    return None


def _describe(fault: Any, file: str) -> str:
    key, fields = str(fault["loc"][0]), JobParams.model_fields
    place = f"{file}, key cluster.{key}"
    if fault["type"] == "extra_forbidden":
        return f"{place}: expected one of {', '.join(fields)}.{did_you_mean(key, fields)}"
    if fault["type"] == "missing":
        return f"{place}: expected a value ({fields[key].description}), got none."
    rule = fault["msg"].removeprefix("Input should ").removeprefix("be ")
    rule = "the form of the example" if fault["type"] == "string_pattern_mismatch" else rule
    return f"{place}: expected {rule} ({fields[key].description}), got {fault['input']!r}."

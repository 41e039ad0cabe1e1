"""Whether a worker has this process's painlib, Python and libraries: others may count differently."""

from __future__ import annotations

import hashlib
import platform
import socket
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import painlib
from painlib.faults import PainlibError
from painlib.machine import find_version, list_versions


@cache
def list_own_versions() -> dict[str, str]:
    """Versions of painlib (and of its source, in short), Python and libraries, as this process has them."""
    digest = hashlib.sha256()
    package = Path(painlib.__file__).parent
    for file in sorted(package.rglob("*.py")):
        digest.update(file.relative_to(package).as_posix().encode())
        digest.update(file.read_bytes())
    own = {"painlib": find_version(), "painlib's source": digest.hexdigest()[:12]}
    return own | {"python": platform.python_version()} | list_versions()


def find_differences(expected: Mapping[str, str], own: Mapping[str, str]) -> list[str]:
    """What is not as `expected`, in words."""
    return [
        f"{name} {own.get(name, '(none)')} instead of {version}"
        for name, version in expected.items()
        if own.get(name) != version
    ]


def check_agreement(expected: Mapping[str, str]) -> None:
    """In a worker: raise `PainlibError` unless it has the `expected` versions; none expected: anything."""
    differences = find_differences(expected, list_own_versions()) if expected else []
    if differences:
        raise PainlibError(
            f"Expected this run's versions on the cluster's worker on {socket.gethostname()}, got "
            f"{', '.join(differences)}. Install the same environment there and start the worker again."
        )

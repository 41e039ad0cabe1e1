"""Fingerprints: short texts that are equal where files or values are equal."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path, PurePath
from typing import Any

from painlib.remote import mark_file, open_binary

MIB = 1024 * 1024
WHOLE_UP_TO = 8 * MIB


def fingerprint_file(path: str | Path) -> str:
    """A file or URL in short: its content's hash; above 8 MiB its size, time of change, first and last MiB.

    Of a URL the ETag counts, where the server gives one, instead of the time of change.
    """
    size, change = mark_file(path)
    with open_binary(path, block=MIB) as file:
        if size <= WHOLE_UP_TO:
            return f"sha256:{hashlib.sha256(file.read()).hexdigest()}"
        digest = hashlib.sha256(f"{size} {change} ".encode())
        digest.update(file.read(MIB))
        file.seek(-MIB, os.SEEK_END)
        digest.update(file.read(MIB))
    return f"ends:{digest.hexdigest()}"


def fingerprint(*objects: Any) -> str:
    """sha256 of the objects as canonical JSON: the same for equal values, whatever the order of keys."""
    text = json.dumps(to_plain(objects), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def to_plain(value: Any) -> Any:
    """`value` in JSON's own types; TypeError for what is no plain value."""
    if hasattr(value, "model_dump"):
        return to_plain(value.model_dump())
    if is_dataclass(value) and not isinstance(value, type):
        return to_plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): to_plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(entry) for entry in value]
    if isinstance(value, set | frozenset):
        return sorted(to_plain(entry) for entry in value)
    if isinstance(value, PurePath):
        return value.as_posix()
    if hasattr(value, "tolist"):  # numpy's scalars and arrays
        return to_plain(value.tolist())
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)  # JSON has no word for these
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise TypeError(f"Expected a plain value to fingerprint or record, got {type(value).__name__}: {value!r}")

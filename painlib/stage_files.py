"""A stage's files in its record: how they are named, and when a change of them matters."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from painlib.cohort.file import select_cells
from painlib.faults import PainlibError, hide_secrets
from painlib.fingerprints import fingerprint, fingerprint_file
from painlib.params import StageParams
from painlib.places import is_url

_FILMED = (
    "recording",
    "subject",
    "camera",
    "video",
    "start_s",
    "end_s",
    "offset_s",
    "part",
    "exclude_reason",
)
# What a stage reads of the cohort table; a change of another column makes its results no older.
COHORT_COLUMNS: dict[str, tuple[str, ...]] = {
    "crop": (*_FILMED, "pose", "lab"),
    "train": (*_FILMED, "phase", "label", "sex", "strain", "lab"),
    "confounds": (*_FILMED, "time_zero_s", "period", "phase", "label", "treatment", "sex", "lab"),
    "predict": (*_FILMED, "time_zero_s", "period", "phase", "label", "treatment", "sex", "lab"),
}


def name_path(path: Path, workdir: Path) -> str:
    path, workdir = Path(os.path.abspath(path)), Path(os.path.abspath(workdir))
    try:
        return Path(os.path.relpath(path, workdir)).as_posix()
    except ValueError:  # another drive
        return path.as_posix()


def expand_files(paths: Iterable[Path]) -> list[Path]:
    """Files as they are; folders as the files in them, sorted, without hidden (half-written) ones."""
    files: dict[Path, None] = {}
    for path in paths:
        if not path.is_dir():
            files[path] = None
            continue
        for file in sorted(path.rglob("*")):
            hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
            if file.is_file() and not hidden:
                files[file] = None
    return list(files)


def fingerprint_inputs(stage: str, params: StageParams, inputs: Sequence[str | Path]) -> dict[str, str]:
    """Path relative to the workdir, or URL, -> fingerprint. `PainlibError` names what is not there."""
    prints: dict[str, str] = {}
    missing = []
    for given in inputs:
        if is_url(str(given)):
            prints[hide_secrets(str(given))] = fingerprint_file(given)
            continue
        if not Path(given).exists():
            missing.append(str(given))
            continue
        if Path(given) == params.cohort and stage in COHORT_COLUMNS:
            cells = select_cells(given, COHORT_COLUMNS[stage])
            prints[name_path(Path(given), params.workdir)] = f"cells:{fingerprint(cells)}"
            continue
        for file in expand_files([Path(given)]):
            prints[name_path(file, params.workdir)] = fingerprint_file(file)
    if missing:
        raise PainlibError(f"Stage {stage} expected its input, found none: {', '.join(missing)}")
    return prints

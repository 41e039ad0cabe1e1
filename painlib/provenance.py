"""Provenance: what a stage was told, read and wrote; and whether what it wrote still stands."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

from painlib.faults import PainlibError
from painlib.fingerprints import fingerprint, fingerprint_file, to_plain
from painlib.machine import describe_device, find_commit, find_version, list_versions
from painlib.params import PATH_LISTS, StageParams, find_stage
from painlib.places import is_url
from painlib.stage_files import expand_files, fingerprint_inputs, name_path
from painlib.tables import write_whole

__all__ = [
    "StageRun",
    "StageStatus",
    "find_commit",
    "fingerprint",
    "fingerprint_file",
    "provenance_path",
    "read_provenance",
    "stage_status",
    "start_stage",
]


class StageStatus(NamedTuple):
    """Whether a stage's results stand, and why in words; a stage that finished with faults is `stale`."""

    state: Literal["done", "stale", "missing"]
    reason: str


class StageRun:
    """The record of one run of a stage, begun by `start_stage`; `finish` writes it.

    Usable over a notebook's cells, or as a context manager that finishes when no error left it.
    """

    def __init__(self, stage: str, params: StageParams, inputs: Sequence[str | Path]) -> None:
        self.stage = stage
        self.path = provenance_path(stage, params.workdir)
        self.faults: list[dict[str, str]] = []
        self._params = params
        self._facts: dict[str, Any] = {}
        self._outputs: list[Path] = []
        self._started = time.time()
        self._inputs = fingerprint_inputs(stage, params, inputs)
        given = {Path(file).resolve() for file in inputs if not is_url(str(file))}
        # Named in the record until this run has ended: the next one after a killed one removes them too.
        self._earlier = _find_earlier(stage, params.workdir)
        shown = {name_path(file, params.workdir): file for file in _list_shown(stage, params.workdir)}
        outdated = {name for name in self._earlier if name in shown and shown[name].resolve() not in given}
        self._beside = {name: _mark_file(file) for name, file in shown.items() if name not in outdated}
        # From here on old results may be half replaced: a killed run must not pass for a finished one.
        self._write(finished=False)
        for name in outdated:
            shown[name].unlink()

    def add_fault(self, recording: str, message: str) -> None:
        """Keep what went wrong with one recording; the stage goes on with the others."""
        self.faults.append({"recording": recording, "message": message})

    def add_outputs(self, paths: Iterable[str | Path]) -> None:
        """Name files or folders (all files in them) that this run wrote."""
        self._outputs.extend(Path(path) for path in paths)

    def record(self, **facts: Any) -> None:
        """Keep facts worth knowing later, such as numbers of faces; JSON-able."""
        self._facts.update(facts)

    def finish(self) -> Path:
        """Write the record, whole; gives its path."""
        missing = [path for path in self._outputs if not path.exists()]
        if missing:
            names = ", ".join(map(str, missing))
            raise PainlibError(f"Stage {self.stage} expected to have written these, found none: {names}")
        self._write(finished=True)
        return self.path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.finish()

    def _write(self, finished: bool) -> None:
        workdir = self._params.workdir
        now = time.time()
        beside = [name for name, mark in self._beside.items() if _mark_file(workdir / name) == mark]
        record = {
            "stage": self.stage,
            "finished": finished,
            "painlib": find_version(),
            "commit": find_commit(),
            "params": _plain_params(self._params),
            "seed": self._params.seed,
            "inputs": [{"path": name, "hash": found} for name, found in self._inputs.items()],
            "outputs": [
                {
                    "path": name_path(file, workdir),
                    "size": file.stat().st_size,
                    "hash": fingerprint_file(file),
                }
                for file in expand_files(self._outputs)
                if name_path(file, workdir) not in beside
            ],
            "beside": beside,
            "earlier": [] if finished else self._earlier,
            "device": describe_device(),
            "versions": list_versions(),
            "start": _clock(self._started),
            "end": _clock(now) if finished else None,
            "seconds": round(now - self._started, 3) if finished else None,
            "facts": self._facts,
            "faults": self.faults,
        }
        with write_whole(self.path) as temporary:
            text = json.dumps(to_plain(record), indent=2, ensure_ascii=False)
            temporary.write_text(text + "\n", encoding="utf-8", newline="\n")


def start_stage(stage: str, params: StageParams, inputs: Sequence[str | Path] = ()) -> StageRun:
    """Begin the record of a stage ('crop', 'train', ...); `inputs` are files or folders that it reads.

    Of the cohort table only the columns that the stage uses count. What earlier runs of the stage have shown
    (the figures of its number, and the csv files in the folder of its name, that their records list) is
    removed, so that nothing of it stands beside this run's; a file among `inputs`, and whatever no run has
    written, stays. Raises `PainlibError` for a missing input.
    """
    return StageRun(stage, params, inputs)


def find_judging_model(workdir: Path) -> Path:
    """The model folder that `03_predict` judged with, whose maps lie under `workdir`."""
    record = read_provenance("predict", workdir)
    if not (record or {}).get("finished"):
        raise PainlibError(f"Expected a finished record of 03_predict, found none: {workdir}. Run it first.")
    named = (record or {})["params"]["model"]
    return Path(workdir) / (named or "model")


def stage_status(stage: str, params: StageParams, inputs: Sequence[str | Path] = ()) -> StageStatus:
    """Whether a stage's results stand for these parameters and inputs (the same as for `start_stage`)."""
    record = read_provenance(stage, params.workdir)
    if record is None:
        return StageStatus("missing", "not run yet")
    if not record.get("finished"):
        return StageStatus("stale", f"started {record.get('start')}, not finished")
    reason = (
        _describe_version(record)
        or _describe_params(record, params)
        or _describe_inputs(record, stage, params, inputs)
        or _describe_outputs(record, params.workdir)
        or _describe_faults(record)
    )
    if reason:
        return StageStatus("stale", reason)
    return StageStatus("done", f"finished {record['end']}{_describe_commit(record)}")


def read_provenance(stage: str, workdir: str | Path) -> dict[str, Any] | None:
    """The record of a stage's last run, or None where there is none (or none that can be read)."""
    try:
        record = json.loads(provenance_path(stage, workdir).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def provenance_path(stage: str, workdir: str | Path) -> Path:
    """Where a stage's record stands: <workdir>/provenance/01_crop.json."""
    return Path(workdir) / "provenance" / f"{find_stage(stage).notebook}.json"


def _list_shown(stage: str, workdir: Path) -> list[Path]:
    """Where a stage shows its results, and people may lay files of their own beside them."""
    return sorted([*workdir.glob(f"figures/{find_stage(stage).number}_*"), *workdir.glob(f"{stage}/*.csv")])


def _find_earlier(stage: str, workdir: Path) -> list[str]:
    """What earlier runs have shown, by their record: relative to the workdir; it may be gone by now."""
    before = read_provenance(stage, workdir) or {}
    names = {entry["path"] for entry in before.get("outputs", [])} | {*before.get("earlier", [])}
    return sorted(name for name in names if name.rpartition("/")[0] in ("figures", stage))


def _mark_file(file: Path) -> tuple[int, int, int] | None:
    """What is another one as soon as the file is written anew; None where it is gone."""
    try:
        known = file.stat()
    except FileNotFoundError:
        return None
    return known.st_ino, known.st_mtime_ns, known.st_size


def _plain_params(params: StageParams) -> dict[str, Any]:
    """The parameters to compare; paths relative to the workdir, so that a moved project stays done."""
    plain = {}
    for name in type(params).model_fields:
        value = getattr(params, name)
        plain[name] = name_path(value, params.workdir) if isinstance(value, Path) else to_plain(value)
    for name in PATH_LISTS:
        if name in plain:
            plain[name] = [name_path(Path(entry), params.workdir) if entry else "" for entry in plain[name]]
    return plain


def _describe_version(record: dict[str, Any]) -> str:
    before, now = record.get("painlib"), find_version()
    return f"painlib: {before} -> {now}" if before != now else ""


def _describe_commit(record: dict[str, Any]) -> str:
    """Where another commit of the same version made it: said, since nobody can tell what that changes."""
    before, now = str(record.get("commit") or ""), find_commit()
    if not before or not now or before == now:
        return ""
    shown = [f"{commit[:9]}{'+changed' if '+' in commit else ''}" for commit in (before, now)]
    return f", by painlib at {shown[0]}, now {shown[1]} (--force runs stages again)"


def _describe_params(record: dict[str, Any], params: StageParams) -> str:
    before, now = record.get("params", {}), _plain_params(params)
    changes = []
    for name in sorted({*before, *now}):
        field = type(params).model_fields.get(name)
        extra = field.json_schema_extra if field is not None else None
        if isinstance(extra, dict) and extra.get("affects_result") is False:
            continue
        old, new = before.get(name, "(none)"), now.get(name, "(none)")
        if old != new:
            changes.append(f"parameter {name}: {json.dumps(old)} -> {json.dumps(new)}")
    return "; ".join(changes)


def _describe_inputs(
    record: dict[str, Any], stage: str, params: StageParams, inputs: Sequence[str | Path]
) -> str:
    try:
        now = fingerprint_inputs(stage, params, inputs)
    except PainlibError as error:
        return str(error)
    before = {entry["path"]: entry["hash"] for entry in record.get("inputs", [])}
    changes = [f"input {name} is new" for name in now if name not in before]
    changes += [f"input {name} is gone" for name in before if name not in now]
    changes += [f"input {name} changed" for name in now if name in before and now[name] != before[name]]
    return _shorten(changes)


def _describe_outputs(record: dict[str, Any], workdir: Path) -> str:
    changes = []
    for known in record.get("outputs", []):
        path = workdir / known["path"]
        if not path.is_file():
            changes.append(f"output missing: {known['path']}")
        elif path.stat().st_size != known["size"]:
            changes.append(f"output {known['path']} changed: {known['size']} -> {path.stat().st_size} bytes")
    return _shorten(changes)


def _describe_faults(record: dict[str, Any]) -> str:
    return _shorten(
        [f"fault in {fault['recording']}: {fault['message']}" for fault in record.get("faults", [])]
    )


def _shorten(changes: list[str], most: int = 5) -> str:
    more = [f"and {len(changes) - most} more"] if len(changes) > most else []
    return "; ".join([*changes[:most], *more])


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")

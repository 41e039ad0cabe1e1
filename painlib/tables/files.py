"""Tables on disk: their schemas, and files that appear whole or not at all."""

from __future__ import annotations

import errno
import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from painlib.faults import PainlibError
from painlib.tables.schemas import SCHEMAS, Column, TableSchema, check_table, find_schema

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow

__all__ = [
    "SCHEMAS",
    "check_table",
    "is_disk_full",
    "read_fingerprint",
    "read_table",
    "write_csv",
    "write_table",
    "write_whole",
]

FINGERPRINT_KEY = b"painlib_fingerprint"


@contextmanager
def write_whole(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; what is written there takes its place only when all went well.

    The temporary name keeps the suffix of `path`. A file, or a folder made at that name, is flushed to disk
    and then renamed (a folder that stood at `path` is replaced as a whole); on any error it is removed and
    `path` stays as it was. A full disk raises `PainlibError`.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        temporary = path.with_name(f"{_part_prefix(path)}{os.getpid()}{path.suffix}")
        try:
            yield temporary
            _flush(temporary)
            _put_in_place(temporary, path)
        finally:
            _remove(temporary)
    except PainlibError:
        raise
    except Exception as error:
        if is_disk_full(error):
            raise PainlibError(
                f"The disk is full: '{path.name}' could not be written to {path.parent}. Free some space "
                "there, or choose a `workdir` on another disk, and run again; what was finished is kept."
            ) from error
        raise


def is_disk_full(error: BaseException | None) -> bool:
    """Whether a full disk (or a used-up quota) is behind `error`, however deep libraries wrapped it."""
    while error is not None:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            return True
        if "No space left on device" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def write_table(
    frame: pd.DataFrame, path: str | Path, schema: str | TableSchema, fingerprint: str | None = None
) -> Path:
    """Check `frame` against `schema` and write it as parquet (zstd); the same rows give the same bytes.

    `fingerprint` says what the table was made from and is kept in the file. Columns are put in the schema's
    order and numbers are widened where nothing is lost; all else that does not fit is one `PainlibError`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    known = find_schema(schema)
    heading = f"Table '{known.name}' does not fit its schema and was not written: {path}"
    checked = check_table(frame, known, heading)
    metadata = {} if fingerprint is None else {FINGERPRINT_KEY: fingerprint.encode()}
    fields = [pa.field(name, _arrow_type(column)) for name, column in known.columns.items()]
    table = pa.Table.from_pandas(checked, schema=pa.schema(fields), preserve_index=False)
    with write_whole(path) as temporary:
        # pandas' own metadata names library versions, which would change the bytes.
        pq.write_table(table.replace_schema_metadata(metadata), temporary, compression="zstd")
    return Path(path)


def read_table(path: str | Path, schema: str | TableSchema) -> pd.DataFrame:
    """Read a table of `write_table`, or a csv with the same columns, and check it against `schema`."""
    known = find_schema(schema)
    path = Path(path)
    remedy = f"Run stage {known.stage} again (`painlib run PARAMS --from {known.stage.split('_')[-1]}`)."
    if path.suffix.lower() == ".csv":
        remedy = f"Columns of this table: {', '.join(known.columns)}."
    if not path.is_file():
        raise PainlibError(f"Expected the table '{known.name}', found no file: {path}. {remedy}")
    try:
        frame = _read_csv(path, known) if path.suffix.lower() == ".csv" else _read_parquet(path)
    except (OSError, ValueError) as error:
        raise PainlibError(f"Table '{known.name}' cannot be read: {path} ({error}). {remedy}") from error
    return check_table(frame, known, f"Table '{known.name}' does not fit its schema: {path}. {remedy}")


def read_fingerprint(path: str | Path) -> str | None:
    """What the table at `path` was made from; None where there is no such table or it does not say."""
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_schema(path).metadata or {}
    except (OSError, ValueError):
        return None
    found = metadata.get(FINGERPRINT_KEY)
    return None if found is None else found.decode()


def write_csv(frame: pd.DataFrame, path: str | Path) -> Path:
    """Write a table for people: UTF-8, comma, full precision, no index, same bytes on every system."""
    with write_whole(path) as temporary:
        frame.to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")
    return Path(path)


def _arrow_type(column: Column) -> pyarrow.DataType:
    import pyarrow

    return pyarrow.type_for_alias({"str": "string", "float64": "double"}.get(column.dtype, column.dtype))


def _read_parquet(path: Path) -> pd.DataFrame:
    import pyarrow.parquet as pq

    # A plain file and not a dataset: a folder's name with "=" in it is no column.
    return pq.ParquetFile(path).read().to_pandas()


def _read_csv(path: Path, schema: TableSchema) -> pd.DataFrame:
    import pandas as pd

    texts = [name for name, column in schema.columns.items() if column.dtype == "str"]
    frame = pd.read_csv(path, dtype={name: str for name in texts}, keep_default_na=True, encoding="utf-8-sig")
    # An empty cell of a text column is the empty text; only numbers have a missing value.
    return frame.fillna({name: "" for name in texts if name in frame.columns})


def _part_prefix(path: Path) -> str:
    return f".{path.name}.part-"


def _remove_leftovers(path: Path) -> None:
    """Remove what a killed process left half written at this name."""
    for left in path.parent.glob(f"{glob.escape(_part_prefix(path))}*"):
        owner = left.name.removeprefix(_part_prefix(path)).split(".")[0]
        if owner.isdigit() and int(owner) != os.getpid() and not _is_alive(int(owner)):
            _remove(left)


def _is_alive(pid: int) -> bool:
    """Whether a process runs; one that was killed and not yet collected by its parent does not."""
    import psutil

    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    for file in files:
        # Opened for writing because Windows flushes no file that is only read.
        with open(file, "r+b") as opened:
            os.fsync(opened.fileno())


def _put_in_place(temporary: Path, path: Path) -> None:
    if not (temporary.is_dir() and path.is_dir()):
        os.replace(temporary, path)
        return
    # A folder cannot be replaced in one step: the old one steps aside first.
    aside = path.with_name(f"{_part_prefix(path)}{os.getpid()}.old")
    os.replace(path, aside)
    try:
        os.replace(temporary, path)
    except OSError:
        os.replace(aside, path)
        raise
    _remove(aside)

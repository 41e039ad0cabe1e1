"""Files by URL: whatever fsspec opens (s3, https, sftp, ...), read by ranges, each byte about once.

Credentials are fsspec's own affair (its configuration files and environment, those of the cloud's client);
painlib asks for none and keeps none.
"""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from painlib.faults import PainlibError
from painlib.places import CREDENTIALS, is_url, name_file

BLOCK = 2 * 2**20  # bytes of one request; decoding asks for the next long after
BLOCKS_KEPT = 16  # of them in memory, for containers whose index stands at their end
TRIES = 3
PAUSE_S = 1.0  # before the second try; the third waits twice as long


def open_binary(place: str | Path, block: int = BLOCK) -> BinaryIO:
    """A file to read and seek in; of a URL `block` bytes are fetched at a time, and fetched again if need be.

    `PainlibError` where it cannot be opened or where reading fails: a video never ends early in silence.
    """
    if not is_url(place):
        return open(place, "rb")
    return cast(BinaryIO, _RemoteFile(str(place), block))


def mark_file(place: str | Path) -> tuple[int, str]:
    """Size in bytes, and what changes when the file does: its time of change (ns), or a URL's ETag."""
    if not is_url(place):
        stat = Path(place).stat()
        return stat.st_size, str(stat.st_mtime_ns)
    url = str(place)
    with _told(url):
        system, path = _find(url)
        system.invalidate_cache(path)
        info = system.info(path)
        if info.get("size") is None or info.get("type") == "directory":
            raise PainlibError(f"Expected a file of known size, got none at {url}. Mend the URL.")
        tags = ("ETag", "etag", "Content-MD5", "Last-Modified", "LastModified", "updated", "mtime", "created")
        return int(info["size"]), next((str(info[name]) for name in tags if info.get(name)), "")


@contextmanager
def fetch_copy(url: str) -> Iterator[Path]:
    """A copy in a temporary folder, for libraries that read files of this machine only."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / name_file(url)
        with _told(url):
            system, path = _find(url)
            system.get_file(path, str(copy))
        yield copy


def list_files(folder: str, ending: str) -> list[str]:
    """The URLs of the files right below the URL `folder` whose names end in `ending`, sorted."""
    with _told(folder):
        system, path = _find(folder)
        system.invalidate_cache(path)  # s3 keeps listings: what came since would not be seen
        found = [str(entry) for entry in system.ls(path, detail=False)]
        return sorted(system.unstrip_protocol(entry) for entry in found if entry.endswith(ending))


class _RemoteFile(io.RawIOBase):
    """fsspec's file behind tries and checks: what is read is whole, or a `PainlibError`.

    After one there is nothing more to read (FFmpeg goes on asking), and leaving the context raises it again
    where it got lost on the way.
    """

    def __init__(self, url: str, block: int) -> None:
        self._url = url
        self.name = name_file(url)  # FFmpeg looks at its ending
        self._size = mark_file(url)[0]
        with _told(url):
            system, path = _find(url)
            self._file: Any = system.open(
                path,
                "rb",
                block_size=block,
                cache_type="blockcache",
                cache_options={"maxblocks": BLOCKS_KEPT},
            )
            self._file.seek(min(1, self._size))  # an http server without ranges refuses here, or below
        self._place = 0
        self._failure: PainlibError | None = None

    def __exit__(self, *error: Any) -> None:
        self.close()
        if self._failure is not None and error[0] is None:
            raise self._failure

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        if begin + offset < 0:
            raise ValueError(f"Expected a place inside the file, got {begin + offset}: {self.name}")
        self._place = begin + offset
        return self._place

    def read(self, size: int | None = -1) -> bytes:
        left = max(self._size - self._place, 0)
        wanted = left if size is None or size < 0 else min(size, left)
        if self._failure is not None:
            return b""
        try:
            with _told(self._url):
                found = self._fetch(wanted) if wanted else b""
                if len(found) != wanted:
                    raise OSError(f"{wanted} bytes expected at {self._place}, {len(found)} came")
        except PainlibError as failure:
            self._failure = failure
            raise
        self._place += wanted
        return found

    def _fetch(self, wanted: int) -> bytes:
        for number in range(TRIES):
            try:
                if self._file.tell() != self._place:  # a seek may throw away what was read ahead
                    self._file.seek(self._place)
                return bytes(self._file.read(wanted))
            except (FileNotFoundError, PermissionError, ValueError):
                raise
            except Exception:  # each protocol has its own for a line that breaks
                if number == TRIES - 1:
                    raise
                time.sleep(PAUSE_S * (number + 1))
        raise AssertionError("unreachable")

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def _find(url: str) -> tuple[Any, str]:
    """The file system and the path in it."""
    from fsspec.core import url_to_fs

    return cast(tuple[Any, str], url_to_fs(url))


@contextmanager
def _told(url: str) -> Iterator[None]:
    """Whatever protocols raise, as one `PainlibError`."""
    try:
        yield
    except PainlibError:
        raise
    except ImportError as error:
        raise PainlibError(f"Cannot open {url}: {error}. Install what it names beside painlib.") from None
    except Exception as error:  # each protocol has its own
        by_http = "http" in url.split("://")[0].lower()  # there all that fails is "not found", for a cause
        cause = (by_http and error.__cause__) or error
        if isinstance(cause, FileNotFoundError) or getattr(cause, "status", 0) == 404:
            raise PainlibError(
                f"Expected a file, found none: {url}. Mend the URL, or put the file there."
            ) from None
        if "seek streaming" in str(error) or "range requests" in str(error):
            raise PainlibError(
                f"The server gives no parts of a file (no HTTP ranges): {url}. Write `simplecache::` before "
                "the URL, and fsspec copies the file to this machine first; or ask for a server with ranges."
            ) from None
        raise PainlibError(
            f"Cannot read {url} ({type(cause).__name__}: {cause}). Mend the URL or the connection. "
            f"{CREDENTIALS}"
        ) from None

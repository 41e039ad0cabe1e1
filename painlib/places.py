"""Names of files as tables and parameters give them: paths of this machine, and URLs that fsspec opens."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TypeAlias

from painlib.faults import did_you_mean

Place: TypeAlias = Path | str  # a file of this machine, or a URL

# fsspec joins what it reads through with "::", as in simplecache::https://...
_URL = re.compile(r"(?:[a-z][a-z0-9+.\-]*::)*[a-z][a-z0-9+.\-]+://", re.IGNORECASE)
CREDENTIALS = "Credentials go into fsspec's configuration (README, 'Videos by URL')."


def is_url(name: str | Path) -> bool:
    """Whether `name` has a scheme that fsspec would open, such as s3://."""
    return isinstance(name, str) and _URL.match(name) is not None


def to_place(name: str | Path) -> Place:
    """A URL as the text it is, anything else as a path."""
    return name if is_url(name) else Path(name)


def find_place(name: str, *folders: Path) -> str:
    """What a table names: a URL as it is, else the absolute path in the first folder that has such a file.

    Where none has it, the path in the first of `folders`.
    """
    if is_url(name):
        return name
    places = [folder / name for folder in folders]
    return os.path.abspath(next((place for place in places if place.is_file()), places[0]))


def check_url(url: str) -> str:
    """What is wrong with a URL before anything is opened; "" if nothing is.

    Passwords are refused: the table that names the URL is copied, shown and shared.
    """
    from fsspec import available_protocols

    if re.search(r"://[^/@\s]*:[^/@\s]*@", url):
        return f"expected a URL without a password. {CREDENTIALS}"
    for scheme in (link.split("://")[0] for link in url.split("::")):
        if scheme.lower() not in available_protocols():
            near = did_you_mean(scheme, available_protocols())
            return f"expected a URL that fsspec opens (s3, https, sftp, ...), got '{scheme}'.{near}"
    return ""


def name_file(place: str | Path) -> str:
    """The last part of a path or URL, without a query."""
    return Path(re.split(r"[?#]", str(place))[0] if is_url(place) else place).name

"""What a result was computed with: painlib's version and commit, libraries, processor and graphics card."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

import painlib

LIBRARIES = (
    *("numpy", "pandas", "scipy", "pyarrow", "av", "opencv-python-headless"),
    *("torch", "openvino", "accelerate", "deeplabcut", "movement"),
    *("scikit-learn", "pingouin", "statsmodels", "umap-learn", "matplotlib", "seaborn"),
)


def find_version() -> str:
    """painlib's version, installed or not."""
    try:
        return metadata.version("painlib")
    except metadata.PackageNotFoundError:
        return painlib.__version__


@cache
def find_commit() -> str:
    """The commit of the checkout that runs, with '+changed' where painlib differs; empty without one."""
    package = Path(painlib.__file__).resolve().parent
    top = _git(package, "rev-parse", "--show-toplevel")
    # A package installed inside somebody else's checkout is not of that checkout.
    if not top or Path(top).resolve() != package.parent:
        return ""
    commit = _git(package, "rev-parse", "HEAD")
    changed = commit and _git(package, "status", "--porcelain", "--", ".")
    return f"{commit}+changed" if changed else commit


def list_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that results depend on, without importing them."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def describe_device() -> str:
    """Processor, graphics card (where torch is already loaded) and system, in words."""
    torch = sys.modules.get("torch")
    card = ""
    if torch is not None and torch.cuda.is_available():
        card = torch.cuda.get_device_name()
    elif torch is not None and torch.backends.mps.is_available():
        card = "Apple mps"
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    return ", ".join(part for part in (_find_processor(), f"{os.cpu_count()} cores", card, system) if part)


def _find_processor() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"


def _git(folder: Path, *arguments: str) -> str:
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()

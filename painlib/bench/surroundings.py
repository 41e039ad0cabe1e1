"""The machine and the versions that a benchmark ran on."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from painlib.machine import describe_device, find_commit, find_version, list_versions

ALSO = ("openvino", "opencv-python-headless", "torchvision", "Pillow", "faiss-cpu", "distributed")
TELLING_FLAGS = (
    "avx2",
    "avx512f",
    "avx512_bf16",
    "avx512_vnni",
    "amx_bf16",
    "amx_int8",
    "asimd",
    "bf16",
    "sve",
)


def describe_machine(ffmpeg: str) -> dict[str, Any]:
    """Processor, cores, its flags that matter here, memory (GB), graphics card, versions; plain values."""
    import psutil
    import torch

    versions = {"painlib": find_version(), **list_versions()}
    for name in ALSO:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    return {
        "device": describe_device(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "flags": [flag for flag in TELLING_FLAGS if flag in _list_flags()],
        "torch_capabilities": {key: str(value) for key, value in torch.cpu.get_capabilities().items()}
        if hasattr(torch.cpu, "get_capabilities")
        else {},
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "load_at_start": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "graphics_card": card,
        "ffmpeg": Path(ffmpeg).name,
        "painlib_commit": find_commit(),
        "versions": versions,
    }


def _list_flags() -> set[str]:
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text(errors="replace").splitlines():
            if line.startswith(("flags", "Features")):
                return set(line.split(":", 1)[1].split())
    return set()

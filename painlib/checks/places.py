"""The folder that all results go to: that it can be one, be written, and has room."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from painlib.checks.findings import Findings
from painlib.checks.videos import Film

GIB = 2**30
# A face as JPEG of quality 95: 182 GB for 545,000 faces of 800 x 800 px, measured on 4K video.
JPEG_BYTES_PER_PX = 0.52


def check_disk(
    workdir: Path,
    crop_px: int | None,
    input_px: int,
    films: dict[str, Film],
    findings: Findings,
    most: int | None = None,
) -> None:
    """Room for faces and network inputs, if every frame shows a face; what is already there is counted in.

    `most`: of so many films at once (the largest), where faces are not kept; None: of all.
    """
    needs = []
    for film in films.values():
        side = crop_px or min(film.info.width, film.info.height) / 2
        needs.append(film.used_s * film.info.fps * (side**2 * JPEG_BYTES_PER_PX + 3 * input_px**2))
    need = sum(sorted(needs, reverse=True)[:most])
    place = workdir
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        findings.blame(
            f"Expected a folder for all results in `workdir`, got {workdir}: {place} is a file. Name "
            "a folder, which need not be there yet."
        )
        return
    if not os.access(place, os.W_OK):
        findings.blame(
            f"Expected a workdir that can be written, got {workdir}: no right to write in {place}."
        )
        return
    there = sum(file.stat().st_size for file in (workdir / "faces").glob("*") if file.is_file())
    free = shutil.disk_usage(place).free + there
    told = f"at most {need / GIB:.2g} GiB needed, {free / GIB:.3g} GiB free"
    findings.tell("disk", f"{told} at {place}")
    if need > free:
        findings.blame(
            f"Expected room for the faces at {place}, got too little: {told}. Choose a `workdir` on another "
            "disk, or make some room."
        )

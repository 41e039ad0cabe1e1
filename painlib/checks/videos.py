"""Every video opened; its stretch, the face square and time zero held against what it is."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from painlib.checks.findings import Findings
from painlib.console import format_seconds
from painlib.faults import PainlibError
from painlib.params import CropParams
from painlib.progress import track

if TYPE_CHECKING:
    import pandas as pd

    from painlib.cohort import Recording, VideoPart
    from painlib.faces.crop import Border
    from painlib.video import VideoInfo


@dataclass(frozen=True)
class Film:
    """A video file that was opened: what its header says, and how many seconds of it are used."""

    info: VideoInfo
    used_s: float


def check_videos(cohort: pd.DataFrame, crop: CropParams | None, findings: Findings) -> dict[str, Film]:
    """Open every video of the cohort, path -> `Film`; `crop` None where the parameters have faults."""
    from painlib.cohort import iter_recordings
    from painlib.video import probe_video

    films: dict[str, Film] = {}
    recordings = iter_recordings(cohort)
    parts = [
        (f"Recording '{camera.recording}', camera '{camera.camera}': ", part)
        for recording in recordings
        for camera in recording.cameras
        for part in camera.parts
    ]
    for heading, part in track(parts, len(parts), "videos"):
        with findings.gather(heading):
            info = probe_video(part.path, part.end_s)
            before = films[part.path].used_s if part.path in films else 0.0
            used_s = max(0.0, min(part.end_s, info.duration_s) - part.start_s)
            films[part.path] = Film(info, before + used_s)
            _check_stretch(part, info)
    for recording in recordings:
        _check_time_zero(recording, films, findings)
    if crop is not None:
        check_crop_px(crop.crop_px, crop.border, films, findings)
    if films:
        findings.tell("videos", _describe_films(films))
    return films


def _check_stretch(part: VideoPart, info: VideoInfo) -> None:
    """Raise `PainlibError` where reading would refuse the stretch; headers that look well are believed."""
    from painlib.video.timeline import load_timeline

    frame_s = 1 / info.fps if info.fps else 0.0
    beyond = math.isfinite(part.end_s) and part.end_s > info.duration_s + frame_s
    if part.start_s >= info.duration_s or beyond:
        load_timeline(part.path).find_stretch(part.start_s, part.end_s)


def _check_time_zero(recording: Recording, films: dict[str, Film], findings: Findings) -> None:
    """A treatment may be given long before the film, but after it only where its phase is `pre`."""
    ends = []
    for camera in recording.cameras:
        begin_s = camera.offset_s
        for part in camera.parts:
            film = films.get(part.path)
            if film is None or film.info.duration_s <= 0:
                return
            ends.append(begin_s + min(part.end_s, film.info.duration_s))
            begin_s += film.info.duration_s
    if recording.phase != "pre" and recording.time_zero_s >= max(ends):
        findings.blame(
            f"Recording '{recording.name}', column `time_zero_s`: expected a time before its end "
            f"({max(ends):.2f} s on its clock) where `phase` is not 'pre', got {recording.time_zero_s:g} s: "
            "not one minute would come after the treatment. Mend it, or write 'pre' in `phase`."
        )


def check_crop_px(
    crop_px: int | None,
    border: Border,
    films: dict[str, Film],
    findings: Findings,
    whose: str = "crop.crop_px",
) -> None:
    """Whether a square of `crop_px` has room in the images, where the border rule asks for it."""
    from painlib.faces.crop import place_square

    if crop_px is None or border == "pad":
        return
    sizes: dict[tuple[int, int], list[str]] = {}
    for path, film in films.items():
        sizes.setdefault((film.info.width, film.info.height), []).append(path)
    for (width, height), paths in sizes.items():
        videos = f"{paths[0]}{f' and {len(paths) - 1} more' if len(paths) > 1 else ''}"
        try:
            fits = place_square((width / 2, height / 2), crop_px, width, height, border)
        except PainlibError as fault:
            findings.blame(f"{whose}: {fault} Videos: {videos}.")
            continue
        if fits is None:
            findings.blame(
                f"{whose}: expected a square that fits the image (`border: drop` leaves out all others: "
                f"no face would be left), got {crop_px} px for {width} x {height} px. Choose a "
                f"smaller `crop_px`, or `border: pad`. Videos: {videos}."
            )


def _describe_films(films: dict[str, Film]) -> str:
    infos = [film.info for film in films.values()]
    sizes = Counter(f"{info.width} x {info.height} px, {info.fps:.4g} frames/s" for info in infos)
    kinds = "; ".join(f"{number} of {kind}" for kind, number in sizes.most_common(3))
    seconds = format_seconds(sum(film.used_s for film in films.values()))
    return f"{len(films)} files, {seconds} in all; {kinds}{'; ...' if len(sizes) > 3 else ''}"

"""What `painlib check` finds wrong with arena videos before any work starts."""

from __future__ import annotations

from painlib.faults import Faults, PainlibError
from painlib.locomotion.arena_table import ArenaVideo, iter_arenas, load_arenas, used_arenas
from painlib.params import LocomotionParams
from painlib.video import probe_video


def check_arenas(params: LocomotionParams, rows: list[tuple[str, str]], faults: Faults) -> None:
    """For `painlib check`: read the table, open every video, hold treatments against groups."""
    from painlib.stats.designs import check_groups

    if params.arena_table is None:
        return
    try:
        arenas = load_arenas(params.arena_table)
    except PainlibError as fault:
        faults.add(_indent(fault))
        return
    videos = iter_arenas(arenas)
    for video in videos:
        try:
            _check_video(video, params)
        except PainlibError as fault:
            faults.add(_indent(fault))
    try:
        check_groups(used_arenas(arenas), params.groups, params.control)
    except PainlibError as fault:
        faults.add(f"locomotion: {_indent(fault)}")
    n_excluded = len(arenas) - len(used_arenas(arenas))
    rows.append(("arena videos", f"{len(videos)} animals, {params.arena_table}; rows excluded: {n_excluded}"))


def _check_video(video: ArenaVideo, params: LocomotionParams) -> None:
    from painlib.pose.trackers import read_tracker

    duration_s = 0.0
    for part in video.parts:
        if part.path:
            info = probe_video(part.path, part.end_s)
            duration_s += info.duration_s
            if part.start_s >= info.duration_s > 0:
                raise PainlibError(
                    f"Video {part.path}: expected start_s before its end ({info.duration_s:.2f} s), got "
                    f"{part.start_s:g} s."
                )
    if 0 < duration_s < video.time_zero_s:
        raise PainlibError(
            f"Subject '{video.subject}': expected `time_zero_s` within the film ({duration_s:.1f} s), got "
            f"{video.time_zero_s:g} s."
        )
    for path in video.pose:
        names = params.point_names
        for start in range(0, len(names), 3):
            some = names[start : start + 3]
            read_tracker(path, [*some, *[""] * (3 - len(some))], params.individual)


def _indent(fault: PainlibError) -> str:
    return str(fault).replace("\n", "\n   ")

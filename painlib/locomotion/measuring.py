"""The distances of all animals, from their stored tracks."""

from __future__ import annotations

import pandas as pd

from painlib.faults import PainlibError
from painlib.locomotion.arena_table import iter_arenas
from painlib.locomotion.distance import measure_seconds, sum_minutes, trace_path
from painlib.locomotion.track_store import MINUTES, SECONDS, read_track
from painlib.params import LocomotionParams


def measure_distances(
    arenas: pd.DataFrame, summary: pd.DataFrame, params: LocomotionParams
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables "arena_seconds" and "arena_minutes" of all animals of `summary`."""
    seconds, minutes = [], []
    for video in iter_arenas(arenas):
        if video.subject not in set(summary["subject"]):
            continue
        track = read_track(params.workdir, video.subject)
        path = trace_path(track["time_s"].to_numpy(), track[["x_cm", "y_cm"]].to_numpy(), params)
        who = {"subject": video.subject, "treatment": video.treatment}
        of_animal = measure_seconds(path, video.time_zero_s)
        seconds.append(of_animal.assign(**who))
        minutes.append(sum_minutes(of_animal, params.min_coverage).assign(**who))
    if not seconds:
        raise PainlibError(
            f"Expected at least one animal that could be tracked, got none: {params.arena_table}. Mend the "
            "faults listed above."
        )
    return (
        pd.concat(seconds, ignore_index=True)[list(SECONDS.columns)],
        pd.concat(minutes, ignore_index=True)[list(MINUTES.columns)],
    )

"""The cohort table: who was filmed, how and when; checked whole before any work starts."""

from painlib.cohort.table import (
    DRAWN_NOTE,
    CameraVideo,
    Recording,
    VideoPart,
    cohort_note,
    excluded_rows,
    iter_recordings,
    load_cohort,
    video_rows,
)

__all__ = [
    "DRAWN_NOTE",
    "CameraVideo",
    "Recording",
    "VideoPart",
    "cohort_note",
    "excluded_rows",
    "iter_recordings",
    "load_cohort",
    "video_rows",
]

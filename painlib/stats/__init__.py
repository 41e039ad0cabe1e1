"""Group tests of pain probability: as published (Kobayashi et al. 2025, "Statistics"), ours beside them."""

from painlib.stats.assays import AssayResult, compare_pre, run_assay, write_statistics
from painlib.stats.designs import (
    describe_groups,
    minute_curves,
    post_minutes,
    pre_minutes,
    select_animals,
    summarise_window,
)
from painlib.stats.groups import TEST_COLUMNS, GroupTest, compare_groups, find_stars
from painlib.stats.treatments import assign_treatment, load_assays, read_minutes

__all__ = [
    "TEST_COLUMNS",
    "AssayResult",
    "GroupTest",
    "assign_treatment",
    "compare_groups",
    "compare_pre",
    "describe_groups",
    "find_stars",
    "load_assays",
    "minute_curves",
    "post_minutes",
    "pre_minutes",
    "read_minutes",
    "run_assay",
    "select_animals",
    "summarise_window",
    "write_statistics",
]

"""Group tests of pain probability: as published (Kobayashi et al. 2025, "Statistics"), ours beside them."""

from painlib.stats.animal_tests import AnimalTests, run_animal_tests
from painlib.stats.assays import AssayResult, compare_pre, run_assay
from painlib.stats.curves import Curves, arrange_curves, average_blocks
from painlib.stats.designs import (
    describe_groups,
    minute_curves,
    note_outside,
    post_minutes,
    pre_minutes,
    select_animals,
    summarise_window,
)
from painlib.stats.groups import TEST_COLUMNS, GroupTest, compare_groups, find_stars
from painlib.stats.permutation import CurveTest, flip_signs, permute_labels
from painlib.stats.repeated import compute_friedman
from painlib.stats.sample_size import find_group_size, plan_sample_size
from painlib.stats.simulation import CurveNoise, simulate_curves, simulate_rates, tabulate_rates
from painlib.stats.time_course import fit_time_course
from painlib.stats.treatments import assign_treatment, load_assays, read_minutes
from painlib.stats.writing import write_statistics

__all__ = [
    "TEST_COLUMNS",
    "AnimalTests",
    "AssayResult",
    "CurveNoise",
    "CurveTest",
    "Curves",
    "GroupTest",
    "arrange_curves",
    "assign_treatment",
    "average_blocks",
    "compare_groups",
    "compare_pre",
    "compute_friedman",
    "describe_groups",
    "find_group_size",
    "find_stars",
    "fit_time_course",
    "flip_signs",
    "load_assays",
    "minute_curves",
    "note_outside",
    "permute_labels",
    "plan_sample_size",
    "post_minutes",
    "pre_minutes",
    "read_minutes",
    "run_animal_tests",
    "run_assay",
    "select_animals",
    "simulate_curves",
    "simulate_rates",
    "summarise_window",
    "tabulate_rates",
    "write_statistics",
]

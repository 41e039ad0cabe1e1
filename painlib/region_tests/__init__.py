"""Tests of the regions' frequency in pain and no pain: by face as published, by pair, and by animal."""

from painlib.region_tests.animals import MaxT, compare_animals, compute_differences, compute_max_t
from painlib.region_tests.frequency import test_frequencies
from painlib.region_tests.marked import Marked, check_marked
from painlib.region_tests.pairs import compare_pairs
from painlib.region_tests.simulation import (
    AFFECTED,
    FREQUENCIES,
    Clustering,
    simulate_marks,
    simulate_rates,
)
from painlib.region_tests.wording import explain

__all__ = [
    "AFFECTED",
    "FREQUENCIES",
    "Clustering",
    "Marked",
    "MaxT",
    "check_marked",
    "compare_animals",
    "compare_pairs",
    "compute_differences",
    "compute_max_t",
    "explain",
    "simulate_marks",
    "simulate_rates",
    "test_frequencies",
]

"""Faces of like composition: features that do not know the label, a 2-D map, and mutual nearest pairs."""

from painlib.similarity.composition import (
    COMPOSITIONS,
    GREY_PX,
    LANDMARK_COLUMNS,
    compute_composition,
    list_features,
)
from painlib.similarity.pairs import (
    PAIR_COLUMNS,
    compare_pairings,
    compute_pair_distances,
    describe_pairs,
    find_mutual_pairs,
    measure_overlap,
)
from painlib.similarity.projection import METHOD_NAMES, measure_stability, project
from painlib.similarity.samples import (
    SAMPLE_COLUMNS,
    choose_pairs,
    choose_unpaired,
    describe_choice,
    make_sample,
)

__all__ = [
    "COMPOSITIONS",
    "GREY_PX",
    "LANDMARK_COLUMNS",
    "METHOD_NAMES",
    "PAIR_COLUMNS",
    "SAMPLE_COLUMNS",
    "choose_pairs",
    "choose_unpaired",
    "compare_pairings",
    "compute_composition",
    "compute_pair_distances",
    "describe_choice",
    "describe_pairs",
    "find_mutual_pairs",
    "list_features",
    "make_sample",
    "measure_overlap",
    "measure_stability",
    "project",
]

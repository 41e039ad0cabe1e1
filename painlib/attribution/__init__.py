"""Which places of a face spoke for a class: Grad-CAM in the sweep of prediction, maps on disk, and checks."""

from painlib.attribution.gradcam import (
    JudgedFaces,
    attribute_gradcam,
    compute_gradcam,
    find_output,
    judge_with_maps,
    normalise_maps,
)
from painlib.attribution.maps import MapStore, are_maps_current, maps_files, upsample, write_maps
from painlib.attribution.second_method import (
    DeletionInsertion,
    IntegratedGradients,
    compare_with_randomised,
    compute_deletion_insertion,
    compute_integrated_gradients,
    correlate_ranks,
    list_layers,
    randomise_parameters,
)

__all__ = [
    "DeletionInsertion",
    "IntegratedGradients",
    "JudgedFaces",
    "MapStore",
    "are_maps_current",
    "attribute_gradcam",
    "compare_with_randomised",
    "compute_deletion_insertion",
    "compute_gradcam",
    "compute_integrated_gradients",
    "correlate_ranks",
    "find_output",
    "judge_with_maps",
    "list_layers",
    "maps_files",
    "normalise_maps",
    "randomise_parameters",
    "upsample",
    "write_maps",
]

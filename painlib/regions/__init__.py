"""The 13 regions of Kobayashi et al. 2025: pictures, places on a face, proposals, marks, agreement."""

from painlib.regions.agreement import AGREEMENT_COLUMNS, compare_flags, compute_agreement
from painlib.regions.landmarks import load_landmarks
from painlib.regions.marks import (
    MARK_COLUMNS,
    STARTS,
    empty_marks,
    get_flags,
    read_all_marks,
    read_marks,
    tabulate_marks,
    write_marks,
)
from painlib.regions.names import DEFINITIONS, REGION_COLUMNS, REGIONS, name_column
from painlib.regions.placing import FACE_PX, find_views, place_numbers, place_regions
from painlib.regions.proposals import THRESHOLD, measure_regions, propose_regions
from painlib.regions.template import VIEWS, Template, find_picture, load_template

__all__ = [
    "AGREEMENT_COLUMNS",
    "DEFINITIONS",
    "FACE_PX",
    "MARK_COLUMNS",
    "REGIONS",
    "REGION_COLUMNS",
    "STARTS",
    "THRESHOLD",
    "VIEWS",
    "Template",
    "compare_flags",
    "compute_agreement",
    "empty_marks",
    "find_picture",
    "find_views",
    "get_flags",
    "load_landmarks",
    "load_template",
    "measure_regions",
    "name_column",
    "place_numbers",
    "place_regions",
    "propose_regions",
    "read_all_marks",
    "read_marks",
    "tabulate_marks",
    "write_marks",
]

"""Another strain, another laboratory: are these animals such as the model knows?"""

from painlib.novelty.limits import LEVEL, MEASURES, find_limit, tabulate_limits
from painlib.novelty.recordings import (
    check_cohort,
    examine_attribution,
    list_painless,
    make_cohort_reference,
    measure_attribution,
    measure_confidence,
    measure_coverage,
    write_reference,
)
from painlib.novelty.reference import (
    FACES_FILE,
    FACTS_FILE,
    Reference,
    load_reference,
    make_reference,
    measure_distances,
    save_reference,
    summarise_distances,
)
from painlib.novelty.single import Acquaintance, FaceSample, Known
from painlib.novelty.verdict import STATES, Novelty, judge_novelty

__all__ = [
    "FACES_FILE",
    "FACTS_FILE",
    "LEVEL",
    "MEASURES",
    "STATES",
    "Acquaintance",
    "FaceSample",
    "Known",
    "Novelty",
    "Reference",
    "check_cohort",
    "examine_attribution",
    "find_limit",
    "judge_novelty",
    "list_painless",
    "load_reference",
    "make_cohort_reference",
    "make_reference",
    "measure_attribution",
    "measure_confidence",
    "measure_coverage",
    "measure_distances",
    "save_reference",
    "summarise_distances",
    "tabulate_limits",
    "write_reference",
]

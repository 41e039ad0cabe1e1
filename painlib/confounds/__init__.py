"""Could it be something else? Time, the animal, the camera, the light, the background, the labels, the
split."""

from painlib.confounds.answers import QUESTIONS, Answer, ConfoundLimits, collect_verdicts
from painlib.confounds.disputed import (
    check_labels,
    compare_networks,
    compare_training,
    find_disputed,
    summarise_disputed,
)
from painlib.confounds.examining import Confounds, check_same_faces, examine_confounds
from painlib.confounds.label_alone import (
    check_background,
    check_brightness,
    check_camera,
    check_chance,
    check_identity,
)
from painlib.confounds.near_duplicates import check_near_duplicates, find_near_duplicates
from painlib.confounds.pictures import pick_faces, shrink_faces
from painlib.confounds.untreated import (
    check_time,
    check_time_score,
    describe_reach,
    find_untreated_arm,
    load_arm,
    pick_arm_faces,
    score_arm,
)

__all__ = [
    "QUESTIONS",
    "Answer",
    "ConfoundLimits",
    "Confounds",
    "check_background",
    "check_brightness",
    "check_camera",
    "check_chance",
    "check_identity",
    "check_labels",
    "check_near_duplicates",
    "check_same_faces",
    "check_time",
    "check_time_score",
    "collect_verdicts",
    "compare_networks",
    "compare_training",
    "describe_reach",
    "examine_confounds",
    "find_disputed",
    "find_near_duplicates",
    "find_untreated_arm",
    "load_arm",
    "pick_arm_faces",
    "pick_faces",
    "score_arm",
    "shrink_faces",
    "summarise_disputed",
]

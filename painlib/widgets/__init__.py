"""What people do by hand in JupyterLab: mark regions on faces, score faces, label nose and eyes on frames."""

from painlib.widgets.label_frames import choose_frames, select_recordings
from painlib.widgets.label_points import LabelPoints, label_points
from painlib.widgets.labelling import load_points
from painlib.widgets.mark_regions import KEYS, MarkRegions, mark_regions
from painlib.widgets.score_faces import UNIT_KEYS, ScoreFaces, score_faces

__all__ = [
    "KEYS",
    "UNIT_KEYS",
    "LabelPoints",
    "MarkRegions",
    "ScoreFaces",
    "choose_frames",
    "label_points",
    "load_points",
    "mark_regions",
    "score_faces",
    "select_recordings",
]

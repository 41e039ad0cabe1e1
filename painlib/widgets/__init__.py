"""What people do by hand in JupyterLab: mark regions on faces, label nose and eyes on frames."""

from painlib.widgets.label_frames import choose_frames, select_recordings
from painlib.widgets.label_points import LabelPoints, label_points
from painlib.widgets.labelling import load_points
from painlib.widgets.mark_regions import KEYS, MarkRegions, mark_regions

__all__ = [
    "KEYS",
    "LabelPoints",
    "MarkRegions",
    "choose_frames",
    "label_points",
    "load_points",
    "mark_regions",
    "select_recordings",
]

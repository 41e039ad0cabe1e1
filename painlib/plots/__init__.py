"""Figures: every `plot_*` takes its table (and axes or a figure), returns what it drew on, and writes
nothing.
"""

from painlib.plots.crops import plot_likelihoods, plot_pose_errors, plot_rule_shares, plot_visibility
from painlib.plots.galleries import (
    draw_pose_overlay,
    pick_confident_faces,
    pick_faces_per_rule,
    plot_confident_faces,
    plot_contact_sheet,
)
from painlib.plots.prediction import plot_coverage_groups, plot_minutes
from painlib.plots.statistics import find_brackets, plot_assay_curves, plot_assay_means, plot_paper_panels
from painlib.plots.style import (
    DOUBLE_MM,
    SINGLE_MM,
    Look,
    group_looks,
    new_axes,
    new_figure,
    paper_style,
    save_figure,
)
from painlib.plots.training import plot_confusion, plot_held_out, plot_learning_curves, plot_roc

__all__ = [
    "DOUBLE_MM",
    "SINGLE_MM",
    "Look",
    "draw_pose_overlay",
    "find_brackets",
    "group_looks",
    "new_axes",
    "new_figure",
    "paper_style",
    "pick_confident_faces",
    "pick_faces_per_rule",
    "plot_assay_curves",
    "plot_assay_means",
    "plot_confident_faces",
    "plot_confusion",
    "plot_contact_sheet",
    "plot_coverage_groups",
    "plot_held_out",
    "plot_learning_curves",
    "plot_likelihoods",
    "plot_minutes",
    "plot_paper_panels",
    "plot_pose_errors",
    "plot_roc",
    "plot_rule_shares",
    "plot_visibility",
    "save_figure",
]

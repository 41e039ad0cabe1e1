"""How far annotators, and the proposals, agree on each region."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from painlib.plots.regions import ROW_MM, set_rows
from painlib.plots.style import (
    DARK,
    DOUBLE_MM,
    GREY,
    SMALL_PT,
    Look,
    count,
    group_looks,
    page_figure,
    paper_style,
)

_SIDES = ("first", "second")


@paper_style()
def plot_agreement(table: pd.DataFrame, figure: Figure | None = None) -> Figure:
    """Cohen's kappa of each region with its interval, and how often each rater marked the region.

    `table` of `painlib.regions.compute_agreement` (kappa and its bounds -1 to 1, prevalences 0 to 1), one row
    a region, drawn from the top, no region dropped. Several comparisons stand in one table with a column
    `comparison` that names them ("A. against the proposals"). Where kappa is not defined the words say so.
    """
    figure = page_figure(figure, DOUBLE_MM, ROW_MM * max(table["region"].nunique(), 3) + 30)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1.5, 1])
    named = table if "comparison" in table else table.assign(comparison="all faces that both judged")
    regions = list(dict.fromkeys(table["region"]))
    looks = group_looks(named["comparison"])
    apart = min(0.34, 0.7 / max(len(looks), 1))
    for number, (comparison, look) in enumerate(looks.items()):
        rows = named[named["comparison"] == comparison].set_index("region").reindex(regions)
        places = np.arange(len(regions)) + (number - (len(looks) - 1) / 2) * apart
        n = int(np.nan_to_num(rows["n_faces"].max()))
        _draw_kappas(left, rows, places, look, f"{comparison} ({count(n, 'face')})")
        _draw_prevalences(right, rows, places, look)
    left.axvline(0, color=GREY, linewidth=0.6, zorder=0)
    lowest = np.nanmin([*named["ci_low"], *named["kappa"], 0])
    intervals = ", ".join(dict.fromkeys(named["interval"]))
    left.set_xlim(max(-1.05, lowest - 0.05), 1.05)
    left.set_xlabel(f"Cohen's kappa (1: all agree, 0: as by chance), 95 % interval\n({intervals})")
    right.set_xlabel("Faces in which the region is marked (%)")
    highest = np.nanmax([*named["prevalence_first"], *named["prevalence_second"], 0.05])
    right.set_xlim(-2 * highest, 104 * highest)
    set_rows((left, right), regions)
    left.legend(loc="lower left", bbox_to_anchor=(0, 1), borderpad=0.2)
    raters = [
        Line2D([], [], linestyle="", marker="o", color=DARK, markerfacecolor=face, label=f"by the {side}")
        for face, side in zip((DARK, "white"), _SIDES, strict=True)
    ]
    right.legend(handles=raters, loc="lower left", bbox_to_anchor=(0, 1), borderpad=0.2)
    return figure


def _draw_kappas(ax: Axes, rows: pd.DataFrame, places: np.ndarray, look: Look, label: str) -> None:
    (points,) = ax.plot(rows["kappa"], places, look.marker, color=look.colour, label=label, gid="kappa")
    points.set_markersize(3.4)
    values = rows[["kappa", "ci_low", "ci_high"]].to_numpy(float)
    for place, (kappa, low, high) in zip(places, values, strict=True):
        if np.isfinite([low, high]).all():
            ax.plot([low, high], [place] * 2, color=look.colour, linewidth=0.9, gid="interval")
        if np.isnan(kappa):
            words = ax.text(0.02, place, "not defined", va="center", fontsize=SMALL_PT, color=DARK)
            words.set_gid("undefined")


def _draw_prevalences(ax: Axes, rows: pd.DataFrame, places: np.ndarray, look: Look) -> None:
    pairs = 100 * rows[[f"prevalence_{side}" for side in _SIDES]].to_numpy(float)
    for place, values in zip(places, pairs, strict=True):
        ax.plot(values, [place] * 2, color=look.colour, linewidth=0.6, zorder=1)
    for values, face, side in zip(pairs.T, (look.colour, "white"), _SIDES, strict=True):
        (points,) = ax.plot(values, places, look.marker, color=look.colour, gid=f"prevalence {side}")
        points.set(markerfacecolor=face, markersize=3.4)

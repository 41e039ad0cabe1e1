"""The figure of the benchmark: what each stage costs, how many times less than published, and the sum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from painlib.plots.style import (
    BLACK,
    BLUE,
    DARK,
    DOUBLE_MM,
    GREEN,
    GREY,
    ORANGE,
    PALE,
    PURPLE,
    SKY,
    SMALL_PT,
    VERMILION,
    YELLOW,
    Look,
    page_figure,
    panel_axes,
    paper_style,
)

_LOOKS = {
    "published": Look(VERMILION, "s", "-"),
    "ours": Look(BLUE, "o", "-"),
    "floor": Look(BLACK, "|", "-"),
}
_STAGE_COLOURS = (SKY, BLUE, GREEN, ORANGE, PURPLE, YELLOW)
_SUMS = {
    "stated_published": "published, stated",
    "published": "published, here",
    "ours_float32": "ours, float32",
    "ours_bfloat16": "ours, bfloat16",
    "ours_window": "ours, with window",
    "stated_best": "best, whole frames, stated",
    "stated_floor": "floor, whole frames, stated",
    "floor": "floor, whole frames, here",
}


@paper_style()
def plot_bench(table: pd.DataFrame, scaled: pd.DataFrame, figure: Figure | None = None) -> Figure:
    """A page: costs a unit, times faster, CPU-hours at the published study's size.

    `table` and `scaled` as `painlib.bench.summary` gives them (`summarise`, `scale_up`).
    """
    page = page_figure(figure, DOUBLE_MM, 118.0)
    parts: Any = page.subfigures(2, 1, height_ratios=(1.25, 1.0))
    left, right = parts[0].subplots(1, 2, sharey=True, width_ratios=(1.3, 1.0))
    plot_costs(table, left)
    plot_ratios(table, right)
    plot_hours(scaled, parts[1].subplots())
    return page


@paper_style()
def plot_costs(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """CPU ms a unit of each way and of its floor (median, lowest to highest), a line a comparison."""
    ax = panel_axes(ax)
    for row, line in enumerate(table.to_dict("records")):
        for name in ("published", "ours"):
            look = _LOOKS[name]
            low, high = line[f"{name}_low_ms"], line[f"{name}_high_ms"]
            ax.plot([low, high], [row, row], color=look.colour, linewidth=1.4, solid_capstyle="butt")
            ax.plot(line[f"{name}_ms"], row, look.marker, color=look.colour, markersize=4)
        floor = _LOOKS["floor"]
        ax.plot(line["floor_ms"], row, floor.marker, color=floor.colour, markersize=8, markeredgewidth=1.2)
    for name, look in _LOOKS.items():
        ax.plot([], [], look.marker, color=look.colour, markersize=4, label=name)
    ax.set_xscale("log")
    ax.set_yticks(
        range(len(table)), [_name_line(line) for line in table.to_dict("records")], fontsize=SMALL_PT
    )
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.grid(axis="x", color=PALE, linewidth=0.4)
    ax.set_axisbelow(True)
    ax.set_xlabel("CPU time a frame or face (ms)")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize=SMALL_PT)
    return ax


@paper_style()
def plot_ratios(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """How many times the CPU time the published way takes, with the range of runs by turns."""
    ax = panel_axes(ax)
    rows = np.arange(len(table))
    spread = np.stack([table["ratio"] - table["ratio_low"], table["ratio_high"] - table["ratio"]])
    # From 1 on: a bar of a logarithmic axis has no other beginning.
    ax.barh(rows, table["ratio"] - 1, left=1, height=0.6, color=PALE, edgecolor=GREY)
    ax.errorbar(table["ratio"], rows, xerr=spread, fmt="none", ecolor=BLACK, elinewidth=0.8)
    for row, line in enumerate(table.to_dict("records")):
        words = f"{line['ratio']:.3g} ×, {line['floor_share']:.0%} of the floor's rate"
        ax.text(max(line["ratio_high"], 1.0) * 1.12, row, words, va="center", fontsize=SMALL_PT, color=DARK)
    ax.set_xscale("log")
    lowest = min(float(table["ratio_low"].min()), 1.0)
    ax.set_xlim(lowest / 1.3, float(table["ratio_high"].max()) * 60)
    ax.axvline(1, color=BLACK, linewidth=0.6)
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.tick_params(labelleft=False)
    ax.set_xlabel("Published over ours (CPU time)")
    return ax


@paper_style()
def plot_hours(scaled: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """CPU-hours at the published study's size, stages side by side; the sum at the end of each bar."""
    ax = panel_axes(ax)
    stages = scaled[scaled["stage"] != "sum"].reset_index(drop=True)
    largest = float(stages[list(_SUMS)].sum().max())
    for row, name in enumerate(_SUMS):
        left = 0.0
        for place, stage in enumerate(stages.to_dict("records")):
            hours = float(stage[name])
            colour = _STAGE_COLOURS[place % len(_STAGE_COLOURS)]
            label = stage["stage"] if row == 0 else None
            ax.barh(
                row,
                hours,
                left=left,
                height=0.65,
                color=colour,
                edgecolor="white",
                linewidth=0.3,
                label=label,
            )
            left += hours
        ax.text(left + 0.01 * largest, row, f"{left:,.0f} h" if left >= 100 else f"{left:.3g} h", va="center")
    ax.set_yticks(range(len(_SUMS)), list(_SUMS.values()))
    ax.set_ylim(len(_SUMS) - 0.5, -0.5)
    ax.set_xlim(0, 1.12 * largest)
    ax.set_xlabel("CPU time at the published study's size: 864,000 4K frames, 545,000 faces (h)")
    ax.legend(loc="lower right", fontsize=SMALL_PT)
    return ax


def _name_line(line: dict[Any, Any]) -> str:
    """Stage, and what sets this line apart."""
    stage, ours, published = (str(line[name]) for name in ("stage", "ours", "published"))
    way = ours.removeprefix("ours").strip(", ") or published.removeprefix("published").strip(", ")
    return f"{stage} ({way})" if way else stage

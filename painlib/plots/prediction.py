"""Figures of 03_predict: pain probability per minute, and how much of the time could be judged."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from painlib.plots.groups import average_animals, draw_groups, find_treatment_looks
from painlib.plots.style import (
    BLACK,
    DOUBLE_MM,
    GREY,
    Look,
    count,
    page_figure,
    panel_axes,
    paper_style,
    say_instead,
)

TIME_LABEL = "Time after injection (min)"
_COLUMNS = 3
_TRAINED_LINE = (0, (3, 1.5))


@paper_style()
def plot_minutes(
    minutes: pd.DataFrame,
    looks: Mapping[str, Look] | None = None,
    time_label: str = TIME_LABEL,
    figure: Figure | None = None,
) -> Figure:
    """Pain probability per minute, one panel a phase and treatment, with the coverage under it.

    `minutes`: the table `minutes` of predictions; coverage is the share of time points that were evaluated.
    Thin: recordings; thick: mean of the animals that the model was not trained on (of all, where it was
    trained on all). Dashed: animals it was trained on. A minute is drawn at its middle; one without a value
    is a gap. `looks`: of each treatment, as `group_looks` gives them.
    """
    panels = list(minutes.groupby(["phase", "treatment"], sort=False)) if len(minutes) else []
    panels.sort(key=lambda panel: panel[0][0] != "pre")  # before, then after; otherwise in the table's order
    if not panels:
        figure = page_figure(figure, DOUBLE_MM, 40)
        ax = figure.subplots()
        ax.set(xlabel=time_label, ylabel="Pain probability")
        say_instead(ax, "no minute was predicted")
        return figure
    looks = find_treatment_looks(minutes) if looks is None else looks
    columns = min(_COLUMNS, len(panels))
    lines = -(-len(panels) // columns)
    figure = page_figure(figure, DOUBLE_MM, 12 + 66 * lines)
    grid = figure.add_gridspec(2 * lines, columns, height_ratios=[3, 1.2] * lines)
    for place, ((phase, treatment), table) in enumerate(panels):
        line, column = divmod(place, columns)
        top = figure.add_subplot(grid[2 * line, column])
        below = figure.add_subplot(grid[2 * line + 1, column], sharex=top)
        _draw_recordings(top, table, "pain_probability", looks[str(treatment)])
        _draw_recordings(below, table, "coverage", looks[str(treatment)])
        top.set_title(_name_panel(str(phase), str(treatment), table))
        top.tick_params(labelbottom=False)
        first, last = int(table["minute"].min()), int(table["minute"].max()) + 1
        top.set_xlim(min(first, 0) - 0.02 * (last - first), last + 0.02 * (last - first))
        top.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        own_clock = phase == "pre" and first >= 0
        below.set_xlabel("Time in recording (min)" if own_clock else time_label)
        for ax, label in ((top, "Pain probability"), (below, "Coverage")):
            if not own_clock:
                ax.axvline(0, color=BLACK, linestyle=":", linewidth=0.8, gid="time zero")
            ax.set(ylim=(-0.02, 1.02), yticks=[0, 0.5, 1], ylabel=label if column == 0 else "")
        if not np.isfinite(table["pain_probability"].astype(float)).any():
            say_instead(top, "no minute could be evaluated")
    figure.legend(handles=_explain(minutes), loc="outside upper center", ncols=4)
    return figure


def _draw_recordings(ax: Axes, table: pd.DataFrame, value: str, look: Look) -> None:
    """Thin lines of recordings and the thick mean of animals, over all minutes from the first to the last."""
    every = np.arange(table["minute"].min(), table["minute"].max() + 1)
    for (recording, trained_on), one in table.groupby(["recording", "trained_on"], sort=True):
        values = one.groupby("minute")[value].mean().reindex(every)
        (line,) = ax.plot(every + 0.5, values, color=look.colour, alpha=0.65, gid=f"recording {recording}")
        _mark(line, 0.7, bool(trained_on))
    unseen = table[~table["trained_on"]]
    used = table if unseen.empty else unseen
    mean = used.groupby(["minute", "subject"])[value].mean().groupby("minute").mean().reindex(every)
    (line,) = ax.plot(every + 0.5, mean, color=look.colour, gid="mean")
    _mark(line, 1.8, unseen.empty)


def _mark(line: Line2D, width: float, trained_on: bool) -> None:
    """Width and pattern of a line; its markers keep a single minute between two gaps in sight."""
    line.set(linewidth=width, linestyle=_TRAINED_LINE if trained_on else "-")
    line.set(marker=".", markersize=width + 1.8, markeredgewidth=0)


def _name_panel(phase: str, treatment: str, table: pd.DataFrame) -> str:
    """Phase and treatment, and how many animals, of these how many trained on."""
    when = {"pre": "Before: ", "post": "After: "}.get(phase, "")
    name = textwrap.shorten(f"{when}{treatment or 'no treatment named'}", 34, placeholder="…")
    n_trained = table.loc[table["trained_on"], "subject"].nunique()
    trained = f", {n_trained} trained on" if n_trained else ""
    return f"{name}\nn = {count(table['subject'].nunique(), 'animal')}{trained}"


def _explain(minutes: pd.DataFrame) -> list[Line2D]:
    handles = [Line2D([], [], color=GREY, linewidth=0.7, label="one recording")]
    if minutes["trained_on"].any():
        label = "animal the model was trained on"
        handles.append(Line2D([], [], color=GREY, linewidth=0.9, linestyle=_TRAINED_LINE, label=label))
    handles.append(Line2D([], [], color=GREY, linewidth=1.8, label="mean of animals"))
    handles.append(Line2D([], [], color=BLACK, linewidth=0.8, linestyle=":", label="time zero"))
    return handles


@paper_style()
def plot_coverage_groups(
    windows: pd.DataFrame, looks: Mapping[str, Look] | None = None, ax: Axes | None = None
) -> Axes:
    """Share of time points that were evaluated, per animal and group, with mean and SEM.

    `windows`: one row a recording, as `window_means` gives them: `subject`, `treatment`, `trained_on`,
    `coverage` (0 to 1, NaN without time points). Animals that the model was trained on are left out; how many
    of a group stands under its name.
    """
    ax = panel_axes(ax)
    looks = find_treatment_looks(windows) if looks is None else looks
    groups = [name for name in looks if (windows["treatment"] == name).any()]
    ax.set(ylim=(-0.02, 1.02), ylabel="Coverage (evaluated share\nof time points)", xlabel="Treatment")
    known = windows["trained_on"].astype(bool)
    animals = average_animals(windows[~known], groups, "treatment", "coverage")
    trained = windows[known].groupby("treatment")["subject"].nunique()
    remarks = {str(group): f"{n} trained on,\nleft out" for group, n in trained.items()}
    draw_groups(ax, animals, looks, remarks=remarks)
    if not any(len(values) for values in animals.values()):
        say_instead(ax, "no time point in the window of a new animal")
    return ax

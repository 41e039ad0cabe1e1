"""Figures of 07_locomotion: where the floor was taken to be, tracks, distance per minute, totals."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle
from matplotlib.ticker import MaxNLocator

from painlib.locomotion.group_tests import CM_PER_M, LocomotionResult
from painlib.locomotion.shown import ShownFloor, ShownTrack
from painlib.plots.groups import average_animals, draw_groups
from painlib.plots.minute_tests import describe_marks, draw_lanes
from painlib.plots.statistics import find_brackets
from painlib.plots.style import (
    BLACK,
    DARK,
    DOUBLE_MM,
    GREY,
    INCH_MM,
    LETTER_MM,
    PALE,
    SMALL_PT,
    TITLE_PT,
    VERMILION,
    Look,
    group_looks,
    page_figure,
    panel_axes,
    paper_style,
    say_instead,
    shorten,
)
from painlib.stats.wording import PUBLISHED

TIME_LABEL = "Time after treatment (min)"
MOST_POINTS = 4000  # of a track that are drawn; more are not told apart in print
_PANEL_MM = 34.0
_MOST_COLUMNS = 5


@paper_style()
def plot_tracks(
    tracks: Sequence[ShownTrack], result: LocomotionResult, figure: Figure | None = None
) -> Figure:
    """A panel an animal, groups in order: its path on the floor (cm) in the compared window in the colour of
    its group, on that of the habituation in grey.
    """
    groups, (start, end) = result.groups, result.window_min
    ordered = [track for group in groups for track in tracks if track.treatment == group]
    ordered += [track for track in tracks if track.treatment not in groups]
    figure, axes = _lay_panels(len(ordered), 6, figure)
    if not ordered:
        say_instead(axes[0], "no animal was tracked")
        return figure
    looks = find_looks(result)
    for place, (ax, track) in enumerate(zip(axes, ordered, strict=False)):
        ax.set_axis_on()
        look = looks.get(track.treatment, Look(DARK, "o", "-"))
        _draw_track(ax, track, look, (60 * start, 60 * end), -60 * result.pre_window_min)
        ax.set_title(f"{shorten(track.subject, 14)}, {track.treatment or 'no treatment'}", fontsize=SMALL_PT)
        ax.set_xlabel(f"{track.total_m:.1f} m" if np.isfinite(track.total_m) else "no total")
        if place % _MOST_COLUMNS == 0:
            ax.set_ylabel("cm")
    told = (
        f"Grey: the {result.pre_window_min:g} min before treatment. Coloured: minutes {start:g} to {end:g} "
    )
    figure.supxlabel(f"{told}after it, with the distance moved.", fontsize=SMALL_PT, x=0.01, ha="left")
    return figure


def find_looks(result: LocomotionResult) -> dict[str, Look]:
    """Looks of the treatments; the control's is black."""
    return group_looks(result.groups, controls=(result.control,))


def _lay_panels(n: int, room_mm: float, figure: Figure | None) -> tuple[Figure, list[Axes]]:
    """A page of square panels, without axes until they are used."""
    columns = max(1, min(_MOST_COLUMNS, n))
    lines = max(1, -(-n // columns))
    figure = page_figure(figure, DOUBLE_MM, (_PANEL_MM + room_mm) * lines + 10)
    axes = list(figure.subplots(lines, columns, squeeze=False).flat)
    for ax in axes:
        ax.set_axis_off()
    return figure, axes


def _draw_track(ax: Axes, track: ShownTrack, look: Look, window_s: tuple[float, float], pre_s: float) -> None:
    for (first, last), colour, gid in (((pre_s, 0.0), PALE, "before"), (window_s, look.colour, "after")):
        shown = (track.time_s >= first) & (track.time_s < last)
        xy = track.xy[shown][:: max(1, int(shown.sum()) // MOST_POINTS + 1)]
        ax.plot(xy[:, 0], xy[:, 1], color=colour, linewidth=0.5, solid_joinstyle="round", gid=gid)
    ax.set_aspect("equal")
    side = track.side_cm
    if track.floor_known:
        ax.add_patch(Rectangle((0, 0), side, side, fill=False, edgecolor=BLACK, linewidth=0.6, gid="floor"))
        margin = 0.06 * side
        ax.set(xlim=(-margin, side + margin), ylim=(side + margin, -margin))
        ax.set_xticks([0, side])
        ax.set_yticks([0, side])
    else:  # where the floor lies is not known, only its side: the same scale about the track's middle
        middle = [(np.nanmin(values) + np.nanmax(values)) / 2 for values in track.xy.T]
        reach = 0.56 * track.side_cm
        ax.set(xlim=(middle[0] - reach, middle[0] + reach), ylim=(middle[1] + reach, middle[1] - reach))
        ax.xaxis.set_major_locator(MaxNLocator(3))
        ax.yaxis.set_major_locator(MaxNLocator(3))


@paper_style()
def plot_floors(floors: Sequence[ShownFloor], figure: Figure | None = None) -> Figure:
    """The empty floor of each animal's video, and the outline that was taken for the floor."""
    figure, axes = _lay_panels(len(floors), 4, figure)
    if not floors:
        say_instead(axes[0], "no animal was tracked")
    for ax, shown in zip(axes, floors, strict=False):
        if shown.picture is None:
            say_instead(ax, "no video")
        else:
            ax.imshow(shown.picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            if shown.corners is not None:
                dashes = "-" if shown.how == "corners found" else "--"
                outline = Polygon(shown.corners, fill=False, edgecolor=VERMILION, linestyle=dashes)
                outline.set(linewidth=1.0, gid="outline")
                ax.add_patch(outline)
        ax.set_title(f"{shorten(shown.subject, 14)}: {shown.how}", fontsize=SMALL_PT)
    asked = "Does the outline follow the edge of the floor, and not the walls' upper edge? "
    how = "Solid: found. Dashed: given. None: a side alone was given."
    figure.supxlabel(asked + how, fontsize=SMALL_PT, x=0.01, ha="left")
    return figure


@paper_style()
def plot_distance_minutes(
    result: LocomotionResult, ax: Axes | None = None, looks: Mapping[str, Look] | None = None
) -> Axes:
    """Mean (line) and standard error (band) of the moving distance per minute and group, m; treatment at 0.

    Habituation stands left of 0; the window that is compared is the grey bar above, and the minutes that
    differ are marked below 0.
    """
    ax = panel_axes(ax)
    looks = find_looks(result) if looks is None else looks
    curves = result.curves[result.curves["mean"].notna()]
    for group in result.groups:
        of_group = curves[curves["group"] == group]
        for before in (False, True):  # no line across the treatment
            _draw_curve(ax, of_group[(of_group["minute"] < 0) == before], group, looks[group], not before)
    ax.set(xlabel=TIME_LABEL, ylabel="Moving distance (m/min)")
    if curves.empty:
        return say_instead(ax, "no minute with a distance")
    high = float((curves["mean"] + curves["sem"].fillna(0)).max()) / CM_PER_M
    high = high or 1.0
    start, end = result.window_min
    ax.plot([start, end], [1.06 * high] * 2, color=GREY, linewidth=2, solid_capstyle="butt", gid="window")
    ax.text(
        (start + end) / 2, 1.08 * high, "compared", ha="center", va="bottom", fontsize=SMALL_PT, color=DARK
    )
    first, last = int(curves["minute"].min()), int(curves["minute"].max()) + 1
    if first < 0:
        ax.axvline(0, color=DARK, linewidth=0.6, linestyle=":", gid="treatment")
    ax.set_xlim(first - 0.02 * (last - first), last + 0.02 * (last - first))
    ax.set_ylim(0, high * (1.2 + 0.12 * len(result.groups)))
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.legend(loc="upper left", borderpad=0, labelspacing=0.25)
    ticks = [tick for tick in MaxNLocator(4).tick_values(0, high) if 0 <= tick <= high]
    draw_lanes(ax, result.over_time, looks, 0.12 * high, {tick: f"{tick:g}" for tick in ticks})
    ax.spines["left"].set_bounds(0, high)
    return ax


def _draw_curve(ax: Axes, curve: pd.DataFrame, group: str, look: Look, named: bool) -> None:
    """One stretch of a group's curve; `named` in the legend."""
    values = curve.set_index("minute")[["mean", "sem"]].astype(float) / CM_PER_M
    if len(values):  # a minute left out is a gap
        values = values.reindex(np.arange(values.index.min(), values.index.max() + 1))
    x, mean, sem = values.index + 0.5, values["mean"].to_numpy(), values["sem"].to_numpy()
    n = f"n = {int(curve['n'].max())}" if len(curve) else "no value"
    label = f"{group} ({n})" if named else None
    (line,) = ax.plot(x, mean, look.marker, color=look.colour, markersize=2.2, label=label, gid=group)
    line.set_linestyle(look.line)
    if len(values) == 1 and np.isfinite(sem).any():  # a band has no width there
        ax.errorbar(x, mean, sem, color=look.colour, linewidth=0.8, capsize=2, linestyle="none")
    elif np.isfinite(sem).any():
        ax.fill_between(
            x, mean - sem, mean + sem, color=look.colour, alpha=0.2, linewidth=0, gid=f"{group} sem"
        )


@paper_style()
def plot_totals(
    result: LocomotionResult, stretch: str, ax: Axes | None = None, looks: Mapping[str, Look] | None = None
) -> Axes:
    """Each animal, and mean ± SEM a group, with the stars of the published test; `stretch`: "habituation",
    "treated" (m), or "coverage" (measured share of the window)."""
    ax = panel_axes(ax, height_mm=50.0)
    looks = find_looks(result) if looks is None else looks
    test = result.tests[stretch]
    animals = average_animals(test.animals, list(result.groups), "group", "value")
    draw_groups(ax, animals, looks)
    start, end = result.window_min
    labels = {
        "habituation": f"Moving distance (m),\n{result.pre_window_min:g} min before treatment",
        "treated": f"Moving distance (m),\nminutes {start:g}–{end:g} after treatment",
        "coverage": "Measured share of the time,\nafter treatment",
    }
    ax.set(xlabel="Treatment", ylabel=labels[stretch])
    values = test.animals["value"]
    if values.empty:
        return say_instead(ax, "no animal with a value")
    top = 1.0 if stretch == "coverage" else float(values.max()) or 1.0
    brackets = find_brackets(test.table, list(result.groups), PUBLISHED)
    for lane, (left, right, stars) in enumerate(brackets):
        y = top * (1.06 + 0.13 * lane)
        rise = 0.02 * top
        ax.plot(
            [left, left, right, right], [y, y + rise, y + rise, y], color=BLACK, linewidth=0.7, gid="bracket"
        )
        above = y + (0.01 if "*" in stars else 0.03) * top
        ax.text((left + right) / 2, above, stars, ha="center", va="bottom", gid="stars")
    ax.set_ylim(0, top * (1.1 + 0.14 * max(1, len(brackets))))
    ax.yaxis.set_major_locator(MaxNLocator(5))
    return ax


@paper_style()
def plot_locomotion(result: LocomotionResult, figure: Figure | None = None) -> Figure:
    """The page of the assay: A distance per minute, B habituation, C after treatment, D measured share."""
    figure = page_figure(figure, DOUBLE_MM, 124.0)
    grid = figure.add_gridspec(2, 3, height_ratios=[56, 50])
    looks = find_looks(result)
    curves = figure.add_subplot(grid[0, :])
    plot_distance_minutes(result, curves, looks)
    panels = [curves]
    for column, stretch in enumerate(("habituation", "treated", "coverage")):
        panels.append(plot_totals(result, stretch, figure.add_subplot(grid[1, column]), looks))
    for letter, ax in zip("ABCD", panels, strict=True):
        ax.set_title(letter, loc="left", fontweight="bold", fontsize=TITLE_PT)
    table = result.tests["treated"].table
    ran = table[table["statistic"].notna() & (table["role"] == PUBLISHED)]
    named = ", ".join(dict.fromkeys(ran["test"]))
    letters = int((figure.get_size_inches()[0] * INCH_MM - 4) / LETTER_MM)
    told = (
        f"{describe_marks([result.over_time])} Symbols: animals. Brackets: tests as published "
        f"({named or 'none ran'}); * P < 0.05, ** P < 0.01, *** P < 0.001, n.s. not below 0.05."
    )
    figure.supxlabel(
        textwrap.fill(told, letters),
        fontsize=SMALL_PT,
        x=0.01,
        ha="left",
    )
    return figure

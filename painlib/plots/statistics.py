"""Figures of 04_statistics: the paper's panels, from curves, animals and tests."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from itertools import permutations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.ticker import MaxNLocator

from painlib.plots.groups import average_animals, draw_groups
from painlib.plots.style import (
    BLACK,
    DARK,
    DOUBLE_MM,
    GREY,
    INCH_MM,
    LETTER_MM,
    SMALL_PT,
    TEXT_PT,
    TITLE_PT,
    Look,
    group_looks,
    page_figure,
    panel_axes,
    panel_mm,
    paper_style,
    say_instead,
)
from painlib.stats import AssayResult, GroupTest
from painlib.stats.wording import PAIRED_T, PUBLISHED, format_p, join_words

TIME_LABEL = "Time after injection (min)"
_LANE = 0.15  # height of a line of legend or a bracket above the data, in units of probability


@paper_style()
def plot_assay_curves(
    curves: pd.DataFrame,
    ax: Axes | None = None,
    window: tuple[float, float] | None = None,
    looks: Mapping[str, Look] | None = None,
    time_label: str = TIME_LABEL,
) -> Axes:
    """Mean (line) and standard error (band) of the pain probability per minute and group.

    `curves`: `group`, `minute`, `n`, `mean`, `sem` (0 to 1; NaN leaves a gap), one row a group and minute,
    drawn at the minute's middle. `window`: the stretch that is averaged, min, as a grey bar above. The
    legend stands above 1, where no data can be.
    """
    ax = panel_axes(ax)
    groups = list(dict.fromkeys(curves["group"]))
    looks = group_looks(groups) if looks is None else looks
    drawn = curves[curves["minute"].notna() & curves["mean"].notna()]
    for group in groups:
        _draw_curve(ax, drawn[drawn["group"] == group], group, looks[group])
    columns = _legend_columns(ax)
    room = _LANE * -(-len(groups) // columns)
    if window is not None and not drawn.empty:
        ax.plot(window, [1.03, 1.03], color=GREY, linewidth=2, solid_capstyle="butt", gid="window")
        ax.text(sum(window) / 2, 1.045, "averaged", ha="center", va="bottom", fontsize=SMALL_PT, color=DARK)
        room += _LANE
    _scale_probability(ax, 1 + room)
    ax.set(xlabel=time_label, ylabel="Pain probability")
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    if drawn.empty:
        ax.set_xlim(window or (0, 30))
        return say_instead(ax, "no minute with a value")
    first, last = drawn["minute"].min(), drawn["minute"].max() + 1
    ax.set_xlim(first - 0.02 * (last - first), last + 0.02 * (last - first))
    ax.legend(loc="upper left", borderpad=0, labelspacing=0.25, ncols=columns)
    return ax


def _legend_columns(ax: Axes) -> int:
    """How many entries of the legend fit side by side above the panel, as wide as it is before the layout."""
    names = ax.get_legend_handles_labels()[1]
    entry_mm = 10 + LETTER_MM * max((len(name) for name in names), default=1)
    return max(1, min(len(names), int(panel_mm(ax) / entry_mm)))


def _draw_curve(ax: Axes, curve: pd.DataFrame, group: str, look: Look) -> None:
    values = curve.set_index("minute")[["mean", "sem"]].astype(float)
    if len(values):  # a minute left out is a gap
        values = values.reindex(np.arange(values.index.min(), values.index.max() + 1))
    x, mean, sem = values.index + 0.5, values["mean"].to_numpy(), values["sem"].to_numpy()
    n = f"n = {int(curve['n'].max())}" if len(curve) else "no value"
    (line,) = ax.plot(
        x, mean, look.marker, color=look.colour, markersize=2.2, label=f"{group} ({n})", gid=group
    )
    line.set_linestyle(look.line)
    if np.isfinite(sem).any():
        low, high = mean - sem, mean + sem
        ax.fill_between(x, low, high, color=look.colour, alpha=0.2, linewidth=0, gid=f"{group} sem")


def _scale_probability(ax: Axes, top: float) -> None:
    """An axis that ends at 1, with room up to `top` for what stands above the data."""
    ax.set_ylim(-0.02, top)
    ax.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    ax.spines["left"].set_bounds(0, 1)


@paper_style()
def plot_assay_means(
    values: pd.DataFrame,
    test: pd.DataFrame,
    ax: Axes | None = None,
    groups: Sequence[str] | None = None,
    looks: Mapping[str, Look] | None = None,
    paired: bool = False,
    label: str = "Mean pain probability",
    role: str = PUBLISHED,
) -> Axes:
    """Each animal, and mean ± SEM a group, with the stars of `test` as brackets above.

    `values`: `group`, `subject`, `value` (0 to 1), as `GroupTest.animals`; `test`: as `GroupTest.table`, of
    which the rows of `role` that compare two groups are shown: their stars, or n.s.; a test that did not
    run has no bracket.
    """
    ax = panel_axes(ax)
    groups = list(dict.fromkeys(values["group"])) if groups is None else list(groups)
    looks = group_looks(groups) if looks is None else looks
    animals = average_animals(values, groups, "group", "value")
    draw_groups(ax, animals, looks, paired)
    brackets = find_brackets(test, groups, role)
    for lane, (left, right, stars) in enumerate(brackets):
        y = 1.03 + _LANE * lane
        x, rise = [left, left, right, right], [y, y + 0.02, y + 0.02, y]
        ax.plot(x, rise, color=BLACK, linewidth=0.7, gid="bracket")
        above = y + (0.01 if "*" in stars else 0.03)  # a star hangs high in its line
        ax.text((left + right) / 2, above, stars, ha="center", va="bottom", gid="stars")
    _scale_probability(ax, 1 + _LANE * max(1, len(brackets)))
    ax.set(ylabel=label, xlabel="Treatment")
    if not any(len(values) for values in animals.values()):
        say_instead(ax, "no animal with a value")
    return ax


def find_brackets(
    test: pd.DataFrame, groups: Sequence[str], role: str = PUBLISHED
) -> list[tuple[int, int, str]]:
    """(left place, right place, stars or "n.s.") of each pair of groups whose test ran, narrowest first."""
    pairs = list(permutations(range(len(groups)), 2))
    places = {f"{groups[one]} - {groups[other]}": sorted((one, other)) for one, other in pairs}
    brackets = []
    for row in test[test["role"] == role].to_dict("records"):
        p = row["p"] if pd.isna(row["p_corrected"]) else row["p_corrected"]
        if row["comparison"] in places and not pd.isna(p):
            left, right = places[row["comparison"]]
            brackets.append((left, right, row["stars"] or "n.s."))
    return sorted(brackets, key=lambda bracket: (bracket[1] - bracket[0], bracket[0]))


@paper_style()
def plot_paper_panels(
    results: Sequence[AssayResult], time_label: str = TIME_LABEL, figure: Figure | None = None
) -> Figure:
    """The paper's panels: of each assay before treatment (where filmed), after it per minute, and means.

    With the paper's four assays, the first filmed before too, these are its nine panels A to I. Fewer
    assays, fewer panels. Treatments look the same in every assay; the control of each is black.
    """
    if not results:
        figure = page_figure(figure, DOUBLE_MM, 40)
        ax = figure.subplots()
        ax.set_axis_off()
        say_instead(ax, "no assay was analysed")
        return figure
    # Taller lines where more lines of legend stand above the data.
    heights = [42 + 4 * (1 + (len(result.groups) if _filmed_before(result) else 1)) for result in results]
    figure = page_figure(figure, DOUBLE_MM, sum(heights) + 12)
    grid = figure.add_gridspec(len(results), 3, height_ratios=heights)
    n_drawn = 0
    for line, result in enumerate(results):
        axes = _draw_assay(figure, grid, line, result, find_looks(result, results), time_label)
        top = max(ax.get_ylim()[1] for ax in axes)  # panels of one line share their scale
        for ax in axes:
            ax.set_ylim(top=top)
            ax.set_title(chr(ord("A") + n_drawn), loc="left", fontweight="bold", fontsize=TITLE_PT)
            n_drawn += 1
    letters = int((figure.get_size_inches()[0] * INCH_MM - 4) / LETTER_MM)
    figure.supxlabel(textwrap.fill(_describe_marks(results), letters), fontsize=TEXT_PT, x=0.01, ha="left")
    return figure


def _filmed_before(result: AssayResult) -> bool:
    return bool((result.curves["minute"] < 0).any())


def find_looks(result: AssayResult, results: Sequence[AssayResult]) -> dict[str, Look]:
    """Looks of one assay's groups, by the treatments of all assays."""
    treated = [group for one in results for group in one.groups if group != one.control]
    return group_looks(treated, controls=()) | group_looks([result.control])


def _draw_assay(
    figure: Figure, grid: GridSpec, line: int, result: AssayResult, looks: Mapping[str, Look], time_label: str
) -> list[Axes]:
    """Panels of one assay in a line of the page: before, after, means; without before, after is wider."""
    before = _filmed_before(result)
    cells = [grid[line, 0], grid[line, 1], grid[line, 2]] if before else [grid[line, :2], grid[line, 2]]
    axes = [figure.add_subplot(cell) for cell in cells]
    if before:
        plot_assay_curves(result.curves[result.curves["minute"] < 0], axes[0], None, looks, time_label)
        axes[0].set_title(f"before; {_summarise_test(result.pre)}", loc="right")
    after = result.curves[~(result.curves["minute"] < 0)]
    plot_assay_curves(after, axes[-2], result.window_min, looks, time_label)
    axes[-2].set_title(result.assay, loc="right")
    start, end = result.window_min
    plot_assay_means(
        result.post.animals,
        result.post.table,
        axes[-1],
        result.groups,
        looks,
        paired=_is_paired(result.post),
        label=f"Pain probability,\nmean of {start:g}–{end:g} min",
    )
    return axes


def _is_paired(test: GroupTest) -> bool:
    return bool((test.table["test"] == PAIRED_T).any())


def _summarise_test(test: GroupTest) -> str:
    """The P of the first published test, or that none ran."""
    p = test.table.loc[test.table["role"] == PUBLISHED, "p"].dropna()
    return format_p(float(p.iloc[0])) if len(p) else "not tested"


def _describe_marks(results: Sequence[AssayResult]) -> str:
    """What the marks mean, and which tests ran."""
    tests: dict[str, list[str]] = {}
    for result in results:
        table = result.post.table
        ran = table.loc[(table["role"] == PUBLISHED) & table["statistic"].notna(), "test"]
        tests.setdefault(join_words(list(ran.unique())) or "none", []).append(result.assay)
    named = "; ".join(f"{test} ({join_words(assays)})" for test, assays in tests.items())
    sentences = ["Curves: mean ± SEM over animals, per minute. Symbols: animals, with mean ± SEM."]
    if any(_is_paired(result.post) for result in results):
        sentences.append("Grey lines join the values of one animal.")
    sentences.append(f"Tests as published: {named}.")
    bounds = ["* P < 0.05", "** P < 0.01", "*** P < 0.001", "n.s. not below 0.05"]
    unbroken = [bound.replace(" ", "\N{NO-BREAK SPACE}") for bound in bounds]
    return " ".join([*sentences, ", ".join(unbroken) + "."])

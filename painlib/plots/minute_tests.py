"""Minute curves with the minutes that differ marked under them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from painlib.plots.statistics import TIME_LABEL, find_looks, plot_assay_curves
from painlib.plots.style import (
    DARK,
    DOUBLE_MM,
    GREY,
    INCH_MM,
    LETTER_MM,
    SMALL_PT,
    TEXT_PT,
    TITLE_PT,
    Look,
    page_figure,
    paper_style,
    say_instead,
    shorten,
)
from painlib.stats import AnimalTests, AssayResult
from painlib.stats.wording import CLUSTER, format_p, join_words

_LANE = 0.11  # height of a comparison's line under the curves, in units of probability
_NAME, _TITLE = 18, 34  # letters of a group's name beside its line, and of an assay's above


@paper_style()
def plot_minute_tests(
    results: Sequence[AssayResult],
    answers: Sequence[AnimalTests],
    time_label: str = TIME_LABEL,
    figure: Figure | None = None,
) -> Figure:
    """The curves of each assay's window, and under them, a line a treated group, the minutes that differ.

    `results` and `answers` (of `run_animal_tests`) belong together, in one order. Thick: corrected P below
    alpha (max-T); thin: tested. What the cluster test says stands in words below: it has no minutes.
    """
    if not results:
        figure = page_figure(figure, DOUBLE_MM, 40)
        ax = figure.subplots()
        ax.set_axis_off()
        say_instead(ax, "no assay was analysed")
        return figure
    columns = min(2, len(results))
    rows = -(-len(results) // columns)
    figure = page_figure(figure, DOUBLE_MM, 62 * rows + 22)
    grid = figure.add_gridspec(rows, columns)
    for place, (result, answer) in enumerate(zip(results, answers, strict=True)):
        ax = figure.add_subplot(grid[place // columns, place % columns])
        _draw_assay(ax, result, answer, find_looks(result, results), time_label)
        ax.set_title(chr(ord("A") + place), loc="left", fontweight="bold", fontsize=TITLE_PT)
        ax.set_title(shorten(result.assay, _TITLE), loc="right")
    letters = int((figure.get_size_inches()[0] * INCH_MM - 4) / LETTER_MM)
    told = textwrap.fill(describe_marks(answers), letters)
    figure.supxlabel(told, fontsize=TEXT_PT, x=0.01, ha="left")
    return figure


def _draw_assay(
    ax: Axes, result: AssayResult, answer: AnimalTests, looks: Mapping[str, Look], time_label: str
) -> None:
    start, end = result.window_min
    inside = (result.curves["minute"] >= start) & (result.curves["minute"] + 1 <= end)
    plot_assay_curves(result.curves[inside], ax, None, looks, time_label)
    draw_lanes(ax, answer, looks, _LANE, {0: "0", 0.5: "0.5", 1: "1"})


def draw_lanes(
    ax: Axes, answer: AnimalTests, looks: Mapping[str, Look], lane: float, ticks: Mapping[float, str]
) -> None:
    """Below 0, a line a treated group, `lane` apart in units of the data: the minutes that were tested and
    those that differ. `ticks`: the labels of the axis above, by their place."""
    names = []
    for number, comparison in enumerate(dict.fromkeys(answer.minutes["comparison"]), start=1):
        group = comparison.removesuffix(f" - {answer.control}")
        own = answer.minutes[answer.minutes["comparison"] == comparison]
        _draw_lane(ax, own, -lane * number, looks[group].colour)
        names.append(shorten(group, _NAME))
    lanes = [-lane * number for number in range(1, len(names) + 1)]
    ax.set_ylim(bottom=-lane * (len(names) + 0.6))
    ax.set_yticks([*lanes[::-1], *ticks], [*names[::-1], *ticks.values()])
    for label, tick in zip(ax.get_yticklabels(), ax.yaxis.get_major_ticks(), strict=True):
        if label.get_text() in names:
            label.set_fontsize(SMALL_PT)
            tick.tick1line.set_visible(False)


def _draw_lane(ax: Axes, minutes: pd.DataFrame, y: float, colour: str) -> None:
    """Thin where a minute was tested, thick where it differs; words where none was."""
    tested = minutes["p_corrected"].notna().to_numpy()
    if not tested.any():
        middle = (minutes["minute"].min() + minutes["minute"].max() + 1) / 2
        ax.text(
            middle, y, "not tested", ha="center", va="center", fontsize=SMALL_PT, color=DARK, gid="untested"
        )
        return
    for first, last in _find_runs(minutes["minute"].to_numpy(), tested):
        ax.plot([first, last + 1], [y, y], color=GREY, linewidth=0.6, solid_capstyle="butt", gid="tested")
    for first, last in _find_runs(minutes["minute"].to_numpy(), minutes["significant"].to_numpy(bool)):
        ax.plot(
            [first, last + 1], [y, y], color=colour, linewidth=4, solid_capstyle="butt", gid="significant"
        )


def _find_runs(minutes: np.ndarray, marked: np.ndarray) -> list[tuple[int, int]]:
    """First and last minute of every run of marked minutes."""
    places = np.flatnonzero(marked)
    runs = np.split(places, np.flatnonzero(np.diff(places) > 1) + 1) if len(places) else []
    return [(int(minutes[run[0]]), int(minutes[run[-1]])) for run in runs]


def describe_marks(answers: Sequence[AnimalTests]) -> str:
    """What the lines mean, and what the clusters say."""
    alphas = join_words(list(dict.fromkeys(f"{answer.alpha:g}" for answer in answers)))
    sentences = [
        "Curves: mean ± SEM over animals, per minute. Lines under the curves, one a treated group: thin, the "
        f"minutes that were compared with the control; thick, those with corrected P < {alphas} (max-T "
        "permutation of whole animals, two-sided)."
    ]
    told = []
    for answer in answers:
        rows = answer.table[(answer.table["test"] == CLUSTER) & answer.table["p"].notna()]
        for row in rows.to_dict("records"):
            p = row["p"] if pd.isna(row["p_corrected"]) else row["p_corrected"]
            unbroken = format_p(p).replace(" ", "\N{NO-BREAK SPACE}")
            told.append(f"{answer.assay}, {row['comparison']}: {unbroken}")
    if told:
        sentences.append(
            "Whole curves, by cluster permutation, which cannot say in which minutes they differ: "
            f"{'; '.join(told)}."
        )
    return " ".join(sentences)

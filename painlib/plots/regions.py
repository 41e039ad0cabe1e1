"""Figures of the 13 regions: how often they were marked, with its tests (Fig. 2C), and their picture."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Polygon
from scipy import ndimage

from painlib.plots.style import (
    BLACK,
    CLASS_LOOKS,
    DARK,
    DOUBLE_MM,
    GREY,
    INCH_MM,
    LETTER_MM,
    PALE,
    PURPLE,
    SMALL_PT,
    TEXT_PT,
    count,
    page_figure,
    paper_style,
    say_instead,
    swarm_offsets,
)
from painlib.region_tests.frequency import PUBLISHED_ALONE, PUBLISHED_ONLY
from painlib.regions.names import REGIONS, name_column
from painlib.regions.template import SCALE, STAGE, VIEWS, Template, load_template
from painlib.stats import find_stars
from painlib.stats.wording import format_p

ROW_MM = 6.2  # height of a region's row
_GREYS = (0.299, 0.587, 0.114)  # of red, green and blue in brightness
_BAR = 0.34  # height of a bar, in rows
_VIEW_TITLES = {"front": "From the front", "turned": "Head turned", "side": "From the side"}
_MARK_WORDS = {
    PUBLISHED_ONLY: "significant by face only: not with the animal as the unit",
    PUBLISHED_ALONE: "significant by face; too few animals to test",
}


@paper_style()
def plot_region_frequencies(
    table: pd.DataFrame,
    differences: pd.DataFrame | None = None,
    marked_by: str = "",
    figure: Figure | None = None,
) -> Figure:
    """The paper's Fig. 2C: how often each region was marked in both classes, and beside it the animals.

    `table` of `test_frequencies`, one row a region, drawn from the top; `differences` of
    `compute_differences`, each animal's difference. Stars are those of the published test; what the test with
    the animal as the unit does not confirm has grey stars and an open diamond, what it cannot test a
    question mark. `marked_by`: who or what made the marks ("proposed by the template, headless"), printed
    above.
    """
    figure = page_figure(figure, DOUBLE_MM, ROW_MM * max(len(table), 3) + 42)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1.25, 1])
    if marked_by:
        figure.suptitle(f"Marks: {marked_by}", x=0.01, ha="left", fontsize=TEXT_PT, fontweight="bold")
    _draw_frequencies(left, table)
    _draw_differences(right, table, differences)
    set_rows((left, right), list(table["region"]))
    letters = int((figure.get_size_inches()[0] * INCH_MM - 4) / LETTER_MM)
    figure.supxlabel(textwrap.fill(_describe_tests(table), letters), fontsize=TEXT_PT, x=0.01, ha="left")
    return figure


def _draw_frequencies(ax: Axes, table: pd.DataFrame) -> None:
    longest = 100 * np.nanmax([*table["frequency_pain"], *table["frequency_no_pain"], 0.05])
    ax.set(xlim=(0, 1.28 * longest), xlabel="Faces in which the region is marked (%)")
    for place, row in enumerate(table.to_dict("records")):
        values = []
        for side, label in ((-0.5, "no pain"), (0.5, "pain")):
            share = 100 * row[f"frequency_{name_column(label)}"]
            ax.barh(place + side * _BAR, share, _BAR, gid=f"{label} {row['region']}", **_bar_look(label))
            values.append(share)
        end = np.nanmax([*values, 0]) + 0.015 * longest
        if np.isnan(row["p"]):
            told = row["note"].split(": ")[-1].split(";")[0]
            ax.text(end, place, told, va="center", fontsize=SMALL_PT, color=DARK, gid="note", style="italic")
        elif row["stars"]:
            _draw_stars(ax, end, place, row["stars"], row["verdict"], longest)
    first = table.iloc[0]
    n = {label: f"{label} (n = {first[f'n_{name_column(label)}']:,} faces)" for label in CLASS_LOOKS}
    bars = [Patch(label=n[label], **_bar_look(label)) for label in ("no pain", "pain")]
    marks = [
        Line2D([], [], linestyle="", label=words, **_mark_look(verdict))
        for verdict, words in _MARK_WORDS.items()
        if (table["verdict"] == verdict).any()
    ]
    ax.legend(
        handles=[*bars, *marks], loc="lower left", bbox_to_anchor=(0, 1), borderpad=0.2, labelspacing=0.3
    )


def _bar_look(label: str) -> dict[str, Any]:
    colour = CLASS_LOOKS[label].colour
    if label == "pain":
        return {"facecolor": colour, "edgecolor": colour}
    return {"facecolor": "white", "edgecolor": colour, "hatch": "////////"}


def _mark_look(verdict: str) -> dict[str, Any]:
    if verdict == PUBLISHED_ONLY:
        return {"marker": "D", "color": PURPLE, "markerfacecolor": "none", "markersize": 4.5}
    return {"marker": "$?$", "color": PURPLE, "markersize": 5.5, "markeredgewidth": 0.4}


def _draw_stars(ax: Axes, x: float, place: int, stars: str, verdict: str, longest: float) -> None:
    doubted = verdict in _MARK_WORDS
    # A star hangs high in its line.
    ax.text(x, place + 0.12, stars, va="center", fontsize=TEXT_PT + 1, fontweight="bold", gid="stars",
            color=GREY if doubted else BLACK)  # fmt: skip
    if doubted:
        ax.plot(x + longest * (0.03 + 0.028 * len(stars)), place, gid=verdict, **_mark_look(verdict))


def _draw_differences(ax: Axes, table: pd.DataFrame, differences: pd.DataFrame | None) -> None:
    """Each animal's difference, in points of a hundred, their mean with its interval, and the corrected P."""
    ax.set_xlabel("Difference of each animal, pain − no pain (points)")
    ax.axvline(0, color=GREY, linewidth=0.6, zorder=0)
    ax.set_xlim(-1, 1)
    seen = pd.DataFrame() if differences is None else differences[differences["difference"].notna()]
    bounds = table[["animal_difference", "animal_ci_low", "animal_ci_high"]].to_numpy(float)
    drawn = 100 * np.concatenate(
        [bounds.ravel(), seen.get("difference", pd.Series(dtype=float)).to_numpy(float)]
    )
    if not np.isfinite(drawn).any():
        say_instead(ax, "no animal with faces of both classes")
        return
    limit = 1.06 * max(np.nanmax(np.abs(drawn)), 5)
    ax.set_xlim(-limit, limit)
    for place, (region, row) in enumerate(zip(table["region"], bounds * 100, strict=True)):
        if len(seen):
            values = 100 * seen.loc[seen["region"] == region, "difference"].to_numpy(float)
            offsets = swarm_offsets(values, 0.3, 0.04 * limit)
            (points,) = ax.plot(
                values, place + offsets, "o", color=DARK, markersize=2.6, gid=f"animals {region}"
            )
            points.set(markerfacecolor="white", markeredgewidth=0.6)
        ax.plot([row[0]] * 2, [place - 0.36, place + 0.36], color=BLACK, linewidth=1.4, gid=f"mean {region}")
        if np.isfinite(row[1:]).all():
            ax.plot(row[1:], [place] * 2, color=BLACK, linewidth=0.9, gid=f"interval {region}")
    _write_p(ax, table)


def _write_p(ax: Axes, table: pd.DataFrame) -> None:
    """The corrected P of each region right of the panel, bold below alpha."""
    if not table["n_flips"].iloc[0]:
        ax.set_title("Animals: not testable", color=DARK)
        return
    beside = ax.get_yaxis_transform()
    for place, row in enumerate(table.to_dict("records")):
        p = row["animal_p_corrected"]
        stars = find_stars(p) if p < row["alpha"] else ""
        value = format_p(p).removeprefix("P = ").removeprefix("P ")
        told = "–" if np.isnan(p) else f"{value} {stars}"
        weight = "bold" if p < row["alpha"] else "normal"
        ax.text(
            1.02, place, told, transform=beside, va="center", fontsize=SMALL_PT, fontweight=weight, gid="p"
        )
    ax.text(1.02, 1.01, "P (max-T)", transform=ax.transAxes, va="bottom", fontsize=SMALL_PT)


def set_rows(axes: Sequence[Axes], names: list[str]) -> None:
    """Region names as rows, the first on top; bands lead the eye through panels that share them."""
    axes[0].set_yticks(range(len(names)), names)
    axes[0].set_ylim(len(names) - 0.45, -0.55)
    for ax in axes:
        for place in range(1, len(names), 2):
            ax.axhspan(place - 0.5, place + 0.5, color=PALE, alpha=0.35, linewidth=0, zorder=-1)
        ax.tick_params(axis="y", length=0)


def _describe_tests(table: pd.DataFrame) -> str:
    first = table.iloc[0]
    yates = "with" if first["yates"] else "without"
    bounds = ["* P < 0.05", "** P < 0.01", "*** P < 0.001"]
    sentences = [
        f"Left: chi-squared test {yates} Yates's correction, the face being the unit, Bonferroni over "
        f"{first['n_comparisons']} regions, as published; "
        + ", ".join(bound.replace(" ", "\N{NO-BREAK SPACE}") for bound in bounds) + "."
    ]  # fmt: skip
    n = count(int(first["n_animals"]), "animal")
    if first["n_flips"]:
        sentences.append(
            f"Right: {n}, with mean and {100 * (1 - first['alpha']):g} % t interval of each region alone; P: "
            "signs flipped over animals, largest mean of the regions; the smallest that can be reached is "
            f"{first['animal_smallest_p']:.3g}."
        )
    else:
        sentences.append(f"Right: {first['animal_note']}.")
    if first["n_cannot_judge"]:
        sentences.append(f"Not judged and left out: {count(int(first['n_cannot_judge']), 'face')}.")
    return " ".join(sentences)


@paper_style()
def plot_region_key(figure: Figure | None = None) -> Figure:
    """The 13 regions, numbered, on the package's own drawings of a mouse: the template that places them."""
    templates = [load_template(view) for view in VIEWS]
    figure = page_figure(figure, DOUBLE_MM, 72)
    frames = [_find_frame(template) for template in templates]
    axes = figure.subplots(1, len(VIEWS), width_ratios=[right - left for left, right, _, _ in frames])
    lowest, highest = min(frame[2] for frame in frames), max(frame[3] for frame in frames)
    for ax, template, frame in zip(axes, templates, frames, strict=True):
        ax.set(xlim=frame[:2], ylim=(highest, lowest), aspect="equal", facecolor=template.fills["stage"])
        ax.set(xticks=[], yticks=[])
        ax.spines[["left", "bottom"]].set_visible(False)
        title = ax.text(0.02, 0.985, _VIEW_TITLES[template.view], fontsize=SMALL_PT, va="top", gid="view")
        title.set_transform(ax.transAxes)
        _draw_template(ax, template)
    handles = [
        Patch(facecolor=templates[0].fills[region], edgecolor=DARK, linewidth=0.5, label=f"{number} {region}")
        for number, region in enumerate(REGIONS, start=1)
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=7, handlelength=1.2, columnspacing=1.2)
    return figure


def _find_frame(template: Template) -> tuple[float, float, float, float]:
    """Left, right, top and bottom of what is drawn of the mouse, with a margin of stage."""
    corners = np.concatenate([outline for number, outline in template.outlines if number != STAGE])
    (left, top), (right, bottom) = corners.min(axis=0) - 20, corners.max(axis=0) + 20
    return left, right, top - 20, bottom


def _draw_template(ax: Axes, template: Template) -> None:
    """Outlines from the lowest layer up, and each region's number where most of it is seen."""
    for number, outline in template.outlines:
        if number != STAGE:
            fill = template.fills[REGIONS[number]]
            ax.add_patch(Polygon(outline, facecolor=fill, edgecolor=DARK, linewidth=0.5, gid=REGIONS[number]))
    for number, region in enumerate(REGIONS):
        inside = np.pad(template.numbers == number, 1)
        if number == STAGE or not inside.any():
            continue
        depth = ndimage.distance_transform_edt(inside)[1:-1, 1:-1]
        row, column = np.unravel_index(np.argmax(depth), depth.shape)
        x, y = template.origin + (np.array([column, row]) + 0.5) / SCALE
        colour = "white" if np.dot(to_rgb(template.fills[region]), _GREYS) < 0.45 else BLACK
        ax.text(
            x, y, str(number + 1), color=colour, fontsize=SMALL_PT, ha="center", va="center", gid="number"
        )

"""Figures of 06_grimace_scale: faces drawn, agreement of raters, scores against label and classifier."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from painlib.grimace import HIGHEST_TOTAL, MEASURES, TOTAL, UNIT_NAMES, GrimaceResult
from painlib.plots.style import (
    BLACK,
    BLUE,
    CLASS_LOOKS,
    DARK,
    DOUBLE_MM,
    GREY,
    PALE,
    SMALL_PT,
    TEXT_PT,
    VERMILION,
    Look,
    count,
    group_looks,
    page_figure,
    paper_style,
    say_instead,
    shorten,
)

ROW_MM = 8.0
_LABELS = ("no pain", "pain")
_FORM_LOOKS = {"ICC(2,1)": Look(BLACK, "o", "-"), "ICC(2,k)": Look(GREY, "s", "--")}
_GRID = np.linspace(0, 1, 201)  # false-positive rates at which the animals' curves are averaged
FEWEST_FACES = 10  # on either side of a cut whose curve is drawn
_MOST_POINTS = 3000


@paper_style()
def plot_drawn_faces(
    images: Sequence[np.ndarray], names: Sequence[str], n_drawn: int, figure: Figure | None = None
) -> Figure:
    """Some of the drawn faces as raters see them: hidden names, no label. `images` RGB uint8."""
    columns = max(1, min(6, len(images)))
    rows = max(1, -(-len(images) // columns))
    figure = page_figure(figure, DOUBLE_MM, 31.0 * rows + 10)
    axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for ax in axes:
        ax.set_axis_off()
    for ax, image, name in zip(axes, images, names, strict=False):
        ax.imshow(image)
        ax.set_title(name, fontsize=SMALL_PT, loc="center")
    figure.suptitle(f"{len(images)} of {count(n_drawn, 'drawn face')}, under their hidden names")
    return figure


@paper_style()
def plot_rater_agreement(result: GrimaceResult, figure: Figure | None = None) -> Figure:
    """ICC of each unit and the total, weighted kappa of each two raters, and one rater against the others.

    Intervals (95 %) are drawn over whole animals. What is not defined says so.
    """
    figure = page_figure(figure, DOUBLE_MM, ROW_MM * len(MEASURES) + 34)
    left, middle, right = figure.subplots(1, 3, sharey=True)
    icc = result.icc
    apart = {"ICC(2,1)": -0.14, "ICC(2,k)": 0.14}
    for form, look in _FORM_LOOKS.items():
        rows = icc[icc["form"] == form].set_index("measure").reindex(MEASURES)
        k = int(np.nan_to_num(rows["n_raters"].max()))
        label = "ICC(2,1), one rater" if form == "ICC(2,1)" else f"ICC(2,k), mean of {k}"
        _draw_rows(
            left, rows, np.arange(len(MEASURES)) + apart[form], look, label, ("icc", "ci_low", "ci_high")
        )
    for place, note in enumerate(
        icc[icc["form"] == "ICC(2,1)"].set_index("measure")["note"].reindex(MEASURES)
    ):
        if note and not note.startswith("no interval"):
            left.text(0.02, place, "not defined", va="center", fontsize=SMALL_PT, color=DARK, gid="undefined")
    pairs = [
        f"{shorten(a, 14)}, {shorten(b, 14)}"
        for a, b in zip(result.kappas["first"], result.kappas["second"], strict=True)
    ]
    named = result.kappas.assign(pair=pairs)
    _draw_groups(middle, named, "pair", ("kappa", "ci_low", "ci_high"))
    _draw_groups(right, result.ceiling, "rater", ("r", "r_low", "r_high"))
    left.set_xlabel("Intraclass correlation\n(1: all variance is of faces)")
    middle.set_xlabel("Weighted kappa, quadratic\n(1: all agree, 0: as by chance)")
    right.set_xlabel("r with the mean of the other raters\n(the human ceiling)")
    for ax in (left, middle, right):
        ax.axvline(0, color=GREY, linewidth=0.6, zorder=0)
        ax.set_xlim(min(-0.05, ax.get_xlim()[0]), 1.02)
        ax.axhline(len(MEASURES) - 1.5, color=PALE, linewidth=0.8, zorder=0)
        if ax.get_legend_handles_labels()[0]:
            ax.legend(loc="lower left", bbox_to_anchor=(0, 1), borderpad=0.2)
    left.set_yticks(range(len(MEASURES)), [UNIT_NAMES.get(measure, measure) for measure in MEASURES])
    left.set_ylim(len(MEASURES) - 0.5, -0.5)
    n = result.icc.loc[result.icc["measure"] == TOTAL, "n_faces"].max()
    animals = result.icc.loc[result.icc["measure"] == TOTAL, "n_subjects"].max()
    rmse = result.ceiling[result.ceiling["measure"] == TOTAL]["rmse"]
    text = f"{count(int(n), 'face')} of {count(int(animals), 'animal')} with a total by every rater"
    text += "; 95 % intervals over animals"
    if rmse.notna().any():
        text += (
            f"\nA rater differs from the mean of the others by {rmse.mean():.2f} points of 10 (RMSE, mean)"
        )
    figure.supxlabel(text, fontsize=TEXT_PT)
    return figure


@paper_style()
def plot_scores_by_label(result: GrimaceResult, figure: Figure | None = None) -> Figure:
    """Totals (mean of raters) of faces before and after treatment: distribution, animals, and each cut."""
    figure = page_figure(figure, DOUBLE_MM, 66)
    left, middle, right = figure.subplots(1, 3, width_ratios=[1.35, 0.9, 1.1])
    judged = result.faces[result.faces["total"].notna()]
    _draw_distribution(left, judged)
    _draw_animals(middle, result.animals)
    cuts = result.cuts
    for name, column in (("pain", "pain_at_or_above"), ("no pain", "no_pain_at_or_above")):
        look = CLASS_LOOKS[name]
        if cuts[column].notna().any():
            right.plot(
                cuts["cut"],
                100 * cuts[column],
                look.marker,
                color=look.colour,
                linestyle=look.line,
                label=name,
                gid=f"cuts {name}",
            )
    right.set(xlabel="Cut of the total (points)", ylabel="Faces at or above the cut (%)", ylim=(-3, 103))
    right.set_xticks(range(1, HIGHEST_TOTAL + 1))
    if right.get_legend_handles_labels()[0]:
        right.legend(loc="upper right", title="label", title_fontsize=TEXT_PT)
    else:
        say_instead(right, "no face with a total")
    return figure


def _draw_groups(ax: Axes, table: pd.DataFrame, by: str, columns: tuple[str, str, str]) -> None:
    """Values of each group in `by`, a row a measure, side by side."""
    names = list(dict.fromkeys(table[by]))
    if not table[columns[0]].notna().any():
        say_instead(ax, "needs two raters who scored the same faces")
        return
    apart = min(0.28, 0.7 / max(len(names), 1))
    for number, (name, look) in enumerate(group_looks(names).items()):
        rows = table[table[by] == name].set_index("measure").reindex(MEASURES)
        places = np.arange(len(MEASURES)) + (number - (len(names) - 1) / 2) * apart
        _draw_rows(ax, rows, places, look, shorten(name, 30), columns)


def _draw_rows(
    ax: Axes, rows: pd.DataFrame, places: np.ndarray, look: Look, label: str, columns: tuple[str, str, str]
) -> None:
    value, low, high = columns
    (points,) = ax.plot(rows[value], places, look.marker, color=look.colour, label=label, gid=value)
    points.set_markersize(3.2)
    for place, ends in zip(places, rows[[low, high]].to_numpy(float), strict=True):
        if np.isfinite(ends).all():
            ax.plot(ends, [place] * 2, color=look.colour, linewidth=0.9, gid="interval")


def _draw_distribution(ax: Axes, judged: pd.DataFrame) -> None:
    """Share of each label's faces by total, in bins of one point around the whole numbers; 0 is 0 alone."""
    ax.set(xlabel="Total of the grimace scale (mean of raters)", ylabel="Faces of a label (%)")
    ax.set_xticks(
        range(HIGHEST_TOTAL + 1),
        ["0", ">0–1", *(f"–{k}" for k in range(2, HIGHEST_TOTAL + 1))],
        fontsize=SMALL_PT,
    )
    if judged.empty:
        say_instead(ax, "no face with a total")
        return
    for code, name in enumerate(_LABELS):
        totals = judged.loc[judged["label"] == code, "total"].to_numpy(float)
        if not len(totals):
            continue
        heights = (
            100 * np.bincount(np.ceil(totals - 1e-9).astype(int), minlength=HIGHEST_TOTAL + 1) / len(totals)
        )
        look, places = CLASS_LOOKS[name], np.arange(HIGHEST_TOTAL + 1) + (code - 0.5) * 0.4
        bars = ax.bar(
            places,
            heights,
            0.38,
            color=look.colour,
            label=f"{name} ({len(totals):,} faces)",
            hatch=("////", None)[code],
            edgecolor="white",
            linewidth=0,
        )
        for bar in bars:
            bar.set_gid(f"share {name}")
    ax.legend(loc="upper right", title="label", title_fontsize=TEXT_PT)


def _draw_animals(ax: Axes, animals: pd.DataFrame) -> None:
    """Mean totals of each animal before and after treatment, joined."""
    both = animals.dropna(subset=["mean_no_pain", "mean_pain"])
    ax.set(xlim=(-0.4, 1.4), ylabel="Mean total of an animal (0 to 10)")
    ax.set_xticks([0, 1], ["no pain", "pain"])
    if animals.empty:
        say_instead(ax, "no animal")
        return
    for ends in both[["mean_no_pain", "mean_pain"]].to_numpy(float):
        ax.plot([0, 1], ends, color=GREY, linewidth=0.7, zorder=1, gid="animal")
    for place, (column, colour) in enumerate((("mean_no_pain", BLUE), ("mean_pain", VERMILION))):
        values = animals[column].dropna()
        ax.plot([place] * len(values), values, ("s", "o")[place], color=colour, markersize=3.4)
    ax.set_ylim(bottom=min(0, ax.get_ylim()[0]))
    ax.set_title(f"n = {len(both)} animals with both", fontsize=TEXT_PT)

"""The figure of another cohort held against what a model knows: limits, animals, faces and the verdict."""

from __future__ import annotations

import math
import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from painlib.novelty.limits import MEASURES, find_worst
from painlib.novelty.reference import Reference
from painlib.novelty.verdict import OUTSIDE, UNTOLD, Novelty
from painlib.plots.style import (
    BLACK,
    DARK,
    DOUBLE_MM,
    GREY,
    SMALL_PT,
    VERMILION,
    Look,
    page_figure,
    panel_axes,
    paper_style,
    say_instead,
    shorten,
    swarm_offsets,
)

EXAMPLES = 8
_LETTERS_A_MM = 1 / 1.5
_LOOKS = {
    "training": Look(GREY, "s", "-"),
    "inside": Look(BLACK, "o", "-"),
    "outside": Look(VERMILION, "^", "-"),
    "cannot be told": Look(DARK, "x", "-"),
}
_TITLES = {
    "distance": ("Faces", "Distance from the training faces\n(held-out training animals: 1)"),
    "pain_share": ("Before treatment", "Faces called pain\n(share)"),
    "confidence": ("Before treatment", "Mean confidence\nof the calls (0.5 to 1)"),
    "attribution": ("Attribution", "Share outside\nhead and ears"),
    "coverage": ("Coverage", "Share of time points\nwith a face"),
}


def pick_far_faces(novelty: Novelty, n: int = EXAMPLES) -> pd.DataFrame:
    """The farthest face of each of the `n` farthest animals, farthest first: rows of `novelty.faces`, with
    their positions in it as the index. Animals the model was trained on only where there are no others."""
    if novelty.faces is None:
        return pd.DataFrame(columns=["recording", "subject", "distance", "nearest"])
    own = novelty.faces[
        novelty.faces["subject"].isin(novelty.new["subject"]) & (novelty.faces["nearest"] >= 0)
    ]
    far = own.sort_values("distance", ascending=False, kind="stable")
    return far.drop_duplicates("subject").head(n)


@paper_style()
def plot_novelty(
    novelty: Novelty, reference: Reference | None = None, figure: Figure | None = None
) -> Figure:
    """The verdict in words; every measure's animals against the held-out training animals and the limit; the
    farthest faces over the training faces that are nearest to them, where `reference` is given."""
    words = textwrap.fill(novelty.explain(), int(DOUBLE_MM * _LETTERS_A_MM), break_on_hyphens=False)
    head_mm = 3.6 * (words.count("\n") + 1)
    far = pick_far_faces(novelty) if reference is not None else pd.DataFrame()
    heights = [head_mm, 58.0, 4.0, *([2 * DOUBLE_MM / EXAMPLES + 8.0] if len(far) else [])]
    figure = page_figure(figure, DOUBLE_MM, sum(heights) + 8)
    grid = figure.add_gridspec(
        len(heights), len(MEASURES), height_ratios=heights, width_ratios=[1.3, 1, 1, 1, 1]
    )
    ax = figure.add_subplot(grid[0, :])
    ax.set_axis_off()
    colour = VERMILION if novelty.state == OUTSIDE else BLACK
    ax.text(0, 1, words, transform=ax.transAxes, ha="left", va="top", color=colour, gid="verdict")
    for column, measure in enumerate(MEASURES):
        draw_measure(figure.add_subplot(grid[1, column]), novelty, measure)
    ax = figure.add_subplot(grid[2, :])
    ax.set_axis_off()
    legend = ax.legend(handles=_explain_points(novelty), loc="center", ncols=5, columnspacing=1.2)
    legend.set_in_layout(False)
    if len(far):
        assert reference is not None
        _draw_faces(figure.add_subplot(grid[3, :]), novelty, reference, far)
    return figure


@paper_style()
def draw_measure(ax: Axes | None, novelty: Novelty, measure: str) -> Axes:
    """One measure: a point an animal (its recording nearest to or beyond the limit), training animals beside
    the cohort's, and the limit. A distance is drawn in units of the training animals' own."""
    ax = panel_axes(ax)
    title, label = _TITLES[measure]
    ax.set(title=title, ylabel=label)
    typical, limit = _read_limit(novelty, measure)
    unit = 1.0 if MEASURES[measure].is_share else typical
    training = find_worst(novelty.training, measure) / unit
    own = novelty.recordings[novelty.recordings["subject"].isin(novelty.new["subject"])]
    new = find_worst(own, measure) / unit
    beyond = MEASURES[measure].side * (new - limit / unit) > 0
    known = "cohort" if novelty.new["trained_on"].all() else "new"
    names = [f"known\nn = {len(training)}", f"{known}\nn = {len(new)}"]
    ax.set(xlim=(-0.6, 1.6), xticks=range(2), xticklabels=names)
    ax.tick_params(axis="x", length=0, labelsize=SMALL_PT)
    if not len(training) and not len(new):
        return say_instead(ax, "not measured")
    values = np.concatenate([training, new])
    _set_limits(ax, measure, [*values, limit / unit])
    apart = 0.03 * np.ptp(ax.get_ylim())
    _draw_points(ax, 0, training, "training", apart)
    judged = math.isfinite(limit)
    for state, chosen in (("inside" if judged else UNTOLD, ~beyond), ("outside", beyond)):
        _draw_points(ax, 1, new[chosen], state, apart)
    if judged:
        ax.axhline(limit / unit, color=VERMILION, linestyle="--", linewidth=0.9, gid="limit")
    else:
        ax.text(0.5, 0.98, "no limit", transform=ax.transAxes, ha="center", va="top", fontsize=SMALL_PT)
    return ax


def _explain_points(novelty: Novelty) -> list[Line2D]:
    """One handle a kind of point that there is, and the limit."""
    names = {
        "training": "known: training animal, held out",
        "inside": "within the limit",
        "outside": "beyond the limit",
        UNTOLD: "cannot be told",
    }
    judged = novelty.limits["limit"].notna()
    shown = [
        "training",
        *(["inside", "outside"] if judged.any() else []),
        *([] if judged.all() else [UNTOLD]),
    ]
    handles = []
    for state in shown:
        look, filled = _LOOKS[state], state == OUTSIDE
        face = look.colour if filled else "white"
        handles.append(
            Line2D([], [], linestyle="", marker=look.marker, color=look.colour, label=names[state])
        )
        handles[-1].set(markerfacecolor=face, markersize=3.6, markeredgewidth=0.8)
    if judged.any():
        handles.append(Line2D([], [], color=VERMILION, linestyle="--", linewidth=0.9, label="limit"))
    return handles


def _read_limit(novelty: Novelty, measure: str) -> tuple[float, float]:
    """What is typical of held-out training animals, and the limit; NaN where not known."""
    row = novelty.limits[novelty.limits["measure"] == measure]
    return float(row["typical"].iloc[0]), float(row["limit"].iloc[0])


def _set_limits(ax: Axes, measure: str, values: list[float]) -> None:
    if MEASURES[measure].is_share:
        ax.set_ylim(0.48 if measure == "confidence" else -0.02, 1.02)
    else:
        ax.set_ylim(0, 1.08 * np.nanmax([1.0, *values]))


def _draw_points(ax: Axes, place: int, values: pd.Series, state: str, apart: float) -> None:
    if not len(values):
        return
    look, y = _LOOKS[state], values.to_numpy(np.float64)
    (points,) = ax.plot(place + swarm_offsets(y, 0.32, apart), y, look.marker, color=look.colour, gid=state)
    points.set(markerfacecolor=look.colour if state == OUTSIDE else "white", markeredgewidth=0.8)
    points.set(markersize=3.6, clip_on=False, zorder=3)


def _draw_faces(ax: Axes, novelty: Novelty, reference: Reference, far: pd.DataFrame) -> None:
    """New faces above, the training face nearest to each below, both as they are compared: 32 px."""
    assert novelty.thumbnails is not None
    unit, _ = _read_limit(novelty, "distance")
    ax.set(xticks=[], yticks=[], aspect="equal")
    ax.spines[:].set_visible(False)
    ax.set_title("Farthest faces (32 px, as compared), animal and distance; below, the nearest training face")
    places = far.index.to_numpy(np.int64)
    for column, (place, row) in enumerate(zip(places, far.to_dict("records"), strict=True)):
        pair = novelty.thumbnails[place], reference.thumbnails[int(row["nearest"])]
        for line, (image, gid) in enumerate(zip(pair, ("new face", "nearest"), strict=True)):
            extent = (column + 0.03, column + 0.97, 1.16 * line + 0.94, 1.16 * line)
            ax.imshow(image, extent=extent, interpolation="none", aspect="auto", gid=gid)
        caption = f"{shorten(str(row['subject']), 9)}  {row['distance'] / unit:.1f}"
        ax.text(column + 0.5, 0.97, caption, ha="center", va="top", fontsize=SMALL_PT, color=DARK)
        nearest = shorten(str(reference.faces["subject"].iloc[int(row["nearest"])]), 13)
        ax.text(column + 0.5, 2.13, nearest, ha="center", va="top", fontsize=SMALL_PT, color=DARK)
    for line, name in enumerate(("new", "nearest known")):
        ax.text(-0.06, 1.16 * line + 0.47, name, ha="center", va="center", rotation=90, fontsize=SMALL_PT)
    ax.set(xlim=(-0.3, EXAMPLES), ylim=(2.3, 0))

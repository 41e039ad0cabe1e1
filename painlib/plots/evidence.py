"""The figure of evidence outside the face: where it lies, what moves the probability, and the verdict."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from painlib.evidence import Evidence, Verdict
from painlib.plots.style import (
    BLACK,
    CLASS_LOOKS,
    DARK,
    DOUBLE_MM,
    GREY,
    SMALL_PT,
    VERMILION,
    YELLOW,
    Look,
    page_figure,
    panel_axes,
    paper_style,
    say_instead,
    shorten,
    swarm_offsets,
)

EXAMPLES = 8
_NO_LABEL = Look(GREY, "D", "-")
_LETTERS_A_MM = 1 / 1.5
_EXCHANGED = {"follows_face": "the face", "follows_surroundings": "its\nsurroundings"}
_BLANKED = {
    "auc": "as filmed",
    "auc_face_only": "all but\nthe face\nblanked",
    "auc_surroundings_only": "the face\nblanked",
}

_MOVED = {"auc_face_only": "moved_face_only", "auc_surroundings_only": "moved_surroundings_only"}


def pick_outside_faces(evidence: Evidence, n: int = EXAMPLES) -> pd.DataFrame:
    """The faces with most evidence outside, one an animal while they last, most first: rows of `faces`.

    By the share of the map outside the face; without maps by how far the probability follows the surroundings
    towards pain.
    """
    by = "evidence_outside" if evidence.map_size else "follows_surroundings"
    found = evidence.faces[evidence.faces[by].notna()].sort_values(by, ascending=False, kind="stable")
    turn = found.groupby("subject", sort=False).cumcount().rename("turn")
    fair = found.assign(turn=turn).sort_values(["turn", by], ascending=[True, False], kind="stable").head(n)
    return fair.sort_values(by, ascending=False, kind="stable").drop(columns="turn")


@paper_style()
def plot_evidence(
    evidence: Evidence,
    verdict: Verdict,
    images: np.ndarray | None = None,
    heads: np.ndarray | None = None,
    rows: pd.DataFrame | None = None,
    figure: Figure | None = None,
) -> Figure:
    """Where attribution lies, what the probability follows, what can be told when blanked, and the verdict.

    `images` (m, height, width, 3) uint8 with their `heads` (m, height, width) bool, as `place_head` gives
    them, and `rows`, their m rows as `pick_outside_faces` gives them: examples with the outline of the face.
    The verdict stands over the panels in words.
    """
    words = textwrap.fill(verdict.explain(), int(DOUBLE_MM * _LETTERS_A_MM))
    head_mm = 3.6 * (words.count("\n") + 1)
    with_faces = images is not None and rows is not None and len(rows) > 0
    heights = [head_mm, 62.0, *([DOUBLE_MM / EXAMPLES + 8.0] if with_faces else [])]
    figure = page_figure(figure, DOUBLE_MM, sum(heights) + 8)
    grid = figure.add_gridspec(len(heights), 3, height_ratios=heights, width_ratios=[1.0, 0.8, 1.25])
    _write_verdict(figure.add_subplot(grid[0, :]), words, verdict)
    draw_shares(figure.add_subplot(grid[1, 0]), evidence)
    thresholds = verdict.thresholds
    ax = figure.add_subplot(grid[1, 1])
    draw_exchanged(ax, evidence, thresholds.follows_surroundings)
    ax = figure.add_subplot(grid[1, 2])
    draw_blanked(ax, evidence, thresholds.auc_surroundings_only)
    if with_faces:
        assert images is not None
        assert rows is not None
        _draw_examples(figure.add_subplot(grid[2, :]), images, heads, rows, evidence)
    return figure


@paper_style()
def draw_shares(ax: Axes | None, evidence: Evidence) -> Axes:
    """Share of attribution outside the face against the share of the area outside it, a point a recording."""
    ax = panel_axes(ax)
    ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="Share of the crop's area outside the face")
    ax.set_ylabel("Share of attribution outside the face")
    ax.set_title("Attribution maps")
    if evidence.map_size is None:
        return say_instead(ax, "no attribution maps were given")
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":", gid="even")
    ax.text(0.97, 0.8, "evenly\nspread", ha="right", va="top", fontsize=SMALL_PT, color=DARK)
    for label, recordings in evidence.recordings.groupby("label", sort=True):
        look = CLASS_LOOKS.get(str(label), _NO_LABEL)
        name = str(label) or "no label"
        (points,) = ax.plot(
            recordings["area_outside"],
            recordings["evidence_outside"],
            look.marker,
            color=look.colour,
            label=f"{name} (n = {len(recordings)})",
            gid="recordings",
        )
        points.set(markerfacecolor="white", markeredgewidth=0.8, markersize=3.6)
    height, width = evidence.map_size
    ax.legend(title=f"recordings; maps of {height} × {width}", loc="upper left", title_fontsize=SMALL_PT)
    return ax


@paper_style()
def draw_exchanged(ax: Axes | None, evidence: Evidence, threshold: float) -> Axes:
    """How far the probability of pain follows the face, and how far its surroundings, a point an animal.

    Bar: mean; thin line beside it: 95 % interval over animals.
    """
    ax = panel_axes(ax)
    ax.set_ylabel("Probability of pain moved by")
    ax.set_title("Surroundings exchanged")
    _draw_columns(ax, evidence, _EXCHANGED)
    ax.axhline(0, color=GREY, linewidth=0.8, linestyle=":")
    low, high = ax.get_ylim()
    ax.set_ylim(min(low, -0.1), max(high, 0.3))
    _draw_threshold(ax, 1, threshold)
    return ax


@paper_style()
def draw_blanked(ax: Axes | None, evidence: Evidence, threshold: float) -> Axes:
    """AUC of telling the classes apart as filmed, by the face alone, by the rest alone, a point an animal."""
    ax = panel_axes(ax)
    what = "labels of recordings" if evidence.classes_from == "label" else "its own calls"
    ax.set(ylim=(0.2, 1.03), ylabel=f"AUC against {what}")
    ax.set_title("Parts blanked")
    _draw_columns(ax, evidence, _BLANKED)
    ax.axhline(0.5, color=GREY, linewidth=0.8, linestyle=":")
    _draw_threshold(ax, 2, threshold)
    return ax


def _draw_columns(ax: Axes, evidence: Evidence, columns: Mapping[str, str]) -> None:
    """Animals, their mean and its interval, one column a measure."""
    overall = evidence.overall.set_index("measure")
    names = []
    for place, (measure, name) in enumerate(columns.items()):
        values = evidence.animals[measure].dropna().to_numpy(np.float64)
        moved = overall["mean"].to_dict().get(_MOVED.get(measure), np.nan)
        told = f"\nmoved {moved:.2f}" if np.isfinite(moved) else ""
        names.append(f"{name}{told}\nn = {len(values)}")
        if not len(values):
            continue
        (points,) = ax.plot(place + swarm_offsets(values, 0.2, 0.03), values, "o", color=BLACK, gid=measure)
        points.set(markerfacecolor="white", markeredgewidth=0.8, markersize=3.6)
        ax.plot([place - 0.28, place + 0.28], [values.mean()] * 2, color=BLACK, linewidth=1.6, gid="mean")
        interval = [float(overall[end][measure]) for end in ("ci_low", "ci_high")]
        ax.plot([place + 0.34] * 2, interval, color=BLACK, linewidth=1.0, gid="interval")
    ax.set_xticks(range(len(names)), names)
    ax.set_xlim(-0.6, len(names) - 0.4)
    ax.tick_params(axis="x", length=0)
    if not evidence.animals[list(columns)].notna().to_numpy().any():
        say_instead(ax, "no animal with faces of both classes")


def _draw_threshold(ax: Axes, place: int, threshold: float) -> None:
    """The alarm's line over its own column; its name stands below the panel, where no point can be."""
    ax.plot([place - 0.42, place + 0.4], [threshold] * 2, color=VERMILION, linestyle="--", gid="threshold")
    ax.set_xlabel("dashed: alarm", color=VERMILION, fontsize=SMALL_PT)


def _write_verdict(ax: Axes, words: str, verdict: Verdict) -> None:
    ax.set_axis_off()
    colour = VERMILION if verdict.state == "raised" else BLACK
    ax.text(0, 1, words, transform=ax.transAxes, ha="left", va="top", color=colour, gid="verdict")


def _draw_examples(
    ax: Axes, images: np.ndarray, heads: np.ndarray | None, rows: pd.DataFrame, evidence: Evidence
) -> None:
    """Faces side by side, the outline of what counts as the face drawn in."""
    if len(images) != len(rows):
        raise ValueError(f"expected one image a row, got {len(images)} images and {len(rows)} rows")
    by = "evidence_outside" if evidence.map_size else "follows_surroundings"
    told = "share of attribution outside" if evidence.map_size else "probability moved by the surroundings"
    ax.set(xlim=(0, EXAMPLES), ylim=(1.17, 0), xticks=[], yticks=[], aspect="equal")
    ax.spines[:].set_visible(False)
    ax.set_title(f"Most evidence outside the face (outline); under each: animal, {told}")
    for column, row in enumerate(rows.head(EXAMPLES).to_dict("records")):
        extent = (column + 0.03, column + 0.97, 1, 0.06)
        ax.imshow(images[column], extent=extent, interpolation="none", aspect="auto")
        if heads is not None:
            outline = np.pad(heads[column].astype(float), 1)  # closed where it meets the border
            step = 0.94 / heads.shape[2]
            x = column + 0.03 + step * (np.arange(outline.shape[1]) - 0.5)
            y = 0.06 + step * (np.arange(outline.shape[0]) - 0.5)
            ax.contour(x, y, outline, [0.5], colors=[YELLOW], linewidths=0.7)
        caption = f"{shorten(str(row['subject']), 9)}  {row[by]:z.2f}"
        ax.text(column + 0.5, 1.03, caption, ha="center", va="top", fontsize=SMALL_PT, color=DARK)
    ax.set(xlim=(0, EXAMPLES), ylim=(1.17, 0))

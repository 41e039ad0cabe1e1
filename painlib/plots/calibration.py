"""Figures of calibration: how far probabilities hold, what abstaining gains, and faces too poor to judge."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from painlib.calibration import (
    MEASURES,
    PROBABILITIES,
    REASONS,
    QualityLimits,
    RiskCoverage,
    reliability_table,
    score_calibration,
)
from painlib.plots.galleries import _draw_strips
from painlib.plots.style import (
    BLACK,
    DARK,
    DOUBLE_MM,
    GREEN,
    GREY,
    ORANGE,
    PALE,
    PURPLE,
    SINGLE_MM,
    SKY,
    SMALL_PT,
    TEXT_PT,
    Look,
    count,
    find_page,
    page_figure,
    panel_axes,
    paper_style,
    say_instead,
    shorten,
)

_LOOKS = {"raw": Look(ORANGE, "s", "--"), "calibrated": Look(BLACK, "o", "-")}
_MORE = (Look(GREEN, "^", "-."), Look(PURPLE, "D", ":"))
_HISTOGRAM_BINS = 20
_AXES = {
    "sharpness": "Sharpness of the face at 96 px\n(Laplacian over slope, squared, 1/px²)",
    "size": "Size of the head\n(over the crop's side)",
    "turn": "Turn of the head\n(0 frontal, 1 in profile)",
}
_LIMITS = {"sharpness": "min_sharpness", "size": "min_size", "turn": "max_turn"}
_STATES = {
    "judged": ("better than guessing", BLACK, "o", BLACK),
    "guessing": ("no better than guessing", ORANGE, "s", "white"),
    "cannot be told": ("too few animals to tell", GREY, "x", GREY),
}
_REASON_COLOURS = {"blurred": ORANGE, "small": GREEN, "turned": SKY}
_REASON_TEXT = {"blurred": "blurred", "small": "head too small", "turned": "head turned away"}


@paper_style()
def plot_reliability(
    judged: pd.DataFrame,
    truth: str = "label",
    truth_name: str = "labelled pain",
    columns: Mapping[str, str] | None = None,
    seed: int = 0,
    figure: Figure | None = None,
) -> Figure:
    """What the network said against how often it was so, raw and calibrated, and how often it said what.

    `judged`, `truth`, `columns` as for `score_calibration`: held-out faces. Above: a point a bin of equally
    many faces, with its interval over animals; below: the share of faces at each probability, animals alike.
    `truth_name`: what `truth` means, for the axis.
    """
    columns = PROBABILITIES if columns is None else columns
    figure = page_figure(figure, SINGLE_MM, 106)
    top, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    top.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel=f"Share of faces {truth_name}")
    below.set(xlabel="Probability of pain that the network gives", ylabel="Share of faces")
    scores = score_calibration(judged, truth, columns, seed=seed)
    scores = scores[scores["measure"] == "ece"].set_index("probabilities")
    told = scores.to_dict("index")
    top.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=0.8, label="as it should be", gid="ideal")
    if not scores["n_faces"].max() > 0:
        say_instead(below, "no held-out face whose truth is known")
        return _explain_reliability(top, scores)
    for name, look in zip(columns, _list_looks(columns), strict=True):
        bins = reliability_table(judged, columns[name], truth, seed=seed)
        line = {"color": look.colour, "linestyle": look.line, "linewidth": 0.9}
        x, y = bins["mean_p_pain"], bins["share_pain"]
        top.plot(x, y, marker=look.marker, label=_name_score(name, told[name]), gid=name, **line)
        top.vlines(
            x, bins["ci_low"], bins["ci_high"], color=look.colour, linewidth=0.7, gid=f"{name} interval"
        )
        _draw_histogram(below, judged, columns[name], truth, look)
    below.set_ylim(bottom=0)  # when all are drawn: it ends the axis' own fitting
    return _explain_reliability(top, scores)


def _list_looks(columns: Mapping[str, str]) -> list[Look]:
    more = iter(_MORE)
    return [_LOOKS[name] if name in _LOOKS else next(more) for name in columns]


def _name_score(name: str, score: Mapping[Any, Any]) -> str:
    interval = f" [{score['ci_low']:.3f}, {score['ci_high']:.3f}]" if np.isfinite(score["ci_low"]) else ""
    return f"{name}: {score['value']:.3f}{interval}"


def _draw_histogram(ax: Axes, judged: pd.DataFrame, column: str, truth: str, look: Look) -> None:
    """Share of faces at each probability, each animal weighing the same."""
    known = judged[judged[truth].notna() & (judged[truth] != -1)]
    size = known.groupby("subject")["subject"].transform("size")
    weights = 1 / (size * known["subject"].nunique())
    edges = np.linspace(0, 1, _HISTOGRAM_BINS + 1)
    shares, _ = np.histogram(known[column], bins=edges, weights=weights)
    ax.stairs(shares, edges, color=look.colour, linestyle=look.line, linewidth=0.9, gid="histogram")


def _explain_reliability(ax: Axes, scores: pd.DataFrame) -> Figure:
    n_animals, n_faces = int(scores["n_animals"].max()), int(scores["n_faces"].max())
    ax.set_title(f"Held-out animals, n = {n_animals} ({count(n_faces, 'face')})")
    small = {"fontsize": SMALL_PT, "title_fontsize": SMALL_PT}
    ax.legend(loc="upper left", title="expected calibration error, 95 % CI", alignment="left", **small)
    chance = scores["by_chance"].max()
    if np.isfinite(chance):
        words = f"error of perfect probabilities\nby chance: {chance:.3f}"
        ax.text(0.98, 0.03, words, ha="right", va="bottom", fontsize=SMALL_PT, color=DARK)
    return find_page(ax)


@paper_style()
def plot_risk_coverage(
    found: RiskCoverage, abstain_below: float | None = None, ax: Axes | None = None
) -> Axes:
    """Share of wrong calls against the share of faces judged, when the least sure are left out first.

    `found`: of `score_abstention`; band: its 95 % interval over animals; dotted: faces left out at random.
    `abstain_below`: the parameter, marked where it falls; 0.5 and None: nothing is marked.
    """
    ax = panel_axes(ax, SINGLE_MM, 66)
    ax.set(xlim=(0, 1.01), xlabel="Coverage (share of faces judged)", ylabel="Risk (share judged wrongly)")
    if found.curve.empty:
        ax.set_ylim(0, 1)
        return say_instead(ax, "no held-out face whose truth is known")
    curve, told = found.curve, found.summary.set_index("measure").to_dict("index")
    area, risk = told["aurc"], float(told["risk"]["value"])
    interval = f" [{area['ci_low']:.3f}, {area['ci_high']:.3f}]" if np.isfinite(area["ci_low"]) else ""
    ax.fill_between(curve["coverage"], curve["ci_low"], curve["ci_high"], color=PALE, linewidth=0, gid="band")
    name = f"least sure left out, area {area['value']:.3f}{interval}"
    ax.plot(curve["coverage"], curve["risk"], color=BLACK, label=name, gid="risk")
    name = f"left out at random, area {risk:.3f}"
    ax.axhline(risk, color=GREY, linestyle=":", linewidth=0.9, label=name, gid="random")
    if abstain_below is not None and abstain_below > 0.5:
        _mark_threshold(ax, curve, abstain_below)
    highest = np.nanmax([curve["risk"].max(), curve["ci_high"].max(), risk])
    ax.set_ylim(0, 1.45 * max(highest, 0.01))
    ax.set_title(f"Held-out animals, n = {int(area['n_animals'])} ({count(int(area['n_faces']), 'face')})")
    ax.legend(loc="upper left", fontsize=SMALL_PT)
    return ax


def _mark_threshold(ax: Axes, curve: pd.DataFrame, abstain_below: float) -> None:
    kept = curve[curve["abstain_below"] >= abstain_below]
    name = f"not judged below {abstain_below:g}"
    if kept.empty:
        ax.plot([], [], " ", label=f"{name}: nearly every face")
        return
    last = kept.iloc[-1]
    label = f"{name}: {last['coverage']:.0%} judged, risk {last['risk']:.3f}"
    ax.plot(last["coverage"], last["risk"], "D", color=ORANGE, markersize=4.5, label=label, gid="threshold")


@paper_style()
def plot_quality(binned: pd.DataFrame, limits: QualityLimits, figure: Figure | None = None) -> Figure:
    """Balanced accuracy on held-out animals at each sharpness, size and turn, with the limits.

    `binned`: of `score_quality_bins`; bars: 95 % intervals over animals; shaded: what `limits` leave out.
    """
    figure = page_figure(figure, DOUBLE_MM, 74)
    axes = figure.subplots(1, 3, sharey=True)
    for ax, measure in zip(axes, MEASURES, strict=True):
        own = binned[binned["measure"] == measure]
        ax.set(xlabel=_AXES[measure], ylim=(-0.02, 1.02))
        ax.axhline(0.5, color=GREY, linestyle=":", linewidth=0.8, gid="chance")
        ax.set_title(textwrap.fill(_name_limit(measure, limits), 34))
        if not np.isfinite(own["balanced_accuracy"].astype(float)).any():
            say_instead(ax, "no quality with faces of both labels")
            continue
        _draw_bins(ax, own)
        _shade_left_out(ax, own, measure, getattr(limits, _LIMITS[measure]))
    axes[0].set_ylabel("Balanced accuracy")
    handles: dict[str, Artist] = {}
    for ax in axes:
        handles |= {label: handle for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    if handles:
        n_faces = int(binned.loc[binned["measure"] == MEASURES[0], "n_faces"].sum())
        title = f"Held-out animals, n = {limits.n_animals} ({count(n_faces, 'face')}); dotted: guessing"
        place: dict[str, Any] = {"loc": "outside upper center", "ncols": len(handles)}
        figure.legend(list(handles.values()), list(handles), title=title, title_fontsize=TEXT_PT, **place)
    return figure


def _draw_bins(ax: Axes, own: pd.DataFrame) -> None:
    for state, (name, colour, marker, face) in _STATES.items():
        some = own[(own["state"] == state) & own["balanced_accuracy"].notna()]
        if some.empty:
            continue
        ax.vlines(some["middle"], some["ci_low"], some["ci_high"], color=colour, linewidth=0.8)
        (points,) = ax.plot(some["middle"], some["balanced_accuracy"], marker, color=colour, label=name)
        points.set(markerfacecolor=face, markersize=4, gid=state)


def _shade_left_out(ax: Axes, own: pd.DataFrame, measure: str, limit: float | None) -> None:
    spread = max(float(own["high"].max() - own["low"].min()), 1e-6)
    low, high = own["low"].min() - 0.03 * spread, own["high"].max() + 0.03 * spread
    ax.set_xlim(low, high)
    if limit is None:
        return
    ends = (limit, high) if measure == "turn" else (low, limit)
    if ends[0] < ends[1]:
        ax.axvspan(*ends, color=PALE, linewidth=0, zorder=0, label="left out", gid="left out")


def _name_limit(measure: str, limits: QualityLimits) -> str:
    limit = getattr(limits, _LIMITS[measure])
    if limit is not None:
        return f"{measure.capitalize()}: {'at most' if measure == 'turn' else 'at least'} {limit:.3g}"
    return f"{measure.capitalize()}: {limits.remarks.get(measure, 'no limit')}"


def pick_left_out_faces(
    quality: pd.DataFrame, reasons: Sequence[str] | np.ndarray, per_reason: int = 8, seed: int = 0
) -> pd.DataFrame:
    """At most `per_reason` left-out rows of `quality` per reason, from as many recordings as can be; they
    come back with `reason`."""
    left_out = quality.assign(reason=np.asarray(reasons, dtype=object))
    left_out = left_out[left_out["reason"] != ""].sample(frac=1, random_state=seed)
    turn = left_out.groupby(["reason", "recording"], sort=False).cumcount()
    fair = left_out.assign(_turn=turn).sort_values("_turn", kind="stable")
    picked = fair.groupby("reason", sort=False).head(per_reason).drop(columns="_turn")
    return picked.sort_values(["reason", "recording", "camera", "frame"], kind="stable")


@paper_style()
def plot_left_out(
    images: Sequence[np.ndarray] | np.ndarray,
    rows: pd.DataFrame,
    n_left_out: Mapping[str, int] | pd.Series | None = None,
    figure: Figure | None = None,
) -> Figure:
    """Examples of faces that are not judged, one line a reason; under each face: animal and its measure.

    `images`: n RGB uint8 arrays; `rows`: their n rows as `pick_left_out_faces` gives them; `n_left_out`: how
    many faces each reason left out in all.
    """
    if len(images) != len(rows):
        raise ValueError(f"expected one image a row, got {len(images)} images and {len(rows)} rows")
    strips, measures = [], {reason: measure for measure, reason in REASONS.items()}
    for reason, measure in measures.items():
        places = np.flatnonzero((rows["reason"] == reason).to_numpy())
        total = len(places) if n_left_out is None else int(n_left_out.get(reason, 0))
        title = f"Left out: {_REASON_TEXT[reason]} ({measure}; {len(places)} of {count(total, 'face')})"
        empty = "none of these faces is stored" if total else f"no face was left out as {reason}"
        strips.append((title, _REASON_COLOURS[reason], places, empty))
    captions = [
        f"{shorten(str(row['subject']), 9)}  {row[measures[row['reason']]]:.2f}"
        for row in rows.to_dict("records")
    ]
    return _draw_strips(strips, images, captions, figure)

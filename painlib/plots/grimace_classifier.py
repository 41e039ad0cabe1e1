"""Figures of 06_grimace_scale that hold scores against the classifier: correlations, ROC at each cut."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from painlib.grimace import ANIMALS, FACES, HIGHEST_TOTAL, RECORDINGS, GrimaceResult
from painlib.model_card import LABELS
from painlib.plots.style import (
    BLACK,
    CLASS_LOOKS,
    DARK,
    DOUBLE_MM,
    GREY,
    SMALL_PT,
    TEXT_PT,
    count,
    page_figure,
    paper_style,
    say_instead,
)

FEWEST_FACES = 10  # on either side of a cut whose curve is drawn
_GRID = np.linspace(0, 1, 201)  # false-positive rates at which the animals' curves are averaged
_MOST_POINTS = 3000


@paper_style()
def plot_scores_by_classifier(result: GrimaceResult, figure: Figure | None = None) -> Figure:
    """Score and p(pain): every face, and the means of each animal's recordings, with their correlations.

    Lines of the left panel have the slope that all animals share (repeated-measures correlation), one an
    animal; the right panel joins the recordings of an animal.
    """
    figure = page_figure(figure, DOUBLE_MM, 78)
    left, right = figure.subplots(1, 2, sharey=True)
    judged = result.faces[result.faces["total"].notna() & result.faces["p_pain"].notna()]
    told = result.correlations.set_index("level")
    for ax in (left, right):
        ax.set(
            xlabel="Total of the grimace scale (0 to 10, mean of raters)",
            xlim=(-0.3, 10.3),
            ylim=(-0.03, 1.03),
        )
    left.set_ylabel("p(pain) of the classifier (0 to 1)")
    if judged.empty:
        for ax in (left, right):
            say_instead(ax, "no face with both a total and a judgement")
        return figure
    _draw_faces(left, judged)
    _draw_shared_slope(left, judged)
    left.set_title(_title(told, FACES), fontsize=TEXT_PT)
    _draw_recordings(right, judged)
    both = f"{_title(told, RECORDINGS)}\n{_title(told, ANIMALS, 'treated minus before')}"
    right.set_title(both, fontsize=TEXT_PT)
    handles, names = right.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=2)
    text = f"{result.judged_by}\nLines: one an animal. 95 % intervals over animals."
    figure.supxlabel(text, fontsize=TEXT_PT)
    return figure


@paper_style()
def plot_grimace_roc(result: GrimaceResult, figure: Figure | None = None) -> Figure:
    """p(pain) as a classifier of "total at or above the cut": curves averaged over animals, AUC by cut."""
    figure = page_figure(figure, DOUBLE_MM, 82)
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.25])
    left.set(xlim=(-0.01, 1), ylim=(0, 1.01), aspect="equal")
    left.set(xlabel="False-positive rate (faces below the cut)", ylabel="True-positive rate (at or above it)")
    left.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=0.8, gid="chance")
    judged = result.faces[result.faces["total"].notna() & result.faces["p_pain"].notna()]
    roc = result.roc[(result.roc["n_at_or_above"] >= FEWEST_FACES) & (result.roc["n_below"] >= FEWEST_FACES)]
    roc = roc[roc["auc"].notna()]
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.92, HIGHEST_TOTAL))
    for number, row in enumerate(roc.itertuples()):
        curve = _average_curve(judged, float(row.cut))  # type: ignore[arg-type]
        look = {"color": shades[int(row.cut) - 1], "linestyle": ("-", "--", "-.", ":")[number % 4]}  # type: ignore[arg-type]
        left.plot(*curve, label=f"≥ {row.cut} ({row.n_at_or_above:,} faces)", gid=f"cut {row.cut}", **look)
    if roc.empty:
        say_instead(left, f"no cut with {FEWEST_FACES} faces on both sides")
        say_instead(right, "no AUC")
        return figure
    left.legend(loc="lower right", title="total", title_fontsize=TEXT_PT, fontsize=SMALL_PT, alignment="left")
    spots = result.roc_by_animal[result.roc_by_animal["cut"].isin(roc["cut"])]
    (points,) = right.plot(spots["cut"], spots["auc"], "o", color=GREY, gid="animals", label="one animal")
    points.set(markersize=2.6, markerfacecolor="white", markeredgewidth=0.7)
    for row in roc.itertuples():
        right.plot([row.cut] * 2, [row.auc_low, row.auc_high], color=BLACK, linewidth=1.2, gid="interval")
    right.plot(
        roc["cut"],
        roc["auc"],
        "D",
        color=BLACK,
        markersize=4,
        label="mean over animals, 95 % interval",
        gid="auc",
    )
    right.axhline(0.5, color=GREY, linestyle=":", linewidth=0.8)
    right.set_xticks(range(1, HIGHEST_TOTAL + 1))
    right.set(
        xlabel="Cut of the total (points)",
        ylabel="AUC of p(pain) within an animal",
        xlim=(0.5, HIGHEST_TOTAL + 0.5),
    )
    right.set_ylim(min(0.4, right.get_ylim()[0]), 1.02)
    for row in roc.itertuples():
        right.text(
            row.cut,
            right.get_ylim()[0] + 0.01,
            f"n={row.n_subjects}",
            ha="center",
            fontsize=SMALL_PT,
            color=DARK,
        )  # type: ignore[arg-type]
    right.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderpad=0.2)
    figure.supxlabel(f"{result.judged_by}\nn: animals with faces on both sides of the cut", fontsize=TEXT_PT)
    return figure


def _draw_faces(ax: Axes, judged: pd.DataFrame) -> None:
    """A spot a face, of very many a part drawn at random."""
    shown = judged if len(judged) <= _MOST_POINTS else judged.sample(_MOST_POINTS, random_state=0)
    for code, name in enumerate(LABELS):
        rows, look = shown[shown["label"] == code], CLASS_LOOKS[name]
        (points,) = ax.plot(
            rows["total"], rows["p_pain"], look.marker, color=look.colour, gid=f"faces {name}"
        )
        points.set(markersize=2.2, markeredgewidth=0, alpha=0.35)


def _draw_recordings(ax: Axes, judged: pd.DataFrame) -> None:
    """The means of each recording, those of an animal joined; the names count faces and recordings."""
    means = judged.groupby(["subject", "recording", "label"])[["total", "p_pain"]].mean().reset_index()
    for _, own in means.groupby("subject"):
        ax.plot(own["total"], own["p_pain"], color=GREY, linewidth=0.7, zorder=1, gid="animal")
    for code, name in enumerate(LABELS):
        rows, look = means[means["label"] == code], CLASS_LOOKS[name]
        n = int((judged["label"] == code).sum())
        label = f"{name} ({count(n, 'face')}, {count(len(rows), 'recording')})"
        gid = f"recordings {name}"
        (points,) = ax.plot(
            rows["total"], rows["p_pain"], look.marker, color=look.colour, label=label, gid=gid
        )
        points.set_markersize(4)


def _draw_shared_slope(ax: Axes, judged: pd.DataFrame) -> None:
    """The line of each animal: its own height, the slope that all share."""
    grouped = judged.groupby("subject")
    centred = judged[["total", "p_pain"]] - grouped[["total", "p_pain"]].transform("mean")
    spread = float((centred["total"] ** 2).sum())
    if spread <= 0:
        return
    slope = float((centred["total"] * centred["p_pain"]).sum()) / spread
    for _, own in grouped:
        ends = np.array([own["total"].min(), own["total"].max()])
        height = own["p_pain"].mean() + slope * (ends - own["total"].mean())
        ax.plot(ends, height, color=DARK, linewidth=0.7, gid="shared slope")


def _title(told: pd.DataFrame, level: str, name: str | None = None) -> str:
    row = told.loc[level]
    words = name or level
    if not np.isfinite(row["r"]):
        return f"{words}: not defined"
    kind = "r" if level == ANIMALS else "r$_{rm}$"
    interval = ""
    if np.isfinite(row["ci_low_animals"]):
        interval = f" [{row['ci_low_animals']:.2f}, {row['ci_high_animals']:.2f}]"
    n = f"n = {int(row['n_subjects'])}{'' if level == RECORDINGS else ' animals'}"
    return f"{words}: {kind} = {row['r']:.2f}{interval}, {n}"


def _average_curve(judged: pd.DataFrame, cut: float) -> tuple[np.ndarray, np.ndarray]:
    """ROC of p(pain) for "at or above the cut", mean over the animals with faces on both sides."""
    curves = []
    for _, own in judged.groupby("subject"):
        above = (own["total"] >= cut).to_numpy()
        if 0 < above.sum() < len(above):
            false_rate, true_rate, _ = roc_curve(above, own["p_pain"])
            curves.append(np.interp(_GRID, false_rate, true_rate))
    return np.concatenate([[0.0], _GRID]), np.concatenate([[0.0], np.mean(curves, axis=0)])

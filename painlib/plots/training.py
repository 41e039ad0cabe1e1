"""Figures of 02_train: learning curves, animals held out, and, apart from these, the training set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from sklearn.metrics import roc_auc_score, roc_curve

from painlib.metrics import summarise_animals
from painlib.plots.style import (
    BLACK,
    DARK,
    DOUBLE_MM,
    GREY,
    PALE,
    SINGLE_MM,
    TEXT_PT,
    count,
    page_figure,
    panel_axes,
    paper_style,
    say_instead,
    shorten,
)

TRAINING_SET_WARNING = "training set, as in the paper's Table 1; not an estimate of performance"
_METRICS = {"auc": "AUC", "sensitivity": "Sensitivity", "specificity": "Specificity"}
_GRID = np.linspace(0, 1, 201)  # false-positive rates at which the animals' curves are averaged


@paper_style()
def plot_learning_curves(
    history: pd.DataFrame, held_out: Mapping[str, Sequence[str]] | None = None, figure: Figure | None = None
) -> Figure:
    """Loss and accuracy on training faces per epoch: thin, one line a fold; thick, the model of all animals.

    `history`: `fold` ("all" for the final model), `epoch`, `loss` (cross entropy), `accuracy` (0 to 1).
    `held_out`: the animals that each fold left out, for the legend.
    """
    figure = page_figure(figure, DOUBLE_MM, 58)
    axes = figure.subplots(1, 2)
    folds = list(dict.fromkeys(history["fold"].astype(str)))
    shades = matplotlib.colormaps["cividis"](np.linspace(0, 0.85, max(1, len(folds))))
    labels = {"loss": "Cross entropy (training faces)", "accuracy": "Accuracy (training faces)"}
    for ax, (column, label) in zip(axes, labels.items(), strict=True):
        ax.set(xlabel="Epoch", ylabel=label)
        seen = history[np.isfinite(history[column].astype(float))]
        if seen.empty:
            say_instead(ax, "no epoch was trained")
            continue
        for fold, shade in zip(folds, shades, strict=False):
            epochs = seen[seen["fold"].astype(str) == fold].sort_values("epoch")
            colour, width = (BLACK, 1.8) if fold == "all" else (shade, 0.7)
            without = ", ".join((held_out or {}).get(fold, []))
            name = "all animals" if fold == "all" else shorten(f"without {without}" if without else fold, 22)
            marker = "o" if len(epochs) == 1 else "none"  # one epoch is a point, not a line
            (line,) = ax.plot(epochs["epoch"], epochs[column], color=colour, label=name, gid=f"fold {fold}")
            line.set(linewidth=width, marker=marker)
        ax.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
        ax.set_xlim(seen["epoch"].min() - 0.5, seen["epoch"].max() + 0.5)
        ax.set_ylim(*((0, None) if column == "loss" else (None, 1.005)))
    handles, names = axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, names, loc="outside right upper", ncols=1 + len(handles) // 15)
    return figure


@paper_style()
def plot_held_out(
    scores: pd.DataFrame, summary: pd.DataFrame | None = None, figure: Figure | None = None
) -> Figure:
    """AUC, sensitivity and specificity of every held-out animal, with the mean over animals and its interval.

    `scores`: the table of `score_animals`, one row an animal; NaN where it has no face of a label.
    `summary`: that of `summarise_animals` (`metric`, `mean`, `ci_low`, `ci_high`, `n`), made here (seed 0)
    where it is not given.
    """
    summary = summarise_animals(scores, seed=0) if summary is None else summary
    figure = page_figure(figure, DOUBLE_MM, 27 + 3.6 * max(4, len(scores)))
    axes = figure.subplots(1, 3, sharey=True)
    rows = np.arange(len(scores))
    found = summary.set_index("metric").to_dict("index")
    for ax, (metric, label) in zip(axes, _METRICS.items(), strict=True):
        ax.set(xlim=(-0.03, 1.03), xlabel=f"{label} (0 to 1)")
        if metric == "auc":
            ax.axvline(0.5, color=GREY, linestyle=":", linewidth=0.8, gid="chance")
        values = scores[metric].to_numpy(float)
        if not np.isfinite(values).any():
            ax.set_title(label)
            say_instead(ax, f"no held-out animal with {'both labels' if metric == 'auc' else 'this label'}")
            continue
        mean, low, high, n = (found[metric][name] for name in ("mean", "ci_low", "ci_high", "n"))
        interval = ""
        if np.isfinite(low):
            ax.axvspan(max(0, low), min(1, high), color=PALE, linewidth=0, gid="interval")
            interval = f" [{low:.2f}, {high:.2f}]"
        ax.axvline(mean, color=BLACK, linewidth=1.2, gid="mean")
        (points,) = ax.plot(values, rows, "o", color=DARK, clip_on=False, zorder=3, gid=metric)
        points.set(markersize=4, markerfacecolor="white", markeredgewidth=1)
        ax.set_title(f"{label} {mean:.2f}{interval}, n = {n}")
    axes[0].set_yticks(rows, [shorten(str(name), 18) for name in scores["subject"]])
    axes[0].set(ylim=(max(len(scores), 1) - 0.4, -0.6), ylabel="Held-out animal")
    marks = "Line: mean over animals; grey: its 95 % interval; dots: chance."
    figure.supxlabel(f"Each animal judged by a network trained on others. {marks}", fontsize=TEXT_PT)
    return figure


@paper_style()
def plot_roc(out_of_fold: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """One ROC curve per held-out animal (thin) and their mean at equal false-positive rates (thick).

    `out_of_fold`: `subject`, `label` (0 or 1), `p_pain`, of networks that never saw the animal. Animals
    with one label only have no curve and are counted in the legend.
    """
    ax = panel_axes(ax, SINGLE_MM, 80)
    ax.set(xlim=(-0.01, 1), ylim=(0, 1.01), aspect="equal")
    ax.set(xlabel="False-positive rate (1 − specificity)", ylabel="True-positive rate (sensitivity)")
    curves, areas, last = [], [], None
    for subject, faces in out_of_fold.groupby("subject", sort=True):
        label = faces["label"].to_numpy()
        if len(set(label)) < 2:
            continue
        false_rate, true_rate, _ = roc_curve(label, faces["p_pain"])
        (last,) = ax.plot(false_rate, true_rate, color=GREY, linewidth=0.6, gid=f"animal {subject}")
        curves.append(np.interp(_GRID, false_rate, true_rate))
        areas.append(roc_auc_score(label, faces["p_pain"]))
    if last is None:
        return say_instead(ax, "no held-out animal with faces of both labels")
    last.set_label(f"one held-out animal (n = {len(curves)})")
    # From (0, 0): the curves may rise at a false-positive rate of 0.
    x, y = np.concatenate([[0.0], _GRID]), np.concatenate([[0.0], np.mean(curves, axis=0)])
    name = f"mean over animals, AUC {np.mean(areas):.3f}\n(lowest {np.min(areas):.3f})"
    ax.plot(x, y, color=BLACK, linewidth=1.8, label=name, gid="mean")
    ax.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=0.8, label="chance", gid="chance")
    skipped = out_of_fold["subject"].nunique() - len(curves)
    title = f"not drawn: {count(skipped, 'animal')} with one label" if skipped else None
    ax.legend(loc="lower right", title=title, title_fontsize=TEXT_PT, alignment="left")
    return ax


@paper_style()
def plot_confusion(table: pd.DataFrame, figure: Figure | None = None) -> Figure:
    """Right and wrong calls on the training set, for all animals and by sex (the paper's Table 1).

    `table`: that of `confusion_by_sex`: `sex` ("all" first), `pain_right`, `pain_wrong`, `no_pain_right`,
    `no_pain_wrong`, counts of faces.
    """
    figure = page_figure(figure, DOUBLE_MM, 66)
    figure.suptitle(TRAINING_SET_WARNING[0].upper() + TRAINING_SET_WARNING[1:])
    axes = figure.subplots(1, max(3, len(table)))
    for ax in axes[len(table) :]:
        ax.set_axis_off()
    for ax, row in zip(axes, table.to_dict("records"), strict=False):
        right, wrong = (row["pain_right"], row["no_pain_right"]), (row["pain_wrong"], row["no_pain_wrong"])
        counts = np.array([[right[0], wrong[0]], [wrong[1], right[1]]], dtype=float)
        _draw_confusion(ax, counts)
        animals = "all animals" if row["sex"] == "all" else f"sex: {row['sex']}"
        ax.set_title(f"{animals}, {count(int(counts.sum()), 'face')}")
    axes[0].set_ylabel("Label of the recording")
    if table.empty:
        say_instead(axes[1], "no training face")
    return figure


def _draw_confusion(ax: Axes, counts: np.ndarray) -> None:
    """Counts (2, 2) of labels (rows: pain, no pain) and calls (columns), with the share of each row."""
    totals = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, totals, out=np.zeros((2, 2)), where=totals > 0)
    texts = np.full((2, 2), "no face", dtype=object)
    for cell in np.argwhere(totals.repeat(2, axis=1) > 0):
        texts[*cell] = f"{counts[*cell]:,.0f}\n{share[*cell]:.1%}"
    names = ["pain", "no pain"]
    look = {"cmap": "Blues", "vmin": 0, "vmax": 1.2, "linewidths": 0.5, "annot_kws": {"fontsize": TEXT_PT}}
    sns.heatmap(share, annot=texts, fmt="", square=True, cbar=False, ax=ax, **look)
    ax.set_xticklabels(names)
    ax.set_yticklabels(names)
    ax.tick_params(length=0)
    ax.set_xlabel("Called")

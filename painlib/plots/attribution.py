"""Figures of attribution: the mean map of each class, single faces with their maps, and the checks."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from painlib.attribution.checks import METHODS, AttributionChecks
from painlib.plots.style import (
    BLACK,
    CLASS_LOOKS,
    DARK,
    DOUBLE_MM,
    GREEN,
    GREY,
    PURPLE,
    SMALL_PT,
    Look,
    page_figure,
    paper_style,
    say_instead,
    shorten,
)
from painlib.region_faces import LabelledFaces

MAP_COLOURS = "inferno"  # its lightness rises evenly, so it reads in grey and colour-blind
OVERLAY = 0.5  # share of the map's colour in an overlay
ACROSS = 6  # faces a line
_CLASSES = ("no pain", "pain")
_METHOD_LOOKS = dict(zip(METHODS, (Look(GREEN, "o", "-"), Look(PURPLE, "s", "--")), strict=True))
_RANDOM = Look(GREY, "^", ":")


def overlay_map(image: np.ndarray, shown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A map (h, w), 0..1, stretched over `image` (height, width, 3) uint8: in colours, and laid over it; RGB
    0..1."""
    height, width = image.shape[:2]
    smooth = cv2.resize(np.asarray(shown, np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    coloured = matplotlib.colormaps[MAP_COLOURS](np.clip(smooth, 0, 1))[:, :, :3]
    return coloured, (1 - OVERLAY) * image / 255 + OVERLAY * coloured


def average_maps(
    faces: LabelledFaces, inputs: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, int]]:
    """Mean face (px, px, 3) uint8, mean map (h, w) of its own class, and number of faces, by class.

    `inputs` (n, px, px, 3) uint8: the faces' images.
    """
    images, maps, n_faces = {}, {}, {}
    for name in _CLASSES:
        rows = np.flatnonzero(faces.label_names == name)
        if not len(rows):
            continue
        sums = [np.asarray(inputs[part]).sum(axis=0, dtype=np.float64) for part in _split(rows)]
        means = [faces.read_maps(part).sum(axis=0, dtype=np.float64) for part in _split(rows)]
        images[name] = np.round(sum(sums) / len(rows)).astype(np.uint8)
        maps[name], n_faces[name] = sum(means) / len(rows), len(rows)
    return images, maps, n_faces


def _split(rows: np.ndarray) -> list[np.ndarray]:
    return np.array_split(rows, -(-len(rows) // 1024))


@paper_style()
def plot_mean_maps(
    images: dict[str, np.ndarray],
    maps: dict[str, np.ndarray],
    n_faces: dict[str, int],
    figure: Figure | None = None,
) -> Figure:
    """Mean face, mean Grad-CAM and both together, a line a class ("no pain", "pain").

    `images`: mean face (px, px, 3) uint8; `maps`: mean map (h, w), 0..1; `n_faces`: how many. A class without
    faces says so.
    """
    figure = page_figure(figure, DOUBLE_MM * 0.62, 84)
    axes = figure.subplots(2, 3)
    sizes = [np.shape(shown) for shown in maps.values()]
    size = f", map of {sizes[0][0]} × {sizes[0][1]}" if sizes else ""
    figure.suptitle(f"Grad-CAM of the face's own class, mean over faces{size}")
    for line, name in zip(axes, _CLASSES, strict=True):
        look = CLASS_LOOKS[name]
        for ax in line:
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set(visible=True, color=look.colour, linestyle=look.line, linewidth=0.8)
        line[0].set_ylabel(f"{name}\n{n_faces.get(name, 0):,} faces", color=look.colour)
        if name not in maps:
            say_instead(line[0], "no faces")
            continue
        coloured, both = overlay_map(images[name], maps[name])
        for ax, drawn in zip(line, (images[name], coloured, both), strict=True):
            ax.imshow(drawn, interpolation="none")
    for ax, words in zip(axes[0], ("mean face", "mean Grad-CAM", "overlay"), strict=True):
        ax.set_title(words)
    _add_bar(figure, axes)
    return figure


@paper_style()
def plot_mapped_faces(
    images: Sequence[np.ndarray] | np.ndarray,
    maps: np.ndarray,
    faces: pd.DataFrame,
    figure: Figure | None = None,
) -> Figure:
    """Faces and, under each, its Grad-CAM laid over it; no pain first, then pain, six a line.

    `images`: n RGB uint8; `maps` (n, h, w), 0..1, of the face's own class; `faces`: n rows with `subject`,
    `label` ("no pain", "pain") and `p_pain`.
    """
    if not len(images) == len(maps) == len(faces):
        raise ValueError(f"expected as many maps and rows as {len(images)} images")
    lines: list[tuple[str, list[int]]] = []
    for name in _CLASSES:
        rows = np.flatnonzero((faces["label"] == name).to_numpy()).tolist()
        lines += [(name, rows[start : start + ACROSS]) for start in range(0, len(rows), ACROSS)]
    figure = page_figure(figure, DOUBLE_MM, 14 + 60.0 * max(1, len(lines)))
    if not lines:
        ax = figure.subplots()
        ax.set_axis_off()
        say_instead(ax, "no faces")
        return figure
    size = f"map of {maps.shape[1]} × {maps.shape[2]}"
    figure.suptitle(f"Faces and their Grad-CAM ({size}); under each: animal, probability of pain")
    axes = figure.subplots(2 * len(lines), ACROSS, squeeze=False)
    for number, (name, rows) in enumerate(lines):
        look = CLASS_LOOKS[name]
        pair = axes[2 * number : 2 * number + 2]
        pair[0, 0].set_title(f"labelled {name}", color=look.colour)
        for column in range(ACROSS):
            if column >= len(rows):
                pair[0, column].set_axis_off()
                pair[1, column].set_axis_off()
                continue
            row = rows[column]
            image = np.asarray(images[row])
            for ax, drawn in zip(pair[:, column], (image, overlay_map(image, maps[row])[1]), strict=True):
                ax.imshow(drawn, interpolation="none")
                ax.set(xticks=[], yticks=[])
                ax.spines[:].set(visible=True, color=look.colour, linestyle=look.line, linewidth=0.8)
            if not np.any(maps[row]):
                pair[1, column].text(0.5, 0.5, "no positive\nevidence", transform=pair[1, column].transAxes,
                                     color="white", ha="center", va="center", fontsize=SMALL_PT)  # fmt: skip
            face = faces.iloc[row]
            told = f"{shorten(str(face['subject']), 10)}  {face['p_pain']:.2f}"
            pair[1, column].set_xlabel(told, fontsize=SMALL_PT, color=DARK)
    _add_bar(figure, axes)
    return figure


def _add_bar(figure: Figure, axes: np.ndarray) -> None:
    colours = ScalarMappable(Normalize(0, 1), MAP_COLOURS)
    bar = figure.colorbar(colours, ax=axes, location="bottom", shrink=0.5, aspect=35, ticks=[0, 0.5, 1])
    bar.set_label("Grad-CAM, each map from its lowest (0) to its highest value (1)")


@paper_style()
def plot_checks(checks: AttributionChecks, figure: Figure | None = None) -> Figure:
    """Maps under scrambled weights, and the probability while what a map names is deleted or inserted.

    Means over animals with their 95 % intervals (bars, bands).
    """
    figure = page_figure(figure, DOUBLE_MM, 66)
    cascade, deletion, insertion = figure.subplots(1, 3, width_ratios=[1.25, 1, 1])
    _draw_cascade(cascade, checks)
    for ax, way in ((deletion, "deletion"), (insertion, "insertion")):
        _draw_curves(ax, checks, way)
    deletion.set_ylabel("Probability of the face's own class")
    insertion.sharey(deletion)
    handles, names = deletion.get_legend_handles_labels()
    if handles:
        figure.legend(handles, names, loc="outside upper center", ncols=3)
    return figure


def _draw_cascade(ax: Axes, checks: AttributionChecks) -> None:
    ax.set_title(f"Scrambled weights (map of {checks.map_size[0]} × {checks.map_size[1]})")
    ax.set(ylim=(-0.55, 1.05), ylabel="Spearman's correlation with the true map")
    ax.set_xlabel("Layers drawn anew, from the output on")
    ax.axhline(0, color=GREY, linewidth=0.8, linestyle=":")
    table = checks.cascade
    if table.empty:
        say_instead(ax, "no map with an order")
        return
    for method, look in _METHOD_LOOKS.items():
        here = table[table["method"] == method].sort_values("n_layers")
        bars = ax.errorbar(
            here["n_layers"], here["mean"], yerr=_reach(here), fmt=look.marker, color=look.colour
        )
        bars.lines[0].set(linestyle=look.line if len(here) > 1 else "none", markersize=3.5, gid=method)
    ax.set_xticks(sorted(table["n_layers"].unique()))
    one = checks.agreement.set_index("what")["mean"].get("Spearman, two methods", np.nan)
    ax.text(0.98, 0.97, f"the two methods with\neach other: {one:.2f}", transform=ax.transAxes, ha="right",
            va="top", fontsize=SMALL_PT, color=DARK)  # fmt: skip


def _draw_curves(ax: Axes, checks: AttributionChecks, way: str) -> None:
    areas = checks.areas.set_index(["method", "way"])["mean"]
    low, high = ("deleted", "low") if way == "deletion" else ("inserted", "high")
    ax.set(title=f"{way.capitalize()} ({high} is good)", xlim=(0, 1), ylim=(0, 1.02))
    ax.set_xlabel(f"Share of the pixels {low}")
    for method, look in _METHOD_LOOKS.items():
        for name, drawn in ((way, look), (f"random_{way}", _RANDOM)):
            here = checks.curves[(checks.curves["method"] == method) & (checks.curves["way"] == name)]
            if here.empty or (drawn is _RANDOM and method != METHODS[0]):
                continue
            label = method if drawn is look else "random map of Grad-CAM's size"
            ax.plot(
                here["share"], here["mean"], color=drawn.colour, linestyle=drawn.line, label=label, gid=name
            )
            ax.fill_between(
                here["share"], here["ci_low"], here["ci_high"], color=drawn.colour, alpha=0.18, linewidth=0
            )
    keys = {name: (name, way) for name in METHODS} | {"random map": (METHODS[0], f"random_{way}")}
    told = [f"{name}: {areas[key]:.2f}" for name, key in keys.items() if key in areas.index]
    high_up = way == "deletion"
    words = "\n".join(["area under the curve", *told])
    text = ax.text(
        0.97, 0.97 if high_up else 0.04, words, transform=ax.transAxes, fontsize=SMALL_PT, color=BLACK
    )
    text.set(ha="right", va="top" if high_up else "bottom")


def _reach(table: pd.DataFrame) -> np.ndarray:
    """How far the interval reaches below and above the mean, (2, n); 0 where there is none."""
    low, high = table["mean"] - table["ci_low"], table["ci_high"] - table["mean"]
    return np.clip(np.nan_to_num(np.stack([low, high]).astype(float)), 0, None)

"""Figures of similar faces: their 2-D map, and the pairs of it (paper, Fig. 2A)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import cv2
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from painlib.faults import PainlibError
from painlib.plots.attribution import MAP_COLOURS, overlay_map
from painlib.plots.style import (
    CLASS_LOOKS,
    DARK,
    DOUBLE_MM,
    GREEN,
    GREY,
    ORANGE,
    RULE_LOOKS,
    RULE_NAMES,
    SMALL_PT,
    Look,
    count,
    group_looks,
    page_figure,
    paper_style,
    say_instead,
    shorten,
)

MOST_PAIRS = 8  # on a page
_MOST_POINTS = 20_000  # drawn in a panel
_MOST_NAMES = 14  # in a legend
_TURNS = 8  # groups are drawn in turns, so that the last one does not cover the others
_FACE_PX = 256
_CLASSES = ("no pain", "pain")
_WAY_LOOKS = {"in feature space": Look(GREEN, "o", "-"), "in the map": Look(ORANGE, "s", "--")}


@paper_style()
def plot_map(
    points: np.ndarray, faces: pd.DataFrame, method: str = "UMAP", seed: int = 0, figure: Figure | None = None
) -> Figure:
    """The map of `project` four times: by class, animal, camera and crop rule.

    `points` (n, 2); `faces`: n rows with `label` (0 no pain, 1 pain, -1 none), `subject`, `camera`, `rule`.
    Of more than 20,000 faces a random part is drawn, which is said. No ticks: the axes have no unit.
    """
    points = np.asarray(points)
    _check_rows(len(points), len(faces), "points")
    order = np.random.default_rng(seed).permutation(len(points))[:_MOST_POINTS]
    drawn = "" if len(order) == len(points) else f", {len(order):,} of them drawn at random"
    figure = page_figure(figure, DOUBLE_MM, 140)
    figure.suptitle(f"{method} of the faces' composition: {count(len(points), 'face')}{drawn}")
    labels = faces["label"].map({0: "no pain", 1: "pain"}).fillna("no label")
    classes = {**CLASS_LOOKS, "no label": Look(GREY, "x", ":")}
    rules = {f"{rule}: {name}": RULE_LOOKS[rule] for rule, name in RULE_NAMES.items()}
    panels: list[tuple[str, pd.Series, dict[str, Look]]] = [
        ("Class (label of the recording)", labels, classes),
        ("Animal", faces["subject"].astype(str), {}),
        ("Camera", faces["camera"].astype(str), {}),
        ("Crop rule (points seen)", faces["rule"].map(lambda rule: f"{rule}: {RULE_NAMES[rule]}"), rules),
    ]
    for ax, (title, names, looks) in zip(figure.subplots(2, 2).ravel(), panels, strict=True):
        looks = looks or group_looks(sorted(names.unique()), controls=())
        _scatter(ax, points[order], names.to_numpy()[order], looks)
        ax.set_title(title)
        _bare_axes(ax, method)
    return figure


def _scatter(ax: Axes, points: np.ndarray, names: np.ndarray, looks: Mapping[str, Look]) -> None:
    present = [name for name in looks if (names == name).any()]
    if not present:
        say_instead(ax, "no faces")
        return
    size = float(np.clip(4000 / len(points), 1.5, 14))
    for turn in range(_TURNS):
        for name in present:
            at = points[turn::_TURNS][names[turn::_TURNS] == name]
            look = looks[name]
            width = 0.6 if look.marker == "x" else 0
            dots = ax.scatter(at[:, 0], at[:, 1], s=size, c=look.colour, marker=look.marker, alpha=0.75)
            dots.set(linewidths=width, rasterized=True, gid=name)
    shown = present if len(present) <= _MOST_NAMES else present[: _MOST_NAMES - 1]
    marks = [
        Line2D([], [], color=looks[n].colour, marker=looks[n].marker, ls="", markersize=4) for n in shown
    ]
    texts = [shorten(name, 22) for name in shown]
    if len(shown) < len(present):
        marks.append(Line2D([], [], ls=""))
        texts.append(f"and {len(present) - len(shown)} more")
    ax.legend(marks, texts, loc="upper left", bbox_to_anchor=(1.0, 1.0), handlelength=1.0)


def _bare_axes(ax: Axes, method: str, adjustable: Literal["box", "datalim"] = "datalim") -> None:
    ax.set(xlabel=f"{method} 1", ylabel=f"{method} 2", xticks=[], yticks=[])
    ax.set_aspect("equal", adjustable=adjustable)


def pick_map_faces(points: np.ndarray, cells: int = 20) -> pd.DataFrame:
    """For each cell of a grid laid over the map that has faces, the face nearest to its middle.

    `cells`: squares along the longer side. Returns row, x, y (middle of the cell), side (of a cell), in order
    of row; of equally near faces the lowest row.
    """
    points = np.asarray(points, np.float64)
    if not len(points):
        return pd.DataFrame({"row": np.zeros(0, np.int64), "x": 0.0, "y": 0.0, "side": 0.0})
    low, high = points.min(axis=0), points.max(axis=0)
    side = float((high - low).max() / cells) or 1.0
    cell = np.minimum(np.floor((points - low) / side), cells - 1)
    middle = low + (cell + 0.5) * side
    table = pd.DataFrame({"row": np.arange(len(points)), "x": middle[:, 0], "y": middle[:, 1], "side": side})
    table = table.assign(far=((points - middle) ** 2).sum(axis=1), i=cell[:, 0], j=cell[:, 1])
    nearest = table.sort_values(["far", "row"], kind="stable").drop_duplicates(["i", "j"])
    return nearest.sort_values("row", ignore_index=True)[["row", "x", "y", "side"]]


@paper_style()
def plot_map_thumbnails(
    picked: pd.DataFrame,
    images: Sequence[np.ndarray] | np.ndarray,
    label: Sequence[int] | np.ndarray,
    method: str = "UMAP",
    figure: Figure | None = None,
) -> Figure:
    """The map as faces: each of `pick_map_faces` in the middle of its cell, framed in the colour of its
    class.

    `images`: the picked faces' images, RGB uint8 (height, width, 3); `label`: theirs (0 no pain, 1 pain,
    -1 none).
    """
    _check_rows(len(images), len(picked), "images")
    _check_rows(len(label), len(picked), "labels")
    figure = page_figure(figure, DOUBLE_MM, 150)
    ax = figure.subplots()
    figure.suptitle(f"{method} of the faces' composition: for each cell the face nearest to its middle")
    if not len(picked):
        say_instead(ax, "no faces")
    for (_, x, y, side), image, known in zip(
        picked.itertuples(index=False, name=None), images, label, strict=True
    ):
        half = 0.46 * side
        ax.imshow(_shrink(image), extent=(x - half, x + half, y - half, y + half), interpolation="none")
        look = CLASS_LOOKS[_CLASSES[known]] if known in (0, 1) else Look(GREY, "x", ":")
        frame = Rectangle((x - half, y - half), 2 * half, 2 * half, fill=False, gid="frame")
        frame.set(edgecolor=look.colour, linestyle=look.line, linewidth=1.4)
        ax.add_patch(frame)
    if len(picked):
        side = picked["side"].iloc[0]
        ax.set_xlim(picked["x"].min() - 0.6 * side, picked["x"].max() + 0.6 * side)
        ax.set_ylim(picked["y"].min() - 0.6 * side, picked["y"].max() + 0.6 * side)
    marks = [Line2D([], [], color=look.colour, linestyle=look.line) for look in CLASS_LOOKS.values()]
    ax.legend(marks, list(CLASS_LOOKS), loc="upper left", bbox_to_anchor=(1.0, 1.0))
    _bare_axes(ax, method, adjustable="box")
    return figure


@paper_style()
def plot_pairs(
    pairs: pd.DataFrame,
    faces: pd.DataFrame,
    images: Sequence[Sequence[np.ndarray]],
    maps: np.ndarray | Sequence[Sequence[np.ndarray]],
    map_of: str = "the face's own class",
    n_found: int | None = None,
    figure: Figure | None = None,
) -> Figure:
    """Similar pairs as in the paper's Fig. 2A: original, Grad-CAM and overlay, no pain beside pain.

    `pairs`: at most 8 of `find_mutual_pairs`; `faces`: the face index their rows count in (`subject`,
    `time_s`, and `camera` if there); `images[i]` and `maps[i]`: the no-pain and the pain face of pair i, RGB
    uint8 (height, width, 3), and maps (h, w) from 0 to 1 at the layer's own size, which is printed;
    `map_of`: the class whose evidence the maps show, in words; `n_found`: how many pairs there are in all.
    A map that is all zero is said to be.
    """
    _check_rows(len(images), len(pairs), "images")
    _check_rows(len(maps), len(pairs), "maps")
    if len(pairs) > MOST_PAIRS:
        raise PainlibError(f"Fig. 2A: expected at most {MOST_PAIRS} pairs on a page, got {len(pairs)}.")
    if not len(pairs):
        figure = page_figure(figure, DOUBLE_MM, 40)
        ax = figure.subplots()
        ax.set_axis_off()
        say_instead(ax, "no pairs")
        return figure
    figure = page_figure(figure, DOUBLE_MM, 20 + 29.0 * len(pairs))
    shape = np.shape(maps[0][0])
    of_all = "" if n_found is None else f", {len(pairs)} of {n_found:,}"
    figure.suptitle(f"Pairs of similar faces{of_all}; Grad-CAM of {map_of}, map of {shape[0]} × {shape[1]}")
    # A narrow column keeps the two classes apart.
    grid = figure.subplots(len(pairs), 7, squeeze=False, width_ratios=[1, 1, 1, 0.08, 1, 1, 1])
    for line, (row, pair) in enumerate(zip(grid, pairs.to_dict("records"), strict=True)):
        row[3].set_axis_off()
        for side, name in enumerate(_CLASSES):
            face = faces.iloc[pair[f"row_{name.replace(' ', '_')}"]]
            panels = row[4 * side : 4 * side + 3]
            _draw_face(panels, images[line][side], np.asarray(maps[line][side]), CLASS_LOOKS[name])
            panels[0].set_xlabel(_where(face), fontsize=SMALL_PT, color=DARK)
            for ax, words in zip(panels, (f"{name}: original", "Grad-CAM", "overlay"), strict=True):
                if line == 0:
                    ax.set_title(words, color=CLASS_LOOKS[name].colour)
        row[0].set_ylabel(f"distance {pair['distance']:.3g}", fontsize=SMALL_PT, color=DARK)
    colours = ScalarMappable(Normalize(0, 1), MAP_COLOURS)
    bar = figure.colorbar(colours, ax=grid, location="bottom", shrink=0.3, aspect=35, ticks=[0, 0.5, 1])
    bar.set_label("Grad-CAM, each map from its lowest (0) to its highest value (1)")
    return figure


def _draw_face(panels: Sequence[Axes], image: np.ndarray, shown: np.ndarray, look: Look) -> None:
    """Original, map and overlay of one face."""
    image = _shrink(image)
    coloured, overlay = overlay_map(image, shown)
    for ax, drawn, gid in zip(
        panels, (image, coloured, overlay), ("original", "map", "overlay"), strict=True
    ):
        ax.imshow(drawn, interpolation="none", gid=gid)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set(visible=True, color=look.colour, linestyle=look.line, linewidth=0.8)
    if not shown.any():
        panels[1].text(0.5, 0.5, "no positive\nevidence", color="white", ha="center", va="center")
        panels[1].texts[-1].set(transform=panels[1].transAxes, fontsize=SMALL_PT)


def _where(face: pd.Series) -> str:
    """Animal, camera and time of a face."""
    camera = f" {face['camera']}" if "camera" in face else ""
    time = face.get("time_s", np.nan)
    return f"{shorten(str(face['subject']), 10)}{camera}" + (f"  {time:.1f} s" if np.isfinite(time) else "")


@paper_style()
def plot_pair_distances(
    distances: Mapping[str, np.ndarray], comparison: pd.DataFrame, figure: Figure | None = None
) -> Figure:
    """How alike the pairs are that were found exactly and in the map: distances, and pairs within one animal.

    `distances`: for "in feature space" and "in the map" the distances of the pairs, both **in feature space**
    (`compute_pair_distances`); `comparison`: the table of `compare_pairings`.
    """
    figure = page_figure(figure, DOUBLE_MM, 66)
    left, right = figure.subplots(1, 2, width_ratios=[1.5, 1])
    table = comparison.set_index("way")
    for way, values in distances.items():
        look, ordered = _WAY_LOOKS[way], np.sort(values)
        n = len(ordered)
        name = f"found {way}: {count(n, 'pair')}" + (f", median {np.median(ordered):.3g}" if n else "")
        share = np.arange(1, n + 1) / max(n, 1)
        (line,) = left.step([*ordered[:1], *ordered], [0, *share] if n else [], where="post", label=name)
        line.set(color=look.colour, linestyle=look.line, linewidth=1.4, gid=f"distances {way}")
    shared = int(table["n_shared"].iloc[0]) if len(table) else 0
    left.set(xlabel="Distance of the two faces in feature space", ylabel="Share of pairs, cumulative")
    left.set(ylim=(0, 1.02), title=f"{count(shared, 'pair')} found both ways")
    left.set_xlim(left=0)
    if not any(len(values) for values in distances.values()):
        say_instead(left, "no pairs")
    left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2))
    for place, way in enumerate(table.index):
        value = float(table.loc[way, "share_same_animal"])  # type: ignore[arg-type]
        look = _WAY_LOOKS[way]
        known = np.isfinite(value)
        right.bar(place, value if known else 0, 0.55, color=look.colour, gid=f"same animal {way}")
        words = f"{100 * value:.0f} %" if known else "not known"
        right.text(place, (value if known else 0) + 0.02, words, ha="center", va="bottom")
    right.set(ylim=(0, 1.12), ylabel="Share of pairs", title="Pairs within one animal")
    right.set_xticks(range(len(table)), [f"found\n{way}" for way in table.index])
    return figure


def _shrink(image: np.ndarray) -> np.ndarray:
    side = max(image.shape[:2])
    if side <= _FACE_PX:
        return image
    return cv2.resize(image, None, fx=_FACE_PX / side, fy=_FACE_PX / side, interpolation=cv2.INTER_AREA)


def _check_rows(got: int, expected: int, what: str) -> None:
    if got != expected:
        raise ValueError(f"expected one a row, got {got} {what} and {expected} rows")

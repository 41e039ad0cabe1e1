"""How every painlib figure looks, and how one is saved: sizes, colours, marks, bytes that repeat.

Colours are those of Okabe & Ito (Color Universal Design, 2008), which colour-blind readers tell apart;
whatever a colour says is said by a marker or a line pattern as well.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from painlib.faults import PainlibError
from painlib.tables import write_whole

INCH_MM = 25.4
_DPI = 300
SINGLE_MM, DOUBLE_MM = 85.0, 174.0  # widths of one and of two columns of a journal page
SMALL_PT, TEXT_PT, TITLE_PT = 6.0, 7.0, 8.0
LETTER_MM = 1.45  # mean width of a letter at 7 pt

BLACK, DARK, GREY, PALE = "#000000", "#4D4D4D", "#7F7F7F", "#D9D9D9"
ORANGE, SKY, GREEN, YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, VERMILION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"


@dataclass(frozen=True)
class Look:
    """Colour, marker and line pattern that stand for one thing in every figure."""

    colour: str
    marker: str
    line: Any  # as matplotlib's linestyle


CLASS_LOOKS = {"pain": Look(VERMILION, "o", "-"), "no pain": Look(BLUE, "s", "--")}
KEYPOINT_LOOKS = {
    "nose": Look(GREEN, "^", "-"),
    "right_eye": Look(ORANGE, "o", "--"),
    "left_eye": Look(SKY, "s", "-."),
}
RULE_LOOKS = {
    1: Look(GREEN, "o", "-"),
    2: Look(ORANGE, "s", "-"),
    3: Look(SKY, "^", "-"),
    4: Look(PALE, "x", ":"),
}
RULE_NAMES = {1: "nose and both eyes", 2: "nose and right eye", 3: "nose and left eye", 4: "no face"}

_CONTROL_LOOK = Look(BLACK, "o", "-")
_GROUP_COLOURS = (GREEN, ORANGE, PURPLE, SKY)  # pain and no pain keep vermilion and blue to themselves
_GROUP_MARKERS = ("s", "^", "D", "v", "p", "<", ">")
_GROUP_LINES: tuple[Any, ...] = ("--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)), (0, (7, 2)))

_PAPER: dict[Any, Any] = {
    # Comes with matplotlib, so that bytes do not depend on the machine's fonts.
    "font.family": "DejaVu Sans",
    "font.size": TEXT_PT,
    "axes.labelsize": TEXT_PT,
    "axes.titlesize": TEXT_PT,
    "axes.titleweight": "normal",
    "axes.titlelocation": "left",
    "figure.titlesize": TITLE_PT,
    "xtick.labelsize": TEXT_PT,
    "ytick.labelsize": TEXT_PT,
    "legend.fontsize": TEXT_PT,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "legend.borderaxespad": 0.2,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.labelpad": 2.0,
    "axes.unicode_minus": True,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "xtick.major.pad": 2.0,
    "ytick.major.pad": 2.0,
    "lines.linewidth": 1.0,
    "lines.markersize": 3.0,
    "patch.linewidth": 0.6,
    "hatch.linewidth": 0.4,
    "figure.dpi": 150,
    "savefig.dpi": _DPI,
    "savefig.facecolor": "white",
    "figure.facecolor": "white",
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.hashsalt": "painlib",
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
}


@contextmanager
def paper_style() -> Iterator[None]:
    """The style of a printed page for what is drawn inside; a decorator too. The caller's style stays."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_PAPER)
        yield


def group_looks(groups: Iterable[str], controls: Collection[str] | None = None) -> dict[str, Look]:
    """One look a group, by its place; controls (the first group if none are named) are black.

    Give the groups of the whole study in one order, and a group looks the same in every figure.
    """
    order = list(dict.fromkeys(groups))
    black = order[:1] if controls is None else controls
    looks = dict.fromkeys(order, _CONTROL_LOOK)
    for place, group in enumerate(g for g in order if g not in black):
        colour = _GROUP_COLOURS[place % len(_GROUP_COLOURS)]
        marker = _GROUP_MARKERS[place % len(_GROUP_MARKERS)]
        looks[group] = Look(colour, marker, _GROUP_LINES[place % len(_GROUP_LINES)])
    return looks


@paper_style()
def new_figure(width_mm: float = DOUBLE_MM, height_mm: float = 100.0) -> Figure:
    """An empty page of the given size, in mm, whose panels make room for their texts by themselves."""
    return plt.figure(figsize=(width_mm / INCH_MM, height_mm / INCH_MM), layout="constrained")


@paper_style()
def new_axes(width_mm: float = SINGLE_MM, height_mm: float = 60.0) -> Axes:
    """One panel on a page of its own, of the given size in mm."""
    return new_figure(width_mm, height_mm).subplots()


def say_instead(ax: Axes, text: str) -> Axes:
    """Write into an empty panel why nothing is drawn there."""
    width = max(12, int(panel_mm(ax) / LETTER_MM))
    words = ax.text(0.5, 0.5, textwrap.fill(text, width), ha="center", va="center", color=DARK, gid="instead")
    words.set(transform=ax.transAxes, bbox={"facecolor": "white", "linewidth": 0, "pad": 2}, zorder=5)
    return ax


def shorten(name: str, length: int) -> str:
    """`name` in at most `length` characters, the middle left out: both ends tell recordings apart."""
    if len(name) <= length:
        return name
    kept = length - 1
    return f"{name[: (kept + 1) // 2]}…{name[len(name) - kept // 2 :]}"


def count(n: int, thing: str) -> str:
    """`1 animal`, `1,234 frames`."""
    plural = thing + ("es" if thing.endswith("s") else "s")
    return f"{n:,} {thing if n == 1 else plural}"


def swarm_offsets(values: np.ndarray, spread: float, apart: float) -> np.ndarray:
    """Sideways offsets (n,), within ±`spread`, of points whose values differ by less than `apart`.

    From the lowest value up, each point takes the place nearest the middle that is free; no randomness, so
    bytes repeat.
    """
    places = spread * np.array([0, 1, -1, 2, -2, 3, -3]) / 3
    top = np.full(len(places), -np.inf)  # the highest value at each place so far
    offsets = np.zeros(len(values))
    for point in np.argsort(values, kind="stable"):
        free = np.flatnonzero(values[point] - top >= apart)
        place = free[0] if len(free) else int(np.argmin(top))
        offsets[point], top[place] = places[place], values[point]
    return offsets


def mean_sem(values: pd.Series | np.ndarray) -> tuple[float, float, int]:
    """Mean, standard error of the mean (NaN below two values) and number of the values that are not NaN."""
    seen = np.asarray(values, dtype=float)
    seen = seen[np.isfinite(seen)]
    mean = float(seen.mean()) if len(seen) else float("nan")
    sem = float(seen.std(ddof=1) / np.sqrt(len(seen))) if len(seen) > 1 else float("nan")
    return mean, sem, len(seen)


def save_figure(drawn: Figure | Axes, folder: Path | str, name: str, note: str = "") -> tuple[Path, Path]:
    """Write `<folder>/<name>.pdf` and `.png` (300 dpi), each whole or not at all, with bytes that repeat.

    `drawn`: what a `plot_*` returned; of axes the whole page is saved. `note` is printed under the figure,
    on a foot added to the page, and stays on the figure, so that a notebook shows it too. Raises
    `PainlibError` where `name` is no plain file name.
    """
    if name in ("", ".", "..") or Path(name).name != name:
        raise PainlibError(
            f"Figure: expected a plain file name, got {name!r}; give the folder apart from the name."
        )
    figure = find_page(drawn) if isinstance(drawn, Axes) else drawn
    folder = Path(folder)
    pdf, png = folder / f"{name}.pdf", folder / f"{name}.png"
    with paper_style():
        page = _print_note(figure, note)
        # No dates and no versions: files differ only where the figures do.
        undated = {"Creator": "painlib", "Producer": None, "CreationDate": None}
        metadata = {
            pdf: {"Title": name, "Subject": note, **undated},
            png: {"Title": name, "Description": note, "Software": "painlib"},
        }
        contents = {}
        with _laid_out(figure):
            for path, words in metadata.items():
                buffer = io.BytesIO()
                figure.savefig(buffer, format=path.suffix[1:], bbox_inches=page, metadata=words)
                contents[path] = buffer.getvalue()
    for path, content in contents.items():
        with write_whole(path) as temporary:
            Path(temporary).write_bytes(content)
    return pdf, png


@contextmanager
def _laid_out(figure: Figure) -> Iterator[None]:
    """The layout found once and kept: both files have the same one and are written in half the time."""
    engine = figure.get_layout_engine()
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    try:
        yield
    finally:
        figure.set_layout_engine(engine)


def _print_note(figure: Figure, note: str) -> Bbox:
    """Put `note` below the figure, in place of an earlier one; returns the page, in inches, with both."""
    for text in [t for t in figure.texts if t.get_gid() == "note"]:
        text.remove()
    width, height = figure.get_size_inches()
    if not note:
        return Bbox.from_bounds(0, 0, width, height)
    lines = textwrap.wrap(note, max(20, int(width * INCH_MM / 1.7)))
    foot = (len(lines) * TEXT_PT * 1.3 + 5) / 72  # inches
    foot = np.ceil(foot * _DPI) / _DPI  # whole dots, so that the rest of the page stays as it is
    printed = figure.text(0.5, -foot / height / 2, "\n".join(lines), ha="center", va="center", gid="note")
    printed.set(fontsize=TEXT_PT, fontweight="bold")
    return Bbox.from_bounds(0, -foot, width, height + foot)


def find_page(ax: Axes) -> Figure:
    """The page that a panel is on."""
    page = ax.get_figure(root=True)
    assert isinstance(page, Figure), "a panel without a page"
    return page


def panel_mm(ax: Axes) -> float:
    """Width of a panel, mm; before the layout a little less than it will be."""
    return ax.get_window_extent().width / find_page(ax).dpi * INCH_MM


def panel_axes(ax: Axes | None, width_mm: float = SINGLE_MM, height_mm: float = 60.0) -> Axes:
    """The panel that was given, or a new one on a page of its own."""
    return new_axes(width_mm, height_mm) if ax is None else ax


def page_figure(figure: Figure | None, width_mm: float, height_mm: float) -> Figure:
    """The figure that was given, or a new page."""
    return new_figure(width_mm, height_mm) if figure is None else figure

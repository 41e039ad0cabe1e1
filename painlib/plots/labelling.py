"""Frames drawn for labelling, with what is labelled on them so far."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from painlib.plots.style import (
    BLACK,
    DARK,
    DOUBLE_MM,
    KEYPOINT_LOOKS,
    SMALL_PT,
    page_figure,
    paper_style,
    say_instead,
    shorten,
)

ACROSS = 6  # frames a line
MOST_FRAMES = 36
FRAME_PX = 480  # longer side; more than a printed frame of the sheet has at 300 dpi


def pick_frames_to_show(labelled: np.ndarray) -> np.ndarray:
    """At most 36 places of (n,) bool, in their order: frames that are labelled first, then others."""
    first = np.argsort(~np.asarray(labelled, bool), kind="stable")
    return np.sort(first[:MOST_FRAMES])


@paper_style()
def plot_label_frames(
    images: Sequence[np.ndarray],
    rows: pd.DataFrame,
    points: np.ndarray,
    labelled: np.ndarray,
    figure: Figure | None = None,
) -> Figure:
    """A sheet of frames drawn for labelling, with the points of those that are labelled.

    `images`: n RGB uint8 arrays; `rows`: their n rows of the drawn frames (`subject`, `camera`, `frame`,
    `width`, `height`); `points` (n, 3, 2) nose, right eye, left eye in px of the original frame, NaN where
    absent or not labelled; `labelled` (n_frames,) bool: of all that were drawn, which are.
    """
    n_lines = max(1, -(-len(images) // ACROSS))
    figure = page_figure(figure, DOUBLE_MM, 9 + 19.5 * n_lines)
    axes = figure.subplots(n_lines, ACROSS, squeeze=False).ravel()
    for ax in axes:
        ax.set_axis_off()
    if not len(images):
        say_instead(axes[0], "no frame drawn")
    for ax, image, row, placed in zip(axes, images, rows.to_dict("records"), points, strict=False):
        _draw_frame(ax, image, row, placed)
    handles = [
        Line2D([], [], color=look.colour, marker=look.marker, ls="", mec=BLACK, mew=0.5, ms=5)
        for look in KEYPOINT_LOOKS.values()
    ]
    names = [f"{name.replace('_', ' ')}" for name in KEYPOINT_LOOKS]
    figure.legend(handles, names, loc="outside upper right", ncols=len(names))
    title = f"Frames to label: {int(np.sum(labelled)):,} of {len(labelled):,} labelled"
    more = f"; {len(images)} shown" if len(images) < len(labelled) else ""
    figure.suptitle(title + more, x=0.01, ha="left")
    return figure


def _draw_frame(ax: Axes, image: np.ndarray, row: Mapping[Hashable, Any], placed: np.ndarray) -> None:
    scale = FRAME_PX / max(image.shape[:2])
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    width, height = row["width"], row["height"]
    ax.imshow(image, extent=(-0.5, width - 0.5, height - 0.5, -0.5), interpolation="none")
    for look, (x, y) in zip(KEYPOINT_LOOKS.values(), placed, strict=True):
        if np.isfinite(x) and np.isfinite(y):
            ax.plot(x, y, look.marker, color=look.colour, markeredgecolor=BLACK, markeredgewidth=0.5, ms=4)
    text = f"{shorten(str(row['subject']), 12)} {row['camera']} {row['frame']}"
    ax.set_title(text, fontsize=SMALL_PT, color=DARK, pad=1.5, loc="center")
    ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))

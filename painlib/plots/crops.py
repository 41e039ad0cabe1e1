"""Figures of 01_crop: how often a face was seen, and how well the points were found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from painlib.faces.crop import apply_rules
from painlib.plots.style import (
    BLACK,
    DOUBLE_MM,
    GREY,
    INCH_MM,
    KEYPOINT_LOOKS,
    RULE_LOOKS,
    RULE_NAMES,
    SINGLE_MM,
    count,
    page_figure,
    panel_axes,
    paper_style,
    say_instead,
    shorten,
    swarm_offsets,
)

_ROW_MM = 3.3  # a line of 7 pt with air
_MAX_ROWS = 50  # recordings on one page column
_LEAST_PX = 0.01  # a log axis has no zero
_POINT_NAMES = {"nose": "Nose", "right_eye": "Right eye", "left_eye": "Left eye"}

Poses = Mapping[tuple[str, str], pd.DataFrame] | Iterable[tuple[tuple[str, str], pd.DataFrame]]


@paper_style()
def plot_rule_shares(summary: pd.DataFrame, figure: Figure | None = None) -> Figure:
    """Share of frames per crop rule, one bar a recording, one panel a camera.

    `summary`: `recording`, `camera`, `n_frames`, and the counts `rule_1`, `rule_2`, `rule_3`; what is left
    of `n_frames` is rule 4, no face. The number of frames stands right of each bar.
    """
    panels = _camera_panels(summary)
    if not panels:
        return _empty_page(figure, "no recording was cropped")
    rows = max(len(names) for names, _ in panels)
    figure = page_figure(figure, DOUBLE_MM, 24 + _ROW_MM * max(rows, 3))
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for ax, (names, camera) in zip(axes, panels, strict=True):
        _draw_shares(ax, summary[summary["camera"] == camera].set_index("recording").reindex(names))
        _name_rows(ax, names, labels=ax is axes[0] or names != panels[0][0])
        ax.set_title(f"Camera {camera}")
        ax.set_title("frames", loc="right", color=GREY)
        ax.set(xlim=(0, 1), xlabel="Share of frames")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4)
    return figure


def _draw_shares(ax: Axes, summary: pd.DataFrame) -> None:
    """Stacked bars of the rows of `summary`, from the top down; NaN: a recording without this camera."""
    rows, frames = np.arange(len(summary)), summary["n_frames"].to_numpy(float)
    counts = {rule: summary[f"rule_{rule}"].to_numpy(float) for rule in (1, 2, 3)}
    counts[4] = frames - sum(counts.values())
    left = np.zeros(len(summary))
    for rule, look in RULE_LOOKS.items():
        share = np.divide(counts[rule], frames, out=np.zeros(len(summary)), where=frames > 0)
        bars = ax.barh(rows, share, left=left, height=0.78, color=look.colour, linewidth=0)
        bars.set_label(f"rule {rule}: {RULE_NAMES[rule]}")
        left += share
    for bar in bars:
        bar.set(hatch="//////", edgecolor="white")
    for row, n in enumerate(frames):
        text = f"{n:,.0f}" if n > 0 else "no frames"
        ax.text(1.02, row, text, transform=ax.get_yaxis_transform(), va="center", color=GREY, gid="n_frames")


@paper_style()
def plot_visibility(
    poses: Poses, threshold: float, bin_s: float = 10.0, figure: Figure | None = None
) -> Figure:
    """Share of frames that show a face (rules 1 to 3) over time, one line a recording, one panel a camera.

    `poses`: pose tables by (recording, camera), or pairs of these, read one at a time. `bin_s`: width of a
    time bin, s.
    """
    pairs = poses.items() if isinstance(poses, Mapping) else poses
    seen = {key: _share_over_time(pose, threshold, bin_s) for key, pose in pairs}
    filmed = {key: share for key, share in seen.items() if len(share)}
    if not filmed:
        return _empty_page(figure, "no pose was found in any recording")
    panels = _camera_panels(pd.DataFrame(list(seen), columns=["recording", "camera"]))
    n_rows = max(len(names) for names, _ in panels)
    n_bins = max(len(share) for share in filmed.values())
    first = min(int(np.isfinite(share).argmax()) for share in filmed.values())
    minutes = np.arange(n_bins + 1) * bin_s / 60
    figure = page_figure(figure, DOUBLE_MM, 24 + max(_ROW_MM * n_rows, 12))
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for ax, (names, camera) in zip(axes, panels, strict=True):
        grid = np.full((len(names), n_bins), np.nan)
        for row, name in enumerate(names):
            share = filmed.get((name, camera), np.empty(0))
            grid[row, : len(share)] = share
        edges = np.arange(len(names) + 1) - 0.5
        mesh = ax.pcolormesh(minutes, edges, grid, cmap="cividis", vmin=0, vmax=1, rasterized=True)
        ax.hlines(edges[1:-1], minutes[0], minutes[-1], color="white", linewidth=0.6)
        _name_rows(ax, names, labels=ax is axes[0] or names != panels[0][0])
        ax.set(xlim=(minutes[first], minutes[-1]), xlabel="Time in recording (min)", title=f"Camera {camera}")
    label = f"Share of frames with a face ({bin_s:g} s bins; white: no frames)"
    share_of_page = 1 / (figure.get_size_inches()[1] * INCH_MM)  # a millimetre
    room = {"fraction": 5 * share_of_page, "pad": 1.5 * share_of_page}
    figure.colorbar(mesh, ax=list(axes), label=label, location="top", shrink=0.5, aspect=30, **room)
    return figure


def _share_over_time(pose: pd.DataFrame, threshold: float, bin_s: float) -> np.ndarray:
    """(n_bins,) share of frames with a face from 0 s of the recording's clock on, NaN where no frame is."""
    if pose.empty:
        return np.empty(0)
    face = apply_rules(_likelihoods(pose), threshold) > 0
    bins = np.floor(pose["time_s"].to_numpy() / bin_s).astype(int)
    bins = np.maximum(bins, 0)  # an offset camera may start a little before 0 s
    frames = np.bincount(bins)
    faces = np.bincount(bins, weights=face)
    return np.divide(faces, frames, out=np.full(len(frames), np.nan), where=frames > 0)


def _likelihoods(pose: pd.DataFrame) -> np.ndarray:
    """(n, 3) likelihoods of nose, right and left eye."""
    return pose[[f"{point}_likelihood" for point in KEYPOINT_LOOKS]].to_numpy(float)


@paper_style()
def plot_likelihoods(
    poses: pd.DataFrame | Iterable[pd.DataFrame], threshold: float, figure: Figure | None = None
) -> Figure:
    """Histogram of the likelihoods of each key point, with the threshold of the rules; counts on a log axis.

    `poses`: a pose table, or several, read one at a time. A point that was not found counts as 0.
    """
    edges = np.linspace(0, 1, 51)
    counts = np.zeros((3, len(edges) - 1), dtype=int)
    above = np.zeros(3, dtype=int)
    for pose in [poses] if isinstance(poses, pd.DataFrame) else poses:
        likelihoods = _likelihoods(pose)
        counts += np.stack([np.histogram(column, edges)[0] for column in likelihoods.T])
        above += (likelihoods >= threshold).sum(axis=0)
    figure = page_figure(figure, DOUBLE_MM, 52)
    axes = figure.subplots(1, 3, sharey=True)
    for ax, look, name, n_bin, n_above in zip(
        axes, KEYPOINT_LOOKS.values(), _POINT_NAMES.values(), counts, above, strict=True
    ):
        total = int(n_bin.sum())
        ax.set(xlim=(0, 1), xlabel="Likelihood", yscale="log", ylim=(0.7, max(10, counts.max() * 2)))
        if not total:
            ax.set_title(name)
            say_instead(ax, "no frames")
            continue
        ax.stairs(n_bin, edges, fill=True, color=look.colour, baseline=0.5)
        ax.axvline(threshold, color=BLACK, linestyle="--", linewidth=0.8, label=f"threshold {threshold:g}")
        ax.set_title(f"{name}\n{n_above / total:.1%} of {count(total, 'frame')} at or above")
    axes[0].set_ylabel("Frames per bin of 0.02")
    if counts.sum():
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center")
    return figure


@paper_style()
def plot_pose_errors(evaluation: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Distance between labelled and found point per key point, for frames trained on and frames held out.

    `evaluation`: the table of `evaluate_pose`: `point` (nose, right_eye, left_eye), `set` ("train"/"test"),
    `error_px` (px of the original frame; NaN where the point is not labelled); empty where no network was
    trained. Bars and numbers are medians; the axis is logarithmic.
    """
    ax = panel_axes(ax, SINGLE_MM, 70)
    ax.set(xlim=(-0.55, 2.55), ylabel="Error (px of the original frame)")
    ax.set_xticks(range(3), list(_POINT_NAMES.values()))
    if evaluation.empty or evaluation["error_px"].isna().all():
        return say_instead(ax, "no labelled point to compare with")
    errors = evaluation[evaluation["error_px"].notna()]
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda px, _: f"{px:g}"))
    ax.yaxis.set_minor_locator(NullLocator())
    logs = np.log10(np.maximum(errors["error_px"].to_numpy(float), _LEAST_PX))
    apart = 0.035 * (np.ptp(logs) or 1)
    above: dict[str, Any] = {"ha": "center", "va": "bottom", "gid": "median"}
    for part, x_part in {"train": -0.24, "test": 0.24}.items():
        for x_point, (point, look) in enumerate(KEYPOINT_LOOKS.items()):
            chosen = ((errors["set"] == part) & (errors["point"] == point)).to_numpy()
            if not chosen.any():
                continue
            x, px = x_point + x_part, 10 ** logs[chosen]
            offsets = swarm_offsets(logs[chosen], 0.2, apart)
            face = look.colour if part == "test" else "none"
            ax.plot(x + offsets, px, look.marker, color=look.colour, mfc=face, mew=0.6, gid=f"{point} {part}")
            median, name = float(np.median(px)), f"{point} {part} median"
            ax.plot([x - 0.21, x + 0.21], [median, median], color=BLACK, linewidth=1.2, gid=name)
            ax.text(x, 1.01, f"{median:.3g}\nn = {len(px)}", transform=ax.get_xaxis_transform(), **above)
    handles = [
        Line2D([], [], linestyle="", marker="o", color=GREY, mfc="none", label="frames trained on"),
        Line2D([], [], linestyle="", marker="o", color=GREY, label="frames held out"),
        Line2D([], [], color=BLACK, linewidth=1.2, label="median (px above)"),
    ]
    ax.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2, columnspacing=1)
    return ax


def _camera_panels(table: pd.DataFrame) -> list[tuple[list[str], str]]:
    """(recordings, camera) of each panel; one camera with many recordings takes two panels."""
    if table.empty:
        return []
    cameras = list(dict.fromkeys(table["camera"].astype(str)))
    names = list(dict.fromkeys(table["recording"].astype(str)))
    if len(cameras) == 1 and len(names) > _MAX_ROWS:
        half = (len(names) + 1) // 2
        return [(names[:half], cameras[0]), (names[half:], cameras[0])]
    return [(names, camera) for camera in cameras]


def _name_rows(ax: Axes, names: Sequence[str], labels: bool) -> None:
    ax.set_yticks(range(len(names)), [shorten(str(name), 22) for name in names] if labels else [])
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)


def _empty_page(figure: Figure | None, text: str) -> Figure:
    figure = page_figure(figure, DOUBLE_MM, 30)
    ax = figure.subplots()
    ax.set_axis_off()
    say_instead(ax, text)
    return figure

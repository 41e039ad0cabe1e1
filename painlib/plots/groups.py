"""Animals, means and standard errors per group: what several figures share."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from painlib.plots.style import GREY, LETTER_MM, Look, group_looks, mean_sem, panel_mm, swarm_offsets

_SPREAD = 0.26  # of the distance between two groups
_APART = 0.035  # values nearer than this stand side by side, at a panel of 40 mm for 0 to 1


def average_animals(
    table: pd.DataFrame, groups: Sequence[str], group: str, value: str
) -> dict[str, pd.Series]:
    """Per group the values by subject, NaN left out; an animal's recordings in a group are averaged first."""
    seen = table[np.isfinite(table[value].astype(float))]
    return {
        name: seen[seen[group] == name].groupby("subject", sort=True)[value].mean().astype(float)
        for name in groups
    }


def find_treatment_looks(table: pd.DataFrame) -> dict[str, Look]:
    """Looks of the treatments of `table`, in order, those of animals trained on last; none is grey."""
    order = table.sort_values("trained_on", kind="stable")["treatment"].astype(str).unique()
    looks = group_looks(name for name in order if name)
    return {name: looks.get(name, Look(GREY, "o", "-")) for name in order}


def draw_groups(
    ax: Axes,
    animals: Mapping[str, pd.Series],
    looks: Mapping[str, Look],
    paired: bool = False,
    remarks: Mapping[str, str] | None = None,
) -> None:
    """Animals, and their mean with its standard error, one column a group; `paired` joins an animal's points.

    `animals`: per group the values by subject. The number of animals stands under each name, and under that
    the group's remark; names that would run into each other stand at an angle.
    """
    if paired:
        for _, row in pd.DataFrame(dict(animals)).dropna().iterrows():
            ax.plot(range(len(row)), row.to_numpy(float), color=GREY, linewidth=0.6, zorder=1, gid="pair")
    for place, (name, values) in enumerate(animals.items()):
        look = looks[name]
        offsets = np.zeros(len(values)) if paired else swarm_offsets(values.to_numpy(), _SPREAD, _APART)
        (points,) = ax.plot(place + offsets, values, look.marker, color=look.colour, gid="animals")
        points.set(markerfacecolor="white", markeredgewidth=0.8, markersize=3 if paired else 3.6)
        mean, sem, n = mean_sem(values)
        if not n:
            continue
        # Joined points leave the column's middle to the lines; their mean stands outside.
        x, half = (place, 0.32) if not paired else (place + (0.28 if place else -0.28), 0.12)
        ax.plot([x - half, x + half], [mean, mean], color=look.colour, linewidth=1.6, gid="mean", zorder=3)
        if np.isfinite(sem):
            bar = ax.errorbar([x], [mean], [sem], color=look.colour, linewidth=1, capsize=2.5, zorder=3)
            bar.lines[2][0].set_gid("sem")
    told = remarks or {}
    _name_groups(ax, {name: [f"n = {len(values)}", told.get(name, "")] for name, values in animals.items()})


def _name_groups(ax: Axes, below: Mapping[str, list[str]]) -> None:
    """Group names under the columns, each with its lines `below`; at an angle where they would touch."""
    columns = len(below) + 0.2
    column_px = ax.get_window_extent().width / columns
    letters = max(1, int(panel_mm(ax) / columns / LETTER_MM))
    lines = [[name or "no treatment", *filter(None, more)] for name, more in below.items()]
    folded = [[textwrap.fill(line, letters, break_long_words=False) for line in group] for group in lines]
    ax.set_xticks(range(len(lines)), ["\n".join(group) for group in folded])
    if any(label.get_window_extent().width > column_px for label in ax.get_xticklabels()):
        ax.set_xticks(range(len(lines)), ["\n".join(group) for group in lines])
        for label in ax.get_xticklabels():
            label.set(rotation=30, ha="right", va="top", rotation_mode="anchor", multialignment="right")
    ax.set_xlim(-0.6, max(len(lines), 1) - 0.4)
    ax.tick_params(axis="x", length=0)

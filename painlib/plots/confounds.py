"""Figures of "could it be something else?": the verdicts, and the faces whose label is disputed."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from painlib.plots.galleries import _draw_strips
from painlib.plots.style import (
    BLACK,
    CLASS_LOOKS,
    DARK,
    DOUBLE_MM,
    GREEN,
    GREY,
    PALE,
    SMALL_PT,
    VERMILION,
    Look,
    page_figure,
    paper_style,
    say_instead,
    shorten,
)

VERDICT_LOOKS = {
    "raised": Look(VERMILION, "X", "-"),
    "not raised": Look(GREEN, "o", "-"),
    "cannot be tested": Look(GREY, "D", ":"),
}
FACES_A_STRIP = 8
_ROW_MM = 8.5
_QUESTION_LETTERS = 42
_STRIPS = (
    (1, "Labelled pain, judged no pain", "no pain"),
    (0, "Labelled no pain, judged pain", "pain"),
)


@paper_style()
def plot_verdicts(verdicts: pd.DataFrame, figure: Figure | None = None) -> Figure:
    """One line a question: number, chance band, limit, and the verdict in colour, marker and words.

    `verdicts`: the table of `collect_verdicts`. AUC and shares of faces have the same axis, 0 to 1.
    """
    figure = page_figure(figure, DOUBLE_MM, 20 + _ROW_MM * max(2, len(verdicts)))
    ax = figure.subplots()
    ax.set(xlim=(-0.02, 1.02), ylim=(max(1, len(verdicts)) - 0.4, -0.6))
    ax.set_xlabel("AUC, or share of faces where it says so (0 to 1)")
    ax.axvline(0.5, color=GREY, linestyle=":", linewidth=0.8, gid="chance")
    if verdicts.empty:
        ax.set_yticks([])
        return say_instead(ax, "no question was asked").figure  # type: ignore[return-value]
    for place, row in enumerate(verdicts.to_dict("records")):
        _draw_row(ax, place, row)
    questions = [textwrap.fill(str(text), _QUESTION_LETTERS) for text in verdicts["question"]]
    ax.set_yticks(range(len(verdicts)), questions, linespacing=0.95)
    ax.tick_params(axis="y", length=0)
    said = "Grey: chance band (labels of recordings swapped within animals); dashes: limit; dots: AUC of 0.5."
    ax.set_title(said, fontsize=SMALL_PT, loc="right", color=DARK)
    return figure


def _draw_row(ax: Axes, place: int, row: dict) -> None:
    look = VERDICT_LOOKS[row["verdict"]]
    if np.isfinite(row["low"]):
        width = max(row["high"] - row["low"], 0.004)
        ax.barh(place, width, left=row["low"], height=0.62, color=PALE, linewidth=0, gid="band")
    if np.isfinite(row["limit"]) and row["name"] != "chance":
        ax.plot([row["limit"]] * 2, [place - 0.36, place + 0.36], color=BLACK, linestyle="--", gid="limit")
    if np.isfinite(row["number"]):
        (point,) = ax.plot(row["number"], place, look.marker, color=look.colour, clip_on=False, gid="number")
        point.set(markersize=5.5, markeredgecolor=BLACK, markeredgewidth=0.5, zorder=3)
    words = f"{row['verdict']}\n{_tell_number(row)}"
    ax.annotate(
        words,
        (1.0, place),
        (17, 0),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        va="center",
        color=BLACK,
        linespacing=1.05,
        fontweight="bold" if row["verdict"] == "raised" else "normal",
        gid="verdict",
    )
    (mark,) = ax.plot(1.06, place, look.marker, color=look.colour, transform=ax.get_yaxis_transform())
    mark.set(markersize=5.5, markeredgecolor=BLACK, markeredgewidth=0.5, clip_on=False, gid="verdict mark")


def _tell_number(row: dict) -> str:
    animals = "1 animal" if row["n_animals"] == 1 else f"{row['n_animals']} animals"
    if not np.isfinite(row["number"]):
        return animals
    band = f" [{row['low']:.2f}, {row['high']:.2f}]" if np.isfinite(row["low"]) else ""
    name = "share" if row["measure"] == "share of faces" else row["measure"]
    return f"{name} {row['number']:.2f}{band}, {animals}"


def pick_disputed_faces(disputed: pd.DataFrame, n: int = FACES_A_STRIP) -> pd.DataFrame:
    """The `n` faces of each label that are disputed most surely, one an animal while they last.

    `disputed`: the table of `find_disputed`; its rows keep their index.
    """
    picked = []
    for label, _, _ in _STRIPS:
        own = disputed[disputed["disputed"] & (disputed["label"] == label)]
        own = own.sort_values("p_pain", ascending=label == 1, kind="stable")
        turn = own.groupby("subject", sort=False).cumcount().rename("turn")
        order = own.assign(turn=turn).sort_values("turn", kind="stable").head(n)
        picked.append(order.sort_values("p_pain", ascending=label == 1, kind="stable").drop(columns="turn"))
    return pd.concat(picked)


@paper_style()
def plot_disputed_faces(
    images: Sequence[np.ndarray] | np.ndarray, rows: pd.DataFrame, figure: Figure | None = None
) -> Figure:
    """Faces whose label the classifier disputes, by label; under each: animal, probability of pain.

    `images`: one a row of `rows`, (height, width, 3) uint8; `rows` as `pick_disputed_faces` gives them.
    """
    if len(images) != len(rows):
        raise ValueError(f"expected one image a row, got {len(images)} images and {len(rows)} rows")
    strips = []
    for label, title, call in _STRIPS:
        places = np.flatnonzero((rows["label"] == label).to_numpy())
        strips.append((title, CLASS_LOOKS[call].colour, places, "no face of this kind is disputed"))
    captions = [f"{shorten(str(row['subject']), 9)}  {row['p_pain']:.2f}" for row in rows.to_dict("records")]
    title = "Disputed labels (held-out animals); under each face: animal, probability of pain"
    return _draw_strips(strips, images, captions, figure, title)

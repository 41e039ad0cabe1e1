"""Figures made of face images, and the pose drawn onto a frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from painlib.plots.style import (
    CLASS_LOOKS,
    DARK,
    DOUBLE_MM,
    KEYPOINT_LOOKS,
    RULE_LOOKS,
    RULE_NAMES,
    SMALL_PT,
    YELLOW,
    page_figure,
    paper_style,
    say_instead,
    shorten,
)

_LEAST_SIDE = 360  # px; the shorter side on which the overlay's text can be read
FACE_PX = 256  # more than a printed face of the sheet has at 300 dpi

# Right calls first, then wrong ones: (label, call, title); 1 is pain
_VERDICTS = (
    (1, 1, "Labelled pain, called pain (right)"),
    (0, 0, "Labelled no pain, called no pain (right)"),
    (1, 0, "Labelled pain, called no pain (wrong)"),
    (0, 1, "Labelled no pain, called pain (wrong)"),
)


def pick_faces_per_rule(index: pd.DataFrame, per_rule: int = 8, seed: int = 0) -> pd.DataFrame:
    """At most `per_rule` rows of a face index per rule, from as many recordings and cameras as can be."""
    if index.empty:
        return index
    shuffled = index.sample(frac=1, random_state=seed)
    turn = shuffled.groupby(["rule", "recording", "camera"], sort=False).cumcount()
    fair = shuffled.assign(_turn=turn).sort_values(["rule", "_turn"], kind="stable")
    picked = fair.groupby("rule", sort=True).head(per_rule).drop(columns="_turn")
    return picked.sort_values(["rule", "recording", "camera", "frame"], kind="stable")


def pick_confident_faces(out_of_fold: pd.DataFrame, per_row: int = 8) -> pd.DataFrame:
    """The surest right and wrong calls on held-out faces, `per_row` of each, one an animal while they last.

    `out_of_fold`: `subject`, `label` (0 or 1), `p_no_pain`, `p_pain`. The rows come back with `call` (0 or
    1), surest first.
    """
    sure = (out_of_fold["p_pain"] - out_of_fold["p_no_pain"]).abs().rename("sure")
    call = (out_of_fold["p_pain"] > out_of_fold["p_no_pain"]).astype(int)
    judged = out_of_fold.assign(call=call, sure=sure).sort_values("sure", ascending=False, kind="stable")
    turn = judged.groupby(["label", "call", "subject"], sort=False).cumcount()
    fair = judged.assign(turn=turn).sort_values(["turn", "sure"], ascending=[True, False], kind="stable")
    picked = fair.groupby(["label", "call"], sort=False).head(per_row)
    return picked.sort_values("sure", ascending=False, kind="stable").drop(columns=["sure", "turn"])


@paper_style()
def plot_contact_sheet(
    images: Sequence[np.ndarray] | np.ndarray,
    rows: pd.DataFrame,
    n_faces: Mapping[int, int] | pd.Series | None = None,
    figure: Figure | None = None,
) -> Figure:
    """Faces by the rule that cut them, one line a rule.

    `images`: n RGB uint8 arrays (height, width, 3); `rows`: their n rows of the face index (`subject`,
    `camera`, `time_s`, `rule`); `n_faces`: how many faces each rule gave in all.
    """
    _check_pairs(images, rows)
    strips = []
    for rule in (1, 2, 3):
        places = np.flatnonzero(rows["rule"].to_numpy() == rule)
        total = len(places) if n_faces is None else int(n_faces.get(rule, 0))
        title = f"Rule {rule}: {RULE_NAMES[rule]} ({len(places)} of {total:,} faces)"
        strips.append((title, RULE_LOOKS[rule].colour, places, "no face by this rule"))
    captions = [_where(row) for row in rows.to_dict("records")]
    return _draw_strips(strips, images, captions, figure)


@paper_style()
def plot_confident_faces(
    images: Sequence[np.ndarray] | np.ndarray, rows: pd.DataFrame, figure: Figure | None = None
) -> Figure:
    """Held-out faces on which the network was surest, right and wrong, each with its probability of pain.

    `images`: n RGB uint8 arrays; `rows`: their n rows as `pick_confident_faces` gives them (`subject`,
    `label`, `call`, `p_pain`). The label is the recording's, so a call that counts as wrong may be right
    about the moment.
    """
    _check_pairs(images, rows)
    strips = []
    for label, call, title in _VERDICTS:
        places = np.flatnonzero(((rows["label"] == label) & (rows["call"] == call)).to_numpy())
        look = CLASS_LOOKS["pain" if call else "no pain"]
        strips.append((title, look.colour, places, "no held-out face of this kind"))
    captions = [f"{shorten(str(row['subject']), 9)}  {row['p_pain']:.2f}" for row in rows.to_dict("records")]
    title = "Surest calls on held-out animals; under each face: animal, probability of pain"
    return _draw_strips(strips, images, captions, figure, title)


def _check_pairs(images: Sequence[np.ndarray] | np.ndarray, rows: pd.DataFrame) -> None:
    if len(images) != len(rows):
        raise ValueError(f"expected one image a row, got {len(images)} images and {len(rows)} rows")


def _where(row: dict) -> str:
    """Animal and time of a face, short enough to stand under it."""
    time = f"{row['time_s']:.0f} s" if "time_s" in row and np.isfinite(row["time_s"]) else ""
    return f"{shorten(str(row['subject']), 9)}  {time}".strip()


def _draw_strips(
    strips: list[tuple[str, str, np.ndarray, str]],
    images: Sequence[np.ndarray] | np.ndarray,
    captions: list[str],
    figure: Figure | None,
    page_title: str = "",
) -> Figure:
    """One line of faces a strip: (title, colour, places of its images, what to say when it has none)."""
    columns = max([8, *(len(places) for _, _, places, _ in strips)])
    face_mm = DOUBLE_MM / columns
    heights = [face_mm + 9.5 if len(places) else 12 for _, _, places, _ in strips]
    figure = page_figure(figure, DOUBLE_MM, sum(heights) + (11 if page_title else 6))
    figure.suptitle(page_title)
    axes = figure.subplots(len(strips), 1, squeeze=False, height_ratios=heights)[:, 0]
    for ax, (title, colour, places, empty) in zip(axes, strips, strict=True):
        ax.set(xlim=(0, columns), ylim=(1.17, 0), xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        ax.set_title(title)
        ax.plot([0, columns], [0, 0], color=colour, linewidth=2, clip_on=False, solid_capstyle="butt")
        for column, place in enumerate(places):
            _draw_face(ax, images[place], column, captions[place])
        if len(places):
            ax.set(xlim=(0, columns), ylim=(1.17, 0), aspect="equal")
        else:
            say_instead(ax, empty)
    return figure


def _draw_face(ax: Axes, image: np.ndarray, column: int, caption: str) -> None:
    side = max(image.shape[:2])
    if side > FACE_PX:
        scale = FACE_PX / side
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    ax.imshow(image, extent=(column + 0.03, column + 0.97, 1, 0.06), interpolation="none", aspect="auto")
    ax.text(column + 0.5, 1.03, caption, ha="center", va="top", fontsize=SMALL_PT, color=DARK)


def draw_pose_overlay(
    image: np.ndarray,
    points: np.ndarray,
    likelihoods: np.ndarray,
    rule: int,
    threshold: float,
    square: tuple[float, float, float] | None = None,
    note: str = "",
) -> np.ndarray:
    """A copy of an RGB uint8 frame (height, width, 3) with nose, eyes, crop square and rule drawn on it.

    `points` (3, 2: nose, right eye, left eye) and `square` (centre x, centre y, side) in px of `image`;
    `likelihoods` (3,). A point at or above `threshold` is filled, below it a ring, and absent (NaN) it is
    left out. `rule` 0 or 4: no face. A frame whose shorter side is below 360 px comes back enlarged by a
    whole number, so that the text can be read; `note` stands at its foot.
    """
    times = -(-_LEAST_SIDE // min(image.shape[:2]))
    size = (times * image.shape[1], times * image.shape[0])
    drawn = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC) if times > 1 else image.copy()
    unit = min(drawn.shape[:2]) / _LEAST_SIDE  # all sizes follow the frame's
    rule = 4 if rule == 0 else int(rule)
    if square is not None and np.isfinite(square).all():
        x, y, side = (times * value for value in square)
        upper, lower = (_px(x - side / 2), _px(y - side / 2)), (_px(x + side / 2), _px(y + side / 2))
        for colour, thickness in (((0, 0, 0), 4.5 * unit), (_rgb(RULE_LOOKS[rule].colour), 2 * unit)):
            cv2.rectangle(drawn, upper, lower, colour, round(thickness), cv2.LINE_AA)
    radius = round(6 * unit)
    for look, (x, y), likelihood in zip(KEYPOINT_LOOKS.values(), points, likelihoods, strict=True):
        if not (np.isfinite(x) and np.isfinite(y)):
            continue
        centre, colour = (_px(times * x), _px(times * y)), _rgb(look.colour)
        if likelihood >= threshold:
            cv2.circle(drawn, centre, radius + round(1.5 * unit), (0, 0, 0), -1, cv2.LINE_AA)
            cv2.circle(drawn, centre, radius, colour, -1, cv2.LINE_AA)
        else:
            cv2.circle(drawn, centre, radius, (0, 0, 0), round(4.5 * unit), cv2.LINE_AA)
            cv2.circle(drawn, centre, radius, colour, round(1.5 * unit), cv2.LINE_AA)
    _write_line(drawn, f"rule {rule}: {RULE_NAMES[rule]}", unit, at_foot=False)
    if note:
        _write_line(drawn, note, unit, at_foot=True)
    return drawn


def _write_line(image: np.ndarray, text: str, unit: float, at_foot: bool) -> None:
    """Light text on a dark strip at the upper or lower left, made smaller until it fits."""
    font, scale, thickness = cv2.FONT_HERSHEY_SIMPLEX, 0.75 * unit, round(1.5 * unit)
    (width, _), _ = cv2.getTextSize(text, font, scale, thickness)
    scale *= min(1.0, (image.shape[1] - 8) / max(1, width))
    (width, height), below = cv2.getTextSize(text, font, scale, thickness)
    top = image.shape[0] - height - below - 6 if at_foot else 0
    image[top : top + height + below + 6, : width + 8] //= 3
    cv2.putText(image, text, (4, top + height + 3), font, scale, _rgb(YELLOW), thickness, cv2.LINE_AA)


def _px(value: float) -> int:
    """A whole pixel within what cv2 can take."""
    return int(np.clip(round(float(value)), -(2**14), 2**14))


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = (round(255 * channel) for channel in to_rgb(colour))
    return red, green, blue

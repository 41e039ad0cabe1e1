"""Tables small enough to check by hand, the figures of them, and what can be read from a figure."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from painlib import plots
from painlib.stats import AssayResult, run_assay

matplotlib.use("Agg")
NOTE = "Drawn demonstration, not real mice"
TREATMENTS = ("vehicle", "0.6 % AC", "1 % AC")


def make_summary(n: int = 3, cameras: str = "AB") -> pd.DataFrame:
    rows = [(f"mouse{i:02d}_post", camera, 1000, 500 + i, 200, 100) for i in range(n) for camera in cameras]
    return pd.DataFrame(rows, columns=["recording", "camera", "n_frames", "rule_1", "rule_2", "rule_3"])


def make_pose(nose: list[float], right: list[float], left: list[float], fps: float = 0.1) -> pd.DataFrame:
    pose = pd.DataFrame({"frame": range(len(nose)), "time_s": np.arange(len(nose)) / fps})
    for point, likelihood in (("nose", nose), ("right_eye", right), ("left_eye", left)):
        pose[[f"{point}_x", f"{point}_y"]] = 10.0
        pose[f"{point}_likelihood"] = np.array(likelihood, dtype=float)
    return pose


def make_index(rules: list[int]) -> pd.DataFrame:
    rows = [(f"rec{i % 3}", f"m{i % 3}", "A", i, i / 30, rule) for i, rule in enumerate(rules)]
    return pd.DataFrame(rows, columns=["recording", "subject", "camera", "frame", "time_s", "rule"])


def make_evaluation() -> pd.DataFrame:
    errors = {("nose", "train"): [1, 2, 6], ("nose", "test"): [2, 8], ("left_eye", "test"): [0.5, 4, np.nan]}
    rows = [(point, part, px) for (point, part), values in errors.items() for px in values]
    return pd.DataFrame(rows, columns=["point", "set", "error_px"])


def make_out_of_fold() -> pd.DataFrame:
    # m1: pain above no pain, AUC 1. m2: one of four pairs the wrong way round, AUC 0.75. m3: one label only.
    rows = [("m1", 1, 0.9), ("m1", 1, 0.8), ("m1", 0, 0.2), ("m1", 0, 0.1)]
    rows += [("m2", 1, 0.7), ("m2", 1, 0.4), ("m2", 0, 0.6), ("m2", 0, 0.3), ("m3", 1, 0.6)]
    table = pd.DataFrame(rows, columns=["subject", "label", "p_pain"])
    return table.assign(p_no_pain=1 - table["p_pain"], recording=table["subject"])


def make_scores() -> pd.DataFrame:
    rows = [("m1", 1.0, 0.9, 0.8), ("m2", 0.75, 0.5, 0.7), ("m3", np.nan, 1.0, np.nan)]
    return pd.DataFrame(rows, columns=["subject", "auc", "sensitivity", "specificity"])


def make_confusion() -> pd.DataFrame:
    """Total: Table 1 of the paper. The sexes are made up."""
    rows = [("all", 269497, 8437, 266354, 1526), ("female", 98, 2, 995, 5), ("male", 9, 1, 0, 0)]
    return pd.DataFrame(rows, columns=["sex", "pain_right", "pain_wrong", "no_pain_right", "no_pain_wrong"])


def make_history(epochs: int = 3) -> pd.DataFrame:
    rows = [
        (fold, epoch, 1 / epoch, 1 - 0.5 / epoch)
        for fold in ("fold_1", "fold_2", "all")
        for epoch in range(1, epochs + 1)
    ]
    return pd.DataFrame(rows, columns=["fold", "epoch", "loss", "accuracy"])


def make_minutes(
    values: dict[str, dict[str, list[float]]], first: int = 0, trained: tuple[str, ...] = ()
) -> pd.DataFrame:
    """Minutes of {treatment: {subject: values}}; a NaN value has coverage 0."""
    rows = []
    for treatment, subjects in values.items():
        for subject, probabilities in subjects.items():
            for minute, p in enumerate(probabilities, start=first):
                evaluated = 0 if np.isnan(p) else 900
                row = (f"{subject}_{treatment}", subject, "post", "", treatment, minute, 1800, evaluated)
                rows.append((*row, 0, evaluated / 1800, p, subject in trained))
    columns = [
        "recording",
        "subject",
        "phase",
        "period",
        "treatment",
        "minute",
        "n_timepoints",
        "n_evaluated",
    ]
    table = pd.DataFrame(rows, columns=[*columns, "n_pain", "coverage", "pain_probability", "trained_on"])
    return table.assign(n_not_judged=0)


def make_assay(
    name: str, levels: dict[str, float], n: int, first: int = 0, paired: bool = False, control: str = ""
) -> AssayResult:
    """An assay of 10 minutes after treatment whose animals sit around `levels`."""
    rng = np.random.default_rng(7)
    values: dict[str, dict[str, list[float]]] = {}
    for place, (treatment, level) in enumerate(levels.items()):
        own = rng.normal(0, 0.04, n)
        values[treatment] = {
            f"x{i if paired else n * place + i}": [0.1 + own[i]] * -first + [level + own[i]] * 10
            for i in range(n)
        }
    settings = {"window_start_min": 0, "window_end_min": 10, "pre_window_min": 5, "alpha": 0.05, "seed": 1}
    groups = list(levels)
    return run_assay(
        make_minutes(values, first),
        assay=name,
        groups=groups,
        control=control or groups[0],
        paired=paired,
        bootstrap=0,
        **settings,
    )


def make_assays() -> list[AssayResult]:
    """The paper's four assays in small: doses, filmed before too, and three pairs, the last crossed over."""
    return [
        make_assay("AC dose", dict(zip(TREATMENTS, (0.2, 0.22, 0.8), strict=True)), 5, first=-5),
        make_assay("Analgesic", {"vehicle + AC": 0.6, "diclofenac + AC": 0.3}, 6),
        make_assay("Capsaicin", {"vehicle": 0.2, "capsaicin": 0.5}, 6),
        make_assay("Crossover", {"vehicle": 0.2, "CGRP": 0.25}, 9, paired=True),
    ]


def make_faces(n: int, side: int = 40) -> list[np.ndarray]:
    return [np.full((side, side, 3), 10 * (i % 20), np.uint8) for i in range(n)]


def draw_contact_sheet() -> Figure:
    index = make_index([1, 1, 2])
    return plots.plot_contact_sheet(make_faces(3), index, index["rule"].value_counts())


def draw_confident_faces() -> Figure:
    picked = plots.pick_confident_faces(make_out_of_fold())
    return plots.plot_confident_faces(make_faces(len(picked)), picked)


def draw_visibility() -> Figure:
    pose = make_pose([1, 1, 1, 0], [1, 0, 1, 1], [1, 1, 0, 1])
    return plots.plot_visibility({("rec", "A"): pose, ("rec", "B"): pose}, 0.9, bin_s=20)


def draw_minutes() -> Figure:
    values = {"vehicle": {"a": [0.1, 0.2, 0.3], "b": [0.3, np.nan, 0.5]}, "1 % AC": {"c": [0.5, 0.6, 0.7]}}
    return plots.plot_minutes(make_minutes(values))


def draw_coverage() -> Axes:
    windows = pd.DataFrame({"subject": list("abcd"), "treatment": ["vehicle"] * 2 + ["1 % AC"] * 2})
    return plots.plot_coverage_groups(windows.assign(trained_on=False, coverage=[0.2, 0.4, 0.6, 0.6]))


DRAWINGS: dict[str, Callable[[], Figure | Axes]] = {
    "contact_sheet": draw_contact_sheet,
    "rule_shares": lambda: plots.plot_rule_shares(make_summary()),
    "visibility": draw_visibility,
    "likelihoods": lambda: plots.plot_likelihoods(make_pose([1, 0.5], [0.9, 0], [0, 0]), 0.9),
    "pose_errors": lambda: plots.plot_pose_errors(make_evaluation()),
    "learning_curves": lambda: plots.plot_learning_curves(make_history()),
    "held_out": lambda: plots.plot_held_out(make_scores()),
    "roc": lambda: plots.plot_roc(make_out_of_fold()),
    "confusion": lambda: plots.plot_confusion(make_confusion()),
    "confident_faces": draw_confident_faces,
    "minutes": draw_minutes,
    "coverage": draw_coverage,
}
LABELS = {
    "rule_shares": {"Share of frames"},
    "visibility": {"Time in recording (min)", "Share of frames with a face (20 s bins; white: no frames)"},
    "likelihoods": {"Likelihood", "Frames per bin of 0.02"},
    "pose_errors": {"Error (px of the original frame)"},
    "learning_curves": {"Epoch", "Cross entropy (training faces)", "Accuracy (training faces)"},
    "held_out": {"AUC (0 to 1)", "Sensitivity (0 to 1)", "Specificity (0 to 1)", "Held-out animal"},
    "roc": {"False-positive rate (1 − specificity)", "True-positive rate (sensitivity)"},
    "confusion": {"Called", "Label of the recording"},
    "minutes": {"Pain probability", "Coverage", "Time after injection (min)"},
    "coverage": {"Coverage (evaluated share\nof time points)", "Treatment"},
}


@cache
def drawn(name: str) -> Figure:
    """One of DRAWINGS, for tests that only look."""
    return page_of(DRAWINGS[name]())


def page_of(what: Figure | Axes) -> Figure:
    return what if isinstance(what, Figure) else what.figure  # type: ignore[return-value]


def artists(what: Figure | Axes, gid: str) -> list:
    return what.findobj(lambda artist: artist.get_gid() == gid)


def words(what: Figure | Axes) -> str:
    return "\n".join(text.get_text() for text in page_of(what).findobj(Text) if text.get_text())


def read_png(path: Path) -> tuple[np.ndarray, dict]:
    """Grey values (height, width) and the file's own words."""
    with Image.open(path) as image:
        return np.asarray(image.convert("L")), dict(image.info)


def labels_of(figure: Figure) -> set[str]:
    return {label for ax in figure.axes for label in (ax.get_xlabel(), ax.get_ylabel())} - {""}


def shown_texts(figure: Figure) -> list[Text]:
    """The texts that are drawn: those of ticks outside the axis' limits are not."""
    texts = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for ax in figure.axes:
        texts += [*ax.texts, ax.title, ax._left_title, ax._right_title]  # type: ignore[attr-defined]
        if ax.get_legend():
            texts += ax.get_legend().get_texts()
        if not ax.axison:
            continue
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [tick for tick in axis.get_major_ticks() if low - 1e-9 <= tick.get_loc() <= high + 1e-9]
            texts += [axis.label, *(t for tick in ticks for t in (tick.label1, tick.label2))]
    return [text for text in texts if text.get_visible() and text.get_text().strip()]


def find_overlaps(figure: Figure) -> list[tuple[str, str]]:
    figure.draw_without_rendering()
    boxes = [(text.get_text(), text.get_window_extent().padded(-1)) for text in shown_texts(figure)]
    pairs = itertools.combinations(boxes, 2)
    return [(one, other) for (one, box), (other, other_box) in pairs if box.overlaps(other_box)]

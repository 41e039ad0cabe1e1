"""From single runs to a table of stages, and to the sum at the published study's size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from painlib.faces.window import CHUNK, WHOLE_EVERY

FRAMES, FACES, DRAWN = 864_000, 545_000, 600_000  # of the study; faces drawn in 20 epochs of 30,000
PAIRED_FACES = 10_000
CUTTING = "decode, shrink, cut, store"
WINDOW = "pose, window"
START_UP = "published, one frame of pose"
FOLLOWED = "ours, bfloat16, window"
CHECK_EVERY, CHECK_LOOKS = CHUNK * WHOLE_EVERY, 1.25  # frames; whole frames' worth of pixels


@dataclass(frozen=True)
class Comparison:
    """One line of the table: a way of ours, the published one, and the floor, by their names."""

    stage: str
    ours: str
    published: str
    floor: str = ""


COMPARISONS = (
    Comparison(CUTTING, "ours", "published, png", "floor"),
    Comparison(CUTTING, "ours", "published, jpg", "floor"),
    Comparison("pose", "ours, float32", "published", "float32"),
    Comparison("pose", "ours, bfloat16", "published", "bfloat16"),
    Comparison("pose", FOLLOWED, "published", "bfloat16"),
    Comparison("training step with input", "ours", "published", "bfloat16"),
    Comparison("prediction and Grad-CAM", "ours, float32", "published", "float32"),
    Comparison("prediction and Grad-CAM", "ours, bfloat16", "published", "bfloat16"),
    Comparison("nearest pairs", "ours", "published", "float32"),
    Comparison("whole chain", "ours, float32", "published", "float32"),
    Comparison("whole chain", "ours, bfloat16", "published", "bfloat16"),
    Comparison("whole chain", FOLLOWED, "published", "bfloat16"),
)
TABLE_COLUMNS = (
    "stage", "unit", "ours", "ours_ms", "ours_low_ms", "ours_high_ms", "published", "published_ms",
    "published_low_ms", "published_high_ms", "ratio", "ratio_low", "ratio_high", "floor_ms", "floor_share",
)  # fmt: skip


def summarise(runs: pd.DataFrame, operations: Mapping[str, float]) -> pd.DataFrame:
    """A row a comparison, CPU ms a unit: median, lowest and highest of the runs.

    `runs`: rows of `alternate`. `operations`: floating point operations a unit of each stage but decoding
    (`WINDOW`: of a frame of pose where the face is followed); divided by the measured rate of a matrix
    product they are its floor (of the whole chain: decoding besides, and the faces' share of judging).
    `ratio`: published over ours, run by run, as they took turns.
    `floor_share`: floor over ours, 1 is as fast as can be.
    """
    runs = split_off_pose(runs)
    rows = []
    for line in COMPARISONS:
        ours, published = (find_costs(runs, line.stage, name) for name in (line.ours, line.published))
        ratios = published / ours
        floor_ms = find_floor(runs, line, operations)
        of_unit = runs.loc[(runs["stage"] == line.stage) & (runs["method"] == line.ours), "unit"].iloc[0]
        told = [line.stage, of_unit, line.ours, *_spread(ours), line.published, *_spread(published)]
        rows.append([*told, *_spread(ratios), floor_ms, floor_ms / float(np.median(ours))])
    return pd.DataFrame(rows, columns=list(TABLE_COLUMNS))


def split_off_pose(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs with pose of the published and the followed chain as stage "pose", and without what DeepLabCut
    costs before it begins.

    A long video pays that once: analysing n frames costs start + n each, one frame start + each. The followed
    chain is measured between two checks of its window; their cost, a whole frame and one of half the sides,
    is added to it.
    """
    chain = runs["stage"] == "whole chain"
    published = chain & (runs["method"] == "published")
    first = runs[chain & (runs["method"] == START_UP) & (runs["part"] == "")].set_index("repeat")
    whole, pose = (
        runs[published & (runs["part"] == part)].set_index("repeat").copy() for part in ("", "pose")
    )
    n_frames = float(whole["units"].iloc[0])
    for column in ("cpu_s", "wall_s"):
        # The medians' difference: single starts vary more than frames.
        start = float(first[column].median())
        each = (float(pose[column].median()) - start) / (n_frames - 1)
        surplus = start - each
        whole[column] -= surplus
        pose[column] -= surplus
    pose = pose.assign(stage="pose", part="")
    followed = runs[chain & (runs["method"] == FOLLOWED) & runs["part"].isin(["", "pose"])].copy()
    for column in ("cpu_s", "wall_s"):
        a_frame = float(np.median(find_costs(runs, "pose", "ours, bfloat16", column=column))) / 1000
        followed[column] += followed["units"] * a_frame * CHECK_LOOKS / CHECK_EVERY
    asked = followed[followed["part"] == "pose"].assign(stage="pose", part="")
    followed = followed[followed["part"] == ""]
    rest = runs.drop(index=[*runs.index[published & (runs["part"] == "")], *followed.index])
    return pd.concat([rest, whole.reset_index(), pose.reset_index(), followed, asked], ignore_index=True)


def find_costs(
    runs: pd.DataFrame, stage: str, method: str, part: str = "", column: str = "cpu_s"
) -> np.ndarray:
    """Of one method, ms a unit, run by run (n_repeats,)."""
    chosen = (runs["stage"] == stage) & (runs["method"] == method) & (runs["part"] == part)
    rows = runs[chosen].sort_values("repeat")
    return 1000 * rows[column].to_numpy() / rows["units"].to_numpy()


def find_floor(runs: pd.DataFrame, line: Comparison, operations: Mapping[str, float]) -> float:
    """ms a unit that nothing can go below."""
    if line.stage == CUTTING:
        return find_decode_floor(runs)
    product = float(np.median(find_costs(runs, "matrix product", line.floor)))  # ms an operation
    pose = operations[WINDOW if line.ours == FOLLOWED else "pose"]
    if line.stage == "pose":
        return pose * product
    if line.stage != "whole chain":
        return operations[line.stage] * product
    judging = operations["prediction and Grad-CAM"] * FACES / FRAMES
    return find_decode_floor(runs) + (pose + judging) * product


def find_decode_floor(runs: pd.DataFrame) -> float:
    """ms a frame of decoding alone: by ffmpeg, or by PyAV in this process, which starts no program."""
    return min(float(np.median(find_costs(runs, CUTTING, name))) for name in ("floor", "floor, PyAV"))


def scale_up(runs: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """CPU-hours at the published study's size, a row a stage and the sum: `stated_published`,
    `stated_best` and `stated_floor` (this project's reference machine, 2 cores of an AMD Zen 5; pose on whole
    frames), and measured here `published`, `ours_float32`, `ours_bfloat16`, `ours_window`
    (bfloat16, the face followed), `floor`.

    Training is as `precision: auto` has it in all of them. Pairs grow with the square of the faces. Published
    prediction and Grad-CAM are two programs.
    """
    per_unit = table.drop_duplicates(["stage", "ours"]).set_index(["stage", "ours"])
    n_pairs = float(runs.loc[runs["stage"] == "nearest pairs", "units"].iloc[0])
    amounts = {
        CUTTING: FRAMES,
        "pose": FRAMES,
        "training step with input": DRAWN,
        "prediction and Grad-CAM": FACES,
        "nearest pairs": PAIRED_FACES**2 / n_pairs,
    }
    stated = {
        CUTTING: (113.0, 13.6, 12.6),
        "pose": (492.0, 133.0, 109.0),
        "training step with input": (8.8, 1.4, 0.6),
        "prediction and Grad-CAM": (23.1, 0.42, 0.19),
        "nearest pairs": (0.01, 0.0001, 0.0),
    }
    rows = []
    for stage, amount in amounts.items():
        lines = per_unit.loc[stage]
        plain = lines.loc["ours, float32" if "ours, float32" in lines.index else "ours"]
        fast = lines.loc["ours, bfloat16" if "ours, bfloat16" in lines.index else "ours"]
        hours = amount / 3.6e6
        mixed = fast["ours_ms"]
        if stage == "pose":
            mixed = lines["ours_ms"][FOLLOWED]
        rows.append(
            (
                stage,
                *stated[stage],
                plain["published_ms"] * hours,
                plain["ours_ms"] * hours,
                fast["ours_ms"] * hours,
                mixed * hours,
                fast["floor_ms"] * hours,
            )
        )
    names = [
        "stated_published",
        "stated_best",
        "stated_floor",
        "published",
        "ours_float32",
        "ours_bfloat16",
        "ours_window",
        "floor",
    ]
    scaled = pd.DataFrame(rows, columns=["stage", *names])
    total = pd.DataFrame([["sum", *scaled[names].sum()]], columns=scaled.columns)
    return pd.concat([scaled, total], ignore_index=True)


def compare_crews(crews: pd.DataFrame) -> dict[str, float]:
    """How many times as fast two workers are as one, by wall time: median, lowest, highest; and CPU time."""
    stage = "cohort to faces"
    one, two = (find_costs(crews, stage, name, column="wall_s") for name in ("1 worker", "2 workers"))
    ratio, low, high = _spread(one / two)
    cpu = find_costs(crews, stage, "2 workers") / find_costs(crews, stage, "1 worker")
    return {"speed_up": ratio, "lowest": low, "highest": high, "cpu_ratio": float(np.median(cpu))}


def _spread(values: np.ndarray) -> tuple[float, float, float]:
    return float(np.median(values)), float(values.min()), float(values.max())

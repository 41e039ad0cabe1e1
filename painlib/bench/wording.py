"""The benchmark's results as a text to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from painlib.bench.summary import CHECK_EVERY, DRAWN, FACES, FRAMES

Rows = list[tuple[str, ...]]
FOLLOWED_HOW = (
    "the face is followed through the last 19 frames of a clip, in 12 of them seen, looked for at half\n"
    f"size where lost; with its share of a look at the whole frame every {CHECK_EVERY} frames. Not in it: a\n"
    "second look, at the whole frame, where a likelihood lies near the threshold (these points' never\n"
    "does; `whole` below and in `pose/*.json` counts them)."
)


def tell_results(
    table: pd.DataFrame,
    scaled: pd.DataFrame,
    crews: Mapping[str, float],
    decisions: pd.DataFrame,
    card: pd.DataFrame | None,
    machine: Mapping[str, Any],
) -> str:
    """All tables with their headings, a line each row."""
    parts = [
        f"{machine['device']}\n"
        "CPU ms (user and system, of all processes; one thread), median of runs by turns [lowest-highest].\n"
        "Drawn clips, networks of random weights: speeds are real, answers are not. What a video pays\n"
        "once is left out on both sides: DeepLabCut's start, making an engine, its check on first frames.",
        _align(_list_stages(table)),
        f"Window: {FOLLOWED_HOW}",
        f"CPU-hours at the published study's size ({FRAMES:,} 4K frames, {FACES:,} faces, {DRAWN:,} drawn "
        "for training).\nStated: on this project's reference machine, 2 cores of an AMD Zen 5, with a "
        "matplotlib figure for each map; the rest: measured here. Floors, and the stated best, have pose on "
        "whole\nframes.",
        _align(_list_hours(scaled)),
        f"Two workers against one, cohort to faces, start-up excluded: {crews['speed_up']:.2f} times as fast "
        f"[{crews['lowest']:.2f}-{crews['highest']:.2f}], at {crews['cpu_ratio']:.2f} times the CPU time.",
        "Decisions (no face, no pain, pain) against plain float32 on whole frames; a small network, trained "
        "on drawn mice.",
        _align(_list_decisions(decisions)),
    ]
    if card is not None:
        decoder = machine["decoder"]["name"]
        told = f"On {machine['graphics_card']} (wall time, images in memory; video is decoded by: {decoder}):"
        parts += [told, _align(_list_rates(card))]
    return "\n\n".join(parts) + "\n"


def _list_stages(table: pd.DataFrame) -> Rows:
    heading = (
        "stage",
        "way",
        "per",
        "ours, ms",
        "published, ms",
        "times faster",
        "floor, ms",
        "of floor's rate",
    )
    rows: Rows = [heading]
    for row in table.to_dict("records"):
        ours, published = (
            _range(*(row[f"{name}{what}_ms"] for what in ("", "_low", "_high")))
            for name in ("ours", "published")
        )
        times = _range(row["ratio"], row["ratio_low"], row["ratio_high"])
        way = row["ours"].removeprefix("ours").strip(", ")
        way = way or row["published"].removeprefix("published").strip(", ")
        floor = (_round(row["floor_ms"]), f"{row['floor_share']:.0%}")
        rows.append((row["stage"], way, row["unit"], ours, published, times, *floor))
    return rows


def _list_hours(scaled: pd.DataFrame) -> Rows:
    stated = ("stage", "stated: published", "stated: best", "stated: floor")
    rows: Rows = [(*stated, "published", "ours, float32", "ours, bfloat16", "with window", "floor")]
    for stage, *hours in scaled.itertuples(index=False, name=None):
        rows.append((str(stage), *map(_round, hours)))
    return rows


def _list_decisions(decisions: pd.DataFrame) -> Rows:
    rows: Rows = [
        ("way", "frames", "faces", "lost", "found", "flipped", "changed", "in window", "whole", "fell back")
    ]
    for row in decisions.to_dict("records"):
        counts = (f"{row[name]:,}" for name in ("n_frames", "n_faces", "lost", "found", "flipped"))
        more = (
            f"{row['changed']:.2%}",
            f"{row['in_window']:.0%}",
            f"{row['whole']:.0%}",
            f"{row['fell_back']}",
        )
        rows.append((row["way"], *counts, *more))
    return rows


def _list_rates(card: pd.DataFrame) -> Rows:
    rows: Rows = [("work", "a second", "of the matrix product's rate")]
    for row in card.to_dict("records"):
        rate = _range(row["a_second"], row["lowest"], row["highest"])
        rows.append((row["what"], f"{rate} {row['unit']}s", f"{row['ceiling_share']:.0%}"))
    return rows


def _range(middle: float, low: float, high: float) -> str:
    return f"{_round(middle)} [{_round(low)}-{_round(high)}]"


def _round(value: float) -> str:
    """Three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _align(rows: Rows) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)

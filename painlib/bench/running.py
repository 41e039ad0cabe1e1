"""The benchmark from beginning to end: measure, summarise, write, draw."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from painlib.bench.card import measure_card
from painlib.bench.ceilings import find_ffmpeg
from painlib.bench.crews import measure_crews
from painlib.bench.decisions import compare_decisions, make_small_lab
from painlib.bench.operations import count_operations
from painlib.bench.sizes import BenchSize
from painlib.bench.stages import STAGES, Ground, prepare
from painlib.bench.summary import compare_crews, scale_up, summarise
from painlib.bench.surroundings import describe_machine
from painlib.bench.wording import tell_results
from painlib.plots.bench import plot_bench
from painlib.plots.style import save_figure
from painlib.tables import write_csv, write_whole
from painlib.video.decoding import choose_decoder

NOTE = "Drawn clips and networks of random weights: speeds are real, accuracies are not shown here."


def run_bench(out: str | Path, size: BenchSize, say: Callable[[str], None] = print) -> str:
    """Measure all stages and write `results.csv` (every run), `table.csv`, `scale.csv`, `workers.csv`,
    `decisions.csv`, `card.csv` (with a graphics card), `machine.json`, `bench.txt` and the figure `bench` to
    `out`; gives the text of bench.txt.

    Everything runs in one thread. Clips and networks are kept under `out` for the next time.
    """
    out = Path(out)
    machine = {"form": size.name, **describe_machine(find_ffmpeg())}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        say(f"benchmark: the {size.name} form, into {out}")
        ground = prepare(size, out)
        machine["decoder"] = dict(zip(("name", "why"), choose_decoder(ground.clip.path), strict=True))
        machine["clip"] = {
            "width": size.width, "height": size.height, "frames": len(ground.clip),
            "faces": int(ground.clip.has_face.sum()), "mbit_s": round(ground.clip.bit_rate / 1e6, 1),
        }  # fmt: skip
        runs = pd.concat([_measure(stage, ground, say) for stage in STAGES], ignore_index=True)
        say("benchmark: decisions, workers")
        lab = make_small_lab(size, out / f"{size.name}_lab")
        decisions = compare_decisions(lab, size, out / "work" / "decisions")
        crews = measure_crews(lab, size, out / "work" / "crews", size.repeats)
        card = measure_card(ground) if torch.cuda.is_available() else None
    finally:
        torch.set_num_threads(threads)
    return _write(out, ground, pd.concat([runs, crews], ignore_index=True), decisions, card, machine)


def _measure(
    stage: Callable[[Ground], pd.DataFrame], ground: Ground, say: Callable[[str], None]
) -> pd.DataFrame:
    runs = stage(ground)
    say(f"benchmark: {runs['stage'].iloc[0]}: {runs['cpu_s'].sum():.0f} s of CPU time")
    return runs


def _write(
    out: Path,
    ground: Ground,
    runs: pd.DataFrame,
    decisions: pd.DataFrame,
    card: pd.DataFrame | None,
    machine: dict[str, Any],
) -> str:
    table = summarise(runs, count_operations(ground))
    scaled, crews = scale_up(runs, table), compare_crews(runs)
    text = tell_results(table, scaled, crews, decisions, card, machine)
    tables = {"results": runs, "table": table, "scale": scaled, "decisions": decisions}
    tables["workers"] = pd.DataFrame([crews])
    for name, rows in tables.items():
        write_csv(rows, out / f"{name}.csv")
    if card is not None:
        write_csv(card, out / "card.csv")
    for name, content in (("machine.json", json.dumps(machine, indent=1)), ("bench.txt", text)):
        with write_whole(out / name) as temporary:
            temporary.write_text(content, encoding="utf-8")
    figure = plot_bench(table, scaled)
    save_figure(figure, out, "bench", f"{NOTE} {machine['device']}.")
    return text

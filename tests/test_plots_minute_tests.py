"""The minutes that differ, as they stand under the curves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from figures import NOTE, artists, find_overlaps, make_minutes, words

from painlib import plots
from painlib.plots.minute_tests import plot_minute_tests
from painlib.stats import AnimalTests, AssayResult, run_animal_tests, run_assay

pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def make_tests(name: str, groups: list[str], n: int = 6, minutes: int = 8) -> tuple[AssayResult, AnimalTests]:
    """An assay whose last group lies higher in minutes 2, 3 and 5."""
    rng = np.random.default_rng(7)
    values = {
        group: {f"{group}{i}": list(rng.uniform(0.1, 0.4, minutes)) for i in range(n)} for group in groups
    }
    for curve in values[groups[-1]].values():
        for minute in (2, 3, 5):
            curve[minute] += 0.5
    table = make_minutes(values)
    both = {"paired": False, "alpha": 0.05, "seed": 0}
    window = {"window_start_min": 0, "window_end_min": minutes, "pre_window_min": 0, "bootstrap": 0}
    result = run_assay(table, assay=name, groups=groups, control=groups[0], **window, **both)
    return result, run_animal_tests(table, result, **both)


def test_the_marked_minutes_are_those_of_the_table() -> None:
    result, answer = make_tests("AC dose", ["vehicle", "0.6 % AC", "1 % AC"])
    (ax,) = plot_minute_tests([result], [answer]).axes
    marked = sorted(tuple(line.get_xdata()) for line in artists(ax, "significant"))
    assert marked == [(2, 4), (5, 6)]
    table = answer.minutes[answer.minutes["significant"]]
    assert table["minute"].tolist() == [2, 3, 5]
    assert set(table["comparison"]) == {"1 % AC - vehicle"}
    assert [tuple(line.get_xdata()) for line in artists(ax, "tested")] == [(0, 8), (0, 8)]
    low, high = (line.get_ydata()[0] for line in artists(ax, "tested"))
    assert artists(ax, "significant")[0].get_ydata()[0] == high < low < 0  # below all data, each its own line
    assert [label.get_text() for label in ax.get_yticklabels()] == ["1 % AC", "0.6 % AC", "0", "0.5", "1"]


def test_the_words_say_what_the_clusters_can_say() -> None:
    made = [make_tests("AC dose", ["vehicle", "1 % AC"]), make_tests("Capsaicin", ["vehicle", "capsaicin"])]
    figure = plot_minute_tests(*map(list, zip(*made, strict=True)))
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["A", "B"]
    told = words(figure).replace("\n", " ").replace("\N{NO-BREAK SPACE}", " ")
    assert "cannot say in which minutes" in told
    cluster = made[0][1].table.query("test == 'cluster permutation'")["p"].iloc[0]
    assert f"AC dose, 1 % AC - vehicle: P = {cluster:.3f}" in told
    assert "vehicle (n = 6)" in told
    assert find_overlaps(figure) == []


def test_an_assay_that_could_not_be_tested_says_so() -> None:
    result, answer = make_tests("few", ["vehicle", "drug"], n=3)
    (ax,) = plot_minute_tests([result], [answer]).axes
    assert [text.get_text() for text in artists(ax, "untested")] == ["not tested"]
    assert artists(ax, "significant") == artists(ax, "tested") == []
    assert "cluster" not in words(ax)


def test_one_group_and_no_assay_are_drawn_too() -> None:
    result, answer = make_tests("alone", ["vehicle"])
    (ax,) = plot_minute_tests([result], [answer]).axes
    assert artists(ax, "tested") == []
    assert "no assay was analysed" in words(plot_minute_tests([], []))


def test_an_untested_minute_is_a_gap_in_the_line() -> None:
    result, answer = make_tests("gap", ["vehicle", "drug"])
    minutes = answer.minutes.assign(
        p_corrected=answer.minutes["p_corrected"].where(answer.minutes["minute"] != 1)
    )
    gapped = AnimalTests(**{**answer.__dict__, "minutes": pd.DataFrame(minutes)})
    (ax,) = plot_minute_tests([result], [gapped]).axes
    assert [tuple(line.get_xdata()) for line in artists(ax, "tested")] == [(0, 1), (2, 8)]


def test_the_figure_repeats_to_the_byte(tmp_path: Path) -> None:
    result, answer = make_tests("AC dose", ["vehicle", "1 % AC"])
    first, second = (
        plots.save_figure(plot_minute_tests([result], [answer]), tmp_path / name, "minutes", NOTE)
        for name in "ab"
    )
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]

"""Figures of 03_predict and 04_statistics: what they show is what the tables say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from figures import (
    NOTE,
    TREATMENTS,
    artists,
    draw_minutes,
    find_overlaps,
    labels_of,
    make_assays,
    make_minutes,
    page_of,
    words,
)

from painlib import plots
from painlib.stats import AssayResult

pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def assays() -> list[AssayResult]:
    return make_assays()


# --- 03_predict ---


def test_minutes_are_drawn_at_their_middle_with_gaps_and_the_mean_of_animals() -> None:
    figure = draw_minutes()
    vehicle = figure.axes[0]
    (line,) = artists(vehicle, "recording b_vehicle")
    np.testing.assert_array_equal(line.get_xdata(), [0.5, 1.5, 2.5])
    np.testing.assert_array_equal(line.get_ydata(), [0.3, np.nan, 0.5])
    (mean,) = artists(vehicle, "mean")
    assert mean.get_ydata() == pytest.approx([0.2, 0.2, 0.4])
    assert mean.get_linewidth() > 2 * line.get_linewidth()
    assert artists(vehicle, "time zero")[0].get_xdata()[0] == 0
    assert "After: vehicle\nn = 2 animals" in words(figure)


def test_coverage_stands_under_the_minutes_on_the_same_time_axis() -> None:
    top, below = draw_minutes().axes[:2]
    assert artists(below, "recording b_vehicle")[0].get_ydata() == pytest.approx([0.5, 0, 0.5])
    assert below.get_xlim() == top.get_xlim()
    assert below.get_position().y1 < top.get_position().y0


def test_a_missing_minute_is_a_gap_too() -> None:
    minutes = make_minutes({"vehicle": {"a": [0.1, 0.2, 0.3, 0.4]}}).drop(index=1)
    (line,) = artists(plots.plot_minutes(minutes).axes[0], "recording a_vehicle")
    np.testing.assert_array_equal(line.get_ydata(), [0.1, np.nan, 0.3, 0.4])


def test_animals_that_were_trained_on_are_dashed_counted_and_not_in_the_mean() -> None:
    values = {"1 % AC": {"a": [0.2, 0.2], "b": [0.8, 0.8]}}
    figure = plots.plot_minutes(make_minutes(values, trained=("b",)))
    top = figure.axes[0]
    styles = {s: artists(top, f"recording {s}_1 % AC")[0].get_linestyle() for s in "ab"}
    assert styles == {"a": "-", "b": "--"}
    assert artists(top, "mean")[0].get_ydata() == pytest.approx([0.2, 0.2])
    assert "n = 2 animals, 1 trained on" in words(figure)
    assert "animal the model was trained on" in words(figure)


def test_recordings_before_treatment_have_their_own_clock() -> None:
    minutes = make_minutes({"vehicle": {"a": [0.1, 0.2]}}).assign(phase="pre")
    figure = plots.plot_minutes(minutes, time_label="Time after capsaicin (min)")
    assert "Time in recording (min)" in labels_of(figure)
    assert artists(figure, "time zero") == []
    after = plots.plot_minutes(minutes.assign(phase="post"), time_label="Time after capsaicin (min)")
    assert "Time after capsaicin (min)" in labels_of(after)


def test_coverage_is_compared_per_animal_with_mean_and_sem_of_animals_not_trained_on() -> None:
    rows = [("a", "x", 0.2), ("a", "x", 0.4), ("b", "x", 0.5), ("c", "y", 0.9), ("d", "y", np.nan)]
    rows += [("e", "y", 0.1), ("f", "z", 0.1)]
    windows = pd.DataFrame(rows, columns=["subject", "treatment", "coverage"])
    ax = plots.plot_coverage_groups(windows.assign(trained_on=windows["subject"].isin(["e", "f"])))
    points = [sorted(line.get_ydata()) for line in artists(ax, "animals")]
    assert points[0] == pytest.approx([0.3, 0.5])
    assert points[1] == pytest.approx([0.9])
    assert [line.get_ydata()[0] for line in artists(ax, "mean")] == pytest.approx([0.4, 0.9])
    (bar,) = artists(ax, "sem")
    assert bar.get_segments()[0][:, 1] == pytest.approx([0.3, 0.5])  # SEM of 0.3 and 0.5 is 0.1
    assert [label.get_text() for label in ax.get_xticklabels()] == [
        "x\nn = 2",
        "y\nn = 1\n1 trained on,\nleft out",
        "z\nn = 0\n1 trained on,\nleft out",
    ]


# --- 04_statistics ---


def test_curves_are_mean_and_sem_of_the_table() -> None:
    rows = [("vehicle", m, 5, 0.1 * m, 0.05) for m in (0, 1, 3)] + [
        ("1 % AC", m, 4, 0.5, 0.1) for m in (0, 1, 3)
    ]
    curves = pd.DataFrame(rows, columns=["group", "minute", "n", "mean", "sem"])
    ax = plots.plot_assay_curves(curves, window=(0, 4), time_label="Time after AC (min)")
    (line,) = artists(ax, "vehicle")
    np.testing.assert_array_equal(line.get_xdata(), [0.5, 1.5, 2.5, 3.5])
    np.testing.assert_allclose(line.get_ydata(), [0, 0.1, np.nan, 0.3])
    (band,) = artists(ax, "1 % AC sem")
    heights = np.concatenate([path.vertices[:, 1] for path in band.get_paths()])
    assert set(heights.round(3)) == {0.4, 0.6}
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["vehicle (n = 5)", "1 % AC (n = 4)"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Time after AC (min)", "Pain probability")
    assert list(artists(ax, "window")[0].get_xdata()) == [0, 4]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["0", "0.5", "1"]


def test_the_legend_stands_above_the_data() -> None:
    rows = [(group, m, 5, 1.0, 0.0) for group in TREATMENTS for m in range(30)]
    curves = pd.DataFrame(rows, columns=["group", "minute", "n", "mean", "sem"])
    ax = plots.plot_assay_curves(curves, window=(0, 30))
    page_of(ax).draw_without_rendering()
    bottom = ax.transData.inverted().transform(ax.get_legend().get_window_extent())[0, 1]
    assert bottom > 1.03
    assert find_overlaps(page_of(ax)) == []


def test_brackets_carry_the_stars_of_the_published_tests(assays: list[AssayResult]) -> None:
    dose = assays[0]
    ax = plots.plot_assay_means(dose.post.animals, dose.post.table, groups=dose.groups)
    dunnett = dose.post.table[dose.post.table["test"] == "Dunnett's test"].set_index("comparison")["stars"]
    expected = [dunnett["0.6 % AC - vehicle"] or "n.s.", dunnett["1 % AC - vehicle"] or "n.s."]
    assert expected == ["n.s.", "***"]
    assert [text.get_text() for text in artists(ax, "stars")] == expected
    ends = [(line.get_xdata()[0], line.get_xdata()[-1]) for line in artists(ax, "bracket")]
    assert ends == [(0, 1), (0, 2)]
    assert min(line.get_ydata()[0] for line in artists(ax, "bracket")) > 1  # above all data


def test_a_test_that_did_not_run_has_no_bracket(assays: list[AssayResult]) -> None:
    pair = assays[1]
    table = pair.post.table.assign(p=np.nan, p_corrected=np.nan, stars="")
    assert plots.find_brackets(table, pair.groups) == []
    assert plots.find_brackets(pair.post.table, pair.groups) == [(0, 1, "***")]
    assert plots.find_brackets(pair.post.table, pair.groups[::-1]) == [(0, 1, "***")]


def test_another_role_shows_its_own_stars(assays: list[AssayResult]) -> None:
    crossed = assays[3]
    paired = crossed.post.table.query("test == 'paired t test'")["stars"].iloc[0] or "n.s."
    brackets = plots.find_brackets(
        crossed.post.table.query("test == 'paired t test'"), crossed.groups, role="ours"
    )
    assert brackets == [(0, 1, paired)]


def test_means_are_those_of_the_description(assays: list[AssayResult]) -> None:
    dose = assays[0]
    ax = plots.plot_assay_means(dose.post.animals, dose.post.table, groups=dose.groups)
    described = dose.description[dose.description["measure"].str.startswith("pain probability over")]
    assert [line.get_ydata()[0] for line in artists(ax, "mean")] == pytest.approx(described["mean"].tolist())
    halves = [np.ptp(bar.get_segments()[0][:, 1]) / 2 for bar in artists(ax, "sem")]
    assert halves == pytest.approx(described["sem"].tolist())
    for line, (_, animals) in zip(
        artists(ax, "animals"), dose.post.animals.groupby("group", sort=False), strict=True
    ):
        assert sorted(line.get_ydata()) == pytest.approx(sorted(animals["value"]))


def test_the_crossover_joins_the_two_values_of_each_animal() -> None:
    rows = [
        ("vehicle", "a", 0.1),
        ("vehicle", "b", 0.2),
        ("vehicle", "c", 0.3),
        ("CGRP", "a", 0.4),
        ("CGRP", "b", 0.5),
    ]
    values = pd.DataFrame(rows, columns=["group", "subject", "value"])
    empty = pd.DataFrame(columns=["role", "comparison", "p", "p_corrected", "stars"])
    ax = plots.plot_assay_means(values, empty, paired=True)
    assert [list(line.get_ydata()) for line in artists(ax, "pair")] == [
        [0.1, 0.4],
        [0.2, 0.5],
    ]  # c has no partner
    assert [len(line.get_ydata()) for line in artists(ax, "animals")] == [3, 2]


def test_four_assays_give_the_papers_nine_panels(assays: list[AssayResult]) -> None:
    figure = plots.plot_paper_panels(assays)
    assert [ax.get_title(loc="left") for ax in figure.axes] == list("ABCDEFGHI")
    before, after, means = figure.axes[:3]
    assert artists(before, "vehicle")[0].get_xdata()[[0, -1]] == pytest.approx([-4.5, -0.5])
    assert artists(after, "vehicle")[0].get_xdata()[[0, -1]] == pytest.approx([0.5, 9.5])
    assert [text.get_text() for text in artists(means, "stars")] == ["n.s.", "***"]
    assert len(artists(figure.axes[8], "pair")) == 9
    assert artists(figure.axes[6], "pair") == []
    assert len({ax.get_ylim() for ax in figure.axes[:3]}) == 1
    assert {ax.get_ylabel() for ax in figure.axes} == {
        "Pain probability",
        "Pain probability,\nmean of 0–10 min",
    }
    assert "Student's unpaired t test" in words(figure)
    assert find_overlaps(figure) == []


def test_panels_repeat_to_the_byte(assays: list[AssayResult], tmp_path: Path) -> None:
    first, second = (
        plots.save_figure(plots.plot_paper_panels(assays[3:]), tmp_path / name, "panels", NOTE)
        for name in "ab"
    )
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_fewer_assays_give_fewer_panels(assays: list[AssayResult]) -> None:
    assert [ax.get_title(loc="left") for ax in plots.plot_paper_panels(assays[1:2]).axes] == ["A", "B"]
    assert [ax.get_title(loc="left") for ax in plots.plot_paper_panels(assays[:1]).axes] == ["A", "B", "C"]

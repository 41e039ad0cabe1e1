"""Figures of the regions: what they show is what the tables say, on a printed page, without colour alone."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from figures import artists, find_overlaps, labels_of, shown_texts, words
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from painlib import region_tests
from painlib.plots import style
from painlib.plots.agreement import plot_agreement
from painlib.plots.regions import plot_region_frequencies, plot_region_key
from painlib.regions.names import REGIONS

pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.filterwarnings("ignore::DeprecationWarning")]
BY_TEMPLATE = "proposed by the template, headless"


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def make_marked(n_animals: int = 8) -> pd.DataFrame:
    """20 faces a class and animal. Nose: all animals differ. Eye: the first two. Hand: never. Rest: none."""
    rows = []
    for animal in range(n_animals):
        counts = {"nose": (2, 18), "eye": (0, 20) if animal < 2 else (6, 6), "hand": (0, 0)}
        for side, label in enumerate(("no pain", "pain")):
            for face in range(20):
                marks = {region: face < counts.get(region, (8, 8))[side] for region in REGIONS}
                rows.append(
                    {"subject": f"m{animal}", "recording": f"m{animal} {label}", "label": label} | marks
                )
    return pd.DataFrame(rows)


def draw(n_animals: int = 8, marked_by: str = BY_TEMPLATE) -> tuple[Figure, pd.DataFrame]:
    marked = make_marked(n_animals)
    table = region_tests.test_frequencies(marked, REGIONS, yates=True, alpha=0.05, seed=0, n_flips=1000)
    differences = region_tests.compute_differences(marked, REGIONS)
    return plot_region_frequencies(table, differences, marked_by), table.set_index("region")


def make_agreement(**changes: object) -> pd.DataFrame:
    n = len(REGIONS)
    table = pd.DataFrame(
        {
            "region": REGIONS,
            "n_faces": 40,
            "kappa": np.linspace(-0.2, 1, n),
            "prevalence_first": np.linspace(0, 0.5, n),
            "prevalence_second": np.linspace(0.1, 0.6, n),
            "interval": "bootstrap over animals",
        }
    )
    table["ci_low"], table["ci_high"] = table["kappa"] - 0.1, np.minimum(table["kappa"] + 0.1, 1)
    return table.assign(**changes)


def middle(rows: list) -> list[float]:
    return [float(np.mean(line.get_xdata())) for line in rows]


# Frequencies


def test_bars_are_the_frequencies_of_both_classes_in_the_order_of_the_table() -> None:
    figure, table = draw()
    left = figure.axes[0]
    assert [label.get_text() for label in left.get_yticklabels()] == list(REGIONS)
    assert left.get_ylim()[0] > left.get_ylim()[1]  # the first stands on top
    for label, column in (("no pain", "frequency_no_pain"), ("pain", "frequency_pain")):
        (bar,) = artists(left, f"{label} nose")
        assert bar.get_width() == pytest.approx(100 * table.loc["nose", column])
        assert to_hex(bar.get_edgecolor()) == style.CLASS_LOOKS[label].colour.lower()
    # Not by colour alone.
    assert artists(left, "no pain nose")[0].get_hatch()
    assert not artists(left, "pain nose")[0].get_hatch()
    assert "no pain (n = 160 faces)" in words(figure)


def test_stars_are_the_published_ones_and_grey_with_a_diamond_where_animals_do_not_confirm() -> None:
    figure, table = draw()
    assert table.loc[["nose", "eye"], "verdict"].tolist() == ["both", "published only"]
    stars = {round(text.get_position()[1]): text for text in artists(figure, "stars")}
    places = {region: REGIONS.index(region) for region in ("nose", "eye")}
    assert set(stars) == set(places.values())
    assert stars[places["nose"]].get_text() == table.loc["nose", "stars"]
    assert (stars[places["nose"]].get_color(), stars[places["eye"]].get_color()) == (style.BLACK, style.GREY)
    (diamond,) = artists(figure.axes[0], "published only")
    assert diamond.get_ydata()[0] == places["eye"]
    assert diamond.get_marker() == "D"
    assert "not with the animal as the unit" in words(figure)


def test_each_animal_its_mean_and_the_corrected_p_stand_beside() -> None:
    figure, table = draw()
    right = figure.axes[1]
    (points,) = artists(right, "animals eye")
    assert sorted(points.get_xdata()) == pytest.approx([0] * 6 + [100] * 2)
    assert np.round(points.get_ydata()).tolist() == [REGIONS.index("eye")] * 8
    assert len(set(zip(points.get_xdata(), points.get_ydata(), strict=True))) > 5  # equal ones side by side
    assert middle(artists(right, "mean eye")) == pytest.approx([100 * table.loc["eye", "animal_difference"]])
    ends = artists(right, "interval eye")[0].get_xdata()
    assert tuple(ends) == pytest.approx(tuple(100 * table.loc["eye", ["animal_ci_low", "animal_ci_high"]]))
    told = {round(text.get_position()[1]): text for text in artists(right, "p")}
    nose = told[REGIONS.index("nose")]
    assert (nose.get_text(), nose.get_fontweight()) == ("0.008 **", "bold")
    assert told[REGIONS.index("hand")].get_text() == "–"
    assert told[REGIONS.index("mouth")].get_fontweight() == "normal"
    assert right.get_ylim() == figure.axes[0].get_ylim()


def test_words_below_name_tests_units_and_the_smallest_p_and_above_who_marked() -> None:
    text = words(draw()[0]).replace("\n", " ").replace("\N{NO-BREAK SPACE}", " ")
    for part in (
        f"Marks: {BY_TEMPLATE}",
        "chi-squared test with Yates's correction, the face being the unit, Bonferroni over 13 regions",
        "*** P < 0.001",
        "8 animals",
        "smallest that can be reached is 0.00781",
        "never marked in either class",
    ):
        assert part in text, text
    assert "Marks:" not in words(draw(marked_by="")[0])


def test_too_few_animals_are_drawn_and_said_not_to_be_testable() -> None:
    figure, table = draw(3)
    assert table.loc["nose", "verdict"] == "published, animals not testable"
    marks = artists(figure.axes[0], "published, animals not testable")
    assert [mark.get_ydata()[0] for mark in marks] == [
        REGIONS.index(r) for r in REGIONS if table.loc[r, "stars"]
    ]
    assert "?" in marks[0].get_marker()
    text = words(figure).replace("\n", " ")
    assert "too few animals to test" in text
    assert "not testable, 3 animals with faces of both classes" in text
    assert not artists(figure, "p")
    assert len(artists(figure.axes[1], "animals nose")[0].get_xdata()) == 3


def test_one_class_alone_and_no_animals_are_drawn_too() -> None:
    marked = make_marked()
    marked = marked[marked["label"] == "pain"]
    table = region_tests.test_frequencies(marked, REGIONS, yates=False, alpha=0.05, seed=0, n_flips=1000)
    figure = plot_region_frequencies(table, region_tests.compute_differences(marked, REGIONS))
    assert "no animal with faces of both classes" in words(figure)
    assert "without Yates's correction" in words(figure)
    figure.draw_without_rendering()
    both = region_tests.test_frequencies(
        make_marked(), REGIONS, yates=False, alpha=0.05, seed=0, n_flips=1000
    )
    alone = plot_region_frequencies(both)  # without the animals' own table: means only
    assert artists(alone, "mean nose")
    assert not artists(alone, "animals nose")


@pytest.mark.parametrize("n_animals", [3, 8])
def test_the_page_is_174_mm_wide_legible_and_without_overlaps(n_animals: int) -> None:
    figure, _ = draw(n_animals)
    assert figure.get_size_inches()[0] * style.INCH_MM == pytest.approx(174)
    assert find_overlaps(figure) == []
    assert min(text.get_fontsize() for text in shown_texts(figure)) >= 6
    assert labels_of(figure) == {
        "Faces in which the region is marked (%)",
        "Difference of each animal, pain − no pain (points)",
    }
    width, height = figure.get_size_inches() * figure.dpi
    for text in shown_texts(figure):
        box = text.get_window_extent()
        assert -1 <= box.x0 <= box.x1 <= width + 1, text.get_text()
        assert -1 <= box.y0 <= box.y1 <= height + 1, text.get_text()


# Agreement


def test_kappa_its_interval_and_both_prevalences_stand_at_their_region() -> None:
    table = make_agreement()
    figure = plot_agreement(table)
    left, right = figure.axes
    (points,) = artists(left, "kappa")
    assert points.get_xdata() == pytest.approx(table["kappa"].to_numpy())
    assert points.get_ydata() == pytest.approx(np.arange(13))
    ends = [line.get_xdata() for line in artists(left, "interval")]
    assert np.array(ends) == pytest.approx(table[["ci_low", "ci_high"]].to_numpy())
    for side in ("first", "second"):
        (points,) = artists(right, f"prevalence {side}")
        assert points.get_xdata() == pytest.approx(100 * table[f"prevalence_{side}"].to_numpy())
    assert "bootstrap over animals" in left.get_xlabel()
    assert left.get_xlim()[0] < -0.3
    assert "40 faces" in words(figure)


def test_comparisons_differ_by_marker_and_a_kappa_that_is_not_defined_is_said() -> None:
    lost = {"kappa": np.nan, "ci_low": np.nan, "ci_high": np.nan}
    second = make_agreement(comparison="A. against the proposals")
    second.loc[4, list(lost)] = np.nan
    figure = plot_agreement(pd.concat([make_agreement(comparison="A. against B."), second]))
    one, other = artists(figure, "kappa")
    assert one.get_marker() != other.get_marker()
    assert (one.get_ydata() != other.get_ydata()).all()
    (told,) = artists(figure, "undefined")
    assert told.get_position()[1] == pytest.approx(other.get_ydata()[4])
    assert len(artists(figure, "interval")) == 25
    assert find_overlaps(figure) == []
    assert "A. against the proposals" in words(figure)
    nothing = plot_agreement(make_agreement(**lost, prevalence_first=0.0, prevalence_second=0.0))
    assert len(artists(nothing, "undefined")) == 13


# The picture


def test_the_key_shows_every_region_with_its_number_and_colour() -> None:
    figure = plot_region_key()
    front = figure.axes[0]
    for region in set(REGIONS) - {"stage"}:
        assert any(artists(ax, region) for ax in figure.axes), region
    numbers = {int(text.get_text()): text for text in artists(front, "number")}
    assert set(numbers) == {place for place, region in enumerate(REGIONS, 1) if region != "stage"}
    # A number lies in its own region: the topmost outline around it has the region's name.
    for number, text in numbers.items():
        around = [p for p in front.patches if p.get_path().contains_point(text.get_position())]
        assert around[-1].get_gid() == REGIONS[number - 1]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [f"{n} {r}" for n, r in enumerate(REGIONS, 1)]
    fills = {text.get_text().split(" ", 1)[1]: patch for text, patch in zip(
        legend.get_texts(), legend.get_patches(), strict=True)}  # fmt: skip
    assert fills["nose"].get_facecolor() == artists(front, "nose")[0].get_facecolor()
    assert find_overlaps(figure) == []

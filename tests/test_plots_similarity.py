"""Figures of similar faces: what they show is what the arrays and tables say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from figures import artists, find_overlaps, labels_of, read_png, words
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from painlib.faults import PainlibError
from painlib.plots.attribution import MAP_COLOURS, OVERLAY
from painlib.plots.similarity import (
    pick_map_faces,
    plot_map,
    plot_map_thumbnails,
    plot_pair_distances,
    plot_pairs,
)
from painlib.plots.style import CLASS_LOOKS, save_figure
from painlib.similarity import compare_pairings, compute_pair_distances, find_mutual_pairs

pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def make_faces(n: int, subjects: int = 3) -> pd.DataFrame:
    at = np.arange(n)
    columns = {"label": at % 2, "camera": np.where(at % 3, "A", "B"), "rule": at % 3 + 1, "time_s": at / 2}
    return pd.DataFrame({"subject": [f"m{i % subjects}" for i in at], **columns})


def make_points(n: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, 2))


# --- the map ---


def dots(ax: plt.Axes, name: str) -> np.ndarray:
    """Places of all points of that name in a panel, sorted."""
    found = np.concatenate([np.asarray(part.get_offsets()) for part in artists(ax, name)])
    return found[np.lexsort(found.T)]


def test_map_shows_every_face_four_times_in_its_colour_and_shape() -> None:
    points, faces = make_points(60), make_faces(60)
    figure = plot_map(points, faces)
    by_class, by_animal, by_camera, by_rule = figure.axes
    for name, code in (("no pain", 0), ("pain", 1)):
        mine = points[faces["label"] == code]
        np.testing.assert_array_equal(dots(by_class, name), mine[np.lexsort(mine.T)])
        part = artists(by_class, name)[0]
        assert to_hex(part.get_facecolor()[0]).upper() == CLASS_LOOKS[name].colour
    assert len(dots(by_animal, "m1")) == 20
    assert len(dots(by_camera, "A")) == 40
    assert len(dots(by_rule, "2: nose and right eye")) == 20
    shapes = [artists(by_class, name)[0].get_paths()[0].vertices.shape for name in CLASS_LOOKS]
    assert shapes[0] != shapes[1]
    assert "60 faces" in words(figure)


def test_map_has_no_ticks_because_its_axes_have_no_unit() -> None:
    figure = plot_map(make_points(9), make_faces(9), "t-SNE")
    assert labels_of(figure) == {"t-SNE 1", "t-SNE 2"}
    for ax in figure.axes:
        assert len(ax.get_xticks()) == len(ax.get_yticks()) == 0
        assert ax.get_aspect() == 1


def test_map_draws_a_part_of_very_many_faces_and_says_so() -> None:
    n = 20_500
    figure = plot_map(make_points(n), make_faces(n))
    assert sum(len(dots(figure.axes[0], name)) for name in CLASS_LOOKS) == 20_000
    assert "20,500 faces, 20,000 of them drawn at random" in words(figure)


def test_faces_without_a_label_are_in_the_map_too() -> None:
    figure = plot_map(make_points(6), make_faces(6).assign(label=[0, 1, -1, -1, -1, 0]))
    assert len(dots(figure.axes[0], "no label")) == 3


def test_many_animals_are_counted_where_the_legend_ends() -> None:
    figure = plot_map(make_points(40), make_faces(40, subjects=20))
    assert "and 7 more" in words(figure)
    assert find_overlaps(figure) == []


@pytest.mark.parametrize("n", [0, 1])
def test_map_of_hardly_any_face_is_drawn(n: int) -> None:
    figure = plot_map(make_points(n), make_faces(n))
    figure.draw_without_rendering()
    assert ("no faces" in words(figure)) == (n == 0)


# --- the map as faces ---


def test_each_cell_of_the_map_gives_its_middlemost_face() -> None:
    # Two cells along the longer side, 0 to 4; four cells of side 2, one of them empty.
    points = np.array([[0, 0], [0.9, 1.2], [1.8, 1.8], [4, 0], [2.5, 3.5], [2.5, 3.5]])
    picked = pick_map_faces(points, cells=2)
    assert picked.to_numpy().tolist() == [[1, 1, 1, 2], [3, 3, 1, 2], [4, 3, 3, 2]]


def test_a_map_of_one_place_gives_one_face_and_none_gives_none() -> None:
    assert pick_map_faces(np.ones((5, 2)))["row"].tolist() == [0]
    assert len(pick_map_faces(np.empty((0, 2)))) == 0
    figure = plot_map_thumbnails(pick_map_faces(np.empty((0, 2))), [], [])
    assert "no faces" in words(figure)


def test_thumbnails_lie_in_their_cells_framed_by_class() -> None:
    points = make_points(200)
    picked = pick_map_faces(points, cells=6)
    images = np.random.default_rng(0).integers(0, 255, (len(picked), 300, 300, 3), dtype=np.uint8)
    label = np.arange(len(picked)) % 2
    (ax,) = plot_map_thumbnails(picked, images, label).axes
    frames = artists(ax, "frame")
    assert len(ax.images) == len(frames) == len(picked)
    assert max(image.get_array().shape[0] for image in ax.images) <= 256
    middle = [(frame.get_x() + frame.get_width() / 2) for frame in frames]
    assert middle == pytest.approx(picked["x"].tolist())
    assert [frame.get_edgecolor()[:3] for frame in frames[:2]] == [
        to_rgb(CLASS_LOOKS[name].colour) for name in ("no pain", "pain")
    ]
    assert frames[0].get_linestyle() != frames[1].get_linestyle()
    left, right = ax.get_xlim()
    assert left < picked["x"].min() < picked["x"].max() < right


# --- Fig. 2A ---


def make_shown(n: int) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    pairs = pd.DataFrame(
        {"pair": range(n), "row_no_pain": np.arange(n) * 2, "row_pain": np.arange(n) * 2 + 1}
    )
    pairs = pairs.assign(distance=0.125 * (np.arange(n) + 1), same_subject=False)
    images = rng.integers(0, 256, (n, 2, 40, 40, 3), dtype=np.uint8)
    return pairs, make_faces(2 * n, subjects=5), images, rng.random((n, 2, 3, 3)).astype(np.float32)


def shown(figure: Figure, gid: str) -> list[np.ndarray]:
    return [np.asarray(image.get_array()) for image in artists(figure, gid)]


def test_pairs_show_original_map_and_overlay_of_both_faces() -> None:
    pairs, faces, images, maps = make_shown(2)
    figure = plot_pairs(pairs, faces, images, maps)
    originals, drawn, overlays = (shown(figure, gid) for gid in ("original", "map", "overlay"))
    np.testing.assert_array_equal(np.stack(originals), images.reshape(4, 40, 40, 3))
    colours = matplotlib.colormaps[MAP_COLOURS]
    # Beyond the middle of the first cell there is nothing to interpolate between.
    assert drawn[1][0, 0] == pytest.approx(colours(float(maps[0, 1, 0, 0]))[:3], abs=0.01)
    assert drawn[2][20, 20] == pytest.approx(colours(float(maps[1, 0, 1, 1]))[:3], abs=0.1)
    for original, colour, overlay in zip(originals, drawn, overlays, strict=True):
        np.testing.assert_allclose(overlay, (1 - OVERLAY) * original / 255 + OVERLAY * colour, atol=1e-6)


def test_pairs_say_animal_time_distance_map_size_and_whose_evidence() -> None:
    pairs, faces, images, maps = make_shown(3)
    figure = plot_pairs(pairs, faces, images, maps[:, :, :, :2], map_of="pain", n_found=1234)
    text = words(figure)
    for part in ("m1 A  0.5 s", "m4 A  2.0 s", "distance 0.125", "distance 0.375", "3 of 1,234"):
        assert part in text
    assert "Grad-CAM of pain, map of 3 × 2" in text
    heads = [ax.get_title(loc="left") for ax in figure.axes if ax.get_title(loc="left")]
    assert heads == ["no pain: original", "Grad-CAM", "overlay", "pain: original", "Grad-CAM", "overlay"]
    bar = figure.axes[-1]
    assert bar.get_xlim() == (0, 1)
    assert find_overlaps(figure) == []


def test_pairs_are_of_the_rows_that_the_table_names() -> None:
    pairs, faces, images, maps = make_shown(1)
    swapped = pairs.assign(row_no_pain=1, row_pain=0)
    captions = [ax.get_xlabel() for ax in plot_pairs(swapped, faces, images, maps).axes if ax.get_xlabel()]
    assert captions[:2] == ["m1 A  0.5 s", "m0 B  0.0 s"]


def test_a_map_without_positive_evidence_is_said_to_be_one() -> None:
    pairs, faces, images, maps = make_shown(2)
    assert "no positive" not in words(plot_pairs(pairs, faces, images, maps))
    maps[1, 0] = 0
    figure = plot_pairs(pairs, faces, images, maps)
    assert words(figure).count("no positive\nevidence") == 1
    assert len(np.unique(shown(figure, "map")[2].reshape(-1, 3), axis=0)) == 1


def test_pages_of_pairs_have_a_limit_and_may_be_empty() -> None:
    pairs, faces, images, maps = make_shown(9)
    with pytest.raises(PainlibError, match="at most 8 pairs on a page, got 9"):
        plot_pairs(pairs, faces, images, maps)
    with pytest.raises(ValueError, match="9 images and 2 rows"):
        plot_pairs(pairs[:2], faces, images, maps)
    assert "no pairs" in words(plot_pairs(pairs[:0], faces, [], []))
    plot_pairs(pairs[:1], faces, images[:1], maps[:1]).draw_without_rendering()


# --- the two pairings ---


def test_distances_are_drawn_as_cumulative_shares_with_the_share_within_one_animal() -> None:
    features = np.array([[0.0], [10.0], [20.0], [1.0], [12.0], [26.0]])
    columns = ["row_no_pain", "row_pain", "same_subject"]
    exact = pd.DataFrame([(0, 3, True), (1, 4, True)], columns=columns)
    in_map = pd.DataFrame([(0, 3, True), (1, 5, False), (2, 4, False)], columns=columns)
    ways = {"in feature space": exact, "in the map": in_map}
    distances = {way: compute_pair_distances(features, pairs) for way, pairs in ways.items()}
    figure = plot_pair_distances(distances, compare_pairings(exact, in_map, features))
    (line,) = artists(figure, "distances in the map")
    assert line.get_xdata().tolist() == [1, 1, 8, 16]
    assert line.get_ydata() == pytest.approx([0, 1 / 3, 2 / 3, 1])
    heights = [artists(figure, f"same animal {way}")[0].get_height() for way in ways]
    assert heights == pytest.approx([1, 1 / 3])
    text = words(figure)
    assert "1 pair found both ways" in text
    assert "found in the map: 3 pairs, median 8" in text
    assert "33 %" in text
    assert "Distance of the two faces in feature space" in labels_of(figure)
    assert find_overlaps(figure) == []


def test_no_pairs_and_unknown_animals_are_said() -> None:
    features = np.zeros((3, 1))
    none = find_mutual_pairs(features, [0, 0, 0])
    figure = plot_pair_distances(
        {"in feature space": np.empty(0), "in the map": np.empty(0)}, compare_pairings(none, none, features)
    )
    assert "no pairs" in words(figure)
    assert words(figure).count("not known") == 2


def test_figures_are_saved_with_bytes_that_repeat_and_their_note(tmp_path: Path) -> None:
    pairs, faces, images, maps = make_shown(1)
    drawings = {
        "map": lambda: plot_map(make_points(9), make_faces(9)),
        "thumbnails": lambda: plot_map_thumbnails(
            pick_map_faces(make_points(30), 4).head(5), [images[0, 0]] * 5, [0, 1, 0, 1, -1]
        ),
        "pairs": lambda: plot_pairs(pairs, faces, images, maps),
    }
    for name, draw in drawings.items():
        first = save_figure(draw(), tmp_path / "1", name, note="Drawn demonstration, not real mice")
        again = save_figure(draw(), tmp_path / "2", name, note="Drawn demonstration, not real mice")
        assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
        grey, said = read_png(first[1])
        assert grey.std() > 5
        assert said["Description"] == "Drawn demonstration, not real mice"

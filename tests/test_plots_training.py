"""Figures of 01_crop and 02_train: what they show is what the tables say."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from figures import (
    NOTE,
    artists,
    draw_confident_faces,
    draw_contact_sheet,
    draw_visibility,
    find_overlaps,
    make_confusion,
    make_evaluation,
    make_faces,
    make_history,
    make_index,
    make_out_of_fold,
    make_pose,
    make_scores,
    make_summary,
    words,
)
from matplotlib.colors import to_hex
from matplotlib.text import Text

from painlib import plots
from painlib.plots.style import KEYPOINT_LOOKS

pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    plt.close("all")


# --- 01_crop ---


def test_bars_are_the_shares_of_each_rule_and_the_rest_has_no_face() -> None:
    figure = plots.plot_rule_shares(make_summary())
    for ax in figure.axes:
        widths = np.array([[bar.get_width() for bar in container] for container in ax.containers])
        assert widths[:, 1] == pytest.approx([0.501, 0.2, 0.1, 0.199])
        starts = [container[1].get_x() for container in ax.containers]
        assert starts == pytest.approx([0, 0.501, 0.701, 0.801])
        assert [text.get_text() for text in artists(ax, "n_frames")] == ["1,000"] * 3


def test_a_recording_without_frames_says_so() -> None:
    summary = make_summary(2)
    summary.loc[0, ["n_frames", "rule_1", "rule_2", "rule_3"]] = 0
    first = plots.plot_rule_shares(summary.drop(index=3)).axes
    assert artists(first[0], "n_frames")[0].get_text() == "no frames"
    assert artists(first[1], "n_frames")[1].get_text() == "no frames"


def test_46_recordings_of_two_cameras_fit_and_can_be_read() -> None:
    figure = plots.plot_rule_shares(make_summary(46))
    assert figure.get_size_inches()[1] * 25.4 < 240
    assert find_overlaps(figure) == []
    assert len(figure.axes[0].containers[0]) == 46


def test_many_recordings_of_one_camera_take_two_columns() -> None:
    figure = plots.plot_rule_shares(make_summary(90, "A"))
    assert [len(ax.containers[0]) for ax in figure.axes] == [45, 45]
    assert figure.get_size_inches()[1] * 25.4 < 240


def test_visibility_is_the_share_of_frames_with_a_face_per_bin() -> None:
    # A frame each 10 s; faces in the first, second and third, so bins of 20 s hold 2/2 and 1/2.
    mesh = draw_visibility().axes[0].collections[0]
    np.testing.assert_allclose(mesh.get_array(), [[1, 0.5]])


def test_visibility_takes_pairs_one_at_a_time_and_leaves_unfilmed_time_white() -> None:
    short, long = make_pose([1], [1], [1]), make_pose([1] * 4, [1] * 4, [1] * 4)
    figure = plots.plot_visibility(iter([(("a", "A"), short), (("b", "A"), long)]), 0.9, bin_s=20)
    values = np.ma.filled(figure.axes[0].collections[0].get_array().astype(float), np.nan)
    np.testing.assert_array_equal(values, [[1, np.nan], [1, 1]])


def test_likelihood_histograms_count_frames_and_share_above_the_threshold() -> None:
    poses = [make_pose([1, 0.55], [0.9, 0.89], [0, 0]), make_pose([0.95], [0.2], [0])]
    axes = plots.plot_likelihoods(iter(poses), 0.9).axes
    nose = axes[0].patches[0].get_data()
    assert nose.values.sum() == 3
    assert nose.values[27] == 1  # 0.54 to 0.56
    assert axes[0].get_yscale() == "log"
    assert [line.get_xdata()[0] for line in axes[1].lines] == [0.9]
    shares = [ax.get_title(loc="left").split("\n")[1].split()[0] for ax in axes]
    assert shares == ["66.7%", "33.3%", "0.0%"]


def test_pose_errors_are_points_with_their_median_written_train_and_test_apart() -> None:
    ax = plots.plot_pose_errors(make_evaluation())
    assert sorted(artists(ax, "nose train")[0].get_ydata()) == pytest.approx([1, 2, 6])
    assert sorted(artists(ax, "left_eye test")[0].get_ydata()) == pytest.approx([0.5, 4])
    assert artists(ax, "nose test median")[0].get_ydata()[0] == pytest.approx(5)
    written = {text.get_text() for text in artists(ax, "median") if isinstance(text, Text)}
    assert written == {"2\nn = 3", "5\nn = 2", "2.25\nn = 2"}
    assert artists(ax, "nose train")[0].get_markerfacecolor() == "none"
    assert artists(ax, "nose test")[0].get_markerfacecolor() == KEYPOINT_LOOKS["nose"].colour


def test_the_contact_sheet_shows_each_face_and_names_the_empty_rule() -> None:
    figure = draw_contact_sheet()
    assert [len(ax.images) for ax in figure.axes] == [2, 1, 0]
    assert "no face by this rule" in words(figure)
    assert "Rule 1: nose and both eyes (2 of 2 faces)" in words(figure)
    np.testing.assert_array_equal(figure.axes[1].images[0].get_array(), make_faces(3)[2])


def test_faces_for_the_sheet_come_from_as_many_recordings_as_can_be() -> None:
    index = make_index([1] * 60 + [2])
    picked = plots.pick_faces_per_rule(index, per_rule=3, seed=5)
    assert picked["rule"].tolist() == [1, 1, 1, 2]
    assert set(picked.loc[picked["rule"] == 1, "recording"]) == {"rec0", "rec1", "rec2"}
    pd.testing.assert_frame_equal(picked, plots.pick_faces_per_rule(index, per_rule=3, seed=5))
    pd.testing.assert_frame_equal(index.loc[picked.index], picked)  # positions in the store


def test_an_image_too_few_is_refused() -> None:
    with pytest.raises(ValueError, match="2 images and 3 rows"):
        plots.plot_contact_sheet(make_faces(2), make_index([1, 1, 2]))


def test_the_overlay_fills_seen_points_rings_unsure_ones_and_leaves_out_absent_ones() -> None:
    frame = np.full((400, 500, 3), 128, np.uint8)
    points = np.array([[250.0, 300.0], [150.0, 200.0], [np.nan, np.nan]])
    drawn = plots.draw_pose_overlay(frame, points, np.array([0.95, 0.3, 0.0]), 2, 0.9, (150.0, 200.0, 120.0))
    assert (frame == 128).all()
    assert drawn.shape == frame.shape
    assert to_hex(drawn[300, 250] / 255) == KEYPOINT_LOOKS["nose"].colour.lower()
    assert (drawn[200, 150] == 128).all()  # the middle of a ring
    assert (drawn[190:211, 140:161] != 128).any()
    corner = drawn[140, 90]
    assert to_hex(corner / 255) == plots.style.RULE_LOOKS[2].colour.lower()
    assert (drawn[:20, :100] != 128).any()  # the rule's name
    assert (drawn[370:, 400:] == 128).all()


def test_the_overlay_of_a_small_frame_is_enlarged_and_carries_the_note() -> None:
    frame = np.full((128, 168, 3), 128, np.uint8)
    points = np.array([[80.0, 60.0]] * 3)
    bare = plots.draw_pose_overlay(frame, points, np.ones(3), 1, 0.9)
    noted = plots.draw_pose_overlay(frame, points, np.ones(3), 1, 0.9, note=NOTE)
    assert bare.shape == (384, 504, 3)
    assert (bare[-20:] == 128).all()
    assert (noted[-20:] != 128).any()
    assert to_hex(bare[180, 240] / 255) == KEYPOINT_LOOKS["left_eye"].colour.lower()
    none = plots.draw_pose_overlay(
        frame, np.full((3, 2), np.nan), np.zeros(3), 0, 0.9, (np.nan, np.nan, 40.0)
    )
    assert (none[60:] == 128).all()


# --- 02_train ---


def test_learning_curves_are_the_history_and_the_final_model_stands_out() -> None:
    history = make_history()
    figure = plots.plot_learning_curves(history, {"fold_1": ["m1"], "fold_2": ["m2", "m3"]})
    for ax, column in zip(figure.axes, ("loss", "accuracy"), strict=True):
        for fold, epochs in history.groupby("fold"):
            (line,) = artists(ax, f"fold {fold}")
            assert line.get_ydata() == pytest.approx(epochs[column].to_numpy())
        widths = {line.get_label(): line.get_linewidth() for line in ax.lines}
        assert widths["all animals"] > 2 * widths["without m1"]
    assert "without m2, m3" in words(figure)


def test_held_out_points_are_the_scores_with_their_mean_and_interval() -> None:
    summary = pd.DataFrame(
        {
            "metric": ["auc", "sensitivity", "specificity"],
            "mean": [0.875, 0.8, 0.75],
            "ci_low": [0.7, 0.6, 0.5],
            "ci_high": [1.1, 0.9, 0.9],
            "n": [2, 3, 2],
        }
    )
    figure = plots.plot_held_out(make_scores(), summary)
    (points,) = artists(figure, "auc")
    np.testing.assert_array_equal(points.get_xdata(), [1.0, 0.75, np.nan])
    assert artists(figure.axes[0], "mean")[0].get_xdata()[0] == 0.875
    assert artists(figure.axes[0], "interval")[0].get_width() == pytest.approx(0.3)  # never past 1
    assert figure.axes[0].get_title(loc="left") == "AUC 0.88 [0.70, 1.10], n = 2"
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["m1", "m2", "m3"]


def test_roc_has_a_line_an_animal_with_both_labels_and_their_mean() -> None:
    ax = plots.plot_roc(make_out_of_fold())
    lines = {line.get_gid(): line for line in ax.lines}
    assert set(lines) == {"animal m1", "animal m2", "mean", "chance"}
    assert np.trapezoid(lines["animal m2"].get_ydata(), lines["animal m2"].get_xdata()) == pytest.approx(0.75)
    # At a false-positive rate of 0.25: m1 has all, m2 half of its pain faces.
    assert np.interp(0.25, lines["mean"].get_xdata(), lines["mean"].get_ydata()) == pytest.approx(0.75)
    assert "AUC 0.875\n(lowest 0.750)" in words(ax)
    assert "not drawn: 1 animal with one label" in words(ax)


def test_confusion_shows_the_papers_table_1_and_what_it_is_not() -> None:
    figure = plots.plot_confusion(make_confusion())
    assert "Training set, as in the paper's Table 1; not an estimate of performance" in words(figure)
    total = [text.get_text() for text in figure.axes[0].texts]
    assert total == ["269,497\n97.0%", "8,437\n3.0%", "1,526\n0.6%", "266,354\n99.4%"]
    assert [text.get_text() for text in figure.axes[2].texts][2:] == ["no face", "no face"]
    assert figure.axes[0].get_title(loc="left") == "all animals, 545,814 faces"


def test_the_surest_faces_of_each_kind_are_picked_one_an_animal_first() -> None:
    rows = [("a", 1, 0.99), ("a", 1, 0.98), ("b", 1, 0.7), ("b", 1, 0.1), ("a", 0, 0.6), ("b", 0, 0.2)]
    table = pd.DataFrame(rows, columns=["subject", "label", "p_pain"])
    picked = plots.pick_confident_faces(table.assign(p_no_pain=1 - table["p_pain"]), per_row=2)
    kinds = {kind: list(rows["p_pain"]) for kind, rows in picked.groupby(["label", "call"])}
    assert kinds == {(1, 1): [0.99, 0.7], (1, 0): [0.1], (0, 1): [0.6], (0, 0): [0.2]}


def test_the_gallery_puts_each_face_into_its_row_with_its_probability() -> None:
    figure = draw_confident_faces()
    # Labelled pain and called so: m1 2, m2 1, m3 1; no pain and called so: m1 2, m2 1; wrong: m2, one each.
    assert [len(ax.images) for ax in figure.axes] == [4, 3, 1, 1]
    assert figure.axes[2].texts[0].get_text() == "m2  0.40"

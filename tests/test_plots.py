"""What the figures show is what the tables say; saved figures repeat to the byte."""

from __future__ import annotations

import io
import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from painlib import plots
from painlib.faults import PainlibError
from painlib.plots.style import CLASS_LOOKS, KEYPOINT_LOOKS, swarm_offsets
from painlib.stats import AssayResult, run_assay

matplotlib.use("Agg")
pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.filterwarnings("ignore::DeprecationWarning")]
NOTE = "Drawn demonstration, not real mice"
TREATMENTS = ("vehicle", "0.6 % AC", "1 % AC")


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    plt.close("all")


# --- tables, small enough to check by hand ---


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
    errors = {("nose", "train"): [1, 2, 3], ("nose", "test"): [2, 8], ("left_eye", "test"): [0.5, 4, np.nan]}
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
    return pd.DataFrame(rows, columns=[*columns, "n_pain", "coverage", "pain_probability", "trained_on"])


def make_assay(
    name: str, levels: dict[str, float], n: int, first: int = 0, paired: bool = False
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
        control=groups[0],
        paired=paired,
        bootstrap=0,
        **settings,
    )


@pytest.fixture(scope="module")
def assays() -> list[AssayResult]:
    """The paper's four assays in small: a dose assay filmed before too, and three pairs, the last crossed over."""
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


# --- reading a figure ---


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


# --- every figure ---


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_figure_repeats_to_the_byte(name: str, tmp_path: Path) -> None:
    first = plots.save_figure(drawn(name), tmp_path / "first", name, NOTE)
    second = plots.save_figure(DRAWINGS[name](), tmp_path / "second", name, NOTE)
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("name", DRAWINGS)
def test_drawing_writes_nothing_and_leaves_the_style_alone(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = dict(matplotlib.rcParams)
    DRAWINGS[name]()
    assert list(tmp_path.iterdir()) == []
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("name", LABELS)
def test_axes_say_what_and_in_which_unit(name: str) -> None:
    assert labels_of(drawn(name)) == LABELS[name]


@pytest.mark.parametrize("name", DRAWINGS)
def test_no_text_lies_on_another(name: str) -> None:
    assert find_overlaps(drawn(name)) == []


@pytest.mark.parametrize("name", DRAWINGS)
def test_texts_can_be_read_on_paper(name: str) -> None:
    figure = drawn(name)
    assert round(figure.get_size_inches()[0] * 25.4) in (85, 174)
    sizes = {text.get_fontsize() for text in shown_texts(figure)}
    assert min(sizes) >= 6
    assert max(sizes) <= 8


# --- saving ---


def test_bytes_do_not_depend_on_the_process(tmp_path: Path) -> None:
    table = "{'subject': list('abcd'), 'treatment': list('xxyy'), 'trained_on': False, 'coverage': [.1, .2, .3, .4]}"
    script = (
        "import matplotlib; matplotlib.use('Agg')\n"
        "import pandas as pd\n"
        "from painlib import plots\n"
        f"plots.save_figure(plots.plot_coverage_groups(pd.DataFrame({table})), 'there', 'figure', 'a note')\n"
    )
    # Another hash seed, working folder and settings of the user must not show.
    (tmp_path / "matplotlibrc").write_text("font.size: 14\naxes.grid: True\n")
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(Path(plots.__file__).parents[2])}
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path, env=environment)
    here = plots.save_figure(
        plots.plot_coverage_groups(pd.DataFrame(eval(table))), tmp_path, "figure", "a note"
    )
    for path in here:
        assert path.read_bytes() == (tmp_path / "there" / path.name).read_bytes()


def test_the_pdf_embeds_its_fonts_and_no_date(tmp_path: Path) -> None:
    pdf, _ = plots.save_figure(draw_coverage(), tmp_path, "figure")
    content = pdf.read_bytes()
    assert b"/FontFile2" in content  # TrueType (type 42), whole outlines
    assert b"/Type3" not in content
    assert b"CreationDate" not in content


def test_the_png_has_300_dots_per_inch_and_the_width_of_a_column(tmp_path: Path) -> None:
    _, png = plots.save_figure(draw_coverage(), tmp_path, "figure")
    image, info = read_png(png)
    assert info["dpi"] == pytest.approx((300, 300), abs=0.1)
    assert image.shape[1] == pytest.approx(85 / 25.4 * 300, abs=1)


def test_the_note_is_printed_on_a_foot_of_its_own(tmp_path: Path) -> None:
    figure = draw_coverage().figure
    _, plain = plots.save_figure(figure, tmp_path, "plain")
    _, noted = plots.save_figure(figure, tmp_path, "noted", NOTE)
    (without, _), (with_note, info) = read_png(plain), read_png(noted)
    foot = with_note[len(without) :]
    assert with_note.shape[1] == without.shape[1]
    assert 20 < len(foot) < 100  # px at 300 dpi: a line of 7 pt and air
    assert (foot < 100).sum() > 500  # ink
    # The figure itself is unchanged, but for rounding in the smoothing of edges.
    np.testing.assert_allclose(with_note[: -len(foot)].astype(int), without.astype(int), atol=10)
    assert [text.get_text() for text in artists(figure, "note")] == [NOTE]
    assert info["Description"] == NOTE


def test_a_long_note_is_broken_and_a_later_save_takes_it_off(tmp_path: Path) -> None:
    figure = draw_coverage().figure
    _, png = plots.save_figure(figure, tmp_path, "long", "one two three " * 12)
    (note,) = artists(figure, "note")
    assert note.get_text().count("\n") >= 2
    foot = read_png(png)[0][-90:]
    assert (foot < 100).sum() > 500
    assert (foot[:, :12] == 255).all()  # not cut off at either side
    assert (foot[:, -12:] == 255).all()
    plots.save_figure(figure, tmp_path, "bare")
    assert artists(figure, "note") == []


def test_a_full_disk_leaves_no_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Path, content: bytes) -> int:
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(PainlibError, match="disk is full"):
        plots.save_figure(draw_coverage(), tmp_path, "figure")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "sub/figure", ".."])
def test_a_figure_name_is_a_plain_file_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(PainlibError, match="plain file name"):
        plots.save_figure(draw_coverage(), tmp_path / "figures", name)


# --- looks ---


def test_groups_differ_in_colour_marker_and_line_and_never_look_like_pain() -> None:
    looks = plots.group_looks(["vehicle", "a", "b", "c", "d"])
    for part in ("colour", "marker", "line"):
        assert len({getattr(look, part) for look in looks.values()}) == 5
    assert looks["vehicle"].colour == "#000000"
    pain = {look.colour for look in CLASS_LOOKS.values()}
    assert not pain & {look.colour for look in looks.values()}
    many = plots.group_looks([str(i) for i in range(20)])
    assert len(set(many.values())) == 20


def test_a_group_keeps_its_look_whatever_part_of_the_study_is_drawn(assays: list[AssayResult]) -> None:
    alone, together = plots.plot_paper_panels(assays[:1]), plots.plot_paper_panels(assays[:2])
    colours = [artists(figure, "1 % AC")[-1].get_color() for figure in (alone, together)]
    assert colours[0] == colours[1]


def test_points_of_like_value_stand_side_by_side() -> None:
    offsets = swarm_offsets(np.array([0.5, 0.5, 0.51, 0.9]), spread=0.3, apart=0.05)
    assert offsets == pytest.approx([0, 0.1, -0.1, 0])


# --- 01_crop ---


def test_bars_are_the_shares_of_each_rule_and_the_rest_has_no_face() -> None:
    figure = plots.plot_rule_shares(make_summary())
    for ax in figure.axes:
        widths = np.array([[bar.get_width() for bar in container] for container in ax.containers])
        assert widths[:, 1] == pytest.approx([0.501, 0.2, 0.1, 0.199])
        assert widths.sum(axis=0) == pytest.approx([1, 1, 1])
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
    assert sorted(artists(ax, "nose train")[0].get_ydata()) == pytest.approx([1, 2, 3])
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
    # Labelled pain called pain: 4 (m1 2, m2 1, m3 1); no pain called no pain: 3; pain called no pain: 1; the last: 1.
    assert [len(ax.images) for ax in figure.axes] == [4, 3, 1, 1]
    assert figure.axes[2].texts[0].get_text() == "m2  0.40"


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


def test_coverage_is_compared_per_animal_with_mean_and_sem() -> None:
    windows = pd.DataFrame(
        [("a", "x", 0.2), ("a", "x", 0.4), ("b", "x", 0.5), ("c", "y", 0.9), ("d", "y", np.nan)],
        columns=["subject", "treatment", "coverage"],
    )
    ax = plots.plot_coverage_groups(windows.assign(trained_on=windows["subject"] == "c"))
    points = [sorted(line.get_ydata()) for line in artists(ax, "animals")]
    assert points[0] == pytest.approx([0.3, 0.5])
    assert points[1] == pytest.approx([0.9])
    assert [line.get_ydata()[0] for line in artists(ax, "mean")] == pytest.approx([0.4, 0.9])
    (bar,) = artists(ax, "sem")
    assert bar.get_segments()[0][:, 1] == pytest.approx([0.3, 0.5])  # SEM of 0.3 and 0.5 is 0.1
    assert [label.get_text() for label in ax.get_xticklabels()] == ["x\nn = 2", "y\nn = 1\n1 trained on"]


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


# --- nothing to show ---


def draw_lone_assay(value: float) -> Figure:
    """One animal in the control, none with a value in the other group."""
    values = {"vehicle": {"a": [value] * 12}, "1 % AC": {"b": [np.nan] * 12}}
    settings = {"window_start_min": 0, "window_end_min": 10, "pre_window_min": 2, "alpha": 0.05, "seed": 1}
    groups = ["vehicle", "1 % AC"]
    minutes = make_minutes(values, first=-2)
    result = run_assay(
        minutes, assay="x", groups=groups, control="vehicle", paired=True, bootstrap=0, **settings
    )
    return plots.plot_paper_panels([result])


def nan_minutes() -> pd.DataFrame:
    return make_minutes({"vehicle": {"a": [np.nan] * 3}})


EMPTY: dict[str, tuple[Callable[[], Figure | Axes], str]] = {
    "no face": (lambda: plots.plot_contact_sheet([], make_index([])), "no face by this rule"),
    "no recording": (lambda: plots.plot_rule_shares(make_summary(0)), "no recording was cropped"),
    "no pose": (lambda: plots.plot_visibility({}, 0.9), "no pose was found"),
    "no frame": (
        lambda: plots.plot_visibility({("a", "A"): make_pose([], [], [])}, 0.9),
        "no pose was found",
    ),
    "no likelihood": (lambda: plots.plot_likelihoods(make_pose([], [], []), 0.9), "no frames"),
    "no evaluation": (lambda: plots.plot_pose_errors(pd.DataFrame()), "no labelled point"),
    "nothing labelled": (
        lambda: plots.plot_pose_errors(make_evaluation().assign(error_px=np.nan)),
        "no labelled point",
    ),
    "no epoch": (lambda: plots.plot_learning_curves(make_history(0)), "no epoch was trained"),
    "no animal": (lambda: plots.plot_held_out(make_scores().iloc[:0]), "no held-out animal"),
    "one animal": (lambda: plots.plot_held_out(make_scores().iloc[:1]), "AUC 1.00, n = 1"),
    "one label": (
        lambda: plots.plot_roc(make_out_of_fold().query("label == 1")),
        "no held-out animal with faces",
    ),
    "no out of fold": (lambda: plots.plot_roc(make_out_of_fold().iloc[:0]), "no held-out animal with faces"),
    "no training face": (lambda: plots.plot_confusion(make_confusion().iloc[:0]), "no training face"),
    "no confident face": (
        lambda: plots.plot_confident_faces([], plots.pick_confident_faces(make_out_of_fold().iloc[:0])),
        "no held-out face of this kind",
    ),
    "no minute": (lambda: plots.plot_minutes(nan_minutes().iloc[:0]), "no minute was predicted"),
    "NaN minutes": (lambda: plots.plot_minutes(nan_minutes()), "no minute could be evaluated"),
    "no coverage": (
        lambda: plots.plot_coverage_groups(nan_minutes().assign(coverage=np.nan)),
        "no time point in the window",
    ),
    "no window": (lambda: plots.plot_coverage_groups(nan_minutes().iloc[:0]), "no time point in the window"),
    "no curve": (
        lambda: plots.plot_assay_curves(pd.DataFrame(columns=["group", "minute", "n", "mean", "sem"])),
        "no minute with a value",
    ),
    "one animal in an assay": (lambda: draw_lone_assay(0.4), "1 % AC (no value)"),
    "NaN assay": (lambda: draw_lone_assay(np.nan), "no animal with a value"),
    "no assay": (lambda: plots.plot_paper_panels([]), "no assay was analysed"),
}


@pytest.mark.parametrize("case", EMPTY)
def test_nothing_to_show_is_said_in_the_figure_without_a_warning(case: str) -> None:
    draw, message = EMPTY[case]
    figure = page_of(draw())
    figure.savefig(io.BytesIO(), format="png", dpi=50)
    assert message in words(figure).replace("\n", " ")

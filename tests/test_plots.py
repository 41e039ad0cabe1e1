"""Every figure: bytes repeat, texts can be read, axes say their units, and nothing to show is said."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from figures import (
    DRAWINGS,
    LABELS,
    NOTE,
    artists,
    draw_coverage,
    drawn,
    find_overlaps,
    labels_of,
    make_assay,
    make_assays,
    make_confusion,
    make_evaluation,
    make_history,
    make_index,
    make_minutes,
    make_out_of_fold,
    make_pose,
    make_scores,
    make_summary,
    page_of,
    read_png,
    shown_texts,
    words,
)
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from painlib import plots
from painlib.faults import PainlibError
from painlib.plots.style import CLASS_LOOKS, swarm_offsets
from painlib.stats import AssayResult, run_assay

pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def assays() -> list[AssayResult]:
    return make_assays()


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
    with matplotlib.rc_context({"font.size": 13, "axes.grid": True}):
        before = dict(matplotlib.rcParams)
        DRAWINGS[name]()
        assert dict(matplotlib.rcParams) == before
    assert list(tmp_path.iterdir()) == []


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
    table = {"subject": ["a", "b", "c"], "treatment": ["x", "x", "y"], "coverage": [0.1, 0.2, 0.3]}
    table["trained_on"] = [False] * 3
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
    here = plots.save_figure(plots.plot_coverage_groups(pd.DataFrame(table)), tmp_path, "figure", "a note")
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
    whole = plots.plot_paper_panels(assays)
    treated = ("0.6 % AC", "1 % AC", "diclofenac + AC", "capsaicin", "CGRP")
    lines = [artists(whole, name)[-1] for name in treated]
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 5


def test_the_control_is_black_wherever_it_stands() -> None:
    last = make_assay("AC", {"1 % AC": 0.8, "vehicle": 0.2}, 4, control="vehicle")
    figure = plots.plot_paper_panels([last])
    assert artists(figure, "vehicle")[0].get_color() == "#000000"
    assert artists(figure, "1 % AC")[0].get_color() != "#000000"


def test_points_of_like_value_stand_side_by_side() -> None:
    offsets = swarm_offsets(np.array([0.5, 0.5, 0.51, 0.9]), spread=0.3, apart=0.05)
    assert offsets == pytest.approx([0, 0.1, -0.1, 0])


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

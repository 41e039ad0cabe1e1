"""The widgets as people use them: a real JupyterLab, a real browser, keys and clicks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import pytest
from lab_browser import (
    find_browser,
    open_notebook,
    open_page,
    read_cells,
    settle,
    show_widget,
    start_lab,
    wait_until,
    write_notebook,
)

from painlib.demo.behaviour import simulate_behaviour
from painlib.demo.head import Drawing, render
from painlib.demo.individuals import draw_individual
from painlib.demo.stage import make_camera
from painlib.pose import load_labels, train_pose
from painlib.regions import REGIONS, read_marks
from painlib.video import write_video
from painlib.widgets import KEYS

N_FACES, N_FRAMES = 26, 6
WIDTH, HEIGHT, FACE = 480, 270, 112  # px
WAIT_MS = 120_000  # the first import of a kernel, on a busy machine
COLUMNS = [name.replace(" ", "_") for name in REGIONS]

MARK = f"""
import numpy as np, pandas as pd
from painlib.widgets import mark_regions
faces, n = np.load("faces.npy"), {N_FACES}
maps = np.random.default_rng(0).random((n, 6, 6))
sample = pd.DataFrame({{"row": range(n), "recording": "r1", "camera": "A", "frame": range(n)}})
images, shown = lambda rows: faces[rows], lambda rows: maps[rows]
mark_regions(sample, images, shown, folder="marks", annotator="ak", seed=1)
""".strip()
LABEL = f"""
from painlib.cohort import CameraVideo, Recording, VideoPart
from painlib.widgets import choose_frames, label_points
camera = CameraVideo("r1", "m1", "A", (VideoPart("clip.mp4"),))
recording = Recording("r1", "m1", (camera,), "", "", "", "", "", 0.0)
frames = choose_frames([recording], "drawn", per_video={N_FRAMES}, method="even", seed=1)
label_points(frames, "labels.csv")
""".strip()


@pytest.fixture(scope="module")
def drawings() -> list[Drawing]:
    """Frames of one drawn mouse on which its nose and an eye are seen, with their truth."""
    rng = np.random.default_rng(1)
    animal, camera = draw_individual("white", rng), make_camera("A", WIDTH, HEIGHT)
    behaviour = simulate_behaviour(animal, np.linspace(0, 1, 200), 1.0, 0.5, np.random.SeedSequence(1))
    found: list[Drawing] = []
    for frame in range(len(behaviour)):
        shot = behaviour.shot(frame, camera)
        drawing = render(animal, behaviour.pose(frame), behaviour.face(frame), camera, shot)
        if drawing.visible[0] and drawing.visible[1:].any():
            found.append(drawing)
        if len(found) == N_FACES:
            break
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory, drawings) -> Path:
    """Where the notebook, its faces and its video lie."""
    folder = tmp_path_factory.mktemp("lab")
    faces = []
    for drawing in drawings:
        x, y = np.clip(drawing.keypoints[0] - FACE / 2, 0, [WIDTH - FACE, HEIGHT - FACE]).astype(int)
        faces.append(drawing.image[y : y + FACE, x : x + FACE])
    np.save(folder / "faces.npy", np.stack(faces))
    write_video(folder / "clip.mp4", [drawing.image for drawing in drawings[:N_FRAMES]], 1, crf=10)
    write_notebook(folder / "widgets.ipynb", MARK, LABEL, "untouched = 'this cell'")
    return folder


@pytest.fixture(scope="module")
def lab(folder) -> Iterator[str]:
    find_browser()
    with start_lab(folder) as address:
        yield address


@pytest.fixture(scope="module")
def page(lab) -> Iterator:
    """One page for all tests of this file; the kernel behind it stays."""
    with open_page(lab, "widgets.ipynb", WAIT_MS) as page:
        yield page


def read_number(widget, name: str) -> float:
    return float(widget.get_attribute(f"data-{name}"))


def test_twenty_faces_marked_by_keys_outlast_a_reload_and_go_on(page, lab, folder):
    widget = show_widget(page, 0)
    rng = np.random.default_rng(5)
    wanted, switches = [], []
    for place in range(20):
        marked = sorted(rng.choice(len(REGIONS), rng.integers(0, 4), replace=False))
        for region in marked:
            page.keyboard.press(KEYS[REGIONS[region]])
        if place == 7:
            page.keyboard.press("j")
            marked = []
        wanted.append((marked, place == 7))
        page.keyboard.press(("ArrowRight", " ", "Enter")[place % 3])
        wait_until(page, widget, "shown", place + 1)
        switches.append(read_number(widget, "switch-ms"))
    print(f"until another face is on the screen: median {median(switches):.0f} ms (goal: below 100 ms)")
    settle(page, widget)
    check_marks(folder / "marks" / "ak.csv", wanted)

    page.keyboard.press("e")  # the 21st is begun
    settle(page, widget)
    open_notebook(page, lab, "widgets.ipynb")  # a page that was closed and opened again
    widget = show_widget(page, 0)
    assert widget.locator(".plw-count").inner_text() == f"20 of {N_FACES} marked"
    assert read_number(widget, "place") == 20
    assert widget.locator("button[data-region=eye]").get_attribute("aria-pressed") == "true"
    page.keyboard.press("n")
    page.keyboard.press("ArrowRight")
    settle(page, widget)
    wanted.append(([REGIONS.index("eye"), REGIONS.index("nose")], False))
    check_marks(folder / "marks" / "ak.csv", wanted)

    page.keyboard.press("u")  # the going on
    page.keyboard.press("u")  # the nose
    page.keyboard.press("Control+z")  # the going on of the 20th, in the first sitting
    wait_until(page, widget, "place", 19)
    settle(page, widget)
    check_marks(folder / "marks" / "ak.csv", wanted[:19])
    page.keyboard.press("ArrowRight")
    wait_until(page, widget, "place", 20)
    settle(page, widget)
    check_marks(folder / "marks" / "ak.csv", wanted[:20])


def check_marks(path: Path, wanted: list) -> None:
    """The faces that were left, in the order in which they were, are marked as they were."""
    marks = read_marks(path)
    marks = marks[marks["marked_at"] != ""].sort_values("marked_at")
    got = [np.flatnonzero(row).tolist() for row in marks[COLUMNS].to_numpy()]
    expected = [[int(region) for region in regions] for regions, _ in wanted]
    assert sorted(got) == sorted(expected)
    assert marks["cannot_judge"].tolist().count(1) == sum(unclear for _, unclear in wanted)


def test_labs_own_shortcuts_are_not_reached_while_the_widget_has_the_focus(page, lab):
    widget = show_widget(page, 0)
    before = read_cells(page)
    kernel = page.evaluate(f"fetch('{lab}api/kernels').then(told => told.json())")[0]["id"]
    # delete, cut, insert, to markdown, restart, undo, heading, save, select all, merge, run
    keys = ["d", "d", "x", "a", "b", "m", "y", "c", "v", "0", "0", "i", "i", "z", "1", "Backspace", "Delete"]
    keys += ["Shift+M", "Control+Enter", "Shift+Enter", "Control+a", "Escape", "Control+Shift+c", "h", "/"]
    for key in keys:
        page.keyboard.press(key)
    page.wait_for_timeout(500)
    settle(page, widget)
    assert page.locator(".jp-Dialog, .jp-mod-searchable .jp-DocumentSearch-overlay").count() == 0
    assert page.locator(".lm-CommandPalette-input:focus").count() == 0
    assert read_cells(page) == before
    assert page.evaluate(f"fetch('{lab}api/kernels').then(told => told.json())")[0]["id"] == kernel
    # The same keys do reach Lab from the notebook: else nothing was shown above.
    page.locator(".jp-CodeCell .jp-InputArea-prompt").nth(2).click()
    page.keyboard.press("a")
    page.wait_for_function(
        "n => document.querySelectorAll('.jp-Notebook .jp-Cell').length === n", arg=len(before) + 1
    )
    page.keyboard.press("d")
    page.keyboard.press("d")
    page.wait_for_function(
        "n => document.querySelectorAll('.jp-Notebook .jp-Cell').length === n", arg=len(before)
    )


def test_views_opacity_and_zoom_have_keys_and_change_what_is_seen(page):
    widget = show_widget(page, 0)
    page.keyboard.press("0")
    looks = {}
    for name, key in (("both", "3"), ("original", "1"), ("Grad-CAM", "2")):
        page.keyboard.press(key)
        looks[name] = read_pixels(widget)
    page.keyboard.press("3")
    for _ in range(10):
        page.keyboard.press("ArrowDown")
    assert read_pixels(widget) == looks["original"], "without opacity the map is not seen"
    assert len(set(looks.values())) == 3
    for _ in range(7):
        page.keyboard.press("ArrowUp")
    assert read_pixels(widget) == looks["both"]
    for _ in range(9):
        page.keyboard.press("+")
    assert widget.locator(".plw-zoomed").inner_text() == "4.0×"
    assert read_pixels(widget) != looks["both"]
    page.keyboard.press("0")
    assert read_pixels(widget) == looks["both"]
    box = widget.locator(".plw-canvas").bounding_box()
    page.mouse.move(box["x"] + 50, box["y"] + 50)
    page.mouse.wheel(0, -300)
    page.wait_for_function(
        "widget => widget.querySelector('.plw-zoomed').innerText !== '1.0×'", arg=widget.element_handle()
    )
    page.keyboard.press("0")


def read_pixels(widget) -> str:
    return widget.locator("canvas").evaluate("canvas => canvas.toDataURL()")


@pytest.mark.parametrize(("width", "height"), [(1024, 768), (1440, 900)])
@pytest.mark.parametrize("cell", [0, 1], ids=["mark", "label"])
def test_the_whole_widget_is_seen_at_once(page, cell, width, height):
    page.set_viewport_size({"width": width, "height": height})
    widget = show_widget(page, cell)
    page.wait_for_timeout(300)
    widget.scroll_into_view_if_needed()
    outer, inner = page.locator(".jp-WindowedPanel-outer").bounding_box(), widget.bounding_box()
    assert inner["height"] <= outer["height"]
    assert inner["x"] + inner["width"] <= outer["x"] + outer["width"]
    for button in widget.locator("button:visible").all():
        box = button.bounding_box()
        assert box["x"] >= inner["x"]
        assert box["x"] + box["width"] <= inner["x"] + inner["width"]
        assert button.evaluate("button => button.scrollWidth <= button.clientWidth + 1"), button.inner_text()
    canvas = widget.locator(".plw-canvas").bounding_box()
    assert min(canvas["width"], canvas["height"]) >= 0.35 * height
    page.set_viewport_size({"width": 1024, "height": 768})


def test_five_frames_labelled_by_clicks_train_a_pose_network(page, folder, drawings, tmp_path):
    widget = show_widget(page, 1)
    truth = {}
    for place in range(5):
        wait_until(page, widget, "shown", place)
        frame = int(widget.locator(".plp-caption").inner_text().split("frame ")[1])
        truth[frame] = drawings[frame]
        for point in range(3):
            if drawings[frame].visible[point]:
                page.mouse.click(*find_on_screen(widget, drawings[frame].keypoints[point]))
            else:
                page.keyboard.press("a")
        if place == 0:  # dragged away, and back by undo
            start = find_on_screen(widget, drawings[frame].keypoints[0])
            page.mouse.move(*start)
            page.mouse.down()
            page.mouse.move(start[0] + 40, start[1] + 30, steps=4)
            page.mouse.up()
            settle(page, widget)
            page.keyboard.press("u")
            settle(page, widget)
        page.keyboard.press("ArrowRight")
    from playwright.sync_api import expect

    wait_until(page, widget, "shown", 5)
    count = widget.locator(".plw-count")
    page.keyboard.press("x")  # the sixth: nothing to be seen
    expect(count).to_have_text(f"6 of {N_FRAMES} labelled", timeout=60_000)
    settle(page, widget)
    page.keyboard.press("u")
    expect(count).to_have_text(f"5 of {N_FRAMES} labelled", timeout=60_000)
    settle(page, widget)

    labels = load_labels(folder / "labels.csv")
    assert sorted(labels["frame"]) == sorted(truth)
    a_screen_px = WIDTH / widget.locator(".plw-canvas").bounding_box()["width"]
    for row in labels.itertuples():
        for name, at, seen in zip(
            ("nose", "right_eye", "left_eye"),
            truth[row.frame].keypoints,
            truth[row.frame].visible,
            strict=True,
        ):
            got = np.array([getattr(row, f"{name}_x"), getattr(row, f"{name}_y")])
            assert np.isfinite(got).all() == seen
            assert not seen or np.abs(got - at).max() <= 1.01 * max(a_screen_px, 1)
    size = {"width": 192, "height": 108, "crop_px": 96, "backbone": "test_byobnet", "pretrained": "no"}
    how = {"epochs": 1, "batch": 2, "learning_rate": 1e-3, "test_fraction": 0.2, "seed": 1, "device": "cpu"}
    network = train_pose(labels, tmp_path, **size, **how)
    assert network.predict([drawings[0].image]).shape == (1, 3, 3)
    assert len(pd.read_csv(tmp_path / "evaluation.csv")) == 15


def find_on_screen(widget, point: np.ndarray) -> tuple[float, float]:
    """Where a point, px of the frame, lies in the window."""
    box = widget.locator(".plw-canvas").bounding_box()
    x, y = (point + 0.5) / [WIDTH, HEIGHT]
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def test_a_missing_browser_is_a_failure_where_one_is_required(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setenv("PAINLIB_BROWSER", "required")
    with pytest.raises(pytest.fail.Exception, match="no browser found"):
        find_browser()
    monkeypatch.delenv("PAINLIB_BROWSER")
    with pytest.raises(pytest.skip.Exception, match="no browser found"):
        find_browser()

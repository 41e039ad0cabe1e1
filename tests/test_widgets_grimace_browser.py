"""The scoring widget as people use it: a real JupyterLab, a real browser, keys and clicks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from lab_browser import (
    find_browser,
    open_notebook,
    open_page,
    settle,
    show_widget,
    start_lab,
    wait_until,
    write_notebook,
)

from painlib.demo.behaviour import simulate_behaviour
from painlib.demo.head import render
from painlib.demo.individuals import draw_individual
from painlib.demo.stage import make_camera
from painlib.grimace import UNITS, read_own_scores
from painlib.widgets import UNIT_KEYS

N_FACES, FACE, WIDTH, HEIGHT = 8, 112, 480, 270  # px
WAIT_MS = 120_000  # the first import of a kernel, on a busy machine
SCORE = f"""
import numpy as np, pandas as pd
from painlib.widgets import score_faces
faces = np.load("faces.npy")
every = range({N_FACES})
sample = pd.DataFrame({{"row": every, "recording": "r1", "camera": "A", "frame": every}})
score_faces(sample, lambda rows: faces[rows], folder="scores", rater="ak", seed=1)
""".strip()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where the notebook and its faces lie: one drawn mouse, more and more in pain."""
    folder = tmp_path_factory.mktemp("lab")
    rng = np.random.default_rng(1)
    animal, camera = draw_individual("white", rng), make_camera("A", WIDTH, HEIGHT)
    behaviour = simulate_behaviour(animal, np.linspace(0, 1, 200), 1.0, 0.5, np.random.SeedSequence(1))
    faces: list[np.ndarray] = []
    for frame in range(len(behaviour)):
        shot = behaviour.shot(frame, camera)
        drawing = render(animal, behaviour.pose(frame), behaviour.face(frame), camera, shot)
        if drawing.visible.all():
            x, y = np.clip(drawing.keypoints[0] - FACE / 2, 0, [WIDTH - FACE, HEIGHT - FACE]).astype(int)
            faces.append(drawing.image[y : y + FACE, x : x + FACE])
        if len(faces) == N_FACES:
            break
    np.save(folder / "faces.npy", np.stack(faces))
    write_notebook(folder / "scoring.ipynb", SCORE, "untouched = 'this cell'")
    return folder


@pytest.fixture(scope="module")
def lab(folder) -> Iterator[str]:
    find_browser()
    with start_lab(folder) as address:
        yield address


@pytest.fixture(scope="module")
def page(lab) -> Iterator:
    with open_page(lab, "scoring.ipynb", WAIT_MS) as page:
        yield page


def read_finished(folder: Path) -> list[list[str]]:
    """The finished faces in the order in which they were finished: five units, or "out"."""
    scores = read_own_scores(folder / "scores" / "ak.csv")
    done = scores[scores["scored_at"] != ""].sort_values("scored_at")
    return [["out"] if row["rejected"] else [row[unit] for unit in UNITS] for row in done.to_dict("records")]


def test_five_faces_scored_by_keys_outlast_a_reload_and_are_undone(page, lab, folder):
    widget = show_widget(page, 0)
    wanted = []
    for place in range(5):
        if place == 3:
            page.keyboard.press("b")
            wanted.append(["out"])
        else:
            keys = [str((place + unit) % 3) for unit in range(5)]
            if place == 1:
                keys[2] = "j"
            for key in keys:
                page.keyboard.press(key)
            wanted.append([{"j": "-1"}.get(key, key) for key in keys])
        page.keyboard.press(("ArrowRight", " ", "Enter")[place % 3])
        wait_until(page, widget, "shown", place + 1)
    settle(page, widget)
    assert read_finished(folder) == wanted

    page.keyboard.press(UNIT_KEYS["ear_position"])  # the sixth is begun, with its fourth unit
    page.keyboard.press("2")
    settle(page, widget)
    assert widget.get_attribute("data-current") == "whisker_change", "the next open one"
    open_notebook(page, lab, "scoring.ipynb")  # a page that was closed and opened again
    widget = show_widget(page, 0)
    assert widget.locator(".plw-count").inner_text() == f"5 of {N_FACES} scored"
    wait_until(page, widget, "place", 5)
    ear = widget.locator("[data-unit=ear_position] [data-value='2']")
    assert ear.get_attribute("aria-pressed") == "true"
    assert widget.locator(".pls-told").inner_text() == "1 of 5 units"
    page.keyboard.press("ArrowDown")  # from orbital tightening, which is open, to nose bulge
    assert widget.get_attribute("data-current") == "nose_bulge"
    for unit in ("orbital_tightening", "nose_bulge", "cheek_bulge", "whisker_change"):
        widget.locator(f"[data-unit={unit}] [data-value='1']").click()
    settle(page, widget)
    wanted.append(["1", "1", "1", "2", "1"])
    assert read_finished(folder) == wanted

    page.keyboard.press("u")  # the whiskers
    settle(page, widget)
    assert read_finished(folder) == wanted[:5]
    for _ in range(3):  # the other clicks; before them the first sitting, of which whole faces are undone
        page.keyboard.press("u")
    page.keyboard.press("Control+z")
    wait_until(page, widget, "place", 4)
    settle(page, widget)
    assert read_finished(folder) == wanted[:4]
    page.keyboard.press("ArrowRight")  # lets it stand as it was
    wait_until(page, widget, "place", 5)
    settle(page, widget)
    assert read_finished(folder) == wanted[:5]


@pytest.mark.parametrize(("width", "height"), [(1024, 768), (1440, 900)])
def test_the_whole_widget_is_seen_at_once(page, folder, width, height):
    page.set_viewport_size({"width": width, "height": height})
    widget = show_widget(page, 0)
    page.wait_for_timeout(300)
    widget.scroll_into_view_if_needed()
    page.screenshot(path=folder / f"scoring_{width}.png")
    outer, inner = page.locator(".jp-WindowedPanel-outer").bounding_box(), widget.bounding_box()
    assert inner["height"] <= outer["height"]
    assert inner["x"] + inner["width"] <= outer["x"] + outer["width"]
    for button in widget.locator("button:visible").all():
        box = button.bounding_box()
        assert box["x"] >= inner["x"]
        assert box["x"] + box["width"] <= inner["x"] + inner["width"]
        assert button.evaluate("button => button.scrollWidth <= button.clientWidth + 1"), button.inner_text()
    drawings = [drawing.bounding_box() for drawing in widget.locator(".pls-degree svg").all()]
    assert len(drawings) == 15
    assert min(min(box["width"], box["height"]) for box in drawings) >= 48, "small, but to be seen"
    canvas = widget.locator(".plw-canvas").bounding_box()
    assert min(canvas["width"], canvas["height"]) >= 0.33 * height
    page.set_viewport_size({"width": 1024, "height": 768})

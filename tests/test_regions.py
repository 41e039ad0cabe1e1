"""The 13 regions: pictures that are the template, faces they are laid on, proposals, marks, agreement."""

from __future__ import annotations

import subprocess
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from lab_browser import find_browser
from matplotlib.path import Path as Outline
from statsmodels.stats.inter_rater import cohens_kappa

from painlib.demo import DemoParams
from painlib.demo.cast import list_takes, simulate_take
from painlib.demo.head import render
from painlib.demo.stage import make_camera
from painlib.demo.true_regions import name_parts
from painlib.faces.store import CameraFiles
from painlib.faults import PainlibError
from painlib.pose.labels import COORDINATES
from painlib.regions import (
    DEFINITIONS,
    MARK_COLUMNS,
    REGION_COLUMNS,
    REGIONS,
    VIEWS,
    compare_flags,
    compute_agreement,
    empty_marks,
    find_picture,
    find_views,
    get_flags,
    load_landmarks,
    load_template,
    measure_regions,
    place_numbers,
    place_regions,
    propose_regions,
    read_all_marks,
    read_marks,
    tabulate_marks,
    write_marks,
)
from painlib.regions.template import STAGE, read_template
from painlib.tables import write_table

PX = 48
EYE, NOSE, HEAD = (REGIONS.index(name) for name in ("eye", "nose", "head"))


def to_table(points: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(np.asarray(points, float).reshape(-1, 6), columns=list(COORDINATES))


# --- names and pictures


def test_the_thirteen_regions_are_the_papers_in_its_order_and_each_is_defined():
    # Kobayashi et al. 2025, as listed in its methods.
    paper = "head, forehead, above ear, ear top, ear base, eye, cheek, nose, mouth, hand, stage, under body"
    assert ", ".join(REGIONS) == f"{paper}, others"
    assert tuple(DEFINITIONS) == REGIONS
    assert REGION_COLUMNS[2] == "above_ear"


@pytest.mark.parametrize("view", VIEWS)
def test_every_picture_shows_every_region_and_its_key_points_lie_on_what_they_name(view):
    template = load_template(view)
    left, top, right, bottom = template.box
    columns, rows = (((edge - start) * 2).astype(int) for edge, start in zip(
        (np.array([left, right]), np.array([top, bottom])), template.origin, strict=True))  # fmt: skip
    shown = template.numbers[max(rows[0], 0) : rows[1], max(columns[0], 0) : columns[1]]
    assert set(np.unique(shown)) == set(range(13))
    anchors = template.anchors[np.isfinite(template.anchors).all(axis=1)]
    cells = ((anchors - template.origin) * 2).astype(int)
    seen = [int(template.numbers[y, x]) for x, y in cells]
    assert seen == [NOSE, *[EYE] * (len(seen) - 1)]
    assert len(seen) == (2 if view == "side" else 3)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """The three pictures as a browser draws them, (height, width, 3) RGB, one px a unit."""
    browser = find_browser()
    folder = tmp_path_factory.mktemp("browser")
    boxes = {view: load_template(view).box for view in VIEWS}
    sizes = {view: (int(box[2] - box[0]), int(box[3] - box[1])) for view, box in boxes.items()}
    pictures = [find_picture(view).read_text(encoding="utf-8") for view in VIEWS]
    style = "<style>body { margin: 0 } svg { display: block }</style>"
    (folder / "page.html").write_text(f"{style}{''.join(pictures)}", encoding="utf-8")
    window = max(width for width, _ in sizes.values()), sum(height for _, height in sizes.values())
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    options += ["--force-color-profile=srgb", f"--user-data-dir={folder / 'profile'}"]
    options += [f"--window-size={window[0]},{window[1] + 200}", f"--screenshot={folder / 'shot.png'}"]
    page = (folder / "page.html").as_uri()
    subprocess.run([browser, *options, page], check=True, capture_output=True, timeout=120)
    image, row, images = cv2.imread(str(folder / "shot.png"))[..., ::-1], 0, {}
    for view, (width, height) in sizes.items():
        images[view] = image[row : row + height, :width]
        row += height
    return images


@pytest.mark.parametrize("view", VIEWS)
def test_what_a_browser_shows_is_what_is_laid_on_faces(view, shown):
    """Every pixel that has exactly the fill of a region lies in that region of the template."""
    template, image = load_template(view), shown[view]
    height, width = image.shape[:2]
    x, y = np.meshgrid(template.box[0] + np.arange(width) + 0.5, template.box[1] + np.arange(height) + 0.5)
    cells = ((np.stack([x, y], axis=-1) - template.origin) * 2).astype(int)
    numbers = template.numbers[cells[..., 1], cells[..., 0]]
    covered = 0
    for number, region in enumerate(REGIONS):
        colour = [int(template.fills[region][place : place + 2], 16) for place in (1, 3, 5)]
        filled = (image == colour).all(axis=-1)
        assert filled.sum() > 30, region
        assert (numbers[filled] == number).mean() > 0.995, region
        covered += filled.sum()
    assert covered > 0.85 * width * height


def test_fills_are_told_apart_by_people_who_do_not_see_red_or_green():
    from skimage.color import deltaE_ciede2000, rgb2lab

    # Machado, Oliveira & Fernandes 2009, severity 1.0: protanopia, deuteranopia.
    kinds = [
        np.eye(3),
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    ]
    fills = load_template("front").fills
    assert all(load_template(view).fills == fills for view in VIEWS)
    colours = np.array([[int(fills[r][k : k + 2], 16) / 255 for k in (1, 3, 5)] for r in REGIONS])
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    for kind in kinds:
        seen = (linear @ np.array(kind).T).clip(0, 1)
        seen = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
        lab = rgb2lab(seen[None])[0]
        apart = deltaE_ciede2000(lab[:, None], lab[None])
        assert apart[np.triu_indices(13, 1)].min() > 10


def draw_svg(path: Path, changed: dict[str, str] | None = None, anchors: str | None = None) -> Path:
    """A picture of thirteen squares in a row; `changed` gives other content for some regions."""
    shapes = {
        name: f'<rect x="{10 * k}" y="0" width="10" height="10"/>' for k, name in enumerate(REGION_COLUMNS)
    }
    shapes |= changed or {}
    groups = "".join(
        f'<g id="{name}" fill="#00000{k % 10}">{shape}</g>' for k, (name, shape) in enumerate(shapes.items())
    )
    anchors = anchors if anchors is not None else (
        '<circle id="anchor_nose" cx="1" cy="2"/><circle id="anchor_right_eye" cx="3" cy="4"/>'
    )  # fmt: skip
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 130 10">'
    path.write_text(f'{head}<g id="regions">{groups}</g>{anchors}</svg>', encoding="utf-8")
    return path


def test_paths_are_read_with_their_curves_and_what_stands_later_lies_on_top(tmp_path):
    others = '<path d="M0 0 L130 0 L130 10 L0 10 Z"/><path d="M0 20 C0 40 60 40 60 20 Q30 0 0 20 Z"/>'
    template = read_template(draw_svg(tmp_path / "a.svg", {"others": others}), "side")
    np.testing.assert_array_equal(template.anchors[:2], [[1, 2], [3, 4]])
    assert np.isnan(template.anchors[2]).all()
    rows, columns = np.mgrid[: template.numbers.shape[0], : template.numbers.shape[1]]
    y, x = (
        axis / 2 + 0.25 + start for axis, start in zip((rows, columns), template.origin[::-1], strict=True)
    )
    assert (template.numbers[y < 10] == REGIONS.index("others")).all()
    # y of the curves at the same x, from their equations: x runs evenly enough to be solved on a fine grid.
    t = np.linspace(0, 1, 20001)
    cubic = (
        3 * t * (1 - t) ** 2 * 0 + 3 * t**2 * (1 - t) * 60 + t**3 * 60,
        20 * ((1 - t) ** 3 + t**3) + 120 * t * (1 - t),
    )
    lower = np.interp(x, cubic[0], cubic[1])
    upper = 20 * (1 - 2 * (x / 60) * (1 - x / 60))
    inside = (y > upper + 1.5) & (y < lower - 1.5) & (x > 3) & (x < 57)
    outside = (y > 10.5) & ((y < upper - 1.5) | (y > lower + 1.5) | (x > 61)) & (x > 0)
    assert inside.sum() > 500
    assert (template.numbers[inside] == REGIONS.index("others")).all()
    assert (template.numbers[outside] == STAGE).all()


@pytest.mark.parametrize(
    ("changed", "anchors", "message"),
    [
        ({"eyes": "<rect/>"}, None, "each of head"),
        ({"eye": '<path d="m0 0 l3 3 z"/>'}, None, "absolute M, L, C, Q and Z, got 'm'"),
        ({"eye": "<text>eye</text>"}, None, "got 'text'"),
        ({}, "", "anchor_nose"),
    ],
)
def test_a_picture_that_is_no_template_says_what_is_wrong(tmp_path, changed, anchors, message):
    with pytest.raises(PainlibError, match=message):
        read_template(draw_svg(tmp_path / "a.svg", changed, anchors), "front")


# --- placing


def lay_by_hand(view: str, forth: np.ndarray, px: int) -> np.ndarray:
    """Region numbers by the outlines themselves, carried to the face by `forth` (2, 3), topmost last."""
    centres = (np.arange(px) + 0.5) / px
    pixels = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)
    numbers = np.full(len(pixels), STAGE)
    for number, outline in load_template(view).outlines:
        carried = outline @ forth[:, :2].T + forth[:, 2]
        numbers[Outline(np.vstack([carried, carried[:1]]), closed=True).contains_points(pixels)] = number
    return numbers.reshape(px, px)


def carry(points: np.ndarray, forth: np.ndarray) -> np.ndarray:
    return points @ forth[:, :2].T + forth[:, 2]


FRONT_FORTH = np.array([[0.0021, 0.0004, 0.02], [-0.0003, 0.0018, 0.11]])  # sheared and squeezed
TURN, SIZE = np.radians(24), 0.0019
SIDE_FORTH = np.array(
    [[SIZE * np.cos(TURN), -SIZE * np.sin(TURN), 0.2], [SIZE * np.sin(TURN), SIZE * np.cos(TURN), -0.02]]
)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("mirrored", [False, True])
def test_outlines_land_where_a_transform_of_the_key_points_carries_them(view, mirrored):
    forth = SIDE_FORTH if view == "side" else FRONT_FORTH
    points = carry(load_template(view).anchors, forth)
    expected = lay_by_hand(view, forth, PX)
    if mirrored:
        points = (points * (-1, 1) + (1, 0))[[0, 2, 1]]
        expected = expected[:, ::-1]
    table = to_table(points)
    assert find_views(table).tolist() == [view]
    got = place_numbers(table, PX)[0]
    assert (got == expected).mean() > 0.985
    assert len(np.unique(expected)) >= 11


def test_each_pixel_belongs_to_exactly_one_region_and_a_row_gives_the_same_as_its_table():
    points = np.random.default_rng(0).uniform(0.2, 0.8, (40, 3, 2))
    points[10:20, 1], points[20:30, 2] = np.nan, np.nan
    table = to_table(points)
    masks = place_regions(table, PX)
    assert masks.shape == (40, 13, PX, PX)
    assert masks.dtype == bool
    assert (masks.sum(axis=1) == 1).all()
    np.testing.assert_array_equal(place_regions(table.iloc[15], PX), masks[15:16])


def test_too_few_points_place_nothing():
    points = np.full((5, 3, 2), 0.5) + np.array([[0, 0.2], [-0.2, 0], [0.2, 0]])
    points[0, 0] = np.nan  # no nose
    points[1, 1:] = np.nan  # no eye
    points[2] = 0.4  # all in one point
    points[3, 1:, 0] = np.nan  # an x alone lacks
    table = to_table(points)
    assert find_views(table).tolist() == ["", "", "", "", "front"]
    masks = place_regions(table, 8)
    assert masks.any(axis=(1, 2, 3)).tolist() == [False] * 4 + [True]
    assert (place_numbers(table, 8)[:4] == -1).all()
    assert place_regions(to_table(np.zeros((0, 3, 2))), 8).shape == (0, 13, 8, 8)


@pytest.mark.parametrize(
    "points",
    [
        [[0.5, 0.5], [0.35, 0.5], [0.65, 0.5]],  # the nose on the line of the eyes
        [[0.5, 0.52], [0.35, 0.5], [0.65, 0.5]],
        [[0.5, 0.7], [0.5, 0.5], [0.5, 0.5]],  # eyes in one point
        [[0.5, 0.7], [0.49, 0.5], [0.51, 0.5]],
        [[0.6, 0.6], [0.4, 0.4], [0.5, 0.5]],  # all in a line
        [[0.5, 0.5], [0.65, 0.5], [0.35, 0.5]],  # and the eyes taken for each other
    ],
)
def test_points_nearly_in_a_line_neither_squeeze_nor_blow_up_the_head(points):
    numbers = place_numbers(to_table(points), 96)[0]
    face = np.argwhere(
        ~np.isin(numbers, [STAGE, *(REGIONS.index(n) for n in ("others", "under body", "hand"))])
    )
    sides = np.linalg.svd(face - face.mean(axis=0), compute_uv=False) / np.sqrt(len(face))
    assert 100 < len(face) < 96 * 96 * 0.9
    assert sides[1] / sides[0] > 0.45


def test_a_finer_mask_is_the_same_face():
    points = carry(load_template("front").anchors, FRONT_FORTH)
    coarse, fine = (place_numbers(to_table(points), px)[0] for px in (21, 63))
    np.testing.assert_array_equal(fine[1::3, 1::3], coarse)  # centres of every third pixel coincide


# --- landmarks


def write_pose(workdir: Path, recording: str, camera: str, frames: list[int], shift: float) -> None:
    table = pd.DataFrame({"frame": frames, "time_s": np.array(frames) / 10})
    for k, point in enumerate(("nose", "right_eye", "left_eye")):
        table[f"{point}_x"] = 100.0 + 10 * k + shift + np.array(frames)
        table[f"{point}_y"] = 50.0 + 10 * k + shift
        table[f"{point}_likelihood"] = [0.9 if k < 2 else 0.89999] * len(frames)
    write_table(table, CameraFiles(workdir, recording, camera).pose, "pose")


def make_index(rows: list[tuple[str, str, int]], centre: float, size: int) -> pd.DataFrame:
    index = pd.DataFrame(rows, columns=["recording", "camera", "frame"])
    return index.assign(subject="m", centre_x=centre, centre_y=centre, size_px=size)


@pytest.mark.parametrize(("size", "corner"), [(40, 80), (41, 80)])
def test_landmarks_are_shares_of_the_square_and_absent_below_the_threshold(tmp_path, size, corner):
    write_pose(tmp_path, "r1", "A", [0, 2, 5], 0)
    write_pose(tmp_path, "r1", "B", [5], 7)
    index = make_index([("r1", "B", 5), ("r1", "A", 5), ("r1", "A", 0)], 100.0, size).set_axis([4, 9, 2])
    found = load_landmarks(index, tmp_path, 0.9)
    assert found.columns.tolist() == list(COORDINATES)
    assert found.index.tolist() == [4, 9, 2]
    # nose of A, frame 5: x 105, y 50; the first column of the square is 100 - size // 2 = 80.
    np.testing.assert_allclose(
        found.loc[9, ["nose_x", "nose_y"]], [(105.5 - corner) / size, (50.5 - corner) / size]
    )
    np.testing.assert_allclose(found.loc[4, "right_eye_x"], (122.5 - corner) / size)
    np.testing.assert_allclose(found.loc[2, "right_eye_x"], (110.5 - corner) / size)
    assert found[["left_eye_x", "left_eye_y"]].isna().all(axis=None)
    assert load_landmarks(index, tmp_path, 0.5).notna().all(axis=None)


def test_faces_without_their_pose_are_one_clear_fault(tmp_path):
    write_pose(tmp_path, "r1", "A", [0, 2], 0)
    with pytest.raises(PainlibError, match=r"pose of frame 3, found none \(1 faces.*r1_A.*01_crop"):
        load_landmarks(make_index([("r1", "A", 2), ("r1", "A", 3)], 100.0, 40), tmp_path, 0.9)
    with pytest.raises(PainlibError, match="r2_A"):
        load_landmarks(make_index([("r2", "A", 2)], 100.0, 40), tmp_path, 0.9)


# --- proposals


def halves(px: int) -> np.ndarray:
    """Masks (1, 13, px, px): head left, nose right, nothing else."""
    masks = np.zeros((1, 13, px, px), bool)
    masks[0, HEAD, :, : px // 2], masks[0, NOSE, :, px // 2 :] = True, True
    return masks


def test_the_mean_inside_a_region_is_that_of_the_bilinear_map():
    # A 2 x 2 map over 4 px: columns lie at -0.25 (held at 0), 0.25, 0.75, 1.25 (held at 1) of its two cells.
    found = measure_regions(np.array([[[0.0, 1.0], [0.0, 1.0]]]), halves(4))
    assert found[0, HEAD] == pytest.approx(0.125)
    assert found[0, NOSE] == pytest.approx(0.875)
    assert np.isnan(np.delete(found[0], [HEAD, NOSE])).all()


def test_means_equal_a_sum_pixel_by_pixel_for_many_faces():
    rng = np.random.default_rng(4)
    numbers = rng.integers(-1, 13, (300, 6, 6))
    masks = numbers[:, None] == np.arange(13)[:, None, None]
    maps = rng.random((300, 6, 6)).astype(np.float32)  # no interpolation at equal size
    expected = [
        [one[where == k].mean() if (where == k).any() else np.nan for k in range(13)]
        for one, where in zip(maps, numbers, strict=True)
    ]
    np.testing.assert_allclose(measure_regions(maps, masks), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("threshold", "proposed"), [(0.125, [HEAD, NOSE]), (0.2, [NOSE]), (0.875, [NOSE]), (0.9, [])]
)
def test_a_region_is_proposed_from_its_threshold_on(threshold, proposed):
    maps = np.array([[[0.0, 1.0], [0.0, 1.0]]])
    assert np.flatnonzero(propose_regions(maps, halves(4), threshold)).tolist() == proposed


def test_neither_an_empty_region_nor_an_all_zero_map_nor_an_unplaced_face_is_ever_proposed():
    masks = np.concatenate([halves(4), halves(4), np.zeros((1, 13, 4, 4), bool)])
    maps = np.stack([np.zeros((3, 3)), np.ones((3, 3)), np.ones((3, 3))])
    assert propose_regions(maps, masks, 0.0).sum(axis=1).tolist() == [0, 2, 0]
    assert propose_regions(np.zeros((0, 3, 3)), masks[:0]).shape == (0, 13)
    with pytest.raises(ValueError, match="expected maps"):
        propose_regions(maps[:2], masks)


# --- the drawn mice of other animals than those that the outlines were drawn by

COHORT = DemoParams(
    seed=101, strength=1.0, coat="white", width=480, height=270, fps=0.5, training_animals=12,
    training_minutes=3, assay_animals_per_group=0, assay_pre_minutes=1, assay_post_minutes=1,
    label_frames_per_video=5, label_animals=1, workers=1,
)  # fmt: skip
CALIBRATED_ON = [f"train{k:02d}" for k in range(1, 7)]
CROP_PX = 112


def see_faces(every: int) -> tuple[pd.DataFrame, np.ndarray]:
    """True landmarks and regions (n, 112, 112) of faces of animals that no outline was drawn by."""
    from painlib.faces.crop import apply_rules, cut_square, find_centres, place_square

    points, regions = [], []
    for take in list_takes(COHORT):
        if take.animal.subject in CALIBRATED_ON:
            continue
        animal, behaviour = simulate_take(COHORT, take)
        for camera in "AB":
            view = make_camera(camera, 480, 270)
            for frame in range(0, len(behaviour), every):
                pose, face, shot = behaviour.pose(frame), behaviour.face(frame), behaviour.shot(frame, view)
                drawing = render(animal, pose, face, view, shot, with_parts=True)
                rule = apply_rules(drawing.visible[None].astype(float), 0.5)
                if rule[0] and drawing.parts is not None:
                    centre = find_centres(drawing.keypoints[None], rule)[0]
                    corner = place_square(centre, CROP_PX, 480, 270, "shift")
                    assert corner is not None
                    shares = (drawing.keypoints - corner + 0.5) / CROP_PX
                    points.append(np.where(drawing.visible[:, None], shares, np.nan))
                    regions.append(cut_square(name_parts(drawing.parts, 11.1), corner, CROP_PX))
    return to_table(np.array(points)), np.array(regions)


@pytest.fixture(scope="module")
def faces() -> tuple[pd.DataFrame, np.ndarray]:
    landmarks, regions = see_faces(every=6)
    return landmarks, regions[:, 1::2, 1::2]


# Measured on all 1,208 faces: 0.83, 0.78, 0.71.
@pytest.mark.parametrize(("cells", "at_least"), [(2, 0.78), (4, 0.73), (7, 0.66)])
def test_proposals_by_landmarks_agree_with_those_by_true_regions(faces, cells, at_least):
    landmarks, truth = faces
    assert len(truth) > 150
    masks = [place_regions(landmarks, truth.shape[1]), truth[:, None] == np.arange(13)[:, None, None]]
    rng = np.random.default_rng(cells)
    proposed: list[list[np.ndarray]] = [[], []]
    for _ in range(4):  # maps a face
        maps = rng.random((len(truth), cells, cells))
        maps -= maps.min(axis=(1, 2), keepdims=True)
        maps /= maps.max(axis=(1, 2), keepdims=True)
        for found, mask in zip(proposed, masks, strict=True):
            found.append(propose_regions(maps, mask))
    table = compare_flags(*map(np.concatenate, proposed)).set_index("region")
    print(cells, table[["kappa", "prevalence_second"]].round(2).to_string())
    assert table["kappa"].notna().all()
    assert table.loc["mean", "kappa"] > at_least
    assert table["kappa"].min() > 0.25


def test_the_template_overlaps_the_true_regions(faces):
    landmarks, truth = faces
    placed = place_numbers(landmarks, truth.shape[1])
    overlap = {
        region: ((placed == k) & (truth == k)).sum() / ((placed == k) | (truth == k)).sum()
        for k, region in enumerate(REGIONS)
    }
    print({region: round(float(share), 2) for region, share in overlap.items()})
    assert min(overlap[region] for region in ("forehead", "eye", "cheek", "nose", "stage")) > 0.6
    assert min(overlap[region] for region in ("head", "ear top", "ear base")) > 0.35
    assert min(overlap[region] for region in ("above ear", "mouth", "under body", "others")) > 0.25


# --- marks


def make_marks(n: int = 3, annotator: str = "ann") -> pd.DataFrame:
    marked = np.zeros((n, 13), bool)
    marked[np.arange(n), np.arange(n)] = True
    rows = pd.DataFrame({"recording": [f"r{k}" for k in range(n)], "camera": "A", "frame": range(n)})
    return tabulate_marks(rows, marked, annotator, "blind", marked_at="2026-11-21T10:00:00")


def test_marks_come_back_as_they_were_written(tmp_path):
    marks = make_marks()
    path = write_marks(tmp_path / "ann.csv", marks)
    pd.testing.assert_frame_equal(read_marks(path), marks)
    assert path.read_text(encoding="utf-8").splitlines()[0] == ",".join(MARK_COLUMNS)
    np.testing.assert_array_equal(get_flags(marks)[:, :3], np.eye(3, dtype=bool))


def test_a_face_that_cannot_be_judged_has_no_marks(tmp_path):
    faces = make_marks(2)[["recording", "camera", "frame"]]
    marks = tabulate_marks(faces, np.ones((2, 13)), "a", "headless", np.array([True, False]))
    assert get_flags(marks).sum(axis=1).tolist() == [0, 13]
    assert marks["cannot_judge"].tolist() == [1, 0]
    assert read_marks(write_marks(tmp_path / "a.csv", marks))["marked_at"].tolist() == ["", ""]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_what_a_spreadsheet_makes_of_the_file_is_read(tmp_path, delimiter, bom):
    marks = make_marks()
    lines = marks.to_csv(index=False, sep=delimiter).replace("above_ear", "Above Ear").splitlines()
    (tmp_path / "a.csv").write_bytes((bom + "\r\n".join([*lines, delimiter * 19, ""])).encode())
    pd.testing.assert_frame_equal(read_marks(tmp_path / "a.csv"), marks)


def test_all_faults_of_a_file_come_in_one_message_with_row_column_expected_and_got(tmp_path):
    marks = make_marks(6).astype(object)
    marks = marks.rename(columns={"mouth": "mouht"}).drop(columns="marked_at").assign(comment="x")
    marks.loc[0, "eye"] = "yes"
    marks.loc[1, "nose"] = ""
    marks.loc[2, "started_from"] = "proposal"
    marks.loc[3, "frame"] = -1
    marks.loc[4, "recording"] = ""
    marks.loc[5, ["recording", "frame"]] = ["r0", 0]
    marks.loc[5, "cannot_judge"] = 1
    marks.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(PainlibError) as fault:
        read_marks(tmp_path / "a.csv", make_marks(2))
    text = str(fault.value)
    assert str(tmp_path / "a.csv") in text.splitlines()[0]
    for part in (
        "Header: expected only columns of marks, got `mouht`. Did you mean 'mouth'?",
        "Header: expected only columns of marks, got `comment`. Remove it.",
        "Header: expected a column `mouth`, got none.",
        "Row 2, column `eye`: expected 0 or 1, got 'yes'.",
        "Row 3, column `nose`: expected 0 or 1, got an empty cell.",
        "Row 4, column `started_from`: expected one of blind, proposals, headless, got 'proposal'. "
        "Did you mean 'proposals'?",
        "Row 5, column `frame`: expected a whole number, 0 or more, got '-1'.",
        "Row 6, column `recording`: expected a name, got an empty cell.",
        "Row 7, column `eye`: expected 0 in a face that cannot be judged, got '1'.",
        "Row 7: annotator 'ann', recording 'r0', camera 'A', frame 0 stands in row 2 already.",
        "Row 4, columns `recording`, `camera`, `frame`: expected a face of the sample, got recording 'r2'",
    ):
        assert part in text
    assert "(12 faults)" in text.splitlines()[0]  # the twelfth: row 6 is not in the sample either


def test_a_torn_line_a_doubled_column_and_a_wrong_encoding_are_named(tmp_path):
    path = tmp_path / "a.csv"
    text = make_marks().to_csv(index=False)
    path.write_text(text[: text.rindex("r2") + 5], encoding="utf-8")
    with pytest.raises(PainlibError, match=r"Row 4: expected 20 cells as in the header, got"):
        read_marks(path)
    path.write_text(text.replace("cheek", "eye", 1), encoding="utf-8")
    with pytest.raises(PainlibError, match=r"got `eye` twice(.|\n)*column `cheek`, got none"):
        read_marks(path)
    path.write_bytes(text.replace("ann", "añn").encode("latin-1"))
    with pytest.raises(PainlibError, match="UTF-8"):
        read_marks(path)
    path.write_text("", encoding="utf-8")
    with pytest.raises(PainlibError, match="header row"):
        read_marks(path)
    with pytest.raises(PainlibError, match="found no file"):
        read_marks(tmp_path / "none.csv")


def test_a_file_that_was_only_begun_is_an_empty_table(tmp_path):
    path = write_marks(tmp_path / "a.csv", empty_marks())
    pd.testing.assert_frame_equal(read_marks(path), empty_marks())
    assert empty_marks()["eye"].dtype == np.int64


def test_marks_that_could_not_be_read_are_not_written_and_the_old_file_stays(tmp_path):
    path = write_marks(tmp_path / "a.csv", make_marks())
    before = path.read_bytes()
    twice = pd.concat([make_marks(), make_marks()])
    with pytest.raises(PainlibError, match="stands in row 2 already"):
        write_marks(path, twice)
    with pytest.raises(PainlibError, match=r"`eye`: expected 0 or 1, got '2'"):
        write_marks(path, make_marks().assign(eye=2))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.csv"]
    flags = make_marks().assign(eye=[True, False, True])
    assert read_marks(write_marks(path, flags))["eye"].tolist() == [1, 0, 1]


def test_a_folder_of_several_annotators_is_one_table_and_its_faults_one_message(tmp_path):
    assert len(read_all_marks(tmp_path / "nowhere")) == 0
    write_marks(tmp_path / "b.csv", make_marks(annotator="bea"))
    write_marks(tmp_path / "a.csv", make_marks(annotator="ann"))
    (tmp_path / ".c.csv.part-1.csv").write_text("half")
    (tmp_path / "~$a.csv").write_text("lock")
    both = read_all_marks(tmp_path, make_marks())
    assert both["annotator"].tolist() == ["ann"] * 3 + ["bea"] * 3
    assert both["eye"].dtype == np.int64
    write_marks(tmp_path / "c.csv", make_marks(annotator="bea"))
    (tmp_path / "d.csv").write_text("", encoding="utf-8")
    (tmp_path / "e.csv").write_text(make_marks(1).assign(eye="x").to_csv(index=False))
    with pytest.raises(PainlibError) as fault:
        read_all_marks(tmp_path)
    for part in (
        "c.csv: annotator 'bea', recording 'r0'",
        "in b.csv too",
        "d.csv",
        "e.csv: Row 2, column `eye`",
    ):
        assert part in str(fault.value)


# --- agreement


def spread(both: int, one: int, other: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    """Marks (n, 13) of two annotators whose 2 x 2 table is this one in every region."""
    first = np.repeat([True, True, False, False], [both, one, other, neither])
    second = np.repeat([True, False, True, False], [both, one, other, neither])
    return (np.repeat(flags[:, None], 13, axis=1) for flags in (first, second))  # type: ignore[return-value]


def test_kappa_and_its_interval_are_those_of_a_published_calculator():
    # 20, 5, 10, 15: GraphPad QuickCalcs gives kappa 0.400, SE 0.127, 95 % from 0.151 to 0.649.
    table = compare_flags(*spread(20, 5, 10, 15))
    eye = table.set_index("region").loc["eye"]
    assert eye["n_faces"] == 50
    assert eye["kappa"] == pytest.approx(0.400, abs=5e-4)
    assert eye["ci_low"] == pytest.approx(0.151, abs=5e-4)
    assert eye["ci_high"] == pytest.approx(0.649, abs=5e-4)
    assert (eye["prevalence_first"], eye["prevalence_second"], eye["observed_agreement"]) == (0.5, 0.6, 0.7)
    assert table["region"].tolist() == [*REGIONS, "mean"]
    assert table["kappa"].iloc[-1] == pytest.approx(0.4)
    assert np.isnan(table["ci_low"].iloc[-1])


def test_kappa_and_its_interval_are_those_of_statsmodels():
    rng = np.random.default_rng(2)
    first = rng.random((60, 13)) < np.linspace(0.1, 0.9, 13)
    second = first ^ (rng.random((60, 13)) < 0.2)
    table = compare_flags(first, second)
    for region in range(13):
        a, b = first[:, region], second[:, region]
        counts = [[(a & b).sum(), (a & ~b).sum()], [(~a & b).sum(), (~a & ~b).sum()]]
        known = cohens_kappa(np.array(counts))
        row = table.iloc[region]
        assert row["kappa"] == pytest.approx(known.kappa, abs=1e-12)
        assert row["ci_low"] == pytest.approx(known.kappa_low, abs=1e-9)
        assert row["ci_high"] == pytest.approx(min(known.kappa_upp, 1), abs=1e-9)


def test_no_region_is_dropped_and_where_kappa_says_nothing_the_note_does():
    first = np.zeros((10, 13), bool)
    second = first.copy()
    first[:, 1] = second[:, 1] = True  # both on every face
    second[:4, 2] = True  # the first on no face
    first[:5, 3] = second[:5, 3] = True  # agree wholly
    first[:5, 4], second[:, 4] = True, ~first[:, 4]  # disagree wholly
    second[:5, 4], second[5:, 4] = False, True
    table = compare_flags(first, second).set_index("region")
    assert len(table) == 14
    kappa = table["kappa"].to_numpy()
    np.testing.assert_allclose(kappa[:5], [np.nan, np.nan, 0, 1, -1])
    assert np.isnan(kappa[5:13]).all()
    assert kappa[13] == pytest.approx(0)
    assert "both marked it on no face" in table["note"].iloc[0]
    assert "both marked it on every face" in table["note"].iloc[1]
    assert "the first marked it on no face" in table["note"].iloc[2]
    assert "no width" in table["note"].iloc[3]
    assert table["note"].iloc[13] == "mean over the 3 of 13 regions whose kappa is defined"
    assert table["ci_low"].iloc[:2].isna().all()


def test_nothing_to_compare_is_an_answer():
    table = compare_flags(np.zeros((0, 13)), np.zeros((0, 13)))
    assert table["kappa"].isna().all()
    assert "no face that both judged" in table["note"].iloc[0]


def test_interval_over_animals_resamples_whole_animals():
    # Two animals, one agreeing wholly, one by less: the draws are AA, AB and BB, and the 2.5 % and 97.5 % of
    # them are the worse and the better animal's own kappa.
    better, worse = [list(spread(6, 0, 0, 6)), list(spread(5, 2, 2, 5))]
    first, second = (np.vstack([better[k], worse[k]]) for k in (0, 1))
    animals = ["a"] * 12 + ["b"] * 14
    table = compare_flags(first, second, animals, seed=1, draws=400)
    own = (10 / 14 - 0.5) / 0.5
    assert table["ci_low"].to_numpy() == pytest.approx(own)
    assert table["ci_high"].to_numpy() == pytest.approx(1.0)
    assert table["n_subjects"].tolist() == [2] * 14
    assert set(table["interval"]) == {"bootstrap over animals"}
    pd.testing.assert_frame_equal(table, compare_flags(first, second, animals, seed=1, draws=400))


def test_faces_of_few_animals_tell_less_than_as_many_animals():
    rng = np.random.default_rng(5)
    flip = np.repeat(rng.choice([0.0, 0.5], 8), 25)  # in half of the animals the second one guesses
    first = rng.random((200, 13)) < 0.5
    second = first ^ (rng.random((200, 13)) < flip[:, None])
    alone = compare_flags(first, second)
    clustered = compare_flags(first, second, np.repeat(np.arange(8), 25))
    widths = [(table["ci_high"] - table["ci_low"]).iloc[:13].mean() for table in (alone, clustered)]
    assert widths[1] > 1.5 * widths[0]
    pd.testing.assert_series_equal(alone["kappa"], clustered["kappa"])


def test_one_animal_gives_no_interval_and_says_so():
    table = compare_flags(*spread(4, 1, 1, 4), animals=["a"] * 10)
    assert table["ci_low"].isna().all()
    assert table["note"].str.contains("it needs 2 animals").all()


def test_agreement_counts_the_faces_that_both_judged():
    first, second = make_marks(6, "ann"), make_marks(6, "bea")
    second = second.iloc[[5, 4, 3, 2, 1]].assign(cannot_judge=[0, 0, 0, 0, 1])  # other order, one face less
    table = compute_agreement(first, second).set_index("region")
    assert table["n_faces"].tolist() == [4] * 14
    assert table.loc["above ear", "kappa"] == 1
    assert table.loc["head", "note"].startswith("kappa is not defined")
    subjects = {f"r{k}": f"m{k % 2}" for k in range(6)}
    assert compute_agreement(first, second, subjects)["n_subjects"].tolist() == [2] * 14
    with pytest.raises(PainlibError, match="none for r5"):
        compute_agreement(first, second, {k: v for k, v in subjects.items() if k != "r5"})
    with pytest.raises(PainlibError, match="annotators: ann, bea"):
        compute_agreement(pd.concat([first, second]), second)

"""The drawn demonstration: truth fits the pictures, pain shows only where it may, files are as promised."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from painlib.cohort import VideoPart, cohort_note, iter_recordings, load_cohort
from painlib.demo import DemoParams, draw_cohort, simulate_minute_curves
from painlib.demo.behaviour import Behaviour, simulate_behaviour
from painlib.demo.cast import list_takes, simulate_take
from painlib.demo.filming import is_drawn
from painlib.demo.head import Drawing, Shot, render
from painlib.demo.individuals import Face, Individual, Part, Pose, draw_individual
from painlib.demo.pain import COURSES, draw_height, simulate_latent
from painlib.demo.stage import Camera, make_camera
from painlib.pose.labels import load_labels
from painlib.stats import read_minutes
from painlib.tables import read_table
from painlib.video import probe_video, read_frames

PARAMS = DemoParams(
    seed=7,
    strength=1.0,
    coat="white",
    width=480,
    height=270,
    fps=0.5,
    training_animals=8,
    training_minutes=5,
    assay_animals_per_group=5,
    assay_pre_minutes=3,
    assay_post_minutes=15,
    label_frames_per_video=12,
    label_animals=4,
    workers=1,
)
TINY = PARAMS.model_copy(
    update={
        "width": 160,
        "height": 90,
        "training_animals": 2,
        "training_minutes": 0.2,
        "assay_animals_per_group": 1,
        "assay_pre_minutes": 0.1,
        "assay_post_minutes": 0.2,
        "label_frames_per_video": 3,
        "label_animals": 1,
    }
)
CALM = (0.0, 0.0, 0.0, 0.0, 0.0)
EYES = {"right_eye": (Part.RIGHT_EYE, Part.RIGHT_LID), "left_eye": (Part.LEFT_EYE, Part.LEFT_LID)}
EARS = [part for part in Part if "EAR" in part.name]
STILL = Shot(gain=1, warmth=1, noise=0, defocus_px=0, motion_px=(0, 0), seed=0)
# Everything an observer could see that is not the face's expression.
BEARING = ("yaw", "pitch", "roll", "body_yaw", "position", "velocity", "paws_up", "asleep", "sleep_closure")
BEARING += ("sniff", "ear_turn", "defocus_px", "gain", "warmth", "noise_seed")


def make_animal(coat: str = "white", seed: int = 3) -> Individual:
    return draw_individual(coat, np.random.default_rng(seed))  # type: ignore[arg-type]


def facing(yaw: float, pitch: float = -5.0) -> Pose:
    return Pose((2.0, 2.0, 19.0), yaw, pitch, 0.0, yaw, 0.0)


def draw(face: Face, yaw: float = 0.0, animal: Individual | None = None, camera: str = "A") -> Drawing:
    view = make_camera(camera, 480, 270)
    return render(animal or make_animal(), facing(yaw), face, view, STILL, with_parts=True)


def count(drawing: Drawing, *parts: Part) -> int:
    assert drawing.parts is not None
    return int(np.isin(drawing.parts, parts).sum())


def live(latent: float, strength: float, n: int = 90) -> tuple[Individual, Behaviour]:
    seed = np.random.SeedSequence(5)
    animal = make_animal()
    return animal, simulate_behaviour(animal, np.full(n, latent), strength, 0.5, seed)


def shoot(animal: Individual, behaviour: Behaviour, frame: int, camera: Camera) -> Drawing:
    shot = behaviour.shot(frame, camera)
    return render(animal, behaviour.pose(frame), behaviour.face(frame), camera, shot, with_parts=True)


def digest(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "demo.json"]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    draw_cohort(folder, TINY)
    return folder


def test_same_seed_same_pixels_other_seed_other_pixels() -> None:
    camera = make_camera("B", 480, 270)
    pictures = []
    for params in (PARAMS, PARAMS, PARAMS.model_copy(update={"seed": 8})):
        animal, behaviour = simulate_take(params, list_takes(params)[1])
        pictures.append(shoot(animal, behaviour, 40, camera).image)
    np.testing.assert_array_equal(pictures[0], pictures[1])
    assert np.abs(pictures[0].astype(int) - pictures[2]).max() > 50


def test_visible_keypoints_lie_on_what_they_name() -> None:
    """A visible key point's pixel, or one beside it, shows its part."""
    hits: dict[str, list[bool]] = {"nose": [], "right_eye": [], "left_eye": []}
    for take in list_takes(PARAMS)[:4]:
        animal, behaviour = simulate_take(PARAMS, take)
        for frame in range(0, len(behaviour), 5):
            drawing = shoot(animal, behaviour, frame, make_camera("AB"[frame % 2], 480, 270))
            for point, (column, row), visible in zip(hits, drawing.keypoints, drawing.visible, strict=True):
                wanted = EYES.get(point, (Part.NOSE, Part.MOUTH))
                if visible:
                    x, y = round(column), round(row)
                    assert drawing.parts is not None
                    hits[point].append(
                        bool(np.isin(drawing.parts[y - 1 : y + 2, x - 1 : x + 2], wanted).any())
                    )
    for point, found in hits.items():
        assert len(found) > 50, point
        assert np.mean(found) > 0.98, point


@pytest.mark.parametrize("coat", ["white", "dark", "agouti"])
def test_an_open_eye_is_darker_than_the_fur_around_it(coat: str) -> None:
    drawing = draw(Face(CALM, 0, 0, (0, 0)), yaw=60, animal=make_animal(coat))
    x, y = np.round(drawing.keypoints[1]).astype(int)
    grey = drawing.image.astype(float).mean(axis=2)
    rows, columns = np.mgrid[: grey.shape[0], : grey.shape[1]]
    distance = np.hypot(rows - y, columns - x)
    assert np.median(grey[distance < 3]) < 0.7 * np.median(grey[(distance > 10) & (distance < 13)])


def test_face_towards_camera_a_shows_both_eyes_with_the_right_one_on_the_left() -> None:
    drawing = draw(Face(CALM, 0, 0, (0, 0)), yaw=0)
    nose, right, left = drawing.keypoints
    assert drawing.visible.all()
    assert right[0] < nose[0] < left[0]
    assert nose[1] > max(right[1], left[1])
    assert 35 < left[0] - right[0] < 43


@pytest.mark.parametrize(
    ("yaw", "seen"),
    [(90, [True, True, False]), (-90, [True, False, True]), (180, [False, False, False])],
    ids=["right side", "left side", "away"],
)
def test_what_is_seen_from_the_side_and_from_behind(yaw: float, seen: list[bool]) -> None:
    assert draw(Face(CALM, 0, 0, (0, 0)), yaw=yaw).visible.tolist() == seen


def test_a_keypoint_outside_the_image_is_not_visible() -> None:
    pose = replace(facing(0), position=(2.0, 64.0, 19.0))
    drawing = render(make_animal(), pose, Face(CALM, 0, 0, (0, 0)), make_camera("A", 480, 270), STILL)
    assert drawing.keypoints[2, 0] > 479.5
    assert not drawing.visible[2]


def test_both_cameras_see_the_same_points_in_space() -> None:
    """Rays through the two projections of a point meet in it; the rays are the pinhole model's."""
    points = np.array([[5.0, -8.0, 20.0], [20.0, 10.0, 35.0], [-12.0, 3.0, 12.0]])
    equations, right_side = np.zeros((3, 4, 3)), np.zeros((3, 4))
    for k, name in enumerate("AB"):
        camera = make_camera(name, 480, 270)
        screen = camera.project(points)[:, :2] - np.array([239.5, 134.5])
        for axis in range(2):
            normal = camera.focal_px * camera.axes[axis] - screen[:, axis : axis + 1] * camera.axes[2]
            equations[:, 2 * k + axis] = normal
            right_side[:, 2 * k + axis] = normal @ camera.position
    found = [np.linalg.lstsq(a, b, rcond=None)[0] for a, b in zip(equations, right_side, strict=True)]
    np.testing.assert_allclose(found, points, atol=0.02)
    a, b = make_camera("A", 480, 270), make_camera("B", 480, 270)
    flat = np.degrees(np.arccos(a.position[:2] @ b.position[:2] / 300.0**2))
    assert flat == pytest.approx(90.0)


def test_strength_zero_draws_the_same_pixels_whatever_the_pain() -> None:
    camera = make_camera("A", 480, 270)
    (animal, calm), (_, hurt) = live(0.0, 0.0), live(1.0, 0.0)
    for frame in range(0, 90, 15):
        np.testing.assert_array_equal(
            shoot(animal, calm, frame, camera).image, shoot(animal, hurt, frame, camera).image
        )
    assert np.abs(live(1.0, 1.0)[1].action_units - calm.action_units).mean() > 1.0


@pytest.mark.parametrize("coat", ["white", "dark", "agouti"])
def test_pain_closes_the_eyes_step_by_step_to_about_a_quarter(coat: str) -> None:
    animal = make_animal(coat)
    open_px = []
    for unit in (0.0, 0.5, 1.0, 1.5, 2.0):
        drawing = draw(Face((unit,) * 5, 0, 0, (0, 0)), yaw=75, animal=animal)  # type: ignore[arg-type]
        open_px.append(count(drawing, Part.RIGHT_EYE))
    assert open_px == sorted(open_px, reverse=True)
    assert len(set(open_px)) == 5
    assert 0.15 < open_px[-1] / open_px[0] < 0.35


def test_pain_lays_the_ears_back() -> None:
    """Ears reach less high above the eyes (Mouse Grimace Scale, ear position)."""
    tops = []
    for unit in (0.0, 1.0, 2.0):
        drawing = draw(Face((0.0, 0.0, 0.0, unit, 0.0), 0, 0, (0, 0)))
        assert drawing.parts is not None
        rows = np.flatnonzero(np.isin(drawing.parts, EARS).any(axis=1))
        tops.append(drawing.keypoints[1:, 1].mean() - rows[0])
    assert tops[0] > tops[1] + 3 > tops[2] + 6


def test_each_action_unit_changes_the_picture_and_no_other_does_it_alike() -> None:
    calm = draw(Face(CALM, 0, 0, (0, 0)), yaw=30).image.astype(int)
    changes = []
    for unit in range(5):
        units = tuple(2.0 * (np.arange(5) == unit))
        picture = draw(Face(units, 0, 0, (0, 0)), yaw=30).image  # type: ignore[arg-type]
        changes.append(np.abs(picture - calm).sum(axis=2).ravel())
    assert all((change > 30).sum() > 30 for change in changes)
    alike = np.corrcoef(changes) - np.eye(5)
    assert alike.max() < 0.7


def test_sleep_closes_the_eyes_and_leaves_the_ears() -> None:
    awake, asleep = (draw(Face(CALM, closure, 0, (0, 0)), yaw=20) for closure in (0.0, 1.0))
    eyes = (Part.RIGHT_EYE, Part.LEFT_EYE)
    assert count(asleep, *eyes) < 0.15 * count(awake, *eyes)
    assert awake.parts is not None
    assert asleep.parts is not None
    np.testing.assert_array_equal(np.isin(awake.parts, EARS), np.isin(asleep.parts, EARS))
    assert asleep.visible.tolist() == awake.visible.tolist()  # a closed eye still has a place


def test_pain_moves_nothing_but_the_action_units() -> None:
    calm, hurt = live(0.0, 1.0)[1], live(1.0, 1.0)[1]
    for name in BEARING:
        np.testing.assert_array_equal(getattr(calm, name), getattr(hurt, name), err_msg=name)


def test_phases_differ_in_nothing_but_pain() -> None:
    """Means over many pre and AC recordings differ by less than 4 standard errors in every signal."""
    params = PARAMS.model_copy(update={"training_animals": 60, "assay_animals_per_group": 0, "strength": 0.0})
    rows: dict[str, list[dict[str, float]]] = {"pre": [], "post": []}
    for take in list_takes(params):
        behaviour = simulate_take(params, take)[1]
        rows[take.phase].append(
            {
                "towards a": float(np.cos(np.radians(behaviour.yaw)).mean()),
                "towards b": float(np.sin(np.radians(behaviour.yaw)).mean()),
                "pitch": float(behaviour.pitch.mean()),
                "height": float(behaviour.position[:, 2].mean()),
                "speed": float(np.linalg.norm(behaviour.velocity, axis=1).mean()),
                "asleep": float(behaviour.asleep.mean()),
                "first minute asleep": float(behaviour.asleep[:30].mean()),
                "defocus": float(behaviour.defocus_px.mean()),
                "gain": float(behaviour.gain.mean()),
                "warmth": float(behaviour.warmth.mean()),
                "sniffing": float(np.abs(behaviour.sniff).mean()),
                **{f"unit {k}": float(units) for k, units in enumerate(behaviour.action_units.mean(axis=0))},
            }
        )
    pre, post = pd.DataFrame(rows["pre"]), pd.DataFrame(rows["post"])
    error = np.sqrt(pre.var() / len(pre) + post.var() / len(post))
    assert ((pre.mean() - post.mean()).abs() < 4 * error).all()


def test_about_as_many_frames_without_a_face_as_in_the_paper() -> None:
    """37 % in Kobayashi et al. 2025 (864,000 frames, 545,000 faces)."""
    seen = []
    for take in list_takes(PARAMS)[:12]:
        animal, behaviour = simulate_take(PARAMS, take)
        for frame in range(0, len(behaviour), 6):
            for name in "AB":
                camera = make_camera(name, 240, 135)
                shot = replace(behaviour.shot(frame, camera), defocus_px=0, motion_px=(0, 0))
                seen.append(
                    render(animal, behaviour.pose(frame), behaviour.face(frame), camera, shot).visible
                )
    nose, right, left = np.array(seen).T
    assert 0.32 < 1 - (nose & (right | left)).mean() < 0.46
    assert (nose & right & left).mean() > 0.15
    assert abs((nose & right & ~left).mean() - (nose & left & ~right).mean()) < 0.06


@pytest.mark.parametrize("course", ["0.6 % AC", "1 % AC", "0.6 % AC, training"])
def test_acid_hurts_within_a_minute_in_bouts_with_pauses(course: str) -> None:
    times = np.arange(0, 1800, 2.0)
    curves = simulate_many(course, times)
    assert curves[:, 30:].mean() > 8 * curves[:, 0].mean()
    assert (curves[:, times < 90].max(axis=1) > 0.3).mean() > 0.8
    after = curves[:, 30:]
    assert (after < 0.06).any(axis=1).mean() > 0.9
    assert (after > 0.4).any(axis=1).mean() > 0.9


def test_doses_are_ordered_and_vehicle_passes_within_five_minutes() -> None:
    times = np.arange(0, 1800, 2.0)
    none, vehicle, low, high = (
        simulate_many(name, times) for name in ("none", "vehicle", "0.6 % AC", "1 % AC")
    )
    assert none.max() < 0.06
    assert vehicle[:, times < 60].max(axis=1).min() > 0.1
    assert vehicle[:, times > 300].max() < 0.06
    assert vehicle.mean() < 0.3 * low.mean() < 0.3 * 0.8 * high.mean()
    assert low.mean(axis=1).std() > 0.05  # animals differ


def simulate_many(course: str, times: np.ndarray) -> np.ndarray:
    curves = []
    for k in range(40):
        rng = np.random.default_rng(k)
        curves.append(simulate_latent(COURSES[course], draw_height(COURSES[course], rng), times, rng))
    return np.array(curves)


def test_the_cast_is_as_promised() -> None:
    takes = list_takes(PARAMS)
    training = [take for take in takes if take.animal.subject.startswith("train")]
    assay = [take for take in takes if take.animal.subject.startswith("assay")]
    assert [take.recording for take in training[:2]] == ["train01_pre", "train01_ac"]
    assert {(take.phase, take.label) for take in training} == {("pre", "no pain"), ("post", "pain")}
    assert {take.label for take in assay} == {""}
    sexes = pd.Series({take.animal.subject: take.animal.sex for take in training})
    assert sexes.value_counts().to_dict() == {"male": 6, "female": 2}
    groups = pd.Series({take.animal.subject: take.animal.treatment for take in assay})
    assert groups.value_counts().to_dict() == {"vehicle": 5, "0.6 % AC": 5, "1 % AC": 5}
    frames = sum(round(take.minutes * 30) for take in takes) * 2
    assert frames == 2 * 30 * (8 * 10 + 15 * 18)


def test_more_training_animals_leave_the_assay_as_it_is() -> None:
    more = PARAMS.model_copy(update={"training_animals": 12, "training_minutes": 7})
    first, second = (
        simulate_take(params, next(take for take in list_takes(params) if take.recording == "assay02_post"))
        for params in (PARAMS, more)
    )
    assert first[0] == second[0]
    np.testing.assert_array_equal(first[1].yaw, second[1].yaw)
    np.testing.assert_array_equal(first[1].latent_pain, second[1].latent_pain)


def test_cohort_table_is_valid_and_says_that_it_is_drawn(tiny: Path) -> None:
    cohort = load_cohort(tiny / "cohort.csv")
    assert len(iter_recordings(cohort)) == 2 * 2 + 3 * 2
    assert len(cohort) == 20
    assert cohort_note(cohort) == "Drawn demonstration, not real mice"
    assay = cohort[cohort["subject"].str.startswith("assay")]
    assert (assay["label"] == "").all()


def test_labels_come_from_the_chosen_training_animals_and_agree_with_the_truth(tiny: Path) -> None:
    labels = load_labels(tiny / "labels.csv")
    assert len(labels) == 1 * 2 * 2 * 3
    assert set(labels["subject"]) == {"train01"}
    written = pd.read_csv(tiny / "labels.csv")
    for row in written.to_dict("records"):
        truth = pd.read_parquet(tiny / "truth" / f"{Path(str(row['video'])).stem}.parquet").iloc[row["frame"]]
        for point in ("nose", "right_eye", "left_eye"):
            if truth[f"{point}_visible"]:
                assert row[f"{point}_x"] == pytest.approx(truth[f"{point}_x"], abs=0.006)
            else:
                assert np.isnan(row[f"{point}_x"])
                assert np.isnan(row[f"{point}_y"])


def test_videos_hold_the_drawn_frames_at_their_times(tiny: Path) -> None:
    take = next(take for take in list_takes(TINY) if take.recording == "train02_ac")
    path = tiny / "videos" / "train02_ac_B.mp4"
    assert (probe_video(path).width, probe_video(path).height) == (160, 90)
    animal, behaviour = simulate_take(TINY, take)
    truth = pd.read_parquet(tiny / "truth" / "train02_ac_B.parquet")
    frames = list(read_frames([VideoPart(str(path))], 0.0))
    assert len(frames) == len(truth) == 6
    for frame in frames:
        drawn = shoot(animal, behaviour, frame.number, make_camera("B", 160, 90))
        assert frame.time_s == pytest.approx(2.0 * frame.number)
        assert np.abs(frame.image.astype(int) - drawn.image).mean() < 4
        assert truth["nose_x"][frame.number] == pytest.approx(drawn.keypoints[0, 0])
    np.testing.assert_array_equal(truth["latent_pain"], behaviour.latent_pain)


def test_the_number_of_workers_changes_no_byte(tiny: Path, tmp_path: Path) -> None:
    draw_cohort(tmp_path, TINY.model_copy(update={"workers": 2}))
    assert digest(tmp_path) == digest(tiny)


def test_a_drawing_resumes_at_what_is_missing(tiny: Path, tmp_path: Path) -> None:
    params = TINY.model_copy(update={"training_animals": 1, "assay_animals_per_group": 0})
    draw_cohort(tmp_path, params)
    before = digest(tmp_path)
    (tmp_path / "truth" / "train01_ac_A.parquet").unlink()  # as a kill between video and truth leaves it
    (tmp_path / "videos" / "train01_pre_B.mp4").unlink()
    kept = tmp_path / "videos" / "train01_pre_A.mp4"
    time = kept.stat().st_mtime_ns
    draw_cohort(tmp_path, params)
    assert digest(tmp_path) == before
    assert kept.stat().st_mtime_ns == time


def test_other_parameters_draw_anew(tmp_path: Path) -> None:
    params = TINY.model_copy(update={"training_animals": 1, "assay_animals_per_group": 0})
    draw_cohort(tmp_path, params)
    before = digest(tmp_path)
    draw_cohort(tmp_path, params.model_copy(update={"strength": 0.5}))
    after = digest(tmp_path)
    assert before["videos/train01_ac_A.mp4"] != after["videos/train01_ac_A.mp4"]
    assert before.keys() == after.keys()
    assert is_drawn(tmp_path, list_takes(params)[0], "A")


def test_unknown_and_impossible_parameters_are_refused() -> None:
    with pytest.raises(ValidationError, match="strengths"):
        DemoParams(**PARAMS.model_dump(), strengths=1)  # type: ignore[call-arg]
    with pytest.raises(ValidationError, match="coat"):
        DemoParams(**{**PARAMS.model_dump(), "coat": "pink"})


def test_minute_curves_have_the_papers_designs(tmp_path: Path) -> None:
    tables = {name: read_table(path, "minutes") for name, path in simulate_minute_curves(tmp_path, 4).items()}
    assert set(tables) == {"analgesic", "capsaicin", "cgrp"}
    for table in tables.values():
        assert (table.groupby("recording")["minute"].apply(list).map(lambda m: m == list(range(30)))).all()
        assert not table["trained_on"].any()
        assert (table["n_pain"] <= table["n_evaluated"]).all()
        np.testing.assert_array_equal(table["pain_probability"].isna(), table["n_evaluated"] == 0)
    sizes = {
        name: table.groupby("treatment")["subject"].nunique().to_dict() for name, table in tables.items()
    }
    assert sizes["analgesic"] == {"vehicle + AC": 8, "diclofenac + AC": 9}
    assert sizes["capsaicin"] == {"vehicle": 6, "capsaicin": 6}
    assert sizes["cgrp"] == {"vehicle": 9, "CGRP": 9}
    crossover = tables["cgrp"]
    assert crossover["subject"].nunique() == 9
    assert (crossover.groupby("subject")["treatment"].nunique() == 2).all()
    first = crossover[crossover["period"] == "1"].groupby("treatment")["subject"].nunique()
    assert sorted(first) == [4, 5]


def test_minute_curves_have_effects_low_coverage_and_seeds(tmp_path: Path) -> None:
    tables = [
        pd.read_csv(simulate_minute_curves(tmp_path / str(seed), seed)["analgesic"]) for seed in range(12)
    ]
    every = pd.concat(tables)
    means = every.groupby("treatment")["pain_probability"].mean()
    assert means["vehicle + AC"] > means["diclofenac + AC"] + 0.1
    assert 0.005 < (every["coverage"] < 0.05).mean() < 0.08
    assert every["pain_probability"].isna().any()
    again = pd.read_csv(simulate_minute_curves(tmp_path / "again", 0)["analgesic"])
    pd.testing.assert_frame_equal(tables[0], again)
    assert not tables[0]["n_pain"].equals(tables[1]["n_pain"])


def test_the_minute_curves_are_what_the_statistics_read(tmp_path):
    for path in simulate_minute_curves(tmp_path, seed=3).values():
        minutes = read_minutes(path)
        assert set(minutes["inside"]) == {""}
        assert minutes["n_not_judged"].eq(0).all()

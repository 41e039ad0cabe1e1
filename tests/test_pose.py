"""A real, tiny DeepLabCut training on drawn spots, and what must hold of its network."""

import json
import os
import pickle
import shutil
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest

from painlib.faces.pose_source import note_scale
from painlib.faults import PainlibError
from painlib.pose import (
    KEYPOINTS,
    PoseNetwork,
    choose_likelihood_threshold,
    fit_size,
    load_labels,
    load_pose_network,
    train_pose,
)
from painlib.video import write_video

WIDTH, HEIGHT = 120, 90
SHRUNK = 0.8  # training size over the frames' size
COLOURS = {"nose": (230, 40, 40), "left_eye": (40, 60, 230)}  # the right eye is never labelled
SETTINGS = {
    "width": int(WIDTH * SHRUNK),
    "height": int(HEIGHT * SHRUNK),
    "backbone": "test_byobnet",
    "pretrained": "no",
    "epochs": 30,
    "batch": 8,
    "learning_rate": 5e-3,
    "crop_px": 64,
    "test_fraction": 0.3,
    "seed": 3,
    "device": "cpu",
}


def draw_frame(rng: np.random.Generator) -> tuple[np.ndarray, dict[str, tuple[float, float] | None]]:
    """Grey noise with a red and a blue spot, 13 px across, either of them missing in one frame of four."""
    image = rng.integers(70, 130, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    points: dict[str, tuple[float, float] | None] = {}
    for point, colour in COLOURS.items():
        x, y = rng.uniform(15, WIDTH - 15), rng.uniform(15, HEIGHT - 15)
        points[point] = (x, y) if rng.random() < 0.75 else None
        if points[point]:
            cv2.circle(image, (round(x * 16), round(y * 16)), 6 * 16, colour, -1, cv2.LINE_AA, 4)
    return image, points


def draw_labels(folder: Path, n_frames: int, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    rows = []
    for number in range(n_frames):
        image, points = draw_frame(rng)
        cv2.imwrite(str(folder / f"{number}.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        row: dict[str, object] = {"image": f"{number}.png", "subject": "abc"[number % 3]}
        for point, place in points.items():
            row |= {f"{point}_x": place and place[0], f"{point}_y": place and place[1]}
        rows.append(row)
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)
    return folder / "labels.csv"


@pytest.fixture(scope="module")
def labels(tmp_path_factory) -> pd.DataFrame:
    return load_labels(draw_labels(tmp_path_factory.mktemp("labels") / "table", 36, 0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, labels) -> Path:
    """Where a network was trained, once for all tests of this file."""
    folder = tmp_path_factory.mktemp("trained")
    train_pose(labels, folder, **SETTINGS)
    return folder


@pytest.fixture(scope="module")
def evaluation(folder) -> pd.DataFrame:
    return pd.read_csv(folder / "evaluation.csv")


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    rng = np.random.default_rng(9)
    return [draw_frame(rng)[0] for _ in range(20)]


def test_held_out_animal_is_found_and_its_error_is_in_px_of_the_original_frames(labels, evaluation):
    test = evaluation[evaluation["set"] == "test"]
    assert test["subject"].nunique() == 1
    assert set(test["subject"]).isdisjoint(evaluation.loc[evaluation["set"] == "train", "subject"])
    assert len(evaluation) == len(labels) * 3
    seen = test[test["labelled"]]
    expected = np.hypot(seen["x"] - seen["predicted_x"], seen["y"] - seen["predicted_y"])
    np.testing.assert_allclose(seen["error_px"], expected)
    # Guessing the middle of the frame errs by 30 px.
    assert seen["error_px"].median() < 6


def test_points_that_cannot_be_seen_are_in_the_evaluation_with_lower_likelihoods(evaluation):
    test = evaluation[(evaluation["set"] == "test") & (evaluation["point"] != "right_eye")]
    hidden = test[~test["labelled"]]
    assert len(hidden) > 3
    assert hidden["error_px"].isna().all()
    assert hidden["likelihood"].median() < test.loc[test["labelled"], "likelihood"].median()


def test_a_point_that_was_never_labelled_comes_back_absent(folder, frames):
    found = load_pose_network(folder / "network").predict(frames[:2])
    assert found.shape == (2, 3, 3)
    assert found.dtype == np.float64
    right = KEYPOINTS.index("right_eye")
    assert np.isnan(found[:, right, :2]).all()
    assert (found[:, right, 2] == 0).all()
    assert np.isfinite(found[:, [0, 2]]).all()


def test_prediction_equals_deeplabcuts_own_video_analysis(folder, tmp_path, frames):
    import deeplabcut

    video = write_video(tmp_path / "clip.mp4", [cv2.resize(frame, (96, 72)) for frame in frames], 10)
    deeplabcut.analyze_videos(
        folder / "project" / "config.yaml", [str(video)], shuffle=1, device="cpu", destfolder=str(tmp_path)
    )
    (file,) = tmp_path.glob("clipDLC*.h5")
    theirs = pd.read_hdf(file).to_numpy().reshape(len(frames), len(COLOURS), 3)
    capture = cv2.VideoCapture(str(video))  # decoded as DeepLabCut does it
    decoded = [cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB) for _ in frames]
    network = load_pose_network(folder / "network", device="cpu")
    plain = network.predict_plainly(decoded)[:, [0, 2]]
    np.testing.assert_allclose(plain, theirs, atol=1e-4)
    ours = network.predict(decoded)[:, [0, 2]]
    assert [engine.name for engine in network.list_engines()] == ["openvino"], network.list_engines()
    assert np.abs(ours[..., :2] - theirs[..., :2]).max() < 1e-2  # px
    assert np.abs(ours[..., 2] - theirs[..., 2]).max() < 1e-4
    half = network.predict(decoded, "bfloat16")[:, [0, 2]]
    placed = theirs[..., 2] > 0.1  # the place of the largest of nothing is arbitrary
    assert placed.mean() > 0.5
    assert np.abs(half[placed][:, :2] - theirs[placed][:, :2]).max() < 0.2
    assert np.abs(half[..., 2] - theirs[..., 2]).max() < 0.03


def test_images_that_deeplabcut_resizes_first_come_back_in_their_own_px(folder, frames):
    """Then DeepLabCut's own first step stays in front of the engine, and its last step scales back."""
    network = load_pose_network(folder / "network", device="cpu")
    config = json.loads(json.dumps(network.config))
    config["data"]["inference"]["resize"] = {"height": 2 * HEIGHT, "width": 2 * WIDTH, "keep_ratio": True}
    resized = PoseNetwork(config, network._weights(), network.point_names, 0, 0, "cpu")
    plain = resized.predict_plainly(frames[:3])[:, [0, 2]]
    assert not np.allclose(plain, network.predict_plainly(frames[:3])[:, [0, 2]], atol=0.1)
    np.testing.assert_allclose(resized.predict(frames[:3])[:, [0, 2]], plain, atol=1e-3)


def test_the_order_and_the_sizes_of_images_do_not_matter(folder, frames):
    network = load_pose_network(folder / "network")
    mixed = [frames[0], frames[1][:60, :80], frames[2]]
    together = network.predict(mixed)
    for row, image in enumerate(mixed):
        np.testing.assert_allclose(together[row], network.predict([image])[0], atol=1e-3)


def test_a_copied_network_gives_the_same_without_the_project_and_without_pickles(folder, tmp_path, frames):
    copied = shutil.copytree(folder / "network", tmp_path / "elsewhere" / "pose")
    assert {path.suffix for path in copied.iterdir()} == {".json", ".safetensors"}
    assert str(folder) not in (copied / "pose_network.json").read_text()
    first, second = load_pose_network(folder / "network"), load_pose_network(tmp_path / "elsewhere")
    assert first.fingerprint == second.fingerprint
    assert (second.width, second.height) == (SETTINGS["width"], SETTINGS["height"])
    np.testing.assert_array_equal(first.predict(frames[:4]), second.predict(frames[:4]))


def test_the_project_and_its_snapshot_give_the_network_too(folder, frames):
    expected = load_pose_network(folder / "network").predict(frames[:4])
    names = ("nose", "", "left_eye")
    (snapshot,) = folder.glob("project/dlc-models-pytorch/*/*/train/snapshot-*.pt")
    for path in (folder / "project", folder / "project" / "config.yaml", snapshot):
        np.testing.assert_array_equal(load_pose_network(path, names).predict(frames[:4]), expected)
    turned = load_pose_network(folder / "project", ("left_eye", "", "nose")).predict(frames[:4])
    np.testing.assert_array_equal(turned[:, 0], expected[:, 2])


def test_a_point_that_the_project_lacks_is_named_with_those_it_has(folder):
    with pytest.raises(PainlibError, match=r"no point 'lefteye'; it has nose, left_eye") as error:
        load_pose_network(folder / "project", ("nose", "", "lefteye"))
    assert "Did you mean 'left_eye'" in str(error.value)


def test_a_finished_training_is_reused_and_a_killed_one_gives_the_same(folder, labels, tmp_path):
    weights = folder / "network" / "pose_weights.safetensors"
    before = weights.stat().st_mtime_ns
    first = train_pose(labels, folder, **SETTINGS)
    assert weights.stat().st_mtime_ns == before

    killed = tmp_path / "killed"
    shutil.copytree(folder / "project", killed / "project")
    (killed / "project" / "config.yaml").write_text("half written")
    again = train_pose(labels, killed, **SETTINGS)
    assert again.fingerprint == first.fingerprint


def test_changed_settings_train_again(folder, labels, tmp_path):
    copied = shutil.copytree(folder, tmp_path / "copied")
    other = train_pose(labels, copied, **{**SETTINGS, "epochs": 1})
    assert other.fingerprint != load_pose_network(folder / "network").fingerprint
    assert json.loads((copied / "done.json").read_text())["settings"]["epochs"] == 1


def test_weights_that_cannot_be_had_are_a_fault_and_no_silent_random_start(labels, tmp_path, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "empty"))
    with pytest.raises(PainlibError, match="published weights of 'resnet50_gn' could not be had") as error:
        train_pose(labels, tmp_path / "run", **{**SETTINGS, "backbone": "resnet_50", "pretrained": "require"})
    assert "pose_pretrained: no" in str(error.value)
    assert not (tmp_path / "run" / "network").exists()


@pytest.mark.parametrize(
    ("backbone", "expected"),
    [("resnet_5O", "Did you mean 'resnet_50'"), ("convnext_atto", "cannot build the timm network")],
)
def test_backbones_that_do_not_exist_or_do_not_fit_are_refused(labels, tmp_path, backbone, expected):
    with pytest.raises(PainlibError, match=expected):
        train_pose(labels, tmp_path, **{**SETTINGS, "backbone": backbone})


def test_weights_of_another_network_are_refused(folder, tmp_path):
    from safetensors.torch import load_file, save_file

    copied = shutil.copytree(folder / "network", tmp_path / "pose")
    weights = load_file(copied / "pose_weights.safetensors")
    name = next(name for name in weights if name.endswith("weight"))
    save_file({**weights, name: weights[name] + 1}, copied / "pose_weights.safetensors")
    with pytest.raises(PainlibError, match="do not belong together"):
        load_pose_network(copied)
    save_file({"other": weights[name]}, copied / "pose_weights.safetensors")
    with pytest.raises(PainlibError, match="do not fit the network's configuration"):
        load_pose_network(copied)


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


def test_code_in_a_snapshot_is_not_run(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (snapshot,) = folder.glob("project/dlc-models-pytorch/*/*/train/snapshot-*.pt")
    shutil.copy(snapshot.parent / "pytorch_config.yaml", tmp_path)
    (tmp_path / "snapshot-001.pt").write_bytes(pickle.dumps({"model": Bomb()}))
    with pytest.raises(PainlibError, match=r"snapshot-001\.pt"):
        load_pose_network(tmp_path / "snapshot-001.pt", ("nose", "", ""))
    assert not Path("exploded").exists()


def test_folders_without_a_network_say_what_was_expected(tmp_path):
    with pytest.raises(PainlibError, match="Expected a pose network"):
        load_pose_network(tmp_path)
    (tmp_path / "config.yaml").write_text("Task: x\n")
    with pytest.raises(PainlibError, match="no trained PyTorch network"):
        load_pose_network(tmp_path)


def test_a_network_that_knows_no_size_is_told_it_and_another_size_than_its_own_is_noted(folder):
    trained = load_pose_network(folder / "network")
    own = SimpleNamespace(pose_width=trained.width, pose_height=trained.height)
    assert note_scale(trained, own) == ""
    other = SimpleNamespace(pose_width=2 * trained.width, pose_height=trained.height)
    size = f"{trained.width} x {trained.height}"
    assert f"{2 * trained.width} x {trained.height} px, those of its training {size}" in note_scale(
        trained, other
    )
    before = trained.fingerprint
    trained.set_size(7, 7)  # it knows
    assert (f"{trained.width} x {trained.height}", trained.fingerprint) == (size, before)
    foreign = PoseNetwork(trained.config, trained._weights(), trained.point_names, 0, 0, "cpu")
    assert note_scale(foreign, other) == ""
    foreign.set_size(trained.width, trained.height)
    assert foreign.fingerprint == before


def test_frames_are_shrunk_to_fit_and_never_enlarged():
    assert fit_size(3840, 2160, 1280, 720) == (1280, 720)
    assert fit_size(1000, 1000, 1280, 720) == (720, 720)
    assert fit_size(168, 128, 1280, 720) == (168, 128)


def make_evaluation(rows: list[tuple[str, list[float], list[int]]]) -> pd.DataFrame:
    """One frame a row: set, likelihoods and labels of nose, right eye, left eye."""
    return pd.DataFrame(
        {
            "image": f"{number}.png",
            "video": "",
            "frame": -1,
            "set": name,
            "point": point,
            "likelihood": likelihood[index],
            "labelled": bool(labelled[index]),
        }
        for number, (name, likelihood, labelled) in enumerate(rows)
        for index, point in enumerate(KEYPOINTS)
    )


def test_threshold_lies_between_hidden_and_visible_points_of_held_out_frames():
    evaluation = make_evaluation(
        [
            ("test", [0.7, 0.6, 0.2], [1, 1, 0]),
            ("test", [0.8, 0.1, 0.5], [1, 0, 1]),
            ("train", [0.05, 0.05, 0.05], [1, 1, 1]),  # must not count
        ]
    )
    assert choose_likelihood_threshold(evaluation) == pytest.approx((0.2 + 0.5) / 2, abs=0.05)


def test_the_papers_threshold_stays_where_no_other_does_better():
    evaluation = make_evaluation(
        [("test", [0.99, 0.95, 0.3], [1, 1, 0]), ("test", [0.2, 0.97, 0.1], [0, 1, 0])]
    )
    assert choose_likelihood_threshold(evaluation) == 0.9


def test_threshold_follows_the_rule_and_not_single_points():
    # The nose decides: eyes of a frame without a nose may be wrong at no cost.
    evaluation = make_evaluation(
        [("test", [0.1, 0.95, 0.95], [0, 0, 0])] * 5 + [("test", [0.5, 0.5, 0.5], [1, 1, 1])]
    )
    assert 0.1 < choose_likelihood_threshold(evaluation) <= 0.5


def test_one_lucky_frame_does_not_move_the_threshold():
    # From 0.56 to 0.8 48 of 57 frames agree, between 0.05 and 0.06 alone 49.
    good = [("test", [0.8, 0.8, 0.8], [1, 1, 1]), ("test", [0.05, 0.05, 0.05], [0, 0, 0])]
    torn = [("test", [0.8, 0.8, level], [1, 1, 0]) for level in np.linspace(0.1, 0.55, 8)]
    lucky = [("test", [0.06, 0.06, 0.06], [1, 1, 1])] * 9
    evaluation = make_evaluation(good * 20 + torn + lucky)
    assert 0.55 < choose_likelihood_threshold(evaluation) < 0.8


def test_a_hardly_trained_network_does_not_pass_for_one_that_sees_no_face():
    # Most frames are labelled without a face and likelihoods say nothing: "never a face" would agree best.
    rng = np.random.default_rng(1)
    frames = [("test", rng.uniform(0.2, 0.35, 3).tolist(), [k < 4] * 3) for k in range(20)]
    threshold = choose_likelihood_threshold(make_evaluation(frames))
    found = sum(nose >= threshold and max(eyes) >= threshold for _, (nose, *eyes), _ in frames)
    assert found >= 2
    silent = [("test", [0.001] * 3, [1, 1, 1])] * 5
    with pytest.raises(PainlibError, match=r"reach 0\.001.*raise pose_epochs"):
        choose_likelihood_threshold(make_evaluation(silent))


def test_threshold_needs_held_out_frames():
    with pytest.raises(PainlibError, match="held-out"):
        choose_likelihood_threshold(make_evaluation([("train", [1, 1, 1], [1, 1, 1])]))

"""Labelled frames: what is read, and what is refused, from tables and projects written by hand."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from painlib.faults import PainlibError
from painlib.pose.labels import KEYPOINTS, find_labelled_points, load_labels
from painlib.pose.project import read_labelled_frames, split_labels
from painlib.video import write_video

WIDTH, HEIGHT = 64, 48


def write_images(folder: Path, count: int) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"img{number}.png" for number in range(count)]
    for number, name in enumerate(names):
        cv2.imwrite(str(folder / name), np.full((HEIGHT, WIDTH, 3), 10 * number, np.uint8))
    return names


def write_table(path: Path, **columns: list) -> Path:
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


@pytest.fixture
def images(tmp_path) -> list[str]:
    return write_images(tmp_path / "images", 3)


def test_table_of_images_with_blank_points(tmp_path, images):
    path = write_table(
        tmp_path / "labels.csv",
        image=images,
        subject=["007", "007", "8"],
        nose_x=[1, 2, ""],
        nose_y=[3, 4, ""],
    )
    labels = load_labels(path)
    assert labels["image"].tolist() == [str(tmp_path / "images" / name) for name in images]
    assert labels["subject"].tolist() == ["007", "007", "8"]
    assert labels["nose_x"].tolist()[:2] == [1, 2]
    assert np.isnan(labels["nose_x"][2])
    assert labels["left_eye_x"].isna().all()
    assert labels["width"].tolist() == [WIDTH] * 3
    assert labels["height"].tolist() == [HEIGHT] * 3
    assert find_labelled_points(labels) == ["nose"]


def test_table_of_video_frames(tmp_path):
    write_video(
        tmp_path / "a.mp4", (np.full((HEIGHT, WIDTH, 3), 20 * number, np.uint8) for number in range(6)), 10
    )
    path = write_table(
        tmp_path / "labels.csv", video=["a.mp4"] * 2, frame=[5, 1], nose_x=[1, 2], nose_y=[3, 4]
    )
    labels = load_labels(path)
    assert labels["frame"].tolist() == [5, 1]
    frames = dict(read_labelled_frames(labels, WIDTH, HEIGHT))
    assert frames[0].mean() == pytest.approx(100, abs=3)
    assert frames[1].mean() == pytest.approx(20, abs=3)


def test_every_fault_of_a_table_is_listed_at_once(tmp_path, images):
    write_video(tmp_path / "a.mp4", [np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * 4, 10)
    path = write_table(
        tmp_path / "labels.csv",
        image=[images[0], images[0], "gone.png", "", images[1], images[2]],
        video=["", "", "", "a.mp4", "", ""],
        frame=["", "", "", 4, "", ""],
        nose_x=[1, 1, 1, 1, WIDTH, 5],
        nose_y=[1, 1, 1, 1, 1, ""],
    )
    with pytest.raises(PainlibError) as error:
        load_labels(path)
    text = str(error.value)
    assert str(path) in text
    assert "5 faults" in text
    assert "gone.png" in text
    assert "a.mp4 frame 4 (the video has frames 0 to 3)" in text
    assert "img1.png, nose (64, 1) in 64 x 48 px" in text
    assert "only one coordinate: img2.png, nose" in text
    assert "labelled more than once: img0.png" in text


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (
            {"picture": ["a"], "nose_x": [1], "nose_y": [1]},
            "Expected the column `image`, or `video` and `frame`",
        ),
        ({"image": ["a"], "nose_x": [1]}, "one of the two columns is missing"),
        ({"image": ["a"]}, "coordinates of at least one point"),
        ({"image": [], "nose_x": [], "nose_y": []}, "no rows"),
        ({"image": ["a"], "nose_x": ["left"], "nose_y": [1]}, "expected a number or a blank, got 'left'"),
        ({"video": ["a"], "frame": [-1], "nose_x": [1], "nose_y": [1]}, "zero-based number of a frame"),
    ],
)
def test_tables_that_cannot_be_understood(tmp_path, columns, expected):
    with pytest.raises(PainlibError, match=expected):
        load_labels(write_table(tmp_path / "labels.csv", **columns))


def test_nothing_labelled_and_nothing_there(tmp_path, images):
    path = write_table(tmp_path / "labels.csv", image=images, nose_x=[""] * 3, nose_y=[""] * 3)
    with pytest.raises(PainlibError, match="Nothing is labelled"):
        load_labels(path)
    with pytest.raises(PainlibError, match="found neither"):
        load_labels(tmp_path / "gone.csv")


def write_dlc_labels(project: Path, suffix: str) -> None:
    """Labels as DeepLabCut writes them: another order and other names of points."""
    (project / "config.yaml").write_text("Task: x\n")
    for video, x in (("day1", 10.0), ("day2", 20.0)):
        folder = project / "labeled-data" / video
        names = write_images(folder, 2)
        columns = pd.MultiIndex.from_product(
            [["anna"], ["EyeL", "snout", "EyeR"], ["x", "y"]], names=["scorer", "bodyparts", "coords"]
        )
        index = pd.MultiIndex.from_tuples([("labeled-data", video, name) for name in names])
        table = pd.DataFrame(np.tile(x + np.arange(6), (2, 1)), columns=columns, index=index)
        table.iloc[0, 4:] = np.nan
        if suffix == "h5":
            table.to_hdf(folder / "CollectedData_anna.h5", key="df_with_missing", mode="w")
        else:
            table.to_csv(folder / "CollectedData_anna.csv")


@pytest.mark.parametrize("suffix", ["h5", "csv"])
def test_labels_of_a_deeplabcut_project(tmp_path, suffix):
    write_dlc_labels(tmp_path, suffix)
    labels = load_labels(tmp_path, ("snout", "EyeR", "EyeL"))
    assert labels["source"].tolist() == ["day1", "day1", "day2", "day2"]
    assert Path(labels["image"][2]) == tmp_path / "labeled-data" / "day2" / "img0.png"
    assert labels["nose_x"].tolist() == [12, 12, 22, 22]
    assert labels["nose_y"].tolist() == [13, 13, 23, 23]
    assert labels["left_eye_x"].tolist() == [10, 10, 20, 20]
    assert np.isnan(labels["right_eye_x"]).tolist() == [True, False, True, False]


def test_unknown_points_of_a_project_are_named_with_those_it_has(tmp_path):
    write_dlc_labels(tmp_path, "csv")
    with pytest.raises(PainlibError, match=r"no point 'snoot'.*EyeL, snout, EyeR.*Did you mean 'snout'"):
        load_labels(tmp_path, ("snoot", "EyeR", "EyeL"))


def test_labels_of_several_people_are_not_chosen_between(tmp_path):
    write_dlc_labels(tmp_path, "csv")
    folder = tmp_path / "labeled-data" / "day1"
    (folder / "CollectedData_bob.csv").write_text((folder / "CollectedData_anna.csv").read_text())
    with pytest.raises(PainlibError, match=r"CollectedData_anna\.csv, CollectedData_bob\.csv"):
        load_labels(tmp_path, ("snout", "EyeR", "EyeL"))


def test_pixels_are_read_as_stored_whatever_exif_says(tmp_path):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees to view
    for name in ("a.jpg", "b.jpg"):
        Image.fromarray(np.full((HEIGHT, WIDTH, 3), 90, np.uint8)).save(tmp_path / name, exif=exif)
    path = write_table(tmp_path / "labels.csv", image=["a.jpg", "b.jpg"], nose_x=[60, 60], nose_y=[5, 5])
    frames = dict(read_labelled_frames(load_labels(path), WIDTH, HEIGHT))
    assert frames[0].shape == (HEIGHT, WIDTH, 3)


def make_labels(subjects: list[str], sources: list[str]) -> pd.DataFrame:
    labels = pd.DataFrame({"subject": subjects, "source": sources})
    for point in KEYPOINTS:
        labels[[f"{point}_x", f"{point}_y"]] = 1.0
    return labels


def test_whole_animals_are_held_out_where_there_are_several():
    labels = make_labels(["a", "b", "c", "d"] * 5, ["v", "w"] * 10)
    for seed in range(5):
        held_out = split_labels(labels, 0.2, seed)
        assert set(labels["subject"][held_out]).isdisjoint(labels["subject"][~held_out])
        assert held_out.sum() == 5
    assert len({tuple(split_labels(labels, 0.2, seed)) for seed in range(20)}) > 1
    assert (split_labels(labels, 0.2, 3) == split_labels(labels, 0.2, 3)).all()


def test_whole_videos_are_held_out_without_animals_and_single_frames_without_videos():
    labels = make_labels([""] * 20, ["v", "w"] * 10)
    held_out = split_labels(labels, 0.2, 0)
    assert set(labels["source"][held_out]).isdisjoint(labels["source"][~held_out])
    one_video = make_labels([""] * 20, ["v"] * 20)
    assert split_labels(one_video, 0.2, 0).sum() == 4


def test_something_is_left_to_train_on():
    assert 0 < split_labels(make_labels(["a"] * 9 + ["b"], ["v"] * 10), 0.5, 0).sum() < 10


def test_no_frame_is_held_out_when_none_is_asked_for():
    assert split_labels(make_labels(["a", "b"], ["v", "w"]), 0.0, 0).sum() == 0

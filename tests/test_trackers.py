"""Tracker files: the numbers come from the raw files by h5py, the csv module and tables written by hand
here."""

import csv
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from painlib.faults import PainlibError
from painlib.pose.trackers import read_tracker

HEADER = ["scorer", "bodyparts", "coords"]


def write_dlc_csv(
    path: Path, columns: dict[tuple[str, ...], list], levels: list[str] = HEADER, first_frame: int = 0
):
    """A DeepLabCut csv by hand: column keys are the header's levels without the scorer."""
    rows = len(next(iter(columns.values())))
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["scorer", *["net"] * len(columns)])
        for position, level in enumerate(levels[1:]):
            writer.writerow([level, *[key[position] for key in columns]])
        for row in range(rows):
            writer.writerow([first_frame + row, *[values[row] for values in columns.values()]])
    return path


def point(name: str, x: list, y: list, likelihood: list) -> dict[tuple[str, str], list]:
    return {(name, "x"): x, (name, "y"): y, (name, "likelihood"): likelihood}


def test_deeplabcut_csv_is_read_with_mapped_names_and_an_untracked_point(tmp_path):
    path = write_dlc_csv(
        tmp_path / "a.csv",
        {**point("snout", [1.5, 2.5], [3, 4], [0.9, 0.2]), **point("eyeL", [7, 8], [9, 10], [1, 0])},
    )
    table = read_tracker(path, ("snout", "", "eyeL"))
    assert table["frame"].tolist() == [0, 1]
    assert table["nose_x"].tolist() == [1.5, 2.5]
    assert table["nose_y"].tolist() == [3, 4]
    assert table["nose_likelihood"].tolist() == [0.9, 0.2]
    assert table["left_eye_x"].tolist() == [7, 8]
    assert table["right_eye_x"].isna().all()
    assert table["right_eye_likelihood"].tolist() == [0, 0]


def test_columns_in_another_order_keep_their_meaning(tmp_path):
    columns = {("a", "likelihood"): [0.5], ("b", "x"): [1], ("a", "x"): [2], ("b", "likelihood"): [0.7]}
    columns |= {("b", "y"): [3], ("a", "y"): [4]}
    table = read_tracker(write_dlc_csv(tmp_path / "a.csv", columns), ("a", "b", ""))
    assert table[["nose_x", "nose_y", "nose_likelihood"]].iloc[0].tolist() == [2, 4, 0.5]
    assert table[["right_eye_x", "right_eye_y", "right_eye_likelihood"]].iloc[0].tolist() == [1, 3, 0.7]


def test_frame_numbers_are_the_files_own(tmp_path):
    path = write_dlc_csv(tmp_path / "a.csv", point("n", [1, 2], [1, 2], [1, 1]), first_frame=250)
    assert read_tracker(path, ("n", "", ""))["frame"].tolist() == [250, 251]


def test_extra_columns_of_smoothed_lightning_pose_tables_are_left_out(tmp_path):
    columns = {**point("n", [1], [2], [0.8]), ("n", "x_ens_var"): [99]}
    table = read_tracker(write_dlc_csv(tmp_path / "a.csv", columns), ("n", "", ""))
    assert table[["nose_x", "nose_y", "nose_likelihood"]].iloc[0].tolist() == [1, 2, 0.8]


def test_missing_coordinates_become_absent_whatever_their_likelihood(tmp_path):
    path = write_dlc_csv(tmp_path / "a.csv", point("n", ["", 2, 3], [1, "", 3], [0.9, 0.9, 0.9]))
    table = read_tracker(path, ("n", "", ""))
    assert table["nose_likelihood"].tolist() == [0, 0, 0.9]
    assert np.isnan(table["nose_x"]).tolist() == [True, True, False]
    assert np.isnan(table["nose_y"]).tolist() == [True, True, False]


def test_missing_likelihood_beside_coordinates_is_a_fault(tmp_path):
    path = write_dlc_csv(tmp_path / "a.csv", point("n", [1, 2, 3], [1, 2, 3], [0.9, "", 0.9]))
    with pytest.raises(
        PainlibError, match=r"1 frames have coordinates but no likelihood, the first is frame 1"
    ):
        read_tracker(path, ("n", "", ""))


def test_all_faults_are_listed_at_once(tmp_path):
    columns = {**point("n", [1, 2], [1, 2], [0.9, 1.2]), **point("left_eye", [1, 2], [1, 2], [-0.1, 0.5])}
    path = write_dlc_csv(tmp_path / "a.csv", columns)
    with pytest.raises(PainlibError) as error:
        read_tracker(path, ("n", "right_ey", "left_eye"))
    text = str(error.value)
    assert "3 faults" in text
    assert "got 1.2 in frame 1" in text
    assert "got -0.1 in frame 0" in text
    assert "No point 'right_ey'" in text
    assert "the file has n, left_eye" in text


def test_unknown_point_says_what_was_meant(tmp_path):
    path = write_dlc_csv(tmp_path / "a.csv", point("nose_tip", [1], [1], [1]))
    with pytest.raises(PainlibError, match="Did you mean 'nose_tip'"):
        read_tracker(path, ("nosetip", "", ""))


def test_labels_in_place_of_results_are_recognised(tmp_path):
    path = tmp_path / "CollectedData_x.csv"
    path.write_text("scorer,x,x\nbodyparts,n,n\ncoords,x,y\nlabeled-data/a/img0.png,1,2\n")
    with pytest.raises(PainlibError, match="belong in `labels`"):
        read_tracker(path, ("n", "", ""))


def test_three_dimensional_results_without_likelihood_are_refused(tmp_path):
    path = write_dlc_csv(tmp_path / "a.csv", {("n", "x"): [1], ("n", "y"): [2], ("n", "z"): [3]})
    with pytest.raises(PainlibError, match="no likelihoods"):
        read_tracker(path, ("n", "", ""))


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", "frame,x,y\n0,1,2\n", "rows scorer, bodyparts, coords"),
        ("a.h5", "not HDF5", "cannot be read"),
        ("a.json", "{}", r"got '.json'"),
    ],
)
def test_files_of_another_kind_are_refused_with_their_name(tmp_path, name, content, expected):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(PainlibError, match=expected) as error:
        read_tracker(path, ("n", "", ""))
    assert str(path) in str(error.value)


def test_wrong_path_is_named(tmp_path):
    with pytest.raises(PainlibError, match=r"gone\.csv"):
        read_tracker(tmp_path / "gone.csv", ("n", "", ""))


def test_several_animals_need_a_name(tmp_path):
    levels = ["scorer", "individuals", "bodyparts", "coords"]
    columns = {("tom", *key): value for key, value in point("n", [1], [2], [0.5]).items()}
    columns |= {("jerry", *key): value for key, value in point("n", [5], [6], [0.7]).items()}
    # A point of the cage, which no animal has.
    columns |= {("single", *key): value for key, value in point("corner", [0], [0], [1]).items()}
    path = write_dlc_csv(tmp_path / "a.csv", columns, levels)
    assert read_tracker(path, ("n", "", ""), "jerry")["nose_x"].tolist() == [5]
    with pytest.raises(PainlibError, match=r"several animals.*tom, jerry"):
        read_tracker(path, ("n", "", ""))
    with pytest.raises(PainlibError, match="Did you mean 'jerry'"):
        read_tracker(path, ("n", "", ""), "jery")


def write_sleap(path: Path, scores: np.ndarray | None) -> Path:
    """A SLEAP analysis file by hand: one animal, two points, three frames."""
    with h5py.File(path, "w") as file:
        file["tracks"] = np.arange(12, dtype=float).reshape(1, 2, 2, 3)
        file["node_names"] = np.array([b"snout", b"eye"])
        file["track_names"] = np.array([b"track_0"])
        if scores is not None:
            file["point_scores"] = scores
    return path


def test_sleap_peaks_slightly_above_one_count_as_one(tmp_path):
    scores = np.array([[[0.5, 1.01, 0.9], [1.0, 0.2, 0.3]]])
    table = read_tracker(write_sleap(tmp_path / "a.h5", scores), ("snout", "eye", ""))
    assert table["nose_x"].tolist() == [0, 1, 2]
    assert table["nose_y"].tolist() == [6, 7, 8]
    assert table["nose_likelihood"].tolist() == pytest.approx([0.5, 1.0, 0.9])
    assert table["right_eye_x"].tolist() == [3, 4, 5]


def test_sleap_scores_in_per_cent_are_a_fault(tmp_path):
    scores = np.array([[[50.0, 99.0, 90.0], [1.0, 0.2, 0.3]]])
    with pytest.raises(PainlibError, match="expected likelihoods from 0 to 1, got 50"):
        read_tracker(write_sleap(tmp_path / "a.h5", scores), ("snout", "", ""))


def test_sleap_without_scores_says_what_to_export(tmp_path):
    with pytest.raises(PainlibError, match="Export predictions with their scores"):
        read_tracker(write_sleap(tmp_path / "a.h5", None), ("snout", "", ""))


@pytest.mark.parametrize("name", ["single_animal.csv", "multi_animal.csv"])
def test_real_csv_gives_the_numbers_of_the_file(real, name):
    path = real / "dlc_tables" / name
    rows = list(csv.reader(path.open()))
    multi = rows[1][0] == "individuals"
    animal = "mouse_white_tail" if multi else None
    first = 4 if multi else 3
    parts, coords = rows[first - 2], rows[first - 1]
    owners = rows[1] if multi else [animal] * len(parts)
    wanted = {
        axis: [
            column
            for column in range(1, len(parts))
            if parts[column] == "Left_ear" and coords[column] == axis and owners[column] == animal
        ]
        for axis in ("x", "y", "likelihood")
    }
    table = read_tracker(path, ("Nose", "Right_ear", "Left_ear"), animal)
    assert len(table) == len(rows) - first
    for axis, (column,) in wanted.items():
        expected = [float(row[column]) for row in rows[first:]]
        assert table[f"left_eye_{axis}"].tolist() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "key", "animal", "part"),
    [
        ("single_animal.h5", None, None, "Nose"),
        ("face_closeup.h5", "df_with_missing", None, "nosetip"),
        ("multi_animal.h5", "tracks", "mouse_black_tail", "Nose"),
    ],
)
def test_real_h5_gives_the_numbers_of_the_file(real, name, key, animal, part):
    raw = pd.read_hdf(real / "dlc_tables" / name, key=key)
    raw.columns = raw.columns.droplevel("scorer")
    column = (animal, part) if animal else (part,)
    table = read_tracker(real / "dlc_tables" / name, (part, "", ""), animal)
    for axis in ("x", "y", "likelihood"):
        np.testing.assert_array_equal(table[f"nose_{axis}"], raw[(*column, axis)])
    assert table["frame"].tolist() == raw.index.tolist()


def test_truly_low_likelihoods_stay_low(real):
    table = read_tracker(real / "dlc_tables" / "face_closeup.h5", ("chin", "", "pupil1"))
    assert table["nose_likelihood"].min() < 0.001
    assert table["nose_x"].notna().all()


def test_real_sleap_file_gives_the_numbers_of_the_file(real):
    path = real / "dlc_tables" / "sleap.analysis.h5"
    with h5py.File(path) as file:
        names = [name.decode() for name in file["node_names"]]
        tracks, scores = file["tracks"][0], file["point_scores"][0]
    table = read_tracker(path, ("Nose", "Right_ear", "Left_ear"))
    index = names.index("Left_ear")
    np.testing.assert_allclose(table["left_eye_x"], tracks[0, index], rtol=1e-6)
    np.testing.assert_allclose(table["left_eye_y"], tracks[1, index], rtol=1e-6)
    np.testing.assert_allclose(table["left_eye_likelihood"], np.minimum(scores[index], 1), rtol=1e-6)

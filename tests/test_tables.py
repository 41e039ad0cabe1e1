"""Tables and files: schemas are held, files appear whole or not at all, a full disk is said plainly."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pyarrow.parquet as pq
import pytest

from painlib.faults import PainlibError
from painlib.tables import SCHEMAS, read_fingerprint, read_table, write_csv, write_table, write_whole


@pytest.fixture
def pose() -> pd.DataFrame:
    frame = pd.DataFrame({"frame": [0, 1], "time_s": [0.0, 1 / 3]})
    for point in ("nose", "right_eye", "left_eye"):
        frame[f"{point}_x"] = [10.5, np.nan]
        frame[f"{point}_y"] = [20.5, np.nan]
        frame[f"{point}_likelihood"] = [0.99, 0.0]
    return frame


@pytest.fixture
def frames() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "recording": ["m1_pre", "m1_pre"],
            "subject": ["m1", "m1"],
            "camera": ["left", "left"],
            "frame": [0, 7],
            "time_s": [0.0, 0.25],
            "rule": [1, 3],
            "p_no_pain": [0.25, 1.0],
            "p_pain": [0.75, 0.0],
            "p_pain_calibrated": [0.6, 0.1],
            "sharpness": [0.2, 0.3],
            "size": [1.0, 1.1],
            "turn": [0.0, 1.0],
            "left_out": ["", "turned"],
            "trained_on": [False, True],
            "inside": ["inside", ""],
        }
    )


@pytest.fixture
def minutes() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "recording": ["r1", "r1"],
            "subject": ["1", "1"],
            "phase": ["post", "post"],
            "period": ["", ""],
            "treatment": ["AC 1 %", "AC 1 %"],
            "minute": [-1, 0],
            "n_timepoints": [1800, 1800],
            "n_evaluated": [900, 0],
            "n_pain": [450, 0],
            "n_not_judged": [0, 3],
            "coverage": [0.5, 0.0],
            "pain_probability": [0.5, np.nan],
            "trained_on": [False, False],
            "inside": ["", ""],
        }
    )


def test_a_table_comes_back_as_it_was_written(pose: pd.DataFrame, tmp_path: Path) -> None:
    path = write_table(pose, tmp_path / "new" / "pose" / "m1_left.parquet", "pose", "abc")
    pd.testing.assert_frame_equal(read_table(path, "pose"), pose)
    assert read_fingerprint(path) == "abc"
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).compression == "ZSTD"


def test_equal_tables_have_equal_bytes_whatever_order_and_width_they_came_in(
    frames: pd.DataFrame, tmp_path: Path
) -> None:
    first = write_table(frames, tmp_path / "a.parquet", "frames").read_bytes()
    shuffled = frames[frames.columns[::-1]].astype({"rule": "int32", "recording": "category"})
    shuffled.index = [5, 9]
    assert write_table(shuffled, tmp_path / "b.parquet", "frames").read_bytes() == first


def test_all_faults_of_a_table_are_named_at_once_and_nothing_is_written(
    frames: pd.DataFrame, tmp_path: Path
) -> None:
    wrong = frames.drop(columns="camera").assign(
        rule=[0, 1], p_pain=[1.5, np.nan], frame=[1.5, 2.0], subject=["m1", None], mood="sad"
    )
    with pytest.raises(PainlibError) as caught:
        write_table(wrong, tmp_path / "frames.parquet", "frames")
    text = str(caught.value)
    assert "frames.parquet" in text
    assert "Column 'camera' is missing" in text
    assert "Column 'mood' is not in the schema" in text
    assert "Column 'rule': expected one of 1, 2, 3, got 0; row 0" in text
    assert "Column 'p_pain': expected at most 1, got 1.5; row 0" in text
    assert "Column 'p_pain': expected a value in every row, got nan; row 1" in text
    assert "Column 'frame': expected int64, got" in text
    assert "Column 'subject': expected a value in every row, got None; row 1" in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("nose_likelihood", np.nan, "expected a value in every row"),
        ("nose_likelihood", 1.01, "expected at most 1"),
        ("nose_likelihood", -0.1, "expected at least 0"),
        ("nose_x", np.inf, "expected finite"),
        ("frame", -1, "expected at least 0"),
    ],
)
def test_a_likelihood_or_position_that_cannot_be_is_refused(
    pose: pd.DataFrame, tmp_path: Path, column: str, value: float, expected: str
) -> None:
    pose.loc[1, column] = value
    with pytest.raises(PainlibError, match=f"'{column}': {expected}"):
        write_table(pose, tmp_path / "pose.parquet", "pose")


def test_probabilities_that_do_not_sum_to_one_are_refused(frames: pd.DataFrame, tmp_path: Path) -> None:
    frames.loc[1, "p_no_pain"] = 0.9
    with pytest.raises(PainlibError, match=r"p_no_pain \+ p_pain must sum to 1; row 1"):
        write_table(frames, tmp_path / "frames.parquet", "frames")


def test_a_number_too_large_for_its_column_is_refused_and_not_wrapped(
    frames: pd.DataFrame, tmp_path: Path
) -> None:
    with pytest.raises(PainlibError, match="'rule': expected int8"):
        write_table(frames.assign(rule=[257, 1]), tmp_path / "frames.parquet", "frames")


@pytest.mark.parametrize("schema", sorted(SCHEMAS))
def test_a_table_without_rows_keeps_its_columns(schema: str, tmp_path: Path) -> None:
    path = write_table(pd.DataFrame(columns=list(SCHEMAS[schema].columns)), tmp_path / "t.parquet", schema)
    found = read_table(path, schema)
    assert list(found.columns) == list(SCHEMAS[schema].columns)
    assert len(found) == 0


def test_minute_curves_are_read_from_csv_with_names_as_text(minutes: pd.DataFrame, tmp_path: Path) -> None:
    path = write_csv(minutes, tmp_path / "curves.csv")
    pd.testing.assert_frame_equal(read_table(path, "minutes"), minutes)
    assert path.read_bytes().count(b"\r") == 0


@pytest.mark.parametrize("content", [None, b"", b"PAR1 no table at all PAR1"])
def test_a_missing_or_broken_table_names_the_stage_to_run(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "minutes.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PainlibError, match=r"minutes\.parquet.*Run stage 03_predict again"):
        read_table(path, "minutes")
    assert read_fingerprint(path) is None


def test_a_table_of_another_kind_names_file_and_stage(pose: pd.DataFrame, tmp_path: Path) -> None:
    path = write_table(pose, tmp_path / "x.parquet", "pose")
    with pytest.raises(PainlibError, match=r"x\.parquet. Run stage 01_crop again") as caught:
        read_table(path, "faces")
    assert "Column 'centre_x' is missing" in str(caught.value)


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "model.json"
    with write_whole(target) as temporary:
        temporary.write_text("new")
        assert temporary.parent == target.parent
        assert temporary.name.startswith(".model.json.part-")
        assert temporary.suffix == ".json"
        assert not target.exists()
    assert target.read_text() == "new"
    assert os.listdir(target.parent) == ["model.json"]


def _write_half(target: Path) -> None:
    with write_whole(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("stopped")


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError, match="stopped"):
        _write_half(target)
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "model"
    for name in ("old.bin", "new.bin"):
        with write_whole(target) as temporary:
            temporary.mkdir()
            (temporary / name).write_text(name)
    assert os.listdir(target) == ["new.bin"]
    assert os.listdir(tmp_path) == ["model"]


@pytest.mark.skipif(sys.platform == "win32", reason="no zombies there")
def test_what_a_killed_process_left_half_written_is_cleared_away(tmp_path: Path) -> None:
    target = tmp_path / "faces.jpgs"
    code = (
        "import os, sys\nfrom painlib.tables import write_whole\n"
        "with write_whole(sys.argv[1]) as part:\n    part.write_text('half')\n    os._exit(9)\n"
    )
    killed = subprocess.Popen([sys.executable, "-c", code, str(target)])
    deadline = time.monotonic() + 60
    while psutil.Process(killed.pid).status() != psutil.STATUS_ZOMBIE:  # its number stays taken until wait()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    left = os.listdir(tmp_path)
    assert len(left) == 1
    assert left[0].startswith(".faces.jpgs.part-")
    with write_whole(target) as temporary:
        temporary.write_text("whole")
    assert os.listdir(tmp_path) == ["faces.jpgs"]
    assert killed.wait() == 9


def test_a_full_disk_is_said_with_folder_and_remedy(
    pose: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("painlib.tables.files.os.fsync", refuse)
    with pytest.raises(PainlibError, match=r"disk is full.*Free some space") as caught:
        write_table(pose, tmp_path / "pose" / "m1.parquet", "pose")
    assert str(tmp_path / "pose") in str(caught.value)
    assert os.listdir(tmp_path / "pose") == []


def _wrapped() -> RuntimeError:
    error = RuntimeError("the library could not save")
    error.__cause__ = OSError(errno.ENOSPC, "full")
    return error


@pytest.mark.parametrize(
    "error", [_wrapped(), RuntimeError("I/O error: No space left on device (os error 28)")]
)
def test_a_full_disk_is_recognised_inside_a_librarys_own_error(error: RuntimeError, tmp_path: Path) -> None:
    with pytest.raises(PainlibError, match="disk is full"), write_whole(tmp_path / "weights.safetensors"):
        raise error


def test_another_error_of_the_system_stays_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError), write_whole(tmp_path / "file" / "below.txt") as temporary:  # noqa: PT011
        temporary.write_text("")

"""One pass from video to faces, the store, and a cohort in which things go wrong."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import clips
import cv2
import numpy as np
import pandas as pd
import psutil
import pytest
from PIL import Image
from pretend_pose import SpotNetwork, draw_head, load_blind, load_spots, read_number

from painlib.cohort import CameraVideo, Recording, VideoPart
from painlib.faces import (
    FaceStore,
    extract_camera,
    extract_cohort,
    load_network_inputs,
    sample_frames,
    suggest_from_videos,
)
from painlib.faces.crop import cut_face
from painlib.faces.store import decode_face
from painlib.faults import PainlibError
from painlib.tables import read_table
from painlib.video import read_frames

CROP_PX = 48
ALL_SEEN = [(n, r, e) for n in (True, False) for r in (True, False) for e in (True, False)]
RULE_OF = {(True, True, True): 1, (True, True, False): 2, (True, False, True): 3}  # all others: 0
PATTERN = [RULE_OF.get(seen, 0) for seen in ALL_SEEN]  # of eight frames


def settings(**changes) -> SimpleNamespace:
    """Parameters of 01_crop: frames of 160 x 120 shrunk to 80 x 60 for pose."""
    values = {
        "pose_source": "network",
        "point_names": ["nose", "right_eye", "left_eye"],
        "individual": None,
        "pose_width": 80,
        "pose_height": 60,
        "pose_batch": 5,
        "pose_precision": "float32",
        "pose_follow": False,
        "decoder": "software",
        "border": "shift",
        "jpeg_quality": 95,
        "workers": 2,
    }
    return SimpleNamespace(**{**values, **changes})


def head_at(number: int) -> np.ndarray:
    """Nose, right eye, left eye of a head that moves, px: whole numbers."""
    middle = np.array([60 + 5 * (number % 8), 50 + 3 * (number % 5)])
    return middle + np.array([[0, 20], [-12, 0], [12, 0]])


def write_heads(path: Path, n_frames: int, *, first: int = 0, seen=None, **how) -> CameraVideo:
    """A clip in which all eight combinations of seen points take turns."""
    images = [
        draw_head((first + i) % 256, head_at(first + i), ALL_SEEN[i % 8] if seen is None else seen)
        for i in range(n_frames)
    ]
    # Colour at full resolution: at half, its place depends on the encoder by half a pixel.
    clips.write_clip(path, images, options={"qp": "6", "g": "12"}, pix_fmt="yuv444p", **how)
    return CameraVideo(path.stem, f"mouse {path.stem}", "front", (VideoPart(str(path)),))


def extract(video: CameraVideo, workdir: Path, network=None, **changes):
    """`extract_camera` with settings of these tests."""
    threshold, crop_px = changes.pop("threshold", 0.9), changes.pop("crop_px", CROP_PX)
    network = SpotNetwork() if network is None else network
    return extract_camera(
        video, workdir, params=settings(**changes), network=network, threshold=threshold, crop_px=crop_px
    )


def recording_of(*videos: CameraVideo) -> Recording:
    first = videos[0]
    return Recording(first.recording, first.subject, videos, "pre", "no pain", "", "", "", 0.0)


def all_bytes(workdir: Path) -> dict[str, bytes]:
    """Every file under pose/ and faces/, hidden ones too."""
    files = [file for folder in ("pose", "faces") for file in sorted((workdir / folder).glob("*"))]
    return {file.name: file.read_bytes() for file in files}


@pytest.fixture(scope="module")
def heads(tmp_path_factory) -> CameraVideo:
    """40 frames, 30 Hz."""
    return write_heads(tmp_path_factory.mktemp("heads") / "m1.mp4", 40)


@pytest.fixture(scope="module")
def done(heads, tmp_path_factory):
    """(workdir, summary) of `heads`."""
    workdir = tmp_path_factory.mktemp("done")
    return workdir, extract(heads, workdir)


def test_pose_table_has_every_frame_in_px_of_the_original(done):
    pose = read_table(done[0] / "pose" / "m1_front.parquet", "pose")
    assert pose["frame"].tolist() == list(range(40))
    np.testing.assert_allclose(pose["time_s"], np.arange(40) / 30)
    errors = []
    for point, name in enumerate(("nose", "right_eye", "left_eye")):
        seen = np.array([ALL_SEEN[i % 8][point] for i in range(40)])
        np.testing.assert_array_equal(pose[f"{name}_likelihood"], np.where(seen, 0.95, 0.05))
        truth = np.array([head_at(i)[point] for i in range(40)])[seen]
        errors.append(pose.loc[seen, [f"{name}_x", f"{name}_y"]].to_numpy() - truth)
    errors = np.concatenate(errors)
    assert np.abs(errors).max() < 0.6
    # Half a pixel of the shrunk image would show as a shift of all points.
    assert np.abs(errors.mean(axis=0)).max() < 0.1


def test_faces_are_those_of_the_rules_cut_from_the_full_frame(heads, done):
    workdir, summary = done
    store = FaceStore(workdir)
    expected = [(i, PATTERN[i % 8]) for i in range(40) if PATTERN[i % 8]]
    assert list(zip(store.index["frame"], store.index["rule"], strict=True)) == expected
    assert set(store.index["recording"]) == {"m1"}
    assert set(store.index["subject"]) == {"mouse m1"}
    assert set(store.index["size_px"]) == {CROP_PX}
    np.testing.assert_allclose(store.index["time_s"], store.index["frame"] / 30)
    frames = {frame.number: frame.image for frame in read_frames(heads.parts)}
    for row, face in zip(store.index.itertuples(), store.read(range(len(store))), strict=True):
        _, right, left = head_at(row.frame)
        centre = {1: (right + left) // 2, 2: right, 3: left}[row.rule]
        assert np.abs(np.array([row.centre_x, row.centre_y]) - centre).max() <= 1
        own = cut_face(frames[row.frame], (row.centre_x, row.centre_y), CROP_PX, "shift")
        assert face.shape == (CROP_PX, CROP_PX, 3)
        assert np.abs(face.astype(int) - own).mean() < 2.5
    assert summary["n_frames"] == 40
    assert [summary[f"rule_{rule}"] for rule in (1, 2, 3)] == [5, 5, 5]
    assert (summary["n_faces"], summary["n_dropped"], summary["resumed"]) == (15, 0, False)


@pytest.mark.parametrize(("border", "n_faces"), [("shift", 12), ("pad", 12), ("drop", 0)])
def test_border_rule_reaches_the_faces_and_what_it_drops_is_counted(tmp_path, border, n_faces):
    images = [draw_head(i, np.array([[60, 22], [48, 12], [72, 12]]), (True, True, True)) for i in range(12)]
    clips.write_clip(tmp_path / "edge.mp4", images, options={"qp": "6"})
    video = CameraVideo("edge", "m", "front", (VideoPart(str(tmp_path / "edge.mp4")),))
    summary = extract(video, tmp_path, border=border)
    assert (summary["rule_1"], summary["n_faces"], summary["n_dropped"]) == (12, n_faces, 12 - n_faces)
    store = FaceStore(tmp_path)
    if border == "shift":
        assert set(store.index["centre_y"]) == {CROP_PX // 2}  # of the square where it was cut
    if border == "pad":
        top = CROP_PX // 2 - 12
        assert set(store.index["centre_y"]) == {12}
        assert store.read([0])[0][: top - 2].max() < 30
        assert store.read([0])[0][top + 1 :].min(axis=(1, 2)).max() > 60


def test_square_larger_than_the_image_is_a_fault_and_nothing_is_left(heads, tmp_path):
    with pytest.raises(PainlibError, match="crop_px = 121 for 160 x 120"):
        extract(heads, tmp_path, crop_px=121)
    assert all_bytes(tmp_path) == {}


def test_finished_camera_is_not_done_again(heads, tmp_path, monkeypatch):
    first = extract(heads, tmp_path)
    before = all_bytes(tmp_path)

    def forbidden(*args, **how):
        raise AssertionError("the video was read again")

    monkeypatch.setattr("painlib.faces.extraction.read_frames", forbidden)
    monkeypatch.setattr("painlib.faces.extraction.load_timelines", forbidden)
    again = extract(heads, tmp_path)
    assert again.pop("resumed")
    assert not first.pop("resumed")
    first.pop("seconds"), again.pop("seconds")
    assert again == first
    assert all_bytes(tmp_path) == before


@pytest.mark.parametrize("change", ["crop_px", "border", "jpeg_quality", "threshold"])
def test_changed_crop_cuts_again_without_the_network(heads, tmp_path, change):
    extract(heads, tmp_path)
    network = SpotNetwork()
    value = {"crop_px": 40, "border": "pad", "jpeg_quality": 60, "threshold": 0.97}[change]
    summary = extract(heads, tmp_path, network, **{change: value})
    assert network.n_images == 0
    assert not summary["resumed"]
    assert summary["n_faces"] == (0 if change == "threshold" else 15)
    afresh = tmp_path / "afresh"
    extract(heads, afresh, **{change: value})
    assert all_bytes(tmp_path) == all_bytes(afresh)


@pytest.mark.parametrize("change", ["network", "pose_width", "offset", "stretch", "subject"])
def test_changed_pose_source_or_video_runs_everything_again(heads, tmp_path, change):
    extract(heads, tmp_path)
    network, how, video = SpotNetwork(), {}, heads
    if change == "network":
        network.fingerprint = "spots 2"
    if change == "pose_width":
        how = {"pose_width": 160, "pose_height": 120}
        network._find = lambda image: SpotNetwork()._find(image[::2, ::2])
    if change in ("offset", "stretch", "subject"):
        parts = (VideoPart(heads.parts[0].path, 0.2, 1.0),) if change == "stretch" else heads.parts
        subject = "other" if change == "subject" else heads.subject
        video = CameraVideo("m1", subject, "front", parts, 5.0 if change == "offset" else 0.0)
    summary = extract(video, tmp_path, network, **how)
    assert not summary["resumed"]
    assert network.n_images == (24 if change == "stretch" else 40)
    pose = read_table(tmp_path / "pose" / "m1_front.parquet", "pose")
    assert pose["time_s"].iloc[0] == pytest.approx({"offset": 5.0, "stretch": 0.2}.get(change, 0.0))


def test_lost_end_of_the_blob_is_a_fault_of_the_store_and_mended_by_running_again(heads, tmp_path):
    extract(heads, tmp_path)
    whole = all_bytes(tmp_path)
    blob = tmp_path / "faces" / "m1_front.jpgs"
    blob.write_bytes(blob.read_bytes()[:-1])
    size = len(whole["m1_front.jpgs"])
    with pytest.raises(
        PainlibError, match=rf"Expected {size} bytes of faces, got {size - 1}: .*m1_front\.jpgs"
    ):
        FaceStore(tmp_path)
    assert not extract(heads, tmp_path)["resumed"]
    assert all_bytes(tmp_path) == whole


def test_video_without_any_face_is_fine(tmp_path):
    video = write_heads(tmp_path / "empty.mp4", 10, seen=(False, True, True))
    summary = extract(video, tmp_path)
    assert [summary[f"rule_{rule}"] for rule in (1, 2, 3)] == [0, 0, 0]
    assert (summary["n_frames"], summary["n_faces"]) == (10, 0)
    index = read_table(tmp_path / "faces" / "empty_front.parquet", "faces")
    assert (len(index), index["frame"].dtype, index["rule"].dtype) == (0, np.int64, np.int8)
    store = FaceStore(tmp_path)
    assert (len(store), store.read([])) == (0, [])
    assert load_network_inputs(store, [], 16, tmp_path / "inputs.npy").shape == (0, 16, 16, 3)
    assert extract(video, tmp_path)["resumed"]


def test_nan_likelihood_names_recording_and_frames_and_leaves_nothing(heads, tmp_path):
    class Broken(SpotNetwork):
        def _find(self, image):
            found = super()._find(image)
            if read_number(image) == 11:
                found[0, 2] = np.nan
            return found

    with pytest.raises(
        PainlibError, match=r"recording 'm1', camera 'front', frames 10 to 14: .*NaN in 1 of 5"
    ):
        extract(heads, tmp_path, Broken())
    assert all_bytes(tmp_path) == {}


def test_failing_video_leaves_no_stale_faces_behind(tmp_path):
    video = write_heads(tmp_path / "m1.mp4", 10)
    extract(video, tmp_path)
    Path(video.parts[0].path).write_bytes(b"no video any more")
    with pytest.raises(PainlibError, match=r"m1\.mp4 cannot be opened"):
        extract(video, tmp_path)
    assert len(FaceStore(tmp_path)) == 0


def test_missing_network_and_missing_video_are_faults(heads, tmp_path):
    with pytest.raises(PainlibError, match="Expected a pose network"):
        extract_camera(heads, tmp_path, params=settings(), network=None, threshold=0.9, crop_px=48)
    nowhere = CameraVideo("m1", "m", "front", (VideoPart(str(tmp_path / "nowhere.mp4")),))
    with pytest.raises(PainlibError, match=r"no file: .*nowhere\.mp4.*column `video`"):
        extract(nowhere, tmp_path)


def test_parts_of_a_recording_become_one_table(tmp_path):
    write_heads(tmp_path / "a.mp4", 16)
    write_heads(tmp_path / "b.mp4", 8, first=16)
    parts = (VideoPart(str(tmp_path / "a.mp4"), 0.4), VideoPart(str(tmp_path / "b.mp4")))
    summary = extract(CameraVideo("m1", "m", "front", parts, 1.0), tmp_path)
    pose = read_table(tmp_path / "pose" / "m1_front.parquet", "pose")
    assert pose["frame"].tolist() == list(range(12, 24))
    np.testing.assert_allclose(pose["time_s"], 1.0 + np.arange(12, 24) / 30)
    assert summary["n_faces"] == sum(PATTERN[i % 8] > 0 for i in range(12, 24))


def test_network_gets_small_batches_of_shrunk_frames(heads, tmp_path, monkeypatch):
    network = SpotNetwork()
    extract(heads, tmp_path, network)
    assert (network.n_images, network.largest_batch) == (40, 5)
    # Frames that wait are limited by their bytes too: 160 x 120 as yuv444p, and 80 x 60 RGB.
    monkeypatch.setattr("painlib.faces.points.HELD_BYTES", 160 * 120 * 3 + 80 * 60 * 3)
    network = SpotNetwork()
    extract(heads, tmp_path / "again", network)
    assert network.n_images == 40
    assert network.largest_batch <= 2
    assert all_bytes(tmp_path / "again") == all_bytes(tmp_path)


def test_full_disk_names_folder_and_need_and_leaves_nothing(heads, tmp_path, monkeypatch):
    class Full:
        """A file on a disk with room for 20 kB."""

        def __init__(self, path, mode):
            self.file = Path(path).open(mode)  # noqa: SIM115
            self.left = 20_000

        def write(self, content):
            self.left -= len(content)
            if self.left < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return self.file.write(content)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

    monkeypatch.setattr("painlib.faces.extraction.open", Full, raising=False)
    with pytest.raises(
        PainlibError, match=r"disk is full: the faces of recording 'm1'.* MB in .*faces, .*MB fitted"
    ):
        extract(heads, tmp_path)
    assert all_bytes(tmp_path) == {}
    monkeypatch.undo()

    def flush(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("painlib.tables.files._flush", flush)
    with pytest.raises(PainlibError, match="disk is full"):
        extract(heads, tmp_path)
    assert all_bytes(tmp_path) == {}


# ---------------------------------------------------------------- tracker files


def write_tracker(path: Path, n_rows: int, first: int = 0) -> str:
    """A DeepLabCut csv of one animal, with the true points of `head_at`."""
    points = ["snout", "eyeR", "eyeL"]
    header = [
        ["scorer", *["net"] * 9],
        ["bodyparts", *np.repeat(points, 3)],
        ["coords", *["x", "y", "likelihood"] * 3],
    ]
    rows = []
    for i in range(n_rows):
        values = []
        for (x, y), seen in zip(head_at(first + i), ALL_SEEN[i % 8], strict=True):
            values += [x, y, 0.99 if seen else 0.2]
        rows.append([i, *values])
    path.write_text("\n".join(",".join(map(str, row)) for row in [*header, *rows]) + "\n")
    return str(path)


TRACKED = {"pose_source": "tracker", "point_names": ["snout", "eyeR", "eyeL"]}


def test_tracker_file_takes_the_place_of_the_network(heads, tmp_path):
    tracker = write_tracker(tmp_path / "m1.csv", 40)
    network = SpotNetwork()
    tracked = CameraVideo("m1", "m", "front", (VideoPart(heads.parts[0].path, 0.5, 1.1),), 0.0, (tracker,))
    summary = extract(tracked, tmp_path, network, **TRACKED)
    assert network.n_images == 0
    pose = read_table(tmp_path / "pose" / "m1_front.parquet", "pose")
    assert pose["frame"].tolist() == list(range(15, 33))
    np.testing.assert_allclose(pose[["nose_x", "nose_y"]], [head_at(i)[0] for i in range(15, 33)])
    assert summary["n_faces"] == sum(PATTERN[i % 8] > 0 for i in range(15, 33))
    write_tracker(tmp_path / "m1.csv", 40, first=1)
    assert not extract(tracked, tmp_path, **TRACKED)["resumed"]


@pytest.mark.parametrize("n_rows", [39, 41])
def test_tracker_file_of_another_length_names_both_counts(heads, tmp_path, n_rows):
    tracker = write_tracker(tmp_path / "m1.csv", n_rows)
    tracked = CameraVideo("m1", "m", "front", heads.parts, 0.0, (tracker,))
    with pytest.raises(PainlibError, match=rf"got {n_rows} rows in .*m1\.csv for 40 frames in .*m1\.mp4"):
        extract(tracked, tmp_path, **TRACKED)


def test_every_part_has_its_tracker_file(tmp_path):
    write_heads(tmp_path / "a.mp4", 16)
    write_heads(tmp_path / "b.mp4", 8, first=16)
    parts = tuple(VideoPart(str(tmp_path / name)) for name in ("a.mp4", "b.mp4"))
    trackers = (write_tracker(tmp_path / "a.csv", 16), write_tracker(tmp_path / "b.csv", 8, first=16))
    extract(CameraVideo("m1", "m", "front", parts, 0.0, trackers), tmp_path, **TRACKED)
    pose = read_table(tmp_path / "pose" / "m1_front.parquet", "pose")
    np.testing.assert_allclose(pose[["nose_x", "nose_y"]], [head_at(i)[0] for i in range(24)])
    with pytest.raises(PainlibError, match=r"tracker file for each of the 2 video files .* got 1"):
        extract(CameraVideo("m1", "m", "front", parts, 0.0, trackers[:1]), tmp_path, **TRACKED)


def test_two_stretches_of_one_file_share_its_tracker_file(heads, tmp_path):
    tracker = write_tracker(tmp_path / "m1.csv", 40)
    parts = (VideoPart(heads.parts[0].path, 0.0, 0.1), VideoPart(heads.parts[0].path, 1.0, 1.1))
    extract(CameraVideo("m1", "m", "front", parts, 0.0, (tracker, tracker)), tmp_path, **TRACKED)
    pose = read_table(tmp_path / "pose" / "m1_front.parquet", "pose")
    assert pose["frame"].tolist() == [0, 1, 2, 30, 31, 32]
    np.testing.assert_allclose(pose[["nose_x", "nose_y"]], [head_at(i)[0] for i in pose["frame"]])


# ---------------------------------------------------------------- store and network inputs


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> FaceStore:
    """Faces of two recordings, one with two cameras; written in another order than they are sorted."""
    folder = tmp_path_factory.mktemp("store")
    for recording, camera, first in (("m2", "front", 64), ("m1", "side", 32), ("m1", "front", 0)):
        video = write_heads(folder / f"{recording}_{camera}.mp4", 16, first=first)
        extract(CameraVideo(recording, recording, camera, video.parts), folder)
    return FaceStore(folder)


def test_rows_are_sorted_by_recording_camera_and_frame(store):
    order = list(zip(store.index["recording"], store.index["camera"], store.index["frame"], strict=True))
    frames = [i for i in range(16) if PATTERN[i % 8]]
    expected = [(r, c, f) for r, c in (("m1", "front"), ("m1", "side"), ("m2", "front")) for f in frames]
    assert order == expected
    assert list(FaceStore(store.folder.parent, ["m2"]).index["recording"]) == ["m2"] * 6
    assert len(FaceStore(store.folder.parent, ["m"])) == 0


def test_a_camera_that_left_the_cohort_brings_no_faces_though_they_are_still_there(store):
    front = CameraVideo("m1", "m1", "front", ())
    left = Recording("m1", "m1", (front,), "post", "", "", "", "", 0.0)
    assert set(FaceStore(store.folder.parent, [left]).index["camera"]) == {"front"}


def test_faces_are_read_by_row_in_any_order(store):
    rows = [17, 0, 5, 17, 11]
    for row, face in zip(rows, store.read(rows), strict=True):
        entry = store.index.iloc[row]
        blob = store.folder / f"{entry['recording']}_{entry['camera']}.jpgs"
        jpeg = blob.read_bytes()[entry["offset"] : entry["offset"] + entry["length"]]
        by_hand = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        np.testing.assert_array_equal(face, by_hand)


@pytest.mark.parametrize(("input_px", "reduced"), [(48, 1), (40, 1), (64, 1), (24, 2), (20, 2), (12, 4)])
def test_network_inputs_are_the_faces_at_input_size(store, tmp_path, input_px, reduced):
    """`reduced`: as a JPEG of 48 px is decoded that is wanted so small."""
    rows = np.array([3, 17, 0, 9])
    inputs = load_network_inputs(store, rows, input_px, tmp_path / "inputs.npy")
    assert inputs.shape == (4, input_px, input_px, 3)
    assert inputs.dtype == np.uint8
    assert isinstance(inputs, np.memmap)
    for image, face in zip(inputs, store.read(rows), strict=True):
        small = Image.fromarray(face).reduce(reduced)
        by_hand = np.asarray(small.resize((input_px, input_px), Image.Resampling.BILINEAR))
        difference = np.abs(image.astype(int) - by_hand)
        assert difference.max() <= 1 if reduced == 1 else difference.mean() < 2


def test_network_inputs_are_kept_and_made_again_when_stale(store, tmp_path, monkeypatch):
    cache = tmp_path / "inputs.npy"
    calls = []
    monkeypatch.setattr(
        "painlib.faces.store.decode_face", lambda *a, **k: (calls.append(1), decode_face(*a, **k))[1]
    )

    def n_decoded(rows, input_px=16):
        calls.clear()
        result = np.array(load_network_inputs(store, rows, input_px, cache))
        return len(calls), result

    assert n_decoded([1, 2, 3])[0] == 3
    n, kept = n_decoded([1, 2, 3])
    assert n == 0
    assert n_decoded([1, 2, 4])[0] == 3
    assert n_decoded([1, 2, 4], 20)[0] == 3
    cache.with_suffix(".json").write_text("{broken")
    assert n_decoded([1, 2, 3])[0] == 3
    np.testing.assert_array_equal(n_decoded([1, 2, 3])[1], kept)
    monkeypatch.setattr(store, "_marks", ["other faces"])
    assert n_decoded([1, 2, 3])[0] == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inputs.json", "inputs.npy"]


def test_bytes_that_are_no_jpeg_name_the_file(store, tmp_path):
    folder = tmp_path / "faces"
    folder.mkdir()
    for file in store.folder.glob("m2_front.*"):
        (folder / file.name).write_bytes(
            bytes(file.stat().st_size) if file.suffix == ".jpgs" else file.read_bytes()
        )
    with pytest.raises(PainlibError, match=r"Expected a JPEG, got \d+ bytes that are none: .*m2_front\.jpgs"):
        FaceStore(tmp_path).read([0])


# ---------------------------------------------------------------- whole cohorts


def run_cohort(workdir: Path, videos, network: dict | None = None, load_network=load_spots, **changes):
    path = workdir / "network.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(network or {}))
    return extract_cohort(
        [recording_of(video) for video in videos],
        workdir,
        params=settings(**changes),
        network_path=path,
        threshold=0.9,
        crop_px=CROP_PX,
        load_network=load_network,
    )


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Three recordings; frames numbered from 0, 50, 100."""
    folder = tmp_path_factory.mktemp("cohort")
    return [write_heads(folder / f"r{k}.mp4", 16, first=50 * k) for k in range(3)]


@pytest.fixture(scope="module")
def undisturbed(cohort, tmp_path_factory):
    """(workdir, summaries, faults) of the cohort when nothing goes wrong."""
    workdir = tmp_path_factory.mktemp("undisturbed")
    return workdir, *run_cohort(workdir, cohort)


def test_cohort_is_done_in_single_threaded_processes_that_load_the_network_once(
    undisturbed, cohort, tmp_path
):
    workdir, summaries, faults = undisturbed
    assert summaries["recording"].tolist() == ["r0", "r1", "r2"]
    assert summaries["n_faces"].tolist() == [6] * 3
    assert len(faults) == 0
    assert list(faults.columns) == ["recording", "camera", "message"]
    loaded = [json.loads(line) for line in (workdir / "loaded.txt").read_text().splitlines()]
    pids = [line["pid"] for line in loaded]
    assert len(pids) == len(set(pids)) <= 2
    assert os.getpid() not in pids
    assert all(line["threads"] == ["1", "1"] and line["cv2"] == 1 for line in loaded)
    # The same as one by one in this process.
    for video in cohort:
        extract(video, tmp_path)
    assert all_bytes(workdir) == all_bytes(tmp_path)


def test_a_network_loaded_another_way_is_another_network_to_workers_that_live_on(cohort, tmp_path):
    seen, _ = run_cohort(tmp_path / "out", cohort[:1], workers=1)
    # The same file, not written again: only the way of loading it differs.
    shutil.rmtree(tmp_path / "out" / "pose")
    blind, _ = extract_cohort(
        [recording_of(cohort[0])],
        tmp_path / "out",
        params=settings(workers=1),
        network_path=tmp_path / "out" / "network.json",
        threshold=0.9,
        crop_px=CROP_PX,
        load_network=load_blind,
    )
    assert seen["n_faces"].tolist() == [6]
    assert blind["n_faces"].tolist() == [0]


def test_bad_video_and_killed_worker_lose_no_other_recording(undisturbed, cohort, tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video" * 1000)
    videos = [CameraVideo("bad", "m", "front", (VideoPart(str(bad)),)), *cohort]
    summaries, faults = run_cohort(tmp_path, videos, {"kill_at": 53})  # a frame of r1
    assert faults["recording"].tolist() == ["bad", "r1"]
    assert faults["camera"].tolist() == ["front", "front"]
    assert "bad.mp4 cannot be opened" in faults["message"][0]
    assert "killed" in faults["message"][1]
    assert "`workers`" in faults["message"][1]
    assert summaries["recording"].tolist() == ["r0", "r2"]
    expected = {name: content for name, content in all_bytes(undisturbed[0]).items() if "r1" not in name}
    left = all_bytes(tmp_path)
    assert {name: content for name, content in left.items() if not name.startswith(".")} == expected
    # The next run finishes it, with the same bytes and nothing left over.
    summaries, faults = run_cohort(tmp_path, cohort)
    assert summaries["resumed"].tolist() == [True, False, True]
    assert len(faults) == 0
    assert all_bytes(tmp_path) == all_bytes(undisturbed[0])


def test_worker_killed_once_is_made_good_in_the_same_run(undisturbed, cohort, tmp_path):
    network = {"kill_at": 53, "kill_once": str(tmp_path / "killed")}
    summaries, faults = run_cohort(tmp_path, cohort, network)
    assert (tmp_path / "killed").exists()
    assert len(faults) == 0
    assert summaries["recording"].tolist() == ["r0", "r1", "r2"]
    assert all_bytes(tmp_path) == all_bytes(undisturbed[0])


RUN_SLOWLY = """
import sys
from pathlib import Path
sys.path[:0] = {paths!r}
from test_faces import run_cohort
from painlib.cohort import CameraVideo, VideoPart
video = CameraVideo("m1", "mouse m1", "front", (VideoPart({video!r}),))
run_cohort(Path({workdir!r}), [video], dict(slow_s=0.3))
"""


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(condition, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def test_killed_run_leaves_nothing_half_and_resumes_with_the_same_bytes(heads, done, tmp_path):
    code = RUN_SLOWLY.format(paths=sys.path, video=heads.parts[0].path, workdir=str(tmp_path))
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: any((tmp_path / "faces").glob(".*")) or process.poll() is not None)
        time.sleep(0.3)
        assert process.poll() is None, "the run ended before it could be killed"
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.wait()
    # The worker does not outlive the run.
    worker = json.loads((tmp_path / "loaded.txt").read_text())["pid"]
    wait_until(lambda: not is_running(worker))
    left = all_bytes(tmp_path)
    assert left
    assert all(name.startswith(".") for name in left)
    assert len(FaceStore(tmp_path)) == 0
    assert not extract(heads, tmp_path)["resumed"]
    # In a container without an init process the killed worker's number, and its hidden file, may stay.
    finished = {name: content for name, content in all_bytes(tmp_path).items() if not name.startswith(".")}
    assert finished == all_bytes(done[0])


def test_recordings_that_would_share_a_file_are_a_fault(tmp_path):
    parts = (VideoPart("x.mp4"),)
    videos = [CameraVideo("a_b", "m", "c", parts), CameraVideo("a", "m", "b_c", parts)]
    with pytest.raises(PainlibError, match=r"'a', camera 'b_c' and recording 'a_b', camera 'c' .*'a_b_c'"):
        run_cohort(tmp_path, videos)


def test_missing_network_is_one_fault_before_any_work(cohort, tmp_path):
    with pytest.raises(PainlibError, match=r"pose network, found nothing: .*nowhere"):
        extract_cohort(
            [recording_of(cohort[0])],
            tmp_path,
            params=settings(),
            network_path=tmp_path / "nowhere",
            threshold=0.9,
            crop_px=CROP_PX,
        )


# ---------------------------------------------------------------- crop size from a sample


def test_sampled_frames_are_spread_evenly_and_repeat_with_the_seed(cohort):
    stretched = CameraVideo("r2", "m", "front", (VideoPart(cohort[2].parts[0].path, 0.2, 0.4),))
    videos = [*cohort[:2], stretched]

    def numbers(n, seed):
        return [clips_number(frame.image) for frame in sample_frames(videos, n, seed)]

    drawn = numbers(12, 0)
    by_video = [[number - 50 * k for number in drawn if number // 50 == k] for k in range(3)]
    for k in range(2):
        assert [number // 4 for number in by_video[k]] == [0, 1, 2, 3]  # one from each quarter of 16 frames
    assert len(by_video[2]) == 4
    assert all(6 <= number < 12 for number in by_video[2])
    assert numbers(12, 0) == drawn
    assert numbers(12, 1) != drawn
    assert [number // 50 for number in numbers(2, 0)] == [1, 2]


def clips_number(image: np.ndarray) -> int:
    return sum((image[4, 4 + 8 * bit].mean() > 127) << bit for bit in range(8))


def test_crop_size_is_suggested_from_the_heads_in_the_videos(cohort, tmp_path):
    # Eyes 24 px apart, 23.3 px from the nose: 3.8 and 3 times that.
    size = suggest_from_videos(cohort, SpotNetwork(), params=settings(), threshold=0.9, n=24)
    assert size == pytest.approx(3.8 * 24, abs=3)
    bad = CameraVideo("bad", "m", "front", (VideoPart(str(tmp_path / "nowhere.mp4")),))
    assert suggest_from_videos([bad, *cohort], SpotNetwork(), params=settings(), threshold=0.9, n=32) == size
    with pytest.raises(PainlibError, match="nowhere"):
        suggest_from_videos([bad], SpotNetwork(), params=settings(), threshold=0.9)
    with pytest.raises(PainlibError, match="no frame of 24"):
        suggest_from_videos(cohort, SpotNetwork(), params=settings(), threshold=0.96, n=24)


# ---------------------------------------------------------------- memory

MEASURE = """
import sys
from pathlib import Path
sys.path[:0] = {paths!r}
from pretend_pose import SpotNetwork
from test_faces import extract
from painlib.cohort import CameraVideo, VideoPart
from painlib.faces import FaceStore, load_network_inputs

class Still(SpotNetwork):
    def _find(self, image):
        import numpy as np
        return np.array([[30, 20, 0.95]] * 3)

def peak(name):
    folder = Path({folder!r}) / name
    video = CameraVideo(name, "m", "front", (VideoPart(str(folder) + ".mp4"),))
    extract(video, folder, Still(), crop_px=96)
    store = FaceStore(folder)
    load_network_inputs(store, range(len(store)), 64, folder / "inputs.npy")
    # Not getrusage: its peak begins with that of the process that started this one.
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in status if line.startswith("VmHWM"))) / 1024, len(store)

print(*peak("short"), *peak("long"))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
def test_memory_is_flat_over_a_video_ten_times_as_long(tmp_path):
    images = [draw_head(i, head_at(i), (True, True, True), 480, 360) for i in range(16)]
    for name, n_frames in (("short", 112), ("long", 1120)):
        repeated = images * (n_frames // 16)
        clips.write_clip(tmp_path / f"{name}.mp4", repeated, options={"preset": "ultrafast"})
    code = MEASURE.format(paths=sys.path, folder=str(tmp_path))
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    short, n_short, long, n_long = map(float, result.stdout.split()[-4:])
    assert (n_short, n_long) == (112, 1120)
    # 1,008 frames more are 250 MiB decoded; the tables' rows, and what pandas keeps, stay.
    assert long - short < 25, f"peak memory grew from {short:.1f} to {long:.1f} MiB"


def test_summary_tables_are_typed_even_when_empty(tmp_path):
    summaries, faults = run_cohort(tmp_path, [])
    assert (len(summaries), len(faults)) == (0, 0)
    assert summaries["n_frames"].dtype == np.int64
    assert isinstance(faults, pd.DataFrame)

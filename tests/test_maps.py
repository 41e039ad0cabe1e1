"""Attribution maps on disk: what the sweep writes, what is read back, and files that do not hold together."""

import shutil
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from painlib import judging
from painlib.attribution import MapStore, compute_gradcam, normalise_maps, upsample
from painlib.cohort import CameraVideo, Recording
from painlib.faces.store import CameraFiles, FaceStore, load_network_inputs
from painlib.faults import PainlibError
from painlib.judging import judge_recordings, tell_judges
from painlib.model import PainNet, load_model, save_model
from painlib.model_card import LABELS, Calibration, CardMetrics, CropFacts, ModelCard, TrainingAnimal
from painlib.params import PredictParams
from painlib.pose.labels import COORDINATES
from painlib.prediction import predict_faces
from painlib.tables import read_table, write_table, write_whole

# Recordings in the order of the cohort, which is not that of their names; faces a camera.
FACES = {"m2_post": {"B": 3, "A": 4}, "m1_pre": {"A": 5}}


def write_faces(workdir: Path, recording: str, camera: str, n: int, seed: int) -> None:
    """Faces of one camera as `01_crop` leaves them."""
    files, draw = CameraFiles(workdir, recording, camera), np.random.default_rng(seed)
    faces = draw.integers(0, 256, (n, 8, 8, 3), dtype=np.uint8).repeat(16, axis=1).repeat(16, axis=2)
    jpegs = [cv2.imencode(".jpg", face)[1].tobytes() for face in faces]
    with write_whole(files.blob) as temporary:
        temporary.write_bytes(b"".join(jpegs))
    lengths = np.array([len(jpeg) for jpeg in jpegs], np.int64)
    index = pd.DataFrame(
        {
            "recording": recording, "subject": recording[:2], "camera": camera, "frame": np.arange(n) * 3,
            "time_s": np.arange(n) / 10, "rule": 1, "centre_x": 64.0, "centre_y": 64.0, "size_px": 128,
            "offset": np.cumsum(lengths) - lengths, "length": lengths,
        }
    )  # fmt: skip
    write_table(index, files.index, "faces", f"{recording} {camera} {seed}")


def write_model(folder: Path, seed: int, px: int = 96) -> tuple[PainNet, ModelCard]:
    torch.manual_seed(seed)
    net = PainNet((4, 6, 8, 8, 10, 12), (8, 6), px)
    card = ModelCard(
        architecture=net.architecture,
        labels=LABELS,
        training_animals=(TrainingAnimal(subject="m1", sex="", n_faces=3),),
        crop=CropFacts(crop_px=128, border="shift", likelihood_threshold=0.9),
        pose_network=None,
        metrics=CardMetrics(held_out={}, training_set={}),
        training={},
        seed=0,
        versions={},
    )
    save_model(folder, net, card)
    return load_model(folder, "cpu")


def describe(name: str) -> Recording:
    cameras = tuple(CameraVideo(name, name[:2], camera, ()) for camera in FACES.get(name, ()))
    return Recording(name, name[:2], cameras, "post", "", "", "", "", 0.0)


def place_points(index: pd.DataFrame, workdir: Path, threshold: float) -> pd.DataFrame:
    """Nose and eyes of frontal faces; these have no pose."""
    places = dict(zip(COORDINATES, (0.5, 0.7, 0.4, 0.4, 0.6, 0.4), strict=True))
    return pd.DataFrame(places, index=index.index)


class Lab:
    """Faces of two recordings, a model, and how often the network swept over them."""

    def __init__(self, workdir: Path) -> None:
        self.workdir = workdir
        self.net, self.card = load_model(workdir / "model", "cpu")

    def judge(self, names=tuple(FACES), **changes) -> tuple[pd.DataFrame, int]:
        """The table `frames`, and the number of recordings that were swept over."""
        settings = dict(
            cohort="c.csv", seed=1, model=None, from_video=False, batch=4, min_coverage=0.0, device="cpu"
        )
        settings |= dict(min_sharpness=None, min_size=None, max_turn=None, workers=1, precision="float32")
        settings |= dict(abstain_below=0.5) | changes
        params = PredictParams.model_construct(workdir=self.workdir, **settings)
        with (
            patch.object(judging, "judge_with_maps", wraps=judging.judge_with_maps) as sweep,
            patch.object(judging, "read_crop_facts", lambda workdir: {"likelihood_threshold": 0.9}),
            patch.object(judging, "load_landmarks", place_points),
        ):
            frames = judge_recordings([describe(name) for name in names], self.net, self.card, params)
        return frames, sweep.call_count

    def file(self, name: str) -> Path:
        return self.workdir / "maps" / name


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder whose recordings are judged."""
    workdir = tmp_path_factory.mktemp("judged")
    for recording, cameras in FACES.items():
        for seed, (camera, n) in enumerate(cameras.items()):
            write_faces(workdir, recording, camera, n, seed)
    write_model(workdir / "model", 1)
    _, swept = Lab(workdir).judge()
    assert swept == 2
    return workdir


@pytest.fixture
def lab(judged: Path, tmp_path: Path) -> Lab:
    """A copy of it for one test to spoil."""
    shutil.copytree(judged, tmp_path, dirs_exist_ok=True)
    return Lab(tmp_path)


def test_maps_of_all_recordings_are_read_in_the_order_of_the_face_index(lab):
    faces, maps = FaceStore(lab.workdir), MapStore(lab.workdir)
    keys = ["recording", "subject", "camera", "frame"]
    pd.testing.assert_frame_equal(maps.index[keys], faces.index[keys])
    assert maps.index["camera"].tolist() == ["A"] * 9 + ["B"] * 3
    assert len(maps) == 12
    assert maps.shape == (3, 3)
    maps.check_faces(faces.index)

    inputs = load_network_inputs(faces, range(12), 96, lab.workdir / "inputs")
    images = torch.from_numpy(np.array(inputs)).permute(0, 3, 1, 2)
    raw = compute_gradcam(lab.net, images)[1].numpy()
    rows = [11, 0, 5, 5, 8]
    for output, label in enumerate(LABELS):
        got = maps.read(rows, label)
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, normalise_maps(raw)[rows, output], atol=2e-3)
        column = "peak_" + label.replace(" ", "_")
        np.testing.assert_allclose(maps.index[column], raw[:, output].max(axis=(1, 2)), rtol=1e-3)
    assert (maps.read(range(12), "pain").max(axis=(1, 2)) == (maps.index["peak_pain"] > 0)).all()
    assert maps.read([], "pain").shape == (0, 3, 3)


def test_a_threshold_that_would_leave_only_calls_of_pain_is_refused_before_any_face_is_judged(lab):
    with pytest.raises(PainlibError, match=r"expected 0.5 .* with a model that was not calibrated"):
        lab.judge(abstain_below=0.8)
    floor = Calibration(method="floor", temperature=1, offset=-1, floor=0.25, n_animals=9, n_faces=90)
    lab.card = lab.card.model_copy(update={"calibration": floor})
    with pytest.raises(PainlibError, match=r"no call of no pain by this model is surer than 0.7"):
        lab.judge(abstain_below=0.8)


def test_maps_are_kept_in_half_precision_class_by_class(lab):
    stored = np.load(lab.file("m2_post.npy"))
    assert stored.dtype == np.float16
    assert stored.shape == (7, 2, 3, 3)
    assert read_table(lab.file("m2_post.parquet"), "maps")["camera"].tolist() == ["A"] * 4 + ["B"] * 3


def test_probabilities_are_those_of_prediction_alone(lab):
    frames, _ = lab.judge()
    for name in FACES:
        store = FaceStore(lab.workdir, [name])
        inputs = load_network_inputs(store, range(len(store)), 96, lab.workdir / "inputs")
        judged = frames[frames["recording"] == name]
        expected = predict_faces(lab.net, inputs, 256, "cpu")
        np.testing.assert_allclose(judged[["p_no_pain", "p_pain"]], expected, atol=1e-6)
    assert frames.groupby("subject")["trained_on"].unique().map(list).to_dict() == {
        "m1": [True],
        "m2": [False],
    }


def test_finished_recordings_are_not_judged_again(lab):
    before = {path: path.stat().st_mtime_ns for path in lab.file("").iterdir()}
    again, swept = lab.judge()
    assert swept == 0
    assert again["recording"].tolist() == ["m2_post"] * 7 + ["m1_pre"] * 5
    assert before == {path: path.stat().st_mtime_ns for path in lab.file("").iterdir()}
    assert sorted(path.name for path in before) == [
        f"{name}.{kind}" for name in sorted(FACES) for kind in ("npy", "parquet")
    ]
    kept = (lab.workdir / "predictions" / "recordings").iterdir()
    kinds = (".judge.json", ".parquet")
    assert sorted(path.name for path in kept) == [f"{name}{kind}" for name in sorted(FACES) for kind in kinds]


def test_what_judged_is_told_from_what_ran_and_another_precision_judges_again(lab):
    told = tell_judges([describe(name) for name in FACES], lab.workdir)
    assert len(told) == 1
    assert told[0].startswith("openvino, float32, on cpu; 4 faces also judged by plain torch")
    frames, swept = lab.judge(precision="bfloat16")
    assert swept == 2
    assert len(frames) == 12
    path = lab.workdir / "predictions" / "recordings" / "m1_pre.judge.json"
    path.write_text(path.read_text().replace('"fallback": ""', '"fallback": "it differed"'))
    told = tell_judges([describe(name) for name in FACES], lab.workdir)
    assert len(told) == 2
    assert "the faster way was not taken: it differed" in told[1]


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


@pytest.mark.parametrize("spoil", [Path.unlink, shorten, lambda path: path.write_bytes(b"")])
@pytest.mark.parametrize(
    "name", ["maps/m1_pre.npy", "maps/m1_pre.parquet", "predictions/recordings/m1_pre.parquet"]
)
def test_what_is_missing_or_broken_is_made_again_alone(lab, name, spoil):
    path = lab.workdir / name
    whole = path.read_bytes()
    spoil(path)
    assert lab.judge()[1] == 1
    assert path.read_bytes() == whole


def test_another_model_or_other_faces_make_new_maps(lab):
    before = lab.file("m1_pre.npy").read_bytes()
    lab.net, lab.card = write_model(lab.workdir / "model", 2)
    assert lab.judge()[1] == 2
    assert lab.file("m1_pre.npy").read_bytes() != before
    write_faces(lab.workdir, "m1_pre", "A", 6, 9)
    assert lab.judge()[1] == 1
    MapStore(lab.workdir).check_faces(FaceStore(lab.workdir).index)


def test_a_kill_between_the_two_files_leaves_no_index_of_other_maps(lab, monkeypatch):
    lab.net, lab.card = write_model(lab.workdir / "model", 2)

    def die(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("painlib.attribution.maps.write_table", die)
    with pytest.raises(KeyboardInterrupt):
        lab.judge(["m1_pre"])
    assert not lab.file("m1_pre.parquet").exists()
    with pytest.raises(PainlibError, match=r"found no file: .*m1_pre\.parquet"):
        MapStore(lab.workdir)


def test_a_recording_without_faces_has_empty_maps(lab):
    write_faces(lab.workdir, "m3_post", "A", 0, 0)
    frames, _ = lab.judge([*FACES, "m3_post"])
    assert len(frames) == 12
    assert len(MapStore(lab.workdir)) == 12
    assert MapStore(lab.workdir, ["m3_post"]).read([], "pain").shape == (0, 3, 3)
    assert lab.judge([*FACES, "m3_post"])[1] == 0


def test_a_model_of_other_outputs_is_refused_before_any_work(lab):
    lab.card = lab.card.model_copy(update={"labels": ("awake", "asleep")})
    (lab.workdir / "faces" / "m1_pre_A.parquet").write_bytes(b"not read")
    with pytest.raises(PainlibError, match="asleep"):
        lab.judge()


def test_chosen_recordings_are_read_alone(lab):
    lab.file("m1_pre.npy").unlink()
    store = MapStore(lab.workdir, ["m2_post"])
    assert set(store.index["recording"]) == {"m2_post"}
    store.check_faces(FaceStore(lab.workdir, ["m2_post"]).index)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda lab: lab.file("m1_pre.npy").unlink(), ["found no file", "m1_pre.npy"]),
        (lambda lab: lab.file("m1_pre.parquet").unlink(), ["found no file", "m1_pre.parquet"]),
        (lambda lab: shorten(lab.file("m1_pre.npy")), ["cut short", "m1_pre.npy"]),
        (lambda lab: lab.file("m1_pre.npy").write_bytes(b""), ["cut short", "m1_pre.npy"]),
        (lambda lab: lab.file("m1_pre.parquet").write_bytes(b"x"), ["cannot be read", "m1_pre.parquet"]),
        (
            lambda lab: np.save(lab.file("m1_pre.npy"), np.zeros((4, 2, 3, 3), np.float16)),
            ["expected 5 maps, as the index says, got 4", "m1_pre.npy"],
        ),
        (
            lambda lab: np.save(lab.file("m1_pre.npy"), np.zeros((5, 2, 3, 3))),
            ["(n, 2, h, w) float16, got (5, 2, 3, 3) float64"],
        ),
        (
            lambda lab: np.save(lab.file("m1_pre.npy"), np.zeros((5, 2, 4, 4), np.float16)),
            ["4 x 4 ('m1_pre')", "3 x 3 ('m2_post')", "different models"],
        ),
        (
            lambda lab: [lab.file(f"{name}.npy").unlink() for name in FACES],
            ["2 faults", "m1_pre.npy", "m2_post.npy"],
        ),
        (lambda lab: [path.unlink() for path in lab.file("").iterdir()], ["at least one recording"]),
    ],
)
def test_files_that_do_not_hold_together_are_one_error_that_names_the_stage(lab, spoil, expected):
    spoil(lab)
    with pytest.raises(PainlibError) as caught:
        MapStore(lab.workdir)
    text = str(caught.value)
    for part in [*expected, "03_predict again", "--from predict"]:
        assert part in text


def test_maps_of_other_faces_are_noticed(lab):
    store, faces = MapStore(lab.workdir), FaceStore(lab.workdir).index
    with pytest.raises(PainlibError, match=r"each of 11 faces, got 12: .*03_predict again"):
        store.check_faces(faces[1:])
    moved = faces.assign(frame=faces["frame"] + (faces.index == 4))
    text = "1 of 12 differ, the first in row 4: face 'm1_pre A 13', map 'm1_pre A 12'"
    with pytest.raises(PainlibError, match=text):
        store.check_faces(moved)


def test_a_class_is_asked_for_by_name(lab):
    with pytest.raises(PainlibError, match="'no pain', 'pain', got 'Pain'"):
        MapStore(lab.workdir).read([0], "Pain")


def test_stretching_is_bilinear_between_the_middles_of_the_fields():
    maps = np.random.default_rng(0).random((2, 3, 3), np.float32)
    got = upsample(maps, 96)
    assert got.shape == (2, 96, 96)
    assert got.dtype == np.float32
    # Pixel i lies at (i + 0.5) / 32 - 0.5 between map values, none beyond the outermost.
    at = np.clip((np.arange(96) + 0.5) / 32 - 0.5, 0, 2)
    for one, stretched in zip(maps, got, strict=True):
        rows = np.stack([np.interp(at, range(3), column) for column in one.T], axis=1)
        expected = np.stack([np.interp(at, range(3), row) for row in rows])
        np.testing.assert_allclose(stretched, expected, atol=1e-6)
    assert got.min() >= maps.min()
    assert got.max() <= maps.max()


def test_stretching_takes_half_precision_and_no_maps():
    assert upsample(np.ones((1, 2, 2), np.float16), 64).tolist() == np.ones((1, 64, 64)).tolist()
    assert upsample(np.empty((0, 2, 2)), 64).shape == (0, 64, 64)

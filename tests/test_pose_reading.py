"""A fast network is checked on the video it reads, gives way to the plain one, and leaves a report."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from pretend_pose import SpotNetwork, read_number
from test_faces import extract, recording_of, write_heads

from painlib.engines import Engine
from painlib.faces.pose_reading import CHECKED_FRAMES, TOLERANCES, read_reports, summarise_reports
from painlib.tables import read_table

N_FRAMES = 24


class FastSpots(SpotNetwork):
    """Fast answers lie `px` beside the plain ones from frame `begins` on, likelihoods `likelihood` off."""

    def __init__(self, px: float = 0.0, likelihood: float = 0.0, begins: int = 0, reason: str = "") -> None:
        super().__init__()
        self.px, self.likelihood, self.begins, self.reason = px, likelihood, begins, reason
        self.asked: list[str] = []
        self.plainly: list[int] = []

    def predict(self, images, precision="float32") -> np.ndarray:
        self.asked.append(precision)
        found = super().predict(images)
        wrong = np.array([read_number(image) >= self.begins for image in images])
        found[wrong, :, 0] += self.px
        found[wrong, :, 2] += self.likelihood
        return found

    def predict_plainly(self, images) -> np.ndarray:
        self.plainly += [read_number(image) for image in images]
        return super().predict_plainly(images)

    def list_engines(self) -> list[Engine]:
        precision = "float32" if self.reason else self.asked[-1]
        name = "torch" if self.reason else "openvino"
        return [Engine(name, precision, "cpu", 0.0, self.reason, lambda batch: batch)]


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """All eight combinations of seen points take turns; nose, and not the first eight frames: 8 to 11."""
    return write_heads(tmp_path_factory.mktemp("video") / "m1.mp4", N_FRAMES)


def read_report(workdir) -> SimpleNamespace:
    return SimpleNamespace(**json.loads((workdir / "pose" / "m1_front.json").read_text()))


def read_x(workdir) -> np.ndarray:
    table = read_table(workdir / "pose" / "m1_front.parquet", "pose")
    return table[[f"{point}_x" for point in ("nose", "right_eye", "left_eye")]].to_numpy()


def test_the_first_frames_and_the_first_with_a_nose_are_checked_whatever_the_batches(video, tmp_path):
    for batch in (1, 5, 24):
        network = FastSpots(px=0.04, likelihood=0.004)
        extract(video, tmp_path / str(batch), network, pose_batch=batch)
        assert network.plainly == [0, 1, 2, 3, 8, 9, 10, 11]
        report = read_report(tmp_path / str(batch))
        assert report.frames_checked == 2 * CHECKED_FRAMES
        assert report.largest_px == pytest.approx(0.04)
        assert report.largest_likelihood == pytest.approx(0.004)
        assert (report.precision, report.engines, report.fallback) == ("float32", ["openvino float32"], "")


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (FastSpots(px=0.06), "0.06 px and 0 in likelihood, more than 0.05 px or 0.005"),
        (FastSpots(likelihood=-0.006), "0 px and 0.006 in likelihood"),
        (FastSpots(px=np.nan, begins=9), "nan px"),
    ],
)
def test_an_engine_that_differs_gives_way_to_plain_float32_from_the_first_frame_on(
    video, tmp_path, network, said
):
    extract(video, tmp_path / "plain", SpotNetwork())
    extract(video, tmp_path / "fast", network)
    np.testing.assert_array_equal(read_x(tmp_path / "fast"), read_x(tmp_path / "plain"))
    report = read_report(tmp_path / "fast")
    assert said in report.fallback
    assert (report.precision, report.engines) == ("float32", ["torch float32"])
    assert network.plainly[-N_FRAMES:] == list(range(N_FRAMES))


def test_half_precision_may_be_as_far_off_as_is_said_and_is_another_pose_table(video, tmp_path, monkeypatch):
    monkeypatch.setattr("painlib.faces.pose_reading.choose_precision", lambda name, device: name)
    monkeypatch.setattr("painlib.faces.extraction.choose_precision", lambda name, device: name)
    px = TOLERANCES["bfloat16"][0] - 0.01
    extract(video, tmp_path, FastSpots())
    before = read_x(tmp_path)
    network = FastSpots(px=px)
    assert not extract(video, tmp_path, network, pose_precision="bfloat16")["resumed"]
    assert set(network.asked) == {"bfloat16"}
    assert read_report(tmp_path).fallback == ""
    np.testing.assert_allclose(read_x(tmp_path) - before, 2 * px)  # frames are shrunk to half


def test_another_engine_of_the_same_precision_is_the_same_pose_table(video, tmp_path):
    extract(video, tmp_path, FastSpots())
    assert extract(video, tmp_path, FastSpots(reason="openvino float32: not here"))["resumed"]
    assert not extract(video, tmp_path, FastSpots(), pose_follow=True)["resumed"]
    assert read_report(tmp_path).window["frames"] == N_FRAMES


def test_reports_are_read_for_the_provenance_and_an_engine_that_could_not_be_made_is_named(video, tmp_path):
    extract(video, tmp_path, FastSpots(px=0.01, reason="openvino float32: not here"))
    reports = read_reports([recording_of(video)], tmp_path)
    facts = summarise_reports(reports)
    assert facts["pose_engines"] == ["torch float32"]
    assert facts["pose_frames_checked"] == 2 * CHECKED_FRAMES
    assert facts["pose_largest_difference_px"] == pytest.approx(0.01)
    assert facts["pose_fell_back"] == ["m1, front: openvino float32: not here"]
    assert reports[["in_window", "at_half_size", "whole"]].isna().all(axis=None)


def test_tracker_files_leave_no_report(tmp_path):
    assert summarise_reports(read_reports([], tmp_path)) == {}
    assert isinstance(read_reports([], tmp_path), pd.DataFrame)

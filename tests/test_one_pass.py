"""`03_predict` with `from_video`: the same judgements as of stored faces, with the room of one recording."""

import pickle
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import clips
import numpy as np
import pandas as pd
import pytest
import torch
from pretend_pose import SpotNetwork, draw_head
from test_prediction import build_card
from tiny_lab import DEFAULTS

from painlib import one_pass
from painlib.attribution import MapStore
from painlib.cohort import CameraVideo, Recording, VideoPart
from painlib.faces import FaceStore, extract_camera
from painlib.faces.crop_results import write_crop_facts
from painlib.faults import PainlibError
from painlib.fusion import pair_cameras
from painlib.inputs import stage_inputs
from painlib.judging import judge_recordings, summarise_recordings
from painlib.model import PainNet, load_model, save_model
from painlib.model_card import QualityLimits
from painlib.novelty import check_cohort
from painlib.novelty.reference import FACES_PER_RECORDING
from painlib.one_pass import judge_videos
from painlib.params import PredictParams
from painlib.tables import read_table

N_FRAMES = 90
CROP_PX = 64
HEAD = np.array([(80.0, 80.0), (65.0, 60.0), (95.0, 60.0)])  # px: nose, right eye, left eye


class SizedNetwork(SpotNetwork):
    """Knows the size of its frames; its points have names."""

    frame_px = (160, 120)
    point_names = ("nose", "right_eye", "left_eye")


@pytest.fixture
def network(monkeypatch) -> SizedNetwork:
    network = SizedNetwork()
    monkeypatch.setattr(one_pass, "load_pose_network", lambda *args, **keys: network)
    return network


class Calls:
    """How often each step was taken."""

    def __init__(self, monkeypatch) -> None:
        self.n = {"extract_camera": 0, "judge_recording": 0}
        for name in self.n:
            monkeypatch.setattr(one_pass, name, self._count(name, getattr(one_pass, name)))

    def _count(self, name: str, step: Callable) -> Callable:
        def counted(*given: object, **named: object) -> object:
            self.n[name] += 1
            return step(*given, **named)

        return counted

    def take(self) -> tuple[int, int]:
        """Cameras cut and recordings judged since it was last asked."""
        taken = (self.n["extract_camera"], self.n["judge_recording"])
        self.n = dict.fromkeys(self.n, 0)
        return taken


@pytest.fixture
def calls(monkeypatch) -> Calls:
    return Calls(monkeypatch)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.manual_seed(3)
    net = PainNet((8, 8, 8, 8, 8, 8), (8, 8), 64).eval()
    with torch.no_grad():
        net.fully_connected[-1].weight.mul_(20)  # so that faces differ in p_pain
    card = build_card(net)
    crop = card.crop.model_copy(update={"crop_px": CROP_PX})
    save_model(tmp_path / "model", net, card.model_copy(update={"crop": crop, "pose_network": "pose"}))
    return tmp_path / "model"


def film(path: Path, shift: int, n_faces: int) -> str:
    """Frames of a head that wanders; its eyes are seen in the first `n_faces` of them."""
    images = [
        draw_head(
            number,
            HEAD + np.array([(number + shift) % 20, number % 7]),
            (True, number < n_faces, number < n_faces),
        )
        for number in range(N_FRAMES)
    ]
    return str(clips.write_clip(path, images, fps=10))


@pytest.fixture
def recordings(tmp_path: Path) -> list[Recording]:
    """Two cameras with 80 and 70 faces; one with 75; one that never sees a face."""
    made = []
    for name, cameras in {"m2_post": (80, 70), "m1_pre": (75,), "m3_post": (0,)}.items():
        videos = tuple(
            CameraVideo(
                name, name[:2], camera, (VideoPart(film(tmp_path / f"{name}_{camera}.mp4", shift, faces)),)
            )
            for shift, (camera, faces) in enumerate(zip("AB", cameras, strict=False))
        )
        made.append(describe(name, videos))
    return made


def describe(name: str, videos: tuple[CameraVideo, ...]) -> Recording:
    return Recording(
        name=name, subject=name[:2], cameras=videos, phase=name[3:], label="", treatment="AC", period="",
        sex="male", time_zero_s=0.0,
    )  # fmt: skip


def ask(workdir: Path, model: Path | None, **changes: object) -> PredictParams:
    values = {**DEFAULTS["predict"], "cohort": workdir / "c.csv", "workdir": workdir, "seed": 1}
    values |= {"model": model, "from_video": True, "device": "cpu", "workers": 1, "batch": 16}
    return PredictParams(**{**values, **changes})


def judge_stored(recordings: list[Recording], model: Path, workdir: Path) -> pd.DataFrame:
    """By 01_crop and 03_predict, with the faces stored between them."""
    net, card = load_model(model, "cpu")
    settings = SimpleNamespace(
        pose_source="network", point_names=["nose", "right_eye", "left_eye"], individual=None, pose_width=160,
        pose_height=120, pose_batch=8, pose_precision="float32", pose_follow=False, decoder="software",
        border="shift", jpeg_quality=95,
    )  # fmt: skip
    for recording in recordings:
        for video in recording.cameras:
            extract_camera(
                video, workdir, params=settings, network=SizedNetwork(), threshold=0.9, crop_px=CROP_PX
            )
    write_crop_facts(workdir, card.crop.model_dump())
    return judge_recordings(recordings, net, card, ask(workdir, model, from_video=False))


def judge(recordings: list[Recording], model: Path, workdir: Path, **changes: object):
    return judge_videos(recordings, *load_model(model, "cpu"), ask(workdir, model, **changes))


def test_judgements_and_maps_are_those_of_stored_faces_and_only_a_few_faces_stay(
    recordings, model, network, tmp_path
):
    expected = judge_stored(recordings, model, tmp_path / "stored")
    judged, frames, faults, facts = judge(recordings, model, tmp_path / "passed")
    assert [one.name for one in judged] == ["m2_post", "m1_pre", "m3_post"]
    assert not len(faults)
    assert (facts["pose_network"], facts["crop_px"], facts["decoders"]) == ("spots 1", 64, ["software"])
    assert len(frames) == 80 + 70 + 75
    pd.testing.assert_frame_equal(frames, expected)
    assert network.n_images == 4 * N_FRAMES
    stored, passed = (MapStore(tmp_path / name, ["m2_post", "m1_pre"]) for name in ("stored", "passed"))
    rows = np.arange(len(frames))
    np.testing.assert_array_equal(stored.read(rows, "pain"), passed.read(rows, "pain"))

    folder = ask(tmp_path / "passed", model).faces_folder
    assert not (tmp_path / "passed" / "faces").exists()
    kept = FaceStore(folder)
    assert kept.index["recording"].value_counts().to_dict() == dict.fromkeys(
        ["m1_pre", "m2_post"], FACES_PER_RECORDING
    )
    whole = FaceStore(tmp_path / "stored")
    for here, there in zip(
        kept.read_jpegs(range(len(kept))), whole.read_jpegs(whole.find(kept.index)), strict=True
    ):
        assert here.content == there.content
    at = kept.find(whole.index)
    assert (at >= 0).sum() == len(kept)
    size = sum(file.stat().st_size for file in (folder / "faces").glob("*.jpgs"))
    assert size == kept.index["length"].sum() < 0.6 * whole.index["length"].sum()


def test_later_steps_go_on_from_there(recordings, model, network, tmp_path):
    net, card = load_model(model, "cpu")
    params = ask(tmp_path / "run", model)
    judged, frames, *_ = judge_videos(recordings, net, card, params)
    timepoints, minutes = summarise_recordings(judged, frames, card, params)
    clock = np.arange(N_FRAMES) / 10
    assert (timepoints["recording"] == "m2_post").sum() == len(pair_cameras({"A": clock, "B": clock}))
    assert minutes.set_index("recording")["n_evaluated"].to_dict() == {
        "m2_post": 80,
        "m1_pre": 75,
        "m3_post": 0,
    }
    assert check_cohort(
        None, card, judged, frames, params.workdir, params.seed, params.faces_folder
    ).state == ("cannot be told")


def test_what_is_finished_is_not_done_again_and_another_film_is(recordings, model, network, calls, tmp_path):
    _, first, *_ = judge(recordings, model, tmp_path / "run")
    assert calls.take() == (4, 3)
    _, second, *_ = judge(recordings, model, tmp_path / "run")
    assert calls.take() == (0, 0)
    pd.testing.assert_frame_equal(first, second)
    film(tmp_path / "m1_pre_A.mp4", 3, 50)
    _, third, *_ = judge(recordings, model, tmp_path / "run")
    assert calls.take() == (1, 1)
    assert third["recording"].value_counts().to_dict() == {"m2_post": 150, "m1_pre": 50}


def test_what_was_deleted_is_made_again(recordings, model, network, calls, tmp_path):
    _, first, *_ = judge(recordings, model, tmp_path / "run")
    calls.take()
    (ask(tmp_path / "run", model).faces_folder / "faces" / "m1_pre_A.jpgs").unlink()
    _, second, _, _ = judge(recordings, model, tmp_path / "run")
    assert calls.take() == (1, 1)
    pd.testing.assert_frame_equal(first, second)


def test_a_camera_that_is_gone_is_judged_without(recordings, model, network, calls, tmp_path):
    judge(recordings, model, tmp_path / "run")
    calls.take()
    alone = describe("m2_post", recordings[0].cameras[:1])
    _, frames, *_ = judge([alone, *recordings[1:]], model, tmp_path / "run")
    assert calls.take() == (1, 1)
    assert frames.groupby(["recording", "camera"]).size().to_dict() == {
        ("m2_post", "A"): 80,
        ("m1_pre", "A"): 75,
    }


def test_workers_judge_as_this_process_does(recordings, model, network, calls, tmp_path, monkeypatch):
    expected = judge(recordings, model, tmp_path / "here")[1]
    (tmp_path / "m3_post_A.mp4").write_bytes(b"no film")
    calls.take()
    said = []

    def work(function: Callable, tasks: list, workers: int, on_progress: Callable, on_gpus: bool) -> list:
        monkeypatch.setattr(one_pass, "say_done", said.append)
        results: list = []
        for task in pickle.loads(pickle.dumps(tasks)):
            try:
                results += [function(task), function(task)][:1]  # once more, as when a worker is lost
            except PainlibError as fault:
                results.append(fault)
        return results

    monkeypatch.setattr(one_pass, "run_tasks", work)
    judged, frames, faults, _ = judge(recordings, model, tmp_path / "there", workers=2)
    assert [one.name for one in judged] == ["m2_post", "m1_pre"]
    pd.testing.assert_frame_equal(frames, expected)
    assert faults["recording"].tolist() == ["m3_post"]
    assert calls.take() == (4, 2)
    assert max(said) == 2 * N_FRAMES


def test_a_model_that_was_changed_meanwhile_is_not_taken_for_this_one(
    recordings, model, network, tmp_path, monkeypatch
):
    net, card = load_model(model, "cpu")
    monkeypatch.setattr(one_pass, "run_tasks", lambda work, tasks, *a, **k: [work(one) for one in tasks])
    limits = QualityLimits(max_turn=0.0, min_size=9.0)
    save_model(model, net, card.model_copy(update={"quality_limits": limits}))
    with pytest.raises(PainlibError, match="Expected the model that this run began with"):
        judge_videos(recordings[:2], net, card, ask(tmp_path / "run", model, workers=2))


def test_a_broken_film_loses_no_other_recording_and_leaves_no_faces(recordings, model, network, tmp_path):
    path = tmp_path / "m2_post_B.mp4"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    judged, frames, faults, _ = judge(recordings, model, tmp_path / "run")
    assert [one.name for one in judged] == ["m1_pre", "m3_post"]
    assert set(frames["recording"]) == {"m1_pre"}
    assert faults["recording"].tolist() == ["m2_post"]
    assert "m2_post_B.mp4" in faults["message"][0]
    assert not list((ask(tmp_path / "run", model).faces_folder / "faces").glob("m2_post*"))
    path.unlink()
    faults = judge(recordings, model, tmp_path / "run")[2]
    assert "m2_post_B.mp4" in faults["message"][0]
    with pytest.raises(PainlibError, match=r"found none of 1\. The first: .*m2_post_B"):
        judge(recordings[:1], model, tmp_path / "run")


@pytest.mark.parametrize("step", ["judge_recording", "_keep_few"])
def test_a_killed_one_goes_on_with_the_same_result(recordings, model, network, tmp_path, monkeypatch, step):
    expected = judge(recordings, model, tmp_path / "whole")[1]

    def stop(*given: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(one_pass if step == "judge_recording" else one_pass._Pass, step, stop)
        with pytest.raises(KeyboardInterrupt):
            judge(recordings, model, tmp_path / "run")
    network.n_images = 0
    summaries: list[dict] = []
    extract = one_pass.extract_camera
    monkeypatch.setattr(
        one_pass, "extract_camera", lambda *a, **k: (summaries.append(extract(*a, **k)), summaries[-1])[1]
    )
    _, frames, *_ = judge(recordings, model, tmp_path / "run")
    assert [one["resumed"] for one in summaries] == [True, True, False, False]  # as far as it was cut
    assert network.n_images == 2 * N_FRAMES
    pd.testing.assert_frame_equal(frames, expected)
    kept = FaceStore(ask(tmp_path / "run", model).faces_folder)
    assert len(kept) == 2 * FACES_PER_RECORDING


def test_a_cohort_is_judged_from_video_or_from_what_01_crop_finished(recordings, model, network, tmp_path):
    expected = judge_stored(recordings, model, tmp_path / "run")
    net, card = load_model(model, "cpu")
    pd.DataFrame({"recording": ["m1_pre"], "camera": ["A"]}).to_csv(
        tmp_path / "run" / "faces" / "summary.csv"
    )
    stored = one_pass.judge_cohort(recordings, net, card, ask(tmp_path / "run", model, from_video=False))
    assert [one.name for one in stored[0]] == ["m1_pre"]
    assert network.n_images == 0
    passed = one_pass.judge_cohort(recordings, net, card, ask(tmp_path / "run", model))
    assert [one.name for one in passed[0]] == [one.name for one in recordings]
    pd.testing.assert_frame_equal(passed[1], expected)
    assert len(FaceStore(tmp_path / "run")) == 225  # what 01_crop stored is left alone


def test_a_model_without_a_pose_network_is_refused(recordings, model, network, tmp_path):
    net, card = load_model(model, "cpu")
    with pytest.raises(PainlibError, match=r"from_video.*tracker files.*Run 01_crop"):
        judge_videos(
            recordings, net, card.model_copy(update={"pose_network": None}), ask(tmp_path / "run", model)
        )


def test_it_asks_for_a_model_and_reads_the_videos(model, tmp_path):
    with pytest.raises(ValueError, match="from_video needs `model`"):
        ask(tmp_path, None)
    (tmp_path / "a.mp4").write_bytes(b"")
    (tmp_path / "c.csv").write_text("recording,subject,camera,video\nm1,m1,A,a.mp4\n")
    params = ask(tmp_path, model)
    named = [Path(file).name for file in stage_inputs(params)]
    assert named == ["c.csv", "a.mp4", "card.json", "weights.safetensors"]
    stored = ask(tmp_path, model, from_video=False)
    assert "a.mp4" not in [Path(file).name for file in stage_inputs(stored)]
    assert stored.faces_folder == tmp_path


def test_faces_that_are_not_stored_are_never_judged_from_what_is(recordings, model, network, tmp_path):
    params = ask(tmp_path / "run", model)
    judge(recordings, model, tmp_path / "run")
    with pytest.raises(ValueError, match="judge_videos"):
        judge_recordings(recordings, *load_model(model, "cpu"), params)
    tables = sorted((params.workdir / "predictions" / "recordings").glob("*.parquet"))
    assert sum(len(read_table(path, "frames")) for path in tables) == 225

"""The benchmark runs, its ways do the same work, and its sums are right; nothing here is timed."""

import hashlib
import json
import subprocess
import sys
from dataclasses import replace

import av
import cv2
import numpy as np
import pandas as pd
import pytest

from painlib.bench import card, ceilings, following, operations, ours, published, running, stages, summary
from painlib.bench.clips import make_clip
from painlib.bench.crews import measure_crews
from painlib.bench.decisions import NO_PAIN, PAIN, compare_outcomes, make_small_lab
from painlib.bench.measuring import COLUMNS, Cost, Method, Parts, Stopwatch, alternate
from painlib.bench.sizes import LONG, SHORT, TINY
from painlib.similarity import find_mutual_pairs


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """A folder where the benchmark ran at its smallest."""
    folder = tmp_path_factory.mktemp("bench")
    with pytest.MonkeyPatch.context() as patch:
        # Two workers load DeepLabCut twice: a long check of its own.
        patch.setattr(running, "measure_crews", pretend_crews)
        text = running.run_bench(folder, TINY, say=lambda line: None)
    (folder / "told.txt").write_text(text)
    return folder


def pretend_crews(lab, size, folder, repeats) -> pd.DataFrame:
    """Two workers take 6 s where one takes 9, at 10 % more CPU time."""
    rows = [(f"{n} worker{'s' * (n > 1)}", wall, cpu) for n, wall, cpu in ((1, 9.0, 9.0), (2, 6.0, 9.9))]
    return pd.DataFrame(
        [
            ("cohort to faces", name, "", 0, cpu, wall, lab.n_videos, "video", "warm")
            for name, wall, cpu in rows
        ],
        columns=list(COLUMNS),
    )


@pytest.fixture(scope="module")
def clip(out):
    return make_clip(out / "clips", "tiny_clip", TINY, TINY.n_frames)


@pytest.fixture(scope="module")
def store(out, clip):
    return ours.cut(clip, out / "again", TINY)


def test_the_short_form_runs_and_writes_every_result(out):
    runs = pd.read_csv(out / "results.csv")
    assert set(runs["stage"]) == {
        *("matrix product", "decode, shrink, cut, store", "pose", "whole chain", "training step with input"),
        *("prediction and Grad-CAM", "nearest pairs", "cohort to faces"),
    }
    assert (runs.loc[runs["part"].isna(), "cpu_s"] > 0).all()
    table = pd.read_csv(out / "table.csv")
    assert len(table) == len(summary.COMPARISONS)
    assert (table["floor_ms"] > 0).all()
    decisions = pd.read_csv(out / "decisions.csv")
    assert list(decisions["way"]) == [
        *("ours, float32", "ours, bfloat16", "ours, float32, window", "ours, bfloat16, window"),
    ]
    told = (out / "told.txt").read_text()
    assert told == (out / "bench.txt").read_text()
    for words in ("whole chain", "637", "12.6", "1.50 times as fast", "at 1.10 times the CPU", "lost"):
        assert words in told
    machine = json.loads((out / "machine.json").read_text())
    assert {"python", "painlib", "torch", "av", "openvino", "deeplabcut"} <= set(machine["versions"])
    assert (machine["form"], machine["clip"]["frames"], machine["clip"]["faces"]) == ("tiny", 8, 5)
    assert (out / "bench.pdf").stat().st_size > 5000
    assert (out / "bench.png").stat().st_size > 5000


def test_all_forms_measure_five_times_or_more_but_for_the_tests_own(out):
    assert SHORT.repeats >= 5
    assert LONG.repeats >= 5
    for size in (SHORT, LONG):
        assert (size.width, size.height, size.crop_px) == (3840, 2160, 800)
        assert size.bit_rate == 85e6
        assert (size.pose_width, size.pose_height, size.backbone) == (1280, 720, "resnet_50")


def test_37_percent_of_a_clips_frames_show_no_face_and_the_truth_knows_which(clip):
    assert list(clip.has_face) == [True] * 5 + [False] * 3
    inside = clip.keypoints[clip.has_face]
    assert ((inside > 0) & (inside < [TINY.width, TINY.height])).all()
    assert len(ours.find_face_centres(clip)) == 5


def test_a_clip_is_coded_as_a_camcorder_does(tmp_path):
    size = replace(TINY, bit_rate=6e6)
    clip = make_clip(tmp_path, "camcorder", size, 32)
    with av.open(str(clip.path)) as container:
        frames = list(container.decode(video=0))
    kinds = "".join(av.video.frame.PictureType(frame.pict_type).name for frame in frames)
    assert [number for number, frame in enumerate(frames) if frame.key_frame] == [0, 15, 30]
    assert kinds.count("B") > len(kinds) / 3
    assert 0.8 * 6e6 < clip.bit_rate < 1.2 * 6e6


def test_a_clip_is_made_once_and_has_the_same_bytes_when_made_again(tmp_path, clip):
    again = make_clip(tmp_path, "tiny_clip", TINY, TINY.n_frames)
    first, second = (hashlib.sha256(path.read_bytes()).hexdigest() for path in (clip.path, again.path))
    assert first == second
    when = again.path.stat().st_mtime_ns
    assert make_clip(tmp_path, "tiny_clip", TINY, TINY.n_frames).path.stat().st_mtime_ns == when
    make_clip(tmp_path, "tiny_clip", TINY, 4)
    assert again.path.stat().st_mtime_ns != when


def test_both_ways_cut_the_same_faces(tmp_path, clip, store):
    frames, faces = tmp_path / "frames", tmp_path / "faces"
    frames.mkdir()
    faces.mkdir()
    published.split(ceilings.find_ffmpeg(), clip.path, frames, "png", len(clip))
    files = published.crop(frames, faces, ours.find_face_centres(clip), TINY.crop_px, "png")
    assert [int(path.stem) for path in files] == list(store.index["frame"])
    for path, face in zip(files, store.read(range(len(store))), strict=True):
        theirs = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        # JPEG against PNG, and two ways to enlarge colour; a shift by one px differs by 7.
        assert np.abs(theirs.astype(int) - face).mean() < 4


def test_known_places_are_told_of_frames_parts_and_half_the_size(out, clip):
    images = stages.list_small_frames(clip, TINY)
    ground = stages.prepare(TINY, out)
    known = following.KnownPlaces(clip, TINY, images, ground.network)
    truth = (clip.keypoints[2] + 0.5) * TINY.pose_width / TINY.width - 0.5
    frame = images[2]
    half = cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    left, top = (int(value) - 20 for value in truth[0])
    whole, part, small = known.predict([frame, frame[top : top + 40, left : left + 40], half])
    np.testing.assert_allclose(whole[:, :2], truth)
    np.testing.assert_allclose(part[0, :2], truth[0] - (left, top))
    np.testing.assert_allclose(small[:, :2], (truth + 0.5) / 2 - 0.5)
    assert known.cost.cpu_s > 0
    beside = known.predict_plainly([frame[:10, :10]])
    assert (beside[..., 2] == 0.01).all()


def test_both_ways_judge_the_same_faces_alike(tmp_path, store):
    net = ours.make_classifier(TINY)
    files = [tmp_path / f"{row}.jpg" for row in range(len(store))]
    for path, jpeg in zip(files, store.read_jpegs(range(len(store))), strict=True):
        path.write_bytes(jpeg.content)
    found = ours.judge(net, store, np.arange(len(store)), tmp_path)
    plain = published.build_plainly(net)
    theirs = published.predict(plain, files, TINY.input_px)
    np.testing.assert_allclose(found.probabilities, theirs, atol=0.01)
    probabilities, maps = published.attribute(plain, files, TINY.input_px)
    np.testing.assert_allclose(probabilities, theirs, atol=1e-6)
    assert maps.shape == (len(files), TINY.input_px, TINY.input_px)


def test_both_ways_find_the_same_pairs():
    features = np.random.default_rng(3).standard_normal((90, 6))
    label = np.arange(90) % 2
    pairs = find_mutual_pairs(features, label)
    assert published.find_pairs(features, label) == set(
        zip(pairs["row_no_pain"], pairs["row_pain"], strict=True)
    )
    assert len(pairs) > 10


def test_methods_take_turns_and_parts_add_up_to_the_whole():
    calls = []

    def work(name: str) -> Parts:
        calls.append(name)
        return Parts({"first": Cost(1.0, 2.0), "second": Cost(0.5, 0.25)})

    methods = [
        Method("a", lambda: work("a"), 4),
        Method("b", lambda: work("b"), 4, "fresh", prepare=lambda: calls.append("-")),
    ]
    runs = alternate("stage", "frame", methods, 3)
    assert calls == ["a", *["a", "-", "b"] * 3]  # the warm one once before
    whole = runs[runs["part"].eq("") & runs["method"].eq("b")]
    assert list(whole["cpu_s"]) == [1.5] * 3
    assert list(whole["wall_s"]) == [2.25] * 3
    np.testing.assert_allclose(summary.find_costs(runs, "stage", "a", "second"), 125.0)


def test_cpu_time_of_child_processes_is_counted_and_sleep_is_not():
    burn = "import time\nwhile time.process_time() < 0.4: pass"
    watch = Stopwatch()
    subprocess.run([sys.executable, "-c", burn], check=True)
    assert watch.read().cpu_s >= 0.4
    with subprocess.Popen([sys.executable, "-c", f"{burn}\ninput()"], stdin=subprocess.PIPE) as child:
        while watch.read().cpu_s < 0.75:
            assert child.poll() is None
        child.communicate(b"\n")


def make_runs() -> pd.DataFrame:
    """Round numbers: per unit, ours 20, published 100, floor 10 ms; DeepLabCut starts in 2 s."""
    rows = []

    def add(stage, method, units, costs, part="", unit="frame"):
        for repeat, cost in enumerate(costs):
            rows.append((stage, method, part, repeat, cost, cost, units, unit, "warm"))

    for precision in ("float32", "bfloat16"):
        add("matrix product", precision, 1e9, [1.0, 1.0, 1.0])
    cutting = {"ours": 0.2, "published, png": 1.0, "published, jpg": 0.5, "floor": 0.1, "floor, PyAV": 0.12}
    for method, cost in cutting.items():
        add("decode, shrink, cut, store", method, 10, [cost, 1.5 * cost, 3 * cost])
    add("whole chain", summary.FOLLOWED, 5, [0.05] * 3)
    add("whole chain", summary.FOLLOWED, 5, [0.01] * 3, "pose")
    for name, cost in (("ours, float32", 0.1), ("ours, bfloat16", 0.05)):
        add("pose", name, 5, [cost] * 3)
        add("whole chain", name, 5, [4 * cost] * 3)
    add("whole chain", "published", 5, [2.0 + 5 * 0.5] * 3)
    add("whole chain", "published", 5, [2.0 + 5 * 0.3] * 3, "pose")
    add("whole chain", "published, one frame of pose", 1, [2.3] * 3)
    for name in ("ours, float32", "ours, bfloat16"):
        add("prediction and Grad-CAM", name, 100, [0.1] * 3, unit="face")
    for stage in ("training step with input", "nearest pairs"):
        add(stage, "ours", 100, [0.1] * 3, unit="face")
    for stage in ("training step with input", "prediction and Grad-CAM", "nearest pairs"):
        add(stage, "published", 100, [1.0] * 3, unit="face")
    return pd.DataFrame(
        rows, columns=["stage", "method", "part", "repeat", "cpu_s", "wall_s", "units", "unit", "state"]
    )


OPERATIONS = {
    "pose": 5e6,
    summary.WINDOW: 2e6,
    "training step with input": 1e6,
    "prediction and Grad-CAM": 0.5e6,
    "nearest pairs": 1e3,
}


def test_the_table_holds_medians_ranges_ratios_by_turns_and_floors():
    table = summary.summarise(make_runs(), OPERATIONS).set_index(["stage", "ours", "published"])
    cutting = table.loc[("decode, shrink, cut, store", "ours", "published, png")]
    assert cutting[["ours_ms", "ours_low_ms", "ours_high_ms"]].tolist() == pytest.approx([30, 20, 60])
    # Each run against that of the same turn: all five, though costs rise threefold.
    assert cutting[["ratio", "ratio_low", "ratio_high"]].tolist() == pytest.approx([5, 5, 5])
    assert cutting["floor_share"] == pytest.approx(0.5)
    pose = table.loc[("pose", "ours, float32", "published")]
    assert pose["published_ms"] == pytest.approx(300)  # without the start of 2 s
    assert pose["floor_ms"] == pytest.approx(5)
    chain = table.loc[("whole chain", "ours, bfloat16", "published")]
    assert chain["published_ms"] == pytest.approx(500)
    assert chain["ours_ms"] == pytest.approx(40)
    assert chain["floor_ms"] == pytest.approx(15 + 5 + 0.5 * 545 / 864)
    followed = table.loc[("whole chain", summary.FOLLOWED, "published")]
    check = 1.25 * 10 / 128  # ms a frame: one whole frame and one of half the sides in 128
    assert (followed["ours_ms"], followed["ratio"]) == pytest.approx((10 + check, 500 / (10 + check)))
    assert followed["floor_ms"] == pytest.approx(15 + 2 + 0.5 * 545 / 864)
    assert table.loc[("pose", summary.FOLLOWED, "published"), "ours_ms"] == pytest.approx(2 + check)


def test_the_sum_at_the_published_size_is_that_of_its_stages():
    runs = make_runs()
    scaled = summary.scale_up(runs, summary.summarise(runs, OPERATIONS)).set_index("stage")
    assert scaled.loc["sum", "stated_published"] == pytest.approx(637, abs=0.5)
    assert scaled.loc["decode, shrink, cut, store", "published"] == pytest.approx(864_000 * 0.15 / 3600)
    assert scaled.loc["pose", "ours_float32"] == pytest.approx(864_000 * 0.02 / 3600)
    assert scaled.loc["pose", "ours_bfloat16"] == pytest.approx(864_000 * 0.01 / 3600)
    assert scaled.loc["pose", "ours_window"] == pytest.approx(864_000 * (2 + 12.5 / 128) / 3.6e6)
    assert scaled.loc["training step with input", "published"] == pytest.approx(600_000 * 0.01 / 3600)
    assert scaled.loc["nearest pairs", "published"] == pytest.approx(1.0 * 100**2 / 3600)
    hours = scaled.drop(index="sum")["ours_bfloat16"].sum()
    assert scaled.loc["sum", "ours_bfloat16"] == pytest.approx(hours)


def test_lost_found_and_flipped_faces_are_changed_decisions():
    def outcomes(**calls):
        told = pd.Series(list(calls.values()), index=list(calls))
        told.attrs["n_frames"] = 8
        return told

    expected = outcomes(a=PAIN, b=NO_PAIN, c=PAIN, d=PAIN)
    found = outcomes(a=PAIN, b=PAIN, d=PAIN, e=NO_PAIN)
    assert compare_outcomes(expected, found) == {
        "n_frames": 8, "n_faces": 4, "lost": 1, "found": 1, "flipped": 1, "changed": 0.75,
    }  # fmt: skip


def test_the_floor_counts_multiplications_and_additions():
    import torch

    layer = torch.nn.Conv2d(3, 8, 3, padding=1)
    images = torch.zeros(2, 3, 10, 10)
    assert ceilings.count_module(layer, images) == 2 * 8 * 3 * 9 * 100
    # Backward: as much again for the weights; the images need no gradient.
    assert ceilings.count_module(layer, images, train=True) == 2 * 2 * 8 * 3 * 9 * 100


@pytest.mark.verify
def test_two_workers_are_measured_against_one(out, tmp_path):
    lab = make_small_lab(TINY, out / "tiny_lab")
    runs = measure_crews(lab, TINY, tmp_path, repeats=1)
    assert list(runs["method"]) == ["1 worker", "2 workers"]
    assert set(runs["units"]) == {8}
    print(summary.compare_crews(runs))


def test_rates_and_shares_of_the_ceiling_are_measured_on_a_device(out):
    ground = stages.prepare(TINY, out)
    rates = card.measure_card(ground, device="cpu", product=64).set_index("what")
    assert list(rates.index) == ["matrix product", "pose", "training", "prediction and Grad-CAM"]
    assert (rates[["a_second", "ceiling_share"]] > 0).all(axis=None)
    each = operations.count_operations(ground)["pose"]
    share = each * rates.loc["pose", "a_second"] / rates.loc["matrix product", "a_second"]
    assert rates.loc["pose", "ceiling_share"] == pytest.approx(share)


def test_a_missing_ffmpeg_is_told_with_its_remedy(monkeypatch):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "")
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(ValueError, match="IMAGEIO_FFMPEG_EXE"):
        ceilings.find_ffmpeg()

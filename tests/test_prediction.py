"""Faces judged in batches: the same numbers whatever the batch, and animals of the training marked."""

import copy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import softmax

from painlib import face_judge, judging
from painlib.cohort import Recording
from painlib.engines import Engine
from painlib.face_judge import FaceJudge, open_judge
from painlib.faults import PainlibError
from painlib.model import PainNet
from painlib.model_card import LABELS, Calibration, CardMetrics, CropFacts, ModelCard, TrainingAnimal
from painlib.prediction import (
    check_labels,
    mark_trained,
    note_namesakes,
    predict_faces,
    tabulate_frames,
)
from painlib.tables import check_table


@pytest.fixture
def net() -> PainNet:
    torch.manual_seed(0)
    return PainNet((4, 4, 4, 4, 4, 4), (4, 4), 64)


def build_card(net: PainNet, labels: tuple[str, ...] = LABELS) -> ModelCard:
    return ModelCard(
        architecture=net.architecture,
        labels=labels,
        training_animals=(TrainingAnimal(subject="m1", sex="female", n_faces=3),),
        crop=CropFacts(crop_px=800, border="shift", likelihood_threshold=0.9),
        pose_network=None,
        metrics=CardMetrics(held_out={}, training_set={}),
        training={},
        seed=0,
        versions={},
    )


def draw_faces(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 64, 64, 3), dtype=np.uint8)


def list_faces(n: int, subject: str = "m1") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "recording": "m1_pre",
            "subject": subject,
            "camera": "left",
            "frame": np.arange(n) + 5,
            "time_s": np.arange(n) / 30,
            "rule": np.ones(n, dtype=np.int8),
            "size_px": 800,
        },
        index=np.arange(n) + 100,
    )


def list_quality(n: int) -> pd.DataFrame:
    return pd.DataFrame({"sharpness": np.full(n, 0.2), "size": 0.9, "turn": 0.1})


def test_probabilities_are_those_of_the_network_in_evaluation_mode(net):
    faces = draw_faces(10)
    net.train()
    got = predict_faces(net, faces, 4, "cpu")
    with torch.no_grad():
        logits = net.eval()(torch.from_numpy(faces).permute(0, 3, 1, 2)).numpy()
    assert got.shape == (10, 2)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, softmax(logits.astype(np.float64), axis=1), atol=1e-6)
    np.testing.assert_allclose(got.sum(axis=1), 1, rtol=1e-12)


def test_colours_are_read_as_red_green_blue(net):
    """A network that sees red alone tells a red face from a blue one."""
    with torch.no_grad():
        net.blocks[0].conv.weight[:, 0] *= 20
        net.blocks[0].conv.weight[:, 1:] = 0
    face = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    face[..., 0] //= 3
    # As it is, red and blue exchanged, green and blue exchanged.
    got = predict_faces(net, np.stack([face, face[..., ::-1], face[..., [0, 2, 1]]]), 8, "cpu")
    assert abs(got[0] - got[1]).max() > 1e-6
    np.testing.assert_allclose(got[0], got[2], atol=1e-6)


@pytest.mark.parametrize("batch", [1, 3, 7, 100])
def test_batches_do_not_change_the_result(net, batch):
    faces = draw_faces(7)
    np.testing.assert_allclose(
        predict_faces(net, faces, batch, "cpu"), predict_faces(net, faces, 7, "cpu"), atol=1e-6
    )


def test_chosen_rows_are_judged_in_their_order(net):
    faces, rows = draw_faces(9), np.array([7, 0, 3, 7])
    got = predict_faces(net, faces, 3, "cpu", rows=rows)
    np.testing.assert_allclose(got, predict_faces(net, faces, 9, "cpu")[rows], atol=1e-6)


def test_no_more_than_a_batch_is_in_memory(net):
    faces, largest = draw_faces(20), []

    class Spied:
        shape, dtype = faces.shape, faces.dtype

        def __len__(self):
            return len(faces)

        def __getitem__(self, chosen):
            largest.append(len(faces[chosen]))
            return faces[chosen]

    predict_faces(net, Spied(), 6, "cpu")
    assert largest == [6, 6, 6, 2]


def test_a_read_only_store_and_no_faces_are_fine(net, tmp_path: Path):
    np.save(tmp_path / "faces.npy", draw_faces(3))
    mapped = np.load(tmp_path / "faces.npy", mmap_mode="r")
    assert predict_faces(net, mapped, 2, "cpu").shape == (3, 2)
    assert predict_faces(net, draw_faces(0), 2, "cpu").shape == (0, 2)


def test_faces_of_another_size_are_refused(net):
    with pytest.raises(PainlibError, match=r"\(n, 64, 64, 3\) uint8, got \(2, 65, 65, 3\)"):
        predict_faces(net, np.zeros((2, 65, 65, 3), np.uint8), 2, "cpu")
    with pytest.raises(PainlibError, match="float64"):
        predict_faces(net, np.zeros((2, 64, 64, 3)), 2, "cpu")


@pytest.mark.parametrize("n", [0, 5])
def test_a_recording_gets_a_row_a_face(net, n):
    faces = list_faces(n)
    probabilities = predict_faces(net, draw_faces(n), 2, "cpu")
    frames = tabulate_frames(build_card(net), faces, probabilities, list_quality(n), [""] * n)
    check_table(frames, "frames", "schema")
    assert frames["frame"].tolist() == faces["frame"].tolist()
    np.testing.assert_array_equal(frames[["p_no_pain", "p_pain"]].to_numpy(), probabilities)


def test_probabilities_are_calibrated_as_the_card_says_and_kept_beside_the_raw_ones(net):
    halved = Calibration(method="temperature", temperature=2, n_animals=2, n_faces=8)
    card = build_card(net).model_copy(update={"calibration": halved})
    judged = np.array([[0.1, 0.9], [0.9, 0.1], [0.5, 0.5]])
    frames = tabulate_frames(card, list_faces(3), judged, list_quality(3), ["", "blurred", ""])
    assert frames["p_pain"].tolist() == [0.9, 0.1, 0.5]
    # Odds of 9 become odds of 3.
    np.testing.assert_allclose(frames["p_pain_calibrated"], [0.75, 0.25, 0.5])
    assert frames["left_out"].tolist() == ["", "blurred", ""]


@pytest.mark.parametrize(("subject", "trained_on"), [("m1", True), ("m10", False)])
def test_an_animal_of_the_training_is_marked(net, subject, trained_on):
    card, faces = build_card(net), list_faces(3, subject)
    frames = tabulate_frames(card, faces, np.full((3, 2), 0.5), list_quality(3), [""] * 3)
    assert frames["trained_on"].tolist() == [trained_on] * 3
    assert mark_trained(["m1", "x"], build_card(net)).tolist() == [True, False]


def test_judging_leaves_a_network_that_can_go_on_training(net):
    predict_faces(net, draw_faces(3), 2, "cpu")
    net.train()(torch.from_numpy(draw_faces(3)).permute(0, 3, 1, 2)).sum().backward()
    assert net.blocks[0].conv.weight.grad.abs().sum() > 0


def test_outputs_of_another_meaning_or_missing_inputs_are_refused(net):
    check_labels(build_card(net))
    with pytest.raises(PainlibError, match="asleep"):
        check_labels(build_card(net, ("awake", "asleep")))
    with pytest.raises(PainlibError, match="each of 3 faces, got 2"):
        tabulate_frames(build_card(net), list_faces(3), np.full((2, 2), 0.5), list_quality(3), [""] * 3)


def test_the_fast_way_is_held_against_plain_torch_on_the_spot(net):
    faces = torch.from_numpy(draw_faces(40)).permute(0, 3, 1, 2)
    judge = FaceJudge(net, "cpu")
    with torch.no_grad():
        expected = softmax(net.eval()(faces).double().numpy(), axis=1)
    np.testing.assert_allclose(judge.probabilities(faces), expected, atol=1e-5)
    facts = judge.facts
    assert (facts.engine, facts.precision, facts.device) == ("openvino", "float32", "cpu")
    assert (facts.n_checked, facts.n_changed, facts.fallback) == (32, 0, "")
    assert facts.largest < 1e-5
    assert "openvino, float32, on cpu; 32 faces" in facts.explain()


@pytest.mark.parametrize(("precision", "error"), [("float32", 0.01), ("bfloat16", 0.5)])
def test_a_fast_way_that_judges_otherwise_is_not_taken_and_said(net, monkeypatch, precision, error):
    """An engine whose answers are wrong by a little, which it does not notice itself."""

    def compile_wrongly(module, example, *, device, precision):
        return Engine(
            "openvino", precision, device, 0.0, "", lambda batch: module(batch) * (1 + error) + error
        )

    faces = torch.from_numpy(draw_faces(40)).permute(0, 3, 1, 2)
    with torch.no_grad():
        for _ in range(40):
            net.train()(faces)  # normalisations of faces: what is judged is no longer alike for all
        net.fully_connected[-1].weight *= 5
    monkeypatch.setattr(face_judge, "compile_module", compile_wrongly)
    judge = FaceJudge(net, "cpu", precision)
    with pytest.warns(UserWarning, match="judged by plain torch in float32"):
        got = judge.probabilities(faces)
    with torch.no_grad():
        expected = softmax(net.eval()(faces).double().numpy(), axis=1)
    np.testing.assert_allclose(got, expected, atol=1e-5)
    assert (judge.facts.engine, judge.facts.precision) == ("torch", "float32")
    assert "faster way was not taken: openvino" in judge.facts.explain()


def test_a_judge_is_kept_while_the_weights_stay_and_never_longer(net):
    first = open_judge(net, "cpu")
    assert open_judge(net, "cpu") is first
    assert open_judge(copy.deepcopy(net).train(), "cpu") is first
    assert open_judge(net, "cpu", "bfloat16") is not first
    faces = draw_faces(4)
    before = predict_faces(net, faces, 4, "cpu")
    with torch.no_grad():
        net.fully_connected[-1].bias += torch.tensor([0.0, 1.0])
    after = predict_faces(net, faces, 4, "cpu")
    odds = np.log(after[:, 1] / after[:, 0]) - np.log(before[:, 1] / before[:, 0])
    np.testing.assert_allclose(odds, 1, atol=1e-4)


def test_more_faces_than_go_through_at_once_are_judged_alike(net, monkeypatch):
    faces = torch.from_numpy(draw_faces(9)).permute(0, 3, 1, 2)
    whole = FaceJudge(net, "cpu").probabilities(faces)
    monkeypatch.setattr(face_judge, "AT_ONCE", 4)
    np.testing.assert_allclose(FaceJudge(net, "cpu").probabilities(faces), whole, atol=1e-6)


def test_faces_cut_otherwise_than_those_of_training_are_told(net, monkeypatch):
    facts = {"crop_px": 800, "border": "shift", "likelihood_threshold": 0.9}
    given = {"crop_px": 800}
    monkeypatch.setattr(judging, "read_crop_facts", lambda workdir: {**facts, "jpeg_quality": 95})
    monkeypatch.setattr(judging, "read_provenance", lambda stage, workdir: {"params": given})
    card = build_card(net)
    assert judging.note_cut(card, Path("here")) == ""
    facts |= {"crop_px": 300, "border": "pad"}
    told = judging.note_cut(card, Path("here"))
    assert told.endswith(
        "than those the model learned from: crop_px 300 (there 800), border pad (there shift)"
    )
    given["crop_px"] = None  # found from the heads that are here
    assert judging.note_cut(card, Path("here")).endswith("learned from: border pad (there shift)")


def test_an_animal_without_a_label_that_bears_a_training_animals_name_is_named(net):
    def describe(name: str, subject: str, label: str) -> Recording:
        return Recording(name, subject, (), "post", label, "", "", "", 0.0)

    own = [describe("m1_pre", "m1", "no pain"), describe("m1_assay", "m1", ""), describe("m2", "m2", "")]
    assert note_namesakes(own, build_card(net)) == ""
    new = [describe("m1_assay", "m1", ""), describe("m2", "m2", "")]
    told = note_namesakes(new, build_card(net))
    assert "left out of tests: m1 (another animal of that name" in told

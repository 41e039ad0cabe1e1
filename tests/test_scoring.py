"""`painlib score`: any image or video judged by a model folder alone."""

import json
from pathlib import Path

import clips
import cv2
import fsspec
import numpy as np
import pandas as pd
import pytest
import torch
from pretend_pose import SpotNetwork, draw_head
from test_prediction import build_card

from painlib import scoring
from painlib.cli import main
from painlib.faults import PainlibError
from painlib.model import PainNet, save_model
from painlib.model_card import Calibration, QualityLimits
from painlib.novelty import make_reference, save_reference
from painlib.scores import score_files
from painlib.scoring import Scorer

HEAD = np.array([(80.0, 80.0), (65.0, 60.0), (95.0, 60.0)])  # px: nose, right eye, left eye
NO_EYES = (True, False, False)
ALL = (True, True, True)


@pytest.fixture
def model(tmp_path: Path, monkeypatch) -> Path:
    """A model folder whose pose network sees coloured spots."""
    torch.manual_seed(3)
    net = PainNet((8, 8, 8, 8, 8, 8), (8, 8), 64).eval()
    with torch.no_grad():
        net.fully_connected[-1].weight.mul_(20)  # so that faces differ in p_pain
    card = build_card(net)
    crop = card.crop.model_copy(update={"crop_px": 64})
    save_model(tmp_path / "model", net, card.model_copy(update={"crop": crop, "pose_network": "pose"}))
    network = SpotNetwork()
    network.frame_px = 160, 120  # type: ignore[attr-defined]
    monkeypatch.setattr(scoring, "load_pose_network", lambda *args, **keys: network)
    return tmp_path / "model"


def judge_by_hand(model: Path, face: np.ndarray) -> float:
    """p_pain of a face at the network's size, asked of the network alone."""
    net, _ = scoring.load_model(model, "cpu")
    with torch.inference_mode():
        logits = net(torch.from_numpy(face.copy()).permute(2, 0, 1)[None].float())[0]
    return float(1 / (1 + torch.exp(logits[0] - logits[1])))


def write_image(path: Path, image: np.ndarray) -> Path:
    cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return path


def write_film(path: Path) -> Path:
    """Three seconds at 4 frames/s: a face in all frames, in one frame, in none."""
    seen = [ALL] * 4 + [NO_EYES, ALL, NO_EYES, NO_EYES] + [NO_EYES] * 4
    images = [draw_head(number, HEAD, points) for number, points in enumerate(seen)]
    return clips.write_clip(path, images, fps=4, options={"crf": "0"}, pix_fmt="yuv444p")


def test_a_face_is_found_cut_as_in_training_and_judged(model, tmp_path):
    image = draw_head(5, HEAD, ALL)
    score = Scorer(model, "cpu").score_image(write_image(tmp_path / "m.png", image))
    # Between the eyes lies (80, 60): a square of 64 px reaches from 48 to 112 and from 28 to 92.
    assert score.p_pain == pytest.approx(judge_by_hand(model, image[28:92, 48:112]), abs=0.02)
    assert score.call == ("pain" if score.p_pain > 0.5 else "no pain")
    assert score.confidence == pytest.approx(max(score.p_pain, 1 - score.p_pain))
    assert (score.n_frames, score.n_faces, score.second, score.reason) == (1, 1, None, "")


def test_a_face_that_is_cut_out_already_is_taken_whole(model, tmp_path):
    face = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    score = Scorer(model, "cpu", as_faces=True).score_image(write_image(tmp_path / "f.png", face))
    assert score.p_pain == pytest.approx(judge_by_hand(model, face), abs=1e-6)


def test_a_video_gives_a_row_a_second_and_says_where_no_face_was(model, tmp_path):
    rows = pd.DataFrame(
        score.as_row() for score in Scorer(model, "cpu").score_video(write_film(tmp_path / "m.mp4"))
    )
    assert rows["second"].tolist() == [0, 1, 2]
    assert rows["n_frames"].tolist() == [4, 4, 4]
    assert rows["n_faces"].tolist() == [4, 1, 0]
    assert rows["call"].tolist()[2] == "not judged"
    assert rows["reason"].tolist() == ["", "", "no face to cut out"]
    assert np.isnan(rows["p_pain"].iloc[2])
    faces = [draw_head(number, HEAD, ALL)[28:92, 48:112] for number in range(4)]
    by_hand = np.mean([judge_by_hand(model, face) for face in faces])
    assert rows["p_pain"].iloc[0] == pytest.approx(by_hand, abs=0.02)  # the clip's colours are rounded


def test_a_call_that_is_not_sure_enough_is_not_made(model, tmp_path):
    path = write_image(tmp_path / "m.png", draw_head(5, HEAD, ALL))
    sure = Scorer(model, "cpu").score_image(path)
    unsure = Scorer(model, "cpu", abstain_below=min(1.0, sure.confidence + 1e-6)).score_image(path)
    assert unsure.call == "not judged"
    assert "confidence below" in unsure.reason
    assert unsure.p_pain == sure.p_pain


def test_confidence_is_calibrated_and_faces_too_poor_are_left_out_as_the_card_says(model, tmp_path):
    path = write_image(tmp_path / "m.png", draw_head(5, HEAD, ALL))
    raw = Scorer(model, "cpu").score_image(path)
    net, card = scoring.load_model(model, "cpu")
    halved = Calibration(method="temperature", temperature=2, n_animals=2, n_faces=8)
    save_model(model, net, card.model_copy(update={"calibration": halved}))
    calibrated = Scorer(model, "cpu").score_image(path)
    assert (calibrated.p_pain, calibrated.call) == (raw.p_pain, raw.call)
    odds = raw.confidence / (1 - raw.confidence)
    assert calibrated.confidence == pytest.approx(odds**0.5 / (1 + odds**0.5))

    limits = QualityLimits(max_turn=0.0, min_size=9.0)  # no face is nine times as large as its crop
    save_model(model, net, card.model_copy(update={"quality_limits": limits}))
    poor = Scorer(model, "cpu").score_image(path)
    assert (poor.call, poor.reason, poor.n_faces, poor.n_left_out) == ("not judged", "small", 0, 1)
    assert np.isnan(poor.p_pain)


def remember_faces(model: Path, n_animals: int = 5, each: int = 24) -> None:
    """Training faces as `draw_head` has them, grainy; what they look like goes into the model folder."""
    rng = np.random.default_rng(0)
    face = draw_head(0, HEAD, ALL)[28:92, 48:112].astype(float)
    names = [f"t{animal}" for animal in range(n_animals) for _ in range(each)]
    grain = rng.normal(0, 6, (len(names), *face.shape))
    inputs = np.clip(face + grain, 0, 255).astype(np.uint8)
    faces = pd.DataFrame({"recording": names, "subject": names})
    save_reference(model, make_reference(inputs, faces, 0))


def roughen(image: np.ndarray, seed: int) -> np.ndarray:
    grain = np.random.default_rng(seed).normal(0, 6, image.shape)
    return np.clip(image + grain, 0, 255).astype(np.uint8)


def test_of_an_image_it_is_told_whether_the_model_knows_such_a_face(model, tmp_path):
    known = roughen(draw_head(0, HEAD, ALL)[28:92, 48:112], 1)
    stripes = np.tile(np.repeat(np.array([30, 220], np.uint8), 8), 4)
    strange = np.broadcast_to(stripes[None, :, None], (64, 64, 3))
    paths = [write_image(tmp_path / f"{name}.png", image) for name, image in (("k", known), ("s", strange))]
    scorer = Scorer(model, "cpu", as_faces=True)
    untold = scorer.score_image(paths[0])
    assert (untold.inside, "older painlib" in untold.why) == ("cannot be told", True)
    remember_faces(model)
    scorer = Scorer(model, "cpu", as_faces=True)
    told = [scorer.score_image(path) for path in paths]
    assert [score.inside for score in told] == ["inside", "outside"]
    assert all(score.why.startswith("One face: ") for score in told)
    remember_faces(model, n_animals=3)
    few = Scorer(model, "cpu", as_faces=True).score_image(paths[0])
    assert (few.inside, "fewer than 4 training animals" in few.why) == ("cannot be told", True)


def test_of_a_video_it_is_told_once_for_all_its_seconds(model, tmp_path):
    remember_faces(model)
    long = [roughen(draw_head(0, HEAD, ALL), number) for number in range(24)]
    short = [draw_head(number, HEAD, ALL) for number in range(4)]
    options = {"fps": 8, "options": {"crf": "0"}, "pix_fmt": "yuv444p"}
    films = [
        clips.write_clip(tmp_path / f"{name}.mp4", images, **options)
        for name, images in (("long", long), ("short", short))
    ]
    out = tmp_path / "s.json"
    asked = ["--model", str(model), "--out", str(out), "--device", "cpu"]
    assert main(["score", *map(str, films), *asked]) == 0
    rows = json.loads(out.read_text())["scores"]
    assert [row["inside"] for row in rows] == ["inside"] * 3 + ["cannot be told"]
    assert len({row["why"] for row in rows[:3]}) == 1
    assert "Distance of the faces from the training faces" in rows[0]["why"]
    assert rows[3]["why"] == "4 faces, 20 are needed"


def test_a_threshold_that_no_call_of_no_pain_reaches_is_refused(model):
    net, card = scoring.load_model(model, "cpu")
    floor = Calibration(method="floor", temperature=1, offset=-1, floor=0.25, n_animals=9, n_faces=90)
    save_model(model, net, card.model_copy(update={"calibration": floor}))
    Scorer(model, "cpu", abstain_below=0.7)
    with pytest.raises(PainlibError, match="no call of no pain"):
        Scorer(model, "cpu", abstain_below=0.8)


def test_files_by_url_are_scored_as_those_of_this_machine(model, tmp_path):
    still, film = write_image(tmp_path / "m.png", draw_head(5, HEAD, ALL)), write_film(tmp_path / "m.mp4")
    urls = [f"memory://scored/{path.name}" for path in (still, film)]
    for url, path in zip(urls, (still, film), strict=True):
        fsspec.filesystem("memory").pipe(url, path.read_bytes())
    (tmp_path / "seen").mkdir()
    ours, faults = score_files(Scorer(model, "cpu"), [still, film])
    theirs, more = score_files(
        Scorer(model, "cpu", sights=True), [*urls, "memory://scored/none.png"], tmp_path / "seen"
    )
    assert len(faults) == 0
    assert "found none: memory://scored/none.png" in " ".join(more)
    assert [row["source"] for row in theirs] == [urls[0], *[urls[1]] * 3]
    pd.testing.assert_frame_equal(
        pd.DataFrame(theirs).drop(columns="source"), pd.DataFrame(ours).drop(columns="source")
    )
    assert sorted(path.name for path in (tmp_path / "seen").iterdir()) == ["m_score.mp4", "m_score.png"]


def test_one_bad_file_does_not_lose_the_others(model, tmp_path, capsys):
    good = write_image(tmp_path / "good.png", draw_head(5, HEAD, ALL))
    (tmp_path / "bad.png").write_bytes(b"no image")
    missing, out = tmp_path / "missing.png", tmp_path / "scores.json"
    files = [str(path) for path in (tmp_path / "bad.png", good, missing)]
    assert main(["score", *files, "--model", str(model), "--out", str(out), "--device", "cpu"]) == 1
    said = capsys.readouterr().err
    assert "bad.png" in said
    assert "missing.png" in said
    written = json.loads(out.read_text())
    assert [row["source"] for row in written["scores"]] == [str(good)]
    assert written["model"]["trained_on"] == ["m1"]


def test_a_video_cut_short_keeps_no_second_after_the_cut_and_is_named(model, tmp_path, capsys):
    film = write_film(tmp_path / "m.mp4")
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    assert main(["score", str(film), "--model", str(model), "--device", "cpu"]) == 1
    assert "m.mp4" in capsys.readouterr().err


def test_csv_goes_to_the_screen_with_empty_cells_where_nothing_was_judged(model, tmp_path, capsys):
    path = write_image(tmp_path / "m.png", draw_head(5, HEAD, NO_EYES))
    assert main(["score", str(path), "--model", str(model), "--device", "cpu"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "source,second,n_frames,n_faces,n_left_out,call,confidence,p_pain,reason,inside,why",
        f"{path},,1,0,0,not judged,,,no face to cut out,cannot be told,no face was judged",
    ]


def test_overlays_are_drawn_where_asked_for(model, tmp_path):
    image = write_image(tmp_path / "still.png", draw_head(5, HEAD, ALL))
    film = write_film(tmp_path / "film.mp4")
    asked = ["--overlay", str(tmp_path / "seen"), "--out", str(tmp_path / "s.csv"), "--device", "cpu"]
    assert main(["score", str(image), str(film), "--model", str(model), *asked]) == 0
    drawn = cv2.imread(str(tmp_path / "seen" / "still_score.png"))
    assert min(drawn.shape[:2]) >= 360
    assert cv2.VideoCapture(str(tmp_path / "seen" / "film_score.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 3


def test_options_that_cannot_be_are_named_together(model, tmp_path, capsys):
    wrong = ["--out", "scores.xlsx", "--abstain-below", "0.2", "--crop-px", "3"]
    assert main(["score", str(tmp_path / "m.png"), "--model", str(model), *wrong]) == 1
    said = capsys.readouterr().err
    assert all(name in said for name in ("--out", "--abstain-below", "--crop-px", "3 faults"))


def test_a_model_of_tracker_files_asks_for_faces(model):
    card = json.loads((model / "card.json").read_text())
    (model / "card.json").write_text(json.dumps({**card, "pose_network": None}))
    with pytest.raises(PainlibError, match="--face"):
        Scorer(model, "cpu")


def test_a_face_that_is_not_square_is_refused(model, tmp_path):
    path = write_image(tmp_path / "f.png", np.zeros((64, 80, 3), np.uint8))
    with pytest.raises(PainlibError, match="80 x 64 px"):
        Scorer(model, "cpu", as_faces=True).score_image(path)


def test_a_square_larger_than_the_picture_is_an_error_that_names_the_file(model, tmp_path):
    path = write_image(tmp_path / "m.png", draw_head(5, HEAD, ALL))
    with pytest.raises(PainlibError, match=r"m\.png.*\(640 px a side\), got 160 x 120 px.*--crop-px"):
        Scorer(model, "cpu", crop_px=640).score_image(path)


def test_faults_of_a_picture_or_video_name_what_score_has_and_not_what_a_cohort_has(model, tmp_path, capsys):
    image = write_image(tmp_path / "m.png", draw_head(5, HEAD, ALL))
    film = write_film(tmp_path / "film.mp4")
    whole = film.read_bytes()
    film.write_bytes(whole[: len(whole) // 2])
    out = tmp_path / "s.csv"
    asked = ["--model", str(model), "--crop-px", "800", "--out", str(out), "--device", "cpu"]
    assert main(["score", str(image), str(film), *asked]) == 1
    told = capsys.readouterr().err
    assert "(800 px a side), got 160 x 120 px" in told
    assert "--crop-px, at most 120" in told
    assert "Copy the file again from the camera." in told
    for other in ("border", "exclude_reason", "column", "scores of the others"):
        assert other not in told
    assert "No file could be judged; no scores are written (2 faults)" in told
    assert not out.exists()

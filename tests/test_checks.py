"""`painlib check`: what can be found wrong before work starts is found, and what is legal is not refused."""

import clips
import numpy as np
import pytest
import torch
from test_prediction import build_card
from tiny_lab import add_training_animal, make_lab, write_parameters

from painlib.checks import check_run
from painlib.cohort import VideoPart
from painlib.faults import PainlibError
from painlib.model import PainNet, save_model
from painlib.pose.recipe import check_backbone, find_backbones
from painlib.video import read_frames, write_video

HEADER = "recording,subject,camera,video,start_s,end_s,time_zero_s,phase,label,treatment,sex,strain,pose\n"


@pytest.fixture
def lab(tmp_path):
    make_lab(tmp_path)
    return tmp_path


def write_cohort(lab, *rows: str) -> None:
    """Rows of the cohort table; every video has 6 frames of 64 x 48 px at 10 frames/s: it ends at 0.6 s."""
    (lab / "cohort.csv").write_text(HEADER + "\n".join(rows) + "\n")


def find_faults(lab, **sections) -> str:
    """All that `painlib check` says is wrong, a line a fault."""
    _, faults = check_run(write_parameters(lab, **sections), lab / "notebooks")
    return "\n".join(faults)


def test_what_would_stop_a_run_is_told_before_it_in_one_message(lab):
    absent = "mps" if torch.cuda.is_available() else "cuda"
    (lab / "notes").write_text("a file")
    write_cohort(
        lab,
        "m1,m1,A,m1.mp4,,50,,post,,vehicle,male,,",
        "m2,m2,A,m2.mp4,40,,,post,,AC,male,,",
        "t1_pre,t1,A,t1_pre.mp4,,,,pre,no pain,,male,,",
        "t1_ac,t1,A,t1_ac.mp4,,,9999,post,pain,,male,,",
    )
    told = find_faults(
        lab,
        workdir="notes",
        crop={"crop_px": 800, "pose_backbone": "resnet_51"},
        train={"folds": 2, "device": absent},
        predict={"device": absent},
    )
    for expected in (
        "Recording 'm1', camera 'A': Expected `end_s` within the film, got 50 s",
        "m1.mp4 ends at 0.600 s",
        "Recording 'm2', camera 'A': Expected frames with 40 s <= time",
        "Recording 't1_ac', column `time_zero_s`: expected a time before its end (0.60 s",
        "got crop_px = 800 for 64 x 48 px",
        "got 'resnet_51'. Did you mean 'resnet_50'? Mend `pose_backbone`.",
        "Parameter `folds`",
        "train, predict: Parameter `device`: expected a device of this machine (",
        f"or auto), got '{absent}'",
        f"got {lab / 'notes'}",
    ):
        assert expected in told
    assert len(told.splitlines()) == 8


def test_animals_that_cannot_be_held_out_are_found(lab):
    one_a_label = (
        "m1,m1,A,m1.mp4,,,,post,,vehicle,male,,",
        "m2,m2,A,m2.mp4,,,,post,,AC,male,,",
        "t1,t1,A,t1_pre.mp4,,,,,no pain,,male,,",
        "t2,t2,A,t1_ac.mp4,,,,,pain,,male,,",
    )
    write_cohort(lab, *one_a_label)
    told = find_faults(lab)
    assert "Without t1 no training face is labelled 'no pain'" in told
    assert "Without t2 no training face is labelled 'pain'" in told
    assert "Column `strain`: expected a value for every animal" in find_faults(
        lab, train={"hold_out": "strain"}
    )
    assert "Column `lab`" in find_faults(lab, train={"hold_out": "lab"})


def test_a_model_that_is_given_needs_no_animals_to_train(lab):
    told = find_faults(lab, predict={"model": "nowhere"}, train={"folds": 2, "device": "cuda"})
    assert "predict.model" in told
    assert "folds" not in told
    assert "device" not in told


def test_judging_from_video_needs_a_model_with_a_pose_network_and_no_labels(lab, tmp_path):
    net = PainNet((1, 1, 1, 1, 1, 1), (1, 1), 64)
    save_model(tmp_path / "model", net, build_card(net))
    predict = {"model": str(tmp_path / "model"), "from_video": True}
    told = find_faults(lab, predict=predict, crop={"labels": "nowhere.csv"})
    assert "predict.model: Parameter `from_video`: expected a model with a pose network" in told
    assert "predict.model, faces cut as its own were: " in told  # 800 px of 64 x 48
    assert "nowhere.csv" not in told
    told = find_faults(lab, predict={**predict, "abstain_below": 0.9})
    assert "Parameter `abstain_below`" in told


def test_a_tracker_file_has_a_row_for_each_frame(lab):
    names = ["nose", "right_eye", "left_eye"]
    columns = [(name, coordinate) for name in names for coordinate in ("x", "y", "likelihood")]
    head = [
        "scorer" + ",net" * 9,
        "bodyparts," + ",".join(name for name, _ in columns),
        "coords," + ",".join(coordinate for _, coordinate in columns),
    ]
    rows = [f"{number}" + ",20,20,0.99" * 3 for number in range(30)]
    write_video(lab / "m1.mp4", [np.full((48, 64, 3), 90, np.uint8)] * 30, fps=10)
    # A container that counts no frames is not believed: its packets are counted.
    clips.write_clip(lab / "m2.mkv", [np.full((48, 64, 3), 90, np.uint8)] * 30, fps=10)
    for name, number in (("short", 12), ("whole", 30)):
        (lab / f"{name}.csv").write_text("\n".join(head + rows[:number]) + "\n")
    write_cohort(
        lab,
        "m1,m1,A,m1.mp4,,,,post,,vehicle,male,,short.csv",
        "m2,m2,A,m2.mkv,,,,post,,AC,male,,whole.csv",
    )
    told = find_faults(lab, crop={"pose_source": "tracker"})
    assert "Recording 'm1', camera 'A': Expected one row a frame, got 12 rows in" in told
    assert "for 30 frames in" in told
    assert "whole.csv" not in told


def test_what_is_legal_is_not_refused(lab):
    add_training_animal(lab)
    write_cohort(
        lab,
        # Treated a day before; ends within a frame of the film's end; treated within the film.
        "m1,m1,A,m1.mp4,,0.65,-86400,post,,vehicle,male,,",
        "m2,m2,A,m2.mp4,0.2,0.6,0.5,,,AC,male,,",
        # Treated long after it was filmed.
        "t1_pre,t1,A,t1_pre.mp4,,,9999,pre,no pain,,male,,",
        "t1_ac,t1,A,t1_ac.mp4,,,,post,pain,,male,,",
        "t2_pre,t2,A,t2_pre.mp4,,,,pre,no pain,,male,,",
        "t2_ac,t2,A,t2_ac.mp4,,,,post,pain,,male,,",
    )
    assert find_faults(lab, crop={"crop_px": 800, "border": "pad"}, train={"folds": 2}) == ""
    told = find_faults(lab, crop={"crop_px": 49, "border": "drop"})
    assert "no face would be left" in told
    assert len(told.splitlines()) == 1


def test_reading_refuses_a_stretch_that_ends_beyond_the_film_as_the_check_does(lab):
    path = str(lab / "m1.mp4")
    assert len(list(read_frames([VideoPart(path, 0.0, 0.6)]))) == 6
    with pytest.raises(PainlibError, match=r"`end_s` within the film, got 50 s.*leave it empty"):
        list(read_frames([VideoPart(path, 0.0, 50.0)]))


def test_backbones_are_those_that_training_knows():
    assert {"resnet_50", "resnet_101", "hrnet_w32"} <= set(find_backbones())
    check_backbone("resnet_50")
    check_backbone("resnet10t")


# The sealed key


def seal(lab, *rows: str, groups: tuple[str, ...] = ("saline", "acid")) -> str:
    """What `check` says with this key; the cohort table names 'saline' for m1 and nothing else."""
    add_training_animal(lab)
    text = (lab / "cohort.csv").read_text()
    (lab / "cohort.csv").write_text(text.replace("vehicle", "saline").replace(",AC,", ",,"))
    (lab / "key.csv").write_text("subject,treatment\n" + "\n".join(rows) + "\n")
    design = {"groups": [list(groups)], "control": [groups[0]]}
    return find_faults(lab, statistics={"treatment_key": "key.csv", **design})


def test_check_counts_what_disagrees_with_the_sealed_key_and_tells_no_treatment(lab):
    told = seal(lab, "m1,morphine", "m2,acid", "m2,capsaicin", "m9,ketamine", groups=("vehicle", "drug"))
    assert "the cohort table and another in the key: 1 recording ('m1')" in told
    assert "'m2' stands in the key with 2 treatments" in told
    assert "'m9', which is not in the cohort table" in told
    for secret in ("saline", "morphine", "acid", "capsaicin", "ketamine", "minutes"):
        assert secret not in told


def test_check_names_a_group_without_animals_but_not_what_the_key_calls_them(lab):
    told = seal(lab, "m1,saline", "m2,capsaicin")
    assert "assay 'AC'" in told
    assert "group 'acid' has no animal; 2 treatments seen." in told
    assert "capsaicin" not in told


def test_check_reads_minute_curves_and_key_through_the_same_door_as_the_cohort(lab):
    add_training_animal(lab)
    (lab / "curves.csv").write_text("recording;subject;minute;pain_probability\nr1;m1;0;0.5\n")
    (lab / "key.csv").write_bytes("subject,treatment\nm1,Säure\n".encode("latin-1"))
    design = {"minutes": ["curves.csv"], "treatment_key": "key.csv"}
    told = find_faults(lab, statistics=design)
    assert "commas between the cells, got semicolons" in told
    assert "Expected text in UTF-8, got another encoding" in told


def test_a_key_by_recording_need_not_name_recordings_before_treatment(lab):
    add_training_animal(lab)
    text = (lab / "cohort.csv").read_text().replace(",vehicle,", ",,").replace(",AC,", ",,")
    (lab / "m1_pre.mp4").write_bytes((lab / "m1.mp4").read_bytes())
    (lab / "cohort.csv").write_text(text + "m1_pre,m1,A,m1_pre.mp4,pre,,,male\n")
    (lab / "key.csv").write_text("recording,treatment\nm1,vehicle\nm2,AC\n")
    assert find_faults(lab, statistics={"treatment_key": "key.csv"}) == ""
    (lab / "key.csv").write_text("recording,treatment\nm2,AC\n")
    told = find_faults(lab, statistics={"treatment_key": "key.csv"})
    assert "recording 'm1' has no treatment" in told
    assert "recording 'm1_pre' has no treatment" in told

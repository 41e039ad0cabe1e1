"""The cohort table: what it means, and every fault in it named with its row, column and remedy."""

import math
from pathlib import Path

import pandas as pd
import pytest

from painlib.cohort import (
    CameraVideo,
    VideoPart,
    cohort_note,
    excluded_rows,
    iter_recordings,
    load_cohort,
    video_rows,
)
from painlib.faults import PainlibError

HEADER = "recording,subject,camera,video,phase,label,sex,time_zero_s,treatment"
GOOD = (
    "m1_pre,m1,left,v/m1_pre_l.mp4,pre,no pain,male,600,",
    "m1_pre,m1,right,v/m1_pre_r.mp4,pre,no pain,male,600,",
    "m1_post,m1,left,v/m1_post_l.mp4,post,pain,male,,AC",
    "m1_post,m1,right,v/m1_post_r.mp4,post,pain,male,,AC",
)


class Laboratory:
    """A folder with videos (empty files: the table only asks that they are there) and one cohort table."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "cohort.csv"
        self.film(*(row.split(",")[3] for row in GOOD))

    def film(self, *names: str) -> None:
        for name in names:
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).touch()

    def load(self, *rows: str, header: str = HEADER) -> pd.DataFrame:
        self.path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        return load_cohort(self.path)

    def fault(self, *rows: str, header: str = HEADER) -> str:
        with pytest.raises(PainlibError) as caught:
            self.load(*rows, header=header)
        assert str(self.path) in str(caught.value)
        return str(caught.value)


@pytest.fixture
def lab(tmp_path: Path) -> Laboratory:
    return Laboratory(tmp_path)


def test_every_column_of_the_contract_is_there_and_typed(lab: Laboratory) -> None:
    cohort = lab.load(*GOOD)
    assert list(cohort["recording"]) == ["m1_pre", "m1_pre", "m1_post", "m1_post"]
    assert list(cohort["time_zero_s"]) == [600.0, 600.0, 0.0, 0.0]
    assert cohort["start_s"].isna().all()
    assert cohort["end_s"].isna().all()
    assert list(cohort["offset_s"]) == [0.0] * 4
    assert list(cohort["part"]) == [1] * 4
    assert cohort["part"].dtype == "int64"
    for column in ("period", "strain", "cage", "lab", "exclude_reason", "pose"):
        assert list(cohort[column]) == [""] * 4
    assert cohort["video"][0] == str(lab.folder / "v" / "m1_pre_l.mp4")


def test_extra_columns_travel_along_untouched(lab: Laboratory) -> None:
    cohort = lab.load(
        *(f"{row},{extra}" for row, extra in zip(GOOD, (" 007", "", "NA", "1e3"), strict=True)),
        header=f"{HEADER},ear tag",
    )
    assert list(cohort["ear tag"]) == [" 007", "", "NA", "1e3"]


def test_blank_rows_blanks_around_text_and_a_byte_order_mark_do_no_harm(lab: Laboratory) -> None:
    rows = [GOOD[0].replace(",", " , "), ",,,,,,,,", "", *GOOD[1:]]
    lab.path.write_bytes("\ufeff".encode() + "\r\n".join([HEADER, *rows]).encode())
    assert list(load_cohort(lab.path)["subject"]) == ["m1"] * 4


def test_recordings_keep_the_order_of_the_table_and_join_their_cameras(lab: Laboratory) -> None:
    first, second = iter_recordings(lab.load(*GOOD))
    assert (first.name, first.subject, first.phase, first.label) == ("m1_pre", "m1", "pre", "no pain")
    assert (first.time_zero_s, second.treatment, second.sex) == (600.0, "AC", "male")
    assert [camera.camera for camera in first.cameras] == ["left", "right"]
    path = str(lab.folder / "v" / "m1_pre_l.mp4")
    assert first.cameras[0] == CameraVideo("m1_pre", "m1", "left", (VideoPart(path, 0.0, math.inf),), 0.0, ())


def test_parts_of_a_camera_come_in_their_order_with_stretch_offset_and_pose(lab: Laboratory) -> None:
    lab.film("b.mp4", "a.mp4", "b.h5", "a.h5")
    cohort = lab.load(
        "r,m,top,b.mp4,2,,4.5,-0.25,b.h5",
        "r,m,top,a.mp4,1,10,,-0.25,a.h5",
        header="recording,subject,camera,video,part,start_s,end_s,offset_s,pose",
    )
    (camera,) = iter_recordings(cohort)[0].cameras
    assert camera.parts == (
        VideoPart(str(lab.folder / "a.mp4"), 10.0, math.inf),
        VideoPart(str(lab.folder / "b.mp4"), 0.0, 4.5),
    )
    assert camera.offset_s == -0.25
    assert camera.pose == (str(lab.folder / "a.h5"), str(lab.folder / "b.h5"))


def test_an_excluded_row_is_kept_and_counted_but_not_used(lab: Laboratory) -> None:
    header = f"{HEADER},exclude_reason"
    rows = [f"{row}," for row in GOOD[:3]] + ["m1_post,m1,right,,post,pain,male,,AC,camera fell over"]
    cohort = lab.load(*rows, header=header)
    assert len(cohort) == 4
    assert len(video_rows(cohort)) == 3
    assert list(excluded_rows(cohort)["exclude_reason"]) == ["camera fell over"]
    assert [len(recording.cameras) for recording in iter_recordings(cohort)] == [2, 1]


def test_a_recording_excluded_as_a_whole_is_left_out_but_stays_in_the_table(lab: Laboratory) -> None:
    header = f"{HEADER},exclude_reason"
    rows = [f"{row}," for row in GOOD[:2]] + [f"{row},asleep" for row in GOOD[2:]]
    cohort = lab.load(*rows, header=header)
    assert [recording.name for recording in iter_recordings(cohort)] == ["m1_pre"]
    assert len(excluded_rows(cohort)) == 2


def test_a_url_is_passed_through_unchecked(lab: Laboratory) -> None:
    cohort = lab.load("r,m,top,https://example.org/a b.mp4", header="recording,subject,camera,video")
    assert cohort["video"][0] == "https://example.org/a b.mp4"


def test_figures_of_a_drawn_cohort_say_so(lab: Laboratory) -> None:
    drawn = lab.load(*(f"{row},drawn by painlib" for row in GOOD), header=f"{HEADER},lab")
    assert cohort_note(drawn) == "Drawn demonstration, not real mice"
    assert cohort_note(lab.load(*GOOD)) == ""


def test_two_stretches_of_one_file_may_be_two_recordings_when_they_do_not_overlap(lab: Laboratory) -> None:
    header = "recording,subject,camera,video,start_s,end_s"
    lab.film("long.mp4")
    cohort = lab.load("a,m,top,long.mp4,0,10", "b,m,top,long.mp4,10,20", header=header)
    assert len(iter_recordings(cohort)) == 2


# ---- faults --------------------------------------------------------------------------------------


def test_overlapping_stretches_of_one_file_are_found_however_the_file_is_written(lab: Laboratory) -> None:
    lab.film("long.mp4")
    (lab.folder / "linked").symlink_to(lab.folder)
    text = lab.fault(
        "a,m,top,long.mp4,0,60",
        "b,m,top,linked/long.mp4,20,30",
        "c,m,top,long.mp4,59.5,",
        header="recording,subject,camera,video,start_s,end_s",
    )
    assert "Rows 2 and 3, columns `start_s`, `end_s`" in text
    assert "0 s to 60 s and 20 s to 30 s" in text
    assert "Rows 2 and 4" in text
    assert "59.5 s to the end" in text


def test_a_video_given_to_both_cameras_is_found(lab: Laboratory) -> None:
    text = lab.fault(GOOD[0], GOOD[0].replace("left", "right"))
    assert "Rows 2 and 3" in text
    assert "do not overlap" in text


def test_a_duplicate_recording_is_found(lab: Laboratory) -> None:
    lab.film("v/other_l.mp4")
    text = lab.fault(*GOOD, "m1_pre,m1,left,v/other_l.mp4,pre,no pain,male,600,")
    assert "Rows 2 and 6: recording 'm1_pre', camera 'left', part 1 stands twice" in text
    assert "own name" in text


def test_pain_before_treatment_is_found(lab: Laboratory) -> None:
    rows = [row.replace("pre,no pain", "pre,pain") for row in GOOD]
    text = lab.fault(*rows)
    assert (
        "Row 2, column `label`: expected 'no pain' or an empty cell where `phase` is 'pre', got 'pain'"
        in text
    )
    assert "Row 3, column `label`" in text


def test_a_missing_camera_is_found_and_named(lab: Laboratory) -> None:
    text = lab.fault(*GOOD[:3])
    assert "Row 4: expected 2 cameras for recording 'm1_post', as in the others, got left alone" in text
    assert "camera 'right'" in text
    assert "exclude_reason" in text


def test_a_laboratory_with_one_camera_beside_one_with_two_is_no_fault(lab: Laboratory) -> None:
    rows = [f"{row},ours" for row in GOOD] + [",".join(["x,x1,top,v/x.mp4,pre,no pain,male,0,", "theirs"])]
    lab.film("v/x.mp4")
    assert len(lab.load(*rows, header=f"{HEADER},lab")) == 5


def test_a_third_camera_is_refused_unless_excluded(lab: Laboratory) -> None:
    lab.film("v/t1.mp4", "v/t2.mp4")
    third = ["m1_pre,m1,top,v/t1.mp4,pre,no pain,male,600,", "m1_post,m1,top,v/t2.mp4,post,pain,male,,AC"]
    assert "expected 2 cameras at most for 'm1_pre', got left, right, top" in lab.fault(*GOOD, *third)
    rows = [f"{row}," for row in GOOD] + [f"{row},not calibrated" for row in third]
    assert len(video_rows(lab.load(*rows, header=f"{HEADER},exclude_reason"))) == 4


def test_a_wrong_path_is_found_and_the_near_name_offered(lab: Laboratory) -> None:
    text = lab.fault(GOOD[0].replace("m1_pre_l.mp4", "m1_pre_l.mpg"), *GOOD[1:])
    assert "Row 2, column `video`: expected a video file, found none" in text
    assert "Did you mean 'm1_pre_l.mp4'?" in text
    assert "folder does not exist" in lab.fault(GOOD[0].replace("v/", "w/"), *GOOD[1:])
    assert "That is a folder" in lab.fault(GOOD[0].replace("v/m1_pre_l.mp4", "v"), *GOOD[1:])


def test_an_empty_video_needs_a_reason(lab: Laboratory) -> None:
    text = lab.fault(GOOD[0].replace("v/m1_pre_l.mp4", ""), *GOOD[1:])
    assert "Row 2, column `video`: expected a video file, got an empty cell" in text
    assert "exclude_reason" in text


@pytest.mark.parametrize(
    ("old", "new", "column", "hint"),
    [
        (",pre,", ",Pre,", "phase", "Did you mean 'pre'?"),
        (",pre,", ",before,", "phase", "expected 'pre' or 'post' or an empty cell, got 'before'"),
        (",no pain,", ",nopain,", "label", "Did you mean 'no pain'?"),
        (",male,", ",M,", "sex", "expected 'male' or 'female' or an empty cell, got 'M'"),
        (",600,", ",600s,", "time_zero_s", "expected seconds or an empty cell, got '600s'"),
        (",600,", ",nan,", "time_zero_s", "got 'nan'"),
        (",600,", ",1e999,", "time_zero_s", "got '1e999'"),
        (",600,", ',"600,5",', "time_zero_s", "Write a point as decimal sign"),
        ("m1_pre,m1,", "m1_pre,,", "subject", "got an empty cell"),
        ("m1_pre,m1,", "nan,m1,", "recording", "got 'nan'"),
        ("m1_pre,m1,", "m1/pre,m1,", "recording", "got 'm1/pre'"),
        ("m1_pre,m1,", "..,m1,", "recording", "got '..'"),
        (",left,", ",left?,", "camera", "got 'left?'"),
    ],
)
def test_a_wrong_cell_is_named_with_row_column_and_what_was_meant(
    lab: Laboratory, old: str, new: str, column: str, hint: str
) -> None:
    text = lab.fault(GOOD[0].replace(old, new, 1), *GOOD[1:])
    assert f"Row 2, column `{column}`: expected" in text
    assert hint in text


@pytest.mark.parametrize(
    ("cells", "column"),
    [("-1,5,1", "start_s"), ("5,5,1", "end_s"), ("5,4,1", "end_s"), ("0,5,0", "part"), ("0,5,1.5", "part")],
)
def test_an_impossible_stretch_or_part_is_found(lab: Laboratory, cells: str, column: str) -> None:
    lab.film("a.mp4")
    text = lab.fault(f"r,m,top,a.mp4,{cells}", header="recording,subject,camera,video,start_s,end_s,part")
    assert f"Row 2, column `{column}`" in text


@pytest.mark.parametrize(
    ("parts", "reasons", "expected"),
    [
        ((1, 3), ("", ""), "expected 1 to 2 for recording 'r', camera 'top', got 1, 3"),
        ((1, 2), ("torn", ""), "got 2"),
    ],
)
def test_a_part_left_out_would_shift_times_and_is_refused(
    lab: Laboratory, parts: tuple[int, int], reasons: tuple[str, str], expected: str
) -> None:
    lab.film("a.mp4", "b.mp4")
    rows = [f"r,m,top,{file}.mp4,{part},{why}" for file, part, why in zip("ab", parts, reasons, strict=True)]
    text = lab.fault(*rows, header="recording,subject,camera,video,part,exclude_reason")
    assert "column `part`" in text
    assert expected in text


def test_what_belongs_to_a_camera_must_agree_over_its_parts(lab: Laboratory) -> None:
    lab.film("a.mp4", "b.mp4", "a.h5")
    header = "recording,subject,camera,video,part,offset_s,pose"
    text = lab.fault("r,m,top,a.mp4,1,0,a.h5", "r,m,top,b.mp4,2,0.5,", header=header)
    assert "column `offset_s`: expected one offset for recording 'r', camera 'top', got 0, 0.5" in text
    assert "Row 3, column `pose`: expected a tracker file" in text
    text = lab.fault("r,m,top,a.mp4,1,0,", "r,m,top,a.mp4,2,0,", header=header)
    assert "got one file twice" in text


@pytest.mark.parametrize(
    ("old", "new", "column"),
    [
        (",m1,right,", ",m2,right,", "subject"),
        (",no pain,male,600,", ",,male,600,", "label"),
        (",600,", ",601,", "time_zero_s"),
        (",600,", ",600,vehicle", "treatment"),
    ],
)
def test_what_belongs_to_a_recording_must_agree_over_its_cameras(
    lab: Laboratory, old: str, new: str, column: str
) -> None:
    text = lab.fault(GOOD[0], GOOD[1].replace(old, new, 1), *GOOD[2:])
    assert f"Column `{column}`: expected one value for recording 'm1_pre'" in text
    assert "in row 2" in text
    assert "in row 3" in text


def test_an_animal_has_one_sex(lab: Laboratory) -> None:
    text = lab.fault(*GOOD[:2], *(row.replace("male", "female") for row in GOOD[2:]))
    assert (
        "Column `sex`: expected one value for subject 'm1', got 'male' in rows 2 and 3; 'female' in rows"
        in text
    )


def test_names_that_would_give_one_file_are_refused(lab: Laboratory) -> None:
    lab.film("a.mp4", "b.mp4", "c.mp4", "d.mp4")
    header = "recording,subject,camera,video"
    text = lab.fault("a_b,m,c,a.mp4", "a,m,b_c,b.mp4", header=header)
    assert "'a_b' with 'c' and 'a' with 'b_c'" in text
    assert "Rename one" in lab.fault("M1,m,c,a.mp4", "m1,m,c,b.mp4", header=header)


def test_a_table_without_a_used_row_is_refused(lab: Laboratory) -> None:
    assert "Every row has an `exclude_reason`" in lab.fault(
        *(f"{row},gone" for row in GOOD), header=f"{HEADER},exclude_reason"
    )
    assert "at least one row" in lab.fault()


def test_a_missing_column_is_found_with_the_name_that_was_meant(lab: Laboratory) -> None:
    text = lab.fault(*GOOD, header=HEADER.replace("recording", "recordng"))
    assert "expected a column `recording`" in text
    assert "column `recordng` is none of painlib's. Did you mean 'recording'?" in text
    assert "Did you mean 'label'?" in lab.fault(*GOOD, header=HEADER.replace("label", "Label"))
    assert "stands twice" in lab.fault(*GOOD, header=HEADER.replace("sex", "label"))


def test_a_comma_inside_an_unquoted_cell_is_found(lab: Laboratory) -> None:
    text = lab.fault(GOOD[0], GOOD[1] + "vehicle, saline", *GOOD[2:])
    assert "Row 3: expected 9 cells as in the header, got 10" in text
    assert "double quotes" in text


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"recording;subject;camera;video\nr;m;top;a.mp4\n", "got semicolons"),
        (b"recording\tsubject\tcamera\tvideo\nr\tm\ttop\ta.mp4\n", "got tabs"),
        ("recording,subject,camera,video\nr,Müller,top,a.mp4\n".encode("latin-1"), "UTF-8"),
        ("recording,subject,camera,video\nr,m,top,a.mp4\n".encode("utf-16"), "UTF-8"),
        (b"", "got an empty file"),
        (b'recording,subject,camera,video\nr,m,top,"a.mp4\n', "cannot be split"),
    ],
)
def test_a_file_of_another_kind_says_how_to_save_it(lab: Laboratory, raw: bytes, expected: str) -> None:
    lab.path.write_bytes(raw)
    with pytest.raises(PainlibError, match=expected):
        load_cohort(lab.path)


def test_a_missing_table_offers_the_near_name(lab: Laboratory) -> None:
    lab.load(*GOOD)
    with pytest.raises(PainlibError, match=r"found none: .*cohrt\.csv\. Did you mean 'cohort\.csv'"):
        load_cohort(lab.folder / "cohrt.csv")


def test_all_faults_of_all_kinds_come_in_one_message(lab: Laboratory) -> None:
    text = lab.fault(
        GOOD[0].replace("pre,no pain", "pre,pain"),
        GOOD[1].replace("v/", "w/").replace(",male,", ",mail,"),
        GOOD[2].replace(",,AC", ",x,AC"),
    )
    for expected in ("`label`", "`video`", "`sex`", "`time_zero_s`", "expected 2 cameras"):
        assert expected in text
    assert "faults)" in text.splitlines()[0]

"""Widgets without a browser: steps, files, going on, blindness, and frames drawn from videos."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from clips import draw_number, read_number, write_clip, write_numbered
from widget_page import Clock, listen, make_sample, press, read_images

import painlib
from painlib.cohort import CameraVideo, Recording, VideoPart, load_cohort
from painlib.faces.store import FaceStore
from painlib.faults import PainlibError
from painlib.params import LabelParams
from painlib.params.notebook_defaults import read_notebook_defaults
from painlib.plots.labelling import pick_frames_to_show, plot_label_frames
from painlib.pose.labels import load_labels, read_image
from painlib.regions import REGIONS, read_marks
from painlib.video import decoding
from painlib.widgets import (
    KEYS,
    choose_frames,
    label_points,
    load_points,
    mark_regions,
    select_recordings,
)
from painlib.widgets.labelling import LabellingSession
from painlib.widgets.marking import MarkingSession

OWN_KEYS = {"j", "k", "g", "u", "1", "2", "3", "0", "+", "-", "=", "_"}  # of the marking widget, see its help
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d")


def mark(tmp_path: Path, n: int = 6, **more) -> MarkingSession:
    return MarkingSession(make_sample(n), tmp_path, **{"annotator": "ak", "seed": 1, **more})


def read_maps(rows) -> np.ndarray:
    return np.stack([np.full((4, 5), row / 100) for row in rows])


# --- marking -------------------------------------------------------------------------------------------


def test_every_toggle_and_move_is_on_disk_at_once(tmp_path):
    widget = mark_regions(make_sample(), read_images, read_maps, folder=tmp_path, annotator="ak", seed=1)
    path = tmp_path / "ak.csv"
    place = widget.session.position
    press(widget, "toggle", place, region=REGIONS.index("eye"))
    row = read_marks(path).iloc[0]
    assert (row["eye"], row["head"], row["cannot_judge"], row["marked_at"]) == (1, 0, 0, "")
    press(widget, "toggle", place, region=REGIONS.index("ear top"))
    assert read_marks(path).iloc[0][["eye", "ear_top"]].tolist() == [1, 1]
    press(widget, "toggle", place, region=REGIONS.index("eye"))
    assert read_marks(path).iloc[0][["eye", "ear_top"]].tolist() == [0, 1]
    press(widget, "next", place)
    marks = read_marks(path)
    assert ISO.fullmatch(marks.iloc[0]["marked_at"])
    assert marks.iloc[0][["annotator", "started_from"]].tolist() == ["ak", "blind"]
    press(widget, "next", place + 1)
    marks = read_marks(path)
    assert len(marks) == 2, "a face without any region is an answer too"
    assert marks.iloc[1]["marked_at"]


def test_marks_belong_to_the_face_that_was_shown(tmp_path):
    sample = make_sample()
    session = mark(tmp_path)
    for place in range(6):
        session.toggle(place, place)
        session.go_on(place)
    session.save()
    table = read_marks(session.path).set_index(["recording", "camera", "frame"])
    for place, row in enumerate(session.rows):
        face = sample[sample["row"] == row].iloc[0]
        marked = table.loc[(face["recording"], face["camera"], face["frame"])]
        assert [name for name in REGIONS if marked[name.replace(" ", "_")]] == [REGIONS[place]]


def test_a_face_that_cannot_be_judged_has_no_regions(tmp_path):
    session = mark(tmp_path)
    session.toggle(0, 3)
    session.judge(0)
    assert session.answer(0).cannot_judge
    assert not any(session.answer(0).regions)
    session.toggle(0, 5)
    assert not session.answer(0).cannot_judge
    assert session.answer(0).regions[5]
    session.save()


def test_undo_takes_answers_back_one_by_one_across_faces(tmp_path):
    session = mark(tmp_path)
    session.toggle(0, 2)
    session.go_on(0)
    session.judge(1)
    assert session.undo()
    assert (session.position, session.answer(1).cannot_judge) == (1, False)
    assert session.undo()
    assert (session.position, session.is_done(0), session.answer(0).regions[2]) == (0, False, True)
    assert session.undo()
    assert not session.answers
    assert not session.undo()
    session.save()
    assert read_marks(session.path).empty


def test_another_session_goes_on_where_the_last_one_stopped_and_undoes_its_steps(tmp_path):
    first = mark(tmp_path)
    for place in range(3):
        first.toggle(place, place)
        first.go_on(place)
    first.toggle(3, 9)  # begun, not left: the browser was closed here
    first.save()
    again = mark(tmp_path)
    assert (again.position, again.n_done) == (3, 3)
    assert again.answer(3).regions[9]
    np.testing.assert_array_equal(again.rows, first.rows)
    assert again.undo()
    assert (again.position, again.n_done) == (2, 2)
    assert again.answer(2).regions[2], "its marks stay, it is open again"


def test_orders_differ_between_annotators_and_seeds_and_repeat(tmp_path):
    orders = [
        tuple(mark(tmp_path, 40, annotator=name, seed=seed).rows)
        for name, seed in (("ak", 1), ("ak", 1), ("ak", 2), ("by", 1))
    ]
    assert orders[0] == orders[1]
    assert len(set(orders)) == 3
    assert all(sorted(order) == sorted(orders[0]) for order in orders)
    assert orders[0] != tuple(sorted(orders[0]))


def test_a_face_that_the_sample_names_twice_is_marked_once(tmp_path):
    sample = pd.concat([make_sample(), make_sample().assign(pair=-1)], ignore_index=True)
    assert MarkingSession(sample, tmp_path, "ak", 1).n_places == 6


def test_proposals_are_where_faces_start_and_the_file_says_so(tmp_path):
    proposals = np.zeros((6, 13), bool)
    proposals[np.arange(6), np.arange(6)] = True  # row 10 i: region i
    session = mark(tmp_path, proposals=proposals)
    assert [session.answer(place).regions.index(True) for place in range(6)] == [
        row // 10 for row in session.rows
    ]
    session.go_on(0)
    session.save()
    (row,) = read_marks(session.path).to_dict("records")
    assert row["started_from"] == "proposals"
    assert row[REGIONS[session.rows[0] // 10].replace(" ", "_")] == 1
    with pytest.raises(PainlibError, match=r"started_from 'blind' .* got 'proposals'"):
        mark(tmp_path)
    with pytest.raises(PainlibError, match=r"shape \(6, 13\), got \(6, 12\)"):
        mark(tmp_path, annotator="by", proposals=proposals[:, :12])


def test_annotators_have_their_own_files_and_marks_of_other_faces_stay(tmp_path):
    large = mark(tmp_path, 8)
    for place in range(8):
        large.go_on(place)
    large.save()
    small = mark(tmp_path, 6)
    assert small.n_done == 6
    small.toggle(0, 0)
    small.save()
    assert len(read_marks(small.path)) == 8
    other = mark(tmp_path, annotator="by")
    other.go_on(0)
    other.save()
    assert len(read_marks(tmp_path / "ak.csv")) == 8
    assert read_marks(tmp_path / "by.csv")["annotator"].tolist() == ["by"]


@pytest.mark.parametrize(
    "name", ["", " ak", "../ak", "a/b", "a\\b", ".ak", "ak.", "nan", "a" * 300, "a:b", 3]
)
def test_an_annotator_who_cannot_name_a_file_is_refused(tmp_path, name):
    with pytest.raises(PainlibError, match="a name of letters"):
        mark(tmp_path, annotator=name)


def test_names_that_differ_in_capitals_only_are_refused(tmp_path):
    mark(tmp_path, annotator="Ak").save()
    with pytest.raises(PainlibError, match="more than capitals, got 'ak' beside 'Ak'"):
        mark(tmp_path)


def test_a_sample_without_its_columns_is_refused_with_all_that_lack(tmp_path):
    with pytest.raises(PainlibError, match=r"2 faults(.|\n)*`row`(.|\n)*`frame`"):
        MarkingSession(make_sample().drop(columns=["row", "frame"]), tmp_path, "ak", 1)
    with pytest.raises(PainlibError, match="at least one face"):
        MarkingSession(make_sample().iloc[:0], tmp_path, "ak", 1)


def test_a_file_with_faults_is_refused_and_left_as_it_is(tmp_path):
    session = mark(tmp_path)
    session.go_on(0)
    session.save()
    broken = session.path.read_text().replace(",0,0,", ",0,7,", 1)
    session.path.write_text(broken)
    with pytest.raises(PainlibError, match=r"got '7'"):
        mark(tmp_path)
    assert session.path.read_text() == broken


def test_time_left_is_the_median_time_a_face_times_the_faces_left(tmp_path):
    clock = Clock()
    session = mark(tmp_path, clock=clock)
    assert session.seconds_left is None
    for place, seconds in enumerate([10, 4, 600]):  # the third: a coffee
        clock.now += seconds
        session.toggle(place, 0)
        session.go_on(place)
    assert session.seconds_left == 10 * 3


def test_every_region_has_a_letter_of_its_name_and_no_key_has_two_uses():
    assert list(KEYS) == list(REGIONS)
    assert len(set(KEYS.values())) == len(REGIONS)
    assert all(key in name for name, key in KEYS.items())
    assert not OWN_KEYS & set(KEYS.values())


# --- what reaches the page -------------------------------------------------------------------------------


def drive(widget) -> list:
    """The page's whole conversation over two faces."""
    told = listen(widget)
    widget._receive(widget, {"kind": "hello", "view": "v", "step": 0}, [])
    widget._receive(widget, {"kind": "items", "places": [0, 1, 2]}, [])
    for does, more in (
        ("toggle", {"region": 4}),
        ("next", {}),
        ("judge", {}),
        ("undo", {}),
        ("previous", {}),
    ):
        press(widget, does, widget.session.position, **more)
    return told


def test_nothing_of_class_pair_animal_or_file_reaches_the_page(tmp_path):
    told, states = [], []
    for number, sample in enumerate((make_sample(), disguise(make_sample()))):
        widget = mark_regions(
            sample, read_images, read_maps, folder=tmp_path / f"secretfolder{number}", annotator="ak", seed=1
        )
        told.append(drive(widget))
        state = widget.get_state()
        states.append({name: state[name] for name in state if name not in ("layout", "comm")})
    text = json.dumps([content for content, _ in told[0]]) + repr(states[0])
    assert "secret" not in text.lower()
    assert re.search(r"(?<!\w)(pain|no pain)(?!\w)", text.replace("painlib", "")) is None
    # Whatever is said of the faces: what the page gets is the same to the last byte.
    plain = [
        [({**content, "seconds_left": None}, buffers) for content, buffers in messages] for messages in told
    ]
    assert plain[0] == plain[1]
    assert states[0] == states[1]


def disguise(sample: pd.DataFrame) -> pd.DataFrame:
    """The same faces with another class, pair, animal, recording, camera and frame."""
    return sample.assign(
        label=["no pain", "pain"] * 3, pair=-1, subject="x", recording="y", camera="z", frame=range(50, 56)
    )


def test_a_face_is_sent_as_jpeg_with_its_own_map(tmp_path):
    widget = mark_regions(make_sample(), read_images, read_maps, folder=tmp_path, annotator="ak", seed=1)
    told = listen(widget)
    widget._receive(widget, {"kind": "items", "places": [2, 5, 99]}, [])
    assert [content["place"] for content, _ in told] == [2, 5]
    for content, (jpeg, shown) in told:
        row = widget.session.rows[content["place"]]
        (tmp_path / "face.jpg").write_bytes(jpeg)
        assert abs(read_image(tmp_path / "face.jpg").astype(int) - row).max() <= 2
        assert (content["map_width"], content["map_height"]) == (5, 4)
        assert set(shown) == {round(255 * row / 100)}
        assert len(shown) == 20


def test_a_map_store_gives_each_face_the_map_for_its_own_label(tmp_path):
    class Store:
        def read(self, rows, label):
            return np.full((len(rows), 2, 2), {"pain": 1.0, "no pain": 0.0}[label], np.float32)

    sample = make_sample()
    widget = mark_regions(sample, read_images, Store(), folder=tmp_path, annotator="ak", seed=1)
    told = listen(widget)
    widget._receive(widget, {"kind": "items", "places": list(range(6))}, [])
    label_of = dict(zip(sample["row"], sample["label"], strict=True))
    for content, (_, shown) in told:
        is_pain = label_of[widget.session.rows[content["place"]]] == "pain"
        assert set(shown) == {255 if is_pain else 0}


def test_faces_of_a_store_are_sent_as_they_are_stored(tmp_path, monkeypatch):
    store = FaceStore(tmp_path)
    monkeypatch.setattr(
        store, "read_jpegs", lambda rows: [type("Jpeg", (), {"content": f"{row}".encode()}) for row in rows]
    )
    widget = mark_regions(make_sample(), store, None, folder=tmp_path, annotator="ak", seed=1)
    told = listen(widget)
    widget._receive(widget, {"kind": "items", "places": [3]}, [])
    assert told[0][1] == [f"{widget.session.rows[3]}".encode()]
    assert not widget.has_maps


def test_a_face_that_cannot_be_read_says_so_without_its_file(tmp_path):
    def fail(rows):
        raise OSError("secretfile.jpgs")

    widget = mark_regions(make_sample(), fail, None, folder=tmp_path, annotator="ak", seed=1)
    told = listen(widget)
    with pytest.raises(OSError, match="secretfile"):
        widget._receive(widget, {"kind": "items", "places": [0]}, [])
    assert told == [({"kind": "item", "place": 0, "fault": "This image cannot be read."}, [])]


def test_a_step_that_cannot_be_saved_is_said_and_kept_for_the_next(tmp_path, monkeypatch):
    widget = mark_regions(make_sample(), read_images, None, folder=tmp_path, annotator="ak", seed=1)
    told = listen(widget)

    def fill_disk(self):
        raise PainlibError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(MarkingSession, "save", fill_disk)
        press(widget, "toggle", 0, region=1)
    press(widget, "toggle", 0, region=2)
    assert [content["fault"] for content, _ in told] == ["The disk is full.", ""]
    assert read_marks(tmp_path / "ak.csv").iloc[0][["forehead", "above_ear"]].tolist() == [1, 1]


def test_a_step_beyond_the_faces_or_the_regions_changes_nothing(tmp_path):
    widget = mark_regions(make_sample(), read_images, None, folder=tmp_path, annotator="ak", seed=1)
    for does, place, more in (("toggle", 99, {"region": 0}), ("toggle", 0, {"region": 13}), ("dance", 0, {})):
        with pytest.raises((ValueError, IndexError)):
            press(widget, does, place, **more)
    assert not widget.session.answers


# --- labelling -------------------------------------------------------------------------------------------


@pytest.fixture
def frames(tmp_path) -> pd.DataFrame:
    return choose_frames(make_recordings(tmp_path), tmp_path / "drawn", per_video=3, method="even", seed=1)


def make_recordings(folder: Path) -> list[Recording]:
    """Three animals, of the first two cameras; every frame shows its number."""
    recordings = []
    for number, cameras in enumerate(("AB", "A", "A")):
        videos = []
        for camera in cameras:
            path = folder / "videos" / f"m{number}_{camera}.mp4"
            path.parent.mkdir(exist_ok=True)
            write_numbered(path, 60, options={"g": "7"})
            videos.append(CameraVideo(f"r{number}", f"m{number}", camera, (VideoPart(str(path)),)))
        recordings.append(Recording(f"r{number}", f"m{number}", tuple(videos), "", "", "", "", "", 0.0))
    return recordings


def test_labels_are_read_by_the_pose_training_and_blank_is_absent(frames, tmp_path):
    out = tmp_path / "labels.csv"
    widget = label_points(frames, out)
    for place, more in ((0, {"x": 10.5, "y": 20.25}), (1, {"x": 4, "y": 5})):
        press(widget, "place", place, point=0, **more)
        press(widget, "absent", place, point=1)
        press(widget, "place", place, point=2, x=33, y=44)
    press(widget, "none", 2)
    labels = load_labels(out)
    assert len(labels) == 3
    assert labels["video"].tolist() == frames["video"][:3].tolist()
    assert labels["frame"].tolist() == frames["frame"][:3].tolist()
    assert labels.loc[0, ["nose_x", "nose_y"]].tolist() == [10.5, 20.25]
    assert labels["right_eye_x"].isna().all()
    assert labels["left_eye_y"].tolist()[:2] == [44, 44]
    assert labels.iloc[2][["nose_x", "left_eye_x"]].isna().all()
    assert labels["subject"].tolist() == frames["subject"][:3].tolist()


def test_a_frame_that_is_only_begun_is_not_in_the_table_and_not_lost(frames, tmp_path):
    out = tmp_path / "labels.csv"
    widget = label_points(frames, out)
    press(widget, "place", 0, point=0, x=10, y=20)
    press(widget, "absent", 0, point=2)
    assert not out.is_file()
    again = LabellingSession(frames, out)
    assert again.answer(0) == ((10.0, 20.0), None, "absent")
    assert (again.position, again.n_done) == (0, 0)
    again.place_point(0, 1, 1, 2)
    again.save()
    assert not again.unfinished.exists()
    assert len(pd.read_csv(out)) == 1
    assert LabellingSession(frames, out).position == 1


def test_a_frame_that_is_opened_again_leaves_the_table_until_it_is_answered(frames, tmp_path):
    session = LabellingSession(frames, tmp_path / "labels.csv")
    session.say_absent(0)
    session.say_absent(1)
    session.save()
    session.clear(0, 1)
    session.save()
    assert len(pd.read_csv(session.path)) == 1
    assert session.unfinished.is_file()
    session.undo()
    session.save()
    assert len(pd.read_csv(session.path)) == 2
    assert not session.unfinished.exists()


def test_undo_of_points_goes_back_to_their_frame(frames, tmp_path):
    session = LabellingSession(frames, tmp_path / "labels.csv")
    session.place_point(0, 0, 1, 1)
    session.place_point(0, 0, 2, 2)
    session.move(3)
    session.undo()
    assert (session.position, session.answer(0)[0]) == (0, (1.0, 1.0))
    session.undo()
    assert session.answer(0) == (None, None, None)
    assert not session.undo()


def test_points_stay_inside_the_frame(frames, tmp_path):
    session = LabellingSession(frames, tmp_path / "labels.csv")
    session.place_point(0, 0, -3, 1000)
    assert session.answer(0)[0] == (0.0, 63.0)
    with pytest.raises(ValueError, match="px"):
        session.place_point(0, 0, float("nan"), 1)


def test_rows_and_columns_of_others_stay_in_the_table(frames, tmp_path):
    out = tmp_path / "labels.csv"
    name = Path(frames["video"][1]).name  # as somebody may write it: load_labels looks in videos/
    header = "video,frame,nose_x,nose_y,right_eye_x,right_eye_y,left_eye_x,left_eye_y,who"
    out.write_text(f"{header}\n{name},{frames['frame'][1]},1.0,2,,,3,4,anna\nother.mp4,5,007,8,,,,,ben\n")
    session = LabellingSession(frames, out)
    assert session.answer(1) == ((1.0, 2.0), "absent", (3.0, 4.0))
    session.say_absent(0)
    session.save()
    table = pd.read_csv(out, dtype=str, keep_default_na=False)
    assert len(table) == 3
    foreign = table[table["video"] == "other.mp4"].iloc[0]
    assert foreign[["nose_x", "who", "right_eye_x"]].tolist() == ["007", "ben", ""]


def test_a_table_that_cannot_be_taken_up_is_one_error_and_stays(frames, tmp_path):
    out = tmp_path / "labels.csv"
    broken = f"video,frame,nose_x,nose_y\n{frames['video'][0]},{frames['frame'][0]},abc,2\n"
    out.write_text(broken)
    with pytest.raises(PainlibError, match=r"nose: expected two numbers or two blanks, got 'abc', '2'"):
        LabellingSession(frames, out)
    assert out.read_text() == broken
    with pytest.raises(PainlibError, match="csv file"):
        LabellingSession(frames, tmp_path / "labels.xlsx")


def test_the_labelling_page_gets_answers_sizes_and_the_frame_itself(frames, tmp_path):
    widget = label_points(frames, tmp_path / "labels.csv")
    told = listen(widget)
    press(widget, "place", 1, point=0, x=3, y=4)
    assert told[-1][0]["answers"][-1] == [1, [[3.0, 4.0], None, None]]
    widget._receive(widget, {"kind": "items", "places": [1]}, [])
    (tmp_path / "frame.jpg").write_bytes(told[-1][1][0])
    assert read_number(read_image(tmp_path / "frame.jpg")) == frames["frame"][1]
    assert widget.sizes[1] == [96, 64]


# --- frames drawn from videos ----------------------------------------------------------------------------


def test_even_frames_lie_in_equal_spans_and_are_the_frames_they_say(tmp_path):
    recordings = make_recordings(tmp_path)
    drawn = choose_frames(recordings, tmp_path / "drawn", per_video=6, method="even", seed=1)
    assert len(drawn) == 4 * 6
    for _, of_video in drawn.groupby("video"):
        assert sorted(of_video["frame"] // 10) == list(range(6))
    for row in drawn.itertuples():
        assert read_number(read_image(row.image)) == row.frame
    # Every video has its turn before any has its second.
    assert all(drawn["video"][begin : begin + 4].nunique() == 4 for begin in range(0, 24, 4))
    again = choose_frames(recordings, tmp_path / "elsewhere", per_video=6, method="even", seed=1)
    pd.testing.assert_frame_equal(drawn.drop(columns="image"), again.drop(columns="image"))
    other = choose_frames(recordings, tmp_path / "third", per_video=6, method="even", seed=2)
    assert (drawn["frame"] != other["frame"]).any()


def test_key_frames_go_first_because_they_cost_no_decoding(tmp_path):
    drawn = choose_frames(make_recordings(tmp_path), tmp_path / "drawn", per_video=6, method="even", seed=1)
    assert set(drawn["frame"] % 7) == {0}  # written with one key frame in 7; every span of 10 has one


def test_only_the_used_stretch_of_each_part_is_drawn_from(tmp_path):
    first = write_numbered(tmp_path / "a.mp4", 30, fps=10)
    second = write_numbered(tmp_path / "b.mp4", 30, fps=10, first=100)
    parts = (VideoPart(str(first), 2.0), VideoPart(str(second), 0.0, 1.0))
    camera = CameraVideo("r", "m", "A", parts)
    recording = Recording("r", "m", (camera,), "", "", "", "", "", 0.0)
    drawn = choose_frames([recording], tmp_path / "drawn", per_video=50, method="even", seed=1)
    assert sorted(drawn[drawn["video"] == str(first)]["frame"]) == list(range(20, 30))
    assert sorted(drawn[drawn["video"] == str(second)]["frame"]) == list(range(10))
    shown = drawn[drawn["video"] == str(second)].iloc[0]
    assert read_number(read_image(shown["image"])) == 100 + shown["frame"]


def test_frames_by_appearance_are_one_of_each_kind(tmp_path):
    # 90 frames of one look, and 5 each of two others: even frames would mostly miss these.
    looks = [draw_number(0)] * 55 + [draw_number(255)[:, ::-1]] * 5 + [draw_number(0)] * 35
    looks += [np.full((64, 96, 3), 200, np.uint8)] * 5
    path = write_clip(tmp_path / "a.mp4", looks, options={"g": "1"})
    camera = CameraVideo("r", "m", "A", (VideoPart(str(path)),))
    recording = Recording("r", "m", (camera,), "", "", "", "", "", 0.0)
    drawn = choose_frames([recording], tmp_path / "drawn", per_video=3, method="appearance", seed=1)
    kinds = {0 if n < 55 or 60 <= n < 95 else 1 if n < 60 else 2 for n in drawn["frame"]}
    assert len(kinds) >= 2
    assert 2 <= len(drawn) <= 3


def test_drawn_frames_are_read_from_the_folder_the_second_time(tmp_path, monkeypatch):
    recordings = make_recordings(tmp_path)
    drawn = choose_frames(recordings, tmp_path / "drawn", per_video=2, method="even", seed=1)
    opened = []
    opens = decoding.open_video
    monkeypatch.setattr(decoding, "open_video", lambda path: (opened.append(path), opens(path))[1])
    again = choose_frames(recordings, tmp_path / "drawn", per_video=2, method="even", seed=1)
    pd.testing.assert_frame_equal(drawn, again)
    assert opened == []
    Path(drawn["image"][0]).unlink()
    choose_frames(recordings, tmp_path / "drawn", per_video=2, method="even", seed=1)
    assert Path(drawn["image"][0]).is_file()
    choose_frames(recordings, tmp_path / "drawn", per_video=3, method="even", seed=1)
    assert opened


def test_a_limit_of_videos_spreads_over_animals(tmp_path):
    drawn = choose_frames(
        make_recordings(tmp_path), tmp_path / "drawn", per_video=1, method="even", seed=1, videos=3
    )
    assert sorted(drawn["subject"]) == ["m0", "m1", "m2"]


def test_no_video_is_an_error(tmp_path):
    with pytest.raises(PainlibError, match="at least one video"):
        choose_frames([], tmp_path, per_video=1, method="even", seed=1)


def test_recordings_of_some_animals_and_an_unknown_one(tmp_path):
    cohort = load_cohort(write_cohort(tmp_path))
    assert [recording.subject for recording in select_recordings(cohort, ["m2", "m0"])] == ["m0", "m2"]
    assert len(select_recordings(cohort, None)) == 3
    with pytest.raises(PainlibError, match=r"got 'M2'\. Did you mean 'm2'"):
        select_recordings(cohort, ["m0", "M2"])


def write_cohort(folder: Path) -> Path:
    """The cohort table of `make_recordings`, camera A alone."""
    rows = [
        {
            "recording": camera.recording,
            "subject": camera.subject,
            "camera": camera.camera,
            "video": part.path,
        }
        for recording in make_recordings(folder)
        for camera in recording.cameras[:1]
        for part in camera.parts
    ]
    pd.DataFrame(rows).to_csv(folder / "cohort.csv", index=False)
    return folder / "cohort.csv"


# --- the notebook and its figure -------------------------------------------------------------------------


def test_the_labels_so_far_are_points_or_nothing(frames, tmp_path):
    out = tmp_path / "labels.csv"
    points, labelled = load_points(frames, out)
    assert points.shape == (12, 3, 2)
    assert not labelled.any()
    session = LabellingSession(frames, out)
    session.place_point(4, 0, 1, 2)
    session.say_absent(4, 1)
    session.place_point(4, 2, 3, 4)
    session.say_absent(7)
    session.place_point(8, 0, 5, 6)  # begun
    session.save()
    points, labelled = load_points(frames, out)
    assert np.flatnonzero(labelled).tolist() == [4, 7]
    np.testing.assert_array_equal(points[4], [[1, 2], [np.nan, np.nan], [3, 4]])
    assert np.isnan(points[8]).all()


def test_the_sheet_shows_labelled_frames_first_with_their_points_where_they_are(frames):
    labelled = np.zeros(100, bool)
    labelled[[60, 99]] = True
    shown = pick_frames_to_show(labelled)
    assert len(shown) == 36
    assert {60, 99} <= set(shown.tolist())
    assert pick_frames_to_show(np.zeros(0, bool)).tolist() == []
    points = np.full((12, 3, 2), np.nan)
    points[2] = [[10, 20], [30, 40], [np.nan, np.nan]]
    images = [read_image(path) for path in frames["image"]]
    figure = plot_label_frames(images, frames, points, labelled)
    assert "2 of 100 labelled; 12 shown" in figure.get_suptitle()
    drawn = [[line.get_xydata()[0].tolist() for line in ax.lines] for ax in figure.axes]
    assert drawn[2] == [[10, 20], [30, 40]]
    assert not any(drawn[:2] + drawn[3:])
    assert figure.axes[0].images[0].get_extent() == [-0.5, 95.5, 63.5, -0.5]
    empty = plot_label_frames([], frames.iloc[:0], points[:0], np.zeros(0, bool))
    assert [text.get_text().split() for text in empty.axes[0].texts] == [["no", "frame", "drawn"]]


def test_the_notebook_runs_headless_and_shows_what_is_labelled(tmp_path):
    from papermill import execute_notebook

    notebook = Path(painlib.__file__).parents[1] / "notebooks" / "00_label.ipynb"
    defaults = read_notebook_defaults(notebook)
    assert set(defaults) == set(LabelParams.model_fields)
    LabelParams(**defaults)
    cohort = write_cohort(tmp_path)
    workdir, labels = tmp_path / "run", tmp_path / "labels.csv"
    drawn = choose_frames(
        select_recordings(load_cohort(cohort), ["m0", "m1"]),
        workdir / "label_frames",
        per_video=2,
        method="even",
        seed=1,
        videos=2,
    )
    session = LabellingSession(drawn, labels)
    session.say_absent(0)
    session.place_point(0, 0, 9, 9)
    session.save()
    told = execute_notebook(
        notebook,
        tmp_path / "executed.ipynb",
        {
            **{"cohort": str(cohort), "workdir": str(workdir), "labels": str(labels), "seed": 1},
            **{"frames_per_video": 2, "method": "even", "animals": ["m0", "m1"], "videos": 2},
        },
        kernel_name="python3",
        progress_bar=False,
        cwd=notebook.parent,
    )
    printed = "".join(output.get("text", "") for cell in told.cells for output in cell.get("outputs", []))
    assert "1 of 4 drawn frames are labelled in labels.csv" in printed
    assert (workdir / "figures" / "00_label_frames.pdf").is_file()
    assert (workdir / "figures" / "00_label_frames.png").is_file()
    assert labels.read_text().count("\n") == 2, "a headless run changes no label"

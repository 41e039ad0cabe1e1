"""The scoring widget without a browser: steps, its file, going on, blindness."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from widget_page import Clock, listen, make_sample, press, read_images

from painlib.faces.store import FaceStore
from painlib.faults import PainlibError
from painlib.grimace import DEGREES, UNITS, read_own_scores
from painlib.widgets import UNIT_KEYS, score_faces
from painlib.widgets.scoring import Score, ScoringSession

OWN_KEYS = {"0", "1", "2", "j", "b", "u", "g", "f", "+", "-", "=", "_"}  # of the widget, see its help


def begin(tmp_path: Path, n: int = 6, **more) -> ScoringSession:
    return ScoringSession(make_sample(n), tmp_path, **{"rater": "ak", "seed": 1, **more})


def finish(session: ScoringSession, place: int, values: tuple[int, ...] = (0, 1, 2, -1, 0)) -> None:
    for unit, value in enumerate(values):
        session.score(place, unit, value)


def open_widget(folder: Path, sample: pd.DataFrame | None = None):
    return score_faces(
        make_sample() if sample is None else sample, read_images, folder=folder, rater="ak", seed=1
    )


def test_every_score_is_on_disk_at_once_and_a_face_is_finished_with_its_fifth_unit(tmp_path):
    widget = open_widget(tmp_path)
    path, place = tmp_path / "ak.csv", widget.session.position
    for unit, value in enumerate((0, 2, -1, 1)):
        press(widget, "score", place, unit=unit, value=value)
        (row,) = read_own_scores(path).to_dict("records")
        assert row[UNITS[unit]] == str(value)
        assert row["scored_at"] == "", "not finished yet"
    assert row[UNITS[4]] == ""
    press(widget, "score", place, unit=4, value=2)
    (row,) = read_own_scores(path).to_dict("records")
    assert [row[unit] for unit in UNITS] == ["0", "2", "-1", "1", "2"]
    assert row["scored_at"]
    assert (row["rater"], row["rejected"], widget.session.n_done) == ("ak", False, 1)


def test_scores_belong_to_the_face_that_was_shown(tmp_path):
    sample, session = make_sample(), begin(tmp_path)
    for place in range(6):
        finish(session, place, (place % 3, 0, 0, 0, place // 3))
    session.save()
    table = read_own_scores(session.path).set_index(["recording", "camera", "frame"])
    for place, row in enumerate(session.rows):
        face = sample[sample["row"] == row].iloc[0]
        scored = table.loc[(face["recording"], face["camera"], face["frame"])]
        assert (scored[UNITS[0]], scored[UNITS[4]]) == (str(place % 3), str(place // 3))


def test_a_blurry_face_is_out_until_it_is_scored_or_taken_back(tmp_path):
    session = begin(tmp_path)
    finish(session, 0)
    session.reject(0)
    assert session.answer(0).rejected
    assert session.answer(0).units == (None,) * 5
    assert session.is_done(0)
    session.reject(0)
    assert session.answer(0) == Score()
    session.reject(1)
    session.score(1, 2, 1)
    assert session.answer(1) == Score((None, None, 1, None, None))


def test_undo_takes_answers_back_one_by_one_across_faces(tmp_path):
    session = begin(tmp_path)
    finish(session, 0)
    session.go_on(0)
    session.reject(1)
    assert session.undo()
    assert (session.position, session.answer(1)) == (1, Score())
    assert session.undo()
    assert (session.position, session.is_done(0), session.answer(0).units) == (0, False, (0, 1, 2, -1, None))
    for _ in range(4):
        assert session.undo()
    assert not session.answers
    assert not session.undo()
    session.save()
    assert read_own_scores(session.path).empty


def test_another_sitting_goes_on_where_the_last_one_stopped_and_undoes_its_faces(tmp_path):
    first = begin(tmp_path)
    for place in range(2):
        finish(first, place)
    first.reject(2)
    first.score(3, 1, 2)  # begun; the browser was closed here
    first.save()
    again = begin(tmp_path)
    assert (again.position, again.n_done) == (3, 3)
    assert again.answer(3).units == (None, 2, None, None, None)
    assert again.answer(2).rejected
    np.testing.assert_array_equal(again.rows, first.rows)
    assert again.undo()
    assert (again.position, again.is_done(2), again.answer(2).rejected) == (2, False, False)
    assert again.undo()
    assert (again.position, again.is_done(1)) == (1, False)
    assert again.answer(1).units == (0, 1, 2, -1, 0), "its scores stay, it is open again"
    again.go_on(1)
    assert again.is_done(1), "and going on finishes it"
    assert again.position == 2


def test_a_face_that_lacks_a_unit_is_left_open(tmp_path):
    session = begin(tmp_path)
    session.score(0, 0, 1)
    session.go_on(0)
    assert (session.position, session.n_done, session.find_open()) == (1, 0, 0)


def test_orders_differ_between_raters_and_seeds_and_repeat(tmp_path):
    orders = [
        tuple(begin(tmp_path, 40, rater=name, seed=seed).rows)
        for name, seed in (("ak", 1), ("ak", 1), ("ak", 2), ("by", 1))
    ]
    assert orders[0] == orders[1]
    assert len(set(orders)) == 3
    assert all(sorted(order) == sorted(orders[0]) for order in orders)


def test_raters_have_their_own_files_and_scores_of_other_faces_stay(tmp_path):
    large = begin(tmp_path, 8)
    for place in range(8):
        finish(large, place)
    large.save()
    small = begin(tmp_path, 6)
    assert small.n_done == 6
    small.reject(0)
    small.save()
    assert len(read_own_scores(small.path)) == 8
    other = begin(tmp_path, rater="by")
    finish(other, 0)
    other.save()
    assert len(read_own_scores(tmp_path / "ak.csv")) == 8
    assert read_own_scores(tmp_path / "by.csv")["rater"].tolist() == ["by"]
    (tmp_path / "cy.csv").write_text((tmp_path / "by.csv").read_text())
    with pytest.raises(PainlibError, match=r"Expected scores of 'cy' in .*, got 'by'"):
        begin(tmp_path, rater="cy")


@pytest.mark.parametrize("name", ["", "../ak", "a/b", "nan"])
def test_a_rater_who_cannot_name_a_file_is_refused(tmp_path, name):
    with pytest.raises(PainlibError, match="name of letters"):
        begin(tmp_path, rater=name)


def test_a_sample_without_its_columns_is_refused_with_all_that_lack(tmp_path):
    with pytest.raises(PainlibError, match=r"2 faults(.|\n)*`row`(.|\n)*`frame`"):
        ScoringSession(make_sample().drop(columns=["row", "frame"]), tmp_path, "ak", 1)
    with pytest.raises(PainlibError, match="at least one face"):
        ScoringSession(make_sample().iloc[:0], tmp_path, "ak", 1)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            ",0,1,2,-1,0,",
            ",0,1,7,-1,0,",
            r"Row 2, column `cheek_bulge`: expected one of -1, 0, 1, 2 or blank, got '7'",
        ),
        ("rater,", "who,", "expected a column `rater`, got none"),
        ("SECRETCAM", "", r"Row 2, column `camera`: expected a name"),
    ],
)
def test_a_file_with_faults_is_refused_and_left_as_it_is(tmp_path, old, new, expected):
    session = begin(tmp_path)
    finish(session, 0)
    session.save()
    broken = session.path.read_text().replace(old, new, 1)
    assert broken != session.path.read_text()
    session.path.write_text(broken)
    with pytest.raises(PainlibError, match=expected):
        begin(tmp_path)
    assert session.path.read_text() == broken


def test_time_left_is_the_median_time_a_face_times_the_faces_left(tmp_path):
    clock = Clock()
    session = begin(tmp_path, clock=clock)
    assert session.seconds_left is None
    for place, seconds in enumerate([10, 4, 600]):  # the third: a coffee
        clock.now += seconds
        finish(session, place)
        session.go_on(place)
    assert session.seconds_left == 10 * 3


def test_every_unit_has_its_letter_and_no_key_has_two_uses():
    assert list(UNIT_KEYS) == list(UNITS)
    assert all(unit.startswith(key) for unit, key in UNIT_KEYS.items())
    assert len(set(UNIT_KEYS.values())) == 5
    assert not OWN_KEYS & set(UNIT_KEYS.values())


def test_nothing_of_class_animal_or_file_reaches_the_page(tmp_path):
    told, states = [], []
    other = make_sample().assign(
        label="no pain", subject="x", recording="y_pre", camera="z", frame=range(50, 56)
    )
    for number, sample in enumerate((make_sample(), other)):
        widget = open_widget(tmp_path / f"secretfolder{number}", sample)
        told.append(listen(widget))
        widget._receive(widget, {"kind": "hello", "view": "v", "step": 0}, [])
        widget._receive(widget, {"kind": "items", "places": [0, 1, 2]}, [])
        steps = (
            ("score", {"unit": 3, "value": 2}),
            ("next", {}),
            ("reject", {}),
            ("undo", {}),
            ("previous", {}),
        )
        for does, more in steps:
            press(widget, does, widget.session.position, **more)
        state = widget.get_state()
        states.append({name: state[name] for name in state if name not in ("layout", "comm")})
    text = json.dumps([content for content, _ in told[0]]) + repr(states[0])
    assert "secret" not in text.lower()
    assert re.search(r"(?<!\w)(pain|no pain)(?!\w)", text.replace("painlib", "")) is None
    # Whatever is said of the faces: what the page gets is the same to the last byte.
    plain = [[({**content, "seconds_left": None}, buffers) for content, buffers in every] for every in told]
    assert plain[0] == plain[1]
    assert states[0] == states[1]


def test_the_page_has_a_drawing_for_every_button(tmp_path):
    widget = open_widget(tmp_path)
    for unit in widget.unit_ids:
        for degree in DEGREES:
            assert f'id="{unit}_{degree}"' in widget.drawings


def test_faces_of_a_store_are_sent_as_they_are_stored(tmp_path, monkeypatch):
    store = FaceStore(tmp_path)
    monkeypatch.setattr(
        store, "read_jpegs", lambda rows: [type("Jpeg", (), {"content": f"{row}".encode()}) for row in rows]
    )
    widget = score_faces(make_sample(), store, folder=tmp_path, rater="ak", seed=1)
    told = listen(widget)
    widget._receive(widget, {"kind": "items", "places": [3]}, [])
    assert told[0][1] == [f"{widget.session.rows[3]}".encode()]


def test_a_step_beyond_the_faces_the_units_or_the_degrees_changes_nothing(tmp_path):
    widget = open_widget(tmp_path)
    steps = (
        ("score", 99, {"unit": 0, "value": 0}),
        ("score", 0, {"unit": 5, "value": 0}),
        ("score", 0, {"unit": 0, "value": 3}),
        ("dance", 0, {}),
    )
    for does, place, more in steps:
        with pytest.raises((ValueError, IndexError)):
            press(widget, does, place, **more)
    assert not widget.session.answers

"""Progress of a headless run in the terminal, and how times and tables are written."""

import io
import json

import pytest

from painlib import console
from painlib.console import ProgressView, format_line, format_seconds, format_table


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def add(path, **line):
    with open(path, "a") as file:
        file.write(json.dumps({"description": "faces", "total": 10, "time": 0.0, **line}) + "\n")


def test_without_a_terminal_there_is_at_most_one_line_in_ten_seconds(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    path, stream = tmp_path / "progress.jsonl", io.StringIO()
    view = ProgressView(path, stream)
    view.poll()  # the file is not there yet
    for step in range(40):  # 20 s in half seconds
        add(path, done=step, total=40, time=step / 2)
        view.poll()
        now[0] += 0.5
    lines = stream.getvalue().splitlines()
    assert lines == ["  faces: 0 of 40 (0%)", "  faces: 20 of 40 (50%), 2/s, 10 s left"]


def test_a_line_caught_half_written_waits_for_its_rest(tmp_path):
    path, stream = tmp_path / "progress.jsonl", io.StringIO()
    view = ProgressView(path, stream)
    path.write_text('{"description": "faces", "do')
    view.poll()
    assert stream.getvalue() == ""
    with open(path, "a") as file:
        file.write('ne": 4, "total": null, "time": 1.0}\n')
    view.poll()
    assert stream.getvalue() == "  faces: 4\n"


def test_a_torn_line_of_a_killed_process_stops_nothing(tmp_path):
    path, stream = tmp_path / "progress.jsonl", io.StringIO()
    path.write_text('{"description": "fac{"description": "eyes"}\n7\n')
    add(path, done=3)
    ProgressView(path, stream).poll()
    assert stream.getvalue() == "  faces: 3 of 10 (30%)\n"


def test_a_terminal_gets_a_bar_that_goes_when_the_work_is_done(tmp_path):
    path, stream = tmp_path / "progress.jsonl", Terminal()
    view = ProgressView(path, stream)
    add(path, done=0)
    add(path, done=5)
    view.poll()
    assert "faces" in stream.getvalue()
    assert len(view._bars) == 1
    add(path, done=10)
    view.poll()
    assert view._bars == {}
    # The same words again are a new bar, from the start.
    add(path, done=0)
    view.poll()
    assert view._bars["faces"].n == 0
    view.close()
    assert view._bars == {}


def test_the_rate_counts_from_the_line_where_the_work_began():
    begun = {"description": "faces", "done": 100, "total": 400, "time": 50.0}
    line = begun | {"done": 200, "time": 60.0}
    assert format_line(line, begun) == "  faces: 200 of 400 (50%), 10/s, 20 s left"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (125, "2 min 05 s"), (11_460, "3 h 11 min")],
)
def test_times_are_written_for_people(seconds, text):
    assert format_seconds(seconds) == text


def test_tables_are_aligned():
    assert format_table([("crop", "done", ""), ("statistics", "stale", "why")]) == (
        "crop        done\nstatistics  stale  why"
    )

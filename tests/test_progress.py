"""Progress: nothing of the loop changes, and a headless run leaves few, readable lines."""

import json
from pathlib import Path

import pytest

from painlib import progress
from painlib.progress import report_progress, track


def read_lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "progress.jsonl"
    monkeypatch.setenv("PAINLIB_PROGRESS", str(path))
    monkeypatch.setattr(progress, "_last_line", {})
    return path


def test_a_tracked_loop_gives_every_item_once_and_in_order() -> None:
    assert list(track("abc", description="letters")) == ["a", "b", "c"]
    assert list(track(iter(range(4)), total=4, description="numbers")) == [0, 1, 2, 3]


def test_a_bar_shows_description_count_and_rate(capfd: pytest.CaptureFixture[str]) -> None:
    list(track(range(3), description="cutting faces"))
    shown = capfd.readouterr().err
    assert "cutting faces" in shown
    assert "3/3" in shown
    assert "it/s" in shown


def test_lines_tell_description_done_total_and_time(lines: Path, capfd: pytest.CaptureFixture[str]) -> None:
    list(track(range(3), description="cutting faces"))
    found = read_lines(lines)
    assert found[0] == {"description": "cutting faces", "done": 0, "total": 3, "time": found[0]["time"]}
    assert (found[-1]["done"], found[-1]["total"]) == (3, 3)
    assert found[0]["time"] > 1.6e9
    assert capfd.readouterr().err == ""


def test_at_most_two_lines_a_second_are_written(lines: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(number * 0.01 for number in range(10_000))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    list(track(range(1000), description="frames"))  # 10 s by this clock
    assert 15 <= len(read_lines(lines)) <= 23


def test_a_loop_of_unknown_length_says_its_length_at_the_end(lines: Path) -> None:
    list(track(iter("abcd"), description="frames"))
    found = read_lines(lines)
    assert found[0]["total"] is None
    assert (found[-1]["done"], found[-1]["total"]) == (4, 4)


def test_work_without_a_loop_reports_too(lines: Path) -> None:
    report_progress("epochs", 0, 20)
    report_progress("epochs", 20, 20)
    assert [(line["description"], line["done"]) for line in read_lines(lines)] == [
        ("epochs", 0),
        ("epochs", 20),
    ]


def test_a_progress_file_that_cannot_be_written_stops_no_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAINLIB_PROGRESS", str(tmp_path / "gone" / "progress.jsonl"))
    assert list(track(range(3), description="frames")) == [0, 1, 2]


def test_an_error_in_the_loop_comes_through(lines: Path) -> None:
    def fail() -> None:
        for item in track(range(3), description="frames"):
            if item == 1:
                raise RuntimeError("unreadable")

    with pytest.raises(RuntimeError, match="unreadable"):
        fail()
    assert read_lines(lines)[-1]["done"] < 3

"""Minute curves and sealed keys as people save them: every fault with its row, none let through."""

from pathlib import Path

import pytest

from painlib.faults import PainlibError
from painlib.stats import assign_treatment, read_minutes

HEADER = "recording,subject,minute,pain_probability"


def refuse(path: Path, content: str | bytes) -> str:
    """What is said of a file of minute curves with this content."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(PainlibError) as caught:
        read_minutes(path)
    assert str(path) in str(caught.value)
    assert "np." not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "Expected a header row with recording, subject, minute, pain_probability, got an empty file"),
        (HEADER + "\n", "expected at least one row below the header"),
        (HEADER.replace(",", ";") + "\nr1;m1;0;0.5\n", "commas between the cells, got semicolons"),
        ((HEADER + "\nr1,Mäuse,0,0.5\n").encode("latin-1"), "Expected text in UTF-8, got another encoding"),
        (HEADER + "\nr1,m1,0\n", "Row 2: expected 4 cells as in the header, got 3"),
        ("recording,subjct,minute,pain_probability\nr1,m1,0,0.5\n", "a column `subject`"),
    ],
)
def test_a_file_that_is_no_table_of_minutes_is_told_plainly(tmp_path, content, told):
    text = refuse(tmp_path / "curves.csv", content)
    assert told in text
    assert text.count("Header: ") <= 1


def test_recordings_without_an_animal_are_not_taken_for_one_animal(tmp_path):
    rows = "\n".join(f"r{number},,0,0.5" for number in range(10))
    text = refuse(tmp_path / "curves.csv", f"{HEADER}\n{rows}\n")
    assert "Row 2, column `subject`: expected a name, got an empty cell (10 rows" in text
    text = refuse(tmp_path / "curves.csv", f"{HEADER}\nr1,m1,0,0.5\n,m1,1,0.5\n")
    assert "Row 3, column `recording`: expected a name" in text


def test_each_column_names_its_first_fault_with_the_row_in_the_file(tmp_path):
    header = HEADER + ",n_pain,trained_on,phase"
    rows = ["r1,m1,0,50,3,false,post", "", "r1,m1,1.5,70,-1,perhaps,past", "r1,m1,2,lots,1,TRUE,"]
    text = refuse(tmp_path / "curves.csv", "\n".join([header, *rows]) + "\n")
    for told in (
        "Row 2, column `pain_probability`: expected a number from 0 to 1 or an empty cell, got '50' "
        "(2 more rows",
        "Row 4, column `minute`: expected a whole number, got '1.5'",
        "Row 4, column `n_pain`: expected a whole number, 0 or more, got '-1'",
        "Row 4, column `trained_on`: expected true or false, got 'perhaps'",
    ):
        assert told in text


def test_a_csv_of_minutes_keeps_its_numbers_and_what_is_missing(tmp_path):
    path = tmp_path / "curves.csv"
    path.write_bytes(
        b"\xef\xbb\xbf" + f"{HEADER},treatment\n r1 ,m1,-2,0.25, 1 % AC \nr1,m1,3,NA,1 % AC\n".encode()
    )
    minutes = read_minutes(path)
    assert minutes["minute"].tolist() == [-2, 3]
    assert minutes["pain_probability"].tolist() == pytest.approx([0.25, float("nan")], nan_ok=True)
    assert minutes["treatment"].tolist() == ["1 % AC"] * 2
    assert minutes["recording"].unique().tolist() == ["r1"]
    assert not minutes["trained_on"].any()
    assert minutes.index.tolist() == [0, 1]


def test_a_key_that_cannot_be_read_is_told_plainly(tmp_path):
    curves, key = tmp_path / "curves.csv", tmp_path / "key.csv"
    curves.write_text(HEADER + "\nr1,m1,0,0.5\n")
    minutes = read_minutes(curves)
    for content, told in (
        (b"", "Expected a header row with subject"),
        (b"subject,treatment\n", "no row below its header"),
        (b"subject;treatment\nm1;AC\n", "got semicolons"),
        (b"subject,treatment\nm1,S\xe4ure\n", "another encoding"),
        (b"subject,treatment\n\nm1,\n", "Row 3 of the key"),
    ):
        key.write_bytes(content)
        with pytest.raises(PainlibError, match=told):
            assign_treatment(minutes, None, key)

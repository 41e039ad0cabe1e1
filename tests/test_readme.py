"""What the README says to newcomers, tried."""

from pathlib import Path

import pandas as pd
from clips import write_numbered

from painlib.cohort import iter_recordings, load_cohort

README = Path(__file__).parents[1] / "README.md"


def test_the_cohort_table_of_the_readme_is_one_that_is_taken(tmp_path):
    lines = [line.strip() for line in README.read_text(encoding="utf-8").splitlines()]
    begin = next(place for place, line in enumerate(lines) if line.startswith("| recording | subject |"))
    rows = []
    for line in lines[begin:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    table = pd.DataFrame(rows[2:], columns=rows[0])
    for video in table["video"]:
        (tmp_path / video).parent.mkdir(exist_ok=True)
        write_numbered(tmp_path / video, 5)
    table.to_csv(tmp_path / "cohort.csv", index=False)
    recordings = iter_recordings(load_cohort(tmp_path / "cohort.csv"))
    assert [one.name for one in recordings] == ["m01_pre", "m01_ac", "m21_post"]
    assert all(len(one.cameras) == 2 for one in recordings)

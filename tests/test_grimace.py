"""The Mouse Grimace Scale: faces drawn, files read, agreement, label, classifier, figures, notebook."""

import json
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from figures import find_overlaps, words
from matplotlib import pyplot
from PIL import Image
from pydantic import ValidationError
from scipy import stats

from painlib import grimace
from painlib.demo import DemoParams
from painlib.demo.cast import CAMERAS, list_takes, simulate_take
from painlib.demo.individuals import ACTION_UNITS
from painlib.demo.raters import RATERS, find_built_in_icc, simulate_scores, write_rater_scores
from painlib.faces.store import CameraFiles, FaceStore
from painlib.faults import Faults, PainlibError
from painlib.grimace import FACE, UNITS
from painlib.grimace.agreement import _icc_of, _icc_parts, _weighted_kappa
from painlib.grimace.intervals import correlate, find_interval, moments
from painlib.inputs import stage_inputs
from painlib.params import STAGES, GrimaceParams, load_yaml
from painlib.plots import grimace as panels, grimace_classifier
from painlib.provenance import provenance_path
from painlib.tables import SCHEMAS, write_table

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "notebooks" / "06_grimace_scale.ipynb"
DEFAULTS = {
    "faces": 1000, "save_faces": False, "raters": [], "score_files": [], "score_columns": [],
    "missing_codes": ["", "-1", "NA"], "rejected_codes": ["rejected", "blurry"], "score_all": False,
    "min_units": 3, "interactive": False, "rater": "",
}  # fmt: skip
# Shrout & Fleiss 1979 (Psychol Bull 86:420), Table 2: six targets, four judges.
JUDGES = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


def make_params(folder: Path, **changes) -> GrimaceParams:
    return GrimaceParams(
        **{"cohort": folder / "cohort.csv", "workdir": folder / "out", "seed": 1, **DEFAULTS, **changes}
    )


def make_faces(sizes: dict[tuple[str, int], int]) -> pd.DataFrame:
    """Labelled faces: so many of each animal and label."""
    rows = [
        (f"{subject}_{('pre', 'ac')[label]}", "A", frame, subject, label)
        for (subject, label), n in sizes.items()
        for frame in range(n)
    ]
    return pd.DataFrame(rows, columns=[*FACE, "subject", "label"]).rename_axis("row").reset_index()


def make_scores(values: dict[str, np.ndarray], subjects: list[str] | None = None) -> pd.DataFrame:
    """Every unit and the total of face i is `values[rater][i]`, each face of a recording of its own."""
    tables = []
    for rater, scores in values.items():
        table = pd.DataFrame(
            {"rater": rater, "recording": [f"r{i}" for i in range(len(scores))], "camera": "A"}
        )
        table = table.assign(frame=0, rejected=False, **dict.fromkeys(UNITS, scores), n_units=5, total=scores)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def animals_of(scores: pd.DataFrame, each: int = 1) -> dict[str, str]:
    return {name: f"m{int(name[1:]) // each}" for name in scores["recording"]}


# --- the sample ------------------------------------------------------------------------------------------


def test_every_animal_and_label_gives_as_many_faces_and_a_small_one_all_it_has():
    faces = make_faces({("m1", 0): 50, ("m1", 1): 50, ("m2", 0): 4, ("m2", 1): 50})
    sample = grimace.draw_faces(faces, 40, seed=1)
    drawn = sample.merge(faces, on=["row", *FACE, "subject"])
    counts = drawn.groupby(["subject", "label"]).size()
    assert counts["m2", 0] == 4
    assert sorted(counts.drop(("m2", 0))) == [12, 12, 12]
    assert len(sample) == 40 == sample["row"].nunique()
    assert "4 to 12 of each" in grimace.describe_draw(sample, faces, 1)


def test_the_sample_has_no_label_is_shuffled_and_follows_the_seed():
    faces = make_faces({("m1", 0): 50, ("m1", 1): 50})
    sample = grimace.draw_faces(faces, 60, seed=1)
    assert "label" not in sample
    assert not sample["row"].is_monotonic_increasing
    pd.testing.assert_frame_equal(sample, grimace.draw_faces(faces, 60, seed=1))
    assert set(sample["row"]) != set(grimace.draw_faces(faces, 60, seed=2)["row"])
    first = sample.head(30).merge(faces, on="row")["label"].mean()
    assert 0.2 < first < 0.8, "not sorted by label"


def test_all_faces_are_drawn_where_there_are_fewer_and_none_is_an_error():
    faces = make_faces({("m1", 0): 3, ("m1", 1): 2})
    assert sorted(grimace.draw_faces(faces, 1000, seed=1)["row"]) == [0, 1, 2, 3, 4]
    for few, n in ((faces.iloc[:0], 10), (faces, 0)):
        with pytest.raises(PainlibError, match="at least one face"):
            grimace.draw_faces(few, n, seed=1)


def test_a_face_keeps_its_hidden_name_and_the_sheet_gives_nothing_away(tmp_path):
    faces = make_faces({("secret", 0): 300, ("secret", 1): 300})
    small, large = (grimace.draw_faces(faces, n, seed) for n, seed in ((20, 1), (600, 2)))
    both = small.merge(large, on=list(FACE))
    assert (both["face_x"] == both["face_y"]).all()
    assert large["face"].nunique() == 600
    assert large["face"].str.fullmatch("[b-df-hj-np-tv-xz]{10}").all(), "no spreadsheet takes it for a number"
    sheet, key = grimace.write_sheet(tmp_path, small), grimace.write_key(tmp_path, small)
    text = sheet.read_text()
    assert "secret" not in text
    assert "_ac" not in text
    assert len(pd.read_csv(sheet)) == 20
    assert pd.read_csv(key)["face"].tolist() == small["face"].tolist()


def test_a_sheet_in_which_somebody_has_begun_is_never_written_over(tmp_path):
    faces = make_faces({("m1", 0): 30, ("m1", 1): 30})
    small, large = (grimace.draw_faces(faces, n, seed=1) for n in (10, 20))
    path = grimace.write_sheet(tmp_path, small)
    assert len(pd.read_csv(grimace.write_sheet(tmp_path, large))) == 20, "nobody has begun"
    sheet = pd.read_csv(path, dtype=str, keep_default_na=False)
    sheet.loc[3, "nose_bulge"] = "1"
    sheet.to_csv(path, index=False, sep=";")
    before = path.read_bytes()
    assert grimace.write_sheet(tmp_path, small).read_bytes() == before


# --- score files -----------------------------------------------------------------------------------------

KNOWN = make_faces({("m1", 0): 3, ("m2", 1): 3})


def read(path: Path, text: str, **changes) -> tuple[pd.DataFrame, pd.DataFrame]:
    path.write_text(text, encoding="utf-8")
    faces = grimace.name_faces(changes.pop("faces", KNOWN))
    scores, told = grimace.read_score_file(path, grimace.Reading(faces, **changes))
    return scores, pd.DataFrame(told, columns=list(grimace.Recoding._fields))


def count_told(told: pd.DataFrame, column: str, value: str) -> tuple[str, int]:
    (row,) = told[(told["column"] == column) & (told["value"] == value)].to_dict("records")
    return row["meaning"], row["n_rows"]


WIDE = f"""recording,camera,frame,rater,rejected,{",".join(UNITS)}
m1_pre,A,0,ada,0,0,1,2,-1,
m1_pre,A,1,ada,1,2,2,2,2,2
m2_ac,A,2,ben,0,2.0,1,1,0,1
"""


def test_a_wide_table_is_read_and_every_cell_told_of(tmp_path):
    scores, told = read(tmp_path / "wide.csv", WIDE)
    assert list(scores.columns) == list(grimace.SCORE_COLUMNS)
    first, second, third = scores.sort_values(["rater", "frame"]).to_dict("records")
    np.testing.assert_equal([first[unit] for unit in UNITS], [0, 1, 2, np.nan, np.nan])
    assert second["rejected"]
    assert np.isnan([second[unit] for unit in UNITS]).all(), "a face that is out has no scores"
    assert (third["rater"], [third[unit] for unit in UNITS]) == ("ben", [2, 1, 1, 0, 1])
    assert count_told(told, "ear_position", "-1") == ("not scored", 1)
    assert count_told(told, "whisker_change", "(blank)") == ("not scored", 1)
    assert count_told(told, "orbital_tightening", "2.0") == ("2", 1)
    assert count_told(told, "rejected", "1") == ("face rejected", 1)


def test_a_long_table_with_other_names_separators_and_words_gives_the_same(tmp_path):
    units = dict(zip(UNITS, ("Eye", "Nose", "Cheeks", "EP", "Whisker Position"), strict=True))
    rows = ["Clip;Frame;Camera;Observer;AU;Value;Note"]
    for line in WIDE.splitlines()[1:]:
        recording, camera, frame, rater, rejected, *cells = line.split(",")
        for unit, cell in zip(UNITS, cells, strict=True):
            said = "BLURRY" if rejected == "1" else {"-1": "9", "": "9"}.get(cell, cell)
            rows.append(f"{recording};{frame};{camera};{rater};{units[unit]};{said};x")
    names = {"recording": "clip", "rater": "Observer", "unit": "AU", "score": "Value"}
    text = "\ufeff" + "\n".join(rows)
    scores, told = read(tmp_path / "long.csv", text, names=names, missing=["9"])
    wide, _ = read(tmp_path / "wide.csv", WIDE)
    keys = ["rater", *FACE]
    pd.testing.assert_frame_equal(*(table.sort_values(keys, ignore_index=True) for table in (scores, wide)))
    assert count_told(told, "Value", "9") == ("not scored", 2)
    assert count_told(told, "Value", "BLURRY") == ("face rejected", 5)
    assert count_told(told, "Note", "(column)")[0] == "not read"
    assert count_told(told, "Observer", "(column)")[0] == "rater"


def test_a_column_a_unit_and_rater_and_a_file_without_raters(tmp_path):
    heads = [f"{unit}_{rater}" for rater in ("ada", "b c") for unit in UNITS]
    cells = ["0", "1", "2", "0", "1", "2", "2", "2", "2", "2"]
    scores, _ = read(tmp_path / "two.csv", f"recording,frame,{','.join(heads)}\nm1_pre,2,{','.join(cells)}\n")
    found = scores.set_index("rater")[list(UNITS)]
    assert found.loc["ada"].tolist() == [0, 1, 2, 0, 1]
    assert found.loc["b c"].tolist() == [2] * 5
    assert scores["camera"].tolist() == ["A", "A"], "the one camera that the recording has"
    name = grimace.name_faces(KNOWN)["face"].iloc[4]
    scores, told = read(tmp_path / "dora.csv", f"face,Orbital tightening,ear_tag\n{name},1,2\n")
    assert scores[["rater", "recording", "frame"]].values.tolist() == [["dora", "m2_ac", 1]]
    lacking = told[told["meaning"].str.contains("no column of")]
    assert len(lacking) == 4, "units that nobody scored are told of"
    assert count_told(told, "ear_tag", "(column)")[0] == "not read"


def test_a_name_of_a_column_that_a_file_lacks_is_told_unless_it_has_the_own_name(tmp_path):
    read(tmp_path / "wide.csv", WIDE, names={"rater": "Observer"})  # it has a column `rater`
    with pytest.raises(
        PainlibError, match=r"expected a column `Observer`, got none\. Did you mean 'observr'"
    ):
        read(tmp_path / "wide.csv", WIDE.replace(",rater,", ",observr,"), names={"rater": "Observer"})
    text = "recording,camera,frame,unit,score\nm1_pre,A,0,lids,1\n"
    scores, _ = read(tmp_path / "long.csv", text, names={"orbital_tightening": "lids"})
    assert scores["orbital_tightening"].tolist() == [1]


def test_rows_of_other_faces_are_left_out_and_counted(tmp_path):
    text = WIDE + "m1_pre,A,77,ada,0,0,0,0,0,0\nm9_pre,A,0,ada,0,0,0,0,0,0\n"
    scores, told = read(tmp_path / "more.csv", text)
    assert len(scores) == 3
    assert count_told(told, "recording, camera, frame", "(any other)")[1] == 2
    with pytest.raises(PainlibError, match=r"none in 1 rows; the first is recording 'm9_pre'"):
        read(tmp_path / "none.csv", WIDE.splitlines()[0] + "\nm9_pre,A,0,ada,0,0,0,0,0,0\n")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (",2.0,", ",3,", r"`orbital_tightening`: expected 0, 1, 2 or a code .* got '3' in row 4"),
        (",2.0,", ",0.5,", r"got '0\.5' in row 4"),
        ("m2_ac,A,2,ben,0", "m1_pre,A,0,ada,0", r"one score a rater, face and unit, got 10 .* rows 2, 4"),
        ("m2_ac,A,2", "m2_ac,A,two", r"`frame`: expected a whole number, 0 or more, got 'two' in row 4"),
        (",ada,1,", ",ada,perhaps,", r"`rejected`: expected .* got 'perhaps' in row 3"),
        (
            "ear_position",
            "ear_positoin",
            r"expected a unit, got `ear_positoin`\. Did you mean 'ear position'",
        ),
        ("whisker_change", "eye", r"one column of orbital_tightening, got `orbital_tightening`, `eye`"),
        ("recording,", "file,", r"expected a column `face`, or `recording`, `camera` and `frame`"),
        ("2,2,2,2,2\n", "2,2,2,2\n", r"Row 3: expected 10 cells as in the header, got 9"),
    ],
)
def test_faults_of_a_score_file_are_named(tmp_path, old, new, expected):
    assert old in WIDE
    with pytest.raises(PainlibError, match=expected):
        read(tmp_path / "wide.csv", WIDE.replace(old, new, 1))


def test_an_unknown_unit_of_a_long_table_is_named_with_how_often(tmp_path):
    text = "recording,camera,frame,unit,score\nm1_pre,A,0,tail position,1\nm1_pre,A,1,tail position,1\n"
    with pytest.raises(PainlibError, match=r"Unit 'tail position' \(2 rows\): expected one of orbital"):
        read(tmp_path / "long.csv", text)


def test_all_files_come_together_and_a_face_in_two_of_them_is_refused(tmp_path):
    (tmp_path / "one.csv").write_text(WIDE)
    (tmp_path / "two.csv").write_text(WIDE.replace("ada", "carl").replace("ben", "carl"))
    files = [str(tmp_path / name) for name in ("one.csv", "two.csv")]
    sample = grimace.name_faces(KNOWN[KNOWN["frame"] < 2])
    scores, told = grimace.load_scores(make_params(tmp_path, score_files=files), KNOWN, sample)
    assert Counter(scores["rater"]) == {"ada": 2, "carl": 2}
    assert told.loc[told["meaning"].str.contains("not drawn"), "n_rows"].tolist() == [1, 1]
    everything = make_params(tmp_path, score_files=files, score_all=True)
    assert len(grimace.load_scores(everything, KNOWN, sample)[0]) == 6
    (tmp_path / "two.csv").write_text(WIDE)
    with pytest.raises(PainlibError, match=r"has in two files \(one.csv, two.csv\).*rater 'ada'"):
        grimace.load_scores(make_params(tmp_path, score_files=files), KNOWN, sample)
    with pytest.raises(PainlibError, match=r"none in 3 rows"):
        grimace.load_scores(make_params(tmp_path, score_files=files[:1]), KNOWN, sample[sample["frame"] > 5])


def test_what_the_widget_kept_is_analysed_without_faces_that_are_not_finished(tmp_path):
    folder = tmp_path / "out" / "grimace" / "scores"
    head = ",".join(grimace.FILE_COLUMNS)
    folder.mkdir(parents=True)
    rows = ["ada,m1_pre,A,0,0,0,1,2,-1,0,2026-01-01T10:00:00.000+00:00"]
    rows += ["ada,m1_pre,A,1,0,2,,,,,", "ada,m1_pre,A,2,1,,,,,,2026-01-01T10:00:09.000+00:00"]
    (folder / "ada.csv").write_text("\n".join([head, *rows]) + "\n")
    sample = grimace.name_faces(KNOWN)
    scores, told = grimace.load_scores(make_params(tmp_path, raters=["ada"]), KNOWN, sample)
    assert scores["frame"].tolist() == [0, 2]
    assert scores["rejected"].tolist() == [False, True]
    assert scores["total"].tolist()[0] == 5 * 3 / 4
    assert count_told(told, "scored_at", "(blank)") == ("begun, not finished: left out", 1)
    assert count_told(told, "ear_position", "-1") == ("cannot be judged", 1)
    with pytest.raises(PainlibError, match=r"Expected scores of ben, found no file"):
        grimace.load_scores(make_params(tmp_path, raters=["ben"]), KNOWN, sample)


# --- totals ----------------------------------------------------------------------------------------------


def test_a_total_is_five_times_the_mean_of_the_units_that_were_scored():
    cells = np.array([[2, 2, 2, 2, 2], [0, 1, 2, np.nan, np.nan], [2, 2, np.nan, np.nan, np.nan], [1] * 5])
    table = pd.DataFrame(cells, columns=list(UNITS)).assign(rejected=[False, False, False, True])
    found = grimace.add_totals(table, min_units=3)
    np.testing.assert_equal(found["total"].to_numpy(), [10, 5, np.nan, np.nan])
    assert found["n_units"].tolist() == [5, 3, 2, 0]
    assert grimace.add_totals(table, min_units=2)["total"].tolist()[2] == 10


def test_a_face_is_the_mean_of_its_raters_and_out_where_more_than_half_rejected_it():
    scores = make_scores({"a": np.array([1.0, 2, 2]), "b": np.array([3.0, 4, 4]), "c": np.array([5.0, 6, 6])})
    scores.loc[(scores["recording"] == "r1") & (scores["rater"] == "c"), "rejected"] = True
    scores.loc[(scores["recording"] == "r2") & (scores["rater"] != "c"), "rejected"] = True
    scores.loc[scores["rejected"], [*UNITS, "total"]] = np.nan
    faces = grimace.combine_raters(scores)
    np.testing.assert_equal(faces["total"].to_numpy(), [3, 3, np.nan])
    assert faces["rejected"].tolist() == [False, False, True]
    assert faces["n_raters"].tolist() == [3, 2, 1]
    counts = grimace.count_scores(scores).set_index("rater")
    assert counts.loc["a", ["n_faces", "n_total", "n_rejected"]].tolist() == [3, 2, 1]


# --- agreement -------------------------------------------------------------------------------------------


def test_the_icc_is_that_of_shrout_and_fleiss():
    """Their Table 4: ICC(2,1) = .29, ICC(2,4) = .62, and not the .17 or .71 of the other one-rater forms."""
    scores = make_scores({f"judge{k}": JUDGES[:, k] for k in range(4)})
    table = grimace.compute_icc(scores, animals_of(scores)).set_index(["measure", "form"])
    assert round(table.loc[("total", "ICC(2,1)"), "icc"], 2) == 0.29
    assert round(table.loc[("total", "ICC(2,k)"), "icc"], 2) == 0.62
    # McGraw & Wong's interval as R's psych::ICC gives it for this table.
    assert tuple(table.loc[("total", "ICC(2,1)"), ["ci_low_faces", "ci_high_faces"]]) == (0.02, 0.76)
    assert set(table.loc["total", "n_raters"]) == {4}


def test_the_icc_that_is_resampled_is_the_one_that_is_shown():
    parts = _icc_parts(JUDGES).sum(axis=0)
    assert [round(float(value), 4) for value in _icc_of(parts)] == [0.2898, 0.6201]
    constant = _icc_of(_icc_parts(np.ones((6, 3))).sum(axis=0))
    assert np.isnan(constant).all()


def test_weighted_kappa_is_that_of_scikit_learn_and_of_its_definition():
    """sklearn's own tests hold 0.9541 for this table; the definition goes over all pairs of faces."""
    one = np.repeat([0.0, 1, 2], [46, 44, 10])
    other = np.repeat([0.0, 1, 2], [50, 40, 10])
    scores = make_scores({"a": one, "b": other})
    table = grimace.compute_kappas(scores, animals_of(scores, 10)).set_index("measure")
    by_definition = 1 - ((one - other) ** 2).mean() / ((one[:, None] - other) ** 2).mean()
    assert by_definition == pytest.approx(0.9541, abs=5e-5)
    for measure in grimace.MEASURES:
        assert table.loc[measure, "kappa"] == pytest.approx(by_definition)
    counts = np.zeros((3, 3))
    np.add.at(counts, (one.astype(int), other.astype(int)), 1)
    assert float(_weighted_kappa(counts)) == pytest.approx(by_definition)
    assert table.loc["total", "ci_low"] < by_definition < table.loc["total", "ci_high"] <= 1


def test_the_kappa_of_the_total_goes_by_faces_with_all_five_units():
    scores = make_scores({"a": np.array([0.0, 1, 2, 3]), "b": np.array([0.0, 1, 2, 4])})
    scores.loc[scores["recording"] == "r3", "n_units"] = 4
    scores[list(UNITS)] = scores[list(UNITS)].clip(upper=2)
    table = grimace.compute_kappas(scores, animals_of(scores)).set_index("measure")
    assert (table.loc["total", "n_faces"], table.loc["total", "kappa"]) == (3, 1.0)


def test_one_rater_against_the_mean_of_the_others_by_hand():
    scores = make_scores({"a": np.array([0.0, 2, 4]), "b": np.array([1.0, 2, 3]), "c": np.array([1.0, 4, 7])})
    table = grimace.compute_ceiling(scores, animals_of(scores)).set_index(["measure", "rater"])
    row = table.loc[("total", "a")]  # the others: 1, 3, 5
    assert (row["rmse"], row["bias"]) == (pytest.approx(1.0), pytest.approx(-1.0))
    assert row["r"] == pytest.approx(1.0)
    b = table.loc[("total", "b")]  # the others: 0.5, 3, 5.5
    assert b["rmse"] == pytest.approx(np.sqrt((0.5**2 + 1 + 2.5**2) / 3))


@pytest.mark.parametrize("kind", ["one rater", "no variation", "few faces", "one animal"])
def test_what_is_not_defined_is_nan_and_says_why(kind):
    values = {"a": np.array([0.0, 1, 2, 1, 0, 2]), "b": np.array([0.0, 2, 2, 1, 0, 1])}
    if kind == "one rater":
        values.pop("b")
    elif kind == "no variation":
        values = dict.fromkeys(values, np.ones(6))
    elif kind == "few faces":
        values = {name: scores[:3] for name, scores in values.items()}
    scores = make_scores(values)
    subjects = dict.fromkeys(scores["recording"], "m1") if kind == "one animal" else animals_of(scores)
    icc = grimace.compute_icc(scores, subjects).iloc[0]
    kappas = grimace.compute_kappas(scores, subjects)
    ceiling = grimace.compute_ceiling(scores, subjects).iloc[0]
    assert np.isnan([icc["ci_low"], icc["ci_high"]]).all()
    assert icc["note"]
    assert np.isnan(icc["icc"]) == (kind != "one animal")
    if kind == "one rater":
        assert kappas.empty
        assert "two raters" in ceiling["note"]
    if kind == "no variation":
        assert np.isnan(kappas["kappa"]).all()
        assert np.isnan(ceiling["r"])
    if kind == "one animal":
        assert "needs 3 animals, got 1" in icc["note"]
        assert np.isfinite(kappas["kappa"].iloc[0])


@pytest.mark.parametrize("faces", [1, 500])
def test_the_interval_of_a_mean_over_animals_is_the_usual_t_interval_however_many_faces(faces):
    animals = np.random.default_rng(0).uniform(0.3, 0.7, size=12)
    sums = np.column_stack([np.full(12, faces), faces * animals]).astype(float)
    found = find_interval(sums, lambda sums: sums[..., 1] / sums[..., 0], "share")
    assert found == pytest.approx(stats.t.interval(0.95, 11, animals.mean(), stats.sem(animals)))


def test_an_interval_stays_within_what_can_be_and_needs_three_animals():
    sums = moments(np.arange(12.0), np.arange(12.0) + np.tile([0, 0.1], 6)).reshape(4, 3, 6).sum(axis=1)
    low, high = find_interval(sums, correlate)
    assert 0.9 < low < float(correlate(sums.sum(axis=0))) < high < 1
    assert np.isnan(find_interval(sums[:2], correlate)).all()
    assert (
        find_interval(np.array([[1.0, 1], [0, 1], [1, 1]]), lambda s: s[..., 0] / s[..., 1], "share")[1] == 1
    )


# --- label and classifier --------------------------------------------------------------------------------


def make_labelled(totals: dict[tuple[str, int], list[float]], p_pain: dict | None = None) -> pd.DataFrame:
    rows = []
    for (subject, label), values in totals.items():
        for place, total in enumerate(values):
            p = p_pain[subject, label][place] if p_pain else np.nan
            rows.append((f"{subject}_{label}", "A", place, subject, label, total, p))
    return pd.DataFrame(rows, columns=[*FACE, "subject", "label", "total", "p_pain"])


def test_treated_faces_at_zero_and_faces_before_above_zero_are_counted_by_hand():
    faces = make_labelled(
        {
            ("m1", 0): [0, 0, 1, np.nan], ("m1", 1): [0, 3, 4, 5], ("m2", 0): [0, 2], ("m2", 1): [0, 6],
            ("m3", 0): [0], ("m3", 1): [7],
        }
    )  # fmt: skip
    (row,) = grimace.compare_with_label(faces.assign(rater="a")).to_dict("records")
    assert (row["n_pain"], row["n_no_pain"], row["n_subjects"]) == (7, 6, 3)
    assert row["pain_at_zero"] == pytest.approx(2 / 7)
    assert row["no_pain_above_zero"] == pytest.approx(2 / 6)
    # AUC by counting pairs, ties half: m1 (3 x 4): 0s win 0.5 of [0], 3 each of the rest ...
    m1 = (2 * 0.5 + 0 + 3 * 3) / 12
    m2 = (0.5 + 0 + 1 + 1) / 4
    assert row["auc"] == pytest.approx((m1 + m2 + 1) / 3)
    cuts = grimace.count_cuts(faces).set_index("cut")
    assert cuts.loc[4, "pain_at_or_above"] == pytest.approx(4 / 7)
    assert cuts.loc[2, "no_pain_at_or_above"] == pytest.approx(1 / 6)
    animals = grimace.summarise_by_animal(faces).set_index("subject")
    assert animals.loc["m1", "difference"] == pytest.approx(3 - 1 / 3)


def test_the_repeated_measures_correlation_is_that_of_bland_and_altman():
    """Bland & Altman 1995 (BMJ 310:446): r = -0.51, P < 0.001 of pH and PaCO2 in eight patients, 38 df."""
    from pingouin import read_dataset

    data = read_dataset("rm_corr").rename(columns={"pH": "total", "PacO2": "p_pain", "Subject": "subject"})
    faces = data.assign(recording=data["subject"].astype(str), camera="A", frame=range(len(data)), label=0)
    row = grimace.compute_correlations(faces).set_index("level").loc["faces within animals"]
    assert row["r"] == pytest.approx(-0.507, abs=5e-4)
    assert (row["dof"], row["n_subjects"]) == (38, 8)
    assert row["p"] == pytest.approx(0.000847, abs=5e-6)
    assert (row["ci_low"], row["ci_high"]) == (-0.71, -0.23)
    assert "as if its faces were independent" in row["note"]
    assert row["ci_low_animals"] < row["r"] < row["ci_high_animals"]


def test_differences_between_animals_bring_no_correlation_about():
    """Animals whose scores and probabilities are high together, but not within any of them."""
    totals, p_pain = {}, {}
    for number in range(6):
        totals[f"m{number}", 0] = [number, number + 1, number, number + 1]
        p_pain[f"m{number}", 0] = [number / 10, number / 10, (number + 1) / 10, (number + 1) / 10]
    faces = make_labelled(totals, p_pain)
    table = grimace.compute_correlations(faces).set_index("level")
    assert table.loc["faces within animals", "r"] == pytest.approx(0, abs=1e-9)
    assert np.corrcoef(faces["total"], faces["p_pain"])[0, 1] > 0.8
    assert table.loc["animals", "note"].startswith("not defined")
    assert np.isnan(table.loc["recordings within animals", "r"]), "one recording each"


def test_animals_are_compared_by_what_treatment_raised():
    totals = {(f"m{k}", label): [k * label + 1.0] for k in range(5) for label in (0, 1)}
    p_pain = {(f"m{k}", label): [0.9 - 0.1 * k * label] for k in range(5) for label in (0, 1)}
    table = grimace.compute_correlations(make_labelled(totals, p_pain)).set_index("level")
    assert (table.loc["animals", "r"], table.loc["animals", "n_subjects"]) == (pytest.approx(-1), 5)
    assert table.loc["recordings within animals", "r"] == pytest.approx(-1)


def test_the_roc_at_each_cut_by_hand():
    faces = make_labelled(
        {("m1", 0): [0, 1, 3], ("m1", 1): [2, 4], ("m2", 0): [0, 0], ("m2", 1): [5, 5]},
        {("m1", 0): [0.1, 0.6, 0.4], ("m1", 1): [0.5, 0.9], ("m2", 0): [0.3, 0.2], ("m2", 1): [0.1, 0.8]},
    )
    table, by_animal = grimace.compute_roc(faces)
    table = table.set_index("cut")
    # Cut 2, m1: above are 0.4, 0.5, 0.9; below 0.1, 0.6: of six pairs 4 are right.
    # m2: 0.1, 0.8 against 0.3, 0.2: two of four.
    assert table.loc[2, "auc"] == pytest.approx((4 / 6 + 2 / 4) / 2)
    assert table.loc[2, ["n_at_or_above", "n_below", "n_subjects"]].tolist() == [5, 4, 2]
    # Cut 3, m1: 0.4, 0.9 against 0.1, 0.6, 0.5: 1 + 3 of six.
    assert by_animal.set_index(["cut", "subject"]).loc[(3, "m1"), "auc"] == pytest.approx(4 / 6)
    assert np.isnan(table.loc[6, "auc"])
    assert table.loc[6, "n_subjects"] == 0


def test_the_network_is_held_against_the_same_people_as_the_left_out_rater():
    scores = make_scores(
        {"a": np.array([0.0, 2, 4, 3]), "b": np.array([1.0, 2, 3, 5]), "c": np.array([1.0, 4, 7, 2])}
    )
    judged = grimace.combine_raters(scores).assign(p_pain=[0.1, 0.2, 0.9, 0.8])
    table = grimace.compare_with_raters(scores, judged).set_index("rater")
    others = [1, 3, 5, 3.5]
    assert table.loc["a", "r_rater"] == pytest.approx(np.corrcoef([0, 2, 4, 3], others)[0, 1])
    assert table.loc["a", "r_network"] == pytest.approx(np.corrcoef([0.1, 0.2, 0.9, 0.8], others)[0, 1])


def test_a_correlation_without_spread_is_not_a_number():
    sums = moments(np.full(9, 0.3), np.arange(9.0)).sum(axis=0)
    assert np.isnan(correlate(sums))


# --- the demonstration's raters --------------------------------------------------------------------------

DRAWN = DemoParams(
    seed=5, strength=1.0, coat="white", width=480, height=270, fps=0.5,
    training_animals=8, training_minutes=2,
    assay_animals_per_group=1, assay_pre_minutes=1, assay_post_minutes=1, label_frames_per_video=1,
    label_animals=1, workers=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    """Truth tables as `draw_cohort` leaves them, without a picture drawn, and the raters' files."""
    folder = tmp_path_factory.mktemp("cohort")
    (folder / "truth").mkdir()
    takes = list_takes(DRAWN)
    for take in takes:
        _, behaviour = simulate_take(DRAWN, take)
        truth = pd.DataFrame(behaviour.action_units, columns=list(ACTION_UNITS))
        seen = dict.fromkeys(("nose_visible", "right_eye_visible", "left_eye_visible"), True)
        truth = truth.assign(frame=range(len(truth)), motion_px=0.0, **seen)
        for number, camera in enumerate(CAMERAS):
            blurred = truth.assign(defocus_px=behaviour.defocus_px[:, number])
            blurred.to_parquet(folder / "truth" / f"{take.recording}_{camera}.parquet")
    write_rater_scores(folder, DRAWN, takes)
    return folder


def list_drawn(cohort: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """The labelled faces of the cohort, and what is true of each."""
    tables = []
    for take in [take for take in list_takes(DRAWN) if take.label]:
        for camera in CAMERAS:
            truth = pd.read_parquet(cohort / "truth" / f"{take.recording}_{camera}.parquet")
            who = {"recording": take.recording, "camera": camera, "subject": take.animal.subject}
            tables.append(truth.assign(**who, label=int(take.label == "pain")))
    faces = pd.concat(tables, ignore_index=True).rename_axis("row").reset_index()
    return faces[["row", *FACE, "subject", "label"]], faces[list(ACTION_UNITS)].to_numpy()


def score_params(cohort: Path, **changes) -> GrimaceParams:
    files = [str(cohort / "scores" / name) for name in ("raters_1_and_2.csv", "rater_3.csv")]
    return make_params(cohort, score_files=files, **changes)


def test_the_icc_built_in_is_that_of_very_many_drawn_scores():
    """The exact number against brute force: 120,000 faces drawn, mean squares of their scores."""
    truth = np.clip(np.random.default_rng(3).normal(0.8, 0.7, (120_000, 5)), 0, 2)
    rng = np.random.default_rng(4)
    scores = [simulate_scores(truth, rater, rng) for rater in RATERS]
    built_in = find_built_in_icc(truth)
    for unit in range(6):
        values = np.stack([own[:, unit] if unit < 5 else own.sum(axis=1) for own in scores], axis=1).astype(
            float
        )
        drawn = _icc_of(_icc_parts(values).sum(axis=0))
        for exact, found in zip((form[unit] for form in built_in), drawn, strict=True):
            assert found == pytest.approx(exact, abs=0.005)


def test_the_icc_found_is_the_one_built_in_within_its_interval(cohort):
    faces, truth = list_drawn(cohort)
    sample = grimace.draw_faces(faces, 600, seed=1)
    scores, told = grimace.load_scores(score_params(cohort), faces, sample)
    subjects = dict(zip(faces["recording"], faces["subject"], strict=True))
    table = grimace.compute_icc(scores, subjects)
    built_in = dict(zip(("ICC(2,1)", "ICC(2,k)"), find_built_in_icc(truth), strict=True))
    for row in table.itertuples():
        exact = built_in[row.form][grimace.MEASURES.index(row.measure)]
        assert row.ci_low <= exact <= row.ci_high, (row, exact)
        assert row.icc == pytest.approx(exact, abs=0.06)
        assert row.ci_high - row.ci_low < 0.3, "an interval that says something"
    assert {"not scored", "face rejected"} <= set(told["meaning"])


@pytest.mark.verify
def test_the_interval_of_the_icc_holds_what_is_built_in_as_often_as_it_says(tmp_path):
    """200 cohorts of 12 animals, 40 faces each, whose units differ between animals and within them."""
    rng = np.random.default_rng(1)
    everything = np.clip(rng.normal(0.8, 0.5, (20_000, 1, 5)) + rng.normal(0, 0.5, (20_000, 20, 5)), 0, 2)
    exact = find_built_in_icc(everything.reshape(-1, 5))[0][-1]
    hits = 0
    for seed in range(200):
        rng = np.random.default_rng([2, seed])
        truth = np.clip(rng.normal(0.8, 0.5, (12, 1, 5)) + rng.normal(0, 0.5, (12, 40, 5)), 0, 2).reshape(
            -1, 5
        )
        totals = np.stack([simulate_scores(truth, rater, rng).sum(axis=1) for rater in RATERS], axis=1)
        sums = _icc_parts(totals.astype(float)).reshape(12, 40, -1).sum(axis=1)
        low, high = find_interval(sums, lambda sums: _icc_of(sums)[0])
        hits += low <= exact <= high
    print(f"{hits} of 200 intervals hold the ICC that is built in")
    assert 172 <= hits <= 198, "about 19 of 20 at 12 animals; rather less than more"


# --- all of it -------------------------------------------------------------------------------------------


def make_judgements(faces: pd.DataFrame, truth: np.ndarray) -> grimace.Judgements:
    noise = np.random.default_rng(2).normal(0, 1.2, len(faces))
    p_pain = 1 / (1 + np.exp(-(truth.sum(axis=1) - 4 + noise)))
    return grimace.Judgements(faces[list(FACE)].assign(p_pain=p_pain, held_out=True), "out of fold")


@pytest.fixture(scope="module")
def result(cohort) -> grimace.GrimaceResult:
    faces, truth = list_drawn(cohort)
    sample = grimace.draw_faces(faces, 600, seed=1)
    scores, _ = grimace.load_scores(score_params(cohort), faces, sample)
    return grimace.analyse_scores(scores, faces, make_judgements(faces, truth))


def test_scores_that_follow_the_truth_follow_label_and_classifier(result):
    levels = result.correlations.set_index("level")
    assert (levels["r"] > 0.4).all()
    assert (levels["ci_low_animals"] < levels["r"]).all()
    everybody = result.label.iloc[0]
    assert everybody["rater"] == "mean of raters"
    assert everybody["auc"] > 0.8
    assert result.raters == ["rater 1", "rater 2", "rater 3"]
    # Built in: rater 2 scores high, rater 3 low.
    bias = result.ceiling[result.ceiling["measure"] == "total"].set_index("rater")["bias"]
    assert bias["rater 2"] > 0.3
    assert bias["rater 3"] < -0.3


def test_the_tables_and_sentences_are_kept_and_say_what_the_numbers_are(result, tmp_path):
    sentences = grimace.explain_scores(result, 3)
    files = grimace.write_grimace(tmp_path, result, pd.DataFrame(columns=grimace.Recoding._fields), sentences)
    assert {"icc.csv", "kappas.csv", "ceiling.csv", "recodings.csv", "sentences.csv"} <= {
        p.name for p in files
    }
    text = " ".join(sentences)
    icc = result.icc.set_index(["measure", "form"]).loc[("total", "ICC(2,1)")]
    assert f"ICC(2,1) = {icc['icc']:.2f} [{icc['ci_low']:.2f}, {icc['ci_high']:.2f}]" in text
    assert "nan" not in text
    assert "p(pain) of" in text
    kept = pd.read_csv(tmp_path / "sentences.csv")
    assert kept["sentence"].tolist() == [text]


@pytest.mark.parametrize("kind", ["one rater", "one animal", "one label", "all rejected", "no judgement"])
def test_every_degenerate_set_of_scores_ends_in_tables_sentences_and_figures(cohort, kind):
    faces, truth = list_drawn(cohort)
    judgements = make_judgements(faces, truth)
    sample = grimace.draw_faces(faces, 80, seed=1)
    scores, _ = grimace.load_scores(score_params(cohort), faces, sample)
    if kind == "one rater":
        scores = scores[scores["rater"] == "rater 1"]
    elif kind == "one animal":
        scores = scores[scores["recording"].str.startswith("train01")]
    elif kind == "one label":
        scores = scores[scores["recording"].str.endswith("pre")]
    elif kind == "all rejected":
        scores = grimace.add_totals(scores.assign(rejected=True, **dict.fromkeys(UNITS, np.nan)), 3)
    else:
        judgements = grimace.Judgements(judgements.table.iloc[:0], "nobody")
    found = grimace.analyse_scores(scores.reset_index(drop=True), faces, judgements)
    assert "nan" not in " ".join(grimace.explain_scores(found, 3)).lower()
    assert all(figure.axes for figure in draw_all(found).values())


def draw_all(result: grimace.GrimaceResult) -> dict:
    return {
        "agreement": panels.plot_rater_agreement(result),
        "label": panels.plot_scores_by_label(result),
        "classifier": grimace_classifier.plot_scores_by_classifier(result),
        "roc": grimace_classifier.plot_grimace_roc(result),
    }


def test_figures_name_their_axes_and_counts_and_nothing_overlaps(result):
    drawn = draw_all(result)
    for name, expected in {
        "agreement": ("orbital tightening", "Intraclass correlation", "rater 1, rater 2", "8 animals"),
        "label": ("Total of the grimace scale", "Faces at or above the cut (%)", "n = 8 animals"),
        "classifier": ("p(pain) of the classifier (0 to 1)", "n = 8 animals", "out of fold"),
        "roc": ("AUC of p(pain) within an animal", "False-positive rate", "≥ 1"),
    }.items():
        for text in expected:
            assert text in words(drawn[name]), name
        assert find_overlaps(drawn[name]) == [], name


def test_the_figure_shows_the_icc_of_the_table(result):
    figure = panels.plot_rater_agreement(result)
    lines = figure.findobj(lambda artist: artist.get_gid() == "icc")
    shown = [line.get_xdata() for line in lines]
    for form, values in zip(("ICC(2,1)", "ICC(2,k)"), shown, strict=True):
        np.testing.assert_allclose(values, result.icc.loc[result.icc["form"] == form, "icc"])


# --- the package's drawings ------------------------------------------------------------------------------


def test_every_unit_has_a_drawing_of_each_degree_and_words_for_it():
    root = ElementTree.parse(grimace.find_reference_picture()).getroot()
    panels_there = {element.get("id") for element in root.iter("{http://www.w3.org/2000/svg}svg")} - {None}
    assert panels_there == {f"{unit}_{degree}" for unit in UNITS for degree in grimace.DEGREES}
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    for unit in UNITS:
        assert len(set(grimace.DEGREE_WORDS[unit])) == 3
        assert set(grimace.DEGREE_WORDS[unit]) <= texts, "picture and words say the same"


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("Orbital Tightening", 0),
        ("nose_bulge", 1),
        ("Cheeks", 2),
        ("EP", 3),
        ("whisker position", 4),
        ("tail", None),
    ],
)
def test_units_are_known_by_the_names_that_tables_use(name, unit):
    assert grimace.find_unit(name) == (None if unit is None else UNITS[unit])


# --- parameters and the run ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"faces": 0}, "faces"),
        ({"min_units": 6}, "min_units"),
        ({"raters": ["a", "a"]}, "raters needs different names"),
        ({"score_columns": ["rater"]}, "score_columns needs entries such as"),
        ({"score_files": ["{out}/grimace/ada.csv"]}, "elsewhere than in"),
        ({"missing_codes": ["2"]}, "other cells than scores"),
        ({"missing_codes": ["x"], "rejected_codes": ["x"]}, "other cells than rejected_codes"),
        ({"interactive": True}, "rater needs a name"),
    ],
)
def test_parameters_that_cannot_be_meant_are_refused(tmp_path, changes, expected):
    if "score_files" in changes:
        changes = {"score_files": [name.format(out=tmp_path / "out") for name in changes["score_files"]]}
    with pytest.raises(ValidationError, match=expected):
        make_params(tmp_path, **changes)


def test_columns_are_renamed_only_to_names_that_there_are():
    assert grimace.parse_names(["rater=Observer", "ear_position = EP"]) == {
        "rater": "Observer",
        "ear_position": "EP",
    }
    with pytest.raises(PainlibError, match=r"2 faults(.|\n)*'observer=Rater'(.|\n)*'face='"):
        grimace.parse_names(["observer=Rater", "face="])


def test_the_articles_thousand_faces_stand_in_its_file():
    section = load_yaml(ROOT / "params" / "kobayashi2025.yaml")["grimace"]
    assert section["faces"] == 1000


def test_without_scores_the_faces_alone_are_read_and_with_them_the_judgements_too(tmp_path):
    out = tmp_path / "out"
    for name in ("faces/m1_A.parquet", "training/out_of_fold.parquet"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).touch()
    names = [path.relative_to(tmp_path).as_posix() for path in stage_inputs(make_params(tmp_path))]
    assert names == ["cohort.csv", "out/faces/m1_A.parquet"]
    scored = make_params(tmp_path, raters=["ada"], score_files=[str(tmp_path / "b.csv")])
    names = [path.relative_to(tmp_path).as_posix() for path in stage_inputs(scored)]
    assert names[2:] == [
        "out/predictions/frames.parquet", "out/training/out_of_fold.parquet",
        "out/grimace/scores/ada.csv", "b.csv",
    ]  # fmt: skip


def test_score_files_are_looked_at_before_any_work_begins(tmp_path):
    (tmp_path / "wide.csv").write_text(WIDE)
    rows: list = []
    faults = Faults()
    grimace.check_scores(make_params(tmp_path, score_files=[str(tmp_path / "wide.csv")]), rows, faults)
    assert (rows, len(faults)) == ([("grimace scores", "1 files, 3 rows")], 0)
    wrong = {"raters": ["ada"], "score_files": [str(tmp_path / "none.csv")], "score_columns": ["who=x"]}
    grimace.check_scores(make_params(tmp_path, **wrong), rows, faults)
    said = "\n".join(faults)
    assert all(name in said for name in ("ada.csv", "none.csv", "'who=x'"))


def test_nothing_later_reads_what_the_stage_writes():
    (stage,) = [stage for stage in STAGES if stage.name == "grimace"]
    assert (stage.number, stage.read_by_others) == ("06", False)


def fit(table: pd.DataFrame, schema: str) -> pd.DataFrame:
    """The columns of a stored table; what is not told here has the plainest value that is allowed."""
    plain: dict[str, object] = {"str": "", "bool": False, "float64": 0.5}
    for name, column in SCHEMAS[schema].columns.items():
        if name not in table:
            table = table.assign(
                **{name: column.allowed[0] if column.allowed else plain.get(column.dtype, 0)}
            )
    return table[list(SCHEMAS[schema].columns)]


def make_workdir(folder: Path) -> pd.DataFrame:
    """Faces, judgements and records as 01 to 03 leave them, of four animals, without a video."""
    rng = np.random.default_rng(1)
    out, rows, cohort = folder / "out", [], []
    for animal in range(4):
        for label, name in enumerate(("pre", "ac")):
            recording = f"m{animal}_{name}"
            files = CameraFiles(out, recording, "A")
            files.blob.parent.mkdir(parents=True, exist_ok=True)
            index, offset = [], 0
            with open(files.blob, "wb") as blob:
                for frame in range(20):
                    Image.fromarray(rng.integers(0, 256, (24, 24, 3), np.uint8)).save(folder / "face.jpg")
                    content = (folder / "face.jpg").read_bytes()
                    blob.write(content)
                    where = (recording, f"m{animal}", "A", frame, frame / 2, 1, 50.0, 50.0, 24)
                    index.append((*where, offset, len(content)))
                    offset += len(content)
                    rows.append(
                        (recording, f"m{animal}", "A", frame, label, 0.1 + 0.7 * label + 0.2 * rng.random())
                    )
            names = [
                "recording",
                "subject",
                "camera",
                "frame",
                "time_s",
                "rule",
                "centre_x",
                "centre_y",
                "size_px",
            ]
            table = pd.DataFrame(index, columns=[*names, "offset", "length"]).astype({"rule": "int8"})
            write_table(table, files.index, "faces")
            (folder / f"{recording}.mp4").touch()
            cohort.append(
                (recording, f"m{animal}", "A", f"{recording}.mp4", name.replace("ac", "post"), label)
            )
    table = pd.DataFrame(cohort, columns=["recording", "subject", "camera", "video", "phase", "label"])
    table["label"] = table["label"].map({0: "no pain", 1: "pain"})
    table.to_csv(folder / "cohort.csv", index=False)
    table[["recording", "camera"]].to_csv(out / "faces" / "summary.csv", index=False)
    judged = pd.DataFrame(rows, columns=["recording", "subject", "camera", "frame", "label", "p_pain"])
    judged = judged.assign(
        p_no_pain=1 - judged["p_pain"], time_s=judged["frame"] / 2, rule=1, sex="", fold="fold_1"
    )
    judged["rule"] = judged["rule"].astype("int8")
    write_table(fit(judged, "out_of_fold"), out / "training" / "out_of_fold.parquet", "out_of_fold")
    frames = judged.assign(trained_on=judged["subject"].isin(["m0", "m1"]), p_pain=0.5, p_no_pain=0.5)
    write_table(fit(frames, "frames"), out / "predictions" / "frames.parquet", "frames")
    return judged


@pytest.fixture
def workdir(tmp_path) -> Path:
    make_workdir(tmp_path)
    return tmp_path


def test_judgements_come_out_of_fold_unless_another_model_judged(workdir):
    out = workdir / "out"
    judgements = grimace.load_judgements(out)
    assert judgements.table["held_out"].all()
    assert "never saw the animal" in judgements.source
    path = provenance_path("predict", out)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"finished": True, "params": {"model": "../other"}}))
    other = grimace.load_judgements(out)
    assert (other.table["p_pain"] == 0.5).all(), "those of another network are not what it says"
    assert other.table["held_out"].mean() == 0.5
    faces = grimace.join_judgements(
        other.table[list(FACE)].assign(subject=other.table["recording"].str[:2]), other
    )
    from painlib.grimace.against_classifier import describe_judgements

    assert "trained on 2 of these animals, so too good" in describe_judgements(other, faces)


def execute(workdir: Path, **changes) -> tuple[dict, list]:
    """Run the notebook's code here, without a kernel; its names, and what it displayed."""
    shown: list = []
    names: dict = {"display": lambda *things: shown.extend(things)}
    plain = {"cohort": str(workdir / "cohort.csv"), "workdir": str(workdir / "out"), "seed": 1, **changes}
    for cell in json.loads(NOTEBOOK.read_text())["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
            if "parameters" in cell["metadata"].get("tags", []):
                names |= plain
    return names, shown


def test_the_notebook_draws_faces_and_says_that_there_are_no_scores(workdir, capsys):
    names, _ = execute(workdir, faces=40, save_faces=True)
    out = workdir / "out"
    said = capsys.readouterr().out
    assert "There are no scores yet." in said
    assert "40 faces (of 160) of 4 animals, 5 of each animal and label" in said
    assert names["result"] is None
    assert sorted(path.name for path in (out / "grimace").iterdir()) == [
        "faces", "key.csv", "sample", "sentences.csv"
    ]  # fmt: skip
    assert len(list((out / "grimace" / "faces").glob("*.jpg"))) == 40
    record = json.loads(provenance_path("grimace", out).read_text())
    assert record["finished"]
    assert record["facts"] == {"drawn": 40, "scores": 0, "raters": []}
    assert [path.name for path in sorted((out / "figures").glob("*.png"))] == ["06_drawn_faces.png"]


def test_the_notebook_analyses_the_sheet_that_raters_filled_in(workdir, capsys):
    faces = grimace.name_faces(FaceStore(workdir / "out").index)
    sheet = faces.groupby("recording").head(10)[["face", "recording"]]
    treated = sheet.pop("recording").str.endswith("ac").to_numpy()
    filled = []
    for rater in ("ada", "ben"):
        rng = np.random.default_rng(len(filled))
        cells = np.where(treated[:, None], rng.integers(0, 3, (80, 5)), rng.integers(0, 2, (80, 5)))
        path = workdir / f"{rater}.csv"
        sheet.assign(rater=rater, **dict(zip(UNITS, cells.T, strict=True))).to_csv(path, index=False)
        filled.append(str(path))
    names, shown = execute(workdir, faces=40, score_files=filled, score_all=True)
    assert "ICC(2,1) = " in capsys.readouterr().out
    assert len(names["scores"]) == 160
    assert names["result"].faces["p_pain"].notna().all()
    assert len(shown) == 10
    figures = sorted(path.stem for path in (workdir / "out" / "figures").glob("*.pdf"))
    assert figures == ["06_agreement", "06_classifier", "06_drawn_faces", "06_label", "06_roc"]
    written = {path.name for path in (workdir / "out" / "grimace").glob("*.csv")}
    assert {"key.csv", "icc.csv", "recodings.csv", "roc_by_animal.csv"} <= written


def test_a_file_of_faces_that_were_only_begun_has_no_score_and_one_without_times_has_all(tmp_path):
    folder = tmp_path / "out" / "grimace" / "scores"
    folder.mkdir(parents=True)
    sample = grimace.name_faces(KNOWN)
    head = ",".join(grimace.FILE_COLUMNS)
    (folder / "ada.csv").write_text(f"{head}\nada,m1_pre,A,0,0,0,,,,,\n")
    scores, told = grimace.load_scores(make_params(tmp_path, raters=["ada"]), KNOWN, sample)
    assert scores.empty
    assert count_told(told, "scored_at", "(blank)") == ("begun, not finished: left out", 1)
    head = head.removesuffix(",scored_at")
    (folder / "ben.csv").write_text(f"{head}\nben,m1_pre,A,0,0,0,1,2,-1,0\n")
    scores, _ = grimace.load_scores(make_params(tmp_path, raters=["ben"]), KNOWN, sample)
    assert scores["total"].tolist() == [5 * 3 / 4]

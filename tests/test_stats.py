"""Group tests: known answers from R and NIST, who counts, degenerate designs, sealed treatments, sentences.

Outside numbers that are typed here:
R sleep, R mtcars: R 4.2.2 `t.test` and R effectsize 0.8.3 `hedges_g`, as recorded in CRAN tidystats
(tests/data/htest.json, effectsize.json). R PlantGrowth: `aov`, `oneway.test`, `shapiro.test`, car's
`leveneTest`. Dunnett: R multcomp, as in scipy's test_multicomp.py (BSD-3). SiRstv: NIST StRD, certified F.
Partial eta squared: Smithson (2001), as in CRAN apaTables' tests.
"""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel

from painlib import stats
from painlib.faults import PainlibError
from painlib.stats.effects import hedges_g, hedges_g_paired, partial_eta_squared

SLEEP_1 = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SLEEP_2 = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
PLANTS = {
    "ctrl": [4.17, 5.58, 5.18, 6.11, 4.50, 4.61, 5.17, 4.53, 5.33, 5.14],
    "trt1": [4.81, 4.17, 4.41, 3.59, 5.87, 3.83, 6.03, 4.89, 4.32, 4.69],
    "trt2": [6.31, 5.12, 5.54, 5.50, 5.37, 5.29, 4.92, 6.15, 5.80, 5.26],
}
DRUGS = {  # Dunnett (1955), Table 1
    "control": [7.40, 8.50, 7.20, 8.24, 9.84, 8.32],
    "drug a": [9.76, 8.80, 7.68, 9.36],
    "drug b": [12.80, 9.68, 12.16, 9.20, 10.55],
}
SIRSTV = {
    "1": [196.3052, 196.1240, 196.1890, 196.2569, 196.3403],
    "2": [196.3042, 196.3825, 196.1669, 196.3257, 196.0422],
    "3": [196.1303, 196.2005, 196.2889, 196.0343, 196.1811],
    "4": [196.2795, 196.1748, 196.1494, 196.1485, 195.9885],
    "5": [196.2119, 196.1051, 196.1850, 196.0052, 196.2090],
}


def make_values(samples, crossed=False):
    """Window values with one recording an animal; `crossed`: the n-th of each group is the same one."""
    rows = [
        {
            "treatment": group,
            "subject": f"m{number}" if crossed else f"{group} {number}",
            "mean_of_minutes": value,
        }
        for group, sample in samples.items()
        for number, value in enumerate(sample)
    ]
    values = pd.DataFrame(rows).assign(trained_on=False, coverage=0.5, period="")
    return values.assign(recording=values["treatment"] + "_" + values["subject"])


def make_minutes(levels, n_minutes=3, phase="post", first=0):
    """Minutes of one recording an animal; `levels`: treatment -> one probability an animal."""
    rows = [
        {
            "recording": f"{treatment}_{number}_{phase}",
            "subject": f"{treatment}_{number}",
            "phase": phase,
            "period": "",
            "treatment": treatment,
            "minute": first + minute,
            "n_timepoints": 100,
            "n_evaluated": 50,
            "n_pain": round(50 * level),
            "n_not_judged": 0,
            "coverage": 0.5,
            "pain_probability": level,
            "trained_on": False,
            "inside": "",
        }
        for treatment, sample in levels.items()
        for number, level in enumerate(sample)
        for minute in range(n_minutes)
    ]
    return pd.DataFrame(rows)


def compare(samples, control=None, **settings):
    groups = list(samples)
    return stats.compare_groups(make_values(samples), groups, control or groups[-1], **settings)


def find_row(result, test):
    rows = result.table[result.table["test"].str.startswith(test)]
    assert len(rows) == 1, f"{test}: {len(rows)} rows of {list(result.table['test'])}"
    return rows.iloc[0]


def run(minutes, groups, control, **settings):
    given = {"assay": "a", "paired": False, "window_start_min": 0, "window_end_min": 3, "pre_window_min": 2}
    given |= {"alpha": 0.05, "seed": 0, "bootstrap": 0}
    return stats.run_assay(minutes, groups=groups, control=control, **(given | settings))


# Known answers


def test_two_groups_give_what_r_gives_on_the_sleep_data():
    result = compare({"1": SLEEP_1, "2": SLEEP_2})
    student, welch = find_row(result, "Student"), find_row(result, "Welch")
    for row, df, p, low, high in (
        (student, 18, 0.079187, -3.363874, 0.203874),
        (welch, 17.776474, 0.079394, -3.365483, 0.205483),
    ):
        found = row[["statistic", "df", "p", "difference", "ci_low", "ci_high"]].astype(float)
        assert found.tolist() == pytest.approx([-1.860813, df, p, -1.58, low, high], abs=1e-6)
    assert (student["role"], welch["role"]) == ("as published", "ours")


def test_a_crossover_gives_the_published_unpaired_test_and_the_paired_one_of_r():
    values = make_values({"1": SLEEP_1, "2": SLEEP_2}, crossed=True)
    result = stats.compare_groups(values, ["1", "2"], "2", paired=True)
    assert find_row(result, "Student")["p"] == pytest.approx(0.079187, abs=1e-6)
    row = find_row(result, "paired t test")
    found = row[["statistic", "df", "p", "difference", "ci_low", "ci_high"]].astype(float)
    assert found.tolist() == pytest.approx([-4.062128, 9, 0.002833, -1.58, -2.459886, -0.700114], abs=1e-6)
    assert "10 in more than one group" in find_row(result, "Student")["note"]


def test_more_groups_give_the_anova_welch_and_checks_of_r_on_the_plant_growth_data():
    result = compare(PLANTS, "ctrl")
    anova, welch = find_row(result, "one-way ANOVA"), find_row(result, "Welch's ANOVA")
    assert anova[["statistic", "df", "df_2", "p"]].tolist() == pytest.approx(
        [4.846, 2, 27, 0.01591], abs=5e-4
    )
    assert anova["effect_size"] == pytest.approx(0.2641483, abs=1e-6)
    assert welch[["statistic", "df", "df_2", "p"]].tolist() == pytest.approx(
        [5.181, 2, 17.128, 0.01739], abs=5e-4
    )
    shapiro = result.assumptions.iloc[:3]
    assert shapiro["statistic"].tolist() == pytest.approx([0.95668, 0.93041, 0.94101], abs=1e-5)
    assert shapiro["p"].tolist() == pytest.approx([0.7475, 0.4519, 0.5643], abs=1e-4)
    levene = result.assumptions.iloc[3]
    assert levene[["statistic", "p"]].tolist() == pytest.approx([1.1192, 0.3412], abs=1e-4)


def test_dunnett_gives_what_r_multcomp_gives():
    result = compare(DRUGS, "control")
    rows = result.table[result.table["test"] == "Dunnett's test"]
    assert rows["comparison"].tolist() == ["drug a - control", "drug b - control"]
    assert rows["statistic"].tolist() == pytest.approx([0.85703, 3.69375], abs=1e-5)
    assert rows["p_corrected"].tolist() == pytest.approx([0.620102, 0.0058254], abs=3e-4)
    assert rows["ci_low"].tolist() == pytest.approx([-1.2564116, 0.8396274], abs=5e-3)
    assert rows["ci_high"].tolist() == pytest.approx([2.5564116, 4.4163727], abs=5e-3)
    assert rows["stars"].tolist() == ["", "**"]
    assert rows["df"].tolist() == [12, 12]
    assert rows["p"].isna().all()


def test_the_anova_gives_the_certified_f_of_nist():
    assert find_row(compare(SIRSTV), "one-way ANOVA")["statistic"] == pytest.approx(
        1.18046237440255, rel=1e-7
    )


def test_the_reference_values_beside_the_project_are_reproduced(real: Path):
    folder = real / "stats_references"
    known = json.loads((folder / "reference_values.json").read_text())
    for case in known["dunnett"]:
        samples = {f"g{number}": sample for number, sample in enumerate(case["samples"])}
        rows = compare({**samples, "control": case["control"]}, "control").table.iloc[1 : 1 + len(samples)]
        assert rows["statistic"].tolist() == pytest.approx(case["statistic"], abs=2e-5)
        assert rows["p_corrected"].tolist() == pytest.approx(case["p"]["twosided"], abs=3e-4)
        assert rows["ci_low"].tolist() == pytest.approx(case["ci"]["twosided"][0], abs=5e-3)
    for case in known["t_test"]:
        values = make_values({"a": case["a"], "b": case["b"]}, crossed=True)
        result = stats.compare_groups(values, ["a", "b"], "b", paired=True)
        for test, name in (("Student", "pooled"), ("Welch", "welch"), ("paired", "paired")):
            row = find_row(result, test)
            assert row["p"] == pytest.approx(case[f"{name}_p"], abs=1e-5)
            assert row["statistic"] == pytest.approx(case.get(f"{name}_t", case["pooled_t"]), abs=1e-4)
            assert row["df"] == pytest.approx(case.get(f"{name}_df", 9), abs=1e-3)
    for name, case in known["anova_nist"].items():
        samples: dict[str, list[float]] = {}
        for line in (folder / name).read_text().splitlines()[60:]:  # the file's own header: data from line 61
            group, value = line.split()
            samples.setdefault(group, []).append(float(value))
        assert (len(samples), sum(map(len, samples.values()))) == (case["k"], case["n"])
        result = compare(samples)
        f = find_row(result, "one-way ANOVA" if case["k"] > 2 else "Student")["statistic"]
        assert (f if case["k"] > 2 else f**2) == pytest.approx(case["certified_F"], rel=1e-7)


def test_student_keeps_equal_variances_at_unequal_n():
    """8 against 9 animals, as in the analgesic assay; the formula is Student's, written out."""
    x = np.array([0.31, 0.12, 0.44, 0.25, 0.38, 0.19, 0.29, 0.35])
    y = np.array([0.52, 0.71, 0.33, 0.64, 0.48, 0.93, 0.57, 0.41, 0.85])
    row = find_row(compare({"diclofenac": x, "vehicle": y}), "Student")
    squares = ((x - x.mean()) ** 2).sum() + ((y - y.mean()) ** 2).sum()
    t = (x.mean() - y.mean()) / math.sqrt(squares / 15 * (1 / 8 + 1 / 9))
    assert (row["n_1"], row["n_2"], row["df"]) == (8, 9, 15)
    assert row["statistic"] == pytest.approx(t, rel=1e-12)
    assert row["sem_1"] == pytest.approx(x.std(ddof=1) / math.sqrt(8))


def test_effect_sizes_and_their_intervals_are_those_of_r_and_of_smithson():
    sleep = hedges_g_paired(np.array(SLEEP_1) - SLEEP_2, 0.05)
    # R's correction for small n is exact, pingouin's the usual approximation: they differ by 0.05 % at 9 df.
    assert sleep[1:] == pytest.approx((-1.173925, -1.935602, -0.378918), rel=1e-3)
    # R mtcars: miles per gallon of 19 automatic and 13 manual cars.
    automatic = [
        21.4,
        18.7,
        18.1,
        14.3,
        24.4,
        22.8,
        19.2,
        17.8,
        16.4,
        17.3,
        15.2,
        10.4,
        10.4,
        14.7,
        21.5,
        15.5,
    ]
    manual = [21.0, 21.0, 22.8, 32.4, 30.4, 33.9, 27.3, 26.0, 30.4, 15.8, 19.7, 15.0, 21.4]
    cars = hedges_g(np.array([*automatic, 15.2, 13.3, 19.2]), np.array(manual), 0.05)
    assert cars[1:] == pytest.approx((-1.440635, -2.208767, -0.65364), rel=1e-3)
    for f, df, low, high in ((6, 1, 0.0117, 0.2801), (2.65, 6, 0.0174, 0.3577)):
        assert partial_eta_squared(f, df, 42, 0.1, alpha=0.10)[2:] == pytest.approx((low, high), abs=6e-5)


def test_the_interval_of_hedges_g_leaves_out_zero_exactly_where_student_is_significant():
    rng = np.random.default_rng(3)
    for _ in range(12):
        row = find_row(compare({"a": rng.normal(1.2, 1, 5), "b": rng.normal(0, 1, 5)}), "Student")
        assert (row["effect_low"] > 0 or row["effect_high"] < 0) == (row["p"] < 0.05)


def test_the_bootstrap_interval_nears_students_where_animals_are_many_and_repeats_under_a_seed():
    rng = np.random.default_rng(0)
    samples = {"a": rng.normal(1, 1, 300), "b": rng.normal(0, 1, 300)}
    result = compare(samples, bootstrap=2000, seed=5)
    row, student = find_row(result, "bootstrap"), find_row(result, "Student")
    for bound in ("ci_low", "ci_high"):
        assert row[bound] == pytest.approx(student[bound], abs=0.015)
    pd.testing.assert_frame_equal(result.table, compare(samples, bootstrap=2000, seed=5).table)
    assert row["ci_low"] != find_row(compare(samples, bootstrap=2000, seed=6), "bootstrap")["ci_low"]


def test_the_bootstrap_of_a_crossover_draws_pairs():
    """R's paired interval of the sleep data is 1.76 wide, the unpaired one 3.57."""
    values = make_values({"1": SLEEP_1, "2": SLEEP_2}, crossed=True)
    row = find_row(stats.compare_groups(values, ["1", "2"], "2", paired=True, bootstrap=2000), "bootstrap")
    assert 1.1 < row["ci_high"] - row["ci_low"] < 1.76


def test_the_bootstrap_interval_is_as_wide_as_students_where_animals_are_few():
    """Evenly spread values: the mean of 8 drawn ones is nearly normal, and t's interval is the right one."""
    samples = {"a": np.linspace(0, 1, 8), "b": np.linspace(0.2, 1.2, 8)}
    result = compare(samples, bootstrap=20_000)
    row, welch = find_row(result, "bootstrap"), find_row(result, "Welch")
    ratio = (row["ci_high"] - row["ci_low"]) / (welch["ci_high"] - welch["ci_low"])
    assert ratio == pytest.approx(1, abs=0.02)  # with t, but n where n - 1 belongs: 0.95


@pytest.mark.parametrize(("n", "crossed"), [(3, False), (5, True)])
def test_a_bootstrap_interval_of_too_few_animals_is_withdrawn(n, crossed):
    rng = np.random.default_rng(n)
    for more in (0, 1):
        values = make_values({name: rng.normal(0, 1, n + more) for name in "ab"}, crossed)
        result = stats.compare_groups(values, ["a", "b"], "b", crossed, bootstrap=200)
        row = find_row(result, "bootstrap")
        assert math.isnan(row["ci_low"]) == (more == 0)
        assert row["note"].startswith("not run: withdrawn below") == (more == 0)


def test_stars_stand_at_the_papers_bounds_and_strictly_below_them():
    told = [stats.find_stars(p) for p in (0.05, 0.0499, 0.01, 0.0099, 0.001, 0.0009, math.nan)]
    assert told == ["", "*", "*", "**", "**", "***", ""]


def test_dunnett_is_run_whatever_the_anova_says_and_checks_choose_no_test():
    rng = np.random.default_rng(1)
    flat = compare({name: rng.normal(0, 1, 5) for name in "abc"}, "a")
    assert find_row(flat, "one-way ANOVA")["p"] > 0.05
    skewed = compare({"a": [0, 0, 0, 0, 1e3], "b": [0, 1, 2, 3, 4.5], "c": [5, 6, 7, 8, 90]}, "a")
    assert (skewed.assumptions["p"] < 0.05).any()
    names = ["one-way ANOVA", "Dunnett's test", "Dunnett's test", "Welch's ANOVA"]
    assert flat.table["test"].tolist() == skewed.table["test"].tolist() == names
    assert skewed.table["statistic"].notna().all()


# Who counts


def test_two_recordings_of_one_animal_are_one_animal():
    values = make_values({"drug": [0.4, 0.6, 0.5], "vehicle": [0.1, 0.2, 0.4]})
    again = values.iloc[[0]].assign(recording="again", mean_of_minutes=0.8)
    row = find_row(
        result := stats.compare_groups(pd.concat([values, again]), ["drug", "vehicle"], "vehicle"), "Stu"
    )
    once = values.assign(mean_of_minutes=[0.6, 0.6, 0.5, 0.1, 0.2, 0.4])
    alone = find_row(stats.compare_groups(once, ["drug", "vehicle"], "vehicle"), "Stu")
    assert (row["n_1"], row["df"]) == (3, 4)
    assert row["statistic"] == pytest.approx(alone["statistic"], rel=1e-12)
    assert "averaged first: drug 0" in row["note"]
    assert "several recordings of one animal in one group were averaged first (drug 0)" in result.sentence


def test_the_order_of_rows_changes_nothing():
    values = make_values({"a": SLEEP_1, "b": SLEEP_2, "c": PLANTS["ctrl"]}, crossed=True)
    # 0.1 + 0.2 + 0.3 is not 0.3 + 0.2 + 0.1 in the last digit.
    several = [values.iloc[[0]].assign(recording=f"r{n}", mean_of_minutes=n / 10) for n in (1, 2, 3)]
    values = pd.concat([values.iloc[1:], *several])
    first = stats.compare_groups(values, ["a", "b", "c"], "b", paired=True, bootstrap=100)
    for seed in range(3):
        shuffled = values.sample(frac=1, random_state=seed)
        again = stats.compare_groups(shuffled, ["a", "b", "c"], "b", paired=True, bootstrap=100)
        pd.testing.assert_frame_equal(first.table, again.table, check_exact=True)
        assert first.sentence == again.sentence


def test_animals_of_the_training_are_left_out_listed_and_told():
    values = make_values({"drug": [0.4, 0.6, 0.9], "vehicle": [0.1, 0.2, 0.4]})
    values.loc[2, "trained_on"] = True
    result = stats.compare_groups(values, ["drug", "vehicle"], "vehicle")
    assert find_row(result, "Student")["mean_1"] == pytest.approx(0.5)
    assert result.excluded[["subject", "reason"]].values.tolist() == [
        ["drug 2", "the model was trained on this animal"]
    ]
    assert "drug 2 in drug: left out, the model was trained on this animal." in result.sentence
    assert stats.describe_groups(values, ["drug"])["n"].tolist() == [2]


def test_an_animal_without_a_value_is_listed_and_not_counted():
    values = make_values({"drug": [0.4, 0.6, math.nan], "vehicle": [0.1, 0.2, 0.4]})
    second = values.iloc[[0]].assign(recording="second", mean_of_minutes=math.nan)
    result = stats.compare_groups(pd.concat([values, second]), ["drug", "vehicle"], "vehicle")
    row = find_row(result, "Student")
    assert (row["n_1"], row["mean_1"]) == (2, pytest.approx(0.5))
    assert result.excluded["recording"].tolist() == ["drug_drug 2", "second"]
    assert "second of drug 0: left out, no value in this recording" in result.sentence


# Degenerate designs


def test_one_animal_in_a_group_is_described_and_not_tested():
    for samples in ({"a": [0.5], "b": [0.1, 0.2]}, {"a": [0.5], "b": [0.1, 0.2], "c": [0.1, 0.3]}):
        result = compare(samples, "b")
        assert result.table[["statistic", "p", "p_corrected", "ci_low", "effect_size"]].isna().all(axis=None)
        assert (
            result.table["note"].str.contains("at least 2 animals a group, got a (n = 1)", regex=False).all()
        )
        assert result.table["stars"].eq("").all()
        assert "was not tested between a (n = 1)" in result.sentence
        assert "P =" not in result.sentence
    assert math.isnan(find_row(compare({"a": [0.5], "b": [0.1, 0.2]}, bootstrap=100), "bootstrap")["ci_low"])


@pytest.mark.parametrize(("other", "told"), [(0.0, "means are equal"), (0.4, "means differ")])
def test_without_variance_there_is_no_p_and_a_note(other, told):
    for samples in ({"a": [other] * 4, "b": [0.0] * 4}, {"a": [other] * 4, "b": [0.0] * 4, "c": [0.0] * 3}):
        result = compare(samples, "b")
        assert result.table[["statistic", "p", "p_corrected", "effect_size"]].isna().all(axis=None)
        assert result.table["note"].str.contains(told).all()
        assert np.isfinite(result.table["difference"].dropna()).all()
        assert result.assumptions["statistic"].isna().all()


def test_equal_values_that_differ_by_rounding_are_no_variance():
    result = compare({"a": [0.1 + 0.2, 0.3, 0.3], "b": [0.3, 0.3, 0.1 + 0.2]})
    assert result.table["p"].isna().all()


def test_a_difference_beyond_all_measure_has_an_effect_size_without_an_interval():
    result = compare({"a": [1.0, 1.0, 1.0], "b": [0.0, 0.0, 1e-6]})
    row = find_row(result, "Student")
    assert np.isfinite([row["statistic"], row["p"], row["effect_size"]]).all()
    assert math.isnan(row["effect_low"])
    assert math.isnan(row["effect_high"])
    assert "nan" not in result.sentence


def test_one_group_without_variance_keeps_the_published_tests():
    result = compare({"vehicle": [0.0, 0.0, 0.0], "a": [0.1, 0.3, 0.2], "b": [0.4, 0.6, 0.5]}, "vehicle")
    assert find_row(result, "one-way ANOVA")["p"] < 0.05
    welch = find_row(result, "Welch's ANOVA")
    assert math.isnan(welch["p"])
    assert "none in vehicle" in welch["note"]
    assert "Welch's ANOVA was not run: it needs variance in every group" in result.sentence


def test_one_group_is_described_without_a_test():
    result = compare({"1 % AC": [0.5, 0.7]})
    assert result.table.empty
    assert list(result.table.columns) == stats.TEST_COLUMNS
    assert result.sentence.startswith("Pain probability was 0.600 ± 0.100 (mean ± SEM) in 1 % AC (n = 2)")


def test_an_animal_missing_from_a_pair_stays_in_the_unpaired_test():
    values = make_values({"CGRP": SLEEP_1, "vehicle": SLEEP_2}, crossed=True)
    values = values[values["recording"] != "vehicle_m9"]
    result = stats.compare_groups(values, ["CGRP", "vehicle"], "vehicle", paired=True, bootstrap=100)
    student, paired = find_row(result, "Student"), find_row(result, "paired")
    assert (student["n_1"], student["n_2"]) == (10, 9)
    assert (paired["n_1"], paired["n_2"], paired["df"]) == (9, 9, 8)
    assert paired["mean_1"] == pytest.approx(np.mean(SLEEP_1[:9]))
    assert result.excluded[["group", "subject"]].values.tolist() == [["CGRP", "m9"]]
    assert "m9 in CGRP: without a value in vehicle, left out of the paired test only." in result.sentence


@pytest.mark.parametrize(
    ("samples", "told"),
    [
        ({"a": [0.1], "b": [0.2, 0.3]}, "at least 2 animals in both groups, got 1"),
        ({"a": [0.1, 0.2, 0.4], "b": [0.2, 0.3, 0.5]}, "every animal's difference is the same"),
    ],
)
def test_pairs_that_cannot_be_tested_say_why(samples, told):
    result = stats.compare_groups(make_values(samples, crossed=True), ["a", "b"], "b", paired=True)
    row = find_row(result, "paired")
    assert math.isnan(row["p"])
    assert told in row["note"]


def test_two_pairs_have_no_hedges_g():
    """Its correction for small n is 0 at one degree of freedom."""
    values = make_values({"a": [0.1, 0.2], "b": [0.2, 0.4]}, crossed=True)
    row = find_row(stats.compare_groups(values, ["a", "b"], "b", paired=True), "paired")
    assert row["statistic"] == pytest.approx(-3)  # mean -0.15 over 0.0707 / sqrt(2)
    assert math.isnan(row["effect_size"])


def test_several_crossed_groups_are_corrected_by_holm():
    values = make_values({"a": SLEEP_1, "b": SLEEP_2, "c": PLANTS["trt1"]}, crossed=True)
    rows = stats.compare_groups(values, ["a", "b", "c"], "a", paired=True).table.query(
        "test == 'paired t test'"
    )
    p = sorted(rows["p"])
    assert sorted(rows["p_corrected"]) == pytest.approx([2 * p[0], max(2 * p[0], p[1])])


def test_faults_of_the_groups_come_in_one_message():
    with pytest.raises(PainlibError) as caught:
        stats.compare_groups(
            make_values({"saline": [0.1], "1 % AC": [0.2]}), ["1 % AC", "1 % AC", "salin"], "x"
        )
    for told in ("'1 % AC' is named 2 times", "'salin' has no animal", "['1 % AC', 'saline']", "control 'x'"):
        assert told in str(caught.value)


# Minutes, windows, before treatment


def test_curves_leave_nan_minutes_out_and_show_n():
    minutes = make_minutes({"drug": [0.2, 0.4], "vehicle": [0.1]}, n_minutes=2)
    minutes.loc[0, "pain_probability"] = math.nan
    curves = stats.minute_curves(minutes, ["vehicle", "drug"])
    assert curves["group"].tolist() == ["vehicle", "vehicle", "drug", "drug"]
    assert curves["n"].tolist() == [1, 1, 1, 2]
    assert curves["mean"].tolist() == pytest.approx([0.1, 0.1, 0.4, 0.3])
    assert curves["sem"].isna().tolist() == [True, True, True, False]
    assert curves["sem"].iloc[3] == pytest.approx(0.1)
    trained = minutes.assign(trained_on=minutes["subject"] == "drug_1")
    assert stats.minute_curves(trained, ["drug"])["n"].tolist() == [0, 1]


def test_the_description_is_over_animals():
    table = stats.describe_groups(make_values({"a": [0.1, 0.3, 0.2, 0.6], "b": [0.5]}), ["a", "b"])
    assert table.columns.tolist() == ["group", "n", "mean", "sd", "sem", "min", "max"]
    assert table.iloc[0, 1:].tolist() == pytest.approx([4, 0.3, 0.2160247, 0.1080123, 0.1, 0.6], abs=1e-6)
    assert table.iloc[1, 3:5].isna().all()


def test_before_treatment_the_last_minutes_count_from_pre_recordings_and_from_negative_minutes():
    pre = make_minutes({"drug": [0.0]}, n_minutes=5, phase="pre")
    pre["pain_probability"] = [0.9, 0.8, 0.3, 0.2, 0.1]
    together = make_minutes({"vehicle": [0.4]}, n_minutes=6, first=-4)
    before = stats.pre_minutes(pd.concat([pre, together]), pre_window_min=2)
    assert before.groupby("treatment")["minute"].agg(list).tolist() == [[-2, -1], [-2, -1]]
    assert before.loc[before["treatment"] == "drug", "pain_probability"].tolist() == [0.2, 0.1]
    post = stats.post_minutes(pd.concat([pre, together]))
    assert post[["treatment", "minute"]].values.tolist() == [["vehicle", 0], ["vehicle", 1]]


def test_an_assay_compares_after_before_and_coverage_apart():
    after = make_minutes({"drug": [0.5, 0.6, 0.7], "vehicle": [0.1, 0.2, 0.0]}, n_minutes=4)
    before = make_minutes({"drug": [0.1, 0.2, 0.0], "vehicle": [0.1, 0.2, 0.0]}, phase="pre")
    minutes = pd.concat([after, before, make_minutes({"other": [0.9]})])
    minutes.loc[minutes["minute"] == 3, "pain_probability"] = 1.0  # outside of the window
    result = run(minutes, ["drug", "vehicle"], "vehicle")
    assert find_row(result.post, "Student")["difference"] == pytest.approx(0.5)
    assert find_row(result.pre, "Student")["difference"] == pytest.approx(0)
    assert find_row(result.pre, "Student")["ci_low"] < 0 < find_row(result.pre, "Student")["ci_high"]
    assert find_row(result.coverage, "Student")["mean_1"] == pytest.approx(0.5)
    assert "means are equal" in find_row(result.coverage, "Student")["note"]
    assert result.curves["minute"].unique().tolist() == [-2, -1, 0, 1, 2, 3]
    assert sorted(result.values["subject"].unique()) == sorted(after["subject"].unique())
    assert result.description.groupby("measure")["n"].agg(list).tolist() == [[3, 3]] * 4


def test_minutes_that_were_not_filmed_or_have_no_value_are_said_beside_every_number():
    minutes = make_minutes({"drug": [0.5, 0.6, 0.7], "vehicle": [0.1, 0.2, 0.4]})
    whole = run(minutes, ["drug", "vehicle"], "vehicle")
    assert "min of this window" not in whole.post.sentence
    assert (whole.post.table["note"] == "").all()
    none = run(minutes, ["drug", "vehicle"], "vehicle", window_end_min=30)
    assert none.post.sentence.endswith("Every animal has 3 of the 30 min of this window.")
    assert none.post.table["note"].str.contains("every animal has 3 of the 30 min of this window").all()
    assert "3 of the 30 min" in none.coverage.sentence
    # One animal filmed for a minute, one without a face in one: the second is short of a value, not of film.
    short = minutes[(minutes["subject"] != "drug_1") | (minutes["minute"] == 0)].copy()
    lost = (short["subject"] == "vehicle_2") & (short["minute"] == 1)
    short.loc[lost, ["pain_probability", "n_evaluated"]] = [float("nan"), 0]
    told = run(short, ["drug", "vehicle"], "vehicle")
    expected = "less than the whole window in 2 of 6 recordings: drug_1 1 of 3 min, vehicle_2 2 of 3 min"
    assert expected in told.post.table["note"].iloc[0]
    assert "in 1 of 6 recordings: drug_1 1 of 3 min" in told.coverage.table["note"].iloc[0]


def test_an_assay_that_was_not_filmed_before_says_so():
    result = run(make_minutes({"drug": [0.5, 0.6], "vehicle": [0.1, 0.2]}), ["drug", "vehicle"], "vehicle")
    assert result.pre.table.empty
    told = "Before treatment nothing was compared: no recording of then belongs to drug and vehicle."
    assert result.pre.sentence == told


def test_recordings_before_treatment_that_name_none_stand_with_what_their_animal_got_later(tmp_path):
    """The treatment is written where it was given."""
    before, after = {"AC": [0.1, 0.2], "vehicle": [0.2, 0.3]}, {"AC": [0.5, 0.7], "vehicle": [0.2, 0.4]}
    named = film_before_and_after(before, after)
    blank = named.assign(treatment=named["treatment"].mask(named["phase"] == "pre", ""))
    found = run(stats.assign_treatment(blank), ["AC", "vehicle"], "vehicle")
    expected = run(named, ["AC", "vehicle"], "vehicle")
    pd.testing.assert_frame_equal(found.pre.table, expected.pre.table)
    assert found.change.sentence == expected.change.sentence
    # With two treatments the film before them is of neither, but for those of its period.
    again = named[named["subject"] == "AC_0"].query("phase == 'post'").assign(recording="more", treatment="B")
    crossed = pd.concat([blank, again])
    told = run(stats.assign_treatment(crossed), ["AC", "vehicle"], "vehicle")
    lost = "Left out: of no group, since they name no treatment and not one alone followed: AC_0_pre."
    assert lost in told.pre.sentence
    assert lost in told.change.sentence
    assert told.pre.animals["subject"].tolist() == ["AC_1", "vehicle_0", "vehicle_1"]
    second = crossed["recording"] == "more"
    periods = crossed.assign(period=np.where(second, "2", "1"))
    whole = run(stats.assign_treatment(periods), ["AC", "vehicle"], "vehicle")
    assert len(whole.pre.animals) == 4
    lost = periods[~((periods["phase"] == "post") & (periods["subject"] == "AC_0") & ~second)]
    third = stats.assign_treatment(lost).query("recording == 'AC_0_pre'")  # its period's other film is gone
    assert third["treatment"].eq("").all()
    alone = run(stats.assign_treatment(crossed[crossed["subject"] == "AC_0"]), ["AC"], "AC")
    assert (
        "no recording of then belongs to AC; of no group, since they name no treatment" in alone.pre.sentence
    )
    assert "belongs to these groups; of no group, since they name no treatment" in alone.change.sentence
    # What the cohort table names counts too where its film gave no minutes; without it, AC alone is known.
    gone = crossed[crossed["recording"] != "more"]
    cohort = crossed.drop_duplicates("recording")[["recording", "subject", "period", "treatment"]]
    names = [stats.assign_treatment(gone, table).query("recording == 'AC_0_pre'") for table in (None, cohort)]
    assert [set(table["treatment"]) for table in names] == [{"AC"}, {""}]
    # A key by recording needs no row for them either, unless it cannot be told.
    key = write_key(tmp_path / "key.csv", "recording,treatment\nAC_0_post,AC\nAC_1_post,AC\n")
    sealed = blank[blank["subject"].str.startswith("AC")].assign(treatment="")
    assert set(stats.assign_treatment(sealed, None, key)["treatment"]) == {"AC"}
    with pytest.raises(PainlibError, match="recording 'AC_0_pre' has no treatment"):
        stats.assign_treatment(pd.concat([sealed, again]), None, key)


def test_statistics_are_written_for_people_and_for_programs(tmp_path: Path):
    minutes = make_minutes({"drug": [0.5, 0.6], "vehicle": [0.1, 0.2]})
    result = run(minutes, ["drug", "vehicle"], "vehicle")
    paths = stats.write_statistics(
        [result, run(minutes, ["drug"], "drug", assay="b")], tmp_path / "statistics"
    )
    names = ["animals", "assumptions", "curves", "description", "excluded", "sentences", "tests", "values"]
    assert sorted(path.name for path in paths) == sorted(
        f"{n}.{s}" for n in names for s in ("csv", "parquet")
    )
    tests = pd.read_parquet(tmp_path / "statistics" / "tests.parquet")
    assert tests.columns.tolist() == ["assay", "stretch", "measure", *stats.TEST_COLUMNS[2:]]
    assert pd.read_csv(tmp_path / "statistics" / "tests.csv")["p"].tolist() == pytest.approx(
        tests["p"].tolist(), nan_ok=True
    )
    sentences = pd.read_parquet(tmp_path / "statistics" / "sentences.parquet")
    assert sentences[["assay", "stretch"]].values.tolist() == [
        [assay, stretch] for assay in "ab" for stretch in ("post", "pre", "coverage", "change")
    ]
    assert sentences["sentence"].iloc[0] == result.post.sentence


# Treatments, open and sealed


def write_key(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_sealed_key_gives_the_treatments_and_is_not_needed_afterwards(tmp_path: Path):
    blind = make_minutes({"x": [0.5, 0.6], "y": [0.1, 0.2]}).assign(treatment="")
    key = write_key(tmp_path / "key.csv", "subject,treatment\nx_0,drug\nx_1,drug\ny_0,vehicle\ny_1,vehicle\n")
    opened = stats.assign_treatment(blind, None, key)
    assert opened.groupby("subject")["treatment"].first().tolist() == ["drug", "drug", "vehicle", "vehicle"]
    assert blind["treatment"].eq("").all()
    key.unlink()
    assert find_row(run(opened, ["drug", "vehicle"], "vehicle").post, "Student")["n_1"] == 2


def test_only_one_module_of_the_statistics_reads_files():
    folder = Path(stats.__file__).parent
    texts = {path.name: path.read_text() for path in folder.glob("*.py")}
    assert {name for name, text in texts.items() if "read_cells(" in text} == {"treatments.py"}
    assert not [name for name, text in texts.items() if "read_csv(" in text.replace("_read_csv(", "")]
    assert not [name for name, text in texts.items() if "open(" in text or "read_text(" in text]


def test_a_key_by_recording_serves_a_crossover(tmp_path: Path):
    minutes = make_minutes({"x": [0.5], "y": [0.1]}).assign(subject="m1", treatment="")
    key = write_key(tmp_path / "key.csv", "recording,treatment\nx_0_post,CGRP\ny_0_post,vehicle\n")
    found = stats.assign_treatment(minutes, None, key).groupby("recording")["treatment"].first()
    assert found.to_dict() == {"x_0_post": "CGRP", "y_0_post": "vehicle"}


def test_all_faults_of_the_treatments_come_in_one_message(tmp_path: Path):
    minutes = make_minutes({"": [0.5, 0.6, 0.7], "drug": [0.1]})
    minutes["subject"] = minutes["subject"].str.replace(r"^_", "m", regex=True)
    key = write_key(
        tmp_path / "key.csv", "subject,treatment\nm0,drug\nm0,vehicle\nm7,drug\nm1,\ndrug_0,vehicle\n"
    )
    with pytest.raises(PainlibError) as caught:
        stats.assign_treatment(minutes, None, key)
    for told in (
        "subject 'm0' stands in the key with ['drug', 'vehicle']; a crossover needs a key by recording",
        "the key names subject 'm7', which is not in the minutes",
        "Row 5 of the key",
        "subject 'm2' has no treatment",
        "the minutes says 'drug', the key says 'vehicle'",
        str(key),
    ):
        assert told in str(caught.value)


def test_treatments_come_from_the_cohort_too_and_must_agree_with_it(tmp_path: Path):
    minutes = make_minutes({"": [0.5, 0.6]}).assign(trained_on=[False] * 3 + [True] * 3)
    cohort = pd.DataFrame(
        {"recording": ["_0_post", "gone"], "subject": ["_0", "m9"], "treatment": ["drug", ""]}
    )
    found = stats.assign_treatment(minutes, cohort)
    assert found.groupby("subject")["treatment"].first().to_dict() == {"_0": "drug", "_1": ""}
    key = write_key(tmp_path / "key.csv", "subject,treatment\n_0,vehicle\nm9,drug\n")
    with pytest.raises(PainlibError, match="the cohort table says 'drug', the key says 'vehicle'") as caught:
        stats.assign_treatment(minutes, cohort, key)
    # Trained on: needs no treatment. Of the cohort but without minutes (a broken video): no fault of the key.
    assert "(1 fault)" in str(caught.value)


def test_a_key_that_is_no_key_is_named(tmp_path: Path):
    minutes = make_minutes({"": [0.5]})
    with pytest.raises(PainlibError, match=r"Expected the treatment key, found none: .*Mend `treatment_key`"):
        stats.assign_treatment(minutes, None, tmp_path / "no.csv")
    with pytest.raises(PainlibError, match="expected the columns subject"):
        stats.assign_treatment(minutes, None, write_key(tmp_path / "key.csv", "animal,group\nm1,drug\n"))


def test_minute_curves_of_a_csv_are_filled_checked_and_need_no_key(tmp_path: Path):
    curves = tmp_path / "curves.csv"
    curves.write_text(
        "recording,subject,treatment,minute,pain_probability,note\n"
        "r1,m1,drug,0,0.5,x\nr1,m1,drug,1,,\nr2,m2,vehicle,0,0.1,\n"
    )
    blind = make_minutes({"x": [0.5]}).assign(treatment="")
    blind.to_parquet(tmp_path / "minutes.parquet")
    key = write_key(tmp_path / "key.csv", "subject,treatment\nx_0,1 % AC\n")
    first, second = stats.load_assays(["", curves], tmp_path / "minutes.parquet", None, key)
    assert first["treatment"].unique().tolist() == ["1 % AC"]
    assert second["phase"].tolist() == ["post"] * 3
    values = stats.summarise_window(second, 0, 2)
    assert values["mean_of_minutes"].tolist() == [0.5, 0.1]
    assert values["n_minutes_nan"].tolist() == [1, 0]
    assert values["pooled"].isna().all()
    curves.write_text("recording,subject,minute,pain_probability\nr1,m1,0,0.5\nr1,m2,0,0.4\n")
    with pytest.raises(PainlibError, match=r"(?s)minute 0 twice.*expected one subject"):
        stats.read_minutes(curves)


# Sentences (numbers: R sleep, R multcomp, R PlantGrowth, as above)


def test_the_sentence_of_two_groups_names_the_tests_that_ran():
    sentence = compare({"1": SLEEP_1, "2": SLEEP_2}, measure="pain probability over minutes 0 to 30").sentence
    assert sentence.startswith(
        "Pain probability over minutes 0 to 30 was compared between 1 (n = 10) and 2 (n = 10) by Student's "
        "unpaired t test with equal variances (t(18) = -1.86, P = 0.079, difference -1.580, 95 % CI -3.364 "
        "to 0.204, Hedges g"
    )
    assert sentence.endswith(
        "Beside the published analysis: Welch's t test, t(17.8) = -1.86, P = 0.079. The animal is the unit."
    )


def test_the_sentence_of_a_crossover_names_the_paired_test():
    values = make_values({"1": SLEEP_1, "2": SLEEP_2}, crossed=True)
    sentence = stats.compare_groups(values, ["1", "2"], "2", paired=True).sentence
    assert "paired t test of 1 - 2 (n = 10), t(9) = -4.06, P = 0.003, Hedges g_z (paired) = -1.17" in sentence


def test_the_sentence_of_more_groups_names_anova_and_dunnett():
    sentence = compare(DRUGS, "control").sentence
    assert (
        "between control (n = 6), drug a (n = 4) and drug b (n = 5) by one-way ANOVA (F(2, 12) = " in sentence
    )
    assert "by Dunnett's test against control (drug a: t(12) = 0.86, P = 0.620, difference 0.650," in sentence
    assert "; drug b: t(12) = 3.69, P = 0.006, difference 2.628, simultaneous 95 % CI 0.8" in sentence
    plants = compare(PLANTS, "ctrl").sentence
    assert "one-way ANOVA (F(2, 27) = 4.85, P = 0.016, partial eta squared = 0.26" in plants
    assert "Welch's ANOVA, F(2, 17.1) = 5.18, P = 0.017" in plants


def test_no_rounding_moves_a_p_across_five_percent():
    from painlib.stats.wording import format_p

    told = [format_p(p) for p in (0.0498, 0.0502, 0.00099, 0.5, math.nan)]
    assert told == ["P = 0.0498", "P = 0.0502", "P < 0.001", "P = 0.500", "P not defined"]


def test_a_fragment_of_a_minute_is_no_minute_and_moves_no_window():
    """A film of three minutes and three frames: the fourth minute is not the last one before treatment."""
    pre = make_minutes({"vehicle": [0.4]}, n_minutes=4, phase="pre")
    pre.loc[pre["minute"] == 3, ["n_timepoints", "n_evaluated", "n_pain", "pain_probability"]] = [
        3,
        1,
        1,
        1.0,
    ]
    before = stats.pre_minutes(pre, pre_window_min=3)
    assert before["minute"].tolist() == [-3, -2, -1]
    assert before["pain_probability"].tolist() == [0.4] * 3
    post = pre.assign(phase="post")
    assert stats.post_minutes(post)["minute"].tolist() == [0, 1, 2]
    # In the middle of a recording, with frames missing, it stays: there it was filmed as a minute.
    gap = make_minutes({"vehicle": [0.4]}, n_minutes=4)
    gap.loc[gap["minute"] == 1, "n_timepoints"] = 3
    assert stats.post_minutes(gap)["minute"].tolist() == [0, 1, 2, 3]


def test_animals_outside_what_the_model_knows_are_named_with_their_number():
    minutes = make_minutes({"vehicle": [0.1, 0.2], "AC": [0.5, 0.6]}).assign(inside="inside")
    assert stats.note_outside([minutes]) == ""
    names = sorted(minutes["subject"].unique())
    minutes.loc[minutes["subject"] == names[1], "inside"] = "outside"
    strange = minutes.assign(inside=minutes["inside"].where(minutes["subject"] != names[0], "cannot be told"))
    tested = run(strange, ["vehicle", "AC"], "vehicle").post
    cautions = (
        f"outside what the model knows, not to be believed: 1 of 4 animals ({names[1]})",
        f"whether the model knows them cannot be told: 1 of 4 animals ({names[0]})",
    )
    for caution in cautions:
        assert tested.table["note"].str.contains(caution, regex=False).all()
    assert "not to be believed" in tested.sentence
    assert "Outside what the model knows" in tested.sentence
    told = stats.note_outside([minutes, minutes])
    assert told == f"Outside what the model knows, not to be believed: 1 of 4 animals ({names[1]})"


def film_before_and_after(before, after):
    """The same animals: minutes of {treatment: one probability an animal} before and after treatment."""
    return pd.concat(
        [make_minutes(before, phase="pre", n_minutes=2, first=-2), make_minutes(after, phase="post")]
    )


def test_after_against_before_is_the_paired_t_of_r_within_each_group():
    before = {"AC": [value / 100 + 0.3 for value in SLEEP_1], "vehicle": [0.2, 0.3, 0.25]}
    after = {"AC": [value / 100 + 0.3 for value in SLEEP_2], "vehicle": [0.22, 0.29, 0.27]}
    change = run(film_before_and_after(before, after), ["AC", "vehicle"], "vehicle").change
    row, control = change.table.iloc[0], change.table.iloc[1]
    assert row["comparison"] == "AC - before"
    # R: t.test(extra ~ group, data = sleep, paired = TRUE): 4.0621, df 9, p 0.002833, 1.58 (0.70 to 2.46).
    assert (row["statistic"], row["df"], row["p"]) == pytest.approx((4.062128, 9, 0.00283289), rel=1e-5)
    assert (100 * row["difference"], 100 * row["ci_low"]) == pytest.approx((1.58, 0.7001142), rel=1e-5)
    by_scipy = ttest_rel(after["vehicle"], before["vehicle"])
    assert (control["statistic"], control["p"]) == pytest.approx((by_scipy.statistic, by_scipy.pvalue))
    assert row["p_corrected"] == pytest.approx(2 * row["p"])  # Holm
    assert "AC (n = 10) +0.016, 95 % CI 0.007 to 0.025, t(9) = 4.06, P = 0.006" in change.sentence
    assert "what time alone changes is in this difference too" in change.sentence
    assert change.table["note"].str.contains("what time alone changes").all()


def test_after_against_before_needs_both_and_says_what_lacks():
    after = {"AC": [0.5, 0.6], "vehicle": [0.2, 0.3]}
    none = run(make_minutes(after), ["AC", "vehicle"], "vehicle").change
    assert none.table.empty
    assert "no recording before treatment belongs to these groups" in none.sentence
    one = run(film_before_and_after({"AC": [0.1, 0.2]}, after), ["AC", "vehicle"], "vehicle").change
    assert one.table["comparison"].tolist() == ["AC - before"]
    assert "Without a recording before treatment: vehicle." in one.sentence
    equal = run(
        film_before_and_after({"AC": [0.1, 0.2]}, {**after, "AC": [0.3, 0.4]}), ["AC", "vehicle"], "AC"
    )
    assert "every animal's difference is the same" in equal.change.table["note"].iloc[0]
    alone = run(film_before_and_after({"AC": [0.1]}, after), ["AC", "vehicle"], "vehicle").change
    assert "at least 2 animals" in alone.table["note"].iloc[0]

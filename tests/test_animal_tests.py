"""Tests with the animal as the unit: GEE, Friedman, permutations of whole curves, sample sizes.

Outside numbers that are typed here:
RoundingTimes: R's help of friedman.test (Hollander & Wolfe 1973, p. 140), 11.143, df 2, p 0.003805.
Sleep aid: R friedman.test on 12 patients and three treatments, 20.167, df 2, p 4.177e-05 (r-statistics.co).
Hotelling's T²: pingouin's data set `multivariate`, its documented numbers, which are those of R's Hotelling.
Paired t: R sleep, t = -4.062128, df 9. Sample sizes: R pwr (pwr.t.test, pwr.anova.test).
Permutations: every arrangement gone through by hand with scipy's t tests.
"""

import itertools
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pingouin
import pytest
from scipy import stats as scipy_stats

from painlib import stats
from painlib.faults import PainlibError
from painlib.stats.animal_tests import ANSWER_COLUMNS
from painlib.stats.curves import Curves, keep_crossed
from painlib.stats.minute_tests import compare_minutes
from painlib.stats.wording import join_minutes

NAN = math.nan
ROUNDING = [
    (5.40, 5.50, 5.55), (5.85, 5.70, 5.75), (5.20, 5.60, 5.50), (5.55, 5.50, 5.40), (5.90, 5.85, 5.70),
    (5.45, 5.55, 5.60), (5.40, 5.40, 5.35), (5.45, 5.50, 5.35), (5.25, 5.15, 5.00), (5.85, 5.80, 5.70),
    (5.25, 5.20, 5.10), (5.65, 5.55, 5.45), (5.60, 5.35, 5.45), (5.05, 5.00, 4.95), (5.50, 5.50, 5.40),
    (5.45, 5.55, 5.50), (5.55, 5.55, 5.35), (5.45, 5.50, 5.55), (5.50, 5.45, 5.25), (5.65, 5.60, 5.40),
    (5.70, 5.65, 5.55), (6.30, 6.30, 6.25),
]  # fmt: skip
SLEEP_AID = [
    (5.2, 4.9, 6.0, 5.7, 4.8, 5.5, 6.1, 5.0, 5.4, 5.8, 5.1, 5.6),
    (6.1, 5.5, 6.3, 6.7, 5.9, 6.2, 6.0, 5.8, 6.0, 6.5, 5.9, 6.4),
    (6.8, 6.5, 7.0, 6.5, 6.4, 6.9, 6.8, 6.6, 7.2, 7.1, 6.3, 7.0),
]
SLEEP_1 = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SLEEP_2 = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]


def make_curves(values, crossed=False, first=0):
    """Minutes of {treatment: (animals, minutes)}, one recording an animal and treatment."""
    rows = [
        (f"{treatment}_{number}", f"m{number}" if crossed else f"{treatment} {number}", treatment, minute, p)
        for treatment, sample in values.items()
        for number, curve in enumerate(sample)
        for minute, p in enumerate(curve, start=first)
    ]
    table = pd.DataFrame(rows, columns=["recording", "subject", "treatment", "minute", "pain_probability"])
    counts = {"n_timepoints": 100, "n_evaluated": 50, "n_pain": 10, "n_not_judged": 0, "coverage": 0.5}
    return table.assign(phase="post", period="", trained_on=False, **counts)


def answer(values, *, crossed=False, alpha=0.05, minutes=None, window=None, **settings):
    minutes = make_curves(values, crossed) if minutes is None else minutes
    groups, end = list(values), window or len(next(iter(values.values()))[0])
    both = {"paired": crossed, "alpha": alpha, "seed": 0}
    how = {"assay": "a", "groups": groups, "control": groups[0], "bootstrap": 0, "pre_window_min": 0}
    result = stats.run_assay(minutes, window_start_min=0, window_end_min=end, **how, **both)
    return stats.run_animal_tests(minutes, result, **both, **settings)


def draw(seed, *shape, low=0.2, high=0.6):
    return np.random.default_rng(seed).uniform(low, high, shape)


def pick(result, test):
    rows = result.table[result.table["test"].str.startswith(test)]
    assert len(rows), f"{test} is not among {list(result.table['test'])}"
    return rows.iloc[0]


# Friedman


def test_friedman_gives_what_r_gives():
    row = stats.compute_friedman(pd.DataFrame(ROUNDING))
    assert (row["statistic"], row["p"]) == (
        pytest.approx(11.143, abs=5e-4),
        pytest.approx(0.003805, abs=5e-7),
    )
    assert (row["df"], row["n"]) == (2, 22)
    row = stats.compute_friedman(pd.DataFrame(np.transpose(SLEEP_AID)))
    assert row["statistic"] == pytest.approx(20.167, abs=5e-4)
    assert row["p"] == pytest.approx(4.177e-05, rel=1e-3)
    assert row["effect_size"] == pytest.approx(20.1667 / (12 * 2), abs=1e-4)  # Kendall W = Q / (n (k - 1))


def test_friedman_leaves_an_animal_out_that_lacks_a_condition_and_names_it():
    table = pd.DataFrame([*ROUNDING, (5.0, NAN, 5.2)], index=[f"m{n}" for n in range(23)])
    row = stats.compute_friedman(table)
    assert row["statistic"] == pytest.approx(11.143, abs=5e-4)
    assert row["n"] == 22
    assert row["note"] == "left out, not in every one of the conditions: m22"


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ([(0.1, 0.2), (0.3, 0.4)], "at least 3 conditions, got 2"),
        ([(0.1, 0.2, 0.3), (0.3, 0.1, 0.2)], "at least 3 animals"),
        ([(0.1, NAN, 0.3), (0.2, 0.3, 0.4), (0.2, 0.3, 0.4)], "at least 3 animals"),
        ([(0.2, 0.2, 0.2)] * 4, "no animal's values differ"),
    ],
)
def test_friedman_says_why_it_was_not_run(table, told):
    row = stats.compute_friedman(pd.DataFrame(table))
    assert "p" not in row
    assert row["note"].startswith("not run: ")
    assert told in row["note"]


def test_friedman_does_not_rank_what_differs_by_rounding_alone():
    # Means of equal values, over other numbers of them, differ in their last digits.
    level = (0.1, 0.1, 0.2, 0.7, 0.3)
    same = pd.DataFrame([[np.mean([value] * n) for n in (3, 7, 10)] for value in level])
    assert (np.ptp(same.to_numpy(), axis=1) > 0).any()
    assert "no animal's values differ" in stats.compute_friedman(same)["note"]
    tied = [(1.0, 2.0, 2.0), (1.0, 1.0, 3.0), (2.0, 1.0, 2.0), (3.0, 1.0, 2.0)]
    noisy = [[value * (1 + 1e-15 * place) for place, value in enumerate(row)] for row in tied]
    for scale in (1.0, 1e4):
        row = stats.compute_friedman(scale * pd.DataFrame(noisy))
        by_scipy = scipy_stats.friedmanchisquare(*np.transpose(tied))
        assert (row["statistic"], row["p"]) == (
            pytest.approx(by_scipy.statistic),
            pytest.approx(by_scipy.pvalue),
        )


# Treatment and time


def test_the_gee_is_hotellings_t_squared():
    data = pingouin.read_dataset("multivariate")
    groups = {
        name: data.loc[data["Condition"] == name, ["Fever", "Pressure", "Aches"]].to_numpy(float)
        for name in ("Placebo", "Drug")
    }
    # A first block of zeros: later less first is then the variable itself.
    blocks = {name: np.hstack([np.zeros((18, 1)), values]) for name, values in groups.items()}
    apart = stats.fit_time_course(blocks, "Placebo", 0.05, paired=False)[2]
    # Groups with covariances of their own: fewer degrees of freedom than the 34 of equal ones.
    df = apart["df_2"] + 2
    assert 17 < df < 34
    f = 1.326644 * (34 * 3 / 32) * (df - 2) / (df * 3)
    assert (apart["df"], apart["statistic"]) == (3, pytest.approx(f, abs=1e-6))
    assert apart["p"] == pytest.approx(scipy_stats.f.sf(f, 3, df - 2), abs=1e-6)
    crossed = stats.fit_time_course(blocks, "Placebo", 0.05, paired=True)[2]
    assert crossed["statistic"] == pytest.approx(1.314252, abs=1e-6)
    assert (crossed["df"], crossed["df_2"]) == (3, 15)


def test_the_gee_of_a_crossover_in_one_block_is_the_paired_t_of_r():
    blocks = {"1": np.array(SLEEP_1)[:, None], "2": np.array(SLEEP_2)[:, None]}
    row, time, both = stats.fit_time_course(blocks, "1", 0.05, paired=True)
    assert row["statistic"] == pytest.approx(4.062128**2, abs=1e-4)
    assert (row["df"], row["df_2"], row["effect_size"]) == (1, 9, pytest.approx(1.58))
    assert (row["effect_low"], row["effect_high"]) == pytest.approx((0.700114, 2.459886), abs=1e-6)
    assert all("2 blocks" in other["note"] for other in (time, both))


def test_the_gee_with_missing_blocks_is_the_formula_of_kauermann_and_carroll():
    """Cell means: the leverage of an animal in a cell of n is 1 / n, so residuals count sqrt(n / (n - 1))."""
    blocks = {"a": draw(1, 6, 3), "b": draw(2, 5, 3)}
    blocks["a"][0, 1] = blocks["b"][3, 2] = NAN
    rows = stats.fit_time_course(blocks, "a", 0.05, paired=False)
    means, spreads, fewest = [], [], np.array([5, 4])
    for values in blocks.values():
        n = np.isfinite(values).sum(axis=0)
        residual = np.nan_to_num(values - np.nanmean(values, axis=0)) / np.sqrt(n * (n - 1))
        means.append(np.nanmean(values, axis=0))
        spreads.append(residual.T @ residual)
    later = np.array([[-1, 1, 0], [-1, 0, 1]])
    size, spread = later @ (means[1] - means[0]), later @ (spreads[0] + spreads[1]) @ later.T
    # Krishnamoorthy & Yu 2004, by hand.
    shares = [np.linalg.inv(spread) @ (later @ own @ later.T) for own in spreads]
    lost = [np.trace(one @ one) + np.trace(one) ** 2 for one in shares]
    df = 2 * 3 / (np.array(lost) / (fewest - 1)).sum()
    assert rows[2]["df_2"] == pytest.approx(df - 1, rel=1e-9)
    f = size @ np.linalg.solve(spread, size) * (df - 1) / (df * 2)
    assert rows[2]["statistic"] == pytest.approx(f, rel=1e-9)
    over = np.full(3, 1 / 3)
    f = (over @ (means[1] - means[0])) ** 2 / (over @ (spreads[0] + spreads[1]) @ over)
    assert rows[0]["statistic"] == pytest.approx(f, rel=1e-9)


@pytest.mark.parametrize(
    ("blocks", "paired", "told"),
    [
        ({"a": draw(0, 2, 3), "b": draw(1, 4, 3)}, False, "of each group in every block, got 2 of a"),
        ({"a": np.zeros((4, 3)), "b": np.full((4, 3), 0.0)}, False, "no animal differs"),
        ({"a": draw(0, 0, 3), "b": draw(1, 4, 3)}, False, "got 0 of a"),
    ],
)  # fmt: skip
def test_the_gee_says_why_it_was_not_fitted(blocks, paired, told):
    rows = stats.fit_time_course(blocks, "a", 0.05, paired=paired)
    assert len(rows) == 3
    assert all("p" not in row and told in row["note"] for row in rows)


def test_too_many_contrasts_for_the_animals_are_not_tested():
    blocks = {name: draw(number, 4, 3) for number, name in enumerate("abc")}
    rows = stats.fit_time_course(blocks, "a", 0.05, paired=True)
    assert "4 contrasts need at least 4 degrees of freedom of animals, got 3" in rows[2]["note"]
    assert "p" in rows[0]
    alike = stats.fit_time_course(dict.fromkeys("abc", draw(3, 4, 3)), "a", 0.05, paired=True)
    assert "animals do not differ enough" in alike[0]["note"]


def test_the_gee_of_two_groups_in_one_contrast_has_the_degrees_of_freedom_of_welch():
    blocks = {"a": draw(1, 4, 1), "b": 3 * draw(2, 9, 1)}
    row = stats.fit_time_course(blocks, "a", 0.05, paired=False)[0]
    welch = scipy_stats.ttest_ind(*(values[:, 0] for values in blocks.values()), equal_var=False)
    assert row["df_2"] == pytest.approx(welch.df, rel=1e-9)
    assert row["statistic"] == pytest.approx(welch.statistic**2, rel=1e-9)
    assert row["p"] == pytest.approx(welch.pvalue, rel=1e-9)


# Whole animals exchanged


def gone_through(first, second):
    """max-T and cluster p over every arrangement, one t test after another."""
    values, n = np.vstack([first, second]), len(first)
    largest, masses, own = [], [], None
    for chosen in itertools.combinations(range(len(values)), n):
        one = values[list(chosen)]
        other = np.delete(values, list(chosen), axis=0)
        t, df = [], []
        for minute in range(values.shape[1]):
            x, y = (part[np.isfinite(part[:, minute]), minute] for part in (one, other))
            t.append(scipy_stats.ttest_ind(x, y).statistic if min(len(x), len(y)) > 1 else 0.0)
            df.append(np.isfinite(values[:, minute]).sum() - 2)
        own = t if own is None else own
        largest.append(np.abs(t).max())
        masses.append(find_mass(t, df))
    corrected = [np.mean(np.array(largest) >= abs(one) - 1e-9) for one in own]
    return own, corrected, np.mean(np.array(masses) >= masses[0] - 1e-9), masses[0]


def find_mass(t, df):
    best = mass = sign = 0.0
    for one, freedom in zip(t, df, strict=True):
        beyond = abs(one) > scipy_stats.t.ppf(0.975, freedom)
        mass = (mass if beyond and np.sign(one) == sign else 0.0) + (abs(one) if beyond else 0.0)
        sign = np.sign(one) if beyond else 0.0
        best = max(best, mass)
    return best


@pytest.mark.parametrize("seed", [0, 1, 2, 6, 9])
def test_exchanging_animals_gives_what_going_through_every_arrangement_gives(seed):
    rng = np.random.default_rng(seed)
    first, second = rng.random((4, 12)), rng.random((4, 12)) * 0.5
    first[:, 2:4] += 0.4
    first[:, 4] -= 0.6  # a neighbour of the other sign: another cluster
    if seed % 2:
        first[0, 1] = first[1, 3] = second[2, 3] = second[0, 5] = NAN
    t, corrected, cluster, mass = gone_through(first, second)
    found = stats.permute_labels(first, second, seed=0, permutations=1000)
    assert (found.n_arrangements, found.exact, found.smallest_p) == (70, True, 2 / 70)
    assert found.t == pytest.approx(t)
    assert found.p_corrected == pytest.approx(corrected)
    assert found.p_cluster == pytest.approx(cluster)
    assert found.cluster_mass == pytest.approx(mass)


def test_flipping_signs_gives_what_going_through_every_flip_gives():
    rng = np.random.default_rng(5)
    differences = rng.normal([0, 2, 2, 0, -1], 1, (6, 5))
    differences[0, 3] = NAN
    own, largest, masses, alone = None, [], [], []
    for signs in itertools.product([1, -1], repeat=6):
        t = scipy_stats.ttest_1samp(differences * np.array(signs)[:, None], 0, nan_policy="omit").statistic
        own = t if own is None else own
        largest.append(np.abs(t).max())
        alone.append(np.abs(t) >= np.abs(own) - 1e-9)
        masses.append(find_mass(t, np.isfinite(differences).sum(axis=0) - 1))
    found = stats.flip_signs(differences, seed=0, permutations=1000)
    assert (found.n_arrangements, found.exact, found.smallest_p) == (64, True, 1 / 32)
    assert found.t == pytest.approx(own)
    assert found.p == pytest.approx(np.mean(alone, axis=0))
    assert found.p_corrected == pytest.approx([np.mean(np.array(largest) >= abs(t) - 1e-9) for t in own])
    assert found.p_cluster == pytest.approx(np.mean(np.array(masses) >= masses[0] - 1e-9))
    assert found.p_corrected.min() == 1 / 32


def test_drawn_arrangements_near_all_of_them_and_repeat_under_a_seed():
    rng = np.random.default_rng(6)
    first, second = rng.random((6, 8)) + 0.25, rng.random((6, 8))
    every = stats.permute_labels(first, second, seed=0, permutations=1000)
    drawn = stats.permute_labels(first, second, seed=1, permutations=900)
    assert (every.exact, drawn.exact, drawn.n_arrangements) == (True, False, 900)
    error = 4 * np.sqrt(0.25 / 900)
    assert drawn.p_corrected == pytest.approx(every.p_corrected, abs=error)
    assert drawn.p_cluster == pytest.approx(every.p_cluster, abs=error)
    again = stats.permute_labels(first, second, seed=1, permutations=900)
    assert (again.p_corrected == drawn.p_corrected).all()
    other = stats.permute_labels(first, second, seed=2, permutations=900)
    assert (other.p_corrected != drawn.p_corrected).any()
    flips = stats.flip_signs(first - second, seed=1, permutations=50)
    assert (flips.exact, flips.n_arrangements, flips.smallest_p) == (False, 50, 1 / 50)


def test_unequal_groups_can_reach_one_arrangement_equal_ones_two():
    found = stats.permute_labels(draw(1, 4, 2) + 1, draw(2, 3, 2), seed=0, permutations=1000)
    assert (found.n_arrangements, found.smallest_p) == (35, 1 / 35)
    assert found.p_corrected == pytest.approx([1 / 35, 1 / 35])
    equal = stats.permute_labels(draw(1, 3, 2) + 1, draw(2, 3, 2), seed=0, permutations=1000)
    assert (equal.smallest_p, equal.p_corrected.tolist()) == (2 / 20, [2 / 20] * 2)


def test_a_minute_without_enough_animals_or_without_variance_is_not_tested():
    first, second = draw(7, 5, 6), draw(8, 5, 6)
    first[:3, 1], second[:3, 1] = NAN, NAN  # 4 of 10 animals are left
    first[:, 4] = second[:, 4] = 0.25
    found = stats.permute_labels(first, second, seed=0, permutations=1000)
    assert np.isnan(found.t).tolist() == [False, True, False, False, True, False]
    without = stats.permute_labels(
        np.delete(first, [1, 4], axis=1), np.delete(second, [1, 4], axis=1), seed=0, permutations=1000
    )
    assert found.p_corrected[[0, 2, 3, 5]] == pytest.approx(without.p_corrected)
    nothing = stats.permute_labels(np.full((3, 2), 0.1), np.full((3, 2), 0.1), seed=0, permutations=100)
    assert np.isnan(nothing.p_corrected).all()
    assert math.isnan(nothing.p_cluster)


def test_a_gap_in_time_parts_a_cluster():
    first, second = draw(9, 6, 5) + 0.5, draw(10, 6, 5)
    whole = stats.permute_labels(first, second, seed=0, permutations=1000).cluster_mass
    first[:, 2] = second[:, 2] = NAN
    parted = stats.permute_labels(first, second, seed=0, permutations=1000)
    assert parted.cluster_mass == pytest.approx(max(parted.t[:2].sum(), parted.t[3:].sum()))
    assert parted.cluster_mass < whole


def test_curves_that_do_not_fit_together_are_refused():
    with pytest.raises(PainlibError, match=r"same minutes, got \(2, 3\) and \(2, 4\)"):
        stats.permute_labels(np.ones((2, 3)), np.ones((2, 4)), seed=0, permutations=10)
    with pytest.raises(PainlibError, match="leave out assays without animals"):
        stats.flip_signs(np.ones((0, 4)), seed=0, permutations=10)


@pytest.mark.parametrize(
    ("n", "crossed", "told"),
    [(3, False, "20 arrangements of so few animals is 0.1"), (5, True, "of so few animals is 0.0625")],
)  # fmt: skip
def test_too_few_animals_for_alpha_give_no_p_and_say_so(n, crossed, told):
    values = {"vehicle": draw(1, n, 4), "drug": draw(2, n, 4, low=0.7, high=0.9)}
    result = answer(values, crossed=crossed)
    assert result.minutes[["p", "p_corrected"]].isna().all(axis=None)
    assert not result.minutes["significant"].any()
    assert result.minutes["t"].notna().all()
    for test in ("max-T", "cluster"):
        assert math.isnan(pick(result, test)["p"])
        assert told in pick(result, test)["note"]
    assert "Single minutes were not tested" in result.sentence


def test_several_groups_are_corrected_for_their_number():
    values = {"vehicle": draw(1, 5, 6), "low": draw(2, 5, 6), "high": draw(3, 5, 6, low=0.5, high=0.9)}
    result = answer(values)
    found = stats.permute_labels(values["high"], values["vehicle"], seed=0, permutations=1000)
    rows = result.minutes[result.minutes["comparison"] == "high - vehicle"]
    assert rows["p_corrected"].tolist() == pytest.approx(np.minimum(2 * found.p_corrected, 1))
    cluster = result.table.query("test == 'cluster permutation' and comparison == 'high - vehicle'").iloc[0]
    assert cluster["p_corrected"] == pytest.approx(min(2 * cluster["p"], 1))
    assert (rows["significant"] == (rows["p_corrected"] < 0.05)).all()


# One assay


def test_an_assay_answers_in_one_tidy_table_published_and_ours():
    values = {"vehicle": draw(1, 6, 9), "drug": draw(2, 6, 9)}
    values["drug"][:, 3:6] += 0.35
    result = answer(values)
    assert list(result.table.columns) == ANSWER_COLUMNS
    names = ["Student's", "Welch's", *["GEE"] * 3, *["Friedman's"] * 2, "max-T", "cluster"]
    assert [test.split()[0].rstrip(",") for test in result.table["test"]] == names
    assert result.table["role"].tolist() == ["as published", *["ours"] * 8]
    assert (result.table["unit"] == "animal").all()
    assert pick(result, "Student")["animals"] == "6 + 6"
    means = {name: sample.mean(axis=1) for name, sample in values.items()}
    student = scipy_stats.ttest_ind(means["drug"], means["vehicle"])
    assert pick(result, "Student")[["statistic", "df", "p"]].tolist() == pytest.approx(
        [student.statistic, 10, student.pvalue]
    )
    assert pick(result, "Student")["effect_size"] == pytest.approx(np.mean(means["drug"] - means["vehicle"]))
    marked = result.minutes.loc[result.minutes["significant"], "minute"].tolist()
    assert marked == [3, 4, 5]
    assert pick(result, "max-T")["note"] == "minutes that differ: 3–5; all 924 arrangements of whole animals"
    assert "not in which minutes" in pick(result, "cluster")["note"]
    for told in (
        "generalised estimating equations",
        "Friedman's test",
        "minutes that differ: 3–5",
        "not when",
    ):
        assert told in result.sentence
    drug = result.minutes[result.minutes["minute"] == 4].iloc[0]
    assert drug["difference"] == pytest.approx(values["drug"][:, 4].mean() - values["vehicle"][:, 4].mean())


def test_a_crossover_keeps_whole_animals_and_names_those_without_a_partner():
    values = {"vehicle": draw(1, 7, 6), "CGRP": draw(2, 7, 6)}
    minutes = make_curves(values, crossed=True)
    minutes = minutes[~((minutes["subject"] == "m3") & (minutes["treatment"] == "CGRP"))]
    result = answer(values, crossed=True, minutes=minutes)
    kept = [0, 1, 2, 4, 5, 6]
    found = stats.flip_signs(values["CGRP"][kept] - values["vehicle"][kept], seed=0, permutations=1000)
    assert result.minutes["p_corrected"].tolist() == pytest.approx(found.p_corrected)
    assert result.left_out == ("m3",)
    assert "Left out of these tests, not filmed in every treatment: m3." in result.sentence
    gee = pick(result, "GEE, bias-corrected: treatment")
    assert (gee["unit"], gee["animals"], gee["df_2"]) == ("animal, all treatments", "6", 5)
    assert pick(result, "paired t test")["animals"] == "6"
    assert pick(result, "Student")["animals"] == "6 + 7"


def test_three_conditions_of_the_same_animals_are_compared_by_friedman():
    """RoundingTimes as an assay of one minute; paired t tests with Holm stand beside it."""
    values = {name: np.array(ROUNDING)[:, [place]] / 10 for place, name in enumerate("abc")}
    result = answer(values, crossed=True, window=1)
    row = pick(result, "Friedman's test of conditions")
    assert row[["statistic", "df"]].tolist() == pytest.approx([11.143, 2], abs=5e-4)
    assert row["p"] == pytest.approx(0.003805, abs=5e-7)
    paired = result.table[result.table["test"] == "paired t test"]
    assert (paired["correction"] == "Holm").all()
    assert "Friedman's test: between a, b, c (n = 22), χ²(2) = 11.14, P = 0.004" in result.sentence


def test_several_recordings_of_an_animal_are_one_and_trained_animals_none():
    values = {"vehicle": draw(1, 6, 4), "drug": draw(2, 6, 4)}
    minutes = make_curves(values)
    again = minutes[minutes["recording"] == "drug_0"].assign(recording="again")
    again["pain_probability"] = [0.1, NAN, 0.3, 0.4]
    trained = minutes[minutes["recording"] == "drug_1"].assign(subject="t", recording="t", trained_on=True)
    curves = stats.arrange_curves(pd.concat([minutes, again, trained]), ["vehicle", "drug"], 0, 4)
    mean = (values["drug"][0] + [0.1, NAN, 0.3, 0.4]) / 2
    mean[1] = values["drug"][0, 1]
    assert curves.values["drug"][0] == pytest.approx(mean)
    assert curves.values["drug"].shape == (6, 4)
    shuffled = stats.arrange_curves(minutes.sample(frac=1, random_state=1), ["vehicle", "drug"], 0, 4)
    assert (shuffled.values["drug"] == stats.arrange_curves(minutes, ["drug"], 0, 4).values["drug"]).all()


def test_curves_leave_out_animals_without_a_value_and_keep_unfilmed_minutes_as_gaps():
    minutes = make_curves({"a": [[0.1, 0.2, 0.3], [NAN] * 3], "b": [[0.4, 0.5, 0.6]]})
    minutes = minutes[minutes["minute"] != 1]
    curves = stats.arrange_curves(minutes, ["a", "b"], -0.5, 4)
    assert curves.minutes.tolist() == [0, 1, 2, 3]
    assert curves.subjects == {"a": ("a 0",), "b": ("b 0",)}
    np.testing.assert_array_equal(curves.values["a"], [[0.1, NAN, 0.3, NAN]])
    with pytest.raises(PainlibError, match="at least one whole minute"):
        stats.arrange_curves(minutes, ["a"], 0.5, 1)


def test_blocks_share_out_the_minutes_and_are_never_more_than_there_are():
    curves = Curves(np.arange(2, 9), {"a": ("m",)}, {"a": np.array([[1, 2, NAN, 4, 5, NAN, NAN]]) / 10})
    names, means = stats.average_blocks(curves, 3)
    assert names == ["2–5 min", "5–7 min", "7–9 min"]
    np.testing.assert_allclose(means["a"], [[0.15, 0.45, NAN]])
    assert stats.average_blocks(curves, 20)[1]["a"].shape == (1, 7)


def test_one_group_and_a_window_of_one_minute_have_answers():
    alone = answer({"vehicle": draw(1, 5, 6)})
    assert alone.table["test"].tolist() == ["Friedman's test of blocks of time"]
    assert alone.minutes.empty
    assert alone.sample_sizes.empty
    short = answer({"vehicle": draw(1, 5, 1), "drug": draw(2, 5, 1)})
    assert "2 blocks" in pick(short, "GEE, bias-corrected: time")["note"]
    assert pick(short, "max-T")["p"] == pick(short, "max-T")["p_corrected"]
    assert "Friedman" not in short.sentence
    nothing = answer({"vehicle": draw(1, 1, 1)})
    assert nothing.sentence == "With one group and too short a window there was nothing to test over time."


def test_an_assay_in_which_a_group_has_one_animal_says_so_everywhere():
    result = answer({"vehicle": draw(1, 1, 6), "drug": draw(2, 4, 6)})
    assert result.table["p"].dropna().size == 1  # Friedman of the drug's blocks of time
    assert "GEE of treatment and time was not fitted" in result.sentence
    assert result.sample_sizes["n_exact"].isna().all()
    assert result.sample_sizes["note"].str.startswith("no number").all()


def test_animals_that_cross_over_without_anyone_in_both_groups_are_no_pairs():
    curves = keep_crossed(
        Curves(np.arange(2), {"a": ("x",), "b": ("y",)}, {"a": draw(1, 1, 2), "b": draw(2, 1, 2)})
    )
    assert [values.shape for values in curves.values.values()] == [(0, 2), (0, 2)]
    table, rows = compare_minutes(curves, "b", "a", paired=True, alpha=0.05, seed=0, permutations=100)
    assert table["note"].unique().tolist() == ["not run: a group has no animal"]
    assert all("p" not in row for row in rows)


def test_minutes_are_told_as_runs():
    assert join_minutes([]) == ""
    assert join_minutes([3]) == "3"
    assert join_minutes([0, 1, 2, 4, 7, 8]) == "0–2, 4 and 7–8"


def test_answers_are_written_beside_the_other_tables(tmp_path: Path):
    values = {"vehicle": draw(1, 6, 5), "drug": draw(2, 6, 5)}
    minutes = make_curves(values)
    both = {"paired": False, "alpha": 0.05, "seed": 0}
    how = {"window_start_min": 0, "window_end_min": 5, "pre_window_min": 0, "bootstrap": 0}
    result = stats.run_assay(minutes, assay="a", groups=["vehicle", "drug"], control="vehicle", **how, **both)
    answers = [stats.run_animal_tests(minutes, result, **both)]
    paths = stats.write_statistics([result], tmp_path, answers)
    assert {"animal_tests.csv", "minute_tests.csv", "sample_sizes.csv"} <= {path.name for path in paths}
    assert all(path.is_file() for path in paths)
    written = pd.read_csv(tmp_path / "animal_tests.csv")
    assert written["p"].tolist() == pytest.approx(answers[0].table["p"].tolist(), nan_ok=True)
    assert len(pd.read_csv(tmp_path / "minute_tests.csv")) == 5
    sentences = pd.read_csv(tmp_path / "sentences.csv").set_index("stretch")["sentence"]
    assert sentences["over time"] == answers[0].sentence


# Sample size


@pytest.mark.parametrize(
    ("effect", "power", "groups", "n"),
    [
        (0.5, 0.8, 2, 63.76561),
        (0.8, 0.8, 2, 25.52458),
        (0.5, 0.8, 1, 33.36713),
        (0.25, 0.8, 4, 44.59927),
        (0.25, 0.8, 5, 39.1534),
    ],
)
def test_group_sizes_are_those_of_r_pwr(effect, power, groups, n):
    assert stats.find_group_size(effect, power, 0.05, groups) == pytest.approx(n, abs=1e-3)


def test_group_sizes_of_extreme_effects_are_defined():
    assert stats.find_group_size(0.0, 0.8, 0.05) == math.inf
    assert stats.find_group_size(NAN, 0.8, 0.05) == math.inf
    assert stats.find_group_size(1e-4, 0.8, 0.05) == math.inf
    for n_groups in (1, 2, 3):
        assert 2 <= stats.find_group_size(60, 0.9, 0.05, n_groups) < 2.5
    assert stats.find_group_size(-0.5, 0.8, 0.05) == pytest.approx(63.76561, abs=1e-3)


def test_the_plan_has_the_observed_effect_half_of_it_and_the_ends_of_its_interval():
    rng = np.random.default_rng(2)
    samples = {"vehicle": rng.normal(0.3, 0.1, 8), "drug": rng.normal(0.55, 0.1, 9)}
    plan = stats.plan_sample_size(samples, "vehicle", 0.05)
    effect = stats.effects.hedges_g(samples["drug"], samples["vehicle"], 0.05)
    sizes = plan["effect_size"].to_numpy()[::2]
    assert sizes == pytest.approx([effect.size, effect.size / 2, effect.low, effect.high])
    assert plan["power"].tolist() == [0.8, 0.9] * 4
    for row in plan.to_dict("records"):
        assert row["n_exact"] == pytest.approx(stats.find_group_size(row["effect_size"], row["power"], 0.05))
        assert row["n_per_group"] == math.ceil(row["n_exact"])
    assert plan["n_now"].unique().tolist() == [8]


def test_an_interval_that_reaches_no_effect_gives_no_number_for_its_weak_end():
    rng = np.random.default_rng(3)
    plan = stats.plan_sample_size({"a": rng.normal(0, 1, 5), "b": rng.normal(0.2, 1, 5)}, "a", 0.05)
    weak = plan[plan["basis"].str.startswith("weak")]
    assert weak["n_per_group"].isna().all()
    assert weak["note"].str.contains("the interval reaches no effect").all()
    assert plan.loc[~plan["basis"].str.startswith("weak"), "n_per_group"].notna().all()


def test_more_groups_share_alpha_and_are_planned_for_the_anova_too():
    samples = {name: draw(number, 5) + number / 4 for number, name in enumerate("abc")}
    plan = stats.plan_sample_size(samples, "a", 0.05)
    assert plan["test"].unique().tolist() == ["Student's t test, alpha / 2 comparisons", "one-way ANOVA"]
    first = plan.iloc[0]
    expected = stats.find_group_size(first["effect_size"], 0.8, 0.025)
    assert first["n_exact"] == pytest.approx(expected)
    f = math.sqrt(pingouin.anova(
        data=pd.DataFrame(samples).melt(), dv="value", between="variable"
    )["np2"].iloc[0])  # fmt: skip
    anova = plan[plan["test"] == "one-way ANOVA"].iloc[0]
    assert anova["effect_size"] == pytest.approx(f / math.sqrt(1 - f**2))


def test_a_crossover_is_planned_in_pairs():
    pairs = {"b": pd.DataFrame({"b": SLEEP_2, "a": SLEEP_1})}
    plan = stats.plan_sample_size({"a": np.array(SLEEP_1), "b": np.array(SLEEP_2)}, "a", 0.05, pairs)
    assert plan["test"].unique().tolist() == ["paired t test"]
    assert plan["n_exact"].iloc[0] == pytest.approx(
        stats.find_group_size(plan["effect_size"].iloc[0], 0.8, 0.05, 1)
    )
    assert plan["effect_size"].iloc[0] == pytest.approx(1.173925, rel=1e-3)  # R effectsize
    flat = {"b": pd.DataFrame({"b": [0.2, 0.3, 0.4], "a": [0.1, 0.2, 0.3]})}
    none = stats.plan_sample_size({"a": np.ones(3), "b": np.ones(3)}, "a", 0.05, flat)
    assert none["note"].str.startswith("no number: the effect is not defined").all()


def test_arrangements_taken_a_few_at_a_time_give_the_same(monkeypatch):
    first, second = draw(1, 5, 6), draw(2, 5, 6, low=0.3, high=0.7)
    whole = stats.permute_labels(first, second, seed=0, permutations=1000)
    monkeypatch.setattr("painlib.stats.permutation._CHUNK", 40)  # 6 arrangements of 252
    parts = stats.permute_labels(first, second, seed=0, permutations=1000)
    assert (parts.p_corrected == whole.p_corrected).all()
    assert parts.p_cluster == whole.p_cluster


def test_a_minute_in_which_a_group_was_not_filmed_is_not_tested_and_costs_the_others_nothing():
    treated, control = draw(1, 6, 8), draw(2, 6, 8)
    treated[:, 3] += 0.5
    control[:, 5:] = NAN
    values = {"vehicle": control, "drug": treated}
    result = answer(values)
    minutes = result.minutes.set_index("minute")
    assert minutes.loc[5:, ["t", "p", "p_corrected"]].isna().all(axis=None)
    assert minutes.loc[5:, "note"].str.contains("fewer than two of a group").all()
    both = {name: curves[:, :5] for name, curves in values.items()}
    alone = answer(both).minutes.set_index("minute")
    assert minutes.loc[:4, "p_corrected"].tolist() == alone["p_corrected"].tolist()
    assert minutes.loc[3, "significant"]
    # One animal of a group is not enough either; in other arrangements there may be two.
    control[0, 5:] = draw(3, 3)
    assert answer(values).minutes.set_index("minute").loc[5:, "p_corrected"].isna().all()


def test_groups_of_unlike_spread_carry_a_caution_into_table_and_sentence():
    rng = np.random.default_rng(4)
    noise = rng.standard_normal((2, 6, 6))
    values = {"vehicle": 0.4 + 0.02 * noise[0], "drug": 0.4 + 0.1 * noise[1]}
    result = answer(values)
    for test in ("max-T", "cluster"):
        assert (
            "animals of drug differ more among themselves (SD 0.09) than those of vehicle (0.02)"
            in pick(result, test)["note"]
        )
    assert result.sentence.count("which this test finds too, with equal means") == 2
    alike = answer({"vehicle": draw(1, 6, 6), "drug": draw(2, 6, 6)})
    assert "themselves" not in alike.sentence


def test_neighbours_of_opposite_sign_are_two_clusters():
    first, second = draw(9, 6, 2), draw(10, 6, 2)
    first += [0.5, -0.5]
    found = stats.permute_labels(first, second, seed=0, permutations=1000)
    assert (np.sign(found.t) == [1, -1]).all()
    assert found.cluster_mass == pytest.approx(np.abs(found.t).max())

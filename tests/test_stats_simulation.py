"""How often the animal-level tests are wrong, and how often right, on curves drawn at random."""

import numpy as np
import pandas as pd
import pytest
from candidates import CANDIDATES
from scipy import stats as scipy_stats

from painlib import stats
from painlib.faults import PainlibError
from painlib.stats.curves import Curves, average_blocks
from painlib.stats.simulation import GROUPS, TIME_BLOCKS, CurveNoise

EXACT = ("max-T", "clusters")
N_TESTS = 24


def name_exact(table):
    return table["test"].str.startswith(EXACT)


@pytest.fixture(scope="module")
def null():
    """80 cohorts of 5 animals a group without an effect."""
    return stats.simulate_rates(80, 5, seed=1, permutations=300).set_index("test")


# The draws


def test_drawn_curves_are_autocorrelated_bounded_and_as_stated():
    noise = CurveNoise(missing=0.0, minutes=200)
    drawn = stats.simulate_curves(np.random.default_rng(0), 40, 10, noise=noise)
    assert drawn.shape == (40, 3, 10, 200)
    assert ((drawn > 0) & (drawn < 1)).all()
    log_odds = np.log(drawn / (1 - drawn))
    assert log_odds.mean() == pytest.approx(-1.0, abs=0.05)
    animal = log_odds.mean(axis=-1)
    wander = log_odds - animal[..., None]
    # The mean of 200 minutes itself varies: by 0.8² (1 + 0.8) / (1 - 0.8) / 200 = 0.029.
    assert animal.std() == pytest.approx(np.sqrt(0.36 + 0.029), rel=0.05)
    pairs = np.corrcoef(wander[..., 1:].ravel(), wander[..., :-1].ravel())[0, 1]
    assert pairs == pytest.approx(0.8, abs=0.02)
    assert wander[..., 0].std() == pytest.approx(wander[..., 100].std(), rel=0.1)
    gaps = stats.simulate_curves(np.random.default_rng(0), 20, 5)
    assert np.isnan(gaps).mean() == pytest.approx(0.1, abs=0.01)


def test_the_effect_is_on_the_last_group_in_its_minutes_only():
    rng = [np.random.default_rng(3) for _ in range(2)]
    plain, moved = (
        stats.simulate_curves(one, 2, 4, effect) for one, effect in zip(rng, (0.0, 1.5), strict=True)
    )
    same = (plain == moved) | np.isnan(plain)
    assert same[:, :2].all()
    assert same[:, 2, :, :5].all()
    assert same[:, 2, :, 20:].all()
    shift = np.log(moved / (1 - moved)) - np.log(plain / (1 - plain))
    assert np.nanmin(shift[:, 2, :, 5:20]) == pytest.approx(1.5)
    assert np.nanmax(shift[:, 2, :, 5:20]) == pytest.approx(1.5)


def test_crossed_curves_are_of_the_same_animals():
    rng = np.random.default_rng(4)
    means = [
        np.nanmean(stats.simulate_curves(rng, 200, 6, crossed=crossed), axis=-1) for crossed in (False, True)
    ]
    apart, crossed = (np.corrcoef(mean[:, 0].ravel(), mean[:, 2].ravel())[0, 1] for mean in means)
    assert abs(apart) < 0.1
    assert crossed > 0.4


def test_a_simulation_needs_draws_and_animals():
    with pytest.raises(PainlibError, match="expected draws and 2 animals or more, got 0, 5"):
        stats.simulate_rates(0, 5)


# The tests on them: short here, 1,000 draws under `make verify`


def test_the_tests_of_the_simulation_are_those_of_the_results():
    from painlib.stats import simulation

    rng = np.random.default_rng(5)
    apart, crossed = (stats.simulate_curves(rng, 1, 5, crossed=way)[0] for way in (False, True))
    answers = simulation._run_all(apart, crossed, 0.05, 0, 300)
    for curves, paired, groups in (
        (apart, False, GROUPS),
        (apart, False, GROUPS[::2]),
        (crossed, True, GROUPS),
    ):
        rows = [
            (f"{group}{n}{paired}", f"{'' if paired else group}{n}", group, minute, p)
            for place, group in enumerate(GROUPS)
            if group in groups
            for n, curve in enumerate(curves[place])
            for minute, p in enumerate(curve)
        ]
        names = ["recording", "subject", "treatment", "minute", "pain_probability"]
        counts = {"n_timepoints": 1, "n_evaluated": 1, "n_pain": 0, "n_not_judged": 0, "coverage": 1.0}
        minutes = pd.DataFrame(rows, columns=names).assign(
            phase="post", period="", trained_on=False, **counts
        )
        both = {"paired": paired, "alpha": 0.05, "seed": 0}
        window = {"window_start_min": 0, "window_end_min": 30, "pre_window_min": 0, "bootstrap": 0}
        result = stats.run_assay(minutes, assay="", groups=groups, control="vehicle", **window, **both)
        table = stats.run_animal_tests(minutes, result, permutations=300, **both).table.set_index("test")
        p = table["p"]
        if paired:
            assert p["Friedman's test of conditions"] == pytest.approx(answers["Friedman, 3 conditions"])
            continue
        design = f"{len(groups)} groups"
        for effect in ("treatment", "treatment x time"):
            assert p[f"GEE, bias-corrected: {effect}"] == pytest.approx(answers[f"GEE {effect}, {design}"])
        if len(groups) == 2:
            assert p["Student's unpaired t test with equal variances"] == pytest.approx(answers["Student"])
            assert p["Welch's t test"] == pytest.approx(answers["Welch"])
            assert p["cluster permutation"] == pytest.approx(answers["clusters, 2 groups"])
            corrected = table.loc["max-T permutation over minutes", "p_corrected"]
            assert corrected == pytest.approx(answers["max-T, 2 groups"])
        else:
            assert p["one-way ANOVA"] == pytest.approx(answers["ANOVA, 3 groups"])
            assert table.loc["Dunnett's test", "p_corrected"].min() == pytest.approx(
                answers["Dunnett, 3 groups"], abs=1e-3
            )


def test_no_test_raises_false_alarms_with_five_animals(null):
    """Of 80 cohorts a test at 5 % says yes in 13 or more once in a few thousand times; the seed is fixed."""
    assert len(null) == N_TESTS
    withdrawn = "bootstrap interval without 0, paired"
    assert null.loc[withdrawn, "not_run"] == 1  # below six pairs
    assert null.loc[withdrawn, ["rate", "rate_low", "rate_high"]].isna().all()
    ran = null.drop(index=withdrawn)
    assert (ran["not_run"] == 0).all()
    assert (ran["rate"] <= 12 / 80).all(), ran["rate"]
    assert (ran["rate_low"] <= ran["rate"]).all()
    assert (ran["rate"] <= ran["rate_high"]).all()
    assert null.loc["Student", "rate_high"] == pytest.approx(
        scipy_stats.binomtest(round(80 * null.loc["Student", "rate"]), 80).proportion_ci().high
    )


def test_the_printed_table_says_in_words_where_a_test_is_not_run():
    def answer(number):
        return lambda apart, crossed, alpha, seed: number(seed)

    tests = {
        "always": answer(lambda seed: 0.01),
        "never there": answer(lambda seed: np.nan),
        "sometimes": answer(lambda seed: 0.5 if seed % 4 else np.nan),
    }
    rates = pd.concat([stats.simulate_rates(8, n, tests=tests) for n in (5, 9)], ignore_index=True)
    said = stats.tabulate_rates(rates)
    assert said.columns.tolist() == ["5 animals a group", "9 animals a group"]
    assert said.index.tolist() == list(tests)
    # Clopper & Pearson by hand, 8 of 8: 0.025 ** (1 / 8); 0 of 8: 1 - that.
    assert said.loc["always"].tolist() == ["100.0 % (63.1 to 100.0)"] * 2
    assert said.loc["never there"].tolist() == ["not run at this size"] * 2
    assert said.loc["sometimes"].tolist() == ["0.0 % (0.0 to 36.9); not run in 25.0 % of draws"] * 2


def test_the_simulation_finds_a_model_out_that_takes_minutes_as_independent():
    name = "mixed model, random intercept: treatment x time"
    row = stats.simulate_rates(80, 5, seed=1, tests={name: CANDIDATES[name]}).iloc[0]
    assert row["rate"] > 0.25


def test_an_effect_is_found_more_often_than_none(null):
    power = stats.simulate_rates(25, 9, 2.0, permutations=300).set_index("test")["rate"]
    for test in (
        "Student",
        "paired t",
        "GEE treatment x time, 2 groups",
        "max-T, 2 groups",
        "clusters, paired",
    ):
        assert power[test] >= 0.5 > null.loc[test, "rate"], test


@pytest.mark.verify
def test_false_alarms_and_power_over_1000_draws():
    rates = pd.concat([stats.simulate_rates(1000, n) for n in (5, 9, 12)], ignore_index=True)
    power = pd.concat([stats.simulate_rates(300, n, 1.5) for n in (5, 9, 12)], ignore_index=True)
    for name, table in (("False alarms", rates), ("Power at 1.5 log odds, minutes 5 to 20", power)):
        print(f"\n{name}, alpha 0.05, 30 autocorrelated minutes")
        print(stats.tabulate_rates(table).to_string())
    ran = rates[rates["not_run"] < 1]
    assert (ran["rate"] <= 0.07).all()
    refused = rates.loc[rates["not_run"] == 1, ["test", "n_animals"]].to_numpy().tolist()
    assert refused == [["bootstrap interval without 0, paired", 5]]
    twelve = rates[rates["n_animals"] == 12]
    assert (twelve.loc[~name_exact(twelve), "rate"] >= 0.03).all()


def find_unequal_rates(n_treated, n_control, n_draws, permutations):
    """How often the tests of two groups of unequal size are wrong."""
    rng = np.random.default_rng([n_treated, n_control])
    apart = stats.simulate_curves(rng, n_draws, n_control)
    wrong = []
    for number, (control, *_, treated) in enumerate(apart):
        curves = {GROUPS[0]: control, GROUPS[-1]: treated[:n_treated]}
        blocks = average_blocks(Curves(np.arange(control.shape[-1]), {}, curves), TIME_BLOCKS)[1]
        rows = stats.fit_time_course(blocks, GROUPS[0], 0.05, paired=False)
        found = stats.permute_labels(
            curves[GROUPS[-1]], curves[GROUPS[0]], seed=number, permutations=permutations
        )
        p = {row["test"]: row["p"] for row in rows}
        wrong.append(p | {"max-T": np.nanmin(found.p_corrected), "clusters": found.p_cluster})
    return (pd.DataFrame(wrong) < 0.05).mean()


def test_groups_of_unequal_size_do_not_make_the_gee_wrong():
    rates = find_unequal_rates(4, 12, 200, permutations=50)
    # 5 % of 200 is above 20 once in a thousand.
    assert (rates[rates.index.str.startswith("GEE")] <= 0.10).all()


@pytest.mark.verify
def test_false_alarms_at_unequal_sizes_over_1000_draws():
    sizes = ((4, 9), (4, 12), (5, 9), (5, 12))
    found = {f"{few} and {many}": find_unequal_rates(few, many, 1000, 500) for few, many in sizes}
    rates = pd.DataFrame(found)
    print("\nFalse alarms at unequal sizes, alpha 0.05")
    print(rates.to_string())
    assert (rates <= 0.07).all(axis=None)


@pytest.mark.verify
def test_rates_of_the_candidates_that_were_not_taken():
    rates = pd.concat([stats.simulate_rates(300, n, tests=CANDIDATES) for n in (5, 9, 12)], ignore_index=True)
    print("\nFalse alarms of candidates, alpha 0.05")
    print(stats.tabulate_rates(rates).to_string())
    worst = rates.groupby("test")["rate"].max()
    assert worst["mixed model, random intercept: treatment x time"] > 0.2
    assert worst["GEE linear, robust, z: treatment x time"] > 0.07
    assert worst["GEE blocks, robust, chi2: treatment x time"] > 0.07
    assert worst["bootstrap percentile without 0"] > 0.07

"""Scores an animal, against the paper's table and examples counted by hand."""

import numpy as np
import pandas as pd
import pytest

from painlib.metrics import confusion_by_sex, score_animals, summarise_animals

NAN = float("nan")


def judge(subject: str, label: list[int], p_pain: list[float], sex: str = "male") -> pd.DataFrame:
    p = np.array(p_pain)
    return pd.DataFrame({"subject": subject, "sex": sex, "label": label, "p_no_pain": 1 - p, "p_pain": p})


def test_scores_are_an_animals_own():
    table = pd.concat(
        [
            # of 2 x 2 pairs of a pain and a no-pain face 3 are in order (scikit-learn's own example)
            judge("m2", [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], "female"),
            # every pair is in order, yet each no-pain face is called pain
            judge("m1", [0, 1, 0, 1], [0.6, 0.9, 0.7, 0.8]),
            judge("m3", [1, 1, 1], [0.9, 0.2, 0.5]),
        ]
    )
    scores = score_animals(table)
    assert scores["subject"].tolist() == ["m1", "m2", "m3"]
    assert scores["sex"].tolist() == ["male", "female", "male"]
    assert scores[["n_no_pain", "n_pain"]].to_numpy().tolist() == [[2, 2], [2, 2], [0, 3]]
    np.testing.assert_array_equal(scores["auc"], [1, 0.75, NAN])
    # 0.5 against 0.5 is a tie and no pain
    np.testing.assert_allclose(scores["sensitivity"], [1, 0.5, 1 / 3])
    np.testing.assert_array_equal(scores["specificity"], [0, 1, NAN])


def test_auc_is_the_share_of_ordered_pairs_with_ties_as_half():
    rng = np.random.default_rng(0)
    label, p = rng.integers(0, 2, 80), rng.integers(0, 11, 80) / 10
    pain, no_pain = p[label == 1][:, None], p[label == 0][None]
    expected = ((pain > no_pain) + 0.5 * (pain == no_pain)).mean()
    assert score_animals(judge("m", label.tolist(), p.tolist()))["auc"][0] == pytest.approx(expected)


def summarise(auc: list[float], **options) -> pd.Series:
    animals = pd.DataFrame({"auc": auc, "sensitivity": NAN, "specificity": 1.0})
    return summarise_animals(animals, seed=0, **options).set_index("metric").loc["auc"]


def test_animals_are_the_unit_of_mean_spread_and_interval():
    row = summarise([0.9, 0.8, 0.7, NAN], interval="t")
    assert row["mean"] == pytest.approx(0.8)
    assert row["sd"] == pytest.approx(0.1)
    assert row["worst"] == 0.7
    assert (row["n"], row["n_missing"]) == (3, 1)
    # t(0.975, 2) = 4.302653 (any table), times 0.1 / sqrt(3)
    assert [row["ci_low"], row["ci_high"]] == pytest.approx([0.8 - 0.248414, 0.8 + 0.248414], abs=1e-5)


def test_the_bootstrap_interval_draws_animals():
    row = summarise([0.0, 1.0] * 50)
    # 100 fair coins: the mean's interval is 0.5 +- 1.96 * 0.05
    assert [row["ci_low"], row["ci_high"]] == pytest.approx([0.402, 0.598], abs=0.01)
    row = summarise([0.6, 1.0, 1.0])
    assert row["ci_low"] == pytest.approx(0.6)
    assert row["ci_high"] <= 1
    assert row.equals(summarise([0.6, 1.0, 1.0]))


def test_too_few_animals_have_no_interval():
    row = summarise([0.9, NAN])
    assert row["mean"] == 0.9
    assert row[["sd", "ci_low", "ci_high"]].isna().all()
    row = summarise([NAN])
    assert (row["n"], row["n_missing"]) == (0, 1)
    assert np.isnan(row["mean"])


def test_confusion_reproduces_the_papers_table_1():
    """Pain: 269,497 right, 8,437 wrong; no pain: 266,354 right, 1,526 wrong; 97.0 % and 99.4 %."""
    labels = np.repeat([1, 1, 0, 0], [269_497, 8_437, 266_354, 1_526])
    predicted = np.repeat([1, 0, 0, 1], [269_497, 8_437, 266_354, 1_526])
    row = confusion_by_sex(predicted, labels, np.full(len(labels), "male")).iloc[0]
    assert row["sex"] == "all"
    assert row[["pain_right", "pain_wrong", "no_pain_right", "no_pain_wrong"]].tolist() == [
        269_497, 8_437, 266_354, 1_526
    ]  # fmt: skip
    assert round(100 * row["sensitivity"], 1) == 97.0
    assert round(100 * row["specificity"], 1) == 99.4


def test_confusion_is_split_by_sex():
    labels = [1, 1, 0, 1, 0, 0, 1]
    predicted = [1, 0, 0, 1, 1, 0, 1]
    sex = ["female", "female", "female", "male", "male", "male", ""]
    table = confusion_by_sex(predicted, labels, sex).set_index("sex")
    assert sorted(table.index) == ["all", "female", "male", "unknown"]
    assert table.index[0] == "all"
    counts = table[["pain_right", "pain_wrong", "no_pain_right", "no_pain_wrong"]]
    assert counts.loc["all"].tolist() == [3, 1, 2, 1]
    assert counts.loc["female"].tolist() == [1, 1, 1, 0]
    assert counts.loc["male"].tolist() == [1, 0, 1, 1]
    assert table.loc["male", "specificity"] == 0.5
    assert np.isnan(table.loc["unknown", "specificity"])

"""Cohorts with and without a confound, ten seeds each (`make verify`): what is raised, every mistake shown.

What was fixed before and what was changed stands in `painlib.confounds.answers` and `.disputed`.
About 35 s of one core a seed for three kinds, 25 s for mislabelled animals.
"""

import json

import numpy as np
import pandas as pd
import pytest
from confounded_cohorts import DrawnCohort, confound, draw_cohort, examine
from test_confounds import make_faces

from painlib.confounds import Confounds, summarise_disputed
from painlib.confounds.held_out import answer_auc, judge_features

SEEDS = tuple(range(1, 11))
pytestmark = pytest.mark.verify
EXPECTED: dict[str, set[str]] = {"none": set(), "time": {"time, features"}, "brightness": {"brightness"}}
# With 40 the baseline was too poor a judge in one seed of ten, and said so ("cannot be tested").
LABEL_FACES = 100  # of each recording


@pytest.fixture(scope="module", params=SEEDS)
def drawn(request: pytest.FixtureRequest) -> tuple[int, DrawnCohort]:
    """One clean cohort, and its seed."""
    return request.param, draw_cohort(request.param)


@pytest.mark.parametrize("kind", EXPECTED)
def test_every_confound_is_raised_by_name_and_a_clean_cohort_raises_none(drawn, kind):
    seed, clean = drawn
    confounds = examine(confound(clean, kind, seed)[0], seed)
    print("\n", json.dumps(describe(seed, kind, [], confounds)))
    raised = set(confounds.verdicts.query("verdict == 'raised'")["name"])
    assert raised >= EXPECTED[kind], "missed"
    assert raised <= EXPECTED[kind] | ({"time, score"} if kind == "time" else set()), (
        "raised without a confound"
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_mislabelled_animals_are_raised_by_name_and_no_others(seed):
    clean = draw_cohort(seed, n_untreated=0, n_faces=LABEL_FACES)
    for kind in ("none", "mislabelled animals"):
        cohort, wrong = confound(clean, kind, seed)
        confounds = examine(cohort, seed)
        print("\n", json.dumps(describe(seed, kind, wrong, confounds)))
        print(
            summarise_disputed(confounds.disputed, "subject").sort_values("auc").head(4).round(2).to_string()
        )
        assert name_animals(confounds) == set(wrong)
        raised = set(confounds.verdicts.query("verdict == 'raised'")["name"])
        # With two of twelve animals mislabelled the classifier may be at chance, which is said too.
        assert raised - ({"chance"} if wrong else set()) == ({"mislabelled animals"} if wrong else set())


def name_animals(confounds: Confounds) -> set[str]:
    """The animals that the question of labels names."""
    row = confounds.verdicts.set_index("name").loc["mislabelled animals"]
    named = {name for name in set(confounds.disputed["subject"]) if f"{name} (" in row["why"]}
    return named if row["verdict"] == "raised" else set()


def describe(seed: int, kind: str, wrong: list[str], confounds: Confounds) -> dict:
    """One line of the report."""
    table = confounds.verdicts.set_index("name")
    numbers = {
        name: f"{row['number']:.2f} [{row['low']:.2f}, {row['high']:.2f}]" for name, row in table.iterrows()
    }
    raised = table.index[table["verdict"] == "raised"].tolist()
    untested = table.index[table["verdict"] == "cannot be tested"].tolist()
    return {"seed": seed, "kind": kind, "wrong": wrong, "raised": raised, "untested": untested, **numbers}


@pytest.mark.parametrize(("n_animals", "n_features"), [(8, 1), (8, 3), (12, 20)])
def test_bands_hold_their_error_where_recordings_merely_differ(n_animals, n_features):
    """500 cohorts without any effect: at most 1 % lie above the band (99.9 % of such tests find 13 or
    fewer)."""
    rng, faces = np.random.default_rng(n_animals + n_features), make_faces(n_animals, each=6)
    recording, animal = pd.factorize(faces["recording"])[0], pd.factorize(faces["subject"])[0]
    above = 0
    for _ in range(500):
        own = rng.normal(size=(n_animals, n_features))[animal]
        of_recording = rng.normal(size=(2 * n_animals, n_features))[recording]
        features = own + of_recording + 0.3 * rng.normal(size=(len(faces), n_features))
        answer = answer_auc("camera", judge_features(features, faces, 0), 0.0, lambda verdict, told: told)
        above += answer.verdict == "raised"
    print(f"\n{n_animals} animals, {n_features} features: {above} of 500 above their band")
    assert above <= 13

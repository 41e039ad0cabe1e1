"""A group test: the published tests, ours beside them, the checks of assumptions, and the sentence.

Two groups: Student's unpaired t, equal variances at unequal n too. More: one-way ANOVA, then Dunnett against
the control, whatever the ANOVA says. Ours: Welch, the paired t where animals cross over, a bootstrap
interval.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from painlib.stats import comparisons
from painlib.stats.comparisons import Row, Samples, varies
from painlib.stats.designs import (
    EXCLUDED_COLUMNS,
    check_groups,
    note_known,
    note_minutes,
    select_animals,
)
from painlib.stats.wording import NOT_RUN, PAIRED_ONLY, write_sentence

_NAMES = ["assay", "measure", "role", "test", "comparison"]
_COUNTS = ["n_1", "n_2"]
_NUMBERS = ["mean_1", "sem_1", "mean_2", "sem_2", "difference", "ci_low", "ci_high"]
_NUMBERS += ["statistic", "df", "df_2", "p", "p_corrected"]
_EFFECT = ["effect_size", "effect_low", "effect_high"]
TEST_COLUMNS = [*_NAMES, *_COUNTS, *_NUMBERS, "correction", "effect_size_name", *_EFFECT, "stars", "note"]
_CHECKS: dict[str, Any] = {
    "check": str,
    "group": str,
    "n": "int64",
    "statistic": "float64",
    "p": "float64",
    "note": str,
}
_ANIMALS: dict[str, Any] = {"group": str, "subject": str, "value": "float64", "n_recordings": "int64"}


@dataclass(frozen=True)
class GroupTest:
    """Tests of one measure between groups.

    `table` has TEST_COLUMNS (1: the treated group, 2: the control; difference = mean_1 - mean_2);
    `assumptions` check, group, n, statistic, p, note; `sentence` is for a methods or results section;
    `excluded` has group, subject, recording, reason; `animals` the values that were tested: group, subject,
    value, n_recordings.
    """

    table: pd.DataFrame
    assumptions: pd.DataFrame
    sentence: str
    excluded: pd.DataFrame
    animals: pd.DataFrame


def compare_groups(
    values: pd.DataFrame,
    groups: Sequence[str],
    control: str,
    paired: bool = False,
    alpha: float = 0.05,
    seed: int = 0,
    bootstrap: int = 0,
    *,
    column: str = "mean_of_minutes",
    measure: str = "pain probability",
    assay: str = "",
) -> GroupTest:
    """Compare `column` of `values` (of `summarise_window`) between treatments; the unit is the animal.

    Intervals are at 1 - `alpha` (0 to 1). `paired` adds the paired t of the animals that are in both groups.
    `bootstrap` draws of animals (0: none) give an interval of each difference. A test that cannot be run
    keeps its row, with NaN and the reason in `note`. Raises `PainlibError` for a group without animals, a
    group named twice, and a control that is not among the groups.
    """
    check_groups(values, groups, control)
    animals, excluded = select_animals(values, groups, column)
    samples = {group: animals.loc[animals["group"] == group, "value"].to_numpy() for group in groups}
    crossed = [group for group in groups if group != control] if paired else []
    pairs = {group: _find_pairs(animals, group, control) for group in crossed}
    with warnings.catch_warnings():
        # scipy warns of a group whose animals are all equal; the pooled variance of the others is sound.
        warnings.filterwarnings("ignore", "Precision loss occurred", RuntimeWarning)
        rows = _run_tests(samples, pairs, control, alpha, seed, bootstrap)
        assumptions = _check_assumptions(samples, pairs)
    cautions = [text for text in (note_minutes(values, groups, column), note_known(animals, values)) if text]
    note = "; ".join(filter(None, (_note_on_animals(animals), *cautions)))
    table = finish_table(rows, measure, assay, note)
    alone = [_find_unpaired(animals, group, control) for group in pairs]
    frames = [frame for frame in (excluded, *alone) if len(frame)]
    excluded = pd.concat(frames, ignore_index=True) if frames else excluded
    sentence = write_sentence(table, animals, excluded, groups, control, measure, alpha)
    sentence += "".join(f" {text[0].upper()}{text[1:]}." for text in cautions)
    return GroupTest(table, assumptions, sentence, excluded, animals)


def _run_tests(
    samples: Samples, pairs: dict[str, pd.DataFrame], control: str, alpha: float, seed: int, bootstrap: int
) -> list[Row]:
    treated = [group for group in samples if group != control]
    rows: list[Row] = []
    if len(treated) == 1:
        ordered = {group: samples[group] for group in (treated[0], control)}
        rows += [comparisons.compute_t(ordered, alpha, welch=welch) for welch in (False, True)]
    elif treated:
        rows.append(comparisons.compute_anova(samples, alpha))
        rows += comparisons.compute_dunnett(samples, control, alpha, seed)
        rows.append(comparisons.compute_welch_anova(samples))
    rows += comparisons.compute_paired_t(pairs, control, alpha)
    for group in treated if bootstrap else []:
        drawn = pairs.get(group, samples)
        two = {name: np.asarray(drawn[name]) for name in (group, control)}
        rows.append(comparisons.bootstrap_difference(two, alpha, seed, bootstrap, paired=group in pairs))
    return rows


def no_test(sentence: str) -> GroupTest:
    """A result without a test: empty tables of the usual columns, and the sentence that says why."""
    return GroupTest(
        table=finish_table([], "", "", ""),
        assumptions=_check_assumptions({}, {}),
        sentence=sentence,
        excluded=pd.DataFrame(columns=EXCLUDED_COLUMNS, dtype=str),
        animals=pd.DataFrame(columns=list(_ANIMALS)).astype(_ANIMALS),
    )


def find_stars(p: float) -> str:
    """Stars of the paper's figures: * p < 0.05, ** p < 0.01, *** p < 0.001; none for NaN."""
    return "*" * sum(p < bound for bound in (0.05, 0.01, 0.001))


def _find_pairs(animals: pd.DataFrame, group: str, control: str) -> pd.DataFrame:
    wide = animals.pivot(index="subject", columns="group", values="value").sort_index()
    return wide.reindex(columns=[group, control]).dropna()


def _find_unpaired(animals: pd.DataFrame, group: str, control: str) -> pd.DataFrame:
    both = animals[animals["group"].isin([group, control])]
    alone = both[~both.duplicated("subject", keep=False)].sort_values(["group", "subject"])
    other = alone["group"].map({group: control, control: group})
    reason = "without a value in " + other.astype(str) + ", " + PAIRED_ONLY
    return alone.assign(recording="", reason=reason)[EXCLUDED_COLUMNS]


def _note_on_animals(animals: pd.DataFrame) -> str:
    notes = []
    several = animals.loc[animals["n_recordings"] > 1, "subject"].unique()
    if len(several):
        notes.append(f"several recordings averaged first: {', '.join(sorted(several))}")
    shared = animals.loc[animals.duplicated("subject"), "subject"].nunique()
    if shared:
        notes.append(f"{shared} in more than one group, which unpaired tests take as different animals")
    return "; ".join(notes)


def finish_table(rows: list[Row], measure: str, assay: str, note: str) -> pd.DataFrame:
    """Rows as TEST_COLUMNS, typed and with stars; `note` stands behind each row's own."""
    table = pd.DataFrame(rows, columns=TEST_COLUMNS).assign(measure=measure, assay=assay)
    table["note"] = ["; ".join(filter(None, (own, note))) for own in table["note"].fillna("")]
    shown = table["p_corrected"].where(table["p_corrected"].notna(), table["p"]).astype("float64")
    table["stars"] = [find_stars(p) for p in shown]
    texts = [*_NAMES, "correction", "effect_size_name", "stars", "note"]
    types = dict.fromkeys(_COUNTS, "Int64") | dict.fromkeys([*_NUMBERS, *_EFFECT], "float64")
    return table.assign(**{name: table[name].fillna("").astype(str) for name in texts}).astype(types)


def _check_assumptions(samples: Samples, pairs: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Shapiro-Wilk of each group and of paired differences, Levene about the medians; they choose nothing."""
    shown = dict(samples)
    for table in pairs.values():
        first, second = table.columns
        shown[f"{first} - {second}"] = table[first].to_numpy() - table[second].to_numpy()
    rows = [("Shapiro-Wilk", group, len(sample), *_shapiro(sample)) for group, sample in shown.items()]
    if len(samples) > 1:
        n = sum(map(len, samples.values()))
        rows.append(("Levene (medians)", ", ".join(samples), n, *_levene(list(samples.values()))))
    return pd.DataFrame(rows, columns=list(_CHECKS)).astype(_CHECKS)


def _shapiro(sample: np.ndarray) -> tuple[float, float, str]:
    if len(sample) < 3 or not varies(sample):
        return np.nan, np.nan, f"{NOT_RUN}it needs at least 3 animals that differ"
    found = stats.shapiro(sample)
    return float(found.statistic), float(found.pvalue), ""


def _levene(samples: list[np.ndarray]) -> tuple[float, float, str]:
    if min(map(len, samples)) < 2:
        return np.nan, np.nan, f"{NOT_RUN}it needs at least 2 animals a group"
    spreads = [np.abs(sample - np.median(sample)) for sample in samples]
    if not any(varies(spread) for spread in spreads):
        return np.nan, np.nan, f"{NOT_RUN}it needs animals whose distances from the group's median differ"
    found = stats.levene(*samples, center="median")
    return float(found.statistic), float(found.pvalue), ""

"""The tests of frequency in plain sentences, ready for a results section."""

from __future__ import annotations

import pandas as pd

from painlib.region_tests.animals import MAX_ALL_FLIPS, NOT_TESTABLE
from painlib.region_tests.frequency import PUBLISHED_ALONE, PUBLISHED_ONLY
from painlib.region_tests.pairs import FEW_DISCORDANT
from painlib.stats.wording import format_p, join_words


def explain(table: pd.DataFrame) -> list[str]:
    """Sentences that tell the tests of `test_frequencies`: test, unit, numbers, results, why two, what holds.

    `table` as returned there. One sentence an item, in the order of a results section.
    """
    first = table.iloc[0]
    sentences = [_name_faces(first), _name_published(first), _tell_published(table)]
    sentences += _tell_untested(table)
    if first["n_pairs"]:
        sentences += _tell_pairs(table)
    sentences += _tell_animals(table)
    sentences.append(
        "Both units are reported because faces of one animal, and of one recording, are alike: a test that "
        "takes every face as independent takes what differs between recordings, which have one label each, "
        "for pain; the test with the animal as the unit does not, and tells what may hold for other animals."
    )
    return sentences + _tell_verdicts(table)


def _name_faces(first: pd.Series) -> str:
    text = f"Regions were marked in {first['n_no_pain']:,} no-pain and {first['n_pain']:,} pain faces"
    if first["n_cannot_judge"]:
        text += f"; {_count(first['n_cannot_judge'], 'more face')} could not be judged and did not count"
    return text + "."


def _name_published(first: pd.Series) -> str:
    how = "with" if first["yates"] else "without"
    return (
        "As published, the frequency of each region was compared between the classes by the chi-squared test "
        f"{how} Yates's correction (1 df), the face being the unit; P values are Bonferroni-corrected over "
        f"{first['n_comparisons']} regions."
    )


def _tell_published(table: pd.DataFrame) -> str:
    alpha = table["alpha"].iloc[0]
    found = table[table["p_bonferroni"] < alpha]
    if table["p"].isna().all():
        return "No region could be tested."
    if found.empty:
        return f"No region differed (all corrected P at least {table['p_bonferroni'].min():.3f})."
    told = []
    for more, name in ((True, "More often marked in pain"), (False, "less often")):
        rows = found[(found["difference"] > 0) == more]
        if len(rows):
            told.append(f"{name}: {join_words([_tell_region(row) for row in rows.to_dict('records')])}")
    text = "; ".join(told)
    return f"{text[0].upper()}{text[1:]}."


def _tell_region(row: dict) -> str:
    shares = f"{100 * row['frequency_pain']:.0f} % against {100 * row['frequency_no_pain']:.0f} %"
    return f"{row['region']} ({shares}, chi-squared = {row['chi2']:.1f}, {format_p(row['p_bonferroni'])})"


def _tell_untested(table: pd.DataFrame) -> list[str]:
    sentences = []
    untested = table[table["p"].isna()]
    for note, rows in untested.groupby("note", sort=False):
        why, kept = str(note).removeprefix(f"{NOT_TESTABLE}: ").split("; ")
        sentences.append(f"Not testable: {join_words(list(rows['region']))} ({why}); {kept}.")
    small = table[table["fisher_p"].notna()]
    if len(small):
        told = [f"{row['region']}, {format_p(row['fisher_p'])}" for row in small.to_dict("records")]
        sentences.append(
            "Where an expected count was below 5, Fisher's exact test stands beside it (not corrected): "
            f"{'; '.join(told)}."
        )
    return sentences


def _tell_pairs(table: pd.DataFrame) -> list[str]:
    first = table.iloc[0]
    found = table[table["mcnemar_p_bonferroni"] < first["alpha"]]
    told = [f"{row['region']} ({format_p(row['mcnemar_p_bonferroni'])})" for row in found.to_dict("records")]
    text = (
        f"In {_count(first['n_pairs'], 'pair')} of like composition, McNemar's test (the pair being the "
        f"unit; exact below {FEW_DISCORDANT} discordant pairs; Bonferroni over {first['n_comparisons']} "
        f"regions) found {join_words(told) or 'no difference'}."
    )
    broken = first["n_pairs_broken"]
    lost = f"{_count(broken, 'pair')} of which one face was not judged did not count in it."
    return [text, lost] if broken else [text]


def _tell_animals(table: pd.DataFrame) -> list[str]:
    first = table.iloc[0]
    sentences = []
    if first["n_animals_left_out"]:
        out = first["n_animals_left_out"]
        verb = "was" if out == 1 else "were"
        sentences.append(f"{_count(out, 'animal')} without faces of both classes {verb} left out of it.")
    if not first["n_flips"]:
        why = first["animal_note"].removeprefix(f"{NOT_TESTABLE}, ")
        return [f"With the animal as the unit the regions are not testable ({why}).", *sentences]
    n = first["n_animals"]
    flips = (
        f"in all {first['n_flips']:,} ways" if n <= MAX_ALL_FLIPS else f"{first['n_flips']:,} times at random"
    )
    found = table[table["animal_p_corrected"] < first["alpha"]]
    told = [
        f"{row['region']} (mean difference {100 * row['animal_difference']:+.0f} points, "
        f"{format_p(row['animal_p_corrected'])})"
        for row in found.to_dict("records")
    ]
    return [
        f"With the animal as the unit (n = {n}), the signs of each animal's differences in frequency, pain "
        f"minus no pain, were flipped {flips}, and the largest mean of the {first['n_comparisons']} regions "
        "was kept of each (max-T), which controls the family-wise rate; the smallest P that can be reached "
        f"is {first['animal_smallest_p']:.3g}.",
        *sentences,
        f"It found {join_words(told) or 'no difference'}.",
    ]


def _tell_verdicts(table: pd.DataFrame) -> list[str]:
    sentences = []
    for verdict, words in (
        (PUBLISHED_ONLY, "Significant by the published test but not with the animal as the unit"),
        (PUBLISHED_ALONE, "Significant by the published test, not testable with the animal as the unit"),
    ):
        regions = list(table.loc[table["verdict"] == verdict, "region"])
        if regions:
            sentences.append(f"{words}: {join_words(regions)}.")
    return sentences


def _count(n: int, thing: str) -> str:
    return f"{n:,} {thing}{'' if n == 1 else 's'}"

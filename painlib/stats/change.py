"""Before against after in the same animals: the paired t of each group's own change."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from painlib.stats.comparisons import Row, compute_paired_t
from painlib.stats.designs import (
    note_known,
    note_minutes,
    note_untreated,
    post_minutes,
    pre_minutes,
    select_animals,
    summarise_window,
)
from painlib.stats.groups import GroupTest, finish_table, no_test
from painlib.stats.wording import NOT_RUN, format_p, join_words

BEFORE = "before"
TIME = (
    "Before comes before treatment in every animal: what time alone changes is in this difference too, and a "
    "control group's change shows how much"
)


def compare_change(
    minutes: pd.DataFrame,
    groups: Sequence[str],
    window_min: tuple[float, float],
    pre_window_min: float,
    alpha: float,
    *,
    assay: str = "",
) -> GroupTest:
    """Paired t of every group's animals: mean over `window_min` less that of the `pre_window_min` before time
    zero, Holm over the groups.

    `minutes` as for `run_assay`. Table: comparison "<group> - before", 1 the window, 2 the stretch before
    it; a group of which no animal was filmed in both is not tested, with the reason in `note`.
    """
    before = pre_minutes(minutes, pre_window_min)
    filmed = [group for group in groups if group in set(before["treatment"])]
    if pre_window_min < 1 or not filmed:
        told = ["no recording before treatment belongs to these groups", note_untreated(before)]
        return no_test(f"Before and after were not compared: {'; '.join(filter(None, told))}.")
    after = summarise_window(post_minutes(minutes), *window_min)
    values = {"after": after, "before": summarise_window(before, -pre_window_min, 0)}
    selected = {name: select_animals(table, filmed) for name, table in values.items()}
    keys = ["group", "subject"]
    means = {name: animals.set_index(keys)["value"] for name, (animals, _) in selected.items()}
    both = pd.concat(means, axis=1).dropna()
    pairs = {
        group: both[both.index.get_level_values("group") == group].rename(
            columns={"after": group, "before": BEFORE}
        )
        for group in filmed
    }
    rows = compute_paired_t(pairs, BEFORE, alpha)
    lacking = [note_minutes(table, filmed) for table in values.values()]
    lost = note_untreated(before)
    notes = (*lacking, note_known(selected["after"][0], after), lost, TIME)
    cautions = [text for text in notes if text]
    measure = (
        f"pain probability over minutes {window_min[0]:g} to {window_min[1]:g}, less the "
        f"{pre_window_min:g} min before treatment"
    )
    animals = both.assign(value=both["after"] - both["before"], n_recordings=1).reset_index()
    return GroupTest(
        table=finish_table(rows, measure, assay, "; ".join(cautions)),
        assumptions=no_test("").assumptions,
        sentence=_write_sentence(rows, measure, [name for name in groups if name not in filmed], lost, alpha),
        excluded=selected["after"][1],
        animals=animals[["group", "subject", "value", "n_recordings"]],
    )


def _write_sentence(
    rows: Sequence[Row], measure: str, without: Sequence[str], lost: str, alpha: float
) -> str:
    told = []
    for row in rows:
        who = f"{row['comparison'].removesuffix(f' - {BEFORE}')} (n = {row['n_1']})"
        if "p" not in row:
            told.append(f"{who} not tested, {row['note'].removeprefix(NOT_RUN)}")
            continue
        p = row.get("p_corrected", np.nan)
        told.append(
            f"{who} {row['difference']:+.3f}, {100 * (1 - alpha):g} % CI {row['ci_low']:z.3f} to "
            f"{row['ci_high']:z.3f}, t({row['df']:.0f}) = {row['statistic']:z.2f}, "
            f"{format_p(row['p'] if np.isnan(p) else p)}"
        )
    how = "paired t within animals" + (", Holm" if len(told) > 1 else "")
    text = f"{measure[0].upper()}{measure[1:]} ({how}): {'; '.join(told)}. {TIME}."
    text += f" Without a recording before treatment: {join_words(list(without))}." if without else ""
    return text + (f" Left out: {lost}." if lost else "")

"""Sealed key, minute curves and groups held against each other, without a word on who got what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from painlib.checks.findings import Findings
from painlib.faults import PainlibError
from painlib.params import StatisticsParams

if TYPE_CHECKING:
    import pandas as pd


def check_treatments(params: StatisticsParams, cohort: pd.DataFrame, findings: Findings) -> None:
    """Give every recording its treatment as 04_statistics will, and ask for animals in every group.

    With a key, messages hold names and counts, never a treatment of the key.
    """
    import pandas as pd

    from painlib.cohort import video_rows
    from painlib.stats.designs import check_groups
    from painlib.stats.treatments import check_treatment, read_minutes

    recordings = video_rows(cohort).drop_duplicates("recording")
    filmed = recordings[["recording", "subject", "phase", "period"]]
    filmed = filmed.assign(treatment="", trained_on=recordings["label"] != "")
    tables = {"": filmed}
    for source in {source for source in params.minutes if source}:
        with findings.gather():
            tables[source] = read_minutes(source)[list(filmed)]
    open_ones = [source for source in tables if not source or (tables[source]["treatment"] == "").any()]
    where = "the cohort table" + (" and the minute curves" if len(open_ones) > 1 else "")
    try:
        together = pd.concat([tables[source] for source in open_ones], ignore_index=True)
        named = check_treatment(together, cohort, params.treatment_key, where)
    except PainlibError as fault:
        findings.blame(fault)
        return
    for source in open_ones:
        tables[source] = named[named["recording"].isin(tables[source]["recording"])]
    for assay, source, groups, control in zip(
        params.assays, params.minutes, params.groups, params.control, strict=True
    ):
        if source in tables:
            animals = tables[source][~tables[source]["trained_on"]]
            with findings.gather(f"statistics, assay '{assay}': "):
                check_groups(animals, groups, control, blind=params.treatment_key is not None)
    key = f", treatments sealed in {params.treatment_key.name}" if params.treatment_key else ""
    findings.tell("statistics", f"{len(params.assays)} assays ({', '.join(params.assays)}){key}")

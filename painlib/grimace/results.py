"""What 06 finds where there are scores: agreement, label, classifier, and the files that keep them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from painlib.grimace.against_classifier import (
    Judgements,
    compare_with_raters,
    compute_correlations,
    compute_roc,
    describe_judgements,
    join_judgements,
)
from painlib.grimace.against_label import compare_with_label, count_cuts, summarise_by_animal
from painlib.grimace.agreement import compute_ceiling, compute_icc, compute_kappas
from painlib.grimace.collecting import EVERYBODY, combine_raters, count_scores
from painlib.grimace.units import FACE
from painlib.tables import write_csv

TABLES = (
    *("scores", "faces", "counts", "icc", "kappas", "ceiling", "label", "cuts", "animals"),
    *("correlations", "roc", "roc_by_animal", "network"),
)


@dataclass(frozen=True)
class GrimaceResult:
    """All tables of 06; columns are told where each is made.

    `scores`: a row a rater and face, with total, subject and label; `faces`: a row a face, the mean of raters
    with subject, label, p_pain, held_out; `judged_by`: what p_pain is, in words.
    """

    scores: pd.DataFrame
    faces: pd.DataFrame
    counts: pd.DataFrame
    icc: pd.DataFrame
    kappas: pd.DataFrame
    ceiling: pd.DataFrame
    label: pd.DataFrame
    cuts: pd.DataFrame
    animals: pd.DataFrame
    correlations: pd.DataFrame
    roc: pd.DataFrame
    roc_by_animal: pd.DataFrame
    network: pd.DataFrame
    judged_by: str

    @property
    def raters(self) -> list[str]:
        """Everybody who scored, in the order of the tables."""
        return sorted(self.scores["rater"].unique())


def analyse_scores(scores: pd.DataFrame, faces: pd.DataFrame, judgements: Judgements) -> GrimaceResult:
    """Everything that 06 says of scores.

    `scores`: those of `load_scores`; `faces`: the labelled faces (recording, camera, frame, subject, label 0
    no pain, 1 pain). Here, and not before, the scores meet the label.
    """
    known = faces[[*FACE, "subject", "label"]]
    labelled = scores.merge(known, on=list(FACE), how="left", validate="m:1")
    together = combine_raters(scores).merge(known, on=list(FACE), how="left", validate="1:1")
    judged = join_judgements(together, judgements)
    subjects = dict(zip(faces["recording"], faces["subject"], strict=True))
    everybody = pd.concat([together.assign(rater=EVERYBODY), labelled], ignore_index=True)
    roc, by_animal = compute_roc(judged)
    return GrimaceResult(
        scores=labelled,
        faces=judged,
        counts=count_scores(scores),
        icc=compute_icc(scores, subjects),
        kappas=compute_kappas(scores, subjects),
        ceiling=compute_ceiling(scores, subjects),
        label=compare_with_label(everybody[["rater", "subject", "label", "total"]]),
        cuts=count_cuts(together),
        animals=summarise_by_animal(together),
        correlations=compute_correlations(judged),
        roc=roc,
        roc_by_animal=by_animal,
        network=compare_with_raters(scores, judged),
        judged_by=describe_judgements(judgements, judged),
    )


def write_grimace(
    folder: Path, result: GrimaceResult | None, recodings: pd.DataFrame, sentences: list[str]
) -> list[Path]:
    """Keep everything as csv, of no result the sentences alone; returns the files."""
    text = " ".join(sentences)
    tables = {"sentences": pd.DataFrame({"assay": ["Grimace scale"], "stretch": "", "sentence": text})}
    if result is not None:
        tables |= {"recodings": recodings}
        tables |= {name: getattr(result, name) for name in TABLES}
    return [write_csv(table, folder / f"{name}.csv") for name, table in tables.items()]

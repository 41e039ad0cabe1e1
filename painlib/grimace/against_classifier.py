"""Scores against the classifier: per face, per animal, and as a classifier of what people call a grimace."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from painlib.faults import PainlibError
from painlib.grimace.against_label import CUTS, average_areas, compute_areas
from painlib.grimace.agreement import TOTAL, compare_with_others
from painlib.grimace.collecting import widen
from painlib.grimace.intervals import correlate, find_interval, moments, say_few, sum_by_animal
from painlib.grimace.units import FACE
from painlib.provenance import read_provenance
from painlib.tables import read_table

FACES, RECORDINGS, ANIMALS = "faces within animals", "recordings within animals", "animals"
CORRELATION_COLUMNS = (
    *("level", "method", "n_faces", "n_points", "n_subjects", "r", "dof", "p"),
    *("ci_low", "ci_high", "ci_low_animals", "ci_high_animals", "note"),
)
ROC_COLUMNS = ("cut", "n_at_or_above", "n_below", "auc", "auc_low", "auc_high", "n_subjects")
FEWEST_ANIMALS = 3  # of pingouin's rm_corr
FACES_COUNT = (
    "p and ci_low to ci_high take an animal, but for its mean, as if its faces were independent; "
    "ci_low_animals to ci_high_animals do not"
)


@dataclass(frozen=True)
class Judgements:
    """What the classifier said of faces: `table` with recording, camera, frame, p_pain, held_out (the network
    that said it never saw the animal); `source` says in words where it is from."""

    table: pd.DataFrame
    source: str


def load_judgements(workdir: Path) -> Judgements:
    """The classifier's judgements of the labelled faces under a workdir.

    Those of `02_train`, out of fold, where the network that judges was trained here: each face by a network
    that never saw its animal. Else those of `03_predict`, with `held_out` False for animals that the model
    was trained on. Raises `PainlibError` where there are neither.
    """
    own_model = (read_provenance("predict", workdir) or {}).get("params", {}).get("model") is None
    path = workdir / "training" / "out_of_fold.parquet"
    if own_model and path.is_file():
        table = read_table(path, "out_of_fold").assign(held_out=True)
        return Judgements(
            table[[*FACE, "p_pain", "held_out"]], "out of fold: by networks that never saw the animal"
        )
    path = workdir / "predictions" / "frames.parquet"
    if not path.is_file():
        raise PainlibError(
            f"Expected the classifier's judgements, found neither out_of_fold.parquet nor {path}."
        )
    table = read_table(path, "frames")
    table["held_out"] = ~table["trained_on"]
    return Judgements(table[[*FACE, "p_pain", "held_out"]], "by the model of 03_predict")


def describe_judgements(judgements: Judgements, faces: pd.DataFrame) -> str:
    """Who judged, and how many of the animals the network was trained on, in words.

    `faces`: those of `join_judgements`.
    """
    seen = faces[faces["p_pain"].notna()]
    n, trained = seen["subject"].nunique(), seen.loc[~seen["held_out"].astype(bool), "subject"].nunique()
    text = f"p(pain) of {len(seen):,} faces of {n} animals, {judgements.source}"
    return text + (f"; trained on {trained} of these animals, so too good" if trained else "")


def join_judgements(faces: pd.DataFrame, judgements: Judgements) -> pd.DataFrame:
    """`faces` with p_pain (NaN where the classifier has none) and held_out."""
    joined = faces.merge(judgements.table, on=list(FACE), how="left", validate="m:1")
    return joined.assign(held_out=joined["held_out"].eq(True))


def compute_correlations(faces: pd.DataFrame) -> pd.DataFrame:
    """How score and p(pain) go together, CORRELATION_COLUMNS, a row a level.

    `faces`: recording, subject, label, total, p_pain; NaN left out. Faces, and means of recordings, within
    animals: repeated-measures correlation (Bakdash & Marusich 2017; pingouin), which no difference between
    animals can bring about. Animals: Pearson's r of what treatment raised in each (treated minus before) in
    score and p(pain). `ci_low`, `ci_high` are pingouin's; for faces they take the faces of an animal as
    independent: go by the interval over whole animals, `ci_low_animals`, `ci_high_animals`.
    """
    judged = faces[faces["total"].notna() & faces["p_pain"].notna()]
    means = (
        judged.groupby(["subject", "recording", "label"], sort=True)[["total", "p_pain"]].mean().reset_index()
    )
    rows = [_correlate_within(FACES, judged, len(judged))]
    rows.append(_correlate_within(RECORDINGS, means, len(judged)))
    rows.append(_correlate_animals(means, len(judged)))
    return pd.DataFrame(rows, columns=list(CORRELATION_COLUMNS))


def compute_roc(faces: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """p(pain) as a classifier of "total at or above the cut": ROC_COLUMNS, a row a cut, and AUC by animal.

    `auc`: mean over the animals that have faces on both sides of the cut, with an interval over animals; NaN
    where there are none. The second table has cut, subject, n_negative, n_positive, auc.
    """
    judged = faces[faces["total"].notna() & faces["p_pain"].notna()]
    rows, by_animal = [], []
    for cut in CUTS:
        above = (judged["total"] >= cut).astype(int)
        areas = compute_areas(above, judged["p_pain"], judged["subject"])
        mean, low, high = average_areas(areas["auc"].dropna().to_numpy())
        n = int(above.sum())
        rows.append((cut, n, len(judged) - n, mean, low, high, int(areas["auc"].notna().sum())))
        by_animal.append(areas.assign(cut=cut))
    together = pd.concat(by_animal, ignore_index=True)
    return pd.DataFrame(rows, columns=list(ROC_COLUMNS)), together[
        ["cut", "subject", "n_negative", "n_positive", "auc"]
    ]


def compare_with_raters(scores: pd.DataFrame, judged: pd.DataFrame) -> pd.DataFrame:
    """A person and the network against the same other people: rater, n_faces, r_rater, r_network.

    Each rater in turn is left out; the total of the left-out rater, and p(pain), are correlated (Pearson,
    over faces, within and between animals) with the mean of the others, on the faces that have all of these.
    Empty for one rater.
    """
    wide = widen(scores, TOTAL)
    known = judged.set_index(list(FACE))["p_pain"]
    rows = []
    for rater in wide.columns:
        pair = compare_with_others(wide, rater).join(known, how="inner").dropna()
        if len(pair) < 2:
            continue
        by_rater, by_network = (
            float(correlate(moments(pair[name].to_numpy(), pair["others"].to_numpy()).sum(axis=0)))
            for name in ("own", "p_pain")
        )
        rows.append((rater, len(pair), by_rater, by_network))
    return pd.DataFrame(rows, columns=["rater", "n_faces", "r_rater", "r_network"])


def _correlate_within(level: str, points: pd.DataFrame, n_faces: int) -> dict[str, object]:
    """Repeated-measures correlation, and its interval over animals."""
    animals = points["subject"].to_numpy()
    facts: dict[str, object] = {"level": level, "method": "repeated-measures correlation", "n_faces": n_faces}
    n_subjects = int(points["subject"].nunique())
    facts |= {"n_points": len(points), "n_subjects": n_subjects}
    centred = points[["total", "p_pain"]] - points.groupby("subject")[["total", "p_pain"]].transform("mean")
    x, y = centred.to_numpy().T
    spread = [np.ptp(values) > 1e-12 if len(values) else False for values in (x, y)]
    if n_subjects < FEWEST_ANIMALS or not all(spread) or len(points) < n_subjects + 2:
        note = "needs three animals with several points, and scores and probabilities that vary within them"
        return {**facts, "note": f"not defined: {note}"}
    from pingouin import rm_corr

    found = rm_corr(
        data=points[["p_pain", "total", "subject"]], x="p_pain", y="total", subject="subject"
    ).iloc[0]
    low, high = find_interval(sum_by_animal(moments(x, y), animals), _correlate_centred)
    note = "; ".join(text for text in (FACES_COUNT, say_few(animals)) if text)
    drawn = {"ci_low_animals": low, "ci_high_animals": high, "note": note}
    interval = {"ci_low": float(found["CI95"][0]), "ci_high": float(found["CI95"][1])}
    return {
        **facts,
        "r": float(found["r"]),
        "dof": int(found["dof"]),
        "p": float(found["pval"]),
        **interval,
        **drawn,
    }


def _correlate_animals(means: pd.DataFrame, n_faces: int) -> dict[str, object]:
    """Pearson's r over animals of treated minus before."""
    by_label = means.groupby(["subject", "label"])[["total", "p_pain"]].mean().unstack("label")
    differences = pd.DataFrame(index=by_label.index, columns=["total", "p_pain"], dtype=float)
    if {0, 1} <= set(means["label"]):
        for name in ("total", "p_pain"):
            differences[name] = by_label[name][1] - by_label[name][0]
    pairs = differences.dropna()
    facts: dict[str, object] = {"level": ANIMALS, "method": "Pearson's r of treated minus before"}
    facts |= {"n_faces": n_faces, "n_points": len(pairs), "n_subjects": len(pairs)}
    if len(pairs) < 4 or (pairs.max() - pairs.min() < 1e-12).any():
        return {**facts, "note": "not defined: needs four animals with both labels whose differences vary"}
    from pingouin import corr

    found = corr(pairs["total"], pairs["p_pain"]).iloc[0]
    sums = moments(pairs["total"].to_numpy(), pairs["p_pain"].to_numpy())
    low, high = find_interval(sums, correlate)
    interval = {"ci_low": float(found["CI95"][0]), "ci_high": float(found["CI95"][1])}
    drawn = {"ci_low_animals": low, "ci_high_animals": high, "note": ""}
    return {
        **facts,
        "r": float(found["r"]),
        "dof": len(pairs) - 2,
        "p": float(found["p_val"]),
        **interval,
        **drawn,
    }


def _correlate_centred(sums: np.ndarray) -> np.ndarray:
    """Correlation of summed `moments` of values that are centred on their animal already."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums[..., 5] / np.sqrt(sums[..., 3] * sums[..., 4])

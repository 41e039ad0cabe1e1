"""Faces whose weak label the classifier disputes with confidence, and animals labelled the wrong way round.

Disputed (cleanlab, "confident learning"; Northcutt, Jiang & Chuang 2021, J Artif Intell Res 70:1373): the
other class is as probable as it is, on average, for the faces labelled with it, and more probable than the
face's own label. A weak label is that of the recording: a face of a pain recording may well be disputed
because the animal felt none in that moment. So disputed faces alone raise nothing. An animal whose two labels
were exchanged is disputed on both sides, in its pain and in its no-pain recordings; an animal that looks
pained throughout, or whose recordings lean to one side, is disputed on one. So the smaller of an animal's two
shares counts, and of those animals only that the classifier judges plainly the wrong way round (AUC below
0.40).

The limit of 0.25 was fixed before any cohort was tried: of faces labelled the wrong way round about half are
beyond the mean of the class that they are truly of, fewer where recordings hold moments of both. A second
condition was fixed then too, 4 robust spreads above the median animal; it named 3 of 8 mislabelled animals of
four development cohorts (seeds 901 to 904). The AUC below 0.40 took its place after these and a fifth (seed
31, where an animal labelled rightly had 0.46), and before the ten seeds of `tests/test_verify_confounds.py`
were drawn: with AUCs of 0.75 give or take 0.12, and one animal in twenty mislabelled, an animal below 0.41 is
more likely mislabelled than not. Unchanged: a classifier that does not read the animals (median AUC below
0.65) cannot say who is mislabelled, and it takes six animals.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from cleanlab.filter import find_label_issues
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from painlib.baseline import N_COMPONENTS
from painlib.confounds.answers import LIMITS, Answer, ConfoundLimits, Measure, refuse
from painlib.fold_training import FoldRows, train_folds
from painlib.metrics import N_RESAMPLES, score_animals
from painlib.model import LABELS
from painlib.training import TrainSettings

FEWEST_ANIMALS = 6
LEAST_MEDIAN_AUC = 0.65
ALL, WITHOUT = "all faces", "without disputed faces"
SHARE: Measure = "share of faces"
NAME = "mislabelled animals"


def find_disputed(out_of_fold: pd.DataFrame) -> pd.DataFrame:
    """The table `out_of_fold` with `disputed` (bool); no face is disputed where there is one label only."""
    label = out_of_fold["label"].to_numpy(np.int64)
    if len(set(label)) < 2:
        return out_of_fold.assign(disputed=False)
    probabilities = out_of_fold[["p_no_pain", "p_pain"]].to_numpy(np.float64)
    disputed = find_label_issues(label, probabilities, filter_by="confident_learning", n_jobs=1)
    return out_of_fold.assign(disputed=np.asarray(disputed, bool))


def summarise_disputed(disputed: pd.DataFrame, by: str = "recording") -> pd.DataFrame:
    """One row a recording, or an animal (`by` "subject"): faces and share disputed, most disputed first.

    `disputed`: the table of `find_disputed`. Of a recording: subject, recording, label ("no pain", "pain"),
    n_faces, n_disputed, share_disputed. Of an animal: subject, n_faces, n_disputed, share_no_pain, share_pain
    (of its faces with that label, 0 to 1, NaN without any), share_disputed: the smaller of the two, auc: the
    classifier's for this animal (NaN with one label).
    """
    if by == "recording":
        grouped = disputed.groupby(["subject", "recording", "label"], sort=True)["disputed"]
        table = grouped.agg(n_faces="size", n_disputed="sum", share_disputed="mean").reset_index()
        table["label"] = table["label"].map(dict(enumerate(LABELS)))
    else:
        faces = disputed.groupby("subject", sort=True)["disputed"].agg(n_faces="size", n_disputed="sum")
        shares = disputed.groupby(["subject", "label"])["disputed"].mean().unstack("label")
        shares = shares.reindex(columns=[0, 1]).set_axis(["share_no_pain", "share_pain"], axis=1)
        aucs = score_animals(disputed).set_index("subject")["auc"]
        table = (
            faces.join(shares).assign(share_disputed=shares.min(axis=1, skipna=False), auc=aucs).reset_index()
        )
    return table.sort_values("share_disputed", ascending=False, kind="stable", ignore_index=True)


def check_labels(disputed: pd.DataFrame, limits: ConfoundLimits = LIMITS) -> Answer:
    """Are animals labelled the wrong way round? Raised by name; `disputed`: the table of `find_disputed`.

    The number is the share (`share_disputed`) of the animal that is disputed most among those judged the
    wrong way round, 0 where there is none. Animals with one label cannot be told from animals unlike the
    others, and are never named.
    """
    animals = summarise_disputed(disputed, "subject")
    n, aucs = len(animals), animals["auc"]
    if n < FEWEST_ANIMALS:
        why = f"it takes {FEWEST_ANIMALS} animals to say that one is unlike the others, got {n}."
        return refuse(NAME, SHARE, limits.disputed_share, f"Labels cannot be tested: {why}", n=n)
    if aucs.isna().all():
        why = "no animal has recordings of both labels, so none can be judged the wrong way round."
        return refuse(NAME, SHARE, limits.disputed_share, f"Labels cannot be tested: {why}", n=n)
    if not aucs.median() >= LEAST_MEDIAN_AUC:
        why = (
            f"the classifier does not read the animals well enough to say who is mislabelled (median AUC "
            f"{aucs.median():.2f}, {LEAST_MEDIAN_AUC} is needed)."
        )
        return refuse(NAME, SHARE, limits.disputed_share, f"Labels cannot be tested: {why}", n=n)
    reversed_ones = animals[aucs < limits.auc_reversed]
    number = float(reversed_ones["share_disputed"].max()) if len(reversed_ones) else 0.0
    named = reversed_ones[reversed_ones["share_disputed"] >= limits.disputed_share]
    told = f"{int(disputed['disputed'].sum()):,} of all {len(disputed):,} faces are disputed"
    if named.empty:
        why = f"No animal is judged the wrong way round in recordings of both labels ({told})."
        return Answer(NAME, SHARE, number, np.nan, np.nan, limits.disputed_share, n, "not raised", why)
    each = ", ".join(
        f"{row.subject} ({row.share_disputed:.2f} of its faces, AUC {row.auc:.2f})"
        for row in named.itertuples()
    )
    why = (
        f"Judged the wrong way round, and disputed in recordings of both labels: {each}; {told}. Look at "
        "these videos and at the cohort table: the labels of the animal's recordings may be exchanged."
    )
    return Answer(NAME, SHARE, number, np.nan, np.nan, limits.disputed_share, n, "raised", why)


def compare_training(features: np.ndarray, disputed: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The baseline trained on all faces and on those that are not disputed; judged on all faces of other
    animals.

    `features` (n, d) of `describe_faces`; `disputed`: their n rows (subject, label, fold, disputed). Folds
    are those of the cross-validation. Returns one row each for ALL, WITHOUT and "difference": judge,
    training, n_faces (that train; NaN for the difference), auc (mean over animals), ci_low, ci_high (95 %,
    animals drawn with replacement), n_animals. NaN where a fold is left with one label. Which faces are
    disputed was found with the help of all animals, so that a small gain proves nothing.
    """
    label = disputed["label"].to_numpy(np.int64)

    def judge(folds: list[FoldRows]) -> list[np.ndarray]:
        return [
            _fit_predict(features[fold.train], label[fold.train], features[fold.test], seed) for fold in folds
        ]

    every = _judge_folds(disputed, np.ones(len(label), bool), judge)
    without = _judge_folds(disputed, ~disputed["disputed"].to_numpy(bool), judge)
    return _compare("baseline", disputed, every, without, seed)


def compare_networks(
    inputs: np.ndarray,
    disputed: pd.DataFrame,
    settings: TrainSettings,
    seed: int,
    *,
    workers: int,
    folder: Path | None = None,
) -> pd.DataFrame:
    """The classifier trained again without the disputed faces, in the folds of the cross-validation, beside
    that itself; rows as of `compare_training`, with all faces.

    `inputs` (n, px, px, 3) uint8; `disputed`: their n rows, of `find_disputed`, with the p_pain of networks
    trained on all faces. `settings`, `seed`: those of that training. `folder`: for checkpoints, so that a
    killed run goes on.
    """
    label = disputed["label"].to_numpy(np.int64)

    def judge(folds: list[FoldRows]) -> list[np.ndarray]:
        trained = train_folds(
            inputs, label, folds, settings, seed,
            workers=workers, folder=folder, log=None, tensorboard=None, examine=None,
        )  # fmt: skip
        return [fold.probabilities[:, 1] for fold in trained]

    without = _judge_folds(disputed, ~disputed["disputed"].to_numpy(bool), judge)
    return _compare("classifier", disputed, disputed["p_pain"].to_numpy(np.float64), without, seed)


def _judge_folds(
    disputed: pd.DataFrame, usable: np.ndarray, judge: Callable[[list[FoldRows]], list[np.ndarray]]
) -> np.ndarray:
    """Probability of pain (n,) by judges that were trained on the usable faces of the other folds; NaN where
    a fold leaves them one label."""
    label, fold = disputed["label"].to_numpy(np.int64), disputed["fold"].to_numpy(str)
    folds = [
        FoldRows(str(name), np.flatnonzero(usable & (fold != name)), np.flatnonzero(fold == name))
        for name in np.unique(fold)
    ]
    p_pain = np.full(len(label), np.nan)
    if all(len(set(label[one.train])) == 2 for one in folds):
        for one, judged in zip(folds, judge(folds), strict=True):
            p_pain[one.test] = judged
    return p_pain


def _compare(
    judge: str, disputed: pd.DataFrame, every: np.ndarray, without: np.ndarray, seed: int
) -> pd.DataFrame:
    """Rows ALL, WITHOUT and their difference, from the probabilities of pain (n,) after either training."""
    n_faces = {ALL: len(disputed), WITHOUT: int((~disputed["disputed"]).sum())}
    aucs, rows = {}, []
    for name, p_pain in ((ALL, every), (WITHOUT, without)):
        if np.isnan(p_pain).any():
            aucs[name] = pd.Series(np.nan, pd.unique(disputed["subject"]))
        else:
            judged = disputed.assign(p_pain=p_pain, p_no_pain=1 - p_pain)
            aucs[name] = score_animals(judged).set_index("subject")["auc"]
        rows.append((judge, name, float(n_faces[name]), *_summarise(aucs[name], seed)))
    rows.append((judge, "difference", np.nan, *_summarise(aucs[WITHOUT] - aucs[ALL], seed)))
    columns = ["judge", "training", "n_faces", "auc", "ci_low", "ci_high", "n_animals"]
    return pd.DataFrame(rows, columns=columns)


def _fit_predict(train: np.ndarray, label: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    """Probability of pain (n_test,) by the baseline, from features that are there already."""
    n_components = min(N_COMPONENTS, *train.shape)
    judge = make_pipeline(PCA(n_components, random_state=seed), LogisticRegression(max_iter=2000))
    return judge.fit(train, label).predict_proba(test)[:, 1]


def _summarise(values: pd.Series, seed: int) -> tuple[float, float, float, int]:
    """Mean over animals, its interval, and how many there are."""
    seen = values.dropna().to_numpy(np.float64)
    if len(seen) < 2:
        return (float(seen[0]) if len(seen) else np.nan, np.nan, np.nan, len(seen))
    drawn = np.random.default_rng(seed).choice(seen, size=(N_RESAMPLES, len(seen))).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(seen.mean()), float(low), float(high), len(seen)

"""Time: "pre" always comes before treatment. Animals without pain, early and late, show what time alone does.

Which recordings are such an arm is read from the cohort's own columns alone, never from a sealed key:

- early: phase "pre", labelled "no pain" or not labelled (a pre recording is never labelled pain);
- late: phase "post" and labelled "no pain" (an untreated or vehicle arm that is declared free of pain); or
  phase "post", not labelled, with a treatment that is one of the control treatments that the parameters name.
  Where the column `treatment` is empty because the treatments are sealed, only the first holds;
- an animal counts with both, in the same period.

An injection hurts for a while whatever is in it (Kobayashi et al. 2025: vehicle pain is gone within 5 min),
so that of a late recording without a label only what comes 5 min after time zero is used.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from painlib.baseline import N_COMPONENTS
from painlib.cohort import Recording
from painlib.confounds.answers import LIMITS, Answer, ConfoundLimits, State, refuse
from painlib.confounds.held_out import AUC, Trials, answer_auc, judge_features, judge_score
from painlib.confounds.pictures import pick_faces
from painlib.faces.store import FaceStore, load_network_inputs
from painlib.model import PainNet
from painlib.params import ConfoundsParams
from painlib.prediction import predict_faces

SETTLE_MIN = 5.0
EARLY, LATE = 0, 1
ARM_COLUMNS = ["recording", "subject", "label", "from_s"]
NO_ARM = (
    "no animal was filmed early and late without pain. It takes untreated or vehicle animals filmed as long "
    "as the others: phase pre and post, labelled 'no pain' or with a treatment that is named as a control."
)


def find_untreated_arm(
    recordings: Sequence[Recording], controls: Sequence[str], settle_min: float = SETTLE_MIN
) -> pd.DataFrame:
    """The recordings of animals without pain, early and late, by the rule above.

    `controls`: treatments that hurt no longer than `settle_min`, in any case of letters. Returns recording,
    subject, label (0 early, 1 late), from_s (the recording's clock; faces before it are not used). No rows
    where there is no such animal.
    """
    named = {name.strip().casefold() for name in controls} - {""}
    groups: dict[tuple[str, str], list[tuple[str, str, int, float]]] = defaultdict(list)
    for recording in recordings:
        own = groups[recording.subject, recording.period]
        control = not recording.label and recording.treatment.strip().casefold() in named
        if recording.phase == "pre" and recording.label != "pain":
            own.append((recording.name, recording.subject, EARLY, -np.inf))
        elif recording.phase == "post" and recording.label == "no pain":
            own.append((recording.name, recording.subject, LATE, -np.inf))
        elif recording.phase == "post" and control:
            from_s = recording.time_zero_s + 60 * settle_min
            own.append((recording.name, recording.subject, LATE, from_s))
    rows = [row for own in groups.values() if {row[2] for row in own} == {EARLY, LATE} for row in own]
    return pd.DataFrame(rows, columns=ARM_COLUMNS)


def pick_arm_faces(index: pd.DataFrame, arm: pd.DataFrame, per_recording: int, seed: int) -> pd.DataFrame:
    """At most `per_recording` faces of each recording of `arm`, with label 0 (early) or 1 (late).

    `index`: that of a `FaceStore`; its rows keep their places. Animals with no face early or late are left
    out.
    """
    of = arm.set_index("recording")
    faces = index[index["recording"].isin(of.index)]
    faces = faces[faces["time_s"] >= faces["recording"].map(of["from_s"]).astype(float)]
    faces = faces.assign(label=faces["recording"].map(of["label"]).astype("int64"))
    both = faces.groupby("subject")["label"].transform("nunique") == 2
    faces = faces[both.astype(bool)]
    return faces.iloc[pick_faces(faces, per_recording, seed)]


def describe_reach(recordings: Sequence[Recording], arm: pd.DataFrame, index: pd.DataFrame) -> str:
    """Where animals without pain were filmed less long after time zero than those labelled pain, by a minute
    or more (medians of recordings' last faces): that, in words; else "".

    `arm`: of `find_untreated_arm`; `index`: that of a `FaceStore`.
    """
    zero = {recording.name: recording.time_zero_s for recording in recordings}
    minutes = (index["time_s"] - index["recording"].map(zero).astype(float)) / 60
    last = minutes.groupby(index["recording"].astype(str)).max()
    pain = last[last.index.isin([one.name for one in recordings if one.label == "pain"])]
    late = last[last.index.isin(arm.loc[arm["label"] == LATE, "recording"])]
    if pain.empty or late.empty or late.median() > pain.median() - 1:
        return ""
    return (
        f"Animals without pain were filmed to minute {late.median():.0f} after time zero, those labelled "
        f"pain to minute {pain.median():.0f} (medians): what changes only later was not tested."
    )


def note_reach(answer: Answer, reach: str) -> Answer:
    """The answer, with `describe_reach` said beside it where time was tested and not raised."""
    if not reach or answer.verdict != "not raised":
        return answer
    return replace(answer, why=f"{answer.why} {reach}")


def load_arm(
    store: FaceStore, arm: pd.DataFrame, net: PainNet, out_of_fold: pd.DataFrame, params: ConfoundsParams
) -> tuple[np.ndarray, pd.DataFrame]:
    """Faces of the untreated arm (`find_untreated_arm`): (n, px, px, 3) uint8 at the network's input size,
    and their rows (`pick_arm_faces`) with p_pain (`score_arm`).

    `net`: the final network. The faces are kept in `confounds/arm.npy`.
    """
    faces = pick_arm_faces(store.index, arm, params.faces_per_recording, params.seed)
    cache = params.workdir / "confounds" / "arm.npy"
    inputs = load_network_inputs(store, faces.index.to_numpy(), net.architecture.input_px, cache)
    p_pain = predict_faces(net, inputs, params.batch, params.device)[:, 1]
    return inputs, faces.assign(p_pain=score_arm(faces, p_pain, out_of_fold))


def score_arm(arm_faces: pd.DataFrame, p_pain: np.ndarray, out_of_fold: pd.DataFrame) -> np.ndarray:
    """Probability of pain (n,) of the arm's faces, each by a network that never saw the animal.

    `p_pain` (n,): what the final model says, which stands for animals that nothing was trained on. Faces that
    are in `out_of_fold` have the probability there. NaN for other faces of animals that trained.
    """
    key = ["recording", "camera", "frame"]
    known = arm_faces[key].merge(out_of_fold[[*key, "p_pain"]], on=key, how="left")["p_pain"].to_numpy()
    trained = arm_faces["subject"].isin(set(out_of_fold["subject"])).to_numpy()
    return np.where(trained, known, p_pain)


def check_time(
    features: np.ndarray, arm_faces: pd.DataFrame, seed: int, limits: ConfoundLimits = LIMITS
) -> Answer:
    """Do the baseline's features (n, d) tell late from early, with other animals to learn from?

    50 principal components and a linear discriminant, as the baseline has them; `arm_faces`: the n rows of
    `pick_arm_faces`.
    """
    if arm_faces.empty:
        return refuse("time, features", AUC, limits.auc_time, f"Time cannot be tested: {NO_ARM}")
    trials = judge_features(features, arm_faces, seed, N_COMPONENTS)
    texts = (
        "Early and late are told apart in animals without pain, by the same features {told}. Something "
        "changes with time, and pain recordings come later: the classifier may read time. Film untreated "
        "animals as long, and train on them as no pain.",
        "Early and late are not called apart in animals without pain, by the same features {told}.",
    )
    return _answer("time, features", trials, limits, texts)


def check_time_score(
    p_pain: np.ndarray, arm_faces: pd.DataFrame, seed: int, limits: ConfoundLimits = LIMITS
) -> Answer:
    """Is the classifier's own p_pain (n,; `score_arm`) higher late than early, in animals without pain?"""
    seen = np.isfinite(p_pain)
    both = arm_faces[seen].groupby("subject")["label"].nunique()
    used = seen & arm_faces["subject"].isin(both.index[both == 2]).to_numpy()
    if not used.any():
        why = NO_ARM if arm_faces.empty else "the classifier was trained on all animals without pain."
        return refuse("time, score", AUC, limits.auc_time, f"Time in the score cannot be tested: {why}")
    left_out = arm_faces["subject"].nunique() - arm_faces.loc[used, "subject"].nunique()
    note = f" Left out: {left_out} that the classifier was trained on." if left_out else ""
    texts = (
        "The probability of pain is higher late than early in animals without pain {told}. Part of what it "
        "says after treatment may be time." + note,
        "The probability of pain is not called higher late than early in animals without pain {told}." + note,
    )
    trials = judge_score(p_pain[used], arm_faces[used], seed)
    return _answer("time, score", trials, limits, texts)


def _answer(name: str, trials: Trials, limits: ConfoundLimits, texts: tuple[str, str]) -> Answer:
    def tell(verdict: State, told: str) -> str:
        if verdict == "cannot be tested":
            return "Time cannot be tested:"
        return texts[0 if verdict == "raised" else 1].format(told=told)

    return answer_auc(name, trials, limits.auc_time, tell)

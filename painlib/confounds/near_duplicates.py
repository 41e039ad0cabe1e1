"""Split hygiene: nearly equal pictures in different folds, such as one video under two animals' names.

Folds hold different animals, so that no picture should be found in two of them. Thumbnails (16 x 16, grey,
mean 0, length 1) are compared first, exactly; pairs whose thumbnails correlate at 0.98 or more are compared
in full. Nearly equal: the grey pictures correlate at 0.99 or more, which leaves 14 % of a picture's contrast
to differ; saving a frame anew, or the next frame of an animal at rest, differs by less. Two pairs may be
alike by chance; three faces of one pair of recordings are raised. Both were fixed before any cohort was
tried.
"""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd

from painlib.confounds.answers import LIMITS, Answer, ConfoundLimits, Measure, refuse
from painlib.confounds.pictures import pick_faces
from painlib.progress import track

THUMBNAIL_PX = 16
ALIKE_SMALL, ALIKE = 0.98, 0.99  # correlations
NEAREST = 3  # candidates of each face that are compared in full
BLOCK = 64  # faces compared with all others at once, for memory
LOOKED_AT = 200  # faces of each recording that are looked for; they are looked for among all faces
NAME = "near-duplicates"
SHARE: Measure = "share of faces"


def find_near_duplicates(
    inputs: np.ndarray, faces: pd.DataFrame, seed: int, per_recording: int = LOOKED_AT
) -> pd.DataFrame:
    """Pairs of nearly equal pictures in different folds, the most alike first.

    `inputs` (n, px, px, 3) uint8; `faces`: their n rows (recording, subject, camera, frame, fold). At most
    `per_recording` faces of each recording, drawn by `seed`, are looked for among all faces of other folds.
    Returns row and other_row (positions in `faces`; a pair stands once), recording, subject, fold,
    other_recording, other_subject, other_fold, similarity (-1 to 1). Even pictures are like nothing.
    """
    thumbnails = _shrink(inputs)
    fold = pd.factorize(faces["fold"])[0]
    looked_at = pick_faces(faces, per_recording, seed)
    found: dict[tuple[int, int], float] = {}
    for start in range(0, len(looked_at), BLOCK):
        rows = looked_at[start : start + BLOCK]
        alike = thumbnails[rows] @ thumbnails.T
        alike[fold[rows][:, None] == fold] = -1.0
        nearest = np.argpartition(-alike, min(NEAREST, len(fold) - 1), axis=1)[:, :NEAREST]
        for row, others, own in zip(rows.tolist(), nearest.tolist(), alike, strict=True):
            for other in others:
                pair = (min(row, other), max(row, other))
                if own[other] >= ALIKE_SMALL and pair not in found:
                    found[pair] = _correlate(inputs[row], inputs[other])
    pairs = [(*pair, alike) for pair, alike in found.items() if alike >= ALIKE]
    table = pd.DataFrame(pairs, columns=["row", "other_row", "similarity"])
    for column in ("recording", "subject", "fold"):
        values = faces[column].to_numpy(dtype=object)
        table[column] = values[table["row"].to_numpy(np.int64)]
        table[f"other_{column}"] = values[table["other_row"].to_numpy(np.int64)]
    return table.sort_values("similarity", ascending=False, kind="stable", ignore_index=True)


def check_near_duplicates(
    pairs: pd.DataFrame,
    faces: pd.DataFrame,
    seed: int,
    limits: ConfoundLimits = LIMITS,
    per_recording: int = LOOKED_AT,
) -> Answer:
    """Are faces of one pair of recordings nearly equal, across folds? Raised by the recordings' names.

    `pairs`: the table of `find_near_duplicates` for `faces`, `seed` and `per_recording`. The number is the
    share of the faces looked for that stand in a pair; the limit counts faces and not shares, so that the
    table has none.
    """
    n = faces["subject"].nunique()
    if faces["fold"].nunique() < 2:
        why = "Near-duplicates across folds cannot be tested: there is one fold."
        return refuse(NAME, SHARE, np.nan, why, n=n)
    looked_at = pick_faces(faces, per_recording, seed)
    number = float(np.isin(looked_at, pairs[["row", "other_row"]].to_numpy(np.int64)).mean())
    # One still frame that is like many is one face.
    shared = pairs.groupby(["recording", "other_recording"], as_index=False)[["row", "other_row"]].nunique()
    shared = shared.assign(faces=shared[["row", "other_row"]].min(axis=1))
    many = shared[shared["faces"] >= limits.near_faces].sort_values("faces", ascending=False, kind="stable")
    told = f"({len(pairs):,} pairs; {len(looked_at):,} of {len(faces):,} faces looked for)"
    if many.empty:
        why = f"No two recordings of different folds share nearly equal pictures {told}."
        return Answer(NAME, SHARE, number, np.nan, np.nan, np.nan, n, "not raised", why)
    named = [f"{row.recording} and {row.other_recording}: {row.faces}" for row in many.head(5).itertuples()]
    each = "; ".join(named)
    more = f"; and {len(many) - 5} more" if len(many) > 5 else ""
    why = (
        f"Nearly equal pictures in different folds {told}: {each}{more}. One video may stand under two "
        "names, and the AUC is then not one of animals never seen."
    )
    return Answer(NAME, SHARE, number, np.nan, np.nan, np.nan, n, "raised", why)


def _shrink(inputs: np.ndarray) -> np.ndarray:
    """Thumbnails (n, 256) float32, mean 0 and length 1; all 0 for an even picture."""
    small = np.zeros((len(inputs), THUMBNAIL_PX**2), np.float32)
    size = (THUMBNAIL_PX, THUMBNAIL_PX)
    for place, picture in enumerate(track(inputs, len(inputs), "Looking for near-duplicates")):
        grey = cv2.cvtColor(np.asarray(picture), cv2.COLOR_RGB2GRAY)
        small[place] = cv2.resize(grey.astype(np.float32), size, interpolation=cv2.INTER_AREA).ravel()
    small -= small.mean(axis=1, keepdims=True)
    length = np.linalg.norm(small, axis=1, keepdims=True)
    return np.divide(small, length, out=np.zeros_like(small), where=length > 1e-3)


def _correlate(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of the grey levels of two pictures (px, px, 3); 0 where one is even."""
    greys = [cv2.cvtColor(np.asarray(picture), cv2.COLOR_RGB2GRAY).astype(float) for picture in (one, other)]
    if min(grey.std() for grey in greys) < 1e-3:
        return 0.0
    return float(np.corrcoef(greys[0].ravel(), greys[1].ravel())[0, 1])

"""`painlib score`: images and videos judged by a model folder; a table as csv or json, overlays if asked."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from painlib.faults import Faults, PainlibError
from painlib.places import Place, name_file

if TYPE_CHECKING:
    import argparse

    import numpy as np

    from painlib.scoring import Score, Scorer

COLUMNS = (
    *("source", "second", "n_frames", "n_faces", "n_left_out"),
    *("call", "confidence", "p_pain", "reason", "inside", "why"),
)
NOTE = (
    "p_pain: the network's own probability of pain, of one camera; a second of video is the mean over its "
    "faces. confidence: calibrated probability of the class that was called. inside: whether the model knows "
    "such faces, by their distance from its training faces: of an image about its one face, of a video about "
    "all of it, the same in every row; outside: do not believe the call. "
    "The network learned weak labels ('filmed after the treatment' was taken as pain)."
)
OVERLAY_FPS = 2.0  # seconds of video in a second of overlay


def score_files(
    scorer: Scorer, paths: Sequence[Place], overlays: Path | None = None
) -> tuple[list[dict[str, Any]], Faults]:
    """Rows of all files (paths or URLs) in order, and what was wrong: one that cannot be judged does not lose
    the others.

    A damaged video keeps its seconds before the damage. Whether the model knows such faces is found from all
    faces of a video and stands in each of its rows. `overlays`: folder that gets `<name>_score.png` of
    each image and `<name>_score.mp4` of each video (one picture a second); the scorer must carry sights.
    """
    from painlib.video.pictures import is_image

    rows: list[dict[str, Any]] = []
    faults = Faults()
    for path in paths:
        first, still = len(rows), True
        try:
            still = is_image(path)
            scores = iter([scorer.score_image(path)]) if still else scorer.score_video(path)
            kept = _keep_rows(scores, rows)
            if overlays is None:
                for _ in kept:
                    pass
            else:
                _write_overlay(kept, overlays / f"{Path(name_file(path)).stem}_score", still)
        except PainlibError as error:
            faults.add(str(error))
        if not still and len(rows) > first:
            known = scorer.judge_known()._asdict()
            rows[first:] = [{**row, **known} for row in rows[first:]]
    return rows, faults


def write_scores(rows: Sequence[dict[str, Any]], scorer: Scorer, path: Path | None) -> None:
    """Write the rows to a .csv or .json file, or as csv to the screen (None).

    The json also says which model judged: weights' hash, painlib's version, the animals it was trained on.
    """
    if path is None:
        sys.stdout.write(_format_csv(rows))
        return
    from painlib.tables import write_whole

    text = _format_csv(rows) if path.suffix == ".csv" else _format_json(rows, scorer)
    with write_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def check_options(options: argparse.Namespace) -> None:
    """Raise one `PainlibError` with all options of `painlib score` that cannot be."""
    faults = Faults()
    if options.out is not None and options.out.suffix not in (".csv", ".json"):
        faults.add(f"--out: expected a file named .csv or .json, got {options.out}.")
    if options.crop_px is not None and not 16 <= options.crop_px <= 8192:
        faults.add(f"--crop-px: expected 16 to 8192 px, got {options.crop_px}.")
    if not 0.5 <= options.abstain_below <= 1:
        faults.add(f"--abstain-below: expected a probability from 0.5 to 1, got {options.abstain_below:g}.")
    if options.face and (options.overlay or options.crop_px):
        faults.add(
            "--face: expected neither --overlay nor --crop-px beside it: nothing is looked for or cut."
        )
    faults.raise_if_any("The options have faults")


def _format_csv(rows: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {name: "" if _is_absent(value) else value for name, value in row.items()} for row in rows
    )
    return text.getvalue()


def _format_json(rows: Sequence[dict[str, Any]], scorer: Scorer) -> str:
    import painlib

    card = scorer.card
    about = {
        "painlib": painlib.__version__,
        "weights_sha256": card.weights_sha256,
        "trained_on": [animal.subject for animal in card.training_animals],
        "note": NOTE,
    }
    known = [{name: None if _is_absent(value) else value for name, value in row.items()} for row in rows]
    return json.dumps({"model": about, "scores": known}, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _is_absent(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _keep_rows(scores: Iterator[Score], rows: list[dict[str, Any]]) -> Iterator[Score]:
    for score in scores:
        rows.append(score.as_row())
        yield score


def _write_overlay(scores: Iterator[Score], stem: Path, still: bool) -> None:
    pictures = (_draw(score) for score in scores)
    if not still:
        from painlib.video import write_video

        write_video(stem.with_name(f"{stem.name}.mp4"), pictures, OVERLAY_FPS)
        return
    import cv2

    from painlib.tables import write_whole

    for picture in pictures:
        with write_whole(stem.with_name(f"{stem.name}.png")) as temporary:
            temporary.write_bytes(cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes())


def _draw(score: Score) -> np.ndarray:
    from painlib.plots import draw_pose_overlay

    assert score.sight is not None, "a scorer with sights was asked for"
    sight = score.sight
    where = "" if score.second is None else f"{score.second} s: "
    sure = "" if math.isnan(score.confidence) else f" ({score.confidence:.2f})"
    strange = "; outside what the model knows" if score.inside == "outside" else ""
    note = f"{where}{score.call}{sure}{f', {score.reason}' if score.reason else ''}{strange}"
    points, likelihoods = sight.points[:, :2], sight.points[:, 2]
    return draw_pose_overlay(
        sight.image, points, likelihoods, sight.rule, sight.threshold, sight.square, note
    )

"""What `01_crop`, or `03_predict` in its place, left: whole recordings, how faces were cut, poses."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from painlib.cohort import Recording
from painlib.faces.store import CameraFiles
from painlib.faults import PainlibError
from painlib.provenance import read_provenance
from painlib.tables import read_table, write_csv, write_whole

if TYPE_CHECKING:
    import pandas as pd

SUMMARY_NAME = "summary.csv"
FACTS_NAME = "cut.json"  # where 03_predict read the videos


def write_summary(summary: pd.DataFrame, workdir: Path) -> Path:
    """Keep the summary of `extract_cohort`, a row a camera that succeeded: later stages go by it."""
    return write_csv(summary.drop(columns=["seconds", "resumed"]), workdir / "faces" / SUMMARY_NAME)


def finished_recordings(recordings: Sequence[Recording], workdir: Path) -> list[Recording]:
    """The recordings all of whose cameras went through `01_crop`.

    One whose video failed is left out with all its cameras: half of its faces would be another measurement.
    Raises `PainlibError` where none is left, or `01_crop` has not run.
    """
    import pandas as pd

    path = Path(workdir) / "faces" / SUMMARY_NAME
    if not path.is_file():
        raise PainlibError(f"Expected the summary of stage 01_crop, found none: {path}. Run 01_crop first.")
    table = pd.read_csv(path, dtype={"recording": str, "camera": str}, keep_default_na=False)
    there = set(zip(table["recording"], table["camera"], strict=True))
    whole = [
        recording
        for recording in recordings
        if all((recording.name, camera.camera) in there for camera in recording.cameras)
    ]
    if not whole:
        raise PainlibError(
            f"Expected recordings that went through stage 01_crop, found none of {len(recordings)}: {path}. "
            "Run 01_crop again and read its faults."
        )
    return whole


def write_crop_facts(folder: Path, facts: Mapping[str, Any]) -> None:
    """Keep how faces were cut where they were not cut by `01_crop`, for `read_crop_facts`."""
    with write_whole(folder / FACTS_NAME) as temporary:
        temporary.write_text(json.dumps(facts), encoding="utf-8")


def read_crop_facts(workdir: Path) -> dict[str, Any]:
    """`crop_px`, `border`, `likelihood_threshold` and `jpeg_quality` of the faces under `workdir`."""
    if (workdir / FACTS_NAME).is_file():
        facts: dict[str, Any] = json.loads((workdir / FACTS_NAME).read_text(encoding="utf-8"))
        return facts
    record = read_provenance("crop", workdir) or {}
    names = ("crop_px", "border", "likelihood_threshold")
    facts = record.get("facts", {})
    if any(name not in facts for name in names):
        raise PainlibError(f"Expected a finished record of 01_crop, found none: {workdir}. Run it first.")
    return {name: facts[name] for name in names} | {"jpeg_quality": record["params"]["jpeg_quality"]}


def iter_poses(
    recordings: Sequence[Recording], workdir: Path
) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    """((recording, camera), table "pose") of every camera that has one, one at a time."""
    for recording in recordings:
        for video in recording.cameras:
            files = CameraFiles(Path(workdir), recording.name, video.camera)
            if files.pose.is_file():
                yield (recording.name, video.camera), read_table(files.pose, "pose")

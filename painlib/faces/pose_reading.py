"""Nose and eyes of one video by a network made fast, checked on the spot against plain float32 torch.

What ran, and how far it was from plain float32, stands beside the pose table, as
`pose/<recording>_<camera>.json`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from painlib.cohort import Recording
from painlib.engines import choose_precision
from painlib.faces.points import Network, Settings, scale_points, shrink_frames
from painlib.faces.store import CameraFiles
from painlib.faces.window import WindowFollower
from painlib.tables import write_whole
from painlib.video import Frame

if TYPE_CHECKING:
    import pandas as pd

# Ours. Of each video so many frames are looked at plainly too: its first ones, and the first with a nose.
CHECKED_FRAMES = 4
NOSE_SEEN = 0.5  # likelihood
PLACED = 0.1  # likelihood, plainly: below it no point is seen, and its place is that of noise
# Largest difference from plain float32 that is let pass: px of the shrunk frame, likelihood.
TOLERANCES = {"float32": (0.05, 0.005), "bfloat16": (0.2, 0.03), "float16": (0.2, 0.03)}
LOOKS = ("in_window", "at_half_size", "whole")  # what a window's follower counts


class EngineDiffersError(Exception):
    """An engine answered otherwise than plain float32; `report` says how far. The video is begun again."""

    def __init__(self, report: dict[str, Any]) -> None:
        super().__init__(report["fallback"])
        self.report = report


class NetworkReader:
    """The network's answers to the frames of one video in their order, scaled to px of the original.

    In `params.pose_precision`, through a window where `params.pose_follow` (then the whole frame decides
    where a likelihood lies near `threshold`). Raises `EngineDiffersError` where a checked frame differs by
    more than `TOLERANCES`; made again with its report as `instead_of`, the reader asks the network in plain
    float32 torch.
    """

    def __init__(
        self,
        network: Network,
        params: Settings,
        threshold: float,
        instead_of: dict[str, Any] | None = None,
    ) -> None:
        self._network, self._params = network, params
        self._precision = choose_precision(params.pose_precision, network.device)
        self._plain = instead_of is not None
        self._follower = WindowFollower(self._ask, threshold) if params.pose_follow else None
        self._n_first = self._n_nose = 0
        self._engines: dict[tuple[str, str, str], None] = {}  # of this video: name, precision, fallback
        self._decoders: Counter[str] = Counter()
        nothing = {"fallback": "", "frames_checked": 0, "largest_px": 0.0, "largest_likelihood": 0.0}
        self._report: dict[str, Any] = instead_of or nothing

    def __call__(self, batch: list[Frame]) -> np.ndarray:
        """(n_frames, 3, 3) x, y in px of the original video, likelihood."""
        self._decoders.update(frame.decoder for frame in batch)
        images = shrink_frames(batch, self._params)
        if self._follower is None:
            found = np.array(self._ask(images), np.float64)
        else:
            found = self._follower(images, [frame.time_s for frame in batch])
        if not self._plain:
            self._check(images, found)
        return scale_points(found, batch[0].size, images[0].shape)

    def report(self) -> dict[str, Any]:
        """What ran and how it was checked: plain values."""
        names = {f"{name} {precision}" for name, precision, _ in self._engines}
        reasons = {self._report["fallback"], *(fallback for *_, fallback in self._engines)}
        return {
            **self._report,
            "asked": self._params.pose_precision,
            "precision": "/".join(sorted({one for _, one, _ in self._engines})) or "float32",
            "engines": sorted(names) or ["torch float32"],
            "decoders": dict(self._decoders),
            "fallback": "; ".join(sorted(reasons - {""})),
            "window": dict(self._follower.counts) if self._follower else None,
        }

    def _ask(self, images: Sequence[np.ndarray]) -> np.ndarray:
        if self._plain:
            return self._network.predict_plainly(images)
        found = self._network.predict(images, self._precision)
        for engine in self._network.list_engines()[-1:]:
            self._engines[engine.name, engine.precision, engine.fallback] = None
        return found

    def _check(self, images: list[np.ndarray], found: np.ndarray) -> None:
        """Look at the first frames, and the first with a nose, plainly."""
        chosen = []
        for row, points in enumerate(found):
            if self._n_first < CHECKED_FRAMES:
                self._n_first += 1
                chosen.append(row)
            elif self._n_nose < CHECKED_FRAMES and points[0, 2] >= NOSE_SEEN:
                self._n_nose += 1
                chosen.append(row)
        if not chosen:
            return
        self._report["frames_checked"] += len(chosen)
        sample = [images[row] for row in chosen]
        # What a window changes is not the engine's doing.
        mine = np.array(self._ask(sample)) if self._follower else found[chosen]
        self._compare(mine, np.array(self._network.predict_plainly(sample)))

    def _compare(self, mine: np.ndarray, plain: np.ndarray) -> None:
        placed = plain[..., 2] >= PLACED
        apart = np.linalg.norm(mine[placed][:, :2] - plain[placed][:, :2], axis=1)
        px, likelihood = float(apart.max(initial=0)), float(np.abs(mine[..., 2] - plain[..., 2]).max())
        report = self._report
        report["largest_px"] = max(report["largest_px"], px)
        report["largest_likelihood"] = max(report["largest_likelihood"], likelihood)
        most_px, most_likelihood = TOLERANCES[self._precision]
        # The other way round a value that is not a number would pass.
        if not (px <= most_px and likelihood <= most_likelihood):
            report["fallback"] = (
                f"{self._precision} differed from plain float32 by {px:.3g} px and {likelihood:.3g} in "
                f"likelihood, more than {most_px:g} px or {most_likelihood:g}"
            )
            raise EngineDiffersError(report)


def report_path(files: CameraFiles) -> Path:
    """Where the report on a camera's pose table stands."""
    return files.pose.with_suffix(".json")


def write_report(files: CameraFiles, report: dict[str, Any]) -> None:
    """Keep a reader's report beside the pose table."""
    with write_whole(report_path(files)) as temporary:
        temporary.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read_reports(recordings: Sequence[Recording], workdir: str | Path) -> pd.DataFrame:
    """The reports on the pose tables of these recordings, a row a camera; none of tracker files.

    Columns: recording, camera, precision, engines, decoders (of how many frames), frames_checked, largest_px
    (of the shrunk frame), largest_likelihood, fallback (why the faster way was not taken, or ""), and with a
    window in_window, at_half_size and whole: looks of these kinds a frame.
    """
    import pandas as pd

    rows = []
    for recording in recordings:
        for video in recording.cameras:
            path = report_path(CameraFiles(Path(workdir), recording.name, video.camera))
            if path.is_file():
                report = json.loads(path.read_text(encoding="utf-8"))
                rows.append(_as_row(report, video.recording, video.camera))
    columns = ["recording", "camera", "precision", "engines", "decoders", "frames_checked", "largest_px"]
    columns += ["largest_likelihood", "fallback", *LOOKS]
    return pd.DataFrame(rows, columns=columns)


def summarise_reports(reports: pd.DataFrame) -> dict[str, Any]:
    """What goes into the provenance: engines, largest differences over all videos, those that fell back."""
    if not len(reports):
        return {}
    fell = reports[reports["fallback"] != ""]
    return {
        "pose_engines": sorted(set(reports["engines"])),
        "decoders": sorted({name.split(":")[0] for told in reports["decoders"] for name in told.split(", ")}),
        "pose_frames_checked": int(reports["frames_checked"].sum()),
        "pose_largest_difference_px": float(reports["largest_px"].max()),
        "pose_largest_difference_likelihood": float(reports["largest_likelihood"].max()),
        "pose_fell_back": [f"{row.recording}, {row.camera}: {row.fallback}" for row in fell.itertuples()],
    }


def _as_row(report: dict[str, Any], recording: str, camera: str) -> dict[str, Any]:
    window = report["window"] or {}
    frames = max(window.get("frames", 0), 1)
    decoders = sorted(report.get("decoders", {}).items())
    shares = {name: window[name] / frames if window else np.nan for name in LOOKS}
    return {
        **report,
        "recording": recording,
        "camera": camera,
        "engines": ", ".join(report["engines"]),
        "decoders": ", ".join(f"{name}: {n} frames" for name, n in decoders),
    } | shares

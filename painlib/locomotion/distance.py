"""From places to moving distance within each second (Kobayashi et al. 2025, Locomotor activity).

The article gives no filter; this one is ours. (1) A place farther than `max_jump_cm` from the median of
0.3 s is a misdetection and counts as unseen. (2) Unseen stretches of up to `max_gap_s` are interpolated,
longer ones are NaN. (3) Places are smoothed over `smooth_s` (Savitzky-Golay, quadratic: it keeps turns).
(4) The animal is at rest where its place, from half a second before to half a second after, spans less
than `still_cm`; there jitter, breathing and grooming add nothing. Elsewhere the path's length counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import ndimage, signal

from painlib.faults import PainlibError
from painlib.params import LocomotionParams

JUMP_S = 0.3
REST_S = 1.0
SLOWEST_HZ = 4.0
SECONDS = 60  # a minute


@dataclass(frozen=True, eq=False)
class SmoothPath:
    """An animal's path at even times: `time_s` (n,), `xy` cm (n, 2), NaN where unknown; `seen` (n,) bool, the
    place was measured and not interpolated; `steps` cm (n - 1,), 0 at rest, NaN where unknown."""

    time_s: np.ndarray
    xy: np.ndarray
    seen: np.ndarray
    steps: np.ndarray


def trace_path(time_s: np.ndarray, xy: np.ndarray, params: LocomotionParams) -> SmoothPath:
    """The smoothed path from places `xy` (n, 2) cm, NaN where not seen, at rising times `time_s` (n,) s.

    The rate may vary: places are first put on even times, as far apart as the median frame. `PainlibError`
    below 4 frames a second.
    """
    time_s, xy = np.asarray(time_s, np.float64), np.asarray(xy, np.float64)
    step_s = float(np.median(np.diff(time_s))) if len(time_s) > 1 else 0.0
    if step_s == 0 or step_s > 1 / SLOWEST_HZ + 1e-6:
        rate = f"{1 / step_s:.3g} frames a second" if step_s else "one frame"
        raise PainlibError(
            f"Expected at least {SLOWEST_HZ:g} frames a second for the distance within each second, got "
            f"{rate}."
        )
    xy = drop_jumps(xy, step_s, params.max_jump_cm)
    even = time_s[0] + step_s * np.arange(round((time_s[-1] - time_s[0]) / step_s) + 1)
    placed, seen = _interpolate(time_s, xy, even, step_s, params.max_gap_s)
    smooth = placed.copy()
    resting = np.zeros(len(even), bool)
    for run in find_runs(np.isfinite(placed[:, 0])):
        smooth[run] = _smooth(placed[run], step_s, params.smooth_s)
        resting[run] = _span(smooth[run], step_s) < params.still_cm
    steps = np.linalg.norm(np.diff(smooth, axis=0), axis=1)
    still = resting[:-1] | resting[1:]
    return SmoothPath(even, smooth, seen, np.where(still & np.isfinite(steps), 0.0, steps))


def drop_jumps(xy: np.ndarray, step_s: float, max_jump_cm: float) -> np.ndarray:
    """`xy` with NaN where a place lies farther than `max_jump_cm` from the median of the 0.3 s around it.

    What stays wrong for longer than half of that passes.
    """
    width = max(3, 2 * round(JUMP_S / step_s / 2) + 1)
    median = pd.DataFrame(xy).rolling(width, center=True, min_periods=1).median().to_numpy()
    with np.errstate(invalid="ignore"):
        wrong = np.linalg.norm(xy - median, axis=1) > max_jump_cm
    return np.where(wrong[:, None], np.nan, xy)


def measure_seconds(path: SmoothPath, time_zero_s: float) -> pd.DataFrame:
    """Distance within each whole second that was filmed: `second` (from time zero, negative before it),
    `distance_cm` (NaN where a part of the second is unknown), `seen` (share of it, before interpolation)."""
    times = path.time_s - time_zero_s
    slack = 1e-6
    seconds = np.arange(int(np.ceil(times[0] - slack)), int(np.floor(times[-1] + slack)))
    edges = np.append(seconds, seconds[-1] + 1) if len(seconds) else np.zeros(1)
    unknown = np.isnan(path.steps)
    length = np.concatenate([[0.0], np.cumsum(np.where(unknown, 0.0, path.steps))])
    lost = np.concatenate([[0.0], np.cumsum(unknown * np.diff(times))])
    distance, lost_s = (np.diff(np.interp(edges, times, total)) for total in (length, lost))
    place = np.floor(times + slack).astype(int)
    share = pd.Series(path.seen.astype(float)).groupby(place).mean().reindex(seconds)
    return pd.DataFrame(
        {
            "second": seconds.astype("int64"),
            "distance_cm": np.where(lost_s > slack, np.nan, distance),
            "seen": share.to_numpy(np.float64),
        }
    )


def sum_minutes(seconds: pd.DataFrame, min_coverage: float) -> pd.DataFrame:
    """Minutes of one animal's seconds: `minute`, `n_filmed` and `n_measured` (seconds), `coverage` (measured
    share of the filmed), `distance_cm`.

    The distance is 60 times the mean of the measured seconds: an unknown second counts as the minute's mean,
    not as 0. It is NaN where fewer than `min_coverage` of 60 seconds were measured.
    """
    minute = np.floor_divide(seconds["second"], SECONDS)
    counts = seconds.groupby(minute)["distance_cm"].agg(["size", "count", "mean"])
    enough = (counts["count"] > 0) & (counts["count"] >= min_coverage * SECONDS)
    return pd.DataFrame(
        {
            "minute": counts.index.to_numpy("int64"),
            "n_filmed": counts["size"].to_numpy("int64"),
            "n_measured": counts["count"].to_numpy("int64"),
            "coverage": (counts["count"] / counts["size"]).to_numpy(np.float64),
            "distance_cm": (SECONDS * counts["mean"]).where(enough).to_numpy(np.float64),
        }
    )


def find_runs(known: np.ndarray) -> list[slice]:
    """The stretches of True, as slices."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(np.int8)))
    return [slice(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def _interpolate(
    time_s: np.ndarray, xy: np.ndarray, even: np.ndarray, step_s: float, max_gap_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Places at the even times, NaN in long gaps and outside; and whether each lies between seen frames."""
    seen = np.flatnonzero(np.isfinite(xy).all(axis=1))
    if not len(seen):
        return np.full((len(even), 2), np.nan), np.zeros(len(even), bool)
    at = time_s[seen]
    after = np.searchsorted(at, even - 1e-9 * step_s).clip(0, len(at) - 1)
    before = np.where(np.abs(at[after] - even) < 1e-6, after, (after - 1).clip(0))
    gap_s = at[after] - at[before]
    outside = (even < at[0] - step_s / 2) | (even > at[-1] + step_s / 2)
    known = ~outside & (gap_s <= max(max_gap_s + step_s, 1.5 * step_s) + 1e-9)
    places = np.column_stack([np.interp(even, at, xy[seen, axis]) for axis in (0, 1)])
    return np.where(known[:, None], places, np.nan), known & (gap_s <= 1.5 * step_s)


def _smooth(xy: np.ndarray, step_s: float, smooth_s: float) -> np.ndarray:
    width = 2 * round(smooth_s / step_s / 2) + 1
    width = min(width, len(xy) - (len(xy) + 1) % 2)
    return signal.savgol_filter(xy, width, 2, axis=0, mode="interp") if width > 3 else xy


def _span(xy: np.ndarray, step_s: float) -> np.ndarray:
    """Diagonal of the box that holds the places of the second around each, cm."""
    width = 2 * round(REST_S / step_s / 2) + 1
    high, low = (ndimage.maximum_filter1d(sign * xy, width, axis=0, mode="nearest") for sign in (1, -1))
    return np.linalg.norm(high + low, axis=1)

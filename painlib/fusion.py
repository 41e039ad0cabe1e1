"""Two cameras into one judgement a time point, and time points into minutes (paper, "Pain probability")."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from painlib.calibration import NOT_JUDGED, SKIPPED, abstain_calls, fuse_calibrated
from painlib.cohort import Recording
from painlib.faults import PainlibError

# Share of a frame interval by which times may be off because a file keeps them in whole milliseconds or
# ticks.
ROUNDING_SHARE = 0.05
# Frame times are sums of fractions: what lies this little before a full minute, s, belongs to the next one.
CLOCK_TOLERANCE_S = 1e-6
UNEQUAL = 0.1  # difference of the shares left out of both classes from which it is said; ours
NEVER_ABSTAIN = 0.5  # of two classes the likelier one is never less likely than this
# Two sums of probabilities closer than this differ by rounding only.
TIE = 1e-12


def pair_cameras(times: Mapping[str, np.ndarray], tolerance_s: float | None = None) -> pd.DataFrame:
    """Time points of a recording: which frames of its one or two cameras belong together.

    `times`: for each camera its frames' times on the recording's clock, s, increasing. Two frames are paired
    when each is the other's nearest and they lie within `tolerance_s` (default: half of the shorter of the
    cameras' median frame intervals). A frame without a partner (dropped frame, earlier start) is a time point
    of its own. Returns `time_s` (of the first camera; of the second where it is alone), increasing, and for
    each camera the position in its times, or -1.
    """
    names = list(times)
    clocks = [np.asarray(times[name], dtype=np.float64) for name in names]
    if not 1 <= len(names) <= 2:
        raise PainlibError(f"Expected the times of one or two cameras, got {len(names)}: {', '.join(names)}.")
    for name, clock in zip(names, clocks, strict=True):
        if not np.isfinite(clock).all() or (np.diff(clock) <= 0).any():
            raise PainlibError(f"Camera '{name}': expected frame times that increase, got times that do not.")
    if len(names) == 1:
        return pd.DataFrame({"time_s": clocks[0], names[0]: np.arange(len(clocks[0]))})

    first, second = clocks
    partner = np.full(len(first), -1, dtype=np.int64)
    intervals = [np.median(np.diff(clock)) for clock in clocks if len(clock) > 1]
    if len(first) and len(second) and (intervals or tolerance_s is not None):
        frame_s = min(intervals) if intervals else 0.0
        partner = _find_mutual(first, second, frame_s / 2 if tolerance_s is None else tolerance_s, frame_s)
    alone = np.setdiff1d(np.arange(len(second)), partner)
    table = pd.DataFrame(
        {
            "time_s": np.concatenate([first, second[alone]]),
            names[0]: np.concatenate([np.arange(len(first)), np.full(len(alone), -1)]),
            names[1]: np.concatenate([partner, alone]),
        }
    )
    return table.sort_values("time_s", kind="stable", ignore_index=True)


def fuse_timepoints(pairs: pd.DataFrame, probabilities: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """The judgement at each time point of `pair_cameras`, as the paper makes it.

    `probabilities`: for each camera (n_frames, 2), no pain and pain, in the order of its times, NaN where the
    frame has no face. Both cameras have a face: the probabilities are added class by class and the higher
    class wins; one has: that one; none: skipped. Equal sums are "no pain" (ours: the paper is silent, pain
    needs evidence). Returns time_s, n_faces (int8), p_no_pain and p_pain (sums over cameras, NaN without a
    face), call.
    """
    seen = _lay_out(pairs, probabilities)
    n_faces = (~np.isnan(seen).any(axis=2)).sum(axis=0)
    sums = np.where((n_faces > 0)[:, None], np.nansum(seen, axis=0), np.nan)
    call = np.where(sums[:, 1] - sums[:, 0] > TIE, "pain", "no pain").astype(object)
    call[n_faces == 0] = SKIPPED
    return pd.DataFrame(
        {
            "time_s": pairs["time_s"].to_numpy(),
            "n_faces": n_faces.astype(np.int8),
            "p_no_pain": sums[:, 0],
            "p_pain": sums[:, 1],
            "call": call,
        }
    )


def fuse_recording(
    recording: Recording,
    frames: pd.DataFrame,
    filmed: Mapping[str, pd.DataFrame],
    trained_on: bool,
    abstain_below: float = NEVER_ABSTAIN,
) -> pd.DataFrame:
    """Rows of the table `timepoints` for one recording.

    `frames`: its rows of the table `frames` (faces judged). `filmed`: for each camera every frame that was
    looked at, with a face or without: columns frame and time_s (the table `pose` has them). A face with a
    reason in `left_out` takes no part. A time point is "not judged" (ours) where all its faces were left out,
    or where the calibrated probability of what it was called is below `abstain_below` (0.5: never). `inside`
    is empty, not known, until `Novelty.mark` fills it in.
    """
    times = {camera: table["time_s"].to_numpy() for camera, table in filmed.items()}
    columns = ["p_no_pain", "p_pain", "p_pain_calibrated", "left_out"]
    judged, calibrated, left_out = {}, {}, {}
    for camera, table in filmed.items():
        faces = frames[frames["camera"] == camera].set_index("frame")[columns]
        unknown = faces.index.difference(pd.Index(table["frame"]))
        if len(unknown) or not faces.index.is_unique:
            raise PainlibError(
                f"Recording '{recording.name}', camera '{camera}': faces of frames that were not filmed, or "
                "two of one frame. Pose and faces are of different runs: run stage 01_crop again."
            )
        faces = faces.reindex(table["frame"])
        out = (faces["left_out"].fillna("") != "").to_numpy()
        numbers = faces[["p_no_pain", "p_pain", "p_pain_calibrated"]].to_numpy(np.float64, copy=True)
        numbers[out] = np.nan
        judged[camera], calibrated[camera] = numbers[:, :2], numbers[:, 2:]
        left_out[camera] = np.where(out, 1.0, np.nan)[:, None]
    pairs = pair_cameras(times)
    fused = fuse_timepoints(pairs, judged)
    p_calibrated = fuse_calibrated(_lay_out(pairs, calibrated)[:, :, 0])
    n_left_out = (~np.isnan(_lay_out(pairs, left_out)[:, :, 0])).sum(axis=0).astype(np.int8)
    call = abstain_calls(fused["call"].to_numpy(), p_calibrated, abstain_below)
    call[(call == SKIPPED) & (n_left_out > 0)] = NOT_JUDGED
    fused = fused.assign(n_left_out=n_left_out, p_pain_calibrated=p_calibrated, call=call)
    fused.insert(1, "minute", find_minutes(fused["time_s"].to_numpy(), recording.time_zero_s))
    fused.insert(0, "subject", recording.subject)
    fused.insert(0, "recording", recording.name)
    return fused.assign(trained_on=trained_on, inside="")


def note_abstention(timepoints: pd.DataFrame) -> str:
    """What leaving out faces and calls did to the pain probability, in words; "" where nothing was left out.

    `timepoints`: the table, of all recordings. A time point that is not judged is counted under the class
    that its own probabilities favour; where all its faces were too poor it has none.
    """
    seen = timepoints[timepoints["p_pain"].notna() & (timepoints["call"] != SKIPPED)]
    made = (seen["call"] != NOT_JUDGED).to_numpy()
    if made.all() or not made.any():
        return "" if made.all() else "No call was sure enough: nothing is judged"
    pain = (seen["p_pain"] - seen["p_no_pain"] > TIE).to_numpy()
    lost_pain, lost_other = (float((~made[own]).mean()) if own.any() else 0.0 for own in (pain, ~pain))
    told = (
        f"Calls left out as unsure: {lost_pain:.0%} of pain, {lost_other:.0%} of no pain; pain / (pain + no "
        f"pain) is {pain[made].mean():.2f}, with all calls {pain.mean():.2f}"
    )
    if abs(lost_pain - lost_other) < UNEQUAL:
        return told
    return f"{told}: moved by what was left out, not by the animals"


def find_minutes(time_s: np.ndarray, time_zero_s: float) -> np.ndarray:
    """Whole minutes since time zero, int64; before it they are negative (the last minute before is -1)."""
    return np.floor((np.asarray(time_s) - time_zero_s + CLOCK_TOLERANCE_S) / 60).astype(np.int64)


def minute_probability(
    timepoints: pd.DataFrame, time_zero_s: float = 0.0, min_coverage: float = 0.0
) -> pd.DataFrame:
    """Pain probability of each minute of one recording: pain / (pain + no pain) time points (paper: 1,800 a
    minute).

    `timepoints` has time_s and call. A minute is 60 s from `time_zero_s` at any frame rate. Every minute from
    the first to the last is there. One without a judged time point, or with a smaller share of them than
    `min_coverage` (0..1), has the probability NaN, never 0, and keeps its counts. Returns minute,
    n_timepoints, n_evaluated (called pain or no pain), n_pain, n_not_judged (with a face, but too poor or too
    unsure), coverage (n_evaluated / n_timepoints, NaN where nothing was filmed), pain_probability.
    """
    minute = find_minutes(timepoints["time_s"].to_numpy(), time_zero_s)
    call = timepoints["call"].to_numpy()
    first, length = (int(minute.min()), int(np.ptp(minute)) + 1) if len(minute) else (0, 0)

    def count(chosen: np.ndarray) -> np.ndarray:
        return np.bincount(minute[chosen] - first, minlength=length).astype(np.int64)

    n_timepoints, n_pain = count(np.ones(len(minute), dtype=bool)), count(call == "pain")
    n_evaluated = n_pain + count(call == "no pain")
    with np.errstate(invalid="ignore"):
        coverage = n_evaluated / n_timepoints
        probability = np.where(coverage >= min_coverage, n_pain / n_evaluated, np.nan)
    return pd.DataFrame(
        {
            "minute": np.arange(first, first + length, dtype=np.int64),
            "n_timepoints": n_timepoints,
            "n_evaluated": n_evaluated,
            "n_pain": n_pain,
            "n_not_judged": count(call == NOT_JUDGED),
            "coverage": coverage,
            "pain_probability": probability,
        }
    )


def summarise_minutes(recording: Recording, timepoints: pd.DataFrame, min_coverage: float) -> pd.DataFrame:
    """Rows of the table `minutes` for one recording, from its rows of the table `timepoints`."""
    minutes = minute_probability(timepoints, recording.time_zero_s, min_coverage)
    facts = {
        "recording": recording.name,
        "subject": recording.subject,
        "phase": recording.phase,
        "period": recording.period,
        "treatment": recording.treatment,
    }
    for place, (name, value) in enumerate(facts.items()):
        minutes.insert(place, name, value)
    return minutes.assign(trained_on=bool(timepoints["trained_on"].any()), inside="")


def window_means(minutes: pd.DataFrame, start_min: float, end_min: float) -> pd.DataFrame:
    """One row a recording: its pain probability over the whole minutes inside [start_min, end_min).

    `mean_of_minutes`: mean over the minutes that have a probability, each weighing the same. `pooled`: pain
    calls over judged time points of these same minutes, so that minutes with more faces weigh more. The paper
    does not say which its "30-min averages" are. Also n_minutes (with a probability), n_minutes_nan (filmed,
    without one), n_minutes_absent (not in the recording), n_evaluated, n_pain (of the minutes with a
    probability), n_not_judged and coverage over all minutes of the window.
    """
    inside = minutes[(minutes["minute"] >= start_min) & (minutes["minute"] + 1 <= end_min)]
    n_window = int(np.floor(end_min) - np.ceil(start_min))
    if n_window < 1:
        raise PainlibError(
            f"Expected a window of at least one whole minute, got {start_min} to {end_min} min."
        )
    carried = ["subject", "phase", "period", "treatment", "trained_on", "inside"]
    rows = []
    for name, whole in minutes.groupby("recording", sort=False):
        part = inside[inside["recording"] == name]
        counted = part[part["pain_probability"].notna()]
        evaluated, pain = int(counted["n_evaluated"].sum()), int(counted["n_pain"].sum())
        filmed = int(part["n_timepoints"].sum())
        rows.append(
            {"recording": name}
            | {column: whole[column].iloc[0] for column in carried if column in whole}
            | {
                "mean_of_minutes": counted["pain_probability"].mean(),
                "pooled": pain / evaluated if evaluated else np.nan,
                "n_minutes": len(counted),
                "n_minutes_nan": len(part) - len(counted),
                "n_minutes_absent": n_window - len(part),
                "n_evaluated": evaluated,
                "n_pain": pain,
                "n_not_judged": int(part["n_not_judged"].sum()),
                "coverage": part["n_evaluated"].sum() / filmed if filmed else np.nan,
            }
        )
    return pd.DataFrame(rows)


def _lay_out(pairs: pd.DataFrame, values: Mapping[str, np.ndarray]) -> np.ndarray:
    """(n_cameras, n_timepoints, k) each camera's values (n_frames, k) at the time points of `pairs`; NaN
    where the camera has no frame."""
    cameras = [name for name in pairs.columns if name != "time_s"]
    width = np.shape(values[cameras[0]])[1]
    laid = np.full((len(cameras), len(pairs), width), np.nan)
    for own, camera in zip(laid, cameras, strict=True):
        position = pairs[camera].to_numpy()
        own[position >= 0] = np.asarray(values[camera], dtype=np.float64)[position[position >= 0]]
    return laid


def _find_mutual(first: np.ndarray, second: np.ndarray, tolerance_s: float, frame_s: float) -> np.ndarray:
    """For each time of `first` the position in `second` of its partner: each the other's nearest, within
    tolerance.

    Where the clocks differ by half a frame both neighbours are equally near up to rounding. Such ties go to
    the later frame of the second camera and the earlier one of the first, the same way all along, or every
    other pair would be lost.
    """
    slack = ROUNDING_SHARE * frame_s
    to_second = _find_nearest(first, second, slack, later=True)
    to_first = _find_nearest(second, first, slack, later=False)
    mutual = to_first[to_second] == np.arange(len(first))
    near = np.abs(second[to_second] - first) <= tolerance_s + slack
    return np.where(mutual & near, to_second, -1)


def _find_nearest(times: np.ndarray, others: np.ndarray, slack: float, later: bool) -> np.ndarray:
    """Position of the nearest of `others` for each time; within `slack` of a tie the later (or earlier)
    one."""
    after = np.searchsorted(others, times).clip(0, len(others) - 1)
    before = (after - 1).clip(0)
    lead = np.abs(times - others[before]) - np.abs(times - others[after])
    return np.where(lead > (-slack if later else slack), after, before)

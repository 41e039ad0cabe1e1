"""How far a probability can be believed: calibration, abstention, and faces too poor to be judged."""

from painlib.calibration.abstaining import (
    NOT_JUDGED,
    SKIPPED,
    abstain_calls,
    check_abstention,
    count_calls,
    find_call_confidence,
    fuse_calibrated,
    judge_or_abstain,
)
from painlib.calibration.fitting import (
    cross_calibrate,
    cross_estimate_shown,
    fit_calibration,
    fit_fold_calibrations,
)
from painlib.calibration.latent import score_latent
from painlib.calibration.limits import choose_limits, find_quality_limits, place_limits, score_quality_bins
from painlib.calibration.quality import (
    MEASURES,
    REASONS,
    count_left_out,
    gate_faces,
    measure_quality,
)
from painlib.calibration.scores import (
    PROBABILITIES,
    compute_ece,
    mark_latent_pain,
    reliability_table,
    score_calibration,
)
from painlib.calibration.selective import RiskCoverage, score_abstention
from painlib.model_card import Calibration, QualityLimits

__all__ = [
    "MEASURES",
    "NOT_JUDGED",
    "PROBABILITIES",
    "REASONS",
    "SKIPPED",
    "Calibration",
    "QualityLimits",
    "RiskCoverage",
    "abstain_calls",
    "check_abstention",
    "choose_limits",
    "compute_ece",
    "count_calls",
    "count_left_out",
    "cross_calibrate",
    "cross_estimate_shown",
    "find_call_confidence",
    "find_quality_limits",
    "fit_calibration",
    "fit_fold_calibrations",
    "fuse_calibrated",
    "gate_faces",
    "judge_or_abstain",
    "mark_latent_pain",
    "measure_quality",
    "place_limits",
    "reliability_table",
    "score_abstention",
    "score_calibration",
    "score_latent",
    "score_quality_bins",
]

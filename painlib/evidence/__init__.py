"""Evidence outside the face is an alarm: does the classifier read the background?"""

from painlib.evidence.measuring import Evidence, find_share_outside, measure_evidence
from painlib.evidence.outline import find_head_scale, place_head
from painlib.evidence.verdict import EvidenceThresholds, Verdict, judge_evidence

__all__ = [
    "Evidence",
    "EvidenceThresholds",
    "Verdict",
    "find_head_scale",
    "find_share_outside",
    "judge_evidence",
    "measure_evidence",
    "place_head",
]

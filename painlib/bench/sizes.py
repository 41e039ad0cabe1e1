"""How large the benchmark is: the short form, the long one, and the one that the tests run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

FACELESS = 0.37  # of the frames show no face (864,000 frames, 545,000 faces)


@dataclass(frozen=True)
class BenchSize:
    """Frames, faces and networks of one form of the benchmark. Pixels are those of each side named."""

    name: str
    repeats: int
    # The 4K clip
    width: int
    height: int
    drawn_width: int  # the mouse is drawn at this width and enlarged
    n_frames: int
    file_frames: int  # of the clip that the published way splits into image files
    chain_frames: int  # of a clip of its own for the whole chain, with the pose network
    pose_frames: int  # of these for pose alone
    crop_px: int
    bit_rate: float  # bit/s at 30 frames a second
    # The pose network
    pose_width: int
    pose_height: int
    backbone: str
    # The classifier
    input_px: int
    channels: tuple[int, ...]
    head_widths: tuple[int, ...]
    train_faces: int  # of one epoch
    train_batch: int
    judged_faces: int
    # Pairs
    pair_faces: int
    pair_features: int
    # The matrix product
    gemm_side: int
    # The drawn cohort: 8 small videos, for decisions and for two workers against one
    cohort_minutes: float
    cohort_fps: float
    cohort_labels: int  # labelled frames of each video
    cohort_pose_epochs: int
    cohort_epochs: int


PAPER_NET: Any = {"input_px": 224, "channels": (32, 64, 128, 128, 256, 256), "head_widths": (128, 64)}
CAMCORDER: Any = {"width": 3840, "height": 2160, "drawn_width": 1280, "crop_px": 800, "bit_rate": 85e6}
PAPER_POSE: Any = {"pose_width": 1280, "pose_height": 720, "backbone": "resnet_50"}

SHORT = BenchSize(
    name="short", repeats=5, n_frames=57, file_frames=19, chain_frames=4, pose_frames=2, train_faces=64,
    train_batch=64, judged_faces=64, pair_faces=2000, pair_features=128, gemm_side=1024, cohort_minutes=0.3,
    cohort_fps=5.0, cohort_labels=8, cohort_pose_epochs=30, cohort_epochs=4,
    **CAMCORDER, **PAPER_POSE, **PAPER_NET,
)  # fmt: skip
LONG = BenchSize(
    name="long", repeats=7, n_frames=304, file_frames=57, chain_frames=57, pose_frames=19,
    train_faces=1280, train_batch=128, judged_faces=512, pair_faces=10_000, pair_features=512,
    gemm_side=2048, cohort_minutes=2, cohort_fps=10.0, cohort_labels=20, cohort_pose_epochs=40,
    cohort_epochs=8, **CAMCORDER, **PAPER_POSE, **PAPER_NET,
)  # fmt: skip
TINY = BenchSize(
    name="tiny", repeats=1, width=640, height=360, drawn_width=320, n_frames=8, file_frames=8, chain_frames=4,
    pose_frames=4, crop_px=134, bit_rate=8e6, pose_width=160, pose_height=90, backbone="test_byobnet",
    input_px=64, channels=(8, 8, 8, 8, 8, 8), head_widths=(8, 8), train_faces=16, train_batch=16,
    judged_faces=8, pair_faces=120, pair_features=16, gemm_side=256, cohort_minutes=0.03, cohort_fps=5.0,
    cohort_labels=2, cohort_pose_epochs=1, cohort_epochs=1,
)  # fmt: skip

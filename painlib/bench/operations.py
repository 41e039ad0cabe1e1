"""How much arithmetic each stage is, whatever computes it; a matrix product's rate makes a floor of it."""

from __future__ import annotations

import torch

from painlib.bench import ours
from painlib.bench.ceilings import count_module
from painlib.bench.stages import Ground, list_small_frames, measure_window
from painlib.bench.summary import FACES, FRAMES, WINDOW


def count_operations(ground: Ground) -> dict[str, float]:
    """Floating point operations a frame (pose), a face (the others), by stage; decoding is not in it.

    `WINDOW`: a frame with a face is looked at once, through a window, one without once, at half its sides.
    """
    size = ground.size
    images = list_small_frames(ground.chain_clip, size)
    height, width = images[0].shape[:2]
    seen = FACES / FRAMES
    pose = ground.network._runner.model
    face = torch.zeros(1, 3, size.input_px, size.input_px)
    in_training = ours.make_classifier(size).train()
    return {
        "pose": count_module(pose, _blank(height, width)),
        WINDOW: seen * count_module(pose, _blank(*measure_window(ground.clip, images[0])))
        + (1 - seen) * count_module(pose, _blank(height // 2, width // 2)),
        "training step with input": count_module(in_training, face.expand(4, -1, -1, -1), train=True),
        "prediction and Grad-CAM": count_module(ground.net, face),
        # Half of the faces against the other half; one product serves both directions.
        "nearest pairs": size.pair_faces / 4 * 2 * size.pair_features,
    }


def _blank(height: int, width: int) -> torch.Tensor:
    return torch.zeros(1, 3, height, width)

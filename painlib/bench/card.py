"""The same work on a graphics card, where there is one: rates, and the share of its measured ceiling."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from painlib.attribution import judge_with_maps
from painlib.bench import ceilings, ours
from painlib.bench.operations import count_operations
from painlib.bench.sizes import BenchSize
from painlib.bench.stages import Ground, list_small_frames
from painlib.faces import load_network_inputs
from painlib.pose import load_pose_network

CARD_BATCH = 128  # the published one
CARD_PRODUCT = 8192  # side of the matrices; smaller ones do not fill a card
TRAINING, JUDGING = "training step with input", "prediction and Grad-CAM"
TIMES = 16  # as much work as on a processor, and more: a card is quick
COLUMNS = ("what", "a_second", "lowest", "highest", "unit", "ceiling_share")


def measure_card(ground: Ground, device: str = "cuda", product: int = CARD_PRODUCT) -> pd.DataFrame:
    """Frames, training faces and judged faces a second on `device`, wall time, from images in memory on.

    `ceiling_share`: floating point operations of that work over those of a bfloat16 matrix product in the
    same time. "cpu" works too, which the tests use.
    """
    size = replace(ground.size, train_batch=max(ground.size.train_batch, CARD_BATCH))
    images = list_small_frames(ground.chain_clip, size) * TIMES
    inputs = _tile_inputs(ground, size.train_faces * TIMES)
    network = load_pose_network(ground.network_folder, device=device)
    net = ours.make_classifier(size).to(device)
    labels = np.arange(len(inputs)) % 2
    multiply, operations = ceilings.make_product(product, "bfloat16", device)
    ceiling = _measure(multiply, operations, size.repeats)
    each = count_operations(ground)
    pose = _measure(partial(network.predict, images, "auto"), len(images), size.repeats)
    judging = _measure(partial(judge_with_maps, net, inputs, 256, device, "auto"), len(inputs), size.repeats)
    training = _measure_training(inputs, labels, size, device)
    rows = [
        ("matrix product", *ceiling, "operation", 1.0),
        ("pose", *pose, "frame", each["pose"] * pose[0] / ceiling[0]),
        ("training", *training, "face", each[TRAINING] * training[0] / ceiling[0]),
        (JUDGING, *judging, "face", each[JUDGING] * judging[0] / ceiling[0]),
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _tile_inputs(ground: Ground, n: int) -> np.ndarray:
    cache = ground.folder / "work" / "card_inputs.npy"
    rows = np.arange(len(ground.store))
    inputs = np.array(load_network_inputs(ground.store, rows, ground.size.input_px, cache))
    return inputs[np.arange(n) % len(inputs)]


def _measure(run: Callable[[], Any], units: float, repeats: int) -> tuple[float, float, float]:
    """Units a second: median, lowest, highest, after one run that is not counted."""
    run()
    rates = []
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        rates.append(units / (time.perf_counter() - begin))
    return float(np.median(rates)), min(rates), max(rates)


def _measure_training(
    inputs: np.ndarray, labels: np.ndarray, size: BenchSize, device: str
) -> tuple[float, float, float]:
    """As `_measure`, of epochs: each run's second one."""
    rates = []
    for _ in range(size.repeats):
        cost = ours.train_epoch(inputs, labels, size, device, n_faces=len(inputs)).costs["epoch"]
        rates.append(len(inputs) / cost.wall_s)
    return float(np.median(rates)), min(rates), max(rates)

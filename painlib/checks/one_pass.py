"""A run of `predict.from_video`: the model's pose network, room for its squares, room for faces meanwhile."""

from __future__ import annotations

from typing import cast

from painlib.checks.findings import Findings
from painlib.checks.places import check_disk
from painlib.checks.videos import Film, check_crop_px
from painlib.params import PredictParams

FILMS_OF_A_RECORDING = 2  # a worker's share of the disk


def check_one_pass(params: PredictParams, films: dict[str, Film], findings: Findings) -> None:
    """What `01_crop` is checked for otherwise, of the model that stands in its place."""
    from painlib.faces.crop import Border
    from painlib.judging import check_model
    from painlib.model_card import read_card
    from painlib.one_pass import find_pose_network
    from painlib.pose import load_pose_network

    assert params.model is not None
    with findings.gather("predict.model: "):
        card = read_card(params.model)
        side, border = card.crop.crop_px, cast(Border, card.crop.border)
        check_crop_px(side, border, films, findings, "predict.model, faces cut as its own were")
        most = FILMS_OF_A_RECORDING * params.workers
        check_disk(params.workdir, side, card.architecture.input_px, films, findings, most)
        check_model(card, params)
        network = load_pose_network(find_pose_network(params.model, card))
        findings.tell("pose network", ", ".join(name for name in network.point_names if name))

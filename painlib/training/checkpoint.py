"""A training's state on disk, whole or absent: a killed training goes on from its last finished epoch."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from painlib.faults import PainlibError
from painlib.model import PainNet
from painlib.tables import write_whole

CHECKPOINT_FORMAT = 3


def save_checkpoint(
    path: Path,
    identity: str,
    net: PainNet,
    optimizer: torch.optim.Optimizer,
    history: list[dict[str, Any]],
) -> None:
    """Keep network, optimiser and history; `identity` says of which training they are.

    No random generator's state is kept: each epoch's draws follow from the seed and the epoch's number.
    """
    state = {
        "identity": identity,
        "history": history,
        "net": net.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    with write_whole(path) as temporary:
        torch.save(state, temporary)


def load_checkpoint(
    path: Path, identity: str, net: PainNet, optimizer: torch.optim.Optimizer
) -> list[dict[str, Any]]:
    """Put the checkpoint of the training `identity` into network and optimiser; gives the history so far.

    No file, or one of another training: both stay as they are and the history is empty. A file that is no
    checkpoint raises `PainlibError`. No code from the file runs.
    """
    if not path.exists():
        return []
    try:
        state = torch.load(path, map_location=next(net.parameters()).device, weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise PainlibError(
            f"{path}: expected a training's checkpoint, got something else. Delete the file."
        ) from error
    if not isinstance(state, dict) or state.get("identity") != identity:
        return []
    net.load_state_dict(state["net"])
    optimizer.load_state_dict(state["optimizer"])
    return list(state["history"])

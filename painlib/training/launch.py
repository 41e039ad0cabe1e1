"""A training in several processes: `accelerate launch` starts them, on this machine or on several, and their
network is read back.

Each process is `python -m painlib.training.process FOLDER` (see there for what they share). For several
machines, `launch` is a command that starts such a process on each, for instance a laboratory's script with

    srun --nodes 2 --ntasks-per-node 1 bash -c 'accelerate launch --multi_gpu \\
        --num_machines 2 --num_processes 8 --machine_rank $SLURM_PROCID \\
        --main_process_ip NODE --main_process_port 29500 "$@"' _ "$@"

The words `-m painlib.training.process FOLDER` are added to it. FOLDER lies beside the checkpoint, so on a
disk that all machines see. A process that dies, or is not heard of for `SILENCE_S`, ends all.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from painlib.faults import PainlibError
from painlib.model import PainNet
from painlib.progress import PROGRESS_VARIABLE, report_progress
from painlib.training.loop import DECIDING, WIDTHS, Task

SECONDS_BETWEEN_LOOKS = 0.3
SILENCE_S = 1800.0  # without a sign of life, s
LAST_WORDS = 12  # lines of a failed launch that are shown
TASK_FILE, RESULT_FILE, FAULT_FILE = "task.json", "result.pt", "fault.txt"
INPUTS_FILE, LABELS_FILE, ROWS_FILE = "inputs.npy", "labels.npy", "rows.npy"
PROGRESS_FILE, OUTPUT_FILE = "progress.jsonl", "output.txt"


def launch_training(
    task: Task, processes: int, launch: str, log: Callable[[dict[str, Any]], None] | None = None
) -> tuple[PainNet, list[dict[str, Any]]]:
    """`run_epochs` by `processes` processes that share every batch: the network, and its history.

    `launch`: the command that starts them; empty: `accelerate launch` on this machine. Raises `PainlibError`
    where one of them fails, dies, or is silent for `SILENCE_S`; what they finished is in the checkpoint.
    """
    with _open_folder(task.checkpoint) as folder:
        _write_task(folder, task, processes)
        command = [*_list_command(launch, processes), "-m", "painlib.training.process", str(folder)]
        with open(folder / OUTPUT_FILE, "wb") as output:
            process = subprocess.Popen(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=_choose_environment(folder, task, processes),
            )
        try:
            code = _follow(process, folder, task.description)
        except BaseException:
            _end(process)
            raise
        if code or not (folder / RESULT_FILE).is_file():
            raise PainlibError(_explain(folder, processes, code))
        result = torch.load(folder / RESULT_FILE, map_location=task.device, weights_only=True)
    # Nothing is drawn: the weights are all given.
    with torch.random.fork_rng(devices=[]):
        net = PainNet(task.params.channels, task.params.head_widths, task.params.input_px)
    net.load_state_dict(result["net"])
    history = list(result["history"])
    for row in history[result["first"] :]:
        if log:
            log(dict(row))
    return net.to(task.device).to(memory_format=torch.channels_last).eval(), history


@contextlib.contextmanager
def _open_folder(checkpoint: Path | None) -> Iterator[Path]:
    beside = None if checkpoint is None else Path(checkpoint).resolve().parent
    if beside is not None:
        beside.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="processes_", dir=beside) as folder:
        yield Path(folder)


def _write_task(folder: Path, task: Task, processes: int) -> None:
    inputs = task.inputs
    np.save(folder / LABELS_FILE, task.labels)
    np.save(folder / ROWS_FILE, task.rows)
    kept: dict[str, Any] = {"path": str(folder / INPUTS_FILE), "offset": None}
    # A whole file mapped into memory is opened by each process itself; anything else is written out once.
    if isinstance(inputs, np.memmap) and not isinstance(inputs.base, np.ndarray):
        kept = {"path": str(Path(str(inputs.filename)).resolve()), "offset": int(inputs.offset)}
    else:
        np.save(folder / INPUTS_FILE, np.asarray(inputs))
    params = {name: getattr(task.params, name) for name in DECIDING}
    params |= {name: list(getattr(task.params, name)) for name in WIDTHS}
    content = {
        "inputs": {**kept, "shape": list(inputs.shape)},
        "params": params,
        "seed": task.seed,
        "device": task.device.type,
        "precision": task.precision,
        "processes": processes,
        "checkpoint": None if task.checkpoint is None else str(Path(task.checkpoint).resolve()),
        "tensorboard": None if task.tensorboard is None else str(Path(task.tensorboard).resolve()),
        "description": task.description,
        "parent": [platform.node(), os.getpid()],
    }
    (folder / TASK_FILE).write_text(json.dumps(content), encoding="utf-8")


def _list_command(launch: str, processes: int) -> list[str]:
    if launch.strip():
        return shlex.split(launch)
    # --multi_gpu is accelerate's way to start several processes; without a GPU the environment says CPU.
    here = [
        "--multi_gpu",
        "--num_machines",
        "1",
        "--num_processes",
        str(processes),
        "--main_process_port",
        "0",
    ]
    return [
        *(sys.executable, "-m", "accelerate.commands.launch"),
        *(*here, "--mixed_precision", "no", "--dynamo_backend", "no"),
    ]


def _choose_environment(folder: Path, task: Task, processes: int) -> dict[str, str]:
    environment = {**os.environ, PROGRESS_VARIABLE: str(folder / PROGRESS_FILE)}
    if task.device.type == "cpu":
        threads = max(1, torch.get_num_threads() // processes)
        environment |= {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": str(threads)}
    return environment


def _follow(process: subprocess.Popen[bytes], folder: Path, description: str) -> int:
    """Show the processes' progress until they end; gives the exit status."""
    heard, shown = time.monotonic(), None
    while True:
        code = process.poll()
        lines = _read(folder / PROGRESS_FILE).splitlines()
        if lines and lines[-1] != shown:
            heard, shown = time.monotonic(), lines[-1]
            with contextlib.suppress(ValueError, KeyError):
                step = json.loads(shown)
                report_progress(description, step["done"], step["total"])
        if code is not None:
            return code
        if time.monotonic() - heard > SILENCE_S:
            raise PainlibError(
                f"Expected {description} to go on, heard nothing of its processes for {SILENCE_S / 60:.0f} "
                f"min: they were ended. What they finished is kept: run again.\n{_last_words(folder)}"
            )
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the launcher and all that it started."""
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        own = psutil.Process(process.pid)
        for one in [*own.children(recursive=True), own]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
    process.wait()


def _explain(folder: Path, processes: int, code: int) -> str:
    if fault := _read(folder / FAULT_FILE):
        return fault
    return (
        f"Expected {processes} processes to train together, but one of them ended early (exit status {code} "
        "of the launch). Most often memory ran out, or a machine was lost: use fewer `processes` or a "
        f"smaller `batch`. Finished epochs are kept: run again.\n{_last_words(folder)}"
    )


def _last_words(folder: Path) -> str:
    return "\n".join(_read(folder / OUTPUT_FILE).splitlines()[-LAST_WORDS:])


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""

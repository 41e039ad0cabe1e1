"""Several processes that train one network: the steps of one process, one error when one of them dies."""

import os
import signal
import threading
import time
from dataclasses import replace

import numpy as np
import psutil
import pytest
import torch
import torch.multiprocessing as multiprocessing
from test_training import Settings, draw_faces

from painlib.faults import PainlibError
from painlib.model import PainNet
from painlib.prediction import predict_faces
from painlib.training import launch as training_launch, train_classifier
from painlib.training.launch import launch_training
from painlib.training.loop import take_share
from painlib.training.process import SharedBatchNorm, share_norms

SMALL = Settings(epochs=2, faces_per_epoch=43, batch=8)  # batches of 8, and one of 11


class One:
    """Process `index` of `count`."""

    def __init__(self, index: int, count: int) -> None:
        self.index, self.count = index, count


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_processes_share_every_batch_without_a_gap(count):
    batches = [slice(0, 8), slice(8, 19)]
    shares = [take_share(batches, One(index, count)) for index in range(count)]
    for number, batch in enumerate(batches):
        faces = [face for share in shares for face in range(share[number].start, share[number].stop)]
        assert faces == list(range(batch.start, batch.stop))
        sizes = [share[number].stop - share[number].start for share in shares]
        assert max(sizes) - min(sizes) <= 1


def test_more_processes_than_faces_in_a_batch_are_refused():
    with pytest.raises(PainlibError, match="at most 3, the faces of the smallest batch, got 4"):
        take_share([slice(0, 8), slice(8, 11)], One(0, 4))


def build_net() -> PainNet:
    torch.manual_seed(0)
    return PainNet((4, 6, 8, 8, 8, 8), (8, 6), 64).double()


def take_part(index: int, folder: str) -> None:
    """In one of two processes: an uneven part of a batch, normalised, and through a step of the network;
    everything in float64 but the sums, which `SharedBatchNorm` makes in float32."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"file://{folder}/meet", rank=index, world_size=2)
    x, weights, images, answers = torch.load(f"{folder}/batch.pt")
    part = slice(0, 3) if index == 0 else slice(3, 8)
    norm = SharedBatchNorm(4)
    norm.weight.data, norm.bias.data = torch.linspace(0.5, 2, 4), torch.linspace(-1, 1, 4)
    own = x[part].clone().requires_grad_()
    result = norm(own)
    (result * weights[part]).sum().backward()
    gradients = [own.grad, norm.weight.grad, norm.bias.grad]
    found = [result.detach(), *gradients, norm.running_mean, norm.running_var]

    net = build_net().train()
    share_norms(net)
    joined = torch.nn.parallel.DistributedDataParallel(net, broadcast_buffers=False)
    loss = torch.nn.functional.cross_entropy(joined(images[part]), answers[part])
    (loss * (2 * len(answers[part]) / len(answers))).backward()
    step = {name: parameter.grad for name, parameter in net.named_parameters()}
    torch.save((found, step), f"{folder}/{index}.pt")
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def shared_batch(tmp_path_factory):
    """A batch, and what each of two processes made of its part."""
    folder = tmp_path_factory.mktemp("two")
    generator = torch.Generator().manual_seed(0)
    x, weights = torch.randn(2, 8, 4, 5, 6, generator=generator) * 3 + 7
    images, answers = torch.randint(0, 256, (8, 3, 64, 64), generator=generator), torch.arange(8) % 2
    batch = (x, weights, images.double(), answers)
    torch.save(batch, folder / "batch.pt")
    multiprocessing.spawn(take_part, (str(folder),), nprocs=2)
    return batch, [torch.load(folder / f"{index}.pt") for index in (0, 1)]


def test_normalisation_is_that_of_the_whole_batch_forwards_and_backwards(shared_batch):
    (x, weights, _, _), ((first, _), (second, _)) = shared_batch
    plain = torch.nn.BatchNorm2d(4).double()
    plain.weight.data = torch.linspace(0.5, 2, 4).double()
    plain.bias.data = torch.linspace(-1, 1, 4).double()
    whole = x.double().requires_grad_()
    expected = plain(whole)
    (expected * weights.double()).sum().backward()
    close = {"rtol": 1e-4, "atol": 1e-4, "check_dtype": False}
    torch.testing.assert_close(torch.cat([first[0], second[0]]), expected.detach(), **close)
    torch.testing.assert_close(torch.cat([first[1], second[1]]), whole.grad, **close)
    sums = {"rtol": 1e-4, "atol": 1e-2, "check_dtype": False}
    torch.testing.assert_close(first[2] + second[2], plain.weight.grad, **sums)
    torch.testing.assert_close(first[3] + second[3], plain.bias.grad, **sums)
    for one in (first, second):
        torch.testing.assert_close(one[4], plain.running_mean, **close)
        torch.testing.assert_close(one[5], plain.running_var, **close)


def test_gradients_of_a_step_are_those_of_the_whole_batch(shared_batch):
    (_, _, images, answers), ((_, first), (_, second)) = shared_batch
    net = build_net().train()
    torch.nn.functional.cross_entropy(net(images), answers).backward()
    for name, parameter in net.named_parameters():
        for got in (first[name], second[name]):
            scale = float(parameter.grad.abs().max())
            assert float((got - parameter.grad).abs().max()) <= 1e-4 * scale + 1e-9, name


def test_two_processes_train_the_network_of_one(tmp_path):
    faces, labels = draw_faces(60, seed=0)
    np.save(tmp_path / "faces.npy", faces)
    mapped = np.load(tmp_path / "faces.npy", mmap_mode="r")
    rows = np.arange(6, 56)
    one = train_classifier(mapped, labels, rows, SMALL, seed=3)
    seen: list[dict] = []
    path = tmp_path / "fold" / "checkpoint.pt"
    two = train_classifier(
        mapped, labels, rows, replace(SMALL, processes=2), 3, checkpoint=path, log=seen.append
    )
    assert two.history["epoch"].tolist() == [1, 2]
    assert seen == two.history.to_dict("records")
    np.testing.assert_allclose(two.history["loss"], one.history["loss"], rtol=1e-3)
    expected = one.net.state_dict()
    for name, tensor in two.net.state_dict().items():
        torch.testing.assert_close(tensor, expected[name], rtol=0.02, atol=2e-3, msg=name)
    new, _ = draw_faces(40, seed=1)
    got, plain = (predict_faces(trained.net, new, 40, "cpu") for trained in (two, one))
    np.testing.assert_allclose(got, plain, atol=0.01)
    assert [file.name for file in path.parent.iterdir()] == ["checkpoint.pt"]
    assert not two.net.training


def kill_one(found: list[int]) -> None:
    """Kill one of the training processes that this process has started, once two are there."""
    while len(found) < 2:
        time.sleep(0.1)
        found.clear()
        for child in psutil.Process().children(recursive=True):
            try:
                words = child.cmdline()
            except psutil.Error:
                continue
            if "painlib.training.process" in words and "accelerate.commands.launch" not in words:
                found.append(child.pid)
    os.kill(found[-1], signal.SIGKILL)


@pytest.mark.verify
def test_a_process_that_dies_gives_one_error_and_leaves_nothing_behind():
    faces, labels = draw_faces(40, seed=0)
    found: list[int] = []
    threading.Thread(target=kill_one, args=(found,), daemon=True).start()
    with pytest.raises(PainlibError, match="2 processes to train together, but one of them ended early"):
        train_classifier(faces, labels, np.arange(40), replace(SMALL, epochs=10_000, processes=2), seed=3)
    assert len(found) == 2
    assert not any(psutil.pid_exists(number) for number in found)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("import sys; sys.exit(3)", r"exit status 3 of the launch"),
        ("print('no such card'); raise SystemExit(1)", "no such card"),
        ("import time; time.sleep(600)", "heard nothing of its processes"),
    ],
)
def test_a_launch_that_fails_or_is_silent_is_one_error(monkeypatch, script, expected):
    import sys

    from painlib.training.loop import Task

    monkeypatch.setattr(training_launch, "SILENCE_S", 1.0)
    faces, labels = draw_faces(4, seed=0)
    task = Task(faces, labels, np.arange(4), SMALL, 0, torch.device("cpu"), "float32")
    with pytest.raises(PainlibError, match=expected):
        launch_training(task, 2, f'{sys.executable} -c "{script}"')

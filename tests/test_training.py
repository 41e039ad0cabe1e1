"""Training: learns what is there, repeats exactly, resumes exactly, and says what is missing."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from painlib.faults import PainlibError
from painlib.prediction import predict_faces
from painlib.training import batches, choose_precision, loop as training_loop, train_classifier
from painlib.training.device_batches import DeviceFaces

PX = 64


@dataclass(frozen=True)
class Settings:
    input_px: int = PX
    channels: tuple[int, ...] = (4, 4, 4, 4, 4, 4)
    head_widths: tuple[int, ...] = (4, 4)
    epochs: int = 4
    faces_per_epoch: int = 24
    batch: int = 8
    learning_rate: float = 1e-3
    rotation_deg: float = 20.0
    flip: bool = True
    precision: str = "float32"
    device: str = "cpu"
    processes: int = 1
    launch: str = ""


@pytest.fixture(autouse=True)
def _one_thread():
    """Sums over threads depend on their number; weights are compared bit by bit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def draw_faces(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Round eyes without pain, slits with: (n, 64, 64, 3) uint8 on grey noise, and labels (n,)."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    y, x = np.mgrid[:PX, :PX]
    faces = rng.integers(90, 130, (n, PX, PX, 3), dtype=np.uint8)
    for face, label in zip(faces, labels, strict=True):
        for side in (-14, 14):
            dx, dy = x - 32 - side + rng.uniform(-3, 3), y - 30 + rng.uniform(-3, 3)
            face[(dx / 7) ** 2 + (dy / (2.0 if label else 7.0)) ** 2 < 1] = 20
    return faces, labels


def weights(net) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def assert_same(net, other) -> None:
    for name, tensor in weights(net).items():
        assert torch.equal(tensor, other[name]), name


LEARNS = Settings(
    channels=(8, 8, 16, 16, 16, 16),
    head_widths=(8, 8),
    epochs=8,
    faces_per_epoch=256,
    batch=32,
    learning_rate=3e-3,
)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_faces_that_differ_are_told_apart(precision):
    faces, labels = draw_faces(200, seed=0)
    trained = train_classifier(faces, labels, np.arange(200), replace(LEARNS, precision=precision), seed=0)
    new_faces, new_labels = draw_faces(100, seed=1)
    called = predict_faces(trained.net, new_faces, 64, "cpu")[:, 1] > 0.5
    assert (called == new_labels).mean() > 0.95
    assert trained.history["loss"].iloc[-1] < 0.5 * trained.history["loss"].iloc[0]
    assert trained.history["accuracy"].iloc[-1] > 0.9
    assert trained.precision == precision
    assert {parameter.dtype for parameter in trained.net.parameters()} == {torch.float32}


def test_labels_that_say_nothing_are_not_learned():
    faces, looks = draw_faces(200, seed=0)
    # Each kind of face carries both labels equally often.
    labels = (np.arange(200) // 2) % 2
    assert labels[looks == 1].mean() == labels[looks == 0].mean() == 0.5
    trained = train_classifier(faces, labels, np.arange(200), replace(LEARNS, epochs=4), seed=0)
    assert trained.history["accuracy"].iloc[-1] == pytest.approx(0.5, abs=0.1)
    new_faces, _ = draw_faces(200, seed=1)
    p_pain = predict_faces(trained.net, new_faces, 64, "cpu")[:, 1]
    assert ((p_pain > 0.5) == (np.arange(200) // 2) % 2).mean() == pytest.approx(0.5, abs=0.1)


def test_history_has_a_row_an_epoch():
    faces, labels = draw_faces(40, seed=0)
    seen = []
    trained = train_classifier(faces, labels, np.arange(40), Settings(), seed=0, log=seen.append)
    assert trained.history.columns.tolist() == ["epoch", "loss", "accuracy", "seconds"]
    assert trained.history["epoch"].tolist() == [1, 2, 3, 4]
    assert trained.history.to_dict("records") == seen
    assert trained.history["accuracy"].between(0, 1).all()
    assert not trained.net.training


def test_first_loss_is_the_cross_entropy_of_the_drawn_faces():
    faces, labels = draw_faces(16, seed=0)
    settings = Settings(epochs=1, faces_per_epoch=16, batch=16)
    start = train_classifier(faces, labels, np.arange(16), replace(settings, epochs=0), seed=5).net.train()
    draw = batches.draw_epoch(np.arange(16), 16, 20.0, True, seed=5, epoch=1)
    images = batches.warp_faces(faces[draw.rows], draw.angle_deg, draw.mirrored)
    with torch.no_grad():
        logits = start(torch.from_numpy(images).permute(0, 3, 1, 2)).double().numpy()
    chosen = logits[np.arange(16), labels[draw.rows]]
    expected = np.mean(np.log(np.exp(logits).sum(axis=1)) - chosen)

    history = train_classifier(faces, labels, np.arange(16), settings, seed=5).history
    assert history["loss"].iloc[0] == pytest.approx(expected, rel=1e-5)
    assert history["accuracy"].iloc[0] == (logits.argmax(axis=1) == labels[draw.rows]).mean()


def test_the_same_seed_gives_the_same_weights_and_leaves_the_callers_generator_alone():
    faces, labels = draw_faces(40, seed=0)
    torch.manual_seed(11)
    first = train_classifier(faces, labels, np.arange(40), Settings(), seed=3)
    drawn = torch.rand(1)
    second = train_classifier(faces, labels, np.arange(40), Settings(), seed=3)
    other = train_classifier(faces, labels, np.arange(40), Settings(), seed=4)
    assert_same(first.net, weights(second.net))
    assert not torch.equal(first.net.blocks[0].conv.weight, other.net.blocks[0].conv.weight)
    torch.manual_seed(11)
    assert torch.equal(torch.rand(1), drawn)


class Interrupted:
    """Faces that raise KeyboardInterrupt after so many reads, as a kill in the middle of an epoch would."""

    def __init__(self, faces: np.ndarray, reads: int) -> None:
        self.faces, self.reads = faces, reads
        self.shape, self.dtype = faces.shape, faces.dtype

    def __len__(self) -> int:
        return len(self.faces)

    def __getitem__(self, rows):
        self.reads -= 1
        if self.reads < 0:
            raise KeyboardInterrupt
        return self.faces[rows]


@pytest.mark.parametrize(
    "reads", [2, 6, 9, 12]
)  # in the 1st, 2nd, 3rd, 4th epoch; the first read is for the mean
def test_a_training_killed_in_an_epoch_ends_at_the_same_weights(tmp_path: Path, reads):
    faces, labels = draw_faces(40, seed=0)
    whole = train_classifier(faces, labels, np.arange(40), Settings(), seed=3)

    checkpoint = tmp_path / "fold" / "checkpoint.pt"
    with pytest.raises(KeyboardInterrupt):
        train_classifier(
            Interrupted(faces, reads), labels, np.arange(40), Settings(), 3, checkpoint=checkpoint
        )
    epochs = []
    resumed = train_classifier(
        faces,
        labels,
        np.arange(40),
        Settings(),
        3,
        checkpoint=checkpoint,
        log=lambda row: epochs.append(row["epoch"]),
    )
    assert epochs == list(range((reads - 1) // 3 + 1, 5))
    assert_same(resumed.net, weights(whole.net))
    assert resumed.history[["epoch", "loss", "accuracy"]].equals(whole.history[["epoch", "loss", "accuracy"]])
    assert [path.name for path in checkpoint.parent.iterdir()] == ["checkpoint.pt"]


def test_a_finished_training_is_not_trained_again(tmp_path: Path):
    faces, labels = draw_faces(40, seed=0)
    path = tmp_path / "checkpoint.pt"
    first = train_classifier(faces, labels, np.arange(40), Settings(), 3, checkpoint=path)
    again = train_classifier(faces, labels, np.arange(40), Settings(), 3, checkpoint=path, log=pytest.fail)
    assert_same(first.net, weights(again.net))
    assert first.history.equals(again.history)


@pytest.mark.parametrize("changed", ["seed", "parameter", "label", "faces", "rows"])
def test_a_checkpoint_of_another_training_is_not_used(tmp_path: Path, changed):
    faces, labels = draw_faces(40, seed=0)
    path = tmp_path / "checkpoint.pt"
    train_classifier(faces, labels, np.arange(40), Settings(), 3, checkpoint=path)
    settings, seed, rows = Settings(), 3, np.arange(40)
    if changed == "seed":
        seed = 4
    elif changed == "parameter":
        settings = replace(settings, learning_rate=2e-3)
    elif changed == "label":
        labels = labels.copy()
        labels[7] = 1 - labels[7]
    elif changed == "faces":
        faces = faces.copy()
        faces[39, 0, 0, 0] += 1
    else:
        rows = np.arange(39)
    epochs = []
    train_classifier(faces, labels, rows, settings, seed, checkpoint=path, log=epochs.append)
    assert len(epochs) == 4


def test_faces_turned_by_the_device_are_learned_from_and_are_another_training(tmp_path: Path, monkeypatch):
    """As on a graphics card, here on the processor."""
    faces, labels = draw_faces(200, seed=0)
    path = tmp_path / "checkpoint.pt"
    settings = replace(LEARNS, epochs=5, faces_per_epoch=192)
    train_classifier(faces, labels, np.arange(200), settings, 0, checkpoint=path)

    def open_on_device(task):
        return DeviceFaces(task.inputs, task.labels, task.rows, task.device, resident=True)

    monkeypatch.setattr(training_loop, "_open_faces", open_on_device)
    epochs = []
    trained = train_classifier(
        faces,
        labels,
        np.arange(200),
        settings,
        0,
        checkpoint=path,
        log=lambda row: epochs.append(row["epoch"]),
    )
    assert epochs == [1, 2, 3, 4, 5], "a checkpoint of the other warp is not gone on from"
    new_faces, new_labels = draw_faces(100, seed=1)
    assert ((predict_faces(trained.net, new_faces, 64, "cpu")[:, 1] > 0.5) == new_labels).mean() > 0.9


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


def test_a_checkpoint_that_is_none_is_refused_and_runs_no_code(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    faces, labels = draw_faces(40, seed=0)
    path = tmp_path / "checkpoint.pt"
    torch.save({"identity": Bomb()}, path)
    for content in (path.read_bytes(), b"no checkpoint", b""):
        path.write_bytes(content)
        with pytest.raises(PainlibError, match=r"checkpoint\.pt.*Delete"):
            train_classifier(faces, labels, np.arange(40), Settings(), 3, checkpoint=path)
    assert not (tmp_path / "exploded").exists()


def test_only_the_rows_given_are_read():
    faces, labels = draw_faces(60, seed=0)
    read = []

    class Spied(Interrupted):
        def __getitem__(self, rows):
            read.extend(np.atleast_1d(rows))
            return self.faces[rows]

    rows = np.arange(10, 40)
    train_classifier(Spied(faces, 0), labels, rows, Settings(), seed=3)
    assert set(read) == set(rows)


def test_an_epoch_that_leaves_one_face_over_trains():
    faces, labels = draw_faces(17, seed=0)
    trained = train_classifier(faces, labels, np.arange(17), Settings(faces_per_epoch=17), seed=3)
    assert np.isfinite(trained.history["loss"]).all()


def test_a_face_store_on_disk_is_read_as_it_lies(tmp_path: Path):
    faces, labels = draw_faces(40, seed=0)
    np.save(tmp_path / "faces.npy", faces)
    mapped = np.load(tmp_path / "faces.npy", mmap_mode="r")
    from_disk = train_classifier(mapped, labels, np.arange(40), Settings(epochs=1), seed=3)
    assert_same(
        from_disk.net, weights(train_classifier(faces, labels, np.arange(40), Settings(epochs=1), 3).net)
    )


def test_evenly_grey_faces_do_not_break_training():
    faces = np.full((16, PX, PX, 3), 80, dtype=np.uint8)
    trained = train_classifier(faces, np.arange(16) % 2, np.arange(16), Settings(epochs=1), seed=0)
    assert np.isfinite(predict_faces(trained.net, faces, 16, "cpu")).all()


def test_what_training_lacks_is_said():
    faces, labels = draw_faces(20, seed=0)
    everything = np.arange(20)
    cases = [
        ((faces, labels, everything[:0], Settings()), "got none"),
        ((faces, np.ones(20, int), everything, Settings()), "20 of label 1"),
        ((faces, labels, everything[::2], Settings()), "10 of label 0"),
        ((faces, labels - (labels == 0), everything, Settings()), "10 of label -1, 10 of label 1"),
        ((faces[:, :32, :32], labels, everything, Settings()), r"\(n, 64, 64, 3\) uint8.*\(20, 32, 32, 3\)"),
        ((faces.astype(np.float32), labels, everything, Settings()), "float32"),
        ((faces, labels[:9], everything, Settings()), "each of 20 faces, got 9"),
        ((faces, labels, everything, Settings(faces_per_epoch=1)), "faces_per_epoch"),
        ((faces, labels, everything, Settings(learning_rate=1e30)), "learning_rate"),
    ]
    for arguments, expected in cases:
        with pytest.raises(PainlibError, match=expected):
            train_classifier(*arguments, seed=0)


def test_bfloat16_is_chosen_where_the_hardware_computes_in_it(monkeypatch):
    cpu = torch.device("cpu")
    for found, expected in (
        ({"avx512_bf16": True}, "bfloat16"),
        ({"amx_bf16": True}, "bfloat16"),
        ({}, "float32"),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=found: found, raising=False)
        assert choose_precision("auto", cpu) == expected
        assert choose_precision("float32", cpu) == "float32"
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert choose_precision("auto", cpu) == "float32"
    assert choose_precision("auto", torch.device("mps")) == "float32"


def test_learning_curves_go_to_tensorboard_once_also_when_resumed(tmp_path: Path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    faces, labels = draw_faces(40, seed=0)
    checkpoint, curves = tmp_path / "checkpoint.pt", tmp_path / "curves"
    with pytest.raises(KeyboardInterrupt):
        train_classifier(
            Interrupted(faces, 8),
            labels,
            np.arange(40),
            Settings(),
            3,
            checkpoint=checkpoint,
            tensorboard=curves,
        )
    trained = train_classifier(
        faces, labels, np.arange(40), Settings(), 3, checkpoint=checkpoint, tensorboard=curves
    )
    events = EventAccumulator(str(curves))
    events.Reload()
    for name in ("loss", "accuracy"):
        scalars = events.Scalars(f"training/{name}")
        assert [scalar.step for scalar in scalars] == [1, 2, 3, 4]
        np.testing.assert_allclose([scalar.value for scalar in scalars], trained.history[name], rtol=1e-6)


def test_learning_curves_of_an_earlier_training_are_taken_off(tmp_path: Path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    faces, labels = draw_faces(40, seed=0)
    for settings in (Settings(), Settings(epochs=2, batch=24)):
        trained = train_classifier(faces, labels, np.arange(40), settings, 3, tensorboard=tmp_path)
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    values = [scalar.value for scalar in events.Scalars("training/loss")]
    np.testing.assert_allclose(values, trained.history["loss"], rtol=1e-6)

"""Random draws and the warp, against hand-set pixels and numpy's own mirror."""

import numpy as np
import pytest
import torch
from scipy import stats

from painlib.training import device_batches
from painlib.training.batches import draw_epoch, load_batches, split_batches, warp_faces
from painlib.training.device_batches import DeviceFaces, warp_on_device

PX = 65
MIDDLE = 32


def draw_spot(right: float, up: float) -> np.ndarray:
    """A soft white spot `right` and `up` of the middle, px; one face (1, 65, 65, 3)."""
    y, x = np.mgrid[:PX, :PX]
    spot = 250 * np.exp(-((x - MIDDLE - right) ** 2 + (y - MIDDLE + up) ** 2) / 18)
    return np.repeat(spot[..., None], 3, axis=2).round().astype(np.uint8)[None]


def find_spot(image: np.ndarray) -> tuple[float, float]:
    weight = image[..., 0].astype(float)
    y, x = np.mgrid[:PX, :PX]
    return (weight * x).sum() / weight.sum() - MIDDLE, MIDDLE - (weight * y).sum() / weight.sum()


def warp(images: np.ndarray, angle_deg: float, mirrored: bool) -> np.ndarray:
    return warp_faces(images, np.full(len(images), angle_deg), np.full(len(images), mirrored))


@pytest.mark.parametrize("angle_deg", [-20, -7.5, 13, 20, 90])
def test_a_spot_turns_anticlockwise_about_the_middle(angle_deg):
    right, up = find_spot(warp(draw_spot(15, 0), angle_deg, False)[0])
    expected = 15 * np.cos(np.deg2rad(angle_deg)), 15 * np.sin(np.deg2rad(angle_deg))
    assert (right, up) == pytest.approx(expected, abs=0.3)


def test_mirroring_comes_before_turning():
    # Right of the middle, mirrored to its left, a quarter turn anticlockwise: below.
    assert find_spot(warp(draw_spot(15, 0), 90, True)[0]) == pytest.approx((0, -15), abs=0.3)


@pytest.mark.parametrize("px", [64, 65])
def test_mirroring_alone_is_exact_and_no_warp_changes_nothing(px):
    faces = np.random.default_rng(0).integers(0, 256, (3, px, px, 3), dtype=np.uint8)
    np.testing.assert_array_equal(warp(faces, 0, True), faces[:, :, ::-1])
    np.testing.assert_array_equal(warp(faces, 0, False), faces)


def test_corners_repeat_the_edge_and_are_not_black():
    grey = np.full((1, PX, PX, 3), 90, dtype=np.uint8)
    np.testing.assert_array_equal(warp(grey, 20, True), grey)


def test_each_face_gets_its_own_warp():
    faces = np.concatenate([draw_spot(15, 0)] * 3)
    turned = warp_faces(faces, np.array([0.0, 20.0, 0.0]), np.array([False, False, True]))
    assert [round(find_spot(face)[0]) for face in turned] == [15, 14, -15]


def test_an_epoch_is_drawn_evenly():
    rows = np.arange(100, 50100)
    draw = draw_epoch(rows, 30000, 20, True, seed=3, epoch=1)
    assert len(set(draw.rows)) == 30000
    assert set(draw.rows) <= set(rows)
    assert stats.kstest(draw.angle_deg, stats.uniform(-20, 40).cdf).pvalue > 0.01
    assert stats.kstest(draw.rows, stats.uniform(100, 50000).cdf).pvalue > 0.01
    assert draw.mirrored.mean() == pytest.approx(0.5, abs=0.02)
    assert abs(np.corrcoef(draw.angle_deg, draw.mirrored)[0, 1]) < 0.02


def test_nothing_is_mirrored_or_turned_when_switched_off():
    draw = draw_epoch(np.arange(50), 50, 0, False, seed=3, epoch=1)
    assert not draw.mirrored.any()
    assert not draw.angle_deg.any()


def test_too_few_faces_are_drawn_more_than_once():
    draw = draw_epoch(np.array([4, 9]), 50, 20, True, seed=3, epoch=1)
    assert len(draw.rows) == 50
    assert set(draw.rows) == {4, 9}


def test_draws_follow_from_seed_and_epoch_alone():
    def draw(seed, epoch):
        return draw_epoch(np.arange(1000), 100, 20, True, seed, epoch).rows.tolist()

    assert draw(3, 2) == draw(3, 2)
    assert draw(3, 2) != draw(3, 1)
    assert draw(3, 2) != draw(4, 2)


@pytest.mark.parametrize(
    ("n", "sizes"),
    [
        (30000, [128] * 234 + [48]),  # the paper's epoch
        (256, [128, 128]),
        (129, [129]),  # one face alone has no batch statistics
        (288, [128, 128, 32]),
        (287, [128, 159]),
        (5, [5]),
    ],
)
def test_batches_hold_every_face_once_and_no_runt(n, sizes):
    batches = split_batches(n, 128)
    assert [batch.stop - batch.start for batch in batches] == sizes
    assert np.concatenate([np.arange(n)[batch] for batch in batches]).tolist() == list(range(n))


def test_working_ahead_gives_the_same_batches_in_order():
    rng = np.random.default_rng(0)
    faces, labels = rng.integers(0, 256, (40, 16, 16, 3), dtype=np.uint8), rng.integers(0, 2, 40)
    draw = draw_epoch(np.arange(40), 100, 20, True, seed=0, epoch=1)
    batches = split_batches(100, 8)
    plain, ahead = (list(load_batches(faces, labels, draw, batches, workers)) for workers in (0, 3))
    assert len(plain) == len(ahead) == 13
    for (images, answers), (images_ahead, answers_ahead) in zip(plain, ahead, strict=True):
        assert images.equal(images_ahead)
        assert answers.equal(answers_ahead)
    images, answers = plain[0]
    assert images.shape == (8, 3, 16, 16)
    assert answers.tolist() == labels[draw.rows[:8]].tolist()
    expected = warp_faces(faces[draw.rows[:8]], draw.angle_deg[:8], draw.mirrored[:8])
    np.testing.assert_array_equal(images.permute(0, 2, 3, 1), expected)


def draw_smooth(n: int, px: int) -> np.ndarray:
    """Faces (n, px, px, 3) of soft colours: neighbours differ by a few grey levels."""
    y, x = np.mgrid[:px, :px] / px
    phases = np.random.default_rng(2).uniform(0, 6, (n, 3, 2))
    waves = np.sin(5 * x[None, None] + phases[:, :, :1, None]) * np.cos(4 * y + phases[:, :, 1:, None])
    return np.ascontiguousarray((128 + 120 * waves).round().astype(np.uint8).transpose(0, 2, 3, 1))


@pytest.mark.parametrize("px", [64, 65])
def test_the_devices_warp_is_that_of_opencv(px):
    faces = draw_smooth(12, px)
    rng = np.random.default_rng(3)
    angle, mirrored = rng.uniform(-40, 40, 12), np.arange(12) % 2 == 0
    expected = warp_faces(faces, angle, mirrored).astype(int)
    got = warp_on_device(torch.from_numpy(faces), angle, mirrored).permute(0, 2, 3, 1).numpy().astype(int)
    assert abs(got - expected).max() <= 2
    assert abs(got - expected).mean() < 0.3
    assert abs(got - faces).mean() > 20, "the faces were turned"


def test_the_devices_warp_moves_nothing_it_is_not_told_to_and_repeats_edges():
    faces = np.random.default_rng(0).integers(0, 256, (3, PX, PX, 3), dtype=np.uint8)
    for mirrored, expected in ((False, faces), (True, faces[:, :, ::-1])):
        got = warp_on_device(torch.from_numpy(faces), np.zeros(3), np.full(3, mirrored))
        np.testing.assert_array_equal(got.permute(0, 2, 3, 1).numpy(), expected)
    grey = torch.full((1, PX, PX, 3), 90, dtype=torch.uint8)
    assert (warp_on_device(grey, np.array([20.0]), np.array([True])) == 90).all()


@pytest.mark.parametrize(("resident", "workers"), [(True, 0), (False, 0), (False, 3)])
def test_faces_that_lie_on_the_device_make_the_same_batches(resident, workers):
    faces, labels = draw_smooth(40, 32), np.random.default_rng(0).integers(0, 2, 40)
    rows = np.array([31, 3, 8, 8, 22, 39, 5])
    draw, batches = draw_epoch(rows, 30, 20, True, seed=0, epoch=1), split_batches(30, 8)
    source = DeviceFaces(faces, labels, rows, torch.device("cpu"), workers, resident)
    assert source.resident == resident
    made = list(source.load(draw, batches))
    assert [len(answers) for _, answers in made] == [8, 8, 8, 6]
    for (images, answers), batch in zip(made, batches, strict=True):
        own = draw.rows[batch], draw.angle_deg[batch], draw.mirrored[batch]
        expected = warp_faces(faces[own[0]], *own[1:]).astype(int)
        assert images.shape == (len(answers), 3, 32, 32)
        assert abs(images.permute(0, 2, 3, 1).numpy() - expected).max() <= 3
        assert answers.tolist() == labels[own[0]].tolist()


def test_faces_lie_on_the_device_only_while_they_leave_it_half_its_memory(monkeypatch):
    faces, labels = draw_smooth(10, 32), np.zeros(10, int)
    size = 6 * 32 * 32 * 3
    for free, expected in ((2 * size, True), (2 * size - 2, False), (0, False)):
        monkeypatch.setattr(device_batches, "find_free_memory", lambda device, free=free: free)
        source = DeviceFaces(faces, labels, np.arange(4, 10), torch.device("cpu"))
        assert source.resident == expected


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_on_a_graphics_card_faces_lie_there_and_are_turned_there():
    faces, labels = draw_smooth(20, 64), np.arange(20) % 2
    draw, batches = draw_epoch(np.arange(20), 40, 20, True, seed=0, epoch=1), split_batches(40, 16)
    source = DeviceFaces(faces, labels, np.arange(20), torch.device("cuda"))
    assert source.resident
    images, answers = next(source.load(draw, batches))
    assert images.is_cuda
    assert answers.is_cuda
    expected = warp_faces(faces[draw.rows[:16]], draw.angle_deg[:16], draw.mirrored[:16]).astype(int)
    assert abs(images.permute(0, 2, 3, 1).cpu().numpy() - expected).max() <= 2

"""Grad-CAM against pytorch-grad-cam, integrated gradients against what they must sum to, and the checks that
tell a map of the network from a picture of the image."""

import itertools
import statistics
import time

import numpy as np
import pytest
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from scipy.stats import spearmanr

from painlib.attribution import (
    attribute_gradcam,
    compare_with_randomised,
    compute_deletion_insertion,
    compute_gradcam,
    compute_integrated_gradients,
    correlate_ranks,
    judge_with_maps,
    list_layers,
    normalise_maps,
    randomise_parameters,
    upsample,
)
from painlib.faults import PainlibError
from painlib.model import PainNet
from painlib.prediction import predict_faces

WIDTHS = {"narrow": ((4, 6, 8, 10, 12, 14), (7, 5)), "wide": ((8, 8, 16, 16, 32, 32), (24, 12))}


class RawGradCAM(GradCAM):
    """pytorch-grad-cam that keeps its map as it is before it scales and normalises."""

    def get_cam_image(self, *args, **how):
        self.raw = np.maximum(super().get_cam_image(*args, **how), 0)
        return self.raw


def build_net(widths: str = "narrow", px: int = 64, seed: int = 0) -> PainNet:
    """Random weights, and normalisations that have seen something."""
    torch.manual_seed(seed)
    net = PainNet(*WIDTHS[widths], px)
    with torch.no_grad():
        for _ in range(20):
            net.train()(draw_faces(8, px, seed + 50))
    return net.eval()


def draw_faces(n: int, px: int = 64, seed: int = 1) -> torch.Tensor:
    """Coarse patches of colour with noise: neighbouring pixels alike, as in a picture."""
    draw = np.random.default_rng(seed)
    coarse = draw.integers(0, 256, (n, 3, 8, 8)).repeat(px // 8, axis=2).repeat(px // 8, axis=3)
    return torch.from_numpy((0.8 * coarse + draw.integers(0, 50, (n, 3, px, px))).astype(np.uint8))


def draw_marked(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Faces of noise; in those of class 1 a bright square lies in the upper left quarter."""
    draw = np.random.default_rng(seed)
    images = draw.integers(60, 130, (n, 3, 64, 64)).astype(np.uint8)
    labels = np.arange(n) % 2
    for face in np.flatnonzero(labels):
        top, left = draw.integers(4, 16, 2)
        images[face, :, top : top + 12, left : left + 12] = 230
    return torch.from_numpy(images), torch.from_numpy(labels)


@pytest.fixture(scope="module")
def trained() -> PainNet:
    """A network that has learned to find the square, float64."""
    torch.manual_seed(3)
    net = PainNet(*WIDTHS["wide"], 64)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for step in range(60):
        images, labels = draw_marked(16, 100 + step)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net.train()(images), labels).backward()
        optimizer.step()
    net.double().eval()
    images, labels = draw_marked(64, 1)
    assert (net(images).argmax(1) == labels).double().mean() > 0.9
    return net


def check_against_library(net: PainNet, images: torch.Tensor) -> int:
    """Compare raw maps of both classes; gives the number of maps that are all zero."""
    logits, raw = compute_gradcam(net, images)
    assert logits.dtype == raw.dtype == torch.float64
    n_zero = 0
    for label in (0, 1):
        library = RawGradCAM(model=net, target_layers=[net.blocks[5].conv])
        library(input_tensor=images, targets=[ClassifierOutputTarget(label)] * len(images))
        np.testing.assert_array_equal(logits.numpy(), library.outputs.detach().numpy())
        library.activations_and_grads.release()
        for mine, theirs in zip(raw[:, label].numpy(), library.raw, strict=True):
            assert mine.shape == theirs.shape
            assert abs(mine - theirs).max() <= 1e-5 * theirs.max()
            n_zero += theirs.max() == 0
    return n_zero


def test_raw_maps_are_those_of_pytorch_grad_cam_on_random_networks():
    n_zero = 0
    for widths, px, seed in itertools.product(WIDTHS, (64, 96), range(2)):
        n_zero += check_against_library(build_net(widths, px, seed).double(), draw_faces(8, px))
    assert 0 < n_zero < 64, "of 128 maps some are all zero, most are not"


def test_raw_maps_are_those_of_pytorch_grad_cam_on_a_trained_network(trained):
    images, _ = draw_marked(24, 7)
    check_against_library(trained, images)


def test_a_head_that_hears_nothing_gives_zero_maps_and_no_nan():
    net = build_net().double()
    with torch.no_grad():
        net.fully_connected[0].bias -= 1e3
    assert check_against_library(net, draw_faces(5)) == 10
    assert (attribute_gradcam(net, draw_faces(5), "pain") == 0).all()


def test_maps_of_a_face_do_not_depend_on_its_batch_nor_on_the_mode_the_network_was_in():
    net, images = build_net(px=96).double(), draw_faces(5, 96)
    _, together = compute_gradcam(net.train(), images)
    for number in range(5):
        _, alone = compute_gradcam(net.train(), images[number : number + 1])
        torch.testing.assert_close(alone[0], together[number], rtol=1e-9, atol=1e-12)
    one, all_ = (attribute_gradcam(net, images, "pain", batch) for batch in (2, 9))
    np.testing.assert_allclose(one, all_, atol=1e-9)


def test_nothing_is_left_on_the_parameters():
    net = build_net()
    with torch.no_grad():
        logits, raw = compute_gradcam(net, draw_faces(3))
    assert not logits.requires_grad
    assert not raw.requires_grad
    assert all(parameter.grad is None for parameter in net.parameters())


def test_maps_point_at_what_a_trained_network_uses(trained):
    images, labels = draw_marked(40, 9)
    maps = upsample(attribute_gradcam(trained, images[labels == 1], "pain"), 64)
    share = maps[:, :32, :32].sum(axis=(1, 2)) / maps.sum(axis=(1, 2))
    assert share.mean() > 0.32, "the square lies in a quarter of the area"


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_normalising_is_min_max_map_by_map_and_flat_maps_stay_zero(kind):
    raw = np.array([[[1.0, 3], [2, 5]], [[0, 0], [0, 0]], [[4, 4], [4, 4]], [[0, 1e-40], [0, 0]]])
    expected = [[[0, 0.5], [0.25, 1]], [[0, 0], [0, 0]], [[0, 0], [0, 0]], [[0, 1], [0, 0]]]
    got = normalise_maps(kind(raw))
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(normalise_maps(kind(raw[None]))[0], expected)


@pytest.mark.parametrize("batch", [1, 4, 50])
def test_one_sweep_gives_the_probabilities_of_prediction_and_the_maps(batch):
    net, images = build_net(px=96), draw_faces(7, 96)
    inputs = images.permute(0, 2, 3, 1).contiguous().numpy()
    judged = judge_with_maps(net, inputs, batch, "cpu")
    np.testing.assert_allclose(judged.probabilities, predict_faces(net, inputs, batch, "cpu"), atol=1e-6)
    raw = compute_gradcam(net.double(), images)[1].numpy()
    np.testing.assert_allclose(judged.peaks, raw.max(axis=(2, 3)), rtol=1e-3)
    assert judged.maps.dtype == np.float16
    np.testing.assert_allclose(judged.maps, normalise_maps(raw), atol=2e-3)


def test_a_sweep_over_no_faces_is_empty():
    judged = judge_with_maps(build_net(), np.empty((0, 64, 64, 3), np.uint8), 8, "cpu")
    assert [part.shape for part in judged] == [(0, 2), (0, 2, 2, 2), (0, 2)]


def test_another_class_is_refused():
    with pytest.raises(PainlibError, match="'no pain', 'pain', got 'asleep'"):
        attribute_gradcam(build_net(), draw_faces(1), "asleep")


def test_integrated_gradients_add_up_to_the_difference_from_the_mean_colour(trained):
    images, _ = draw_marked(4, 11)
    x = trained.standardise(images.double())
    flat = x.mean(dim=(2, 3), keepdim=True).expand_as(x)
    with torch.no_grad():
        logits = [trained.judge_convolved(trained.convolve_standardised(given))[:, 1] for given in (x, flat)]
    expected = (logits[0] - logits[1]).numpy()
    few, many = (compute_integrated_gradients(trained, images, "pain", n_steps=n) for n in (4, 64))
    np.testing.assert_allclose(many.difference, expected, rtol=1e-9)
    assert abs(many.gap).max() < 0.02 * abs(expected).max()
    assert abs(many.gap).mean() < abs(few.gap).mean()
    assert many.maps.shape == (4, 64, 64)
    assert many.maps.min() == 0
    assert (many.maps.sum(axis=(1, 2)) >= many.difference + many.gap).all(), "positive parts alone"


def test_integrated_gradients_of_a_face_do_not_depend_on_the_batch():
    net, images = build_net().double(), draw_faces(5)
    one, all_ = (compute_integrated_gradients(net, images, "no pain", 8, batch) for batch in (1, 64))
    np.testing.assert_allclose(one.maps, all_.maps, atol=1e-12)
    np.testing.assert_allclose(one.gap, all_.gap, atol=1e-9)


def test_an_even_face_has_no_integrated_gradients():
    got = compute_integrated_gradients(build_net(), torch.full((2, 3, 64, 64), 90, dtype=torch.uint8), "pain")
    assert (got.maps == 0).all()
    np.testing.assert_array_equal([got.gap, got.difference], 0)


def test_layers_are_drawn_anew_from_the_output_down():
    net = build_net()
    layers = list(list_layers(net))
    assert layers == [
        *(f"fully_connected.{k}" for k in (2, 1, 0)),
        *(f"blocks.{k}" for k in range(5, -1, -1)),
    ]
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    every = randomise_parameters(net, 5).state_dict()
    for n_layers in range(10):
        state = randomise_parameters(net, 5, n_layers).state_dict()
        for name, tensor in state.items():
            drawn = any(name.startswith(layer + ".") for layer in layers[:n_layers])
            assert torch.equal(tensor, (every if drawn else before)[name]), name
    for name in before:
        # A normalisation is drawn as 1 and 0, which is where this network's still stand.
        if "norm.weight" not in name and "norm.bias" not in name:
            assert not torch.equal(every[name], before[name]), name
        assert torch.equal(net.state_dict()[name], before[name]), "the network itself stays"


def test_a_draw_repeats_by_seed_and_leaves_torchs_own_alone():
    net = build_net()
    torch.manual_seed(8)
    expected = torch.rand(3)
    torch.manual_seed(8)
    first, again, other = (randomise_parameters(net, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["blocks.0.conv.weight"], other["blocks.0.conv.weight"])


def test_scrambled_normalisations_are_measured_on_the_faces(trained):
    images, _ = draw_marked(32, 5)
    scrambled = randomise_parameters(trained, 1, images=images)
    assert not scrambled.training
    seen = []
    for block in scrambled.blocks:
        block.norm.register_forward_hook(lambda module, given, result: seen.append(result))
    scrambled(images)
    for result in seen:
        mean, alive = result.mean(dim=(0, 2, 3)), result.std(dim=(0, 2, 3), correction=0) > 0.5
        np.testing.assert_allclose(mean[alive].detach(), 0, atol=0.05)
    partly = randomise_parameters(trained, 1, 4, images)
    assert torch.equal(partly.blocks[4].norm.running_mean, trained.blocks[4].norm.running_mean)
    assert not torch.equal(partly.blocks[5].norm.running_mean, trained.blocks[5].norm.running_mean)
    assert partly.blocks[5].norm.momentum == 0.1


@pytest.mark.parametrize("n_layers", [-1, 10])
def test_more_layers_than_there_are_cannot_be_scrambled(n_layers):
    with pytest.raises(PainlibError, match=f"from 0 to 9, got {n_layers}"):
        randomise_parameters(build_net(), 1, n_layers)


def test_rank_correlations_are_those_of_scipy_and_undefined_without_an_order():
    net, images = build_net(px=96), draw_faces(6, 96)
    true = np.random.default_rng(1).integers(0, 4, (6, 3, 3))
    random = np.random.default_rng(2).integers(0, 4, (6, 3, 3))
    true[4], random[5] = 0, 2

    def attribute(given: PainNet, images: torch.Tensor, label: str) -> np.ndarray:
        return true if given is net else random

    got = compare_with_randomised(net, images, "pain", 1, attribute=attribute)
    np.testing.assert_array_equal(got, correlate_ranks(true, random))
    expected = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(true[:4], random, strict=False)]
    np.testing.assert_allclose(got, [*expected, np.nan, np.nan], rtol=1e-12)


def test_maps_change_when_the_weights_are_scrambled(trained):
    images, labels = draw_marked(24, 13)
    images = images[labels == 1]

    def attribute(net: PainNet, images: torch.Tensor, label: str) -> np.ndarray:
        return compute_integrated_gradients(net, images, label, 8).maps

    kept = compare_with_randomised(trained, images, "pain", 1, 0, attribute)
    np.testing.assert_allclose(kept, 1, rtol=1e-12)
    scrambled = compare_with_randomised(trained, images, "pain", 1, None, attribute)
    assert abs(scrambled).mean() < 0.3


class Watcher(PainNet):
    """Judges by the brightness of the upper left quarter, and of nothing else."""

    def __init__(self) -> None:
        super().__init__(*WIDTHS["narrow"], 64)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        bright = images[:, :, :32, :32].mean(dim=(1, 2, 3)) / 255
        return torch.stack([torch.zeros_like(bright), 20 * (bright - 0.5)], dim=1)


def draw_quarters(n: int) -> torch.Tensor:
    """Upper left quarter white on black."""
    images = torch.zeros(n, 3, 64, 64, dtype=torch.uint8)
    images[:, :, :32, :32] = 255
    return images


def test_deletion_and_insertion_follow_the_order_of_the_map():
    right, wrong = np.zeros((1, 2, 2)), np.zeros((1, 2, 2))
    right[0, 0, 0] = wrong[0, 1, 1] = 1
    images = draw_quarters(2)
    got = compute_deletion_insertion(
        Watcher(), images, np.concatenate([right, wrong]), "pain", steps=4, fill="mean"
    )
    # Pixels of the quarter are white or, where deleted, the mean of the picture: 255 / 4.
    whole, gone = 1 / (1 + np.exp(-10)), 1 / (1 + np.exp(5))
    assert got.shares.tolist() == [0, 0.25, 0.5, 0.75, 1]
    np.testing.assert_allclose(got.deletion[:, [0, -1]], [[whole, gone]] * 2, rtol=1e-5)
    np.testing.assert_allclose(got.insertion[:, [0, -1]], [[gone, whole]] * 2, rtol=1e-5)
    # The white quarter is named first, or last (its middle; between map cells the order goes by distance).
    assert got.deletion[0, 1] < 0.2
    assert got.deletion[1, 2] > 0.95
    assert got.insertion[0, 1] > 0.8
    assert got.insertion[1, 2] < 0.05
    areas = got.summarise()
    assert areas["deletion"][0] < areas["random_deletion"].min() < areas["deletion"][1]
    assert areas["insertion"][0] > areas["insertion"][1]
    by_hand = (got.deletion[0, :-1] + got.deletion[0, 1:]).sum() / 8
    assert areas["deletion"][0] == pytest.approx(by_hand)


def test_at_a_maps_own_resolution_pixels_change_in_its_exact_order():
    maps = np.zeros((1, 64, 64))
    maps[0, :32, :32] = 1
    got = compute_deletion_insertion(Watcher(), draw_quarters(1), maps, "pain", steps=4, fill="mean")
    whole, gone = 1 / (1 + np.exp(-10)), 1 / (1 + np.exp(5))
    np.testing.assert_allclose(got.deletion[0], [whole, gone, gone, gone, gone], rtol=1e-5)
    np.testing.assert_allclose(got.insertion[0], [gone, whole, whole, whole, whole], rtol=1e-5)


def test_a_map_without_order_means_random_order():
    images = draw_quarters(40)
    flat = compute_deletion_insertion(Watcher(), images, np.zeros((40, 64, 64)), "pain", 4, fill="mean")
    # Half of the quarter's pixels deleted, whichever they are: brightness 0.5 * (1 + 0.25).
    expected = 1 / (1 + np.exp(-20 * (0.5 * 1.25 - 0.5)))
    np.testing.assert_allclose(flat.deletion[:, 2], expected, atol=0.05)
    np.testing.assert_allclose(flat.random_deletion[:, 2], expected, atol=0.05)


def test_deleting_by_a_trained_networks_map_beats_random_order(trained):
    images, labels = draw_marked(12, 15)
    images = images[labels == 1]
    maps = compute_integrated_gradients(trained, images, "pain", 16).maps
    curves = compute_deletion_insertion(trained, images, maps, "pain", 8, seed=1, fill="mean")
    areas = curves.summarise().mean()
    assert areas["deletion"] < areas["random_deletion"] - 0.05
    assert areas["insertion"] > areas["random_insertion"] + 0.05


def test_curves_do_not_depend_on_the_batch_and_repeat_by_seed():
    net, images, maps = build_net(), draw_faces(5), np.zeros((5, 2, 2))
    one, other = (compute_deletion_insertion(net, images, maps, "pain", 3, 4, batch=n) for n in (2, 9))
    for mine, theirs in zip(one, other, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-6)
    elsewhere = compute_deletion_insertion(net, images, maps, "pain", 3, 5)
    assert abs(elsewhere.deletion - one.deletion).max() > 1e-5


def test_curves_need_a_map_a_face_and_a_known_fill():
    with pytest.raises(PainlibError, match="each of 3 faces, got 2"):
        compute_deletion_insertion(build_net(), draw_faces(3), np.zeros((2, 2, 2)), "pain")
    with pytest.raises(PainlibError, match="'blur' or 'mean', got 'black'"):
        compute_deletion_insertion(build_net(), draw_faces(1), np.zeros((1, 2, 2)), "pain", fill="black")


@pytest.mark.verify
@pytest.mark.parametrize("batch", [1, 32])
def test_maps_come_at_least_two_and_a_half_times_as_fast_as_from_pytorch_grad_cam(batch):
    """CPU time, one thread, float32, the network of params/kobayashi2025.yaml; methods take turns.

    Both give maps of the face's size; theirs for one class, ours for both classes and the probabilities too.
    Head-only gradients give about 2.4, pooling early in the trunk (`ConvolutionBlock`) the rest.
    """
    px, n_faces, repeats = 128, 32, 7
    torch.manual_seed(0)
    net = PainNet((32, 64, 128, 128, 256, 256), (128, 64), px).eval().to(memory_format=torch.channels_last)
    images = draw_faces(n_faces, px).float().contiguous(memory_format=torch.channels_last)
    inputs = images.byte().permute(0, 2, 3, 1).numpy()
    library = GradCAM(model=net, target_layers=[net.blocks[5].conv])

    def theirs() -> None:
        for part in images.split(batch):
            library(input_tensor=part, targets=[ClassifierOutputTarget(1)] * len(part))

    def ours() -> None:
        upsample(judge_with_maps(net, inputs, batch, "cpu").maps[:, 1], px)

    threads, taken = torch.get_num_threads(), {theirs: [], ours: []}
    torch.set_num_threads(1)
    try:
        for _ in range(repeats + 1):
            for method, times in taken.items():
                began = time.process_time()
                method()
                times.append(time.process_time() - began)
    finally:
        torch.set_num_threads(threads)
    slow, quick = (1e3 * statistics.median(times[1:]) / n_faces for times in taken.values())
    print(f"\nbatch {batch}: pytorch-grad-cam {slow:.2f}, ours {quick:.2f} ms a face: {slow / quick:.2f} x")
    assert slow / quick >= 2.5

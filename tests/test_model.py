"""The network's layers against the paper, and model folders that are refused."""

import hashlib
import json
import math
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from scipy.ndimage import correlate
from scipy.special import softmax

from painlib.faults import PainlibError
from painlib.model import PainNet, choose_device, load_model, save_model
from painlib.model_card import LABELS, CardMetrics, CropFacts, ModelCard, TrainingAnimal, read_card

CHANNELS = (8, 12, 16, 20, 24, 28)
HEAD_8S = (10, 6)


def build_net(input_px: int = 64, seed: int = 0) -> PainNet:
    torch.manual_seed(seed)
    return PainNet(CHANNELS, HEAD_8S, input_px).eval()


def build_card(net: PainNet) -> ModelCard:
    return ModelCard(
        architecture=net.architecture,
        labels=LABELS,
        training_animals=(TrainingAnimal(subject="m1", sex="female", n_faces=3),),
        crop=CropFacts(crop_px=800, border="shift", likelihood_threshold=0.9),
        pose_network="pose",
        metrics=CardMetrics(
            held_out={"auc": {"mean": 0.9, "m2": math.nan}}, training_set={"sensitivity": 0.97}
        ),
        training={"epochs": 20},
        seed=7,
        versions={"painlib": "0.1.0"},
    )


def draw_images(n: int, px: int = 64) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).integers(0, 256, (n, 3, px, px), dtype=np.uint8))


def test_layers_run_in_the_papers_order():
    net, ran = build_net(), []
    for module in net.modules():
        if not list(module.children()):
            module.register_forward_hook(lambda module, *_: ran.append(module))
    net(draw_images(2))

    block = ["Conv2d", "ReLU", "BatchNorm2d", "MaxPool2d"]
    assert [type(module).__name__ for module in ran] == block * 6 + ["Linear"] * 3
    convolutions, poolings = ran[0:24:4], ran[3:24:4]
    assert {(c.kernel_size, c.stride, c.padding) for c in convolutions} == {((3, 3), (1, 1), (1, 1))}
    assert {(p.kernel_size, p.stride) for p in poolings} == {(2, 2)}


def test_a_block_normalises_after_its_relu():
    net = build_net()
    block = net.blocks[0]
    block.norm.running_mean.copy_(torch.linspace(0.1, 0.8, 8))
    block.norm.running_var.copy_(torch.linspace(1, 4, 8))
    x = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        got = block(x)[0].numpy()
    weight, bias = block.conv.weight.detach().numpy(), block.conv.bias.detach().numpy()
    for channel in range(8):
        planes = [correlate(x[0, k].numpy(), weight[channel, k], mode="constant") for k in range(3)]
        rectified = np.maximum(sum(planes) + bias[channel], 0)
        mean, variance = 0.1 * (channel + 1), 1 + 3 * channel / 7
        normalised = (rectified - mean) / np.sqrt(variance + 1e-5)
        expected = normalised.reshape(4, 2, 4, 2).max(axis=(1, 3))
        np.testing.assert_allclose(got[channel], expected, atol=1e-5)
    assert (got < 0).any()


def test_number_of_parameters_is_the_one_counted_by_hand():
    # a convolution: 9 * in * out + out; a normalisation: 2 * out; a linear layer: in * out + out
    convolutions = 224 + 876 + 1744 + 2900 + 4344 + 6076
    normalisations = 16 + 24 + 32 + 40 + 48 + 56
    linears = 290 + 66 + 14
    trained = sum(parameter.numel() for parameter in build_net().parameters())
    assert trained == convolutions + normalisations + linears == 16750


@pytest.mark.parametrize(("input_px", "side"), [(64, 2), (96, 3), (224, 7)])
def test_features_are_the_sixth_map_before_its_pooling(input_px, side):
    net, images = build_net(input_px), draw_images(2, input_px)
    seen = []
    net.blocks[5].norm.register_forward_hook(lambda module, given, result: seen.append(result))
    with torch.no_grad():
        features = net.features(images)
        assert features.shape == (2, 28, side, side)
        assert torch.equal(features, seen[0])
        assert torch.equal(net.head(features), net(images))


@pytest.mark.parametrize("negative", [0, 3])
def test_pooling_early_in_prediction_changes_no_number(negative):
    net, images = build_net(96), draw_images(4, 96)
    net.train()(images)
    net.eval()
    for block in net.blocks:
        block.norm.weight.data[:negative] *= -1
        block.norm.bias.data.uniform_(-1, 1)
    pooled = []
    net.blocks[0].pool.register_forward_hook(lambda module, given, result: pooled.append(given[0]))
    in_the_papers_order = net(images)
    with torch.no_grad():
        got = net(images)
        convolved = net.blocks[0].conv(net.standardise(images))
    assert torch.equal(got, in_the_papers_order)
    # The quick way is taken where it holds, and only there.
    assert torch.equal(pooled[1], convolved) == (negative == 0)
    assert not torch.equal(pooled[0], convolved)


def test_the_network_can_be_cut_at_the_sixth_convolutions_own_output():
    net, images = build_net(96), draw_images(2, 96)
    seen = []
    net.blocks[5].conv.register_forward_hook(lambda module, given, result: seen.append(result))
    with torch.no_grad():
        convolved = net.convolve(images)
        assert convolved.shape == (2, 28, 3, 3)
        assert (convolved < 0).any()
        assert torch.equal(convolved, seen[0])
        assert torch.equal(convolved, net.convolve_standardised(net.standardise(images)))
        assert torch.equal(net.judge_convolved(convolved), net(images))


def test_a_float64_network_computes_in_float64_throughout():
    single, images = build_net(), draw_images(3)
    double = build_net().double()
    with torch.no_grad():
        logits, expected = double(images), single(images)
        assert logits.dtype == torch.float64
        assert torch.equal(double(images.double()), logits)
        torch.testing.assert_close(logits.float(), expected, rtol=1e-4, atol=1e-6)
    grey = images.double().mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    # float32 leaves a mean of about 1e-8
    assert double.standardise(grey).mean(dim=(1, 2, 3)).abs().max() < 1e-14


def test_head_pools_averages_and_has_no_relu_before_softmax():
    net = build_net(96)
    with torch.no_grad():
        net.fully_connected[2].bias -= 5
        features = net.features(draw_images(4, 96))
        logits = net.head(features).numpy()
    maps = features.numpy()
    # 3 x 3 maps: the 2 x 2 pooling with stride 2 leaves one value, which is its own average.
    x = maps[:, :, :2, :2].max(axis=(2, 3))
    weights = [(layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in net.fully_connected]
    for weight, bias in weights[:2]:
        x = np.maximum(x @ weight.T + bias, 0)
    expected = x @ weights[2][0].T + weights[2][1]
    assert (expected < 0).all()
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)


def test_average_is_over_the_whole_pooled_map():
    net = build_net(128)
    features = torch.zeros(1, 28, 4, 4)
    features[0, 0] = torch.tensor([[1, 0, 0, 2], [0, 0, 0, 0], [0, 0, 0, 0], [3, 0, 0, 6.0]])
    given = []
    net.fully_connected[0].register_forward_hook(lambda module, values, result: given.append(values[0]))
    net.head(features)
    assert given[0][0, 0].item() == pytest.approx((1 + 2 + 3 + 6) / 4)


def test_probabilities_are_one_softmax_of_the_logits():
    net, images = build_net(), draw_images(5)
    with torch.no_grad():
        logits, probabilities = net(images).double().numpy(), net.probabilities(images).numpy()
    np.testing.assert_allclose(probabilities, softmax(logits, axis=1), rtol=1e-12)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)


def test_exposure_and_contrast_of_an_image_do_not_matter():
    images = draw_images(3).float() / 2
    brighter = images * 1.5 + 40
    got = PainNet.standardise(images)
    np.testing.assert_allclose(got.mean(dim=(1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(got.std(dim=(1, 2, 3), correction=0), 1, rtol=1e-5)
    torch.testing.assert_close(PainNet.standardise(brighter), got, rtol=1e-4, atol=1e-4)
    grey = torch.full((1, 3, 64, 64), 51, dtype=torch.uint8)
    assert (PainNet.standardise(grey) == 0).all()


@pytest.mark.parametrize(
    ("channels", "head_widths", "input_px", "named"),
    [
        (CHANNELS, HEAD_8S, 63, "input_px"),
        (CHANNELS[:5], HEAD_8S, 64, "channels"),
        (CHANNELS, (10,), 64, "head_widths"),
        ((0, *CHANNELS[1:]), HEAD_8S, 64, "channels.0"),
    ],
)
def test_networks_that_cannot_be_are_refused(channels, head_widths, input_px, named):
    with pytest.raises(PainlibError, match=named):
        PainNet(channels, head_widths, input_px)


def test_saved_model_judges_as_before(tmp_path: Path):
    net, images = build_net(), draw_images(6)
    net.train()(images)  # moves the running statistics
    net.eval()
    (tmp_path / "pose").mkdir()
    saved = save_model(tmp_path, net, build_card(net))
    loaded, card = load_model(tmp_path, "cpu")

    assert torch.equal(loaded.probabilities(images), net.probabilities(images))
    assert not loaded.training
    assert card == saved == read_card(tmp_path)
    assert (tmp_path / "pose").is_dir()
    content = json.loads((tmp_path / "card.json").read_text(), parse_constant=pytest.fail)
    assert content["metrics"]["held_out"]["auc"] == {"mean": 0.9, "m2": None}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["card.json", "pose", "weights.safetensors"]


def test_card_of_another_network_is_not_saved(tmp_path: Path):
    with pytest.raises(PainlibError, match="input_px=96"):
        save_model(tmp_path, build_net(), build_card(build_net(96)))


def test_labels_must_name_every_output():
    card = build_card(build_net()).model_dump()
    with pytest.raises(ValueError, match="2 outputs, but 3 labels"):
        ModelCard.model_validate(card | {"labels": ("no pain", "pain", "asleep")})


def spoil_card(folder: Path, **changes) -> None:
    path = folder / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def put_weights(folder: Path, content: bytes) -> None:
    """Weights that the card vouches for."""
    (folder / "weights.safetensors").write_bytes(content)
    spoil_card(folder, weights_sha256=hashlib.sha256(content).hexdigest())


def widen_third_convolution(folder: Path) -> None:
    architecture = json.loads((folder / "card.json").read_text())["architecture"]
    architecture["channels"][2] = 17
    spoil_card(folder, architecture=architecture)


def take_a_tensor_out(folder: Path) -> None:
    tensors = safetensors.torch.load_file(folder / "weights.safetensors")
    del tensors["blocks.5.norm.running_var"]
    put_weights(folder, safetensors.torch.save(tensors))


def halve_a_tensor(folder: Path) -> None:
    tensors = safetensors.torch.load_file(folder / "weights.safetensors")
    tensors["blocks.0.norm.running_mean"] = tensors["blocks.0.norm.running_mean"].half()
    put_weights(folder, safetensors.torch.save(tensors))


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda folder: (folder / "card.json").unlink(), ["card.json", "02_train"]),
        (lambda folder: (folder / "weights.safetensors").unlink(), ["weights.safetensors", "02_train"]),
        (lambda folder: (folder / "card.json").write_text("{"), ["expected JSON"]),
        (lambda folder: (folder / "card.json").write_text("[1]"), ["format version 1", "got None"]),
        (lambda folder: spoil_card(folder, format_version=99), ["format version 1", "99"]),
        (lambda folder: spoil_card(folder, kind="spam"), ["kind", "painlib-classifier", "spam"]),
        (lambda folder: spoil_card(folder, surprise=1), ["surprise"]),
        (lambda folder: spoil_card(folder, seed="x"), ["seed"]),
        (
            lambda folder: (folder / "weights.safetensors").write_bytes(b"x"),
            ["sha256", "different trainings"],
        ),
        (
            widen_third_convolution,
            [
                "blocks.2.conv.weight: expected float32 (17, 12, 3, 3), got float32 (16, 12, 3, 3)",
                "blocks.3.conv",
            ],
        ),
        (take_a_tensor_out, ["blocks.5.norm.running_var: expected float32 (28,), got nothing"]),
        (halve_a_tensor, ["blocks.0.norm.running_mean: expected float32 (8,), got float16 (8,)"]),
    ],
)
def test_model_folders_that_do_not_hold_together_are_refused(tmp_path: Path, spoil, expected):
    net = build_net()
    save_model(tmp_path, net, build_card(net))
    spoil(tmp_path)
    with pytest.raises(PainlibError) as caught:
        load_model(tmp_path, "cpu")
    for text in expected:
        assert text in str(caught.value)


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


def test_loading_runs_no_code_from_the_files(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = build_net()
    save_model(tmp_path, net, build_card(net))
    put_weights(tmp_path, pickle.dumps(Bomb()))
    with pytest.raises(PainlibError, match="safetensors"):
        load_model(tmp_path, "cpu")
    assert not (tmp_path / "exploded").exists()


def test_saving_cut_short_over_an_older_model_is_noticed(tmp_path: Path, monkeypatch):
    old, new = build_net(seed=1), build_net(seed=2)
    save_model(tmp_path, old, build_card(old))
    monkeypatch.setattr(json, "dumps", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        save_model(tmp_path, new, build_card(new))
    monkeypatch.undo()
    with pytest.raises(PainlibError, match="sha256"):
        load_model(tmp_path, "cpu")


def test_device_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto").type == "cpu"
    with pytest.raises(PainlibError, match=r"this machine \(cpu, or auto\), got 'cuda'"):
        choose_device("cuda")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device("auto").type == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto").type == "cuda"

"""ReLU, batch normalisation and pooling in one go: the numbers of torch's own three steps."""

import copy

import pytest
import torch
from torch import nn

from painlib.model import ConvolutionBlock, PainNet
from painlib.pooled_norm import can_pool_normalised, pool_normalised

BFLOAT16 = 2.0**-8  # half of a step, as a share of a value


def draw(n=3, channels=5, height=8, width=12, seed=1) -> torch.Tensor:
    """A convolution's output; one channel in a hundred values, so that many are equal."""
    values = 2 * torch.randn(n, channels, height, width, generator=torch.Generator().manual_seed(seed)) + 0.3
    values[:, 0] = values[:, 0].round()
    return values.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)


def make_norm(channels=5) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels).train()
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 0.5, -0.8, 2.0, 1.2])[:channels])
        norm.bias.copy_(torch.tensor([0.0, -1.0, 0.4, 0.1, 3.0])[:channels])
    return norm


def run_plainly(values: torch.Tensor, norm: nn.BatchNorm2d) -> torch.Tensor:
    """torch's steps in float64."""
    return nn.functional.max_pool2d(norm.double()(torch.relu(values)), 2)


def test_values_gradients_and_running_statistics_are_those_of_torch():
    values, upper = draw(), torch.randn(3, 5, 4, 6, generator=torch.Generator().manual_seed(2))
    upper = upper.to(torch.bfloat16)
    mine, theirs = make_norm(), make_norm()
    here, there = values.clone().requires_grad_(), values.double().requires_grad_()
    got, expected = pool_normalised(here, mine), run_plainly(there, theirs)
    assert got.dtype == torch.bfloat16
    assert got.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(got.double(), expected, rtol=BFLOAT16, atol=1e-6)
    (got * upper).sum().backward()
    (expected * upper).sum().backward()
    # Where two values of a cell are equal, the gradient may go to either: compared by cell.
    cells = [4 * nn.functional.avg_pool2d(one.grad.double(), 2) for one in (here, there)]
    torch.testing.assert_close(*cells, rtol=0.02, atol=0.03)
    unequal = torch.ones(5, dtype=torch.bool)
    unequal[0] = False
    torch.testing.assert_close(
        here.grad[:, unequal].double(), there.grad[:, unequal], rtol=2 * BFLOAT16, atol=1e-3
    )
    for name in ("weight", "bias"):
        torch.testing.assert_close(
            getattr(mine, name).grad.double(), getattr(theirs, name).grad, rtol=1e-5, atol=1e-5
        )
    torch.testing.assert_close(mine.running_mean.double(), theirs.running_mean, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(mine.running_var.double(), theirs.running_var, rtol=1e-6, atol=1e-6)
    assert mine.num_batches_tracked == theirs.num_batches_tracked == 1


def test_of_equal_values_the_first_takes_the_gradient_as_in_torch():
    values = torch.ones(1, 1, 2, 2, dtype=torch.bfloat16).contiguous(memory_format=torch.channels_last)
    values[0, 0, 1, 1] = 0.5
    values.requires_grad_()
    norm = nn.BatchNorm2d(1).train()
    pool_normalised(values, norm)[0, 0, 0, 0].backward()
    first, *others = values.grad.flatten().tolist()
    assert first > max(others)
    assert others[0] == others[1]


def test_no_value_above_0_gives_the_bias_and_no_gradient():
    values = (-draw().abs()).requires_grad_()
    norm = make_norm()
    pooled = pool_normalised(values, norm)
    torch.testing.assert_close(pooled[1, :, 2, 3].float(), norm.bias.detach(), rtol=BFLOAT16, atol=1e-6)
    pooled.sum().backward()
    assert (values.grad == 0).all()


def test_a_value_that_is_no_number_stays_none():
    for bits in (0x7FC0, 0x7FFF, 0x7F81, 0xFFC0, 0xFFFF, 0xFF81):  # with a sign, too: what a processor makes
        values = draw()
        values.view(torch.int16)[0, 1, 0, 0] = bits - 0x10000 if bits > 0x7FFF else bits
        pooled = pool_normalised(values, make_norm())
        assert pooled[:, 1].isnan().all(), hex(bits)
        assert not pooled[:, 2].isnan().any()
    values[0, 1, 0, 0] = float("inf")
    assert pool_normalised(values, make_norm())[:, 1].isnan().any()
    values[0, 1, 0, 0] = -float("inf")
    assert not pool_normalised(values, make_norm())[:, 1].isnan().any()


def test_a_network_that_came_apart_says_so():
    net = PainNet((4, 4, 4, 4, 4, 4), (4, 4), 64).train().to(memory_format=torch.channels_last)
    with torch.no_grad():
        net.blocks[0].conv.weight.fill_(float("nan"))
    with torch.autocast("cpu", torch.bfloat16):
        logits = net(torch.full((4, 3, 64, 64), 7, dtype=torch.uint8))
    assert logits.isnan().all()


def test_processes_that_share_their_batches_share_every_normalisation():
    class Shared(nn.BatchNorm2d):
        n_asked = 0

        def forward(self, values: torch.Tensor) -> torch.Tensor:
            Shared.n_asked += 1
            return super().forward(values)

    block = ConvolutionBlock(3, 6).train().to(memory_format=torch.channels_last)
    block.norm = Shared(6).train()
    with torch.autocast("cpu", torch.bfloat16):
        block(torch.randn(2, 3, 8, 8).contiguous(memory_format=torch.channels_last))
    assert Shared.n_asked == 1


def test_statistics_may_be_gathered_as_plain_means_over_batches():
    mine, theirs = make_norm(), make_norm()
    for norm in (mine, theirs):
        norm.reset_running_stats()
        norm.momentum = None
    for seed in (1, 2, 3):
        with torch.no_grad():
            pool_normalised(draw(seed=seed), mine)
            run_plainly(draw(seed=seed).double(), theirs)
    torch.testing.assert_close(mine.running_mean.double(), theirs.running_mean, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(mine.running_var.double(), theirs.running_var, rtol=1e-6, atol=1e-6)


def test_the_number_of_threads_does_not_matter():
    def run() -> list[torch.Tensor]:
        values, norm = draw(n=5).requires_grad_(), make_norm()
        pooled = pool_normalised(values, norm)
        (pooled.float() ** 2).sum().backward()
        return [pooled.detach(), values.grad, norm.weight.grad, norm.running_var]

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = run()
        torch.set_num_threads(3)
        together = run()
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, other) for one, other in zip(alone, together, strict=True))


@pytest.mark.parametrize("height", [8, 7])
def test_a_block_trains_as_it_does_plainly(height, monkeypatch):
    torch.manual_seed(3)
    block = ConvolutionBlock(3, 6).train().to(memory_format=torch.channels_last)
    plain = copy.deepcopy(block)
    images = torch.randn(4, 3, height, 10).contiguous(memory_format=torch.channels_last)

    def run(one: ConvolutionBlock) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            told = one(images)
        told.float().square().sum().backward()
        return told.detach().float()

    got = run(block)
    with monkeypatch.context() as patch:
        patch.setattr("painlib.pooled_norm.can_pool_normalised", lambda convolved, norm: False)
        expected = run(plain)
    torch.testing.assert_close(got, expected, rtol=2 * BFLOAT16, atol=0.02)
    for mine, theirs in zip(block.parameters(), plain.parameters(), strict=True):
        apart = float((mine.grad - theirs.grad).norm() / theirs.grad.norm().clamp_min(1e-3))
        assert apart < 0.05


def test_what_it_cannot_do_is_left_to_torch():
    values = draw()
    norm = make_norm()
    assert can_pool_normalised(values, norm)
    assert not can_pool_normalised(values.float(), norm)
    assert not can_pool_normalised(values.contiguous(), norm)
    assert not can_pool_normalised(draw(height=7), norm)
    assert not can_pool_normalised(values[:0], norm)
    assert not can_pool_normalised(values, make_norm().to(torch.bfloat16))


def test_a_second_derivative_is_refused():
    values = draw().requires_grad_()
    total = pool_normalised(values, make_norm()).float().square().sum()
    (gradient,) = torch.autograd.grad(total, values, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.float().sum().backward()

"""Networks run by engines give what torch gives, say when they do not, and tell nobody."""

import json
import subprocess
import sys

import pytest
import torch
from torch import nn

from painlib.engines import Engine, choose_precision, compile_module
from painlib.faults import PainlibError

# What the interpreter reports before it opens a connection, asks for a name, or starts another process.
TELLING = ("socket.connect", "socket.getaddrinfo", "socket.sendto", "subprocess.Popen", "os.fork", "os.exec")


class Heads(nn.Module):
    """Answers uint8 images (n, 3, h, w) with a dict in a dict and a tuple, as pose networks do."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.deep = nn.Conv2d(8, 4, 3, padding=1)

    def forward(self, images: torch.Tensor) -> dict:
        maps = torch.relu(self.conv(images.float() / 255))
        return {
            "points": {"map": self.deep(maps), "mean": maps.mean(dim=(2, 3))},
            "both": (maps, maps.amax(1)),
        }


def draw(n: int, seed: int = 0, side: int = 24) -> torch.Tensor:
    return torch.randint(
        0, 256, (n, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed)
    )


def build(seed: int = 1) -> Heads:
    torch.manual_seed(seed)
    return Heads().eval()


@pytest.fixture(scope="module")
def engine() -> Engine:
    return compile_module(build(), draw(1), device="cpu", precision="float32")


@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_processor_runs_openvino_in_float32_for_any_number_of_images(engine, n):
    assert (engine.name, engine.precision, engine.fallback) == ("openvino", "float32", "")
    images = draw(n, seed=7)
    with torch.no_grad():
        expected = build()(images)
    got = engine(images)
    assert got.keys() == expected.keys()
    assert isinstance(got["both"], tuple)
    for mine, plain in [
        (got["points"]["map"], expected["points"]["map"]),
        (got["points"]["mean"], expected["points"]["mean"]),
        (got["both"][0], expected["both"][0]),
        (got["both"][1], expected["both"][1]),
    ]:
        torch.testing.assert_close(mine, plain, rtol=1e-4, atol=1e-5)


def test_answers_do_not_change_when_the_next_batch_comes(engine):
    first = engine(draw(2, seed=3))["points"]["map"]
    kept = first.clone()
    engine(draw(2, seed=4))
    assert torch.equal(first, kept)


def test_half_precision_is_coarser_than_float32_and_near_it(engine):
    """bfloat16 has 8 significant bits: a rounding is up to 1/512, and no value comes out as in float32."""
    half = compile_module(build(), draw(1), device="cpu", precision="bfloat16")
    if half.precision == "float32":
        assert choose_precision("bfloat16", "cpu") == "float32"
        pytest.skip("this processor does not compute in bfloat16")
    assert half.name == "openvino"
    assert 1e-4 < half.difference < 0.1
    assert engine.difference < 1e-4
    assert half(draw(2))["points"]["map"].dtype == torch.float32


class Baked(nn.Module):
    """The mean of each image, with what a tracer takes for a constant: the number of images it saw."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.float().reshape(len(images.numpy()), -1).mean(dim=1)


class Steep(nn.Module):
    """A small difference of large sums: bfloat16 cannot tell it, float32 can."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(256, 1, bias=False)
        with torch.no_grad():
            self.layer.weight.fill_(1.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x + 1.0) - self.layer(torch.ones_like(x))


def test_a_network_that_cannot_be_converted_rightly_runs_in_torch_and_the_reason_is_told():
    engine = compile_module(Baked(), draw(3), device="cpu", precision="float32")
    assert (engine.name, engine.precision) == ("torch", "float32")
    assert engine.fallback.startswith("openvino float32: ")
    images = draw(4, seed=5)
    torch.testing.assert_close(engine(images), images.float().mean(dim=(1, 2, 3)))


def test_half_precision_that_differs_too_much_gives_way_to_plain_float32():
    if choose_precision("bfloat16", "cpu") == "float32":
        pytest.skip("this processor does not compute in bfloat16")
    x = torch.randn(2, 256, generator=torch.Generator().manual_seed(0)) * 1e-2
    engine = compile_module(Steep(), x, device="cpu", precision="bfloat16")
    assert (engine.name, engine.precision) == ("torch", "float32")
    assert "differs from plain float32" in engine.fallback
    assert compile_module(Steep(), x, device="cpu", precision="float32").name == "openvino"


def test_precisions_are_those_that_the_device_computes_in(monkeypatch):
    for hardware, expected in (
        ({}, "float32"),
        ({"avx512_bf16": True}, "bfloat16"),
        ({"amx_bf16": True}, "bfloat16"),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda known=hardware: known, raising=False)
        assert choose_precision("auto", "cpu") == expected
        assert choose_precision("bfloat16", "cpu") == expected
        assert choose_precision("float32", "cpu") == "float32"
    assert choose_precision("auto", "cuda") == "float16"
    assert choose_precision("auto", "mps") == "float32"
    with pytest.raises(PainlibError, match="float33"):
        choose_precision("float33", "cpu")


def test_an_engine_has_as_many_threads_as_torch():
    """A worker has one thread: torch's number says so, and the engine's must not be the machine's."""
    code = """
import torch
torch.set_num_threads(1)
import openvino
asked = []
plain = openvino.Core.compile_model
openvino.Core.compile_model = lambda *given: asked.append(given[-1]) or plain(*given)
from painlib.engines import compile_module
assert compile_module(torch.nn.Linear(4, 2), torch.zeros(1, 4), device="cpu").name == "openvino"
print(asked[0]["INFERENCE_NUM_THREADS"], asked[0]["ENABLE_CPU_PINNING"], "CACHE_DIR" in asked[0])
"""
    told = subprocess.run(
        [sys.executable, "-c", "import sys; sys.modules['openvino_telemetry'] = None\n" + code],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout.split() == ["1", "False", "False"]


def test_nothing_is_sent_and_no_telemetry_is_loaded():
    code = f"""
import json, sys
import torch
told = []
sys.addaudithook(lambda event, args: told.append(event) if event in {TELLING!r} else None)
from painlib.engines import compile_module
engine = compile_module(torch.nn.Conv2d(3, 4, 3), torch.zeros(1, 3, 8, 8), device="cpu")
engine(torch.zeros(3, 3, 8, 8))
loaded = [name for name, module in sys.modules.items() if name.startswith("openvino_telemetry") and module]
print(json.dumps([engine.name, told, loaded]))
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(told.stdout.splitlines()[-1]) == ["openvino", [], []]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no graphics card")
@pytest.mark.parametrize("precision", ["float32", "auto", "bfloat16"])
def test_a_graphics_card_gives_the_plain_answers(precision):
    engine = compile_module(build(), draw(1), device="cuda", precision=precision)
    assert engine.fallback == ""
    assert engine.precision == choose_precision(precision, "cuda")
    images = draw(4, seed=7)
    with torch.no_grad():
        expected = build()(images)["points"]["map"]
    tolerance = 1e-4 if precision == "float32" else 0.05
    got = engine(images)["points"]["map"]
    assert got.is_cuda
    assert got.dtype == torch.float32
    torch.testing.assert_close(got.cpu(), expected, rtol=0, atol=tolerance * float(expected.abs().max()))

"""A network ready to judge faces: its convolutions by the fastest way that gives the plain answers, its small
head in torch.

All that a face costs is in the convolutions up to the sixth (`PainNet.convolve`); what follows them needs
gradients for Grad-CAM and stays in torch float32. So prediction, attribution and `painlib score` judge alike.
"""

from __future__ import annotations

import copy
import hashlib
import threading
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from painlib.engines import Engine, compile_module
from painlib.engines.plain import run_in_torch
from painlib.model import PainNet, choose_device

CHECKED = 32  # faces of the first batch that are judged the plain way too
EXAMPLES = 4  # of them, those that the engine is made and first tried with
AT_ONCE = 8  # faces that go through the convolutions at once on a CPU: they stay in its caches
# Ours: how far probabilities may lie from plain float32: each in float32, in half precision their mean.
LARGEST, MEAN = 1e-3, 0.01


@dataclass(frozen=True)
class JudgedBy:
    """What judged, and how far it is from plain torch in float32 on `n_checked` faces.

    `engine`: "openvino" or "torch". `largest`, `mean`: of the differences of a class's probability.
    `n_changed`: faces whose likelier class is another. `fallback`: why a faster way was not taken, or empty.
    """

    engine: str
    precision: str
    device: str
    n_checked: int
    largest: float
    mean: float
    n_changed: int
    fallback: str

    def explain(self) -> str:
        """One line for people and for provenance."""
        way = f"{self.engine}, {self.precision}, on {self.device}"
        if self.fallback:
            return f"{way} (the faster way was not taken: {self.fallback})"
        return (
            f"{way}; {self.n_checked} faces also judged by plain torch in float32: probabilities differ by "
            f"at most {self.largest:.1g}, {self.n_changed} calls change"
        )


class FaceJudge:
    """A frozen copy of a network on a device; make it by `open_judge`.

    The first faces it gets are judged the plain way too; where the fast way differs too much (`LARGEST`,
    `MEAN`), the plain way judges from then on, and a warning says so.
    """

    def __init__(self, net: PainNet, device: str = "auto", precision: str = "float32") -> None:
        self.place = choose_device(device)
        self.net = copy.deepcopy(net).float().requires_grad_(False)
        self.net.to(self.place).to(memory_format=torch.channels_last).eval()
        self._precision = precision
        self._trunk = _Trunk(self.net)
        self._engine: Engine | None = None
        self._facts: JudgedBy | None = None

    @property
    def facts(self) -> JudgedBy:
        """What judges; known from the first faces on."""
        assert self._facts is not None, "nothing was judged yet"
        return self._facts

    def convolve(self, faces: Tensor) -> Tensor:
        """`PainNet.convolve` of faces (n, 3, px, px) uint8 on any device: float32, on this judge's device."""
        faces = faces.to(self.place)
        if self._engine is None:
            self._prepare(faces)
        assert self._engine is not None
        parts = faces.split(AT_ONCE) if self.place.type == "cpu" else [faces]
        # Copied: what is made in inference mode takes no part in gradients.
        return torch.cat([self._engine(self.net.standardise(part)) for part in parts]).clone()

    def probabilities(self, faces: Tensor) -> np.ndarray:
        """(n, n_outputs) float64, rows sum to 1, of faces (n, 3, px, px) uint8."""
        return self._finish(self.convolve(faces))

    def _prepare(self, faces: Tensor) -> None:
        """Make the engine, and hold it against plain torch on the first faces."""
        sample = self.net.standardise(faces[:CHECKED])
        device = str(self.place)
        engine = compile_module(
            self._trunk, sample[:EXAMPLES].contiguous(), device=device, precision=self._precision
        )
        plain = run_in_torch(self._trunk, device, "float32")
        expected, got = self._finish(plain(sample)), self._finish(engine(sample))
        apart = np.abs(got - expected)
        changed = int((got.argmax(axis=1) != expected.argmax(axis=1)).sum())
        largest, mean = float(apart.max()), float(apart.mean())
        fallback = engine.fallback
        if not (largest <= LARGEST if engine.precision == "float32" else mean <= MEAN):
            fallback = (
                f"{engine.name} {engine.precision}: probabilities differ from plain torch by {mean:.2g} in "
                f"the mean and {largest:.2g} at most"
            )
            engine = Engine("torch", "float32", device, 0.0, fallback, plain)
        if fallback:
            largest, mean, changed = 0.0, 0.0, 0
            warnings.warn(f"Faces are judged by plain torch in float32 ({fallback}).", stacklevel=4)
        self._engine = engine
        self._facts = JudgedBy(
            engine.name, engine.precision, device, len(sample), largest, mean, changed, fallback
        )

    def _finish(self, convolved: Tensor) -> np.ndarray:
        with torch.inference_mode():
            logits = self.net.judge_convolved(convolved.to(self.place))
            # On the CPU: mps has no float64.
            return torch.softmax(logits.cpu().double(), dim=1).numpy()


class _Trunk(nn.Module):
    """The network up to its sixth convolution, of standardised images."""

    def __init__(self, net: PainNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, standardised: Tensor) -> Tensor:
        return self.net.convolve_standardised(standardised)


_kept = threading.local()


def open_judge(net: PainNet, device: str = "auto", precision: str = "float32") -> FaceJudge:
    """The judge of a network as it is now; while weights, device and precision stay the same, the one that
    was made last (making one takes 0.1 to 0.5 s)."""
    content = hashlib.sha256(repr((net.architecture, str(choose_device(device)), precision)).encode())
    for name, tensor in net.state_dict().items():
        content.update(name.encode())
        content.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    if getattr(_kept, "content", None) != content.digest():
        _kept.judge, _kept.content = FaceJudge(net, device, precision), content.digest()
    judge: FaceJudge = _kept.judge
    return judge

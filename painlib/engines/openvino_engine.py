"""A network through OpenVINO, on the processor: converted in this process, nothing written, nothing sent."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from painlib.engines.outputs import list_tensors, replace_tensors

if TYPE_CHECKING:
    from torch import Tensor, nn


def run_in_openvino(
    module: nn.Module, example: Tensor, precision: str
) -> tuple[Callable[[Tensor], Any], str]:
    """`module` (on the CPU, in evaluation mode) as a function of a batch, and the precision that it runs in.

    Traced with `example` (n >= 2 images): a batch may have any number of images of that size and dtype. As
    many threads as torch has here, so one in a worker; not bound to cores, where several workers would sit on
    the same one.
    """
    import torch

    ov = import_openvino()
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    flat = _make_flat(module)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's, of branches that do not depend on the images
        shape = module(example[:1])
        decoder = TorchScriptPythonDecoder(
            flat, example_input=(example,), trace_kwargs={"check_trace": False}
        )
    # Not openvino.convert_model, which reports each conversion to its maker.
    frontend = FrontEndManager().load_by_framework("pytorch")
    model = frontend.convert(frontend.load(decoder))
    model.reshape(ov.PartialShape([-1, *example.shape[1:]]))
    compiled = ov.Core().compile_model(
        model,
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,
        },
    )
    request = compiled.create_infer_request()
    ran = {"f32": "float32", "bf16": "bfloat16"}.get(
        compiled.get_property("INFERENCE_PRECISION_HINT").to_string(), "?"
    )

    def run(batch: Tensor) -> Any:
        answers = request.infer([batch.contiguous().numpy()], share_inputs=True)
        tensors = (torch.from_numpy(answers[place]) for place in range(len(compiled.outputs)))
        return replace_tensors(shape, tensors)

    return run, ran


def import_openvino() -> ModuleType:
    """The module openvino, without its telemetry: importing it and converting with it tell its maker so.

    Where openvino was imported before by somebody else, its import was reported then; nothing that is done
    here is.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def _make_flat(module: nn.Module) -> nn.Module:
    """The same network with its output as a tuple, which is what can be traced."""
    import torch

    class Flat(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, batch: Tensor) -> tuple[Tensor, ...]:
            return tuple(list_tensors(self.module(batch)))

    return Flat().eval()

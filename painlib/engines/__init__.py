"""Trained torch networks run by the fastest way that gives the plain way's answers: OpenVINO on a processor,
half precision on a graphics card, else torch in float32."""

from painlib.engines.compiling import PRECISIONS, Engine, compile_module
from painlib.engines.precision import choose_precision

__all__ = ["PRECISIONS", "Engine", "choose_precision", "compile_module"]

"""The number format that a network computes in."""

from __future__ import annotations

from painlib.faults import PainlibError

PRECISIONS = ("auto", "float32", "bfloat16", "float16")


def choose_precision(name: str, device: str) -> str:
    """What `name` means on `device` ("cpu", "cuda", "mps"): "float32", "bfloat16" or "float16".

    `auto`: float16 on a graphics card (ten bits after the point where bfloat16 has seven, at the same speed),
    bfloat16 on a processor that computes in it, else float32. A format that the device does not compute in is
    float32 there: it would be slower and no better.
    """
    if name not in PRECISIONS:
        raise PainlibError(f"Expected a precision ({', '.join(PRECISIONS)}), got '{name}'.")
    kind = str(device).split(":")[0]
    has = {
        "cpu": {"bfloat16": _processor_has_bfloat16},
        "cuda": {"float16": lambda: True, "bfloat16": _card_has_bfloat16},
    }.get(kind, {})
    if name == "auto":
        return next((precision for precision, there in has.items() if there()), "float32")
    return name if name in has and has[name]() else "float32"


def _processor_has_bfloat16() -> bool:
    import torch

    known = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(known.get("avx512_bf16") or known.get("amx_bf16"))


def _card_has_bfloat16() -> bool:
    import torch

    return bool(torch.cuda.is_bf16_supported(including_emulation=False))

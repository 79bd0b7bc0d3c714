"""Matrix products on a CPU by oneDNN, which torch carries but asks in low precision only.

torch gives fp32 products to MKL, which leaves half of an AMD processor's width unused: oneDNN made 2.2 times the
operations a second there. A product's row is the same whatever rows stand beside it, but for a lone one, which
takes another way; so a lone row is multiplied twice.
"""

from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Linear, Module


def multiply_by_onednn(model: "Module") -> bool:
    """Send a model's linear layers to oneDNN, for inference only; whether that was possible.

    Only a model in fp32 on a CPU is changed, and only where this torch was built with oneDNN.
    """
    import torch

    weights = next(model.parameters())
    if weights.device.type != "cpu" or weights.dtype != torch.float32 or not _there():
        return False
    for module in model.modules():
        if type(module) is torch.nn.Linear:
            module.forward = partial(_linear, module)  # type: ignore[method-assign]
    return True


def _there() -> bool:
    import torch

    built = bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
    return built and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def _linear(layer: "Linear", values: "Tensor") -> "Tensor":
    import torch

    multiply: Any = torch.ops.mkldnn._linear_pointwise
    lone = values.numel() == values.shape[-1]
    rows = values.expand(2, *values.shape[1:]) if lone else values
    product: Tensor = multiply(rows.contiguous(), layer.weight, layer.bias, "none", [], "")
    return product[:1] if lone else product

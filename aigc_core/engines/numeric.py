"""The numeric type a run's texts are computed in: found once, where the night is planned."""

from aigc_core.contracts.generation import Generation
from aigc_core.engines.loading import dtype_for, pick_device
from aigc_core.engines.template import TemplateEngine
from aigc_core.engines.variants import ct2_dtype

ELSEWHERE = ("prefect", "ray")
"""Where workers run on devices that the planner does not see."""


def numeric_type(engine: str, settings: Generation, *, device: str | None = None) -> str:
    """Numeric type of a run's texts; part of every request key, and told to every worker.

    `auto` is fp32 on a CPU and bf16 on a GPU of this machine, where the workers are its children. With `fan_out`
    `prefect` or `ray` it is fp32, whatever this machine has: every device computes it, and texts do not depend on
    which one a worker finds. A recipe for workers on GPUs names bfloat16.

    Args:
        device: of this machine; None looks.

    Raises:
        ModelInvalid: a type that the engine does not serve.
    """
    match engine:
        case "template":
            return TemplateEngine.dtype
        case "endpoint":
            return "server"
        case "ct2":
            return ct2_dtype(settings.dtype)
        case _ if settings.fan_out in ELSEWHERE:
            return dtype_for("cpu", settings.dtype)
        case _:
            return dtype_for(device or pick_device(None), settings.dtype)

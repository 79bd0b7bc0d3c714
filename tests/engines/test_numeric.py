"""One numeric type a run, whatever device a worker finds."""

from dataclasses import replace
from pathlib import Path

import pytest
from shop import Shop, item, read_line

from aigc_core.contracts.generation import Generation
from aigc_core.engines.numeric import numeric_type
from aigc_core.errors import EngineBroken, UserError
from aigc_core.night import intake, pin, steps
from aigc_core.records import ModelVersion
from aigc_core.workspace import open_generator, open_model

pytest_plugins = ("shop_fixtures",)


@pytest.mark.parametrize(
    ("engine", "settings", "device", "found"),
    [
        ("hf", {}, "cpu", "float32"),
        ("hf", {}, "cuda", "bfloat16"),
        ("hf", {"fan_out": "prefect"}, "cuda", "float32"),
        ("vllm", {"fan_out": "ray"}, "cuda", "float32"),
        ("hf", {"fan_out": "ray", "dtype": "bfloat16"}, "cpu", "bfloat16"),
        ("ct2", {"dtype": "int8"}, "cuda", "int8"),
        ("template", {}, "cuda", "text"),
    ],
)
def test_auto_follows_the_device_only_where_the_workers_are(
    engine: str, settings: dict[str, object], device: str, found: str
) -> None:
    told = Generation.model_validate({"workers": 2} | settings)
    assert numeric_type(engine, told, device=device) == found


def test_a_worker_computes_in_the_type_of_the_run(tmp_path: Path, tiny_llama: str) -> None:
    line = read_line(tmp_path)
    model = replace(open_model("hf", tiny_llama, line), dtype="bfloat16")
    assert open_generator(model, line).dtype == "bfloat16"


def test_an_engine_of_another_type_is_refused_and_nobodys_mistake(tmp_path: Path) -> None:
    line = read_line(tmp_path)
    model = replace(open_model("template", None, line), dtype="float32")
    with pytest.raises(EngineBroken, match="computes in text here, and the run's texts are in float32") as refused:
        open_generator(model, line)
    assert not isinstance(refused.value, UserError)


def test_the_type_is_kept_with_the_run_and_shapes_its_keys(open_shop: Shop, tiny_llama: str) -> None:
    night = pin.start(replace(open_shop.order([item(1)]), engine="hf", model=tiny_llama))
    model = steps.obtain_model(night, None)
    folder = open_shop.folder(night.run_id)
    assert (model.dtype, folder.recall("model", ModelVersion)) == ("float32", model)
    catalogue = intake.take_catalogue(night)
    elsewhere = replace(model, dtype="bfloat16")
    plans = [steps.planned(night, catalogue, one, open_shop.folder(f"plan-{one.dtype}")) for one in (model, elsewhere)]
    assert plans[0].fingerprint != plans[1].fingerprint

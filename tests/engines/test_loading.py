import json
from pathlib import Path

import huggingface_hub.constants
import pytest

from aigc_core.engines.hf import HfEngine
from aigc_core.engines.loading import completion_ids, find_model, folder_digest, load_model, load_tokenizer, pick_device
from aigc_core.errors import ModelInvalid


def test_the_digest_follows_every_part(own_copy: Path) -> None:
    digests = [folder_digest(own_copy)]
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        path = own_copy / name
        path.write_bytes(path.read_bytes() + b" ")
        digests.append(folder_digest(own_copy))
    assert len(set(digests)) == 4


def test_the_digest_leaves_the_rest_out(own_copy: Path) -> None:
    before = folder_digest(own_copy)
    (own_copy / "MODEL_CARD.md").write_text("words")
    assert folder_digest(own_copy) == before


def test_pickled_weights_are_refused(own_copy: Path) -> None:
    (own_copy / "model.safetensors").rename(own_copy / "pytorch_model.bin")
    with pytest.raises(ModelInvalid, match=r"only pytorch_model\.bin\..*Convert the weights"):
        HfEngine(str(own_copy))


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelInvalid, match=r"holds no config\.json"):
        find_model(str(tmp_path))


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelInvalid, match=r"There is no model folder .*nowhere"):
        find_model(str(tmp_path / "nowhere"))


@pytest.mark.parametrize("name", ["someone/no-such-model", "not a name!"])
def test_a_hub_id_that_cannot_be_fetched_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelInvalid, match="could not be fetched from the hub"):
        find_model(name)


def test_missing_weights_are_refused(own_copy: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(own_copy / "model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, own_copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelInvalid, match=r"lacks weights: model\.norm\.weight"):
        load_model(own_copy, device="cpu", dtype="float32")


def test_broken_weights_are_refused(own_copy: Path) -> None:
    (own_copy / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(ModelInvalid, match="cannot be loaded"):
        load_model(own_copy, device="cpu", dtype="float32")


def test_code_of_a_model_is_not_run(own_copy: Path) -> None:
    config = json.loads((own_copy / "config.json").read_text())
    config |= {"model_type": "own_kind", "auto_map": {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}}
    (own_copy / "config.json").write_text(json.dumps(config))
    (own_copy / "own.py").write_text("raise SystemExit('ran')")
    with pytest.raises(ModelInvalid, match="cannot be loaded"):
        load_model(own_copy, device="cpu", dtype="float32")


def test_a_tokenizer_without_an_end_is_refused(own_copy: Path) -> None:
    path = own_copy / "tokenizer_config.json"
    config = json.loads(path.read_text())
    config["eos_token"] = None
    path.write_text(json.dumps(config))
    with pytest.raises(ModelInvalid, match="no end-of-text token"):
        load_tokenizer(own_copy)


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(ModelInvalid, match="There is no device abacus here"):
        pick_device("abacus")


def test_completions_end_and_begin_as_their_script_does(tiny_llama: str) -> None:
    tokenizer = load_tokenizer(Path(tiny_llama))
    latin, chinese = completion_ids(tokenizer, ["red coat ", "衣服"])
    assert latin[-1] == chinese[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(latin[:-1]) == " red coat"
    assert tokenizer.decode(chinese[:-1]) == "衣服"

"""What a recipe may ask of the choice of tokens, and what is refused when the line is read."""

import json
from pathlib import Path

import pytest

from aigc_core.contracts.generation import Generation
from aigc_core.contracts.recipe import read_recipe
from aigc_core.errors import RecipeInvalid
from aigc_core.records import Sampling

HEAD = """\
line: mugs
title: Mugs
locales: [en]
attributes: {colour: {column: colour}}
prompt: "{{ attributes[0].value }}"
generation:
"""
CARD = "json_schema: {type: object, properties: {z: {type: string}, a: {type: integer}}, required: [z]}"


def read(folder: Path, generation: str) -> Sampling:
    path = folder / "recipe.yaml"
    path.write_text(HEAD + "".join(f"  {line}\n" for line in generation.splitlines()), "utf-8")
    return read_recipe(path).sampling


def test_nothing_asked_is_plain_sampling(tmp_path: Path) -> None:
    assert read(tmp_path, "sampling: {repetition_window: 0}") == Sampling()


def test_what_is_asked_reaches_the_engines(tmp_path: Path) -> None:
    sampling = read(tmp_path, f"watermark: {{scheme: kgw, bias: 1}}\n{CARD}\njson_text: z\nsampling: {{best_of: 3}}")
    assert json.loads(sampling.watermark) == {"scheme": "kgw", "bias": 1.0, "green_share": 0.25, "seeding": "lefthash"}
    assert list(json.loads(sampling.json_schema)["properties"]) == ["z", "a"]
    assert (sampling.json_text, sampling.best_of) == ("z", 3)


def test_synthid_is_read(tmp_path: Path) -> None:
    sampling = read(tmp_path, "watermark: {scheme: synthid}\nsampling: {top_k: 40}")
    assert json.loads(sampling.watermark) == {"scheme": "synthid", "ngram": 5, "depth": 30}


@pytest.mark.parametrize(
    ("generation", "said"),
    [
        ("watermark: {scheme: gumbel}", "does not match any of the expected tags: 'kgw', 'synthid'"),
        ("watermark: {scheme: kgw, key: secret}", "Extra inputs are not permitted"),
        ("watermark: {scheme: kgw, seeding: selfhash}", "`selfhash` is not offered: it shuffles"),
        ("watermark: {scheme: synthid}", "needs `sampling.top_k` from 2 to 200, came 0"),
        ("watermark: {scheme: synthid}\nsampling: {top_k: 500}", "came 500"),
        ("watermark: {scheme: synthid}\nsampling: {top_k: 9, temperature: 0}", "needs a temperature above 0"),
        ("watermark: {scheme: kgw}\nengine: template", "`watermark` needs engine hf: template does not let"),
        ("watermark: {scheme: kgw}\nengine: ct2", "`watermark` needs engine hf: ct2"),
        ("watermark: {scheme: kgw}\nengine: endpoint", "`watermark` needs engine hf: endpoint"),
        (f"{CARD}\nengine: ct2", "`json_schema` needs engine hf: ct2"),
        (f"{CARD}\njson_text: a", "must name a property of type string"),
        (f"{CARD}\njson_text: b", "must name a property of type string"),
        ("json_text: z", "`json_text` needs `json_schema`"),
        (f"{CARD.replace('[z]', '[a]')}\njson_text: z", "must stand in `json_schema.required`"),
        (f"{CARD}\nsampling: {{stop: ['.']}}", "exclude each other"),
        ("json_schema: {type: array}", "must describe an object"),
        ("json_schema: {type: thing}", "is no JSON schema (draft 2020-12)"),
        ("json_schema: {type: object, properties: {a: {const: .nan}}}", "holds what JSON has no word for"),
        ("json_schema: {type: object, properties: {a: {$ref: 'https://a.b/c'}}}", "refers to 'https://a.b/c'"),
        ("sampling: {best_of: 2, temperature: 0}", "`best_of` above 1 needs a temperature above 0"),
        ("sampling: {best_of: 17}", "less than or equal to 16"),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason(tmp_path: Path, generation: str, said: str) -> None:
    with pytest.raises(RecipeInvalid) as caught:
        read(tmp_path, generation)
    assert said in str(caught.value)


def test_settings_survive_json_in_their_order() -> None:
    asked = Generation.model_validate(
        {
            "json_schema": {"type": "object", "properties": {"z": {"type": "string"}, "a": {}}},
            "watermark": {"scheme": "synthid"},
            "sampling": {"top_k": 9},
        }
    )
    again = Generation.model_validate_json(asked.model_dump_json())
    assert again.decoding == asked.decoding

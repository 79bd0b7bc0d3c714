"""Models converted for CTranslate2: from safetensors alone, whole or not there, with a manifest that says from what."""

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import TypeAdapter, ValidationError

from aigc_core.contracts.generation import Dtype
from aigc_core.engines.loading import load_model, load_tokenizer, quiet
from aigc_core.errors import MissingExtra, ModelInvalid
from aigc_core.ids import canonical_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Ct2Dtype = Literal["float32", "int8"]
MANIFEST = "variant.json"
_VOCABULARY = "vocabulary.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """Greedy texts of a variant beside those of its source in fp32."""

    prompts: int
    equal: float
    """Share of texts that are the same, in [0, 1]."""
    agreement: float
    """Mean over the texts of the share of characters before the first difference, in [0, 1]; at least `equal`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One converted model, as its manifest says."""

    library: str
    """Version of CTranslate2."""
    source: str
    """Digest of the model it was made from."""
    dtype: Ct2Dtype
    files: dict[str, str]
    """Name -> SHA-256."""
    parity: Parity | None = None
    """None as long as it was not measured."""
    vocabulary: tuple[str, ...] = ()
    """The spelling of each token; read from its file, not from the manifest."""


def ct2_dtype(asked: Dtype) -> Ct2Dtype:
    """The numeric type a recipe asks of engine `ct2`; `auto` is fp32.

    Raises:
        ModelInvalid: a type the library does not serve on a CPU.
    """
    if asked == "bfloat16":
        raise ModelInvalid("The engine ct2 does not compute in bfloat16.", "It serves float32 and int8.")
    return "float32" if asked == "auto" else asked


def ct2_library() -> Any:  # noqa: ANN401 -- an optional package
    """CTranslate2.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        import ctranslate2
    except ImportError as error:
        raise MissingExtra(
            "Engine ct2 needs CTranslate2, which is not installed.", remedy="Install it: `pip install 'aigc[ct2]'`."
        ) from error
    return ctranslate2


def convert(source: Path, digest: str, target: Path, dtype: Ct2Dtype) -> Variant:
    """Convert a model folder into `target`, which is replaced; the manifest is written last.

    Args:
        source: checked by `loading.check_folder`; it is only read.
        digest: `loading.folder_digest` of it.

    Raises:
        MissingExtra: CTranslate2 is not installed.
        ModelInvalid: the model cannot be loaded, or the library knows no such architecture.
    """
    library = ct2_library()
    _require_full_attention(source)
    shutil.rmtree(target, ignore_errors=True)
    try:
        with quiet():
            _converter(source).convert(str(target), quantization=None if dtype == "float32" else dtype)
    except (ValueError, NotImplementedError, KeyError, AttributeError, RuntimeError) as error:
        raise ModelInvalid(
            f"CTranslate2 cannot convert the model in {source}: {' '.join(str(error).split())[:400]}",
            "It converts causal language models of the architectures it knows, e.g. llama, mistral, qwen2 and qwen3.",
            "Use --engine hf, which takes any that transformers loads.",
        ) from error
    files = {path.name: _sha256(path) for path in sorted(target.iterdir())}
    made = Variant(library=library.__version__, source=digest, dtype=dtype, files=files)
    write_manifest(target, made)
    return made


def _require_full_attention(source: Path) -> None:
    """Measured: with a window shorter than the text the library's batches change each other's texts."""
    settings = json.loads((source / "config.json").read_text("utf-8"))
    window = settings.get("sliding_window") if settings.get("use_sliding_window", True) else None
    if window and window < settings.get("max_position_embeddings", window + 1):
        raise ModelInvalid(
            f"The model in {source} attends to a window of {window} tokens; CTranslate2 writes other texts with it.",
            "Engine ct2 takes models with full attention.",
            "Use --engine hf.",
        )


def write_manifest(folder: Path, variant: Variant) -> None:
    """Write down what a variant is."""
    told = {name: value for name, value in asdict(variant).items() if name != "vocabulary"}
    (folder / MANIFEST).write_text(canonical_json(told) + "\n", "utf-8")


def read_variant(folder: Path) -> Variant | None:
    """The variant in a folder; None where there is none that is whole and of the library installed.

    Raises:
        MissingExtra: CTranslate2 is not installed.
    """
    try:
        made = TypeAdapter(Variant).validate_json((folder / MANIFEST).read_bytes())
        whole = all(_sha256(folder / name) == sha256 for name, sha256 in made.files.items())
        pieces = json.loads((folder / _VOCABULARY).read_text("utf-8"))
    except (OSError, ValidationError, ValueError):
        return None
    if not whole or made.library != ct2_library().__version__:
        return None
    return replace(made, vocabulary=tuple(pieces))


def _converter(source: Path) -> Any:  # noqa: ANN401 -- a class of an optional package
    """The library's converter over our own loading: local safetensors, never code from the model's folder."""
    from ctranslate2.converters import TransformersConverter

    class Converter(TransformersConverter):  # type: ignore[misc,unused-ignore]
        def load_model(self, *_: object, **__: object) -> "PreTrainedModel":
            return load_model(source, device="cpu", dtype="float32")

        def load_tokenizer(self, *_: object, **__: object) -> "PreTrainedTokenizerBase":
            return load_tokenizer(source)

        def _load(self) -> Any:  # noqa: ANN401 -- as above
            spec = super()._load()
            for name in ("bos_token", "eos_token", "unk_token"):
                # A model without such a token; the library takes a string only.
                if getattr(spec.config, name, "") is None:
                    setattr(spec.config, name, "")
            return spec

    return Converter(str(source))


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

"""Models and tokenizers from a folder or the hub: safetensors only, never code from a model repository."""

import hashlib
import json
import logging
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aigc_core.contracts.generation import Dtype
from aigc_core.errors import ModelInvalid
from aigc_core.ids import fingerprint

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

REFUSED_WEIGHTS = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt", "*.h5", "*.msgpack")
HUB_FILES = ["*.safetensors", "*.json", "*.model", "*.jinja", "vocab.txt", "merges.txt"]
SHAPING_FILES = (
    "added_tokens.json", "chat_template.jinja", "chat_template.json", "config.json", "generation_config.json",
    "merges.txt", "special_tokens_map.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json",
    "vocab.json", "vocab.txt",
)  # fmt: skip
"""Beside the weights, what decides on a text: architecture, vocabulary, chat template and the tokens that end it."""


def folder_digest(path: Path | str) -> str:
    """Identity of a model folder: over the SHA-256 of its safetensors and of `SHAPING_FILES`.

    Raises:
        ModelInvalid: the folder holds no safetensors or no config.json.
    """
    folder = Path(path)
    check_folder(folder)
    files = [*sorted(folder.glob("*.safetensors")), *(folder / name for name in SHAPING_FILES)]
    return fingerprint([[file.name, _file_sha256(file)] for file in files if file.is_file()])


def _file_sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_folder(folder: Path) -> None:
    """Refuse a folder that is no model, or one whose weights would have to be unpickled.

    Raises:
        ModelInvalid: see above.
    """
    if not (folder / "config.json").is_file():
        raise ModelInvalid(f"{folder} holds no config.json.", "A model folder has config.json and *.safetensors.")
    if any(folder.glob("*.safetensors")):
        return
    refused = sorted(file.name for pattern in REFUSED_WEIGHTS for file in folder.glob(pattern))
    came = f"{folder} holds no safetensors" + (f", only {', '.join(refused[:3])}." if refused else ".")
    raise ModelInvalid(
        came,
        "Only safetensors are loaded: the other formats can run code when they are opened.",
        "Convert the weights where you trust them: load the model and call `save_pretrained` on it.",
    )


def find_model(base: str) -> Path:
    """The local folder of a model named by folder or hub id; downloads safetensors and tokenizer if it must.

    Raises:
        ModelInvalid: neither a model folder nor a hub id that can be fetched.
    """
    folder = Path(base).expanduser()
    if not folder.exists() and not _looks_local(base):
        folder = _download(base)
    if not folder.is_dir():
        raise ModelInvalid(f"There is no model folder {base}.", "A base is `starter`, a local folder or a hub id.")
    check_folder(folder)
    return folder


def _looks_local(base: str) -> bool:
    return base.startswith((".", "/", "~", "\\")) or base.count("/") > 1


def _download(base: str) -> Path:
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        with quiet():
            return Path(snapshot_download(base, allow_patterns=HUB_FILES))
    except (OSError, ValueError, HfHubHTTPError, HFValidationError, httpx.HTTPError) as error:
        cause = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelInvalid(
            f"{base} is no local folder and could not be fetched from the hub: {cause.rstrip('.')}.",
            "A base is `starter`, a local folder or a hub id.",
            "Check the name and the network, or download the model and give its folder.",
        ) from error


def load_tokenizer(folder: Path) -> "PreTrainedTokenizerBase":
    """The tokenizer of a model folder.

    Raises:
        ModelInvalid: it cannot be read or has no end-of-text token.
    """
    from transformers import AutoTokenizer

    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
        raise _unloadable("tokenizer", folder, error) from error
    if tokenizer.eos_token_id is None:
        raise ModelInvalid(
            f"The tokenizer in {folder} has no end-of-text token.",
            "A text ends where the model writes that token.",
            "Name it as `eos_token` in tokenizer_config.json.",
        )
    return tokenizer


def special_tokens(folder: Path | str) -> tuple[str, ...]:
    """The spellings of the special tokens of a model folder's tokenizer; none where it names none."""
    path = Path(folder) / "tokenizer.json"
    if not path.is_file():
        return ()
    added = json.loads(path.read_text("utf-8")).get("added_tokens") or []
    return tuple(token["content"] for token in added if token.get("special"))


def load_model(folder: Path, *, device: str, dtype: str) -> "PreTrainedModel":
    """The causal language model in a folder, ready for inference.

    Args:
        folder: checked by `check_folder`.
        device: e.g. `cpu`, `cuda`.
        dtype: e.g. `float32`, `bfloat16`.

    Raises:
        ModelInvalid: it cannot be loaded, wants remote code, or weights are missing.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    options: dict[str, Any] = {"use_safetensors": True, "trust_remote_code": False, "local_files_only": True}
    try:
        with quiet():
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                folder, dtype=getattr(torch, dtype), output_loading_info=True, **options
            )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, RuntimeError) as error:
        raise _unloadable("model", folder, error) from error
    except SafetensorError as error:
        raise _unloadable("model", folder, error) from error
    model, info = loaded
    absent = sorted(map(str, [*info["missing_keys"], *info["mismatched_keys"]]))
    if absent:
        raise ModelInvalid(f"The model in {folder} lacks weights: {', '.join(absent[:3])}.", "All must be there.")
    return model.to(device).eval()  # type: ignore[no-any-return]


def _unloadable(what: str, folder: Path, error: Exception) -> ModelInvalid:
    words = " ".join(str(error).split())[:300]
    return ModelInvalid(
        f"The {what} in {folder} cannot be loaded: {type(error).__name__}: {words}",
        "A causal language model as `save_pretrained` writes it, without code of its own, is loaded.",
    )


def gpu_count() -> int:
    """GPUs this process may use."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def pick_device(device: str | None) -> str:
    """The device asked for, or `cuda` when there is one and `cpu` otherwise.

    Raises:
        ModelInvalid: the device asked for is not there.
    """
    import torch

    there = torch.cuda.is_available()
    if device is None:
        return "cuda" if there else "cpu"
    if device.split(":")[0] not in (("cpu", "cuda") if there else ("cpu",)):
        raise ModelInvalid(f"There is no device {device} here.", "Valid is cpu, or cuda where a GPU is there.")
    return device


def dtype_for(device: str, asked: Dtype) -> str:
    """The numeric type a model runs in; `auto` is fp32 on a CPU, where it is exact, and bf16 on a GPU.

    Raises:
        ModelInvalid: `int8`, which this engine does not serve.
    """
    if asked == "int8":
        raise ModelInvalid(
            "The engine hf does not compute in int8.",
            "It serves float32 and bfloat16; torch's own int8 changes one text in four.",
            "Set generation.engine to ct2 for int8.",
        )
    if asked != "auto":
        return asked
    return "float32" if device == "cpu" else "bfloat16"


def prompt_ids(tokenizer: "PreTrainedTokenizerBase", prompts: Sequence[str]) -> list[list[int]]:
    """Each prompt's tokens, the same in training and generation.

    They begin with the tokenizer's start token, if it adds one, and never end with its end token. Attributes
    are untrusted: a special token spelt out in a prompt is read as plain text.
    """
    rows = _encode(tokenizer, prompts, add_special_tokens=True)
    return [row[:-1] if row and row[-1] == tokenizer.eos_token_id else row for row in rows]


def completion_ids(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str]) -> list[list[int]]:
    """Each text's tokens and the end token, to follow `prompt_ids`; encoded apart, so no token spans both."""
    spaced = [_spaced(text.strip()) for text in texts]
    return [[*row, int(tokenizer.eos_token_id)] for row in _encode(tokenizer, spaced, add_special_tokens=False)]


def _spaced(text: str) -> str:
    # A byte-level vocabulary holds words with the space before them; Chinese and Japanese write none.
    return text if unicodedata.east_asian_width(text[:1] or " ") in "WF" else f" {text}"


def _encode(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str], *, add_special_tokens: bool) -> list[list[int]]:
    if not texts:
        return []
    with quiet():
        encoded = tokenizer(list(texts), add_special_tokens=add_special_tokens, split_special_tokens=True)
    return [list(row) for row in encoded["input_ids"]]


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the model libraries' notes and progress bars off the screen; what matters is raised."""
    from transformers.utils import logging as transformers_logging

    loggers = [logging.getLogger(name) for name in ("transformers", "trl", "accelerate", "huggingface_hub")]
    levels = [logger.level for logger in loggers]
    bars = transformers_logging.is_progress_bar_enabled()
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if bars:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]

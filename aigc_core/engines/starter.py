"""The built-in small model: a byte-level vocabulary and a Llama-architecture network, both from the corpus alone."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from aigc_core.contracts.recipe import Starter

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PAD, START, END = "<pad>", "<bos>", "<eos>"
"""Tokens 0, 1 and 2."""


def make_tokenizer(texts: Iterable[str], vocabulary: int) -> "PreTrainedTokenizerBase":
    """Byte-level BPE over the texts: any text can be written, none is unknown.

    Args:
        texts: prompts and texts as the model will see them.
        vocabulary: tokens at most; a small corpus gives fewer.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{START} $A", special_tokens=[(START, 1)])
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, pad_token=PAD, bos_token=START, eos_token=END, padding_side="left"
    )


def make_model(settings: Starter, vocabulary: int, seed: int) -> "PreTrainedModel":
    """An untrained model; equal arguments give equal weights. torch's own random state is left as it was."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=settings.hidden,
        intermediate_size=_inner_size(settings.hidden),
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.heads,
        max_position_embeddings=settings.context,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
        _prepare_copying(model)
        return model


def _prepare_copying(model: "PreTrainedModel") -> None:
    """Start each attention layer as one that passes on what it looks at: O = V^T with orthonormal V.

    With tied embeddings a head then raises the very token it attends to, so that a small model learns to copy names
    and numbers from the prompt in a fraction of the tokens; after Trockman and Kolter 2023, "Mimetic
    Initialization of Self-Attention Layers" (arXiv 2305.09828), section 3.
    """
    import torch

    width = int(model.config.hidden_size)
    with torch.no_grad():
        for layer in model.model.layers:
            values, _ = torch.linalg.qr(torch.randn(width, width))
            layer.self_attn.v_proj.weight.copy_(values)
            layer.self_attn.o_proj.weight.copy_(values.T)


def _inner_size(hidden: int) -> int:
    # 8/3 of the width, as in Llama (Touvron et al. 2023, section 2.2), rounded up to a multiple of 64.
    return -(-hidden * 8 // (3 * 64)) * 64

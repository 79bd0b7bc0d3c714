"""The forward pass of the Llama family with fewer, larger steps, for a CPU in fp32.

transformers' forward starts some forty operations a layer, each of which costs as much as the arithmetic of a
small model's step. Here queries, keys and values are one product, gate and up another, and both go to oneDNN.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aigc_core.engines.cache import SlotCache
from aigc_core.engines.onednn import linear

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    attention_norm: Any
    joined: "tuple[Tensor, Tensor | None]"
    """Weight and bias of queries, keys and values, in this order."""
    query_norm: Any
    key_norm: Any
    output: Any
    mlp_norm: Any
    widening: "tuple[Tensor, Tensor | None]"
    """Weight and bias of gate and up, in this order."""
    down: Any


class PlainForward:
    """Last hidden states (rows, tokens, width) of tokens, positions and a mask, as the model's own forward gives them.

    The model's weights become views of the joined ones: nothing is held twice.
    """

    def __init__(self, model: "PreTrainedModel") -> None:
        """Take a model for which `slots.fits_slots` and `can_be_plain` hold."""
        self.model = model
        base: Any = model.base_model
        config = model.config
        self._embed, self._rotary, self._norm = base.embed_tokens, base.rotary_emb, base.norm
        self._queries, self._heads = config.num_attention_heads, config.num_key_value_heads
        self._layers = [_layer(layer) for layer in base.layers]
        self._scale = base.layers[0].self_attn.scaling

    def __call__(self, tokens: "Tensor", positions: "Tensor", mask: "Tensor | None", cache: SlotCache) -> "Tensor":
        """Run; a mask of None is causal attention among the tokens themselves."""
        import torch
        from torch.nn.functional import silu

        hidden: Tensor = self._embed(tokens)
        cosine, sine = (part[:, :, None] for part in self._rotary(hidden, positions))
        half = sine.shape[-1] // 2
        sine[..., :half].neg_()
        for number, layer in enumerate(self._layers):
            values = linear(_normed(hidden, layer.attention_norm), *layer.joined)
            values = values.view(*values.shape[:2], -1, sine.shape[-1])
            query, key, value = torch.split(values, [self._queries, self._heads, self._heads], dim=2)
            if layer.query_norm is not None:
                query, key = _normed(query, layer.query_norm), _normed(key, layer.key_norm)
                turning = _joined(query, key)
            else:
                turning = values[:, :, : self._queries + self._heads]
            turned = turning * cosine + turning.roll(half, -1) * sine
            query, key = (part.transpose(1, 2) for part in torch.split(turned, [self._queries, self._heads], dim=2))
            seen = cache.update(key, value.transpose(1, 2), number)
            mixed = self._attend(query, seen, mask)
            hidden = hidden + linear(mixed, layer.output.weight, layer.output.bias)
            gate, up = linear(_normed(hidden, layer.mlp_norm), *layer.widening).chunk(2, dim=-1)
            hidden = hidden + linear(silu(gate).mul_(up), layer.down.weight, layer.down.bias)
        return _normed(hidden, self._norm)

    def _attend(self, query: "Tensor", seen: "tuple[Tensor, Tensor]", mask: "Tensor | None") -> "Tensor":
        """(rows, tokens, queries * size): queries (rows, queries, tokens, size) over what the cache shows."""
        from torch.nn.functional import scaled_dot_product_attention

        rows, queries, tokens, size = query.shape
        keys, values = seen
        group = queries // self._heads
        if group > 1 and tokens == 1:
            # Queries that share a head are read as tokens of it: the head's keys are not copied for each.
            query = query.reshape(rows, self._heads, group, size)
        elif group > 1:
            keys, values = keys.repeat_interleave(group, 1), values.repeat_interleave(group, 1)
        mixed = scaled_dot_product_attention(
            query, keys, values, attn_mask=mask, is_causal=mask is None, scale=self._scale
        )
        return mixed.reshape(rows, queries, tokens, size).transpose(1, 2).reshape(rows, tokens, queries * size)


def can_be_plain(model: "PreTrainedModel") -> bool:
    """Whether `PlainForward` is this model's forward: fp32 on a CPU, the family's usual activation."""
    return model.device.type == "cpu" and str(model.dtype) == "torch.float32" and model.config.hidden_act == "silu"


def _layer(layer: Any) -> _Layer:  # noqa: ANN401 - a module of whatever architecture
    attention, mlp = layer.self_attn, layer.mlp
    return _Layer(
        attention_norm=layer.input_layernorm,
        joined=_join(attention.q_proj, attention.k_proj, attention.v_proj),
        query_norm=getattr(attention, "q_norm", None),
        key_norm=getattr(attention, "k_norm", None),
        output=attention.o_proj,
        mlp_norm=layer.post_attention_layernorm,
        widening=_join(mlp.gate_proj, mlp.up_proj),
        down=mlp.down_proj,
    )


def _join(*linears: Any) -> "tuple[Tensor, Tensor | None]":  # noqa: ANN401 - linear layers
    """Weights and biases one under the other; the layers keep views of them."""
    import torch

    sizes = [layer.weight.shape[0] for layer in linears]
    weight = torch.cat([layer.weight.data for layer in linears])
    for layer, part in zip(linears, torch.split(weight, sizes), strict=True):
        layer.weight.data = part
    bias = None if linears[0].bias is None else torch.cat([layer.bias.data for layer in linears])
    return weight, bias


def _joined(query: "Tensor", key: "Tensor") -> "Tensor":
    import torch

    return torch.cat([query, key], dim=2)


def _normed(values: "Tensor", norm: Any) -> "Tensor":  # noqa: ANN401 - the architecture's own norm
    from torch.nn.functional import rms_norm

    return rms_norm(values, (values.shape[-1],), norm.weight, norm.variance_epsilon)

"""Slow oracles of mixing, written from the formulas, in loops over the Hugging Face modules themselves."""

from __future__ import annotations

from contextlib import contextmanager

import torch


def encoder_layers(module):
    """Return the layers of an encoder."""
    base = getattr(module, module.base_model_prefix, module)
    return base.encoder.layers


def attention_of(layer):
    """Return the self-attention module of a layer."""
    return layer.self_attn if hasattr(layer, "self_attn") else layer.attention


@contextmanager
def layer_calls(layers):
    """Record the arguments and the output of every layer."""
    calls = [None] * len(layers)

    def note(index):
        def hook(layer, args, kwargs, output):
            calls[index] = (args, kwargs, output[0] if isinstance(output, tuple) else output)

        return hook

    handles = [layer.register_forward_hook(note(i), with_kwargs=True) for i, layer in enumerate(layers)]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def cosine_distance(a, b):
    """Return 1 - cos, one number at a time in double precision."""
    a, b = a.double(), b.double()
    return 1 - float(a @ b / (a.norm() * b.norm()))


def value_zeroing(layers, calls, projection_of, groups, *, head=None, n_heads=None):
    """Run every layer whole, once for each group of sources, with their values set to zero.

    Returns distances [layer][target frame][group]. `projection_of(layer)` is the module that makes values.
    """
    maps = []
    for layer, (args, kwargs, before) in zip(layers, calls, strict=True):
        columns = []
        for group in groups:

            def silence(module, inputs, output, group=group):
                output = output.clone()
                width = output.shape[-1]
                part = (
                    slice(None)
                    if head is None
                    else slice(head * width // n_heads, (head + 1) * width // n_heads)
                )
                output[:, group, part] = 0
                return output

            handle = projection_of(layer).register_forward_hook(silence)
            after = layer(*args, **kwargs)
            handle.remove()
            after = after[0] if isinstance(after, tuple) else after
            after = after if after.ndim == 3 else after[None]
            columns.append([cosine_distance(a, b) for a, b in zip(before[0], after[0], strict=True)])
        maps.append(torch.tensor(columns, dtype=torch.float64).T)
    return maps


def pooled(distances, targets, n_kept):
    """Average the rows of every target, keep the first columns, and scale rows to sum 1."""
    rows = torch.stack([torch.stack([distances[i] for i in target]).mean(0) for target in targets])
    kept = rows[:, :n_kept]
    return kept / kept.sum(-1, keepdim=True)


def attention_weights(attention, states, bias=None, causal=False, memory=None):
    """Return softmax(q k / sqrt(d)) head by head, from the projections' weights [head][target][source]."""
    heads = attention.num_heads
    source = states if memory is None else memory
    query, key = attention.q_proj(states), attention.k_proj(source)
    width = query.shape[-1] // heads
    result = []
    for h in range(heads):
        part = slice(h * width, (h + 1) * width)
        scores = query[:, part] @ key[:, part].T / width**0.5
        if bias is not None:
            scores = scores + bias[h]
        if causal:
            scores = scores.masked_fill(~torch.ones_like(scores, dtype=torch.bool).tril(), float("-inf"))
        result.append(scores.softmax(-1))
    return torch.stack(result)


def transformed_vectors(attention, states, weights, memory=None):
    """Return the whole tensor of what every source gives every target by every head [head, target, source, width]."""
    heads = attention.num_heads
    value = attention.v_proj(states if memory is None else memory)
    width = value.shape[-1] // heads
    output = []
    for h in range(heads):
        part = slice(h * width, (h + 1) * width)
        given = value[:, part] @ attention.out_proj.weight[:, part].T
        output.append(weights[h][:, :, None] * given[None])
    return torch.stack(output)


def norm_part(norm, part, whole):
    """Return gamma * (p - mean p) / sigma with the sigma of the whole."""
    sigma = torch.sqrt(((whole - whole.mean()) ** 2).mean() + norm.eps)
    return norm.weight * (part - part.mean()) / sigma


def alti_row(parts, whole):
    """Return the L1 proximities of the parts of one target, scaled to sum 1."""
    near = [max(0.0, float(whole.abs().sum() - (whole - part).abs().sum())) for part in parts]
    return torch.tensor(near, dtype=torch.float64) / sum(near)


def rollout(maps):
    """Multiply the maps of all layers up to each."""
    reached, result = torch.eye(len(maps[0]), dtype=maps[0].dtype), []
    for each in maps:
        reached = each @ reached
        result.append(reached)
    return result

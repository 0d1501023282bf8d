"""Slow oracle of information-flow routes: frame by frame, head by head and path by path, in double precision."""

from __future__ import annotations

import copy
import math

import torch


def share_parts(parts: dict, whole: torch.Tensor) -> dict:
    """Apply the rule of proximity to named parts, one at a time."""
    missed = float((sum(parts.values()) - whole).abs().max())
    assert missed < 1e-8, f"the oracle's own parts miss the sum by {missed}"
    length = sum(abs(x) for x in whole.tolist())
    near = {}
    for name, part in parts.items():
        distance = sum(abs(x) for x in (part - whole).tolist())
        near[name] = max(0.0, length - distance)
    total = sum(near.values())
    return {name: value / total for name, value in near.items()}


class Oracle:
    """Every sum of one model, for one input, with the shares of its parts by name.

    ``sums[stack, layer, part, unit]`` gives {("own",): share, ("bias",): share, (module, unit, head): share}.
    """

    def __init__(self, module, values, units, tokens=None):
        self.module = copy.deepcopy(module).double().eval()
        self.base = getattr(self.module, self.module.base_model_prefix, self.module)
        self.units, self.sums = units, {}
        self.n_units = max(units) + 1
        stacks = {"encoder": self.base.encoder}
        if tokens is not None:
            stacks["decoder"] = self.base.decoder
        self.inputs = {name: [None] * len(stack.layers) for name, stack in stacks.items()}
        self.last = {}
        hooks = []
        for name, stack in stacks.items():
            for i, layer in enumerate(stack.layers):
                hooks.append(layer.register_forward_pre_hook(self.keep(name, i)))
            hooks.append(stack.layers[-1].register_forward_hook(self.keep_last(name)))
        if hasattr(self.base.encoder, "pos_conv_embed"):
            hooks.append(self.base.encoder.pos_conv_embed.register_forward_pre_hook(self.keep_frames))
        with torch.no_grad():
            if tokens is None:
                self.module(values.double())
            else:
                self.module(values.double(), decoder_input_ids=torch.tensor([tokens]), use_cache=False)
            for hook in hooks:
                hook.remove()
            for name, stack in stacks.items():
                for i, layer in enumerate(stack.layers):
                    self.layer(name, i, layer)
                self.front(name, stack)

    def keep(self, name, i):
        def hook(module, args):
            self.inputs[name][i] = args[0][0].clone()

        return hook

    def keep_last(self, name):
        def hook(module, args, output):
            self.last[name] = (output[0] if isinstance(output, tuple) else output).reshape(
                -1, args[0].shape[-1]
            )

        return hook

    def keep_frames(self, module, args):
        self.frames = args[0][0].clone()

    def unit_frames(self, stack):
        """Return the frames of every unit of a stack."""
        if stack == "decoder":
            return [[i] for i in range(len(self.inputs["decoder"][0]))]
        return [[i for i, u in enumerate(self.units) if u == unit] for unit in range(self.n_units)]

    # attention weights, from the definitions

    def weights(self, attention, queries, keys, n_heads, causal, bias):
        q, k = attention.q_proj(queries), attention.k_proj(keys)
        width = q.shape[1] // n_heads
        alpha = torch.zeros(n_heads, len(q), len(k), dtype=torch.float64)
        for h in range(n_heads):
            cut = slice(h * width, (h + 1) * width)
            for i in range(len(q)):
                scores = [float(q[i, cut] @ k[j, cut]) / math.sqrt(width) for j in range(len(k))]
                if bias is not None:
                    scores = [s + float(bias[h, i, j]) for j, s in enumerate(scores)]
                if causal:
                    scores = [s if j <= i else -math.inf for j, s in enumerate(scores)]
                top = max(scores)
                powers = [math.exp(s - top) for s in scores]
                alpha[h, i] = torch.tensor([p / sum(powers) for p in powers], dtype=torch.float64)
        return alpha

    def position_bias(self, layer, states):
        """WavLM: a table of distances, gated by what each head reads at the target."""
        attention = layer.attention
        if not hasattr(attention, "gru_rel_pos_linear"):
            return None
        table = self.base.encoder.layers[0].attention.compute_bias(len(states), len(states))
        n_heads, width = attention.num_heads, states.shape[1] // attention.num_heads
        bias = torch.zeros_like(table, dtype=torch.float64)
        for h in range(n_heads):
            for i, state in enumerate(states):
                eight = attention.gru_rel_pos_linear(state[h * width : (h + 1) * width])
                a, b = torch.sigmoid(eight[:4].sum()), torch.sigmoid(eight[4:].sum())
                bias[h, i] = (a * (b * attention.gru_rel_pos_const[0, h, 0, 0] - 1) + 2) * table[h, i]
        return bias

    # sums

    def attended(self, attention, n_heads, alpha, states):
        """Return what frame i gets from frame j through head h, and what it gets whatever is heard."""
        width = attention.v_proj.weight.shape[0] // n_heads

        def through(i, j, h):
            cut = slice(h * width, (h + 1) * width)
            value = attention.v_proj.weight[cut] @ states[j]
            return attention.out_proj.weight[:, cut] @ value * alpha[h, i, j]

        constant = attention.out_proj.weight @ attention.v_proj.bias + attention.out_proj.bias
        return through, constant

    def through(self, norm, parts, whole):
        """Apply a layer norm to the parts of `whole`, with the deviation of the whole; None leaves them."""
        if norm is None:
            return parts
        deviation = torch.sqrt(((whole - whole.mean()) ** 2).mean() + norm.eps)
        scaled = {name: norm.weight * (part - part.mean()) / deviation for name, part in parts.items()}
        return scaled | {("bias",): scaled["bias",] + norm.bias}

    def layer(self, stack, index, layer):
        states = self.inputs[stack][index]
        above = self.inputs[stack] + [self.last[stack]]
        post = not self.is_pre_norm(stack)
        if stack == "encoder" and hasattr(layer, "attention"):
            attention, norm, mlp_norm = layer.attention, layer.layer_norm, layer.final_layer_norm
            hidden, down = layer.feed_forward.intermediate_dense, layer.feed_forward.output_dense
            activation = layer.feed_forward.intermediate_act_fn
        else:
            attention, norm, mlp_norm = layer.self_attn, layer.self_attn_layer_norm, layer.final_layer_norm
            hidden, down, activation = layer.fc1, layer.fc2, layer.activation_fn
        n_heads = attention.num_heads
        read = states if post else norm(states)
        bias = self.position_bias(layer, read) if stack == "encoder" and hasattr(layer, "attention") else None
        alpha = self.weights(attention, read, read, n_heads, stack == "decoder", bias)
        mid = self.attention_sum(
            stack, index, "attention", attention, n_heads, alpha, read, states, norm if post else None
        )
        part = "residual_mid"
        if stack == "decoder":
            encoded = self.base.encoder.layer_norm(self.last["encoder"])
            cross = layer.encoder_attn
            queries = layer.encoder_attn_layer_norm(mid)
            alpha = self.weights(cross, queries, encoded, cross.num_heads, False, None)
            mid = self.attention_sum(
                stack, index, "cross_attention", cross, cross.num_heads, alpha, encoded, mid, None
            )
            part = "residual_cross"
        added = down(activation(hidden(mid if post else mlp_norm(mid))))
        for unit, frames in enumerate(self.unit_frames(stack)):
            parts = {("own",): 0, ("mlp", unit, 0): 0, ("bias",): 0}
            for i in frames:
                three = {("own",): mid[i], ("mlp", unit, 0): added[i], ("bias",): 0 * added[i]}
                three = self.through(mlp_norm if post else None, three, mid[i] + added[i])
                for name, vector in three.items():
                    parts[name] = parts[name] + vector / len(frames)
            whole = sum(above[index + 1][i] for i in frames) / len(frames)
            self.sums[stack, index + 1, "residual", unit] = share_parts(parts, whole)
        self.below_mlp = part

    def attention_sum(self, stack, index, module, attention, n_heads, alpha, read, states, norm):
        through, constant = self.attended(attention, n_heads, alpha, read)
        sources = self.unit_frames("encoder" if module == "cross_attention" else stack)
        n = len(states)
        heard = {
            (i, source, h): sum(through(i, j, h) for j in frames)
            for i in range(n)
            for source, frames in enumerate(sources)
            for h in range(n_heads)
        }
        total = [
            states[i] + constant + sum(heard[i, s, h] for s in range(len(sources)) for h in range(n_heads))
            for i in range(n)
        ]
        top = "residual_cross" if module == "cross_attention" else "residual_mid"
        result = torch.stack([norm(t) for t in total] if norm else total)
        for unit, frames in enumerate(self.unit_frames(stack)):
            parts = {}
            for i in frames:
                here = {("own",): states[i], ("bias",): constant}
                here |= {(module, s, h): heard[i, s, h] for s in range(len(sources)) for h in range(n_heads)}
                for name, vector in self.through(norm, here, total[i]).items():
                    parts[name] = parts.get(name, 0) + vector / len(frames)
            whole = sum(result[i] for i in frames) / len(frames)
            self.sums[stack, index, top, unit] = share_parts(parts, whole)
        return result

    def is_pre_norm(self, stack):
        return (
            hasattr(self.base, "decoder")
            or not hasattr(self.base.encoder, "pos_conv_embed")
            or getattr(self.module.config, "do_stable_layer_norm", False)
        )

    # below the first layer

    def front(self, name, stack):
        states = self.inputs[name][0]
        units = self.unit_frames(name)
        if not hasattr(stack, "pos_conv_embed"):
            positions = stack.embed_positions.weight
            for unit, frames in enumerate(units):
                parts = {
                    ("own",): sum(states[i] - positions[i] for i in frames) / len(frames),
                    ("bias",): sum(positions[i] for i in frames) / len(frames),
                }
                self.sums[name, 0, "residual", unit] = share_parts(parts, parts["own",] + parts["bias",])
            return
        heard = {("positional", s, 0): torch.zeros_like(self.frames) for s in range(len(units))}
        for source, frames in enumerate(units):
            heard["positional", source, 0][frames] = self.frames[frames]
        heard["bias",] = torch.zeros_like(self.frames)
        total = self.frames
        embedding = stack.pos_conv_embed
        for step in getattr(embedding, "layers", [embedding]):
            total, heard = self.convolved(step, total, heard)
        norm = None if self.is_pre_norm(name) else stack.layer_norm
        for unit, frames in enumerate(units):
            parts = {}
            for i in frames:
                here = {key: vectors[i] for key, vectors in heard.items()} | {("own",): self.frames[i]}
                for key, vector in self.through(norm, here, self.frames[i] + total[i]).items():
                    parts[key] = parts.get(key, 0) + vector / len(frames)
            self.sums[name, 0, "residual", unit] = share_parts(
                parts, sum(states[i] for i in frames) / len(frames)
            )

    def convolved(self, step, total, heard):
        conv, batch_norm = step.conv, getattr(step, "batch_norm", None)
        if batch_norm is not None:
            slope = batch_norm.weight / torch.sqrt(batch_norm.running_var + batch_norm.eps)
            shift = batch_norm.bias - slope * batch_norm.running_mean
            total = total * slope + shift
            heard = {key: x * slope + (shift if key == ("bias",) else 0) for key, x in heard.items()}
        weight, size = conv.weight, conv.kernel_size[0]
        per_group = weight.shape[1]

        def run(x):
            result = torch.zeros_like(x)
            for i in range(len(x)):
                for k in range(size):
                    j = i + k - size // 2
                    if 0 <= j < len(x):
                        for g in range(conv.groups):
                            cut = slice(g * per_group, (g + 1) * per_group)
                            result[i, cut] += weight[cut, :, k] @ x[j, cut]
            return result

        total = run(total) + conv.bias
        heard = {key: run(x) + (conv.bias if key == ("bias",) else 0) for key, x in heard.items()}
        if getattr(step, "layer_norm", None) is not None:
            eps = step.layer_norm.eps
            deviation = torch.sqrt(((total - total.mean(1, keepdim=True)) ** 2).mean(1, keepdim=True) + eps)
            total = (total - total.mean(1, keepdim=True)) / deviation
            heard = {key: (x - x.mean(1, keepdim=True)) / deviation for key, x in heard.items()}
        phi = 0.5 * (1 + torch.erf(total / math.sqrt(2)))
        return total * phi, {key: x * phi for key, x in heard.items()}

    # flows

    def below(self, level, unit):
        """Yield every way down from a state: (edge, share, next state); edges name both ends as the graph does."""
        stack, layer, part = level
        parts = {"residual": "mlp", "residual_mid": "attention", "residual_cross": "cross_attention"}
        before = {
            "attention": (stack, layer, "residual"),
            "cross_attention": (stack, layer, "residual_mid"),
            "mlp": (stack, layer - 1, "residual_cross" if stack == "decoder" else "residual_mid"),
        }
        module = parts[part] if (part, layer) != ("residual", 0) else "positional"
        own = before.get(module, (stack, 0, "input"))
        top = "/".join(map(str, (*level, unit)))
        through = f"{stack}/{own[1]}/{module}/{unit}"
        for name, share in self.sums[(*level, unit)].items():
            if name == ("own",):
                yield [("/".join(map(str, (*own, unit))), top)], share, own, unit
            elif name != ("bias",):
                n = len(self.inputs["encoder"])
                source = ("encoder", n, "residual") if module == "cross_attention" else own
                entry = ("/".join(map(str, (*source, name[1]))), through)
                yield [entry, (through, top)], share, source, name[1]

    def paths(self, level, unit, share=1.0, edges=()):
        """Yield every path from a state to the inputs: its edges and the product of its shares."""
        if level[2] == "input":
            yield edges, share
            return
        for more, part, source, at in self.below(level, unit):
            if part > 0:
                yield from self.paths(source, at, share * part, (*edges, *more))

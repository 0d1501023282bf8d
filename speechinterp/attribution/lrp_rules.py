"""Rules of relevance propagation, as gradients that differ from those of the functions they stand for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

__all__ = ["CATEGORIES", "Rules"]

CATEGORIES = ("bias", "tokens", "softmax")
ADD = ("add", "add_", "__add__", "__radd__", "__iadd__")
SUBTRACT = ("sub", "sub_", "__sub__", "__isub__")
MULTIPLY = ("mul", "__mul__", "__rmul__", "matmul", "__matmul__", "bmm")
SMALL = 1e-6


class Rules(TorchFunctionMode):
    r"""A context in which a model's gradient, times its input, is its relevance.

    Every function keeps its values. What a function that is homogeneous of degree 1 hands on by gradient times input
    is all it got; the rules make the others so, or keep account of what they do not hand on.

    Parameters
    ----------
    heads
        Weights of the layers that give the logits, at which relevance starts.
    tokens
        Weights of the embedding of a decoder's tokens, or None.
    gamma
        By how much convolutions favour what goes the way of their sum.

    Attributes
    ----------
    kept
        Relevance by category, as found by the last backward passes: ``head``, what there was at the start; ``bias``,
        what ended at constants that are added (biases, positions); ``tokens``, at the decoder's own tokens;
        ``softmax``, what softmaxes did not hand on.

    Notes
    -----
    - Linear layers and convolutions: :math:`R_{i \leftarrow j} = x_i w_{ij} / z_j \, R_j`, with z the sum and its
      bias. With gamma, in convolutions, :math:`w` grows by :math:`\gamma` of its part that goes the way of the sum.
    - Norms of layers and groups: their standard deviation is a constant.
    - GELU: all relevance goes to its input, :math:`f(x) = x \cdot [f(x) / x]`, the bracket a constant.
    - Products of two activations (queries with keys, weights with values): half to each.
    - Softmax: its first-order expansion, :math:`R_i = x_i (R^{out}_i - s_i \sum_j R^{out}_j)`; what that loses is
      counted.
    - Gates (the sigmoid in WavLM): constants.
    """

    def __init__(self, heads: Iterable[Tensor], tokens: Tensor | None = None, gamma: float = 0.0) -> None:
        super().__init__()
        self.heads = {weight.data_ptr() for weight in heads}
        self.tokens = None if tokens is None else tokens.data_ptr()
        self.gamma = gamma
        self.kept: dict[str, float] = {}
        self.rules: dict[str, Callable[..., Any]] = {
            "linear": self.linear,
            "conv1d": self.conv1d,
            "layer_norm": self.layer_norm,
            "group_norm": self.group_norm,
            "batch_norm": self.affine,
            "gelu": self.gelu,
            "sigmoid": self.gate,
            "softmax": self.softmax,
            "scaled_dot_product_attention": self.attention,
            "embedding": self.embedding,
            "einsum": self.einsum,
            **dict.fromkeys(ADD, self.add),
            **dict.fromkeys(SUBTRACT, self.subtract),
            **dict.fromkeys(MULTIPLY, self.product),
        }

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call a function, or what stands for it here."""
        rule = self.rules.get(getattr(func, "__name__", ""))
        return func(*args, **(kwargs or {})) if rule is None else rule(func, *args, **(kwargs or {}))

    def forget(self) -> None:
        """Start a new account, before a backward pass."""
        self.kept = dict.fromkeys(("head", *CATEGORIES), 0.0)

    def note(self, category: str, tensor: Tensor, value: Any, sign: float = 1.0) -> None:
        """Count `value` times the gradient of a tensor to a category, when there is one."""
        if not tensor.requires_grad:
            return

        def count(gradient: Tensor) -> None:
            amount = (value * gradient).double()
            self.kept[category] += sign * float(amount.nan_to_num(0.0, 0.0, 0.0).sum())

        tensor.register_hook(count)

    def linear(self, func: Any, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Leave the gradient as it is; keep account of the bias, and of what logits start with."""
        y: Tensor = func(x, weight, bias)
        if bias is not None:
            self.note("bias", y, bias)
        if weight.data_ptr() in self.heads:
            self.note("head", y, y.detach())
        return y

    def conv1d(
        self, func: Any, x: Tensor, weight: Tensor, bias: Tensor | None = None, *where: Any, **named: Any
    ) -> Tensor:
        """Favour what goes the way of the sum by gamma."""
        y: Tensor = func(x, weight, None, *where, **named)
        if self.gamma and x.requires_grad:
            up, down = weight + self.gamma * weight.clamp_min(0), weight + self.gamma * weight.clamp_max(0)
            more, less = x.clamp_min(0), x.clamp_max(0)

            def both(a: Tensor, b: Tensor) -> Tensor:
                return func(more, a, None, *where, **named) + func(less, b, None, *where, **named)

            favoured = torch.where(y > 0, both(up, down), both(down, up))
            share = torch.where(favoured == 0, 0.0, y / torch.where(favoured == 0, 1.0, favoured))
            y = favoured * share.detach()
        if bias is not None:
            y = y + bias[:, None]
            self.note("bias", y, bias[:, None])
        return y

    def layer_norm(  # noqa: PLR0917 - the function's own arguments
        self,
        func: Any,
        x: Tensor,
        normalized_shape: Sequence[int],
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        eps: float = 1e-5,
    ) -> Tensor:
        """Take the standard deviation for a constant."""
        axes = tuple(range(-len(normalized_shape), 0))
        centred = x - x.mean(axes, keepdim=True)
        y = centred * (centred.square().mean(axes, keepdim=True) + eps).rsqrt().detach()
        return self._scaled(y, weight, bias)

    def group_norm(  # noqa: PLR0917 - the function's own arguments
        self,
        func: Any,
        x: Tensor,
        num_groups: int,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        eps: float = 1e-5,
    ) -> Tensor:
        """Take the standard deviation for a constant."""
        parts = x.reshape(len(x), num_groups, -1)
        centred = parts - parts.mean(-1, keepdim=True)
        y = centred * (centred.square().mean(-1, keepdim=True) + eps).rsqrt().detach()
        shape = (-1, *[1] * (x.ndim - 2))
        return self._scaled(
            y.reshape(x.shape),
            None if weight is None else weight.reshape(shape),
            None if bias is None else bias.reshape(shape),
        )

    def _scaled(self, y: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
        y = y if weight is None else y * weight
        if bias is not None:
            y = y + bias
            self.note("bias", y, bias)
        return y

    def affine(self, func: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Leave a batch norm as it is, which in use is linear with a constant."""
        y: Tensor = func(x, *args, **kwargs)
        self.note("bias", y, func(torch.zeros_like(x), *args, **kwargs).detach())
        return y

    def gelu(self, func: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Hand all on to the input."""
        y: Tensor = func(x, *args, **kwargs)
        near = x.abs() < SMALL
        ratio = torch.where(near, 0.5, y / torch.where(near, 1.0, x))
        return x * ratio.detach()

    def gate(self, func: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Take a gate for a constant."""
        y: Tensor = func(x, *args, **kwargs)
        return y.detach()

    def softmax(self, func: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Leave the gradient as it is, and keep account of what it does not hand on."""
        y: Tensor = func(x, *args, **kwargs)
        self.note("softmax", y, y.detach())
        self.note("softmax", x, x.detach(), -1.0)
        return y

    def attention(  # noqa: PLR0917 - the function's own arguments
        self,
        func: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        """Attend in steps, each with its rule."""
        width = query.shape[-1] ** -0.5 if scale is None else scale
        scores = (halved(query) * width) @ halved(key).transpose(-2, -1)
        if is_causal:
            causal = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
            scores = scores.masked_fill(~causal, float("-inf"))
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            scores = scores.masked_fill(~attn_mask, float("-inf"))
        elif attn_mask is not None:
            scores = scores + attn_mask
            self.note("bias", scores, attn_mask.detach())
        weights = self.softmax(torch.softmax, scores, -1)
        return halved(weights) @ halved(value)

    def embedding(self, func: Any, ids: Tensor, weight: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Let relevance end at the decoder's own tokens."""
        y: Tensor = func(ids, weight, *args, **kwargs)
        if weight.data_ptr() != self.tokens:
            return y
        y = y.detach().requires_grad_()
        self.note("tokens", y, y.detach())
        return y

    def einsum(self, func: Any, equation: str, *operands: Any) -> Tensor:
        """Hand half to each of two factors that both depend on the sound."""
        every = list(operands[0]) if isinstance(operands[0], list | tuple) else list(operands)
        result: Tensor = func(equation, *shared(every))
        return result

    def product(self, func: Any, a: Any, b: Any, **kwargs: Any) -> Tensor:
        """Hand half to each of two factors that both depend on the sound."""
        result: Tensor = func(*shared([a, b]), **kwargs)
        return result

    def add(self, func: Any, a: Any, b: Any, **kwargs: Any) -> Tensor:
        """Keep account of constants that are added."""
        result: Tensor = func(a, b, **kwargs)
        for value in (a, b):
            if not depends(value):
                self.note("bias", result, value)
        return result

    def subtract(self, func: Any, a: Any, b: Any, **kwargs: Any) -> Tensor:
        """Keep account of constants that are subtracted."""
        result: Tensor = func(a, b, **kwargs)
        for value, sign in ((a, 1.0), (b, -1.0)):
            if not depends(value):
                self.note("bias", result, value, sign)
        return result


def depends(value: Any) -> bool:
    """Tell whether a value depends on the sound."""
    return isinstance(value, Tensor) and value.requires_grad


def halved(x: Tensor) -> Tensor:
    """Return a tensor as it is, with half of its gradient."""
    return 0.5 * x + 0.5 * x.detach()


def shared(factors: list[Any]) -> list[Any]:
    """Return factors as they are; where several depend on the sound, each with its part of the gradient."""
    n = sum(depends(each) for each in factors)
    if n < 2:
        return factors
    return [each / n + (1 - 1 / n) * each.detach() if depends(each) else each for each in factors]

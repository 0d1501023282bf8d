"""Statistics of predictions over layers: how sure a layer is, how far from the top, and since when it says the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

__all__ = ["Predictions", "predictions"]


@dataclass(frozen=True)
class Predictions:
    """What every layer says at every step (frame or token), through one head.

    Parameters
    ----------
    best
        The most probable symbol [shape=(layers, steps)].
    log_prob
        Its log-probability in nats [shape=(layers, steps)].
    entropy
        Of the distribution over symbols, in nats [shape=(layers, steps)].
    kl
        Kullback-Leibler divergence of the layer's distribution from the top one's, in nats [shape=(layers, steps)].
    top_log_prob
        Log-probability at the layer of the symbol that the top says [shape=(layers, steps)].

    Notes
    -----
    With p_l the distribution of layer l and L the top: entropy is -Σ p_l log p_l, KL is Σ p_L (log p_L - log p_l).
    """

    best: Tensor
    log_prob: Tensor
    entropy: Tensor
    kl: Tensor
    top_log_prob: Tensor

    @cached_property
    def agrees(self) -> Tensor:
        """Whether a layer says what the top says [shape=(layers, steps)]."""
        return self.best == self.best[-1]

    @cached_property
    def settled(self) -> Tensor:
        """Whether this layer and all above it say what the top says [shape=(layers, steps)]."""
        return self.agrees.flip(0).to(torch.int8).cummin(0).values.flip(0).bool()

    @property
    def depth(self) -> Tensor:
        """The first layer that is settled: the prediction depth of Baldock et al. (2021) [shape=(steps,)]."""
        return (~self.settled).sum(0)


def predictions(logits: Iterable[Tensor], top: Tensor) -> Predictions:
    """Summarise the logits of layers, one at a time, the top last.

    Parameters
    ----------
    logits
        Of every layer [shape=(steps, vocabulary)].
    top
        Of the model's own output [shape=(steps, vocabulary)].

    References
    ----------
    Belrose, N., et al. (2023). Eliciting latent predictions from transformers with the tuned lens.
    arXiv:2303.08112. Baldock, R., Maennel, H., & Neyshabur, B. (2021). Deep learning through the lens of example
    difficulty. NeurIPS.
    """
    last = top.double().log_softmax(-1)
    said = last.argmax(-1, keepdim=True)
    rows = []
    for layer in logits:
        log_probs = layer.double().log_softmax(-1)
        best = log_probs.max(-1)
        rows.append(
            (
                best.indices,
                best.values,
                -(log_probs.exp() * log_probs).sum(-1),
                (last.exp() * (last - log_probs)).sum(-1).clamp(min=0),
                log_probs.gather(-1, said)[:, 0],
            )
        )
    return Predictions(*(torch.stack(column) for column in zip(*rows, strict=True)))

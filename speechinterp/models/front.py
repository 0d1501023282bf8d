"""Front: what stands between the frames of a stack and the input of its first layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from speechinterp.models.family import Family
from speechinterp.models.taps import Stack

__all__ = ["Front", "PositionalStep", "front_of"]


@dataclass(frozen=True)
class PositionalStep:
    """One convolution over time of the positional embedding, with what stands around it.

    Parameters
    ----------
    batch_norm
        Before the convolution (some HuBERT models), or None.
    conv
        The convolution.
    norm
        Layer norm without weights after it (data2vec), or None.
    activation
        GELU.
    """

    batch_norm: nn.BatchNorm1d | None
    conv: nn.Conv1d
    norm: nn.LayerNorm | None
    activation: Callable[[Tensor], Tensor]

    @property
    def reach(self) -> int:
        """How many frames to the left and right of a frame it sees."""
        return self.conv.kernel_size[0] // 2

    def convolve(self, states: Tensor, *, bias: bool) -> Tensor:
        """Convolve, with as many frames as there were [shape=(batch, frames, width)]."""
        result = nn.functional.conv1d(
            states.transpose(1, 2),
            self.conv.weight,
            self.conv.bias if bias else None,
            padding=self.conv.padding[0],
            groups=self.conv.groups,
        )
        return result[..., : states.shape[1]].transpose(1, 2)


@dataclass(frozen=True)
class Front:
    """How a stack turns its frames into the input of its first layer: norm(frames + positional(frames) + positions).

    Parameters
    ----------
    positional
        The convolutions of wav2vec 2.0 and its relatives, in order; none in Whisper.
    norm
        The norm after the sum, in post-norm models; None where there is none.
    positions
        What is added to every position whatever is heard [shape=(positions, width)], in Whisper; or None.
    """

    positional: tuple[PositionalStep, ...] = ()
    norm: nn.Module | None = None
    positions: Tensor | None = None


def front_of(family: Family, stack: Stack = "encoder") -> Front:
    """Return the front of a stack."""
    owner: Any = getattr(family, stack, None)
    if owner is not None:
        return Front(positions=owner.embed_positions.weight)
    encoder = family.base.encoder
    embedding = encoder.pos_conv_embed
    steps = tuple(
        PositionalStep(
            getattr(module, "batch_norm", None),
            module.conv,
            getattr(module, "layer_norm", None),
            module.activation,
        )
        for module in getattr(embedding, "layers", [embedding])
    )
    return Front(steps, None if family.pre_norm else encoder.layer_norm)

"""The positional convolution in parts: what every unit of the sound brings to it, with its gates held fixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from speechinterp.models.front import PositionalStep

__all__ = ["FixedPositional"]


@dataclass(frozen=True)
class FixedPositional:
    """A positional convolution at the frames of one utterance, where it is linear.

    Parameters
    ----------
    steps
        Its convolutions.
    deviations
        For every step what its norm divided by [shape=(frames, 1)], or None.
    gates
        For every step what GELU multiplied its input by [shape=(frames, width)].

    Notes
    -----
    GELU(u) = u Φ(u). With the gate Φ(u) of the true input held fixed, and the deviation of a norm likewise,
    the whole is linear in the frames but for a constant, and the parts of all units and the constant sum to
    its output exactly.
    """

    steps: tuple[PositionalStep, ...]
    deviations: tuple[Tensor | None, ...]
    gates: tuple[Tensor, ...]

    @classmethod
    def at(cls, steps: Sequence[PositionalStep], frames: Tensor) -> FixedPositional:
        """Run the steps on the frames of an utterance, and keep gates and deviations [shape=(frames, width)]."""
        deviations, gates = [], []
        states = frames[None]
        for step in steps:
            states = (
                states if step.batch_norm is None else step.batch_norm(states.transpose(1, 2)).transpose(1, 2)
            )
            states = step.convolve(states, bias=True)
            deviation = None
            if step.norm is not None:
                deviation = torch.sqrt(states[0].var(-1, correction=0, keepdim=True) + step.norm.eps)
                states = step.norm(states)
            after = step.activation(states)
            gates.append(torch.where(states == 0, torch.full_like(states, 0.5), after / states)[0])
            deviations.append(deviation)
            states = after
        return cls(tuple(steps), tuple(deviations), tuple(gates))

    def part(self, frames: Tensor, members: Tensor) -> tuple[slice, Tensor]:
        """Return what some frames bring.

        Parameters
        ----------
        frames
            All frames [shape=(frames, width)].
        members
            Which of them are meant, in order [shape=(members,)].

        Returns
        -------
        reached, part
            The stretch of frames that they reach, and their part there [shape=(reached, width)].
        """
        reach = sum(step.reach for step in self.steps)
        reached = slice(max(0, int(members[0]) - reach), int(members[-1]) + 1 + reach)
        alone = torch.zeros_like(frames)
        alone[members] = frames[members]
        return reached, self._run(alone[reached], reached, constant=False)

    def constant(self, frames: Tensor) -> Tensor:
        """Return what is there without any sound, through biases [shape=(frames, width)]."""
        return self._run(torch.zeros_like(frames), slice(None), constant=True)

    def _run(self, states: Tensor, reached: slice, *, constant: bool) -> Tensor:
        states = states[None]
        for step, deviation, gate in zip(self.steps, self.deviations, self.gates, strict=True):
            if step.batch_norm is not None:
                silence = step.batch_norm(torch.zeros_like(states).transpose(1, 2)).transpose(1, 2)
                normed = step.batch_norm(states.transpose(1, 2)).transpose(1, 2)
                states = normed if constant else normed - silence
            states = step.convolve(states, bias=constant)
            if deviation is not None:
                states = (states - states.mean(-1, keepdim=True)) / deviation[reached]
            states = states * gate[reached]
        return states[0]

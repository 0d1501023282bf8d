"""Read-outs: what a state inside a model says, through the model's own head or through a probe."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from torch import Tensor

from speechinterp.errors import ModelError
from speechinterp.mixing.decomposition import Decomposition
from speechinterp.mixing.flow import Flow
from speechinterp.mixing.sums import Level, Stream
from speechinterp.models import SpeechModel
from speechinterp.models.taps import Stack

__all__ = ["ReadOut", "head_readout", "probe_readout", "read_nodes"]

Doubles: TypeAlias = npt.NDArray[np.float64]
SHOWN = 5
TINY = 1e-30


@dataclass(frozen=True)
class ReadOut:
    """A way to read states of a stack.

    Parameters
    ----------
    stack
        The stack it reads.
    symbols
        What it can say.
    read
        A function of the raw states of a unit's frames [shape=(frames, width)] and their place; gives the
        probabilities of the symbols [shape=(symbols,)], or None for a place it cannot read.
    """

    stack: Stack
    symbols: Sequence[str]
    read: Callable[[Tensor, Level], Doubles | None]

    def best(self, said: Doubles | None) -> list[list[Any]]:
        """Return the most probable symbols with their probabilities."""
        if said is None:
            return []
        return [[str(self.symbols[i]), float(said[i])] for i in np.argsort(-said, kind="stable")[:SHOWN]]

    def gains(self, before: Doubles | None, after: Doubles | None) -> list[list[Any]]:
        """Return the symbols that a change made more probable, with the gain in log-probability (nats).

        In the order of p' log(p' / p), so that a gain counts where the symbol matters afterwards.
        """
        if before is None or after is None:
            return []
        gain = np.log(np.maximum(after, TINY)) - np.log(np.maximum(before, TINY))
        order = np.argsort(-after * gain, kind="stable")[:SHOWN]
        return [[str(self.symbols[i]), float(gain[i])] for i in order if gain[i] > 0]


def head_readout(model: SpeechModel, stack: Stack = "encoder") -> ReadOut | None:
    """Read through the model's own head: a CTC head over the encoder, or a decoder's vocabulary.

    A unit of several frames says the mean of what its frames say.

    Returns
    -------
    ReadOut or None
        None if no head reads the states of this stack.
    """
    if stack not in ("encoder", "decoder"):
        return None
    name = "lm_head" if stack == "encoder" else "proj_out"
    head = getattr(model.module, name, None)
    if head is None:
        return None
    try:
        symbols = list(model.vocabulary.symbols)
    except ModelError:
        symbols = [str(i) for i in range(head.out_features)]

    def read(states: Tensor, level: Level) -> Doubles:
        return model.read_out(states, stack).double().softmax(-1).mean(0).cpu().numpy()

    return ReadOut(stack, symbols, read)


def probe_readout(probes: Mapping[int, Any], stack: Stack = "encoder") -> ReadOut:
    """Read through classifiers trained on mean states, one a layer.

    Parameters
    ----------
    probes
        By layer (0 is the input of the first one): anything with `classes_` and
        `predict_proba` [shape=(units, classes)], such as a pipeline of scikit-learn. All know the same classes.
    stack
        Which states they were trained on.
    """
    symbols = [str(label) for label in next(iter(probes.values())).classes_]

    def read(states: Tensor, level: Level) -> Doubles | None:
        if level.part != "residual" or level.layer not in probes:
            return None
        mean = states.mean(0, keepdim=True).double().cpu().numpy()
        return np.asarray(probes[level.layer].predict_proba(mean)[0], np.float64)

    return ReadOut(stack, symbols, read)


def read_nodes(
    nodes: pd.DataFrame, flow: Flow, streams: Sequence[Stream], readout: ReadOut
) -> list[list[list[Any]]]:
    """Read every node that the readout can read: states, and what modules changed between two states.

    Parameters
    ----------
    nodes
        Of :class:`speechinterp.mixing.Routes`.
    flow
        All sums of the model.
    streams
        Where the states are.
    readout
        How to read them.
    """
    stream_of = {stream.parts.stack: stream for stream in streams}
    said: dict[tuple[Level, int], Doubles | None] = {}

    def says(level: Level, unit: int) -> Doubles | None:
        if (level, unit) not in said:
            stream = stream_of[level.stack]
            states = _states(stream.parts, level) if level.stack == readout.stack else None
            said[level, unit] = (
                None if states is None else readout.read(states[stream.units.frames[unit]], level)
            )
        return said[level, unit]

    modules = {(each.top.stack, each.below.layer, each.module): each for each in flow.sums}
    reads = []
    for stack, layer, part, unit in zip(
        *(nodes[name] for name in ("stack", "layer", "part", "unit")), strict=True
    ):
        each = modules.get((stack, layer, part))
        if each is None:
            reads.append(readout.best(says(Level(stack, layer, part), unit)))
        else:
            reads.append(readout.gains(says(each.below, unit), says(each.top, unit)))
    return reads


def _states(parts: Decomposition, level: Level) -> Tensor | None:
    """Return the states at a level [shape=(frames, width)], None for inputs."""
    if level.part == "input":
        return None
    if level.layer == len(parts.layers):
        return parts.layers[-1].state
    here = parts.layers[level.layer]
    if level.part == "residual":
        return here.residual
    return here.attention.total if level.part == "residual_mid" and here.cross else here.mlp_residual

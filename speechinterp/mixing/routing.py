"""Information-flow routes: along which paths the sound reaches one unit of the model's output."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pandas as pd
import torch

from speechinterp.errors import MixingError, shortlist
from speechinterp.frames import FrameRule
from speechinterp.mixing.decomposition import decompose
from speechinterp.mixing.flow import flow_to
from speechinterp.mixing.readouts import ReadOut, head_readout, read_nodes
from speechinterp.mixing.route_graph import Routes, graph_tables
from speechinterp.mixing.scene import Scene, Where, set_scene
from speechinterp.mixing.sums import Level, Stream, neuron_shares
from speechinterp.mixing.tokens import Tokens
from speechinterp.mixing.units import Partition, Unit
from speechinterp.models import SpeechModel
from speechinterp.models.front import front_of
from speechinterp.models.model import Heard
from speechinterp.models.taps import Stack
from speechinterp.segments import Segment

__all__ = ["Target", "neurons", "routes", "unit_of"]

MOST_UNITS = 400
Target: TypeAlias = int | str | Segment


@torch.no_grad()
def routes(
    model: SpeechModel,
    utterance: Heard,
    unit: Unit = "words",
    *,
    target: Target,
    mass: float = 0.9,
    stack: Stack = "encoder",
    tokens: Tokens = None,
    readout: ReadOut | None = None,
    rule: FrameRule = "centre",
) -> Routes:
    r"""Find the routes along which information flows to one unit of a model's last layer.

    Parameters
    ----------
    model
        Any model.
    utterance
        An utterance, or a waveform at the model's sample rate.
    unit
        Tier, segments, or ``"frames"``: the nodes of every layer. Frames of no unit are one node, ``gap``,
        and so is Whisper's padding, ``pad``.
    target
        The unit that is explained: its number, its label if no other unit has it, or a segment. With
        ``stack="decoder"``, the token that is explained, by number or text; routes lead to the position
        before it, where it is predicted.
    mass
        Share of the flow from the inputs that the kept edges carry.
    stack
        ``"decoder"`` explains a token of Whisper, through decoder, attention to the encoder, and encoder.
    tokens
        For a decoder: a text, ids, or None for what the model itself writes.
    readout
        What the nodes say; by default the model's own head, if it reads this stack.
    rule
        Which frames belong to a unit.

    Returns
    -------
    Routes
        Nodes and edges. ``attrs`` holds `target` (label of what is explained), `units` (of every stack, those
        on no route too: label, start, end), `held` (share of the flow from the inputs that is kept), `reached`
        (share of the target that comes from the inputs at all, the rest being biases) and
        `parts_sum_residual` (by how much parts miss their sums).

    Raises
    ------
    MixingError
        If the target is none of the units, `mass` is no share, or there are too many units for a graph.

    Notes
    -----
    A state of the residual stream is a sum: of what stood below it, of what a module adds, and of biases. A
    module adds one part for each unit and head that it reads. All parts are averaged over the frames of the
    unit that they are added to, so that they sum to the unit's mean state exactly. A norm after a sum is
    applied to each part with the deviation of the true sum held fixed; its β is a bias. Part :math:`p_k` of
    the sum :math:`w` has the share :math:`c_k \propto \max(0, \lVert w\rVert_1 - \lVert w - p_k\rVert_1)`.

    The flow through an edge is the share of the target that passes there: the products of shares, added up
    over all paths from the target down. Edges are kept in the order of their flow, as few as carry `mass`
    of what reaches the inputs.

    References
    ----------
    Ferrando, J., & Voita, E. (2024). Information flow routes: automatically interpreting language models at
    scale. EMNLP.
    """
    if not 0 < mass <= 1:
        raise MixingError(f"mass={mass}", expected="a share above 0 and up to 1", fix="mass=0.9")
    scene, streams = _streams(model, utterance, unit, stack=stack, tokens=tokens, rule=rule)
    for stream in streams:
        if stream.units.n_columns > MOST_UNITS:
            raise MixingError(
                f"{stream.units.n_columns} units",
                expected=f"at most {MOST_UNITS}, since every layer has an edge for every pair of them",
                cause="frames, or a long recording in phones",
                fix="use words or other longer units",
            )
    start = unit_of(target, streams[0].units, stack)
    flow = flow_to(start, streams)
    kept, held = flow.select(mass)
    nodes, edges = graph_tables(flow, kept, streams, start)
    readout = readout or head_readout(model, stack)
    if readout is not None:
        nodes = nodes.assign(reads=pd.Series(read_nodes(nodes, flow, streams, readout), nodes.index))
    record = {key: value for key, value in scene.attrs.items() if key not in ("where", "gaps")}
    attrs = {
        "method": "information-flow routes",
        **record,
        "stack": stack,
        "target": streams[0].units.coordinates([start + (stack == "decoder")])["label"].item(),
        "units": {stream.parts.stack: _listed(stream.units) for stream in streams},
        "mass": mass,
        "held": held,
        "reached": flow.reached,
        "n_edges_in_all": sum(int((s.own > 0).sum() + (s.mixed.sum(-1) > 0).sum()) for s in flow.sums),
        "parts_sum_residual": max(each.residual for each in flow.sums),
    }
    return Routes(nodes, edges, str(nodes["id"].iloc[0]), attrs)


@torch.no_grad()
def neurons(
    model: SpeechModel,
    utterance: Heard,
    unit: Unit = "words",
    *,
    target: Target,
    layer: int,
    stack: Stack = "encoder",
    tokens: Tokens = None,
    rule: FrameRule = "centre",
    top: int = 20,
) -> pd.DataFrame:
    """Say which neurons of a layer's MLP a unit owes its state to.

    Parameters
    ----------
    model, utterance, unit, target, stack, tokens, rule
        As in :func:`routes`.
    layer
        From 0.
    top
        How many neurons.

    Returns
    -------
    pandas.DataFrame
        One row a neuron, the largest share first: `neuron`, `share` of the layer's output (other neurons,
        the residual and biases have the rest), `signed` share. ``attrs["bias"]`` and
        ``attrs["signed_bias"]`` are the shares of the biases.

    Raises
    ------
    MixingError
        If there is no such unit or layer.
    """
    _, streams = _streams(model, utterance, unit, stack=stack, tokens=tokens, rule=rule)
    parts = streams[0].parts
    if layer not in range(len(parts.layers)):
        raise MixingError(
            f"layer {layer}", expected=f"0 to {len(parts.layers) - 1}", fix="count layers from 0"
        )
    start = unit_of(target, streams[0].units, stack)
    share, signed = neuron_shares(parts.layers[layer], streams[0].units.frames[start])
    order = np.argsort(-share[:-1], kind="stable")[:top]
    table = pd.DataFrame({"neuron": order, "share": share[order], "signed": signed[order]})
    table.attrs = {"bias": float(share[-1]), "signed_bias": float(signed[-1])}
    return table


def _streams(
    model: SpeechModel, utterance: Heard, unit: Unit, *, stack: Stack, tokens: Tokens, rule: FrameRule
) -> tuple[Scene, list[Stream]]:
    where: Where = "encoder" if stack == "encoder" else "cross"
    scene = set_scene(model, utterance, unit, where=where, rule=rule, gaps="merge", tokens=tokens)
    front = front_of(model.family)
    if stack == "encoder":
        return scene, [Stream(scene.decomposition, front, scene.sources)]
    top = Level("encoder", model.n_layers, "residual")
    own = front_of(model.family, "decoder")
    decoder = Stream(scene.decomposition, own, scene.targets, scene.sources, top)
    return scene, [decoder, Stream(decompose(model, utterance), front, scene.sources)]


def _listed(units: Partition) -> list[list[str | float | None]]:
    """Return label, start and end of all units, those on no route too."""
    about = units.coordinates(range(units.n_columns))
    rows = zip(*(about[name].tolist() for name in ("label", "start", "end")), strict=True)
    return [[label, *(None if np.isnan(time) else time for time in times)] for label, *times in rows]


def unit_of(target: Target, units: Partition, stack: Stack) -> int:
    """Return the unit that a target names; for a token, the position that predicts it."""
    labels = [segment.label.strip() for segment in units.segments]
    if isinstance(target, Segment):
        found = [
            i for i, each in enumerate(units.segments) if (each.start, each.end) == (target.start, target.end)
        ]
    elif isinstance(target, str):
        found = [i for i, label in enumerate(labels) if label == target.strip()]
    else:
        found = [target % len(labels)] if -len(labels) <= target < len(labels) else []
    found = [i - 1 for i in found if i > 0] if stack == "decoder" else found
    if len(found) != 1:
        raise MixingError(
            f"target {target!r} is {'none' if not found else f'{len(found)}'} of the units: "
            + shortlist((f"{i} {label!r}" for i, label in enumerate(labels)), 20),
            expected="one of them"
            + (", not the first token, which nothing predicts" if stack == "decoder" else ""),
            cause="a word that is said twice, or another tier"
            if found
            else "another spelling, or another tier",
            fix="give its number, or its segment",
        )
    return found[0]

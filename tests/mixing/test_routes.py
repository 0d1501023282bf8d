"""Routes: every share equals the slow oracle's, parts sum to wholes in every family, and few edges carry the mass."""

from __future__ import annotations

import itertools
from collections import defaultdict

import networkx
import numpy as np
import pytest
import torch
from mixing.route_reference import Oracle
from mixing.route_sound import TOKENS, UNITS, N, frame_units
from tiny import FAMILIES, shared_model, sound, tiny_model

from speechinterp.errors import MixingError
from speechinterp.mixing.routing import neurons, routes
from speechinterp.models import Tap
from speechinterp.segments import Segment


@pytest.fixture(params=FAMILIES)
def model(request):
    return shared_model(request.param)


def shares_of(graph):
    """Return {(source id, target id): share} of all edges."""
    return {(e.source, e.target): e.share for e in graph.edges.itertuples()}


def expected_shares(oracle):
    """Return the same from the sums of the oracle, heads added up."""
    found = defaultdict(float)
    for *level, unit in list(oracle.sums):
        for edges, share, _, _ in oracle.below(tuple(level), unit):
            for edge in edges:
                found[edge] += share
    return found


def compare(graph, oracle):
    expected, found = expected_shares(oracle), shares_of(graph)
    reachable = {edge: share for edge, share in expected.items() if share > 1e-6}
    assert len(found) >= 30
    assert all(expected[edge] == pytest.approx(share, abs=1e-5) for edge, share in found.items())
    passed = networkx.DiGraph(list(reachable))
    needed = networkx.ancestors(passed, graph.target) | {graph.target}
    assert {edge for edge in reachable if edge[1] in needed} <= set(found)


def test_every_share_is_the_oracles(model):
    graph = routes(model, sound(N), UNITS, target="rose", mass=1)
    compare(graph, Oracle(model.module, model.prepare([sound(N)]).values, frame_units(model), _tokens(model)))


def _tokens(model):
    return TOKENS if model.family.has_decoder else None


def test_every_share_of_a_decoder_is_the_oracles():
    model = shared_model("whisper")
    graph = routes(model, sound(N), UNITS, target=3, mass=1, stack="decoder", tokens=TOKENS)
    compare(graph, Oracle(model.module, model.prepare([sound(N)]).values, frame_units(model), TOKENS))
    assert graph.target == "decoder/2/residual/2", "the position that predicts token 3"
    assert {"cross_attention", "attention", "mlp", "residual"} <= set(graph.edges.part)


@pytest.mark.parametrize(("name", "layers"), [("wav2vec2", 2), ("hubert-pre-class", 2)])
def test_flow_is_the_sum_over_all_paths(name, layers):
    model = tiny_model(name, num_hidden_layers=layers)
    graph = routes(model, sound(N), UNITS, target="lay", mass=1)
    oracle = Oracle(model.module, model.prepare([sound(N)]).values, frame_units(model))
    flow, reached = defaultdict(float), 0.0
    for edges, share in oracle.paths(("encoder", layers, "residual"), 2):
        reached += share
        for edge in edges:
            flow[edge] += share
    assert graph.attrs["reached"] == pytest.approx(reached, abs=1e-5)
    assert graph.attrs["held"] == pytest.approx(1)
    inputs = graph.nodes[graph.nodes.part == "input"]
    assert inputs.flow.sum() == pytest.approx(reached, abs=1e-5)
    # what passes an edge is more than what arrives through it, by what biases have further down
    for edge in graph.edges.itertuples():
        assert edge.flow >= flow[edge.source, edge.target] - 1e-5
    into = graph.edges[graph.edges.source.isin(inputs.id)]
    for edge in into.itertuples():
        assert edge.flow == pytest.approx(flow[edge.source, edge.target], abs=1e-5)


def test_parts_sum_to_their_wholes(model):
    graph = routes(model, sound(N), UNITS, target=0)
    assert graph.attrs["parts_sum_residual"] < 1e-5
    whole = routes(model, sound(N), UNITS, target=0, mass=1)
    above = whole.edges[~whole.edges.source.str.contains("attention|mlp|positional")]
    arrived = above.groupby("target").share.sum()
    for node in whole.nodes.itertuples():
        if "residual" in node.part:
            into = whole.edges[whole.edges.target == node.id].share.sum()
            assert into + node.bias == pytest.approx(1, abs=1e-9), "shares of a sum add up to 1"
            assert 0 <= node.bias < 1
        elif node.part != "input":
            out = whole.edges[whole.edges.source == node.id].share.item()
            assert arrived[node.id] == pytest.approx(out), "a module passes on what it reads"


def test_heads_add_up_to_their_edge():
    graph = routes(shared_model("wavlm"), sound(N), UNITS, target=1, mass=1)
    attention = graph.edges[
        (graph.edges.part == "attention") & graph.edges.target.str.contains("/attention/")
    ]
    assert len(attention)
    for edge in attention.itertuples():
        assert len(edge.heads) == 4
        assert sum(edge.heads) == pytest.approx(edge.share)
    assert all(heads == [] for heads in graph.edges.heads[graph.edges.part == "mlp"])


# which edges are kept


@pytest.mark.parametrize("mass", [0.3, 0.6, 0.9, 0.99])
def test_kept_edges_carry_the_mass_and_one_less_does_not(model, mass):
    graph = routes(model, sound(N), UNITS, target="rose", mass=mass)
    whole = routes(model, sound(N), UNITS, target="rose", mass=1)
    assert mass <= graph.attrs["held"] + 1e-12
    assert graph.attrs["held"] == pytest.approx(carried(graph) / graph.attrs["reached"])
    elementary = graph.edges[~graph.edges.source.str.contains("attention|mlp|positional")]
    least = elementary.flow.min()
    assert carried(whole, above=least) < mass * graph.attrs["reached"], (
        "without the weakest edge it is too little"
    )
    assert carried(whole, above=least * (1 - 1e-9)) == pytest.approx(carried(graph))


def carried(graph, above=-1.0):
    """Follow the flow down again, along edges whose own flow is larger than `above`."""
    into = defaultdict(list)
    for edge in graph.edges.itertuples():
        into[edge.target].append(edge)
    module = ("attention", "mlp", "positional", "cross_attention")

    def below(node):
        if "/input/" in node:
            return 1.0
        total = 0.0
        for edge in into[node]:
            if edge.source.split("/")[2] in module:
                total += sum(e.share * below(e.source) for e in into[edge.source] if e.flow > above)
            elif edge.flow > above:
                total += edge.share * below(edge.source)
        return total

    return below(graph.target)


def test_every_kept_node_lies_on_a_way_from_the_inputs_to_the_target(model):
    graph = routes(model, sound(N), UNITS, target="rose", mass=0.7)
    net = networkx.DiGraph(list(zip(graph.edges.source, graph.edges.target, strict=True)))
    assert networkx.is_directed_acyclic_graph(net)
    inputs = set(graph.nodes.id[graph.nodes.part == "input"])
    assert set(graph.nodes.id) == set(net.nodes)
    for node in net:
        assert node == graph.target or graph.target in networkx.descendants(net, node)
        assert node in inputs or networkx.ancestors(net, node) & inputs


def test_more_mass_never_loses_an_edge():
    model = shared_model("wav2vec2")
    graphs = [routes(model, sound(N), UNITS, target="rose", mass=mass) for mass in (0.2, 0.5, 0.8, 0.95, 1)]
    for few, many in itertools.pairwise(graphs):
        assert set(shares_of(few)) <= set(shares_of(many))


def test_a_model_that_attends_to_nothing_has_one_route():
    model = tiny_model("wav2vec2-pre-ctc")
    with torch.no_grad():
        for layer in model.family.base.encoder.layers:
            layer.attention.out_proj.weight.zero_()
        model.family.base.encoder.pos_conv_embed.conv.parametrizations.weight.original0.zero_()
    graph = routes(model, sound(N), UNITS, target="rose", mass=1)
    assert set(graph.nodes.label) == {"rose"}
    assert graph.nodes.part.isin(["input", "residual", "residual_mid", "mlp"]).all()


# neurons


def test_neurons_share_what_the_mlp_has(model):
    graph = routes(model, sound(N), UNITS, target="rose", mass=1)
    layer = 2
    table = neurons(model, sound(N), UNITS, target="rose", layer=layer, top=10_000)
    assert len(table) == 48
    assert table.share.is_monotonic_decreasing
    assert 0 < table.share.sum() + table.attrs["bias"] < 1
    stream = graph.edges[(graph.edges.target == graph.target) & (graph.edges.part == "residual")]
    total = table.signed.sum() + table.attrs["signed_bias"] + stream.signed.item()
    assert total == pytest.approx(1, abs=1e-5), "neurons, biases and the residual are all there is"


def test_neurons_are_weighed_as_the_rule_says():
    model = shared_model("wav2vec2-pre-ctc")
    table = neurons(model, sound(N), UNITS, target="rose", layer=1, top=5)
    frames = [i for i, u in enumerate(frame_units(model)) if u == 1]
    taps = {name: Tap(1, name) for name in ("mlp_hidden", "residual_mid")} | {"state": Tap(2, "residual")}
    with torch.no_grad(), model.record(list(taps.values())) as record:
        model.encode(model.prepare([sound(N)]))
    hidden, mid, state = (record[tap][0, frames].double().mean(0) for tap in taps.values())
    down = model.family.base.encoder.layers[1].feed_forward.output_dense
    weight, bias = down.weight.detach().double(), down.bias.detach().double()
    parts = [*(hidden[n] * weight[:, n] for n in range(48)), bias, mid]
    near = [max(0.0, float(state.abs().sum() - (state - part).abs().sum())) for part in parts]
    shares = np.array(near[:48]) / sum(near)
    assert table.neuron.tolist() == np.argsort(-shares, kind="stable")[:5].tolist()
    assert table.share.tolist() == pytest.approx(np.sort(shares)[::-1][:5], abs=1e-5)


# bad input


def test_targets_that_are_none_or_several_are_refused():
    model, twice = shared_model("hubert"), [*UNITS, Segment(0.17, 0.175, "rose")]
    with pytest.raises(MixingError, match="'rows' is none of the units: 0 'one', 1 'rose', 2 'lay'"):
        routes(model, sound(N), UNITS, target="rows")
    with pytest.raises(MixingError, match=r"target 7 is none"):
        routes(model, sound(N), UNITS, target=7)
    with pytest.raises(MixingError, match="mass=0"):
        routes(model, sound(N), UNITS, target=1, mass=0)
    with pytest.raises(MixingError, match="layer 3"):
        neurons(model, sound(N), UNITS, target=1, layer=3)
    twice[-1] = Segment(0.15, 0.17, "rose")
    twice[2] = Segment(0.1, 0.15, "lay")
    with pytest.raises(MixingError, match="'rose' is 2 of the units"):
        routes(model, sound(N), twice, target="rose")
    graph = routes(model, sound(N), twice, target=twice[-1])
    assert graph.nodes.unit.iloc[0] == 3
    with pytest.raises(MixingError, match="nothing predicts"):
        routes(shared_model("whisper"), sound(N), UNITS, target=0, stack="decoder", tokens=TOKENS)


def test_too_many_units_are_refused_before_the_work(monkeypatch):
    monkeypatch.setattr("speechinterp.mixing.routing.MOST_UNITS", 3)
    with pytest.raises(MixingError, match=r"8 units.*at most 3"):
        routes(shared_model("hubert"), sound(N), "frames", target=3)

"""Routes: every share equals the slow oracle's, parts sum to wholes in every family, and few edges carry the mass."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict

import networkx
import numpy as np
import pytest
import torch
from mixing.route_reference import Oracle
from tiny import FAMILIES, shared_model, sound, tiny_model

from speechinterp.errors import MixingError
from speechinterp.mixing.proximity import proximity, signed_shares
from speechinterp.mixing.readouts import head_readout, probe_readout
from speechinterp.mixing.route_graph import read_routes
from speechinterp.mixing.routing import neurons, routes
from speechinterp.models import Tap
from speechinterp.segments import Segment

N = 2800
UNITS = [Segment(0.0, 0.04, "one"), Segment(0.04, 0.08, "rose"), Segment(0.1, 0.17, "lay")]
TOKENS = [4, 7, 9, 30]


@pytest.fixture(params=FAMILIES)
def model(request):
    return shared_model(request.param)


def frame_units(model):
    """Say which unit every frame of the encoder belongs to, the gap and the padding last."""
    grid = model.frames(N)
    n = model.family.config.max_source_positions if model.family.max_samples else grid.n_frames
    units = []
    for i in range(n):
        here = [u for u, s in enumerate(UNITS) if i < grid.n_frames and s.start <= grid.times[i] < s.end]
        units.append(here[0] if here else ("gap" if i < grid.n_frames else "pad"))
    names = [name for name in ("gap", "pad") if name in units]
    return [len(UNITS) + names.index(u) if isinstance(u, str) else u for u in units]


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


# the rule


@pytest.mark.parametrize(
    ("parts", "whole", "shares"),
    [
        ([(1, 1), (-1, 0), (2, 1)], (2, 2), (0.43613, 0, 0.56387)),
        ([(1, 1), (2, 2), (1, 1)], (4, 4), (0.25, 0.5, 0.25)),
        ([(1, 0), (-1, 0), (3, 0)], (3, 0), (0.25, 0, 0.75)),
    ],
)
def test_known_values_of_the_proximity(parts, whole, shares):
    parts, whole = (torch.tensor(x, dtype=torch.float64) for x in (parts, whole))
    assert proximity(parts, whole, order=2).tolist() == pytest.approx(shares, abs=1e-5)


def test_large_parts_that_cancel_leave_shares_that_can_be_told():
    parts = torch.tensor([[10.0], [-9.0]], dtype=torch.float64)
    assert proximity(parts, torch.tensor([1.0], dtype=torch.float64)).tolist() == [1, 0]
    nothing = proximity(torch.zeros(3, 4), torch.zeros(4))
    assert nothing.tolist() == pytest.approx([1 / 3] * 3)


def test_signed_shares_sum_to_one_and_are_the_limit_of_small_parts():
    generator = torch.Generator().manual_seed(0)
    parts = torch.randn(400, 60, generator=generator, dtype=torch.float64) + 0.3
    signed, near = signed_shares(parts, parts.sum(0)), proximity(parts, parts.sum(0))
    assert signed.sum() == pytest.approx(1)
    ahead = signed.clamp_min(0) / signed.clamp_min(0).sum()
    assert (near - ahead).abs().max() < 0.1 * near.max()
    assert (signed < 0).any()


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


# neurons and what nodes say


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


def test_nodes_say_what_the_head_reads_in_them():
    model = shared_model("wav2vec2-pre-ctc")
    graph = routes(model, sound(N), UNITS, target="rose")
    logits = model.logits(model.prepare([sound(N)]))[0].detach()
    frames = [i for i, u in enumerate(frame_units(model)) if u == 1]
    said = logits[frames].softmax(-1).mean(0)
    (reads,) = graph.nodes.reads[graph.nodes.id == graph.target]
    assert [int(symbol) for symbol, _ in reads] == said.argsort(descending=True)[:5].tolist()
    assert [p for _, p in reads] == pytest.approx(sorted(said.tolist(), reverse=True)[:5], abs=1e-5)
    assert all(reads == [] for reads in graph.nodes.reads[graph.nodes.part == "input"])


def test_modules_say_what_they_made_more_probable():
    model = shared_model("wav2vec2-pre-ctc")
    graph = routes(model, sound(N), UNITS, target="rose", mass=1)
    by_id, compared = graph.nodes.set_index("id").reads, 0
    for node in graph.nodes[graph.nodes.part == "mlp"].itertuples():
        ends = (
            f"encoder/{node.layer}/residual_mid/{node.unit}",
            f"encoder/{node.layer + 1}/residual/{node.unit}",
        )
        before, after = (dict(by_id.get(end, [])) for end in ends)
        assert all(gain > 0 for _, gain in node.reads)
        for symbol, gain in node.reads:
            if symbol in before and symbol in after:
                assert gain == pytest.approx(np.log(after[symbol] / before[symbol]), abs=1e-6)
                compared += 1
    assert compared


def test_a_decoder_says_its_next_token():
    model = shared_model("whisper")
    graph = routes(model, sound(N), UNITS, target=3, stack="decoder", tokens=TOKENS)
    logits = model.logits(model.prepare([sound(N)]), torch.tensor([TOKENS]))[0, 2].detach()
    (reads,) = graph.nodes.reads[graph.nodes.id == graph.target]
    assert int(reads[0][0]) == int(logits.argmax())
    encoder = graph.nodes[graph.nodes["stack"] == "encoder"]
    assert all(reads == [] for reads in encoder.reads), "no head reads Whisper's encoder"


def test_a_probe_can_read_instead_of_the_head():
    class Probe:
        classes_ = np.array(["vowel", "consonant"])

        def predict_proba(self, x):
            assert x.shape == (1, 32)
            share = 1 / (1 + np.exp(-x.mean(1)))
            return np.stack([share, 1 - share], 1)

    model = shared_model("hubert")
    assert head_readout(model) is None
    graph = routes(model, sound(N), UNITS, target="rose", readout=probe_readout({2: Probe(), 3: Probe()}))
    read = graph.nodes[graph.nodes.reads.astype(bool)]
    assert set(read.layer) <= {2, 3}
    assert set(read.part) == {"residual"}
    state = model.states([sound(N)])[0][3]
    mean = state[[i for i, u in enumerate(frame_units(model)) if u == 1]].mean(0)
    (reads,) = graph.nodes.reads[graph.nodes.id == graph.target]
    assert dict(reads)["vowel"] == pytest.approx(1 / (1 + np.exp(-float(mean.mean()))), abs=1e-5)


# files


def test_json_gives_the_same_graph_again(tmp_path):
    model = shared_model("wav2vec2-pre-ctc")
    graph = routes(model, sound(N), [*UNITS[:2], Segment(0.1, 0.17, '<b>"läy"</b>')], target="rose")
    again = read_routes(graph.to_json(tmp_path / "routes.json"))
    assert again.nodes.equals(graph.nodes)
    assert again.edges.equals(graph.edges)
    assert (again.target, again.attrs) == (graph.target, graph.attrs)
    content = json.loads((tmp_path / "routes.json").read_text(encoding="utf-8"))
    assert (content["format"], content["version"]) == ("speechinterp-routes", 1)


def test_networkx_reads_the_graphml(tmp_path):
    graph = routes(shared_model("wavlm"), sound(N), UNITS, target="rose")
    net = networkx.read_graphml(graph.to_graphml(tmp_path / "routes.graphml"))
    assert set(net.nodes) == set(graph.nodes.id)
    assert net.number_of_edges() == len(graph.edges)
    edge = graph.edges.iloc[-1]
    assert net.edges[edge.source, edge.target]["flow"] == pytest.approx(edge.flow)
    node = graph.nodes.iloc[0]
    assert net.nodes[node.id]["label"] == node.label
    assert net.nodes[node.id]["layer"] == node.layer
    assert json.loads(net.graph["attrs"])["mass"] == 0.9


def _written(tmp_path):
    path = routes(shared_model("wav2vec2"), sound(N), UNITS, target=1).to_json(tmp_path / "routes.json")
    return path, json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda c: c.update(version=2), "version 2.*expected: version 1"),
        (lambda c: c.update(format="x"), "is no file of routes"),
        (lambda c: c.update(target="encoder/9/residual/0"), "nodes that are not there.*encoder/9"),
        (lambda c: c.pop("attrs"), "no attrs"),
        (lambda c: c.update(nodes="none"), "no list of nodes"),
        (lambda c: c["nodes"][0].pop("flow"), r"for nodes\[0\]"),
        (lambda c: c["nodes"].append(c["nodes"][0]), "twice"),
        (lambda c: c["nodes"][0].update(layer="three"), r"'three' for nodes\[0\].layer, not a int"),
        (lambda c: c["nodes"][0].update(flow=None), r"None for nodes\[0\].flow"),
        (lambda c: c["edges"][0].update(flow=2.0), "flow outside 0 to 1"),
        (lambda c: c["edges"][0].update(part="magic"), "parts that no model has: magic"),
    ],
)
def test_spoilt_files_are_refused(tmp_path, spoil, message):
    path, content = _written(tmp_path)
    spoil(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(MixingError, match=f"(?i){message}"):
        read_routes(path)


def test_a_cut_file_and_none_at_all_are_refused(tmp_path):
    path, _ = _written(tmp_path)
    path.write_text(path.read_text(encoding="utf-8")[:500], encoding="utf-8")
    with pytest.raises(MixingError, match="cannot be read"):
        read_routes(path)
    with pytest.raises(MixingError, match="cannot be read"):
        read_routes(tmp_path / "none.json")


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

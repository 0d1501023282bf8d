"""Files of routes: the same graph comes back, other tools read it, and spoilt ones are refused."""

from __future__ import annotations

import json

import networkx
import pytest
from mixing.route_sound import UNITS, N
from tiny import shared_model, sound

from speechinterp.errors import MixingError
from speechinterp.mixing.route_graph import read_routes
from speechinterp.mixing.routing import routes
from speechinterp.segments import Segment


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

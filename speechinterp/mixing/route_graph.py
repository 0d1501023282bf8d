"""The graph of routes: a table of nodes, a table of edges, and the files that hold them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import numpy as np
import pandas as pd

from speechinterp.errors import MixingError, shortlist
from speechinterp.mixing.flow import Flow, Kept
from speechinterp.mixing.sums import Level, Stream, Sum

__all__ = ["Routes", "graph_tables", "read_routes"]

FORMAT, VERSION = "speechinterp-routes", 1
NAMED = ("id", "source", "target")
PARTS = {
    "input", "residual", "residual_mid", "residual_cross", "positional", "attention", "cross_attention", "mlp",
}  # fmt: skip
NODE_COLUMNS = {
    "id": str, "stack": str, "layer": int, "part": str, "unit": int, "label": str, "start": float, "end": float,
    "flow": float, "bias": float, "reads": list,
}  # fmt: skip
EDGE_COLUMNS = {
    "source": str, "target": str, "part": str, "share": float, "signed": float, "flow": float, "heads": list,
}  # fmt: skip


@dataclass(frozen=True)
class Routes:
    """The routes along which information flows to one target.

    Parameters
    ----------
    nodes
        One row a place: `id`, `stack`, `layer`, `part` (see :class:`speechinterp.Tap`), `unit` (its number),
        `label`, `start` and `end` of the unit in seconds (NaN for tokens, gap and pad), `flow` (share of the
        target that passes through), `bias` (share of its sum that biases have), `reads` (pairs of symbol and
        probability, the most probable first; for modules pairs of symbol and gain in log-probability).
    edges
        One row an edge, from what is read to what is written: `source`, `target`, `part` (the module, or
        ``residual``), `share` of the sum it leads to, `signed` share, `flow`, and for attention `heads`, the
        share of every head.
    target
        Id of the node that everything flows to.
    attrs
        How it was made; `held` is the share of all flow from the inputs that these edges carry.
    """

    nodes: pd.DataFrame
    edges: pd.DataFrame
    target: str
    attrs: dict[str, Any]

    def to_json(self, path: str | Path) -> Path:
        """Write the graph as JSON; :func:`read_routes` reads it.

        Parameters
        ----------
        path
            The file.
        """
        content = {
            "format": FORMAT,
            "version": VERSION,
            "target": self.target,
            "attrs": self.attrs,
            "nodes": _records(self.nodes),
            "edges": _records(self.edges),
        }
        path = Path(path)
        path.write_text(
            json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1) + "\n", encoding="utf-8"
        )
        return path

    def to_graphml(self, path: str | Path) -> Path:
        """Write the graph as GraphML, for networkx, Gephi, igraph or yEd; lists become texts.

        Parameters
        ----------
        path
            The file.
        """
        root = Xml.Element("graphml", xmlns="http://graphml.graphdrawing.org/xmlns")
        kinds = {str: "string", list: "string", int: "int", float: "double"}
        for owner, columns in (("node", NODE_COLUMNS), ("edge", EDGE_COLUMNS)):
            for name, kind in columns.items():
                if name not in NAMED:
                    about = {"attr.name": name, "attr.type": kinds[kind]}
                    Xml.SubElement(root, "key", {"id": f"{owner}.{name}", "for": owner, **about})
        Xml.SubElement(root, "key", {"id": "g", "for": "graph", "attr.name": "attrs", "attr.type": "string"})
        graph = Xml.SubElement(root, "graph", edgedefault="directed")
        about = {"target": self.target, **self.attrs}
        Xml.SubElement(graph, "data", key="g").text = json.dumps(about, ensure_ascii=False)
        for owner, table in (("node", self.nodes), ("edge", self.edges)):
            for record in _records(table):
                ends = {str(name): str(record.pop(name)) for name in NAMED if name in record}
                element = Xml.SubElement(graph, owner, ends)
                for name, value in record.items():
                    if value is not None:
                        data = Xml.SubElement(element, "data", key=f"{owner}.{name}")
                        data.text = (
                            json.dumps(value, ensure_ascii=False) if isinstance(value, list) else str(value)
                        )
        Xml.indent(root)
        Xml.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
        return Path(path)


def graph_tables(
    flow: Flow, kept: Sequence[Kept], streams: Sequence[Stream], start: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the nodes and edges that are kept, the target first; nothing is read yet."""
    units = {stream.parts.stack: stream.units for stream in streams}
    biases = {each.top: each.bias for each in flow.sums}
    nodes: dict[str, tuple[Any, ...]] = {}
    edges: list[tuple[Any, ...]] = []

    def node(level: Level, unit: int, module: Sum | None = None) -> str:
        layer, part = (
            (level.layer, level.part) if module is None else (module.below.layer, str(module.module))
        )
        name = f"{level.stack}/{layer}/{part}/{unit}"
        if name not in nodes:
            about = {key: values[0] for key, values in units[level.stack].coordinates([unit]).items()}
            through, bias = float(flow.at[level][unit]), 0.0
            if module is not None:
                through *= float(module.mixed[unit].sum())
            elif level in biases:
                bias = float(biases[level][unit])
            times = float(about["start"]), float(about["end"])
            nodes[name] = (
                name,
                level.stack,
                layer,
                part,
                unit,
                str(about["label"]),
                *times,
                through,
                bias,
                [],
            )
        return name

    node(flow.sums[0].top, start)
    for each, keep in zip(flow.sums, kept, strict=True):
        name = str(each.module)
        for unit in np.flatnonzero(keep.own | keep.mixed.any(1)).tolist():
            top, at = node(each.top, unit), float(flow.at[each.top][unit])
            if keep.own[unit]:
                share, signed = float(each.own[unit]), float(each.signed_own[unit])
                edges.append((node(each.below, unit), top, "residual", share, signed, at * share, []))
            if not keep.mixed[unit].any():
                continue
            module = node(each.top, unit, each)
            share, signed = float(each.mixed[unit].sum()), float(each.signed_mixed[unit].sum())
            edges.append((module, top, name, share, signed, at * share, []))
            for source in np.flatnonzero(keep.mixed[unit]).tolist():
                heads, signed = each.mixed[unit, source], float(each.signed_mixed[unit, source].sum())
                read, share = node(each.read, unit if each.local else source), float(heads.sum())
                listed = heads.tolist() if "attention" in name else []
                edges.append((read, module, name, share, signed, at * share, listed))
    return pd.DataFrame(list(nodes.values()), columns=list(NODE_COLUMNS)), pd.DataFrame(
        edges, columns=list(EDGE_COLUMNS)
    )


def read_routes(path: str | Path) -> Routes:
    """Read what :meth:`Routes.to_json` wrote.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    MixingError
        If it is no such file, of another version, or its content contradicts itself.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise _broken(path, f"cannot be read: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise _broken(path, "is no file of routes")
    if content.get("version") != VERSION:
        raise MixingError(
            f"{path} has version {content.get('version')!r} of the format",
            expected=f"version {VERSION}",
            cause="a file of another version of speechinterp",
            fix="compute the routes again, or read it with the version named in its attrs",
        )
    nodes, edges = (
        _table(path, name, content.get(name), columns)
        for name, columns in (("nodes", NODE_COLUMNS), ("edges", EDGE_COLUMNS))
    )
    if not isinstance(content.get("attrs"), dict):
        raise _broken(path, "has no attrs")
    _check(path, nodes, edges, content.get("target"))
    return Routes(nodes, edges, content["target"], content["attrs"])


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as JSON has them: no NaN, and no numbers of numpy."""
    records = table.to_dict("records")
    return [
        {
            str(key): None if isinstance(value, float) and math.isnan(value) else value
            for key, value in record.items()
        }
        for record in records
    ]


def _table(path: Path, name: str, rows: Any, columns: dict[str, type]) -> pd.DataFrame:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _broken(path, f"has no list of {name}")
    missing = {"start", "end"}  # tokens, gap and pad have no times
    for number, row in enumerate(rows):
        if set(row) != set(columns):
            raise _broken(path, f"has {shortlist(row)} for {name}[{number}], not {shortlist(columns, 12)}")
        for column, kind in columns.items():
            value = row[column]
            if value is None and column in missing:
                row[column] = math.nan
            elif kind is float and isinstance(value, int | float) and not isinstance(value, bool):
                row[column] = float(value)
            elif not isinstance(value, kind) or isinstance(value, bool):
                raise _broken(path, f"has {value!r} for {name}[{number}].{column}, not a {kind.__name__}")
    return pd.DataFrame(rows, columns=list(columns)).astype(
        {column: kind for column, kind in columns.items() if kind in (int, float)}
    )


def _check(path: Path, nodes: pd.DataFrame, edges: pd.DataFrame, target: Any) -> None:
    ids = set(nodes["id"])
    ends = set(edges["source"]) | set(edges["target"]) | {target}
    if len(ids) != len(nodes) or not ends <= ids:
        raise _broken(
            path, f"names nodes that are not there or twice: {shortlist(sorted(map(str, ends - ids)))}"
        )
    unknown = (set(nodes["part"]) | set(edges["part"])) - PARTS
    if unknown or not set(nodes["stack"]) <= {"encoder", "decoder"}:
        raise _broken(path, f"names parts that no model has: {shortlist(sorted(unknown)) or 'a stack'}")
    for table, column in ((nodes, "flow"), (nodes, "bias"), (edges, "share"), (edges, "flow")):
        if not table[column].between(0, 1 + 1e-6).all():
            raise _broken(path, f"has a {column} outside 0 to 1")


def _broken(path: Path, found: str) -> MixingError:
    return MixingError(
        f"{path} {found}",
        expected="a JSON file that Routes.to_json wrote",
        cause="another file, or one that was edited or cut short",
        fix="compute the routes again",
    )

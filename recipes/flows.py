"""Flows: how much of a word reaches a model's output from itself, from the word that decides, and from the others."""

from __future__ import annotations

from typing import Any

import pandas as pd

import speechinterp as si
from speechinterp.mixing import Routes, deciding_token, planted
from speechinterp.mixing.tokens import tokens_of, words_spelt

PARTS = {
    "attention": "attention",
    "cross_attention": "attention to the encoder",
    "mlp": "MLP",
    "positional": "positional convolution",
}
ORDER = ("itself", "the cue", "other words", "prompt", "between words", "padding")


def target_of(
    model: si.SpeechModel, utterance: si.Utterance
) -> tuple[si.Segment, si.Segment | None, dict[str, Any]]:
    """Return the word in question, its cue if it is known, and how its routes are asked for."""
    words = list(utterance.tier("words"))
    target, cue = planted(utterance) if "cue" in utterance.tiers else (words[len(words) // 2], None)
    if not model.family.has_decoder:
        return target, cue, {"target": target}
    tokens, labels = tokens_of(model, utterance, str(utterance.transcript))
    decides = deciding_token(model, utterance) if cue else None
    first = words_spelt(labels, [word.label for word in words]).index(words.index(target))
    asked = {"stack": "decoder", "tokens": tokens.tolist(), "target": decides[0] if decides else first}
    return target, cue, asked


def sources(
    model: si.SpeechModel, utterance: si.Utterance, mass: float
) -> tuple[Routes, dict[str, pd.DataFrame]]:
    """Return routes to the word in question, and what they carry: from which source, and through which part."""
    target, cue, asked = target_of(model, utterance)
    routes = si.mixing.routes(model, utterance, **asked, mass=mass)
    words = list(utterance.tier("words"))
    spelt = [None] * len(routes.attrs["units"].get("decoder", ()))
    if spelt:
        labels = [str(label) for label, *_ in routes.attrs["units"]["decoder"]]
        spelt = words_spelt(labels, [word.label for word in words])
    rows = []
    for node in routes.nodes[routes.nodes.part == "input"].itertuples():
        number = spelt[node.unit] if node.stack == "decoder" else node.unit
        word = words[number] if number is not None and number < len(words) else None
        kind = "the cue" if word and word == cue else "itself" if word == target else "other words"
        way = "as read" if node.stack == "decoder" else "as heard"
        rest = (
            "prompt"
            if node.stack == "decoder"
            else {"pad": "padding", "gap": "between words"}.get(node.label, "")
        )
        rows.append({"source": f"{kind}, {way}" if word else rest, "word": number, "flow": node.flow})
    found = pd.DataFrame(rows)
    found["share"] = found.flow / found.flow.sum()
    others = found[found.source.str.startswith(("the cue", "other"))].groupby("word").flow.sum()
    inside = routes.nodes[routes.nodes.part.isin(PARTS)].replace({"part": PARTS})
    parts = inside.groupby(["stack", "layer", "part"], sort=False).flow.sum().reset_index()
    tables = {
        "sources": found.groupby("source", sort=False)[["flow", "share"]].sum().reset_index(),
        "parts": parts,
    }
    if cue is not None:
        top = others.idxmax() == words.index(cue)
        tables["cue"] = pd.DataFrame({"case": ["the cue is the largest other word"], "top": [float(top)]})
        tables["cue"]["random"] = 1 / (len(words) - 1)
    return routes, {name: table.assign(utterance=utterance.id) for name, table in tables.items()}


def shares(found: pd.DataFrame) -> pd.DataFrame:
    """Return the share of every source in every utterance, 0 where it has none, sources in a fixed order."""
    index = ["utterance", "speaker", "weights", "baseline"]
    wide = found.pivot_table(index=index, columns="source", values="share", fill_value=0.0, sort=False)
    columns = sorted(wide, key=lambda name: (ORDER.index(name.split(",")[0]), name))
    return wide[columns].stack().rename("share").reset_index()

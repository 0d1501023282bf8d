"""Where does a Whisper model use the word that decides how a homophone is spelt? All attention along one way is cut.

    python recipes/benchmark/homophone_cuts.py --out runs/cuts

The model reads the right sentence; at the first token in which the two spellings differ, their log odds are compared.
Cutting takes what the cue's frames or tokens give to chosen rows out of the context, in all layers at once, and leaves
the weights of the rest as they are. Writes `cuts.csv`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

import speechinterp as si
from speechinterp.mixing import deciding_token, planted
from speechinterp.mixing.tokens import tokens_of, words_spelt


@contextmanager
def cut(attention: Any, rows: Tensor, columns: Tensor) -> Iterator[None]:
    """Take what the columns give to the rows out of an attention block's context."""
    made: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        return lambda module, inputs, output: made.__setitem__(name, output)

    def without(module: object, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        heads = attention.num_heads
        query, key, value = (made[n][0].unflatten(-1, (heads, -1)) for n in ("q_proj", "k_proj", "v_proj"))
        scores = torch.einsum("thd,shd->hts", query, key) * query.shape[-1] ** -0.5
        if attention.is_causal:
            later = torch.ones(scores.shape[1:], dtype=torch.bool).triu(1)
            scores = scores.masked_fill(later, -torch.inf)
        weights = scores.softmax(-1)[:, rows][:, :, columns]
        context = inputs[0].clone()
        context[0, rows] -= torch.einsum("hts,shd->thd", weights, value[columns]).flatten(1)
        return (context, *inputs[1:])

    handles = [getattr(attention, n).register_forward_hook(keep(n)) for n in ("q_proj", "k_proj", "v_proj")]
    handles.append(attention.out_proj.register_forward_pre_hook(without))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def odds(model: si.SpeechModel, utterance: si.Utterance) -> Iterator[tuple[str, str, float]]:
    """Give where the cue is, what is cut, and the log odds of the right spelling over the other, in nats."""
    target, cue = planted(utterance)
    tokens, labels = tokens_of(model, utterance, str(utterance.transcript))
    differs, other = deciding_token(model, utterance)
    words = list(utterance.tier("words"))
    place = "before" if cue.start < target.start else "after"
    frames = torch.tensor(list(model.frames(utterance).frames_in(cue.start, cue.end)))
    spelt = words_spelt(list(labels), [word.label for word in words])
    said = [i for i, n in enumerate(spelt) if n is not None and words[n].start == cue.start]
    encoder, decoder = model.family.base.encoder, model.family.base.decoder
    all_frames = torch.arange(encoder.config.max_source_positions)
    elsewhere, row = all_frames[~torch.isin(all_frames, frames)], torch.tensor([differs - 1])
    ways = {
        "nothing": [],
        "encoder": [(layer.self_attn, elsewhere, frames) for layer in encoder.layers],
        "sound": [(layer.encoder_attn, row, frames) for layer in decoder.layers],
    }
    if place == "before":
        later = torch.arange(said[-1] + 1, len(tokens))
        ways["text"] = [(layer.self_attn, later, torch.tensor(said)) for layer in decoder.layers]
    inputs = model.prepare([utterance])
    for name, cuts in ways.items():
        with ExitStack() as stack:
            for each in cuts:
                stack.enter_context(cut(*each))
            scores = model.logits(inputs, tokens[None])[0, differs - 1].log_softmax(-1)
        yield place, name, float(scores[tokens[differs]] - scores[other])


def main() -> None:
    """Cut, count and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="demo/whisper")
    parser.add_argument("--corpus", default="demo?type=homophone")
    parser.add_argument("--out", default="runs/homophone-cuts", type=Path)
    a = parser.parse_args()
    model, corpus = si.load_model(a.model, device="cpu"), si.load_corpus(a.corpus)
    rows = [(u.id, *found) for u in corpus for found in odds(model, u)]
    table = pd.DataFrame(rows, columns=["utterance", "cue", "cut", "log_odds"])
    a.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(a.out / "cuts.csv", index=False)
    table["right"] = table.log_odds > 0
    print(table.groupby(["cut", "cue"], sort=False)[["log_odds", "right"]].mean().round(2).to_string())


if __name__ == "__main__":
    main()

"""Homophones: every measure asked which word decides a spelling, where the corpus knows, and the model too."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr

from speechinterp.corpora import Utterance
from speechinterp.errors import MixingError
from speechinterp.mixing.blankout import blankout_drop, silenced_inputs
from speechinterp.mixing.contributions import alti
from speechinterp.mixing.cue import cue_alignment
from speechinterp.mixing.joint import joint
from speechinterp.mixing.norms import attention_norm, globenc
from speechinterp.mixing.relevance import chefer
from speechinterp.mixing.tokens import tokens_of
from speechinterp.mixing.weights import attention, rollout
from speechinterp.mixing.zeroing import value_zeroing
from speechinterp.models import SpeechModel
from speechinterp.models.targets import Contrast, ctc
from speechinterp.segments import Segment

__all__ = ["ENCODER_MEASURES", "best_layers", "deciding_token", "find_cue", "planted", "remove_words"]

Measure = Callable[..., xr.DataArray]
ENCODER_MEASURES: dict[str, Measure] = {
    "value zeroing": value_zeroing,
    "attention": attention,
    "attention, mean": partial(attention, pool="mean"),
    "rollout": rollout,
    "attention-norm": attention_norm,
    "GlobEnc": globenc,
    "ALTI": alti,
    "ALTI, one layer": partial(alti, rolled=False, pool="vectors"),
    "Chefer": chefer,
}
"""The measures of an encoder; the last is asked only where the encoder has a head that writes."""
DECODER_MEASURES = ("value zeroing", "attention", "attention-norm", "Chefer")


def planted(utterance: Utterance) -> tuple[Segment, Segment]:
    """Return the target word of an utterance, and the word that decides it.

    Parameters
    ----------
    utterance
        With one segment in the tier ``cue``, and the target in the tier ``target``, or its word in
        ``meta["target"]``.

    Returns
    -------
    target, cue
        Segments.

    Raises
    ------
    MixingError
        If one of the two is not known, or there are several.
    """
    cues = list(utterance.tiers.get("cue", ()))
    targets = list(utterance.tiers.get("target", ()))
    if "target" not in utterance.tiers:
        wanted = utterance.meta.get("target")
        targets = [word for word in utterance.tiers.get("words", ()) if wanted and word.label == wanted]
    if len(cues) != 1 or len(targets) != 1:
        raise MixingError(
            f"utterance {utterance.id!r} has {len(cues)} cues and {len(targets)} targets",
            expected="one segment in the tier cue; one in the tier target, or one word that is the column target",
            cause="a corpus without a planted answer",
            fix="take demo?type=homophone, or add both to the corpus",
        )
    return targets[0], cues[0]


def find_cue(model: SpeechModel, utterance: Utterance) -> pd.DataFrame:
    """Say for every measure of mixing whether the cue is the largest source of the target.

    Parameters
    ----------
    model
        Any model.
    utterance
        With a target and its cue, see :func:`planted`.

    Returns
    -------
    pandas.DataFrame
        One row an attention, measure and layer, with what :func:`cue_alignment` says, and `utterance`, `pair`,
        `cue_place` and `cue_distance`. `attention` is ``encoder`` (rows of the target's frames), or of a decoder
        ``decoder`` (its two attentions joined), ``sound`` (that to the encoder alone) and ``text`` (that to what is
        written alone), in the row of the :func:`deciding_token`, or without another spelling in those of all its
        tokens.

    Raises
    ------
    MixingError
        If the target or the cue is not known.

    References
    ----------
    Mohebbi, H., Chrupała, G., Zuidema, W., & Alishahi, A. (2023). Homophone disambiguation reveals patterns of
    context mixing in speech transformers. EMNLP.
    """
    target, cue = planted(utterance)
    about = {key: utterance.meta.get(key, "") for key in ("pair", "cue_place", "cue_distance")}
    return pd.concat(
        [
            cue_alignment(mix, target, cue).assign(
                attention=kind, measure=name, utterance=utterance.id, **about
            )
            for kind, name, mix in _maps(model, utterance)
        ],
        ignore_index=True,
    )


def _maps(model: SpeechModel, utterance: Utterance) -> Iterator[tuple[str, str, xr.DataArray]]:
    """Yield attention, measure and map; a decoder's map has the rows in which the target is written."""
    decodes = model.family.has_decoder
    for name, measure in ENCODER_MEASURES.items():
        if name != "Chefer" or (not decodes and hasattr(model.module, "lm_head")):
            yield "encoder", name, measure(model, utterance)
    if not decodes:
        return
    tokens, decides = _tokens(model, utterance), deciding_token(model, utterance)
    for name in DECODER_MEASURES:
        measure = ENCODER_MEASURES[name]
        sound, text = (measure(model, utterance, where=w, tokens=tokens) for w in ("cross", "decoder"))
        nothing = [each.copy(data=np.zeros_like(each.values)) for each in (sound, text)]
        joined = joint(sound, text)
        rows = _writing(joined, planted(utterance)[0]) if decides is None else [decides[0] - 1]
        yield "decoder", name, joined.isel(target=rows)
        yield "sound", name, joint(sound, nothing[1]).isel(target=rows)
        yield "text", name, joint(nothing[0], text).isel(target=rows)


def _tokens(model: SpeechModel, utterance: Utterance) -> list[int]:
    """Return prompt and transcript as a decoder is given them."""
    return [int(token) for token in tokens_of(model, utterance, str(utterance.transcript))[0]]


def _writing(mix: xr.DataArray, target: Segment) -> list[int]:
    """Return the rows of a joint map in which the target is written."""
    inside = (mix.target_start.values >= target.start - 1e-9) & (mix.target_start.values < target.end)
    return np.flatnonzero(inside).tolist()


def deciding_token(model: SpeechModel, utterance: Utterance) -> tuple[int, int] | None:
    """Return the first token of the transcript that another spelling of the target would change.

    Parameters
    ----------
    model
        With a decoder.
    utterance
        With a target, see :func:`planted`, and both spellings in ``meta["homophones"]`` (``rose/rows``).

    Returns
    -------
    tuple of int, or None
        Its number among the tokens that the decoder is given, and the token that the other spelling has there; None
        if no other spelling is known. The row of a map in which it is decided is one before.
    """
    target, _ = planted(utterance)
    other = _other_spelling(utterance)
    if other is None:
        return None
    text = str(utterance.transcript).strip()
    changed = re.sub(rf"\b{re.escape(target.label)}\b", other, text, count=1)
    written, instead = (model.vocabulary.ids(f" {each}") for each in (text, changed))
    differs = next(i for i, (one, other) in enumerate(zip(written, instead, strict=False)) if one != other)
    return len(_tokens(model, utterance)) - len(written) + differs, instead[differs]


def remove_words(model: SpeechModel, utterance: Utterance) -> pd.DataFrame:
    """Take every word but the target away, and measure what that costs the spelling of the target.

    Parameters
    ----------
    model
        A model that writes: with a CTC head or a decoder.
    utterance
        With a target and its cue, see :func:`planted`.

    Returns
    -------
    pandas.DataFrame
        What :func:`blankout_drop` says of every word, with `utterance` and `is_cue`. Of a decoder, each word is taken
        out of the sound and of what has been written. Where the other spelling is known, `log_drop` is that of the
        log odds of the two, in nats: of a CTC head of their letters at the time of the target, of a decoder of the
        :func:`deciding_token`.

    Raises
    ------
    MixingError
        If the target or the cue is not known, or the model has nothing that writes.
    """
    target, cue = planted(utterance)
    about: dict[str, Any] = {"target": target}
    if model.family.has_decoder:
        tokens, decides = _tokens(model, utterance), deciding_token(model, utterance)
        about = {"stack": "decoder", "remove": "both", "tokens": tokens}
        if decides is None:
            maps = (attention(model, utterance, where=where, tokens=tokens) for where in ("cross", "decoder"))
            about["target"] = _writing(joint(*maps), target)[0] + 1
        else:
            about["target"], about["against"] = decides
    table = blankout_drop(model, utterance, **about)
    other = _other_spelling(utterance)
    if other is not None and not model.family.has_decoder and model.vocabulary.kind == "letters":
        table["log_drop"] = _odds_lost(model, utterance, other)
    itself = np.isclose(table["start"], target.start)
    table = table.assign(utterance=utterance.id, is_cue=np.isclose(table["start"], cue.start))
    return table[~itself].reset_index(drop=True)


def _other_spelling(utterance: Utterance) -> str | None:
    """Return the word that the target could be as well, None if it is not known."""
    spellings = str(utterance.meta.get("homophones", "")).split("/")
    return next((word for word in spellings if word and word != planted(utterance)[0].label), None)


@torch.no_grad()
def _odds_lost(model: SpeechModel, utterance: Utterance, other: str) -> list[float]:
    """Return by how much the log odds of two spellings at the target fall as one word after the other is silenced."""
    target, _ = planted(utterance)
    odds = Contrast(*(ctc(word, span=target) for word in (target.label, other))).bind(model, utterance)
    words = [segment for segment in utterance.tier("words") if segment.label]
    sounds = [model.prepare([utterance]), *silenced_inputs(model, utterance, words)]
    whole, *without = (float(odds.scores_of(inputs)) for inputs in sounds)
    return [whole - each for each in without]


def best_layers(table: pd.DataFrame) -> pd.DataFrame:
    """Compare the best layer of every measure with the best layer of its twin with random weights.

    Parameters
    ----------
    table
        Means with intervals over utterances: `baseline` (``none`` or ``random-init``), `attention`, `measure`,
        `layer`, `mean`, `ci_low`, `ci_high`, `chance`.

    Returns
    -------
    pandas.DataFrame
        One row an attention and measure, the best first; `finds_the_cue` is ``yes`` where the interval lies above
        chance and above the twin's interval. Choosing the layer by the answer favours model and twin alike.
    """
    by = ["attention", "measure"]
    best = table.loc[table.groupby(["baseline", *by], sort=False)["mean"].idxmax()]
    model, twin = (best[best["baseline"] == name].set_index(by) for name in ("none", "random-init"))
    summary = model[["layer", "mean", "ci_low", "ci_high", "chance"]].copy()
    summary[["random_init", "random_high"]] = twin[["mean", "ci_high"]]
    beats = (summary["ci_low"] > summary["chance"]) & (summary["ci_low"] > summary["random_high"])
    summary["finds_the_cue"] = np.where(beats, "yes", "no")
    return summary.sort_values("mean", ascending=False).reset_index()

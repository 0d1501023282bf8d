"""Trajectory: what every layer says at every frame or token of one utterance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import xarray as xr

import speechinterp
from speechinterp.corpora import Utterance
from speechinterp.lenses.logit_lens import Text, check_text, read_text
from speechinterp.lenses.reading import read_encoder
from speechinterp.lenses.statistics import predictions
from speechinterp.models import SpeechModel

if TYPE_CHECKING:
    from speechinterp.lenses.translators import Translators

__all__ = ["trajectory"]


@torch.no_grad()
def trajectory(
    model: SpeechModel,
    utterance: Utterance,
    *,
    translators: Translators | None = None,
    text: Text = "model",
    language: str | None = None,
) -> xr.Dataset:
    """Follow what the layers of a model say, at every frame (CTC) or token (decoder) of one utterance.

    Parameters
    ----------
    model
        A CTC or Whisper model.
    utterance
        What it hears.
    translators
        Of a tuned lens; None reads the layers as the model reads its last.
    text, language
        For Whisper, as in :func:`speechinterp.lenses.logit`.

    Returns
    -------
    xarray.Dataset
        ``symbol`` (the most probable one), ``probability``, ``entropy`` and ``kl`` to the top in nats,
        ``top_log_prob`` (of what the top says, in nats) and ``agreement``, each [shape=(layer, step)]; ``depth``
        [shape=(step,)], the first layer from which on all say what the top says. The coordinate of a step is
        ``time``, the centre of its frame in seconds, or ``token``, what comes there. Blanks are empty symbols.

    Raises
    ------
    ModelError
        If the model does not write text.
    """
    vocabulary = model.vocabulary
    if vocabulary.blank is not None:
        (reading,) = read_encoder(model, model.prepare([utterance]))
        coordinates = {"time": ("step", model.frames(utterance).times)}
        names = ["" if i == vocabulary.blank else symbol for i, symbol in enumerate(vocabulary.symbols)]
    else:
        check_text(text)
        reading, comes = read_text(model, utterance, text, language)
        coordinates = {"token": ("step", np.array([_piece(model, token) for token in comes]))}
        names = []
    states = reading.states if translators is None else translators.translate(reading.states)
    seen = predictions(reading.through_head(model, states), reading.logits)
    kinds = {i: names[i] if names else _piece(model, i) for i in np.unique(seen.best.cpu()).tolist()}
    dims = ("layer", "step")
    data = xr.Dataset(
        {
            "symbol": (dims, np.array([[kinds[i] for i in row] for row in seen.best.tolist()])),
            "probability": (dims, seen.log_prob.exp().cpu().numpy()),
            "entropy": (dims, seen.entropy.cpu().numpy()),
            "kl": (dims, seen.kl.cpu().numpy()),
            "top_log_prob": (dims, seen.top_log_prob.cpu().numpy()),
            "agreement": (dims, seen.agrees.cpu().numpy()),
            "depth": (("step",), seen.depth.cpu().numpy()),
        },
        coords={"layer": np.arange(len(reading.states)), **coordinates},
    )
    data.attrs = {
        "model": model.id,
        "baseline": model.baseline,
        "weights_sha256": model.weights_hash,
        "utterance": utterance.id,
        "transcript": utterance.transcript or "",
        "stack": reading.stack,
        "lens": "untuned" if translators is None else "tuned",
        "residual": reading.residual(model),
        "version": speechinterp.__version__,
    }
    return data


def _piece(model: SpeechModel, token: int) -> str:
    """Return a token as text, special ones by their name."""
    return str(model.vocabulary.tokenizer.decode([token]))

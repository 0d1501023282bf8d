"""DecoderLens: the decoder of Whisper reads the encoder's layers one by one."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from speechinterp.corpora import Corpus, Utterance
from speechinterp.lenses.corpus import OnBad, Progress, Row, over_corpus
from speechinterp.lenses.logit_lens import forced, step_rows
from speechinterp.lenses.reading import require_decoder
from speechinterp.lenses.references import reference_of
from speechinterp.models import Inputs, SpeechModel, Tap
from speechinterp.models.decoding import end_token, greedy, prompts, run_decoder, token_limit

__all__ = ["decoder"]

CACHE_BYTES = 1e9
"""What the decoder may keep of the encoder's frames at one time; it sets how many layers are decoded together."""


def decoder(
    model: SpeechModel,
    corpus: Corpus,
    *,
    language: str | None = None,
    out: str | Path | None = None,
    on_bad: OnBad = "raise",
    progress: Progress | None = None,
) -> pd.DataFrame:
    r"""Let the decoder read each layer of the encoder instead of the last: what would it write from there?

    Parameters
    ----------
    model
        A Whisper model; its twin with random weights for the control.
    corpus
        Utterances; transcripts are needed for error rates only.
    language
        Code of the language, for models that know several; None takes the most probable one, as the decoder
        hears it from the top layer, for all layers.
    out, on_bad, progress
        As in :func:`speechinterp.lenses.ctc`.

    Returns
    -------
    pandas.DataFrame
        One row an utterance and encoder layer, from 0, the input of the first layer, to L, the model's own
        output: ``transcript`` (greedy), ``reference``, and ``ended``: False where the decoder was still writing
        after 20 tokens a second of sound and 20 more, and was stopped. The other columns follow the decoder
        over the text that it writes from the top, as in :func:`speechinterp.lenses.logit`: means over the
        ``steps`` of ``accuracy`` and ``surprisal`` at that text, ``entropy``, ``kl``, ``agreement``, ``settled``.
        ``attrs["residual"]`` is the largest difference between what is read at the top and the encoder's output.

    Raises
    ------
    ModelError
        If the model is no Whisper model with its language model head, or does not know the language.
    SpeechInterpError
        For an utterance that cannot be used.

    Notes
    -----
    The decoder attends to LN(h^l), with h^l the encoder's residual stream after l layers and LN the encoder's
    last norm. The encoder runs once; all layers are decoded in one batch.

    References
    ----------
    Langedijk, A., Mohebbi, H., Sarti, G., Zuidema, W., & Jumelet, J. (2024). DecoderLens: layerwise interpretation
    of encoder-decoder transformers. Findings of NAACL.
    """
    require_decoder(model)

    def read(utterance: Utterance) -> list[Row]:
        inputs = model.prepare([utterance])
        layers, residual = _layers(model, inputs)
        (start,) = prompts(model, layers[-1:], language)
        size = _rows_at_once(model, layers)
        written = [
            text
            for part in layers.split(size)
            for text in greedy(model, part, [start] * len(part), token_limit(model, inputs))
        ]
        top = written[-1]
        comes = [*top.ids, end_token(model)] if top.ended else list(top.ids)
        logits = [_along(model, part, start, comes) for part in layers.split(size)]
        every = [layer for part in logits for layer in part]
        same = {"reference": reference_of(utterance, model.vocabulary), "residual": residual}
        return [
            row | same | {"transcript": model.vocabulary.text(text.ids), "ended": text.ended}
            for text, row in zip(written, step_rows(*forced(every, every[-1], comes), comes), strict=True)
        ]

    settings = {"language": language}
    return over_corpus(
        model, corpus, "decoder", read, settings=settings, out=out, on_bad=on_bad, progress=progress
    )


def _layers(model: SpeechModel, inputs: Inputs) -> tuple[Tensor, float]:
    """Return every layer after the last norm, with its padding [shape=(layers + 1, time, width)], and the residual."""
    taps = [Tap(layer, "residual") for layer in range(model.n_states)]
    with model.record(taps) as record:
        output = model.encode(inputs)
    layers = model.family.final_norm(torch.stack([record[tap][0] for tap in taps]))
    return layers, float((layers[-1] - output[0]).abs().max())


def _rows_at_once(model: SpeechModel, layers: Tensor) -> int:
    """Return how many layers fit: every decoder layer keeps keys and values of all frames of each."""
    each = 2 * len(model.family.blocks("decoder")) * layers[0].numel() * layers.element_size()
    return max(1, int(CACHE_BYTES // each))


def _along(model: SpeechModel, layers: Tensor, start: list[int], comes: list[int]) -> Tensor:
    """Return what the decoder says from each layer along one text [shape=(layers, steps, vocabulary)]."""
    tokens = torch.tensor([[*start, *comes[:-1]]] * len(layers), device=layers.device)
    return run_decoder(model, layers, tokens).logits[:, len(start) - 1 :]

"""Logit lens: every layer of Whisper's decoder through its last norm and its word embeddings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import pandas as pd
import torch
from torch import Tensor

from speechinterp.corpora import Corpus, Utterance
from speechinterp.errors import AnnotationError, LensError
from speechinterp.lenses.corpus import OnBad, Progress, Row, over_corpus
from speechinterp.lenses.reading import Reading, read_decoder, require_decoder
from speechinterp.lenses.statistics import Predictions, predictions
from speechinterp.models import SpeechModel, Vocabulary
from speechinterp.models.decoding import end_token, greedy, prompts, token_limit

__all__ = ["Text", "check_text", "forced", "logit", "logit_rows", "read_text", "step_rows"]

Text = Literal["model", "reference"]


def logit(
    model: SpeechModel,
    corpus: Corpus,
    *,
    text: Text = "model",
    language: str | None = None,
    out: str | Path | None = None,
    on_bad: OnBad = "raise",
    progress: Progress | None = None,
) -> pd.DataFrame:
    r"""Read every layer of the decoder as the model reads the last: which token would each have written next?

    Parameters
    ----------
    model
        A Whisper model; its twin with random weights for the control.
    corpus
        Utterances.
    text
        The words that the decoder is given, one after the other: ``model``, what it writes itself, or
        ``reference``, the transcript of the corpus.
    language
        Code of the language, for models that know several; None takes the most probable one.
    out, on_bad, progress
        As in :func:`speechinterp.lenses.ctc`.

    Returns
    -------
    pandas.DataFrame
        One row an utterance and decoder layer, from 0, the embeddings, to L, the model's own output.
        ``reference`` is the text given, and ``transcript`` the layer's best token at every step *after the true
        beginning*, so that errors do not add up: these are no free transcripts. Means over the ``steps`` (tokens
        and the end of the text): ``accuracy``, whether the best token is the one that comes, the ``surprisal`` of
        that one, ``entropy`` and ``kl`` to the top in nats, ``agreement`` with the top, and ``settled``, the share
        of steps at which this layer and all above it say what the top says. ``attrs["residual"]`` is the largest
        difference between the lens at the top and the model's own logits.

    Raises
    ------
    ModelError
        If the model is no Whisper model with its language model head, or does not know the language.
    SpeechInterpError
        For an utterance that cannot be used.

    Notes
    -----
    The logits of layer l are E LN(h^l), with LN the decoder's last norm and E its tied embeddings.

    References
    ----------
    nostalgebraist (2020). Interpreting GPT: the logit lens. LessWrong.
    """
    require_decoder(model)
    check_text(text)

    def read(utterance: Utterance) -> list[Row]:
        reading, ids = read_text(model, utterance, text, language)
        residual = reading.residual(model)
        rows = logit_rows(model.vocabulary, reading, reading.through_head(model), ids)
        return [row | {"residual": residual} for row in rows]

    settings = {"text": text, "language": language}
    return over_corpus(
        model, corpus, "logit", read, settings=settings, out=out, on_bad=on_bad, progress=progress
    )


def check_text(text: str) -> None:
    """Refuse what is no kind of text."""
    if text not in ("model", "reference"):
        raise LensError(f"text {text!r}", expected="model or reference", fix="text='model'")


def read_text(
    model: SpeechModel, utterance: Utterance, text: Text, language: str | None
) -> tuple[Reading, list[int]]:
    """Return a reading of the decoder over a text, and the tokens that come; the last is the end of the text."""
    inputs = model.prepare([utterance])
    encoded = model.encode(inputs)
    (start,) = prompts(model, encoded, language)
    end = end_token(model)
    room = model.family.config.max_target_positions - len(start)
    if text == "model":
        (written,) = greedy(model, encoded, [start], token_limit(model, inputs))
        comes = [*written.ids, end] if written.ended else list(written.ids)
    elif utterance.transcript:
        comes = [*model.vocabulary.ids(" " + utterance.transcript.strip()), end][:room]
    else:
        raise AnnotationError(
            f"utterance {utterance.id!r} has no transcript",
            expected="what was said, as text",
            cause="a corpus without transcripts",
            fix="text='model', so that the model's own text is read",
        )
    return read_decoder(model, inputs, [*start, *comes[:-1]], len(start)), comes


def logit_rows(
    vocabulary: Vocabulary, reading: Reading, logits: Iterator[Tensor], comes: Sequence[int]
) -> list[Row]:
    """Return one row a layer for its logits [shape=(steps, vocabulary)], the top last, and the tokens that come."""
    seen, surprisal = forced(logits, reading.logits, comes)
    return [
        {"transcript": vocabulary.text(best.tolist()), "reference": vocabulary.text(comes)} | row
        for best, row in zip(seen.best, step_rows(seen, surprisal, comes), strict=True)
    ]


def forced(logits: Iterable[Tensor], top: Tensor, comes: Sequence[int]) -> tuple[Predictions, list[float]]:
    """Return what layers say at each step, and each one's mean surprisal at the tokens that come, in nats."""
    surprisal: list[float] = []
    places = torch.arange(len(comes)), torch.tensor(list(comes))

    def noting() -> Iterator[Tensor]:
        for layer in logits:
            surprisal.append(-float(layer.cpu().double().log_softmax(-1)[places].mean()))
            yield layer

    return predictions(noting(), top), surprisal


def step_rows(seen: Predictions, surprisal: Sequence[float], comes: Sequence[int]) -> list[Row]:
    """Return the means over steps, one row a layer."""
    target = torch.tensor(list(comes))
    return [
        {
            "layer": layer,
            "steps": len(comes),
            "accuracy": float((seen.best[layer].cpu() == target).double().mean()),
            "surprisal": value,
            "entropy": float(seen.entropy[layer].mean()),
            "kl": float(seen.kl[layer].mean()),
            "agreement": float(seen.agrees[layer].double().mean()),
            "settled": float(seen.settled[layer].double().mean()),
        }
        for layer, value in enumerate(surprisal)
    ]

"""CTC lens: every layer of an encoder through the trained CTC head."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from speechinterp.corpora import Corpus, Utterance
from speechinterp.errors import ModelError
from speechinterp.lenses.corpus import OnBad, Progress, Row, over_corpus
from speechinterp.lenses.reading import Reading, read_encoder, require_ctc
from speechinterp.lenses.references import reference_of
from speechinterp.lenses.statistics import predictions
from speechinterp.models import SpeechModel, Vocabulary
from speechinterp.models.decoding import best_path

__all__ = ["ctc", "ctc_rows"]


def ctc(
    model: SpeechModel,
    corpus: Corpus,
    *,
    out: str | Path | None = None,
    on_bad: OnBad = "raise",
    progress: Progress | None = None,
) -> pd.DataFrame:
    r"""Read every layer of a CTC model through its trained head: what would it write if it stopped here?

    Parameters
    ----------
    model
        A model with a CTC head; its twin with random weights for the control.
    corpus
        Utterances; transcripts (or a tier ``phones``, for a model of phones) are needed for error rates only.
    out
        Folder where finished utterances are kept, so that a run that was stopped goes on.
    on_bad
        What to do with an utterance that cannot be used: ``raise``, or ``skip`` and record why.
    progress
        Called with the numbers of utterances done and in all.

    Returns
    -------
    pandas.DataFrame
        One row an utterance and layer, from 0, the input of the first layer, to L, the model's own output:
        ``transcript`` (best path), ``reference``; ``surprisal``, -log p(reference) in nats a symbol, summed over
        all paths; and means over the ``steps``, the frames at which the top does not say blank: ``entropy`` and
        ``kl`` to the top in nats, ``agreement`` with the top, and ``settled``, the share of frames at which this
        layer and all above it say what the top says. ``attrs["residual"]`` is the largest difference between the
        lens at the top and the model's own logits.

    Raises
    ------
    ModelError
        If the model has no CTC head or no tokenizer.
    SpeechInterpError
        For an utterance that cannot be used.

    Notes
    -----
    The logits of layer l at frame t are W LN(h_t^l) + b, with LN the norm that pre-norm models have after their
    last layer, and without LN for post-norm models.

    References
    ----------
    nostalgebraist (2020). Interpreting GPT: the logit lens. Graves, A., et al. (2006). Connectionist temporal
    classification. ICML.
    """
    require_ctc(model)

    def read(utterance: Utterance) -> list[Row]:
        (reading,) = read_encoder(model, model.prepare([utterance]))
        residual = reading.residual(model)
        rows = ctc_rows(model.vocabulary, reading, reading.through_head(model), utterance)
        return [row | {"residual": residual} for row in rows]

    return over_corpus(model, corpus, "ctc", read, settings={}, out=out, on_bad=on_bad, progress=progress)


def ctc_rows(
    vocabulary: Vocabulary, reading: Reading, logits: Iterator[Tensor], utterance: Utterance
) -> list[Row]:
    """Return one row a layer for the logits of an utterance [shape=(frames, symbols)] each, the top last."""
    every = list(logits)
    blank = vocabulary.blank
    assert blank is not None
    seen = predictions(every, reading.logits)
    spoken = seen.best[-1] != blank
    reference = reference_of(utterance, vocabulary)
    target = _target(vocabulary, reference)
    return [
        {
            "layer": layer,
            "transcript": vocabulary.text(best_path(seen.best[layer].tolist(), blank)),
            "reference": reference,
            "steps": int(spoken.sum()),
            "surprisal": _surprisal(every[layer], target, blank),
            "entropy": _mean(seen.entropy[layer][spoken]),
            "kl": _mean(seen.kl[layer][spoken]),
            "agreement": _mean(seen.agrees[layer][spoken]),
            "settled": _mean(seen.settled[layer][spoken]),
        }
        for layer in range(len(every))
    ]


def _mean(values: Tensor) -> float | None:
    return float(values.double().mean()) if len(values) else None


def _target(vocabulary: Vocabulary, reference: str | None) -> list[int]:
    """Return the reference as symbols of the head; none if it cannot say all of it."""
    if reference is None:
        return []
    try:
        return vocabulary.ids(vocabulary.normalise(reference))
    except ModelError:
        return []


def _surprisal(logits: Tensor, target: list[int], blank: int) -> float | None:
    """Return -log p(target) / length in nats, over all paths; None where there is no path or no target."""
    if not target:
        return None
    loss = torch.nn.functional.ctc_loss(
        logits.double().log_softmax(-1)[:, None],
        torch.tensor([target]),
        torch.tensor([len(logits)]),
        torch.tensor([len(target)]),
        blank=blank,
        reduction="sum",
    )
    return float(loss) / len(target) if math.isfinite(float(loss)) else None

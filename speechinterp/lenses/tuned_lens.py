"""Tuned lens: every layer through a trained affine map and then the model's own head."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from speechinterp.corpora import Corpus, Utterance
from speechinterp.errors import LensError, SpeechInterpError
from speechinterp.lenses.corpus import OnBad, Progress, Row, over_corpus
from speechinterp.lenses.ctc_lens import ctc_rows
from speechinterp.lenses.logit_lens import logit_rows, read_text
from speechinterp.lenses.reading import Reading, read_encoder
from speechinterp.lenses.translators import Translators, fit_translators
from speechinterp.models import SpeechModel
from speechinterp.models.taps import Stack

__all__ = ["split", "train", "tuned"]

HELD_OUT = 0.25
POSITIONS = 6000
"""Frames or tokens to train on; as many come from every utterance."""


def tuned(
    model: SpeechModel,
    corpus: Corpus,
    *,
    translators: Translators | None = None,
    language: str | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    on_bad: OnBad = "raise",
    progress: Progress | None = None,
) -> pd.DataFrame:
    r"""Read every layer through an affine map that was trained to say what the top says, on other speakers.

    Parameters
    ----------
    model
        A CTC model (its encoder is read, frame by frame) or a Whisper model (its decoder is, token by token,
        over its own text).
    corpus
        A quarter of its speakers are held out for the result; of the others, a quarter decides when training
        stops. Without speakers, utterances are split.
    translators
        Maps that are trained already, on other utterances than these; all of the corpus is then read. None
        trains them.
    language
        For Whisper models that know several; None takes the most probable one.
    seed
        Of the split and the training.
    out
        Folder where the maps (``tuned-BASELINE.safetensors``) and finished utterances are kept.
    on_bad, progress
        As in :func:`speechinterp.lenses.ctc`.

    Returns
    -------
    pandas.DataFrame
        As from :func:`speechinterp.lenses.ctc` or :func:`speechinterp.lenses.logit`, over the held-out speakers,
        with two rows an utterance and layer: ``lens`` is ``tuned``, or ``untuned`` for the same without a map.
        ``attrs["translators"]`` records how training went.

    Raises
    ------
    LensError
        If there are fewer than three speakers (or utterances) to split.
    ModelError
        If the model does not write text.
    SpeechInterpError
        For an utterance that cannot be used.

    Notes
    -----
    The logits of layer l are those of h + A_l h + b_l, read as the last layer is. A_l and b_l minimise the mean
    Kullback-Leibler divergence of the top's distribution from the layer's.

    References
    ----------
    Belrose, N., et al. (2023). Eliciting latent predictions from transformers with the tuned lens.
    arXiv:2303.08112.
    """
    vocabulary = model.vocabulary
    if translators is None:
        fitting, checking, ids = split(corpus, seed, on_bad)
        path = Path(out) / f"tuned-{model.baseline}.safetensors" if out else None
        if path is not None and path.exists():
            translators = Translators.load(path, model)
        else:
            translators = train(
                model,
                corpus,
                fitting,
                checking,
                language=language,
                seed=seed,
                on_bad=on_bad,
                progress=progress,
            )
            if path is not None:
                translators.save(path)
    else:
        ids = corpus.ids
    maps = translators

    def read(utterance: Utterance) -> list[Row]:
        if vocabulary.blank is not None:
            (reading,) = read_encoder(model, model.prepare([utterance]))
        else:
            reading, comes = read_text(model, utterance, "model", language)
        residual = reading.residual(model)
        rows: list[Row] = []
        for name, states in (("tuned", maps.translate(reading.states)), ("untuned", reading.states)):
            logits = reading.through_head(model, states)
            if vocabulary.blank is not None:
                found = ctc_rows(vocabulary, reading, logits, utterance)
            else:
                found = logit_rows(vocabulary, reading, logits, comes)
            rows += [row | {"lens": name, "residual": residual} for row in found]
        return rows

    settings = {"language": language, "seed": seed, "held_out": ids, "translators": maps.record}
    return over_corpus(
        model, corpus, "tuned", read, settings=settings, ids=ids, out=out, on_bad=on_bad, progress=progress
    )


def split(corpus: Corpus, seed: int, on_bad: OnBad = "raise") -> tuple[list[str], list[str], list[str]]:
    """Deal the utterances of a corpus to training, checking and testing, speakers whole.

    Raises
    ------
    LensError
        If there are fewer than three speakers, or utterances where speakers are not known.
    """
    speakers: dict[str, str | None] = {}
    for id_ in corpus.ids:
        try:
            speakers[id_] = corpus[id_].speaker
        except SpeechInterpError:
            if on_bad == "raise":
                raise
    by_speaker = len(set(speakers.values())) > 2 and None not in speakers.values()
    group = {id_: str(speaker) if by_speaker else id_ for id_, speaker in speakers.items()}
    names = np.array(sorted(set(group.values())))
    if len(names) < 3:
        raise LensError(
            f"corpus {corpus.name!r} has {len(names)} speakers or utterances",
            expected="three or more: to train on, to stop by, and to test on",
            fix="use more of the corpus, or pass translators that were trained on another",
        )
    names = names[np.random.default_rng(seed).permutation(len(names))]
    n_test = max(1, round(HELD_OUT * len(names)))
    n_check = max(1, round(HELD_OUT * (len(names) - n_test)))
    parts = (names[n_test + n_check :], names[n_test : n_test + n_check], names[:n_test])
    fitting, checking, testing = ([id_ for id_ in group if group[id_] in set(part)] for part in parts)
    return fitting, checking, testing


def train(
    model: SpeechModel,
    corpus: Corpus,
    fitting: Sequence[str],
    checking: Sequence[str],
    *,
    language: str | None = None,
    seed: int = 0,
    on_bad: OnBad = "raise",
    progress: Progress | None = None,
) -> Translators:
    """Train the maps of a tuned lens on some utterances of a corpus, stopping by others; see :func:`tuned`."""
    parts = []
    done, total = 0, len(fitting) + len(checking) + model.n_states
    for ids in (fitting, checking):
        each = max(1, POSITIONS // len(ids))
        random = torch.Generator().manual_seed(seed)
        found: list[Tensor] = []
        for id_ in ids:
            try:
                reading = _reading(model, corpus[id_], language)
            except SpeechInterpError:
                if on_bad == "raise":
                    raise
                continue
            n = reading.states.shape[1]
            chosen = torch.randperm(n, generator=random)[:each].sort().values
            found.append(reading.states[:, chosen].float())
            done += 1
            if progress is not None:
                progress(done, total)
        if not found:
            raise LensError("no utterance to train on could be used", expected="at least one")
        parts.append(torch.cat(found, dim=1))
    stack: Stack = "encoder" if model.vocabulary.blank is not None else "decoder"

    def tell(layer: int, layers: int) -> None:
        if progress is not None:
            progress(done + layer * model.n_states // layers, total)

    return fit_translators(model, parts[0], parts[1], stack, seed=seed, progress=tell)


def _reading(model: SpeechModel, utterance: Utterance, language: str | None) -> Reading:
    if model.vocabulary.blank is not None:
        return read_encoder(model, model.prepare([utterance]))[0]
    return read_text(model, utterance, "model", language)[0]

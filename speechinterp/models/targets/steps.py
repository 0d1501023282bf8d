"""Step scores: how uncertain a model is at every step, how surprising what is said is, how far it is moved."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from speechinterp.models.model import Heard, SpeechModel
from speechinterp.models.targets.bound import Target
from speechinterp.models.targets.decoder import script
from speechinterp.models.targets.parts import Part, Pass, Window, numbered
from speechinterp.models.targets.written import written

__all__ = ["entropy", "kl", "surprisal"]

Score = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Of log-probabilities of every step now and for the original sound, and of what is said there."""


def entropy(*, said: str | None = None, generated: bool = False) -> Target:
    r"""Explain how uncertain the model is at every step: :math:`H_t = -\sum_v p_t(v) \log p_t(v)`, in nats.

    Parameters
    ----------
    said, generated
        As in :func:`~speechinterp.models.targets.token`.

    Returns
    -------
    Target
        One score for every token of a decoder (given those before it), or every symbol that a CTC head says: the
        mean over its frames.
    """
    return _target("entropy", lambda now, before, ids: -(now.exp() * now).sum(-1), said, generated)


def surprisal(*, said: str | None = None, generated: bool = False) -> Target:
    r"""Explain how surprising every step is: :math:`-\log p_t(v_t)`, in nats, of what is said there.

    Parameters
    ----------
    said, generated
        As in :func:`~speechinterp.models.targets.token`.

    Returns
    -------
    Target
        One score a token, or a symbol of a CTC head, where it is the mean over its frames.
    """

    def score(now: Tensor, before: Tensor, ids: Tensor) -> Tensor:
        return -now.gather(-1, ids.expand(len(now), -1)[..., None])[..., 0]

    return _target("surprisal", score, said, generated)


def kl(*, said: str | None = None, generated: bool = False) -> Target:
    r"""Explain how far every step is moved: :math:`\sum_v p^0_t(v) \log (p^0_t(v) / p_t(v))`, in nats.

    Parameters
    ----------
    said, generated
        As in :func:`~speechinterp.models.targets.token`.

    Returns
    -------
    Target
        One score a token, or a symbol of a CTC head, where it is the mean over its frames. Zero for the original
        sound, where its gradient is zero too: it is for methods that change the sound, not for gradients.

    Notes
    -----
    :math:`p^0` is what the model says of the original sound.
    """
    return _target("kl", lambda now, before, ids: (before.exp() * (before - now)).sum(-1), said, generated)


def _target(kind: str, score: Score, said: str | None, generated: bool) -> Target:
    """Make a target of a score of every step."""

    def find(model: SpeechModel, heard: Heard) -> Part:
        if model.family.has_decoder:
            return _of_tokens(model, heard, score, said, generated)
        return _of_frames(model, heard, score, said, generated)

    return Target(kind, {"said": said, "generated": generated or None}, find)


def _of_tokens(model: SpeechModel, heard: Heard, score: Score, said: str | None, generated: bool) -> Part:
    text = script(model, heard, said, generated)
    with torch.no_grad():
        inputs = model.prepare([heard])
        logits = model.logits(inputs, torch.tensor([text.given], device=model.device))
    before = text.said(Pass(logits, None, inputs.n_frames))
    ids = torch.tensor(text.ids, device=model.device)[None]

    def read(run: Pass, windows: tuple[Window | None, ...]) -> Tensor:
        return score(text.said(run), before, ids)

    n = len(text.ids)
    spans = tuple(text.span_of(range(i, i + 1)) for i in range(n))
    return Part(numbered(text.names), spans, read, (None,) * n, tokens=text.given)


def _of_frames(model: SpeechModel, heard: Heard, score: Score, said: str | None, generated: bool) -> Part:
    known = written(model, heard, said, generated)
    before = torch.from_numpy(known.log_probs).to(model.device)
    kept = [i for i, symbol in enumerate(known.symbols) if symbol != known.vocabulary.delimiter]

    def read(run: Pass, windows: tuple[Window | None, ...]) -> Tensor:
        now, columns = run.said, []
        for i, window in zip(kept, windows, strict=True):
            assert window is not None
            here = now[:, slice(*window)]
            first = known.spans[i][0]
            ids = torch.full((1, here.shape[1]), known.symbols[i], device=here.device)
            columns.append(score(here, before[None, first : first + here.shape[1]], ids).mean(1))
        return torch.stack(columns, dim=1)

    names = numbered([known.name([known.symbols[i]]) for i in kept])
    windows = tuple(known.spans[i] for i in kept)
    return Part(names, tuple(known.seconds(window) for window in windows), read, windows)

"""CTC targets: symbols, words and stretches of what a CTC head writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from speechinterp.errors import TargetError
from speechinterp.models.model import Heard, SpeechModel
from speechinterp.models.targets.bound import Target
from speechinterp.models.targets.ctc_paths import best_spans, path_sum
from speechinterp.models.targets.parts import Part, Pass, Span, Window, numbered
from speechinterp.models.targets.written import ctc_vocabulary, ids_of, window_of, written
from speechinterp.segments import Segment

__all__ = ["Paths", "ctc"]

Paths = Literal["all", "best"]


def ctc(
    text: str | None = None,
    *,
    occurrence: int | None = None,
    span: Span | Segment | None = None,
    said: str | None = None,
    generated: bool = False,
    paths: Paths = "all",
) -> Target:
    r"""Explain what a CTC head writes: a word, several, a symbol, or all of it.

    Parameters
    ----------
    text
        A word or words of what is said; or symbols, with spaces between phones (``"k æ t"``). None takes everything
        that is said, or, with a span, what is said there.
    occurrence
        Which one, counted from 0; None takes every occurrence as a score of its own.
    span
        Start and end in seconds, or a segment: the text is looked for in these frames, whether it is said or not.
    said
        What is said. Without it: the transcript for a head that writes letters; the tier ``phones`` for one that
        writes phones, if it knows its labels; otherwise what the model itself writes.
    generated
        Take what the model itself writes, whatever else is known.
    paths
        ``all``: the sum over all paths. ``best``: the best path as it was found in the original sound.

    Returns
    -------
    Target
        Natural log-probabilities, one score an occurrence.

    Raises
    ------
    TargetError
        When bound: if the model has no CTC head, the text is not said, or a symbol is not in the vocabulary.

    Notes
    -----
    What is said is aligned with the original sound by its best path, which gives every symbol its frames.
    A text may be said anywhere from halfway into the blanks before its first symbol to halfway into those after its
    last, a window F that stays. Its score is the log-probability of the text, and nothing else, in F:

    .. math:: s = \log \sum_{\pi \in \mathcal{B}^{-1}(text)} \prod_{t \in F} p_t(\pi_t)

    and with ``paths="best"`` :math:`s = \sum_t \log p_t(\pi^*_t)` over the frames from its first symbol to its last.
    The span is from the first symbol's first frame to the last one's last. CTC models write a symbol in few frames,
    not where it begins and ends.

    References
    ----------
    Graves, A., Fernández, S., Gomez, F., & Schmidhuber, J. (2006). Connectionist temporal classification. ICML,
    369-376.
    """
    if paths not in get_args(Paths):
        raise TargetError(f"paths={paths!r}", expected="'all' or 'best'", fix="paths='all'")
    place = (span.start, span.end) if isinstance(span, Segment) else span

    def find(model: SpeechModel, heard: Heard) -> Part:
        vocabulary = ctc_vocabulary(model)
        known = written(model, heard, said, generated)
        grid = known.grid
        if place is not None:
            window = window_of(grid, place)
            symbols = known.between(window) if text is None else ids_of(vocabulary, text)
            found = [(symbols, window, window, known.name(symbols))]
        else:
            found = known.find(text, heard)
        if occurrence is not None:
            if not 0 <= occurrence < len(found):
                raise TargetError(
                    f"occurrence {occurrence} of {text!r}, which is said {len(found)} times",
                    expected=f"a number from 0 to {len(found) - 1}",
                    fix="occurrence=0 for the first",
                )
            found = [found[occurrence]]
        assert vocabulary.blank is not None
        blank = vocabulary.blank
        fixed = [best_path_in(known.log_probs[slice(*tight)], ids, blank) for ids, tight, _, _ in found]

        def read(run: Pass, windows: tuple[Window | None, ...]) -> Tensor:
            columns = []
            log_probs = run.said
            for (symbols, *_), path, window in zip(found, fixed, windows, strict=True):
                assert window is not None
                here = log_probs[:, slice(*window)]
                if paths == "all":
                    columns.append(path_sum(here, symbols, blank))
                else:
                    along = torch.tensor(path, device=here.device)[: here.shape[1]]
                    columns.append(here[:, torch.arange(len(along)), along].sum(1))
            return torch.stack(columns, dim=1)

        names = numbered([name for *_, name in found])
        spans = tuple(known.seconds(tight) for _, tight, _, _ in found)
        windows = tuple(wide if paths == "all" else tight for _, tight, wide, _ in found)
        return Part(names, spans, read, windows)

    settings = {
        "text": text,
        "occurrence": occurrence,
        "span": place,
        "said": said,
        "generated": generated or None,
        "paths": paths,
    }
    return Target("ctc", settings, find)


def best_path_in(log_probs: Any, symbols: Sequence[int], blank: int) -> list[int]:
    """Return the best path that says symbols in frames, with its blanks."""
    path = [blank] * len(log_probs)
    for symbol, (start, stop) in zip(symbols, best_spans(log_probs, symbols, blank), strict=True):
        path[start:stop] = [symbol] * (stop - start)
    return path

"""Targets by name: what a command line or a table of settings writes, such as ``word:rose``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from speechinterp.errors import TargetError, shortlist
from speechinterp.models.model import Heard, SpeechModel
from speechinterp.models.taps import Tap
from speechinterp.models.targets.bound import Target
from speechinterp.models.targets.classes import label
from speechinterp.models.targets.ctc import ctc
from speechinterp.models.targets.decoder import sequence, token, word
from speechinterp.models.targets.parts import Part
from speechinterp.models.targets.states import hidden
from speechinterp.models.targets.steps import entropy, kl, surprisal

__all__ = ["named", "usual"]

FORMS = (
    "label[:CLASS]", "word[:WORD]", "ctc[:TEXT]", "token[:NUMBER or TEXT]", "sequence", "entropy", "surprisal", "kl",
    "hidden:LAYER.PART.UNIT",
)  # fmt: skip


def named(text: str, meta: Mapping[str, str] | None = None) -> Target:
    """Return the target of a name.

    Parameters
    ----------
    text
        ``label``, ``label:place=garden``, ``word``, ``word:rose``, ``ctc:k æ t``, ``token:3``, ``sequence``,
        ``entropy``, ``surprisal``, ``kl`` or ``hidden:3.mlp_hidden.17``. Anything else without a colon is a class of a
        model that classifies, and a word of one that writes.
    meta
        What is known of the utterance: ``word:{target}`` takes the word that its field `target` has.

    Returns
    -------
    Target
        What the function of that name in `si.targets` gives.

    Raises
    ------
    TargetError
        If there is no such kind, it needs or forbids a value, or the utterance has no such field.
    """
    kind, _, value = _filled(text, meta or {}).partition(":")
    kind, value = kind.strip(), value.strip()
    without: dict[str, Callable[[], Target]] = {
        "sequence": sequence, "entropy": entropy, "surprisal": surprisal, "kl": kl, "label": label, "word": word,
        "ctc": ctc, "token": token,
    }  # fmt: skip
    if not value and kind in without:
        return without[kind]()
    if value and kind in ("label", "word", "ctc"):
        return label(value) if kind == "label" else word(value) if kind == "word" else ctc(value)
    if value and kind == "token":
        return token(int(value) if re.fullmatch(r"-?\d+", value) else value)
    if kind == "hidden" and (place := re.fullmatch(r"(\d+)\.(\w+)\.(\d+)", value)):
        return hidden(Tap(int(place[1]), place[2]), int(place[3]))
    if kind and not value and ":" not in text:
        return _plain(kind)
    raise TargetError(
        f"target {text!r}",
        expected=f"one of {', '.join(FORMS)}",
        cause="a kind that there is not, a value where there is none, or none where there must be one",
        fix="word:rose for a word, label:place=garden for a class",
    )


def _plain(text: str) -> Target:
    """Return a class of a model that classifies, or a word of one that writes."""

    def find(model: SpeechModel, heard: Heard) -> Part:
        return (label if hasattr(model.module, "classifier") else word)(text).find(model, heard)

    return Target("named", {"text": text}, find)


def usual(model: SpeechModel) -> Target:
    """Return what is usually explained of a model: the classes it chooses, or the words that are said.

    Raises
    ------
    TargetError
        If it has no head.
    """
    if hasattr(model.module, "classifier"):
        return label()
    if model.family.has_decoder or hasattr(model.module, "lm_head"):
        return word()
    raise TargetError(
        f"{model.id} ({type(model.module).__name__}) has no head that says something",
        expected="a model that classifies, or writes text",
        cause="a pre-trained encoder",
        fix="a target inside it, such as hidden:3.mlp_hidden.17, or si.targets.probe and si.targets.cosine in Python",
    )


def _filled(text: str, meta: Mapping[str, str]) -> str:
    """Put what is known of an utterance in the place of names in braces."""

    def known(match: re.Match[str]) -> str:
        if match[1] not in meta:
            raise TargetError(
                f"target {text!r}: the utterance has no {match[1]!r}",
                expected=f"one of {shortlist(sorted(meta), 20) or 'its fields, of which it has none'}",
                cause="a field of another corpus, or of some utterances only",
                fix="choose utterances that have it, or name the target itself",
            )
        return str(meta[match[1]])

    return re.sub(r"\{(\w+)\}", known, text)

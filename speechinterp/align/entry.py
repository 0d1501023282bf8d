"""align: one entry for all models; CTC models and Whisper take different ways to the same tiers."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from speechinterp.align.alignment import Alignment, AlignmentWarning
from speechinterp.align.ctc import Heard, confidence, hear, path_of, words_tier
from speechinterp.align.phones import phones_inside, spell_phones, split_words
from speechinterp.align.pronunciations import Lexicon, Said, pronounced
from speechinterp.align.spelling import joined, spell, symbols_by_name
from speechinterp.align.text import transcript_words
from speechinterp.corpora.utterance import Utterance
from speechinterp.errors import AlignmentError, ModelError, shortlist
from speechinterp.models import SpeechModel, load_model
from speechinterp.models.vocabulary import Vocabulary

__all__ = ["LOW", "align"]

COMPANIONS = {"demo/wav2vec2": "demo/wav2vec2-phones"}
LOW = -1.0
"""Confidence below which an alignment comes with a warning."""


def align(
    model: SpeechModel,
    utterance: Utterance,
    *,
    text: str | None = None,
    phone_model: SpeechModel | None = None,
    pronunciations: Lexicon | None = None,
    language: str = "en-us",
) -> Alignment:
    """Align the words of an utterance, and their phones where they can be known, with its sound.

    Parameters
    ----------
    model
        A model with a CTC head (letters, whole words or phones), or Whisper.
    utterance
        What to align. Its tiers can tell which words and phones there are, and never when they are.
    text
        What is said, in place of the transcript.
    phone_model
        A model with a CTC head for phones, which places phones within the words; ``demo/wav2vec2`` brings its own.
    pronunciations
        By word, each as phones; see :func:`~speechinterp.align.read_lexicon`. Without it the phones of the
        utterance's own tiers are taken, or those of phonemizer, if that is installed.
    language
        For phonemizer, as espeak-ng names it.

    Returns
    -------
    Alignment
        A dict of tiers: ``words``, and ``phones`` unless ``attrs["no_phones"]`` says why there are none. Every
        segment has a `score`, the mean log-probability of its symbols over their frames.

    Raises
    ------
    AlignmentError
        If there are no words, none is in the vocabulary, the sound is too short for them or nothing but zeros,
        or torchaudio, which CTC models need, is missing.
    ModelError
        If the model does not write text, or the phone model does not write phones.

    Warns
    -----
    AlignmentWarning
        If the model hears something else than the text, or words are not in the vocabulary.

    Examples
    --------
    >>> tiers = si.align(si.load_model("demo/wav2vec2"), utterance)  # doctest: +SKIP
    >>> tiers["words"][0]  # doctest: +SKIP
    """
    if not isinstance(utterance, Utterance):
        raise AlignmentError(
            f"{type(utterance).__name__} {str(utterance)[:60]!r} to be aligned",
            expected="an utterance",
            cause="the sound file itself, or its samples",
            fix="si.Utterance('me', Path('me.wav'), transcript='what is said')",
        )
    words = transcript_words(utterance, text)
    if model.family.has_decoder:
        from speechinterp.align.whisper import align_whisper

        alignment = align_whisper(model, utterance, text)
        said: Said | str = pronounced(words, utterance, pronunciations, language)
    else:
        said, alignment = _align_ctc(model, utterance, words, pronunciations, language)
    alignment.attrs |= {"utterance": utterance.id, "text": " ".join(words), **_described(model, "")}
    phone_model = phone_model or _companion(model)
    if "phones" not in alignment:
        reason = _add_phones(alignment, phone_model, utterance, said)
        if reason:
            alignment.attrs["no_phones"] = reason
    sure = alignment.attrs.get("confidence")
    if sure is not None and sure < LOW:
        warnings.warn(
            f"utterance {utterance.id!r}: {model.id} hears something else than its text (confidence {sure:.2f}; "
            f"below {LOW:g} the text is often another's). Its boundaries are not to be trusted",
            AlignmentWarning,
            stacklevel=3,  # the room is called, and calls this
        )
    return alignment


def _align_ctc(
    model: SpeechModel, utterance: Utterance, words: Sequence[str], lexicon: Lexicon | None, language: str
) -> tuple[Said | str, Alignment]:
    vocabulary, where = _ctc_vocabulary(model), f"utterance {utterance.id!r}"
    known = symbols_by_name(vocabulary)
    said = pronounced(words, utterance, lexicon, language)
    if vocabulary.kind == "letters" or _whole_words(words, known):
        spelling = spell(words, vocabulary, where)
        heard = hear(model, utterance)
        path = path_of(heard, spelling, where)
        tiers = {"words": words_tier(heard, path, spelling, words)}
    else:
        if isinstance(said, str):
            raise AlignmentError(
                f"{where}: {model.id} writes phones, and there are {said}",
                expected="the pronunciation of every word",
                fix="pronunciations=read_lexicon('cmudict.dict') (--pronunciations), or a model that writes letters",
            )
        chosen = [variants[0] for variants in spell_phones(said, known)]
        if all(symbol is None for one in chosen for symbol in one.flat):
            raise AlignmentError(
                f"{where}: {_no_such_phones(said, model)}", expected="phones that the model writes"
            )
        unknown = [word for word, one in zip(words, chosen, strict=True) if None in one.flat]
        spelling = joined([one.flat for one in chosen], vocabulary.size, None, unknown)
        heard = hear(model, utterance)
        path = path_of(heard, spelling, where)
        found = words_tier(heard, path, spelling, words)
        tiers = {"words": found, "phones": split_words(heard, path, spelling, found, chosen)}
    attrs = {
        "method": "CTC best path",
        "confidence": confidence(heard, path),
        "path_log_probability": path.score,
        "unknown": list(spelling.unknown),
    }
    if "phones" in tiers and isinstance(said, Said):
        attrs["pronunciations"] = said.source
    return said, Alignment(tiers, attrs)


def _add_phones(
    alignment: Alignment, model: SpeechModel | None, utterance: Utterance, said: Said | str
) -> str | None:
    """Add phones, or return the reason why there can be none."""
    if model is None:
        return "no phone model was given (phone_model=, --phone-model)"
    vocabulary = _ctc_vocabulary(model)
    if vocabulary.kind == "letters":
        raise ModelError(
            f"{model.id} writes letters",
            expected="a CTC model of phones",
            fix="phone_model='demo/wav2vec2-phones'",
        )
    if isinstance(said, str):
        return said
    spelt = spell_phones(said, symbols_by_name(vocabulary))
    if all(symbol is None for variants in spelt for symbol in variants[0].flat):
        return _no_such_phones(said, model)
    heard: Heard = hear(model, utterance)
    words, phones = phones_inside(heard, alignment["words"], spelt, f"utterance {utterance.id!r}")
    alignment |= {"words": words, "phones": phones}
    missing = [word.label for word, variants in zip(words, spelt, strict=True) if not variants[0].phones]
    if missing:
        warnings.warn(
            f"utterance {utterance.id!r}: no pronunciation of {', '.join(dict.fromkeys(missing))}; "
            "these words have no phones",
            AlignmentWarning,
            stacklevel=4,
        )
    lacking = dict.fromkeys(
        phone
        for variants in spelt
        for phone, symbols in zip(variants[0].phones, variants[0].symbols, strict=False)
        if None in symbols
    )
    if lacking:
        warnings.warn(
            f"utterance {utterance.id!r}: {model.id} does not write {', '.join(lacking)}; these phones are placed by "
            f"their neighbours and have no score. It writes {shortlist(symbols_by_name(vocabulary), 60)}",
            AlignmentWarning,
            stacklevel=4,
        )
    alignment.attrs |= {"pronunciations": said.source, **_described(model, "phone_")}
    return None


def _no_such_phones(said: Said, model: SpeechModel) -> str:
    phones = dict.fromkeys(phone for variants in said.words for one in variants[:1] for phone in one)
    names = shortlist(symbols_by_name(model.vocabulary), 20)
    ours = (
        f"those of the {said.source} are {shortlist(phones, 20)}"
        if phones
        else f"the {said.source} has no such words"
    )
    return f"no phone is in the vocabulary of {model.id} ({names}); {ours}"


def _whole_words(words: Sequence[str], known: dict[str, int]) -> bool:
    """Return whether a vocabulary without letters is one of words: at least half of the words are in it."""
    forms = {name.casefold() for name in known}
    return 2 * sum(word.casefold() in forms for word in words) >= len(words)


def _ctc_vocabulary(model: SpeechModel) -> Vocabulary:
    vocabulary = model.vocabulary
    if vocabulary.blank is None:
        raise ModelError(
            f"{model.id} ({type(model.module).__name__}) has no CTC head",
            expected="a CTC model",
            fix="give Whisper as model, and a CTC model as phone_model",
        )
    return vocabulary


def _companion(model: SpeechModel) -> SpeechModel | None:
    name = COMPANIONS.get(model.id)
    return _load_companion(name, str(model.device)) if name and model.baseline == "none" else None


@lru_cache(maxsize=1)
def _load_companion(name: str, device: str) -> SpeechModel:
    return load_model(name, device=device)


def _described(model: SpeechModel, prefix: str) -> dict[str, Any]:
    described = model.describe()
    kept = ("model", "revision", "baseline", "weights_sha256", "grid")
    return {f"{prefix}{key}": described[key] for key in kept}

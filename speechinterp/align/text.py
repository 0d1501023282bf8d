"""Text: the words that are said, as a transcript writes them."""

from __future__ import annotations

import unicodedata

from speechinterp.corpora.tiers import PAUSES
from speechinterp.corpora.utterance import Utterance
from speechinterp.errors import AlignmentError
from speechinterp.segments import Segment, Tier

__all__ = ["spoken", "transcript_words", "words_of"]

SILENT = PAUSES | {"h#", "pau", "epi"}


def spoken(tier: Tier) -> list[Segment]:
    """Return the segments of a tier that are no silence."""
    return [segment for segment in tier if segment.label not in SILENT]


def words_of(text: str) -> list[str]:
    """Return the words of a text as they are written, without the punctuation around them.

    What holds no letter and no digit, such as a dash that stands alone, is no word.

    Examples
    --------
    >>> words_of("'Well,' she said - don't!")
    ['Well', 'she', 'said', "don't"]
    """
    words = (_stripped(unicodedata.normalize("NFC", word)) for word in text.split())
    return [word for word in words if word]


def transcript_words(utterance: Utterance, text: str | None = None) -> list[str]:
    """Return the words of an utterance: of `text` if given, else of its transcript, else the labels of its words.

    Raises
    ------
    AlignmentError
        If nothing says what was said.
    """
    source = "text" if text is not None else "transcript"
    if text is None:
        text = utterance.transcript
    if text is None and "words" in utterance.tiers:
        source = "tier 'words'"
        text = " ".join(segment.label for segment in spoken(utterance.tiers["words"]))
    words = words_of(text or "")
    if not words:
        raise AlignmentError(
            f"utterance {utterance.id!r} has no words: its {source} is {'missing' if text is None else repr(text)}",
            expected="a transcript of what is said",
            cause="a recording without speech, or a transcript file that is empty or was not found",
            fix="give the transcript (a column transcript of a table, text=...), or leave it out (--on-bad skip)",
        )
    return words


def _stripped(word: str) -> str:
    spoken = [i for i, c in enumerate(word) if unicodedata.category(c)[0] in "LNM"]
    return word[spoken[0] : spoken[-1] + 1] if spoken else ""

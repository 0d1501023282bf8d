"""Vocabulary: what the symbols of a head stand for, and the form of a text in which it is scored."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from speechinterp.errors import ModelError

if TYPE_CHECKING:
    from speechinterp.models.model import SpeechModel

__all__ = ["SymbolKind", "Vocabulary", "vocabulary_of"]

SymbolKind = Literal["letters", "phones", "pieces"]


@dataclass(frozen=True)
class Vocabulary:
    """The symbols of a CTC head or of a decoder.

    Parameters
    ----------
    tokenizer
        The Hugging Face tokenizer of the checkpoint.
    size
        Number of outputs of the head.
    kind
        ``letters`` or ``phones`` of a CTC head, or ``pieces`` of words, of a decoder.
    blank
        The symbol with which a CTC head says nothing; None for a decoder.
    """

    tokenizer: Any
    size: int
    kind: SymbolKind
    blank: int | None = None

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """Every symbol as the checkpoint spells it, by id; outputs that stand for nothing are empty."""
        known = {number: symbol for symbol, number in self.tokenizer.get_vocab().items()}
        return tuple(known.get(number, "") for number in range(self.size))

    @cached_property
    def special(self) -> frozenset[int]:
        """Ids that are no part of a text: blank, start, end, unknown, languages, tasks, time stamps."""
        named: set[int | None] = {*self.tokenizer.all_special_ids, self.blank} - {self.delimiter}
        pattern = re.compile(r"<\|.*\|>" if self.kind == "pieces" else "")
        return frozenset(i for i, s in enumerate(self.symbols) if i in named or not s or pattern.fullmatch(s))

    @cached_property
    def delimiter(self) -> int | None:
        """The symbol of a CTC head between words; None if it has none."""
        name = getattr(self.tokenizer, "word_delimiter_token", None) if self.kind != "pieces" else None
        return self.symbols.index(name) if name in self.symbols else None

    def text(self, ids: Sequence[int]) -> str:
        """Return what symbols say: letters and pieces run together, phones with spaces between them."""
        ids = [int(i) for i in ids if int(i) not in self.special]
        if self.kind == "pieces":
            return str(self.tokenizer.decode(ids)).strip()
        symbols = [" " if i == self.delimiter else self.symbols[i] for i in ids]
        joined = ("" if self.kind == "letters" else " ").join(symbols)
        return " ".join(joined.split())

    def ids(self, text: str) -> list[int]:
        """Return the symbols of a text, without start or end; what :meth:`text` undoes.

        Raises
        ------
        ModelError
            If the text holds a letter or phone that the head does not know.
        """
        if self.kind == "pieces":
            return [int(i) for i in self.tokenizer.encode(text, add_special_tokens=False)]
        pieces = list(text) if self.kind == "letters" else text.split()
        known = {symbol: i for i, symbol in enumerate(self.symbols) if i not in self.special}
        known |= {" ": self.delimiter} if self.delimiter is not None else {}
        unknown = [piece for piece in dict.fromkeys(pieces) if piece not in known]
        if unknown:
            raise ModelError(
                f"{', '.join(map(repr, unknown))} in {text!r}",
                expected=f"{self.kind} of the vocabulary: {' '.join(known)}",
                cause="capitals, digits or punctuation; or phones of another alphabet",
                fix="vocabulary.normalise(text) for letters; relabel the tier for phones",
            )
        return [int(known[piece]) for piece in pieces]

    def normalise(self, text: str, language: str = "en") -> str:
        """Return a text in the form in which it is compared with another.

        Parameters
        ----------
        text
            What was said or recognised.
        language
            Code of the language; of use to word pieces only.

        Returns
        -------
        str
            Word pieces: by the rules published with Whisper: small letters, no punctuation; in English also
            contractions written out, hesitations left out, and numbers as digits. Letters: in the capitals
            or small letters of the vocabulary; apostrophes it lacks are left out, and anything else it lacks
            becomes a space. Phones: as they are.
        """
        text = unicodedata.normalize("NFC", text).replace("’", "'")
        if self.kind == "pieces":
            return " ".join(self._normaliser(language == "en")(text).split())
        if self.kind == "phones":
            return " ".join(text.split())
        letters = {symbol for i, symbol in enumerate(self.symbols) if i not in self.special}
        cased = text.upper() if any(c.isupper() for c in letters) else text.lower()
        kept = (c if c in letters else "" if c == "'" else " " for c in cased)
        return " ".join("".join(kept).split())

    def _normaliser(self, english: bool) -> Any:
        from transformers.models.whisper.english_normalizer import BasicTextNormalizer, EnglishTextNormalizer

        spellings = getattr(self.tokenizer, "english_spelling_normalizer", None) or {}
        return EnglishTextNormalizer(spellings) if english else BasicTextNormalizer()


def vocabulary_of(model: SpeechModel) -> Vocabulary:
    """Return the vocabulary of a model with a CTC head or a decoder.

    Raises
    ------
    ModelError
        If the model has neither, or came without a tokenizer.
    """
    module: Any = model.module
    ctc = hasattr(module, "lm_head")
    if not ctc and not (hasattr(module, "proj_out") and model.family.has_decoder):
        raise ModelError(
            f"{model.id} ({type(module).__name__}) does not write text",
            expected="a CTC head or a decoder",
            cause="a pre-trained encoder, or a classifier",
            fix="load a checkpoint fine-tuned for recognition (demo/wav2vec2, demo/whisper, "
            "facebook/wav2vec2-base-960h, openai/whisper-tiny)",
        )
    tokenizer = model.read_tokenizer() if model.read_tokenizer is not None else None
    if tokenizer is None:
        raise ModelError(
            f"{model.id} came without a tokenizer, so that its symbols have no names",
            expected="tokenizer.json, or vocab.json with tokenizer_config.json, beside the weights",
            cause="a checkpoint saved without its processor, or a module passed in by hand",
            fix="processor.save_pretrained(folder); by hand: model.read_tokenizer = lambda: tokenizer",
        )
    if not ctc:
        return Vocabulary(tokenizer, int(model.family.config.vocab_size), "pieces")
    size, blank = int(module.lm_head.out_features), int(model.family.config.pad_token_id)
    symbols = {symbol for symbol, number in tokenizer.get_vocab().items() if number < size}
    named = symbols - set(tokenizer.all_special_tokens) - {tokenizer.convert_ids_to_tokens(blank)}
    letters = all(len(symbol) == 1 for symbol in named)
    return Vocabulary(tokenizer, size, "letters" if letters else "phones", blank)

"""Tokenizers for tiny models, made on the spot, so that what they write can be read."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import transformers
from tiny import tiny_model
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from speechinterp.models import SpeechModel

LETTERS = ("<pad>", "<s>", "</s>", "<unk>", "|", "'", "a", "d", "e", "n", "o", "t")
PHONES = ("<pad>", "<s>", "</s>", "<unk>", "aɪ", "d", "e", "n", "oʊ", "t", "tʃ", "ʌ")


def ctc_tokenizer(symbols: tuple[str, ...]) -> transformers.PreTrainedTokenizerBase:
    """Return the tokenizer of a CTC head with these symbols."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vocab.json"
        path.write_text(json.dumps({symbol: i for i, symbol in enumerate(symbols)}), encoding="utf-8")
        return transformers.Wav2Vec2CTCTokenizer(str(path))


def words_tokenizer(size: int = 40) -> transformers.PreTrainedTokenizerBase:
    """Return a tokenizer of whole words, w5 to w39, after five special tokens at the places of tiny Whisper's."""
    names = ["<|unk|>", "<|pad|>", "<|bos|>", "<|eos|>", "<|start|>"]
    vocab = {name: i for i, name in enumerate([*names, *(f"w{i}" for i in range(len(names), size))])}
    tokenizer = Tokenizer(WordLevel(vocab, unk_token="<|unk|>"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<|unk|>",
        pad_token="<|pad|>",
        bos_token="<|bos|>",
        eos_token="<|eos|>",
        clean_up_tokenization_spaces=False,
    )


def reading_model(name: str, *, phones: bool = False, **changes: object) -> SpeechModel:
    """Return a tiny model with a CTC head or decoder that has a vocabulary."""
    whisper = "whisper" in name
    model = tiny_model(name, **(changes if whisper else {"pad_token_id": 0} | changes))
    tokenizer = words_tokenizer() if whisper else ctc_tokenizer(PHONES if phones else LETTERS)
    model.read_tokenizer = lambda: tokenizer
    return model

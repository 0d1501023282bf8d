"""From a spec such as ``timit:/data/TIMIT?labels=61`` to a corpus."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from speechinterp.corpora.annotated import read_annotated
from speechinterp.corpora.buckeye import read_buckeye
from speechinterp.corpora.demo import read_demo
from speechinterp.corpora.emu import read_emu
from speechinterp.corpora.librispeech import read_librispeech
from speechinterp.corpora.speechcommands import read_speechcommands
from speechinterp.corpora.table import read_table
from speechinterp.corpora.textgrid import read_textgrid
from speechinterp.corpora.timit import read_timit
from speechinterp.corpora.utterance import Corpus
from speechinterp.errors import CorpusError

__all__ = ["load_corpus"]

READERS: dict[str, Callable[..., Corpus]] = {
    "annotated": read_annotated,
    "buckeye": read_buckeye,
    "demo": read_demo,
    "emu": read_emu,
    "librispeech": read_librispeech,
    "speechcommands": read_speechcommands,
    "table": read_table,
    "textgrid": read_textgrid,
    "timit": read_timit,
}
SWITCH = {"yes": True, "true": True, "no": False, "false": False}


def load_corpus(spec: str, **options: object) -> Corpus:
    """Load a corpus.

    Parameters
    ----------
    spec
        ``reader:path``, with options after it as ``?key=value&key=value`` if wanted, for example
        ``"timit:/data/TIMIT?labels=61"``. A ``&`` or ``%`` within a value is written ``%26`` or ``%25``.
        Readers: ``timit``, ``textgrid``, ``annotated``, ``emu``, ``buckeye``, ``librispeech``, ``table``,
        ``speechcommands``. ``demo`` without a path, or ``demo?type=command``, is the corpus that comes with
        the package.
    **options
        The same options as keywords; they go before those of the spec.

    Returns
    -------
    Corpus
        Files are listed now, annotations are read when an utterance is asked for, and sound when its
        waveform is.

    Raises
    ------
    CorpusError
        If the reader or an option is unknown, or the path holds no such corpus.

    Examples
    --------
    >>> import speechinterp as si
    >>> corpus = si.load_corpus("timit:/data/TIMIT", labels=61)  # doctest: +SKIP
    >>> corpus["TRAIN/DR1/FCJF0/SA1"].tier("phones").labels[:3]  # doctest: +SKIP
    ['h#', 'sh', 'ix']
    """
    name, colon, place = spec.partition(":")
    embedded = spec.partition("?")[0] == "demo"
    if embedded:
        name, colon, place = "demo", ":", spec.removeprefix("demo")
    if not colon or name not in READERS:
        raise CorpusError(
            f"corpus {spec!r} names no reader" if not colon else f"no reader {name!r} for corpus {spec!r}",
            expected=f"reader:path with one of the readers {', '.join(READERS)}, or demo alone",
            cause="a path alone, or a mistyped reader",
            fix="put the reader before the path, for example textgrid:/data/recordings",
        )
    path, _, query = place.partition("?")
    if not path and not embedded:
        raise CorpusError(
            f"corpus {spec!r} has no path", expected=f"{name}:path", fix=f"for example {name}:/data"
        )
    settings = _converted(name, {**_parsed(query, spec), **options})
    corpus = READERS[name](Path(path).expanduser() if path else None, **settings)
    corpus.options.update(settings)
    return corpus


def _parsed(query: str, spec: str) -> dict[str, object]:
    pairs = [part.partition("=") for part in query.split("&") if part]
    for key, equals, _ in pairs:
        if not equals:
            raise CorpusError(
                f"option {key!r} of corpus {spec!r} has no value", expected="key=value", fix=f"{key}=..."
            )
    return {key: unquote(value) for key, _, value in pairs}


def _converted(name: str, given: dict[str, object]) -> dict[str, Any]:
    """Return all options as the reader's own types, so that text from the command line means the same."""
    parameters = inspect.signature(READERS[name]).parameters.values()
    settable = [each for each in parameters if each.kind is each.KEYWORD_ONLY]
    known = {each.name: str(each.annotation) for each in settable}
    for key in given:
        if key not in known:
            raise CorpusError(
                f"reader {name!r} has no option {key!r}",
                expected=f"one of {', '.join(known)}" if known else "no options",
                fix="correct or remove the option",
            )
    defaults = {each.name: each.default for each in settable}
    return {**defaults, **{key: _as_type(key, value, known[key]) for key, value in given.items()}}


def _as_type(key: str, value: object, kind: str) -> object:
    if value is None or not ("bool" in kind or "int" in kind):
        return value if value is None else str(value)
    text = str(value).lower()
    if "bool" in kind and text in SWITCH:
        return SWITCH[text]
    if "int" in kind and text.isdecimal():
        return int(text)
    raise CorpusError(
        f"option {key}={value}",
        expected="yes or no" if "bool" in kind else "a whole number",
        fix=f"{key}=yes" if "bool" in kind else f"{key}=0",
    )

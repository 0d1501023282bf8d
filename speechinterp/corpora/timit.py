"""TIMIT: read sentences with hand-made phones and words."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path, PurePosixPath

from speechinterp.audio import head_of
from speechinterp.corpora.files import beside, find_audio, read_text, relative
from speechinterp.corpora.labels import map_labels
from speechinterp.corpora.tiers import fit_to_audio, segment
from speechinterp.corpora.utterance import Corpus, Utterance
from speechinterp.errors import AnnotationError, CorpusError
from speechinterp.segments import Tier

__all__ = ["read_timit"]

LABEL_SETS = (39, 48, 61)


def read_timit(root: Path, *, labels: int = 39, sa: bool = True) -> Corpus:
    """Read TIMIT, in the layout of the LDC or any other that keeps .phn and .wrd beside the sound.

    Parameters
    ----------
    root
        A folder at any level, for example that of ``TRAIN`` and ``TEST``.
    labels
        61: the labels as they were made. 39: the classes of Lee & Hon (1989), in which the glottal stop ``q``
        is left out and closures and silences are ``sil``; 48: the finer classes of theirs. Segments are
        never merged.
    sa
        Whether to take the two dialect sentences, which every speaker reads.

    Returns
    -------
    Corpus
        Tiers ``phones`` and ``words``; speaker is the name of the folder; meta holds ``dialect``, ``sex``,
        ``sentence`` and ``sentence_type``. Words may overlap, as they do in the annotation.

    Raises
    ------
    CorpusError
        If there is no sound, two files have the same id, or `labels` is none of 39, 48 and 61.

    References
    ----------
    Lee, K.-F. & Hon, H.-W. (1989). Speaker-independent phone recognition using hidden Markov models. IEEE
    Transactions on Acoustics, Speech, and Signal Processing 37(11), 1641-1648.
    """
    if labels not in LABEL_SETS:
        raise CorpusError(f"labels={labels}", expected="39, 48 or 61", fix="labels=39")
    found = find_audio(root)
    kept = {id_: audio for id_, audio in found.items() if sa or _sentence(id_)[:2] != "sa"}
    return Corpus(
        "timit", {id_: partial(_utterance, id_, audio, root, labels) for id_, audio in kept.items()}
    )


def _utterance(id_: str, audio: Path, root: Path, labels: int) -> Utterance:
    plain = audio.with_name(PurePosixPath(id_).name)
    phones, words, text = (beside(plain, suffix) for suffix in (".phn", ".wrd", ".txt"))
    if phones is None:
        raise AnnotationError(
            f"no {plain.name}.phn beside {relative(audio, root)}",
            expected="a .phn file beside every sound, as in TIMIT",
            cause="a corpus of another kind, or only the sound was copied",
            fix="copy the annotations too, or use another reader",
        )
    rate = head_of(audio).sample_rate
    tiers = fit_to_audio([_phones(phones, rate, root, labels)], audio, relative(phones, root))
    if words is not None:
        tiers |= fit_to_audio([_tier("words", words, rate, root)], audio, relative(words, root))
    sentence = _sentence(id_)
    speaker = audio.parent.name
    dialect = re.search(r"(?i)dr[1-8]", "/".join(audio.parent.parts[-2:]))
    sex = re.search(r"(?i)(?:^|-)([fm])[a-z]{3}\d$", speaker)
    return Utterance(
        id_,
        audio,
        speaker,
        transcript=re.sub(r"^\s*\d+\s+\d+\s+", "", read_text(text, relative(text, root))).strip()
        if text
        else None,
        tiers=tiers,
        meta={
            "dialect": dialect[0].lower() if dialect else None,
            "sex": sex[1].lower() if sex else None,
            "sentence": sentence,
            "sentence_type": sentence[:2],
        },
    )


def _sentence(id_: str) -> str:
    return PurePosixPath(id_).name.lower()


def _phones(path: Path, rate: int, root: Path, labels: int) -> Tier:
    try:
        return map_labels(_tier("phones", path, rate, root), "timit61", f"timit{labels}")
    except AnnotationError as error:
        raise AnnotationError(
            f"{relative(path, root)}, {error.found}",
            expected="TIMIT's 61 labels, such as iy, bcl and h#",
            cause="phones of another corpus or aligner in a .phn file",
            fix="correct the labels, or read the corpus as textgrid: or table:",
        ) from None


def _tier(tier: str, path: Path, rate: int, root: Path) -> Tier:
    segments = []
    for number, line in enumerate(read_text(path, relative(path, root)).split("\n"), 1):
        where = f"{relative(path, root)}, line {number}"
        fields = line.split(maxsplit=2)
        if not fields:
            continue
        if len(fields) != 3 or not (fields[0].isdecimal() and fields[1].isdecimal()):
            raise AnnotationError(
                f"{where}: {line!r}",
                expected="first sample, last sample and label",
                cause="a file of another format under this suffix, or a damaged line",
                fix="correct the line",
            )
        segments.append(segment(int(fields[0]) / rate, int(fields[1]) / rate, fields[2].strip(), where))
    return Tier(tier, segments)

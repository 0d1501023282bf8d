"""Google Speech Commands: one word a clip, the folder says which."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from speechinterp.audio import duration_of
from speechinterp.corpora.files import find_audio
from speechinterp.corpora.utterance import Corpus, Utterance
from speechinterp.errors import CorpusError
from speechinterp.segments import Segment, Tier

__all__ = ["read_speechcommands"]


def read_speechcommands(root: Path) -> Corpus:
    """Read clips in the layout ``word/SPEAKER_nohash_TAKE.wav`` or ``word/SPEAKER_TAKE.flac``.

    Parameters
    ----------
    root
        The folder of the word folders; those that start with ``_``, such as background noise, are left out.

    Returns
    -------
    Corpus
        A tier ``words`` with one segment over the whole clip; speaker is the name up to the first ``_``.

    Raises
    ------
    CorpusError
        If there is no sound, or it does not lie in word folders.

    References
    ----------
    Warden, P. (2018). Speech Commands: A dataset for limited-vocabulary speech recognition. arXiv:1804.03209.
    """
    clips = {id_: audio for id_, audio in find_audio(root).items() if id_.count("/") == 1 and id_[0] != "_"}
    if not clips:
        raise CorpusError(
            f"no clip in a word folder of {root}",
            expected="clips in folders named after words, such as yes/0a7c2a8d_nohash_0.wav",
            cause="the path of one word folder, or of the folder above the corpus",
            fix="give the folder that holds the word folders",
        )
    return Corpus("speechcommands", {id_: partial(_utterance, id_, audio) for id_, audio in clips.items()})


def _utterance(id_: str, audio: Path) -> Utterance:
    word, name = id_.split("/")
    speaker, _, take = name.partition("_")
    tier = Tier("words", [Segment(0.0, duration_of(audio), word)])
    return Utterance(id_, audio, speaker, word, {"words": tier}, {"take": take.removeprefix("nohash_")})

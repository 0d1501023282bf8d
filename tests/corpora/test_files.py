"""Files of a corpus: what cannot be read is told of by the utterance it belongs to."""

from __future__ import annotations

import pytest

from speechinterp.corpora.files import readable
from speechinterp.errors import AudioError, CorpusError


def test_an_error_of_the_file_system_names_the_utterance(tmp_path):
    said = r"utterance 'a/b' cannot be read: No such file.*--on-bad skip"
    with pytest.raises(AudioError, match=said) as caught, readable("a/b"):
        (tmp_path / "none.wav").read_bytes()
    assert isinstance(caught.value.__cause__, FileNotFoundError)


def test_an_error_without_a_reason_is_told_in_its_own_words():
    with pytest.raises(AudioError, match="cannot be read: the drive is gone"), readable("a"):
        raise OSError("the drive is gone")


def test_other_errors_and_none_pass():
    with readable("a"):
        pass
    with pytest.raises(CorpusError, match=r"^found"), readable("a"):
        raise CorpusError("found")

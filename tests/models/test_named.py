"""Targets by name: each is what the function of that name gives, and what is no target is refused."""

from __future__ import annotations

import pytest
from tiny import shared_model, sound
from tiny_vocabulary import reading_model

from speechinterp import Tap, Utterance, targets
from speechinterp.audio import Sound
from speechinterp.errors import TargetError


def utterance(transcript=None) -> Utterance:
    return Utterance("u", Sound(sound(8000), 16000), transcript=transcript)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("label", targets.label()),
        ("label:place=garden", targets.label("place=garden")),
        ("word", targets.word()),
        ("word: rose", targets.word("rose")),
        ("ctc", targets.ctc()),
        ("ctc:k æ t", targets.ctc("k æ t")),
        ("token", targets.token()),
        ("token:3", targets.token(3)),
        ("token:-1", targets.token(-1)),
        ("token:ing", targets.token("ing")),
        ("sequence", targets.sequence()),
        ("entropy", targets.entropy()),
        ("surprisal", targets.surprisal()),
        ("kl", targets.kl()),
        ("hidden:3.mlp_hidden.17", targets.hidden(Tap(3, "mlp_hidden"), 17)),
        ("word:{target}", targets.word("rows")),
    ],
)
def test_a_name_is_a_target(text, target):
    found = targets.named(text, {"target": "rows"})
    assert found.describe() == target.describe()


@pytest.mark.parametrize("text", ["", "entropy:3", "hidden:", "hidden:mlp", ":rose", "exec:1"])
def test_what_is_no_target_lists_what_is(text):
    with pytest.raises(TargetError, match=r"label\[:CLASS\], word\[:WORD\]"):
        targets.named(text)


def test_a_bare_text_is_a_class_or_a_word():
    classifier, ctc = shared_model("wavlm-pre-class"), reading_model("wav2vec2-pre-ctc")
    assert targets.named("LABEL_2").bind(classifier, utterance()).names == ("LABEL_2",)
    assert targets.named("note").bind(ctc, utterance("a note")).names == ("note",)
    with pytest.raises(TargetError, match="one of LABEL_0"):
        targets.named("rose").bind(classifier, utterance())
    with pytest.raises(TargetError, match="'rose' is not in the transcript: a, note"):
        targets.named("rose").bind(ctc, utterance("a note"))


def test_a_field_must_be_known():
    with pytest.raises(TargetError, match=r"no 'cue'.*target"):
        targets.named("word:{cue}", {"target": "rows"})
    assert targets.named("word:{cue!r}").describe() == targets.word("{cue!r}").describe()  # no format strings


def test_the_usual_target_is_that_of_the_head():
    classifier = shared_model("wavlm-pre-class")
    assert targets.usual(classifier).kind == "label"
    assert targets.usual(shared_model("whisper-class")).kind == "label"
    assert targets.usual(reading_model("whisper")).kind == "word"
    ctc = reading_model("wav2vec2-pre-ctc")
    assert targets.usual(ctc).bind(ctc, utterance("a note")).names
    with pytest.raises(TargetError, match="no head"):
        targets.usual(shared_model("hubert"))

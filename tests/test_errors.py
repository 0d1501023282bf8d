"""Errors say four things, survive a process boundary, and are all of one family."""

from __future__ import annotations

import copy
import pickle

import pytest

from speechinterp import errors
from speechinterp.errors import AudioError, FrameError, SpeechInterpError, check_choice, shortlist

CLASSES = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error")]


def test_a_message_has_four_parts_in_order():
    error = AudioError(
        "sound of 22050 Hz", expected="16000 Hz", cause="not resampled", fix="pass sample_rate=16000"
    )
    assert str(error) == (
        "sound of 22050 Hz. Expected: 16000 Hz. Likely cause: not resampled. Fix: pass sample_rate=16000."
    )


def test_parts_that_are_not_known_are_left_out():
    assert str(AudioError("an empty sound")) == "an empty sound."
    assert str(AudioError("an empty sound.", fix="record more.")) == "an empty sound. Fix: record more."


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_can_be_caught_as_one_family(cls):
    with pytest.raises(SpeechInterpError):
        raise cls("found")
    with pytest.raises(ValueError, match="found"):
        raise cls("found")
    assert cls.__doc__


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("again", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy])
def test_copies_keep_class_and_parts(cls, again):
    error = cls("found", expected="expected", cause="cause", fix="fix")
    twin = again(error)
    assert type(twin) is cls
    assert str(twin) == str(error)
    assert (twin.found, twin.expected, twin.cause, twin.fix) == ("found", "expected", "cause", "fix")


@pytest.mark.parametrize(
    ("items", "limit", "text"),
    [
        ([], 10, ""),
        (["a"], 10, "a"),
        (range(3), 3, "0, 1, 2"),
        (range(4), 3, "0, 1, 2 and 1 more"),
        ((c for c in "abcd"), 2, "a, b and 2 more"),
        ({"words": 1, "phones": 2}, 10, "words, phones"),
    ],
)
def test_shortlist(items, limit, text):
    assert shortlist(items, limit) == text


def test_a_choice_is_refused_with_what_there_is_and_the_first_is_advised():
    assert check_choice("rule", "centre", ("centre", "overlap"), FrameError) is None
    with pytest.raises(FrameError) as caught:
        check_choice("rule", "some", iter(("centre", "overlap")), FrameError)
    assert str(caught.value) == "rule 'some'. Expected: one of centre, overlap. Fix: rule='centre'."
    with pytest.raises(FrameError, match="Fix: --rule overlap"):
        check_choice("rule", "some", ("centre", "overlap"), FrameError, "--rule overlap")

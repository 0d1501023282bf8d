"""Units of a map: what is a source, what is left out, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from mixing.common import N_SAMPLES, TOKENS, UNITS, wave
from tiny import shared_model

import speechinterp as si
from speechinterp.audio import Sound
from speechinterp.errors import AnnotationError, FrameError, MixingError
from speechinterp.mixing import EmptyUnitWarning, OverlapWarning
from speechinterp.segments import Segment, Tier


def spoken(*segments, name="words"):
    return si.Utterance("a/b", Sound(wave(), 16000), tiers={name: Tier(name, segments)})


def labels(mix, side="source"):
    return list(mix[f"{side}_label"].values)


def test_a_tier_by_name_and_its_unlabelled_segments():
    utterance = spoken(*UNITS, Segment(0.20, 0.26, ""))
    mix = si.mixing.attention(shared_model("wav2vec2"), utterance, "words")
    assert labels(mix) == labels(mix, "target") == ["a", "b", "c"]
    given = si.mixing.attention(shared_model("wav2vec2"), wave(), UNITS)
    np.testing.assert_array_equal(mix.values, given.values)
    assert (mix.attrs["utterance"], mix.attrs["unit"]) == ("a/b", "words")
    assert (given.attrs["utterance"], given.attrs["unit"]) == ("", "segments")


def test_frames_are_units_from_half_a_hop_before_to_half_a_hop_after():
    model = shared_model("wav2vec2")
    mix = si.mixing.attention(model, wave(), "frames")
    n = model.frames(wave()).n_frames
    assert mix.shape == (3, n, n)
    np.testing.assert_allclose(mix.source_start[1:], mix.source_end[:-1])
    np.testing.assert_allclose((mix.source_start + mix.source_end) / 2, model.frames(wave()).times)


def test_all_padding_is_one_source():
    mix = si.mixing.attention(shared_model("whisper"), wave(), "frames")
    assert mix.sizes["source"] == mix.sizes["target"] + 1
    assert labels(mix)[-1] == "pad"
    assert np.isnan(mix.source_start[-1])
    np.testing.assert_allclose(mix[..., -1], mix.pad_share)


def test_tokens_have_labels_and_no_times():
    mix = si.mixing.attention(shared_model("whisper"), wave(), where="decoder", tokens=TOKENS)
    assert labels(mix) == labels(mix, "target") == [str(token) for token in TOKENS]
    assert np.isnan(mix.target_start).all()
    assert mix.attrs["tokens"] == TOKENS


@pytest.mark.parametrize(
    ("units", "message"),
    [
        (
            [*UNITS, Segment(0.5, 0.6, "late")],
            r"0.375 s long, but 1 of its units end later: 'late' 0.500-0.600 s",
        ),
        ([Segment(40, 150, "a"), Segment(150, 300, "b")], "times in samples or milliseconds"),
        ([Segment(0.02, 0.3, "a"), Segment(0.1, 0.2, "b")], r"'a' .* and 'b' .* share frames"),
        ([Segment(i / 100, (i + 1) / 100, "x") for i in range(36)], "36 units and 18 frames"),
    ],
)
def test_units_that_do_not_fit_the_sound(units, message):
    with pytest.raises(AnnotationError, match=message):
        si.mixing.attention(shared_model("wav2vec2"), wave(), units)


def test_neighbours_that_overlap_share_what_they_share():
    model = shared_model("wav2vec2")
    overlapping = [Segment(0.02, 0.12, "a"), Segment(0.1, 0.24, "b"), Segment(0.2, 0.34, "c")]
    with pytest.warns(OverlapWarning, match=r"'a' 0.020-0.120 s, 'b' 0.100-0.240 s"):
        found = si.mixing.attention(model, wave(), overlapping)
    apart = [Segment(0.02, 0.11, "a"), Segment(0.11, 0.22, "b"), Segment(0.22, 0.34, "c")]
    expected = si.mixing.attention(model, wave(), apart)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(found.target_end[:3], [0.11, 0.22, 0.34])


def test_a_unit_without_a_frame_is_left_out_and_named():
    short = Segment(0.201, 0.203, "burst")
    with pytest.warns(EmptyUnitWarning, match=r"1 of 4 units left out.*'burst' 0.201-0.203 s"):
        mix = si.mixing.attention(shared_model("wav2vec2"), wave(), [*UNITS, short])
    assert labels(mix) == ["a", "b", "c"]
    assert json.loads(mix.attrs["units_without_frames"]) == [[0.201, 0.203, "burst"]]
    with pytest.raises(MixingError, match="no unit with a frame"):
        si.mixing.attention(shared_model("wav2vec2"), wave(), [short])


def test_an_empty_tier_and_an_unknown_one():
    with pytest.raises(MixingError, match="no unit with a frame; units: none"):
        si.mixing.attention(shared_model("wav2vec2"), spoken(Segment(0.0, 0.3, "")), "words")
    with pytest.raises(AnnotationError, match="has no tier 'phones'; it has: words"):
        si.mixing.attention(shared_model("wav2vec2"), spoken(*UNITS), "phones")
    with pytest.raises(MixingError, match="of a waveform, which has no tiers"):
        si.mixing.attention(shared_model("wav2vec2"), wave(), "words")
    with pytest.raises(MixingError, match="units of type tuple"):
        si.mixing.attention(shared_model("wav2vec2"), wave(), [(0.1, 0.2)])
    with pytest.raises(FrameError, match="frame rule 'some'"):
        si.mixing.attention(shared_model("wav2vec2"), wave(), UNITS, rule="some")


def test_one_unit_alone_has_a_share_of_one_by_definition():
    whole = [Segment(0.0, N_SAMPLES / 16000, "all")]
    with pytest.raises(MixingError, match="has one unit"):
        si.mixing.attention(shared_model("wav2vec2"), wave(), whole)
    padded = si.mixing.attention(shared_model("whisper"), wave(), whole)
    assert labels(padded) == ["all", "pad"]
    part = si.mixing.attention(shared_model("wav2vec2"), wave(), UNITS[:1], gaps="merge")
    assert labels(part) == ["a", "gap"]
    with pytest.raises(MixingError, match="has one unit"):
        si.mixing.attention(shared_model("wav2vec2"), wave(), UNITS[:1])


def test_tokens_that_are_not_the_vocabularys():
    with pytest.raises(MixingError, match="ids from 0 to 39"):
        si.mixing.attention(shared_model("whisper"), wave(), UNITS, where="cross", tokens=[4, 99])

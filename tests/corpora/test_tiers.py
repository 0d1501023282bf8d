"""Fitting annotations to their sound."""

from __future__ import annotations

from pathlib import Path

import pytest

from speechinterp.corpora.tiers import OVERHANG, fit_to_audio, transcript_of, with_standard_names
from speechinterp.errors import AnnotationError, AudioError
from speechinterp.segments import Segment, Tier


def tier(*segments: tuple[float, float, str], name: str = "words") -> Tier:
    return Tier(name, [Segment(*each) for each in segments])


def test_what_fits_is_kept(record) -> None:
    words = tier((0, 0.4, "a"), (0.4, 1.0, "b"))
    assert fit_to_audio([words], record("a.wav"), "a") == {"words": words}


def test_a_small_overhang_is_cut_at_the_end_of_the_sound(record) -> None:
    fitted = fit_to_audio([tier((0.5, 1 + OVERHANG, "b"))], record("a.wav"), "a")
    assert fitted["words"] == tier((0.5, 1.0, "b"))


def test_a_larger_overhang_names_both_times(record) -> None:
    with pytest.raises(
        AnnotationError, match=r"a.TextGrid, tier 'words': 'b' ends at 1.051 s.*a.wav at 1.000 s"
    ):
        fit_to_audio([tier((0.5, 1.051, "b"))], record("a.wav"), "a.TextGrid")


def test_silence_after_the_sound_is_left_out_but_speech_is_refused(record) -> None:
    path = record("a.wav")
    assert fit_to_audio([tier((0, 1, "a"), (1.0, 1.02, ""))], path, "a")["words"].labels == ["a"]
    with pytest.raises(AnnotationError, match=r"'b' ends at 1\.020 s"):
        fit_to_audio([tier((1.0, 1.02, "b"))], path, "a")


def test_points_stay_points(record) -> None:
    path = record("a.wav")
    fitted = fit_to_audio([tier((0.5, 0.5, "H*"), (1.0, 1.0, "L%"), (1.01, 1.01, "x"))], path, "a")["words"]
    assert [(s.start, s.end) for s in fitted] == [(0.5, 0.5), (1.0, 1.0), (1.0, 1.0)]


def test_a_sound_that_was_cut_off_is_not_blamed_on_its_annotation(record) -> None:
    path = record("a.wav", seconds=2)
    path.write_bytes(path.read_bytes()[:32044])
    with pytest.raises(AudioError, match="cut off or damaged"):
        fit_to_audio([tier((0.5, 2, "b"))], path, "a")


@pytest.mark.parametrize(
    ("names", "words", "phones"),
    [
        (["Word", "Phone"], "Word", "Phone"),
        (["ORT-MAU", "KAN-MAU", "MAU"], "ORT-MAU", "MAU"),
        (["Mary - words", "Mary - phones"], "Mary - words", "Mary - phones"),
        (["Mary - words", "Ann - words"], None, None),
        (["word", "ortho"], None, None),
        (["words", "word"], "words", None),
        (["syllables"], None, None),
    ],
)
def test_standard_names_are_given_where_one_tier_is_meant(
    names: list[str], words: str | None, phones: str | None
) -> None:
    tiers = {name: tier((0, 1, name), name=name) for name in names}
    named = with_standard_names(tiers, "a")
    assert set(tiers) <= set(named)
    for standard, source in (("words", words), ("phones", phones)):
        assert (named[standard].labels if standard in named else [None]) == [source]
        assert standard not in named or named[standard].name == standard


def test_tiers_named_by_hand_go_first() -> None:
    tiers = {name: tier((0, 1, name), name=name) for name in ("words", "Ann - words")}
    assert with_standard_names(tiers, "a", words="Ann - words")["words"].labels == ["Ann - words"]
    with pytest.raises(AnnotationError, match=r"no tier 'x'; it has: words, Ann - words.*phones="):
        with_standard_names(tiers, "a", phones="x")


def test_the_transcript_leaves_pauses_out() -> None:
    words = tier((0, 1, ""), (1, 2, "two\nwords"), (2, 3, "<p:>"), (3, 4, "nan"), (4, 5, "sp"))
    assert transcript_of({"words": words}) == "two words nan"
    assert transcript_of({}) is None


def test_a_missing_sound_is_named(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="no sound file"):
        fit_to_audio([tier((0, 1, "a"))], tmp_path / "a.wav", "a")

"""Bad utterances: each is refused or left out, named and recorded, and taken once it is repaired."""

import warnings

import numpy as np
import pandas as pd
import pytest
import soundfile
from echo import RATE, Echo, noise_corpus, spoken
from tiny import sound, tiny_model

from speechinterp import extract, load_corpus
from speechinterp.audio import RepairWarning, Sound
from speechinterp.corpora import Corpus, Utterance
from speechinterp.errors import (
    AnnotationError,
    AudioError,
    CorpusError,
    ModelError,
    SpeechInterpError,
)
from speechinterp.segments import Segment, Tier


def test_a_tier_that_nobody_has(tmp_path):
    with pytest.raises(AnnotationError, match=r"utterance 's0/u000' has no tier 'syllables'.*phones, words"):
        extract(Echo(), noise_corpus(2), unit="syllables", out=tmp_path)
    with pytest.raises(AnnotationError, match=r"gave no 'syllables'; 2 left out; the first: .*has no tier"):
        extract(Echo(), noise_corpus(2), unit="syllables", on_bad="skip")
    assert len(extract(Echo(), noise_corpus(2), unit="words", out=tmp_path)) == 4


def test_a_list_is_no_corpus():
    with pytest.raises(CorpusError, match=r"type list.*Corpus.of"):
        extract(Echo(), list(noise_corpus(2)))


def write_bad(folder, kind):
    """Write a recording with TextGrid that is bad in one way; return the class of the error and its words."""
    wav, grid = folder / "bad.wav", folder / "bad.TextGrid"
    soundfile.write(wav, sound(8000), RATE, subtype="FLOAT")
    write_grid(grid, 0.5)
    if kind == "empty":
        wav.write_bytes(b"")
        return AudioError, "is empty"
    if kind == "truncated":
        wav.write_bytes(wav.read_bytes()[:9000])
        return AudioError, "cut off"
    if kind == "text":
        wav.write_text("This is not sound. " * 99)
        return AudioError, "cannot be read as sound"
    if kind == "nan":
        samples = sound(8000)
        samples[99] = np.nan
        soundfile.write(wav, samples, RATE, subtype="FLOAT")
        return AudioError, "NaN"
    if kind == "no samples":
        soundfile.write(wav, sound(0), RATE)
        return AudioError, "no samples"
    if kind == "short":
        soundfile.write(wav, sound(160), RATE)
        write_grid(grid, 0.01)
        return AudioError, "10.0 ms"
    if kind == "stereo":
        soundfile.write(wav, np.zeros((8000, 2)), RATE)
        return AudioError, "2 channels"
    if kind == "no annotation":
        grid.unlink()
        return AnnotationError, "no TextGrid"
    if kind == "garbage":
        grid.write_bytes(bytes(range(256)))
        return AnnotationError, "bad.TextGrid"
    if kind == "no tier":
        grid.write_text(grid.read_text().replace('"phones"', '"tones"'))
        return AnnotationError, "no tier 'phones'"
    assert kind == "too long"
    write_grid(grid, 0.9)
    return AnnotationError, "ends at 0.900 s"


def write_grid(path, end):
    path.write_text(
        f'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n{end}\n<exists>\n1\n'
        f'"IntervalTier"\n"phones"\n0\n{end}\n2\n0\n{end / 2}\n"a"\n{end / 2}\n{end}\n"b"\n'
    )


KINDS = (
    *("empty", "truncated", "text", "nan", "no samples", "short", "stereo"),
    *("no annotation", "garbage", "no tier", "too long"),
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_utterance_is_refused_left_out_and_after_repair_taken(tmp_path, kind):
    folder, out = tmp_path / "corpus", tmp_path / "out"
    folder.mkdir()
    for name in [f"a{i:02d}" for i in range(32)] + ["c"]:
        soundfile.write(folder / f"{name}.wav", sound(8000), RATE)
        write_grid(folder / f"{name}.TextGrid", 0.5)
    error, words = write_bad(folder, kind)
    corpus, model = load_corpus(f"textgrid:{folder}"), tiny_model("wav2vec2") if kind == "short" else Echo()

    with pytest.raises(error, match=words) as caught:
        extract(model, corpus, out=out)
    assert "bad" in caught.value.found
    assert all([caught.value.expected, caught.value.fix])
    assert [path.name for path in (out / "shards").iterdir()] == ["00000.parquet"]

    reps = extract(model, corpus, out=out, on_bad="skip")
    assert set(corpus.ids) - set(reps.units["utterance"]) == {"bad"}
    (entry,) = pd.read_json(out / "skipped.jsonl", lines=True).to_dict("records")
    assert (entry["utterance"], entry["error"]) == ("bad", error.__name__)
    assert words in entry["reason"]
    assert (reps.meta["utterances"], reps.meta["skipped"]) == (33, 1)

    with pytest.raises(error, match=words):
        extract(model, corpus, out=out)
    assert len(extract(model, corpus, out=out, on_bad="skip")) == len(reps)

    soundfile.write(folder / "bad.wav", sound(8000), RATE)
    write_grid(folder / "bad.TextGrid", 0.5)
    reps = extract(model, load_corpus(f"textgrid:{folder}"), out=out)
    assert set(reps.units["utterance"]) == set(corpus.ids)
    assert (reps.meta["utterances"], reps.meta["skipped"]) == (34, 0)
    assert not (out / "skipped.jsonl").exists()
    if kind != "short":
        anew = tmp_path / "anew"
        extract(model, corpus, out=anew)
        assert files(anew) == files(out)


def files(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_units_after_the_end_of_the_sound_are_refused():
    good = spoken("a", 0.5)
    late = Tier("phones", [Segment(0.1, 0.2, "a"), Segment(0.5, 0.6, "b")])
    corpus = Corpus.of([Utterance("a", good.audio, tiers={"phones": late})])
    with pytest.raises(AnnotationError, match=r"utterance 'a': 'b' ends at 0\.600 s, its sound at 0\.500 s"):
        extract(Echo(), corpus)


def test_an_error_names_the_utterance_and_keeps_its_kind():
    def source():
        raise AudioError("a file that means nothing", expected="sound", cause="chance", fix="copy it")

    with pytest.raises(AudioError, match=r"^utterance 'u': a file .*sound.*chance.*copy it") as caught:
        extract(Echo(), Corpus("one", {"u": source}))
    assert caught.value.fix == "copy it"


def test_a_file_that_may_not_be_read():
    def source():
        raise PermissionError(13, "Permission denied")

    with pytest.raises(AudioError, match=r"utterance 'u' cannot be read: Permission denied"):
        extract(Echo(), Corpus("one", {"u": source}))


def test_states_that_are_not_finite_are_refused():
    class Broken(Echo):
        def states(self, heard):
            states = super().states(heard)
            for state, wave in zip(states, heard, strict=True):
                state[1, :, 0] = np.inf if len(wave) > 0.4 * RATE else 0
            return states

    corpus = noise_corpus(4, 0.35)
    with pytest.raises(ModelError, match=r"'s\d/u00\d': NaN or infinite values from layer 1 on.*float32"):
        extract(Broken(), corpus)
    reps = extract(Broken(), corpus, on_bad="skip")
    assert reps.meta["utterances"] == reps.units["utterance"].nunique() == 1
    tier = Tier("words", [Segment(0.0, 0.3, "she"), Segment(0.3, 1.0, "had")])
    two = Corpus.of([Utterance("two", Sound(sound(RATE), RATE), tiers={"words": tier})])
    sliced = extract(Broken(), two, unit="words", pool="slice", on_bad="skip")
    assert sliced.units["label"].tolist() == ["she"]
    assert (sliced.meta["utterances"], sliced.meta["skipped"]) == (1, 1)


def test_bad_words_of_a_corpus_do_not_end_a_run_that_skips():
    def source():
        raise SpeechInterpError("broken")

    utterances = {"a": source, "b": lambda: spoken("b", 0.5), "c": source}
    reps = extract(Echo(), Corpus("three", utterances), on_bad="skip")
    assert set(reps.units["utterance"]) == {"b"}
    assert reps.meta["skipped"] == 2


def test_repairs_are_told_once_for_each_file(tmp_path):
    calls = []

    def source():
        calls.append(1)
        warnings.warn("repaired", RepairWarning, stacklevel=2)
        return spoken("a", 0.5)

    with pytest.warns(RepairWarning) as told:
        extract(Echo(), Corpus("one", {"a": source}))
    assert len(told) == len(calls) == 1

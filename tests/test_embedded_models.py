"""The trained models that come with the package do what their cards say, on voices they have not heard."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from speechinterp import Corpus, SpeechModel, extract, load_corpus, load_model, probe
from speechinterp.embedded import data_folder, embedded_folder, embedded_models
from speechinterp.errors import ModelError
from speechinterp.lenses.edits import distance
from speechinterp.representations import AcousticFeatures, common_units


def error_rate(model: SpeechModel, corpus: Corpus, said: list[list[str]]) -> float:
    written = model.transcribe(list(corpus))
    apart = [list(t) if model.vocabulary.kind == "letters" else t.split() for t in written]
    return sum(distance(s, w) for s, w in zip(said, apart, strict=True)) / sum(map(len, said))


def spelt(model: SpeechModel, *, silenced: bool) -> tuple[float, float]:
    """How often a homophone is spelt by its cue, and how often the other way."""
    found = []
    for utterance in load_corpus("demo?type=homophone"):
        sound = utterance.waveform(model.sample_rate).copy()
        (cue,) = utterance.tier("cue")
        if silenced:
            sound[round(cue.start * model.sample_rate) : round(cue.end * model.sample_rate)] = 0
        words, right = model.transcribe(sound).split(), utterance.meta["target"]
        (other,) = set(str(utterance.meta["homophones"]).split("/")) - {right}
        found.append((right in words, other in words))
    right, other = np.mean(found, axis=0)
    return float(right), float(other)


@pytest.mark.long
def test_wav2vec2_spells_what_unseen_voices_say() -> None:
    model, corpus = load_model("demo/wav2vec2"), load_corpus("demo")
    assert error_rate(model, corpus, [list(str(u.transcript)) for u in corpus]) <= 0.1
    assert not model.pre_norm


@pytest.mark.long
def test_phones_of_unseen_voices_are_heard() -> None:
    model, corpus = load_model("demo/wav2vec2-phones"), load_corpus("demo")
    assert error_rate(model, corpus, [[p.label for p in u.tier("phones")] for u in corpus]) <= 0.1


@pytest.mark.long
def test_whisper_writes_what_unseen_voices_say() -> None:
    model, corpus = load_model("demo/whisper"), load_corpus("demo")
    assert error_rate(model, corpus, [str(u.transcript).split() for u in corpus]) <= 0.1


@pytest.mark.long
@pytest.mark.parametrize(("name", "least"), [("demo/wav2vec2", 0.95), ("demo/whisper", 0.9)])
def test_homophones_are_spelt_by_their_cue_and_by_chance_without_it(name: str, least: float) -> None:
    model = load_model(name)
    assert spelt(model, silenced=False)[0] >= least
    right, other = spelt(model, silenced=True)
    assert abs(right - other) <= 0.25  # two standard errors of 64 tosses


@pytest.mark.long
def test_every_slot_of_a_command_is_understood() -> None:
    model, corpus = load_model("demo/commands"), load_corpus("demo?type=command")
    names = [model.module.config.id2label[n] for n in range(model.module.config.num_labels)]
    right = {"action": 0, "object": 0, "place": 0}
    for utterance in corpus:
        logits = model.logits(model.prepare([utterance]))[0].tolist()
        for slot in right:
            options = {
                n.partition("=")[2]: x for n, x in zip(names, logits, strict=True) if n.startswith(slot + "=")
            }
            right[slot] += max(options, key=options.__getitem__) == utterance.meta[slot]
    assert min(right.values()) >= 0.97 * len(corpus)


@pytest.mark.long
@pytest.mark.parametrize("name", ["demo/wav2vec2-phones", "demo/hubert"])
def test_layers_hold_more_of_phones_than_the_random_twin_and_the_sound(name: str) -> None:
    model, corpus = load_model(name), load_corpus("demo")
    encoders = {"none": model, "random-init": model.random_twin(1), "mfcc": AcousticFeatures("mfcc")}
    reps = common_units({key: extract(encoder, corpus, "phones") for key, encoder in encoders.items()})
    scores = probe(reps.pop("none"), probe="lda", baselines=reps)
    best = scores[scores.metric == "accuracy"].groupby("baseline").score.max()
    assert best["none"] - best["random-init"] >= 0.15
    assert best["none"] - best["mfcc"] >= 0.05


def test_hubert_is_the_other_half_of_the_adapters() -> None:
    model = load_model("demo/hubert")
    assert model.pre_norm
    assert model.module.config.feat_extract_norm == "layer"


def test_the_models_are_small() -> None:
    for name in embedded_models():
        folder = data_folder() / "models" / name.partition("/")[2]
        assert sum(path.stat().st_size for path in folder.iterdir()) < 8.5e6


def test_an_embedded_model_that_is_not_there_is_named() -> None:
    with pytest.raises(ModelError, match="demo/whisper"):
        load_model("demo/whispr")


def test_a_damaged_weight_file_names_itself_and_its_repair(tmp_path: Path) -> None:
    shutil.copytree(data_folder() / "models", tmp_path / "models")
    shutil.copy(data_folder() / "checksums.sha256", tmp_path)
    weights = tmp_path / "models/whisper/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match=r"models/whisper/model.safetensors is damaged") as caught:
        embedded_folder("models/whisper", tmp_path, ModelError)
    assert "git checkout -- data" in str(caught.value)

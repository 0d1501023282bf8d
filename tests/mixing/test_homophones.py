"""The word that decides a spelling: which measure gives it, on embedded models whose answer was measured by cutting."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import speechinterp as si
from speechinterp.errors import MixingError
from speechinterp.mixing import best_layers, deciding_token, find_cue, planted, remove_words
from speechinterp.segments import Segment, Tier


@pytest.fixture(scope="module")
def corpus():
    return si.load_corpus("demo?type=homophone")


@pytest.fixture(scope="module")
def ctc():
    return si.load_model("demo/wav2vec2", device="cpu")


@pytest.fixture(scope="module")
def whisper():
    return si.load_model("demo/whisper", device="cpu")


@pytest.fixture(scope="module")
def of_ctc(ctc, corpus):
    return find_cue(ctc, corpus["aunty/homophone-01"])


@pytest.fixture(scope="module")
def of_whisper(whisper, corpus):
    return find_cue(whisper, corpus["aunty/homophone-01"])


def test_target_and_cue_are_those_of_the_corpus(corpus) -> None:
    utterance = corpus["aunty/homophone-01"]
    target, cue = planted(utterance)
    assert target.label == utterance.meta["target"]
    assert [cue] == list(utterance.tier("cue"))
    own = Segment(target.start, target.end, "other")
    assert planted(replace(utterance, tiers={**utterance.tiers, "target": Tier("target", [own])}))[0] == own


def test_without_a_planted_answer_it_says_what_is_missing(corpus) -> None:
    sentence = next(iter(si.load_corpus("demo?type=sentence")))
    with pytest.raises(MixingError, match="0 cues and 0 targets"):
        planted(sentence)
    utterance = corpus["aunty/homophone-01"]
    with pytest.raises(MixingError, match="1 cues and 0 targets"):
        planted(replace(utterance, meta={}))


def test_the_deciding_token_is_the_first_that_differs(whisper, corpus) -> None:
    for utterance in corpus[:4]:
        number, other = deciding_token(whisper, utterance)
        right = utterance.meta["target"]
        (wrong,) = set(utterance.meta["homophones"].split("/")) - {right}
        inputs = []
        for text in (utterance.transcript, utterance.transcript.replace(f" {right}", f" {wrong}", 1)):
            mix = si.mixing.attention(whisper, utterance, where="decoder", tokens=text)
            inputs.append(list(mix.attrs["tokens"]))
        assert inputs[0][:number] == inputs[1][:number]
        assert inputs[0][number] != inputs[1][number] == other
    assert deciding_token(whisper, replace(utterance, meta={"target": right})) is None


def test_scores_are_those_of_the_maps(ctc, whisper, corpus, of_ctc, of_whisper) -> None:
    utterance = corpus["aunty/homophone-01"]
    target, cue = planted(utterance)
    labels = [word.label for word in utterance.tier("words")]
    mix = si.mixing.value_zeroing(ctc, utterance)
    row = mix.isel(target=labels.index(target.label), source=slice(len(labels))).values
    row[:, labels.index(target.label)] = 0
    share = row[:, labels.index(cue.label)] / row.sum(-1)
    rows = of_ctc[of_ctc.measure == "value zeroing"].sort_values("layer")
    np.testing.assert_allclose(rows.share, share, rtol=1e-6)
    np.testing.assert_array_equal(rows.top, row.argmax(-1) == labels.index(cue.label))

    number, _ = deciding_token(whisper, utterance)
    sound = si.mixing.attention(whisper, utterance, where="cross", tokens=utterance.transcript)
    heard = sound.isel(target=number - 1, source=slice(len(labels))).values
    heard[:, labels.index(target.label)] = 0
    rows = of_whisper[(of_whisper.measure == "attention") & (of_whisper.attention == "sound")]
    share = heard[:, labels.index(cue.label)] / heard.sum(-1)
    np.testing.assert_allclose(rows.sort_values("layer").share, share, rtol=1e-5)


def test_every_measure_that_fits_is_asked_in_every_layer(ctc, whisper, of_ctc, of_whisper) -> None:
    assert set(of_ctc.attention) == {"encoder"}
    assert set(of_ctc.measure) == set(si.mixing.homophones.ENCODER_MEASURES)
    assert (of_ctc.groupby("measure").size() == ctc.n_layers).all()
    joint = of_whisper[of_whisper.attention == "decoder"]
    assert set(joint.measure) == {"value zeroing", "attention", "attention-norm", "Chefer"}
    assert "Chefer" not in set(of_whisper[of_whisper.attention == "encoder"].measure)
    assert set(of_whisper.attention) == {"encoder", "decoder", "sound", "text"}


def test_value_zeroing_finds_the_cue_where_cutting_finds_it(of_ctc, of_whisper) -> None:
    zeroing = of_ctc[of_ctc.measure == "value zeroing"].set_index("layer")
    assert zeroing.top.iloc[-1] == 1
    assert of_ctc[of_ctc.measure == "rollout"].top.max() == 0
    joint = of_whisper[(of_whisper.attention == "decoder") & (of_whisper.measure == "value zeroing")]
    assert joint.set_index("layer").top[0] == 1


def test_without_its_cue_a_spelling_is_lost(ctc, whisper, corpus) -> None:
    utterance = corpus["aunty/homophone-01"]
    for model in (ctc, whisper):
        table = remove_words(model, utterance)
        assert len(table) == len(utterance.tier("words")) - 1
        assert table.is_cue.sum() == 1
    assert table.loc[table.log_drop.idxmax(), "is_cue"]
    assert table.log_drop.max() > 3
    unknown = replace(utterance, meta={"target": utterance.meta["target"]})
    assert len(remove_words(whisper, unknown)) == len(table)


def test_without_another_spelling_all_tokens_of_the_target_count(whisper, corpus, of_whisper) -> None:
    utterance = corpus["aunty/homophone-01"]
    table = find_cue(whisper, replace(utterance, meta={"target": utterance.meta["target"]}))
    assert len(table) == len(of_whisper)
    assert np.isfinite(table.share).all()


def test_best_layers_choose_alike_for_model_and_twin() -> None:
    rows = [
        ("none", "encoder", "good", 0, 0.2, 0.1, 0.3), ("none", "encoder", "good", 1, 0.9, 0.8, 1.0),
        ("random-init", "encoder", "good", 0, 0.3, 0.2, 0.5), ("random-init", "encoder", "good", 1, 0.1, 0.0, 0.2),
        ("none", "encoder", "lucky", 0, 0.9, 0.85, 1.0), ("random-init", "encoder", "lucky", 0, 0.8, 0.7, 0.9),
    ]  # fmt: skip
    columns = ["baseline", "attention", "measure", "layer", "mean", "ci_low", "ci_high"]
    summary = best_layers(pd.DataFrame(rows, columns=columns).assign(chance=0.15)).set_index("measure")
    assert summary.loc["good", ["layer", "mean", "random_init", "random_high"]].tolist() == [1, 0.9, 0.3, 0.5]
    assert summary.finds_the_cue.to_dict() == {"good": "yes", "lucky": "no"}


def test_of_a_ctc_head_the_odds_of_two_spellings_count(ctc, corpus) -> None:
    utterance = corpus["aunty/homophone-03"]
    target, cue = planted(utterance)
    table = remove_words(ctc, utterance)
    inputs = ctc.prepare([utterance])
    at = torch.arange(inputs.values.shape[-1], dtype=torch.float64) / ctc.sample_rate
    deep = (
        torch.minimum(at - cue.start, cue.end - at).clamp(0, 0.005) / 0.005
    )  # 5 ms of a raised cosine at both edges
    quiet = inputs.values * (0.5 + 0.5 * torch.cos(torch.pi * deep)).float()
    other = next(word for word in utterance.meta["homophones"].split("/") if word != target.label)
    bound = [si.targets.ctc(word, span=target).bind(ctc, utterance) for word in (target.label, other)]
    sounds = (inputs, replace(inputs, values=quiet))
    odds = [[each.scores_of(sound).item() for each in bound] for sound in sounds]
    fall = (odds[0][0] - odds[0][1]) - (odds[1][0] - odds[1][1])
    assert table[table.is_cue].log_drop.item() == pytest.approx(fall, abs=1e-3)
    without = remove_words(ctc, replace(utterance, meta={"target": target.label}))
    assert not np.allclose(without.log_drop, table.log_drop)
    assert np.allclose(without["drop"], table["drop"])

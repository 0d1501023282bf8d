"""Faithfulness and blankout against one run of the model for each thing that is taken away."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from mixing.common import TOKENS, UNITS, exact_model, wave
from tiny import FAMILIES

import speechinterp as si
from speechinterp.errors import MixingError
from speechinterp.models import Inputs, Tap
from speechinterp.segments import Segment

FOUR = [
    Segment(0.02, 0.10, "a"),
    Segment(0.10, 0.18, "b"),
    Segment(0.18, 0.26, "c"),
    Segment(0.26, 0.36, "d"),
]


def frames_of(model, units):
    times = model.frames(wave()).times
    return [[i for i, t in enumerate(times) if s.start <= round(t, 9) < s.end] for s in units]


def cosine_distance(a, b):
    return 1 - float(a @ b / (a.norm() * b.norm()))


def change_without(model, layer, sources, target):
    """Zero the values of some frames in one layer, and compare what comes out at the target's frames."""
    plain = model.encode(model.prepare([wave()]))[0]

    def zero(value):
        value = value.clone()
        value[:, sources] = 0
        return value

    with model.intervene({Tap(layer, "value"): zero}):
        changed = model.encode(model.prepare([wave()]))[0]
    return np.mean([cosine_distance(plain[i], changed[i]) for i in target])


@torch.no_grad()
@pytest.mark.parametrize("name", FAMILIES)
def test_faithfulness_is_what_happens_without_the_sources(name):
    model = exact_model(name)
    maps = {
        "attention": si.mixing.attention(model, wave(), FOUR),
        "vz": si.mixing.value_zeroing(model, wave(), FOUR),
    }
    table = si.mixing.faithfulness(model, wave(), maps, FOUR)
    assert len(table) == 2 * 3 * 4
    frames = frames_of(model, FOUR)
    for row in table[(table.layer == 1) & (table.target == 2)].itertuples():
        change = {j: change_without(model, 1, frames[j], frames[2]) for j in (0, 1, 3)}
        scores = maps[row.measure].sel(layer=1).values[2]
        first = max(change, key=lambda j: scores[j])
        assert row.top == pytest.approx(change[first], abs=1e-9)
        assert row.random == pytest.approx(np.mean(list(change.values())), abs=1e-9)
        assert row.gain == pytest.approx(row.top - row.random)
        assert row.best == pytest.approx(max(change.values()))
        assert row.beaten == pytest.approx((sum(c < change[first] for c in change.values()) + 0.5) / 3)


@torch.no_grad()
def test_several_sources_are_taken_away_together():
    model = exact_model("hubert")
    maps = {"vz": si.mixing.value_zeroing(model, wave(), FOUR)}
    table = si.mixing.faithfulness(model, wave(), maps, FOUR, k=2)
    frames = frames_of(model, FOUR)
    row = table[(table.layer == 0) & (table.target == 1)].iloc[0]
    change = {
        pair: change_without(model, 0, frames[pair[0]] + frames[pair[1]], frames[1])
        for pair in itertools.combinations((0, 2, 3), 2)
    }
    scores = maps["vz"].sel(layer=0).values[1]
    top = tuple(sorted(sorted((0, 2, 3), key=lambda j: -scores[j])[:2]))
    assert row.top == pytest.approx(change[top], abs=1e-9)
    assert row.random == pytest.approx(np.mean(list(change.values())), abs=1e-9)


@torch.no_grad()
def test_the_measure_that_knows_the_answer_beats_all_and_its_opposite_none():
    model = exact_model("wav2vec2-pre-ctc")
    oracle = si.mixing.value_zeroing(model, wave(), FOUR)
    frames = frames_of(model, FOUR)
    for layer, i, j in itertools.product(range(3), range(4), range(4)):
        if i != j:
            oracle.values[layer, i, j] = change_without(model, layer, frames[j], frames[i])
    maps = {"oracle": oracle, "opposite": -oracle}
    table = si.mixing.faithfulness(model, wave(), maps, FOUR)
    best = table[table.measure == "oracle"]
    assert (best.top == best.best).all()
    assert (best.gain > 0).all()
    assert (table[table.measure == "opposite"].gain < 0).all()
    by_head = si.mixing.faithfulness(model, wave(), maps, FOUR, output="head")
    assert (by_head.top >= 0).all()
    assert not np.allclose(by_head.top, table.top)


def test_random_sets_are_drawn_by_the_seed_and_never_hold_the_target():
    model = exact_model("hubert")
    six = [Segment(0.02 + 0.055 * i, 0.02 + 0.055 * (i + 1), str(i)) for i in range(6)]
    maps = {"attention": si.mixing.attention(model, wave(), six)}
    one, again, other = (
        si.mixing.faithfulness(model, wave(), maps, six, k=2, n_random=4, seed=seed) for seed in (0, 0, 1)
    )
    assert one.equals(again)
    assert not one.random.equals(other.random)
    assert one.top.equals(other.top)


def test_maps_and_units_must_fit():
    model = exact_model("hubert")
    maps = {"attention": si.mixing.attention(model, wave(), FOUR)}
    with pytest.raises(MixingError, match="other units"):
        si.mixing.faithfulness(model, wave(), maps, UNITS)
    with pytest.raises(MixingError, match="k=3 of 4 units"):
        si.mixing.faithfulness(model, wave(), maps, FOUR, k=3)
    with pytest.raises(MixingError, match="no CTC head"):
        si.mixing.faithfulness(model, wave(), maps, FOUR, output="head")
    with pytest.raises(MixingError, match="output 'words'"):
        si.mixing.faithfulness(model, wave(), maps, FOUR, output="words")


# blankout


def silent(start, end, sound=None):
    """Return the sound with a stretch faded out over 5 ms, sample by sample."""
    sound = wave().astype(float) if sound is None else sound
    for n in range(len(sound)):
        depth = min(n / 16000 - start, end - n / 16000)
        if depth > 0:
            sound[n] *= 0.5 + 0.5 * np.cos(np.pi * min(1.0, depth / 0.005))
    return sound.astype(np.float32)


def without(model, start, end):
    """Return the model's input with a stretch silenced; the scale stays that of the whole sound."""
    plain = model.prepare([wave()])
    if plain.values.ndim == 3:
        return model.prepare([silent(start, end)])
    scaled = (wave() - wave().mean()) / np.sqrt(wave().var() + 1e-7)
    return Inputs(torch.tensor(silent(start, end, scaled))[None].double(), plain.n_samples, plain.n_frames)


@torch.no_grad()
@pytest.mark.parametrize("name", ["wav2vec2-pre-ctc", "wavlm", "whisper"])
def test_blankout_compares_the_states_of_two_runs(name):
    model = exact_model(name)
    mix = si.mixing.blankout(model, wave(), FOUR)
    assert mix.shape == (3, 4, 4)
    assert mix.sum("source").values == pytest.approx(np.ones((3, 4)))
    frames = frames_of(model, FOUR)
    taps = [Tap(layer, "residual") for layer in (1, 2, 3)]
    runs = []
    for inputs in (model.prepare([wave()]), without(model, 0.10, 0.18)):
        with model.record(taps) as record:
            model.encode(inputs)
        runs.append([record[tap][0] for tap in taps])
    for layer in range(3):
        for i in range(4):
            turned = np.mean([cosine_distance(runs[0][layer][f], runs[1][layer][f]) for f in frames[i]])
            assert mix.values[layer, i, 1] * mix.amount.values[layer, i] == pytest.approx(turned, abs=1e-6)


def test_a_unit_changes_most_by_its_own_silence():
    mix = si.mixing.blankout(exact_model("wav2vec2-pre-ctc"), wave(), FOUR)
    assert (mix.values[0].argmax(1) == np.arange(4)).all()


@torch.no_grad()
def test_the_drop_is_measured_at_the_target():
    model = exact_model("wav2vec2-pre-ctc")
    table = si.mixing.blankout_drop(model, wave(), FOUR, target="c")
    assert table.label.tolist() == ["a", "b", "c", "d"]
    frames = frames_of(model, FOUR)[2]
    inputs = model.prepare([wave()])
    plain = model.logits(inputs)[0].softmax(-1)
    best = plain[frames].argmax(-1)
    spoken = [k for k in range(len(frames)) if best[k] != 0] or range(len(frames))
    after = model.logits(without(model, 0.10, 0.18))[0].softmax(-1)
    drops = [float(plain[frames[k], best[k]] - after[frames[k], best[k]]) for k in spoken]
    assert table["drop"][1] == pytest.approx(np.mean(drops), abs=1e-5)
    assert table.max_drop[1] == pytest.approx(max(drops), abs=1e-5)


@torch.no_grad()
def test_the_drop_of_a_token_is_that_of_its_probability():
    model = exact_model("whisper")
    table = si.mixing.blankout_drop(model, wave(), FOUR, target=3, stack="decoder", tokens=TOKENS)
    runs = [
        model.logits(model.prepare([sound]), torch.tensor([TOKENS]))[0, 2].log_softmax(-1)[TOKENS[3]]
        for sound in (wave(), silent(0.26, 0.36))
    ]
    assert table.log_drop[3] == pytest.approx(float(runs[0] - runs[1]), abs=1e-5)
    assert table["drop"][3] == pytest.approx(float(runs[0].exp() - runs[1].exp()), abs=1e-5)


def test_a_model_that_writes_nothing_has_no_drop():
    with pytest.raises(MixingError, match="no CTC head"):
        si.mixing.blankout_drop(exact_model("hubert"), wave(), FOUR, target="c")

"""Sweeps: the curve of every edit, each sound run once, and targets that move with stretched speech."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from attribution.games import RATE, wave
from tiny import shared_model

import speechinterp as si
from speechinterp.attribution import sweeps
from speechinterp.attribution.sweeps import edited, sweep
from speechinterp.errors import AttributionError

ALL = si.targets.label("all", scale="logit")
X = wave(20)


def test_scores_are_those_of_the_edited_sounds_and_no_sound_is_run_twice(monkeypatch):
    model = shared_model("hubert-pre-class")
    run = []
    logits = model.logits
    monkeypatch.setattr(
        model, "logits", lambda inputs, *a: run.append(tuple(inputs.values.shape)) or logits(inputs, *a)
    )
    table = sweep(model, X, target=ALL, edits={"pitch": [-2, 0, 3, 3], "noise": [10, math.inf]})
    assert len(run) == 4 == table.attrs["n_passes"]
    assert table.groupby("edit").strength.nunique().to_dict() == {"pitch": 3, "noise": 2}
    plain = table[(table.edit == "pitch") & (table.strength == 0)]
    assert (plain.change == 0).all()
    with torch.no_grad():
        sound = edited("pitch", 3.0, X, RATE, 0)
        expected = logits(model.prepare([sound]))[0].double().numpy()
    assert table[(table.edit == "pitch") & (table.strength == 3)].score.values == pytest.approx(
        expected, abs=1e-5
    )
    noisy = table[(table.edit == "noise") & (table.strength == 10)]
    assert noisy.change.values == pytest.approx(noisy.score.values - plain.score.values)


def test_a_target_at_a_time_moves_with_stretched_speech(monkeypatch):
    moves = []
    bind = sweeps.bind

    def bound(*args):
        found = bind(*args)
        moved = type(found).moved
        monkeypatch.setattr(
            type(found),
            "moved",
            lambda self, where, n: moves.append((where(0.3), n)) or moved(self, where, n),
        )
        return found

    monkeypatch.setattr(sweeps, "bind", bound)
    target = si.targets.hidden(si.Tap(1, "residual"), 3, span=(0.3, 0.4))
    sweep(shared_model("hubert"), X, target=target, edits={"stretch": [1.5], "pitch": [2]})
    assert moves == [(pytest.approx(0.45), round(1.5 * len(X)))]


def test_the_same_noise_and_the_same_room_at_every_strength():
    weak, strong = (edited("noise", snr, X, RATE, 1) - X for snr in (20.0, 0.0))
    assert strong == pytest.approx(10 * weak, abs=1e-5)
    assert (edited("reverberation", 0.4, X, RATE, 1) == edited("reverberation", 0.4, X, RATE, 1)).all()


def test_the_default_grid_has_no_duplicates(monkeypatch):
    made = []
    monkeypatch.setattr(sweeps, "edited", lambda *args: made.append(args[:2]) or X)
    table = sweep(shared_model("hubert-pre-class"), X, target=ALL)
    assert len(made) == len(set(made)) == table.attrs["n_passes"] - 1
    assert set(table.unit) == {"semitones", "factor", "dB", "s"}
    assert np.isfinite(table.score).all()


@pytest.mark.parametrize(
    ("edits", "match"),
    [({"echo": [1]}, "edit echo"), ({}, "no edit"), ({"pitch": [math.nan]}, "not a number")],
)
def test_bad_edits_are_refused(edits, match):
    with pytest.raises(AttributionError, match=match):
        sweep(shared_model("hubert-pre-class"), X, target=ALL, edits=edits)

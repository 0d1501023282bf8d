"""Spaces: the point scores as the sound does, and a spectrogram goes back to its sound."""

from __future__ import annotations

import torch
from attribution.slopes_of import heard, target
from tiny import shared_model

from speechinterp.attribution.slopes import opened_space


def test_the_score_of_the_point_is_that_of_the_sound(opened):
    with torch.no_grad():
        here = opened.scores(opened.point[None])
        there = opened.bound.scores(opened.sound[None])
    assert torch.allclose(here, there, atol=1e-4)


def test_a_spectrogram_is_inverted_exactly():
    space = opened_space(shared_model("wav2vec2-pre-ctc"), heard(), target(), "spectrogram")
    spectrum = torch.polar(space.point, torch.angle(space.transform(space.sound)))
    assert (space.inverse(spectrum[None])[0] - space.sound).abs().max() < 1e-6

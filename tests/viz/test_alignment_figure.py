"""The figure of an alignment."""

from __future__ import annotations

import pytest

import speechinterp as si
from speechinterp.errors import AlignmentError
from speechinterp.viz import plot_alignment

UTTERANCE = si.load_corpus("demo")["aunty/homophone-01"]
FOUND = {
    name: si.Tier(name, [si.Segment(s.start, s.end, s.label) for s in UTTERANCE.tiers[name]])
    for name in ("words", "phones")
}


def labels(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_it_shows_sound_and_both_tiers_on_one_time_axis() -> None:
    figure = plot_alignment(UTTERANCE, FOUND)
    wave, spectrogram, *tiers = figure.axes
    assert [ax.get_ylabel() for ax in tiers] == [
        "words, gold",
        "words, found",
        "phones, gold",
        "phones, found",
    ]
    assert labels(tiers[0]) == labels(tiers[1]) == UTTERANCE.tiers["words"].labels
    assert tiers[-1].get_xlabel() == "Time (s)"
    assert spectrogram.get_ylabel() == "Frequency (kHz)"
    assert wave.get_xlim() == tiers[-1].get_xlim() == (0, UTTERANCE.duration)
    (image,) = spectrogram.images
    assert image.get_extent() == pytest.approx([0, UTTERANCE.duration, 0, 8], abs=1e-3)


def test_tones_appear_where_they_are() -> None:
    """A tone of 2 kHz in the second half of a second."""
    import numpy as np

    from speechinterp.audio import Sound

    time = np.arange(16000) / 16000
    wave = np.where(time >= 0.5, np.sin(2 * np.pi * 2000 * time), 0) + 1e-4 * np.random.default_rng(0).normal(
        size=16000
    )
    sound = si.Utterance("a", Sound(wave.astype(np.float32), 16000))
    figure = plot_alignment(sound, {"words": si.Tier("words", [si.Segment(0.5, 1, "x")])})
    level = figure.axes[1].images[0].get_array()
    kilohertz = np.linspace(0, 8, len(level))
    quarter = level.shape[1] // 4
    assert kilohertz[level[:, 3 * quarter].argmax()] == pytest.approx(2, abs=0.1)
    assert level[:, quarter].max() < level[:, 3 * quarter].max() - 30


def test_a_stretch_can_be_chosen_and_an_empty_one_is_refused() -> None:
    figure = plot_alignment(UTTERANCE, FOUND, 0.5, 1.0)
    assert figure.axes[0].get_xlim() == (0.5, 1.0)
    assert "bench" not in labels(figure.axes[2])
    with pytest.raises(AlignmentError, match=r"stretch from 1\.0 s to 0\.5 s"):
        plot_alignment(UTTERANCE, FOUND, 1.0, 0.5)


def test_strange_labels_are_drawn_as_they_are() -> None:
    odd = {"words": si.Tier("words", [si.Segment(0.2, 0.6, "$x_{$<b>"), si.Segment(0.7, 0.8, "")])}
    figure = plot_alignment(UTTERANCE, odd)
    figure.canvas.draw_idle()
    figure.draw_without_rendering()
    assert labels(figure.axes[3]) == ["$x_{$<b>"]

"""A sound plays in a notebook."""

from __future__ import annotations

import io
import re
from base64 import b64decode

import numpy as np
import soundfile

from speechinterp import Segment, Tier, Utterance
from speechinterp.audio import Sound, audio_html

TONE = (1.5 * np.sin(np.arange(800) / 5)).astype(np.float32)


def test_the_sound_is_within_the_page() -> None:
    html = audio_html(TONE, 16000, 'a "tone" <script>')
    assert "<script>" not in html
    data = re.search(r'src="data:audio/wav;base64,([^"]+)"', html).group(1)
    samples, rate = soundfile.read(io.BytesIO(b64decode(data)), dtype="float32")
    assert rate == 16000
    np.testing.assert_allclose(samples, np.clip(TONE, -1, 1), atol=1e-4)


def test_an_utterance_shows_what_is_said() -> None:
    words = Tier("words", [Segment(0, 0.02, "<b>"), Segment(0.02, 0.03, "")])
    html = Utterance("a/b", Sound(TONE, 16000), "ann", "say & hear", {"words": words})._repr_html_()
    assert Sound(TONE, 16000)._repr_html_() in html
    assert "a/b · ann · say &amp; hear · 0.05 s" in html
    assert "words: &lt;b&gt; ·" in html

"""A sound as an HTML player that needs no other file."""

from __future__ import annotations

import io
from base64 import b64encode
from html import escape

import numpy as np
import numpy.typing as npt

__all__ = ["audio_html"]


def audio_html(samples: npt.NDArray[np.float32], sample_rate: int, name: str) -> str:
    """Return a player for a web page or a notebook, the sound within it as 16-bit WAV.

    Parameters
    ----------
    samples
        The sound [shape=(samples,)]; what is beyond full scale is clipped.
    sample_rate
        In Hz.
    name
        What a screen reader says; escaped.
    """
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, np.clip(samples, -1, 1), sample_rate, format="WAV", subtype="PCM_16")
    data = b64encode(file.getvalue()).decode()
    return f'<audio controls preload="metadata" aria-label="{escape(name)}" src="data:audio/wav;base64,{data}"></audio>'

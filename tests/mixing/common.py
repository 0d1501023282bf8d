"""Sounds and units that the tests of mixing share."""

from __future__ import annotations

from tiny import sound, tiny_module

from speechinterp.models import SpeechModel
from speechinterp.segments import Segment

N_SAMPLES = 6000
UNITS = [Segment(0.02, 0.10, "a"), Segment(0.10, 0.20, "b"), Segment(0.26, 0.36, "c")]
TOKENS = [4, 7, 9, 20, 21]


def wave():
    return sound(N_SAMPLES)


def exact_model(name, **changes):
    """Return a tiny model in double precision."""
    return SpeechModel(tiny_module(name, **changes).double(), f"tiny/{name}", {"sampling_rate": 16000})


def columns(model, n_total, *, gap=True, pad=True):
    """Return the frames of every unit, of the gaps and of the padding, asking every frame in turn."""
    grid = model.frames(wave())
    units = [[i for i, t in enumerate(grid.times) if s.start <= round(t, 9) < s.end] for s in UNITS]
    taken = {i for unit in units for i in unit}
    free = [i for i in range(grid.n_frames) if i not in taken]
    padding = list(range(grid.n_frames, n_total))
    return units + ([free] if gap and free else []) + ([padding] if pad and padding else [])

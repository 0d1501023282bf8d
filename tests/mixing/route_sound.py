"""The sound that the tests of routes share, and which unit each of its frames belongs to."""

from __future__ import annotations

from speechinterp.segments import Segment

N = 2800
UNITS = [Segment(0.0, 0.04, "one"), Segment(0.04, 0.08, "rose"), Segment(0.1, 0.17, "lay")]
TOKENS = [4, 7, 9, 30]


def frame_units(model):
    """Say which unit every frame of the encoder belongs to, the gap and the padding last."""
    grid = model.frames(N)
    n = model.family.config.max_source_positions if model.family.max_samples else grid.n_frames
    units = []
    for i in range(n):
        here = [u for u, s in enumerate(UNITS) if i < grid.n_frames and s.start <= grid.times[i] < s.end]
        units.append(here[0] if here else ("gap" if i < grid.n_frames else "pad"))
    names = [name for name in ("gap", "pad") if name in units]
    return [len(UNITS) + names.index(u) if isinstance(u, str) else u for u in units]

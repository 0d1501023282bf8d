"""Slow oracles: written from the definitions, in loops, sharing no code with the package."""

from __future__ import annotations

from fractions import Fraction

import torch


def frames_in(
    a: Fraction, b: Fraction, rule: str, *, hop: int, receptive_field: int, offset: int, n_frames: int
) -> list[int]:
    """List the frames of the samples from `a` to `b`, asking every frame in turn what the rule says."""
    chosen = []
    for frame in range(n_frames):
        left = Fraction(offset + frame * hop)
        right = left + receptive_field
        centre = (left + right) / 2
        shared = min(b, right) - max(a, left)
        answer = {
            "centre": a <= centre < b,
            "overlap": shared > 0,
            "inside": a <= left and right <= b,
            "majority": shared > (right - left) / 2,
        }[rule]
        if answer:
            chosen.append(frame)
    return chosen


def nearest_frame(sample: Fraction, *, hop: int, receptive_field: int, offset: int, n_frames: int) -> int:
    """Measure the distance from `sample` to every centre; of two equally near, the later one."""
    best, least = 0, None
    for frame in range(n_frames):
        distance = abs(Fraction(2 * (offset + frame * hop) + receptive_field, 2) - sample)
        if least is None or distance <= least:
            best, least = frame, distance
    return best


def samples_that_reach(layers: list[tuple[int, int, int]], n_samples: int, frame: int) -> list[int]:
    """Run real convolutions whose weights are all 1, and list the samples with a gradient at `frame`.

    `layers` holds (kernel, stride, padding).
    """
    signal = torch.ones(1, 1, n_samples, dtype=torch.float64, requires_grad=True)
    output = _convolved(signal, layers)
    output[0, 0, frame].backward()
    assert signal.grad is not None
    return signal.grad[0, 0].nonzero().flatten().tolist()


def number_of_frames(layers: list[tuple[int, int, int]], n_samples: int) -> int:
    """Count what comes out of real convolutions; none where the sound is too short for them."""
    try:
        return _convolved(torch.ones(1, 1, n_samples), layers).shape[-1]
    except RuntimeError:
        return 0


def _convolved(signal: torch.Tensor, layers: list[tuple[int, int, int]]) -> torch.Tensor:
    for kernel, stride, padding in layers:
        weight = torch.ones(1, 1, kernel, dtype=signal.dtype)
        signal = torch.nn.functional.conv1d(signal, weight, stride=stride, padding=padding)
    return signal


def pooled(states: list, spans: list, pool: str, rule: str, **grid: int) -> list[dict]:
    """Pool the frames of spans in milliseconds, at 16 kHz, one number at a time; states[layer][frame][dimension]."""
    n_frames = len(states[0])
    times = [
        (2 * (grid["offset"] + i * grid["hop"]) + grid["receptive_field"]) / 32000 for i in range(n_frames)
    ]
    rows = []
    for unit, (start, end) in enumerate(spans):
        a, b = Fraction(16 * start), Fraction(16 * end)
        chosen = frames_in(a, b, rule, n_frames=n_frames, **grid)
        nearest = nearest_frame((a + b) / 2, n_frames=n_frames, **grid)
        groups = [chosen]
        if pool == "all":
            groups = [[frame] for frame in chosen]
        elif pool == "centre" or not chosen:
            groups = [[nearest]]
        for group in groups:
            vectors = []
            for layer in states:
                columns = zip(*(layer[frame] for frame in group), strict=True)
                summary = {"min": min, "max": max}.get(pool, lambda column: sum(column) / len(column))
                vectors.append([summary(column) for column in columns])
            time = sum(times[frame] for frame in group) / len(group)
            frames = len(group) if chosen else 0
            rows.append({"unit": unit, "frames": frames, "time": time, "vectors": vectors})
    return rows

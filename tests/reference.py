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


def ctc_paths(scores: list, symbols: list, blank: int) -> tuple[float, list[list[int]]]:
    """Return the best score of a path that says `symbols`, and all paths with it; scores[frame][symbol].

    Every frame in turn is given every state that the ones before allow, and each state keeps all its best paths.
    """
    states = [blank]
    for symbol in symbols:
        states += [symbol, blank]
    best: dict[int, tuple[float, list[list[int]]]] = {}
    for state in range(min(2, len(states))):
        best[state] = (scores[0][states[state]], [[states[state]]])
    for frame in scores[1:]:
        following: dict[int, tuple[float, list[list[int]]]] = {}
        for state, symbol in enumerate(states):
            sources = [state, state - 1]
            if symbol != blank and state >= 2 and states[state - 2] != symbol:
                sources.append(state - 2)
            known = [best[source] for source in sources if source in best]
            if known:
                top = max(score for score, _ in known)
                paths = [path for score, paths in known if score == top for path in paths]
                following[state] = (top + frame[symbol], [[*path, symbol] for path in paths])
        best = following
    ends = [best[state] for state in (len(states) - 1, len(states) - 2) if state in best]
    top = max(score for score, _ in ends)
    return top, [path for score, paths in ends if score == top for path in paths]


def ctc_score(scores: list, symbols: list, blank: int) -> float:
    """Return the best score of a path that says `symbols`, however many paths have it; scores[frame][symbol]."""
    states = [blank]
    for symbol in symbols:
        states += [symbol, blank]
    best = [scores[0][s] if at < 2 else float("-inf") for at, s in enumerate(states)]
    for frame in scores[1:]:
        following = []
        for at, symbol in enumerate(states):
            ways = [best[at]]
            if at >= 1:
                ways.append(best[at - 1])
            if at >= 2 and symbol not in (blank, states[at - 2]):
                ways.append(best[at - 2])
            following.append(max(ways) + frame[symbol])
        best = following
    return max(best[-2:])


def ctc_enumerated(scores: list, symbols: list, blank: int) -> float:
    """Return the best score of all labellings of the frames that collapse to `symbols`, tried one by one."""
    n_symbols, best = len(scores[0]), float("-inf")
    for number in range(n_symbols ** len(scores)):
        path = [number // n_symbols**frame % n_symbols for frame in range(len(scores))]
        said = [s for i, s in enumerate(path) if s != blank and (i == 0 or path[i - 1] != s)]
        if said == symbols:
            best = max(best, sum(frame[s] for frame, s in zip(scores, path, strict=True)))
    return best

"""Sweeps: how an output changes with the pitch, the rate, noise and the room of the whole utterance."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

import speechinterp
from speechinterp.attribution.opening import described, flat
from speechinterp.audio.effects import in_a_room, pitch_shifted, stretched
from speechinterp.audio.noise import at_snr
from speechinterp.corpora import Utterance
from speechinterp.errors import AttributionError, shortlist
from speechinterp.models import SpeechModel
from speechinterp.models.model import Heard
from speechinterp.models.targets import Target, bind

__all__ = ["STRENGTHS", "sweep"]

Floats = npt.NDArray[np.float32]
STRENGTHS: dict[str, tuple[float, ...]] = {
    "pitch": (-6, -4, -2, -1, 0, 1, 2, 4, 6),
    "stretch": (0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.4, 1.6),
    "noise": (-5, 0, 5, 10, 20, 30, math.inf),
    "reverberation": (0, 0.2, 0.4, 0.8, 1.6),
}
UNITS = {"pitch": "semitones", "stretch": "factor", "noise": "dB", "reverberation": "s"}
NEUTRAL = {"pitch": 0.0, "stretch": 1.0, "noise": math.inf, "reverberation": 0.0}


@torch.no_grad()
def sweep(
    model: SpeechModel,
    utterance: Heard,
    *,
    target: Target | Sequence[Target],
    edits: Mapping[str, Sequence[float]] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Edit an utterance as a whole, more and more, and follow an output.

    Parameters
    ----------
    model
        The model.
    utterance
        An utterance, or a waveform at the model's sample rate.
    target
        What is explained.
    edits
        Strengths of each edit; None for those of `STRENGTHS`. ``pitch`` in semitones (formants stay), ``stretch`` as
        a factor of the duration, ``noise`` as a signal-to-noise ratio in dB, ``reverberation`` as the time in which
        a room falls by 60 dB, in seconds.
    seed
        Of noise and room: the same noise at every ratio, the same reflections at every time.

    Returns
    -------
    pandas.DataFrame
        One row an edit, strength and output: `edit`, `strength`, `unit`, `target`, `score`, and `change` from the
        score of the utterance as it is. That one is in the curve of every edit and run once (``n_passes``).

    Raises
    ------
    AttributionError
        If there is no such edit, or a strength is out of its range.

    Notes
    -----
    Where speech is stretched, what a target reads at a time is read at the time to which it went.
    ``table.groupby(["edit", "target"]).change.mean()`` is the mean change over the grid, with the sign of the change.
    """
    chosen = dict(STRENGTHS if edits is None else edits)
    _check(chosen)
    bound = bind(target, model, utterance)
    wave = utterance.waveform(model.sample_rate) if isinstance(utterance, Utterance) else utterance
    samples, rate = np.asarray(wave, dtype=np.float32), model.sample_rate
    before = bound.scores(torch.from_numpy(samples)[None])[0].double().cpu().numpy()
    rows: list[tuple[Any, ...]] = []
    passes = 1
    for edit, strengths in chosen.items():
        for strength in sorted({float(s) for s in strengths} | {NEUTRAL[edit]}):
            after = before
            if strength != NEUTRAL[edit]:
                sound = edited(edit, strength, samples, rate, seed)
                model.check_sound(f"the utterance with {edit} {strength}", sound)
                at = bound if len(sound) == len(samples) else bound.moved(_scaled(strength), len(sound))
                after = at.scores(torch.from_numpy(sound)[None])[0].double().cpu().numpy()
                passes += 1
            rows += [
                (edit, strength, UNITS[edit], name, score, score - base)
                for name, score, base in zip(bound.names, after, before, strict=True)
            ]
    table = pd.DataFrame(rows, columns=["edit", "strength", "unit", "target", "score", "change"])
    id_ = utterance.id if isinstance(utterance, Utterance) else ""
    table.insert(0, "utterance", id_)
    table.attrs |= {
        "method": "sweep",
        "utterance": id_,
        "duration_s": len(samples) / rate,
        "seed": seed,
        "n_passes": passes,
        **described(model),
        **flat(bound.describe()),
        "version": speechinterp.__version__,
    }
    return table


def edited(edit: str, strength: float, samples: Floats, sample_rate: int, seed: int) -> Floats:
    """Return a sound with an edit of `STRENGTHS`."""
    random = np.random.default_rng(seed)
    if edit == "pitch":
        return pitch_shifted(samples, sample_rate, strength)
    if edit == "stretch":
        return stretched(samples, sample_rate, strength)
    if edit == "noise":
        return at_snr(samples, strength, random)
    return in_a_room(samples, sample_rate, strength, random)


def _scaled(factor: float) -> Callable[[float], float]:
    return lambda time: time * factor


def _check(edits: Mapping[str, Sequence[float]]) -> None:
    unknown = [edit for edit in edits if edit not in STRENGTHS]
    if unknown or not edits:
        raise AttributionError(
            f"edit {shortlist(unknown)}" if unknown else "no edit",
            expected=f"some of {', '.join(STRENGTHS)}",
            fix="edits={'pitch': [-2, 2]}",
        )
    for edit, strengths in edits.items():
        if any(math.isnan(s) for s in strengths):
            raise AttributionError(f"a strength of {edit} that is not a number", expected=f"{UNITS[edit]}")

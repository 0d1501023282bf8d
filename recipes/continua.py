"""Continua: a sentence of the embedded corpus that goes over from one form of its nasal to the other, in steps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import speechinterp as si
from speechinterp.audio import Sound

STEPS = np.linspace(0, 1, 11)
RATE, FADE = 16000, 160
COLOURS = {"silence": "#D55E00", "word": "#0072B2"}


def mixed(plain: si.Utterance, changed: si.Utterance) -> Iterator[si.Utterance]:
    """Yield the steps from one form to the other, before the next word and before silence."""
    a, b = plain.waveform(RATE), changed.waveform(RATE)
    (cue,) = plain.tier("cue")
    nasal = next(phone for phone in plain.tier("phones") if abs(phone.end - cue.start) < 1e-6)
    # 1, and to 0 as the nasal ends
    until = np.clip((round(nasal.end * RATE) - np.arange(len(a))) / FADE, 0, 1)
    for number, step in enumerate(STEPS):
        sound = a + step * until * (b[: len(a)] - a)
        for before, wave in (("word", sound), ("silence", sound * until)):
            yield si.Utterance(
                f"{plain.meta['pair']}/{before}-{number:02d}", Sound(wave.astype(np.float32), RATE), plain.speaker,
                tiers={"nasal": si.Tier("nasal", [nasal])}, meta={"to": plain.meta["assimilates_to"]},
            )  # fmt: skip


def drawn(means: pd.DataFrame) -> Figure:
    """Draw one panel a layer, one line for what comes next."""
    layers = sorted(means.layer.unique())
    figure = Figure(figsize=(2.3 * len(layers), 2.8), layout="constrained")
    for ax, layer in zip(figure.subplots(1, len(layers), sharey=True, squeeze=False)[0], layers, strict=True):
        for before, rows in means[means.layer == layer].groupby("before"):
            style = {"color": COLOURS[str(before)], "marker": "o", "markersize": 3}
            ax.errorbar(rows.step, rows["mean"], rows["sem"], label=f"before {before}", **style)
        ax.set(title=f"layer {layer}", ylim=(0, 1))
    figure.axes[0].set_ylabel("Probability of the assimilated nasal")
    figure.supxlabel("Share of the assimilated form", fontsize=10)
    figure.axes[0].legend(frameon=False, fontsize=8)
    return figure

"""Geometry of one recording: how many frames it has, what each of them sees, and how much is padding."""

from __future__ import annotations

import pandas as pd

import speechinterp as si


def frames_of(model: si.SpeechModel, utterance: si.Utterance) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return one row on the geometry, and one a frame."""
    grid, inputs = model.frames(utterance), model.prepare([utterance])
    padding, rate = model.encode(inputs).shape[1] - inputs.n_frames[0], grid.sample_rate
    about = {"seconds": utterance.duration, "sample_rate": rate, "frames": grid.n_frames, "padding": padding}
    about |= {"hop_ms": 1000 * grid.hop / rate, "receptive_field_ms": 1000 * grid.receptive_field / rate}
    about |= {
        "padding_share": padding / (padding + grid.n_frames),
        "layers": model.n_layers,
        "width": model.width,
    }
    rows = [(i, grid.times[i], *grid.seconds_of(i), "") for i in range(grid.n_frames)]
    table = pd.DataFrame(rows, columns=["frame", "centre", "sees_from", "sees_to", "word"])
    for word in utterance.tiers.get("words", ()):
        table.loc[list(grid.frames_in(word.start, word.end)), "word"] = word.label
    return pd.DataFrame([about]), table

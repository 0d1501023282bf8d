"""Sound on a page: every unit is a button that plays it, in the colour of its relevance."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape

import numpy as np
import numpy.typing as npt

from speechinterp.audio import audio_html
from speechinterp.errors import SpeechInterpError
from speechinterp.segments import Segment

__all__ = ["SCRIPT", "SCRIPT_HASH", "STYLE", "Player", "Row", "player_html"]

FOR, AGAINST = (178, 24, 43), (33, 102, 172)
STYLE = """
.player { margin: 1.2rem 0; }
.player audio { display: block; width: 100%; max-width: 40rem; margin: .4rem 0; }
.row { display: flex; flex-wrap: wrap; align-items: stretch; gap: .25rem; margin: .5rem 0; }
.row .name { flex: 1 0 100%; font-weight: 600; font-size: .9rem; }
.row button { font: inherit; line-height: 1.25; padding: .3rem .55rem; border: 1px solid #8a8a8a; border-radius: .3rem;
  background: #fff; color: #1c1c1c; cursor: pointer; text-align: center; }
.row button small { display: block; font-size: .72rem; font-variant-numeric: tabular-nums; }
.row button.playing { outline: 3px solid #e69f00; outline-offset: 1px; }
.row button:focus-visible { outline: 3px solid #1c1c1c; outline-offset: 1px; }
@media print { .player audio { display: none; } }
"""
SCRIPT = """
"use strict";
let context = null, source = null, pressed = null;
const known = new WeakMap();
function decoded(audio) {
  if (!known.has(audio)) {
    const bytes = Uint8Array.from(atob(audio.src.split(",")[1]), (letter) => letter.charCodeAt(0));
    known.set(audio, context.decodeAudioData(bytes.buffer));
  }
  return known.get(audio);
}
function stop() {
  if (source) { source.onended = null; source.stop(); source = null; }
  if (pressed) { pressed.classList.remove("playing"); pressed = null; }
}
async function play(button) {
  context = context || new AudioContext();
  stop();
  pressed = button;
  button.classList.add("playing");
  const sound = await decoded(button.closest(".player").querySelector("audio"));
  await context.resume();
  if (pressed !== button) return;
  const start = Number(button.dataset.start), seconds = Number(button.dataset.end) - start;
  source = context.createBufferSource();
  source.buffer = sound;
  source.connect(context.destination);
  source.onended = stop;
  source.start(0, start, seconds);
}
for (const button of document.querySelectorAll("button[data-start]")) {
  button.addEventListener("click", () => play(button));
}
"""
SCRIPT_HASH = b64encode(sha256(SCRIPT.encode()).digest()).decode()


@dataclass(frozen=True)
class Row:
    """Units in a row, one button each.

    Parameters
    ----------
    name
        What the row is about, such as a target.
    segments
        The units.
    values
        Their relevance, which colours the buttons; None for white ones.
    """

    name: str
    segments: Sequence[Segment]
    values: Sequence[float] | None = None


@dataclass(frozen=True, eq=False)
class Player:
    """A sound and rows of its units.

    Parameters
    ----------
    name
        What it is.
    samples
        The sound [shape=(samples,)].
    sample_rate
        In Hz.
    rows
        The units.
    more
        Further sounds by name, such as the sound gated by relevance.
    """

    name: str
    samples: npt.NDArray[np.float32]
    sample_rate: int
    rows: Sequence[Row] = ()
    more: Sequence[tuple[str, npt.NDArray[np.float32]]] = ()


def player_html(player: Player) -> str:
    """Return a player as HTML, all text of it escaped.

    Raises
    ------
    SpeechInterpError
        If a row has more or fewer values than units.
    """
    parts = [_audio(player.name, player.samples, player.sample_rate), *map(_row, player.rows)]
    parts += [_audio(name, samples, player.sample_rate) for name, samples in player.more]
    return f'<div class="player">{"".join(parts)}</div>'


def _audio(name: str, samples: npt.NDArray[np.float32], rate: int) -> str:
    return f"<p>{escape(name)}</p>{audio_html(samples, rate, name)}"


def _row(row: Row) -> str:
    values = [float("nan")] * len(row.segments) if row.values is None else list(row.values)
    if len(values) != len(row.segments):
        raise SpeechInterpError(
            f"{len(values)} values for {len(row.segments)} units of {row.name!r}",
            expected="one value a unit",
            fix="relevance.si.to_units(tier) of the same tier",
        )
    most = max((abs(value) for value in values if np.isfinite(value)), default=0.0) or 1.0
    buttons = "".join(_button(s, v, most) for s, v in zip(row.segments, values, strict=True))
    return f'<div class="row" role="group"><span class="name">{escape(row.name)}</span>{buttons}</div>'


def _button(segment: Segment, value: float, most: float) -> str:
    label, place = escape(segment.label), f"{segment.start:.3f}-{segment.end:.3f} s"
    times = f'data-start="{segment.start:.6f}" data-end="{segment.end:.6f}" title="{place}"'
    if not np.isfinite(value):
        return f'<button type="button" {times}>{label}</button>'
    red, green, blue, dark = _colour(value / most)
    digits = min(max(0, 2 - math.floor(math.log10(most))), 6)
    style = f"background: rgb({red}, {green}, {blue}); color: {'#fff' if dark else '#1c1c1c'}"
    shown = f"{value:+.{digits}f}" if round(value, digits) else "0"
    return f'<button type="button" {times} style="{style}">{label}<small>{shown}</small></button>'


def _colour(share: float) -> tuple[int, int, int, bool]:
    """Return red for what speaks for the target, blue for what speaks against it, white for nothing."""
    end = FOR if share > 0 else AGAINST
    red, green, blue = (round(255 + abs(share) * (part - 255)) for part in end)
    return red, green, blue, 0.2126 * red + 0.7152 * green + 0.0722 * blue < 140

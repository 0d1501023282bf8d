"""What the tests of taps share: the length of the sound, and a tap for every part."""

from __future__ import annotations

from speechinterp.models import Tap

N = 3000


def taps_of(model, stack="encoder", layer=1):
    """List a tap for every part."""
    outer = model.family.outer_sites(stack)
    return [Tap(None if part in outer else layer, part, stack=stack) for part in model.parts(stack)]

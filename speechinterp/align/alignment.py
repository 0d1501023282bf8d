"""Alignment: what every aligner returns, tiers by name with a record of how they were made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from speechinterp.segments import Tier

__all__ = ["Alignment", "AlignmentWarning"]


class AlignmentWarning(UserWarning):
    """An alignment was made, but there is reason not to trust it, or a part of it."""


class Alignment(dict[str, Tier]):
    """Tiers by name, ``words`` and, where they could be made, ``phones``.

    Parameters
    ----------
    tiers
        Whose segments carry a `score`.
    attrs
        What a result must record: model, weights, frame grid, text, and where pronunciations come from.
        ``confidence`` sums up how well text and sound go together: a natural log-probability ratio, 0 if the
        model hears nothing that it finds more probable than the text, and the lower the worse.
    """

    def __init__(self, tiers: Mapping[str, Tier], attrs: Mapping[str, Any] | None = None) -> None:
        super().__init__(tiers)
        self.attrs: dict[str, Any] = dict(attrs or {})

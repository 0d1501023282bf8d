"""Feature attribution: from an output back to the sound, with its faithfulness measured."""

from __future__ import annotations

__all__: list[str] = []

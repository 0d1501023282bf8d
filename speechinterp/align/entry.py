"""align: one entry for all models; CTC models and Whisper take different ways to the same tiers."""

from __future__ import annotations

from speechinterp.align.alignment import Alignment
from speechinterp.corpora.utterance import Utterance
from speechinterp.errors import ModelError
from speechinterp.models import SpeechModel

__all__ = ["align"]


def align(model: SpeechModel, utterance: Utterance, *, text: str | None = None) -> Alignment:
    """Align the words of an utterance with its sound.

    Parameters
    ----------
    model
        A CTC model or Whisper.
    utterance
        What to align; its own tiers give the words where it has no transcript, and never times.
    text
        What is said, in place of the transcript.

    Returns
    -------
    Alignment
        A dict of tiers: ``words``.
    """
    if model.family.has_decoder:
        from speechinterp.align.whisper import align_whisper

        return align_whisper(model, utterance, text)
    raise ModelError(f"{model.id} has no CTC head", expected="a CTC model or Whisper")

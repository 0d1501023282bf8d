"""Sound: reading, resampling, cutting, and acoustic features."""

from speechinterp.audio.features import log_mel, mfcc
from speechinterp.audio.read import Head, RepairWarning, duration_of, head_of, read_sound
from speechinterp.audio.sound import Sound

__all__ = ["Head", "RepairWarning", "Sound", "duration_of", "head_of", "log_mel", "mfcc", "read_sound"]

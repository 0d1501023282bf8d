"""Sound: reading, resampling, cutting, and acoustic features."""

from speechinterp.audio.features import log_mel, mfcc
from speechinterp.audio.listen import audio_html
from speechinterp.audio.read import Head, RepairWarning, duration_of, head_of, read_sound
from speechinterp.audio.sound import Sound
from speechinterp.audio.tracks import TRACKS, energy, formants, pitch, track

__all__ = [
    "TRACKS",
    "Head",
    "RepairWarning",
    "Sound",
    "audio_html",
    "duration_of",
    "energy",
    "formants",
    "head_of",
    "log_mel",
    "mfcc",
    "pitch",
    "read_sound",
    "track",
]

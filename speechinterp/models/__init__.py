"""Speech models: one set of names for wav2vec 2.0, HuBERT, data2vec-audio, WavLM and Whisper."""

from speechinterp.models.check import check_model
from speechinterp.models.family import Inputs
from speechinterp.models.loading import load_model
from speechinterp.models.model import SpeechModel
from speechinterp.models.taps import Recording, Tap
from speechinterp.models.vocabulary import Vocabulary

__all__ = ["Inputs", "Recording", "SpeechModel", "Tap", "Vocabulary", "check_model", "load_model"]

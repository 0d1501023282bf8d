"""Lenses: what each layer would say, through the model's own head, its decoder, or a trained map."""

from speechinterp.lenses.ctc_lens import ctc
from speechinterp.lenses.decoder_lens import decoder
from speechinterp.lenses.logit_lens import logit
from speechinterp.lenses.scoring import rates, regressive
from speechinterp.lenses.trajectories import trajectory
from speechinterp.lenses.translators import Translators
from speechinterp.lenses.tuned_lens import tuned

__all__ = ["Translators", "ctc", "decoder", "logit", "rates", "regressive", "trajectory", "tuned"]

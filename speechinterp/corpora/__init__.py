"""Corpora: utterances with their annotation tiers, read when asked for."""

from speechinterp.corpora.load import load_corpus
from speechinterp.corpora.utterance import Corpus, Utterance

__all__ = ["Corpus", "Utterance", "load_corpus"]

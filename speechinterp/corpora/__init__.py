"""Corpora: utterances with their annotation tiers, read when asked for; annotation files and labels of phones."""

from speechinterp.corpora.annotations import read_annotation, write_annotation
from speechinterp.corpora.labels import features, label_map, map_labels
from speechinterp.corpora.load import load_corpus
from speechinterp.corpora.ssff import read_ssff
from speechinterp.corpora.utterance import Corpus, Utterance

__all__ = [
    "Corpus",
    "Utterance",
    "features",
    "label_map",
    "load_corpus",
    "map_labels",
    "read_annotation",
    "read_ssff",
    "write_annotation",
]

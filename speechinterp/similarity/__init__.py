"""Similarity of representations: which layers, models, sounds and descriptions are alike?"""

from speechinterp.similarity.abx import abx, abx_pairs
from speechinterp.similarity.cca import cca
from speechinterp.similarity.cka import cka
from speechinterp.similarity.labels import edit_similarity, feature_similarity, feature_table, phones_within
from speechinterp.similarity.procrustes import procrustes
from speechinterp.similarity.rdm import noise_ceiling, rsa_of_labels
from speechinterp.similarity.rsa import rsa
from speechinterp.similarity.views import SimilarityWarning

__all__ = [
    "SimilarityWarning",
    "abx",
    "abx_pairs",
    "cca",
    "cka",
    "edit_similarity",
    "feature_similarity",
    "feature_table",
    "noise_ceiling",
    "phones_within",
    "procrustes",
    "rsa",
    "rsa_of_labels",
]

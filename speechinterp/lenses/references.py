"""References: what was said, in the form in which the head of a model can say it."""

from __future__ import annotations

from speechinterp.corpora import Utterance
from speechinterp.errors import AnnotationError
from speechinterp.models import Vocabulary

__all__ = ["METRICS", "reference_of", "units_of"]

METRICS = {"letters": ("wer", "cer"), "phones": ("per",), "pieces": ("wer", "cer")}
"""Error rates of texts by the kind of symbols; the first is that of the units that are counted as regressive."""


def reference_of(utterance: Utterance, vocabulary: Vocabulary) -> str | None:
    """Return what was said: the transcript, or the labels of the tier ``phones`` for a model of phones.

    None where the corpus does not tell.

    Raises
    ------
    AnnotationError
        If most phones of the utterance are unknown to the model, so that an error rate would say nothing.
    """
    if vocabulary.kind != "phones":
        return utterance.transcript or None
    if "phones" not in utterance.tiers:
        return None
    labels = [segment.label for segment in utterance.tiers["phones"] if segment.label]
    unknown = sorted({label for label in labels if label not in vocabulary.symbols})
    if sum(label in unknown for label in labels) > len(labels) / 2:
        raise AnnotationError(
            f"utterance {utterance.id!r}: the model has no symbol for {', '.join(unknown)}",
            expected="phones in the alphabet of the model: "
            + " ".join(s for i, s in enumerate(vocabulary.symbols) if i not in vocabulary.special),
            cause="an annotation in another phone alphabet",
            fix="relabel the tier: speechinterp.corpora.labels, or tier.relabel(...)",
        )
    return " ".join(labels) or None


def units_of(text: str, metric: str) -> list[str]:
    """Return the units of a text that an error rate counts: words, phones, or letters with their spaces."""
    return list(text) if metric == "cer" else text.split()

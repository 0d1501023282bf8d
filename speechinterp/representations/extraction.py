"""Extraction: a corpus through all layers of a model, into a store, in bounded memory."""

from __future__ import annotations

import platform
import shutil
import tempfile
import weakref
from collections.abc import Callable
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, get_args

import torch

import speechinterp
from speechinterp.corpora import Corpus
from speechinterp.errors import AnnotationError, CorpusError, FrameError, StoreError, check_choice
from speechinterp.frames import RULES, FrameRule
from speechinterp.representations.encoder import Encoder, deviation
from speechinterp.representations.plan import cut_into_shards
from speechinterp.representations.pooling import POOLS, Pool
from speechinterp.representations.shards import ShardWriter
from speechinterp.representations.store import Representations, Store, study_hash
from speechinterp.representations.study import Left, OnBad, Study

__all__ = ["Encoder", "extract"]

MEASURED = 4
"""Utterances on which the deviation of a coarse number format is measured: the first ones."""


def extract(
    model: Encoder,
    corpus: Corpus,
    unit: str = "phones",
    pool: Pool = "mean",
    out: str | Path | None = None,
    *,
    rule: FrameRule = "centre",
    on_bad: OnBad = "raise",
    shard: tuple[int, int] = (0, 1),
    progress: Callable[[int, int], None] | None = None,
) -> Representations:
    """Extract the representations of all units of a corpus at all layers.

    Parameters
    ----------
    model
        A model, or :class:`~speechinterp.representations.AcousticFeatures`.
    corpus
        The utterances.
    unit
        A tier name (``"phones"``, ``"words"``, ...), ``"frames"`` for every frame, or ``"utterance"``.
        Segments without a label are no units.
    pool
        ``mean``, ``centre``, ``min``, ``max``, ``all`` (every frame of a unit, one row each), or ``slice``:
        the sound is cut first and each piece encoded alone, so that no context leaks in, then averaged.
    out
        Folder of the store; None keeps it in a temporary folder as long as the result lives.
    rule
        Which frames belong to a unit: ``centre``, ``overlap``, ``inside`` or ``majority``.
    on_bad
        What to do with an utterance that cannot be read or used: ``raise``, or ``skip`` and record why.
        With ``raise``, utterances that an earlier run skipped are tried again.
    shard
        (i, n): make only every n-th shard, starting at the i-th, counted from 0, to share the work.
    progress
        Called with the numbers of utterances done and in all.

    Returns
    -------
    Representations
        Of the raw states: layer 0 is the input of the first transformer layer. With `shard`, of this part.

    Raises
    ------
    SpeechInterpError
        For a bad utterance; finished shards stay, and the same call goes on after them.
    StoreError
        If `out` cannot be written or holds another study.

    Notes
    -----
    Which utterances share a shard depends on their ids only, and what is written on nothing but the corpus,
    the model and the settings, so a run that was killed and repeated gives the same files as one that was not.

    A model in another number format than float32 is compared with itself in float32 on the first utterances;
    the result is in ``meta["deviation"]``.
    """
    if not isinstance(corpus, Corpus):
        raise CorpusError(
            f"a corpus of type {type(corpus).__name__}",
            expected="a corpus",
            cause="utterances of your own, or the name of a corpus",
            fix="si.Corpus.of([utterance, ...]), or si.load_corpus(name)",
        )
    _check(unit, pool, rule, on_bad, shard)
    part, n_parts = shard
    keeper = _TemporaryFolder() if out is None else None
    store = Store(keeper.path if keeper else Path(str(out)).absolute())
    study = Study(model, corpus, unit, pool, rule, on_bad)
    shards = cut_into_shards(corpus.ids)
    identity = study.identity(len(shards))
    if not store.holds(identity):
        store.begin(identity, _begun(study))
    mine = range(part, len(shards), n_parts)
    there = store.records(mine)
    done, total = 0, sum(len(shards[number]) for number in mine)
    for number in mine:
        ids = shards[number]
        if number not in there or (on_bad == "raise" and there[number]["utterances"] < len(ids)):
            record = {"study": study_hash(identity), "versions": _versions()}
            with store.writing(store.shard_path(number)) as draft:
                writer = ShardWriter(draft, model.n_states, model.width)
                try:
                    for finished in study.make_shard(writer, ids, record):
                        if progress:
                            progress(done + finished, total)
                finally:
                    writer.close()
        done += len(ids)
        if progress:
            progress(done, total)
    store.finish(identity)
    representations = store.open(mine if n_parts > 1 else None, keeper)
    if n_parts == 1 and not len(representations):
        raise _nothing(study, store)
    return representations


def _check(unit: str, pool: str, rule: str, on_bad: str, shard: tuple[int, int]) -> None:
    """Refuse wrong arguments before anything is written."""
    for name, value, known in (
        ("pool", pool, POOLS),
        ("rule", rule, RULES),
        ("on_bad", on_bad, get_args(OnBad)),
    ):
        check_choice(name, value, known, StoreError if name == "on_bad" else FrameError)
    if pool == "slice" and unit == "frames":
        raise StoreError("pool 'slice' with unit 'frames'", expected="a tier as unit", fix="unit='phones'")
    part, n_parts = shard
    if not 0 <= part < n_parts:
        raise StoreError(f"shard {part}/{n_parts}", expected="0 <= i < n", fix="--shard 0/4 ... --shard 3/4")


def _begun(study: Study) -> dict[str, Any]:
    """Return what a manifest says besides the identity of its study when that begins."""
    first = islice(study.pieces(study.corpus.ids, Left()), MEASURED)
    difference = deviation(study.encoder, (piece.wave for piece in first))
    return {
        **({"deviation": difference} if difference else {}),
        "versions": _versions(),
        "complete": False,
    }


def _versions() -> dict[str, str]:
    return {
        "speechinterp": speechinterp.__version__,
        "torch": torch.__version__,
        "transformers": version("transformers"),
        "python": platform.python_version(),
    }


def _nothing(study: Study, store: Store) -> AnnotationError:
    skipped = store.skipped()
    first = f"; the first: {skipped[0]['reason']}" if skipped else ""
    return AnnotationError(
        f"corpus {study.corpus.name!r} gave no {study.unit!r}; {len(skipped)} left out{first}",
        expected="labelled segments in that tier",
        cause="an empty tier, or utterances that could not be used",
        fix="choose another unit (--unit), or repair what was left out",
    )


class _TemporaryFolder:
    """A folder that is removed when this object is gone."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="speechinterp-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

"""Sanity checks: relevance should change when what the model has learnt is taken from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import xarray as xr
from torch import nn

from speechinterp.attribution.stability import agreement
from speechinterp.errors import AttributionError, shortlist
from speechinterp.models import SpeechModel

__all__ = ["label_randomisation", "parameter_randomisation"]

Learnt = TypeVar("Learnt")
SAME = ("spearman", "cosine", "same_top")


def parameter_randomisation(
    model: SpeechModel,
    explain: Callable[[SpeechModel], xr.DataArray],
    *,
    magnitude: bool = False,
    seed: int = 0,
) -> pd.DataFrame:
    """Replace the weights of a model by random ones, layer by layer from the top, and compare relevance each time.

    Parameters
    ----------
    model
        The model; it stays as it is.
    explain
        From a model to relevance, such as ``lambda m: saliency(m, utterance, target)``. Name the target in full: what a
        model chooses changes with its weights.
    magnitude
        Compare without signs.
    seed
        Of the random weights.

    Returns
    -------
    pandas.DataFrame
        One row a stage and target: `stage` (``decoder 3``, ``encoder 11``, ..., downwards, and ``everything``, head
        and front end included), `n` (stages so far), `target`, and `spearman`, `cosine` and `same_top` with the
        relevance of the model as it was. Near 1 to the end, the relevance is about the sound and not about the model.

    Raises
    ------
    AttributionError
        If `explain` gives relevance of other targets or units for other weights.

    References
    ----------
    Adebayo, J., Gilmer, J., Muelly, M., Goodfellow, I., Hardt, M., & Kim, B. (2018). Sanity checks for saliency maps.
    NeurIPS, 9505-9515.
    """
    plain = explain(model)
    tables = []
    for number, (stage, changed) in enumerate(_stages(model, seed), 1):
        found = explain(changed)
        same, other = (shortlist(each.target.values.tolist(), 5) for each in (plain, found))
        if same != other:
            raise AttributionError(
                f"relevance of {other} with random weights, and of {same} before",
                expected="the same targets whatever the weights",
                cause="a target that the model chooses itself",
                fix="si.targets.label('place=garden'), or said='...' for a model that writes",
            )
        tables.append(_compared(plain, found, magnitude).assign(stage=stage, n=number))
    table = pd.concat(tables, ignore_index=True)[["stage", "n", "target", *SAME]]
    table.attrs |= {**plain.attrs, "seed": seed, "magnitude": int(magnitude)}
    return table


def label_randomisation(
    explain: Callable[[Learnt], xr.DataArray],
    fit: Callable[[Sequence[Any]], Learnt],
    labels: Sequence[Any],
    *,
    magnitude: bool = False,
    n: int = 5,
    seed: int = 0,
) -> pd.DataFrame:
    """Train on permuted labels, and compare relevance with that of what was trained on the right ones.

    Parameters
    ----------
    explain
        From what `fit` gives to relevance, such as ``lambda p: saliency(model, utterance, si.targets.probe(p, 3))``.
    fit
        From labels to something trained on them, such as ``lambda y: LogisticRegression().fit(states, y)``.
    labels
        The right ones.
    magnitude
        Compare without signs.
    n
        How many permutations.
    seed
        Of the permutations.

    Returns
    -------
    pandas.DataFrame
        One row a permutation and target: `permutation`, `target`, `spearman`, `cosine`, `same_top`. Near 1, the
        relevance does not depend on what was learnt.

    References
    ----------
    Adebayo, J., et al. (2018). Sanity checks for saliency maps. NeurIPS, 9505-9515.
    """
    plain = explain(fit(list(labels)))
    random = np.random.default_rng(seed)
    tables = []
    for k in range(n):
        order = random.permutation(len(labels))
        found = explain(fit([labels[i] for i in order]))
        tables.append(_compared(plain, found, magnitude).assign(permutation=k))
    table = pd.concat(tables, ignore_index=True)[["permutation", "target", *SAME]]
    table.attrs |= {**plain.attrs, "seed": seed, "magnitude": int(magnitude)}
    return table


def _compared(plain: xr.DataArray, found: xr.DataArray, magnitude: bool) -> pd.DataFrame:
    both = {"plain": plain, "random": found}
    if magnitude:
        both = {name: each.copy(data=np.abs(each.values)) for name, each in both.items()}
    return agreement(both)


def _stages(model: SpeechModel, seed: int) -> Iterator[tuple[str, SpeechModel]]:
    """Yield copies of a model in which more and more is random."""
    changed, twin = model.random_twin(seed), model.random_twin(seed)
    changed.module.load_state_dict(model.module.state_dict())
    for stack in ("decoder", "encoder"):
        pairs = list(zip(_layers(changed, stack), _layers(twin, stack), strict=True))
        for number, (layer, random) in reversed(list(enumerate(pairs))):
            layer.load_state_dict(random.state_dict())
            yield f"{stack} {number}", changed
    yield "everything", twin


def _layers(model: SpeechModel, stack: Any) -> list[nn.Module]:
    return [block.module for block in model.family.blocks(stack)]

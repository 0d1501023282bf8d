"""Faithfulness: does taking away what a measure says is used change the output more than taking away anything else?"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from math import comb
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
import xarray as xr
from torch import Tensor

from speechinterp.errors import MixingError, shortlist
from speechinterp.frames import FrameRule
from speechinterp.mixing.scene import Scene, check_choice, set_scene
from speechinterp.mixing.units import Unit
from speechinterp.models import SpeechModel, Tap
from speechinterp.models.model import Heard

__all__ = ["faithfulness"]

Doubles: TypeAlias = npt.NDArray[np.float64]
Units: TypeAlias = frozenset[int]


@torch.no_grad()
def faithfulness(
    model: SpeechModel,
    utterance: Heard,
    maps: Mapping[str, xr.DataArray],
    unit: Unit = "words",
    *,
    k: int = 1,
    n_random: int = 20,
    output: Literal["state", "head"] = "state",
    rule: FrameRule = "centre",
    seed: int = 0,
) -> pd.DataFrame:
    """Zero the values of the sources that a measure ranks first, and of random ones, and see what changes.

    Parameters
    ----------
    model
        The model.
    utterance
        The utterance of the maps.
    maps
        Maps of the encoder by name of the measure [dims=(layer, target, source)].
    unit, rule
        As for the maps.
    k
        How many sources are zeroed at once; never the target itself.
    n_random
        How many other sets of `k` sources are zeroed; all of them where there are no more.
    output
        What is compared. ``state``: cosine distance of the encoder's output, averaged over the target's frames.
        ``head``: Kullback-Leibler divergence of what a CTC head says there, in nats.
    seed
        Of the draw of sets.

    Returns
    -------
    pandas.DataFrame
        One row a measure, layer and target: `top` (change without the sources ranked first), `random` (mean
        change without others), `gain` (their difference), `beaten` (share of random sets that change less, of
        equals one half), `best` (largest change of all sets tried). Average it with
        :func:`summarise`.

    Raises
    ------
    MixingError
        If maps and units do not fit, or there are too few units.

    Notes
    -----
    Values are zeroed in one layer, for all targets and heads, and the layers above run on what is left. So
    this is no measure's own definition, Value Zeroing's neither, which looks at the layer itself.
    """
    check_choice("output", output, ("state", "head"))
    scene = set_scene(model, utterance, unit, where="encoder", rule=rule, gaps="merge", tokens=None)
    n = scene.targets.n_units
    _check(maps, scene, k)
    random = np.random.default_rng(seed)
    others = [[j for j in range(n) if j != i] for i in range(n)]
    drawn = [_sets(others[i], k, n_random, random) for i in range(n)]
    ranked = {
        (name, layer): [_top(mix.sel(layer=layer).values[i], others[i], k) for i in range(n)]
        for name, mix in maps.items()
        for layer in mix.layer.values.tolist()
    }
    rows = []
    for layer in sorted({layer for _, layer in ranked}):
        here = {name: tops for (name, at), tops in ranked.items() if at == layer}
        wanted = sorted(
            {*(s for sets in drawn for s in sets), *(s for tops in here.values() for s in tops)}, key=sorted
        )
        change = dict(
            zip(wanted, _changes(model, utterance, scene, layer, wanted, output=output), strict=True)
        )
        for name, tops in here.items():
            for i, top in enumerate(tops):
                rest = np.array([change[s][i] for s in drawn[i]])
                first = change[top][i]
                beaten = (rest < first).mean() + (rest == first).mean() / 2
                rows.append((name, layer, i, scene.targets.segments[i].label, first, rest.mean(), first - rest.mean(),
                             beaten, max(first, rest.max())))  # fmt: skip
    names = ["measure", "layer", "target", "label", "top", "random", "gain", "beaten", "best"]
    table = pd.DataFrame(rows, columns=names)
    table.insert(0, "utterance", scene.attrs["utterance"])
    table.attrs |= {**scene.attrs, "k": k, "n_random": n_random, "output": output, "seed": seed}
    return table


def _check(maps: Mapping[str, xr.DataArray], scene: Scene, k: int) -> None:
    n = scene.targets.n_units
    if not 1 <= k < n - 1:
        raise MixingError(
            f"k={k} of {n} units",
            expected="at least 1, and fewer than there are other units, so that sets can differ",
            cause="an utterance of a few words",
            fix="k=1, or a finer unit",
        )
    starts = scene.targets.coordinates(range(n))["start"]
    for name, mix in maps.items():
        if set(mix.dims) != {"layer", "target", "source"} or not np.array_equal(
            mix["target_start"].values, starts
        ):
            raise MixingError(
                f"the map {name!r} [dims={shortlist(mix.dims)}] has other units than {scene.attrs['utterance']!r}",
                expected="a map of this utterance and unit, averaged over heads",
                cause="another tier, another utterance, or a map of the decoder",
                fix="compute maps and faithfulness with the same unit",
            )


def _sets(others: list[int], k: int, n_random: int, random: np.random.Generator) -> list[Units]:
    if comb(len(others), k) <= n_random:
        return [frozenset(chosen) for chosen in combinations(others, k)]
    found: dict[Units, None] = {}
    while len(found) < n_random:
        found[frozenset(random.choice(others, k, replace=False).tolist())] = None
    return list(found)


def _top(row: Doubles, others: list[int], k: int) -> Units:
    return frozenset(sorted(others, key=lambda j: -row[j])[:k])


def _changes(
    model: SpeechModel, utterance: Heard, scene: Scene, layer: int, sets: list[Units], *, output: str
) -> list[Doubles]:
    """Return, for every set of units whose values are zeroed, the change at every unit [shape=(units,)]."""
    batch = model.batch_limit(scene.attrs["duration_s"])
    inputs = model.prepare([utterance])
    plain = _output(model, model.encode(inputs), output)
    result = []
    for first in range(0, len(sets), batch):
        some = sets[first : first + batch]
        keep = torch.ones(len(some), len(scene.targets.index), 1, 1, device=model.device, dtype=model.dtype)
        for item, units in enumerate(some):
            for j in units:
                keep[item, scene.targets.frames[j]] = 0
        with model.intervene({Tap(layer, "value"): keep.__mul__}):
            encoded = model.encode(model.prepare([utterance] * len(some)))
        changed = _distance(plain, _output(model, encoded, output), output)
        per_unit = [changed[:, frames].mean(1) for frames in scene.targets.frames[: scene.targets.n_units]]
        result += list(torch.stack(per_unit, 1).double().cpu().numpy())
    return result


def _output(model: SpeechModel, encoded: Tensor, output: str) -> Tensor:
    if output == "state":
        return encoded.double()
    head = getattr(model.module, "lm_head", None)
    if head is None:
        raise MixingError(
            f"{model.id} has no CTC head", expected="a model fine-tuned for recognition", fix="output='state'"
        )
    return head(encoded).double().log_softmax(-1)


def _distance(plain: Tensor, changed: Tensor, output: str) -> Tensor:
    if output == "state":
        return 1 - torch.nn.functional.cosine_similarity(plain, changed, dim=-1)
    return (plain.exp() * (plain - changed)).sum(-1)

"""Every kind of probe by its name, from one set of arguments: what the command line runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from speechinterp.errors import ProbeError, check_choice, shortlist
from speechinterp.probing.attention import probe_utterances
from speechinterp.probing.encoding import encode
from speechinterp.probing.layer_mix import mix_layers
from speechinterp.probing.layerwise import KINDS as CLASSIFIERS
from speechinterp.probing.layerwise import probe
from speechinterp.probing.mdl import description_length
from speechinterp.probing.pairs import adjacent_pairs, edges
from speechinterp.probing.regression import regress
from speechinterp.representations import Representations

__all__ = ["HEADLINE", "KINDS", "probe_by_kind"]

KINDS = (*CLASSIFIERS, "regression", "encoding", "attention", "pair", "mix", "mdl")
HEADLINE = {"regression": "pearson_r", "encoding": "r2", "mdl": "compression"}
"""The metric to show first, where it is not accuracy."""


def probe_by_kind(
    kind: str,
    reps: Representations,
    targets: Sequence[str] = ("label",),
    *,
    folds: str = "speaker",
    n_folds: int = 4,
    seed: int = 0,
    baselines: Mapping[str, Representations] | None = None,
    shuffles: int = 1,
    types: str | None = None,
    confounds: Sequence[str] = (),
    device: str = "cpu",
    progress: Callable[[int, int], object] | None = None,
) -> pd.DataFrame:
    """Run a probe of any kind; regression and encoding models take several targets, all others one.

    Parameters
    ----------
    kind
        ``logistic``, ``ridge``, ``lda`` and ``mlp`` are :func:`speechinterp.probe`; ``regression``, ``encoding`` (each
        target is a group of features), ``attention``, ``mix`` and ``mdl`` the functions of these names; ``pair`` is a
        logistic probe of whether neighbouring units have the same target.
    reps, folds, n_folds, seed, baselines, shuffles, types, confounds, device, progress
        As in :func:`speechinterp.probe`; `shuffles`, `types` and `confounds` are for classifiers.
    targets
        Columns of ``reps.units``.

    Returns
    -------
    pandas.DataFrame
        The table of the probe.

    Raises
    ------
    ProbeError
        If there is no such kind, or it takes no such argument.
    """
    check_choice("probe", kind, KINDS, ProbeError, "probe='lda'")
    extra = {
        "types": types,
        "confounds": list(confounds) or None,
        "shuffles": shuffles if shuffles > 1 else None,
    }
    asked = [name for name, value in extra.items() if value]
    if asked and kind not in (*CLASSIFIERS, "pair"):
        raise ProbeError(
            f"{shortlist(asked)} with probe {kind!r}",
            expected=f"one of {shortlist(CLASSIFIERS)}",
            fix="leave these arguments out, or take another probe",
        )
    if len(targets) != 1 and kind not in ("regression", "encoding"):
        raise ProbeError(
            f"{len(targets)} targets: {shortlist(targets) or 'none'}",
            expected=f"one target for probe {kind!r}",
            fix="one run for each",
        )
    common: dict[str, Any] = {"seed": seed, "baselines": baselines, "progress": progress}
    if kind == "mdl":
        return description_length(reps, targets[0], folds, device=device, **common)
    common["n_folds"] = n_folds
    if kind == "regression":
        return regress(reps, targets, folds, **common)
    if kind == "encoding":
        return encode(reps, {name: [name] for name in targets}, folds, **common)
    common["device"] = device
    if kind == "attention":
        return probe_utterances(reps, targets[0], folds, **common)
    if kind == "mix":
        return mix_layers(reps, targets[0], folds, **common)
    common |= {"shuffles": shuffles, "types": types, "confounds": confounds}
    if kind == "pair":
        pairs = adjacent_pairs(reps.units, targets[0])
        common["baselines"] = {
            name: edges(_aligned(rep, reps), pairs) for name, rep in (baselines or {}).items()
        }
        scores = probe(edges(reps, pairs), "label", folds, **common)
        attrs = scores.attrs
        scores = scores.assign(target=f"same {targets[0]}", probe="pair")
        scores.attrs = attrs
        return scores
    return probe(reps, targets[0], folds, probe=kind, **common)


def _aligned(baseline: Representations, reps: Representations) -> Representations:
    """Return a baseline whose units are in the order of `reps`, or raise."""
    keys = ["utterance", "start", "end"]
    ours, theirs = (part.units[keys].reset_index(drop=True) for part in (reps, baseline))
    if not ours.astype({"utterance": str}).round(6).equals(theirs.astype({"utterance": str}).round(6)):
        raise ProbeError(
            "A baseline has other units, or has them in another order",
            expected="the same units in the same order",
            cause="representations of another corpus or selection",
            fix="extract both from the same corpus with the same unit",
        )
    return replace(baseline, units=reps.units)

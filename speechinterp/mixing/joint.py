"""Joint maps of a decoder: what a token draws from a word, from its sound and from its text together."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from speechinterp.errors import MixingError
from speechinterp.mixing.readings import is_unit
from speechinterp.mixing.tokens import words_spelt

__all__ = ["joint"]

SUMMED = ("value_zeroing", "attention", "attention_norm", "chefer")
"""Measures whose amounts have one meaning in self- and in cross-attention."""


def joint(cross: xr.DataArray, decoder: xr.DataArray) -> xr.DataArray:
    r"""Join the two maps of a decoder into one whose sources are words, whichever way the decoder read them.

    Parameters
    ----------
    cross
        A map of the attention to the encoder (``where="cross"``), with words as units.
    decoder
        The map of the attention to earlier tokens (``where="decoder"``), by the same measure, of the same tokens.

    Returns
    -------
    xarray.DataArray
        Shares [dims=(layer, target, source), also with head]. Targets are positions of the decoder, each with start
        and end of the word that its next token spells; NaN where that is none. Sources are the words, then what
        `cross` has beside them (``"gap"``, ``"pad"``), ``"prompt"``, all tokens that spell no word of the tier, and
        ``"itself"``, the token at the position.

    Raises
    ------
    MixingError
        If the maps do not belong together, or the text does not have the words of the tier.

    Notes
    -----
    A decoder can learn of a word in two ways: from its frames, and, once it is written, from its tokens. With
    :math:`a` the score of a row before it was divided by its sum (`amount`),
    :math:`C_{iw} \propto a^{\text{cross}}_{iw} + \sum_{t \in w, t < i} a^{\text{self}}_{it}`.
    Value Zeroing has cosine distances of one and the same output in both; attention-norm has lengths in one and the
    same residual stream; weights of attention sum to 1 in each block; relevance is that of one and the same output.
    """
    _check(cross, decoder)
    kept = int(is_unit(cross, "source").sum())
    spelt = words_spelt(decoder.source_label.values.tolist(), cross.source_label.values[:kept].tolist())
    following = [*spelt[1:], None]
    heard, read = (_amounts(each) for each in (cross, decoder))
    total = np.concatenate([heard, np.zeros((*heard.shape[:-1], 2))], -1)
    own = np.arange(len(spelt))
    total[..., own, -1] = read[..., own, own]
    read[..., own, own] = 0
    for token, word in enumerate(spelt):
        total[..., -2 if word is None else word] += read[..., token]
    amount = total.sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = total / amount[..., None]
    beside = {name: cross[f"source_{name}"].values for name in ("label", "start", "end")}
    coords: dict[str, Any] = {str(dim): cross[dim].values for dim in cross.dims if dim != "source"}
    coords |= {"source": np.arange(total.shape[-1]), "amount": (cross.dims[:-1], amount)}
    for name, extra in (("label", ["prompt", "itself"]), ("start", [np.nan] * 2), ("end", [np.nan] * 2)):
        coords[f"source_{name}"] = ("source", np.append(beside[name], extra))
    for name in ("start", "end"):
        times = [np.nan if word is None else beside[name][word] for word in following]
        coords[f"target_{name}"] = ("target", np.array(times, float))
    coords |= {f"target_{name}": ("target", cross[f"target_{name}"].values) for name in ("label", "next")}
    attrs = {**cross.attrs, "where": "joint", "source_stack": "words"}
    worst = [m.attrs["parts_sum_residual"] for m in (cross, decoder) if "parts_sum_residual" in m.attrs]
    attrs |= {"parts_sum_residual": max(worst)} if worst else {}
    return xr.DataArray(shares, coords, cross.dims, name="share", attrs=attrs)


def _amounts(mix: xr.DataArray) -> npt.NDArray[np.float64]:
    """Return scores as they were before their rows were divided by their sums."""
    amount = mix.amount.values.astype(np.float64)
    if mix.attrs.get("gaps") == "drop" and "gap_share" in mix.coords:
        amount = amount * (1 - mix.gap_share.values)
    return np.asarray(mix.values * amount[..., None], np.float64)


def _check(cross: xr.DataArray, decoder: xr.DataArray) -> None:
    if cross.attrs.get("where") != "cross" or decoder.attrs.get("where") != "decoder":
        raise MixingError(
            f"maps of where={cross.attrs.get('where')!r} and where={decoder.attrs.get('where')!r}",
            expected="the map of the attention to the encoder first, then that to earlier tokens",
            fix="joint(measure(..., where='cross'), measure(..., where='decoder'))",
        )
    for name in ("method", "model", "weights_sha256", "utterance", "tokens"):
        first, second = (each.attrs.get(name) for each in (cross, decoder))
        if not np.array_equal(np.asarray(first), np.asarray(second)):
            raise MixingError(
                f"{name} is {first!r} in one map and {second!r} in the other",
                expected="two maps of one utterance, model, text and measure",
                cause="maps of two runs",
                fix="compute both with the same arguments",
            )
    if cross.attrs["method"] not in SUMMED or cross.dims != decoder.dims:
        raise MixingError(
            f"maps by {cross.attrs['method']} with the axes {cross.dims} and {decoder.dims}",
            expected=f"a measure of single layers, one of {', '.join(SUMMED)}, with or without heads in both",
            fix="value_zeroing, attention or attention_norm",
        )

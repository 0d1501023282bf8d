"""The self-check of a model: does everything that the methods rely on hold for it, to the last digits?"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from speechinterp.errors import TapError
from speechinterp.models.model import SpeechModel
from speechinterp.models.taps import Stack, Tap
from speechinterp.models.weights import positional_difference, weights_hash

__all__ = ["check_model"]

TOLERANCE = 1e-5
READ_ONLY = ("attention", "cross_attention")


def check_model(model: SpeechModel, seed: int = 0) -> pd.DataFrame:
    r"""Check a model against Hugging Face's own forward pass and against itself.

    Parameters
    ----------
    model
        The model; float32 or float64, since coarser numbers cannot meet the tolerance.
    seed
        Of the generated sound that it is checked on.

    Returns
    -------
    pandas.DataFrame
        One row a check: `check`, `value`, `limit`, `passed`, `note`.

    Notes
    -----
    A difference between tensors a and b is given as max\|a - b\| / max(1, max\|b\|), so that residual
    streams with values in the thousands are judged by the same limit as normalised ones.
    """
    waves = _waves(model, seed)
    before = _fingerprint(model.module)
    rows = [row for group in GROUPS for row in _tried(group, model, waves)]
    rows.append(_left_as_found(model, waves, before))
    table = pd.DataFrame(rows, columns=["check", "value", "limit", "note"])
    table.insert(3, "passed", table["value"] <= table["limit"])
    return table


Row = tuple[str, float, float, str]
Group = Callable[[SpeechModel, list[Tensor]], Iterator[Row]]


def _tried(group: Group, model: SpeechModel, waves: list[Tensor]) -> Iterator[Row]:
    """Yield the rows of a group of checks; a check that cannot be made has failed."""
    try:
        yield from group(model, waves)
    except Exception as error:  # whatever it is, it belongs in the table
        yield f"{group.__name__.strip('_')} can be checked", math.inf, 0.0, f"{type(error).__name__}: {error}"


def _waves(model: SpeechModel, seed: int) -> list[Tensor]:
    """Return three sounds of different lengths: pulses of a voice's rhythm in noise."""
    random = np.random.default_rng(seed)
    rate = model.sample_rate
    longest = min(model.family.max_samples or rate, rate)
    waves = []
    for share in (0.55, 0.98, 0.76):
        n = int(share * longest)
        time = np.arange(n) / rate
        envelope = 0.55 + 0.45 * np.sin(2 * np.pi * 4 * time + random.uniform(0, 6))
        voice = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 20))
        waves.append(
            torch.tensor(0.1 * envelope * (voice + 0.3 * random.standard_normal(n)), dtype=torch.float32)
        )
    return waves


def _difference(a: Tensor, b: Tensor) -> float:
    if a.shape != b.shape:
        return float("inf")
    difference = float((a.double() - b.double()).abs().max() / max(1.0, float(b.abs().max())))
    return difference if math.isfinite(difference) else float("inf")


@torch.no_grad()
def _states(model: SpeechModel, waves: list[Tensor]) -> Iterator[Row]:
    inputs = model.prepare(waves[1:2])
    yield from _preparation(model, waves[1], inputs.values)
    base = copy.deepcopy(getattr(model.family, "encoder", model.family.base)).eval()
    reference = base(inputs.values, output_hidden_states=True)
    frames = inputs.n_frames[0]
    raw, normed = (model.states(waves[1:2], form=form)[0] for form in ("raw", "normed"))
    last = reference.last_hidden_state[0, :frames]
    stacked = torch.stack([*(state[0, :frames] for state in reference.hidden_states[:-1]), last])
    yield "states equal Hugging Face's", _difference(normed, stacked), TOLERANCE, "normed, all layers"
    yield (
        "last norm turns raw into normed",
        _difference(model.family.final_norm(raw[-1].to(model.dtype)), normed[-1]),
        TOLERANCE,
        "pre-norm" if model.pre_norm else "post-norm: raw and normed are the same",
    )
    grid = model.frames(len(waves[1]))
    whole = model.family.max_samples or len(waves[1])
    yield (
        "number of frames",
        float(abs(model.encode(inputs).shape[1] - model.family.n_frames(whole))),
        0.0,
        f"hop {grid.hop}, receptive field {grid.receptive_field}, offset {grid.offset} samples",
    )


def _preparation(model: SpeechModel, wave: Tensor, values: Tensor) -> Iterator[Row]:
    import transformers

    settings: dict[str, Any] = dict(model.preprocessor)
    if model.family.max_samples is None:
        extractor = transformers.Wav2Vec2FeatureExtractor(**settings)
    else:
        seconds = model.family.max_samples / model.sample_rate
        if seconds != int(seconds):
            return
        settings |= {"chunk_length": int(seconds), "feature_size": model.family.config.num_mel_bins}
        extractor = transformers.WhisperFeatureExtractor(**settings)
    expected = extractor(wave.numpy(), sampling_rate=model.sample_rate, return_tensors="pt")
    found = next(iter(expected.values()))
    yield (
        "input equals Hugging Face's",
        _difference(values.float().cpu(), found),
        TOLERANCE,
        type(extractor).__name__,
    )


@torch.no_grad()
def _batch(model: SpeechModel, waves: list[Tensor]) -> Iterator[Row]:
    together = model.states(waves)
    apart = [model.states([wave])[0] for wave in waves]
    worst = max(_difference(a, b) for a, b in zip(together, apart, strict=True))
    yield "batch equals one by one", worst, TOLERANCE, f"{len(waves)} lengths, every layer"
    if model.has_head and not model.family.has_decoder:
        copied = SpeechModel(copy.deepcopy(model.module), model.id, model.preprocessor)
        logits = copied.logits(copied.prepare(waves))
        worst = 0.0
        for i, wave in enumerate(waves):
            alone = copied.logits(copied.prepare([wave]))[0]
            worst = max(worst, _difference(logits[i, : len(alone)], alone))
        yield "logits of a batch equal one by one", worst, TOLERANCE, type(model.module).__name__


@torch.no_grad()
def _parts(model: SpeechModel, waves: list[Tensor]) -> Iterator[Row]:
    sums, contexts = 0.0, 0.0
    inputs = model.prepare(waves)
    for layer, block in enumerate(model.family.blocks("encoder")):
        names = ("residual", "head_output", "mlp_output", "attention", "value", "context")
        taps = {name: Tap(layer, name) for name in names} | {"next": Tap(layer + 1, "residual")}
        with model.record(list(taps.values())) as record:
            model.encode(inputs)
        part = {name: record[tap] for name, tap in taps.items()}
        mid = part["residual"] + part["head_output"].sum(2) + block.attention.output.bias
        if model.pre_norm:
            total = mid + part["mlp_output"]
        else:
            total = block.mlp_norm(block.attention_norm(mid) + part["mlp_output"])
        mixed = torch.einsum("bhts,bshd->bthd", part["attention"], part["value"])
        for i, n in enumerate(inputs.n_frames):
            sums = max(sums, _difference(total[i, :n], part["next"][i, :n]))
            contexts = max(contexts, _difference(mixed[i, :n], part["context"][i, :n]))
    form = "residual + heads + biases + MLP"
    yield (
        "parts sum to the residual stream",
        sums,
        TOLERANCE,
        form + ("" if model.pre_norm else ", through both norms"),
    )
    yield "attention x value = context", contexts, TOLERANCE, "weights recomputed from query and key"


@torch.no_grad()
def _taps(model: SpeechModel, waves: list[Tensor]) -> Iterator[Row]:
    inputs = model.prepare(waves[:1])
    stacks: list[Stack] = ["encoder", "decoder"] if model.family.has_decoder else ["encoder"]
    tokens = torch.zeros(1, 4, dtype=torch.long, device=model.device)
    encoded = model.encode(inputs)

    def run(stack: Stack) -> Tensor:
        if stack == "encoder":
            return model.encode(inputs)
        with model.running(inputs):
            output = model.family.base(encoder_outputs=(encoded,), decoder_input_ids=tokens, use_cache=False)
        return output.last_hidden_state

    silent, unmoved = [], []
    disturbed, count = 0.0, 0
    for stack in stacks:
        outer = model.family.outer_sites(stack)
        last = len(model.family.blocks(stack)) - 1
        inner = [part for part in model.parts(stack) if part not in outer]
        first = [Tap(None, part, stack=stack) for part in outer] + [
            Tap(0, part, stack=stack) for part in inner
        ]
        taps = first + [Tap(last, part, stack=stack) for part in inner if last > 0]
        count += len(taps)
        if not _fire(model, taps, stack, run):
            silent += [str(tap) for tap in taps if not _fire(model, [tap], stack, run)]
        written = [tap for tap in taps if tap.part not in READ_ONLY and str(tap) not in silent]
        plain = run(stack)
        with model.record(written) as record, model.intervene(dict.fromkeys(written, torch.clone)):
            disturbed = max(disturbed, _difference(run(stack), plain))
        for tap in (tap for tap in first if tap in written and bool(record[tap].any())):
            with model.intervene({tap: torch.zeros_like}):
                unmoved += [str(tap)] if torch.equal(run(stack), plain) else []
    yield (
        "every tap fires",
        float(len(silent)),
        0.0,
        ", ".join(silent) or f"{count} taps, reading and writing",
    )
    yield "an intervention without change changes nothing", disturbed, TOLERANCE, ""
    yield "zeroing a part changes the output", float(len(unmoved)), 0.0, ", ".join(unmoved)
    missed = 1.0
    with suppress(TapError):
        with model.record([Tap(0, "query")]):
            pass
        missed = 0.0
    yield "a tap that never fires is an error", 1.0 - missed, 0.0, ""


def _fire(model: SpeechModel, taps: list[Tap], stack: Stack, run: Callable[[Stack], Tensor]) -> bool:
    try:
        with model.record(taps) as record:
            run(stack)
    except TapError:
        return False
    return all(bool(torch.isfinite(record[tap]).all()) for tap in taps)


def _checkpoint(model: SpeechModel, waves: list[Tensor]) -> Iterator[Row]:
    difference = positional_difference(model.module, model.checkpoint)
    if difference is not None:
        yield "positional convolution equals the checkpoint's", difference, 0.0, ""


def _left_as_found(model: SpeechModel, waves: list[Tensor], before: tuple[Any, ...]) -> Row:
    """Also after an exception inside a block with taps in use."""
    with suppress(_InterruptionError), model.intervene({Tap(0, "value"): torch.zeros_like}):
        with torch.no_grad():
            model.encode(model.prepare(waves))
        raise _InterruptionError
    names = ("weights", "training mode", "grad flags", "hooks", "attributes")
    after = _fingerprint(model.module)
    changed = [name for name, a, b in zip(names, before, after, strict=True) if a != b]
    return "model is left as it was found", float(len(changed)), 0.0, ", ".join(changed) or ", ".join(names)


GROUPS: tuple[Group, ...] = (_states, _batch, _parts, _taps, _checkpoint)


class _InterruptionError(Exception):
    """Stands for whatever may go wrong inside a user's block."""


def _fingerprint(module: nn.Module) -> tuple[Any, ...]:
    modules = list(module.modules())
    return (
        weights_hash(module),
        [m.training for m in modules],
        [p.requires_grad for p in module.parameters()],
        [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in modules],
        [sorted(m.__dict__) for m in modules],
    )

"""``speechinterp extract``: representations of a corpus, into a store."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from speechinterp.cli.run import Device, OnBad, OnBadOption, Out, Run, Seed, running

if TYPE_CHECKING:
    from speechinterp.representations.extraction import Encoder

ACOUSTIC = ("mfcc", "logmel")
__all__ = ["ACOUSTIC", "CORPUS", "MODEL", "Dtype", "PoolName", "RuleName", "extract", "load_encoder"]


class PoolName(str, Enum):
    """How the frames of a unit become one vector."""

    mean = "mean"
    centre = "centre"
    min = "min"
    max = "max"
    all = "all"
    slice = "slice"


class RuleName(str, Enum):
    """Which frames belong to a unit."""

    centre = "centre"
    overlap = "overlap"
    inside = "inside"
    majority = "majority"


class Dtype(str, Enum):
    """Number format of the model."""

    float32 = "float32"
    bfloat16 = "bfloat16"


MODEL, CORPUS = "demo/wav2vec2", "demo"
ModelArgument = Annotated[
    str, typer.Argument(help="Hub id, local folder, demo/wav2vec2 (hubert, whisper, ...), mfcc or logmel.")
]
CorpusArgument = Annotated[
    str,
    typer.Argument(help="timit:PATH, textgrid:PATH, emu:PATH, librispeech:PATH, table:FILE, ..., or demo."),
]
Unit = Annotated[str, typer.Option("--unit", help="A tier (phones, words, ...), frames, or utterance.")]
Pool = Annotated[PoolName, typer.Option("--pool", help="How the frames of a unit become one vector.")]
Rule = Annotated[RuleName, typer.Option("--rule", help="Which frames belong to a unit.")]
DtypeOption = Annotated[
    Dtype, typer.Option("--dtype", help="bfloat16 is faster and not exact: see the manifest.")
]


def extract(
    out: Out,
    model: ModelArgument = MODEL,
    corpus: CorpusArgument = CORPUS,
    unit: Unit = "phones",
    pool: Pool = PoolName.mean,
    rule: Rule = RuleName.centre,
    random_init: Annotated[
        bool, typer.Option("--random-init", help="Its twin with random weights instead.")
    ] = False,
    dtype: DtypeOption = Dtype.float32,
    shard: Annotated[
        str, typer.Option("--shard", help="i/n: only the i-th of n parts, counted from 0.")
    ] = "0/1",
    device: Device = "auto",
    seed: Seed = 0,
    on_bad: OnBadOption = OnBad.RAISE,
) -> None:
    """Extract every layer's representation of every unit of a corpus.

    Writes `manifest.json` and `shards/*.parquet` (utterance, speaker, tier, label, start, end, layer_00 ...).
    Stopped at any moment, the same command goes on where it was.

    Example: `speechinterp extract facebook/hubert-base-ls960 timit:/data/TIMIT --unit phones --out runs/timit`
    """
    settings = dict(
        model=model, corpus=corpus, unit=unit, pool=pool.value, rule=rule.value, random_init=random_init,
        dtype=dtype.value, shard=shard, device=device, seed=seed, on_bad=on_bad.value,
    )  # fmt: skip
    with running("extract", out, **settings) as run:
        from speechinterp import extract as extract_units
        from speechinterp import load_corpus

        part = _part(shard)
        encoder = load_encoder(model, device, dtype.value, init_seed=seed if random_init else None)
        with run.progress("extracting") as progress:
            reps = extract_units(
                encoder, load_corpus(corpus), unit, pool.value, out, rule=rule.value, on_bad=on_bad.value,
                shard=part, progress=progress,
            )  # fmt: skip
        run.say(
            f"{len(reps)} {unit} of {reps.units['utterance'].nunique()} utterances, {len(reps.layers)} layers: {out}"
        )
        say_what_is_special(run, out, reps.meta)


def load_encoder(
    name: str, device: str, dtype: str, *, init_seed: int | None = None, like: Encoder | None = None
) -> Encoder:
    """Return acoustic features, on the frames of `like` if given, or a model, or its random twin with a seed."""
    from speechinterp.models import SpeechModel, load_model
    from speechinterp.representations import AcousticFeatures

    if name in ACOUSTIC:
        if init_seed is not None:
            raise typer.BadParameter(
                f"{name} has no weights that could be random", param_hint="--random-init"
            )
        kind: Literal["mfcc", "logmel"] = "mfcc" if name == "mfcc" else "logmel"
        return AcousticFeatures(kind, like if isinstance(like, SpeechModel) else None)
    model = load_model(name, device=device, dtype=dtype)
    return model if init_seed is None else model.random_twin(init_seed)


def say_what_is_special(run: Run, out: Path, meta: object) -> None:
    """Print how far an inexact number format is off, and how many utterances were left out."""
    from speechinterp.representations.store import Store

    record = Store(out).manifest()
    if record.get("deviation"):
        run.say(f"deviation from float32: {record['deviation']}")
    skipped = Store(out).skipped()
    if skipped:
        run.say(
            f"{len(skipped)} left out, with the reason in {out / 'skipped.jsonl'}; first: {skipped[0]['reason']}"
        )


def _part(shard: str) -> tuple[int, int]:
    part, _, parts = shard.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and int(part) < int(parts)):
        raise typer.BadParameter(
            f"{shard!r} is not i/n with 0 <= i < n, for example 0/4", param_hint="--shard"
        )
    return int(part), int(parts)

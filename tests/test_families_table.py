"""The table of methods and model families in the README: every cell is what tiny models run, or refuse."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from tiny import BUILDERS, PRE_NORM, SIZE, WHISPER, sound
from tiny_vocabulary import reading_model

import speechinterp as si
from speechinterp import attribution, lenses, mixing, similarity, targets
from speechinterp.audio import Sound
from speechinterp.corpora import Corpus, Utterance
from speechinterp.errors import SpeechInterpError
from speechinterp.mixing.routing import Routes
from speechinterp.models import SpeechModel, Tap
from speechinterp.probing import probe
from speechinterp.representations import Representations
from speechinterp.segments import Segment, Tier

README = Path(__file__).parents[1] / "README.md"
START, END = "<!-- families -->", "<!-- /families -->"
BIAS = {"num_buckets": 32, "max_bucket_distance": 40}
DATA2VEC = {"conv_pos_kernel_size": 5, "num_conv_pos_embeddings": 3}
FAMILIES: dict[str, tuple[str, str, list[dict[str, Any]]]] = {
    "wav2vec 2.0": ("Wav2Vec2Config", "Wav2Vec2", [SIZE, SIZE | PRE_NORM]),
    "HuBERT": ("HubertConfig", "Hubert", [SIZE, SIZE | PRE_NORM]),
    "WavLM": ("WavLMConfig", "WavLM", [SIZE | BIAS, SIZE | PRE_NORM | BIAS]),
    "data2vec": ("Data2VecAudioConfig", "Data2VecAudio", [SIZE | DATA2VEC]),
    "Whisper": ("WhisperConfig", "Whisper", [WHISPER]),
}
HEADS = {"none": "Model", "CTC": "ForCTC", "classes": "ForSequenceClassification"}
WHISPER_HEADS = {"none": "ForConditionalGeneration", "classes": "ForAudioClassification"}
SAMPLES = {"lime": 24, "rise": 20, "smoothgrad": 2, "expected-gradients": 3}
NEEDS = {"[forced alignment]": "torchaudio", "[DeepLIFT]": "captum"}  # without it the row stands as it is
REFUSAL = re.compile(r"head|decoder|where=|writes? text")

HIDDEN = targets.hidden(Tap(2, "residual"), 3)

Subject = tuple[SpeechModel, Corpus]
Method = Callable[[SpeechModel, Corpus], object]


def represented(model: SpeechModel, corpus: Corpus) -> Representations:
    return si.extract(model, corpus, unit="words")


def compared(model: SpeechModel, corpus: Corpus) -> list[object]:
    reps = represented(model, corpus)
    measures = (similarity.cka, similarity.cca, similarity.rsa, similarity.procrustes)
    return [*(measure(reps, n_null=2) for measure in measures), similarity.abx(reps)]


def aligned(model: SpeechModel, corpus: Corpus) -> object:
    if (
        model.family.has_decoder
    ):  # a tiny decoder has no words to be calibrated with: the embedded one stands for it
        model, corpus = si.load_model("demo/whisper"), si.load_corpus("demo?type=command")
    return pd.DataFrame({"start": [word.start for word in si.align(model, corpus[0])["words"]]})


def mixed(where: str, *measures: Callable[..., xr.DataArray]) -> Method:
    def run(model: SpeechModel, corpus: Corpus) -> list[object]:
        each_layer = {"rolled": False}  # of ALTI; sources that are no targets cannot be rolled out
        return [
            measure(
                model,
                corpus[0],
                unit="words",
                where=where,
                **(each_layer if measure is mixing.alti and where == "cross" else {}),
            )
            for measure in measures
        ]

    return run


def routed(model: SpeechModel, corpus: Corpus) -> object:
    return mixing.routes(model, corpus[0], unit="words", target=1)


def attributed(names: str, aim: targets.Target | None = None) -> Method:
    def run(model: SpeechModel, corpus: Corpus) -> list[object]:
        return [
            attribution.integrated_gradients(
                model, corpus[0], aim or targets.usual(model), steps=8, tolerance=None
            )
            if name == "integrated-gradients"
            else attribution.attribute(model, corpus[0], name, target=aim, samples=SAMPLES.get(name))
            for name in names.split()
        ]

    return run


def aimed(*aims: targets.Target) -> Method:
    return lambda model, corpus: [attribution.leave_one_out(model, corpus[0], target=aim) for aim in aims]


UNITS = "shapley banzhaf owen leave-one-out lime kernel-shap"
GRADIENTS = "saliency input-x-gradient smoothgrad integrated-gradients expected-gradients"
ROWS: dict[str, dict[str, Method]] = {
    "[representations](docs/representations.md), [probes](docs/methods/probing.md)": {
        "": lambda model, corpus: probe(represented(model, corpus), "label", probe="ridge", shuffles=1)
    },
    "[similarity](docs/methods/similarity.md): CKA, CCA, RSA, Procrustes, ABX": {"": compared},
    "[forced alignment](docs/methods/alignment.md)": {"": aligned},
    "[CTC lens](docs/methods/ctc-lens.md)": {"": lenses.ctc},
    "[decoder lens](docs/methods/decoder-lens.md)": {"": lenses.decoder},
    "[logit lens](docs/methods/logit-lens.md)": {"": lenses.logit},
    "[tuned lens](docs/methods/tuned-lens.md)": {"": lenses.tuned},
    **{
        f"[{names}](docs/methods/mixing.md)": {
            where: mixed(where, *measures) for where in ("encoder", "decoder", "cross")
        }
        for names, measures in {
            "value zeroing, attention, attention-norm, ALTI": (
                mixing.value_zeroing,
                mixing.attention,
                mixing.attention_norm,
                mixing.alti,
            ),
            "attention rollout, GlobEnc": (mixing.rollout, mixing.globenc),
            "Chefer relevance": (mixing.chefer,),
        }.items()
    },
    "[information-flow routes](docs/methods/routes.md)": {"": routed},
    "[Shapley values](docs/methods/shapley.md), Banzhaf, Owen, leave-one-out, LIME, KernelSHAP": {
        "": attributed(UNITS, HIDDEN)
    },
    "[gradients](docs/methods/attribution.md): saliency, input × gradient, SmoothGrad, integrated, expected": {
        "": attributed(GRADIENTS, HIDDEN)
    },
    "[DeepLIFT](docs/methods/attribution.md)": {"": attributed("deeplift", HIDDEN)},
    "[AttnLRP](docs/methods/attribution.md)": {"": attributed("attn-lrp")},
    "[masks of the spectrogram](docs/methods/shapley.md) (RISE)": {"": attributed("rise", HIDDEN)},
    "targets: hidden units, exemplars": {
        "": aimed(targets.hidden(Tap(1, "mlp_hidden"), 5), targets.cosine(np.ones(32), 2))
    },
    "targets: classes": {"": aimed(targets.label())},
    "targets: symbols and words of CTC": {"": aimed(targets.ctc("note"), targets.ctc())},
    "targets: tokens and words of a decoder": {
        "": aimed(targets.token(), targets.word(), targets.sequence())
    },
    "targets: entropy, surprisal, divergence": {
        "": aimed(targets.entropy(), targets.surprisal(), targets.kl())
    },
}


def utterance(number: int, whisper: bool) -> Utterance:
    """A sound with two words, of one of two speakers."""
    first, second = ("w7", "w9") if whisper else ("a", "note")
    spans = (
        ((0.02, 0.16, first), (0.16, 0.36, second))
        if number % 2
        else ((0.02, 0.2, second), (0.2, 0.36, first))
    )
    words = Tier("words", [Segment(*span) for span in spans])
    heard = Sound(sound(6400, number), 16000)
    return Utterance(f"u{number}", heard, f"s{number % 4}", f"{first} {second}", {"words": words})


def subjects(family: str) -> dict[str, list[Subject]]:
    """Tiny models of a family by head, with every norm it has, and a corpus in their words."""
    config, name, norms = FAMILIES[family]
    whisper = family == "Whisper"
    corpus = Corpus.of([utterance(number, whisper) for number in range(8)], "noise")
    made: dict[str, list[Subject]] = {}
    for head, suffix in (WHISPER_HEADS if whisper else HEADS).items():
        for settings in norms:
            key = f"table-{family.lower()}"
            BUILDERS[key] = (config, name + suffix, settings)
            try:
                made.setdefault(head, []).append((reading_model(key), corpus))
            finally:
                del BUILDERS[key]
    return made


def numbers_of(result: object) -> Iterator[np.ndarray]:
    """The numbers of a result."""
    if isinstance(result, list):
        for each in result:
            yield from numbers_of(each)
    elif isinstance(result, pd.DataFrame):
        yield result.select_dtypes("number").to_numpy(dtype=float)
    elif isinstance(result, Routes):
        yield result.edges.share.to_numpy()
    else:
        assert isinstance(result, xr.DataArray)
        yield result.to_numpy()


def works(method: Method, subject: Subject) -> bool:
    """Whether a method gives numbers for a model; what it cannot do it must refuse in so many words."""
    try:
        result = method(*subject)
    except SpeechInterpError as error:
        if not REFUSAL.search(str(error)):
            raise
        return False
    for numbers in numbers_of(result):
        assert numbers.size
        assert np.isfinite(numbers).any()
    return True


def cell(methods: dict[str, Method], made: dict[str, list[Subject]]) -> str:
    """What the table says of a method and a family."""
    found = {}
    for place, method in methods.items():
        if place in ("decoder", "cross") and not any(s.family.has_decoder for s, _ in made["none"]):
            continue
        heads = set()
        for head, each in made.items():
            runs = [works(method, subject) for subject in each]
            assert len(set(runs)) == 1, f"post-norm and pre-norm models differ: {head}, {runs}"
            heads |= {head} if runs[0] else set()
        found[place] = heads
    if len(found) > 1:
        return ", ".join(place for place, heads in found.items() if "none" in heads) or "–"
    (heads,) = found.values()
    if "none" in heads:
        return "yes"
    named = {"CTC": "CTC head", "classes": "class head", "CTC classes": "any head", "": "–"}
    return named[" ".join(head for head in HEADS if head in heads)]


def table(standing: str) -> str:
    """Return the table as the README shows it."""
    made = {family: subjects(family) for family in FAMILIES}
    lines = ["| | " + " | ".join(FAMILIES) + " |", "|---" * (len(FAMILIES) + 1) + "|"]
    for row, methods in ROWS.items():
        needed = next((module for name, module in NEEDS.items() if row.startswith(name)), "numpy")
        if not find_spec(needed):
            lines += [line for line in standing.splitlines() if line.startswith(f"| {row} |")]
            continue
        lines.append(
            "| ".join([f"| {row} ", *(f"{cell(methods, made[family])} " for family in FAMILIES)]) + "|"
        )
    return "\n".join(lines)


@pytest.mark.skipif(not README.is_file(), reason="the tests stand alone here, without the README")
@pytest.mark.long
def test_the_table_in_the_readme_is_what_runs() -> None:
    stands = re.search(f"{START}\\n(.*?)\\n{END}", README.read_text(encoding="utf-8"), re.DOTALL)
    assert stands, f"no table between {START} and {END}"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = table(stands[1])
    finally:
        torch.set_num_threads(threads)
    assert stands[1].strip() == found, f"The table in the README is not what runs. Paste this:\n{found}"

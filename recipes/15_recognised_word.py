"""Where in the sound is the evidence for a word that a recogniser writes?

    python recipes/15_recognised_word.py                                     # nouns of the embedded homophones
    python recipes/15_recognised_word.py --model openai/whisper-tiny.en --corpus timit:/data/TIMIT --word ""

Integrated gradients of the word's tokens, each given those before it, in the spectrogram that the model is given. The
word's own time span is the expected place: `places.csv` says how much of the positive relevance is inside, how often
the most relevant 10 ms are, and what chance gives; beside it stand the twin with random weights, and relevance drawn by
chance.
`completeness.csv` has the method's own check, and the figure shows the first word.

After Sundararajan, M., Taly, A., & Yan, Q. (2017). Axiomatic attribution for deep networks. ICML; Fucci, D., et al.
(2024). SPES: spectrogram perturbation for explainable speech-to-text generation. arXiv:2411.01710.
"""

from argparse import Namespace

import pandas as pd
import xarray as xr
from attributions import by_chance, means
from study import study

import speechinterp as si
from speechinterp.attribution import integrated_gradients, localisation
from speechinterp.viz import plot_intervals, plot_relevance

WORDS = {"corpus": "demo?type=homophone", "utterances": 16, "word": "{target}", "space": "", "steps": 32}
WORDS |= {"baseline": "silence"}


def relevance_of(model: si.SpeechModel, utterance: si.Utterance, asked: Namespace) -> xr.DataArray:
    """Explain the tokens of the word that was asked for."""
    target = si.targets.named(f"word:{asked.word}" if asked.word else "word", utterance.meta)
    space = asked.space or ("log-mel" if model.family.has_decoder else "spectrogram")
    return integrated_gradients(model, utterance, target, space, baseline=asked.baseline, steps=asked.steps)


def places(
    models: dict[str, si.SpeechModel], utterance: si.Utterance, number: int, asked: Namespace
) -> dict[str, pd.DataFrame]:
    """Explain one utterance by every model and by chance, and compare with the span of the word."""
    found = {name: relevance_of(model, utterance, asked) for name, model in models.items()}
    relevance = next(iter(found.values()))
    found["random relevance"] = by_chance(relevance, asked.seed, number)
    spans = zip(relevance.target_start.values, relevance.target_end.values, strict=True)
    named = zip(relevance.target.values.tolist(), spans, strict=True)
    gold = {name: [si.Segment(*map(float, span), name)] for name, span in named}
    change = relevance.value_full.values - relevance.value_baseline.values
    check = {
        "utterance": utterance.id, "word": relevance.target.values, "steps": relevance.attrs["steps"],
        "change": change, "completeness_gap": relevance.completeness_gap.values,
        "gap_relative": relevance.attrs["completeness_gap_relative"],
    }  # fmt: skip
    return {"places": localisation(found, gold, tolerance_ms=20), "completeness": pd.DataFrame(check)}


def main() -> None:
    """Explain one word of every utterance."""
    with study(__doc__, **WORDS) as this:
        models = {
            "integrated gradients": this.model,
            "random weights": this.model.random_twin(this.asked.seed),
        }
        found = this.each("explaining", lambda heard, n: places(models, heard, n, this.asked))
        table = means([found["places"]], "value", ["metric", "method"], this.asked.seed)
        axis = "In the word's own span (%)"
        figure = plot_intervals(table, "metric", "mean", axis, colour="method", percent=True)
        this.write("places", table, figure, "is the relevance where the word is?")
        check = found["completeness"]
        first = this.corpus[str(check.utterance.iloc[0])]
        figure = plot_relevance(relevance_of(this.model, first, this.asked), first)
        this.write(
            "completeness", check, figure, f"gap of completeness at most {check.gap_relative.max():.2%}"
        )


if __name__ == "__main__":
    main()

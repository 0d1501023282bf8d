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

import pandas as pd
from attributions import by_chance, means
from study import study

import speechinterp as si
from speechinterp.attribution import integrated_gradients, localisation
from speechinterp.viz import plot_intervals, plot_relevance

WORDS = {"corpus": "demo?type=homophone", "utterances": 16, "word": "{target}", "space": "", "steps": 32}


def main() -> None:
    """Explain one word of every utterance."""
    with study(__doc__, **WORDS) as this:
        seed, steps, twin = this.asked.seed, int(this.asked.steps), this.model.random_twin(this.asked.seed)
        space = this.asked.space or ("log-mel" if this.model.family.has_decoder else "spectrogram")
        places, checks, shown = [], [], None
        with this.run.progress("explaining") as progress:
            for number, utterance in enumerate(this.corpus):
                target = si.targets.named(
                    f"word:{this.asked.word}" if this.asked.word else "word", utterance.meta
                )
                found = {
                    name: integrated_gradients(model, utterance, target, space, steps=steps)
                    for name, model in (("integrated gradients", this.model), ("random weights", twin))
                }
                relevance = found["integrated gradients"]
                found["chance"] = by_chance(relevance, seed, number)
                spans = zip(relevance.target_start.values, relevance.target_end.values, strict=True)
                named = zip(relevance.target.values.tolist(), spans, strict=True)
                gold = {name: [si.Segment(*map(float, span), name)] for name, span in named}
                places.append(localisation(found, gold, tolerance_ms=20).assign(speaker=utterance.speaker))
                checks.append(
                    pd.DataFrame({
                        "utterance": utterance.id, "word": relevance.target.values, "steps": relevance.attrs["steps"],
                        "change": relevance.value_full.values - relevance.value_baseline.values,
                        "completeness_gap": relevance.completeness_gap.values,
                        "gap_relative": relevance.attrs["completeness_gap_relative"],
                    })
                )  # fmt: skip
                shown = shown or (relevance, utterance)
                progress(number + 1, len(this.corpus))
        table = means(places, "value", ["metric", "method"], seed)
        figure = plot_intervals(
            table, "metric", "mean", "In the word's own span (%)", colour="method", percent=True
        )
        this.write("places", table, figure, "is the relevance where the word is?")
        check = pd.concat(checks, ignore_index=True)
        worst = check.gap_relative.max()
        this.write("completeness", check, plot_relevance(*shown), f"gap of completeness at most {worst:.2%}")


if __name__ == "__main__":
    main()

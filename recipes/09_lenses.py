"""What would the model write if it stopped at an earlier layer?

    python recipes/09_lenses.py                                        # DecoderLens and tuned lens of demo/whisper
    python recipes/09_lenses.py --model demo/wav2vec2                  # CTC lens
    python recipes/09_lenses.py --model openai/whisper-tiny.en --corpus timit:/data/TIMIT --utterances 48

Every layer is read through the model's own decoder or head: transcripts by layer, error rates beside random weights and
beside the transcripts of other utterances, and words that a layer has right and the top has wrong. Then the same
through affine maps trained on other speakers (tuned lens), and what each layer says at every step of one utterance.

After Langedijk, A., et al. (2024). DecoderLens: layerwise interpretation of encoder-decoder transformers. Findings of
NAACL; Belrose, N., et al. (2023). Eliciting latent predictions from transformers with the tuned lens.
"""

from functools import partial
from textwrap import shorten

import pandas as pd
from study import study

from speechinterp import lenses
from speechinterp.viz import plot_lens, plot_trajectory


def main() -> None:
    """Read through the model's own head, then through trained maps."""
    with study(__doc__) as this:
        parts, form = this.asked.out / "parts", this.model.vocabulary.normalise
        own = lenses.ctc if this.model.vocabulary.blank is not None else lenses.decoder
        twin = this.model.random_twin(this.asked.seed)
        tables = []
        for name, model in (("model", this.model), ("random weights", twin)):
            with this.run.progress(f"reading the layers, {name}") as progress:
                tables.append(own(model, this.corpus, out=parts, on_bad=this.asked.on_bad, progress=progress))
        table = pd.concat([part.dropna(axis="columns", how="all") for part in tables], ignore_index=True)
        rates = lenses.rates(table, normalise=form, seed=this.asked.seed)
        errors = rates[rates.metric.isin(["wer", "per"]) & (rates.baseline == "none")]
        by_layer = ", ".join(f"{score:.0%}" for score in errors.sort_values("layer").score)
        this.write("rates", rates, plot_lens(rates), f"errors by layer: {by_layer}")
        first = tables[0][tables[0].utterance == tables[0].utterance.iloc[0]]
        said = "\n".join(f"layer {row.layer}: {shorten(row.transcript, 120)}" for row in first.itertuples())
        this.write("transcripts", table, says=f"{first.reference.iloc[0]!r}\n{said}")
        lost = lenses.regressive(table, normalise=form)
        this.write("regressive", lost, says=f"{len(lost)} words that a layer has right and the top has wrong")

        with this.run.progress("training the tuned lens") as progress:
            table = lenses.tuned(this.model, this.corpus, seed=this.asked.seed, out=parts, progress=progress)
        rates = lenses.rates(table, normalise=form, seed=this.asked.seed)
        kl = rates[rates.metric == "kl"].pivot_table(index="lens", columns="layer", values="score").round(2)
        says = "; ".join(f"{lens} {row.tolist()}" for lens, row in kl.iterrows())
        this.write("tuned", rates, plot_lens(rates), f"KL to the top in nats, by layer: {says}")
        maps = lenses.Translators.load(parts / f"tuned-{this.model.baseline}.safetensors", this.model)
        follow = partial(lenses.trajectory, this.model, this.corpus[str(table.utterance.iloc[0])])
        for name, translators in (("steps", None), ("steps_tuned", maps)):
            data = follow(translators=translators)
            says = (
                f"{data.attrs['utterance']}: settled from layer {float(data.depth.mean()):.1f} on, on average"
            )
            this.write(name, data.to_dataframe().reset_index(), plot_trajectory(data), says)


if __name__ == "__main__":
    main()

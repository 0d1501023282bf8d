"""Which measures of context mixing find the word that decides how a homophone is spelt?

    python recipes/11_homophones.py                            # demo/whisper
    python recipes/11_homophones.py --model demo/wav2vec2 --out runs/homophones-ctc

In the embedded corpus one word, the cue, decides between two spellings of a noun that sounds the same: *one ... rose*,
*two ... rows*. A model that spells it right must have used the cue. So for once the right answer of a map is known: in
the row of the noun, the cue should be the source with the largest share, the noun itself left out. Every measure is
asked at every layer, of the model and of its twin with random weights.

An encoder is asked in the rows of the noun's frames. A decoder can know the cue in two ways, by its sound and by the
word once it is written, so its two attentions are joined; each is also asked alone. Its row is that of the first
token in which the two spellings differ. What really decides is measured beside it: each word is taken away, from
the sound and from what the decoder has read, and the one that costs the noun most should be the cue.

Any corpus will do whose utterances have a tier `cue` and name their target in `meta["target"]` or a tier `target`;
`meta["homophones"]` (`rose/rows`) tells the deciding token, and without it all tokens of the noun count.

After Mohebbi, H., Chrupała, G., Zuidema, W., & Alishahi, A. (2023). Homophone disambiguation reveals patterns of
context mixing in speech transformers. EMNLP.
"""

import pandas as pd
from attributions import means
from study import study

import speechinterp as si
from speechinterp.viz import plot_by_layer

KINDS = {
    "encoder": "encoder, rows of the target's frames",
    "decoder": "decoder, sound and text joined",
    "sound": "decoder, attention to the sound alone",
    "text": "decoder, attention to the text alone",
}


def writing(model: si.SpeechModel, utterance: si.Utterance) -> dict[str, pd.DataFrame]:
    """Say whether the target is spelt right, and what the absence of every other word costs it."""
    target, _ = si.mixing.planted(utterance)
    form = model.vocabulary.normalise
    right = form(target.label) in form(model.transcribe(utterance)).split()
    return {"right": pd.DataFrame({"right": [right]}), "removed": si.mixing.remove_words(model, utterance)}


def main() -> None:
    """Ask what the model uses, then which measures say so."""
    with study(__doc__, corpus="demo?type=homophone") as this:
        if this.writes:
            found = this.each("writing", lambda utterance, _: writing(this.model, utterance))
            costs = found["removed"]
            dearest = costs.loc[costs.groupby("utterance", sort=False)["log_drop"].idxmax(), "is_cue"]
            right = found["right"].right
            says = f"{right.mean():.0%} of {len(right)} targets are spelt right; the word whose absence costs most is "
            this.write("removed", costs, says=f"{says}the cue in {dearest.mean():.0%}")
        models = {"none": this.model, "random-init": this.model.random_twin(this.asked.seed)}
        tables = []
        for name, model in models.items():
            found = this.each(
                f"measures_{name}", lambda heard, _, m=model: {"cues": si.mixing.find_cue(m, heard)}
            )
            tables.append(found["cues"].assign(baseline=name))
        cues = pd.concat(tables, ignore_index=True)
        this.run.write("cues.csv", cues.to_csv(index=False))
        by = ["baseline", "attention", "measure", "layer"]
        table = means([cues], "top", by, this.asked.seed, "chance_top", over="utterance")
        this.run.write("table.csv", table.to_csv(index=False))
        summary = si.mixing.best_layers(table)
        this.write(
            "summary", summary, says="how often the cue is the top source of the target, at the best layer"
        )
        for kind, part in table.groupby("attention", sort=False):
            axis = "Cue is the top source (%)"
            this.write(f"homophones-{kind}", part, plot_by_layer(part, axis, percent=True), KINDS[str(kind)])


if __name__ == "__main__":
    main()

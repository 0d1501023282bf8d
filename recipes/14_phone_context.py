"""How far around a phone does a recogniser listen to hear it?

    python recipes/14_phone_context.py                                       # demo/wav2vec2-phones
    python recipes/14_phone_context.py --model demo/whisper --tier words      # words, through their tokens' surprisal
    python recipes/14_phone_context.py --baseline noise --utterances 0

Every phone is taken away in turn, and the surprisal of every phone that the model says is measured without it. A phone
that is heard by itself loses with itself alone; where its neighbours tell it, it loses with them. `offsets.csv` has
the mean loss by place relative to the phone, `manner.csv` the share that is the phone's own, by its manner of
articulation. The twin with random weights shows what the architecture alone spreads.

After Shen, G., et al. (2025). On the reliability of feature attribution methods for speech classification.
arXiv:2505.16406; Wu, S., et al. (2023). Can we trust explainable AI methods on ASR? An evaluation on phoneme
recognition. arXiv:2305.18011.
"""

import pandas as pd
from attributions import losses, means
from study import study

from speechinterp.corpora.labels import features
from speechinterp.viz import plot_intervals

REACH = 4


def main() -> None:
    """Take away every phone, and see which suffer."""
    chosen = {"model": "demo/wav2vec2-phones", "utterances": 16, "tier": "phones", "baseline": "silence"}
    with study(__doc__, **chosen) as this:
        seed, tables, asked = this.asked.seed, [], (this.asked.tier, this.asked.baseline)
        for name, model in {"model": this.model, "random weights": this.model.random_twin(seed)}.items():
            found = this.each(
                f"losses_{name}", lambda heard, _, m=model: {"losses": losses(m, heard, *asked)}
            )
            tables.append(found["losses"].assign(weights=name))
        every = pd.concat(tables, ignore_index=True)
        counted = (
            f"{every.utterance.nunique()} of {len(this.corpus)} utterances, those whose tier the model says"
        )
        near = every[every.place.abs() <= REACH]
        table = means([near], "loss", ["weights", "place"], seed, None).sort_values(["place", "weights"])
        table.insert(0, "unit", [f"{place:+d}" if place else "itself" for place in table.place])
        figure = plot_intervals(table, "unit", "mean", "Loss without the unit (nats)", colour="weights")
        this.write(
            "offsets", table, figure, f"loss by place relative to one of the {this.asked.tier}, in {counted}"
        )

        gains = every.assign(loss=every.loss.clip(lower=0), own=every.loss.clip(lower=0) * (every.place == 0))
        by = ["weights", "utterance", "speaker", "number", "said"]
        each = (
            gains.groupby(by, sort=False)
            .agg(loss=("loss", "sum"), own=("own", "sum"), n=("loss", "size"))
            .reset_index()
        )
        each = each[each.loss > 0].assign(share=lambda t: t.own / t.loss, random=lambda t: 1 / t.n)
        known = (
            {"demo": "ipa", "timit": "timit39"}.get(this.corpus.name) if this.asked.tier == "phones" else None
        )
        inventory = this.asked.inventory or known
        each["manner"] = [features(label, inventory)["manner"] if inventory else "all" for label in each.said]
        table = means([each], "share", ["weights", "manner"], seed)
        figure = plot_intervals(
            table, "manner", "mean", "Own share of the loss (%)", colour="weights", percent=True
        )
        this.write("manner", table, figure, "share of all loss that comes from the phone itself")


if __name__ == "__main__":
    main()

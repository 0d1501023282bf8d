"""Which methods of context mixing and of attribution find the word that decides, where it is known which does?

    python recipes/17_planted_truth.py
    python recipes/17_planted_truth.py --utterances 64 --methods shapley,lime,integrated-gradients
    python recipes/17_planted_truth.py --model demo/whisper --mixing decoder

Two planted answers. In the embedded homophones one word, the cue, decides how a noun is spelt: the largest source of
the noun in a map of mixing should be the cue. In the embedded commands one word decides every slot: the word with
the most relevance for the slot should be that one. Each measure stands at its best layer beside its twin with random
weights, each attribution beside random weights, too, and beside chance. The long table, of all spaces and baselines,
is made by `recipes/benchmark/attribution.py`.

After Mohebbi, H., Chrupała, G., Zuidema, W., & Alishahi, A. (2023). Homophone disambiguation reveals patterns of
context mixing in speech transformers. EMNLP; and Pastor, E., Koudounas, A., Attanasio, G., Hovy, D., & Baralis, E.
(2024). Explaining speech classification models via word-level audio segments and paralinguistic features. EACL.
"""

from functools import partial

from attributions import explained, means, told
from study import study

import speechinterp as si
from speechinterp.viz import plot_intervals

METHODS = "leave-one-out,kernel-shap,attn-lrp,input-x-gradient,saliency"
PLANTED = {
    "model": "demo/wav2vec2", "corpus": "demo?type=homophone", "utterances": 16, "mixing": "",
    "classifier": "demo/commands", "commands": "demo?type=command", "methods": METHODS,
}  # fmt: skip
WEIGHTS = {"none": "model", "random-init": "random weights"}


def main() -> None:
    """Ask the measures of mixing, then the methods of attribution."""
    with study(__doc__, **PLANTED) as this:
        asked, seed, cues, hits = this.asked, this.asked.seed, [], []
        for name, model in {"none": this.model, "random-init": this.model.random_twin(seed)}.items():
            found = this.each(
                f"mixing-{name}", lambda heard, _, m=model: {"cues": si.mixing.find_cue(m, heard)}
            )
            cues.append(found["cues"].assign(baseline=name))
        by = ["baseline", "attention", "measure", "layer"]
        table = means(cues, "top", by, seed, "chance_top", over="utterance")
        wanted = asked.mixing or ("decoder" if this.model.family.has_decoder else "encoder")
        table = table[table.attention == wanted]
        best = table.loc[table.groupby(["baseline", "measure"], sort=False)["mean"].idxmax()]
        best = best.sort_values("mean", ascending=False).assign(weights=best.baseline.map(WEIGHTS))
        axis = "Cue is the largest source (%)"
        figure = plot_intervals(best, "measure", "mean", axis, colour="weights", percent=True)
        says = f"mixing in the {wanted} of {this.model.id}, best layers: {told(best, 'measure')}"
        this.write("mixing", best, figure, says)

        classifier = si.load_model(asked.classifier, device=asked.device)
        commands = this.some(asked.commands)
        for name, model in {"none": classifier, "random-init": classifier.random_twin(seed)}.items():
            ask = partial(explained, model, classifier, asked.methods.split(","), seed)
            found = this.each(f"attribution-{name}", lambda heard, _, ask=ask: {"hits": ask(heard)}, commands)
            hits.append(found["hits"].assign(weights=WEIGHTS[name]))
        for metric, axis in (("hit", "Deciding word on top (%)"), ("auc", "Localisation AUC (%)")):
            table = means(
                [part[part.metric == metric] for part in hits], "value", ["method", "weights"], seed
            )
            table = table.sort_values("mean", ascending=False)
            figure = plot_intervals(table, "method", "mean", axis, colour="weights", percent=True)
            says = f"of what {classifier.id} chooses: {told(table, 'method')}"
            this.write(f"attribution_{metric}", table, figure, says)


if __name__ == "__main__":
    main()

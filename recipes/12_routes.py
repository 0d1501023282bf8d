"""Along which paths does the sound reach a word: through itself, its neighbours, or the word that decides it?

    python recipes/12_routes.py                                     # demo/wav2vec2, nouns of the embedded homophones
    python recipes/12_routes.py --model demo/whisper                # the deciding token, down through the encoder
    python recipes/12_routes.py --model openai/whisper-tiny.en --corpus timit:/data/TIMIT --utterances 16

Every state is a sum of parts; shares of parts are followed from one word of the last layer down to the sound, through
all layers. `sources.csv` says how much of what arrives comes from the word itself, from the cue where one is known, and
from other words; `parts.csv` how much of the target passes through attention and MLPs of each layer. Beside both stands
the twin with random weights. The graph of the first utterance is drawn, and in `routes.json` and `routes.graphml`.
Where the corpus knows no cue, the word in the middle is asked.

After Ferrando, J., & Voita, E. (2024). Information flow routes: automatically interpreting language models at scale.
EMNLP.
"""

import pandas as pd
from attributions import means
from flows import shares, sources
from study import study

from speechinterp.viz import plot_by_layer, plot_intervals, plot_routes

ROUTES = {"model": "demo/wav2vec2", "corpus": "demo?type=homophone", "utterances": 32, "mass": 0.8}
NAMES = {"none": "model", "random-init": "random weights"}


def main() -> None:
    """Follow the routes of every utterance, then draw those of one."""
    with study(__doc__, **ROUTES) as this:
        seed, mass, tables = this.asked.seed, this.asked.mass, {}
        for name, model in {"none": this.model, "random-init": this.model.random_twin(seed)}.items():
            # shares of sources are wanted whole, not of the heaviest edges alone
            found = this.each(f"routes-{name}", lambda heard, _, m=model: sources(m, heard, 1.0)[1])
            for key, table in found.items():
                tables.setdefault(key, []).append(table.assign(baseline=name, weights=NAMES[name]))
        every = {key: pd.concat(parts, ignore_index=True) for key, parts in tables.items()}
        table = means(
            [shares(every["sources"])],
            "share",
            ["source", "weights", "baseline"],
            seed,
            None,
            over="utterance",
        )
        figure = plot_intervals(
            table, "source", "mean", "Share of the flow from the input (%)", colour="weights", percent=True
        )
        lines = [
            f"{row.source} {row.mean:.0%}" for row in table[table.baseline == "none"].itertuples(index=False)
        ]
        this.write("sources", table, figure, "of what reaches the word from below: " + ", ".join(lines))
        if "cue" in every:
            table = means([every["cue"]], "top", ["case", "weights", "baseline"], seed, over="utterance")
            figure = plot_intervals(table, "case", "mean", "Utterances (%)", colour="weights", percent=True)
            hits = ", ".join(f"{row.weights} {row.mean:.0%}" for row in table.itertuples(index=False))
            this.write(
                "cue", table, figure, f"the cue gives more than any other word but the noun itself: {hits}"
            )
        by = ["baseline", "stack", "part", "layer"]
        table = means([every["parts"]], "flow", by, seed, None, over="utterance")
        for stack, part in table.groupby("stack", sort=False):
            axis = "Share of the target that passes (%)"
            figure = plot_by_layer(part, axis, by="part", percent=True, title=f"{this.model.id} · {stack}")
            this.write(f"parts_of_the_{stack}", part, figure, "what passes through the modules of each layer")
        first = this.corpus[this.corpus.ids[0]]
        routes, _ = sources(this.model, first, mass)
        routes.to_json(this.out / "routes.json")
        routes.to_graphml(this.out / "routes.graphml")
        held, target = routes.attrs["held"], routes.attrs["target"]
        says = f"{len(routes.edges)} edges carry {held:.0%} of the flow to {target!r} in {first.id}"
        this.write("routes", routes.edges.drop(columns="heads"), plot_routes(routes), says)


if __name__ == "__main__":
    main()

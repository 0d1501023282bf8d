"""Which word of a command decides what a classifier understands?

    python recipes/13_command_words.py                                 # demo/commands, whose deciding words are known
    python recipes/13_command_words.py --utterances 0 --exact 64       # all of the embedded commands

Exact Shapley values and leaving one word out, for what the model chooses in every slot, beside its twin with random
weights and relevance by chance. Where the corpus has a tier `cue`, the word with the slot's value there is the right
answer, and `tops.csv` says how often it is on top. Then the whole voice is changed instead of a word: pitch, tempo,
noise and room.

After Pastor, E., Koudounas, A., Attanasio, G., Hovy, D., & Baralis, E. (2024). Explaining speech classification models
via word-level audio segments and paralinguistic features. EACL.
"""

from argparse import Namespace

import pandas as pd
from attributions import by_chance, deciding, edit_name, means
from study import study

import speechinterp as si
from speechinterp.attribution import faithfulness, leave_one_out, localisation, shapley, sweep
from speechinterp.viz import plot_intervals

COMMANDS = {"model": "demo/commands", "corpus": "demo?type=command", "utterances": 24}


def explained(
    model: si.SpeechModel, twin: si.SpeechModel, utterance: si.Utterance, number: int, asked: Namespace
) -> dict[str, pd.DataFrame]:
    """Explain one command: by words, how faithful that is, and what its whole voice does."""
    tables, found = {}, {"leave-one-out": leave_one_out(model, utterance, target=si.targets.label())}
    names = found["leave-one-out"].target.values.tolist()
    target = si.targets.label(names)
    if number < asked.exact:
        found["shapley"] = shapley(model, utterance, target=target)
        judged = {"target": target, "baseline": "noise", "n_random": 20, "seed": asked.seed}
        table = faithfulness(model, utterance, found, **judged)
        tables["faithfulness"] = table[table.method != "random"]
        tables["sweeps"] = sweep(model, utterance, target=target)
    found["leave-one-out, random weights"] = leave_one_out(twin, utterance, target=target)
    found["random relevance"] = by_chance(found["leave-one-out"], asked.seed, number)
    if gold := deciding(utterance, names):
        known = {method: each.sel(target=list(gold)) for method, each in found.items()}
        tables["tops"] = localisation(known, gold)
    return tables


def main() -> None:
    """Explain by words, then by the whole voice."""
    with study(__doc__, **COMMANDS, exact=8) as this:
        seed, twin = this.asked.seed, this.model.random_twin(this.asked.seed)
        found = this.each("explaining", lambda heard, n: explained(this.model, twin, heard, n, this.asked))
        if "tops" in found:
            table = means([found["tops"]], "value", ["method", "metric"], seed)
            hits = table[table.metric == "hit"]
            figure = plot_intervals(hits, "method", "mean", "Deciding word on top (%)", percent=True)
            says = ", ".join(
                f"{method} {share:.1%}" for method, share in zip(hits.method, hits["mean"], strict=True)
            )
            this.write("tops", table, figure, f"the deciding word is on top: {says}")
        table = means([found["faithfulness"]], "better_than", ["method", "metric"], seed, 0.5)
        axis = "Random relevances beaten (%)"
        figure = plot_intervals(table, "metric", "mean", axis, colour="method", percent=True)
        this.write("faithfulness", table, figure, "judged by noise in the place of words")
        table = means([found["sweeps"]], "change", ["edit", "strength", "unit"], seed, None)
        about = zip(table.edit, table.strength, table.unit, strict=True)
        table.insert(0, "edited", [edit_name(*each) for each in about])
        figure = plot_intervals(table, "edited", "mean", "Change of the log-probability (nats)")
        this.write("sweeps", table, figure, "what changes with the whole voice")


if __name__ == "__main__":
    main()

"""Is the number of a noun read from sound that does not tell it?

    python recipes/10_number_probe.py
    python recipes/10_number_probe.py --model demo/whisper          # whose encoder does not use the cue

In the embedded corpus *rose* and *rows* sound the same; one word before or after, the cue, says which it is. Probes of
singular or plural on the vectors of the noun: in the whole sentence, by the place of the cue, and with the noun cut out
and heard alone. Nouns of the test are not among those of the training. What is read in the sentence and not alone came
from the cue. Random weights and MFCC see no cue beyond the noun's edges.

Any corpus will do whose utterances name `target`, `number` and `homophones` and have a tier of words.

After Mohebbi, H., Chrupała, G., Zuidema, W., & Alishahi, A. (2023). Homophone disambiguation reveals patterns of
context mixing in speech transformers. EMNLP.
"""

from functools import partial

from study import study

import speechinterp as si
from speechinterp.representations import subset
from speechinterp.viz import plot_scores

COLUMNS = ("target", "number", "homophones", "cue_place", "cue_distance")


def main() -> None:
    """Probe the noun in its sentence, by where the cue is, and alone."""
    with study(__doc__, model="demo/wav2vec2", corpus="demo?type=homophone") as this:
        for pool in ("mean", "slice"):
            reps, controls = this.extract("words", pool, columns=COLUMNS)
            noun = (reps.units.label == reps.units.target).to_numpy()
            parts = {"heard_alone": noun}
            if pool == "mean":
                place = reps.units.cue_place
                parts = {"in_the_sentence": noun}
                parts |= {f"cue_{side}": noun & (place == side).to_numpy() for side in ("before", "after")}
            for name, rows in parts.items():
                asked = {"probe": "ridge", "shuffles": 5, "seed": this.asked.seed}
                asked["baselines"] = {key: subset(each, rows) for key, each in controls.items()}
                probe = partial(si.probe, subset(reps, rows), "number", "homophones", **asked)
                scores = this.kept(name, lambda progress, probe=probe: probe(progress=progress))
                accuracy = scores[scores.metric == "accuracy"]
                best = accuracy[accuracy.baseline == "none"].nlargest(1, "score").iloc[0]
                rest = (
                    accuracy[accuracy.baseline.isin(["random-init", "mfcc"])].groupby("baseline").score.max()
                )
                this.write(
                    name,
                    scores,
                    plot_scores(scores),
                    f"layer {best.layer} tells number in {best.score:.1%} [{best.ci_low:.1%}, {best.ci_high:.1%}] of "
                    f"{best.n_test} nouns; at best {rest.round(3).to_dict()}",
                )


if __name__ == "__main__":
    main()

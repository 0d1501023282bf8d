"""Which layers tell words, and how much of that is how long they are?

    python recipes/04_word_probe.py
    python recipes/04_word_probe.py --model openai/whisper-tiny.en --corpus "timit:/data/TIMIT?sa=no"

Linear discriminants of word types for every layer, on voices not heard in training; then again with the duration of
the word partialled out of the vectors. Words that one speaker alone says are left out.

After Pasad, A., Shi, B., & Livescu, K. (2023). Comparative layer-wise analysis of self-supervised speech models.
ICASSP.
"""

from study import study

import speechinterp as si
from speechinterp.viz import plot_scores


def main() -> None:
    """Probe words, with and without their duration."""
    with study(__doc__, corpus="demo") as this:
        reps, controls = this.extract("words", columns=["duration"])
        for name, confounds in (("words", []), ("words_without_duration", ["duration"])):
            asked = {"confounds": confounds, "baselines": controls, "seed": this.asked.seed}
            scores = this.kept(
                name, lambda progress, asked=asked: si.probe(reps, probe="lda", progress=progress, **asked)
            )
            accuracy = scores[scores.metric == "accuracy"]
            best = accuracy[accuracy.baseline == "none"].nlargest(1, "score").iloc[0]
            mfcc = accuracy[accuracy.baseline == "mfcc"].score.max()
            this.write(
                name,
                scores,
                plot_scores(scores),
                f"layer {best.layer} tells {best.score:.1%} [{best.ci_low:.1%}, {best.ci_high:.1%}] of {best.n_test} "
                f"words; MFCC {mfcc:.1%}",
            )


if __name__ == "__main__":
    main()

"""Which layers tell phones, in voices the probe has not heard?

    python recipes/03_phone_probe.py                                   # the embedded model and corpus, offline
    python recipes/03_phone_probe.py --model facebook/hubert-base-ls960 --corpus timit:/data/TIMIT

A linear classifier of phones for every layer, beside random weights, MFCC, shuffled labels and the majority; then
how many bits the labels cost who sees the vectors, which tells a label at hand from one that takes all the data.

After Pasad, A., Chou, J.-C., & Livescu, K. (2021). Layer-wise analysis of a self-supervised speech representation
model. ASRU; and Voita, E., & Titov, I. (2020). Information-theoretic probing with minimum description length. EMNLP.
"""

from study import study

import speechinterp as si
from speechinterp.probing import description_length
from speechinterp.viz import plot_scores


def main() -> None:
    """Probe, twice."""
    with study(__doc__, probe="logistic") as this:
        reps, controls = this.extract("phones")
        asked = {"baselines": controls, "seed": this.asked.seed}
        scores = this.kept(
            "probing", lambda progress: si.probe(reps, probe=this.asked.probe, progress=progress, **asked)
        )
        accuracy = scores[scores.metric == "accuracy"]
        best = accuracy[accuracy.baseline == "none"].nlargest(1, "score").iloc[0]
        random = accuracy[accuracy.baseline == "random-init"].score.max()
        this.write(
            "accuracy",
            scores,
            plot_scores(scores),
            f"layer {best.layer} tells {best.score:.1%} [{best.ci_low:.1%}, {best.ci_high:.1%}] of {best.n_test} "
            f"phones; random weights {random:.1%}",
        )
        code = this.kept("coding", lambda progress: description_length(reps, progress=progress, **asked))
        compression = code[(code.metric == "compression") & (code.baseline == "none")]
        short = compression.nlargest(1, "score").iloc[0]
        this.write(
            "description_length",
            code,
            plot_scores(code, "compression"),
            f"labels are shortest at layer {short.layer}: {short.score:.2f} times shorter than a uniform code",
        )


if __name__ == "__main__":
    main()

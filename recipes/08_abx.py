"""Does a phone sound nearer to itself in another voice than to another phone?

    python recipes/08_abx.py
    python recipes/08_abx.py --model openai/whisper-tiny.en --corpus timit:/data/TIMIT

ABX by layer. No probe is trained: the error rate says what distances between frames give away. Within the context of
neighbouring phones and across speakers, frames aligned by dynamic time warping, beside random weights, MFCC, and
shuffled labels; then which phones the best layer confuses.

After Schatz, T., et al. (2013). Evaluating speech features with the minimal-pair ABX task. Interspeech.
"""

from dataclasses import replace

from study import study

from speechinterp.similarity import abx, abx_pairs
from speechinterp.viz import plot_similarity


def main() -> None:
    """Extract every frame once, ask all triplets."""
    with study(__doc__, corpus="demo", by="previous,next", across="speaker") as this:
        reps, controls = this.extract("phones", pool="all")
        task = {
            "by": [name for name in this.asked.by.split(",") if name != "none"],
            "across": [name for name in this.asked.across.split(",") if name != "none"],
        }
        asked = {**task, "baselines": controls, "seed": this.asked.seed}
        table = this.kept("triplets", lambda progress: abx(reps, **asked, progress=progress))
        mine = table[table.baseline == "none"]
        best = mine.loc[mine.score.idxmin()]
        mfcc = table[table.baseline == "mfcc"].score.min()
        this.write(
            "errors",
            table,
            plot_similarity(table),
            f"layer {best.layer} errs in {best.score:.1%} [{best.ci_low:.1%}, {best.ci_high:.1%}] of "
            f"{best.n_triplets} triplets, MFCC in {mfcc:.1%}",
        )
        pairs = abx_pairs(replace(reps, layers=(int(best.layer),)), **task)
        this.write("pairs", pairs[pairs.n_triplets >= 20].sort_values("score", ascending=False))


if __name__ == "__main__":
    main()

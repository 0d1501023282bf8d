"""Are manner, place and voicing there as such, or only because phones are?

    python recipes/05_phonological_features.py
    python recipes/05_phonological_features.py --model openai/whisper-tiny.en --corpus timit:/data/TIMIT

Linear discriminants of each feature for every layer. The control task gives every phone a value at random, which is
kept wherever the phone occurs: a layer that solves it as well as the feature knows phones, and the feature by them.

After Hewitt, J., & Liang, P. (2019). Designing and interpreting probes with control tasks. EMNLP; Martin, K.,
Gauthier, J., Breiss, C., & Levy, R. (2023). Probing self-supervised speech models for phonetic and phonemic
information. Interspeech.
"""

from functools import partial

from study import study

import speechinterp as si
from speechinterp.viz import plot_scores

FEATURES = ("manner", "place", "voicing")


def main() -> None:
    """Probe each feature."""
    with study(__doc__) as this:
        reps, controls = this.extract("phones", columns=FEATURES)
        for feature in FEATURES:
            probe = partial(si.probe, reps, feature, probe="lda", types="label", baselines=controls)
            scores = this.kept(feature, lambda p, probe=probe: probe(seed=this.asked.seed, progress=p))
            best = (
                scores[(scores.metric == "accuracy") & (scores.baseline == "none")]
                .nlargest(1, "score")
                .iloc[0]
            )
            at_best = scores[(scores.layer == best.layer) & (scores.metric == "selectivity")]
            gain = at_best[at_best.baseline == "none"].iloc[0]
            this.write(
                feature,
                scores,
                plot_scores(scores),
                f"layer {best.layer} tells {best.score:.1%} [{best.ci_low:.1%}, {best.ci_high:.1%}]; selectivity there "
                f"{gain.score:.3f} [{gain.ci_low:.3f}, {gain.ci_high:.3f}]",
            )


if __name__ == "__main__":
    main()

"""How well are intensity, formants, pitch, or the movements of articulators read from each layer?

    python recipes/06_acoustic_regression.py
    python recipes/06_acoustic_regression.py --model openai/whisper-tiny.en --corpus timit:/data/TIMIT
    python recipes/06_acoustic_regression.py --unit frames --channels energy,f0
    python recipes/06_acoustic_regression.py --corpus textgrid:/data/ema --tracks /data/ema/tracks --channels all

Ridge regression of each measure, averaged over every phone (or taken frame by frame), on speakers not heard in
training. Articulators, or whatever else was measured with the sound, come from `--tracks`: a folder with a table
`ID.csv` for every utterance, a column `time` in seconds and one a channel (`tongue_tip_x`). Of EMU databases, `emuR`
exports such tables with `get_trackdata`. No corpus of articulators is embedded.

After Cho, C. J., Wu, P., Mohamed, A., & Anumanchipalli, G. K. (2023). Evidence of vocal tract articulation in
self-supervised learning of speech. ICASSP.
"""

from study import study

from speechinterp.probing import add_tracks, regress
from speechinterp.viz import plot_scores


def main() -> None:
    """Measure, regress, draw one figure a channel."""
    with study(__doc__, channels="energy,f1,f2,f0", unit="phones", tracks="") as this:
        channels = [name.strip() for name in this.asked.channels.split(",")]
        reps, controls = this.extract(this.asked.unit, columns=[] if this.asked.tracks else channels)
        if this.asked.tracks:
            reps, measured = add_tracks(reps, this.asked.tracks)
            channels = measured if channels == ["all"] else channels
        asked = {"baselines": controls, "seed": this.asked.seed}
        scores = this.kept("regressing", lambda progress: regress(reps, channels, progress=progress, **asked))
        for channel in channels:
            one = scores[scores.target == channel]
            one.attrs = scores.attrs
            r = one[one.metric == "pearson_r"]
            best = r[r.baseline == "none"].nlargest(1, "score").iloc[0]
            others = {name: r[r.baseline == name].score.max() for name in ("random-init", "mfcc")}
            this.write(
                channel,
                one,
                plot_scores(one, "pearson_r"),
                f"layer {best.layer} reads it with r = {best.score:.3f} [{best.ci_low:.3f}, {best.ci_high:.3f}]; "
                + ", ".join(f"{name} {score:.3f}" for name, score in others.items()),
            )


if __name__ == "__main__":
    main()

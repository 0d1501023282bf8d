"""Which layers are alike, and which are like the sound, or like phonetic features?

    python recipes/07_similarity.py
    python recipes/07_similarity.py --model openai/whisper-tiny.en --corpus timit:/data/TIMIT --features timit39

Layers among each other, with MFCC and with phonetic features, by CKA; with MFCC by canonical correlations; each beside
its chance level, the random twin and an interval over speakers. By RSA, how alike the mean vectors of phones are and
how many features they share, beside how well speakers agree on that.

After Pasad, A., Chou, J.-C., & Livescu, K. (2021). Layer-wise analysis of a self-supervised speech representation
model. ASRU; Chrupała, G., Higy, B., & Alishahi, A. (2020). Analyzing analytical methods. ACL.
"""

from study import study

from speechinterp import similarity
from speechinterp.viz import plot_similarity


def main() -> None:
    """Extract once, compare in five ways."""
    with study(__doc__, features="ipa") as this:
        reps, controls = this.extract("phones")
        twin, mfcc = {"random-init": controls["random-init"]}, controls["mfcc"]
        phones = reps.units["label"].unique()
        described = similarity.feature_table(phones, this.asked.features)
        shared = similarity.feature_similarity(phones, this.asked.features)
        ways = {
            "layers": lambda **more: similarity.cka(reps, **more),
            "mfcc": lambda **more: similarity.cka(reps, mfcc, **more),
            "features": lambda **more: similarity.cka(reps, described, **more),
            "mfcc_by_svcca": lambda **more: similarity.cca(reps, mfcc, **more),
            "phones_by_rsa": lambda **more: similarity.rsa_of_labels(reps, shared, **more),
        }
        for name, compare in ways.items():
            table = this.kept(name, lambda _, compare=compare: compare(baselines=twin, seed=this.asked.seed))
            mine = table[table.baseline == "none"]
            best = mine.loc[mine.score.idxmax()]
            pair = (
                f"layers {best.layer} and {best.other_layer}" if name == "layers" else f"layer {best.layer}"
            )
            this.write(
                name,
                table,
                plot_similarity(table),
                f"most at {pair}: {best.score:.3f} [{best.ci_low:.3f}, {best.ci_high:.3f}], chance {best.null:.3f}",
            )
        this.write("agreement_of_speakers", similarity.noise_ceiling(reps))


if __name__ == "__main__":
    main()

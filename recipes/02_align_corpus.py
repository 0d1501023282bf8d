"""From recordings with transcripts to tiers, and how far are their boundaries from those of a gold annotation?

    python recipes/02_align_corpus.py
    python recipes/02_align_corpus.py --model openai/whisper-tiny.en --corpus timit:/data/TIMIT --out runs/timit
    python recipes/02_align_corpus.py --corpus table:recordings.csv --pronunciations cmudict.dict

Writes a TextGrid for every utterance, which Praat opens, `utterances.csv` with a confidence for each and, if the
corpus has tiers of its own, `boundaries.csv` and a figure of the utterance whose words were found worst. Words that
were spread evenly over the sound are the control. CTC models need torchaudio; `demo/whisper` does without.

After Graves, A., Fernández, S., Gomez, F., & Schmidhuber, J. (2006). Connectionist temporal classification. ICML;
Räsänen, O. J., Laine, U. K., & Altosaar, T. (2009). An improved speech segmentation quality measure: the R-value.
Interspeech.
"""

from study import study

import speechinterp as si
from speechinterp.align import LOW, align_corpus, boundary_scores, read_lexicon
from speechinterp.viz import plot_alignment

SHOWN = ["tier", "n", "median_ms", "within_20ms", "within_50ms", "end_median_ms", "even_median_ms", "r_value"]


def main() -> None:
    """Align, compare, draw."""
    with study(__doc__, model="demo/wav2vec2", corpus="demo", phone_model="", pronunciations="") as this:
        asked = this.asked
        phones = si.load_model(asked.phone_model, device=asked.device) if asked.phone_model else None
        lexicon = read_lexicon(asked.pronunciations) if asked.pronunciations else None
        with this.run.progress("aligning") as progress:
            aligned = align_corpus(
                this.model, this.corpus, this.out, phone_model=phones, pronunciations=lexicon, on_bad=asked.on_bad,
                progress=progress,
            )  # fmt: skip
        utterances, skipped = aligned.utterances(), aligned.skipped
        doubtful = utterances[utterances["confidence"].astype(float) < LOW]
        reasons = utterances.loc[utterances["no_phones"] != "", "no_phones"].unique()
        says = [
            f"{len(utterances)} utterances aligned, {len(skipped)} left out; a TextGrid each in {this.out}"
        ]
        says += [
            f"{len(doubtful)} may have the transcript of another: {', '.join(doubtful['utterance']) or 'none'}"
        ]
        says += [f"no phones: {reason}" for reason in reasons]
        says += [f"left out: {reason}" for reason in skipped.values()]
        this.write("utterances", utterances, says="\n".join(says))
        errors = aligned.errors()
        if errors.empty:
            this.run.say("The corpus has no tiers of its own to compare with.")
            return
        words = errors[errors["tier"] == "words"]
        worst = words.groupby("utterance")["start_error_ms"].apply(lambda e: e.abs().mean()).idxmax()
        figure = plot_alignment(this.corpus[worst], aligned.alignments[worst])
        scores = boundary_scores(errors)
        lines = [
            f"{row.tier}: median {row.median_ms:.1f} ms, {row.within_20ms:.0%} within 20 ms; spread evenly "
            f"{row.even_median_ms:.0f} ms" for row in scores[SHOWN].itertuples()
        ]  # fmt: skip
        this.write(
            "boundaries", scores, figure, "\n".join([*lines, f"the words of {worst} were found worst"])
        )


if __name__ == "__main__":
    main()

"""From recordings with transcripts to tiers, and how far their boundaries are from those of a gold annotation.

    python recipes/02_align_corpus.py
    python recipes/02_align_corpus.py --model openai/whisper-tiny.en --corpus timit:/data/TIMIT --out runs/timit
    python recipes/02_align_corpus.py --corpus table:recordings.csv --pronunciations cmudict.dict

Without arguments it aligns the embedded corpus with the embedded model, offline. Writes a TextGrid for every utterance,
which Praat opens, `utterances.csv` with a confidence for each and, if the corpus has tiers of its own, `boundaries.csv`
and a figure of the utterance whose words were found worst.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import speechinterp as si
from speechinterp.align import LOW, align_corpus, boundary_scores, read_lexicon
from speechinterp.viz import plot_alignment, save_figure


def main() -> None:
    """Align, compare, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="demo/wav2vec2", help="a CTC model or Whisper")
    parser.add_argument("--corpus", default="demo", help="READER:PATH, or demo")
    parser.add_argument("--phone-model", help="a CTC model of phones; demo/wav2vec2 brings its own")
    parser.add_argument("--pronunciations", type=Path, help="a dictionary, such as cmudict.dict")
    parser.add_argument("--out", type=Path, default=Path("runs/02_align_corpus"))
    parser.add_argument("--on-bad", choices=("raise", "skip"), default="raise")
    options = parser.parse_args()

    corpus = si.load_corpus(options.corpus)
    model = si.load_model(options.model)
    aligned = align_corpus(
        model,
        corpus,
        options.out,
        phone_model=si.load_model(options.phone_model) if options.phone_model else None,
        pronunciations=read_lexicon(options.pronunciations) if options.pronunciations else None,
        on_bad=options.on_bad,
    )
    utterances = aligned.utterances()
    utterances.to_csv(options.out / "utterances.csv", index=False)
    doubtful = utterances[utterances["confidence"].astype(float) < LOW]
    print(
        f"{len(utterances)} utterances aligned, {len(aligned.skipped)} left out; TextGrids are in {options.out}"
    )
    print(f"{len(doubtful)} may have the transcript of another: {', '.join(doubtful['utterance']) or 'none'}")
    for reason in utterances.loc[utterances["no_phones"] != "", "no_phones"].unique():
        print(f"No phones: {reason}")

    errors = aligned.errors()
    if errors.empty:
        print("The corpus has no tiers of its own to compare with.")
        return
    scores = boundary_scores(errors)
    scores.to_csv(options.out / "boundaries.csv", index=False)
    columns = [
        "tier",
        "n",
        "median_ms",
        "within_20ms",
        "within_50ms",
        "end_median_ms",
        "even_median_ms",
        "r_value",
    ]
    print(scores[columns].round(2).to_string(index=False))
    words = errors[errors["tier"] == "words"]
    worst = words.groupby("utterance")["start_error_ms"].apply(lambda e: e.abs().mean()).idxmax()
    figure = plot_alignment(corpus[worst], aligned.alignments[worst])
    png, _ = save_figure(figure, options.out / "worst")
    print(f"The words of {worst} were found worst: {png}")


if __name__ == "__main__":
    main()

"""Which layers are alike, and which are like the sound, or like phonetic features?

    python recipes/similarity.py                                                   # the embedded corpus and model
    python recipes/similarity.py --model openai/whisper-tiny.en --corpus timit:/data/TIMIT --features timit39

Three questions by CKA, each with the random twin, an interval over speakers, and what chance gives: layers among each
other, layers and MFCC, layers and the features of the IPA chart. Then how alike the mean vectors of phones are by
features, beside how well speakers agree on that. Writes tables and figures.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import speechinterp as si
from speechinterp.representations import AcousticFeatures, common_units
from speechinterp.viz import plot_similarity, save_figure


def main() -> None:
    """Extract once, compare, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="demo/whisper")
    parser.add_argument("--corpus", default="demo?type=sentence")
    parser.add_argument("--features", default="ipa", help="the inventory of the corpus' phones")
    parser.add_argument("--out", type=Path, default=Path("runs/similarity"))
    asked = parser.parse_args()

    corpus, model = si.load_corpus(asked.corpus), si.load_model(asked.model)
    encoders = {"model": model, "random-init": model.random_twin(0), "mfcc": AcousticFeatures("mfcc")}
    reps = common_units(
        {
            name: si.extract(encoder, corpus, out=asked.out / "stores" / name)
            for name, encoder in encoders.items()
        }
    )
    layers, twin = reps["model"], {"random-init": reps["random-init"]}
    phones = layers.units["label"].unique()

    tables = {
        "layers": si.similarity.cka(layers, baselines=twin),
        "mfcc": si.similarity.cka(layers, reps["mfcc"], baselines=twin),
        "features": si.similarity.cka(
            layers, si.similarity.feature_table(phones, asked.features), baselines=twin
        ),
        "phones": si.similarity.rsa_of_labels(
            layers, si.similarity.feature_similarity(phones, asked.features), baselines=twin
        ),
    }
    for name, table in tables.items():
        table.to_csv(asked.out / f"{name}.csv", index=False)
        save_figure(plot_similarity(table), asked.out / name)
        columns = ["layer", "other_layer", "score", "ci_low", "ci_high", "null", "null_high", "baseline"]
        print(f"\n{name}, by {table.measure[0]}\n{table[columns].round(3).to_string(index=False)}")
    ceiling = si.similarity.noise_ceiling(layers)
    ceiling.to_csv(asked.out / "ceiling.csv", index=False)
    print(f"\nagreement of speakers, by Spearman's rho\n{ceiling.round(3).to_string(index=False)}")


if __name__ == "__main__":
    main()

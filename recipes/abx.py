"""Does a phone sound nearer to itself in another voice than to another phone? ABX by layer.

    python recipes/abx.py                                                          # the embedded corpus and model
    python recipes/abx.py --model openai/whisper-tiny.en --corpus timit:/data/TIMIT

No probe is trained: the error rate says what distances between frames give away. Within the context of neighbouring
phones and across speakers, frames aligned by dynamic time warping, beside the random twin, MFCC, and shuffled labels.
Writes a table, a figure, and which phones the best layer confuses.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import speechinterp as si
from speechinterp.representations import AcousticFeatures, common_units
from speechinterp.viz import plot_similarity, save_figure


def main() -> None:
    """Extract every frame once, ask all triplets, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="demo/whisper")
    parser.add_argument("--corpus", default="demo")
    parser.add_argument("--by", default="previous,next", help="what A, B and X share, or none")
    parser.add_argument("--across", default="speaker", help="what is another one for X")
    parser.add_argument("--out", type=Path, default=Path("runs/abx"))
    asked = parser.parse_args()
    task = {"by": [name for name in asked.by.split(",") if name != "none"], "across": asked.across}

    corpus, model = si.load_corpus(asked.corpus), si.load_model(asked.model)
    encoders = {
        "model": model,
        "random-init": model.random_twin(0),
        "mfcc": AcousticFeatures("mfcc", like=model),
    }
    reps = common_units(
        {
            name: si.extract(encoder, corpus, pool="all", out=asked.out / "stores" / name)
            for name, encoder in encoders.items()
        }
    )
    layers = reps.pop("model")
    table = si.similarity.abx(layers, **task, baselines=reps)
    table.to_csv(asked.out / "abx.csv", index=False)
    save_figure(plot_similarity(table), asked.out / "abx")
    columns = ["layer", "score", "ci_low", "ci_high", "null", "n_cells", "n_triplets", "baseline"]
    print(table[columns].round(3).to_string(index=False))

    mine = table[table.baseline == "none"]
    best = int(mine.layer.iloc[mine.score.argmin()])
    pairs = si.similarity.abx_pairs(replace(layers, layers=(best,)), **task)
    pairs.to_csv(asked.out / "pairs.csv", index=False)
    print(f"\nmost confused at layer {best}")
    print(pairs[pairs.n_triplets >= 20].nlargest(10, "score").round(3).to_string(index=False))


if __name__ == "__main__":
    main()

"""Join what three recipes found into the small tables behind two pages of the gallery.

    M="--model openai/whisper-tiny.en --corpus timit:/data/TIMIT"
    python recipes/07_similarity.py $M --features timit39 --out runs/similarity
    python recipes/08_abx.py $M --out runs/abx
    python recipes/09_lenses.py $M --utterances 32 --out runs/lenses
    python recipes/gallery_tables.py --similarity runs/similarity --abx runs/abx --lenses runs/lenses --out docs/gallery

writes `whisper_similarity.csv`, `whisper_lenses.csv` and `whisper_transcripts.csv`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

SCORES = ["study", "layer", "other_layer", "score", "ci_low", "ci_high", "null", "baseline"]
RATES = ["lens", "layer", "metric", "score", "ci_low", "ci_high", "n", "baseline"]


def main() -> None:
    """Read, join, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--similarity", type=Path, help="results of 07_similarity.py")
    parser.add_argument("--abx", type=Path, help="results of 08_abx.py")
    parser.add_argument("--lenses", type=Path, help="results of 09_lenses.py")
    parser.add_argument("--name", default="whisper", help="how the tables' names begin")
    parser.add_argument("--out", type=Path, default=Path("docs/gallery"))
    asked = parser.parse_args()

    if asked.similarity and asked.abx:
        names = ("layers", "mfcc", "features", "mfcc_by_svcca", "phones_by_rsa")
        tables = [pd.read_csv(asked.similarity / f"{name}.csv").assign(study=name) for name in names]
        tables.append(pd.read_csv(asked.abx / "errors.csv").assign(study="abx"))
        table = pd.concat(tables).reindex(columns=SCORES)
        ceiling = pd.read_csv(asked.similarity / "agreement_of_speakers.csv")
        ceiling = ceiling.rename(columns={"lower": "score"}).assign(
            study="agreement_of_speakers", baseline="none"
        )
        table = pd.concat([table, ceiling.reindex(columns=SCORES)]).astype(
            {"layer": "Int64", "other_layer": "Int64"}
        )
        table.to_csv(asked.out / f"{asked.name}_similarity.csv", index=False, float_format="%.4f")
    if asked.lenses:
        rates = pd.concat([pd.read_csv(asked.lenses / f"{name}.csv") for name in ("rates", "tuned")])
        rates[RATES].to_csv(asked.out / f"{asked.name}_lenses.csv", index=False, float_format="%.4f")
        said = pd.read_csv(asked.lenses / "transcripts.csv")
        said = said[(said.baseline == "none") & said.utterance.isin(said.utterance.unique()[:3])]
        columns = ["utterance", "layer", "transcript", "reference"]
        said[columns].to_csv(asked.out / f"{asked.name}_transcripts.csv", index=False)


if __name__ == "__main__":
    main()

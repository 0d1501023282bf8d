"""Probes of one model on TIMIT with all controls: phones, manner, place, voicing, sex, speaker and words.

    python recipes/gallery_probes.py --model openai/whisper-tiny.en --corpus timit:/data/TIMIT --out docs/gallery

writes `whisper_probes.csv`, the table behind the page of the gallery. Discriminant probes; 5 label shuffles; manner,
place and voicing also with a control task that gives every phone a label at random. Speakers are tested on new
utterances of known voices, everything else on new voices.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import pandas as pd

import speechinterp as si
from speechinterp.corpora import Corpus
from speechinterp.probing import describe_units
from speechinterp.representations import AcousticFeatures, Representations, common_units

STUDIES = {
    "phones": ("phones", "label", None),
    "manner": ("phones", "manner", "label"),
    "place": ("phones", "place", "label"),
    "voicing": ("phones", "voicing", "label"),
    "sex": ("phones", "sex", None),
    "speaker": ("phones", "speaker", None),
    "words": ("words", "label", None),
}
COLUMNS = ["study", "layer", "metric", "score", "ci_low", "ci_high", "n_train", "n_test", "baseline"]


def extracted(model: str, corpus: Corpus, unit: str, stores: Path) -> dict[str, Representations]:
    """Extract the model, its untrained twin and MFCC, or go on where an earlier run stopped."""
    trained = si.load_model(model)
    encoders = {"none": trained, "random-init": trained.random_twin(seed=0), "mfcc": AcousticFeatures("mfcc")}
    made = {
        name: si.extract(encoder, corpus, unit, out=stores / f"{unit}-{name}")
        for name, encoder in encoders.items()
    }
    return common_units(made)


def main() -> None:
    """Run the studies."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, help="hub id or folder")
    parser.add_argument("--corpus", required=True, help="such as timit:/data/TIMIT")
    parser.add_argument("--out", type=Path, default=Path("runs/gallery"))
    parser.add_argument("--stores", type=Path, default=Path("runs/gallery/stores"), help="for vectors")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)
    corpus = si.load_corpus(arguments.corpus)
    units: dict[str, dict[str, Representations]] = {}
    tables = []
    for study, (unit, target, types) in STUDIES.items():
        if unit not in units:
            units[unit] = extracted(arguments.model, corpus, unit, arguments.stores)
        baselines = dict(units[unit])
        reps = describe_units(baselines.pop("none"), corpus, [target])
        folds = "utterance" if target == "speaker" else "speaker"
        scores = si.probe(
            reps, target, folds, probe="lda", baselines=baselines, shuffles=5, types=types
        ).assign(study=study)
        print(
            scores[scores.metric == "accuracy"].groupby("baseline", sort=False).score.max().round(3).to_dict()
        )
        tables.append(scores[COLUMNS])
    arguments.out.mkdir(parents=True, exist_ok=True)
    table = pd.concat(tables, ignore_index=True)
    table.to_csv(arguments.out / "whisper_probes.csv", index=False, float_format="%.4f")


if __name__ == "__main__":
    main()

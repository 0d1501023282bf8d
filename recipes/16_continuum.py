"""Does the next word decide what a sound between two phones is taken for?

    python recipes/16_continuum.py
    python recipes/16_continuum.py --model demo/wav2vec2

*Thin boy* may be spoken with an m. The embedded corpus has both forms, in one voice and in phase. Their word is mixed
in 11 steps from n to m (or ŋ, before a velar), and heard before the next word, or before silence. A classifier of the
two nasals, trained on the other voices, gives the probability of the assimilated one. A model that makes up for
assimilation hears less of it before the word that explains it than before silence.

After Pouw, C., de Heer Kloots, M., Alishahi, A., & Zuidema, W. (2024). Perception of phonological assimilation by
neural speech recognition models. Computational Linguistics; de Heer Kloots, M., & Zuidema, W. (2024). Human-like
linguistic biases in neural speech models. Interspeech.
"""

from dataclasses import replace

import pandas as pd
from continua import STEPS, drawn, mixed
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from study import study

import speechinterp as si
from speechinterp.representations import Representations


def heard_as(heard: Representations, known: Representations, layer: int) -> pd.DataFrame:
    """Train on the other voices to tell the two nasals, and give the probability of the assimilated one."""
    vectors, tested, found = known.layer(layer), heard.layer(layer), []
    for (voice, to), units in heard.units.reset_index(drop=True).groupby(["speaker", "to"]):
        train = (known.units.label.isin(["n", to]) & (known.units.speaker != voice)).to_numpy()
        classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced"))
        classifier.fit(vectors[train], known.units.label[train] == to)
        p = classifier.predict_proba(tested[units.index])[:, 1]
        found.append(units.assign(p=p.astype(float), layer=layer))
    return pd.concat(found)


def main() -> None:
    """Mix, train on the other voices, listen."""
    with study(__doc__, corpus="demo") as this:
        forms: dict[str, dict[str, si.Utterance]] = {}
        for utterance in this.corpus:
            if utterance.meta["type"] == "assimilation":
                forms.setdefault(utterance.meta["pair"], {})[utterance.meta["form"]] = utterance
        steps = [
            step for pair in forms.values() for step in mixed(pair["unassimilated"], pair["assimilated"])
        ]
        heard, heard_by = this.extract("nasal", columns=["to"], corpus=si.Corpus.of(steps, "steps"))
        known, known_by = this.extract("phones")
        parts = {"none": (heard, known)}
        for name in known_by:
            parts[name] = (
                replace(heard_by[name], units=heard.units),
                replace(known_by[name], units=known.units),
            )
        tables = [
            this.kept(f"{name}-{layer}", lambda _, pair=pair, n=layer: heard_as(*pair, n)).assign(
                baseline=name
            )
            for name, pair in parts.items()
            for layer in pair[1].layers
        ]
        table = pd.concat(tables, ignore_index=True)
        table[["before", "step"]] = table.utterance.str.extract(r"/(\w+)-(\d+)$")
        table["step"] = STEPS[table.step.astype(int)]
        means = table.groupby(["baseline", "layer", "before", "step"]).p.agg(["mean", "sem"]).reset_index()
        mine = means[means.baseline == "none"]
        rows = mine.groupby(["before", "layer"])["mean"].mean().unstack().round(2).iterrows()
        says = "mean p(assimilated) by layer: " + "; ".join(
            f"before {name} {row.tolist()}" for name, row in rows
        )
        this.write("continuum", means, drawn(mine), says)


if __name__ == "__main__":
    main()

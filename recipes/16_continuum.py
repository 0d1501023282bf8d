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

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from study import study

import speechinterp as si
from speechinterp.audio import Sound

STEPS = np.linspace(0, 1, 11)
RATE, FADE = 16000, 160
COLOURS = {"silence": "#D55E00", "word": "#0072B2"}


def mixed(plain: si.Utterance, changed: si.Utterance) -> Iterator[si.Utterance]:
    """Yield the steps from one form to the other, before the next word and before silence."""
    a, b = plain.waveform(RATE), changed.waveform(RATE)
    (cue,) = plain.tier("cue")
    nasal = next(phone for phone in plain.tier("phones") if abs(phone.end - cue.start) < 1e-6)
    until = np.clip(
        (round(nasal.end * RATE) - np.arange(len(a))) / FADE, 0, 1
    )  # 1, and to 0 as the nasal ends
    for number, step in enumerate(STEPS):
        sound = a + step * until * (b[: len(a)] - a)
        for before, wave in (("word", sound), ("silence", sound * until)):
            yield si.Utterance(
                f"{plain.meta['pair']}/{before}-{number:02d}", Sound(wave.astype(np.float32), RATE), plain.speaker,
                tiers={"nasal": si.Tier("nasal", [nasal])}, meta={"to": plain.meta["assimilates_to"]},
            )  # fmt: skip


def drawn(means: pd.DataFrame) -> Figure:
    """Draw one panel a layer, one line for what comes next."""
    layers = sorted(means.layer.unique())
    figure = Figure(figsize=(2.3 * len(layers), 2.8), layout="constrained")
    for ax, layer in zip(figure.subplots(1, len(layers), sharey=True, squeeze=False)[0], layers, strict=True):
        for before, rows in means[means.layer == layer].groupby("before"):
            style = {
                "color": COLOURS[str(before)],
                "label": f"before {before}",
                "marker": "o",
                "markersize": 3,
            }
            ax.errorbar(rows.step, rows["mean"], rows["sem"], **style)
        ax.set(title=f"layer {layer}", xlabel="share of the assimilated form", ylim=(0, 1))
    figure.axes[0].set_ylabel("p(assimilated nasal)")
    figure.axes[0].legend(frameon=False, fontsize=8)
    return figure


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
        found = []
        for name, reps in {"none": known, **known_by}.items():
            for layer in reps.layers:
                vectors, tested = reps.layer(layer), {"none": heard, **heard_by}[name].layer(layer)
                for (voice, to), units in heard.units.reset_index(drop=True).groupby(["speaker", "to"]):
                    train = (known.units.label.isin(["n", to]) & (known.units.speaker != voice)).to_numpy()
                    classifier = make_pipeline(
                        StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced")
                    )
                    classifier.fit(vectors[train], known.units.label[train] == to)
                    p = classifier.predict_proba(tested[units.index])[:, 1]
                    found.append(units.assign(p=p, layer=layer, baseline=name))
        table = pd.concat(found)
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

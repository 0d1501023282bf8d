"""Which attributions find the word that decides a command; ends in what the page says."""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

COLOURS = {"units taken away": "#0072B2", "gradients": "#D55E00", "relevance by chance": "#6E6E6E"}
GRADIENTS = (
    "saliency",
    "input-x-gradient",
    "smoothgrad",
    "integrated-gradients",
    "expected-gradients",
    "attn-lrp",
    "deeplift",
)
# Sphinx runs this where the page is; tests run it where it stands.
folder = next(path for path in (Path("gallery"), Path("docs/gallery"), Path("../gallery")) if path.is_dir())
table = pd.read_csv(folder / "attribution_localisation.csv", keep_default_na=False)
auc = table[(table.metric == "auc") & table.axis.isin(["words", "phones"])].sort_values(
    "value", ascending=False
)
names = [" · ".join(filter(None, row)) for row in zip(auc.method, auc.space, auc.baseline, strict=True)]

figure, ax = plt.subplots(figsize=(8, 0.21 * len(auc) + 1), layout="constrained")
for place, row in enumerate(auc.itertuples()):
    kind = (
        "gradients"
        if row.method in GRADIENTS
        else "relevance by chance"
        if row.method == "random"
        else "units taken away"
    )
    ax.hlines(place, row.ci_low, row.ci_high, color=COLOURS[kind], linewidth=1.6)
    ax.plot(row.value, place, "o", color=COLOURS[kind], markersize=4.5)
for kind, colour in COLOURS.items():
    ax.plot([], [], "o-", color=colour, label=kind, markersize=4.5)
ax.axvline(0.5, color="#333333", linestyle=":", linewidth=1, label="chance")
ax.set_yticks(range(len(auc)), names, fontsize=8)
ax.set_ylim(len(auc) - 0.4, -0.6)
ax.set_xlabel("AUC: the word that decides has more relevance than another")
ax.spines[["top", "right"]].set_visible(False)
ax.grid(axis="x", color="#E5E5E5", linewidth=0.6)
ax.set_axisbelow(True)
figure.legend(loc="outside upper right", ncols=4, fontsize=8, frameon=False)

found = auc.set_index(["method", "space", "baseline"]).value
assert found.loc["leave-one-out"].min() > 0.99
assert found.loc["shapley"].min() > 0.98
assert (found.loc[["attn-lrp", "lime", "banzhaf"]] == 1).all()
assert found["kernel-shap", "words", "silence"] > 0.99
assert 0.97 < found["rise", "spectrogram", "silence"] < 0.99
assert found.loc[["saliency", "smoothgrad"]].between(0.9, 0.94).all()
assert found["input-x-gradient", "features", ""] < 0.35
assert 0.6 < found["input-x-gradient", "waveform", ""] < 0.7
fine = (
    table[(table.metric == "auc") & (table.axis == "10 ms")].set_index(["method", "space", "baseline"]).value
)
assert fine["attn-lrp", "waveform", ""] > 0.93
assert fine["rise", "spectrogram", "silence"] > 0.84
for method in ("saliency", "smoothgrad"):
    assert fine[method, "features", ""] < 0.53
    assert min(fine[method, "waveform", ""], fine[method, "spectrogram", ""]) > 0.6
assert found["integrated-gradients", "features", "silence"] > 0.99
assert found.loc["integrated-gradients"].between(0.9, 1).all()
assert 0.63 < fine.loc["integrated-gradients"].min() < fine.loc["integrated-gradients"].max() < 0.71

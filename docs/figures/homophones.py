"""How often each measure finds the cue in the decoder of demo/whisper, by layer; ends in what the page says."""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

STYLES = {
    "value zeroing": ("#0072B2", "o"),
    "attention-norm": ("#D55E00", "s"),
    "attention": ("#009E73", "^"),
    "Chefer": ("#A2568A", "D"),
}
PANELS = {"decoder": "sound and text", "sound": "attention to the sound alone", "text": "attention to the text alone"}
# Sphinx runs this where the page is; tests run it where it stands.
folder = next(path for path in (Path("gallery"), Path("docs/gallery"), Path("../gallery")) if path.is_dir())
table = pd.read_csv(folder / "homophones_whisper.csv")

figure, axes = plt.subplots(1, 3, figsize=(10, 3.6), sharey=True, layout="constrained")
for ax, (attention, title) in zip(axes, PANELS.items(), strict=True):
    part = table[table.attention == attention]
    for measure, (colour, marker) in STYLES.items():
        for baseline, line in (("none", "-"), ("random-init", "--")):
            rows = part[(part.measure == measure) & (part.baseline == baseline)].sort_values("layer")
            label = measure if baseline == "none" else None
            ax.plot(rows.layer, 100 * rows["mean"], color=colour, linestyle=line, marker=marker, ms=4, label=label)
            if baseline == "none":
                ax.fill_between(
                    rows.layer, 100 * rows.ci_low, 100 * rows.ci_high, color=colour, alpha=0.13, linewidth=0
                )
    ax.axhline(100 * part.chance.mean(), color="#333333", linestyle=":", linewidth=1)
    ax.set_title(title, loc="left", fontsize=10)
    ax.set_xticks(sorted(part.layer.unique()))
    ax.set_xlabel("decoder layer")
    ax.set_ylim(0, 103)
    ax.grid(axis="y", color="#E5E5E5", linewidth=0.6)
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("cue is the largest source (%)")
handles, labels = axes[0].get_legend_handles_labels()
handles += [
    plt.Line2D([], [], color="#333333", linestyle="--", label="random weights"),
    plt.Line2D([], [], color="#333333", linestyle=":", label="chance"),
]
figure.legend(handles=handles, loc="outside lower center", ncols=6, frameon=False, fontsize=9)

joint = table[(table.attention == "decoder") & (table.baseline == "none")]
assert joint[joint.measure == "value zeroing"]["mean"].max() >= 0.8

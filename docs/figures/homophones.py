"""How often each measure finds the cue, by layer, in two models and their twins; ends in what the page says."""

import matplotlib.pyplot as plt
import pandas as pd
from layers import draw, table_of, tidy

STYLES = {
    "value zeroing": ("#0072B2", "o"),
    "attention-norm": ("#D55E00", "s"),
    "attention": ("#009E73", "^"),
    "ALTI": ("#6E6E6E", "v"),
    "Chefer": ("#A2568A", "D"),
    "rollout": ("#E69F00", "x"),
    "GlobEnc": ("#56B4E9", "+"),
}
PANELS = [
    ("homophones_wav2vec2", "encoder", "demo/wav2vec2: encoder", "encoder layer"),
    ("homophones_whisper", "decoder", "demo/whisper: decoder, joint", "decoder layer"),
    ("homophones_whisper", "sound", "its attention to the sound alone", "decoder layer"),
    ("homophones_whisper", "text", "its attention to the text alone", "decoder layer"),
]
tables = {
    name: table_of(name).rename(columns={"mean": "score"})
    for name in ("homophones_wav2vec2", "homophones_whisper")
}

figure, axes = plt.subplots(
    1, 4, figsize=(12, 3.8), sharey=True, layout="constrained", width_ratios=[5, 3, 3, 3]
)
for ax, (name, attention, title, below) in zip(axes, PANELS, strict=True):
    part = tables[name][tables[name].attention == attention]
    for (measure, baseline), group in part.groupby(["measure", "baseline"]):
        if measure not in STYLES:
            continue
        colour, marker = STYLES[measure]
        rows = group.sort_values("layer")
        if baseline == "none":
            draw(ax, rows, (measure, colour, "-", marker), 100)
        else:
            ax.plot(rows.layer, 100 * rows.score, color=colour, linestyle="--", linewidth=1)
    ax.axhline(100 * part.chance.mean(), color="#333333", linestyle=":", linewidth=1)
    tidy(ax)
    ax.set_xticks(sorted(part.layer.unique()))
    ax.set_xlim(-0.2, part.layer.max() + 0.2)
    ax.set_title(title, loc="left", fontsize=10)
    ax.set_xlabel(below)
    ax.set_ylim(-2, 103)
axes[0].set_ylabel("cue is the largest source (%)")
lines = {line.get_label(): line for line in axes[0].lines}
handles = [lines[name] for name in STYLES]
handles += [
    plt.Line2D([], [], color="#333333", linestyle="--", label="random weights"),
    plt.Line2D([], [], color="#333333", linestyle=":", label="chance"),
]
figure.legend(handles=handles, loc="outside lower center", ncols=9, frameon=False, fontsize=8.5)


def best(name: str, attention: str, measure: str, baseline: str = "none") -> float:
    """Return how often a measure finds the cue at its best layer."""
    rows: pd.DataFrame = tables[name]
    chosen = (rows.attention == attention) & (rows.measure == measure) & (rows.baseline == baseline)
    return float(rows[chosen].score.max())


for model, attention in (("homophones_wav2vec2", "encoder"), ("homophones_whisper", "decoder")):
    for measure in ("value zeroing", "attention-norm"):
        assert best(model, attention, measure) >= 0.96
        assert best(model, attention, measure, "random-init") < 0.2
for measure in ("rollout", "GlobEnc"):
    assert best("homophones_wav2vec2", "encoder", measure) < 0.1
assert max(best("homophones_whisper", each, "value zeroing") for each in ("sound", "text")) < 0.6

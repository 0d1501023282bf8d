"""What the encoder of whisper-tiny.en knows of real speech, layer by layer; ends in what the page says."""

import matplotlib.pyplot as plt
import pandas as pd
from layers import draw, name_lines, table_of, tidy

PANELS = ["phones", "manner", "place", "voicing", "words", "speaker", "sex"]
STYLES = {
    "none": ("Whisper", "#0072B2", "-", "o"),
    "random-init": ("random weights", "#D55E00", "-", "s"),
    "control-task": ("control task", "#8A5A00", "--", "^"),
    "shuffled-labels": ("shuffled labels", "#6E6E6E", "--", ""),
    "mfcc": ("MFCC", "#009E73", "-", ""),
    "majority": ("majority label", "#333333", ":", ""),
}
table = table_of("whisper_probes")
accuracy = table[table.metric == "accuracy"]

figure, axes = plt.subplots(2, 4, figsize=(11, 5.6), sharex=True, sharey=True, layout="constrained")
for ax, study in zip(axes.flat, PANELS, strict=False):
    for baseline, style in STYLES.items():
        draw(ax, accuracy[(accuracy.study == study) & (accuracy.baseline == baseline)], style, 100)
    n_test = int(accuracy[accuracy.study == study].n_test.iloc[0])
    ax.set_title(f"{study} ({n_test} units)", loc="left", fontsize=10)
    ax.set_ylim(0, 102)
    tidy(ax)
name_lines(figure, axes[1, 3])
for ax in axes[1, :3]:
    ax.set_xlabel("layer")
axes[0, 3].tick_params(labelbottom=True)
axes[0, 3].set_xlabel("layer")
for ax in axes[:, 0]:
    ax.set_ylabel("accuracy (%)")


def row(study: str, baseline: str = "none", layer: int | None = None, metric: str = "accuracy") -> pd.Series:
    """Return one row of the table; without a layer, that of the best."""
    rows = table[(table.study == study) & (table.baseline == baseline) & (table.metric == metric)]
    return rows.nlargest(1, "score").iloc[0] if layer is None else rows[rows.layer == layer].iloc[0]


for study in PANELS:
    best = row(study)
    for control in ("random-init", "mfcc", "majority", "shuffled-labels"):
        assert best.ci_low > row(study, control).score, (study, control)
    chance = max(row(study, "majority").score, {"sex": 1 / 2, "speaker": 1 / 16}.get(study, 0))
    assert row(study, "shuffled-labels").score < chance + 0.02, study
for study in ("phones", "manner", "place", "voicing"):
    assert row(study).layer == 3, study
assert row("words").layer == 4
assert row("speaker").layer == row("sex").layer == 1
assert row("speaker", layer=4).score < 0.5 * row("speaker", "random-init").score
assert row("words", layer=4).score > 2 * row("words", "random-init").score
assert row("place", layer=3, metric="selectivity").ci_high < 0.05

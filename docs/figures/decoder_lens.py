"""What demo/whisper would write from lower layers of its encoder and decoder; ends in what the page says."""

import matplotlib.pyplot as plt
import pandas as pd
from layers import draw, table_of, tidy

LINES = {
    ("decoder", "none"): ("demo/whisper", "#0072B2", "-", "o"),
    ("decoder", "random-init"): ("random weights", "#D55E00", "-", "s"),
    ("decoder", "shuffled-transcripts"): ("others' transcripts", "#6E6E6E", "--", ""),
    ("tuned", "none"): ("tuned", "#0072B2", "-", "o"),
    ("untuned", "none"): ("as it is", "#56B4E9", "--", "^"),
}
PANELS = [
    ("decoder", "wer", "DecoderLens: word error rate (%)", "encoder layer"),
    ("decoder", "agreement", "DecoderLens: next tokens as from the top (%)", "encoder layer"),
    ("tuned", "kl", "decoder: KL to the top (nats)", "decoder layer"),
]
table = table_of("demo_whisper_lenses")

figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
for ax, (family, metric, title, below) in zip(axes, PANELS, strict=True):
    scale = 1 if metric == "kl" else 100
    for (lens, baseline), style in LINES.items():
        rows = table[(table.lens == lens) & (table.baseline == baseline) & (table.metric == metric)]
        if (family == "decoder") != (lens == "decoder"):
            continue
        if metric == "agreement" and baseline == "random-init":
            continue  # it says the same from every layer, whatever it hears
        draw(ax, rows, style, scale)
    ax.set_title(title, loc="left", fontsize=10)
    ax.set_xlabel(below)
    ax.set_ylim(0, None)
    tidy(ax)
    ax.legend(frameon=False, fontsize=8.5)


def scores(lens: str, metric: str, baseline: str = "none") -> pd.Series:
    """Return the scores of a lens by layer."""
    rows = table[(table.lens == lens) & (table.metric == metric) & (table.baseline == baseline)]
    return rows.set_index("layer").score


errors = scores("decoder", "wer")
assert errors.is_monotonic_decreasing
assert errors[4] < 0.1
assert errors[0] > 0.7
for control in ("random-init", "shuffled-transcripts"):
    assert errors[0] + 0.2 < scores("decoder", "wer", control).min(), control
assert scores("decoder", "agreement").is_monotonic_increasing
tuned, untuned = scores("tuned", "kl"), scores("untuned", "kl")
assert (tuned.iloc[:3] < untuned.iloc[:3]).all()
assert tuned[0] < untuned[0] / 2
assert tuned.is_monotonic_decreasing
assert scores("untuned", "agreement")[0] == 0

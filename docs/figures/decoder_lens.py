"""What demo/whisper would write from lower layers of its encoder and decoder; ends in what the page says."""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

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
# Sphinx runs this where the page is; tests run it where it stands.
folder = next(path for path in (Path("gallery"), Path("docs/gallery"), Path("../gallery")) if path.is_dir())
table = pd.read_csv(folder / "demo_whisper_lenses.csv")

figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
for ax, (family, metric, title, below) in zip(axes, PANELS, strict=True):
    scale = 1 if metric == "kl" else 100
    for (lens, baseline), (name, colour, line, marker) in LINES.items():
        rows = table[(table.lens == lens) & (table.baseline == baseline) & (table.metric == metric)]
        if rows.empty or (family == "decoder") != (lens == "decoder"):
            continue
        if metric == "agreement" and baseline == "random-init":
            continue  # it says the same from every layer, whatever it hears
        ax.plot(
            rows.layer,
            scale * rows.score,
            color=colour,
            linestyle=line,
            marker=marker,
            markersize=4,
            label=name,
        )
        ax.fill_between(
            rows.layer, scale * rows.ci_low, scale * rows.ci_high, color=colour, alpha=0.15, linewidth=0
        )
    ax.set_title(title, loc="left", fontsize=10)
    ax.set_xlabel(below)
    ax.set_xticks(range(5))
    ax.set_ylim(0, None)
    ax.grid(axis="y", color="#E5E5E5", linewidth=0.6)
    ax.spines[["top", "right"]].set_visible(False)
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

"""What whisper-tiny.en's layers are like, beside chance and random weights; ends in what the page says."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from layers import draw, name_lines, table_of, tidy

STYLES = {
    "none": ("Whisper", "#0072B2", "-", "o"),
    "random-init": ("random weights", "#D55E00", "-", "s"),
    "mfcc": ("MFCC", "#009E73", "-", ""),
}
CURVES = {
    "mfcc": ("like MFCC, by CKA", "CKA"),
    "mfcc_by_svcca": ("like MFCC, by SVCCA", "mean correlation"),
    "features": ("like phonetic features, by CKA", "CKA"),
    "phones_by_rsa": ("phones like their features, by RSA", "Spearman's ρ"),
    "abx": ("ABX, across speakers", "error (%)"),
}
table = table_of("whisper_similarity")

figure, axes = plt.subplots(2, 4, figsize=(11.5, 5.6), layout="constrained")
for ax, baseline in zip(axes[:, 0], ("none", "random-init"), strict=True):
    rows = table[(table.study == "layers") & (table.baseline == baseline)]
    grid = np.eye(5)
    for one in rows.itertuples():
        grid[int(one.layer), int(one.other_layer)] = grid[int(one.other_layer), int(one.layer)] = one.score
    image = ax.imshow(grid, vmin=0, vmax=1, cmap="viridis", origin="lower")
    for (row, column), value in np.ndenumerate(grid):
        ax.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7.5,
                color="white" if value < 0.6 else "black")  # fmt: skip
    ax.set_title(f"layers of {STYLES[baseline][0]}, by CKA", loc="left", fontsize=9.5)
    ax.set_xlabel("layer")
    ax.set_ylabel("layer")
for ax, (study, (title, unit)) in zip([*axes[0, 1:], *axes[1, 1:3]], CURVES.items(), strict=True):
    factor = 100 if study == "abx" else 1
    for baseline, style in STYLES.items():
        draw(ax, table[(table.study == study) & (table.baseline == baseline)], style, factor)
    rows = table[(table.study == study) & (table.baseline == "none")]
    ax.plot(rows.layer, factor * rows.null, color="#6E6E6E", linestyle="--", linewidth=1, label="chance")
    if study == "phones_by_rsa":
        rows = table[table.study == "agreement_of_speakers"]
        ax.plot(rows.layer, rows.score, color="#333333", linestyle=":", label="agreement of speakers")
    ax.set_title(title, loc="left", fontsize=9.5)
    ax.set_ylabel(unit)
    ax.set_xlabel("layer")
    ax.set_ylim(min(0, ax.get_ylim()[0]), None)
    tidy(ax)
name_lines(figure, axes[1, 3])


def row(study: str, layer: float, baseline: str = "none") -> pd.Series:
    """Return one row of the table."""
    return table[(table.study == study) & (table.baseline == baseline) & (table.layer == layer)].iloc[0]


def best(study: str, baseline: str = "none") -> pd.Series:
    """Return the row of the layer that is most alike."""
    return table[(table.study == study) & (table.baseline == baseline)].nlargest(1, "score").iloc[0]


for study in ("mfcc", "features", "mfcc_by_svcca", "phones_by_rsa"):
    assert best(study).ci_low > best(study, "random-init").ci_high, study
    assert best(study).ci_low > best(study).null, study
twin = table[(table.study == "layers") & (table.baseline == "random-init")]
assert twin.score.min() > 0.98  # an untrained network hardly changes what it is given
assert table[(table.study == "layers") & (table.baseline == "none")].score.min() < 0.5
assert row("mfcc", 0).score < 0.2  # the cepstra are small,
assert row("mfcc_by_svcca", 0).score > 0.9  # but there
assert best("mfcc").layer == 2
errors = table[(table.study == "abx") & (table.baseline == "none")].set_index("layer").score
mfcc = table[(table.study == "abx") & (table.baseline == "mfcc")].score.iloc[0]
assert errors.idxmin() == 3
assert errors[3] < mfcc < errors[1]

"""The frames of one word under the four rules, for a wav2vec2 model and for Whisper."""

import matplotlib.pyplot as plt

from speechinterp.frames import RULES, FrameGrid

START, END = 0.315, 0.530
COLOURS = dict(zip(RULES, ["#0072b2", "#d55e00", "#009e73", "#cc79a7"], strict=True))
GRIDS = {
    "wav2vec2: each frame sees 25 ms": FrameGrid(16000, 320, 400, 0, n_frames=99),
    "Whisper: each frame sees 65 ms": FrameGrid(16000, 320, 1040, -520, n_frames=100),
}

figure, axes = plt.subplots(2, 1, figsize=(9, 7.6), sharex=True, layout="constrained")
for ax, (title, grid) in zip(axes, GRIDS.items(), strict=True):
    ax.axvspan(START, END, color="0.92", zorder=0)
    ax.text((START + END) / 2, 6.4, "word, .315 s to .530 s", ha="center", va="center", fontsize=9)
    for frame in range(10, 33):
        left, right = grid.seconds_of(frame)
        centre, height = grid.times[frame], 4.2 + frame % 4 * 0.5
        ax.plot([left, right], [height, height], color="0.45", linewidth=1.2)
        ax.plot(centre, height, "o", color="black", markersize=3)
    names = [(4.95, "what frames see,\nand their centres")]
    for row, rule in enumerate(reversed(RULES)):
        chosen = grid.frames_in(START, END, rule)
        for frame in chosen:
            ax.text(
                grid.times[frame], row * 0.9, str(frame), ha="center", va="center", fontsize=8, color="white",
                bbox={"boxstyle": "round,pad=0.25", "color": COLOURS[rule]},
            )  # fmt: skip
        names.append((row * 0.9, f"{rule} ({len(chosen)})"))
    ax.set_title(title, loc="left", fontsize=10)
    ax.set_ylim(-0.7, 6.9)
    ax.set_yticks(*zip(*names, strict=True))
    ax.tick_params(axis="y", length=0)
    ax.spines[["left", "right", "top"]].set_visible(False)
axes[-1].set_xlim(0.25, 0.605)
axes[-1].set_xlabel("time (s)")

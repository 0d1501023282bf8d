# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 2. What the model sees
#
# A phonetician sees an axis of seconds. A speech model sees a row of frames, each a vector. Before you ask a layer
# anything, you should know which frame stands where, how much sound is in it, and what was done to the sound before.

# %%
import numpy as np
import pandas as pd

import speechinterp as si

corpus = si.load_corpus("demo?type=sentence")
utterance = corpus[0]
model = si.load_model("demo/wav2vec2")
states = model.states([utterance])[0]
states.shape

# %% [markdown]
# Seven layers, 85 frames, 192 numbers each. There are six transformer layers in this model. The seventh row is
# **layer 0**: what goes into the first of them, straight from the convolutions. `states[l]` is what layer *l* reads,
# and the last row what the top puts out.
#
# ## When is frame 10?
#
# The convolutions decide, with three numbers: how far from one frame to the next (*hop*), how much sound one frame
# sees (*receptive field*), and where the first begins (*offset*). All are in samples, here 16 000 a second.

# %%
names = ["demo/wav2vec2", "demo/hubert", "demo/whisper"]
models = {name: si.load_model(name) for name in names}
rows = []
for each in models.values():
    grid = each.frames(utterance)
    milliseconds = [n / 16 for n in (grid.hop, grid.receptive_field, grid.offset)]
    rows.append([*milliseconds, grid.n_frames, grid.times[10]])
columns = ["hop (ms)", "receptive field (ms)", "offset (ms)", "frames", "frame 10 at (s)"]
pd.DataFrame(rows, index=names, columns=columns)

# %% [markdown]
# A frame 10 of wav2vec 2.0 and a frame 10 of Whisper are 12.5 ms apart. Whisper pads the sound on both sides, so that
# its frame *i* stands at exactly *i* · 20 ms. wav2vec 2.0 does not, so its first frame is centred at 12.5 ms.
#
# ## 49 or 50?
#
# A second of sound (16 000 samples) at 20 ms a frame should make 50 frames. How many does it make?

# %%
counts = [[each.frames(n).n_frames for n in (16000, 80000)] for each in models.values()]
pd.DataFrame(counts, index=names, columns=["frames of 1 s", "frames of 5 s"])

# %% [markdown]
# wav2vec 2.0 and HuBERT have 49: the last window of 25 ms would stick out of the sound. People who divide the length
# by the number of frames get a step of 20.4 ms, and all times a little wrong. **How wrong?** Take the true centres,
# and the two habits that are found in published code.

# %%
grid = model.frames(16000)
frames = np.arange(grid.n_frames)
habits = {"frame · 20 ms": frames * 0.02, "frame · length / n": frames / grid.n_frames}
ms_late = {habit: 1000 * (times - grid.times) for habit, times in habits.items()}
pd.DataFrame(ms_late, index=frames).loc[[0, 12, 24, 36, 48]].round(1)

# %% [markdown]
# Half a frame, or a drift from -12.5 ms to +7. That is a third of a short vowel, and a study of transitions would see
# it. Nothing here needs a rule of thumb: take `grid.times`.
#
# ## Which frames are a phone?
#
# A boundary seldom falls between two frames. A *rule* must say which frames belong to a segment.

# %%
phones = utterance.tier("phones")[:8]
grid = model.frames(utterance)
rules = ["centre", "overlap", "inside", "majority"]
counts = [[len(grid.frames_in(p.start, p.end, rule)) for rule in rules] for p in phones]
table = pd.DataFrame(counts, columns=rules)
table.insert(0, "phone", [p.label for p in phones])
table.insert(1, "ms", [round(1000 * p.duration) for p in phones])
table

# %%
from speechinterp.viz import plot_frames

phone = phones[2]
plot_frames(utterance, grid, phone.start, phone.end, rule="centre", label=phone.label)

# %% [markdown]
# A bar is what a frame sees, a dot its centre. `centre` is the default, and the only rule that gives every frame to
# exactly one of two neighbours. More: [frames and time](../concepts/frames.md).
#
# **Exercise.** How many phones of the whole corpus have no frame at all under `inside`? How many under `centre`? What
# would a probe of short phones learn from the difference?

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
missing = dict.fromkeys(rules, 0)
total = 0
for each in corpus:
    grid = model.frames(each)
    for phone in each.tier("phones"):
        total += 1
        for rule in rules:
            missing[rule] += not grid.frames_in(phone.start, phone.end, rule)
assert missing["overlap"] <= missing["centre"] <= missing["inside"]
pd.Series(missing, name=f"of {total} phones")

# %% [markdown]
# Few here, but not at random: the shortest sounds go first, and in casual speech there are many of them. `extract`
# never drops a unit: one without a frame gets the frame nearest to its middle, and 0 in the column `frames`.

# %% [markdown]
# ## How far does a frame hear?
#
# The receptive field says where a frame *starts from*. Silence 40 ms of the sound, and see which frames change: after
# the convolutions, at layer 0, and at the top.

# %%
from speechinterp.models import Tap


def stages(model, sound):
    with model.record([Tap(None, "cnn")]) as seen:
        layers = model.states([sound])[0]
    frames = layers.shape[1]
    cnn = seen[Tap(None, "cnn")][0, :frames]
    return {"convolutions": cnn, "layer 0": layers[0], "top": layers[-1]}


wave = utterance.waveform(16000)
silenced = wave.copy()
silenced[12800:13440] = 0  # 0.80 to 0.84 s
before = {name: stages(each, wave) for name, each in models.items()}
after = {name: stages(each, silenced) for name, each in models.items()}

# %%
import matplotlib.pyplot as plt

figure, axes = plt.subplots(1, 3, figsize=(10, 2.8), sharey=True, layout="tight")
for ax, name in zip(axes, names, strict=True):
    for stage, x in before[name].items():
        change = (after[name][stage] - x).norm(dim=-1) / x.norm(dim=-1)
        ax.semilogy(models[name].frames(wave).times, change.detach().clip(1e-5), label=stage)
    ax.set(title=name, xlabel="time (s)", ylim=(1e-4, 5))
axes[-1].legend(frameon=False, fontsize=8)
label = axes[0].set_ylabel("relative change of a frame")

# %% [markdown]
# Whisper's convolutions are what the textbook says: a handful of frames change, the others not at all. Those of the
# other two change *everywhere*, if only by a hundredth or less. They normalise: the whole sound gets mean 0 and
# spread 1, and wav2vec 2.0 also divides every channel by its spread over the whole utterance.
#
# The bumps are pauses and closures, where there is little to begin with.
#
# At layer 0 wav2vec 2.0 and HuBERT have already mixed in 0.6 s to either side (1.3 s in the released models): a wide
# convolution tells frames where they are. At the top, every frame has heard everything. A vector *stands at* its
# time. What it knows need not be from there.
#
# **Exercise.** Add a click of half a millisecond instead: `clicked[12800:12808] += 0.5`. (The sound itself stays
# below 0.13.) Which model minds most, more than 0.2 s away from the click?

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
clicked = wave.copy()
clicked[12800:12808] += 0.5
far = slice(0, 30)  # up to 0.6 s
found = {}
for name, each in models.items():
    pairs = {stage: (x[far], before[name][stage][far]) for stage, x in stages(each, clicked).items()}
    found[name] = {stage: ((x - y).norm() / y.norm()).item() for stage, (x, y) in pairs.items()}
assert found["demo/wav2vec2"]["convolutions"] > 3 * found["demo/hubert"]["convolutions"]
assert found["demo/whisper"]["layer 0"] == 0
pd.DataFrame(found).T.round(3)

# %% [markdown]
# One click changes wav2vec 2.0 by a third, in frames that never saw it: it sets the spread of its channels. Clean
# clicks away before you compare layers.
#
# ## Padding
#
# Recordings of different length are run in one batch by padding the shorter ones with zeros. Do the zeros matter? Run
# an utterance alone, padded by a second as plain code would do it, and in a batch with a longer one.

# %%
longer = next(each for each in corpus if each.duration > utterance.duration + 1)


def distance(a, b):
    return ((a - b).norm() / b.norm()).item()


rows = {}
for name, each in models.items():
    alone = each.states([wave])[0]
    padded = each.states([np.pad(wave, (0, 16000))])[0][:, : alone.shape[1]]
    batch = each.states([utterance, longer])[0]
    rows[name] = distance(padded, alone), distance(batch, alone)
pd.DataFrame(rows, index=["padded by hand", "in our batch"]).T

# %% [markdown]
# With zeros by hand, the vectors of wav2vec 2.0 and HuBERT are off by a fifth to a quarter of their length. In a
# batch of this package they are the same up to rounding. Whisper always fills its window, and attends to the empty
# part; another second of zeros is what it had before. How this is done: [padding](../concepts/padding.md).
#
# **Exercise.** Pad by 0.25, 0.5, 1, 2 and 4 seconds. Does the top layer of wav2vec 2.0 stop changing?

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
alone = model.states([wave])[0]
found = {}
for seconds in [0.25, 0.5, 1, 2, 4]:
    padded = model.states([np.pad(wave, (0, int(16000 * seconds)))])[0][:, : alone.shape[1]]
    found[seconds] = distance(padded[-1], alone[-1])
assert found[4] > found[1] > found[0.25] > 0.01
pd.Series(found, name="distance of the top layer").rename_axis("padded by (s)").round(3)

# %% [markdown]
# ## Layer 0, and two last layers
#
# In models whose norms come *before* each block, nothing keeps the vectors small, and the encoder ends in one more
# norm. So "the last layer" may mean the vectors before it (*raw*) or after it (*normed*).

# %%
norms = {}
for name, each in models.items():
    raw, normed = each.states([wave])[0], each.states([wave], form="normed")[0]
    row = {f"layer {i}": x.norm(dim=-1).mean().item() for i, x in enumerate(raw)}
    row["last, raw"] = raw[-1].norm(dim=-1).mean().item()
    row["last, normed"] = normed[-1].norm(dim=-1).mean().item()
    norms[f"{name}, {'pre' if each.pre_norm else 'post'}-norm"] = row
pd.DataFrame(norms).T.drop(columns=["layer 5", "layer 6"]).round(1)

# %% [markdown]
# The `hidden_states` of Hugging Face end in the *raw* one for HuBERT and wav2vec 2.0, and in the *normed* one for
# Whisper. Who compares the top layers of the two compares different things. Here all layers are raw unless you ask
# for `form="normed"`, which is what a decoder or a CTC head reads.
#
# Can you trust all this for a model that you have loaded? Check it, against Hugging Face's own forward pass and
# against itself. On the command line: `speechinterp check MODEL`.

# %%
from speechinterp.models import check_model

check_model(models["demo/hubert"])[["check", "value", "limit", "passed"]]

# %% [markdown]
# ## A new utterance
#
# All you need to apply a trained model to a sound is the sound. Let us pretend that this is a recording of yours: at
# 44.1 kHz, in stereo, with the voice on the left and some hum on the right, and a Praat TextGrid beside it.

# %%
from pathlib import Path

import soundfile

from speechinterp.audio import Sound

voice = Sound(wave, 16000).resampled(44100).samples
hum = 0.02 * np.sin(2 * np.pi * 50 * np.arange(len(voice)) / 44100)
Path("mine/ann").mkdir(parents=True, exist_ok=True)
soundfile.write("mine/ann/take1.wav", np.stack([voice, hum], axis=1), 44100)
si.write_annotation("mine/ann/take1.TextGrid", utterance.tiers, audio="mine/ann/take1.wav")

mine = si.load_corpus("textgrid:mine?channel=0")
mine[0]

# %% [markdown]
# Without `channel` it is refused, rather than mixed or guessed. Error messages say what was found, what was expected,
# and what to do:

# %%
try:
    model.states([si.load_corpus("textgrid:mine")[0]])
except si.errors.SpeechInterpError as error:
    print(error)

# %% [markdown]
# The rest is as before. The sample rate is taken care of.

# %%
reps = si.extract(model, mine, unit="phones")
print("said  ", mine[0].transcript)
print("writes", model.transcribe(mine[0]))
print(f"distance from the original: {distance(model.states([mine[0]])[0], states):.3f}")
reps.units.head()

# %% [markdown]
# The states of the copy are not quite those of the original: resampling twice, and 16 bits, cost something near 8
# kHz.
#
# `reps.layer(6)` is what the next chapters are about: one row a phone, one column a dimension.

# %%
reps.layer(6).shape

# %% [markdown]
# **Exercise.** No TextGrid? Write a table with the columns `file`, `channel`, `speaker`, `start`, `end`, `label`,
# with a row for each of three words, and read it with `table:`. Extract one vector a word.

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
rows = [("ann/take1.wav", 0, "ann", w.start, w.end, w.label) for w in utterance.tier("words")[:3]]
table = pd.DataFrame(rows, columns=["file", "channel", "speaker", "start", "end", "label"])
table.to_csv("mine/words.csv", index=False)
words = si.extract(model, si.load_corpus("table:mine/words.csv"), unit="segments")
assert words.units.label.tolist() == table.label.tolist()
words.units

# %% [markdown]
# ## Other models, your own recording
#
# ```text
# model = si.load_model("facebook/wav2vec2-base")       # 12 layers, post-norm, group norm over time
# model = si.load_model("facebook/hubert-large-ll60k")  # 24 layers, pre-norm, layer norm in the convolutions
# model = si.load_model("openai/whisper-small")         # a window of 30 s: cut longer recordings at pauses
# mine = si.Utterance("me", Path("me.wav"), transcript="what I said", channel=0)
# states = model.states([mine])[0]
# times = model.frames(mine).times
# ```
#
# Everything in this chapter holds for them. What differs: Whisper's window is 30 s, of which a recording of 3 s fills
# a tenth; that of `demo/whisper` is 6 s. `wav2vec2-base` and `hubert-base` are built like `demo/wav2vec2`, with the
# norm over time that minds clicks and padding; their large versions like `demo/hubert`. And a recording at 8 kHz, of
# a telephone call for instance, gives a warning: the upper half of what these models listen to is missing.

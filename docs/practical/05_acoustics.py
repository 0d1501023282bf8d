# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 5. Acoustics and articulation
#
# So far, labels. But what a phonetician measures are numbers that change over time: intensity, pitch, formants, the
# places of tongue and lips. Are they in the layers? And how much of a layer is about them?
#
# ## Measure

# %%
import numpy as np
import pandas as pd

import speechinterp as si
from speechinterp.probing import describe_units
from speechinterp.representations import AcousticFeatures

corpus = si.load_corpus("demo?type=sentence")[::2]  # 20 sentences, 8 voices
model = si.load_model("demo/wav2vec2")
reps = si.extract(model, corpus, unit="phones")
twin = si.extract(model.random_twin(seed=0), corpus, unit="phones")
mfcc = si.extract(AcousticFeatures("mfcc"), corpus, unit="phones")
measures = ["energy", "f0", "f1", "f2", "duration", "manner"]
reps = describe_units(reps, corpus, measures)
reps.units[["label", *measures]].head(8).round(2)

# %% [markdown]
# Energy is in dB, pitch and formants in Hz, each averaged over the phone. Look at the formants of the plosive. Linear
# prediction always finds something; it need not be a formant. Keep those of vowels, and look at them before you use
# them.

# %%
units = reps.units
units.loc[units.manner != "vowel", ["f1", "f2"]] = np.nan
chart = units[units.label.str.len() == 1].groupby("label")[["f1", "f2"]].mean().dropna()
labels = {"xlabel": "F2 (Hz)", "ylabel": "F1 (Hz)"}
ax = chart.plot.scatter("f2", "f1", figsize=(4.5, 3.6), **labels)
for label, row in chart.iterrows():
    ax.annotate(label, (row.f2, row.f1), xytext=(4, 4), textcoords="offset points")
ax.invert_xaxis()
ax.invert_yaxis()

# %% [markdown]
# It looks like a vowel chart, though each vowel is seen a few times only, in eight quite different voices. A measure
# has errors. No layer can be better than what you compare it with.
#
# ## Read a measure from a layer
#
# Ridge regression instead of a classifier; all else is as in [chapter 3](03_probes.py): new voices, twin, MFCC,
# values shuffled.

# %%
from speechinterp.probing import regress
from speechinterp.viz import plot_scores

controls = {"random-init": twin, "mfcc": mfcc}
scores = regress(reps, ["energy", "f0", "f1", "f2"], baselines=controls)
plot_scores(scores[scores.target == "f2"], "pearson_r")

# %%
kept = scores[scores.baseline != "shuffled-labels"]
best = kept.groupby(["target", "metric", "baseline"]).score.max()
best.unstack([1, 2]).round(2)

# %% [markdown]
# Energy is read from an *untrained* network as well as from the trained one: nothing was learnt about it. Formants
# are not there before training, and after it they are about as good as in MFCC. And pitch? MFCC have it; of the model
# there is some correlation, and an *R*² below 0.
#
# *r* forgives a wrong level and a wrong scale, *R*² does not. Hz across voices is mostly *who* is speaking. MFCC know
# that, and [chapter 3](03_probes.py) showed how this model loses it.
#
# The grey line in the figure is one draw of shuffled values. A prediction that knows nothing may well have an *r* of
# -0.3, its interval over voices notwithstanding; its *R*² is 0. Look at both.
#
# **Exercise.** Make a column of semitones about each speaker's median (`12 * np.log2(f0 / median)`). Is the melody
# read better than Hz?

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
units["melody"] = 12 * np.log2(units.f0 / units.groupby("speaker").f0.transform("median"))
melody = regress(reps, "melody", baselines=controls)
kept = melody[melody.baseline != "shuffled-labels"]
found = kept.groupby(["metric", "baseline"]).score.max().unstack()
assert found.loc["r2", "none"] < 0.35
found.round(2)

# %% [markdown]
# The other way round: MFCC know the voice, not the melody; the model knows more of the melody than of the voice. Same
# sound, same regression, another question.
#
# ## Predict the layer
#
# That something can be *read* from a layer does not mean that the layer is *about* it. An encoding model turns the
# arrow around: it predicts the vectors from features. `r2` is what a group explains alone, `unique_r2` what no other
# group can.

# %%
from speechinterp.probing import encode

groups = {"phone": ["label"], "length": ["duration"], "loudness": ["energy"]}
shares = encode(reps, groups, baselines={"random-init": twin})
table = shares[(shares.baseline == "none") | (shares.layer.isin([0, 6]))]
table = table[table.baseline != "shuffled-labels"]
table.set_index(["metric", "target", "baseline", "layer"]).score.unstack([2, 3]).round(2)

# %% [markdown]
# Loudness, which was read nearly perfectly, is a twentieth of the variance, and what is *unique* to it is nothing: it
# comes with the phone. Phones explain more and more, up to layer 4, and then less. In the twin they explain nothing
# that loudness does not. And **what is the rest?** Nothing that we have named: context, noise, and what 20 sentences
# are too few to show.
#
# **Exercise.** Take `demo/hubert`, which was never told about phones. How much of its layers do phones explain, and
# where is the maximum?

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
hubert = si.load_model("demo/hubert")
hubert_reps = describe_units(si.extract(hubert, corpus), corpus, ["duration", "energy"])
theirs = encode(hubert_reps, groups)
found = theirs[(theirs.metric == "r2") & (theirs.baseline == "none")]
found = found.pivot(index="target", columns="layer", values="score")
assert found.loc["phone"].idxmax() < 2
found.round(2)

# %% [markdown]
# At the bottom, and less from there on: the opposite of a model that was trained to write.
#
# ## Features
#
# Between acoustics and phones are the features of the chart. A probe each, and the mean over classes
# (`balanced_accuracy`), since classes are of different size. ([Chapter 3](03_probes.py) says what such numbers do not
# mean.)

# %%
import warnings

warnings.filterwarnings("ignore", category=si.probing.LeftOutWarning)
names = ["voicing", "manner", "place", "height", "backness"]
described = describe_units(reps, corpus, names)
rows = {}
for name in names:
    table = si.probe(described, name, probe="lda", baselines=controls)
    table = table[table.metric == "balanced_accuracy"]
    rows[name] = table.groupby("baseline").score.max()
columns = ["none", "random-init", "mfcc", "shuffled-labels", "majority"]
pd.DataFrame(rows).T[columns].round(2)

# %% [markdown]
# ## From one sound to another
#
# *Mine* and *nine* differ in one phone, and in the embedded corpus the two are spoken in phase. So they can be mixed,
# step by step. The sound changes evenly. Does a layer?

# %%
pairs = {}
for each in si.load_corpus("demo?type=contrast"):
    pairs.setdefault(each.meta["pair"], []).append(each)
steps = np.linspace(0, 1, 11)


def mixed(a, b):
    x, y = a.waveform(16000), b.waveform(16000)
    n = min(len(x), len(y))
    return [((1 - step) * x[:n] + step * y[:n]).astype("float32") for step in steps]


a, b = pairs["contrast-mine-nine-0"]
sound = si.audio.Sound(mixed(a, b)[5], 16000)
si.Utterance("half-way", sound, transcript="mine or nine?")


# %%
def paths(model):
    """Return how far along each step is, from 0 to 1 [shape=(pairs, layers, steps)]."""
    found = []
    for a, b in pairs.values():
        (cue,) = a.tier("cue")
        frames = list(model.frames(a).frames_in(cue.start, cue.end))
        states = model.states(mixed(a, b))
        x = np.stack([s[:, frames].mean(dim=1).numpy() for s in states], axis=1)
        from_a, from_b = (np.linalg.norm(x - x[:, [end]], axis=-1) for end in (0, -1))
        found.append(from_a / (from_a + from_b))
    return np.array(found)


# %%
ours, theirs = paths(model), paths(AcousticFeatures("mfcc", like=model))
means = ours.mean(axis=0)
table = pd.DataFrame({"layer 0": means[0], "layer 6": means[6]}, index=steps)
table["MFCC"] = theirs.mean(axis=0)[0]
labels = {"xlabel": "share of the second sound", "ylabel": "how far along"}
ax = table.plot(figsize=(5, 3.4), marker="o", ms=3, **labels)

# %% [markdown]
# The mean over pairs is smoother than any of them, since each has its boundary elsewhere. So ask of every pair: how
# much of the way is made in its steepest fifth? An even change has 0.2; a category that flips has 1.


# %%
def steepest(paths):
    return (paths[..., 2:] - paths[..., :-2]).max(axis=-1).mean(axis=0)


untrained = paths(model.random_twin(seed=0))
rows = {"model": steepest(ours), "random weights": steepest(untrained)}
pd.DataFrame(rows).T.assign(MFCC=steepest(theirs)[0]).round(2)

# %% [markdown]
# The change becomes steeper from layer to layer. It is far from a flip, and MFCC are as uneven: they take a
# logarithm, so that a little of a louder sound counts much. Compare with such a line before you speak of categorical
# perception.
#
# **Exercise.** Do the same for `demo/hubert`. Does training on sound alone make categories?

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
found = steepest(paths(hubert))
assert found[-1] < steepest(ours)[-1]
found.round(2)

# %% [markdown]
# ## Articulators
#
# Electromagnetic articulography (EMA) tracks points on tongue, lips and jaw. A synthetic voice has no tongue. But it
# has phones, and we can invent *gestures* for them: lips closed or rounded, tip and back of the tongue raised, velum
# lowered, smoothed over 100 ms. As with EMA, there is one table a recording, with `time` in seconds and a column a
# channel.

# %%
from pathlib import Path

from speechinterp.corpora import features


def gestures(label):
    f = features(label, "ipa")
    lips = f["place"] in ("bilabial", "labiodental", "labial-velar")
    tip = f["place"] in ("dental", "alveolar", "postalveolar")
    lips = lips + 0.5 * (f["rounding"] == "rounded")
    return [lips, tip, f["place"] == "velar", f["manner"] == "nasal"]


# %%
window = np.hanning(21) / 10
for each in corpus:
    time = np.arange(0, each.duration, 0.005)
    track = np.zeros((len(time), 4))
    for phone in each.tier("phones"):
        track[(time >= phone.start) & (time < phone.end)] = gestures(phone.label)
    track = np.stack([np.convolve(x, window, "same") for x in track.T], axis=1)
    table = pd.DataFrame(track, columns=["lips", "tip", "back", "velum"])
    path = Path(f"tracks/{each.id}.csv")
    path.parent.mkdir(parents=True, exist_ok=True)
    table.assign(time=time).to_csv(path, index=False)
ax = table.set_index(time).plot(figsize=(8, 2.4), xlabel="time (s)")
title = ax.set_title(each.transcript)

# %% [markdown]
# From here on it is the same for real articulators. Take every *frame*; `add_tracks` gives each the mean of what was
# measured during it, by time, never by counting samples.

# %%
from speechinterp.probing import add_tracks

frames = si.extract(model, corpus, unit="frames")
frame_controls = {
    "random-init": si.extract(model.random_twin(seed=0), corpus, unit="frames"),
    "mfcc": si.extract(AcousticFeatures("mfcc", like=model), corpus, unit="frames"),
}
tracked, channels = add_tracks(frames, "tracks")
moves = regress(tracked, channels, baselines=frame_controls)
r = moves[moves.metric == "pearson_r"].fillna({"layer": -1})
r = r.set_index(["baseline", "layer", "target"]).score.unstack()
r.loc[["none", "mfcc"]].round(2)

# %%
plot_scores(moves[moves.target == "velum"], "pearson_r")

# %% [markdown]
# A table like this, thirteen layers by twelve channels, is what studies of articulation report. Three cautions:
#
# - **The null.** Tracks are smooth, so values exchanged over frames would be no fair control. `shuffled-labels` shifts each
# track in time within its utterance. Its *r* is not 0 but around it; *R*² is.
# - **What is read?** Here gestures were *made of* phones, so a layer that has phones has gestures. With real EMA, too:
# compare with a regression on phone labels before you say that a model knows articulation beyond phones.
# - **Whose tongue?** Coordinates depend on the speaker and on where sensors were glued. Folds over speakers ask for what is
# shared; within one speaker use `folds="utterance"`, never single frames: neighbours are nearly the same.
#
# **Exercise.** How much would folds over utterances, or over single frames (`folds="random"`), flatter?

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
found = {}
for folds in ["speaker", "utterance", "random"]:
    table = regress(tracked, "velum", folds, baselines=frame_controls)
    found[folds] = table[table.metric == "pearson_r"].groupby("baseline").score.max()
table = pd.DataFrame(found).loc[["none", "mfcc", "random-init"]]
assert (table["random"] - table["speaker"]).loc[["none", "mfcc"]].between(0, 0.1).all()
table.round(2)

# %% [markdown]
# Little, for gestures that are the same in all voices and a regression that cannot learn frames by heart. With
# sensors on real tongues it may be more: try it with your own.
#
# ## Real articulators, other models
#
# Put one CSV a recording into a folder, with the names of the recordings: from MATLAB, or from the tables that come
# with a corpus (MOCHA-TIMIT, Haskins IEEE). EMU databases keep tracks in SSFF files, each in the folder of its
# recording:
#
# ```text
# from speechinterp.corpora import read_ssff
#
# for path in Path("my_emuDB").glob("*_ses/*_bndl/*.ema"):    # the extension is in my_DBconfig.json
#     out = "tracks" / path.relative_to("my_emuDB").with_suffix(".csv")
#     out.parent.mkdir(parents=True, exist_ok=True)
#     read_ssff(path).to_csv(out, index=False)                # time, and one column a channel
#
# corpus = si.load_corpus("emu:my_emuDB?speaker=prefix:3")
# frames = si.extract(si.load_model("facebook/wav2vec2-base"), corpus, unit="frames", out="runs/ema")
# tracked, channels = add_tracks(frames, "tracks")
# scores = regress(tracked, channels, folds="utterance")
# ```
#
# On English EMA of one speaker, horizontal positions are read from layers 5 to 10 of wav2vec2-base with an *r* of .7
# to .8, from MFCC with .4 to .6, and from its two top layers, which were trained on something else, with less again.
# Whisper's frames stand at other times and see 65 ms, which the times of the tables take care of. The cost grows with
# frames: an hour of speech is 180 000. More: [regression](../methods/regression.md),
# [encoding](../methods/encoding.md).

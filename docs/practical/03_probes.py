# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 3. Representations and probes
#
# Does a layer know which phone is being said? Train a simple classifier on its vectors, test it on others: that is a
# *probe*. It always gives a number. The work is to find out what the number means.
#
# ## One vector a phone

# %%
import speechinterp as si

corpus = si.load_corpus("demo?type=sentence")
model = si.load_model("demo/wav2vec2")
reps = si.extract(model, corpus, unit="phones")  # pool="mean", rule="centre"
reps.units[["utterance", "speaker", "label", "start", "end", "frames"]].head()

# %%
reps.layer(4).shape, reps.units.speaker.nunique(), reps.units.label.nunique()

# %% [markdown]
# Every row is a phone, averaged over its frames: 912 of them, of eight voices and 47 kinds, and 192 numbers each, for
# seven layers.
#
# ## The first number

# %%
import warnings

scores = si.probe(reps, probe="lda")
accuracy = scores.query("metric == 'accuracy' and baseline == 'none'").set_index("layer")
accuracy[["score", "ci_low", "ci_high", "n_test"]].round(3)

# %% [markdown]
# The warning is part of the result. Two kinds of phones occur in one voice only, so they cannot be both learnt and
# tested; they are left out and counted. Now that you have read it:

# %%
warnings.filterwarnings("ignore", category=si.probing.LeftOutWarning)

# %% [markdown]
# Layer 4 has 99 % right, in voices that the probe has never heard, and the interval is over voices. Is that much?
#
# ## Compared with what?
#
# With guessing; with what the *sound* gives away (MFCC, the features of speech recognition before neural networks);
# and with the same *architecture* before training, the random twin. All go through the same pooling, folds and
# classifier.

# %%
from speechinterp.representations import AcousticFeatures
from speechinterp.viz import plot_scores

mfcc = si.extract(AcousticFeatures("mfcc"), corpus, unit="phones")
twin = si.extract(model.random_twin(seed=0), corpus, unit="phones")
controls = {"random-init": twin, "mfcc": mfcc}
scores = si.probe(reps, probe="lda", baselines=controls)
plot_scores(scores)

# %% [markdown]
# Guessing gives 7 %, shuffled labels less; an untrained network a quarter; the sound alone half. What training added
# is the distance to these lines, and already at layer 0 it is large: the convolutions learned most of it.
#
# But look into the card of this model (`data/README.md`; in short [here](../embedded.md)). It was trained with the
# phone label of every frame. So its top knows phones because it was told. What of a model that was never told?
#
# **Exercise.** Do the same with `demo/hubert`, which learned from sound alone. Is it better than its random twin? Is
# it better than MFCC?

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
hubert = si.load_model("demo/hubert")
hubert_reps = si.extract(hubert, corpus, unit="phones")
hubert_twin = si.extract(hubert.random_twin(seed=0), corpus, unit="phones")
hubert_controls = {"random-init": hubert_twin, "mfcc": mfcc}
hubert_scores = si.probe(hubert_reps, probe="lda", baselines=hubert_controls)
best = hubert_scores[hubert_scores.metric == "accuracy"].groupby("baseline").score.max()
assert best["none"] > 2 * best["random-init"]
assert abs(best["none"] - best["mfcc"]) < 0.06
plot_scores(hubert_scores)

# %% [markdown]
# Far better than its twin, and no better than MFCC. With the twin alone you would have written that HuBERT discovers
# phones. (This one saw a thousandth of a real HuBERT's training. The real ones are well above MFCC.)
#
# ## Who is in the test?
#
# Folds keep all of a speaker together: the test asks about *new voices*. Splitting utterances, or single phones, is
# common in published code. What does it change?

# %%
import pandas as pd

best = {}
for folds in ["speaker", "utterance", "random"]:
    table = si.probe(reps, folds=folds, probe="lda", baselines=controls)
    best[folds] = table[table.metric == "accuracy"].groupby("baseline").score.max()
pd.DataFrame(best).loc[["none", "mfcc", "random-init"]].round(3)

# %% [markdown]
# The model does not mind, MFCC gain more than ten points: they recognise phones *of voices they know*. So lax folds
# flatter the control here, and the gap that you report shrinks; in other studies they flatter the model. Ask for new
# voices.
#
# ## Reading, or learning by heart?
#
# Take a coarser question: the *manner* of articulation. `types="label"` adds a **control task**: every phone gets a
# manner by lot, and the same probe has to learn this nonsense.

# %%
from speechinterp.probing import describe_units

described = describe_units(reps, corpus, ["manner", "words"])
manner = si.probe(described, "manner", probe="lda", baselines=controls, types="label", shuffles=5)
plot_scores(manner)

# %% [markdown]
# From layer 4 on, nonsense is learnt nearly as well as manner. So the high score does not say that *manner* is there.
# It says that *phones* are, and any property of phones can then be looked up. The difference is called
# **selectivity**.

# %%
selectivity = manner.query("metric == 'selectivity'").set_index("layer")
selectivity[["score", "ci_low", "ci_high"]].round(3)

# %% [markdown]
# At layer 0 it is largest: there manner itself is laid out, before phones are.
#
# **Exercise.** Probe `voicing` in the same way (describe the units by it first). Look at the accuracy, the majority,
# MFCC and the selectivity. Which one number would mislead most?

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
voiced = describe_units(reps, corpus, ["voicing"])
voicing = si.probe(voiced, "voicing", probe="lda", baselines=controls, types="label")
found = voicing[voicing.metric == "accuracy"].groupby("baseline").score.max()
assert found["none"] > 0.99  # looks like a discovery
assert found["mfcc"] > 0.94  # the sound gives it away
assert found["majority"] > 0.7  # and most phones are voiced
found.round(3)

# %% [markdown]
# ## What is taken for what?
#
# An accuracy hides which phones are confused. Same probe, one layer, all guesses counted:

# %%
from speechinterp.probing import confusions
from speechinterp.viz import plot_confusions

mfcc_described = describe_units(mfcc, corpus, ["manner"])
plot_confusions(confusions(mfcc_described, 0, "manner", probe="lda"))

# %%
for name, each, layer in [("MFCC", mfcc, 0), ("layer 0", reps, 0), ("layer 4", reps, 4)]:
    counts = confusions(each, layer, probe="lda").stack().rename("units").reset_index()
    wrong = counts[counts.true != counts.guessed].nlargest(6, "units")
    pairs = ", ".join(f"{a}→{b} {n}" for a, b, n in wrong.itertuples(index=False))
    print(f"{name:8} {pairs}")

# %% [markdown]
# Read the map and the pairs as a phonetician. In MFCC, affricates go with the plosives they begin with, the lateral
# with the approximants, one stop with another. At layer 0 it is nasals among each other, and neighbours in the vowel
# chart. Such errors say more about a layer than its accuracy.
#
# ## Whose knowledge is it?
#
# Every frame has heard the whole sentence ([chapter 2](02_frames.py)). So a phone's vector may know the phone from
# its neighbours. With `pool="slice"` the model hears each phone *alone*, cut out of the sound.

# %%
from speechinterp.representations import common_units

slices = si.extract(model, corpus, unit="phones", pool="slice")
ways = common_units({"in the sentence": reps, "alone": slices})
rows = {}
for name, each in ways.items():
    table = si.probe(each, probe="lda")
    table = table.query("metric == 'accuracy' and baseline == 'none'")
    rows[name] = table.set_index("layer").score
pd.DataFrame(rows).T.round(3)

# %% [markdown]
# Alone, three quarters are right, at every layer: the layers above the convolutions have nothing to add. What they
# add in a sentence is context. (A caution: the model was never trained on such snippets.)
#
# **Exercise.** Turn it around. `reps.units.groupby("utterance").label.shift(-1)` is the *next* phone. How well is it
# read from a phone's vector, in the sentence and alone?

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
rows = {}
for name, each in ways.items():
    each.units["next"] = each.units.groupby("utterance").label.shift(-1)
    table = si.probe(each, "next", probe="lda")
    table = table.query("metric == 'accuracy' and baseline == 'none'")
    rows[name] = table.set_index("layer").score
found = pd.DataFrame(rows).T
assert found.loc["in the sentence"].max() > 2 * found.loc["alone"].max()
found.round(3)

# %% [markdown]
# ## Words
#
# A word probe is the same with another tier. Commands repeat their words in all voices.

# %%
commands = si.load_corpus("demo?type=command")
words = si.extract(model, commands, unit="words")
word_controls = {
    "random-init": si.extract(model.random_twin(seed=0), commands, unit="words"),
    "mfcc": si.extract(AcousticFeatures("mfcc"), commands, unit="words"),
}
word_scores = si.probe(words, probe="lda", baselines=word_controls)
best = word_scores.groupby(["metric", "baseline"]).score.max().unstack(0)
best.round(3)

# %% [markdown]
# `the` is a quarter of all words, so read `balanced_accuracy` too: the mean over words. And MFCC, averaged over a
# whole word, tell most of these 23 words, since few of them share their sounds. A word probe over a small vocabulary
# is easy to pass. Choose words that are hard to tell: minimal pairs, or many.
#
# ## What a probe cannot say
#
# A probe shows that something *can be read*. It does not show that the model *uses* it. Take something that a model
# that writes has no use for: who is speaking.

# %%
speaker = si.probe(reps, "speaker", folds="utterance", probe="lda", baselines=controls)
plot_scores(speaker)

# %% [markdown]
# The voice is there, well above chance, in every layer. It would be wrong to say that the model identifies speakers:
# MFCC do it far better, and what is left falls from layer to layer, down to what random weights let through. Knowing
# what a layer *loses* is as good as knowing what it has. Whether anything is *used* is a question for interventions,
# not for probes: [chapter 6](06_lenses.py) and those after it.
#
# Before you believe a probe, your own or another's, ask:
#
# 1. Compared with what: random twin, MFCC, majority?
# 2. New voices, or known ones?
# 3. Is it the label, or the type behind it (selectivity)?
# 4. Over what is the interval?
# 5. Would context alone do it?
#
# ## Other models, your own corpus
#
# ```text
# corpus = si.load_corpus("timit:/data/TIMIT")       # or textgrid:FOLDER, table:FILE, ...
# model = si.load_model("facebook/wav2vec2-base")    # or facebook/hubert-base-ls960, openai/whisper-small
# reps = si.extract(model, corpus, unit="phones", out="runs/timit")       # goes on where it was stopped
# scores = si.probe(reps, baselines=controls)        # logistic regression, as most papers have it
# ```
#
# ```text
# speechinterp probe facebook/hubert-base-ls960 timit:/data/TIMIT --out runs/hubert
# ```
#
# What to expect: in the base models phones are read best at two thirds of the height, and worse at the very top,
# which has been turned to another task. In Whisper's encoder the best layer is close to the top; on recordings of
# people, [whisper-tiny.en](../gallery/whisper-probes.md) tells 87 % of phones, with random weights 55 %. Lines are
# closer together than here, so use more than one seed of the twin. A corpus of your own needs at least four speakers
# for folds over speakers; with one, `folds="utterance"` answers a smaller question.

# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 7. Context mixing: which word went into which?
#
# In a transformer every frame is rewritten, layer by layer, as a mixture of all frames. A map of *context mixing*
# says how much of one word went into the representation of another. Such maps are easily drawn. In this chapter you
# find out which of them are right, in a case where the answer is known.

# %%
import speechinterp as si

corpus = si.load_corpus("demo?type=homophone")
model = si.load_model("demo/wav2vec2")
rose, rows = corpus["aunty/homophone-01"], corpus["aunty/homophone-02"]
rose

# %%
rows

# %% [markdown]
# The noun sounds the same in both. One word, the *cue*, says how it is to be spelt. Cut the noun out and listen.
# Could you tell? Can the model?

# %%
from speechinterp.audio import Sound

noun, cue = si.mixing.planted(rose)
whole = Sound(rose.waveform(16000), 16000)
alone = whole.cut(noun.start, noun.end)
print("sentence:", model.transcribe(rose), "| noun alone:", model.transcribe(alone.samples))
alone

# %% [markdown]
# ## Does the model use the cue?
#
# Before you ask *where* a model uses something, make sure *that* it does. Silence the cue, and let the model write
# again.

# %%
samples = whole.samples.copy()
samples[round(cue.start * 16000) : round(cue.end * 16000)] = 0
silenced = Sound(samples, 16000)
print(model.transcribe(silenced.samples))
silenced

# %% [markdown]
# With this cue silenced the model falls back on the other spelling. One sentence proves little. So take 16, with the
# cue before or after the noun, near or far, and silence every word in turn. `log_drop` says by how many nats the log
# odds of the two spellings fall, at the place of the noun. The noun itself is left out.

# %%
import pandas as pd

some = corpus[:48:3]
tables = [si.mixing.remove_words(model, each) for each in some]
lost = pd.concat(tables, ignore_index=True)
lost.groupby("is_cue").log_drop.describe()[["count", "mean", "50%", "max"]].round(1)

# %% [markdown]
# Taking the cue away costs several times as much as taking another word.
#
# **Exercise.** In how many of the 16 sentences is the cue the word that costs most? Look at those where it is not.
# Which word is it, and why might it matter?

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
dearest = lost.loc[lost.groupby("utterance").log_drop.idxmax()]
assert dearest.is_cue.mean() > 0.7
# Mostly a neighbour of the noun: with it goes the sound at the noun's edge, and silence there is itself something
# to hear. Taking a word away does more than to hide what it says.
print(f"{dearest.is_cue.mean():.0%}")
dearest[~dearest.is_cue][["utterance", "label", "log_drop"]].round(1)

# %% [markdown]
# ## Where does it use it? A map by Value Zeroing
#
# Value Zeroing sets the values of one word to zero in one layer, and measures how far the layer's output moves at
# every other word. Rows are *targets*, the words that are rewritten; columns are *sources*. Each row sums to 1.

# %%
from speechinterp.viz import plot_mixing

noun, cue = si.mixing.planted(rose)
mix = si.mixing.value_zeroing(model, rose, unit="words")
plot_mixing(mix)

# %% [markdown]
# Find the row *rose* and the column *one*. In which layer does the cue get to the noun? And what do most of the rows
# of the other layers look like? (`layer 5` is the sixth block; what it makes is state 6 of the other chapters.)
#
# Here is the same row in numbers. `share` is what the cue has of all that goes to *other* words, `rank` its place
# among them.

# %%
si.mixing.cue_alignment(mix, noun, cue).round(2)

# %% [markdown]
# ## The usual map: attention
#
# Most figures of this kind show attention weights, because they are there for the taking.

# %%
weights = si.mixing.attention(model, rose, unit="words")
plot_mixing(weights.sel(layer=[4, 5]))

# %% [markdown]
# **Exercise.** How much do the two maps agree, layer by layer? `si.mixing.agreement({...})` takes maps by name. If they
# agree in a layer, are they right there?

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
maps = {"value zeroing": mix, "attention": weights}
# Well, at every layer, also where neither has the cue on top. Agreement is not truth.
si.mixing.agreement(maps).round(2)

# %% [markdown]
# ## Which measure is right?
#
# Five measures, 16 sentences, two models: the trained one and its twin with random weights. Every map gets one
# question: *is the cue the largest source in the row of the noun?*

# %%
models = {"none": model, "random-init": model.random_twin(0)}
found = []
for name in ["value_zeroing", "attention", "attention_norm", "alti", "rollout"]:
    for baseline, each in models.items():
        for utterance in some:
            its_map = getattr(si.mixing, name)(each, utterance)
            line = si.mixing.cue_alignment(its_map, *si.mixing.planted(utterance))
            found.append(line.assign(measure=name, baseline=baseline, utterance=utterance.id))
cues = pd.concat(found)

# %% [markdown]
# - **Attention** counts how much weight a source has, and not what it says.
# - **Attention-norm** takes the length of what each source adds.
# - **ALTI** asks how much nearer each source brings the sum to what it becomes, and multiplies layers.
# - **Rollout** multiplies attention over layers, with half for the residual stream.

# %%
from speechinterp.viz import plot_by_layer

table = si.mixing.summarise(cues, "top", ["baseline", "measure", "layer"])
table["chance"] = cues.chance_top.mean()
plot_by_layer(table, "Cue is the top source (%)", percent=True)

# %% [markdown]
# At the last layer, Value Zeroing and attention-norm find the cue in every sentence, attention in nearly all, ALTI in
# most. Rollout never does: after six layers of local mixing others hold nearly everything, and the layer that fetched
# the cue adds little to the product. The twin is *below* chance: it attends evenly, so that long words get most, and
# cues are short. Chance is not what your control must give.
#
# So a map over all layers can be worse than a map of one. And without the cue being known, would you have noticed?
#
# **Exercise.** The first rank is one question; another is *how much*. Make the same figure for `share`. Which measure
# says most clearly that the cue decides?

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
shares = si.mixing.summarise(cues, "share", ["baseline", "measure", "layer"])
shares["chance"] = cues.chance_share.mean()
best = shares[(shares.baseline == "none") & (shares.layer == 5)].set_index("measure")["mean"]
assert best.idxmax() == "value_zeroing"
assert best["attention"] < 0.5
plot_by_layer(shares, "Share of the cue (%)", percent=True)

# %% [markdown]
# ## How far does mixing reach?
#
# `readings` turns a map into numbers: how much stays near (`diagonality`), how far away on average what is mixed in
# lies. Each stands beside that of a map without preference, `uniform`.

# %%
si.mixing.readings(mix).query("reading == 'mixing_distance_ms'").round(0)

# %% [markdown]
# ## An encoder and a decoder
#
# Whisper has three kinds of attention: in the encoder, in the decoder to earlier tokens, and from the decoder to the
# sound (*cross*). It spells the nouns right too. Look for the cue in its encoder first, with the best measure you
# have.

# %%
whisper = si.load_model("demo/whisper")
print(whisper.transcribe(rose), "|", whisper.transcribe(rows))
found = []
for utterance in some:
    inside = si.mixing.value_zeroing(whisper, utterance)
    found.append(si.mixing.cue_alignment(inside, *si.mixing.planted(utterance)))
pd.concat(found).groupby("layer")[["top", "chance_top"]].mean().round(2)

# %% [markdown]
# Not there. Its encoder can leave the spelling to the decoder, and the decoder can know the cue in two ways: from its
# sound, and from its token, once that is written. `joint` adds both ways, word by word. Rows are now named by the
# token that comes next.

# %%
how = {"tokens": rose.transcript}
sound = si.mixing.value_zeroing(whisper, rose, where="cross", **how)
text = si.mixing.value_zeroing(whisper, rose, where="decoder", **how)
plot_mixing(si.mixing.joint(sound, text))

# %% [markdown]
# *rose* has two tokens. The spelling is decided by the first token in which the two spellings differ;
# `deciding_token` finds it.
#
# **Exercise.** Over the 16 sentences: how often is the cue the top source of the deciding row, in the joint map and
# in the cross-attention alone? Does it matter whether the cue comes before or after the noun?

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
parts = []
for utterance in some:
    how = {"tokens": utterance.transcript}
    both = [si.mixing.value_zeroing(whisper, utterance, where=w, **how) for w in ("cross", "decoder")]
    silent = both[1].copy(data=0 * both[1].values)
    row = si.mixing.deciding_token(whisper, utterance)[0] - 1
    for name, each in (("joint", si.mixing.joint(*both)), ("cross", si.mixing.joint(both[0], silent))):
        line = si.mixing.cue_alignment(each.isel(target=[row]), *si.mixing.planted(utterance))
        parts.append(line.assign(map=name, cue=utterance.meta["cue_place"]))
top = pd.concat(parts).groupby(["map", "cue", "layer"]).top.mean().unstack().round(2)
# Before the noun, the cue is read from what is written: cross-attention alone is half of the answer.
assert top.loc["joint", 0].min() > 0.9 > top.loc["cross", "before"].max()
top

# %% [markdown]
# ## All the way down
#
# A map shows one layer. *Routes* follow what flows to one token through decoder and encoder down to the sound, and
# keep the strongest edges.

# %%
from speechinterp.viz import plot_routes

number, _ = si.mixing.deciding_token(whisper, rose)
how = {"stack": "decoder", "tokens": rose.transcript, "mass": 0.7}
routes = si.mixing.routes(whisper, rose, target=number, **how)
plot_routes(routes)

# %% [markdown]
# The noun's own sound carries most of the flow. The cue is a thin line, at the decoder's first layer. And yet it
# decides: routes say what a state is *made of*. Whether it is *needed*, only taking it away can tell, as you did in
# the beginning.
#
# ## With a large model
#
# ```text
# model = si.load_model("facebook/wav2vec2-large-xlsr-53-french")   # writes letters
# model = si.load_model("facebook/hubert-base-ls960")               # maps need no head
# model = si.load_model("openai/whisper-small")                     # cross and decoder too
# corpus = si.load_corpus("table:mine.csv")
# mix = si.mixing.value_zeroing(model, corpus[0], unit="words", gaps="merge")
# ```
#
# A map needs no head and no transcript, only a tier of units, which [alignment](../recording-to-tiers.md) can make of
# your own recording. For the test with a cue add to the corpus a tier `cue` and the word in a column `target`;
# `homophones` (`rose/rows`) if two spellings compete. Real cues seldom come as clean as here: *les chats* and *le
# chat* differ in sound, and other words agree too. Balance what you can, and take the twin along.
#
# Whisper hears 30 seconds whatever you give it: what goes to padding is a source of its own, `pad`. Pre-norm models
# (Whisper, large wav2vec 2.0 and HuBERT) have very large vectors in their residual stream; there rollout's *half for
# the residual* is even further from what happens. [Context mixing](../methods/mixing.md) has the formulas,
# [readings](../methods/mixing-readings.md) how to judge maps where no cue is known, and
# [routes](../methods/routes.md) what flows; `recipes/11_homophones.py` runs all nine measures.

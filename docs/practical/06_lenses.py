# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 6. Lenses: what would the model write at each layer?
#
# A probe asks what *you* can read from a layer, with a classifier that you train. A lens asks what *the model* would
# make of it: it reads a lower layer with the model's own output head, as if there were no layers above. Nothing is
# trained.

# %%
import speechinterp as si
from speechinterp import lenses

corpus = si.load_corpus("demo?type=sentence")
model = si.load_model("demo/wav2vec2")
table = lenses.ctc(model, corpus)
table.shape

# %% [markdown]
# ## One sentence, seven layers
#
# The table has a row for every utterance and layer. Layer 0 is what goes into the first layer, layer 6 is the model's
# own answer. Listen, and then read from the bottom up.

# %%
utterance = corpus[2]
utterance

# %%
import pandas as pd

pd.set_option("display.max_colwidth", 60)
one = table[table.utterance == utterance.id]
one[["layer", "transcript", "surprisal"]].round(2)

# %% [markdown]
# `transcript` is the best symbol of each frame, with repeats and blanks taken out. `surprisal` says how surprising
# the true transcript is to that layer, in nats a letter, over all the ways in which it can be laid out in time. It
# falls even where the transcript looks no better.
#
# The middle layers write something like a phonetic script: *juj* for *judge*, *nisy* for *noisy*. **Which part of the
# task is solved last?**
#
# ## Errors by layer
#
# One sentence is an anecdote. `lenses.rates` sums over the corpus, with intervals over the eight voices. The control
# is a *twin*: the same architecture with random weights.

# %%
from speechinterp.viz import plot_lens

twin = lenses.ctc(model.random_twin(0), corpus)
both = pd.concat([table, twin])
rates = lenses.rates(both, normalise=model.vocabulary.normalise)
plot_lens(rates, ["cer", "surprisal", "agreement"])

# %% [markdown]
# The error rate of the twin is above 100 %: it writes far more letters than were said. An error rate counts
# insertions, so it has no ceiling. The grey line is another control, *others' transcripts*: what the model writes,
# compared with what was said in another utterance.
#
# Look at *agreement* too: the twin's is high from the start, because its layers change little and it agrees with
# itself. Agreement with the top is no merit.
#
# **Exercise.** A model that has understood nothing would not get 100 % of letters wrong, but what the grey line says.
# Why is that below 100 %? Is it the same for words?

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
# Any two English texts share letters, in part even their order; they share few words.
others = rates[rates.baseline == "shuffled-transcripts"]
chance = others.pivot(index="layer", columns="metric", values="score")[["cer", "wer"]]
assert chance.cer.iloc[-1] < 0.9 < chance.wer.iloc[-1]
chance.round(2)

# %% [markdown]
# ## Where does it commit?
#
# A *trajectory* follows one utterance frame by frame. Each cell has the letter that a layer finds most probable;
# empty cells are blanks. Above the orange line all layers say the same: there the frame is settled.

# %%
from speechinterp.viz import plot_trajectory

path = lenses.trajectory(model, utterance)
plot_trajectory(path, start=20, stop=66)

# %% [markdown]
# **Exercise.** Which letters settle early, which late? `path.depth` has the layer from which on a frame is settled,
# and `path.symbol` what each layer says there. Take ten utterances, and the letters that the top writes at least ten
# times.

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
paths = [lenses.trajectory(model, each) for each in corpus[:10]]
parts = [{"letter": p.symbol.isel(layer=-1).values, "depth": p.depth.values} for p in paths]
frames = pd.concat([pd.DataFrame(part) for part in parts])
frames = frames[frames.letter.str.strip() != ""]
depths = frames.groupby("letter").depth.agg(["mean", "count"]).query("count >= 10")
depths = depths.sort_values("mean")
# Letters with one sound come early; vowels, silent letters and double duty (c, g) come late.
assert depths["mean"][["b", "t", "n"]].mean() < depths["mean"][["a", "e", "o", "u"]].mean()
depths.round(1).T

# %% [markdown]
# ## Sounds, or their spelling?
#
# If spelling comes last, a model that writes *phones* should be done earlier. `demo/wav2vec2-phones` has the lower
# four layers of our model, and a head for phones.

# %%
phones = lenses.ctc(si.load_model("demo/wav2vec2-phones"), corpus)
errors = pd.concat([lenses.rates(phones), rates[rates.baseline == "none"]])
errors = errors[errors.metric.isin(["per", "cer"]) & (errors.baseline == "none")]
errors.pivot(index="model", columns="layer", values="score").round(2)

# %% [markdown]
# At layer 4 hardly a phone is wrong, and a third of the letters are. So *what was said* is there, and *how it is
# spelt* is not. Had you looked at letters only, you would have said that layer 4 knows little. **A lens shows what
# the head can read, not what the layer holds.** That a bad error rate is no proof of absence is the first thing to
# remember about lenses.
#
# ## A lens with glasses: the tuned lens
#
# Is the information missing, or does it point in a direction that the head does not expect? The tuned lens trains one
# affine map a layer, from its directions to those of the top. It trains on some voices and is tested on others.

# %%
tuned = lenses.tuned(model, corpus)
compared = lenses.rates(tuned, normalise=model.vocabulary.normalise)
plot_lens(compared, ["cer", "kl"])

# %% [markdown]
# The solid line is with maps, the dashed one without. `kl` is how far a layer's answer is from that of the top, in
# nats. Maps help a lot, and still do not bring layer 4 to the top: part of the spelling is made above it.
#
# But now something was trained, and all cautions about probes are back. What did the maps add by themselves? Look at
# layer 0, where no attention has been yet, only convolutions.
#
# **Exercise.** How much better than the untuned lens is the tuned one at layer 0, and is it better than *others'
# transcripts* there?

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
at = compared[(compared.metric == "cer") & (compared.layer == 0)]
# Letters are half right, from sound alone: it is a probe of frames. It beats others' transcripts by far.
scores = at.set_index(["lens", "baseline"]).score
assert scores["tuned", "none"] < 0.75 * scores["tuned", "shuffled-transcripts"]
at[["lens", "baseline", "score", "ci_low", "ci_high"]].round(2)

# %% [markdown]
# ## A model with a decoder
#
# Whisper has no head on its encoder. There the *decoder* is the lens: it reads a lower layer of the encoder in place
# of the last, and writes.

# %%
whisper = si.load_model("demo/whisper")
read = lenses.decoder(whisper, corpus[:8])
of_this = read[read.utterance == utterance.id]
of_this[["layer", "transcript", "ended"]]

# %% [markdown]
# From layer 0 it writes fluent English that has little to do with the sound. **Would you notice, had you not the
# transcript?** A decoder is a language model too, and this one has a small grammar to choose from. `ended` says
# whether the text came to an end by itself; from layers that it cannot read, a decoder can repeat itself for ever.

# %%
rates = lenses.rates(read, normalise=whisper.vocabulary.normalise)
rates.query("metric == 'wer'").pivot(index="baseline", columns="layer", values="score").round(2)

# %% [markdown]
# **Exercise.** Layers above can also spoil. `lenses.regressive(table)` lists words that a layer has right and the top
# has wrong. How many are there in the 40 sentences for `demo/wav2vec2`, and in these eight for `demo/whisper`? Beside
# how many that are wrong at the top?

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
counts = {}
for each, its in ((table, model), (read, whisper)):
    lost = lenses.regressive(each, normalise=its.vocabulary.normalise)
    found = lenses.rates(each, normalise=its.vocabulary.normalise)
    top = found.query("metric == 'wer' and baseline == 'none'")
    said = sum(len(text.split()) for text in each.drop_duplicates("utterance").reference)
    counts[its.id] = {"regressive": len(lost), "wrong at the top": round(top.score.iloc[-1] * said)}
pd.DataFrame(counts)

# %% [markdown]
# ## What this does not show
#
# Two small models and synthetic voices of one accent. Large models differ: those that were trained on sound alone and
# then taught to write changed mostly in their upper layers, and Whisper's decoder reads the top and nothing else
# ([DecoderLens](../methods/decoder-lens.md) has the numbers for whisper-tiny.en). A lens says *from where on the head
# could read it*. It does not say that the layers above do nothing, nor that the model needs what you have seen at a
# layer.
#
# ## With a large model
#
# ```text
# model = si.load_model("facebook/wav2vec2-base-960h")      # has a CTC head: lenses.ctc
# model = si.load_model("facebook/hubert-large-ls960-ft")   # so has this
# model = si.load_model("openai/whisper-small")             # lenses.decoder, lenses.logit
# corpus = si.load_corpus("textgrid:/data/mine")            # sounds with TextGrids
# table = lenses.ctc(model, corpus, out="runs/lens")        # a run that was stopped goes on
# ```
#
# `facebook/wav2vec2-base` and `facebook/hubert-base-ls960` cannot write, so they have no lens; take
# [probes](../methods/probing.md). Transcripts of the corpus are compared as the model writes (`normalise`): without
# that, capitals and commas count as errors. One recording of your own is a corpus of one:
# `si.Corpus.of([si.Utterance("me", Path("me.wav"), transcript="...")])`; errors need the transcript, transcripts by
# layer and trajectories do not. One speaker gives no interval over speakers.
#
# [CTC lens](../methods/ctc-lens.md), [DecoderLens](../methods/decoder-lens.md), [logit
# lens](../methods/logit-lens.md) and [tuned lens](../methods/tuned-lens.md) have the formulas; `recipes/09_lenses.py`
# makes all tables and figures of this chapter.

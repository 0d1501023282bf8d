# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 4. Comparing spaces
#
# Are two layers alike? Is a layer like MFCC, or like the phonetician's features? Nothing is trained here: two *views*
# of the same units are laid beside each other. That looks safer than a probe. It has its own ways of giving nice
# numbers.
#
# ## A similarity in three lines
#
# Centred kernel alignment, CKA, is 1 if two views make the same differences between units, up to rotation and scale.
# This is how most code computes it:

# %%
import numpy as np
import pandas as pd


def plain_cka(x, y):
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    return np.linalg.norm(x.T @ y) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))


random = np.random.default_rng(0)
found = {}
for n in [5, 10, 50, 500, 5000]:
    found[n] = plain_cka(random.normal(size=(n, 768)), random.normal(size=(n, 768)))
pd.Series(found, name="CKA").rename_axis("units").round(3)

# %% [markdown]
# This is **noise**, compared with other noise. With five units (say, five sentences, each averaged) and 768
# dimensions, any two layers of any two models are 0.99 alike. The reason is simple: in 768 dimensions, five random
# vectors are all equally far apart, and so are five others.
#
# **Exercise.** Five sentences are not noise. Average each sentence over time (`unit="utterance"`), and compare layer
# 0 of five sentences with layer 4 of the *same* five; then with layer 4 of five *others*. Do that for many sets of
# five.

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
import speechinterp as si

corpus = si.load_corpus("demo?type=sentence")
model = si.load_model("demo/wav2vec2")
sentences = si.extract(model, corpus, unit="utterance")
low, high = sentences.layer(0), sentences.layer(4)
draws = [random.permutation(len(low))[:10] for _ in range(200)]
same = [plain_cka(low[d[:5]], high[d[:5]]) for d in draws]
other = [plain_cka(low[d[:5]], high[d[5:]]) for d in draws]
assert np.mean(other) > 0.6
pd.DataFrame({"same five": same, "five others": other}).describe().loc[["mean", "std", "max"]].round(2)

# %% [markdown]
# Different sentences are nearly as alike as the same ones. A map of layers made of five sentence means says next to
# nothing, whatever pattern it has.
#
# ## Layers among each other
#
# Take more units, phones instead of sentences, and the *debiased* estimator, which leaves out what every unit has in
# common with itself.

# %%
import speechinterp as si
from speechinterp.representations import AcousticFeatures
from speechinterp.viz import plot_similarity

corpus = si.load_corpus("demo?type=sentence")
model = si.load_model("demo/wav2vec2")
reps = si.extract(model, corpus, unit="phones")
twin = si.extract(model.random_twin(seed=0), corpus, unit="phones")
mfcc = si.extract(AcousticFeatures("mfcc"), corpus, unit="phones")
plot_similarity(si.similarity.cka(reps, baselines={"random-init": twin}))

# %% [markdown]
# Neighbouring layers are alike; layer 0 and layer 6 share 0.4. Look at the twin before you explain that: with random
# weights all layers are the same. Each layer hands on what it got. **High similarity among layers is no finding;
# training is what makes them differ.** The panel on the right is chance, and nearly 0: there are enough units.
#
# ## Frames are not independent
#
# Often, frames are compared rather than phones. Here are frames of Whisper's encoder and of MFCC, a window for each
# of its frames. As a test, give each sentence the MFCC of the *next* sentence in the corpus.

# %%
whisper = si.load_model("demo/whisper")
frames = si.extract(whisper, corpus, unit="frames")
frames_twin = si.extract(whisper.random_twin(seed=0), corpus, unit="frames")
sound = si.extract(AcousticFeatures("mfcc", like=whisper), corpus, unit="frames")
spans = list(frames.units.groupby("utterance").indices.values())


def pairs(x, y, shift):
    """Return the mean CKA of every sentence in x with the one `shift` further in y."""
    shifted = zip(spans, spans[shift:] + spans[:shift], strict=True)
    return np.mean([plain_cka(x[a[: len(b)]], y[b[: len(a)]]) for a, b in shifted])


# %%
x, z, m = frames.layer(2), frames_twin.layer(2), sound.layer(0)
rows = {
    "layer 2 · MFCC": (x, m),
    "layer 2 · layer 2": (x, x),
    "random weights · MFCC": (z, m),
    "random weights · random weights": (z, z),
}
columns = {"own sentence": 0, "next sentence": 1, "fifth from here": 5}
table = {row: {c: pairs(*two, shift) for c, shift in columns.items()} for row, two in rows.items()}
pd.DataFrame(table).T.round(2)

# %% [markdown]
# A layer has 0.6 with its own MFCC, and more than 0.2 with those of another sentence, by another voice. With *itself*
# in another sentence it has more than 0.5, and an untrained Whisper has 1.00: all its frames hold is the code of
# their position. Whatever changes slowly goes along with everything else that changes slowly. And no debiasing helps.
#
# So a chance level has to keep that slowness. The functions of this package rotate the units of every utterance in
# time, by a random amount, and give the mean of that as `null`.

# %%
table = si.similarity.cka(frames, sound, baselines={"random-init": frames_twin})
print(table[["baseline", "layer", "score", "null", "null_high"]].round(3))
plot_similarity(table)

# %% [markdown]
# Over forty sentences chance is small, as it should be: the frames of *different* sentences are in no fixed order, so
# what is slow averages out. Over one sentence it is not.
#
# **Exercise.** Take one sentence only (`subset(frames, mask)`), as a figure in a paper might. How far does the 95 %
# quantile of the shifted scores (`null_high`) go? What would `null="permutation"` have told you?

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
from speechinterp.representations import subset

mask = (frames.units.utterance == corpus.ids[0]).to_numpy()
one, its_sound = subset(frames, mask), subset(sound, mask)
fair = si.similarity.cka(one, its_sound)
unfair = si.similarity.cka(one, its_sound, null="permutation")
assert fair.null_high.min() > 0.3
assert unfair.null_high.max() < 0.1
fair[["layer", "score", "null", "null_high"]].assign(permutation_high=unfair.null_high).round(2)

# %% [markdown]
# ## What CKA does not see
#
# CKA weighs directions by their variance, twice. Canonical correlation does the opposite: it asks for combinations of
# dimensions that go together, however small they are.

# %%
by_cka = si.similarity.cka(reps, mfcc, baselines={"random-init": twin})
by_cca = si.similarity.cca(reps, mfcc, baselines={"random-init": twin})
both = by_cka[["baseline", "layer"]].assign(CKA=by_cka.score, CKA_null=by_cka.null)
both = both.assign(SVCCA=by_cca.score, SVCCA_null=by_cca.null, heldout=by_cca.heldout)
both.query("layer in [0, 2, 4, 6]").round(2)

# %% [markdown]
# Three things to see. By CKA the random twin is as much like MFCC as layer 0 is: vowels on one side and consonants on
# the other are the largest difference in both, and any network lets that through. SVCCA is *high by nature*, as the
# warning says before we do: chance is above 0.4, so the first 0.4 of a score say nothing. And `heldout` is the only
# column without flattery: combinations found on seven voices, tested on the eighth. There the model has twice as much
# as its twin.
#
# **Exercise.** `si.similarity.procrustes` asks how well one view can be rotated onto the other. Does it side with CKA
# or with CCA about the twin?

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
turned = si.similarity.procrustes(reps, mfcc, baselines={"random-init": twin})
table = turned.pivot(index="layer", columns="baseline", values="score")
table["null"] = turned[turned.baseline == "none"].set_index("layer").null
table.round(2)

# %% [markdown]
# ## Like what a phonetician says
#
# Representational similarity analysis, RSA, correlates likenesses of *pairs*. Two questions, which sound alike:
#
# - Are two tokens of the same phone more alike than two of different phones? (*local*)
# - Are two phones that share features more alike, on average, than two that do not? (*global*)

# %%
phones = reps.units["label"]
shared = si.similarity.feature_similarity(phones, "ipa")
options = {"baselines": {"random-init": twin}}
local = si.similarity.rsa(reps, "label", control=["speaker"], **options)
graded = si.similarity.rsa_of_labels(reps, shared, **options)
index = ["baseline", "layer"]
both = {"same phone": local, "shared features": graded}
both = {name: table.set_index(index).score for name, table in both.items()}
pd.DataFrame(both).unstack(0).round(2)

# %% [markdown]
# They disagree. By the first, training is everything, and layer 4 is best. By the second, an *untrained* network
# follows the phonetic features better than any trained layer, and layer 4 is worst. Both numbers are right. Layer 4
# has pulled all phones apart, so that no two are neighbours any more. And the twin?
#
# **Exercise.** Vowels share features with vowels, and consonants with consonants. Ask for the global RSA of vowels
# only, and of consonants only (`describe_units(reps, corpus, ["manner"])`, `subset`).

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
from speechinterp.probing import describe_units

vowel = (describe_units(reps, corpus, ["manner"]).units.manner == "vowel").to_numpy()
rows = {}
for name, each in {"model": reps, "twin": twin}.items():
    for kind, chosen in {"vowels": vowel, "consonants": ~vowel}.items():
        part = si.similarity.rsa_of_labels(subset(each, chosen), shared, n_null=100)
        rows[f"{kind}, {name}"] = part.set_index("layer").score
found = pd.DataFrame(rows).T
assert found.loc["vowels, twin"].max() < 0.1 < found.loc["vowels, model"].min()
found.round(2)

# %% [markdown]
# Within vowels the twin knows nothing, and the trained layers do. What it had was the difference between vowels and
# consonants, which is most of what shared features say. **A similarity to features is no proof that features were
# learnt.**
#
# How high could the score get? Voices do not agree perfectly with each other on which phones are alike:

# %%
si.similarity.noise_ceiling(reps)[["layer", "lower", "upper"]].round(2)

# %% [markdown]
# **Exercise.** Do layers sort words by voice, or by word? Extract `words` of the commands (`demo?type=command`), and
# compare `rsa(words, "speaker")` with `rsa(words, "label")`, layer by layer.

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
words = si.extract(model, si.load_corpus("demo?type=command")[:32], unit="words")
by_voice, by_word = si.similarity.rsa(words, "speaker"), si.similarity.rsa(words, "label")
assert (by_word.score > 5 * by_voice.score).all()
pd.DataFrame({"by voice": by_voice.score, "chance": by_voice.null, "by word": by_word.score}).round(3)

# %% [markdown]
# ## Two models

# %%
hubert = si.extract(si.load_model("demo/hubert"), corpus, unit="phones")
plot_similarity(si.similarity.cka(hubert, reps))

# %% [markdown]
# HuBERT learned from sound, wav2vec 2.0 from letters and phones. They are most alike at the bottom, near the sound,
# and part on the way up. (Both small, and of the same synthetic voices: large models of one kind are more alike than
# these.)
#
# ## Distances that decide: ABX
#
# ABX compares no views. It asks of three tokens: is X nearer to A, of its own phone, or to B, of another? Take five
# vowels, X from another voice than A and B. 50 % is chance, 0 perfect.

# %%
vowels = phones.isin(["i", "ɪ", "ɛ", "æ", "ʌ"]).to_numpy()
chosen = {name: subset(each, vowels) for name, each in {"twin": twin, "mfcc": mfcc}.items()}
controls = {"random-init": chosen["twin"], "mfcc": chosen["mfcc"]}
errors = si.similarity.abx(subset(reps, vowels), across="speaker", baselines=controls)
plot_similarity(errors)

# %% [markdown]
# No probe is trained here, so nothing can be learnt by heart. The price: only what decides *distances* is seen.
# **Which vowels are confused, at layer 0?**

# %%
confused = si.similarity.abx_pairs(subset(reps, vowels), across="speaker")
confused = confused[confused.layer == 0]
confused.pivot(index="label", columns="label_b", values="score").round(2)

# %% [markdown]
# Before you believe a similarity, ask: how many units, how many dimensions? Are the units independent? What is the
# score of things that do *not* belong together? What does the random twin say?
#
# ## Other models, your own corpus
#
# ```text
# corpus = si.load_corpus("timit:/data/TIMIT")
# base = si.extract(si.load_model("facebook/wav2vec2-base"), corpus, unit="phones", out="runs/w2v2")
# hubert = si.extract(si.load_model("facebook/hubert-base-ls960"), corpus, unit="phones", out="runs/hubert")
# table = si.similarity.cka(base, hubert)            # 13 by 13 layers
# ```
#
# ```text
# speechinterp similarity openai/whisper-small timit:/data/TIMIT --measure cka --with mfcc
# ```
#
# With 768 dimensions you need thousands of phones for CCA, some hundred for debiased CKA. The released models have a
# few dimensions with enormous values, which alone can decide CKA and cosines; see what is left without them.
# Whisper's position code is strong at its lower layers: phones in context, and the null over shifts, keep you honest.
# [Similarity and its chance level](../methods/similarity.md) has more, with [whisper-tiny.en on
# TIMIT](../gallery/whisper-similarity.md). Your own recordings: ten sentences of three people are a start, one
# sentence is not.

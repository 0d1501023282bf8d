# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 8. Attribution, and whether to believe it
#
# *Which part of the sound made the model say this?* There are dozens of methods that answer, and all of them answer
# something, also when they are wrong. In this chapter you use three kinds of them on a case where the right answer is
# known, and learn what to ask before you believe them where it is not.

# %%
import numpy as np
import pandas as pd

import speechinterp as si
from speechinterp import attribution

corpus = si.load_corpus("demo?type=command")
model = si.load_model("demo/commands")
utterance = corpus["aunty/command-01"]
utterance

# %% [markdown]
# The model classifies: what is to be done, with what, and where. One word decides each of the three, and the corpus
# marks it in the tier `cue`. The carrier (*please ... the ... in the*) tells nothing.
#
# ## Take words away
#
# `leave_one_out` silences one word after the other, and says by how much the log-probability of the chosen class
# falls, in nats.

# %%
target = si.targets.label()  # what the model chooses in every slot
loo = attribution.leave_one_out(model, utterance, target=target)
loo.si.to_table().round(2)

# %% [markdown]
# Clear enough. Now *Shapley values*: every word is taken away from every set of the others, and its effect is
# averaged. With 7 words that makes 128 sounds. The values are exact, and add up to the difference between the whole
# sound and none of it.

# %%
exact = attribution.shapley(model, utterance, target=target)
print(exact.attrs["n_passes"], "sounds, residual", exact.attrs["efficiency_residual"])
exact.si.to_table().round(2)

# %% [markdown]
# **Exercise.** The two disagree: with Shapley values *garden* matters for the object as well, and *please* for the
# action. Which one is right? (How sure is the model with all words, and with none? `exact.value_full`,
# `exact.value_empty`.)

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
# Both. Leave-one-out asks: is the word needed, if all others are there? Shapley values also ask what it does in sounds
# where nearly all is gone. A model that hears a fragment guesses, and any word changes its guess.
pd.DataFrame({"all words": exact.value_full, "no words": exact.value_empty}, exact.target).round(2)

# %% [markdown]
# ## Why this rather than that?
#
# A score may change because the model is confused in general. A *contrast* asks for the difference between two
# answers: why *garden* rather than another place? What speaks for both cancels.

# %%
garden = si.targets.label("place=garden")
others = ["place=cellar", "place=attic", "place=kitchen"]
why = [si.targets.Contrast(garden, si.targets.label(other)) for other in others]
attribution.shapley(model, utterance, target=why).si.to_table().round(1)

# %% [markdown]
# ## Compared to what?
#
# A word cannot be taken away from a sound: something else is heard in its place. So far that was silence. Try noise
# with the word's own spectrum and level, the word backwards, what stands before it, and a cut that moves what
# follows.

# %%
most = {}
for filling in ["silence", "noise", "reversed", "neighbour", "delete"]:
    rel = attribution.leave_one_out(model, utterance, target=target, baseline=filling)
    most[filling] = rel.max("unit")
pd.DataFrame(most, loo.target.values).round(2)

# %% [markdown]
# These are the values of the most relevant word of each row. *garden* is worth as much whatever takes its place.
# *clean* is worth something or nothing! With noise instead of *clean* the model still says *action=clean*: noise that
# is shaped like *clean* is enough for it, or *clean* is what it says when it hears no action. **An attribution is
# always relative to its baseline. Report which.**
#
# **Exercise.** Which of the two explanations is right? Put the noise where *clean* is, and ask how probable the four
# actions are. Do the same for another command.

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
# Neither. It is no default: the probable action differs. Often it is the word's own, a trace of it in the noise;
# often another one. Noise is a sound too, and the model has an opinion about it.
actions = ["action=clean", "action=hide", "action=move", "action=paint"]
rows = {}
for each in corpus[::9]:
    rel = attribution.leave_one_out(model, each, target=si.targets.label(actions), baseline="noise")
    action = rel.isel(unit=rel.label.values.tolist().index(each.meta["action"]))
    rows[f"{each.meta['action']}, {each.speaker}"] = np.exp(rel.value_full - action).values
pd.DataFrame(rows, actions).T.round(2)

# %% [markdown]
# ## Follow gradients
#
# Gradient methods need no words: they give every point of the spectrogram its share. *Integrated gradients* go from a
# baseline to the sound, and add up slopes along the way. In theory the shares add up to the difference between both
# ends; `completeness_gap` says how far off they are.

# %%
garden = si.targets.label("place=garden")
how = {"baseline": "mean", "tolerance": 0.05, "steps": 16}
spectral = attribution.integrated_gradients(model, utterance, garden, "spectrogram", **how)
print(f"misses {spectral.attrs['completeness_gap_relative']:.1%}")
spectral.si.plot(utterance, tiers=["words"])

# %% [markdown]
# The usual recipe takes 32 or 50 equal steps from silence, and does not look at the gap. Look:

# %%
how = {"baseline": "silence", "tolerance": None, "steps": 32}
usual = attribution.integrated_gradients(model, utterance, garden, "spectrogram", **how)
print(f"misses {usual.attrs['completeness_gap_relative']:.0%}")

# %% [markdown]
# Everything is missing. This model scales every sound to the same level, as most of the wav2vec 2.0 family do, so a
# sound a thousand times softer is the same to it. All that happens on the way from silence happens in its first
# thousandths, where equal steps have no point. Steps that are placed where the score changes (`tolerance`) close the
# gap, at a price; a baseline that is not silent makes it easy.
#
# ## The planted truth
#
# Which methods have the deciding word on top? Ask eight commands, one a voice. Maps over time are summed over words.
# Two controls stand beside them: leave-one-out on random weights, and random numbers.

# %%
maps = {
    "AttnLRP": attribution.attn_lrp,
    "saliency": attribution.saliency,
    "input x gradient": attribution.input_x_gradient,
}
twin, random, tables = model.random_twin(0), np.random.default_rng(0), []
for each in corpus[::9]:
    first = attribution.leave_one_out(model, each, target=target)
    names, words = first.target.values.tolist(), each.tier("words")
    chosen = si.targets.label(names)
    found = {n: f(model, each, chosen).si.to_units(words) for n, f in maps.items()}
    found["leave-one-out"] = first
    found["random weights"] = attribution.leave_one_out(twin, each, target=chosen)
    found["random numbers"] = first.copy(data=random.standard_normal(first.shape))
    gold = {n: [s for s in each.tier("cue") if n.endswith(s.label)] for n in names}
    tables.append(attribution.localisation(found, gold).assign(speaker=each.speaker))

# %%
from speechinterp.viz import plot_intervals

where = pd.concat(tables)
hits = where[where.metric == "hit"]
shares = si.mixing.summarise(hits, "value", ["method"], over="speaker")
shares["chance"] = hits.random.mean()
plot_intervals(shares, "method", "mean", "Deciding word on top (%)", percent=True)

# %% [markdown]
# Taking words away finds it, in all cases; AttnLRP, which looks inside, in nearly all. Saliency and input times
# gradient are far above chance, and wrong in about half of the cases. All of them would have made a figure.
#
# **Exercise.** Try integrated gradients on four of the commands, with 16 equal steps from the mean over time. Is it a
# better method than leaving words out, because it costs more?

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
tables = []
for each in corpus[::18]:
    names = [f"{slot}={each.meta[slot]}" for slot in ("action", "object", "place")]
    gold = {n: [s for s in each.tier("cue") if n.endswith(s.label)] for n in names}
    rel = attribution.integrated_gradients(
        model, each, si.targets.label(names), "spectrogram", baseline="mean", steps=16, tolerance=None
    )
    tables.append(attribution.localisation({"IG": rel.si.to_units(each.tier("words"))}, gold))
score = pd.concat(tables).groupby("metric")[["value", "random"]].mean()
assert score.value["hit"] < shares.set_index("method")["mean"]["leave-one-out"]
score.round(2)

# %% [markdown]
# ## Without a planted truth: ask the model
#
# With your own data nobody knows the answer. Then let the model judge: take words away in the order of their
# relevance, and watch the score fall. It should fall faster than with words in random order. The judge uses noise
# here, because the methods used silence: who sets the exam should not be who taught.

# %%
from speechinterp.viz import plot_deletion

words = utterance.tier("words")
slopes = attribution.input_x_gradient(model, utterance, garden)
found = {
    "leave-one-out": loo.sel(target=["place=garden"]),
    "Shapley": exact.sel(target=["place=garden"]),
    "integrated gradients": spectral.si.to_units(words),
    "input x gradient": slopes.si.to_units(words),
}
how = {"target": garden, "baseline": "noise"}
curves = attribution.deletion_curves(model, utterance, found, **how)
plot_deletion(curves)

# %% [markdown]
# One curve of one sentence. `faithfulness` makes numbers of such curves, with the share of random orders that each
# method beats: the command `speechinterp attribute` writes them for a corpus, as `faithfulness.csv`.

# %%
table = attribution.faithfulness(model, utterance, found, **how)
table.pivot(index="method", columns="metric", values="better_than").round(2)

# %% [markdown]
# **Exercise.** Another question: does a map depend on what was learnt? `parameter_randomisation` replaces layers by
# random ones, from the top, and compares the map with what it was. Ask it for leave-one-out.

# %% tags=["hide-cell"] jupyter={"source_hidden": true}


def explained_by(which):
    return attribution.leave_one_out(which, utterance, target=garden)


changed = attribution.parameter_randomisation(model, explained_by)
# A surprise: with all four encoder layers random, *garden* is still on top. What the convolutions let through, and the
# head, are enough for that. Only where all is random it goes. Had it stayed there too, you should not believe the map.
assert changed.same_top.iloc[-1] == 0
changed.round(2)

# %% [markdown]
# ## Back to the sound
#
# A phonetician should hear an attribution. `gated` makes the sound as loud as it is relevant; a TextGrid has the
# scores as labels; a page has a button for every word.

# %%
spectral.si.gated(utterance)

# %%
exact.si.to_textgrid("out/garden.TextGrid")
print(exact.si.to_tiers()["place=garden"][6].label)

# %%
from speechinterp.report import Player, Row, write_report

values = exact.sel(target="place=garden").values
rows = [Row("place=garden", list(words), values)]
rows += [Row("phones", list(utterance.tier("phones")))]
player = Player(utterance.transcript, utterance.waveform(16000), 16000, rows)
write_report("out/garden.html", "Why garden?", [player])

# %% [markdown]
# ## With a large model
#
# ```text
# model = si.load_model("superb/wav2vec2-base-superb-ks")             # classes: label()
# target = si.targets.ctc("cat")      # facebook/wav2vec2-base-960h    # a word of a CTC head
# target = si.targets.word("cat")     # openai/whisper-small           # a word of a decoder
# tiers = si.align(model, mine)                                        # words of a recording of yours
# si.attribution.shapley(model, mine, target=target, unit=tiers["words"])
# ```
#
# More than 11 words are too many for exact values: `owen`, or `kernel_shap` with its standard errors. Models of the
# base size of wav2vec 2.0 and HuBERT normalise the sound or not, as their configuration says; that is done as they do
# it. Whisper explains in its `log-mel` space, and what its padding contributes is kept apart.
# `facebook/wav2vec2-base` has no output to explain; explain a probe of yours instead, `si.targets.probe`.
#
# For the study as a whole: `speechinterp attribute`, or `recipes/13_command_words.py`. The formulas are in
# [attribution by gradients](../methods/attribution.md), [Shapley values](../methods/shapley.md) and
# [faithfulness](../methods/faithfulness.md); all methods on all commands in the [gallery](../gallery/attribution.md).

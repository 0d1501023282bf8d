# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 9. A small study of your own
#
# You know the tools. What is left is to use them in the right order: question, prediction, material, measure,
# controls, result, report. This chapter goes through one small study from end to end. Then you change it.
#
# ## The question
#
# *Rose* and *rows* sound the same, yet `demo/wav2vec2` spells them right. It has no decoder, so it can only be the
# encoder that brings *one* or *two* to the noun. **From which layer on do the frames of the noun tell whether it is
# singular or plural?**
#
# ## The prediction
#
# Write it down before you compute anything. A result that would have pleased you either way is none.
#
# - From some layer on, a linear probe reads the number of the noun from the noun's own frames. Below that layer it cannot.
# - If the same noun is cut out and heard alone, no layer tells.
# - Nor does the twin with random weights, nor do MFCC.
# - From chapter 7: the sixth block fetched the cue. So it should be state 6, the last.
#
# ## The material
#
# Number must not go along with anything else: voice, place, length, another word. Check it, also if somebody else has
# made the corpus.

# %%
import pandas as pd

import speechinterp as si

corpus = si.load_corpus("demo?type=homophone")
about = pd.DataFrame([{"speaker": each.speaker, **each.meta} for each in corpus])
pd.crosstab(about.number, [about.cue_place, about.cue_distance])

# %% [markdown]
# **Exercise.** Is number balanced over voices and over pairs of nouns too? Is the noun equally long in both numbers?

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
about["noun_ms"] = [1000 * si.mixing.planted(each)[0].duration for each in corpus]
assert (about.groupby(["speaker", "number"]).size().unstack().nunique(axis=1) == 1).all()
print(pd.crosstab(about.number, about.homophones).to_string())
about.groupby("number").noun_ms.agg(["mean", "std"]).round(1)

# %% [markdown]
# ## The measure
#
# One vector for each noun and layer: the mean over its frames. `describe_units` brings what is known of the
# utterances to their units, and `subset` keeps the nouns.

# %%
from speechinterp.probing import describe_units
from speechinterp.representations import AcousticFeatures, subset

columns = ["target", "number", "homophones", "cue_place", "cue_distance"]


def nouns(encoder, pool="mean"):
    words = si.extract(encoder, corpus, unit="words", pool=pool)
    words = describe_units(words, corpus, columns)
    return subset(words, (words.units.label == words.units.target).to_numpy())


model = si.load_model("demo/wav2vec2")
heard = nouns(model)
heard.units[["speaker", "label", "number", "cue_place"]].head(4)

# %% [markdown]
# ## The controls
#
# The twin says what the architecture does without learning. MFCC say what the sound shows. And a control of its own
# for this question: the noun cut out of the recording, `pool="slice"`. What a probe reads there cannot come from the
# cue.

# %%
twin, mfcc = nouns(model.random_twin(0)), nouns(AcousticFeatures("mfcc"))
alone = nouns(model, pool="slice")

# %% [markdown]
# ## The result
#
# What stays whole in a fold? Not only speakers: with *rose* in the training and the test, a probe could learn how
# singular *rose* looks. So `folds="homophones"`: the nouns of the test are new.

# %%
from speechinterp.viz import plot_scores

how = {"folds": "homophones", "probe": "ridge", "shuffles": 5}
controls = {"random-init": twin, "mfcc": mfcc}
scores = si.probe(heard, "number", baselines=controls, **how)
plot_scores(scores)

# %%
apart = si.probe(alone, "number", **how)
accuracy = pd.concat([scores.assign(noun="in its sentence"), apart.assign(noun="alone")])
accuracy = accuracy[(accuracy.metric == "accuracy") & (accuracy.baseline == "none")]
accuracy.pivot(index="noun", columns="layer", values="score").round(2)

# %% [markdown]
# The prediction holds. Number is read at the last layer, nearly always, and hardly below. Alone, the noun tells
# nothing, at any layer.
#
# ## How sure are you?
#
# 64 nouns are few. The interval comes from drawing what was kept whole in a fold again and again, here the eight
# pairs of nouns: two utterances of *rose* are not two independent observations.

# %%
last = scores[(scores.metric == "accuracy") & (scores.layer == 6)]
last[["baseline", "score", "ci_low", "ci_high", "n_test"]].round(2)

# %% [markdown]
# Look at *shuffled-labels* at layer 6. It is the mean over five shuffles; with 64 units single shuffles fall well off
# 50 %. A difference that is not larger than theirs is no result: below the last layer be silent about 5 or 10 points.
# And do not be surprised by them either: already the convolution below the first layer reaches beyond the noun.
#
# **Exercise.** The nouns of the test were new, but not the voices. Do it the other way round, with `folds="speaker"`:
# then intervals are over voices too.

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
voices = si.probe(heard, "number", folds="speaker", probe="ridge")
voices = voices[(voices.metric == "accuracy") & (voices.baseline == "none")]
assert voices.score.idxmax() == voices.index[-1]
# The same answer. If the two had differed, the lower one would be the one to report.
voices[["layer", "score", "ci_low", "ci_high"]].round(2)

# %% [markdown]
# **Exercise.** A reviewer says: "With the cue next to the noun, you read the edge of the cue." Answer with numbers.

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
rows = {}
for (place, distance), units in heard.units.groupby(["cue_place", "cue_distance"]):
    part = subset(heard, heard.units.index.isin(units.index))
    found = si.probe(part, "number", **how)
    found = found[(found.metric == "accuracy") & (found.baseline == "none")]
    rows[f"{place}, {distance}"] = found.set_index("layer").score
# The cue is never next to the noun; far means four words between, and the last layer tells it then too. 16 units a cell.
table = pd.DataFrame(rows).T.round(2)
assert table[6].min() > 0.75
table

# %% [markdown]
# ## Known, or used?
#
# A probe shows what can be read. Whether the model reads it is another question. Take the cue away, and see whether
# the spelling goes.

# %%
lost = pd.concat([si.mixing.remove_words(model, each) for each in corpus[:48:3]])
used = si.mixing.summarise(lost, "log_drop", ["is_cue"])
used.round(1)

# %% [markdown]
# Now the sentence that you may write: *the noun's frames tell its number from the last layer on, and the spelling
# depends on the word that they have it from.* Not: *layer 6 understands number.*
#
# ## The report
#
# A study that cannot be repeated is an anecdote. The tables carry in `attrs` what they were made with: model, hash of
# its weights, corpus, folds, seed, version. A report puts it on one page that needs nothing else.

# %%
from speechinterp.report import Heading, Paragraph, Picture, Record, Table, write_report
from speechinterp.viz import save_figure

png, _ = save_figure(plot_scores(scores), "number/scores")
scores.to_csv("number/scores.csv", index=False)
shown = ["noun", "layer", "score", "ci_low", "ci_high", "n_test"]
page = [
    Paragraph("Predicted: from the last layer on. Found: so. Tested on nouns not trained on."),
    Picture(png, "Accuracy of a probe of number by layer, beside its controls"),
    Table(accuracy[shown], "The noun in its sentence, and alone"),
    Table(used, "What the odds of the spelling lose without a word, in nats"),
    Heading("How it was made"),
    Record({**model.describe(), **how}),
]
write_report("number/report.html", "Which layer knows the number of a noun?", page)

# %% [markdown]
# **Exercise.** Do the study again with `demo/whisper`. Write down your prediction first; chapter 7 tells you what to
# expect of its encoder.

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
whisper = si.load_model("demo/whisper")
controls = {"random-init": nouns(whisper.random_twin(0))}
of_whisper = si.probe(nouns(whisper), "number", baselines=controls, **how)
# Its decoder looks the cue up. The encoder need not bring it to the noun, and hardly does.
plot_scores(of_whisper)

# %% [markdown]
# ## Checklist
#
# 1. The question is one sentence, with a question mark.
# 2. The prediction was written down before, and could fail.
# 3. What you ask about goes along with nothing else in the material; you have counted.
# 4. No speaker is in training and test; nor a word, if words could be learnt by heart.
# 5. Beside every number: random weights, MFCC, shuffled labels or relevance by chance.
# 6. Beside every number: an interval over speakers or utterances, and how many.
# 7. You chose layer, probe or measure before you saw the test, or you say that you did not.
# 8. You know whether you say *can be read* or *is used*.
# 9. The baseline of an attribution is named. So is the rule by which frames belong to phones.
# 10. Somebody else can run it: model and revision, corpus, seed, version, one command.
#
# ## Your own corpus
#
# All this needs from a corpus: sounds, speakers, a tier, and columns in `meta`. A table can have them, with one row a
# word:
#
# ```text
# file,start,end,label,tier,speaker,target,number
# anna01.wav,0.10,0.36,one,words,anna,rose,singular
# anna01.wav,0.36,0.57,new,words,anna,rose,singular
# ```
#
# ```text
# corpus = si.load_corpus("table:mine.csv")             # or textgrid:FOLDER
# model = si.load_model("facebook/wav2vec2-base")       # or facebook/hubert-base-ls960
# model = si.load_model("openai/whisper-small")         # its encoder; padding is left out
# words = si.extract(model, corpus, unit="words", out="runs/words")   # kept on disk
# ```
#
# No tiers yet? `si.align` makes words and phones from transcripts ([how](../recording-to-tiers.md)); correct some by
# hand in Praat and measure the difference. With one recording of yours there is no interval over speakers: it is an
# example, and examples are fine if they are called so. In base models the last layers are not the best for most
# things; do not expect *the last* there.
#
# Questions to go on with, all in the [embedded corpus](../embedded.md): *thin boy*, spoken with *m*: does the model
# write *thin*, and at which layer does a probe of nasals say *n* (`demo?type=assimilation`)? *We heard mine* or
# *nine*: how much of one phone must you silence before the word changes (`demo?type=contrast`)? The recipes of the
# package do larger ones in one command.

# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 1. From a recording to tiers
#
# Everything in this course starts from a sound, and from what is said in it and when. In this chapter you listen to an
# utterance, let a model write it down, have its words and phones put on the axis of time, and save them for Praat.

# %%
import speechinterp as si

corpus = si.load_corpus("demo?type=sentence")
utterance = corpus[0]
utterance

# %% [markdown]
# This is an *utterance*: a sound with an id, a speaker, a transcript, and *tiers* of segments with start and end in
# seconds. It comes from a *corpus*, here the embedded one. Its voices are synthetic, so that everything about them is
# known; what a model does with people's voices is another question, and you should ask it with recordings of people.

# %%
for word in utterance.tier("words"):
    print(f"{word.start:.3f}  {word.end:.3f}  {word.label}")

# %% [markdown]
# ## What does a model write?
#
# `demo/wav2vec2` is a small model of the wav2vec 2.0 family that was trained to write letters. None of these voices was
# in its training.

# %%
model = si.load_model("demo/wav2vec2")
for each in corpus[:4]:
    print(f"said   {each.transcript}\nwrites {model.transcribe(each)}\n")

# %% [markdown]
# **Exercise.** Let `demo/whisper` write the same four utterances. It has another architecture, an encoder and a decoder.
# Do both models make the same mistakes? (Whisper may write punctuation and capitals: is that a mistake?)

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
whisper = si.load_model("demo/whisper")
for each in corpus[:4]:
    print(
        f"said    {each.transcript}\nwav2vec {model.transcribe(each)}\nwhisper {whisper.transcribe(each)}\n"
    )

# %% [markdown]
# ## When is it said?
#
# *Forced alignment* takes a transcript as given and asks when each part of it is said. Here the transcript is that of
# the corpus, and the phones of its words are taken from its annotation; for your own recordings they come from a
# pronunciation dictionary.

# %%
from speechinterp.viz import plot_alignment

found = si.align(model, utterance)
plot_alignment(utterance, found)

# %% [markdown]
# Grey are the boundaries of the annotation, blue those that were found. **How far apart are they?** One utterance says
# little; ask all of one voice.

# %%
import pandas as pd

from speechinterp.align import boundary_errors, boundary_scores

tables = [boundary_errors(si.align(model, each), each) for each in corpus[:10]]
errors = pd.concat(tables)
columns = ["tier", "n", "median_ms", "within_20ms", "bias_ms", "even_median_ms"]
boundary_scores(errors)[columns].round(2)

# %% [markdown]
# `median_ms` is the distance from the true start, and `even_median_ms` that of a control: the same number of segments
# spread evenly over the utterance. A number without a control says nothing. That will be so in all chapters.
#
# **Exercise.** Which phones are found worst? (`boundary_scores(errors, by=("tier", "label"))` has a row a label.)

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
each_label = boundary_scores(errors, by=("tier", "label")).query("tier == 'phones' and n > 4")
each_label.sort_values("median_ms", ascending=False)[["label", "n", "median_ms", "bias_ms"]].head(8).round(1)

# %% [markdown]
# ## Back to Praat
#
# The tiers become a TextGrid, or EAF, EMU, CTM and others: the extension of the file name says which.

# %%
from pathlib import Path

si.write_annotation("out/first.TextGrid", found, audio=utterance.audio)
print("\n".join(Path("out/first.TextGrid").read_text(encoding="utf-8").splitlines()[:14]))

# %% [markdown]
# ## Your own recording
#
# A sound file with a transcript is enough to begin. The models of this course have heard synthetic English only; take
# one that knows your language. With the network, for example:
#
# ```text
# mine = si.Utterance("me", Path("me.wav"), transcript="what I said")
# model = si.load_model("facebook/wav2vec2-base-960h")      # English, writes letters
# model = si.load_model("openai/whisper-small")             # a hundred languages
# tiers = si.align(model, mine)
# si.write_annotation("me.TextGrid", tiers, audio="me.wav")
# ```
#
# `facebook/wav2vec2-base` without `-960h`, and HuBERT's base model, were never taught to write: they have vectors, but no
# transcripts, and need tiers from elsewhere. For a whole folder: [from a recording to tiers](../recording-to-tiers.md); which formats of corpora
# are read: [corpora](../corpora.md).

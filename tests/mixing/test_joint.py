"""Joint maps of a decoder against sums in loops, and hidden text against values zeroed by hooks."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mixing.common import TOKENS, UNITS, exact_model, wave
from tiny_vocabulary import words_tokenizer

import speechinterp as si
from speechinterp.errors import MixingError
from speechinterp.mixing.tokens import words_spelt
from speechinterp.segments import Segment

SPELT = {4: "<|start|>", 7: " a", 9: "b", 20: " b", 21: " c"}

WORDS = [Segment(s.start, s.end, label) for s, label in zip(UNITS, ["ab", "b", "c"], strict=True)]
MEASURES = [si.mixing.value_zeroing, si.mixing.attention, si.mixing.attention_norm, si.mixing.chefer]


class Spelling(SimpleNamespace):
    """A tokenizer whose tokens have a space before each word, as Whisper's have."""

    def __getattr__(self, name):
        return getattr(words_tokenizer(), name)

    def decode(self, ids, **_):
        return "".join(SPELT.get(int(i), " zz") for i in ids)


def spelling_model():
    model = exact_model("whisper")
    model.read_tokenizer = Spelling
    return model


@pytest.mark.parametrize(
    ("tokens", "labels", "expected"),
    [
        (["<|s|>", " the", " ro", "se", "."], ["the", "rose"], [None, 0, 1, 1, 1]),
        ([" The", " a", " as"], ["the", "as"], [0, None, 1]),
        (["no", " no", " no"], ["no", "no"], [0, 1, None]),
        ([" It", "'s", " ", "me"], ["it's", "me"], [0, 0, None, 1]),
        ([" naï", "ve", "<|end|>"], ["naïve"], [0, 0, None]),
    ],
)
def test_tokens_spell_words(tokens, labels, expected):
    assert words_spelt(tokens, labels) == expected


def test_a_word_that_is_not_written_is_named():
    with pytest.raises(MixingError, match=r"the word 'rows' is not in the text 'the rose'"):
        words_spelt([" the", " rose"], ["the", "rows"])


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("gaps", ["drop", "merge"])
def test_a_word_has_what_its_sound_and_its_text_have(measure, gaps):
    model = spelling_model()
    options = {"tokens": TOKENS, "gaps": gaps}
    cross, decoder = (measure(model, wave(), WORDS, where=where, **options) for where in ("cross", "decoder"))
    found = si.mixing.joint(cross, decoder)
    word_of = [None, 0, 0, 1, 2]
    names = cross.source_label.values.tolist()
    assert found.source_label.values.tolist() == [*names, "prompt", "itself"]
    for layer in range(found.sizes["layer"]):
        for i in range(len(TOKENS)):
            scores = dict.fromkeys([*range(len(names)), "prompt", "itself"], 0.0)
            gap = (
                float(cross.gap_share.values[layer, i])
                if gaps == "drop" and "gap_share" in cross.coords
                else 0.0
            )
            for j in range(len(names)):
                amount = float(cross.amount.values[layer, i]) * (1 - gap)
                scores[j] += float(cross.values[layer, i, j]) * amount
            for t in range(len(TOKENS)):
                where = "itself" if t == i else "prompt" if word_of[t] is None else word_of[t]
                scores[where] += float(decoder.values[layer, i, t]) * float(decoder.amount.values[layer, i])
            total = sum(scores.values())
            assert found.values[layer, i] == pytest.approx(
                [s / total for s in scores.values()], abs=1e-9, nan_ok=True
            )
            assert float(found.amount.values[layer, i]) == pytest.approx(total, nan_ok=True)
    known = np.isfinite(found.amount.values)  # Chefer relevance knows some rows only
    assert known.any()
    assert found.sum("source").values[known] == pytest.approx(np.ones(known.sum()))
    assert found.target_start.values.tolist()[:4] == [WORDS[k].start for k in (0, 0, 1, 2)]
    assert np.isnan(found.target_start.values[4])


def test_cue_alignment_reads_joint_maps():
    model = spelling_model()
    both = [
        si.mixing.value_zeroing(model, wave(), WORDS, where=w, tokens=TOKENS) for w in ("cross", "decoder")
    ]
    joint = si.mixing.joint(*both)
    table = si.mixing.cue_alignment(joint, WORDS[2], WORDS[0])
    row, others = joint.values[:, 3], [0, 1]
    assert table["mass"].tolist() == pytest.approx(row[:, 0].tolist())
    assert table.share.tolist() == pytest.approx((row[:, 0] / row[:, others].sum(1)).tolist())
    assert table.chance_top.tolist() == pytest.approx([0.5] * len(table))


def test_maps_that_do_not_belong_together_are_refused():
    model = spelling_model()

    def maps(measure, units=WORDS, tokens=TOKENS):
        return [measure(model, wave(), units, where=where, tokens=tokens) for where in ("cross", "decoder")]

    zeroed, attended = maps(si.mixing.value_zeroing), maps(si.mixing.attention)
    with pytest.raises(MixingError, match="where='decoder' and where='cross'"):
        si.mixing.joint(*zeroed[::-1])
    with pytest.raises(
        MixingError, match="method is 'value_zeroing' in one map and 'attention' in the other"
    ):
        si.mixing.joint(zeroed[0], attended[1])
    with pytest.raises(MixingError, match="tokens is"):
        si.mixing.joint(zeroed[0], maps(si.mixing.value_zeroing, tokens=TOKENS[:-1])[1])
    alti = [
        si.mixing.alti(model, wave(), WORDS, where=w, tokens=TOKENS, rolled=False)
        for w in ("cross", "decoder")
    ]
    with pytest.raises(MixingError, match="maps by alti"):
        si.mixing.joint(*alti)
    with pytest.raises(MixingError, match="the word 'a' is not in the text 'ab b c'"):
        si.mixing.joint(*maps(si.mixing.value_zeroing, units=UNITS))


@torch.no_grad()
@pytest.mark.parametrize("remove", ["text", "both"])
def test_hidden_text_is_zeroed_in_every_layer(remove):
    model = spelling_model()
    options = {"stack": "decoder", "target": 4, "tokens": TOKENS}
    table = si.mixing.blankout_drop(model, wave(), WORDS, remove=remove, **options)
    silenced = si.mixing.blankout_drop(model, wave(), WORDS, **options)
    against = si.mixing.blankout_drop(model, wave(), WORDS, remove=remove, against=5, **options)
    inputs = model.prepare([wave()])
    for unit, hidden in enumerate([[1, 2], [3], [4]]):
        sound = inputs
        if remove == "both":
            quiet = wave().astype(float)
            for n in range(len(quiet)):
                depth = min(n / 16000 - WORDS[unit].start, WORDS[unit].end - n / 16000)
                quiet[n] *= 0.5 + 0.5 * np.cos(np.pi * min(1.0, max(0.0, depth) / 0.005))
            sound = model.prepare([quiet.astype(np.float32)])

        def zero(module, args, output, hidden=hidden):
            output = output.clone()
            output[:, hidden] = 0
            return output

        plain = model.logits(inputs, torch.tensor([TOKENS]))[0, 3].log_softmax(-1)
        layers = model.module.model.decoder.layers
        hooks = [layer.self_attn.v_proj.register_forward_hook(zero) for layer in layers]
        after = model.logits(sound, torch.tensor([TOKENS]))[0, 3].log_softmax(-1)
        for hook in hooks:
            hook.remove()
        drop = plain - after
        assert table.log_drop[unit] == pytest.approx(float(drop[TOKENS[4]]), abs=1e-5)
        assert against.log_drop[unit] == pytest.approx(float(drop[TOKENS[4]] - drop[5]), abs=1e-5)
    assert not np.allclose(table.log_drop[:2], silenced.log_drop[:2])


def test_what_a_ctc_head_cannot_do_is_refused():
    model = exact_model("wav2vec2-pre-ctc")
    with pytest.raises(MixingError, match="remove 'text'"):
        si.mixing.blankout_drop(model, wave(), UNITS, target="b", remove="text")
    with pytest.raises(MixingError, match="against=5 in the encoder"):
        si.mixing.blankout_drop(model, wave(), UNITS, target="b", against=5)

"""Attention of a Whisper to what it reads: that of its modules, in parts where a text is long."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from align import reference_whisper as oracle
from align.letters import letter_model, spoken

from speechinterp.align import whisper_attention
from speechinterp.align.whisper_attention import Spelt, listen, read, spell
from speechinterp.errors import AlignmentError

HEADS = [(layer, head) for layer in range(2) for head in range(2)]


@pytest.mark.parametrize("row", [0, 1])
def test_attention_and_probabilities_are_those_of_the_module(row):
    model = letter_model(attn_implementation="eager")
    heard = listen(model, spoken())
    spelt = spell(model, ["on", "a", "day"], "letters", "here")
    attention, ratios = read(model, heard, spelt, HEADS, row)
    tokens = torch.tensor([[*heard.prompt, *spelt.tokens]])
    with torch.no_grad():
        output = model.module(heard.inputs.values, decoder_input_ids=tokens, output_attentions=True)
    start = len(heard.prompt)
    rows = slice(start - 1 + row, start - 1 + row + len(spelt.tokens))
    for layer, head in HEADS:
        expected = output.cross_attentions[layer][0, head, rows, :40].double()
        np.testing.assert_allclose(
            attention[layer, head], expected / expected.sum(-1, keepdim=True), atol=1e-5
        )
    logs = output.logits[0].log_softmax(-1)
    for place, token in enumerate(spelt.tokens):
        expected = logs[start - 1 + place, token] - logs[start - 1 + place].max()
        assert ratios[place] == pytest.approx(float(expected), abs=1e-4)


def test_letters_belong_to_words_and_are_small():
    model = letter_model()
    spelt = spell(model, ["On", "day"], "letters", "here")
    assert "".join(model.vocabulary.symbols[i] for i in spelt.tokens) == " on day"
    assert spelt.word_of == (0, 0, 0, 1, 1, 1, 1)
    assert spelt.first.tolist() == [True, False, False, True, False, False, False]


def test_a_text_longer_than_the_decoder_is_read_in_parts_with_context():
    model = letter_model()
    heard = listen(model, spoken())
    words = ["day", "to", "night", "and", "on", "again", "now", "we", "go", "then"]
    spelt = spell(model, words, "letters", "here")
    parts = list(whisper_attention._parts(model, heard, spelt))
    room = 32 - len(heard.prompt)
    assert len(parts) > 1
    done = 0
    for tokens, new in parts:
        assert 0 < new <= len(tokens) <= room
        assert tokens == list(spelt.tokens[done + new - len(tokens) : done + new])
        done += new
    assert done == len(spelt.tokens)
    assert all(len(tokens) > new for tokens, new in parts[1:])
    attention, ratios = read(model, heard, spelt, HEADS)
    assert {len(a) for a in attention.values()} == {len(ratios)} == {len(spelt.tokens)}
    first, _ = read(model, heard, Spelt(tuple(parts[0][0]), spelt.word_of[: parts[0][1]]), HEADS)
    np.testing.assert_allclose(attention[0, 1][: parts[0][1]], first[0, 1], atol=1e-6)


def test_change_is_that_of_the_definition():
    heard = listen(letter_model(), spoken(n_frames=30))
    assert heard.steps == 2
    slow = np.array(oracle.change(heard.inputs.values[0, :, :60].double().tolist()))
    np.testing.assert_allclose(heard.change, (slow - slow.mean()) / slow.std(), atol=1e-6)


def test_words_that_cannot_be_written_are_refused():
    with pytest.raises(AlignmentError, match=r"'1' cannot be written in the vocabulary"):
        spell(letter_model(), ["on", "1"], "letters", "here")

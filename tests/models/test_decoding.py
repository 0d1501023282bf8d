"""Decoding: what models write down, against Hugging Face's own decoding."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import torch
import transformers
from tiny import shared_model, sound, sounds, tiny_model
from tiny_vocabulary import LETTERS, ctc_tokenizer, reading_model

from speechinterp.errors import ModelError
from speechinterp.models import Tap, load_model
from speechinterp.models.decoding import best_path, greedy, prompts

LENGTHS = (9000, 16000, 4000)


def test_best_path_is_the_collapse_of_ctc():
    random = np.random.default_rng(0)
    for _ in range(50):
        path = random.integers(0, 3, size=12).tolist()
        groups = [symbol for symbol, _ in itertools.groupby(path)]
        assert best_path(path, 0) == [symbol for symbol in groups if symbol != 0]
    assert best_path([], 0) == []


@pytest.mark.parametrize("name", ["wav2vec2-pre-ctc", "data2vec-ctc"])
def test_ctc_texts_are_those_of_the_tokenizer(name):
    model, tokenizer = reading_model(name), ctc_tokenizer(LETTERS)
    waves = sounds(*LENGTHS)
    for wave, text in zip(waves, model.transcribe(waves), strict=True):
        path = model.logits(model.prepare([wave]))[0].argmax(-1)
        expected = tokenizer.decode(path)
        for name in ("<s>", "</s>", "<unk>"):
            expected = expected.replace(name, "")
        assert text == " ".join(expected.split())
        assert text == model.transcribe(wave)


def loud_decoder(seed: int, **changes: object):
    """A tiny Whisper whose tokens vary and that ends now and then."""
    model = tiny_model("whisper", seed=seed, max_target_positions=16, **changes)
    with torch.no_grad():
        model.module.model.decoder.embed_tokens.weight.mul_(15)
        model.module.model.decoder.embed_positions.weight.mul_(60)
    return model


@pytest.mark.parametrize("suppressed", [[], [5, 6, 7, 8]])
def test_greedy_decoding_is_that_of_hugging_face(suppressed):
    lengths = set()
    for seed in range(6):
        model = loud_decoder(seed)
        settings = model.module.generation_config
        settings.suppress_tokens = suppressed or None
        settings.begin_suppress_tokens = [3]
        inputs = model.prepare(sounds(*LENGTHS))
        encoded = model.encode(inputs)
        found = greedy(model, encoded, [[4]] * 3, 99)
        expected = transformers.GenerationMixin.generate(
            model.module,
            inputs=inputs.values,
            decoder_input_ids=torch.full((3, 1), 4),
            do_sample=False,
            max_length=16,
        )
        for one, row in zip(found, expected[:, 1:].tolist(), strict=True):
            text = row[: row.index(3)] if 3 in row else row
            assert list(one.ids) == text
            assert one.ended == (3 in row)
            lengths.add(len(one.ids))
    assert len(lengths) > 2


def test_greedy_decoding_without_cache_and_batch():
    model = loud_decoder(1)
    for wave in sounds(*LENGTHS):
        inputs = model.prepare([wave])
        tokens = torch.tensor([[4]])
        with torch.no_grad():
            for _ in range(15):
                best = model.logits(inputs, tokens)[:, -1].argmax(-1, keepdim=True)
                if best == 3:
                    break
                tokens = torch.cat([tokens, best], 1)
        (found,) = greedy(model, model.encode(inputs), [[4]], 99)
        assert list(found.ids) == tokens[0, 1:].tolist()


def test_a_limit_cuts_a_text_short_and_says_so():
    model = loud_decoder(0)
    encoded = model.encode(model.prepare([sound(8000)]))
    (whole,), (cut,) = (greedy(model, encoded, [[4]], n) for n in (99, 2))
    assert len(whole.ids) > 2
    assert cut.ids == whole.ids[:2]
    assert not cut.ended


def multilingual():
    model = loud_decoder(2)
    settings = model.module.generation_config
    settings.lang_to_id = {"<|en|>": 30, "<|nl|>": 31}
    settings.task_to_id = {"transcribe": 33, "translate": 34}
    settings.no_timestamps_token_id = 35
    return model


def test_the_prompt_names_language_and_task():
    model = multilingual()
    encoded = model.encode(model.prepare(sounds(*LENGTHS)))
    assert prompts(model, encoded, "nl") == [[4, 31, 33, 35]] * 3
    logits = [model.logits(model.prepare([wave]), torch.tensor([[4]]))[0, -1] for wave in sounds(*LENGTHS)]
    likelier = [30 if scores[30] > scores[31] else 31 for scores in logits]
    assert [start[1] for start in prompts(model, encoded)] == likelier
    with pytest.raises(ModelError, match=r"language 'de'.*en, nl"):
        prompts(model, encoded, "de")


def test_interventions_reach_what_is_written():
    model = reading_model("data2vec-ctc")
    wave = sound(9000)
    with model.intervene({Tap(0, "mlp_output"): lambda x: -9 * x}):
        changed = model.transcribe(wave)
    assert changed != model.transcribe(wave)


def test_what_the_checkpoint_says_of_generation_is_kept(tmp_path):
    shared_model("whisper").module.save_pretrained(tmp_path)
    path = tmp_path / "generation_config.json"
    said = json.loads(path.read_text()) | {"_from_model_config": True, "no_timestamps_token_id": 35}
    path.write_text(json.dumps(said))
    (tmp_path / "preprocessor_config.json").write_text(
        '{"feature_extractor_type": "WhisperFeatureExtractor"}'
    )
    model = load_model(tmp_path, device="cpu")
    encoded = model.encode(model.prepare([sound(8000)]))
    assert prompts(model, encoded) == [[4, 35]]
    assert prompts(model.random_twin(), encoded) == [[4, 35]]
    with pytest.raises(ModelError, match="without a tokenizer"):
        model.transcribe(sound(8000))


@pytest.mark.parametrize("name", ["wav2vec2-pre-ctc", "data2vec-ctc"])
def test_the_last_state_is_read_as_the_model_reads_it(name):
    model = shared_model(name)
    with torch.no_grad():
        logits = model.logits(model.prepare([sound(9000)]))[0]
        found = model.read_out(model.states([sound(9000)])[0][-1])
    torch.testing.assert_close(found, logits, rtol=0, atol=1e-6)


def test_the_last_state_of_a_decoder_is_read_as_the_model_reads_it():
    model = shared_model("whisper")
    top = Tap(2, "residual", stack="decoder")
    tokens = torch.tensor([[4, 7, 9]])
    with torch.no_grad(), model.record([top]) as record:
        logits = model.logits(model.prepare([sound(9000)]), tokens)
        found = model.read_out(record[top], "decoder")
    torch.testing.assert_close(found, logits, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "stack"), [("whisper", "encoder"), ("hubert", "encoder"), ("data2vec-ctc", "decoder")]
)
def test_stacks_that_no_head_reads(name, stack):
    with pytest.raises(ModelError, match=f"reads every position of its {stack}"):
        shared_model(name).read_out(torch.zeros(1, 32), stack)


@pytest.mark.real
@pytest.mark.filterwarnings("ignore::speechinterp.audio.RepairWarning")
@pytest.mark.filterwarnings("ignore:builtin type .* has no __module__")
def test_whisper_writes_what_hugging_face_writes(assets):
    import speechinterp as si

    model = si.load_model(assets / "models" / "whisper-tiny.en", device="cpu")
    corpus = si.load_corpus(f"timit:{assets / 'corpora' / 'timit-sample'}")
    heard = [corpus[id_] for id_ in corpus.ids[:3]]
    written = model.transcribe(heard)
    for utterance, text in zip(heard, written, strict=True):
        ids = model.module.generate(model.prepare([utterance]).values, do_sample=False, num_beams=1)
        assert text == model.vocabulary.tokenizer.decode(ids[0], skip_special_tokens=True).strip()
    assert model.vocabulary.normalise(written[1]) == "do not ask me to carry an oily rag like that"

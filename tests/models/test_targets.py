"""Targets against loops and brute force: what they score, where, in batches, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tiny import FAMILIES, READ_WAVEFORMS, shared_model, sound, tiny_model
from tiny_vocabulary import reading_model

from speechinterp import Segment, Tap, Tier, Utterance, targets
from speechinterp.audio import Sound
from speechinterp.errors import SpeechInterpError, TargetError
from speechinterp.models.decoding import prompts
from speechinterp.models.targets.ctc_paths import best_spans, path_sum, territories

CTC = "wav2vec2-pre-ctc"
RATE = 16000
N = 8000


def utterance(transcript=None, seed=0, n=N, **tiers) -> Utterance:
    return Utterance("u", Sound(sound(n, seed), RATE), transcript=transcript, tiers=tiers)


def waves(*seeds, n=N) -> torch.Tensor:
    return torch.from_numpy(np.stack([sound(n, seed) for seed in seeds]))


def log_probs_of(model, samples) -> torch.Tensor:
    with torch.no_grad():
        return model.logits(model.prepare([samples]))[0].double().log_softmax(-1)


def test_a_word_is_scored_where_the_transcript_puts_it():
    model = reading_model(CTC)
    heard = utterance("a tent a note")
    bound = targets.ctc("tent").bind(model, heard)
    log_probs = log_probs_of(model, sound(N))
    ids = model.vocabulary.ids("A TENT A NOTE" if "A" in model.vocabulary.symbols else "a tent a note")
    spans = best_spans(log_probs.numpy(), ids, 0)
    wide = territories(spans, len(log_probs))
    place = slice(2, 6)  # a | t e n t
    window = wide[place][0][0], wide[place][-1][1]
    expected = path_sum(log_probs[None, slice(*window)], ids[place], 0)
    assert bound.names == ("tent",)
    with torch.no_grad():
        assert float(bound.scores(waves(0))) == pytest.approx(float(expected), abs=1e-6)
    assert bound.spans[0][0] < bound.spans[0][1] <= N / RATE
    assert targets.ctc("a").bind(model, heard).names == ("a", "a (2)")
    one = targets.ctc("a", occurrence=1).bind(model, heard)
    with torch.no_grad():
        assert float(one.scores(waves(0))) == float(
            targets.ctc("a").bind(model, heard).scores(waves(0))[0, 1]
        )


def test_the_best_path_of_all_that_is_said_is_the_sum_of_its_frames():
    model = reading_model(CTC)
    bound = targets.ctc(said="not", paths="best").bind(model, utterance())
    log_probs = log_probs_of(model, sound(N)).numpy()
    ids = model.vocabulary.ids("not")
    spans = best_spans(log_probs, ids, 0)
    total = sum(
        log_probs[t, next((s for s, (a, b) in zip(ids, spans, strict=True) if a <= t < b), 0)]
        for t in range(spans[0][0], spans[-1][1])
    )
    with torch.no_grad():
        assert float(bound.scores(waves(0))) == pytest.approx(total, abs=1e-6)


def test_phones_come_from_their_tier_and_words_from_theirs():
    model = reading_model(CTC, phones=True)
    heard = utterance(
        "ten",
        phones=Tier("phones", [Segment(0.1, 0.2, "t"), Segment(0.2, 0.3, "e"), Segment(0.3, 0.4, "n")]),
        words=Tier("words", [Segment(0.0, 0.5, "ten")]),
    )
    assert targets.ctc("e").bind(model, heard).names == ("e",)
    assert targets.ctc("t e").bind(model, heard).names == ("t e",)
    assert targets.ctc("ten").bind(model, heard).spans[0][0] >= 0
    assert len(targets.ctc().bind(model, heard).names) == 1
    with pytest.raises(TargetError, match=r"'tʃ' is not in the tier 'phones'.*t, e, n"):
        targets.ctc("tʃ").bind(model, heard)


def test_a_span_asks_for_what_is_not_said():
    model = reading_model(CTC)
    bound = targets.ctc("dot", span=(0.1, 0.4)).bind(model, utterance("not"))
    frames = model.frames(N).frames_in(0.1, 0.4)
    expected = path_sum(
        log_probs_of(model, sound(N))[None, frames.start : frames.stop], model.vocabulary.ids("dot"), 0
    )
    with torch.no_grad():
        assert float(bound.scores(waves(0))) == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (targets.ctc("cat"), "'cat' is not in the transcript: a, note"),
        (targets.ctc("x", span=(0.1, 0.4)), "vocabulary"),
        (targets.ctc("a", occurrence=3), "said 1 times"),
        (targets.ctc("a", span=(3, 4)), "no frame"),
        (targets.token(), "no decoder"),
        (targets.label(), "no classification head"),
    ],
)
def test_what_is_not_there_is_refused(target, message):
    with pytest.raises(TargetError, match=message):
        target.bind(reading_model(CTC), utterance("a note"))


def test_a_model_without_a_head_and_a_silent_sound_are_refused():
    with pytest.raises(TargetError, match="no CTC head"):
        targets.ctc("a").bind(shared_model("hubert"), utterance("a"))
    silent = Utterance("quiet", Sound(np.zeros(N, np.float32), RATE), transcript="a")
    with pytest.raises(TargetError, match="every sample is 0"):
        targets.ctc("a").bind(reading_model(CTC), silent)


def test_tokens_words_and_texts_add_up_step_by_step():
    model = reading_model("whisper")
    heard = utterance(
        "w7 w9 w7",
        words=Tier("words", [Segment(0.1 * i, 0.1 * i + 0.1, w) for i, w in enumerate(["w7", "w9", "w7"])]),
    )
    inputs = model.prepare([sound(N)])
    with torch.no_grad():
        (prompt,) = prompts(model, model.encode(inputs))
        ids = [7, 9, 7, 3]
        logits = model.logits(inputs, torch.tensor([[*prompt, *ids[:-1]]]))[0].double().log_softmax(-1)
        steps = [float(logits[len(prompt) - 1 + i, token]) for i, token in enumerate(ids)]
        every = targets.token().bind(model, heard)
        assert every.scores(waves(0))[0].tolist() == pytest.approx(steps, abs=1e-5)
        assert every.names == ("w7", "w9", "w7 (2)", "<|eos|>")
        assert float(targets.sequence().bind(model, heard).scores(waves(0))) == pytest.approx(
            sum(steps), abs=1e-5
        )
        word = targets.word("W9.").bind(model, heard)
        assert word.spans == ((0.1, 0.2),)
        assert float(word.scores(waves(0))) == pytest.approx(steps[1], abs=1e-5)
        assert float(targets.token(-1).bind(model, heard).scores(waves(0))) == pytest.approx(
            steps[3], abs=1e-5
        )
        assert targets.word("w7").bind(model, heard).names == ("w7", "w7 (2)")
    with pytest.raises(TargetError, match="w7, w9, w7"):
        targets.word("w30").bind(model, heard)


def test_entropy_surprisal_and_divergence_are_those_of_the_steps():
    model, heard = reading_model("whisper"), utterance("w7 w9")
    other = waves(0, 5)
    with torch.no_grad():
        logits = []
        for row in other:
            inputs = model.prepare([row])
            (prompt,) = prompts(model, model.encode(inputs))
            logits.append(
                model.logits(inputs, torch.tensor([[*prompt, 7, 9]]))[0, len(prompt) - 1 :].double()
            )
        p, q = (x.softmax(-1) for x in logits)
        found = {
            name: getattr(targets, name)().bind(model, heard).scores(other)
            for name in ("entropy", "surprisal", "kl")
        }
    assert found["entropy"][1].tolist() == pytest.approx((-(q * q.log()).sum(-1)).tolist(), abs=1e-5)
    assert found["surprisal"][1].tolist() == pytest.approx((-q.log()[range(3), [7, 9, 3]]).tolist(), abs=1e-5)
    assert found["kl"][1].tolist() == pytest.approx((p * (p / q).log()).sum(-1).tolist(), abs=1e-5)
    assert found["kl"][0].abs().max() < 1e-6
    assert len(targets.entropy().bind(reading_model(CTC), utterance("a dot")).names) == 4


def slotted_model():
    model = tiny_model("hubert-pre-class")
    names = ["act=on", "place=hall", "act=off", "place=attic", "act=up"]
    model.module.config.id2label = dict(enumerate(names))
    return model, names


def test_the_values_of_a_slot_compete_with_one_another():
    model, names = slotted_model()
    with torch.no_grad():
        logits = model.logits(model.prepare([sound(N)]))[0].double()
        said = targets.label("all").bind(model, utterance()).scores(waves(0))[0]
        chosen = targets.label().bind(model, utterance())
        raw = targets.label("act=up", scale="logit").bind(model, utterance()).scores(waves(0))
        share = targets.label(["act=on", "act=off", "act=up"], scale="probability").bind(model, utterance())
        assert float(share.scores(waves(0)).sum()) == pytest.approx(1)
    for group in ([0, 2, 4], [1, 3]):
        assert said[group].tolist() == pytest.approx(logits[group].log_softmax(-1).tolist(), abs=1e-6)
    assert set(chosen.names) == {
        names[[0, 2, 4][int(logits[[0, 2, 4]].argmax())]],
        names[[1, 3][int(logits[[1, 3]].argmax())]],
    }
    assert float(raw) == pytest.approx(float(logits[4]), abs=1e-6)
    with pytest.raises(TargetError, match="place=attic"):
        targets.label("place=cellar").bind(model, utterance())
    plain = tiny_model("whisper-class")
    with torch.no_grad():
        every = targets.label("all", scale="probability").bind(plain, utterance()).scores(waves(0))
    assert float(every.sum()) == pytest.approx(1)


@pytest.mark.parametrize("name", ["hubert", "wavlm", "whisper"])
def test_units_probes_and_exemplars_read_the_mean_state(name):
    model = shared_model(name)
    states = model.states([sound(N)])[0][2]
    frames = model.frames(N).frames_in(0.1, 0.3)
    mean = states[frames.start : frames.stop].double().mean(0)
    random = np.random.default_rng(0)
    rows, labels = random.normal(size=(30, model.width)), random.integers(3, size=30)
    probe = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, labels)
    exemplar = random.normal(size=model.width)
    span = (0.1, 0.3)
    with torch.no_grad():
        unit = targets.hidden(Tap(2, "residual"), [3, 5], span=span).bind(model, utterance()).scores(waves(0))
        read = targets.probe(probe, 2, span=span).bind(model, utterance()).scores(waves(0))
        like = targets.cosine(exemplar, 2, span=span).bind(model, utterance()).scores(waves(0))
        whole = targets.hidden(Tap(2, "residual"), 3).bind(model, utterance()).scores(waves(0))
    assert unit[0].tolist() == pytest.approx(mean[[3, 5]].tolist(), abs=1e-5)
    assert read[0].tolist() == pytest.approx(
        probe.decision_function(mean.numpy()[None])[0].tolist(), abs=1e-4
    )
    cosine = mean.numpy() @ exemplar / np.linalg.norm(mean) / np.linalg.norm(exemplar)
    assert float(like) == pytest.approx(float(cosine), abs=1e-5)
    assert float(whole) == pytest.approx(float(states[:, 3].mean()), abs=1e-5)


def test_what_does_not_fit_a_state_is_refused():
    model = shared_model("hubert")
    with pytest.raises(TargetError, match="0 to 31"):
        targets.hidden(Tap(1, "residual"), 32).bind(model, utterance()).scores(waves(0))
    with pytest.raises(TargetError, match="length 0"):
        targets.cosine(np.zeros(32), 1)
    with pytest.raises(TargetError, match="linear"):
        targets.probe(StandardScaler(), 1)
    with pytest.raises(TargetError, match="31 dimensions"):
        targets.cosine(np.ones(31), 1).bind(model, utterance()).scores(waves(0))


def test_a_contrast_is_a_difference_and_several_share_a_pass(monkeypatch):
    model = reading_model("whisper")
    heard = utterance("w7 w9")
    a, b = targets.word("w9"), targets.word("w8", said="w7 w8")
    with torch.no_grad():
        apart = [float(t.bind(model, heard).scores(waves(0))) for t in (a, b)]
        contrast = targets.Contrast(a, b).bind(model, heard)
        assert float(contrast.scores(waves(0))) == pytest.approx(apart[0] - apart[1], abs=1e-6)
        assert contrast.names == ("w9 - w8",)
        both = targets.bind([a, b, targets.hidden(Tap(1, "residual"), 0)], model, heard)
        calls = []
        forward = model.module.model.encoder.forward
        monkeypatch.setattr(
            model.module.model.encoder, "forward", lambda *x, **y: calls.append(1) or forward(*x, **y)
        )
        scores = both.scores(waves(0))
    assert scores[0, :2].tolist() == pytest.approx(apart, abs=1e-6)
    assert len(calls) == 1
    with pytest.raises(TargetError, match="contrast of 2"):
        targets.Contrast(targets.word(), targets.token()).bind(model, heard)


def any_target(name):
    """A target that every family has, and one of its head where there is one."""
    return targets.hidden(Tap(1, "residual"), [0, 1], span=(0.1, 0.3))


@pytest.mark.parametrize("name", FAMILIES)
def test_scores_are_the_same_in_any_batch_and_have_gradients(name):
    model = shared_model(name)
    bound = any_target(name).bind(model, utterance())
    shorter = 7000
    batch = waves(0, 1, 2)
    padded = batch.clone()
    padded[1, shorter:] = 1.0  # padding that must not be heard
    with torch.no_grad():
        together = bound.scores(padded, [N, shorter, N])
        alone = torch.cat([bound.scores(padded[i : i + 1, :n]) for i, n in enumerate([N, shorter, N])])
    assert torch.allclose(together, alone, atol=1e-5)
    x = batch[:1].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(bound.scores(x)[0, 0], x)
    direction = torch.from_numpy(sound(N, 9))
    step = 1e-3
    with torch.no_grad():
        up, down = (float(bound.scores(batch[:1] + s * step * direction)[0, 0]) for s in (1, -1))
    assert float((gradient[0] * direction).sum()) == pytest.approx((up - down) / 2 / step, rel=0.05, abs=2e-3)


@pytest.mark.parametrize("name", ["whisper", *READ_WAVEFORMS[:1]])
def test_the_preprocessing_is_that_of_the_feature_extractor(name):
    import transformers

    model = shared_model(name)
    samples = [sound(n, n) * 0.2 for n in (4000, N)]
    if name == "whisper":
        extractor = transformers.WhisperFeatureExtractor(feature_size=20, chunk_length=1)
    else:
        extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True)
    key = "input_features" if name == "whisper" else "input_values"
    expected = extractor(
        samples, sampling_rate=RATE, return_tensors="pt", padding=name != "whisper" or "max_length"
    )
    found = model.prepare([torch.from_numpy(s).requires_grad_() for s in samples]).values
    assert found.requires_grad
    assert (found - expected[key]).abs().max() < 1e-5


def test_windows_move_with_the_sound_and_keep_their_width():
    model = reading_model(CTC)
    bound = targets.ctc("note").bind(model, utterance("a note"))
    cut = 3200  # 0.2 s are taken out at the start
    moved = bound.moved(lambda t: max(t - cut / RATE, 0.0), N - cut)
    (before,), (after,) = bound.parts[0].windows, moved.parts[0].windows
    assert after[1] - after[0] == min(before[1] - before[0], model.frames(N - cut).n_frames)
    with torch.no_grad():
        assert torch.isfinite(moved.scores(waves(0)[:, cut:])).all()
    assert bound.moved(lambda t: t, N).parts[0].windows == bound.parts[0].windows


def test_errors_are_those_of_the_package():
    assert issubclass(TargetError, SpeechInterpError)

"""Extraction: the numbers are those of the model, and bad input is refused or left out, never guessed."""

import numpy as np
import pandas as pd
import pytest
import torch
from echo import RATE, Echo, noise_corpus, spoken
from tiny import sound, tiny_model

from speechinterp import extract, load_corpus, load_model, probe
from speechinterp.audio import Sound
from speechinterp.corpora import Corpus, Utterance
from speechinterp.errors import (
    FrameError,
    ProbeError,
    StoreError,
)
from speechinterp.segments import Segment, Tier


def loop(module, corpus, read, hop=320, field=400, offset=0):
    """Mean over phones of Hugging Face hidden states, one utterance at a time, frames found one by one."""
    rows = []
    for utterance in corpus:
        wave = utterance.waveform(RATE)
        with torch.inference_mode():
            hidden = torch.stack(read(module, wave))[:, 0].double()
        for phone in utterance.tier("phones"):
            if phone.label:
                a, b = round(phone.start * RATE), round(phone.end * RATE)
                centres = [offset + i * hop + field / 2 for i in range(hidden.shape[1])]
                inside = [i for i, centre in enumerate(centres) if a <= centre < b and centre < len(wave)]
                distances = [abs(centre - (a + b) / 2) for centre in centres]
                frames = inside or [max(i for i, d in enumerate(distances) if d == min(distances))]
                rows.append(hidden[:, frames].mean(1).numpy())
    return np.stack(rows, axis=1)


def assert_close(reps, expected):
    assert len(reps.layers) == len(expected)
    for layer, theirs in zip(reps.layers, expected, strict=True):
        assert np.linalg.norm(reps.layer(layer) - theirs) <= 1e-5 * np.linalg.norm(theirs)


def test_mean_pooling_is_a_loop_over_hugging_face_states(monkeypatch):
    model, corpus = tiny_model("wav2vec2"), noise_corpus(5, 0.4)
    monkeypatch.setattr(model.family, "batch_limit", lambda seconds: 3)

    def read(module, wave):
        wave = torch.from_numpy((wave - wave.mean()) / np.sqrt(wave.var() + 1e-7))
        return module(wave[None], output_hidden_states=True).hidden_states

    reps = extract(model, corpus)
    assert_close(reps, loop(model.module, corpus, read))
    assert reps.meta["weights_sha256"] == model.weights_hash
    assert (reps.meta["rule"], reps.meta["state"], reps.meta["complete"]) == ("centre", "raw", True)


@pytest.mark.real
@pytest.mark.filterwarnings("ignore::speechinterp.audio.RepairWarning")
def test_whisper_on_timit_is_a_plain_hugging_face_loop(assets):
    from transformers import WhisperFeatureExtractor

    path = assets / "models" / "whisper-tiny.en"
    corpus = load_corpus(f"timit:{assets / 'corpora' / 'timit-sample'}")[:3]
    model, features = load_model(path, device="cpu"), WhisperFeatureExtractor.from_pretrained(path)

    def read(module, wave):
        mel = features(wave, sampling_rate=RATE, return_tensors="pt").input_features
        states = []
        hooks = [module.model.encoder.layers[0].register_forward_pre_hook(lambda m, a: states.append(a[0]))]
        hooks += [
            each.register_forward_hook(
                lambda m, a, o: states.append(o if isinstance(o, torch.Tensor) else o[0])
            )
            for each in module.model.encoder.layers
        ]
        module.model.encoder(mel)
        for hook in hooks:
            hook.remove()
        return states

    reps = extract(model, corpus)
    assert_close(reps, loop(model.module, corpus, read, 320, 1040, -520))
    assert set(reps.units["speaker"]) == {"dr1-fvmh0"}


def test_rows_are_in_the_order_of_ids_and_time_whatever_the_batches():
    corpus = noise_corpus(40, 0.3)
    tables = [extract(echo := Echo(limit=n), corpus) for n in (1, 7)]
    assert max(map(len, echo.batches)) == 7
    for reps in tables:
        assert reps.units["utterance"].drop_duplicates().tolist() == corpus.ids
        assert reps.units.groupby("utterance")["start"].is_monotonic_increasing.all()
        assert np.array_equal(reps.layer(1), tables[0].layer(1))
    assert "" not in set(tables[0].units["label"])
    assert set(tables[0].units["tier"]) == {"phones"}


@pytest.mark.parametrize("pool", ["mean", "min", "max", "centre", "all"])
@pytest.mark.parametrize("rule", ["centre", "overlap", "inside", "majority"])
def test_pool_and_rule_reach_the_units(pool, rule):
    corpus, echo = noise_corpus(2, 0.4), Echo()
    reps = extract(echo, corpus, pool=pool, rule=rule)
    row = 0
    for utterance in corpus:
        wave = utterance.waveform(RATE)
        (state,), grid = echo.states([wave]), echo.frames(len(wave))
        for phone in (phone for phone in utterance.tier("phones") if phone.label):
            span = list(grid.frames_in(phone.start, phone.end, rule))
            chosen = span or ([] if pool == "all" else [grid.nearest_frame((phone.start + phone.end) / 2)])
            if pool == "centre":
                chosen = [grid.nearest_frame((phone.start + phone.end) / 2)]
            for frames in [[frame] for frame in chosen] if pool == "all" else [chosen]:
                taken = state[:, frames]
                summary = {"min": taken.amin(1), "max": taken.amax(1)}.get(pool, taken.mean(1))
                assert np.allclose(reps.layer(0)[row], summary[0], rtol=1e-6, atol=1e-7)
                assert reps.units["frames"][row] == (0 if not span else len(frames))
                row += 1
    assert row == len(reps)
    assert (reps.meta["pool"], reps.meta["rule"]) == (pool, rule)


def test_frames_as_units():
    corpus, echo = noise_corpus(3, 0.3), Echo()
    reps = extract(echo, corpus, unit="frames", pool="max")
    expected = torch.cat([echo.states([u.waveform(RATE)])[0] for u in corpus], dim=1)
    assert np.array_equal(reps.layer(1), expected[1])
    assert set(reps.units["tier"]) == {"frames"}
    assert (reps.meta["pool"], reps.meta["rule"]) == (None, None)


def test_an_utterance_as_unit():
    silent = Utterance("mute", Sound(sound(8000), RATE))
    corpus, echo = Corpus.of([spoken("a", 0.5), silent]), Echo()
    reps = extract(echo, corpus, unit="utterance")
    assert reps.units["label"].tolist() == ["she had", "mute"]
    assert reps.units["end"].tolist() == [0.5, 0.5]
    assert np.allclose(reps.layer(0)[1], echo.states([sound(8000)])[0][0].mean(0))


def test_slices_hear_nothing_but_themselves():
    corpus, echo = noise_corpus(3, 0.5), Echo()
    reps = extract(echo, corpus, pool="slice")
    row = 0
    for utterance in corpus:
        wave = utterance.waveform(RATE)
        for phone in utterance.tier("phones"):
            piece = wave[int(phone.start * RATE + 0.5) : int(phone.end * RATE + 0.5)]
            if phone.label and len(piece) >= 400:
                state = echo.states([piece])[0]
                assert np.allclose(reps.layer(1)[row], state[1].mean(0), rtol=1e-6, atol=1e-7)
                assert reps.units.loc[row, ["start", "end", "label", "frames"]].tolist() == [
                    *(phone.start, phone.end, phone.label),
                    state.shape[1],
                ]
                row += 1
    assert row == len(reps)
    assert reps.meta["rule"] is None
    assert reps.meta["utterances"] == 3
    assert reps.meta["skipped"] >= 3  # the 4 ms ones


def test_slices_that_are_left_out_are_recorded_one_by_one(tmp_path):
    reps = extract(Echo(), noise_corpus(3, 0.5), pool="slice", out=tmp_path)
    skipped = pd.read_json(tmp_path / "skipped.jsonl", lines=True)
    assert len(skipped) == reps.meta["skipped"]
    assert set(skipped["error"]) == {"AudioError"}
    first = skipped.iloc[0]
    assert f"{first.label!r} at {first.start:.3f} s of utterance {first.utterance!r} has" in first.reason
    assert first.end - first.start < 400 / RATE


def test_a_corpus_without_speakers_reaches_the_probe_as_such():
    corpus = Corpus.of([spoken(f"u{i}", 0.5, i, speaker=None) for i in range(4)])
    reps = extract(Echo(), corpus)
    assert reps.units["speaker"].isna().all()
    with pytest.raises(ProbeError, match="have no speaker"):
        probe(reps)


def test_labels_stay_text():
    labels = ["nan", "NA", "None", "1", "1.0", "ʃ", "<p:>", '"']
    tier = Tier("x", [Segment(i / 20, (i + 1) / 20, label) for i, label in enumerate(labels)])
    corpus = Corpus.of([Utterance("a", Sound(sound(8000), RATE), tiers={"x": tier})])
    assert extract(Echo(), corpus, unit="x").units["label"].tolist() == labels


def test_a_temporary_store_lives_as_long_as_the_representations(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    reps = extract(Echo(), noise_corpus(2, 0.3))
    assert len(list(tmp_path.iterdir())) == 1
    assert len(reps.layer(1)) == len(reps)
    del reps
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_utterances():
    seen = []
    extract(Echo(), noise_corpus(40, 0.3), progress=lambda done, total: seen.append((done, total)))
    counts = [done for done, _ in seen]
    assert counts == sorted(counts)
    assert {total for _, total in seen} == {40}
    assert counts[-1] == 40
    assert len(set(counts)) > 10


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pool": "median"}, r"pool 'median'.*one of mean, centre"),
        ({"rule": "nearest"}, r"rule 'nearest'.*one of centre, overlap"),
        ({"on_bad": "ignore"}, r"on_bad 'ignore'.*one of raise, skip"),
        ({"pool": "slice", "unit": "frames"}, "pool 'slice' with unit 'frames'"),
        ({"shard": (2, 2)}, r"shard 2/2.*0 <= i < n"),
        ({"shard": (0, 0)}, "shard 0/0"),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_written(tmp_path, settings, message):
    with pytest.raises((FrameError, StoreError), match=message):
        extract(Echo(), noise_corpus(1), out=tmp_path / "out", **settings)
    assert list(tmp_path.iterdir()) == []


def test_a_coarse_number_format_is_measured():
    model, corpus = tiny_model("wav2vec2"), noise_corpus(6, 0.4)
    exact = extract(model, corpus, unit="frames")
    assert "deviation" not in exact.meta
    model.module.to(torch.bfloat16)
    coarse = extract(model, corpus, unit="frames")
    measured = coarse.meta["deviation"]
    first = exact.units["utterance"].isin(corpus.ids[:4]).to_numpy()
    assert measured["from"] == "float32"
    assert measured["frames"] == first.sum()
    for layer in exact.layers:
        # the weights of the module in hand were rounded, so what it is compared with differs a little too
        norms = np.linalg.norm(exact.layer(layer)[first], axis=1)
        off = np.linalg.norm((coarse.layer(layer) - exact.layer(layer))[first], axis=1) / norms
        assert measured["mean_by_layer"][layer] == pytest.approx(off.mean(), rel=0.8)
        assert 1e-4 < measured["mean_by_layer"][layer] <= measured["max_by_layer"][layer] < 1


def test_a_loaded_model_and_its_twin_are_measured_against_unrounded_weights():
    coarse, exact = (load_model("demo/untrained", dtype=d) for d in ("bfloat16", "float32"))
    corpus = noise_corpus(2, 0.4)
    for ours, theirs in ((coarse, exact), (coarse.random_twin(7), exact.random_twin(7))):
        measured = extract(ours, corpus, unit="frames").meta["deviation"]
        waves = [u.waveform(RATE) for u in corpus]
        a, b = (torch.cat([m.states([w])[0] for w in waves], 1).double() for m in (ours, theirs))
        off = (a - b).norm(dim=-1) / b.norm(dim=-1)
        assert measured["max_by_layer"] == pytest.approx(off.amax(1).tolist(), rel=1e-2)
        assert measured["mean_by_layer"] == pytest.approx(off.mean(1).tolist(), rel=1e-2)


def test_a_number_format_that_a_processor_gets_wrong_is_refused():
    class Wrong(Echo):
        def exact(self):
            return Echo()

        def states(self, heard):
            return [x.flip(-1) for x in super().states(heard)]

    with pytest.raises(
        StoreError, match=r"in bfloat16 layer \d is \d+% away .* Expected: at most 20%.*--dtype float32"
    ):
        extract(Wrong(), noise_corpus(2, 0.4), unit="frames")

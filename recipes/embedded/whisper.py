"""Train `whisper`: an encoder of 6 s of log-mel spectrogram, and a decoder that writes the words.

The loss is the cross-entropy of the next piece of a word. For the first half of the training the encoder also has
to tell every frame's phone, through a head that is thrown away: it finds its way to the text sooner.
"""

from __future__ import annotations

import json
from typing import Any

import jiwer
import torch
from ctc import HOP
from examples import BLANK, RATE, Batch, Example, batch_of, frame_labels
from homophones import as_cued, twice
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor, nn
from training import begun, options, save, train
from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration

from speechinterp.models.loading import family_of

END, START, NO_TIMES = "<|endoftext|>", "<|startoftranscript|>", "<|notimestamps|>"
SECONDS = 6
N_PIECES = 640
LONGEST = 40
EXTRACTOR = {
    "feature_extractor_type": "WhisperFeatureExtractor",
    "feature_size": 80,
    "sampling_rate": RATE,
    "hop_length": 160,
    "n_fft": 400,
    "chunk_length": SECONDS,
    "n_samples": SECONDS * RATE,
    "nb_max_frames": SECONDS * 100,
    "padding_value": 0.0,
    "padding_side": "right",
    "dither": 0.0,
    "return_attention_mask": False,
}


def tokenizer_of(texts: list[str]) -> Tokenizer:
    """Return a tokenizer of pieces of words by bytes, as Whisper's, learned from the texts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=N_PIECES, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    tokenizer.train_from_iterator([f" {text}" for text in texts], trainer)
    tokenizer.add_special_tokens([END, START, NO_TIMES])
    number = tokenizer.token_to_id
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} {NO_TIMES} $A {END}",
        special_tokens=[(token, number(token)) for token in (END, START, NO_TIMES)],
    )
    return tokenizer


class Writer(nn.Module):
    """Whisper, and a head for phones that only the training has."""

    def __init__(self, tokenizer: Tokenizer, phones: list[str]) -> None:
        super().__init__()
        self.tokenizer, self.phones = tokenizer, phones
        end, start, no_times = (tokenizer.token_to_id(token) for token in (END, START, NO_TIMES))
        config = WhisperConfig(
            vocab_size=tokenizer.get_vocab_size(),
            d_model=192,
            encoder_layers=4,
            decoder_layers=3,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=768,
            decoder_ffn_dim=768,
            num_mel_bins=80,
            max_source_positions=SECONDS * 50,
            max_target_positions=LONGEST + 8,
            dropout=0.1,
            decoder_start_token_id=start,
            bos_token_id=end,
            eos_token_id=end,
            pad_token_id=end,
            suppress_tokens=None,
            begin_suppress_tokens=None,
        )
        self.model: Any = WhisperForConditionalGeneration(config)
        self.model.generation_config = GenerationConfig(
            decoder_start_token_id=start,
            bos_token_id=end,
            eos_token_id=end,
            pad_token_id=end,
            no_timestamps_token_id=no_times,
            is_multilingual=False,
            max_length=LONGEST,
        )
        self.prompt = [start, no_times]
        self.end = end
        self.family = family_of(self.model, EXTRACTOR)
        self.head = nn.Linear(192, len(phones))
        self.with_phones = True

    def mels(self, batch: Batch) -> Tensor:
        """Return the log-mel spectrograms [shape=(batch, mels, frames)]."""
        return self.family.prepare([sound[: SECONDS * RATE] for sound in batch.sounds])

    def loss(self, batch: Batch) -> Tensor:
        """Return the cross-entropy of the pieces, and of the frames' phones while that is asked for."""
        rows = [self.tokenizer.encode(f" {e.transcript}").ids for e in batch.examples]
        longest = max(map(len, rows))
        tokens = torch.tensor([row + [self.end] * (longest - len(row)) for row in rows])
        wanted = torch.tensor([[-100, *row[2:]] + [-100] * (longest - len(row)) for row in rows])
        with torch.autocast("cpu", enabled=False):
            mels = self.mels(batch)
        states = self.model.model.encoder(mels).last_hidden_state
        output = self.model(encoder_outputs=(states,), decoder_input_ids=tokens[:, :-1])
        text = nn.functional.cross_entropy(
            output.logits.float().flatten(0, 1), wanted.flatten(), label_smoothing=0.05
        )
        if not self.with_phones:
            return text
        number = {label: n for n, label in enumerate(self.phones)}
        frames = [
            [number[label] for label in frame_labels(e.marks["phones"], states.shape[1], HOP, 0.0)]
            for e in batch.examples
        ]
        logits = self.head(states)[:, : batch.sounds.shape[1] // 320].float()
        return text + nn.functional.cross_entropy(
            logits.flatten(0, 1), torch.tensor(frames)[:, : logits.shape[1]].flatten()
        )

    @torch.inference_mode()
    def write(self, examples: list[Example]) -> list[str]:
        """Return the text of every example, always taking the likeliest piece."""
        self.eval()
        found = []
        for at in range(0, len(examples), 24):
            states = self.model.model.encoder(self.mels(batch_of(examples[at : at + 24]))).last_hidden_state
            tokens = torch.tensor([self.prompt] * len(states))
            while tokens.shape[1] < LONGEST and not (tokens[:, 2:] == self.end).any(1).all():
                logits = self.model(encoder_outputs=(states,), decoder_input_ids=tokens).logits[:, -1]
                tokens = torch.cat([tokens, logits.argmax(-1, keepdim=True)], 1)
            for row in tokens[:, 2:].tolist():
                found.append(
                    self.tokenizer.decode(row[: row.index(self.end)] if self.end in row else row).strip()
                )
        return found


def scores(model: Writer, examples: list[Example]) -> dict[str, float]:
    """Return the word accuracy, and how often a homophone is spelled by its cue: with it, and with it silenced."""

    def words(examples: list[Example]) -> list[list[str]]:
        return [text.split() for text in model.write(examples)]

    found = words(examples)
    accuracy = 1 - jiwer.wer([e.transcript for e in examples], [" ".join(text) for text in found])
    return {"word accuracy": accuracy, **as_cued(examples, found, words)}


def main() -> None:
    """Train the model and save it."""
    a, examples, dev = begun(options(__doc__, epochs=20, seed=2))
    phones = [BLANK, *sorted({label for e in examples for _, _, label in e.marks["phones"]})]
    model = Writer(tokenizer_of([e.transcript for e in examples]), phones)
    train(
        model, model.loss, twice(examples), epochs=a.epochs, rate=1e-3, seed=a.seed,
        evaluate=lambda: scores(model, dev), draft=a.out / "whisper.pt",
    )  # fmt: skip
    card = {"epochs": a.epochs, "seed": a.seed, "dev": scores(model, dev)}
    files = {
        "tokenizer.json": json.loads(model.tokenizer.to_str()),
        "tokenizer_config.json": {
            "tokenizer_class": "WhisperTokenizerFast",
            "bos_token": END,
            "eos_token": END,
            "pad_token": END,
            "unk_token": END,
            "model_max_length": LONGEST,
        },
        "preprocessor_config.json": EXTRACTOR,
    }
    save(model.model, a.out / "whisper", files, card)


if __name__ == "__main__":
    main()

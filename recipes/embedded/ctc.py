"""Train `wav2vec2`, which spells, and `wav2vec2-phones`, which are its lower layers with a head for phones.

Both are learned at once: letters at the top, phones four layers up. The loss at each is CTC, and the cross-entropy
of every frame with what sounds then (the synthesiser tells), so that the labels span the sound they stand for.
Heads that are thrown away help the start: the convolutions are to give the log-mel spectrum, the first layers phones.
"""

from __future__ import annotations

import copy
from typing import Any

import jiwer
import librosa
import torch
from examples import BLANK, RATE, WORD_END, Batch, Example, batch_of, frame_labels
from homophones import as_cued, twice
from torch import Tensor, nn
from training import begun, options, save, train
from transformers import Wav2Vec2Config, Wav2Vec2ForCTC, Wav2Vec2Model

LETTERS = [BLANK, "<unk>", WORD_END, *"abcdefghijklmnopqrstuvwxyz"]
N_LAYERS, PHONE_LAYER = 6, 4
HOP, FIRST = 0.02, 0.0125
N_MELS = 64
EXTRACTOR = {
    "feature_extractor_type": "Wav2Vec2FeatureExtractor",
    "feature_size": 1,
    "sampling_rate": RATE,
    "padding_value": 0.0,
    "padding_side": "right",
    "do_normalize": True,
    "return_attention_mask": False,
}
SIZES: dict[str, Any] = {
    "hidden_size": 192,
    "num_attention_heads": 4,
    "intermediate_size": 768,
    "conv_dim": (64, 64, 96, 128, 128, 160, 160),
    "num_conv_pos_embeddings": 64,
    "num_conv_pos_embedding_groups": 12,  # of 16 channels: some processors get 12 wrong in bfloat16
    "layerdrop": 0.0,
    "hidden_dropout": 0.1,
    "attention_dropout": 0.0,
    "activation_dropout": 0.0,
    "feat_proj_dropout": 0.0,
}


def configuration(n_layers: int, n_labels: int) -> Wav2Vec2Config:
    """Return a small wav2vec 2.0 as its base model is: group norm in the first convolution, norms after layers."""
    return Wav2Vec2Config(
        **SIZES,
        vocab_size=n_labels,
        num_hidden_layers=n_layers,
        feat_extract_norm="group",
        do_stable_layer_norm=False,
        apply_spec_augment=False,
        final_dropout=0.1,
        ctc_loss_reduction="mean",
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
    )


class LogMel(nn.Module):
    """What convolutions are to give while they learn: the log-mel spectrum at the frames."""

    def __init__(self) -> None:
        super().__init__()
        bands = librosa.filters.mel(sr=RATE, n_fft=400, n_mels=N_MELS)
        self.register_buffer("bands", torch.tensor(bands), persistent=False)

    def forward(self, sounds: Tensor) -> Tensor:
        """Return the spectrum, standardised in each band [shape=(batch, frames, bands)]."""
        with torch.autocast("cpu", enabled=False):
            window = torch.hann_window(400)
            power = (
                torch.stft(sounds, 400, 320, window=window, center=False, return_complex=True).abs().square()
            )
            bands = (self.bands @ power).clamp(min=1e-6).log().transpose(1, 2)
        return (bands - bands.mean((0, 1))) / (bands.std((0, 1)) + 1e-3)


class TwoHeads(nn.Module):
    """An encoder with a head for phones after a lower layer, and one for letters after the last."""

    def __init__(self, phones: list[str]) -> None:
        super().__init__()
        self.encoder = Wav2Vec2Model(configuration(N_LAYERS, len(LETTERS)))
        self.dropout = nn.Dropout(0.1)
        self.heads = nn.ModuleDict(
            {"letters": nn.Linear(192, len(LETTERS)), "phones": nn.Linear(192, len(phones))}
        )
        self.labels = {"letters": LETTERS, "phones": phones}
        self.helpers = nn.ModuleDict(
            {
                "spectrum": nn.Linear(160, N_MELS),
                "below": nn.Linear(192, len(phones)),
                "early": nn.Linear(192, len(phones)),
            }
        )
        self.spectrum = LogMel()

    def forward(self, sounds: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return the logits of both heads, and of what helps in training [shape=(batch, frames, labels)]."""
        output = self.encoder(sounds, output_hidden_states=True)
        states = output.hidden_states
        at = {"letters": states[-1], "phones": states[PHONE_LAYER]}
        within = {"spectrum": output.extract_features, "below": states[0], "early": states[2]}
        heads = {kind: head(self.dropout(at[kind])).float() for kind, head in self.heads.items()}
        return heads, {kind: head(within[kind]).float() for kind, head in self.helpers.items()}

    def loss(self, batch: Batch) -> Tensor:
        """Return CTC and frame-wise cross-entropy of both heads, and the loss of what helps."""
        sounds = batch.normalised
        heads, helpers = self(sounds)
        parts = [label_loss(logits, batch, kind, self.labels[kind]) for kind, logits in heads.items()]
        parts.append(nn.functional.mse_loss(helpers["spectrum"], self.spectrum(sounds)))
        for kind in ("below", "early"):
            parts.append(
                0.5 * frame_loss(helpers[kind].log_softmax(-1), batch, "phones", self.labels["phones"])
            )
        return torch.stack(parts).sum()

    def export(self, kind: str) -> Any:
        """Return one head with the layers it reads, as a model for CTC."""
        model: Any = Wav2Vec2ForCTC(
            configuration({"letters": N_LAYERS, "phones": PHONE_LAYER}[kind], len(self.labels[kind]))
        )
        encoder = copy.deepcopy(self.encoder)
        encoder.encoder.layers = encoder.encoder.layers[: model.config.num_hidden_layers]
        encoder.config = model.config
        model.wav2vec2.load_state_dict(encoder.state_dict())
        model.lm_head.load_state_dict(self.heads[kind].state_dict())
        return model.eval()


def n_frames(n_samples: int) -> int:
    """Return how many frames there are in so many samples."""
    return (n_samples - 400) // 320 + 1


def frame_loss(scores: Tensor, batch: Batch, kind: str, labels: list[str]) -> Tensor:
    """Return the cross-entropy of every frame with the label that sounds then."""
    number = {label: n for n, label in enumerate(labels)}
    rows = [
        [number[label] for label in frame_labels(e.marks[kind], scores.shape[1], HOP, FIRST)]
        for e in batch.examples
    ]
    return nn.functional.nll_loss(scores.flatten(0, 1), torch.tensor(rows).flatten())


def label_loss(logits: Tensor, batch: Batch, kind: str, labels: list[str]) -> Tensor:
    """Return CTC loss a label plus cross-entropy a frame."""
    number = {label: n for n, label in enumerate(labels)}
    scores = logits.log_softmax(-1)
    wanted = [[number[label] for _, _, label in e.marks[kind]] for e in batch.examples]
    ctc = nn.functional.ctc_loss(
        scores.transpose(0, 1),
        torch.tensor([n for row in wanted for n in row]),
        torch.tensor([n_frames(length) for length in batch.lengths]),
        torch.tensor([len(row) for row in wanted]),
        zero_infinity=True,
    )
    return frame_loss(scores, batch, kind, labels) + 0.3 * ctc


def collapse(numbers: list[int], labels: list[str]) -> list[str]:
    """Return the labels of a path: repetitions once, without blanks."""
    return [labels[n] for at, n in enumerate(numbers) if n and (at == 0 or n != numbers[at - 1])]


@torch.inference_mode()
def hear(model: TwoHeads, examples: list[Example]) -> list[dict[str, list[str]]]:
    """Return what both heads make of every example, one by one."""
    model.eval()
    found = []
    for example in examples:
        logits, _ = model(batch_of([example]).normalised)
        found.append({k: collapse(v[0].argmax(-1).tolist(), model.labels[k]) for k, v in logits.items()})
    return found


def scores(model: TwoHeads, examples: list[Example]) -> dict[str, float]:
    """Return error rates, and how often a homophone is spelled by its cue: with it, and with it silenced."""
    found = hear(model, examples)
    result = {}
    for kind in ("letters", "phones"):
        wrong = total = 0
        for example, heard in zip(examples, found, strict=True):
            wanted = [label for _, _, label in example.marks[kind]]
            output = jiwer.process_characters(
                _one_each(wanted, model.labels[kind]), _one_each(heard[kind], model.labels[kind]) or " "
            )
            wrong += output.substitutions + output.deletions + output.insertions
            total += len(wanted)
        result[f"{kind} error rate"] = wrong / total
    return result | as_cued(examples, words(found), lambda silenced: words(hear(model, silenced)))


def words(found: list[dict[str, list[str]]]) -> list[list[str]]:
    """Return the words that the letters spell."""
    return ["".join(heard["letters"]).split(WORD_END) for heard in found]


def _one_each(labels: list[str], all_labels: list[str]) -> str:
    return "".join(chr(0x4E00 + all_labels.index(label)) for label in labels)


def main() -> None:
    """Train both and save them."""
    a, examples, dev = begun(options(__doc__, epochs=(9, 3), seed=1))
    phones = [BLANK, "<unk>", *sorted({label for e in examples for _, _, label in e.marks["phones"]})]
    model = TwoHeads(phones)
    often = twice(examples)
    for n, (epochs, rate, shown) in enumerate(
        zip(a.epochs, (1e-3, 4e-4), (often, twice(often)), strict=True)
    ):
        train(
            model, model.loss, shown, epochs=epochs, rate=rate, seed=a.seed + n,
            evaluate=lambda: scores(model, dev), draft=a.out / "ctc.pt",
        )  # fmt: skip
    card = {"epochs": a.epochs, "seed": a.seed, "dev": scores(model, dev)}
    for kind, name in (("letters", "wav2vec2"), ("phones", "wav2vec2-phones")):
        save(model.export(kind), a.out / name, tokenizer_files(model.labels[kind]), card)


def tokenizer_files(labels: list[str]) -> dict[str, Any]:
    """Return the files of a CTC tokenizer and of the feature extractor."""
    return {
        "vocab.json": {label: n for n, label in enumerate(labels)},
        "tokenizer_config.json": {
            "tokenizer_class": "Wav2Vec2CTCTokenizer",
            "pad_token": BLANK,
            "unk_token": "<unk>",
            "word_delimiter_token": WORD_END if WORD_END in labels else None,
            "bos_token": None,
            "eos_token": None,
            "do_lower_case": False,
        },
        "preprocessor_config.json": EXTRACTOR,
    }


if __name__ == "__main__":
    main()

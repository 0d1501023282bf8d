"""Train `commands`: which action, object and place a command names.

It starts from the layers of `wav2vec2-phones`, which lie in the same folder of models.

One output for every value of a slot; the values of a slot compete with one another. The model averages its frames,
so any of them can decide, and one word of the command has to.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from ctc import EXTRACTOR, PHONE_LAYER, configuration
from examples import Batch, Example, batch_of
from grammar import SLOTS
from torch import Tensor, nn
from training import begun, options, save, train
from transformers import Wav2Vec2ForCTC, Wav2Vec2ForSequenceClassification

VALUES = [f"{slot}={value}" for slot, values in SLOTS.items() for value in values]


class Commands(nn.Module):
    """A classifier whose outputs are the values of the slots, in the slots' order."""

    def __init__(self, start: Path) -> None:
        super().__init__()
        config: Any = configuration(PHONE_LAYER, len(VALUES))
        config.num_labels = len(VALUES)
        config.id2label = dict(enumerate(VALUES))
        config.label2id = {value: n for n, value in enumerate(VALUES)}
        config.classifier_proj_size = 96
        config.problem_type = "multi_label_classification"
        self.model: Any = Wav2Vec2ForSequenceClassification(config)
        learned: Any = Wav2Vec2ForCTC.from_pretrained(start, dtype=torch.float32)
        self.model.wav2vec2.load_state_dict(learned.wav2vec2.state_dict())
        self.model.freeze_feature_encoder()

    def loss(self, batch: Batch) -> Tensor:
        """Return the cross-entropy of every slot."""
        logits = self.model(batch.normalised).logits.float()
        return torch.stack(
            [
                nn.functional.cross_entropy(
                    part, torch.tensor([values.index(e.meta[slot]) for e in batch.examples])
                )
                for part, (slot, values) in zip(
                    logits.split([len(v) for v in SLOTS.values()], 1), SLOTS.items(), strict=True
                )
            ]
        ).sum()

    @torch.inference_mode()
    def scores(self, examples: list[Example]) -> dict[str, float]:
        """Return the share of the examples whose slot is right, for every slot."""
        self.eval()
        right = dict.fromkeys(SLOTS, 0)
        for example in examples:
            logits = self.model(batch_of([example]).normalised).logits[0]
            for part, (slot, values) in zip(
                logits.split([len(v) for v in SLOTS.values()]), SLOTS.items(), strict=True
            ):
                right[slot] += values[int(part.argmax())] == example.meta[slot]
        return {slot: n / len(examples) for slot, n in right.items()}


def main() -> None:
    """Train the model and save it."""
    a, examples, dev = begun(options(__doc__, epochs=8, seed=4), "?type=command")
    model = Commands(a.out / "wav2vec2-phones")
    train(
        model, model.loss, examples, epochs=a.epochs, rate=5e-4, seed=a.seed,
        evaluate=lambda: model.scores(dev),
    )  # fmt: skip
    card = {"epochs": a.epochs, "seed": a.seed, "dev": model.scores(dev)}
    save(model.model, a.out / "commands", {"preprocessor_config.json": EXTRACTOR}, card)


if __name__ == "__main__":
    main()

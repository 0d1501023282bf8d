"""Train `hubert` without labels: hidden frames are to be told from what is around them.

Twice, as in the paper (Hsu et al. 2021): first the targets are clusters of MFCC, then clusters of what a middle
layer of the first model makes of the sound. The targets come from the clean sound, the input is made harder.

So little training needs help that the paper's does without: the cepstra are standardised in each utterance, frames
that are not hidden count as much as those that are, and the convolutions are to give the log-mel spectrum.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from ctc import EXTRACTOR, N_MELS, SIZES, LogMel
from examples import RATE, Batch, Example, batch_of
from sklearn.cluster import MiniBatchKMeans
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from training import begun, options, save, train
from transformers import HubertConfig, HubertModel

from speechinterp import load_corpus
from speechinterp.audio import mfcc

LAYER = 4
"""Layer of the first model whose clusters the second learns."""
CLUSTERS = (100, 200)
MASKED, SPAN = 0.08, 10
TEMPERATURE = 0.1
Targets = dict[str, npt.NDArray[np.int64]]


def configuration() -> HubertConfig:
    """Return a small HuBERT as its large model is: layer norm in every convolution, norms before layers."""
    return HubertConfig(
        **SIZES,
        num_hidden_layers=6,
        conv_bias=True,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        apply_spec_augment=True,
        mask_time_prob=MASKED,
        mask_time_length=SPAN,
    )


class Masked(nn.Module):
    """HuBERT with the head of its training: the cosine of a projected frame and every cluster's vector."""

    def __init__(self, n_clusters: int, targets: Targets, seed: int) -> None:
        super().__init__()
        self.model: Any = HubertModel(configuration())
        self.projection = nn.Linear(192, 96)
        self.clusters = nn.Parameter(torch.randn(n_clusters, 96))
        self.spectrum, self.to_bands = LogMel(), nn.Linear(160, N_MELS)
        self.targets = targets
        self.random = np.random.default_rng(seed)
        self.convolved = torch.empty(0)
        self.model.feature_extractor.register_forward_hook(self._keep)

    def _keep(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self.convolved = output.transpose(1, 2)

    def loss(self, batch: Batch) -> Tensor:
        """Return the cross-entropy of the clusters of hidden and of other frames, and the loss of what helps."""
        wanted = [self.targets[example.id] for example in batch.examples]
        sounds = batch.normalised
        frames = (sounds.shape[1] - 400) // 320 + 1
        hidden = np.zeros((len(wanted), frames), dtype=bool)
        labels = torch.full((len(wanted), frames), -1)
        for row, to, known in zip(hidden, labels, wanted, strict=True):
            to[: len(known)] = torch.from_numpy(known)
            for start in np.flatnonzero(self.random.random(len(known)) < MASKED):
                row[start : min(start + SPAN, len(known))] = True
        where = torch.from_numpy(hidden)
        states = self.model(sounds, mask_time_indices=where).last_hidden_state
        cosines = (
            nn.functional.normalize(self.projection(states).float(), dim=-1)
            @ nn.functional.normalize(self.clusters, dim=-1).T
        )
        parts = [
            nn.functional.cross_entropy(cosines[frames] / TEMPERATURE, labels[frames])
            for frames in (where, ~where & (labels >= 0))
        ]
        parts.append(nn.functional.mse_loss(self.to_bands(self.convolved).float(), self.spectrum(sounds)))
        return torch.stack(parts).sum()

    @torch.inference_mode()
    def states(self, examples: list[Example], layer: int) -> list[npt.NDArray[np.float32]]:
        """Return a layer's output for every example, one by one [shape=(frames, width)]."""
        self.eval()
        found = []
        for example in examples:
            output = self.model(batch_of([example]).normalised, output_hidden_states=True)
            found.append(output.hidden_states[layer][0].float().numpy())
        return found


def standardised(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return features with mean 0 and variance 1 over the utterance."""
    return (features - features.mean(0)) / (features.std(0) + 1e-3)


def clusters_of(
    features: list[npt.NDArray[np.float32]], examples: list[Example], n_clusters: int, seed: int
) -> Targets:
    """Return the cluster of every frame."""
    frames = np.concatenate(features)
    mean, spread = frames.mean(0), frames.std(0) + 1e-6
    kmeans = MiniBatchKMeans(n_clusters, random_state=seed, batch_size=8192, n_init=3, max_iter=60)
    kmeans.fit((frames - mean) / spread)
    return {
        e.id: kmeans.predict((f - mean) / spread).astype(np.int64)
        for e, f in zip(examples, features, strict=True)
    }


def phone_accuracy(model: Masked, examples: list[Example], layer: int) -> float:
    """Return how well a linear probe tells the phones of further voices, to watch the training by."""
    rows, labels, voices = [], [], []
    for example, states in zip(examples, model.states(examples, layer), strict=True):
        for start, end, label in example.marks["phones"]:
            frames = states[int(start * 50) : max(int(start * 50) + 1, int(end * 50))]
            if len(frames):
                rows.append(frames.mean(0))
                labels.append(label)
                voices.append(example.meta["voice"])
    x, y, held = np.array(rows), np.array(labels), np.isin(voices, sorted(set(voices))[:3])
    x = (x - x[~held].mean(0)) / (x[~held].std(0) + 1e-6)
    return float(LogisticRegression(C=0.1, max_iter=200).fit(x[~held], y[~held]).score(x[held], y[held]))


def phone_accuracies(model: Masked, examples: list[Example], layers: Iterable[int]) -> dict[str, float]:
    """Return the accuracy of the probe at each of the layers, by their numbers."""
    return {str(layer): phone_accuracy(model, examples, layer) for layer in layers}


def main() -> None:
    """Train both iterations and save the second."""
    parser = options(__doc__, epochs=(1.5, 4.5), seed=3)
    parser.add_argument("--voices", type=Path, help="a folder of Speech Commands: people's voices that join")
    a, examples, dev = begun(parser)
    for example in dev:
        example.meta["voice"] = example.id.split("/")[0]
    held: list[str] = []
    if a.voices:
        people, held = join_people(a.voices)
        examples += people
    features = [standardised(mfcc(e.sound, RATE, hop=320)) for e in examples]
    model = None
    for iteration, (epochs, n_clusters) in enumerate(zip(a.epochs, CLUSTERS, strict=True)):
        if model is not None:
            features = model.states(examples, LAYER)
        model = Masked(n_clusters, clusters_of(features, examples, n_clusters, a.seed), a.seed)
        print(f"iteration {iteration + 1}: {n_clusters} clusters", flush=True)
        train(
            model,
            model.loss,
            examples,
            epochs=epochs,
            rate=1e-3,
            seed=a.seed,
            evaluate=partial(phone_accuracies, model, dev, (0, 2, 4, 6)),
            draft=a.out / "hubert.pt",
            tempo=(1.0, 1.0),
        )
    assert model is not None
    card = {"epochs": list(a.epochs), "seed": a.seed, "clusters": list(CLUSTERS), "held_out_people": held}
    card["dev phone accuracy by layer"] = phone_accuracies(model, dev, range(7))
    save(
        model.model,
        a.out / "hubert",
        {"preprocessor_config.json": {**EXTRACTOR, "return_attention_mask": True}},
        card,
    )


def join_people(folder: Path) -> tuple[list[Example], list[str]]:
    """Return the clips of three quarters of the people in a Speech Commands folder, and who the others are."""
    corpus = load_corpus(f"speechcommands:{folder}")
    people = sorted({str(u.speaker) for u in corpus})
    held = people[::4]
    joined = [u for u in corpus if u.speaker not in held and u.duration >= 0.5]
    found = []
    for utterance in joined:
        sound = utterance.waveform(RATE)
        found.append(Example(utterance.id, sound, {}, {"voice": str(utterance.speaker)}))
    return found, held


if __name__ == "__main__":
    main()

r"""A classifier with one hidden layer, whose regulariser is how long it is trained.

Notes
-----
.. math:: p(k \mid x) \propto \exp(w_k \cdot \mathrm{ReLU}(V x + a) + b_k)

is trained on cross-entropy by AdamW. One run gives the classifier after every number of epochs that is tried.

References
----------
Hewitt, J., & Liang, P. (2019). Designing and interpreting probes with control tasks. EMNLP-IJCNLP. Loshchilov, I.,
& Hutter, F. (2019). Decoupled weight decay regularization. ICLR.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch

from speechinterp.probing.folds import Integers

__all__ = ["MLP"]

HIDDEN = 128
BATCH = 128
RATE = 1e-3
DECAY = 1e-2


class MLP:
    """Classifiers with one hidden layer of 128 units, on one training set.

    Parameters
    ----------
    features
        Standardised training features [shape=(units, dimensions)].
    seed
        Of the first weights and the order of units.
    device
        Where it runs.
    """

    strengths: ClassVar[tuple[float, ...]] = (2, 4, 8, 16, 32)
    """Numbers of epochs tried, from the strongest regularisation to the weakest."""

    def __init__(self, features: npt.NDArray[np.float32], seed: int = 0, device: str = "cpu") -> None:
        self._features = torch.as_tensor(features, dtype=torch.float32, device=device)
        self._seed = seed

    def fit(self, labels: Integers, n_classes: int, strengths: Sequence[float]) -> list[_Network]:
        """Give the classifier after each number of epochs.

        Parameters
        ----------
        labels
            Class numbers from 0 to `n_classes` - 1 [shape=(units,)].
        n_classes
            The number of classes.
        strengths
            Whole numbers of epochs.
        """
        device, width = self._features.device, self._features.shape[1]
        target = torch.as_tensor(labels, device=device)
        random = torch.Generator().manual_seed(self._seed)
        sizes = [(HIDDEN, width), (HIDDEN,), (n_classes, HIDDEN), (n_classes,)]
        bounds = [width**-0.5, width**-0.5, HIDDEN**-0.5, HIDDEN**-0.5]
        weights = [
            ((2 * torch.rand(size, generator=random) - 1) * bound).to(device).requires_grad_()
            for size, bound in zip(sizes, bounds, strict=True)
        ]
        optimiser = torch.optim.AdamW(weights, lr=RATE, weight_decay=DECAY)
        found = {}
        for epoch in range(1, int(max(strengths)) + 1):
            for rows in torch.randperm(len(target), generator=random).to(device).split(BATCH):
                optimiser.zero_grad()
                logits = _forward(self._features[rows], weights)
                torch.nn.functional.cross_entropy(logits, target[rows]).backward()
                optimiser.step()
            if epoch in strengths:
                found[epoch] = _Network([part.detach().clone() for part in weights])
        return [found[int(strength)] for strength in strengths]


class _Network:
    """A trained classifier."""

    def __init__(self, weights: Sequence[torch.Tensor]) -> None:
        self.weights = weights

    def __call__(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the logits of some units [shape=(units, classes)]."""
        given = torch.as_tensor(features, dtype=torch.float32, device=self.weights[0].device)
        logits: npt.NDArray[np.float32] = _forward(given, self.weights).cpu().numpy()
        return logits


def _forward(features: torch.Tensor, weights: Sequence[torch.Tensor]) -> torch.Tensor:
    hidden = torch.relu(features @ weights[0].T + weights[1])
    return hidden @ weights[2].T + weights[3]

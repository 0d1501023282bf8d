"""Translators of a tuned lens: for every layer an affine map to where the last layer would have taken it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from speechinterp.errors import LensError
from speechinterp.models import SpeechModel
from speechinterp.models.taps import Stack

__all__ = ["Translators", "divergence", "fit_translators"]

RIDGE = (1e-3, 1e-2, 1e-1, 1.0)
STEPS = 150
CHECK_EVERY = 15
BATCH = 256
LEARNING_RATE = 2e-3


@dataclass(frozen=True)
class Translators:
    """Affine maps of the residual stream, one a layer below the top.

    Parameters
    ----------
    weight
        [shape=(layers, width, width)].
    bias
        [shape=(layers, width)].
    record
        Model and weights hash they were trained for, and how training went.
    """

    weight: Tensor
    bias: Tensor
    record: dict[str, Any] = field(default_factory=dict)

    def translate(self, states: Tensor) -> Tensor:
        """Return h + A h + b for every layer below the top, which stays [shape=(layers + 1, steps, width)]."""
        below = states[:-1] + torch.einsum("ltd,led->lte", states[:-1], self.weight.to(states))
        return torch.cat([below + self.bias.to(states)[:, None], states[-1:]])

    def save(self, path: str | Path) -> None:
        """Write them as safetensors, with the record in its head."""
        import json

        from safetensors.torch import save_file

        Path(path).parent.mkdir(parents=True, exist_ok=True)
        tensors = {"weight": self.weight.contiguous(), "bias": self.bias.contiguous()}
        save_file(tensors, str(path), metadata={"record": json.dumps(self.record)})

    @classmethod
    def load(cls, path: str | Path, model: SpeechModel) -> Translators:
        """Read them.

        Raises
        ------
        LensError
            If the file is none of translators, or they were trained for other weights.
        """
        import json

        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(str(path), "pt") as file:
                record = json.loads(file.metadata()["record"])
                found = cls(file.get_tensor("weight"), file.get_tensor("bias"), record)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise LensError(
                f"{path} holds no translators ({type(error).__name__})",
                expected="a file that Translators.save wrote",
                cause="another file, or one that was not written to its end",
                fix="remove it and train again",
            ) from error
        if record.get("weights_sha256") != model.weights_hash:
            raise LensError(
                f"{path} was trained for other weights ({record.get('model')})",
                expected=f"translators of {model.id}",
                cause="a checkpoint that changed since, or the file of another model",
                fix="train them again",
            )
        return found


def divergence(model: SpeechModel, states: Tensor, top: Tensor, stack: Stack) -> Tensor:
    """Return KL(top || states), both through the head, in nats [shape=(positions,)]."""
    log_p, log_q = (model.read_out(h[None], stack)[0].float().log_softmax(-1) for h in (top, states))
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def fit_translators(
    model: SpeechModel,
    train: Tensor,
    check: Tensor,
    stack: Stack,
    *,
    seed: int = 0,
    progress: Callable[[int, int], object] | None = None,
) -> Translators:
    r"""Train a translator for every layer below the top.

    Parameters
    ----------
    model
        Whose last norm and head read the translated states; its weights stay as they are.
    train, check
        Raw states of all layers, to train on and to choose by [shape=(layers + 1, positions, width)] each.
    stack
        Which stack they are of.
    seed
        Of the order of positions.
    progress
        Called with the numbers of layers done and in all.

    Returns
    -------
    Translators
        ``record["layers"]`` has for every layer the mean KL on `check` without a translator, after ridge
        regression and after training, in nats.

    Notes
    -----
    The loss is mean KL(p_L || p_l), with p_l read from h + A h + b. Training starts from the best of no
    translator and ridge regressions of h^L - h^l on the standardised h^l, goes on with Adam, and keeps the
    translator with the least KL on `check`.
    """
    generator = torch.Generator().manual_seed(seed)
    weights, biases, history = [], [], []
    for layer in range(len(train) - 1):
        weight, bias, said = _fit_layer(model, train[[layer, -1]], check[[layer, -1]], stack, generator)
        weights.append(weight)
        biases.append(bias)
        history.append({"layer": layer, **said})
        if progress is not None:
            progress(layer + 1, len(train) - 1)
    record = {
        "model": model.id,
        "weights_sha256": model.weights_hash,
        "stack": stack,
        "seed": seed,
        "positions": [train.shape[1], check.shape[1]],
        "layers": history,
    }
    return Translators(torch.stack(weights), torch.stack(biases), record)


def _fit_layer(
    model: SpeechModel, train: Tensor, check: Tensor, stack: Stack, generator: torch.Generator
) -> tuple[Tensor, Tensor, dict[str, float]]:
    """Train one translator; `train` and `check` hold the layer and the top."""
    states, top = train[0].float(), train[1].float()
    mean, scale = states.mean(0), states.std(0).clamp(min=1e-4 * float(states.std()) + 1e-12)
    z = (states - mean) / scale
    z_check = (check[0].float() - mean) / scale

    def loss_on_check(weight: Tensor, bias: Tensor) -> float:
        with torch.no_grad():
            parts = zip(z_check.split(BATCH), check[0].split(BATCH), check[1].split(BATCH), strict=True)
            losses = [divergence(model, h + a @ weight.T + bias, t, stack) for a, h, t in parts]
        return float(torch.cat(losses).mean())

    width = states.shape[1]
    best = (torch.zeros(width, width).to(states), torch.zeros(width).to(states))
    least = said = loss_on_check(*best)
    record = {"kl_untuned": said}
    for weight, bias in _ridges(z, top - states):
        said = loss_on_check(weight, bias)
        if said < least:
            best, least = (weight, bias), said
    record["kl_ridge"] = least

    weight, bias = (part.clone().requires_grad_() for part in best)
    optimiser = torch.optim.Adam([weight, bias], lr=LEARNING_RATE * float((top - states).std()))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / STEPS)
    for step in range(1, STEPS + 1):
        chosen = torch.randint(len(z), (min(BATCH, len(z)),), generator=generator).to(z.device)
        moved = states[chosen] + z[chosen] @ weight.T + bias
        loss = divergence(model, moved, top[chosen], stack).mean()
        weight.grad, bias.grad = torch.autograd.grad(loss, [weight, bias])
        optimiser.step()
        schedule.step()
        if step % CHECK_EVERY == 0:
            said = loss_on_check(weight, bias)
            if said < least:
                best, least = (weight.detach().clone(), bias.detach().clone()), said
    record["kl_tuned"] = least
    return best[0] / scale, best[1] - best[0] @ (mean / scale), record


def _ridges(z: Tensor, target: Tensor) -> Sequence[tuple[Tensor, Tensor]]:
    """Return ridge regressions of the target on standardised features, one a strength."""
    bias = target.mean(0)
    values, vectors = torch.linalg.eigh((z.T @ z / len(z)).double())
    moment = vectors.T @ (z.T @ (target - bias) / len(z)).double()
    return [
        ((vectors @ (moment / (values.clamp(min=0)[:, None] + strength))).T.to(z), bias) for strength in RIDGE
    ]

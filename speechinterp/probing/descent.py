"""Descent: an objective without closed form, minimised by L-BFGS."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

__all__ = ["minimise"]


def minimise(
    objective: Callable[[], torch.Tensor],
    over: Sequence[torch.Tensor],
    max_steps: int,
    *,
    tolerance_grad: float = 1e-7,
    tolerance_change: float = 1e-9,
) -> None:
    """Change tensors in place until an objective of them falls no more, or `max_steps` are taken.

    Parameters
    ----------
    objective
        Returns the value at the tensors as they are, with its graph.
    over
        Leaves that require gradients.
    max_steps
        Iterations at most.
    tolerance_grad, tolerance_change
        As of :class:`torch.optim.LBFGS`: the largest slope, and the change in a step, at which it stops.
    """
    optimiser = torch.optim.LBFGS(
        list(over), max_iter=max_steps, tolerance_grad=tolerance_grad, tolerance_change=tolerance_change,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        value = objective()
        value.backward()
        return value.detach()

    optimiser.step(closure)

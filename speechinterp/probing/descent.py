"""Descent: an objective without closed form, minimised by L-BFGS."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

__all__ = ["minimise"]


def minimise(
    objective: Callable[[], torch.Tensor], over: Sequence[torch.Tensor], max_steps: int, **tolerances: float
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
    **tolerances
        ``tolerance_grad`` and ``tolerance_change`` of :class:`torch.optim.LBFGS`.
    """
    optimiser = torch.optim.LBFGS(list(over), max_iter=max_steps, line_search_fn="strong_wolfe", **tolerances)

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        value = objective()
        value.backward()
        return value.detach()

    optimiser.step(closure)

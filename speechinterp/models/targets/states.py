"""State targets: a unit inside a model, a probe that reads a layer, the likeness to an exemplar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from speechinterp.errors import TargetError, shortlist
from speechinterp.models.model import Heard, SpeechModel
from speechinterp.models.taps import Tap
from speechinterp.models.targets.bound import Target
from speechinterp.models.targets.parts import Part, Pass, Span, Window
from speechinterp.segments import Segment

__all__ = ["cosine", "hidden", "probe"]

Vector = npt.NDArray[np.floating[Any]] | Tensor | Sequence[float]


def hidden(tap: Tap, unit: int | Sequence[int], *, span: Span | Segment | None = None) -> Target:
    """Explain units inside the encoder: their mean over the frames of a stretch.

    Parameters
    ----------
    tap
        Where: ``Tap(3, "mlp_hidden")`` for neurons, ``Tap(3, "residual")`` for dimensions of a state,
        ``Tap(3, "context", head=2)`` for those of a head.
    unit
        One, or several, counted from 0.
    span
        Start and end in seconds, or a segment; None for the whole sound.

    Returns
    -------
    Target
        One score a unit.

    Raises
    ------
    TargetError
        When bound: if there is no such unit or no frame in the span.
    """
    units = [unit] if isinstance(unit, int) else [int(each) for each in unit]

    def score(states: Tensor) -> Tensor:
        if not all(0 <= each < states.shape[-1] for each in units):
            raise TargetError(
                f"unit {shortlist(units)} of {tap}",
                expected=f"numbers from 0 to {states.shape[-1] - 1}",
                cause="another part: MLPs have more units than states",
                fix="count from 0",
            )
        return states[:, units]

    names = tuple(f"{tap.part}[{tap.layer}].{each}" for each in units)
    return _target("hidden", {"tap": str(tap), "unit": units}, tap, names=names, span=span, score=score)


def probe(
    estimator: Any, layer: int, *, span: Span | Segment | None = None, classes: Sequence[str] | None = None
) -> Target:
    r"""Explain what a linear probe reads in a layer.

    Parameters
    ----------
    estimator
        A fitted linear classifier or regression of scikit-learn (`coef_`, `intercept_`), or a pipeline of a
        `StandardScaler` and one, trained on mean states of a layer.
    layer
        Whose states it reads; 0 is the input of the first layer.
    span
        Start and end in seconds, or a segment, whose mean state is read; None for the whole sound.
    classes
        Which of its classes; None for all.

    Returns
    -------
    Target
        Decision values :math:`w \cdot h + b`, one a class; of two classes, that of the second.

    Raises
    ------
    TargetError
        If the estimator is not linear or does not know a class; when bound, if it does not fit the model's width.
    """
    weights, bias, names = _linear(estimator)
    wanted = list(classes) if classes is not None else names
    if not set(wanted) <= set(names):
        raise TargetError(
            f"the probe has no class {shortlist(sorted(set(wanted) - set(names)))}",
            expected=f"of {shortlist(names, 60)}",
            fix="classes=None for all",
        )
    rows = [names.index(each) for each in wanted]
    w, b = torch.from_numpy(weights[rows]), torch.from_numpy(bias[rows])

    def score(states: Tensor) -> Tensor:
        if states.shape[-1] != w.shape[1]:
            raise TargetError(
                f"a probe of {w.shape[1]} dimensions for states of {states.shape[-1]}",
                expected="a probe trained on this model",
                fix="train it on si.extract(model, ...) of the same model",
            )
        return states @ w.to(states.device).T + b.to(states.device)

    settings = {"layer": layer, "classes": wanted}
    return _target("probe", settings, Tap(layer, "residual"), names=tuple(wanted), span=span, score=score)


def cosine(
    exemplar: Vector, layer: int, *, span: Span | Segment | None = None, name: str = "exemplar"
) -> Target:
    """Explain how like an exemplar a stretch is: the cosine of its mean state to a vector.

    Parameters
    ----------
    exemplar
        A vector of the model's width, such as the mean state of a phone, or several [shape=(exemplars, width)].
    layer
        Whose states are compared; 0 is the input of the first layer.
    span
        Start and end in seconds, or a segment; None for the whole sound.
    name
        What results call it.

    Returns
    -------
    Target
        Cosines from -1 to 1, one an exemplar.

    Raises
    ------
    TargetError
        If the vector is zero; when bound, if it does not fit the model's width.
    """
    vectors = torch.as_tensor(np.atleast_2d(np.asarray(exemplar, np.float64)))
    if not bool((vectors.norm(dim=1) > 0).all()) or not bool(vectors.isfinite().all()):
        raise TargetError(
            "an exemplar of length 0 or not finite", expected="a direction", fix="give a mean state"
        )
    unit = vectors / vectors.norm(dim=1, keepdim=True)

    def score(states: Tensor) -> Tensor:
        if states.shape[-1] != unit.shape[1]:
            raise TargetError(
                f"an exemplar of {unit.shape[1]} dimensions for states of {states.shape[-1]}",
                expected="one of the same model",
                fix="take it from si.extract(model, ...)",
            )
        return states @ unit.to(states.device).T / states.norm(dim=1, keepdim=True)

    names = (name,) if len(unit) == 1 else tuple(f"{name} {i}" for i in range(len(unit)))
    return _target(
        "cosine", {"layer": layer, "name": name}, Tap(layer, "residual"), names=names, span=span, score=score
    )


def _target(
    kind: str,
    settings: dict[str, Any],
    tap: Tap,
    *,
    names: tuple[str, ...],
    span: Span | Segment | None,
    score: Any,
) -> Target:
    """Make a target of the mean state of a stretch."""
    if tap.stack != "encoder":
        raise TargetError(
            f"{tap} is in the decoder, whose states stand at no time of the sound",
            expected="a tap in the encoder",
            fix="si.targets.token explains what the decoder says",
        )
    place = (span.start, span.end) if isinstance(span, Segment) else span

    def find(model: SpeechModel, heard: Heard) -> Part:
        grid = model.frames(heard)
        frames = range(grid.n_frames or 0) if place is None else grid.frames_in(*place)
        if not frames:
            raise TargetError(
                f"no frame between {place}",
                expected="a stretch of the sound, in seconds",
                cause="times in samples or milliseconds",
                fix="give seconds",
            )

        def read(run: Pass, windows: tuple[Window | None, ...]) -> Tensor:
            assert run.recording is not None
            states = run.recording[tap].double().flatten(2)
            if windows[0] is None:
                return score(
                    torch.stack([row[:n].mean(0) for row, n in zip(states, run.n_frames, strict=True)])
                )
            return score(states[:, slice(*windows[0])].mean(1))

        window = None if place is None else (frames.start, frames.stop)
        n = len(names)
        return Part(names, (place,) * n, read, (window,) * n, taps=(tap,), head=False)

    return Target(kind, settings | {"span": place}, find)


def _linear(estimator: Any) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], list[str]]:
    """Return weights [shape=(classes, width)], biases and names of a linear estimator of scikit-learn."""
    steps = [step for _, step in estimator.steps] if hasattr(estimator, "steps") else [estimator]
    last, before = steps[-1], steps[:-1]
    scalers = [step for step in before if hasattr(step, "scale_") and hasattr(step, "mean_")]
    if not hasattr(last, "coef_") or len(scalers) != len(before) or len(scalers) > 1:
        raise TargetError(
            f"a probe of {' and '.join(type(step).__name__ for step in steps)}",
            expected="a fitted linear classifier or regression, alone or after one StandardScaler",
            cause="an estimator without coef_: not linear, or not fitted",
            fix="LogisticRegression().fit(states, labels)",
        )
    weights = np.atleast_2d(np.asarray(last.coef_, np.float64))
    bias = np.broadcast_to(np.asarray(last.intercept_, np.float64), (len(weights),)).copy()
    for scaler in scalers:
        scale = np.ones(weights.shape[1]) if scaler.scale_ is None else np.asarray(scaler.scale_)
        weights = weights / scale
        bias = bias - weights @ (np.zeros(weights.shape[1]) if scaler.mean_ is None else scaler.mean_)
    labels = [str(label) for label in getattr(last, "classes_", range(len(weights)))]
    return weights, bias, labels[1:] if len(labels) == 2 and len(weights) == 1 else labels

"""Class targets: what a classification head says of a whole sound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from speechinterp.errors import TargetError, check_choice, shortlist
from speechinterp.models.model import Heard, SpeechModel
from speechinterp.models.targets.bound import Target
from speechinterp.models.targets.parts import Part, Pass, Window

__all__ = ["Scale", "class_names", "label", "slots"]

Scale = Literal["log-probability", "probability", "logit"]


def label(name: str | Sequence[str] | None = None, *, scale: Scale = "log-probability") -> Target:
    """Explain classes of a classification head.

    Parameters
    ----------
    name
        A class, several, or ``"all"``. None takes what the model chooses; where outputs are named ``slot=value``,
        what it chooses in every slot.
    scale
        ``log-probability`` (natural), ``probability`` or ``logit``.

    Returns
    -------
    Target
        One score a class.

    Raises
    ------
    TargetError
        When bound: if the model has no classification head, or no such class.

    Notes
    -----
    The softmax runs over all classes; over the values of one slot, where outputs are named ``slot=value``; and a
    logistic function takes its place in models whose configuration says `multi_label_classification` without slots.
    """
    check_choice("scale", scale, get_args(Scale), TargetError, "scale='logit'")

    def find(model: SpeechModel, heard: Heard) -> Part:
        names = class_names(model)
        groups = slots(names)
        chosen = [name] if isinstance(name, str) else list(name or ())
        if name is None:
            chosen = _chosen(model, heard, names, groups)
        elif name == "all" and "all" not in names:
            chosen = list(names)
        unknown = [each for each in chosen if each not in names]
        if unknown:
            raise TargetError(
                f"{model.id} has no class {shortlist(map(repr, unknown))}",
                expected=f"one of {shortlist(names, 40)}",
                cause="another spelling, or another model",
                fix="si.targets.label() for what the model chooses",
            )
        columns = [names.index(each) for each in chosen]
        independent = len(groups) == 1 and (
            getattr(model.family.config, "problem_type", None) == "multi_label_classification"
        )

        def read(run: Pass, windows: tuple[Window | None, ...]) -> Tensor:
            assert run.logits is not None
            logits = run.logits.double()
            if scale == "logit":
                return logits[:, columns]
            if independent:
                said = torch.nn.functional.logsigmoid(logits)
            else:
                parts = torch.cat([logits[:, group].log_softmax(-1) for group in groups.values()], dim=1)
                order = torch.tensor([i for group in groups.values() for i in group], device=logits.device)
                said = parts[:, order.argsort()]
            return said[:, columns] if scale == "log-probability" else said[:, columns].exp()

        nothing = (None,) * len(columns)
        return Part(tuple(chosen), nothing, read, nothing)

    shown = name if name is None or isinstance(name, str) else list(name)
    return Target("label", {"name": shown, "scale": scale}, find)


def class_names(model: SpeechModel) -> list[str]:
    """Return the names of the classes of a classification head, in the order of its outputs.

    Raises
    ------
    TargetError
        If the model has no such head.
    """
    module: Any = model.module
    if not hasattr(module, "classifier"):
        raise TargetError(
            f"{model.id} ({type(module).__name__}) has no classification head",
            expected="a model fine-tuned to classify sounds, such as demo/commands",
            cause="a model for recognition, or a pre-trained encoder",
            fix="si.targets.ctc or si.targets.word for recognition, si.targets.hidden for an encoder",
        )
    named = model.family.config.id2label
    return [str(named.get(i, i)) for i in range(module.classifier.out_features)]


def slots(names: Sequence[str]) -> dict[str, list[int]]:
    """Return the outputs of every slot, where all are named ``slot=value``; otherwise one slot without a name."""
    if not all("=" in each for each in names):
        return {"": list(range(len(names)))}
    groups: dict[str, list[int]] = {}
    for i, each in enumerate(names):
        groups.setdefault(each.split("=", 1)[0], []).append(i)
    return groups


@torch.no_grad()
def _chosen(
    model: SpeechModel, heard: Heard, names: Sequence[str], groups: dict[str, list[int]]
) -> list[str]:
    logits = model.logits(model.prepare([heard]))[0]
    return [names[group[int(logits[group].argmax())]] for group in groups.values()]

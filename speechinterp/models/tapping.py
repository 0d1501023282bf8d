"""Tapping: attach taps to a model for the length of a block, and leave it as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from speechinterp.errors import TapError, shortlist
from speechinterp.models.family import Family
from speechinterp.models.taps import Attention, Recording, Site, Stack, Tap, block_sites

__all__ = ["intervening", "parts_of", "recording"]

DERIVED = ("attention", "cross_attention")
WITH_HEADS = ("query", "key", "value", "context", "head_output")
Visit = Callable[[Tensor], "Tensor | None"]


def parts_of(family: Family, stack: Stack = "encoder") -> list[str]:
    """Return the names of the parts that taps can name in a stack."""
    blocks = family.blocks(stack)
    if not blocks:
        return []
    names = set(block_sites(blocks[0])) | set(family.outer_sites(stack)) | {"attention"}
    names |= {"cross_attention"} if blocks[0].cross else set()
    names |= {"position_bias"} if stack == "encoder" and family.position_bias(0) else set()
    return sorted(names)


def site_of(family: Family, tap: Tap) -> Site:
    """Return where a tap attaches.

    Raises
    ------
    TapError
        If the model has no such place.
    """
    blocks, outer = family.blocks(tap.stack), family.outer_sites(tap.stack)
    known = parts_of(family, tap.stack)
    if tap.part not in known:
        raise TapError(
            f"{tap}: {type(family.module).__name__} has no such part in its {tap.stack}",
            expected=f"one of {shortlist(known, 40) or 'none, since it has no such stack'}",
            cause="the part belongs to another family, or to the other stack (stack='decoder')",
            fix="print(model.parts())",
        )
    if tap.part in outer and tap.layer is not None:
        raise TapError(
            f"{tap}: {tap.part} stands outside the layers",
            expected="None as its layer",
            fix=f"Tap(None, {tap.part!r})",
        )
    if tap.part not in outer and tap.layer not in range(len(blocks) + (tap.part == "residual")):
        raise TapError(
            f"{tap}: there is no layer {tap.layer}",
            expected=f"a layer from 0 to {len(blocks) - 1}; residual also has {len(blocks)}",
            fix="count layers from 0",
        )
    if tap.head is not None:
        attention = _attention_of(family, tap)
        if attention is None or not 0 <= tap.head < attention.n_heads:
            raise TapError(
                f"{tap}: {tap.part} has {f'{attention.n_heads} heads' if attention else 'no heads to choose'}",
                expected="a head that there is, counted from 0, or None for the whole part",
                fix="head=None",
            )
    if tap.part in outer:
        return outer[tap.part]
    assert tap.layer is not None
    if tap.layer == len(blocks):
        return Site(blocks[-1].module, "output")
    if tap.part == "position_bias":
        site = family.position_bias(tap.layer)
        assert site is not None
        return site
    part = tap.part.replace("attention", "query") if tap.part in DERIVED else tap.part
    return block_sites(blocks[tap.layer])[part]


def _attention_of(family: Family, tap: Tap) -> Attention | None:
    """Return the attention whose heads a tap can choose from; None for parts without heads."""
    name = tap.part.removeprefix("cross_")
    if tap.layer is None or name not in (*WITH_HEADS, *DERIVED):
        return None
    block = family.blocks(tap.stack)[tap.layer]
    return block.attention if name == tap.part else block.cross


@contextmanager
def recording(family: Family, taps: Sequence[Tap]) -> Iterator[Recording]:
    """Record what taps see inside the block; see :meth:`speechinterp.SpeechModel.record`.

    Where gradients are on, what was recorded takes its own place in the model, so that gradients with
    respect to it are those of the model.
    """
    record = Recording()
    direct: list[Tap] = []
    for tap in taps:
        direct += _derive_attention(family, tap, record) if tap.part in DERIVED else [tap]
    sites = {tap: site_of(family, tap) for tap in direct}

    def note(tap: Tap) -> Visit:
        def visit(value: Tensor) -> Tensor | None:
            record.values[tap] = value
            return value if value.requires_grad else None

        return visit

    with _all_fired(sites, {tap: note(tap) for tap in sites}, exactly=True):
        yield record


def _derive_attention(family: Family, tap: Tap, record: Recording) -> list[Tap]:
    """Tell a recording how to compute attention weights, and return the taps it needs for that."""
    site_of(family, tap)
    attention = _attention_of(family, tap)
    assert tap.layer is not None
    assert attention is not None
    prefix = tap.part.removesuffix("attention")
    query, key = (Tap(tap.layer, prefix + part, stack=tap.stack) for part in ("query", "key"))
    has_bias = tap.stack == "encoder" and family.position_bias(tap.layer) is not None
    bias = [Tap(tap.layer, "position_bias")] if has_bias else []

    def weights() -> Tensor:
        q, k = record[query], record[key]
        mask = None
        if tap.stack == "decoder" and not prefix:
            mask = torch.ones(q.shape[1], k.shape[1], dtype=torch.bool, device=q.device).tril()
        elif not family.pads_are_attended:
            if len(record.n_frames) != len(k):
                raise TapError(
                    f"{tap}: the lengths of the {len(k)} utterances are not known",
                    expected="a run of model.encode or model.logits",
                    cause="the Hugging Face module was called directly",
                    fix="call model.encode(model.prepare([...])) inside the block",
                )
            limits = torch.tensor(record.n_frames, device=q.device)[:, None, None, None]
            mask = torch.arange(k.shape[1], device=q.device) < limits
        every = attention.weights(q, k, record[bias[0]] if bias else None, mask)
        return every if tap.head is None else every[:, tap.head]

    record.derived[tap] = weights
    return [query, key, *bias]


@contextmanager
def intervening(family: Family, edits: Mapping[Tap, Callable[[Tensor], Tensor] | Tensor]) -> Iterator[None]:
    """Change what taps carry inside the block; see :meth:`speechinterp.SpeechModel.intervene`."""
    for tap in edits:
        if tap.part in DERIVED:
            raise TapError(
                f"{tap} is computed from query and key and cannot be written",
                expected="a part that the model itself computes",
                fix="intervene on query, key, value or context",
            )
    sites = {tap: site_of(family, tap) for tap in edits}
    with _all_fired(sites, {tap: _checked(tap, edit) for tap, edit in edits.items()}, exactly=False):
        yield


def _checked(tap: Tap, edit: Callable[[Tensor], Tensor] | Tensor) -> Visit:
    """Return `edit` as a function whose result must have the part's shape."""

    def visit(value: Tensor) -> Tensor:
        new = edit if isinstance(edit, Tensor) else edit(value)
        if not isinstance(new, Tensor) or new.shape != value.shape:
            found = tuple(new.shape) if isinstance(new, Tensor) else type(new).__name__
            raise TapError(
                f"the intervention at {tap} gives {found}",
                expected=f"a tensor of shape {tuple(value.shape)}",
                fix="return a tensor of the same shape as the one it was given",
            )
        return new

    return visit


@contextmanager
def _all_fired(sites: Mapping[Tap, Site], visits: Mapping[Tap, Visit], *, exactly: bool) -> Iterator[None]:
    """Attach every tap for the block; raise TapError at its end if one was never reached."""
    fired: set[Tap] = set()

    def watched(tap: Tap) -> Visit:
        visit = _one_head(tap, visits[tap])

        def note_and_visit(value: Tensor) -> Tensor | None:
            fired.add(tap)
            return visit(value)

        return note_and_visit

    with ExitStack() as stack:
        for tap, site in sites.items():
            stack.enter_context(_attached(site, watched(tap), exactly))
        yield
    never = [tap for tap in sites if tap not in fired]
    if never:
        raise TapError(
            f"never reached: {shortlist(never)}",
            expected="every tap to fire at least once inside the block",
            cause="the model was not run inside the block, or only its encoder was",
            fix="run model.encode(...), or model.logits(...) for heads and decoders, inside the with block",
        )


def _one_head(tap: Tap, visit: Visit) -> Visit:
    """Restrict a visit of a part with heads [shape=(batch, time, head, ...)] to the tap's head."""
    head = tap.head
    if head is None:
        return visit

    def visit_head(value: Tensor) -> Tensor | None:
        new = visit(value[:, :, head])
        if new is None:
            return None
        return torch.cat([value[:, :, :head], new.unsqueeze(2), value[:, :, head + 1 :]], dim=2)

    return visit_head


@contextmanager
def _attached(site: Site, visit: Visit, exactly: bool) -> Iterator[None]:
    """Call `visit` with the part each time the site is reached; what it returns takes the part's place.

    With `exactly`, it does so for gradients only: not even rounding changes the model's values.
    """
    kept: list[Tensor] = []

    def keep(module: nn.Module, args: tuple[Any, ...]) -> None:
        kept[:] = [args[0]]

    def visited(tensor: Tensor, base: Tensor | None) -> Tensor | None:
        new = visit(site.read(tensor, base))
        if new is None or new is tensor:
            return None
        written = site.write(tensor, base, new)
        return tensor.detach() + (written - written.detach()) if exactly else written

    def before(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        new = visited(args[0], None)
        return None if new is None else (new, *args[1:])

    def after(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        several = isinstance(output, tuple)
        base = None if site.base is None else args[0] if site.base is site.module else kept[0]
        new = visited(output[0] if several else output, base)
        if new is None:
            return None
        return (new, *output[1:]) if several else new

    with site.within(), ExitStack() as handles:
        if site.base is not None and site.base is not site.module:
            handles.callback(site.base.register_forward_pre_hook(keep).remove)
        if site.side == "input":
            handles.callback(site.module.register_forward_pre_hook(before).remove)
        else:
            handles.callback(site.module.register_forward_hook(after).remove)
        yield

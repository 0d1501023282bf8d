"""Tapping: attach taps to a model for the length of a block, and leave it as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from speechinterp.errors import TapError, shortlist
from speechinterp.models.family import Family
from speechinterp.models.taps import Recording, Site, Stack, Tap, block_sites

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
    if tap.part in outer:
        return outer[tap.part]
    known = parts_of(family, tap.stack)
    if tap.part not in known:
        raise TapError(
            f"{tap}: {type(family.module).__name__} has no such part in its {tap.stack}",
            expected=f"one of {shortlist(known, 40) or 'none, since it has no such stack'}",
            cause="the part belongs to another family, or to the other stack (stack='decoder')",
            fix="print(model.parts())",
        )
    if tap.layer == len(blocks) and tap.part == "residual":
        return Site(blocks[-1].module, "output")
    if tap.layer is None or not 0 <= tap.layer < len(blocks):
        raise TapError(
            f"{tap}: there is no layer {tap.layer}",
            expected=f"a layer from 0 to {len(blocks) - 1}; residual also has {len(blocks)}",
            fix="count layers from 0",
        )
    attention = blocks[tap.layer].cross if tap.part.startswith("cross_") else blocks[tap.layer].attention
    heads = (
        attention.n_heads if attention and tap.part.removeprefix("cross_") in (*WITH_HEADS, *DERIVED) else 0
    )
    if tap.head is not None and not 0 <= tap.head < heads:
        raise TapError(
            f"{tap}: {tap.part} has {heads or 'no'} heads", expected="one it has, from 0", fix="head=None"
        )
    if tap.part == "position_bias":
        site = family.position_bias(tap.layer)
        assert site is not None
        return site
    return block_sites(blocks[tap.layer])[
        tap.part.replace("attention", "query") if tap.part in DERIVED else tap.part
    ]


@contextmanager
def recording(family: Family, taps: Sequence[Tap]) -> Iterator[Recording]:
    """Record what taps see inside the block; see :meth:`speechinterp.SpeechModel.record`."""
    record = Recording()
    direct: list[Tap] = []
    for tap in taps:
        direct += _derive_attention(family, tap, record) if tap.part in DERIVED else [tap]
    sites = {tap: site_of(family, tap) for tap in direct}

    def note(tap: Tap) -> Visit:
        def visit(value: Tensor) -> None:
            record.values[tap] = value

        return visit

    with _all_fired(sites, {tap: note(tap) for tap in sites}):
        yield record


def _derive_attention(family: Family, tap: Tap, record: Recording) -> list[Tap]:
    """Tell a recording how to compute attention weights, and return the taps it needs for that."""
    site_of(family, tap)
    assert tap.layer is not None
    prefix = tap.part.removesuffix("attention")
    query, key = (Tap(tap.layer, prefix + part, stack=tap.stack) for part in ("query", "key"))
    block = family.blocks(tap.stack)[tap.layer]
    attention = block.cross if prefix else block.attention
    assert attention is not None
    has_bias = tap.stack == "encoder" and family.position_bias(tap.layer) is not None
    bias = [Tap(tap.layer, "position_bias")] if has_bias else []

    def weights() -> Tensor:
        q, k = record[query], record[key]
        mask = None
        if tap.stack == "decoder" and not prefix:
            mask = torch.ones(q.shape[1], k.shape[1], dtype=torch.bool, device=q.device).tril()
        elif not family.pads_are_attended:
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
    with _all_fired(sites, {tap: _checked(tap, edit) for tap, edit in edits.items()}):
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
def _all_fired(sites: Mapping[Tap, Site], visits: Mapping[Tap, Visit]) -> Iterator[None]:
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
            stack.enter_context(_attached(site, watched(tap)))
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
def _attached(site: Site, visit: Visit) -> Iterator[None]:
    """Call `visit` with the part each time the site is reached; what it returns takes the part's place."""
    kept: list[Tensor] = []

    def keep(module: nn.Module, args: tuple[Any, ...]) -> None:
        kept[:] = [args[0]]

    def visited(tensor: Tensor) -> Tensor | None:
        base = kept[0] if kept else None
        new = visit(site.read(tensor, base))
        if new is None:
            return None
        assert site.write is not None
        return site.write(tensor, base, new)

    def before(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        new = visited(args[0])
        return None if new is None else (new, *args[1:])

    def after(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        several = isinstance(output, tuple)
        new = visited(output[0] if several else output)
        if new is None:
            return None
        return (new, *output[1:]) if several else new

    with site.within(), ExitStack() as handles:
        if site.base is not None:
            handles.callback(site.base.register_forward_pre_hook(keep).remove)
        if site.side == "input":
            handles.callback(site.module.register_forward_pre_hook(before).remove)
        else:
            handles.callback(site.module.register_forward_hook(after).remove)
        yield

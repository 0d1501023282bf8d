"""Annotations that tests draw: tiers that every format can carry, and what comes back of them."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st

from speechinterp.segments import Segment, Tier

RATE = 16000
END = 2000.0


def times(unit: int | None) -> st.SearchStrategy[float]:
    """Times up to 1000 s: any, or whole parts of a second."""
    if unit is None:
        return st.floats(0, 1000, allow_subnormal=False).map(lambda t: round(t, 9))
    return st.integers(0, 1000 * unit).map(lambda n: n / unit)


@st.composite
def intervals(draw, unit: int | None, label: st.SearchStrategy[str]) -> list[Segment]:
    """Intervals that follow one another, with and without gaps."""
    edges = sorted(draw(st.lists(times(unit or 10007), max_size=8, unique=True)))
    pairs = [pair for pair in pairwise(edges) if draw(st.integers(0, 3))]
    return [Segment(a, b, draw(label)) for a, b in pairs]


def points(unit: int | None, label: st.SearchStrategy[str]) -> st.SearchStrategy[list[Segment]]:
    return st.lists(
        st.builds(lambda t, text: Segment(t, t, text), times(unit), label), min_size=1, max_size=5
    )


@st.composite
def anything(draw, unit: int | None, label: st.SearchStrategy[str]) -> list[Segment]:
    """Points and intervals that may overlap."""
    ends = draw(st.lists(st.tuples(times(unit), times(unit)), max_size=6))
    return [Segment(min(pair), max(pair), draw(label)) for pair in ends]


def text(*, without: str = "", **limits) -> st.SearchStrategy[str]:
    return st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\r" + without), max_size=8, **limits
    )


def tiers(
    name: st.SearchStrategy[str], *kinds: st.SearchStrategy[list[Segment]]
) -> st.SearchStrategy[list[Tier]]:
    tier = st.builds(Tier, name, st.one_of(*kinds))
    return st.lists(tier, min_size=1, max_size=3, unique_by=lambda each: each.name)


def lone(name: str, kind: st.SearchStrategy[list[Segment]]) -> st.SearchStrategy[list[Tier]]:
    return st.builds(lambda segments: [Tier(name, segments)], kind)


def with_gaps_filled(given_: list[Tier], label: str = "") -> list[Tier]:
    """What formats without gaps make of tiers: an oracle of its own, which goes from edge to edge."""
    result = []
    for tier in given_:
        if len(tier) and all(each.duration == 0 for each in tier):
            result.append(tier)
            continue
        by_start = {each.start: each for each in tier}
        edges = sorted({0.0, END, *(t for each in tier for t in (each.start, each.end))})
        cells = [by_start.get(a, Segment(a, b, "")) for a, b in pairwise(edges) if b - a > 1e-6]
        result.append(Tier(tier.name, [Segment(s.start, s.end, s.label or label) for s in cells]))
    return result


def subtitle(label: str) -> bool:
    lines = label.split("\n")
    return "-->" not in label and (not label or all(line.strip() for line in lines))


def one_word(label: str) -> bool:
    return len(label.split()) <= 1


def word(label: str) -> bool:
    return label.split() == [label] * bool(label) and not label.startswith((";;", "<"))


stripped = text().map(str.strip)
xml = st.text(
    st.characters(
        exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff", include_characters="\t\n"
    ),
    max_size=8,
)
entry = text(without=";\n").map(str.strip)
same = list

ROUND_TRIPS = {
    "textgrid": (tiers(text(), intervals(None, stripped), points(None, stripped)), with_gaps_filled),
    "short-textgrid": (tiers(text(), intervals(None, stripped), points(None, stripped)), with_gaps_filled),
    "eaf": (tiers(xml, intervals(1000, xml)), same),
    "emu": (tiers(text(), intervals(RATE, text()), points(RATE, text())), same),
    "ctm": (lone("words", anything(None, text().filter(word))), same),
    "srt": (lone("words", intervals(1000, text().filter(subtitle).filter(one_word))), same),
    "vtt": (lone("words", intervals(1000, text().filter(subtitle).filter(one_word))), same),
    "audacity": (lone("labels", anything(None, text(without="\n"))), same),
    "words": (lone("words", intervals(None, entry)), lambda given_: with_gaps_filled(given_, "<SIL>")),
    "phones": (lone("phones", intervals(None, entry)), lambda given_: with_gaps_filled(given_, "SIL")),
}

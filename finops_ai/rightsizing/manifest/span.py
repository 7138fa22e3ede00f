"""A replaced stretch of a text, and texts with such stretches replaced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from finops_ai.domain.errors import Rejected


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Characters `start` to `end` of the text before, and what stands there afterwards."""

    start: int
    end: int
    text: str


def apply(text: str, spans: Sequence[Span]) -> str:
    pieces, at = [], 0
    for span in spans:
        if span.start < at:
            raise Rejected("two changes fall on the same place")
        pieces += [text[at : span.start], span.text]
        at = span.end
    return "".join([*pieces, text[at:]])


def merged(spans: Sequence[Span]) -> list[Span]:
    """Spans in order; insertions at one place become one."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda one: (one.start, one.end)):
        if found and found[-1].start == found[-1].end == span.start == span.end:
            found[-1] = Span(span.start, span.end, found[-1].text + span.text)
        else:
            found.append(span)
    return found


def undo(after: str, before: str, spans: Sequence[Span]) -> str:
    """`after` with every span put back: `before`, when nothing else changed."""
    back, shift = [], 0
    for span in spans:
        start = span.start + shift
        back.append(Span(start, start + len(span.text), before[span.start : span.end]))
        shift += len(span.text) - (span.end - span.start)
    return apply(after, back)

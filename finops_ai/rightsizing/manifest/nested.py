"""YAML inside a literal text of YAML: an inline patch, a chart's values. Its edits, as edits of the outer text."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from ruamel.yaml.nodes import ScalarNode

from finops_ai.domain.errors import Rejected
from finops_ai.rightsizing.manifest.span import Span

_LINE = re.compile(r"([^\r\n]*)(\r\n|\n|\r|\Z)")
_LINE_END = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """The text without its indentation. Where each of its lines begins: in it, outside, and behind the indentation."""

    text: str
    inner: tuple[int, ...]
    lines: tuple[int, ...]
    outer: tuple[int, ...]
    indent: int

    def spans(self, edits: Iterable[Span]) -> list[Span]:
        """Edits of the inner text as edits of the outer one."""
        return [self._span(one) for one in edits]

    def _span(self, one: Span) -> Span:
        margin = " " * self.indent
        line = bisect_right(self.inner, one.start) - 1
        if one.start == one.end == self.inner[line] and one.text.endswith(("\n", "\r")):
            # Whole lines between two others: a blank line has no indentation to stand behind.
            at = self.lines[line]
            return Span(at, at, "".join(margin + whole for whole in one.text.splitlines(keepends=True)))
        return Span(self._at(one.start), self._at(one.end), _LINE_END.sub(lambda end: end[0] + margin, one.text))

    def _at(self, offset: int) -> int:
        line = bisect_right(self.inner, offset) - 1
        return self.outer[line] + offset - self.inner[line]


def inside(text: str, node: ScalarNode) -> Inside:
    """The YAML that a literal scalar holds. Raises Rejected when its lines are not found in the text again."""
    line = node.start_mark.line + 1
    header = _LINE.match(text, node.start_mark.index)
    at = header.end() if header else len(text)
    wanted = str(node.value).split("\n")
    if wanted and wanted[-1] == "":
        wanted.pop()
    indent: int | None = None
    pieces, inner, lines, outer, length = [], [], [], [], 0
    for number, content in enumerate(wanted):
        found = _LINE.match(text, at)
        raw, end = (found[1], found[2]) if found else ("", "")
        if content and indent is None:
            indent = len(raw) - len(content)
        margin = min(indent or 0, len(raw)) if content else len(raw)
        if raw[margin:] != content or raw[:margin].strip(" ") or not found:
            raise Rejected(f"line {line}: the text is not written as a plain literal block")
        last = number == len(wanted) - 1
        if last and not str(node.value).endswith("\n"):
            end = ""
        pieces.append(content + end)
        inner.append(length)
        lines.append(at)
        outer.append(at + margin)
        length += len(content) + len(end)
        at = found.end()
    if indent is None:
        raise Rejected(f"line {line}: the text is empty")
    inner.append(length)
    # Without a line end of its own, the text ends where its last line does.
    lines.append(at)
    outer.append(at if pieces[-1].endswith(("\n", "\r")) else outer[-1] + length - inner[-2])
    return Inside(text="".join(pieces), inner=tuple(inner), lines=tuple(lines), outer=tuple(outer), indent=indent)

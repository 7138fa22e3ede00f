"""Text of others in Markdown that a forge shows: nothing of it becomes markup, a link, a mention or a new line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

LONGEST = 400
"""Characters of one foreign text on a page; Kubernetes' own names are shorter."""

_MARKUP = re.compile(r"[^\w .,:;()%/'\"?=+-]|(?<=:)/(?=/)|(?<=www)\.", re.ASCII | re.IGNORECASE)


def escaped(text: str) -> str:
    """Text that Markdown, HTML and a forge's mentions and references leave alone, on one line.

    A zero-width space keeps @name and #12 from being linked: forges look for them after entities are decoded.
    """
    line = " ".join(re.sub(r"[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]", " ", text[: 2 * LONGEST]).split())
    return _MARKUP.sub(_entity, line if len(line) <= LONGEST else f"{line[: LONGEST - 2]} …")


def fitting(lines: Sequence[str], room: int) -> list[str]:
    """The first lines that have room, in bytes, and how many are left out."""
    kept: list[str] = []
    for line in lines:
        room -= size(line) + 1
        if room < 0:
            return [*kept, f"and {len(lines) - len(kept)} more"]
        kept.append(line)
    return kept


def size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _entity(found: re.Match[str]) -> str:
    code = f"&#{ord(found[0])};"
    return f"{code}&#8203;" if found[0] in "@#!" else code


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are escaped already; an empty one shows a dash."""
    lines = [head, ["---"] * len(head), *([cell or "-" for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def details(summary: str, *blocks: str) -> str:
    """A part that is folded away; blank lines make the forge read it as Markdown."""
    return "\n\n".join(
        [f"<details>\n<summary>{summary}</summary>", *(block for block in blocks if block), "</details>"]
    )


def fence(language: str, lines: Iterable[str]) -> str:
    """Code of ours, or of others where `lines` hold no backtick."""
    return "\n".join([f"```{language}", *lines, "```"])

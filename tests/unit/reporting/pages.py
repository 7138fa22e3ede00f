"""Pages read back by readers of their own, so that a renderer is not checked by itself."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser


class PageReader(HTMLParser):
    """Elements, attributes, and tables by caption: rows of cell texts, head and total included."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.text = ""
        self._caption = ""
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag == "caption":
            self._caption, self._open = "", tag
        elif tag == "tr":
            self.tables.setdefault(self._caption, []).append([])
        elif tag in ("td", "th"):
            self.tables[self._caption][-1].append("")
            self._open = "cell"

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th", "caption"):
            self._open = ""

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._open == "caption":
            self._caption += data
        elif self._open == "cell":
            self.tables[self._caption][-1][-1] += data.strip("\n")


def markdown_tables(text: str) -> dict[str, list[list[str]]]:
    """Tables by heading, escapes undone."""
    tables: dict[str, list[list[str]]] = {}
    heading = ""
    for line in text.splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif line.startswith("|") and not re.fullmatch(r"[|\s:-]+", line):
            cells = re.split(r"(?<!\\)\|", line)[1:-1]
            tables.setdefault(heading, []).append([_words(cell) for cell in cells])
    return tables


def _words(cell: str) -> str:
    plain = html.unescape(re.sub(r"\\([\\`*_{}\[\]|~^$])", r"\1", cell.strip().replace("**", "")))
    return plain.replace("\N{ZERO WIDTH SPACE}", "")

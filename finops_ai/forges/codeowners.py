"""CODEOWNERS: who owns a path, by the rules of each Git host that reads such files."""

from __future__ import annotations

import re
from collections.abc import Sequence

_OWNER = re.compile(r"@[A-Za-z0-9][\w.-]*(?:/[\w./-]*\w)?|[\w.+-]+@[\w-]+(?:\.[\w-]+)+", re.ASCII)
_SECTION = re.compile(r"\^?\[([^\]]+)\](?:\[\d+\])?(.*)")


def owners(text: str, paths: Sequence[str], syntax: str) -> tuple[str, ...]:
    """Owners of the paths, as written (`@alice`, `@org/team`, an address), in the order of the file.

    `syntax`: "last" (the last rule that matches counts), "sections" (the last of each section counts) or "all"
    (regular expressions over the whole path; every rule that matches counts).
    """
    found: dict[str, None] = {}
    for path in paths:
        for owner in _all(text, path) if syntax == "all" else _last(text, path, sections=syntax == "sections"):
            found.setdefault(owner)
    return tuple(found)


def _last(text: str, path: str, *, sections: bool) -> list[str]:
    section, defaults = "", list[str]()
    matched: dict[str, list[str]] = {}
    for line in _lines(text):
        if sections and (head := _SECTION.fullmatch(line)):
            section, defaults = head[1].strip().lower(), _OWNER.findall(head[2])
            continue
        pattern, said = _split(line)
        if sections and pattern.startswith("!"):
            if _matches(pattern[1:], path):
                matched.pop(section, None)
            continue
        if _matches(pattern, path):
            # A rule without owners takes the path out of the rules above; in a section it means the section's own.
            matched[section] = [one for one in said if _OWNER.fullmatch(one)] or (defaults if sections else [])
    return [owner for named in matched.values() for owner in named]


def _all(text: str, path: str) -> list[str]:
    found = []
    for line in _lines(text):
        pattern, said = _split(line)
        negated = pattern.startswith("!")
        try:
            hit = re.fullmatch(pattern.removeprefix("!"), path) is not None
        except re.error:
            continue
        if hit is not negated:
            found += [one for one in said if _OWNER.fullmatch(one)]
    return found


def _lines(text: str) -> list[str]:
    return [line for raw in text.splitlines() if (line := re.sub(r"(?:^|\s)#.*$", "", raw).strip())]


def _split(line: str) -> tuple[str, list[str]]:
    pattern, *said = (part.replace("\\ ", " ") for part in re.split(r"(?<!\\)\s+", line))
    return pattern, said


def _matches(pattern: str, path: str) -> bool:
    """As .gitignore matches, without negation and sets; what is no pattern matches nothing."""
    from pathspec.patterns.gitignore.base import GitIgnorePatternError
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    if pattern.startswith("!") or not pattern.strip("/"):
        return pattern == "/"
    folder = pattern.strip("/").removesuffix("*") if pattern.endswith("/*") else ""
    # A star at the end of a path owns the files of that folder only, not what lies below.
    if folder and "*" not in folder and "/" in path.removeprefix(folder):
        return False
    try:
        return GitIgnoreSpecPattern(pattern).match_file(path) is not None
    except GitIgnorePatternError:
        return False

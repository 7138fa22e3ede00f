"""Documents agree with the code, with each other and with what is on disk."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Finops
from tests.house import configuration, generated
from tests.house.tree import ROOT, text_files

PAGES = [path for path in text_files() if path.suffix == ".md"]
PROGRAMS = ("finops-ai", ".venv/bin/finops-ai")


def shell_lines(page: Path) -> Iterator[str]:
    """Commands in the fenced shell blocks of a page; a trailing backslash continues a line."""
    for block in re.findall(r"^```(?:sh|bash|console)\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        yield from block.replace("\\\n", " ").splitlines()


def calls(page: Path) -> Iterator[list[str]]:
    """The words after each call of the program."""
    for line in shell_lines(page):
        words = shlex.split(line, comments=True)
        if words and words[0] in PROGRAMS:
            yield words[1:]


@pytest.mark.parametrize("page", generated.PARTS, ids=lambda page: page.name)
def test_generated_pages_agree_with_the_code(page: Path) -> None:
    assert page.read_text("utf-8") == generated.page(page), "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_shown_exist(page: Path) -> None:
    known = {command.path.removeprefix("finops-ai").strip(): command for command in generated.commands()}
    everywhere = known[""].flags | {"--help"}
    for words in calls(page):
        flags = {word.partition("=")[0] for word in words if word.startswith("-") and word != "-"}
        plain = " ".join(word for word in words if not word.startswith("-"))
        path = max((path for path in known if f" {path} " in f" {plain} "), key=len, default=None)
        assert path is not None, f"{page.name} shows an unknown command: {' '.join(words)}"
        assert path or flags, f"{page.name} shows an unknown command: {' '.join(words)}"
        assert flags <= known[path].flags | everywhere, f"{page.name}: {path} has no {flags - known[path].flags}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    assert [target for target in targets if "://" not in target and not (page.parent / target).exists()] == []


def test_make_targets_shown_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    shown = {target for page in PAGES for target in re.findall(r"`make ([a-z]+)", page.read_text("utf-8"))}
    assert shown - targets == set()


def test_decisions_are_numbered_without_gaps_and_fit_one_page() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [page.name[:4] for page in pages] == [f"{number:04d}" for number in range(1, len(pages) + 1)]
    for page in pages:
        text = page.read_text("utf-8")
        assert text.startswith(f"# {int(page.name[:4])}. "), page.name
        for part in ("**Choice.**", "**Reason.**", "**Price.**"):
            assert part in text, f"{page.name} lacks {part}"
        assert len(text.splitlines()) <= 50, page.name


def test_configurations_shown_are_valid(finops: Finops) -> None:
    for page in PAGES:
        for number, block in enumerate(re.findall(r"^```yaml\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)):
            file = finops.folder / f"{page.stem}-{number}.yaml"
            file.write_text(block, "utf-8")
            ran = finops("--config", file, "config", "check", "--output", "json")
            assert ran.exit_code == 0, f"{page.name}:\n{block}\n{ran.stderr}"


def test_the_starter_is_the_configuration_checked_in_and_names_every_section() -> None:
    from finops_ai.app import kinds
    from finops_ai.config import schema, starter

    assert (ROOT / "config" / "finops.yaml").read_text("utf-8") == starter()
    named = set(re.findall(r"^(?:# )?([a-z_]+):", starter(), re.MULTILINE))
    assert set(schema(kinds())["properties"]) <= named


def test_every_key_is_documented() -> None:
    """By its own description, by that of its section, or by a line of the starter."""
    from finops_ai.app import kinds
    from finops_ai.config import schema, starter

    silent = [key for key in configuration.undocumented(schema(kinds())) if not re.search(rf"\b{key}:", starter())]
    assert silent == []

"""The parts of docs/ that are made from the code: `python -m tests.house.generated --write` makes them again."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer.main

from tests.house import configuration
from tests.house.tree import ROOT, Module, modules

DOCS = ROOT / "docs"
BEGIN = "<!-- made from the code by `make docs`: begin -->"
END = "<!-- made from the code by `make docs`: end -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command as `--help` tells it: `options` are pairs of how it is written and what it does."""

    path: str
    usage: str
    help: str
    options: tuple[tuple[str, str], ...]
    flags: frozenset[str]
    is_group: bool


def commands() -> Iterator[Command]:
    """Every command of the program, groups before their members."""
    from finops_ai.cli.main import app

    yield from _below(typer.main.get_command(app), "finops-ai", None)


def _below(command: Any, name: str, parent: Any) -> Iterator[Command]:
    context = command.context_class(command, info_name=name, parent=parent)
    members = command.list_commands(context) if hasattr(command, "list_commands") else []
    yield Command(
        path=context.command_path,
        usage=" ".join([context.command_path, *command.collect_usage_pieces(context)]),
        help=command.help or "",
        options=tuple(record for option in command.params if (record := option.get_help_record(context))),
        flags=frozenset(flag for option in command.params for flag in (*option.opts, *option.secondary_opts)),
        is_group=bool(members),
    )
    for member in members:
        yield from _below(command.get_command(context, member), member, context)


def module_line(module: Module) -> str:
    path = module.name.removeprefix("finops_ai/")
    first = (ast.get_docstring(module.tree) or "").partition("\n")[0]
    return f"| `{path}` | {_cell(first)} |"


def module_table() -> str:
    """One row for each production module: its path and the first line of its docstring."""
    rows = [module_line(module) for module in modules() if module.name.startswith("finops_ai/")]
    return "\n".join(["| module | what it does |", "| --- | --- |", *rows])


def command_pages() -> str:
    """The whole reference of the command line."""
    parts = []
    for command in commands():
        if command.is_group and command.path != "finops-ai":
            continue
        depth = "#" if command.path == "finops-ai" else "##"
        rows = [f"| `{written.replace('|', chr(92) + '|')}` | {_cell(does)} |" for written, does in command.options]
        table = ["", "| option | what it does |", "| --- | --- |", *rows] if rows else []
        parts.append(
            "\n".join([f"{depth} {command.path}", "", _prose(command.help), "", f"    {command.usage}", *table])
        )
    return "\n\n".join(parts)


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|").strip()


def _prose(text: str) -> str:
    return "\n\n".join(_cell(paragraph) for paragraph in text.split("\n\n"))


def configuration_reference() -> str:
    """Every key of the configuration file."""
    from finops_ai.app import kinds
    from finops_ai.config import schema

    return configuration.reference(schema(kinds()))


PARTS = {
    DOCS / "architecture.md": module_table,
    DOCS / "commands.md": command_pages,
    DOCS / "configuration.md": configuration_reference,
}


def page(path: Path) -> str:
    """What a page must hold: its own words around the generated part."""
    before, begin, rest = path.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(
            f"{path.name} has no place for its generated part: put {BEGIN} and {END} on lines of their own"
        )
    return f"{before}{BEGIN}\n\n{PARTS[path]()}\n\n{END}{after}"


def main() -> None:
    """Print the pages that differ from the code, or write them; without --write a difference is an error."""
    stale = {path: text for path in PARTS if (text := page(path)) != path.read_text("utf-8")}
    for path, text in stale.items():
        print(path.relative_to(ROOT))
        if "--write" in sys.argv[1:]:
            path.write_text(text, "utf-8")
    sys.exit(bool(stale) and "--write" not in sys.argv[1:])


if __name__ == "__main__":
    main()

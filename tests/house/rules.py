"""The rules of the house that no linter knows: each names the places in one module that break it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.house.tree import Module

FILE_LINES = 300
FUNCTION_LINES = 60

CLOCKS = {
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "time": {"time", "time_ns", "localtime", "gmtime"},
    "Timestamp": {"now", "utcnow", "today"},
    "func": {"now", "current_timestamp", "current_date", "clock_timestamp"},
}
SQL_CLOCK = re.compile(r"\b(?:now\(\)|current_timestamp|current_date|clock_timestamp\(|localtimestamp)", re.IGNORECASE)

ROOMS_OF_NAMES = {
    re.compile(r"aws|amazon|azure|microsoft|gcp|google|bigquery", re.IGNORECASE): {"sources", "world"},
    re.compile(r"pagerduty|slack|opsgenie", re.IGNORECASE): {"sinks"},
    re.compile(r"github|gitlab|gitea|bitbucket", re.IGNORECASE): {"forges"},
}
"""A vendor's name and the rooms that may speak it."""

CHOOSING_ROOMS = {"kinds", "config", "demo"}
"""Rooms that choose a vendor or play one; they may name any."""

ENDS = {
    "finops_ai/cli/main.py",
    "finops_ai/jobs/run.py",
    "finops_ai/policy/worker.py",
    "finops_ai/scheduler.py",
    "finops_ai/web/guard.py",
}
"""Where something ends that must not take others with it: the program, a job, a policy evaluation, a tick, a call."""

NAMELESS = re.compile(r"(?:^|_)(?:utils?|helpers?|common|core|misc|managers?|stuff)$")

Findings = Iterator[str]


def _at(module: Module, node: ast.AST, message: str) -> str:
    return f"{module.name}:{getattr(node, 'lineno', 1)}: {message}"


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _docstrings(module: Module) -> set[int]:
    """Identities of the constants that are documentation."""
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = [node.body for node in ast.walk(module.tree) if isinstance(node, holders)]
    return {
        id(statement.value)
        for body in bodies
        for statement in body
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    }


def _texts(module: Module) -> Iterator[tuple[ast.AST, str]]:
    """Every string that the program uses: documentation is not among them."""
    documentation = _docstrings(module)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node, node.value


def wall_clock(module: Module) -> Findings:
    """The time of day is read in world/clock.py and nowhere else, not even by the database."""
    if module.name == "finops_ai/world/clock.py":
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and node.attr in CLOCKS.get(_last_name(node.value), ()):
            yield _at(module, node, f"{_last_name(node.value)}.{node.attr} reads the clock: take as_of or world.clock")
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            yield from (_at(module, node, "clock") for name in node.names if name.name in CLOCKS["time"])
    for node, text in _texts(module):
        if SQL_CLOCK.search(text):
            yield _at(module, node, f"SQL reads the clock: {text.strip()[:60]!r}")


def size(module: Module) -> Findings:
    """A file and a function can be read in one go."""
    lines = len(module.text.splitlines())
    if lines > FILE_LINES:
        yield _at(module, module.tree, f"{lines} lines, at most {FILE_LINES}: split it by noun")
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield _at(module, node, f"{node.name} has {lines} lines, at most {FUNCTION_LINES}")


def docstring(module: Module) -> Findings:
    """The first line of a module says what it does: the map of the house is made of these lines."""
    first, *_ = (ast.get_docstring(module.tree) or "").splitlines() or [""]
    if not first.endswith("."):
        yield _at(module, module.tree, "the first docstring line must be one sentence that says what the module does")


def vendor_name(module: Module) -> Findings:
    """A provider, a message vendor or a Git host is named in its own room only; prose may compare."""
    if module.room in CHOOSING_ROOMS:
        return
    words: list[tuple[ast.AST, str]] = [*_texts(module)]
    for node in ast.walk(module.tree):
        match node:
            case ast.Name(id=word) | ast.Attribute(attr=word) | ast.arg(arg=word) | ast.alias(name=word):
                words.append((node, word))
            case ast.FunctionDef(name=word) | ast.ClassDef(name=word):
                words.append((node, word))
    for pattern, rooms in ROOMS_OF_NAMES.items():
        if module.room not in rooms:
            yield from (
                _at(module, node, f"{found[0]!r} is named outside {', '.join(sorted(rooms))}/: {word.strip()[:60]!r}")
                for node, word in words
                if (found := pattern.search(word))
            )


def module_name(module: Module) -> Findings:
    """A module is named for what it holds."""
    for part in module.dotted.split("."):
        if NAMELESS.search(part):
            yield _at(module, module.tree, f"{part!r} names nothing: call it by its noun")


def broad_except(module: Module) -> Findings:
    """An unexpected error is swallowed where a job, a tick or a process ends, and nowhere on its way there."""
    if module.name in ENDS:
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ExceptHandler) and not isinstance(node.body[-1], ast.Raise):
            caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            if any(kind is None or _last_name(kind) in {"Exception", "BaseException"} for kind in caught):
                yield _at(module, node, "catches everything: name the error, or raise again")


def frozen(module: Module) -> Findings:
    """What leaves its module does not change after it was made; a noun has no room for more either."""
    wanted = {"frozen", "slots"} if module.room == "domain" else {"frozen"}
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
            continue
        for decorator in node.decorator_list:
            call = decorator if isinstance(decorator, ast.Call) else None
            if _last_name(call.func if call else decorator) != "dataclass":
                continue
            true = {key.arg for key in call.keywords if getattr(key.value, "value", None) is True} if call else set()
            if not wanted <= true:
                yield _at(module, node, f"{node.name} must be a dataclass with {' and '.join(sorted(wanted))} true")


def asks_for_tests(module: Module) -> Findings:
    """Production code does not know whether it is tested."""
    for node, text in _texts(module):
        if re.search(r"pytest|FINOPS_TEST", text):
            yield _at(module, node, f"asks whether it is tested: {text!r}")


RULES = (
    wall_clock,
    size,
    docstring,
    vendor_name,
    module_name,
    broad_except,
    frozen,
    asks_for_tests,
)

EXCUSED: dict[tuple[str, str], str] = {
    ("vendor_name", "finops_ai/domain/focus.py"): "the spelling of a tag key begins with its provider's prefix",
}
"""(rule, module) -> why this module may break it."""

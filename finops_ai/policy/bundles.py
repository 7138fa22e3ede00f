"""Packs of Rego files, and a small `opa test` for the rules named test_*."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from finops_ai.domain.errors import ConfigError, Problem
from finops_ai.policy.base import Bundle
from finops_ai.policy.rego import EvaluationFailed, RegoEngine

_PACKAGE = re.compile(r"^package\s+([\w.]+)", re.M)
_TEST = re.compile(r"^(test_\w+)", re.M)


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """`name` is pack, package and rule; `message` says why it failed."""

    __test__ = False

    name: str
    passed: bool
    message: str = ""


def load(files: Mapping[str, str], data: Mapping[str, Any]) -> list[Bundle]:
    """Packs from file names relative to the policy folder; the first folder (or the file's stem) names the pack.

    `*_test.rego` are tests. Every pack sees the same `data`. Raises ConfigError for a file that is not Rego and for
    a pack without rules.
    """
    problems = [Problem(file=name, message="not a .rego file") for name in files if not name.endswith(".rego")]
    packs: dict[str, dict[str, str]] = {}
    for name, text in sorted(files.items()):
        path = PurePosixPath(name)
        pack = path.parts[0] if len(path.parts) > 1 else path.stem.removesuffix("_test")
        packs.setdefault(pack, {})[name] = text
    bundles = []
    for pack, texts in packs.items():
        tests = {name: text for name, text in texts.items() if name.endswith("_test.rego")}
        modules = {name: text for name, text in texts.items() if name not in tests}
        if not modules:
            problems.append(Problem(file=pack, message="the pack has no rules, only tests"))
        bundles.append(Bundle(name=pack, modules=modules, tests=tests, data=data))
    if problems:
        raise ConfigError(problems)
    return bundles


def run_tests(engine: RegoEngine, bundle: Bundle) -> list[TestResult]:
    """Every rule `test_*` of the pack's tests: passed when it is true; undefined, false and errors fail."""
    results = []
    for file, text in bundle.tests.items():
        package = _PACKAGE.search(text)
        if package is None:
            results.append(TestResult(name=f"{bundle.name}: {file}", passed=False, message="no package"))
            continue
        for rule in dict.fromkeys(_TEST.findall(text)):
            query = f"data.{package[1]}.{rule}"
            results.append(_run(engine, bundle, query))
    return results


def _run(engine: RegoEngine, bundle: Bundle, query: str) -> TestResult:
    name = f"{bundle.name}: {query.removeprefix('data.')}"
    try:
        value = engine.evaluate(bundle, [query], with_tests=True).get(query, "undefined")
    except EvaluationFailed as error:
        return TestResult(name=name, passed=False, message=str(error))
    return TestResult(name=name, passed=value is True, message="" if value is True else f"is {value}")

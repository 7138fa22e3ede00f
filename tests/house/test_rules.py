"""The production code keeps the rules of the house, and each rule can tell when it does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.house import rules
from tests.house.tree import Module, modules

Rule = Callable[[Module], rules.Findings]

BREACHES: dict[Rule, tuple[tuple[str, str], ...]] = {
    rules.wall_clock: (
        ("finops_ai/jobs/x.py", "import datetime as dt\nstart = dt.datetime.now(dt.UTC)"),
        ("finops_ai/jobs/x.py", "from datetime import date\nfield(default_factory=date.today)"),
        ("finops_ai/world/http.py", "from time import time"),
        ("finops_ai/ledger/x.py", "from sqlalchemy import func\ninsert(at=func.now())"),
        ("finops_ai/ledger/x.py", 'QUERY = "select 1 where until < NOW()"'),
    ),
    rules.size: (
        ("finops_ai/app.py", "\n" * (rules.FILE_LINES + 1)),
        ("finops_ai/app.py", "def long():\n" + "    pass\n" * rules.FUNCTION_LINES),
    ),
    rules.docstring: (
        ("finops_ai/app.py", "import os"),
        ("finops_ai/app.py", '"""The application: a composition root\n\nMore."""'),
    ),
    rules.vendor_name: (
        ("finops_ai/jobs/x.py", 'if provider == "AWS":\n    pass'),
        ("finops_ai/detection/x.py", "def is_azure(series): ..."),
        ("finops_ai/forges/x.py", 'KIND = "pagerduty"'),
        ("finops_ai/sinks/x.py", "import github"),
    ),
    rules.module_name: (("finops_ai/domain/utils.py", ""), ("finops_ai/jobs/run_manager.py", "")),
    rules.broad_except: (
        ("finops_ai/sinks/x.py", "try:\n    f()\nexcept Exception:\n    pass"),
        ("finops_ai/sinks/x.py", "try:\n    f()\nexcept (OSError, BaseException):\n    pass"),
        ("finops_ai/sinks/x.py", "try:\n    f()\nexcept:\n    pass"),
    ),
    rules.frozen: (
        ("finops_ai/domain/x.py", "@dataclass\nclass A: ..."),
        ("finops_ai/domain/x.py", "@dataclass(frozen=True)\nclass A: ..."),
        ("finops_ai/domain/x.py", "@dataclasses.dataclass(frozen=False, slots=True)\nclass A: ..."),
    ),
    rules.asks_for_tests: (("finops_ai/app.py", 'if "pytest" in sys.modules:\n    pass'),),
}


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_production_code_keeps_the_rule(rule: Rule) -> None:
    excused = {module for name, module in rules.EXCUSED if name == rule.__name__}
    assert [found for module in modules() if module.name not in excused for found in rule(module)] == []


@pytest.mark.parametrize(
    ("rule", "name", "text"), [(rule, *breach) for rule, breaches in BREACHES.items() for breach in breaches]
)
def test_a_breach_is_found(rule: Rule, name: str, text: str) -> None:
    assert list(rule(Module.parse(name, text)))


def test_every_rule_is_proven() -> None:
    assert set(BREACHES) == set(rules.RULES)


@pytest.mark.parametrize(("name", "excused"), rules.EXCUSED)
def test_every_excuse_is_still_needed(name: str, excused: str) -> None:
    module = next(module for module in modules() if module.name == excused)
    assert list(getattr(rules, name)(module))
    assert rules.EXCUSED[name, excused]


def test_sql_files_do_not_read_the_clock() -> None:
    from tests.house.tree import ROOT

    files = sorted((ROOT / "finops_ai").rglob("*.sql"))
    assert [path.name for path in files if rules.SQL_CLOCK.search(path.read_text("utf-8"))] == []

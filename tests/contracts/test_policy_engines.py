"""Every policy engine: right verdicts, and whatever cannot be evaluated is denied with a reason."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from finops_ai.domain.errors import ConfigError
from finops_ai.domain.proposal import Decision
from finops_ai.policy.base import Bundle
from finops_ai.policy.bundles import load, run_tests
from finops_ai.policy.rego import EvaluationFailed, RegoEngine

DOCUMENT: dict[str, Any] = {
    "request": {"object": {"kind": "Pod", "metadata": {"namespace": "ml", "name": "m"}, "n": "x"}}
}


@pytest.fixture(scope="module")
def engine() -> Iterator[RegoEngine]:
    with RegoEngine(timeout_seconds=20) as engine:
        yield engine


def bundle(*rules: str, tests: str = "", data: dict[str, Any] | None = None) -> Bundle:
    modules = {f"{i}.rego": f"package p{i}\n{text}\n" for i, text in enumerate(rules)}
    return Bundle(name="pack", modules=modules, tests={"t_test.rego": tests} if tests else {}, data=data or {})


def said(engine: RegoEngine, pack: Bundle, document: Any = DOCUMENT) -> list[tuple[str, str, str]]:
    return [(one.decision.value, one.message, one.resource) for one in engine.check(document, pack)]


def test_nothing_to_say_is_one_allow(engine: RegoEngine) -> None:
    assert said(engine, bundle('deny contains "never" if false')) == [("allow", "", "ml/Pod/m")]


def test_messages_are_texts_or_objects_and_every_package_counts(engine: RegoEngine) -> None:
    pack = bundle(
        'deny contains "b"\ndeny contains "a"\nwarn contains {"msg": "w", "resource": "r"}',
        'deny contains {"msg": sprintf("%v", [data.limit])}',
        data={"limit": 5},
    )
    assert said(engine, pack) == [
        ("deny", "a", "ml/Pod/m"),
        ("deny", "b", "ml/Pod/m"),
        ("deny", "5", "ml/Pod/m"),
        ("warn", "w", "r"),
    ]


def test_helper_packages_need_no_entry_rule(engine: RegoEngine) -> None:
    pack = bundle('deny contains "x" if data.p1.bad', 'bad if input.request.object.kind == "Pod"')
    assert said(engine, pack) == [("deny", "x", "ml/Pod/m")]


UNUSABLE: dict[str, tuple[Bundle, str]] = {
    "syntax error": (bundle("deny contains {"), "0.rego:"),
    "old syntax": (bundle('deny[msg] { msg := "x" }'), "0.rego:"),
    "no rules": (bundle(), "neither deny nor warn"),
    "only helpers": (bundle("x := 1"), "neither deny nor warn"),
    "undefined": (bundle('deny := "x" if input.never'), "the rule deny is undefined"),
    "undefined beside a warning": (bundle('deny := {"x"} if input.never\nwarn contains "w"'), "deny is undefined"),
    "object": (bundle("deny.x := true"), "not a set of messages"),
    "true": (bundle("deny := true"), "not a set of messages"),
    "text": (bundle('deny := "no"'), "not a set of messages"),
    "number in the set": (bundle("deny contains 5"), "not a set of messages"),
    "no msg": (bundle('deny contains {"message": "x"}'), "not a set of messages"),
    "resource a number": (bundle('deny contains {"msg": "x", "resource": 5}'), "not a set of messages"),
    "evaluation error": (bundle('deny contains "x" if to_number(input.request.object.n) > 1'), "0.rego"),
    "conflict": (bundle("deny contains x if x := f(1)\nf(1) := 1\nf(_) := 2"), "0.rego"),
    "recursion": (bundle('deny contains "x" if p\np if q\nq if p'), "recursion"),
    "unknown function": (bundle('deny contains "x" if no.such(1)'), "no.such"),
    "the network": (bundle('deny contains "x" if http.send({"method": "get"})'), "0.rego uses http.send"),
    "data where a package is": (bundle('deny contains "x" if false', data={"p0": {"deny": []}}), "rules of data.p0"),
    "data above a package": (bundle('deny contains "x" if false', data={"p0": 5}), "rules of data.p0"),
    "data that is no JSON": (bundle('deny contains "x" if false', data={"x": {1, 2}}), "not JSON"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNUSABLE)
def test_what_cannot_be_evaluated_is_denied(engine: RegoEngine, case: str) -> None:
    pack, reason = UNUSABLE[case]
    (verdict,) = engine.check(DOCUMENT, pack)
    assert verdict.decision is Decision.DENY
    assert verdict.message.startswith("the policy could not be evaluated: ")
    assert reason in verdict.message
    assert "\n" not in verdict.message


@pytest.mark.parametrize("document", [{"x": float("nan")}, {"x": float("inf")}, {"x": object()}, {"x": {1}}])
def test_a_document_that_is_no_json_is_denied(engine: RegoEngine, document: dict[str, Any]) -> None:
    ((decision, message, _),) = said(engine, bundle('deny contains "x" if false'), document)
    assert decision == "deny"
    assert "not JSON" in message


ENDLESS = bundle(
    'deny contains "x" if { some i in numbers.range(1, 9000); some j in numbers.range(1, 9000); i * j == 0 }'
)
GREEDY = bundle('deny contains "x" if count([y | some i in numbers.range(1, 100000000); y := [i, i, i]]) == 5')


def test_an_endless_rule_is_denied_in_time_and_the_engine_goes_on() -> None:
    with RegoEngine(timeout_seconds=0.5) as engine:
        engine.check(DOCUMENT, bundle('warn contains "w"'))
        started = time.monotonic()
        ((decision, message, _),) = said(engine, ENDLESS)
        assert time.monotonic() - started < 5
        assert (decision, message) == ("deny", "the policy could not be evaluated: no answer within 0.5 s")
        assert said(engine, bundle('warn contains "w"')) == [("warn", "w", "ml/Pod/m")]


def test_a_rule_that_eats_the_memory_is_denied_and_the_engine_goes_on() -> None:
    with RegoEngine(timeout_seconds=60) as engine:
        ((decision, message, _),) = said(engine, GREEDY)
        assert decision == "deny"
        assert "could not be evaluated" in message
        assert said(engine, bundle('warn contains "w"')) == [("warn", "w", "ml/Pod/m")]


def test_threads_share_an_engine(engine: RegoEngine) -> None:
    packs = [bundle(f'deny contains "{i}"') for i in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda i: said(engine, packs[i % 4])[0][1], range(80)))
    assert answers == [str(i % 4) for i in range(80)]


def test_rego_tests_pass_only_when_true(engine: RegoEngine) -> None:
    tests = """\
package p0_test
import data.p0
test_true if count(p0.deny) == 1 with input as {"bad": true}
test_false := false
test_undefined if count(p0.deny) == 1 with input as {}
test_error if to_number("x") == 1
test_number := 1
"""
    results = run_tests(engine, bundle('deny contains "x" if input.bad', tests=tests))
    assert {one.name.rsplit(".", 1)[1]: one.passed for one in results} == {
        "test_true": True,
        "test_false": False,
        "test_undefined": False,
        "test_error": False,
        "test_number": False,
    }
    assert all(one.message for one in results if not one.passed)


def test_tests_of_a_broken_pack_fail(engine: RegoEngine) -> None:
    results = run_tests(engine, bundle("deny contains {", tests="package t\ntest_a if true\n"))
    assert [one.passed for one in results] == [False]


def test_evaluate_raises_what_check_denies(engine: RegoEngine) -> None:
    with pytest.raises(EvaluationFailed):
        engine.evaluate(bundle("deny contains {"), ["data.p0.deny"])


def test_packs_by_folder_and_by_file() -> None:
    packs = load({"a/x.rego": "1", "a/x_test.rego": "2", "b.rego": "3", "b_test.rego": "4"}, {"k": 1})
    assert [(pack.name, list(pack.modules), list(pack.tests), pack.data) for pack in packs] == [
        ("a", ["a/x.rego"], ["a/x_test.rego"], {"k": 1}),
        ("b", ["b.rego"], ["b_test.rego"], {"k": 1}),
    ]


def test_unusable_packs_are_all_told() -> None:
    with pytest.raises(ConfigError) as raised:
        load({"a/x_test.rego": "1", "b/readme.txt": "2"}, {})
    assert [problem.file for problem in raised.value.problems] == ["b/readme.txt", "a"]

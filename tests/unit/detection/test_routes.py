"""The tree of routes: the first that fits, the deepest in it, and what is left out is inherited."""

from __future__ import annotations

import pytest

from finops_ai.detection.routes import Destination, Route, destinations, facts, unreachable
from finops_ai.domain.episode import Severity
from tests.unit.detection.told import an_episode

ERRORS = Route(match={"severity": ("error", "critical")}, sinks=("pager",), page_at=Severity.ERROR)
SEARCH = Route(team="search", match={"cost_center": ("Search*",)}, sinks=("chat",), routes=(ERRORS,))
AUDIT = Route(team="audit", match={"environment": ("prod",)}, sinks=("log",), go_on=True)
TREE = Route(team="on-call", sinks=("all",), digest=("mail",), routes=(AUDIT, SEARCH))


def to(**about: str) -> list[tuple[str, tuple[str, ...]]]:
    known = {"kind": "rise", "severity": "warning", **about}
    return [(one.team, one.sinks) for one in destinations(TREE, known)]


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        ({}, [("on-call", ("all",))]),
        ({"x_cost_center": "search-eu"}, [("search", ("chat",))]),
        ({"x_cost_center": "search-eu", "severity": "error"}, [("search", ("pager",))]),
        ({"x_cost_center": "research"}, [("on-call", ("all",))]),
        ({"x_cost_center": "search", "x_environment": "prod"}, [("audit", ("log",)), ("search", ("chat",))]),
        ({"x_environment": "prod"}, [("audit", ("log",))]),
    ],
)
def test_who_is_told(about: dict[str, str], expected: list[tuple[str, tuple[str, ...]]]) -> None:
    assert to(**about) == expected


def test_what_a_route_leaves_out_is_as_around_it() -> None:
    found = destinations(TREE, {"kind": "rise", "severity": "critical", "x_cost_center": "search"})
    assert found == (Destination(team="search", sinks=("pager",), digest=("mail",), page_at=Severity.ERROR),)


def test_data_kinds_have_an_owner_or_no_sink() -> None:
    assert [(one.team, one.sinks) for one in destinations(TREE, {"kind": "gap", "x_environment": "prod"})] == [
        ("on-call", ())
    ]
    data = Route(team="data", match={"kind": ("gap",)}, sinks=("mail",))
    found = destinations(Route(routes=(data, SEARCH)), {"kind": "gap", "x_cost_center": "search"})
    assert [(one.team, one.page_at, one.for_data) for one in found] == [("data", Severity.INFO, True)]


def test_place_and_scope_are_facts() -> None:
    about = facts(an_episode("search", where={"region_id": "eu"}))
    assert (about["x_cost_center"], about["region_id"], about["kind"]) == ("search", "eu", "rise")


def test_routes_that_nothing_reaches_are_named() -> None:
    catch_all = Route(match={"kind": ("*",)})
    narrow = Route(match={"x_cost_center": ("search-eu",)})
    wide = Route(match={"x_cost_center": ("search*",)})
    assert unreachable([wide, narrow]) == [(1,)]
    assert unreachable([narrow, wide]) == []
    assert unreachable([Route(match=wide.match, go_on=True), narrow]) == []
    assert unreachable([catch_all, wide, AUDIT]) == [(1,), (2,)]
    assert unreachable([Route(match={"severity": ("info",)}, routes=(wide, narrow))]) == [(0, 1)]
    assert unreachable([Route(match={"x_cost_center": ("search*",), "severity": ("error",)}), narrow]) == []

"""Rego evaluation in a process of its own, so that a rule that never ends or eats the memory can be stopped.

Reads one JSON request a line and answers with one JSON line. Run as a script by `rego.py`; imports nothing of ours.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import regorus

ADDRESS_SPACE_BYTES = 3 << 30
"""The engine's allocator reserves 1 GiB of addresses at its start and uses 25 MB of them."""

ABSENT = "http.send"
"""The engine knows this function but leaves it undefined, so that a rule which needs it would never deny."""


def main() -> None:
    _limit_memory()
    engines: dict[str, Any] = {}
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = _answer(request, engines)
        except Exception as error:  # whatever the engine raises is the verdict's reason
            answer = {"error": str(error).partition("Stack backtrace")[0]}
        print(json.dumps(answer), flush=True)


def _answer(request: dict[str, Any], engines: dict[str, Any]) -> dict[str, Any]:
    digest = request["digest"]
    if "modules" in request:
        engines[digest] = _compile(request["modules"], request["data"])
    engine = engines[digest].clone()
    engine.set_input_json(json.dumps(request.get("input", {})))
    return {"values": {query: value for query in _queries(request, engine) for value in _evaluate(engine, query)}}


def _compile(modules: dict[str, str], data: dict[str, Any]) -> Any:
    engine = regorus.Engine()
    for name, text in sorted(modules.items()):
        if ABSENT in text:
            raise ValueError(f"{name} uses {ABSENT}, which is not to be had here")
        engine.add_policy(name, text)
    for package in engine.get_packages():
        if _holds(data, package.split(".")[1:]):
            raise ValueError(f"the data holds a value where the rules of {package} stand")
    engine.add_data_json(json.dumps(data))
    return engine


def _holds(data: Any, path: list[str]) -> bool:
    """The engine would let data hide rules of the same name, where OPA reports a conflict."""
    for step in path:
        if not isinstance(data, dict):
            return True
        if step not in data:
            return False
        data = data[step]
    return True


def _queries(request: dict[str, Any], engine: Any) -> list[str]:
    if "queries" in request:
        return list(request["queries"])
    return [f"{package}.{rule}" for package in engine.get_packages() for rule in request["rules"]]


def _evaluate(engine: Any, query: str) -> list[Any]:
    """The value, or nothing where it is undefined."""
    results = json.loads(engine.eval_query_as_json(query)).get("result", [])
    return [expression["value"] for result in results for expression in result["expressions"]]


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # not on this platform: the time-out remains
        return
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))


if __name__ == "__main__":
    main()

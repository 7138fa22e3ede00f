"""A vendor's own API description: which operation a request is, whether it is allowed, what an answer looks like."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "forges"


@dataclass
class Description:
    """Every violation is kept: a test that looks at `violations` sees what was said wrong, by whom."""

    vendor: str
    violations: list[str] = field(default_factory=list)

    @cached_property
    def told(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((GOLDEN / f"{self.vendor}.json").read_text(encoding="utf-8"))
        return loaded

    @cached_property
    def _places(self) -> list[tuple[str, re.Pattern[str], str]]:
        found = []
        # Fixed parts before named ones: /issues/comments/… is no issue.
        for name in sorted(self.told["operations"], key=lambda name: (name.count("{"), name)):
            method, place = name.split(" ", 1)
            form = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(place))
            found.append((method, re.compile(form), name))
        return found

    def operation(self, method: str, path: str) -> tuple[str, dict[str, str]] | None:
        """Name of the operation and the parts of its path; None where nothing is described."""
        for wanted, form, name in self._places:
            if wanted == method and (hit := form.fullmatch(path)):
                return name, hit.groupdict()
        self.violations.append(f"{method} {path} is not described")
        return None

    def check_request(self, name: str, query: Mapping[str, str], body: Any) -> list[str]:
        it = self.told["operations"][name]
        wrong = [f"unknown parameter {one}" for one in query if one not in it["query"]]
        for one, text in query.items():
            wrong += self._errors(it["query"].get(one) or {}, _typed(text, it["query"].get(one) or {}), one)
        if it["body"] is None:
            wrong += ["a body where none is described"] if body is not None else []
        else:
            wrong += self._errors(it["body"], body, "body", strict=True)
        self.violations += [f"request {name}: {one}" for one in wrong]
        return wrong

    def check_answer(self, name: str, status: int, document: Any) -> None:
        """An error that is not described is no violation: the descriptions are silent of many."""
        responses = self.told["operations"][name]["responses"]
        if str(status) not in responses:
            if status < 300:
                self.violations.append(f"answer {name}: status {status} is not described")
            return
        schema = responses[str(status)]
        if schema is not None:
            wrong = self._errors(schema, document, "answer")
            self.violations += [f"answer {name} {status}: {one}" for one in wrong]

    def filled(self, name: str, status: int, values: Any) -> Any:
        """`values` with everything that the description requires besides them."""
        return self._fill(self.told["operations"][name]["responses"][str(status)] or {}, values)

    def _fill(self, schema: dict[str, Any], values: Any) -> Any:
        schema = self._resolved(schema, values)
        if schema.get("type") == "array":
            return [self._fill(schema.get("items", {}), one) for one in values or ()]
        if "properties" not in schema and "allOf" not in schema:
            return _least(schema) if values is None else values
        whole: dict[str, Any] = {}
        for part in (schema, *(self._resolved(one, values) for one in schema.get("allOf", ()))):
            required = part.get("required", ())
            for key, one in part.get("properties", {}).items():
                if values is not None and key in values:
                    whole[key] = None if values[key] is None else self._fill(one, values[key])
                elif key in required:
                    whole[key] = self._fill(one, None)
        return {**(values or {}), **whole}

    def _resolved(self, schema: dict[str, Any], values: Any) -> dict[str, Any]:
        while True:
            if "$ref" in schema:
                schema = self.told["schemas"][schema["$ref"].rsplit("/", 1)[1]]
            elif "anyOf" in schema or "oneOf" in schema:
                some = schema.get("anyOf") or schema["oneOf"]
                nothing = [one for one in some if one.get("type") == "null"]
                if values is None and nothing:
                    return nothing[0]
                fits = [one for one in some if values is None or self._fits(one, values)]
                schema = next((one for one in fits or some if one.get("type") != "null"), some[0])
            else:
                return schema

    def _fits(self, schema: dict[str, Any], values: Any) -> bool:
        kind = self._resolved(schema, None).get("type")
        wanted = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer"}[type(values)]
        return kind in (None, wanted)

    def _errors(self, schema: dict[str, Any], document: Any, what: str, *, strict: bool = False) -> list[str]:
        root = {**(self._closed(schema, document) if strict else schema), "schemas": self.told["schemas"]}
        found = Draft202012Validator(root).iter_errors(document)
        return [f"{what}: {'/'.join(map(str, one.absolute_path))}: {one.message[:200]}" for one in found]

    def _closed(self, schema: dict[str, Any], document: Any) -> dict[str, Any]:
        """A request says nothing but what is described: servers drop the rest without a word."""
        known = self._resolved(schema, document)
        if "properties" not in known or known.get("additionalProperties"):
            return schema
        return {**known, "additionalProperties": False}


def _typed(text: str, schema: dict[str, Any]) -> Any:
    if schema.get("type") == "integer" and re.fullmatch(r"-?\d+", text):
        return int(text)
    return {"true": True, "false": False}.get(text, text) if schema.get("type") == "boolean" else text


def _least(schema: dict[str, Any]) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    kinds = schema.get("type", "null")
    kind = kinds[0] if isinstance(kinds, list) else kinds
    return {"string": "", "integer": 0, "number": 0, "boolean": False, "object": {}, "array": []}.get(kind)

"""The reference of the configuration file, made from its JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Node = Mapping[str, Any]
FAMILIES = ("sources", "usage", "sinks", "forges", "changes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key, dotted below its section: how it is typed, its default, and what its field says of it."""

    name: str
    type: str
    default: str
    says: str


def reference(schema: Node) -> str:
    """A heading for each section and each kind of plug-in, with a table of its keys."""
    definitions = schema["$defs"]
    parts = []
    for name, node in schema["properties"].items():
        if name in FAMILIES:
            for kind in _kinds(node, definitions):
                parts.append(_section(f"{name}[] of kind {kind['properties']['kind']['const']}", "", kind, definitions))
        elif "properties" in (section := _resolve(node, definitions)):
            parts.append(_section(name, f"{name}.", section, definitions))
        else:
            single = {"properties": {name: node}, "description": ""}
            parts.append(_section(name, "", single, definitions))
    return "\n\n".join(parts)


def undocumented(schema: Node) -> Iterator[str]:
    """Keys that neither their own field nor the model they belong to says a word of."""
    models = [schema, *schema["$defs"].values()]
    for model in models:
        if "description" not in model:
            yield from (name for name, key in model.get("properties", {}).items() if "description" not in key)


def _kinds(node: Node, definitions: Node) -> Iterator[Node]:
    items = node["items"]
    for choice in items.get("oneOf") or items.get("anyOf") or [items]:
        yield _resolve(choice, definitions)


def _resolve(node: Node, definitions: Node) -> Node:
    if "$ref" in node:
        return {**definitions[node["$ref"].removeprefix("#/$defs/")], **{k: v for k, v in node.items() if k != "$ref"}}
    return node


def _section(title: str, prefix: str, node: Node, definitions: Node) -> str:
    keys = list(_keys(prefix, node, definitions))
    about = [_cell(node["description"]), ""] if node.get("description") else []
    columns = ["key", "type", "default", *(["what it is"] if any(key.says for key in keys) else [])]
    rows = [columns, ["---"] * len(columns), *([f"`{key.name}`", key.type, key.default, key.says] for key in keys)]
    lines = ["| " + " | ".join(_cell(cell) for cell in row[: len(columns)]) + " |" for row in rows]
    return "\n".join([f"## {title}", "", *about, *lines])


def _keys(prefix: str, node: Node, definitions: Node, within: tuple[str, ...] = ()) -> Iterator[Key]:
    """Every key below a section; what holds more of its own kind is told once."""
    required = node.get("required", ())
    for name, raw in node["properties"].items():
        value = _resolve(_optional(raw, definitions), definitions)
        items = value.get("items", {})
        inner = _resolve(items, definitions)
        kind = items.get("$ref", "")
        says = raw.get("description", "")
        if "properties" in value and not _is_secret(value):
            yield from _keys(f"{prefix}{name}.", value, definitions, within)
        elif kind in within:
            yield Key(name=f"{prefix}{name}", type="list of the same", default="", says=says)
        elif "properties" in inner:
            yield from _keys(f"{prefix}{name}[].", inner, definitions, (*within, kind))
        else:
            default = "required" if name in required else _default(value)
            yield Key(name=f"{prefix}{name}", type=_type(value, definitions), default=default, says=says)


def _optional(node: Node, definitions: Node) -> Node:
    """A section that may be left out, as if it were there."""
    resolved = ((one, _resolve(one, definitions)) for one in node.get("anyOf", ()))
    sections = [one for one, found in resolved if "properties" in found and not _is_secret(found)]
    others = [one for one in node.get("anyOf", ()) if one not in sections and one.get("type") != "null"]
    return sections[0] if len(sections) == 1 and not others else node


def _is_secret(node: Node) -> bool:
    return set(node.get("properties", ())) == {"env", "file"}


def _default(node: Node) -> str:
    default = node.get("default", node.get("const"))
    return "" if default in (None, [], {}) else f"`{default if isinstance(default, str) else json.dumps(default)}`"


def _type(node: Node, definitions: Node) -> str:
    node = _resolve(node, definitions)
    if _is_secret(node):
        return "`{env: NAME}` or `{file: PATH}`"
    if "enum" in node:
        return ", ".join(map(str, node["enum"]))
    if "const" in node:
        return str(node["const"])
    if "anyOf" in node:
        choices = {choice.get("type"): choice for choice in node["anyOf"]}
        if {"number", "string"} <= choices.keys():  # decimals may be written either way
            del choices["string"]
        return " or ".join(_type(choice, definitions) for kind, choice in choices.items() if kind != "null")
    match node.get("type"):
        case "array":
            return f"list of {_type(node.get('items', {}), definitions)}"
        case "object":
            return f"{_type(node.get('additionalProperties') or {}, definitions)} by name"
        case "string":
            return "path" if node.get("format") == "path" else "text"
        case "number" | "integer" | "boolean" as kind:
            return f"{kind}{_bounds(node)}"
    return "any"


def _bounds(node: Node) -> str:
    names = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    told = [f"{word} {node[key]:g}" for key, word in names.items() if key in node]
    return f" ({' '.join(told)})" if told else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")

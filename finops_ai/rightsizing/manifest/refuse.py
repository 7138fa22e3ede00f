"""What must not be edited by a program: templates, generated files, doubled keys, places that an anchor shares."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from finops_ai.domain.errors import Rejected
from finops_ai.rightsizing.manifest.read import entry, every, shared_nodes, word

Step = str | int

PLACEHOLDERS = re.compile(
    r"(?:Cluster|Cron)?Workflow(?:Template)?|(?:Cluster)?ServingRuntime|LLMInferenceServiceConfig|Application(?:Set)?"
)
"""Kinds whose own API fills in {{placeholders}} when it is applied: there they are no sign of a template file."""

_TEMPLATE = re.compile(r"\{\{|\{%")
_HELM = re.compile(
    r"\{\{-|-\}\}|\{%|\{\{[^}]*(?:\.(?:Values|Release|Chart|Capabilities|Files)\b|\b(?:include|toYaml|tpl|template)\b)"
)
_GENERATED = re.compile(
    r"do not edit|@generated|auto-?generated|generated (?:by|from|with)\b|^# Source: \S+/templates/", re.I
)


def refuse_template(text: str, roots: Sequence[Node], document: int | None) -> None:
    """Raises Rejected for a template of manifests. `document` is that of an object; None for a file of values.

    Values may hold templates as texts, and objects of some kinds placeholders; neither makes the file a template.
    """
    if not _TEMPLATE.search(text):
        return
    structure, comments = _between_scalars(text, roots)
    if document is None:
        told = _TEMPLATE.search(structure)
    else:
        rule = _HELM if PLACEHOLDERS.fullmatch(word(roots[document], "kind")) else _TEMPLATE
        mine = "\n".join(_scalars(text, roots[document]))
        others = "\n".join(part for root in roots for part in _scalars(text, root))
        told = _TEMPLATE.search(structure) or rule.search(comments) or rule.search(mine) or _HELM.search(others)
    if told:
        raise Rejected("the file is a template ({{ or {%); edit its values instead")


def refuse_generated(text: str, roots: Sequence[Node]) -> None:
    lines = text.splitlines()
    for start in {0, *(root.start_mark.line for root in roots)}:
        head = []
        for line in lines[start:]:
            if not (line.lstrip("\ufeff").startswith("#") or line.strip() in ("", "---", "\ufeff")):
                break
            head.append(line)
        for line in reversed(lines[:start]):
            if not line.startswith("#"):
                break
            head.append(line)
        for line in head:
            if _GENERATED.search(line):
                raise Rejected(
                    f"the file says that it is generated: {line.strip()[:100]!r}; change what it is generated from"
                )


def refuse_duplicate_keys(root: Node) -> None:
    for node, again in every(root):
        if isinstance(node, MappingNode) and not again:
            keys = [(str(key.tag), key.value) for key, _ in node.value if isinstance(key, ScalarNode)]
            if len(keys) != len(set(keys)):
                twice = next(key for key in keys if keys.count(key) > 1)
                line = node.start_mark.line + 1
                raise Rejected(f"line {line}: the key {twice[1]!r} stands twice in one mapping; remove one")


def refuse_shared(root: Node, path: Sequence[Step]) -> None:
    """Raises Rejected when an alias repeats any node on the way from the root."""
    shared = shared_nodes(root)
    node = root
    for step in path:
        found = node.value[step] if isinstance(step, int) else (entry(node, step) or ("", root))[1]
        if id(found) in shared:
            raise Rejected(f"an anchor (&{found.anchor}) shares the place with others; write it out there first")
        node = found


def _scalars(text: str, root: Node) -> list[str]:
    return [text[node.start_mark.index : node.end_mark.index] for node in _scalar_nodes(root)]


def _scalar_nodes(root: Node) -> list[ScalarNode]:
    return [node for node, again in every(root) if isinstance(node, ScalarNode) and not again]


def _between_scalars(text: str, roots: Sequence[Node]) -> tuple[str, str]:
    """What is neither key nor value: structure and comments, apart."""
    spans = sorted((node.start_mark.index, node.end_mark.index) for root in roots for node in _scalar_nodes(root))
    rest, at = [], 0
    for start, end in spans:
        rest.append(text[at:start])
        at = max(at, end)
    lines = re.split(r"\r\n|\n|\r", "\0".join([*rest, text[at:]]))
    parts = [line.partition("#") for line in lines]
    return "\n".join(part[0] for part in parts), "\n".join(part[2] for part in parts)

"""Edits of generated manifests: the meaning changes as asked, the bytes outside the spans not at all.

FINOPS_EXAMPLES sets how many manifests are tried (600); each number makes the same one again.
"""

from __future__ import annotations

import copy
import os
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
import yaml

from finops_ai.domain.errors import Rejected
from finops_ai.domain.quantity import parse
from finops_ai.rightsizing.manifest import Edited, set_paths, set_values

EXAMPLES = int(os.environ.get("FINOPS_EXAMPLES", "600"))
PARTS = 4
ALLOWED = ("no line after which", "no value in a flow")

QUANTITIES = ("1", "250m", "0.5", "1e3", "1Gi", "1536Mi", "128974848", "2G", "0")
COMMENTS = ("", "", "", " # note", "   # ü: {x} 'y'", "  ", " # cpu: 1", "\t# after a tab")
QUOTES = ("", "", "'", '"')
PATHS = ("requests.cpu", "requests.memory", "limits.cpu", "limits.memory", "limits.nvidia.com/gpu")
OTHERS = (
    "kind: Service\nmetadata: {name: web}\n",
    "# nothing\n",
    "data:\n  x: |\n    a\n    \tcpu: 1\n",
    "- 1\n- a: &a 2\n- *a\n",
    'kind: PrometheusRule\nexpr: "{{ $labels.pod }}"\n',
)
One = TypeVar("One")


@dataclass
class Author:
    """Draws the habits of one author, then writes a manifest by them."""

    random: random.Random

    def one(self, choices: Sequence[One]) -> One:
        return self.random.choice(choices)

    def often(self, of: int) -> bool:
        """All but once in so many times."""
        return self.random.randrange(of) > 0

    def shuffled(self, items: Sequence[One]) -> list[One]:
        return self.random.sample(items, len(items))

    def manifest(self) -> str:
        self.step = self.random.randint(1, 6)
        self.dash = self.often(2)
        documents = [self.workload("web"), *self.random.sample(OTHERS, self.random.randrange(3))]
        documents += [self.workload("api")] if self.often(2) else []
        text = "---\n".join(self.shuffled(documents))
        head = self.one(["", "---\n", "# head\n\n", "%YAML 1.1\n---\n", "\ufeff", "\ufeff# head\n---\n"])
        text = head + text
        text = text if self.often(2) else text.rstrip("\n")
        return text.replace("\n", self.one(["\n", "\n", "\r\n", "\r"]))

    def kustomization(self) -> str:
        """With a patch of the workload as a literal text between two others."""
        self.step, self.dash = self.random.randint(1, 6), self.often(2)
        margin, header = " " * self.random.randint(3, 6), self.one(["|", "|-"])
        lines = self.workload("web").rstrip("\n").split("\n")
        text = f"- patch: {header}\n" + "".join(f"{margin}{line}\n" if line else "\n" for line in lines)
        before, after = ("- path: other.yaml\n" if self.often(2) else "" for _ in range(2))
        whole = f"kind: Kustomization\npatches:\n{before}{text}{after}"
        return whole.replace("\n", self.one(["\n", "\r\n"]))

    def workload(self, name: str) -> str:
        lines = [f"kind: Deployment{self.comment()}", "metadata:", *self.nested([f"name: {name}{self.comment()}"])]
        containers = [self.container(one) for one in self.shuffled(["app", "side", "third"])]
        items = [line for container in containers for line in self.item(container)]
        pod = ["restartPolicy: Always", f"containers:{self.comment()}", *(items if self.dash else self.nested(items))]
        lines += ["spec:", *self.nested(["replicas: 2", "template:", *self.nested(["spec:", *self.nested(pod)])])]
        return "\n".join(lines) + "\n"

    def item(self, container: list[str]) -> list[str]:
        gap = self.random.randint(1, 3)
        return [f"-{' ' * gap}{container[0]}", *(" " * (gap + 1) + line if line else "" for line in container[1:])]

    def container(self, name: str) -> list[str]:
        if not self.often(6):
            return [f"{{name: {name}, resources: {self.flow_resources()}}}{self.comment()}"]
        image = ["image: x:1", 'image: "x@sha256:0"', "image:\n  x", "ports: [{containerPort: 80}]"]
        env = ["env:", *self.nested(["- name: A", "  value: >-", "    text # not a comment"])]
        blocks = [self.one(image).split("\n"), env, self.resources()]
        blocks = [block for block in self.shuffled(blocks) if block and self.often(5)]
        blocks.insert(self.random.randint(0, len(blocks)), [f"name: {name}{self.comment()}"])
        return [line for block in blocks for line in (*block, *self.spacer())]

    def resources(self) -> list[str]:
        if not self.often(4):
            return [f"resources: {self.flow_resources()}{self.comment()}"]
        if not self.often(6):
            return [f"resources:{self.one(['', ' null', ' ~', ' {}'])}{self.comment()}"]
        sections = [section for name in ("limits", "requests") if (section := self.section(name))]
        lines = [line for section in self.shuffled(sections) for line in section]
        return [f"resources:{self.comment()}", *self.spacer(), *self.nested(lines)]

    def section(self, name: str) -> list[str]:
        shape = self.random.randrange(5)
        if shape == 0:
            return []
        if shape == 1:
            return [f"{name}: {self.flow()}{self.comment()}"]
        if shape == 2:
            return [f"{name}:{self.one(['', ' {}', ' null'])}{self.comment()}"]
        values = [f"{key}:{' ' * self.random.randint(1, 4)}{self.value()}{self.comment()}" for key in self.keys()]
        return [f"{name}:{self.comment()}", *self.spacer(), *self.nested(values)]

    def flow_resources(self) -> str:
        parts = [f"{name}: {self.flow()}" for name in ("requests", "limits") if self.often(2)]
        return "{" + ", ".join(parts) + "}"

    def flow(self) -> str:
        pad = self.one(["", " "])
        comma = self.one(["", ","])
        keys = [f"{key}: {self.value()}" for key in self.keys()]
        return f"{{{pad}{', '.join(keys)}{comma}{pad}}}"

    def keys(self) -> list[str]:
        return self.random.sample(["cpu", "memory", "nvidia.com/gpu"], self.random.randint(1, 3))

    def value(self) -> str:
        quote = self.one(QUOTES)
        return f"{quote}{self.one(QUANTITIES)}{quote}"

    def comment(self) -> str:
        return self.one(COMMENTS)

    def spacer(self) -> list[str]:
        return self.one([[], [], [], [""], ["# a line"]])

    def nested(self, lines: list[str]) -> list[str]:
        return [" " * self.step + line if line else "" for line in lines]


def load(text: str) -> list[Any]:
    """By another parser than the engine's. It refuses tabs that YAML allows between tokens."""
    return list(yaml.load_all(text.replace("\t#", " #"), Loader=yaml.CSafeLoader))


def container_of(loaded: list[Any]) -> dict[str, Any]:
    for one in loaded:
        if isinstance(one, dict) and one.get("kind") == "Deployment" and one["metadata"]["name"] == "web":
            return next(item for item in one["spec"]["template"]["spec"]["containers"] if item["name"] == "app")
    raise AssertionError("the generated manifest holds no container app of web")


def unwrapped(loaded: list[Any]) -> list[Any]:
    """The patches of a kustomization in the place of their texts."""
    for one in loaded:
        for patch in one["patches"] if isinstance(one, dict) and one.get("kind") == "Kustomization" else []:
            if "patch" in patch:
                patch["patch"] = load(patch["patch"])
    return loaded


def edit(author: Author, text: str, changes: dict[str, str], *, wrapped: bool) -> Edited:
    """By kind, name and container, or by the path to the same place."""
    target = {"kind": "Deployment", "name": "web"}
    if wrapped or author.often(3):
        return set_values(text, **target, container="app", changes=changes)
    base = "spec.template.spec.containers[name=app].resources"
    return set_paths(text, changes, **target, base=base)


def check(number: int) -> str:
    """One generated file, edited; how it ended."""
    author = Author(random.Random(number))
    wrapped = not author.often(4)
    text = author.kustomization() if wrapped else author.manifest()
    changes = {path: author.one(QUANTITIES) for path in author.random.sample(PATHS, author.random.randint(1, 3))}
    before = unwrapped(load(text))
    try:
        done = edit(author, text, changes, wrapped=wrapped)
    except Rejected as refusal:
        if any(reason in str(refusal) for reason in ALLOWED):
            return "refused"
        raise AssertionError(f"{number}: {refusal}\n{text}") from refusal
    after = unwrapped(load(done.text))
    holders = [
        next(patch["patch"] for patch in one[0]["patches"] if "patch" in patch) if wrapped else one
        for one in (before, after)
    ]
    expected, resources = container_of(holders[0]), container_of(holders[1])["resources"]
    for path, value in changes.items():
        section, resource = path.split(".", 1)
        assert parse(str(resources[section][resource]).replace("1000.0", "1000")) == parse(value), number
        change = copy.copy(expected.get("resources") or {})
        change[section] = {**(change.get(section) or {}), resource: resources[section][resource]}
        expected["resources"] = change
    assert after == before, f"{number}:\n{text}\n=>\n{done.text}"
    at = shift = 0
    for span in done.spans:
        assert done.text[at + shift : span.start + shift] == text[at : span.start], number
        at, shift = span.end, shift + len(span.text) - (span.end - span.start)
    assert done.text[at + shift :] == text[at:], number
    return "edited"


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(PARTS))
def test_only_the_intended_values_change(part: int) -> None:
    ended = Counter(check(number) for number in range(part, EXAMPLES, PARTS))
    assert ended["edited"] > 8 * ended["refused"], ended

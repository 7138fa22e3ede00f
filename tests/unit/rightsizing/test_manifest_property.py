"""Edits of generated manifests: the meaning changes as asked, the bytes outside the spans not at all.

FINOPS_EXAMPLES sets how many are tried (300; 10,000 have been run).
"""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from finops_ai.domain.errors import Rejected
from finops_ai.domain.quantity import parse
from finops_ai.rightsizing.manifest import set_values

EXAMPLES = int(os.environ.get("FINOPS_EXAMPLES", "300"))

quantities = st.sampled_from(["1", "250m", "0.5", "1e3", "1Gi", "1536Mi", "128974848", "2G", "0"])
comments = st.sampled_from(["", "", "", " # note", "   # ü: {x} 'y'", "  ", " # cpu: 1"])
quotes = st.sampled_from(["", "", "'", '"'])
paths = st.sampled_from(["requests.cpu", "requests.memory", "limits.cpu", "limits.memory", "limits.nvidia.com/gpu"])


@dataclass
class Author:
    """Draws the habits of one author, then writes a manifest by them."""

    draw: st.DrawFn

    def manifest(self) -> str:
        self.step = self.draw(st.integers(1, 6))
        self.dash = self.draw(st.booleans())
        documents = [self.workload("web")]
        others = st.sampled_from(
            [
                "kind: Service\nmetadata: {name: web}\n",
                "# nothing\n",
                "data:\n  x: |\n    \tcpu: 1\n",
                "- 1\n- a: &a 2\n- *a\n",
            ]
        )
        documents += self.draw(st.lists(others, max_size=2))
        documents += [self.workload("api")] if self.draw(st.booleans()) else []
        text = "---\n".join(self.draw(st.permutations(documents)))
        head = self.draw(
            st.sampled_from(["", "---\n", "# head\n\n", "%YAML 1.2\n---\n", "\ufeff", "\ufeff# head\n---\n"])
        )
        text = head + text
        text = text if self.draw(st.booleans()) else text.rstrip("\n")
        return text.replace("\n", self.draw(st.sampled_from(["\n", "\n", "\r\n", "\r"])))

    def workload(self, name: str) -> str:
        lines = [f"kind: Deployment{self.comment()}", "metadata:", *self.nested([f"name: {name}{self.comment()}"])]
        containers = [self.container(one) for one in self.draw(st.permutations(["app", "side", "third"]))]
        items = [line for container in containers for line in self.item(container)]
        pod = ["restartPolicy: Always", f"containers:{self.comment()}", *(items if self.dash else self.nested(items))]
        lines += ["spec:", *self.nested(["replicas: 2", "template:", *self.nested(["spec:", *self.nested(pod)])])]
        return "\n".join(lines) + "\n"

    def item(self, container: list[str]) -> list[str]:
        gap = self.draw(st.integers(1, 3))
        return [f"-{' ' * gap}{container[0]}", *(" " * (gap + 1) + line if line else "" for line in container[1:])]

    def container(self, name: str) -> list[str]:
        if self.draw(st.integers(0, 5)) == 0:
            return [f"{{name: {name}, resources: {self.flow_resources()}}}{self.comment()}"]
        image = st.sampled_from(["image: x:1", 'image: "x@sha256:0"', "image:\n  x", "ports: [{containerPort: 80}]"])
        env = ["env:", *self.nested(["- name: A", "  value: >-", "    text # not a comment"])]
        blocks = [self.draw(image).split("\n"), env, self.resources()]
        blocks = [block for block in self.draw(st.permutations(blocks)) if block and self.draw(st.integers(0, 4))]
        blocks.insert(self.draw(st.integers(0, len(blocks))), [f"name: {name}{self.comment()}"])
        return [line for block in blocks for line in (*block, *self.spacer())]

    def resources(self) -> list[str]:
        if self.draw(st.integers(0, 3)) == 0:
            return [f"resources: {self.flow_resources()}{self.comment()}"]
        if self.draw(st.integers(0, 5)) == 0:
            return [f"resources:{self.draw(st.sampled_from(['', ' null', ' ~', ' {}']))}{self.comment()}"]
        sections = [section for name in ("limits", "requests") if (section := self.section(name))]
        lines = [line for section in self.draw(st.permutations(sections)) for line in section]
        return [f"resources:{self.comment()}", *self.spacer(), *self.nested(lines)]

    def section(self, name: str) -> list[str]:
        shape = self.draw(st.integers(0, 4))
        if shape == 0:
            return []
        if shape == 1:
            return [f"{name}: {self.flow()}{self.comment()}"]
        if shape == 2:
            return [f"{name}:{self.draw(st.sampled_from(['', ' {}', ' null']))}{self.comment()}"]
        values = [f"{key}:{' ' * self.draw(st.integers(1, 4))}{self.value()}{self.comment()}" for key in self.keys()]
        return [f"{name}:{self.comment()}", *self.spacer(), *self.nested(values)]

    def flow_resources(self) -> str:
        parts = [f"{name}: {self.flow()}" for name in ("requests", "limits") if self.draw(st.booleans())]
        return "{" + ", ".join(parts) + "}"

    def flow(self) -> str:
        pad = self.draw(st.sampled_from(["", " "]))
        comma = self.draw(st.sampled_from(["", ","]))
        keys = [f"{key}: {self.value()}" for key in self.keys()]
        return f"{{{pad}{', '.join(keys)}{comma}{pad}}}"

    def keys(self) -> list[str]:
        return self.draw(st.lists(st.sampled_from(["cpu", "memory", "nvidia.com/gpu"]), min_size=1, unique=True))

    def value(self) -> str:
        quote = self.draw(quotes)
        return f"{quote}{self.draw(quantities)}{quote}"

    def comment(self) -> str:
        return self.draw(comments)

    def spacer(self) -> list[str]:
        return self.draw(st.sampled_from([[], [], [], [""], ["# a line"]]))

    def nested(self, lines: list[str]) -> list[str]:
        return [" " * self.step + line if line else "" for line in lines]


manifests = st.composite(lambda draw: Author(draw).manifest())()


def load(text: str) -> list[Any]:
    return list(YAML(typ="safe", pure=True).load_all(text))


def container_of(loaded: list[Any]) -> dict[str, Any]:
    for one in loaded:
        if isinstance(one, dict) and one.get("kind") == "Deployment" and one["metadata"]["name"] == "web":
            return next(item for item in one["spec"]["template"]["spec"]["containers"] if item["name"] == "app")
    raise AssertionError("the generated manifest holds no container app of web")


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(manifests, st.dictionaries(paths, quantities, min_size=1))
def test_only_the_intended_values_change(text: str, changes: dict[str, str]) -> None:
    expected = load(text)
    try:
        done = set_values(text, kind="Deployment", name="web", container="app", changes=changes)
    except Rejected as refusal:
        allowed = ("no line after which", "no value in a flow")
        if any(reason in str(refusal) for reason in allowed):
            event("refused")
            return
        raise
    event("edited")
    actual = load(done.text)
    resources = container_of(actual)["resources"]
    for path, value in changes.items():
        section, resource = path.split(".", 1)
        assert parse(str(resources[section][resource]).replace("1000.0", "1000")) == parse(value)
        change = copy.copy(container_of(expected).get("resources") or {})
        change[section] = {**(change.get(section) or {}), resource: resources[section][resource]}
        container_of(expected)["resources"] = change
    assert actual == expected
    rest, at = [], 0
    for span in done.spans:
        rest.append(text[at : span.start])
        at = span.end
    rest.append(text[at:])
    again = done.text
    for piece, span in zip(rest, [*done.spans, None], strict=True):
        assert again.startswith(piece)
        again = again[len(piece) + (len(span.text) if span else 0) :]
    assert again == ""

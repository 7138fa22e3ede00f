"""What is checked in: no addresses of registries, no paths of one machine, locks that agree, deployable files."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.house.tree import ROOT, text_files

ELSEWHERE = re.compile(
    r"pypi\.org|pythonhosted\.org|registry\.npmjs\.org|deb\.debian\.org|--(?:extra-)?index-url|--find-links"
    r"|/root/|/work/|/home/(?!dir)[a-z]+/|/Users/[a-z]+/",
)
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", re.MULTILINE)


def lock(name: str) -> set[tuple[str, str]]:
    return set(PIN.findall((ROOT / name).read_text("utf-8")))


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def test_nothing_points_at_one_machine_or_registry() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {hit[0]}"
        for path in text_files()
        if path.name != "test_tree.py" and (hit := ELSEWHERE.search(path.read_text("utf-8")))
    ]
    assert found == []


@pytest.mark.parametrize("text", ["see /root/x", "cd /work/main", "--extra-index-url x", "https://pypi.org/simple"])
def test_an_address_is_found(text: str) -> None:
    assert ELSEWHERE.search(text)


def test_every_dependency_is_pinned() -> None:
    wanted = {
        "requirements-runtime.lock": project()["project"]["dependencies"],
        "requirements.lock": project()["project"]["dependencies"] + project()["dependency-groups"]["dev"],
    }
    for name, requirements in wanted.items():
        pinned = {package for package, _ in lock(name)}
        names = {re.sub(r"[-_.]+", "-", re.split(r"[\[<>=~! ;]", text)[0]).lower() for text in requirements}
        assert names - pinned == set(), f"{name}: run `make lock`"


def test_the_image_runs_what_was_tested() -> None:
    assert lock("requirements-runtime.lock") <= lock("requirements.lock"), "run `make lock`"


def test_every_pin_has_hashes() -> None:
    for name in ("requirements.lock", "requirements-runtime.lock"):
        entries = re.split(r"^(?=\S)", (ROOT / name).read_text("utf-8"), flags=re.MULTILINE)
        assert [entry for entry in entries if PIN.match(entry) and "--hash=sha256:" not in entry] == []


def test_compose_needs_a_password_and_runs_without_root() -> None:
    compose = YAML(typ="safe").load(ROOT / "docker-compose.yml")
    assert set(compose["services"]) == {"database", "migrate", "scheduler", "web"}
    for name, service in compose["services"].items():
        environment = service["environment"]
        secrets = [value for key, value in environment.items() if key.endswith("PASSWORD")]
        assert all(value.startswith("${FINOPS_DB_PASSWORD:?") for value in secrets), name
        assert "privileged" not in service, name
        # What is published is published to this machine: a proxy with TLS stands before it.
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name
    for name in ("migrate", "scheduler", "web"):
        service = compose["services"][name]
        assert service["user"] == "10001:10001"
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "@" in service["environment"]["FINOPS_DATABASE_URL"]
        assert ":" not in service["environment"]["FINOPS_DATABASE_URL"].partition("://")[2].partition("@")[0]
    assert {"database", "scheduler", "web"} == {
        name for name, service in compose["services"].items() if "healthcheck" in service
    }
    named = {volume.partition(":")[0] for service in compose["services"].values() for volume in service["volumes"]}
    assert {name for name in named if not name.startswith(".")} == set(compose["volumes"])


def test_the_image_copies_what_exists_and_is_not_ignored() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    copied = re.findall(r"^COPY (?!--)(\S+) ", dockerfile, re.MULTILINE)
    assert set(copied) == allowed
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert re.search(r"^USER 10001:10001$", dockerfile, re.MULTILINE)

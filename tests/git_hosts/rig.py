"""A Git host of each vendor with its repository, and the forge that talks to it."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from finops_ai.forges.base import Forge
from finops_ai.world.http import Http
from finops_ai.world.secrets import Secrets
from finops_ai.world.world import World
from tests.git_hosts.repository import Repository
from tests.git_hosts.server import Vendor, serving
from tests.git_hosts.state import State

TOKEN = "canary-7f3e9d1b5a-secret"
APP_ID = 77
VENDORS = ("github", "gitlab", "gitea")


@dataclass
class Patient:
    """The machine's clock, moved by hand; nobody sleeps."""

    ahead: timedelta = timedelta()
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@dataclass
class Rig:
    vendor: Vendor
    url: str
    environ: dict[str, str]
    clock: Patient = field(default_factory=Patient)

    @property
    def state(self) -> State:
        return self.vendor.state

    @property
    def repository(self) -> Repository:
        return self.state.repository

    @property
    def settings(self) -> dict[str, Any]:
        """As in a configuration file."""
        told: dict[str, Any] = {
            "name": "host",
            "kind": self.vendor.name,
            "repository": self.repository.name,
            "url": self.url,
            "open_at_once": None,
            "per_hour": None,
            "write_pause_seconds": 0,
        }
        if self.vendor.name == "github":
            told["api"] = self.url
        if "APP_KEY" in self.environ:
            return {**told, "app": {"id": APP_ID, "key": {"env": "APP_KEY"}}}
        return {**told, "token": {"env": "TOKEN"}}

    def forge(self, **changed: Any) -> Forge:
        secrets = Secrets(self.environ)
        world = World(clock=self.clock, http=Http(secrets, self.clock), objects=cast(Any, None), secrets=secrets)
        module = importlib.import_module(f"finops_ai.forges.{self.vendor.name}")
        made: Forge = module.make(module.Settings(**{**self.settings, **changed}), world)
        return made


@contextmanager
def host(vendor: str, built: Path, folder: Path, name: str = "acme/infra") -> Iterator[Rig]:
    """A running host on a copy of the built repository."""
    shutil.copytree(built, folder, dirs_exist_ok=True)
    repository = Repository(root=folder, name=name, token=TOKEN)
    repository.git("remote", "set-url", "origin", str(repository.bare))
    state = State(repository=repository)
    environ = {"TOKEN": TOKEN}
    # Imported here, so that the processes that are killed start fast.
    from tests.git_hosts import gitea_host, github_host, gitlab_host

    made: Any
    if vendor == "github app":
        private, public = _keys()
        environ = {"APP_KEY": private}
        made = github_host.GitHubHost(state, public)
    else:
        hosts = {"gitea": gitea_host.GiteaHost, "github": github_host.GitHubHost, "gitlab": gitlab_host.GitLabHost}
        made = hosts[vendor](state)
    with serving(made) as url:
        yield Rig(vendor=made, url=url, environ=environ)


_MADE: list[tuple[str, str]] = []


def _keys() -> tuple[str, str]:
    if not _MADE:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa

        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        _MADE.append((private.decode(), public.decode()))
    return _MADE[0]

"""Who the program is on GitHub: a token, or an App whose signed claim is traded for a token of one hour."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict

from finops_ai.domain.errors import ConfigError
from finops_ai.forges.client import Client, instant
from finops_ai.world.secrets import SecretRef
from finops_ai.world.world import World

CLAIM = timedelta(minutes=9)
CLOCKS_DIFFER = timedelta(seconds=60)
RENEW_BEFORE = timedelta(minutes=5)
HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}


class App(BaseModel):
    """`id` is the App's client id or number, `key` its private key (PEM); `installation` is found when not given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str | int
    key: SecretRef
    installation: int | None = None


class Token:
    """A token as it is: fine-grained or classic, of a person or a machine account."""

    def __init__(self, world: World, reference: SecretRef) -> None:
        self._secrets = world.secrets
        self._reference = reference

    def token(self) -> str:
        return self._secrets.get(self._reference).get_secret_value()

    def login_name(self, client: Client) -> str:
        return str(client.get("/user")["login"])


class Installation:
    """An App on one repository. Its tokens are asked for with the least rights, and only for this repository."""

    def __init__(self, world: World, api: str, repository: str, app: App) -> None:
        self._clock, self._secrets = world.clock, world.secrets
        self._app = app
        self._repository = repository
        remedy = "the App's id and private key must belong together, and it must be installed on the repository"
        self._client = Client(world, api, self._headers, remedy=remedy, pause_seconds=0)
        self._known: tuple[str, datetime] | None = None

    def token(self) -> str:
        """A token that still lives for some minutes."""
        now = self._clock.now()
        if self._known is None or now >= self._known[1] - RENEW_BEFORE:
            number = self._app.installation or int(self._client.get(f"/repos/{self._repository}/installation")["id"])
            wanted = {
                "repositories": [self._repository.split("/")[1]],
                "permissions": {"contents": "write", "pull_requests": "write", "issues": "write", "metadata": "read"},
            }
            answer = self._client.send("POST", f"/app/installations/{number}/access_tokens", wanted)
            token = self._secrets.learn(str(answer["token"])).get_secret_value()
            self._known = token, instant(answer["expires_at"]) or now + timedelta(minutes=50)
        return self._known[0]

    def login_name(self, _: Client) -> str:
        return f"{self._client.get('/app')['slug']}[bot]"

    def _headers(self) -> dict[str, str]:
        return {**HEADERS, "Authorization": f"Bearer {self._claim()}"}

    def _claim(self) -> str:
        """A JWT that proves that we hold the App's key. Raises ConfigError when that is no RSA key."""
        import jwt

        now = self._clock.now()
        claims: dict[str, Any] = {
            "iat": int((now - CLOCKS_DIFFER).timestamp()),
            "exp": int((now + CLAIM).timestamp()),
            "iss": str(self._app.id),
        }
        key = self._secrets.get(self._app.key).get_secret_value()
        try:
            return self._secrets.learn(jwt.encode(claims, key, algorithm="RS256")).get_secret_value()
        except (ValueError, TypeError, jwt.PyJWTError):
            raise ConfigError(f"{self._app.key}: not the private RSA key (PEM) of an App") from None


def identity(world: World, api: str, repository: str, token: SecretRef | None, app: App | None) -> Token | Installation:
    """Whichever is configured. Raises ConfigError when neither is."""
    if app is not None:
        return Installation(world, api, repository, app)
    if token is None:
        raise ConfigError("name either token or app: who opens the pull requests")
    return Token(world, token)


def bearer(token: Callable[[], str]) -> Callable[[], dict[str, str]]:
    return lambda: {**HEADERS, "Authorization": f"Bearer {token()}"}

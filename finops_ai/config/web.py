"""How the web server is reached, who may answer through it, and whose webhooks it believes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from finops_ai.world.secrets import SecretRef


def _several(value: Any) -> Any:
    """One secret alone is a list of one."""
    return value if value is None or isinstance(value, list | tuple) else [value]


SecretRefs = Annotated[
    tuple[SecretRef, ...], BeforeValidator(_several, json_schema_input_type=SecretRef | list[SecretRef])
]
"""The first signs, all are believed: put the new secret before the old one, and drop that when links have expired."""


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ApiToken(Section):
    """A bearer token and who speaks by it; one that is read_only gives no feedback."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    token: SecretRef
    read_only: bool = False


class Hook(Section):
    """A host of Git that tells us by webhook when a pull request moved, and the secret that it signs with."""

    kind: Literal["gitea", "github", "gitlab"]
    secret: Annotated[SecretRefs, Field(min_length=1)]


class Web(Section):
    """`public_url` is what links in messages begin with; they are signed with `secret` and good for `link_days`.

    Without `tokens` the API answers nobody but, with `open_reads`, whoever can reach it and only reads.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    public_url: Annotated[str, Field(pattern=r"^https?://[^\s?#@]+$")] | None = None
    secret: SecretRefs = ()
    link_days: Annotated[int, Field(ge=1, le=90)] = 14
    tokens: tuple[ApiToken, ...] = ()
    open_reads: bool = False
    webhooks: tuple[Hook, ...] = ()

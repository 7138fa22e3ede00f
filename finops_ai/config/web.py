"""What the configuration may say of the web server: where it listens, who may ask, and how answers are signed."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from finops_ai.world.secrets import SecretRef


def _address(url: str) -> str:
    if not url.startswith(("https://", "http://")) or any(char in url for char in " ?#"):
        raise PydanticCustomError("wrong", "write the address that people reach: https://finops.example.com")
    return url.rstrip("/")


class Caller(BaseModel):
    """Somebody who may ask the API: sends `Authorization: Bearer <token>`; `may_write` also gives answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1)]
    token: SecretRef
    may_write: bool = False


class Web(BaseModel):
    """`finops-ai serve`. Without `callers` the API answers nobody; links in messages need `public_url` and `secrets`.

    `secrets` sign the links; the first signs, the others are still accepted, so that one can be retired.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    public_url: Annotated[str, AfterValidator(_address)] | None = None
    secrets: tuple[SecretRef, ...] = ()
    answer_days: Annotated[int, Field(ge=1, le=90)] = 14
    callers: tuple[Caller, ...] = ()

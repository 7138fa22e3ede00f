"""What Google's clients share: whom to call as whom, and their errors told with the remedy."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from finops_ai.domain.errors import Unavailable
from finops_ai.world.log import printable
from finops_ai.world.secrets import Secrets

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
RETRY_SECONDS = 10.0
"""Google's libraries would go on trying for minutes; the next run tries again anyway."""

SHOWN = 300

_SIGN_IN = (
    "no Google credentials: set GOOGLE_APPLICATION_CREDENTIALS to a key file, "
    "run `gcloud auth application-default login`, or run where a service account is attached"
)


def client_arguments(endpoint_url: str | None, emulator_variable: str) -> dict[str, Any]:
    """Arguments of a client of Google's libraries: application default credentials, none over plain HTTP.

    Without `endpoint_url` the emulator that the environment variable names is called, else Google.
    """
    from google.auth.credentials import AnonymousCredentials

    endpoint = endpoint_url or os.environ.get(emulator_variable)
    arguments: dict[str, Any] = {}
    if endpoint:
        arguments["client_options"] = {"api_endpoint": endpoint if "://" in endpoint else f"http://{endpoint}"}
    if endpoint and not endpoint.startswith("https://"):
        arguments |= {"credentials": AnonymousCredentials(), "project": "emulated"}  # type: ignore[no-untyped-call]
    return arguments


@contextmanager
def google_errors(what: str, remedies: Mapping[int, str], secrets: Secrets) -> Iterator[None]:
    """Turns what Google's libraries raise into Unavailable; `remedies` by HTTP status."""
    from google.api_core.exceptions import GoogleAPICallError, RetryError
    from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
    from requests.exceptions import RequestException

    def shown(error: Exception) -> str:
        return printable(secrets.redact(str(error)), SHOWN)

    try:
        yield
    except GoogleAPICallError as error:
        remedy = remedies.get(int(error.code or 0))
        said = printable(secrets.redact(str(error.message)), SHOWN)
        raise Unavailable(f"{what}: {remedy} ({said})" if remedy else f"{what}: {said}") from None
    except DefaultCredentialsError:
        raise Unavailable(f"{what}: {_SIGN_IN}") from None
    except GoogleAuthError as error:
        raise Unavailable(f"{what}: Google refused the credentials: {shown(error)}") from None
    except (RetryError, RequestException, OSError) as error:
        raise Unavailable(f"{what}: {shown(error)}") from None

"""Links by which a message may be answered: signed, for one verdict on one episode, for some days."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from finops_ai.config.web import Web
from finops_ai.domain.episode import FeedbackVerdict
from finops_ai.domain.signature import Permission, permission, token
from finops_ai.world.secrets import Secrets


def answer_links(web: Web, secrets: Secrets, episode_key: str, as_of: datetime) -> Mapping[str, str]:
    """URL by verdict; none where `public_url` or `secrets` are not configured.

    The same episode, verdict and day give the same links, so that a message made again is the same message.
    Raises ConfigError when a secret is named and cannot be had.
    """
    if web.public_url is None or not web.secrets:
        return {}
    secret = secrets.get(web.secrets[0]).get_secret_value()
    midnight = as_of.replace(hour=0, minute=0, second=0, microsecond=0)
    expires = midnight + timedelta(days=web.answer_days + 1)
    return {
        verdict.value: f"{web.public_url}/answer/{token(made, secret)}"
        for verdict in FeedbackVerdict
        for made in [Permission(episode=episode_key, verdict=verdict, expires=expires)]
    }


def permitted(web: Web, secrets: Secrets, text: str, now: datetime) -> Permission:
    """What the token `text` permits. Raises Rejected, also where no secret is configured."""
    return permission(text, [secrets.get(one).get_secret_value() for one in web.secrets], now)

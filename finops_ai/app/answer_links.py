"""The signed links by which a message's reader answers its episode."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time, timedelta

from finops_ai.config import Config
from finops_ai.domain.episode import FeedbackVerdict
from finops_ai.domain.errors import ConfigError
from finops_ai.domain.signature import Answer, token
from finops_ai.world.secrets import Secrets


def answer_links(config: Config, secrets: Secrets, as_of: datetime) -> Callable[[str], Mapping[str, str]]:
    """Episode key to an address for each answer; to none where web.public_url or web.secret is not set.

    The same `as_of` day gives the same links, so that a job that runs again says the same once. A secret that cannot
    be read costs a message its links, never the message.
    """
    told = config.web
    if not told.public_url or not told.secret:
        return lambda _: {}
    try:
        secret = secrets.get(told.secret[0]).get_secret_value()
    except ConfigError as error:
        import structlog  # loads much, for a word that is seldom said

        structlog.get_logger().warning("messages go out without links to answer", error=str(error))
        return lambda _: {}
    base = told.public_url.rstrip("/")
    today = datetime.combine(as_of.astimezone(UTC).date(), time(), UTC)
    expires = today + timedelta(days=told.link_days + 1)

    def links(episode_key: str) -> Mapping[str, str]:
        return {
            verdict.value: f"{base}/answer/"
            + token(secret, Answer(episode_key=episode_key, verdict=verdict, expires_at=expires))
            for verdict in FeedbackVerdict
        }

    return links

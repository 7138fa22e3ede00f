"""Mail: one thread for an episode, text and HTML alike, with its chart inside."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from finops_ai.domain.message import Delivered, Message, Receipt
from finops_ai.sinks.mail_chart import chart_png
from finops_ai.sinks.mail_page import mail_page
from finops_ai.sinks.pages import Act, PerMinute, act_of, message_id, severity_of
from finops_ai.world.mail import PORTS, MailServer, Security
from finops_ai.world.secrets import SecretRef
from finops_ai.world.world import World

URGENT = frozenset({"critical", "error"})
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def _address(text: str) -> str:
    """The plain address. No display name: it would be one more place for somebody else's text."""
    try:
        plain = Address(addr_spec=text)
    except (ValueError, LookupError):
        plain = Address()
    if not plain.domain or not text.isascii() or not text.isprintable():
        raise PydanticCustomError("wrong", "{text}", {"text": f"{text!r} is not an address: write name@example.com"})
    return text


MailAddress = Annotated[str, AfterValidator(_address)]


class Settings(BaseModel):
    """The server that takes mail: `security` starttls (587), tls (465) or none (25); `ca_file` for a private CA.

    A password is told over TLS only. `list_id` names the list for filters; the sender's domain is its default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["email"]
    name: str
    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    security: Security = "starttls"
    username: str | None = None
    password: SecretRef | None = None
    ca_file: Path | None = None
    sender: MailAddress
    to: Annotated[tuple[MailAddress, ...], Field(min_length=1)]
    list_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]+$")] | None = None
    timeout_seconds: float = Field(default=30.0, gt=0, le=120)
    per_minute: PerMinute = None

    @model_validator(mode="after")
    def _careful(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise PydanticCustomError("wrong", "username and password go together")
        if self.password is not None and self.security == "none" and self.host not in LOOPBACK:
            raise PydanticCustomError("wrong", "a password is not told without TLS: set security to starttls or tls")
        return self


class Email:
    """Mail takes no key, but a repeat has the same Message-ID, by which most mailboxes keep one of the two."""

    keyed = False

    def __init__(self, settings: Settings, world: World) -> None:
        self.name = settings.name
        self.per_minute = settings.per_minute
        self._settings = settings
        self._world = world

    def send(self, message: Message, before: Delivered | None = None) -> Receipt:
        now = self._world.clock.now()
        mail = self._mail(message, before)
        mail["Date"] = format_datetime(now)
        settings = self._settings
        handed = self._world.mail.hand_over(
            self._server(), settings.sender, settings.to, mail.as_bytes(policy=SMTP.clone(max_line_length=200))
        )
        remote_id = mail["Message-ID"] + "".join(f"; {one} refused: {why}" for one, why in handed.refused.items())
        return Receipt(key=message.key, sent_at=now, remote_id=remote_id, certain=False)

    def _server(self) -> MailServer:
        settings, secrets = self._settings, self._world.secrets
        return MailServer(
            host=settings.host,
            port=settings.port or PORTS[settings.security],
            security=settings.security,
            username=settings.username,
            password=secrets.get(settings.password).get_secret_value() if settings.password else None,
            ca_file=settings.ca_file,
            timeout_seconds=settings.timeout_seconds,
        )

    def _mail(self, message: Message, before: Delivered | None) -> EmailMessage:
        """The whole mail but its date; the first one of a key is what all later ones refer to."""
        domain = self._settings.sender.rpartition("@")[2]
        root = f"<finops.{_digest(self.name, message.key)}@{domain}>"
        picture = _chart(message)
        cid = f"chart.{_digest(self.name, message_id(message))}@{domain}"
        page = mail_page(message, chart_cid=cid if picture else "")
        mail = EmailMessage(policy=SMTP)
        mail["From"] = Address(display_name="finops-ai", addr_spec=self._settings.sender)
        mail["To"] = [Address(addr_spec=one) for one in self._settings.to]
        mail["Subject"] = page.subject if before is None else f"Re: {page.subject}"
        mail["Message-ID"] = root if before is None else f"<finops.{_digest(root, message_id(message))}@{domain}>"
        if before is not None:
            mail["In-Reply-To"] = mail["References"] = root
        mail["List-Id"] = f"finops-ai <{self._settings.list_id or f'finops-ai.{domain}'}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Auto-Response-Suppress"] = "All"
        if act_of(message) is Act.OPEN and severity_of(message.body) in URGENT:
            mail["Importance"], mail["X-Priority"] = "high", "1"
        mail.set_content(page.text)
        mail.add_alternative(page.html, subtype="html")
        if picture:
            mail.get_payload()[1].add_related(  # type: ignore[union-attr, index]
                picture, "image", "png", cid=f"<{cid}>", filename="chart.png", disposition="inline"
            )
        return mail


def _chart(message: Message) -> bytes | None:
    """None where there is nothing to draw; a chart that cannot be drawn does not hold the page back."""
    chart = message.body.get("chart")
    if not chart:
        return None
    with suppress(ValueError, TypeError, LookupError, ArithmeticError):
        return chart_png(chart, message.body.get("opened_on"), str(message.body.get("currency") or ""))
    return None


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def make(settings: Settings, world: World) -> Email:
    return Email(settings, world)

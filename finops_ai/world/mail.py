"""The only SMTP client: deadlines, verified TLS before a password is told, and errors sorted by who can help."""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from finops_ai.domain.errors import ConfigError, Rejected, Unavailable
from finops_ai.world.log import printable

Security = Literal["starttls", "tls", "none"]
PORTS: Mapping[Security, int] = {"starttls": 587, "tls": 465, "none": 25}
SHOWN = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where mail is handed over. `ca_file` holds the certificates to trust beside the machine's own.

    `timeout_seconds` bounds the connecting and, once more, the session.
    """

    host: str
    port: int
    security: Security = "starttls"
    username: str | None = None
    password: str | None = None
    ca_file: Path | None = None
    timeout_seconds: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """What the server said of the recipients that it refused for good, by address."""

    refused: Mapping[str, str]


class Mail:
    """Hands mail to a server; one connection each."""

    def hand_over(self, server: MailServer, sender: str, recipients: Sequence[str], content: bytes) -> Handed:
        """The server's taking of it for at least one recipient.

        Raises Unavailable for connections, 4xx answers and full time-outs (`unsure` when the whole mail was sent and
        no answer came), Rejected for 5xx answers.
        """
        where = f"{server.host}:{server.port}"
        try:
            with _session(server) as session:
                return _deliver(session, where, sender, recipients, content)
        except smtplib.SMTPResponseException as error:
            raise _answered(where, "the session", error.smtp_code, error.smtp_error) from None
        except smtplib.SMTPException as error:
            raise Unavailable(f"{where}: {_shown(error)}") from None
        except ssl.SSLCertVerificationError as error:
            raise Unavailable(f"{where}: its certificate is not trusted: {error.verify_message}; see ca_file") from None
        except OSError as error:
            raise Unavailable(f"{where}: {_shown(error)}") from None


@contextmanager
def _session(server: MailServer) -> Iterator[smtplib.SMTP]:
    context = ssl.create_default_context()
    if server.ca_file is not None:
        try:
            context.load_verify_locations(server.ca_file)
        except OSError as error:
            raise ConfigError(f"ca_file {server.ca_file}: {error.strerror or error}") from None
    if server.security == "tls":
        session: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, server.port, timeout=server.timeout_seconds, context=context
        )
    else:
        session = smtplib.SMTP(server.host, server.port, timeout=server.timeout_seconds)
    cut = threading.Timer(server.timeout_seconds, _cut, args=(session,))
    cut.daemon = True
    cut.start()
    try:
        if server.security == "starttls":
            try:
                session.starttls(context=context)
            except smtplib.SMTPNotSupportedError:
                raise Rejected(
                    f"{server.host}:{server.port} offers no STARTTLS: nothing was sent; see security"
                ) from None
        if server.username is not None and server.password is not None:
            session.login(server.username, server.password)
        yield session
    finally:
        cut.cancel()
        # Not quit(): the mail is taken or not by now, and a goodbye that fails would say otherwise.
        session.close()


def _cut(session: smtplib.SMTP) -> None:
    """A peer that sends a byte now and then never meets a read time-out."""
    if session.sock is not None:
        with suppress(OSError):
            # Not SSLSocket.shutdown, which takes the TLS state away under the reading thread.
            socket.socket.shutdown(session.sock, socket.SHUT_RDWR)


def _deliver(session: smtplib.SMTP, where: str, sender: str, recipients: Sequence[str], content: bytes) -> Handed:
    session.ehlo_or_helo_if_needed()
    options = [f"size={len(content)}"] if session.has_extn("size") else []
    code, text = session.mail(sender, options)
    if code >= 300:
        raise _answered(where, f"the sender {sender}", code, text)
    refused: dict[str, str] = {}
    for one in recipients:
        code, text = session.rcpt(one)
        if 400 <= code < 500:
            # All of them later: telling some now would tell them twice then.
            raise _answered(where, f"the recipient {one}", code, text)
        if code >= 300:
            refused[one] = f"{code} {_text(text)}"
    if len(refused) == len(recipients):
        raise Rejected(f"{where} refused every recipient: {'; '.join(f'{one}: {why}' for one, why in refused.items())}")
    try:
        code, text = session.data(content)
    except (smtplib.SMTPServerDisconnected, OSError) as error:
        raise Unavailable(f"{where}: no answer to the mail: {_shown(error)}", unsure=True) from None
    if code >= 300:
        raise _answered(where, "the mail", code, text)
    return Handed(refused=refused)


def _answered(where: str, what: str, code: int, text: bytes | str) -> Rejected | Unavailable:
    said = f"{where} on {what}: {code} {_text(text)}"
    return Rejected(said) if 500 <= code < 600 else Unavailable(said)


def _text(text: bytes | str) -> str:
    plain = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return printable(" ".join(plain.split()), SHOWN)


def _shown(error: Exception) -> str:
    return printable(str(error) or type(error).__name__, SHOWN)

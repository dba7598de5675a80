"""E-mail, by the user's SMTP server. The messages about one request are one conversation."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from email.message import EmailMessage

from tray.surfaces.channels.channel import (
    ChannelContext,
    ChannelError,
    ChannelKind,
    ChannelMessage,
    ChannelSetupError,
    Limits,
    Press,
)

TIMEOUT = 10.0  # s for each step
PORTS = {"starttls": 587, "tls": 465, "none": 25}  # by the option `security`


class Email:
    """One address."""

    limits = Limits(text=10_000)

    def __init__(self, context: ChannelContext) -> None:
        options = context.options
        self._security = str(options.get("security", "starttls"))
        if self._security not in PORTS:
            raise ChannelSetupError('security is "starttls", "tls" or "none"')
        self._host, self._to = str(options["host"]), str(options["to"])
        port = options.get("port", PORTS[self._security])
        if not isinstance(port, int) or not 0 < port < 65536:
            raise ChannelSetupError("port is a number up to 65535")
        self._port = port
        self._username, self._password = str(options.get("username", "")), str(options.get("password", ""))
        self._from = str(options.get("from") or self._username or self._to)
        if not all("@" in address and address.isprintable() for address in (self._to, self._from)):
            raise ChannelSetupError("to, and from if username is no address, are e-mail addresses")

    async def check(self) -> str:
        """Log in."""
        await asyncio.to_thread(self._deliver, None)
        return ""

    async def send(self, message: ChannelMessage) -> str:
        """Send an e-mail."""
        return await self._mail(message, message.id, "")

    async def replace(self, reference: str, message: ChannelMessage) -> str:
        """Send another e-mail of the same conversation."""
        return await self._mail(message, f"{message.id}.changed", reference)

    async def finish(self, reference: str, message: ChannelMessage) -> None:
        """Say in the conversation how it ended."""
        await self._mail(message, f"{message.id}.ended", reference)

    async def _mail(self, message: ChannelMessage, identity: str, reference: str) -> str:
        """Send an e-mail. Each has an identity of its own: servers drop one that they know already."""
        mail = EmailMessage()
        mail["Subject"] = f"Re: {message.title}" if reference else message.title
        mail["From"], mail["To"] = self._from, self._to
        mail["Message-ID"] = f"<{identity}@{self._from.rpartition('@')[2]}>"
        mail["Auto-Submitted"] = "auto-generated"  # no automatic replies (RFC 3834)
        if reference:
            mail["In-Reply-To"] = mail["References"] = reference
        mail.set_content(message.outcome or message.text or message.title)
        await asyncio.to_thread(self._deliver, mail)
        return reference or str(mail["Message-ID"])

    def _deliver(self, mail: EmailMessage | None) -> None:
        """Log in, and send the e-mail if there is one. Blocks. Raises ChannelError."""
        context = ssl.create_default_context()
        try:
            if self._security == "tls":
                connection: smtplib.SMTP = smtplib.SMTP_SSL(self._host, self._port, timeout=TIMEOUT, context=context)
            else:
                connection = smtplib.SMTP(self._host, self._port, timeout=TIMEOUT)
            with connection:
                if self._security == "starttls":
                    connection.starttls(context=context)
                if self._username:
                    connection.login(self._username, self._password)
                if mail is not None:
                    connection.send_message(mail)
        except smtplib.SMTPServerDisconnected as error:
            raise ChannelError("the connection was lost") from error
        except smtplib.SMTPRecipientsRefused as error:
            code, reason = next(iter(error.recipients.values()))
            raise _refused(code, reason) from error
        except smtplib.SMTPResponseException as error:
            raise _refused(error.smtp_code, error.smtp_error) from error
        except smtplib.SMTPException as error:
            raise ChannelError(str(error)[:200] or type(error).__name__, is_refused=True) from error
        except (OSError, ValueError) as error:
            raise ChannelError(str(error) or type(error).__name__) from error

    async def listen(self, press: Press) -> None:  # mail is not read
        """Return: there are no answers."""


def _refused(code: int, reason: bytes | str) -> ChannelError:
    text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else reason
    return ChannelError(f"{code} {text}"[:200], is_refused=code >= 500)  # RFC 5321: 4xx is temporary


CHANNEL = ChannelKind(
    "E-mail",
    Email,
    needed=("host", "to"),
    optional=("port", "security", "username", "password", "from"),
    secrets=("password",),
)

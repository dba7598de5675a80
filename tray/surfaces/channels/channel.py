"""What every channel has: the messages that it sends, and the interface that its module implements."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple, Protocol

import aiohttp
import msgspec

from tray.core.alerts import Reason
from tray.core.answer_codes import CodedAnswer
from tray.core.errors import UserError

SEND_TIMEOUT = 60.0  # s for a message, with all its calls
Press = Callable[["Pressed"], Coroutine[Any, Any, str]]  # gives an answer, and returns the text for the user


class ChannelError(Exception):
    """A service did not take a message. The text says why, without secrets."""

    def __init__(
        self,
        text: str,
        *,
        status: int = 0,
        retry_after: float = 0.0,
        is_permanent: bool = False,
        is_refused: bool = False,
    ) -> None:
        """`status` is that of HTTP, 0: there is none. `retry_after` is in seconds, 0: the service does not say.

        `is_permanent`: this message will never be taken. `is_refused`: nothing will be taken until the user has
        corrected something, such as a token.
        """
        super().__init__(text)
        self.status = status
        self.retry_after = retry_after
        self.is_permanent = is_permanent
        self.is_refused = is_refused


class ChannelSetupError(UserError):
    """The settings of a channel are not complete. The text says what to do."""


class ChannelMessage(msgspec.Struct, frozen=True):
    """One message about a session. All texts are plain, and cleaned of control characters."""

    session: str  # ID
    id: str  # the same for each attempt to send it, and after a restart
    reason: Reason
    title: str
    text: str = ""
    answers: tuple[CodedAnswer, ...] = ()
    text_code: str = ""  # for an answer in the user's own words; "": there is none
    outcome: str = ""  # how it ended; "": it waits for the user, or nothing has to be done

    @property
    def body(self) -> str:
        """The text with the outcome."""
        return "\n".join(part for part in (self.text, self.outcome) if part)


class Pressed(NamedTuple):
    """An answer that came back through a channel."""

    by: str  # who gave it, as the service names them
    code: str = ""  # of a button; "": it is a text
    text: str = ""  # in the user's own words, ...
    reference: str = ""  # ... in reply to this message


class Limits(NamedTuple):
    """What a message of a channel can contain."""

    text: int  # in units of `measure`
    buttons: int = 0  # 0: no answers
    label: int = 60  # characters on a button
    measure: Callable[[str], int] = len


class ChannelContext(NamedTuple):
    """What a channel is given."""

    name: str
    options: Mapping[str, Any]
    http: aiohttp.ClientSession
    remember: Callable[[str, str], None]  # keeps a value of the channel over a restart
    recall: Callable[[str], str]  # returns such a value, or ""
    listening: Callable[[], None]  # called whenever the service can tell of answers
    ended: Callable[[], None]  # called when the service says that the receiver takes no more messages


class Channel(Protocol):
    """One service. Its queue calls `send`, `replace` and `finish` one after another; each may raise ChannelError."""

    limits: Limits

    async def send(self, message: ChannelMessage) -> str:
        """Send a message that makes the user look. Return what finds it again, or ""."""

    async def replace(self, reference: str, message: ChannelMessage) -> str:
        """Show another text in a message, if that is possible. Return what finds it from now on, or ""."""

    async def finish(self, reference: str, message: ChannelMessage) -> None:
        """Say in a message how it ended, without making the user look, if that is possible."""

    async def listen(self, press: Press) -> None:
        """Pass on answers until cancelled; return at once if the service has none. May raise ChannelError."""

    async def check(self) -> str:
        """Check the access without sending a message, and return what was found, such as the name of the bot."""


class Pairing(NamedTuple):
    """What the user has to do so that a channel knows whom it talks to."""

    instruction: str
    code: str


class PairedChannel(Channel, Protocol):
    """A channel that has to find out whom it talks to."""

    def pair(self) -> Pairing:
        """Begin a pairing, which replaces one that was begun before."""


class ChannelKind(NamedTuple):
    """A kind of channel."""

    title: str
    make: Callable[[ChannelContext], Channel]  # may raise ChannelSetupError
    needed: tuple[str, ...] = ()  # options
    optional: tuple[str, ...] = ()
    internal: tuple[str, ...] = ()  # options that only the tray gives
    secrets: tuple[str, ...] = ()  # options that may be given as NAME_env, the variable that contains the value

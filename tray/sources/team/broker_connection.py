"""One connection to an MQTT 5 broker, opened again whenever it is lost."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple, Protocol

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from tray.core.team import MAX_PAYLOAD
from tray.core.team_settings import Broker
from tray.system.backoff import Backoff
from tray.system.tasks import run_all

log = logging.getLogger(__name__)

FIRST_RETRY, MAX_RETRY = 0.5, 2.0  # s between attempts, doubled each time and shortened at random by up to half
CONNECT_TIMEOUT = 4.0  # s
CALL_TIMEOUT = 4.0  # s for the broker to confirm
KEEP_ALIVE = 2  # s; a broker takes a client for lost after one and a half times as long (MQTT 5, 3.1.2.10)
GOODBYE_TIMEOUT = 0.5  # s
AT_MOST_ONCE, AT_LEAST_ONCE = 0, 1  # qualities of service
MAX_PACKET = MAX_PAYLOAD + 1024  # bytes, with the topic; MQTT itself allows 256 MB, which the library would collect
FIRST_REFUSAL = 0x80  # of the reason codes (MQTT 5, 2.4)


class Message(NamedTuple):
    """What is published."""

    topic: str
    payload: bytes
    is_retained: bool = False
    is_confirmed: bool = True  # by the broker; else it may be lost


class Member(Protocol):
    """What uses the connection. All methods are called on the loop's thread."""

    @property
    def topics(self) -> Sequence[str]:
        """The topics to subscribe to."""

    def begin(self) -> Message:
        """Begin a new connection; return its last will."""

    def goodbye(self) -> Message:
        """Return what is published before the connection is closed."""

    async def work(self) -> None:
        """Publish, from the moment at which the topics are subscribed, until it is cancelled."""

    def receive(self, topic: str, payload: bytes) -> None:
        """Take what another one has published."""

    def lose(self) -> None:
        """Note that the connection was lost."""

    def report_problem(self, text: str) -> None:
        """Show why there is no connection; "": there is one."""


class NotConnectedError(Exception):
    """There is no connection to the broker, or it was lost."""


class BrokerConnection:
    """Lives on the event loop's thread."""

    def __init__(self, broker: Broker, password: str, identifier: str, member: Member) -> None:
        """`password` "": none. `identifier` is unique at the broker."""
        self._broker = broker
        self._password = password
        self._identifier = identifier
        self._member = member
        self._client: aiomqtt.Client | None = None
        self._is_ending = False

    async def publish(self, message: Message) -> None:
        """Publish, and wait until the broker has confirmed it, unless it needs not. Raises NotConnectedError."""
        if self._client is None:
            raise NotConnectedError("there is no connection to the broker")
        try:
            quality = AT_LEAST_ONCE if message.is_confirmed else AT_MOST_ONCE
            await self._client.publish(message.topic, message.payload, quality, message.is_retained)
        except aiomqtt.MqttError as error:
            raise NotConnectedError(f"the connection to the broker was lost: {error}") from error

    async def run(self) -> None:
        """Keep a connection until this is cancelled; then say goodbye, within GOODBYE_TIMEOUT."""
        backoff = Backoff(FIRST_RETRY, MAX_RETRY, jitter=0.5)
        tls = await asyncio.to_thread(ssl.create_default_context) if self._broker.is_encrypted else None
        while not self._is_ending:
            try:
                await self._reach(tls)
                await self._serve(tls, backoff)
            except (OSError, UnicodeError, aiomqtt.MqttError, NotConnectedError) as error:
                self._report("it does not answer" if isinstance(error, TimeoutError) else str(error))
            except Exception:  # the next attempt may succeed
                log.exception("the connection to the broker has failed")
                self._report("see the log")
            if not self._is_ending:
                await asyncio.sleep(backoff.next_delay())

    def end(self) -> None:
        """Do not connect again. To be called before `run` is cancelled: an error can replace its CancelledError."""
        self._is_ending = True

    def _report(self, reason: str) -> None:
        self._member.report_problem(f"no connection to the broker {self._broker.address}: {reason}")

    async def _reach(self, tls: ssl.SSLContext | None) -> None:
        """Connect and disconnect: aiomqtt connects in a thread, which nothing can end before its time is over.

        Raises OSError, TimeoutError.
        """
        async with asyncio.timeout(CONNECT_TIMEOUT):
            _, writer = await asyncio.open_connection(self._broker.host, self._broker.port, ssl=tls)
        writer.transport.abort()  # to close it could take as long as the broker wants

    async def _serve(self, tls: ssl.SSLContext | None, backoff: Backoff) -> None:
        will = self._member.begin()
        client = aiomqtt.Client(
            self._broker.host,
            self._broker.port,
            username=self._broker.username or None,
            password=self._password or None,
            identifier=self._identifier,
            protocol=aiomqtt.ProtocolVersion.V5,
            will=aiomqtt.Will(will.topic, will.payload, AT_LEAST_ONCE, will.is_retained),
            keepalive=KEEP_ALIVE,
            timeout=CALL_TIMEOUT,
            tls_context=tls,
            properties=_connect_properties(),
            queue_type=_direct_queue(self._take),
        )
        async with client:
            self._client = client
            try:
                await self._subscribe(client)
                backoff.reset()
                self._member.report_problem("")
                await run_all((self._receive(client), self._member.work()))
            except asyncio.CancelledError:
                await self._say_goodbye()
                raise
            finally:
                self._client = None
                self._member.lose()

    async def _subscribe(self, client: aiomqtt.Client) -> None:
        """Subscribe to all topics. Raises aiomqtt.MqttError, NotConnectedError."""
        options = SubscribeOptions(AT_LEAST_ONCE, noLocal=True)
        topics = [(topic, options) for topic in self._member.topics]
        for code in await client.subscribe(topics):
            if getattr(code, "value", code) >= FIRST_REFUSAL:
                raise NotConnectedError("it does not let this user subscribe to the topics of the team")

    async def _receive(self, client: aiomqtt.Client) -> None:
        """Wait until the connection is lost. Raises aiomqtt.MqttError."""
        async for _ in client.messages:
            pass  # they have been taken when they came

    def _take(self, message: aiomqtt.Message) -> None:
        if isinstance(message.payload, bytes):
            self._member.receive(message.topic.value, message.payload)

    async def _say_goodbye(self) -> None:
        with suppress(NotConnectedError, TimeoutError):
            async with asyncio.timeout(GOODBYE_TIMEOUT):
                await self.publish(self._member.goodbye())


def _connect_properties() -> Properties:
    """Return what is sent to the broker at the start: it keeps larger packets of other members from this one."""
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.MaximumPacketSize = MAX_PACKET
    return properties


def _direct_queue(take: Callable[[aiomqtt.Message], None]) -> type[asyncio.Queue[aiomqtt.Message]]:
    """Return a queue that hands each message over at once: aiomqtt's own way needs a task for each of them."""

    class DirectQueue(asyncio.Queue[aiomqtt.Message]):
        def put_nowait(self, item: aiomqtt.Message) -> None:
            take(item)

    return DirectQueue

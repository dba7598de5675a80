"""This tray as a member of a team: publishes what it shares, shows what others share, and carries answers both ways."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from tray.core.events import Change, SourceEvent
from tray.core.fleet import Fleet
from tray.core.source_calls import CallError, CallErrorKind
from tray.core.team import ASK, PRESENCE, RESULT, SHARED, AnswerWanted, Ask, Presence, Result, Topic, topic_of
from tray.core.team_publication import Publication
from tray.core.team_settings import Broker, TrustedTray
from tray.sources.team.answers import AnswersFromHere, AnswersOfOthers, Execute
from tray.sources.team.broker_connection import BrokerConnection, Message
from tray.sources.team.outbox import Outbox
from tray.sources.team.publisher import Publisher
from tray.sources.team.sealing import Sealer, UnsealError, decode
from tray.sources.team.subscriber import Subscriber
from tray.system.tasks import TaskSet, run_all

log = logging.getLogger(__name__)

STOP_TIMEOUT = 1.5  # s
MAX_UNREADABLE = 100  # trays whose payloads cannot be opened

CONNECTION, KEY = "connection", "key"  # what a problem can be about


class TeamOptions(NamedTuple):
    """A team, and this tray in it."""

    team: str
    broker: Broker
    password: str  # for the broker; "": none
    team_key: bytes
    private_key: bytes  # of this tray
    started: int  # larger after each start
    name: str  # of this tray, USER@HOST
    publishes: bool
    watches: bool  # whether it shows what others publish
    trusted: tuple[TrustedTray, ...]  # trays that may answer the requests of this one


class TeamSource:
    """Lives on the event loop's thread."""

    def __init__(
        self,
        options: TeamOptions,
        fleet: Fleet,
        report: Callable[[SourceEvent], None],
        execute: Execute,
        now: Callable[[], int],
        problem: Callable[[str, str], None],
    ) -> None:
        """`execute` executes the answers of others; `problem` shows a text about a topic, or "" for none."""
        self._options = options
        self._problem = problem
        self._sealer = Sealer(options.team_key, options.private_key)
        identifier = f"opencode-tray-{self._sealer.id}"
        self._connection = BrokerConnection(options.broker, options.password, identifier, self)
        self._outbox = Outbox(options.team, self._sealer, self._connection.publish)
        shared = fleet if options.publishes else Fleet()
        self._publisher = Publisher(Publication(shared, options.started), self._outbox, has_beat=options.publishes)
        self._subscriber = Subscriber(self._sealer.key, self._outbox, report)
        self._asked = AnswersOfOthers(shared, self._outbox, options.trusted, execute, now)
        self._sent = AnswersFromHere(fleet, self._outbox, self._sealer.box, now)
        self._tasks = TaskSet()
        self._connections = 0
        self._unreadable: set[str] = set()

    def start(self) -> None:
        """Connect, and stay connected."""
        self._tasks.spawn(self._connection.run(), "team")

    async def stop(self) -> None:
        """Say goodbye and disconnect, within STOP_TIMEOUT, and show nothing of the team any more."""
        self._connection.end()
        self._tasks.cancel_all()
        await self._tasks.wait(STOP_TIMEOUT)
        self._subscriber.forget()
        self._problem(CONNECTION, "")
        self._problem(KEY, "")

    def note(self, changes: Sequence[Change]) -> None:
        """Note what has changed in the fleet."""
        if self._options.publishes:
            self._publisher.note(changes)

    async def call(self, server_id: str, method: str, params: Mapping[str, Any]) -> Any:
        """Send an answer to the tray that publishes this server (a `SourceCall`). Raises CallError."""
        tray = self._subscriber.tray(server_id.split("/")[1])
        if tray is None:
            raise CallError("its tray is not known any more", CallErrorKind.GONE)
        await self._sent.send(tray, server_id, method, params)
        return {}

    # ------------------------------------------------------------------ used by the connection

    @property
    def topics(self) -> Sequence[str]:
        """The topics of all trays, and those on which others publish for this one."""
        team, own = self._options.team, self._sealer.id
        others = [str(Topic(team, "+", kind)) for kind in SHARED] if self._options.watches else []
        return [*others, str(Topic(team, own, ASK)), str(Topic(team, own, RESULT))]

    def begin(self) -> Message:
        """Begin a new connection; return its last will."""
        self._connections += 1
        return self._presence(is_online=False)

    def goodbye(self) -> Message:
        """Return what is published before the connection is closed."""
        return self._presence(is_online=False, said_goodbye=True)

    async def work(self) -> None:
        """Publish until it is cancelled. Raises NotConnectedError."""
        await self._connection.publish(self._presence(is_online=True))
        await run_all((self._publisher.work(self._connections), self._subscriber.work()))

    def receive(self, topic: str, payload: bytes) -> None:
        """Take what another tray has published. What cannot be opened has no effect, and is a problem.

        An empty payload removes a retained message.
        """
        found = topic_of(topic)
        if not payload or found is None or (found.tray == self._sealer.id and found.kind in SHARED):
            return
        try:
            self._take(found, payload)
        except UnsealError as error:
            log.debug("a message on %s has no effect: %s", topic, error)
            if len(self._unreadable) < MAX_UNREADABLE:
                self._unreadable.add(found.tray)
            count = len(self._unreadable)
            self._problem(KEY, f"messages of {count} in the team cannot be opened (another team key or version?)")
        except Exception:  # one message must not end the connection
            log.exception("cannot handle a message on %s", topic)

    def lose(self) -> None:
        """Show the other trays as disconnected."""
        self._sent.lose()
        self._subscriber.lose()

    def report_problem(self, text: str) -> None:
        """Show why there is no connection."""
        self._problem(CONNECTION, text)

    # ------------------------------------------------------------------ messages

    def _take(self, topic: Topic, payload: bytes) -> None:
        opened = self._sealer.open(topic, payload)
        if topic.kind == RESULT:
            self._sent.receive(decode(opened.record, Result), opened.sender)
        elif topic.kind != ASK:
            self._subscriber.receive(topic, opened)
        elif isinstance(ask := decode(opened.record, Ask), AnswerWanted):
            self._tasks.spawn(self._asked.answer(ask, opened.sender), "answer of another tray")
        else:
            self._publisher.want_snapshot()

    def _presence(self, *, is_online: bool, said_goodbye: bool = False) -> Message:
        options = self._options
        presence = Presence(options.started, self._connections, is_online, said_goodbye)
        if is_online:
            trusted = tuple(tray.key for tray in options.trusted)
            presence = replace(presence, name=options.name, box=self._sealer.box, answers=trusted)
        return self._outbox.message(PRESENCE, presence, is_retained=True)
